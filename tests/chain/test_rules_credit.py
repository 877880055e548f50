"""Treatment on credit: products, lines, agreements; holds captured step by step; statements, repayment, emergencies."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from chain import keyspace
from chain.codec import FEN_MAX
from chain.operation import (
    HOSPITALS_MAX,
    AgreeInstalments,
    CaptureCredit,
    CloseOrder,
    EndAgreement,
    EndLine,
    Instalment,
    LineRef,
    NameHospitals,
    OpenLine,
    PayFromDeposit,
    PublishProduct,
    ReleaseCredit,
    ReleaseHold,
    RepayLine,
    ReviewEmergency,
    StateLine,
    SuspendOrganisation,
)
from chain.records import CAPTURED, HELD, HOSPITAL_BEARS, UNIT, AccountBody, CreditHoldBody, Due, HoldBody, LineBody
from chain.rules.accounts import HOLD_MS_MAX
from chain.rules.context import Context, Refused
from chain.rules.credit import is_holder_overdue, is_overdue, owed_fen
from chain.rules.credit_repayment import DUES_MAX, agree_instalments, state_line
from tests.chain.making import issue_bill, mac, reverse_bill
from tests.chain.paying import (
    DAY_MS,
    HOSPITAL,
    HOUR_MS,
    LENDING,
    LI,
    WEI,
    Story,
    agree,
    answer,
    deposit,
    give_back,
    pay_in,
    take,
    terms,
)
from tests.chain.splitting import bind, own_of, pay_out

OTHER = "hospital-b"


@pytest.fixture
def story() -> Story:
    return Story()


def line_body(story: Story, line: LineRef) -> LineBody:
    found: LineBody = story.chain.body(keyspace.line(line.lender, line.line), LineBody)
    return found


def owed(story: Story, line: LineRef) -> int:
    return owed_fen(story.chain.ledger.state, line_body(story, line))  # type: ignore[arg-type]


def left(story: Story, line: LineRef) -> int:
    return story.balance(line_body(story, line).account)


def state(line: LineRef, name: str, owed_fen: int, due_ms: int) -> StateLine:
    return StateLine(line, mac(name), owed_fen, due_ms)


def repay(line: LineRef, name: str, amount_fen: int) -> RepayLine:
    return RepayLine(line, mac(name), "alipay", amount_fen, mac("evidence"))


def capture(hold: str, order: str, part: int = 0) -> CaptureCredit:
    return CaptureCredit(mac(hold), LENDING, mac(f"{order} captured"), mac(order), part)


def owing(story: Story, amount_fen: int = 20_000, **changes: object) -> LineRef:
    """A line of which something was used."""
    line = story.lent(**changes)  # type: ignore[arg-type]
    story.done(story.held("h", line))
    assert set(story.charge("c", "h", amount_fen)) == {"recorded"}
    return line


def overdue(story: Story, line: LineRef) -> None:
    """A statement, and its date passes."""
    by = LENDING if not line_body(story, line).hospital else HOSPITAL
    due_ms = story.in_ms(10 * DAY_MS)
    story.done(state(line, f"s{due_ms}", owed(story, line), due_ms), by=by)
    story.chain.block(time_ms=due_ms)


# ── products and lines ───────────────────────────────────────────────────────────────────────────────────────────────


def test_a_product_has_versions_and_a_line_stays_with_its_own(story: Story) -> None:
    first = PublishProduct("anxin", 1, terms())
    assert story.code(first, "platform-a") == "lender_not_entitled"
    assert story.code(replace(first, version=2), LENDING) == "version_moved"
    assert story.code(first, LENDING) == "recorded"
    assert story.code(first, LENDING) == "already_recorded"
    assert story.code(replace(first, terms=terms(score_min=600)), LENDING) == "version_moved"
    for wrong in (
        terms(visit_cap_fen=100_001),
        terms(visit_cap_fen=0),
        terms(emergency_fen=-1),
        terms(hold_ms_max=0),
        terms(hold_ms_max=HOLD_MS_MAX + 1),
        terms(line_fen=10**12 + 1),
    ):
        assert story.code(PublishProduct("anxin", 2, wrong), LENDING) == "terms_malformed"
    opened = OpenLine(mac("line"), "anxin", 1, story.in_ms(DAY_MS), mac("yes"), [HOSPITAL])
    assert story.code(replace(opened, version=2), LENDING) == "product_unknown"
    assert story.code(replace(opened, until_ms=story.chain.time_ms), LENDING) == "line_expired"
    assert story.code(opened, LENDING) == "recorded"
    assert story.code(opened, LENDING) == "already_recorded"
    assert story.code(replace(opened, approval=mac("no")), LENDING) == "line_exists"
    story.done(PublishProduct("anxin", 2, terms(line_fen=300_000, visit_cap_fen=1)), by=LENDING)
    body = line_body(story, LineRef(LENDING, mac("line")))
    assert (body.version, body.granted_fen) == (1, 150_000)
    assert (story.balance(body.account), story.balance(body.emergency)) == (100_000, 50_000)


def test_no_score_is_on_the_ledger() -> None:
    """Row 95: the lender signs its yes; the only score is the product's own least one."""
    assert not [field for field in OpenLine.__struct_fields__ if "score" in field]


