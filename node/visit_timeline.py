"""How long a visit took, step by step, and the medians of many: what a hospital publishes instead of a slogan.

A stamp tells when a step began; it lasts until the next one, or until the visit is closed. So the times of all steps together
are the whole visit, and a step that nobody has ended counts for nothing yet. Minutes are rounded to the nearest, each from its
own milliseconds: together they may differ from the total by some.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from itertools import pairwise
from statistics import median_low

import msgspec

from chain.records import VisitBody

MINUTE_MS = 60_000
VISITS_SHOWN_MIN = 5  # figures of fewer visits are shown to nobody
QUEUED, TREATED, TESTED, DISPENSED, OTHER = "queued", "treated", "tested", "dispensed", "other"
SPENT = {  # step -> what the time until the next one is spent with; any other step is OTHER
    "registered": QUEUED,
    "queued": QUEUED,
    "called": TREATED,
    "treated": TREATED,
    "tested": TESTED,
    "dispensed": DISPENSED,
}


class TimelineStep(msgspec.Struct, frozen=True):
    step: str
    at_ms: int
    after_minutes: int  # it was opened


class Timeline(msgspec.Struct, frozen=True):
    """Minutes; of a visit that goes on, until its newest step."""

    steps: list[TimelineStep]
    queued: int
    treated: int
    tested: int
    dispensed: int
    other: int
    total: int
    closed: bool


class Medians(msgspec.Struct, frozen=True):
    """Of so many closed visits, in minutes; of an even number the lower one of the two in the middle. None: there are no visits."""

    visits: int
    queued: int | None
    treated: int | None
    tested: int | None
    dispensed: int | None
    total: int | None


class Waiting(msgspec.Struct, frozen=True):
    before: Medians
    since: Medians


def timeline(visit: VisitBody) -> Timeline:
    spent_ms = _spent_ms(visit)
    began_ms = visit.stamps[0].at_ms
    steps = [TimelineStep(stamp.step, stamp.at_ms, _minutes(stamp.at_ms - began_ms)) for stamp in visit.stamps]
    return Timeline(
        steps,
        _minutes(spent_ms[QUEUED]),
        _minutes(spent_ms[TREATED]),
        _minutes(spent_ms[TESTED]),
        _minutes(spent_ms[DISPENSED]),
        _minutes(spent_ms[OTHER]),
        _minutes(spent_ms.total()),
        visit.closed_ms > 0,
    )


def waiting(visits: Iterable[VisitBody], change_ms: int, kind: str = "outpatient") -> Waiting:
    """Closed visits of one kind that were opened before a moment, and those since. Holds some integers of each, no visit."""
    before, since = SpentTimes(), SpentTimes()
    for visit in visits:
        if visit.closed_ms and visit.kind == kind:
            (before if visit.stamps[0].at_ms < change_ms else since).add(visit)
    return Waiting(before.medians(), since.medians())


class SpentTimes:
    """What the time of closed visits was spent with: some integers of each, no visit."""

    def __init__(self) -> None:
        self._spent: list[Counter[str]] = []

    def add(self, visit: VisitBody) -> None:
        self._spent.append(_spent_ms(visit))

    def add_all(self, others: SpentTimes) -> None:
        self._spent.extend(others._spent)

    def medians(self) -> Medians:
        return _medians(self._spent)

    @property
    def are_few(self) -> bool:
        """Whether they are so few that figures of them would tell of somebody: more than none, and fewer than VISITS_SHOWN_MIN."""
        return 0 < len(self._spent) < VISITS_SHOWN_MIN


def _spent_ms(visit: VisitBody) -> Counter[str]:
    """What the time was spent with -> milliseconds."""
    ends = [stamp.at_ms for stamp in visit.stamps]
    if visit.closed_ms:
        ends.append(visit.closed_ms)
    spent_ms: Counter[str] = Counter()
    for stamp, (began_ms, ended_ms) in zip(visit.stamps, pairwise(ends), strict=False):
        spent_ms[SPENT.get(stamp.step, OTHER)] += ended_ms - began_ms
    return spent_ms


def _medians(spent: list[Counter[str]]) -> Medians:
    if not spent:
        return Medians(0, None, None, None, None, None)
    queued, treated, tested, dispensed = (
        _minutes(median_low([times[what] for times in spent])) for what in (QUEUED, TREATED, TESTED, DISPENSED)
    )
    total = _minutes(median_low([times.total() for times in spent]))
    return Medians(len(spent), queued, treated, tested, dispensed, total)


def _minutes(milliseconds: int) -> int:
    return (milliseconds + MINUTE_MS // 2) // MINUTE_MS
