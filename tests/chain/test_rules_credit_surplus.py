"""What a line has above what it was granted is the patient's: repaid first and refunded afterwards, it is paid out."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from chain import keyspace
from chain.operation import EndLine, LineRef, PayBackLine, SuspendOrganisation
from chain.records import HOSPITAL_BEARS, ChannelDayBody, Due, PaybackBody
from chain.rules.context import local_date
from chain.rules.credit import is_overdue
from tests.chain.making import mac
from tests.chain.paying import DAY_MS, HOSPITAL, HOUR_MS, LENDING, Story, give_back
from tests.chain.splitting import bind, own_of, pay_out
from tests.chain.test_rules_credit import OTHER, left, line_body, owed, owing, repay, state


@pytest.fixture
def story() -> Story:
    return Story()


def pay_back(line: LineRef, name: str, amount_fen: int) -> PayBackLine:
    return PayBackLine(line, mac(name), "alipay", amount_fen, mac("evidence"))


def refunded(story: Story, amount_fen: int = 20_000, by: str = LENDING, **changes: Any) -> LineRef:
    """A line that was used, repaid and then refunded."""
    line = owing(story, amount_fen, **changes)
    story.done(repay(line, "r", amount_fen), by=by)
    story.done(give_back("back", "c captured", amount_fen, "c"))
    assert owed(story, line) == -amount_fen
    return line


def is_late(story: Story, line: LineRef) -> bool:
    view: Any = story.chain.ledger.state
    return is_overdue(view, line_body(story, line), story.chain.time_ms)


def emergency(story: Story, line: LineRef, name: str, amount_fen: int) -> None:
    """A charge that the emergency line pays."""
    story.done(story.held(f"hold of {name}", line, amount_fen, emergency="dr zhao"))
    assert set(story.charge(name, f"hold of {name}", amount_fen)) == {"recorded"}


# ── whose money it is ────────────────────────────────────────────────────────────────────────────────────────────────


def test_what_was_repaid_and_then_refunded_goes_back_to_the_patient(story: Story) -> None:
    """At the lender's risk: by a channel of the lender's, on whose day it stands as a refund does."""
    line = refunded(story)
    paid = pay_back(line, "p", 15_000)
    assert story.code(paid, LENDING) == "recorded"
    assert (owed(story, line), left(story, line)) == (-5_000, 105_000)
    story.done(pay_back(line, "rest", 5_000), by=LENDING)
    assert (owed(story, line), left(story, line), story.at("channel", LENDING, "alipay")) == (0, 100_000, 0)
    today = local_date(story.chain.time_ms, story.chain.genesis.parameters.utc_offset_minutes)
    day: ChannelDayBody = story.chain.body(keyspace.channel_day(LENDING, "alipay", today), ChannelDayBody)
    assert day == ChannelDayBody(1, 20_000, 2, 20_000, 0, 0, [])
    body: PaybackBody = story.chain.body(keyspace.payback(LENDING, mac("p")), PaybackBody)
    assert (body.line, body.channel, body.amount_fen, body.evidence) == (line, "alipay", 15_000, mac("evidence"))


def test_at_the_hospitals_risk_it_leaves_the_hospitals_own_money(story: Story) -> None:
    """Where its repayments went; what is owed on all lines together is its receivable again."""
    line = refunded(story, 10_000, by=HOSPITAL, bearer=HOSPITAL_BEARS)
    assert (story.at("own"), story.at("receivable")) == (10_000, -10_000)
    assert story.code(pay_back(line, "p", 10_000), LENDING) == "not_the_bearer"
    story.done(pay_back(line, "p", 10_000))
    assert (story.at("own"), story.at("receivable"), story.at("channel", about="alipay")) == (0, 0, 0)
    assert (owed(story, line), left(story, line)) == (0, 100_000)


def test_a_hospital_that_has_banked_it_needs_it_there_again(story: Story) -> None:
    """Nothing goes below zero: until then it stays on the line, where it pays what comes next."""
    line = refunded(story, 10_000, by=HOSPITAL, bearer=HOSPITAL_BEARS)
    story.done(bind("hospital", account=own_of(HOSPITAL)), pay_out("out", "hospital", 4_000))
    assert story.code(pay_back(line, "p", 10_000)) == "exceeds_credits"
    assert (owed(story, line), story.at("own"), story.at("receivable")) == (-10_000, 6_000, -10_000)
    story.done(pay_back(line, "p", 6_000))
    assert (owed(story, line), story.at("own"), story.at("receivable")) == (-4_000, 0, -4_000)


def test_the_line_gives_first_and_then_the_emergency_line(story: Story) -> None:
    line = owing(story, 20_000)
    emergency(story, line, "surgery", 30_000)
    story.done(repay(line, "r", 50_000), by=LENDING)
    story.done(give_back("b1", "c captured", 20_000, "c"), give_back("b2", "surgery captured", 30_000, "surgery"))
    body = line_body(story, line)
    assert (story.balance(body.account), story.balance(body.emergency)) == (120_000, 80_000)
    story.done(pay_back(line, "p", 35_000), by=LENDING)
    assert (story.balance(body.account), story.balance(body.emergency)) == (100_000, 65_000)
    story.done(pay_back(line, "q", 15_000), by=LENDING)
    assert (story.balance(body.account), story.balance(body.emergency)) == (100_000, 50_000)


def test_what_one_of_both_owes_the_other_does_not_pay_out(story: Story) -> None:
    """The emergency line has 40,000 too much, the line lacks 15,000: the patient's are 25,000."""
    line = story.lent()
    emergency(story, line, "surgery", 40_000)
    story.done(repay(line, "r", 40_000), by=LENDING)
    story.done(give_back("back", "surgery captured", 40_000, "surgery"), story.held("h", line))
    assert set(story.charge("c", "h", 15_000)) == {"recorded"}
    assert story.code(pay_back(line, "p", 25_001), LENDING) == "exceeds_surplus"
    story.done(pay_back(line, "p", 25_000), by=LENDING)
    body = line_body(story, line)
    assert (story.balance(body.account), story.balance(body.emergency)) == (85_000, 65_000)
    assert (owed(story, line), is_late(story, line)) == (0, False)