def test_an_agreement_is_signed_once_at_a_time(story: Story) -> None:
    line = story.lent()
    assert story.code(agree(line), LENDING) == "not_a_hospital"
    assert story.code(agree(line)) == "already_recorded"
    assert story.code(agree(line, cap_fen=1)) == "agreement_exists"
    assert story.code(agree(line, number=2)) == "agreement_in_force"
    assert story.code(agree(line, number=3)) == "standing_moved"
    assert story.code(EndAgreement(LI, 1, "moved_away")) == "agreement_unknown"
    assert story.code(EndAgreement(WEI, 2, "moved_away")) == "standing_moved"
    end = EndAgreement(WEI, 1, "moved_away")
    assert story.code(end) == "recorded"
    assert story.code(end) == "already_recorded"
    assert story.code(EndAgreement(WEI, 1, "other")) == "agreement_ended"
    assert story.code(story.held("h", line)) == "agreement_ended"
    assert story.code(agree(LineRef(LENDING, mac("none")), number=2)) == "line_unknown"
    assert story.code(agree(line, number=2, cap_fen=0)) == "amount_not_positive"
    assert story.code(agree(line, number=2, deposit="none")) == "deposit_unknown"
    story.done(deposit("li", "balance", LI))
    assert story.code(agree(line, number=2, deposit="li")) == "deposit_of_other"
    assert story.code(agree(line, number=2)) == "recorded"


# ── holds and captures ───────────────────────────────────────────────────────────────────────────────────────────────


def test_a_visit_on_credit(story: Story) -> None:
    """Row 96: 1,000.00 held; 50 + 180 + 264.30 captured; 600 is refused, 505.70 are left."""
    line = story.lent()
    story.done(story.held("h", line))
    assert story.code(story.held("h2", line, 1)) == "credit_line_exceeded"  # a hold counts at once
    for name, amount_fen in (("registration", 5_000), ("test", 18_000), ("drugs", 26_430)):
        before = story.at("collected")
        assert set(story.charge(name, "h", amount_fen)) == {"recorded"}
        assert story.at("collected") == before + amount_fen  # row 97: in the same block
        assert story.code(story.held("h2", line, 1)) == "credit_line_exceeded"  # the rest stays held
    assert story.charge("surgery", "h", 60_000) == ["linked_failed", "linked_failed", "credit_line_exceeded"]
    held: HoldBody = story.chain.body(keyspace.held(HOSPITAL, mac("h")), HoldBody)
    assert (held.state, held.amount_fen - held.captured_fen) == (HELD, 50_570)
    assert (owed(story, line), left(story, line)) == (49_430, 50_570)
    assert set(story.charge("more", "h", 50_570)) == {"recorded"}
    assert story.chain.body(keyspace.held(HOSPITAL, mac("h")), HoldBody).state == CAPTURED
    assert story.charge("yet more", "h", 1)[-1] == "already_captured"
    assert story.at("collected") == 100_000


