"""What can happen to a replica. Time is a number in the event: milliseconds since the epoch on the node's clock, which
may be set; how long a timer runs is the runtime's own monotonic time.

The runtime makes an event of a message only after `wire.verify_message` found it whole.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from chain.block import Header
from chain.validators import Certificate, ValidatorSet
from consensus.model import Message, Sign


class Timer(Enum):
    """At most one of each runs; starting one again replaces it."""

    VIEW = "view"  # rule 10: its end leaves the view
    PASS_ON = "pass_on"  # rule 10: half of it, then what waits goes to the primary again
    STATUS = "status"  # rule 11: every second
    HEARTBEAT = "heartbeat"  # rule 2: an empty block is due, and 10 s later overdue
    HELD = "held"  # rule 2: a proposal from the future becomes acceptable


class Voting(Enum):
    """Whether this node votes in an epoch, as its runtime knows from chain, keys and journal (rule 14)."""

    AS_BEFORE = "as before"  # a voter goes on, a learner stays one
    FREED = "freed"  # its own renewal, or the first vote of a new key, opens this epoch: nothing forgotten is of it
    BARRED = "barred"  # somebody else's renewal of this seat, or the key of the seat is not here


@dataclass(frozen=True, slots=True)
class NextEpoch:
    """What a block, executed, says about the height two above it: another set votes from there (rule 15)."""

    members: ValidatorSet  # its epoch is the block's height + 2
    voting: Voting
    sign: Sign | None  # with the key that this node's organisation has in the set; None without seat or key


@dataclass(frozen=True, slots=True)
class Started:
    """First event of a replica's life, after construction or restore."""

    now_ms: int


@dataclass(frozen=True, slots=True)
class MessageReceived:
    """A verified message came over the authenticated link of `sender`: its seat in the set of the message's epoch, or,
    where the message names no epoch or a foreign one (Fetch, Status), in the current set."""

    sender: int
    message: Message
    now_ms: int


@dataclass(frozen=True, slots=True)
class TimerExpired:
    """`number` is that of its StartTimer: an end that was under way when the timer was stopped or replaced is ignored."""

    timer: Timer
    number: int
    now_ms: int


@dataclass(frozen=True, slots=True)
class BlockChecked:
    """Answer to CheckBlock: all bodies are here and the block was executed on the parent's state.

    Bodies that cannot be had yet are no reason to answer False: the runtime goes on asking for them.
    """

    digest: bytes  # of the header
    valid: bool
    code: str  # why not; "" if valid
    now_ms: int
    next_epoch: NextEpoch | None = None  # None: it changes nothing about who votes


@dataclass(frozen=True, slots=True)
class ProposalReady:
    """Answer to Propose: a block that was executed, or None when nothing can run."""

    view: int
    height: int
    header: Header | None
    transactions: list[bytes]  # digests, in block order
    now_ms: int
    next_epoch: NextEpoch | None = None  # as in BlockChecked


@dataclass(frozen=True, slots=True)
class WorkChanged:
    """Whether transactions wait that can run. Sent when it changes; repeating it does no harm."""

    waiting: bool
    now_ms: int


@dataclass(frozen=True, slots=True)
class PassedOver:
    """A waiting transaction was left out by 8 blocks that had room for it (rule 10)."""

    now_ms: int


@dataclass(frozen=True, slots=True)
class BlockFetched:
    """A final block came from a peer; certificate and transactions_root hold, it is not executed yet."""

    sender: int | None  # its seat in the current set; None: a node without one
    header: Header
    transactions: list[bytes]
    certificate: Certificate
    now_ms: int


@dataclass(frozen=True, slots=True)
class PeerConnected:
    """The link to a seat is up (again)."""

    seat: int
    now_ms: int


@dataclass(frozen=True, slots=True)
class PeerUnreachable:
    """No link leads to a seat that a FetchBlocks was for. Until it is connected, or a second has gone by, others are
    asked."""

    seat: int
    now_ms: int


Event = (
    Started
    | MessageReceived
    | TimerExpired
    | BlockChecked
    | ProposalReady
    | WorkChanged
    | PassedOver
    | BlockFetched
    | PeerConnected
    | PeerUnreachable
)
