"""What the ledger said at an earlier moment: a former version of a record, led from by the current one.

A record's old versions lie under state roots whose trees nobody keeps. But each version names the digest of the one before,
so the current one, which lies under the newest root, commits to all of them: the file holds the version that was in
force and every later one, and whoever changes a byte of any breaks the chain. Since when it was in force and until when,
the heights in the versions say, and the headers of those blocks tell the times.

The check, in its order:
 1 form, ledger, validators   as of a bill's proof (`proof.py`)
 2 current record             under the state root of the newest block in the file
 3 versions                   each is the former of the next one, down to the one that was in force
 4 made by                    the operation that made it, signed and recorded in the block that it names
 5 followed by                the header of the block that made the next version
 6 bill                       what the version says
 7 in force                   at the height or moment that is asked for
 8 trust, age                 if they are asked for
"""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Any

import msgspec

from chain import keyspace
from chain.block import Header
from chain.certified import Checking, CurrentRecord, SetChange, headers_of
from chain.codec import BillId, Count, Wire, decode
from chain.errors import ProofMismatch
from chain.proof import VALIDITY_NAMES, iso_day
from chain.recorded import Recorded
from chain.records import COVERED, SEAL, UNIT, BillBody, Record
from chain.validators import Certificate
from chain.verdict import Checkpoint, Wanted

VERSION_PROOF = 3  # the kind of file
VERSIONS_MAX = 10_000


class FinalHeader(Wire, frozen=True):
    header: Header
    certificate: Certificate


class RecordVersion(Wire, frozen=True):
    """A record as some block left it."""

    versions: Annotated[list[Record], msgspec.Meta(max_length=VERSIONS_MAX)]
    # the one in force, then each later one but the current; empty where the current one was in force already
    current: CurrentRecord

    def in_force(self) -> Record:
        return self.versions[0] if self.versions else self.current.record

    def until(self) -> int | None:
        """Height of the block that made the next version; None where there is none."""
        later = [*self.versions[1:], self.current.record]
        return later[0].height if self.versions else None


class VersionProof(Wire, frozen=True):
    """A bill's record as it stood at an earlier moment."""

    kind: Count
    set_changes: list[SetChange]
    bill: BillId
    record: RecordVersion
    made_by: Recorded  # the operation that made the version, the last one where several of a block did
    followed_by: list[FinalHeader]  # of the block that made the next version: one, or none


def verify_versions(version: RecordVersion) -> str:
    """Check that each version is the former of the next one. Raises ProofMismatch."""
    chain = [*version.versions, version.current.record]
    for former, later in pairwise(chain):
        if later.former != former.digest():
            raise ProofMismatch(f"version {later.version} names another one before it")
        if (later.version, later.origin) != (former.version + 1, former.origin) or later.height <= former.height:
            raise ProofMismatch(f"version {later.version} does not follow")
    if version.current.record.height > version.current.header.height:
        raise ProofMismatch("the current version is newer than its block")
    return f"version {version.in_force().version} of {version.current.record.version}, each named by the next"


class VersionChecking(Checking):
    def run(self, wanted: Wanted) -> Checkpoint:
        proof = self.form(VersionProof, VERSION_PROOF, "a record's version")
        current = proof.record.current
        self.ledger(current.header)
        self.step("validators", lambda: self.walk(proof.set_changes))
        self.step("current record", lambda: self.record(keyspace.bill(proof.bill), current))
        self.step("versions", lambda: verify_versions(proof.record))
        self.step("made by", lambda: self._made_by(proof))
        self.step("followed by", lambda: self._followed_by(proof))
        self.step("bill", lambda: self._bill(proof))
        self._in_force(proof, wanted)
        headers = [*headers_of(proof.made_by), *(change.header for change in proof.set_changes), current.header]
        headers += [entry.header for entry in proof.followed_by]
        return self.finish(headers, current.header, current.header, wanted)

    def _made_by(self, proof: VersionProof) -> str:
        version, recorded = proof.record.in_force(), proof.made_by
        said = self.operation(recorded, UNIT, SEAL)
        if (recorded.outcome.operation, recorded.header.height) != (version.operation, version.height):
            raise ProofMismatch("another operation made this version")
        return said

    def _followed_by(self, proof: VersionProof) -> str:
        until = proof.record.until()
        if until is None:
            if proof.followed_by:
                raise ProofMismatch("nothing follows the current version")
            return f"nothing, as of block {proof.record.current.header.height}"
        if [entry.header.height for entry in proof.followed_by] != [until]:
            raise ProofMismatch(f"the header of block {until} is missing")
        return self.block(proof.followed_by[0].header, proof.followed_by[0].certificate)

    def _bill(self, proof: VersionProof) -> str:
        version = proof.record.in_force()
        body, operation = decode(version.body, BillBody), proof.made_by
        followed = proof.followed_by[0].header if proof.followed_by else None
        self.facts.update(bill_facts(proof.bill, body))
        self.facts.update(
            version=version.version,
            operation=version.operation.hex(),
            type=type(operation.entry.operation).__name__,
            organisation=operation.head.organisation,
            in_force={
                "from_height": version.height,
                "from_ms": operation.header.time_ms,
                "until_height": followed.height if followed else None,
                "until_ms": followed.time_ms if followed else None,
            },
        )
        return f"{proof.bill}, {self.facts['status']}, {body.total_fen} fen, {body.issuer}"

    def _in_force(self, proof: VersionProof, wanted: Wanted) -> None:
        newest, since = proof.record.current.header, self.facts["in_force"]
        if wanted.at_height is not None:
            at = wanted.at_height
            last = proof.record.until()
            self.step("in force", lambda: verify_span(at, proof.record.in_force().height, last, newest.height))
        elif wanted.at_ms is not None:
            at = wanted.at_ms
            if proof.followed_by or at <= newest.time_ms:
                self.step("in force", lambda: _verify_moment(at, since["from_ms"], since["until_ms"]))
            else:
                self.step("in force", lambda: _verify_moment(at, since["from_ms"], None))
                self.missing("until then", f"the newest block in this file, {newest.height}, is older than that moment")


def verify_span(at: int, since: int, until: int | None, newest: int) -> str:
    """Check that a version was in force at a height. Raises ProofMismatch."""
    last = newest if until is None else until - 1
    if not since <= at <= last:
        raise ProofMismatch(f"in force from block {since} to {last}, as far as this file knows; not at {at}")
    return f"at block {at}: it was from block {since} to {last}"


def _verify_moment(at_ms: int, since_ms: int, until_ms: int | None) -> str:
    if at_ms < since_ms:
        raise ProofMismatch("it was made after that moment")
    if until_ms is not None and at_ms >= until_ms:
        raise ProofMismatch("the next version was in force by that moment")
    return "at that moment: it was made before, and the next one after" if until_ms is not None else "made before"


def bill_facts(bill: str, body: BillBody) -> dict[str, Any]:
    """What a version of a bill's record says, in the words of the API."""
    facts: dict[str, Any] = {
        "bill_id": bill,
        "issuer": body.issuer,
        "place_code": body.place,
        "business_date": iso_day(body.business_date),
        "total_fen": body.total_fen,
        "height": body.height,
        "status": VALIDITY_NAMES.get(body.validity, str(body.validity)),
    }
    if body.related:
        facts["related"] = body.related[0]
    if body.seal != COVERED:
        facts["seal_withheld"] = body.withheld
    return facts
