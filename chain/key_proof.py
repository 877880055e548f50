"""A file that proves whose key it is, what for, and from which block until which it signs, as of a final header.

Whoever signs something outside the ledger puts it into the file that he signs, so that it can be checked with genesis alone also
when genesis does not name the key.

The check, in its order:
 1 form, ledger, validators   as of a bill's proof (`proof.py`)
 2 key                        its record under the state root of the newest block in the file
 3 trust, age                 if they are asked for
"""

from __future__ import annotations

from chain import keyspace
from chain.certified import Checking, CurrentRecord, SetChange
from chain.codec import Count, Name, Wire, decode
from chain.errors import ProofRefused
from chain.records import SEAL, UNIT, VOTE, KeyBody
from chain.transaction import key_id
from chain.verdict import Checkpoint, Wanted

KEY_PROOF = 10  # kinds of files that prove something: `proof_kinds.py` has the others
PURPOSES = {UNIT: "unit", SEAL: "seal", VOTE: "vote"}


class KeyProof(Wire, frozen=True):
    kind: Count
    set_changes: list[SetChange]
    organisation: Name
    key: CurrentRecord


class KeyChecking(Checking):
    def run(self, wanted: Wanted) -> Checkpoint:
        proof = self.form(KeyProof, KEY_PROOF, "a key's record")
        header = proof.key.header
        self.ledger(header)
        self.step("validators", lambda: self.walk(proof.set_changes))
        self.step("key", lambda: self._key(proof))
        if wanted.at_height is not None or wanted.at_ms is not None:
            self.step("in force", _no_moment)
        headers = [header, *(change.header for change in proof.set_changes)]
        return self.finish(headers, header, header, wanted)

    def _key(self, proof: KeyProof) -> str:
        body = decode(proof.key.record.body, KeyBody)
        name, height = key_id(body.public), proof.key.header.height
        said = self.record(keyspace.key(proof.organisation, name), proof.key)
        self.facts.update(
            organisation=proof.organisation,
            key_id=name.hex(),
            purpose=PURPOSES.get(body.purpose, str(body.purpose)),
            public=body.public.hex(),
            from_height=body.from_height,
            until_height=body.until_height,
            in_force=body.from_height <= height < body.until_height,
        )
        return f"{proof.organisation}, key {name.hex()[:16]}; {said}"


def _no_moment() -> str:
    raise ProofRefused("it tells itself from which block until which the key signs")