def test_what_is_not_used_is_released(story: Story) -> None:
    line = story.lent()
    story.done(story.held("h", line, 60_000))
    assert set(story.charge("c", "h", 10_000)) == {"recorded"}
    assert story.code(ReleaseCredit(mac("none"), LENDING, "done")) == "hold_unknown"
    assert story.code(ReleaseCredit(mac("h"), "platform-a", "done")) == "line_differs"
    release = ReleaseCredit(mac("h"), LENDING, "done")
    assert story.code(release) == "recorded"
    assert story.code(release) == "already_recorded"
    assert story.code(ReleaseCredit(mac("h"), LENDING, "other")) == "already_released"
    assert story.charge("late", "h", 1)[-1] == "already_released"
    assert story.code(story.held("h2", line, 90_000)) == "recorded"
    assert story.code(story.held("h3", line, 1)) == "credit_line_exceeded"


def test_a_hold_is_refused_in_the_order_of_the_codes(story: Story) -> None:
    line = story.lent(cap_fen=80_000, visit_cap_fen=90_000)
    hold = story.held("h", line, 80_000)
    assert story.code(replace(hold, holder=LI)) == "agreement_unknown"
    assert story.code(replace(hold, line=LineRef(LENDING, mac("x")))) == "line_differs"
    assert story.code(replace(hold, amount_fen=80_001)) == "visit_cap_exceeded"
    assert story.code(replace(hold, amount_fen=0)) == "amount_not_positive"
    for ms in (0, 30 * DAY_MS + 60_000):
        assert story.code(replace(hold, until_ms=story.in_ms(ms))) == "hold_too_long"
    assert story.code(hold) == "recorded"
    assert story.code(hold) == "already_recorded"
    assert story.code(replace(hold, amount_fen=1)) == "hold_exists"
    story.done(EndLine(mac("line"), "revoked"), by=LENDING)
    assert story.code(story.held("h2", line, 1)) == "line_ended"


def test_a_line_runs_out_and_so_does_a_hold(story: Story) -> None:
    line = story.lent()
    hold = story.held("h", line, 100_000, ms=HOUR_MS)
    story.done(hold)
    story.chain.block(time_ms=hold.until_ms)
    assert story.charge("late", "h", 1)[-1] == "hold_expired"
    assert story.code(ReleaseCredit(mac("h"), LENDING, "done")) == "hold_expired"
    assert story.code(story.held("h2", line, 100_000)) == "recorded"
    story.chain.block(time_ms=line_body(story, line).until_ms)
    assert story.code(story.held("h3", line, 1)) == "line_expired"
    assert story.code(agree(line, LI)) == "line_expired"


def test_no_other_operation_captures_or_releases_a_lines_hold(story: Story) -> None:
    line = story.lent()
    story.done(story.held("h", line))
    assert story.code(ReleaseHold(mac("h"), "mine")) == "account_guarded"


def test_a_capture_is_refused_in_the_order_of_the_codes(story: Story) -> None:
    line = story.lent()
    story.done(story.held("h", line), story.notice("n", test=100), story.order("o", "n", credit=60, cash=40))
    assert story.code(capture("none", "o")) == "hold_unknown"
    assert story.code(replace(capture("h", "o"), lender="platform-a")) == "line_differs"
    assert story.code(capture("h", "none")) == "order_unknown"
    assert story.code(capture("h", "o", 2)) == "part_unknown"
    assert story.code(capture("h", "o", 1)) == "channel_differs"
    first = capture("h", "o")
    assert story.code(first) == "recorded"
    assert story.code(first) == "already_recorded"
    assert story.code(replace(first, part=1)) == "payment_exists"
    assert story.code(replace(first, payment=mac("other"))) == "part_paid"
    story.done(EndAgreement(WEI, 1, "moved_away"))
    assert story.charge("late", "h", 1)[-1] == "agreement_ended"
    story.done(CloseOrder(mac("o"), "unpaid"))
    assert (owed(story, line), story.at("suspense"), story.at("refunds")) == (0, 0, 0)


def test_the_balance_is_used_before_the_line(story: Story) -> None:
    """The seed's order: balance, card, credit."""
    story.done(deposit("card", "balance"), pay_in("v", "card", 30))
    line = story.lent(deposit="card")
    story.done(story.held("h", line))
    assert story.charge("c", "h", 100)[-1] == "balance_first"
    story.done(story.notice("n", test=100), story.order("o", "n", deposit=30, card=20, credit=50))
    assert story.code(capture("h", "o", 2)) == "balance_first"

    story.done(PayFromDeposit(mac("card"), mac("used"), mac("o"), 0), take("pos", "o", 1, 20), capture("h", "o", 2))
    assert (owed(story, line), story.at("collected")) == (50, 100)


