"""What one visit takes of a line, all its holds together: never more than the product's cap and the patient's own."""

from __future__ import annotations

from typing import Any

import pytest

from chain import keyspace
from chain.operation import EndAgreement, HoldCredit, LineRef, OpenLine, OpenVisit, PublishProduct, ReleaseCredit
from chain.records import VisitBody, VisitCreditBody
from chain.rules.accounts import HOLDS_MAX
from chain.rules.credit_holds import visit_credit
from tests.chain.making import mac
from tests.chain.paying import DAY_MS, HOSPITAL, HOUR_MS, LENDING, LI, WEI, Story, agree, give_back, terms

OTHER = "hospital-b"
LINE_FEN, CAP_FEN = 500_000, 80_000


@pytest.fixture
def story() -> Story:
    return Story()


def lent(story: Story, **changes: Any) -> LineRef:
    """The patient's own cap is the smaller one, and far below the line."""
    return story.lent(**{"line_fen": LINE_FEN, "visit_cap_fen": 90_000, "cap_fen": CAP_FEN, **changes})


def held(story: Story, name: str, line: LineRef, amount_fen: int, visit: str = "v", **how: Any) -> HoldCredit:
    return story.held(name, line, amount_fen, visit=visit, **how)


def charge(story: Story, name: str, hold: str, amount_fen: int, **how: Any) -> None:
    assert set(story.charge(name, hold, amount_fen, **how)) == {"recorded"}


def counted(story: Story, line: LineRef, visit: str = "v", holder: bytes = WEI) -> VisitCreditBody:
    found: VisitCreditBody = story.chain.body(visit_credit(HOSPITAL, mac(visit), holder, line), VisitCreditBody)
    return found


def most(story: Story, line: LineRef, amount_fen: int, visit: str = "v", **how: Any) -> None:
    """A visit may take so much more, and not a fen beyond; what was asked for is released at once."""
    name = f"most {story.chain.time_ms}"
    assert story.code(held(story, name, line, amount_fen + 1, visit, **how)) == "visit_cap_exceeded"
    if amount_fen:
        story.done(held(story, name, line, amount_fen, visit, **how), ReleaseCredit(mac(name), LENDING, "looked"))


def test_holds_of_one_visit_share_its_cap(story: Story) -> None:
    line = lent(story)
    story.done(held(story, "first", line, 50_000))
    assert story.code(held(story, "second", line, 30_001)) == "visit_cap_exceeded"
    second = held(story, "second", line, 30_000)
    assert story.code(second) == "recorded"
    assert story.code(second) == "already_recorded"
    assert story.code(held(story, "third", line, 1)) == "visit_cap_exceeded"
    assert counted(story, line) == VisitCreditBody(0, [mac("first"), mac("second")])


@pytest.mark.parametrize(("of_product", "of_patient"), [(90_000, 80_000), (80_000, 90_000)])
def test_the_smaller_cap_counts(story: Story, of_product: int, of_patient: int) -> None:
    line = lent(story, visit_cap_fen=of_product, cap_fen=of_patient)
    story.done(held(story, "first", line, 50_000))
    most(story, line, 30_000)


def test_two_holds_in_one_block_pass_the_cap_no_more_than_two_in_turn(story: Story) -> None:
    line = lent(story)
    both = [held(story, name, line, 50_000) for name in ("first", "second")]
    asked = [story.chain.sign(HOSPITAL, hold) for hold in both]
    codes = [outcome.code for outcome in story.chain.block(asked).outcomes]
    assert codes == ["recorded", "visit_cap_exceeded"]
    pair = [held(story, name, line, 50_000, "w") for name in ("third", "fourth")]
    assert story.chain.run_linked(HOSPITAL, *pair) == ["linked_failed", "visit_cap_exceeded"]
    most(story, line, CAP_FEN, "w")  # a chain that came to nothing counts nothing


