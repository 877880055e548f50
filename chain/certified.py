"""Which blocks are final, for whoever has the genesis file and nothing else: from its validator set on, each change of the
set certified by the set before, and a quorum of the set in force under every header."""

from __future__ import annotations

from itertools import pairwise

from chain.block import Header
from chain.codec import Wire
from chain.errors import CertificateRefused, ProofMismatch
from chain.genesis import Genesis
from chain.validators import COMMIT, Certificate, ValidatorSet, verify_certificate


class SetChange(Wire, frozen=True):
    """The last header of one validator set, which names the next one."""

    header: Header
    certificate: Certificate
    members: ValidatorSet


class CertifiedBlocks:
    """First `follow` what leads away from genesis, then `verify` header by header."""

    def __init__(self, genesis: Genesis) -> None:
        self.chain_id = genesis.digest()
        self._sets = [genesis.validator_set()]

    def follow(self, changes: list[SetChange]) -> str:
        """Walk the changes in their order; who came and who left, in words. Raises ProofMismatch, CertificateRefused."""
        for change in changes:
            if change.members.epoch != change.header.height + 1:
                raise ProofMismatch("a set that begins at another height than its header says")
            self.verify(change.header, change.certificate)
            if change.header.next_validators != change.members.digest():
                raise ProofMismatch("the header names another set")
            if change.members.epoch <= self._sets[-1].epoch:
                raise ProofMismatch("sets out of order")
            self._sets.append(change.members)
        current = self._sets[-1]
        said = f"{current.n} members, a quorum is {current.quorum}, {len(self._sets) - 1} changes since genesis"
        walked = [_step_of(former, later) for former, later in pairwise(self._sets)]
        return ": ".join([said, "; ".join(walked)]) if walked else said

    def verify(self, header: Header, certificate: Certificate) -> str:
        """Check that a quorum signed the header; by whom, in words. Raises ProofMismatch, CertificateRefused."""
        if header.height < 1:
            raise CertificateRefused("genesis has no certificate")
        if header.chain_id != self.chain_id:
            raise ProofMismatch("a header of another ledger")
        members = next(members for members in reversed(self._sets) if members.epoch <= header.height)
        if header.validators != members.digest():
            raise ProofMismatch(f"block {header.height} names another validator set")
        verify_certificate(certificate, members, COMMIT, self.chain_id, header.height, header.digest())
        names = ", ".join(members.members[entry.seat].organisation for entry in certificate.signatures)
        return f"block {header.height}, signed by {names}"


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
