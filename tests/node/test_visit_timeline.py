"""What a visit's time was spent with, and medians before and after a day."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from chain.records import Stamp, VisitBody
from node.visit_timeline import MINUTE_MS, SPENT, VISITS_SHOWN_MIN, Medians, SpentTimes, TimelineStep, timeline, waiting
from tests.chain.making import NOON_MS, mac


def visit(
    *steps: tuple[str, int], closed: int | None = None, kind: str = "outpatient", began_ms: int = NOON_MS
) -> VisitBody:
    """Steps by minutes after it was opened."""
    stamps = [Stamp(step, began_ms + minute * MINUTE_MS) for step, minute in (("registered", 0), *steps)]
    closed_ms = 0 if closed is None else began_ms + closed * MINUTE_MS
    return VisitBody(kind, mac("li"), [], 60_000, [], stamps, [], 0, closed_ms)


WHOLE = (("queued", 1), ("called", 25), ("treated", 26), ("tested", 40), ("queued", 52), ("dispensed", 60))


def test_each_step_lasts_until_the_next_one() -> None:
    """Row 37: minutes queued, treated."""
    told = timeline(visit(*WHOLE, closed=63))
    assert (told.queued, told.treated, told.tested, told.dispensed, told.other) == (1 + 24 + 8, 1 + 14, 12, 3, 0)
    assert (told.total, told.closed) == (63, True)
    assert told.steps[2] == TimelineStep("called", NOON_MS + 25 * MINUTE_MS, 25)
    assert [step.step for step in told.steps] == ["registered", *(step for step, _ in WHOLE)]


def test_the_step_that_goes_on_counts_for_nothing_yet() -> None:
    told = timeline(visit(*WHOLE))
    assert (told.dispensed, told.total, told.closed) == (0, 60, False)
    assert timeline(visit()).total == 0


def test_a_step_of_another_name_is_told_apart() -> None:
    told = timeline(visit(("called", 5), ("walking", 9), closed=20))
    assert (told.queued, told.treated, told.other, told.total) == (5, 4, 11, 20)


def test_minutes_are_the_nearest() -> None:
    told = timeline(visit(("called", 0), closed=1, began_ms=NOON_MS))
    assert told.treated == 1
    half = VisitBody("outpatient", mac("li"), [], 1, [], [Stamp("registered", NOON_MS)], [], 0, NOON_MS + 29_999)
    assert timeline(half).queued == 0
    half = VisitBody("outpatient", mac("li"), [], 1, [], [Stamp("registered", NOON_MS)], [], 0, NOON_MS + 30_000)
    assert timeline(half).queued == 1


steps = st.lists(st.tuples(st.sampled_from([*SPENT, "walking"]), st.integers(0, 90)), max_size=12)


@given(steps, st.integers(0, 90))
def test_all_that_it_was_spent_with_is_the_whole_visit(gaps: list[tuple[str, int]], last: int) -> None:
    minute, stamped = 0, []
    for step, gap in gaps:
        minute += gap
        stamped.append((step, minute))
    told = timeline(visit(*stamped, closed=minute + last))
    assert told.queued + told.treated + told.tested + told.dispensed + told.other == told.total == minute + last


def test_medians_before_and_since_a_day() -> None:
    """Row 37: `medbill audit waiting`."""
    day_ms = NOON_MS + 1_000 * MINUTE_MS
    before = [visit(("called", wait), closed=wait + 10) for wait in (40, 90, 60)]
    since = [visit(("called", wait), closed=wait + 10, began_ms=day_ms) for wait in (12, 30, 8, 20)]
    told = waiting([*since, *before], day_ms)
    assert told.before == Medians(3, 60, 10, 0, 0, 70)
    assert told.since == Medians(4, 12, 10, 0, 0, 22)  # the lower one of 12 and 20


def test_only_closed_visits_of_the_kind_count() -> None:
    others = [visit(("called", 5)), visit(("called", 5), closed=9, kind="emergency")]
    assert waiting(others, NOON_MS).since == Medians(0, None, None, None, None, None)
    assert waiting(others, NOON_MS, "emergency").since == Medians(1, 5, 4, 0, 0, 9)


@given(st.lists(st.integers(0, 3 * VISITS_SHOWN_MIN), max_size=6))
def test_what_is_few_is_few_and_groups_add_up(sizes: list[int]) -> None:
    """Of one to four visits no figure may be shown; none at all tell of nobody."""
    together = SpentTimes()
    for size in sizes:
        group = SpentTimes()
        for wait in range(size):
            group.add(visit(("called", wait), closed=wait + 1))
        assert group.are_few == (size in (1, 2, 3, 4))
        together.add_all(group)
    assert together.medians().visits == sum(sizes)