# ── who bears the risk ───────────────────────────────────────────────────────────────────────────────────────────────


def test_at_the_hospitals_risk_there_is_a_receivable_until_the_patient_pays(story: Story) -> None:
    """Row 97, the variant of 2016."""
    line = owing(story, 20_000, bearer=HOSPITAL_BEARS)
    assert (story.at("collected"), story.at("receivable"), story.order_body("c").free_fen) == (0, 20_000, 0)
    assert line_body(story, line).hospital == [HOSPITAL]
    assert story.code(agree(line, LI), OTHER) == "line_taken"
    assert story.code(repay(line, "r", 5_000), LENDING) == "not_the_bearer"
    story.done(repay(line, "r", 5_000))
    assert (story.at("own"), story.at("receivable"), owed(story, line)) == (5_000, 15_000, 15_000)
    assert (story.at("channel", about="alipay"), story.at("collected")) == (-5_000, 0)
    overdue(story, line)
    assert is_holder_overdue(story.chain.ledger.state, HOSPITAL, WEI, story.chain.time_ms)  # type: ignore[arg-type]


def test_what_was_repaid_to_a_hospital_leaves_by_its_bank(story: Story) -> None:
    """It is its own, beyond the orders' money: no split, no refund, and no finished order would move it on."""
    line = owing(story, 20_000, bearer=HOSPITAL_BEARS)
    story.done(repay(line, "r", 20_000), bind("hospital", account=own_of(HOSPITAL)))
    assert story.code(pay_out("too much", "hospital", 20_001)) == "exceeds_credits"
    story.done(pay_out("out", "hospital", 20_000))
    assert (story.at("own"), story.at("bank"), story.at("channel", about="alipay")) == (0, 20_000, -20_000)


def test_nobodys_refund_stands_in_the_way_of_anothers_repayment(story: Story) -> None:
    """What is owed to the hospital on all lines together is its receivable, and it may be below nothing: who has repaid and is
    refunded has more on the line than it was granted."""
    wei = owing(story, 10_000, bearer=HOSPITAL_BEARS)
    story.done(repay(wei, "wei repaid", 10_000), give_back("wei back", "c captured", 10_000, "c"))
    assert (story.at("receivable"), owed(story, wei), left(story, wei)) == (-10_000, -10_000, 110_000)
    li = story.lent("second", bearer=HOSPITAL_BEARS, holder=LI)
    story.done(story.held("l", li, holder=LI))
    assert set(story.charge("d", "l", 15_000, holder=LI)) == {"recorded"}
    story.done(repay(li, "li repaid", 15_000))
    assert (story.at("receivable"), story.at("own"), owed(story, li)) == (-10_000, 25_000, 0)
    assert set(story.charge("e", "h", 10_000)) == {"recorded"}  # what was given back pays what comes next
    assert (story.at("receivable"), owed(story, wei), left(story, wei)) == (0, 0, 100_000)


# ── refunds ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_refund_restores_the_line_in_its_own_block(story: Story) -> None:
    """Row 99."""
    first = story.chain.lease()
    line = owing(story, 20_000)
    bill = issue_bill("B-1", serial=first, total_fen=20_000)
    red = reverse_bill(bill, serial=first + 1)
    story.done(bill, answer(bill.bill, "c"))
    assert (
        story.chain.run_linked(HOSPITAL, red, give_back("r", "c captured", 20_000, "c", red.bill)) == ["recorded"] * 2
    )
    assert (owed(story, line), left(story, line), story.at("collected")) == (0, 100_000, 0)


# ── statements, repayment, instalments ───────────────────────────────────────────────────────────────────────────────


