"""A node's signature over the answer to many verifications: what was asked, what was said, as of which block.

The node that holds the details says whether check codes fit, and nobody else can know: so this proves who said it and that
neither question nor answer was changed since, not that it was true. The signing key's record lies under the state root of a
block that a quorum signed. Its digests cover check codes, which are short: whoever has all of a list but one code could
find that one by trying, so a manifest goes with its list and nowhere else.

The check, in its order:
 1 form, ledger, validators   as of a bill's proof (`proof.py`)
 2 key                        the organisation's, for its unit's signatures, in force at the newest block in the file
 3 signature                  over number, questions, results, block and time
 4 trust, age                 if they are asked for
"""

from __future__ import annotations

from collections.abc import Iterable

from chain import keyspace
from chain.certified import Checking, CurrentRecord, SetChange
from chain.codec import Count, Digest, Height, Milliseconds, Name, Signature, Wire, decode
from chain.digest import VERIFICATION, VERIFICATION_RESULTS, VERIFICATION_ROWS, digest
from chain.errors import BadSignature, ProofMismatch
from chain.records import UNIT, KeyBody
from chain.signature import ED25519, SigningKey, verify_signature
from chain.transaction import key_id
from chain.verdict import Checkpoint, Wanted

VERIFICATION_MANIFEST = 5  # the kind of file


class Question(Wire, frozen=True):
    """A row as it was asked; date and total are empty where they were not sent."""

    bill_id: str
    check_code: str
    business_date: str
    total_fen: list[int]


class Result(Wire, frozen=True):
    """What was said of it; empty where there is nothing to say."""

    verdict: str
    status: str
    reversed_by: str
    reverses: str


class Statement(Wire, frozen=True):
    """What is signed."""

    chain_id: Digest
    organisation: Name
    rows: Count
    questions: Digest
    results: Digest
    height: Height  # the head when the first row was looked at: each answer is of this block or a later one
    time_ms: Milliseconds  # of that block

    def digest(self) -> bytes:
        return digest(VERIFICATION, self)


class VerificationManifest(Wire, frozen=True):
    kind: Count
    set_changes: list[SetChange]
    statement: Statement
    key: CurrentRecord
    signature: Signature


def questions_digest(questions: Iterable[Question]) -> bytes:
    return digest(VERIFICATION_ROWS, list(questions))


def results_digest(results: Iterable[Result]) -> bytes:
    return digest(VERIFICATION_RESULTS, list(results))


def sign_statement(
    statement: Statement, key: SigningKey, record: CurrentRecord, set_changes: list[SetChange]
) -> VerificationManifest:
    return VerificationManifest(VERIFICATION_MANIFEST, set_changes, statement, record, key.sign(statement.digest()))


class ManifestChecking(Checking):
    def run(self, wanted: Wanted) -> Checkpoint:
        manifest = self.form(VerificationManifest, VERIFICATION_MANIFEST, "a manifest of verifications")
        statement, header = manifest.statement, manifest.key.header
        self.ledger(header)
        self.step("validators", lambda: self.walk(manifest.set_changes))
        self.step("key", lambda: self._key(manifest))
        self.step("signature", lambda: self._signature(manifest))
        if wanted.at_height is not None or wanted.at_ms is not None:
            self.step("in force", lambda: _as_of(statement, wanted))
        names = {entry.id: entry.name for entry in self.genesis.organisations}
        self.facts.update(
            organisation=statement.organisation,
            organisation_name=names.get(statement.organisation, ""),
            rows=statement.rows,
            questions=statement.questions.hex(),
            results=statement.results.hex(),
            answered_as_of={"height": statement.height, "time_ms": statement.time_ms},
        )
        headers = [header, *(change.header for change in manifest.set_changes)]
        return self.finish(headers, header, header, wanted)

    def _key(self, manifest: VerificationManifest) -> str:
        current, organisation = manifest.key, manifest.statement.organisation
        body = decode(current.record.body, KeyBody)
        name = key_id(body.public)
        said = self.record(keyspace.key(organisation, name), current)
        if body.purpose != UNIT or body.suite != ED25519:
            raise BadSignature("not a key for its unit's signatures")
        if not body.from_height <= current.header.height < body.until_height:
            raise BadSignature("the key was not in force")
        return f"{organisation}, key {name.hex()[:16]}; {said}"

    def _signature(self, manifest: VerificationManifest) -> str:
        statement = manifest.statement
        if statement.chain_id != self.chain_id:
            raise ProofMismatch("a statement for another ledger")
        body = decode(manifest.key.record.body, KeyBody)
        verify_signature(body.public, statement.digest(), manifest.signature)
        return f"{statement.rows} rows as of block {statement.height}"


def _as_of(statement: Statement, wanted: Wanted) -> str:
    if (wanted.at_height, wanted.at_ms) not in ((statement.height, None), (None, statement.time_ms)):
        raise ProofMismatch(f"it speaks as of block {statement.height}, and of no other")
    return f"as of block {statement.height}"
