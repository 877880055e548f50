"""What is to be done about an event. The order of a list is the order of safety: saved before said.

Persist, Finalise, Broadcast, Send and SendBlocks run strictly in order, over all steps, in one writer: whatever is sent
leaves only after every earlier Persist and Finalise is flushed (several may share a flush, a block before the journal).
The others say nothing to anybody and may run at once.
"""

from __future__ import annotations

from dataclasses import dataclass

from chain.block import Header
from chain.validators import Certificate, ValidatorSet
from consensus.errors import ConsensusError
from consensus.events import Timer
from consensus.model import JournalRecord, Message, Vote


@dataclass(frozen=True, slots=True)
class Persist:
    """Append to the journal. With a ProposalSaved go the bodies of its transactions."""

    record: JournalRecord


@dataclass(frozen=True, slots=True)
class Finalise:
    """Final for ever: append to the block log, flush; then drop journal records at or below the height.

    The bodies are at hand: the block was checked, or proposed, here.
    """

    header: Header
    transactions: list[bytes]
    certificate: Certificate


@dataclass(frozen=True, slots=True)
class Broadcast:
    """To all other members. The own copy was dealt with."""

    message: Message


@dataclass(frozen=True, slots=True)
class Send:
    seat: int
    message: Message


@dataclass(frozen=True, slots=True)
class SendBlocks:
    """Send final blocks from the log, ascending, at most `count`."""

    seat: int
    from_height: int
    count: int


@dataclass(frozen=True, slots=True)
class StartTimer:
    """Start, or start again. `number` comes back in TimerExpired."""

    timer: Timer
    timeout_ms: int
    number: int


@dataclass(frozen=True, slots=True)
class StopTimer:
    timer: Timer


@dataclass(frozen=True, slots=True)
class Propose:
    """Build and execute a block on `parent`; answer ProposalReady with the same view and height.

    Its time_ms = max(`time_min_ms`, own clock). Transactions that can no longer run are dropped first. Without
    transactions: an empty block if `may_be_empty`, else None.
    """

    view: int
    height: int
    parent: bytes
    time_min_ms: int
    may_be_empty: bool


@dataclass(frozen=True, slots=True)
class CheckBlock:
    """Get missing bodies, execute on the state of height - 1, answer BlockChecked; the result stays until the height
    is decided. Ask `primary` first, then `holders`; `Replica.holders` knows later ones."""

    header: Header
    transactions: list[bytes]
    primary: int
    holders: list[int]


@dataclass(frozen=True, slots=True)
class FetchBlocks:
    """Send Fetch(from_height, count) to the seat."""

    seat: int
    from_height: int
    count: int


@dataclass(frozen=True, slots=True)
class PassOn:
    """Send the waiting transactions to the primary once more (rule 10)."""

    seat: int


@dataclass(frozen=True, slots=True)
class Accuse:
    """Evidence (rule 16): two votes of one member in one slot. Keep it and tell the operators."""

    first: Vote
    second: Vote


@dataclass(frozen=True, slots=True)
class Refuse:
    """A message was not taken, and not because it was merely late. For log and metrics."""

    seat: int
    error: ConsensusError


@dataclass(frozen=True, slots=True)
class BecomeLearner:
    """This node has forgotten a vote: it follows and signs nothing from here on (rule 14). Tell the operators."""

    reason: str


@dataclass(frozen=True, slots=True)
class EnterEpoch:
    """Another set votes from here on (rule 15): `members` is what links, messages and seats are about now.

    It stands right after the Finalise of the last block of the epoch before, whose votes and ViewChanges are void.
    """

    members: ValidatorSet
    may_vote: bool


@dataclass(frozen=True, slots=True)
class LeaveSet:
    """This node's organisation has no seat any more (rule 15): nothing follows; go on following and serving blocks."""

    members: ValidatorSet


@dataclass(frozen=True, slots=True)
class Halt:
    """The ledger or this node is broken: stop at once, sending nothing more."""

    reason: str


Effect = (
    Persist
    | Finalise
    | Broadcast
    | Send
    | SendBlocks
    | StartTimer
    | StopTimer
    | Propose
    | CheckBlock
    | FetchBlocks
    | PassOn
    | Accuse
    | Refuse
    | BecomeLearner
    | EnterEpoch
    | LeaveSet
    | Halt
)