def test_a_hold_comes_before_its_visit_is_opened_in_the_same_chain(story: Story) -> None:
    line = lent(story)
    opened = OpenVisit(mac("v"), "outpatient", WEI, [], CAP_FEN, [], story.chain.time_ms)
    assert story.chain.run_linked(HOSPITAL, held(story, "first", line, 50_000), opened) == ["recorded"] * 2
    assert story.chain.body(keyspace.visit(HOSPITAL, mac("v")), VisitBody).cap_fen == CAP_FEN
    most(story, line, 30_000)


# ── holds that are over ──────────────────────────────────────────────────────────────────────────────────────────────


def test_a_hold_that_runs_counts_as_a_whole_however_much_was_captured(story: Story) -> None:
    line = lent(story)
    story.done(held(story, "first", line, 50_000))
    charge(story, "test", "first", 20_000)
    most(story, line, 30_000)
    charge(story, "drugs", "first", 30_000)  # nothing is left of it now
    most(story, line, 30_000)


def test_a_released_hold_counts_with_what_was_captured_of_it(story: Story) -> None:
    line = lent(story)
    story.done(held(story, "first", line, 50_000))
    charge(story, "test", "first", 20_000)
    story.done(ReleaseCredit(mac("first"), LENDING, "done"))
    most(story, line, 60_000)
    story.done(held(story, "second", line, 60_000), ReleaseCredit(mac("second"), LENDING, "done"))
    most(story, line, 60_000)
    story.done(held(story, "third", line, 10_000))
    assert counted(story, line) == VisitCreditBody(20_000, [mac("third")])  # what is over is a sum, once


def test_an_expired_hold_counts_with_what_was_captured_of_it(story: Story) -> None:
    """By block time alone: no operation says that it is over."""
    line = lent(story)
    first = held(story, "first", line, 50_000, ms=HOUR_MS)
    story.done(first)
    charge(story, "test", "first", 20_000)
    asked = held(story, "second", line, 60_000)
    assert story.code(asked, time_ms=first.until_ms - 1) == "visit_cap_exceeded"
    assert story.code(asked, time_ms=first.until_ms) == "recorded"
    assert story.code(held(story, "third", line, 1)) == "visit_cap_exceeded"
    assert counted(story, line) == VisitCreditBody(20_000, [mac("second")])


def test_a_refund_does_not_restore_the_cap(story: Story) -> None:
    line = lent(story)
    story.done(held(story, "first", line, CAP_FEN))
    charge(story, "test", "first", CAP_FEN)
    story.done(give_back("back", "test captured", CAP_FEN, "test"))
    assert story.code(held(story, "second", line, 1)) == "visit_cap_exceeded"
    most(story, line, CAP_FEN, "the next")  # though the line has it again


def test_a_visit_of_more_holds_than_a_line_has_at_once(story: Story) -> None:
    """Its record names those that run alone, so it does not grow with the visit."""
    line = lent(story)
    for number in range(HOLDS_MAX + 2):
        story.done(held(story, f"h{number}", line, 100))
        charge(story, f"c{number}", f"h{number}", 100)
    taken_fen = 100 * (HOLDS_MAX + 1)
    assert counted(story, line) == VisitCreditBody(taken_fen, [mac(f"h{HOLDS_MAX + 1}")])
    most(story, line, CAP_FEN - taken_fen - 100)


def test_holds_that_run_at_once_are_too_many_before_the_record_is(story: Story) -> None:
    line = lent(story)
    holds = [held(story, f"h{number}", line, 1) for number in range(HOLDS_MAX + 1)]
    assert story.chain.run(HOSPITAL, *holds) == ["recorded"] * HOLDS_MAX + ["too_many_holds"]
    assert len(counted(story, line).holds) == HOLDS_MAX
    too_much = held(story, "too much", line, CAP_FEN - HOLDS_MAX + 1)
    assert story.code(too_much) == "visit_cap_exceeded"  # which comes first


# ── what does not count ──────────────────────────────────────────────────────────────────────────────────────────────