def test_a_line_is_used_where_the_lender_said_and_nowhere_else(story: Story) -> None:
    """Its name is public: a hospital that nobody named would deduct from it under an invented patient."""
    story.lent("first")
    for hospitals in ([OTHER, HOSPITAL], [HOSPITAL, HOSPITAL]):
        opened = OpenLine(mac("x"), "first", 1, story.in_ms(DAY_MS), mac("yes"), hospitals)
        assert story.code(opened, LENDING) == "hospitals_malformed"
    opened = OpenLine(mac("second"), "first", 1, story.in_ms(DAY_MS), mac("yes"), [OTHER])
    story.done(opened, by=LENDING)
    second = LineRef(LENDING, mac("second"))
    assert story.code(agree(second, LI)) == "hospital_not_named"
    assert story.code(agree(second, LI), OTHER) == "recorded"


def test_the_lender_names_further_hospitals_in_turn(story: Story) -> None:
    """What was named stays; a hospital cannot name itself."""
    story.lent("first")
    opened = OpenLine(mac("second"), "first", 1, story.in_ms(DAY_MS), mac("yes"), [OTHER])
    story.done(opened, by=LENDING)
    line = LineRef(LENDING, mac("second"))
    named = NameHospitals(mac("second"), 1, [HOSPITAL])
    assert story.code(named) == "line_unknown"
    assert story.code(replace(named, line=mac("none")), LENDING) == "line_unknown"
    assert story.code(replace(named, number=0), LENDING) == "standing_moved"
    for hospitals in ([HOSPITAL, HOSPITAL], ["z", HOSPITAL], [OTHER], [HOSPITAL, OTHER]):
        assert story.code(replace(named, hospitals=hospitals), LENDING) == "hospitals_malformed"
    assert story.code(named, LENDING) == "recorded"
    assert story.code(named, LENDING) == "already_recorded"
    assert story.code(replace(named, hospitals=["hospital-x"]), LENDING) == "standing_moved"
    assert line_body(story, line).hospitals == sorted([HOSPITAL, OTHER])
    assert story.code(agree(line, LI)) == "recorded"
    assert story.code(agree(line, LI), OTHER) == "recorded"
    many = [f"hospital-{number:02d}" for number in range(HOSPITALS_MAX - 1)]
    assert story.code(NameHospitals(mac("second"), 2, many), LENDING) == "hospitals_malformed"
    assert story.code(NameHospitals(mac("second"), 2, many[1:]), LENDING) == "recorded"
    assert len(line_body(story, line).hospitals) == HOSPITALS_MAX


def test_a_line_that_is_over_is_named_nowhere_else(story: Story) -> None:
    story.lent("first")
    for name, code in (("ended", "line_ended"), ("late", "line_expired")):
        story.done(OpenLine(mac(name), "first", 1, story.in_ms(DAY_MS), mac("yes"), [OTHER]), by=LENDING)
        if name == "ended":
            story.done(EndLine(mac(name), "revoked"), by=LENDING)
        else:
            story.chain.block(time_ms=story.in_ms(DAY_MS))
        assert story.code(NameHospitals(mac(name), 1, [HOSPITAL]), LENDING) == code


def test_who_is_not_named_learns_nothing_of_who_has_taken_a_line(story: Story) -> None:
    """At the hospital's risk a line is one hospital's: of the others only those that are named are told."""
    story.lent("own", bearer=HOSPITAL_BEARS)
    opened = OpenLine(mac("narrow"), "own", 1, story.in_ms(DAY_MS), mac("yes"), [OTHER])
    story.done(opened, by=LENDING)
    narrow = LineRef(LENDING, mac("narrow"))
    assert story.code(agree(narrow, LI)) == "hospital_not_named"
    assert line_body(story, narrow).hospital == []
    assert story.code(agree(narrow, LI), OTHER) == "recorded"
    assert line_body(story, narrow).hospital == [OTHER]
    assert story.code(agree(narrow, LI)) == "hospital_not_named"


def test_a_lender_that_is_not_in_force_lends_nothing_new(story: Story) -> None:
    """What is held is captured all the same; an emergency too needs a lender."""
    line = owing(story, 20_000)
    assert story.code(SuspendOrganisation(LENDING, "audit", 0, []), "finance-city") == "recorded"
    assert story.code(story.held("h2", line)) == "lender_not_entitled"
    assert story.code(agree(line, LI)) == "lender_not_entitled"
    opened = OpenLine(mac("second"), "line", 1, story.in_ms(DAY_MS), mac("yes"), [HOSPITAL])
    assert story.code(opened, LENDING) == "organisation_suspended"
    assert story.code(story.held("e", line, 1, emergency="dr zhao")) == "lender_not_entitled"
    assert set(story.charge("d", "h", 100)) == {"recorded"}


