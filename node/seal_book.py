"""What is still to be sealed: per issuer the final bills above the watermark, and the seal that fits now.

A bill is open until the watermark covers it. It is decided when its details are here and add up, or when it becomes an
exception: wrong details at once, missing ones when their time is over. A seal reaches up to the highest height below
which every bill is decided. Source: DESIGN section 6, "Seal".
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count, groupby
from operator import attrgetter
from typing import NamedTuple

from chain.bill import KIND_NAMES, PaymentParts, verify_request
from chain.details import PublicPart, request_of
from chain.errors import ContentRefused, Malformed
from chain.operation import IssueBill, ReverseBill, SealBills, SealException, SealSegment
from chain.records import RED, BillBody, ParametersBody
from chain.rules.context import local_date
from node.business_time import parse_business_time
from node.details_store import DetailsStore
from node.service import ServiceRefused

READY = ""  # verdicts on a bill; the others are reasons of an exception, and no reason is empty
MISSING = "details_missing"
MISMATCH = "details_mismatch"
SUM_MISMATCH = "sum_mismatch"
CODE_DIGITS = 8  # of a bill's number, before the running one
EXCEPTIONS_AT_ONCE = 200  # of several blocks: each node rewrites each bill's record, and others' bills wait meanwhile
SUM_CODES = frozenset({"sum_mismatch", "line_mismatch", "own_part_exceeds_total", "total_not_positive"})


@dataclass(slots=True)
class OpenBill:
    issuer: str
    bill: str
    height: int
    content: IssueBill | ReverseBill | BillBody  # its public part
    arrived_s: float  # when its block came, on the sealer's clock
    is_late: bool  # the block was old then: its gateway has much to deliver and is given more time
    verdict: str = MISSING


def examine(store: DetailsStore, entry: OpenBill, parameters: ParametersBody) -> str:
    """Whether a bill may be sealed: its details are here, have its root, and add up to its public part.

    Of a red bill the original has been added up; its figures are negated by rule. Raises StorageDamaged.
    """
    content = entry.content
    root = store.root_of(entry.issuer, entry.bill)
    if root is None:
        return MISSING
    if root != content.details_root:
        return MISMATCH
    if isinstance(content, ReverseBill) or (isinstance(content, BillBody) and content.validity == RED):
        return READY
    details = store.get(entry.issuer, entry.bill)
    if details is None:
        return MISSING
    parts = content.payments
    public = PublicPart(
        KIND_NAMES.get(content.kind, ""),
        content.place,
        content.total_fen,
        PaymentParts(parts.insurance_fund_fen, parts.personal_account_fen, parts.other_fen, parts.cash_fen),
        content.self_paid_fen,
        content.self_funded_fen,
    )
    try:
        request = request_of(details, public)
        verify_request(request)
        date = local_date(parse_business_time(request.business_time), parameters.utc_offset_minutes)
    except ContentRefused as refusal:
        return SUM_MISMATCH if refusal.code in SUM_CODES else MISMATCH
    except (Malformed, ServiceRefused, ValueError, OverflowError):
        return MISMATCH
    return READY if date == content.business_date else MISMATCH


_turns = count(1)


class Heard(NamedTuple):
    """Of one counter."""

    heard_s: float  # when it last delivered
    upto: str  # the highest bill that it delivered


@dataclass(slots=True)
class Line:
    """An issuer's open bills, by height."""

    issuer: str
    watermark: int = 0
    tracked: int = 0  # bills of blocks up to it are here, unless the watermark covers them
    heard_s: float = float("-inf")  # when its gateways last delivered anything
    # what was heard of each counter while bills are open: it delivers in the order of its numbers, so what is above is on its way
    counters: dict[tuple[str, str], Heard] = field(default_factory=dict)  # (code, issuing point) -> ...
    leases: dict[str, dict[int, str]] = field(default_factory=dict)  # code -> first number of a lease -> issuing point
    open: OrderedDict[str, OpenBill] = field(default_factory=OrderedDict)
    turn: int = 0  # when it was sealed last, counted in seals of all lines

    def groups(self) -> Iterator[tuple[int, list[OpenBill]]]:
        """Open bills of each height, ascending."""
        for height, bills in groupby(self.open.values(), key=attrgetter("height")):
            yield height, list(bills)

    def add(self, entry: OpenBill) -> None:
        """A final bill that is not sealed."""
        self.open[entry.bill] = entry
        if not isinstance(entry.content, BillBody):
            self.leases.setdefault(entry.bill[:CODE_DIGITS], {})[entry.content.lease_first] = entry.content.place

    def heard(self, bills: Sequence[str], now_s: float, is_final: Callable[[str], bool]) -> None:
        """Details of these bills have come, ascending; of some the block is still to come."""
        self.heard_s = now_s
        told: set[tuple[str, str]] = set()  # of each counter the highest bill says it
        for bill in reversed(bills):
            counter = self._counter_of(bill)
            if counter is None or counter in told:
                continue
            if bill not in self.open and is_final(bill):  # decided before: it came late, or again
                continue
            told.add(counter)
            before = self.counters.get(counter)
            self.counters[counter] = Heard(now_s, bill if before is None else max(bill, before.upto))

    def heard_of(self, entry: OpenBill) -> Heard | None:
        """What was last heard of a bill's counter; None of one that delivered nothing while bills were open."""
        counter = self._counter_of(entry.bill)
        return None if counter is None else self.counters.get(counter)

    def _counter_of(self, bill: str) -> tuple[str, str] | None:
        """By the lease that its number lies in, as far as bills of that lease were seen."""
        code, number = bill[:CODE_DIGITS], int(bill[CODE_DIGITS:])
        firsts = [first for first in self.leases.get(code, ()) if first <= number]
        return (code, self.leases[code][max(firsts)]) if firsts else None

    def cover(self, upto: int) -> None:
        """The watermark has moved: the bills at and below it are open no more."""
        if upto > self.watermark:
            self.turn = next(_turns)
        self.watermark = upto
        while self.open and next(iter(self.open.values())).height <= upto:
            self.open.popitem(last=False)
        if not self.open:
            self.counters.clear()
            self.leases.clear()

    @property
    def decided(self) -> int:
        """No bill of a block up to it is open."""
        return next(iter(self.open.values())).height - 1 if self.open else self.tracked