# ── what is refused ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_it_is_refused_in_the_order_of_the_codes(story: Story) -> None:
    line = refunded(story)
    paid = pay_back(line, "p", 20_000)
    assert story.code(replace(paid, line=LineRef(LENDING, mac("x"))), LENDING) == "line_unknown"
    assert story.code(replace(paid, amount_fen=0)) == "not_the_bearer"
    assert story.code(paid, OTHER) == "not_the_bearer"
    for channel in ("credit", "deposit"):
        assert story.code(replace(paid, channel=channel, amount_fen=0), LENDING) == "channel_differs"
    for amount_fen, code in (
        (-1, "amount_not_positive"),
        (0, "amount_not_positive"),
        (10**12 + 1, "amount_too_large"),
        (20_001, "exceeds_surplus"),
    ):
        assert story.code(replace(paid, amount_fen=amount_fen), LENDING) == code
    assert (owed(story, line), story.at("channel", LENDING, "alipay")) == (-20_000, -20_000)
    assert story.code(paid, LENDING) == "recorded"
    assert story.code(paid, LENDING) == "already_recorded"
    assert story.code(replace(paid, amount_fen=1), LENDING) == "payback_exists"
    assert story.code(pay_back(line, "again", 1), LENDING) == "exceeds_surplus"


def test_what_is_owed_or_merely_unused_is_not_paid_out(story: Story) -> None:
    """Else a line would be cash: not granted money, not a repayment that is owed, not a new charge that was cancelled."""
    line = story.lent()
    assert story.code(pay_back(line, "p", 1), LENDING) == "exceeds_surplus"
    story.done(story.held("h", line))
    assert set(story.charge("c", "h", 20_000)) == {"recorded"}
    story.done(repay(line, "r", 19_999), by=LENDING)
    assert story.code(pay_back(line, "p", 1), LENDING) == "exceeds_surplus"
    assert set(story.charge("new", "h", 10_000)) == {"recorded"}
    story.done(give_back("back", "new captured", 10_000, "new"))
    assert (owed(story, line), story.code(pay_back(line, "p", 1), LENDING)) == (1, "exceeds_surplus")


def test_what_is_held_for_a_visit_is_not_paid_out_meanwhile(story: Story) -> None:
    line = refunded(story)  # 80,000 are still held
    story.done(story.held("visit", line, 30_000, ms=HOUR_MS))
    assert story.code(pay_back(line, "p", 20_000), LENDING) == "exceeds_credits"
    assert story.code(pay_back(line, "some", 10_000), LENDING) == "recorded"
    story.chain.block(time_ms=story.in_ms(HOUR_MS))
    assert story.code(pay_back(line, "p", 20_000), LENDING) == "exceeds_surplus"
    assert story.code(pay_back(line, "p", 10_000), LENDING) == "recorded"
    assert (owed(story, line), left(story, line)) == (0, 100_000)


