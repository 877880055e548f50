"""The checks that every proof is made of: who votes, from genesis on; blocks, operations and records under them.

Needs the genesis file alone, no network and no trust in any server. What a kind of file adds is in `proof.py`,
`operation_proof.py`, `record_version.py` and `claim_evidence.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import TypeVar

from chain.block import RECORDED, Header
from chain.codec import Count, Digest, Wire, decode, encode
from chain.errors import CertificateRefused, ProofMismatch, ProofRefused
from chain.genesis import Genesis
from chain.merkle import verify_inclusion
from chain.recorded import Recorded, verify_entry, verify_outcome, verify_signed
from chain.records import Record, state_leaf
from chain.state import genesis_change
from chain.validators import COMMIT, Certificate, ValidatorSet, verify_certificate
from chain.verdict import CheckFailed, Checkpoint, Steps, Verdict, Wanted

FileKind = TypeVar("FileKind", bound=Wire)


class CurrentRecord(Wire, frozen=True):
    """A record as it stands under a final header."""

    place: Count
    record: Record
    path: list[Digest]
    header: Header
    certificate: Certificate


class SetChange(Wire, frozen=True):
    """The last header of one validator set, which names the next one."""

    header: Header
    certificate: Certificate
    members: ValidatorSet


class Checking(Steps):
    """A file that is being checked. `walk` comes first: it says who votes."""

    def __init__(self, data: bytes, genesis: Genesis) -> None:
        super().__init__()
        self.data, self.genesis = data, genesis
        self.chain_id = genesis.digest()
        self.sets = [genesis.validator_set()]

    def verdict(self, wanted: Wanted) -> Verdict:
        """Never raises for any bytes."""
        try:
            newest = self.run(wanted)
        except CheckFailed:
            return Verdict(False, self.checks, {}, None)
        return Verdict(True, self.checks, self.facts, newest)

    def run(self, wanted: Wanted) -> Checkpoint:
        """Make all checks of this kind of file; the newest header that it proves. Raises CheckFailed."""
        raise NotImplementedError

    # ── what every file begins and ends with ─────────────────────────────────────────────────────────────────────────

    def form(self, kind: type[FileKind], version: int, what: str) -> FileKind:
        """The file as a struct. Its first value says which kind it is."""
        found: list[FileKind] = []

        def read() -> str:
            file = decode(self.data, kind)
            said = getattr(file, file.__struct_fields__[0])
            if said != version:
                raise ProofRefused(f"version {said}, this program knows {version}")
            found.append(file)
            return f"canonical bytes of {what}"

        self.step("form", read)
        return found[0]

    def ledger(self, header: Header) -> None:
        def compare() -> str:
            if header.chain_id != self.chain_id:
                raise ProofMismatch(f"of ledger {header.chain_id.hex()[:16]}, not {self.chain_id.hex()[:16]}")
            return f"{self.genesis.name}, {self.chain_id.hex()[:16]}"

        self.step("ledger", compare)

    def finish(
        self, headers: Sequence[Header | None], newest: Header, current: Header | None, wanted: Wanted
    ) -> Checkpoint:
        """Trust and age, if they are asked for. `headers` are all of the file; `current` is that of a current record."""
        known = {point.height: point.digest for point in wanted.trusted if point.chain_id == self.chain_id.hex()}

        def trust() -> str:
            for header in filter(None, headers):
                if known.get(header.height, header.digest().hex()) != header.digest().hex():
                    raise ProofMismatch(f"two different blocks {header.height}: the ledger forked, keep both files")
            return f"agrees with {len(known)} checkpoints kept earlier"

        def age() -> str:
            if current is None:
                raise ProofRefused("stale: the file holds no current record")
            old_ms, most_ms = (wanted.now_ms or 0) - current.time_ms, wanted.max_age_ms or 0
            if old_ms > most_ms:
                raise ProofRefused(f"stale: {old_ms // 1000} s old, at most {most_ms // 1000} s are asked for")
            return f"{max(old_ms, 0) // 1000} s old"

        if wanted.trusted:
            self.step("trust", trust)
        if wanted.max_age_ms is not None:
            self.step("age", age)
        self.facts["as_of"] = {"height": newest.height, "time_ms": newest.time_ms}
        return Checkpoint(self.chain_id.hex(), newest.height, newest.digest().hex())

    # ── who votes ────────────────────────────────────────────────────────────────────────────────────────────────────

    def walk(self, set_changes: Iterable[SetChange]) -> str:
        """From the genesis set on, each change of the set certified by the set before."""
        for change in set_changes:
            if change.members.epoch != change.header.height + 1:
                raise ProofMismatch("a set that begins at another height than its header says")
            self.block(change.header, change.certificate)
            if change.header.next_validators != change.members.digest():
                raise ProofMismatch("the header names another set")
            if change.members.epoch <= self.sets[-1].epoch:
                raise ProofMismatch("sets out of order")
            self.sets.append(change.members)
        current = self.sets[-1]
        said = f"{current.n} members, a quorum is {current.quorum}, {len(self.sets) - 1} changes since genesis"
        walked = [_step_of(former, later) for former, later in pairwise(self.sets)]
        return ": ".join([said, "; ".join(walked)]) if walked else said

    def _set_at(self, height: int) -> ValidatorSet:
        return next(members for members in reversed(self.sets) if members.epoch <= height)

    # ── blocks, operations, records ──────────────────────────────────────────────────────────────────────────────────

    def block(self, header: Header, certificate: Certificate) -> str:
        """A quorum of the set in force signed the header."""
        if header.height < 1:
            raise CertificateRefused("genesis has no certificate")
        if header.chain_id != self.chain_id:
            raise ProofMismatch("a header of another ledger")
        members = self._set_at(header.height)
        if header.validators != members.digest():
            raise ProofMismatch(f"block {header.height} names another validator set")
        verify_certificate(certificate, members, COMMIT, self.chain_id, header.height, header.digest())
        names = ", ".join(members.members[entry.seat].organisation for entry in certificate.signatures)
        return f"block {header.height}, signed by {names}"

    def outcome(self, recorded: Recorded) -> str:
        verify_outcome(recorded)
        return f"{RECORDED} in block {recorded.header.height}"

    def transaction(self, recorded: Recorded) -> str:
        verify_entry(recorded)
        head = recorded.head
        return f"operation {recorded.index + 1} of {head.operations_count} of {head.organisation}"

    def signature(self, recorded: Recorded, *purposes: int) -> str:
        """By a key of the organisation, for one of `purposes`, that was in force."""
        head = recorded.head
        if head.chain_id != self.chain_id:
            raise ProofMismatch("a transaction for another ledger")
        root, count = self._parent_state(recorded)
        verify_signed(
            head, recorded.suite, recorded.signature, recorded.key, purposes, recorded.header.height, root, count
        )
        return f"{head.organisation}, key {head.key_id.hex()[:16]}"

    def operation(self, recorded: Recorded, *purposes: int) -> str:
        """All four in one step."""
        self.block(recorded.header, recorded.certificate)
        self.outcome(recorded)
        self.transaction(recorded)
        self.signature(recorded, *purposes)
        return f"{type(recorded.entry.operation).__name__} of {recorded.head.organisation} in block {recorded.header.height}"

    def record(self, key: bytes, current: CurrentRecord) -> str:
        """It lies under the state root of a block that a quorum signed."""
        header = current.header
        said = self.block(header, current.certificate)
        leaf = state_leaf(key, encode(current.record))
        verify_inclusion(leaf, current.place, header.state_count, current.path, header.state_root)
        return said

    def _parent_state(self, recorded: Recorded) -> tuple[bytes, int]:
        parent, header = recorded.parent, recorded.header
        if header.height == 1:
            if parent is not None:
                raise ProofMismatch("block 1 follows genesis, which has no header")
            change = genesis_change(self.genesis)
            return change.root, change.count
        if parent is None or parent.digest() != header.parent:
            raise ProofMismatch("the header before is missing or another")
        return parent.state_root, parent.state_count


def headers_of(recorded: Recorded) -> list[Header | None]:
    return [recorded.header, recorded.parent]


def _step_of(former: ValidatorSet, later: ValidatorSet) -> str:
    """What a change of set did, in words: who came, who left, who votes with another key."""
    before = {member.organisation: member.key for member in former.members}
    after = {member.organisation: member.key for member in later.members}
    parts = {
        "with": [name for name in after if name not in before],
        "without": [name for name in before if name not in after],
        "a new key of": [name for name in after if name in before and before[name] != after[name]],
    }
    words = [f"{word} {', '.join(names)}" for word, names in parts.items() if names]
    return f"from block {later.epoch} {' and '.join(words) or 'the same members'}"