@dataclass(frozen=True, slots=True)
class Patience:
    """How long missing details are waited for, in seconds from the block's arrival.

    A block that was old when it came (this node catches up) comes with many others, and its gateway needs time to
    deliver: there the waiting starts anew with each delivery, within `late_max_s`. So it does where the deliveries of the bill's own
    counter have not come to it: under load they come behind the blocks, and an exception each, then its release, would be work for all nodes.
    """

    wait_s: float = 5.0
    late_max_s: float = 120.0

    def end_s(self, bill: OpenBill, line: Line) -> float:
        heard_s = line.heard_s
        if not bill.is_late:
            heard = line.heard_of(bill)
            if heard is None or bill.bill <= heard.upto:  # its turn is over
                return bill.arrived_s + self.wait_s
            heard_s = heard.heard_s
        return min(max(bill.arrived_s, heard_s) + self.wait_s, bill.arrived_s + self.late_max_s)


@dataclass(frozen=True, slots=True)
class Plan:
    """The seal that fits now, if any, and when missing details may turn into exceptions."""

    seal: SealBills | None
    next_end_s: float | None


class SealBook:
    """`entries_max` is genesis' bound of exceptions, and of releases, in one seal."""

    def __init__(self, issuers: list[str], entries_max: int, patience: Patience) -> None:
        self.lines = {issuer: Line(issuer) for issuer in sorted(issuers)}
        self._entries_max, self._patience = entries_max, patience

    def add(self, issuer: str, tracked: int) -> None:
        """One more line, in the issuers' order; it has no bill up to height `tracked`."""
        self.lines = {name: self.lines.get(name) or Line(name) for name in sorted({*self.lines, issuer})}
        self.lines[issuer].tracked = tracked

    @property
    def open_count(self) -> int:
        return sum(len(line.open) for line in self.lines.values())

    def taking(self, head: int, bills_max: int, window_start: int) -> list[Line]:
        """Lines that are behind `head` and may take in the bills of a block more. Of `bills_max` for all each may have as
        many as room is left for others: so one whose details do not come fills half of it, and the others' bills are sealed
        meanwhile. Below `window_start` a line must go on: no header there may be named in a seal."""
        left = bills_max - self.open_count
        return [
            line
            for line in self.lines.values()
            if line.tracked < head and (not line.open or line.tracked < window_start or len(line.open) < left)
        ]

    def plan(
        self,
        now_s: float,
        window_start: int,
        released: list[str],
        digest_of: Callable[[int], bytes | None],
    ) -> Plan:
        """The next seal. Headers below `window_start` may not be named.

        1. per issuer as far as every bill is decided, first who was sealed longest ago; 2. exceptions of one block, or
        some of several, so that whoever is first gets on; 3. where that lies below the window, on over heights without open bills; 4. releases of earlier
        exceptions.
        """
        segments: list[SealSegment] = []
        exceptions: list[SealException] = []
        ends: list[float] = []
        several_max = min(EXCEPTIONS_AT_ONCE, self._entries_max)
        for line in sorted(self.lines.values(), key=lambda line: (line.turn, len(line.open))):
            upto, blocked_at = 0, line.tracked + 1
            excepted: list[SealException] = []
            for height, bills in line.groups():
                waiting = [
                    self._patience.end_s(bill, line)
                    for bill in bills
                    if bill.verdict == MISSING and self._patience.end_s(bill, line) > now_s
                ]
                if waiting:  # 1
                    ends.append(max(waiting))
                    blocked_at = height
                    break
                found = [SealException(bill.bill, bill.verdict) for bill in bills if bill.verdict != READY]
                before = len(exceptions) + len(excepted)
                if found and before + len(found) > (several_max if before else self._entries_max):  # 2
                    blocked_at = height
                    break
                upto = height
                excepted += found
            if upto:
                if upto < window_start:
                    upto = blocked_at - 1  # 3
                segments.append(SealSegment(line.issuer, line.watermark, upto))
                exceptions += excepted
        next_end_s = min(ends, default=None)
        named = {exception.bill for exception in exceptions}
        releases = sorted(set(released) - named)[: self._entries_max]  # 4
        if not segments and not releases:
            return Plan(None, next_end_s)
        header: bytes | None = bytes(32)
        if segments:
            segments = self._within_window(segments, window_start)
            header = digest_of(max(segment.upto for segment in segments))
        if header is None:
            return Plan(None, next_end_s)
        segments.sort(key=attrgetter("issuer"))
        exceptions.sort(key=attrgetter("bill"))
        return Plan(SealBills(segments, header, exceptions, releases), next_end_s)

    def _within_window(self, segments: list[SealSegment], window_start: int) -> list[SealSegment]:
        """Add an issuer that has nothing open, if no segment reaches a header that may still be named."""
        if max(segment.upto for segment in segments) >= window_start:
            return segments
        idle = [line for line in self.lines.values() if not line.open and line.watermark < line.tracked]
        newest = sorted(idle, key=attrgetter("tracked"))[-1:]
        extra = [SealSegment(line.issuer, line.watermark, line.tracked) for line in newest]
        return [*segments, *extra]
