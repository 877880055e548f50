"""Why a message is refused. Drawn as a tree; every class carries a stable `code`.

ConsensusError                a peer sent something that we refuse
├── MessageMalformed          bytes that are no message, or fields that contradict each other
├── ForeignEpoch              of another validator set
├── SeatUnknown               a seat that the set does not have
├── SignatureRefused          a vote, ViewChange or NewView that its sender did not sign
├── CertificateInvalid        q votes that prove nothing
├── ViewChangeInvalid         a ViewChange that contradicts itself: dropped as a whole (rule 7)
├── NewViewInvalid            a NewView that its ViewChanges do not bear (rule 9)
└── ProposalRefused           a PrePrepare that nobody may vote for (rule 2)

JournalDamaged is no peer's fault: the node must not start.
"""

from __future__ import annotations


class ConsensusError(Exception):
    """A peer sent something that we refuse. `code` is stable: it names log lines and metrics."""

    code = "consensus_refused"


class MessageMalformed(ConsensusError):
    code = "message_malformed"


class ForeignEpoch(ConsensusError):
    code = "foreign_epoch"

    def __init__(self, expected: int, actual: int) -> None:
        super().__init__(f"epoch {actual}, mine is {expected}")
        self.expected, self.actual = expected, actual


class SeatUnknown(ConsensusError):
    code = "seat_unknown"

    def __init__(self, seat: int, n: int) -> None:
        super().__init__(f"seat {seat} of {n}")
        self.seat, self.n = seat, n


class SignatureRefused(ConsensusError):
    code = "signature_refused"

    def __init__(self, what: str, seat: int) -> None:
        super().__init__(f"{what} not signed by seat {seat}")
        self.what, self.seat = what, seat


class CertificateInvalid(ConsensusError):
    code = "certificate_invalid"


class ViewChangeInvalid(ConsensusError):
    code = "view_change_invalid"


class NewViewInvalid(ConsensusError):
    code = "new_view_invalid"


class ProposalRefused(ConsensusError):
    """`reason` is one of the constants below."""

    code = "proposal_refused"

    def __init__(self, height: int, view: int, reason: str) -> None:
        super().__init__(f"proposal for height {height} in view {view}: {reason}")
        self.height, self.view, self.reason = height, view, reason


WRONG_PARENT = "it does not follow my last block"
WRONG_SET = "its validators are not mine"
NOT_OBLIGED = "another block must be proposed again first"
WRONG_PROPOSER = "its proposer is not the primary"
EMPTY = "empty before the heartbeat is due"
TOO_OLD = "its time is too far behind my clock"
INVALID = "execution says otherwise"


class JournalDamaged(Exception):
    """Our own journal contradicts the block log: the node must not start, since it might vote twice."""

    code = "journal_damaged"