def test_another_line_hides_no_debt(story: Story) -> None:
    """Who owes on the line of a former agreement signs none about another one: the debt would block no booking."""
    owing(story, 20_000)
    story.done(EndAgreement(WEI, 1, "patient"))
    opened = OpenLine(mac("second"), "line", 1, story.in_ms(365 * DAY_MS), mac("yes"), [HOSPITAL])
    story.done(opened, by=LENDING)
    second = agree(LineRef(LENDING, mac("second")), number=2)
    assert story.code(second) == "former_line_owed"
    story.done(repay(LineRef(LENDING, mac("line")), "r", 20_000), by=LENDING)
    story.done(second)


def test_who_owes_signs_again_about_the_same_line(story: Story) -> None:
    """The debt stays in sight: the holder's agreement names the line that it is on."""
    line = owing(story, 20_000)
    story.done(EndAgreement(WEI, 1, "patient"), agree(line, number=2))
    overdue(story, line)
    assert is_holder_overdue(story.chain.ledger.state, HOSPITAL, WEI, story.chain.time_ms)  # type: ignore[arg-type]


def test_a_statement_says_what_the_ledger_says(story: Story) -> None:
    line = owing(story, 20_000)
    due_ms = story.in_ms(11 * DAY_MS)
    assert story.code(state(LineRef(LENDING, mac("x")), "s", 1, due_ms), LENDING) == "line_unknown"
    assert story.code(state(line, "s", 20_000, due_ms)) == "not_the_bearer"
    assert story.code(state(line, "s", 19_999, due_ms), LENDING) == "owed_differs"
    assert story.code(state(line, "s", 20_000, story.in_ms(9 * DAY_MS)), LENDING) == "due_too_soon"
    first, stated_ms = state(line, "s", 20_000, due_ms), story.chain.time_ms
    assert story.code(first, LENDING) == "recorded"
    assert story.code(first, LENDING) == "already_recorded"
    assert story.code(state(line, "s", 1, due_ms), LENDING) == "statement_exists"
    assert line_body(story, line).dues == [Due(due_ms, 20_000, stated_ms)]
    assert story.code(repay(line, "r", 0), LENDING) == "amount_not_positive"
    assert story.code(repay(line, "r", 20_001), LENDING) == "exceeds_debt"
    paid = repay(line, "r", 20_000)
    assert story.code(paid, LENDING) == "recorded"
    assert story.code(paid, LENDING) == "already_recorded"
    assert story.code(repay(line, "r", 1), LENDING) == "repayment_exists"
    assert (owed(story, line), left(story, line)) == (0, 100_000)
    assert story.code(state(line, "s2", 0, story.in_ms(11 * DAY_MS)), LENDING) == "nothing_owed"
    story.chain.block(time_ms=due_ms)
    assert not is_overdue(story.chain.ledger.state, line_body(story, line), story.chain.time_ms)  # type: ignore[arg-type]


def test_overdue_stops_what_is_new_and_never_an_emergency(story: Story) -> None:
    """Row 98."""
    line = owing(story, 10_000)
    story.done(ReleaseCredit(mac("h"), LENDING, "done"), story.held("under way", line, 20_000, ms=20 * DAY_MS))
    overdue(story, line)
    assert set(story.charge("a step more", "under way", 10_000)) == {"recorded"}
    assert story.code(story.held("new", line, 1)) == "account_overdue"
    assert story.code(agree(line, LI), OTHER) == "account_overdue"
    assert story.code(story.held("e", line, 50_001, emergency="dr zhao")) == "credit_line_exceeded"
    assert story.code(story.held("e", line, 50_000, emergency="dr zhao")) == "recorded"
    assert set(story.charge("surgery", "e", 50_000)) == {"recorded"}
    assert owed(story, line) == 70_000
    story.done(repay(line, "r", 10_000), by=LENDING)
    assert story.code(story.held("new", line, 1)) == "recorded"