def test_a_bearer_that_is_suspended_pays_nothing(story: Story) -> None:
    line = refunded(story)
    assert story.code(SuspendOrganisation(LENDING, "audit", 0, []), "finance-city") == "recorded"
    assert story.code(pay_back(line, "p", 1), LENDING) == "organisation_suspended"


def test_a_line_that_is_over_pays_all_the_same(story: Story) -> None:
    line = refunded(story)
    story.done(EndLine(mac("line"), "revoked"), by=LENDING)
    assert story.code(pay_back(line, "p", 5_000), LENDING) == "recorded"
    story.chain.block(time_ms=line_body(story, line).until_ms)
    assert story.code(pay_back(line, "q", 15_000), LENDING) == "recorded"
    assert owed(story, line) == 0


# ── dates ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_payout_makes_nobody_overdue_and_hides_no_debt(story: Story) -> None:
    """Stated, charged again, repaid; then an older charge and a newer one go back, and the patient gets what is theirs. What is
    charged next is owed in full, and the next statement's date passes like any other."""
    line = owing(story, 20_000)
    due_ms, stated_ms = story.in_ms(10 * DAY_MS), story.chain.time_ms
    story.done(state(line, "s", 20_000, due_ms), by=LENDING)
    assert set(story.charge("newer", "h", 10_000)) == {"recorded"}
    story.done(repay(line, "r", 30_000), by=LENDING)
    story.done(give_back("b1", "c captured", 8_000, "c"), give_back("b2", "newer captured", 10_000, "newer"))
    assert owed(story, line) == -18_000
    dates = [Due(due_ms, 30_000, stated_ms)]  # as much more as came back of the newer charge
    assert line_body(story, line).dues == dates

    story.done(pay_back(line, "p", 18_000), by=LENDING)
    assert (owed(story, line), line_body(story, line).dues) == (0, dates)
    assert set(story.charge("next", "h", 5_000)) == {"recorded"}
    assert owed(story, line) == 5_000
    assert story.code(pay_back(line, "q", 1), LENDING) == "exceeds_surplus"
    story.chain.block(time_ms=due_ms)
    assert not is_late(story, line)  # the first date was met

    due_ms = story.in_ms(10 * DAY_MS)
    story.done(state(line, "s2", 5_000, due_ms), by=LENDING)
    story.done(give_back("b3", "c captured", 1_000, "c"))  # of what was stated: it counts
    story.done(repay(line, "r2", 3_999), by=LENDING)
    story.chain.block(time_ms=due_ms)
    assert (owed(story, line), is_late(story, line)) == (1, True)
    story.done(repay(line, "r3", 1), by=LENDING)
    assert (owed(story, line), is_late(story, line)) == (0, False)


def test_a_date_that_is_not_met_keeps_everything_on_the_line(story: Story) -> None:
    """Whoever owes has nothing to be paid out, whichever of their charges goes back."""
    line = owing(story, 20_000)
    due_ms = story.in_ms(10 * DAY_MS)
    story.done(state(line, "s", 20_000, due_ms), by=LENDING)
    assert set(story.charge("newer", "h", 10_000)) == {"recorded"}
    story.done(repay(line, "r", 10_000), by=LENDING)
    story.done(give_back("b1", "newer captured", 10_000, "newer"), give_back("b2", "c captured", 9_999, "c"))
    assert (owed(story, line), story.code(pay_back(line, "p", 1), LENDING)) == (1, "exceeds_surplus")
    story.chain.block(time_ms=due_ms)
    assert is_late(story, line)
    story.done(give_back("b3", "c captured", 10_001, "c"))
    assert (owed(story, line), is_late(story, line)) == (-10_000, False)
    story.done(pay_back(line, "p", 10_000), by=LENDING)
    assert (owed(story, line), is_late(story, line)) == (0, False)


def test_what_comes_back_of_a_charge_after_a_payout_is_paid_out_again(story: Story) -> None:
    line = refunded(story)
    story.done(pay_back(line, "p", 20_000), by=LENDING)
    assert set(story.charge("next", "h", 7_000)) == {"recorded"}
    story.done(state(line, "s", 7_000, story.in_ms(10 * DAY_MS)), by=LENDING)
    story.done(repay(line, "r2", 7_000), by=LENDING)
    story.done(give_back("b2", "next captured", 7_000, "next"))
    assert story.code(pay_back(line, "q", 7_001), LENDING) == "exceeds_surplus"
    story.done(pay_back(line, "q", 7_000), by=LENDING)
    story.chain.block(time_ms=story.in_ms(10 * DAY_MS))
    assert (owed(story, line), is_late(story, line), story.at("channel", LENDING, "alipay")) == (0, False, 0)