def test_each_visit_has_a_cap_of_its_own_and_so_has_a_hold_that_names_none(story: Story) -> None:
    line = lent(story)
    story.done(held(story, "first", line, CAP_FEN), held(story, "second", line, CAP_FEN, "w"))
    for name in ("third", "fourth"):
        assert story.code(story.held(name, line, CAP_FEN + 1)) == "visit_cap_exceeded"
        story.done(story.held(name, line, CAP_FEN))
    assert story.code(held(story, "fifth", line, 1)) == "visit_cap_exceeded"


def test_another_patient_and_another_hospital_with_a_visit_of_that_name_have_their_own_cap(story: Story) -> None:
    """A name is its hospital's to give; a line may be used at several."""
    line = lent(story)
    story.done(agree(line, LI, cap_fen=CAP_FEN))
    story.done(agree(line, cap_fen=CAP_FEN), by=OTHER)
    story.done(held(story, "first", line, CAP_FEN))
    most(story, line, CAP_FEN, holder=LI)
    story.done(held(story, "first", line, CAP_FEN), by=OTHER)
    assert story.code(held(story, "second", line, 1), OTHER) == "visit_cap_exceeded"


def test_an_emergency_is_bound_by_no_cap_and_counts_against_none(story: Story) -> None:
    line = lent(story, emergency_fen=2 * CAP_FEN)
    story.done(held(story, "first", line, 50_000))
    story.done(held(story, "e", line, CAP_FEN + 1, emergency="dr zhao"))
    charge(story, "surgery", "e", CAP_FEN)
    most(story, line, 30_000)
    story.done(held(story, "second", line, 30_000), held(story, "e2", line, 50_000, emergency="dr zhao"))
    assert counted(story, line).holds == [mac("first"), mac("second")]


def test_a_new_agreement_about_the_line_does_not_begin_the_visit_anew(story: Story) -> None:
    """A lower cap binds at once, even below what the visit has taken; another line has a cap of its own."""
    line = lent(story)
    story.done(held(story, "first", line, 50_000), EndAgreement(WEI, 1, "a lower cap"), agree(line, WEI, 2, 60_000))
    most(story, line, 10_000)
    story.done(EndAgreement(WEI, 2, "lower still"), agree(line, WEI, 3, 40_000))
    for amount_fen in (1, 0, -1):
        assert story.code(held(story, "second", line, amount_fen)) == "visit_cap_exceeded"
    story.done(ReleaseCredit(mac("first"), LENDING, "done"))
    most(story, line, 40_000)


def test_another_line_of_the_patient_has_a_cap_of_its_own(story: Story) -> None:
    """Each lender's terms say what its own line gives for a visit."""
    line, name = lent(story), "anxin"
    story.done(held(story, "first", line, CAP_FEN), EndAgreement(WEI, 1, "another bank"))
    story.done(
        PublishProduct(name, 1, terms(line_fen=LINE_FEN, visit_cap_fen=90_000)),
        OpenLine(mac(name), name, 1, story.in_ms(365 * DAY_MS), mac("yes"), [HOSPITAL]),
        by=LENDING,
    )
    second = LineRef(LENDING, mac(name))
    story.done(agree(second, WEI, 2, CAP_FEN))
    most(story, second, CAP_FEN)


def test_the_cap_is_asked_about_in_the_order_of_the_codes(story: Story) -> None:
    line = lent(story, line_fen=90_000)
    story.done(held(story, "first", line, 50_000))
    late = held(story, "second", line, 30_001, ms=31 * DAY_MS)
    assert story.code(late) == "visit_cap_exceeded"  # before hold_too_long
    assert story.code(held(story, "second", line, 40_001)) == "visit_cap_exceeded"  # before credit_line_exceeded
    assert story.code(held(story, "second", line, 0)) == "amount_not_positive"
    assert story.code(held(story, "second", line, 40_001, "w")) == "credit_line_exceeded"