def test_nothing_is_asked_for_where_more_came_back_than_was_used(story: Story) -> None:
    line = owing(story, 10_000)
    story.done(repay(line, "r", 10_000), by=LENDING)
    story.done(give_back("back", "c captured", 10_000, "c"))
    assert owed(story, line) == -10_000
    assert story.code(state(line, "s", -10_000, story.in_ms(11 * DAY_MS)), LENDING) == "nothing_owed"


def test_a_charge_that_is_taken_back_pays_nothing_that_was_stated_before(story: Story) -> None:
    """Who books on credit and cancels again has not paid: by a refund, and by an order that comes to nothing."""
    line = owing(story, 20_000)
    due_ms = story.in_ms(10 * DAY_MS)
    story.done(state(line, "s", 20_000, due_ms), by=LENDING)
    assert set(story.charge("new", "h", 20_000)) == {"recorded"}
    story.done(give_back("r", "new captured", 20_000, "new"))
    story.done(story.notice("n", test=20_000), story.order("o", "n", credit=15_000, cash=5_000))
    story.done(capture("h", "o", 0), CloseOrder(mac("o"), "gone"))
    assert (owed(story, line), line_body(story, line).dues[0].returned_fen) == (20_000, 55_000)
    story.done(give_back("r2", "c captured", 5_000, "c"))  # of what was stated
    story.done(repay(line, "p", 14_999), by=LENDING)
    story.chain.block(time_ms=due_ms)
    view: Any = story.chain.ledger.state
    assert is_overdue(view, line_body(story, line), story.chain.time_ms)
    story.done(repay(line, "p2", 1), by=LENDING)
    assert not is_overdue(view, line_body(story, line), story.chain.time_ms)


def test_no_account_of_the_ledger_is_a_channel_that_repays(story: Story) -> None:
    line = owing(story, 10_000)
    for channel in ("credit", "deposit"):
        assert story.code(replace(repay(line, "r", 10_000), channel=channel), LENDING) == "channel_differs"


def test_what_comes_pays_the_line_first_and_then_the_emergency(story: Story) -> None:
    line = owing(story, 20_000)
    story.done(story.held("e", line, 30_000, emergency="dr zhao"))
    assert set(story.charge("surgery", "e", 30_000)) == {"recorded"}
    story.done(repay(line, "r", 35_000), by=LENDING)
    body = line_body(story, line)
    assert (story.balance(body.account), story.balance(body.emergency)) == (100_000, 35_000)


def test_who_declared_an_emergency_is_on_record_and_somebody_else_reviews_it(story: Story) -> None:
    line = story.lent()
    story.done(story.held("e", line, 1, emergency="dr zhao"), story.held("h", line, 1))
    review = ReviewEmergency(mac("e"), "upheld", mac("dr qian"))
    assert story.code(ReviewEmergency(mac("none"), "upheld", mac("dr qian"))) == "hold_unknown"
    assert story.code(ReviewEmergency(mac("h"), "upheld", mac("dr qian"))) == "not_an_emergency"
    assert story.code(ReviewEmergency(mac("e"), "upheld", mac("dr zhao"))) == "same_person"
    assert story.code(review) == "recorded"
    assert story.code(review) == "already_recorded"
    assert story.code(ReviewEmergency(mac("e"), "dismissed", mac("dr sun"))) == "already_reviewed"
    body = story.chain.body(keyspace.credit_hold(HOSPITAL, mac("e")), CreditHoldBody)
    assert (body.emergency, body.outcome, body.reviewer) == ([mac("dr zhao")], "upheld", [mac("dr qian")])


def test_a_line_and_a_deposit_pay_nothing_that_others_owe(story: Story) -> None:
    line = story.lent()
    story.done(story.held("h", line), deposit("d"), pay_in("in", "d", 5_000))
    assert story.charge("x", "h", 100, holder=LI)[-1] == "order_of_other"
    story.done(story.notice("n", LI, test=100), story.order("o", "n", deposit=100))
    assert story.code(PayFromDeposit(mac("d"), mac("paid"), mac("o"), 0)) == "order_of_other"
    assert set(story.charge("y", "h", 100)) == {"recorded"}


def test_what_is_due_is_never_more_than_a_record_holds(story: Story) -> None:
    """Both accounts of a line were used, and restored, as often as the largest sum allows."""
    line = owing(story)
    body, state_of = line_body(story, line), story.chain.ledger.state
    full = {}
    for ref in (body.account, body.emergency):
        account = story.chain.body(keyspace.account(ref), AccountBody)
        more_fen = FEN_MAX - max(account.debits_fen, account.credits_fen)
        full[keyspace.account(ref)] = replace(
            account, debits_fen=account.debits_fen + more_fen, credits_fen=account.credits_fen + more_fen
        )

    class Used:
        def get(self, key: bytes, kind: Any) -> Any:
            return full.get(key) or state_of.get(key, kind)

        def origin(self, key: bytes) -> bytes | None:
            return None

    view, due_ms = Used(), story.in_ms(10 * DAY_MS)
    context = Context(
        LENDING, UNIT, 1, story.chain.time_ms, mac("o"), story.chain.genesis.parameters, lambda height: None
    )
    with pytest.raises(Refused, match="account_full"):
        state_line(view, state(line, "s", 20_000, due_ms), context)
    with pytest.raises(Refused, match="account_full"):
        agree_instalments(view, AgreeInstalments(line, mac("p"), [Instalment(due_ms, 20_000)]), context)


def test_instalments_take_the_place_of_what_was_due(story: Story) -> None:
    line = owing(story, 30_000)
    overdue(story, line)
    now = story.chain.time_ms
    plan = AgreeInstalments(line, mac("plan"), [Instalment(now + k * 30 * DAY_MS, 10_000) for k in (1, 2, 3)])
    assert story.code(plan) == "not_the_bearer"
    for wrong in (
        plan.instalments[::-1],
        plan.instalments[:2],
        [Instalment(now - 1, 30_000)],
        [Instalment(now + DAY_MS, 30_001), Instalment(now + 2 * DAY_MS, -1)],
        [Instalment(now + k * DAY_MS, 30_000 // 15) for k in range(1, 16)],
    ):
        assert story.code(replace(plan, instalments=wrong), LENDING) == "instalments_malformed"
    assert story.code(plan, LENDING) == "recorded"
    assert story.code(plan, LENDING) == "already_recorded"
    assert story.code(replace(plan, instalments=plan.instalments[:1]), LENDING) == "plan_exists"
    assert story.code(story.held("new", line, 1)) == "recorded"  # nothing is overdue any more
    story.chain.block(time_ms=plan.instalments[0].due_ms)
    assert story.code(story.held("new 2", line, 1)) == "account_overdue"
    story.done(repay(line, "r", 10_000), by=LENDING)
    assert story.code(story.held("new 2", line, 1)) == "recorded"


def test_a_revoked_line_takes_nothing_new_and_its_debt_stays(story: Story) -> None:
    """Row 99."""
    line = owing(story, 20_000)
    end = EndLine(mac("line"), "revoked")
    assert story.code(EndLine(mac("none"), "revoked"), LENDING) == "line_unknown"
    assert story.code(end, LENDING) == "recorded"
    assert story.code(end, LENDING) == "already_recorded"
    assert story.code(EndLine(mac("line"), "other"), LENDING) == "line_ended"
    assert story.charge("late", "h", 1)[-1] == "line_ended"
    assert owed(story, line) == 20_000
    story.done(repay(line, "r", 20_000), by=LENDING)
    assert owed(story, line) == 0


def test_dates_that_count_are_few(story: Story) -> None:
    line = owing(story, 1)
    for number in range(DUES_MAX + 6):
        assert set(story.charge(f"c{number}", "h", 1)) == {"recorded"}
        due_ms = story.in_ms((10 + number) * DAY_MS)
        expected = "recorded" if number < DUES_MAX else "too_many_dues"
        assert story.code(state(line, f"s{number}", number + 2, due_ms), LENDING) == expected
    story.done(repay(line, "r", 10), by=LENDING)
    assert story.code(state(line, "again", DUES_MAX - 3, story.in_ms(99 * DAY_MS)), LENDING) == "recorded"
    dues = line_body(story, line).dues
    assert dues == sorted(dues, key=lambda due: due.due_ms)
    assert [due.returned_fen for due in dues] == sorted({due.returned_fen for due in dues})
