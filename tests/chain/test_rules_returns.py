"""Money comes back after a split: of each share no more than it gave, nothing below zero, a shortfall by name; then the refund."""

from __future__ import annotations

import pytest

from chain import keyspace
from chain.operation import AccountRef, CloseOrder, LineRule, OpenAccount, SuspendPayee, Transfer
from chain.records import UNLIMITED, Debt, ReturnedBody, TakenBackBody
from chain.rules import money_places
from chain.rules.accounts import AMOUNT_FEN_MAX, Books
from chain.rules.payees import DEBTS_MAX
from tests.chain.making import key_of, mac
from tests.chain.paying import HOSPITAL, give_back
from tests.chain.splitting import (
    NOTHING,
    PLATFORM,
    SHARES,
    Splitting,
    bind,
    finish,
    own_of,
    part,
    pay_out,
    platform_rules,
    remainder,
    returned,
    share,
    split,
    take_back,
)


@pytest.fixture
def story() -> Splitting:
    """An order of 336.30 that is split."""
    story = Splitting()
    story.paid_order("o")
    story.do(split("s", "o"))
    return story


# ── taken back ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_share_is_taken_back_and_the_patient_is_refunded(story: Splitting) -> None:
    """Row 90: a refund after a split waits for what comes back."""
    refund = give_back("r", "o paid", 4_200, "o")
    assert story.refuse(refund) == "exceeds_order"
    operation, time_ms = take_back("b", "s", 0, 4_200), story.chain.time_ms
    story.do(operation)
    assert (story.has("doctor"), story.free("o"), story.at("collected", PLATFORM)) == (0, (4_200, 4_200), 4_200)
    stored = story.chain.body(keyspace.taken_back(PLATFORM, mac("b")), TakenBackBody)
    assert stored == TakenBackBody(mac("s"), 0, 4_200, 0, time_ms)
    assert story.split_body("s").taken_back_fen == [4_200, 0, 0, 0]
    story.do(refund)
    assert (story.free("o"), story.at("collected", PLATFORM)) == ((0, 0), 0)
    assert story.refuse(operation) == "already_recorded"
    assert story.refuse(take_back("b", "s", 1, 1)) == "back_exists"


def test_all_that_is_taken_back_of_a_share_is_never_more_than_it_gave(story: Splitting) -> None:
    story.paid_order("p")
    story.do(split("s2", "p"))  # so the doctor has more than this share
    story.do(take_back("b1", "s", 0, 4_000))
    assert story.refuse(take_back("b2", "s", 0, 201)) == "exceeds_share"
    story.do(take_back("b2", "s", 0, 200))
    assert story.refuse(take_back("b3", "s", 0, 1)) == "exceeds_share"
    assert (story.has("doctor"), story.free("o"), story.free("p")) == (4_200, (4_200, 4_200), (0, 0))


def test_codes_of_a_take_back_in_their_order(story: Splitting) -> None:
    nothing = take_back("b", "none", 9, 0)
    assert story.refuse(nothing, "finance-city", key=key_of("finance-city/seal")) == "wrong_key"
    assert story.refuse(nothing) == "split_unknown"
    assert story.code(take_back("b", "s", 0, 1)) == "split_unknown"  # of another organisation
    assert story.refuse(take_back("b", "s", 4, 0)) == "share_unknown"
    assert story.refuse(take_back("b", "s", 3, 0)) == "amount_not_positive"
    assert story.refuse(take_back("b", "s", 3, -1)) == "amount_not_positive"
    assert story.refuse(take_back("b", "s", 3, 26_431)) == "exceeds_share"


def test_what_a_payee_has_not_got_any_more_it_owes_by_name(story: Splitting) -> None:
    """Row 90: never below zero silently."""
    story.do(pay_out("out", "doctor", 3_000))
    time_ms = story.chain.time_ms
    story.do(take_back("b", "s", 0, 4_200))
    assert (story.has("doctor"), story.free("o")) == (0, (1_200, 1_200))
    assert story.payee_body("doctor").owed == [Debt(mac("o"), 3_000)]
    assert (story.owes("doctor"), story.at("claims", PLATFORM), story.became("o").owed_fen) == (3_000, 3_000, 3_000)
    stored = story.chain.body(keyspace.taken_back(PLATFORM, mac("b")), TakenBackBody)
    assert stored == TakenBackBody(mac("s"), 0, 4_200, 3_000, time_ms)
    assert story.refuse(give_back("r", "o paid", 1_201, "o")) == "exceeds_order"  # no more than has come back
    story.do(give_back("r", "o paid", 1_200, "o"))


def test_a_suspended_payee_gives_back_too(story: Splitting) -> None:
    story.do(SuspendPayee(mac("doctor"), "licence_ended", 0), take_back("b", "s", 0, 4_200))
    assert story.free("o") == (4_200, 4_200)


def test_an_organisation_does_not_owe_to_itself(story: Splitting) -> None:
    story.do(pay_out("out", "platform", 1_000))
    assert story.refuse(take_back("b", "s", 1, 801)) == "exceeds_credits"
    story.do(take_back("b", "s", 1, 800))
    assert (story.at("own", PLATFORM), story.free("o")) == (0, (800, 800))


def test_a_payee_owes_to_so_many_orders_at_most(story: Splitting) -> None:
    """More of an order that it owes to already is one debt."""
    for number in range(DEBTS_MAX):
        story.paid_order(f"o{number}", delivery=1_200)
        story.do(split(f"s{number}", f"o{number}", SHARES[2]))
    story.do(pay_out("out", "courier", 1_200 * (DEBTS_MAX + 1)))
    story.do(*(take_back(f"b{number}", f"s{number}", 0, 1_199) for number in range(DEBTS_MAX)))
    assert len(story.payee_body("courier").owed) == DEBTS_MAX
    assert story.refuse(take_back("b", "s", 2, 1)) == "too_many_debts"
    story.do(take_back("again", "s0", 0, 1))
    assert story.payee_body("courier").owed[0] == Debt(mac("o0"), 1_200)
    assert story.owes("courier") == 1_199 * DEBTS_MAX + 1


# ── the organisation's own money ─────────────────────────────────────────────────────────────────────────────────────


def test_a_hospital_gives_of_the_rest_that_it_had(story: Splitting) -> None:
    hospital = Splitting(HOSPITAL)
    hospital.paid_order("o", drug=26_430, delivery=1_200)
    hospital.do(split("s", "o", SHARES[2]), finish("o"))
    refund = give_back("r", "o paid", 10_000, "o")
    assert hospital.refuse(refund) == "exceeds_order"
    operation, time_ms = returned("a", "o", own_of(HOSPITAL), 10_000), hospital.chain.time_ms
    hospital.do(operation, refund)
    assert (hospital.at("own"), hospital.at("collected"), hospital.became("o").rest_fen) == (16_430, 0, 16_430)
    stored = hospital.chain.body(keyspace.returned(HOSPITAL, mac("a")), ReturnedBody)
    assert stored == ReturnedBody(mac("o"), own_of(HOSPITAL), 10_000, 0, time_ms)
    assert hospital.refuse(operation) == "already_recorded"
    assert hospital.refuse(returned("a", "o", own_of(HOSPITAL), 1)) == "back_exists"
    assert hospital.refuse(returned("a2", "o", own_of(HOSPITAL), 16_431)) == "exceeds_order"


def test_an_organisation_advances_what_payees_owe_and_no_more() -> None:
    """From its own part, or, as a hospital, from an account that it brings money into."""
    story = Splitting(HOSPITAL)
    story.do(platform_rules(2, lines=[LineRule("consultation", 100, [remainder("doctor"), part("hospital", 30)])]))
    story.paid_order("o", consultation=6_000)
    shares = [share("consultation", 0, "doctor", 4_200), share("consultation", 1, "hospital", 1_800)]
    story.do(split("s", "o", *shares, version=2))
    story.do(pay_out("out", "doctor", 4_200), take_back("b", "s", 0, 2_000))
    assert story.refuse(returned("a", "o", own_of(HOSPITAL), 2_001)) == "exceeds_order"
    assert story.refuse(returned("a", "o", own_of(HOSPITAL), 1_900)) == "exceeds_credits"  # it has 18.00
    story.do(returned("a", "o", own_of(HOSPITAL), 1_800))
    till = AccountRef(HOSPITAL, mac("till"))
    story.do(OpenAccount(till.account, "own", UNLIMITED, False))
    assert story.refuse(returned("a2", "o", till, 201)) == "exceeds_order"
    time_ms = story.chain.time_ms
    story.do(returned("a2", "o", till, 200), give_back("r", "o paid", 2_000, "o"))
    stored = story.chain.body(keyspace.returned(HOSPITAL, mac("a2")), ReturnedBody)
    assert stored == ReturnedBody(mac("o"), till, 200, 200, time_ms)
    assert (story.became("o").owed_fen, story.became("o").advanced_fen) == (2_000, 2_000)
    assert (story.free("o"), story.at("collected", HOSPITAL), story.owes("doctor")) == ((0, 0), 0, 2_000)


def test_codes_of_a_return_in_their_order(story: Splitting) -> None:
    foreign = AccountRef(HOSPITAL, mac("till"))
    nothing = returned("a", "none", foreign, 0)
    assert story.refuse(nothing, "finance-city", key=key_of("finance-city/seal")) == "wrong_key"
    assert story.refuse(nothing) == "order_unknown"
    story.do(story.notice("n", drug=100), story.order("open", "n", alipay=100))
    assert story.refuse(returned("a", "open", foreign, 0)) == "order_open"
    story.do(CloseOrder(mac("open"), "gone"))
    assert story.refuse(returned("a", "open", foreign, 0)) == "order_closed"
    assert story.refuse(returned("a", "o", foreign, 0)) == "not_the_owner"
    suspense = money_places.suspense(Books(NOTHING, None), PLATFORM)  # type: ignore[arg-type]
    assert story.refuse(returned("a", "o", suspense, 0)) == "source_not_own"
    assert story.refuse(returned("a", "o", own_of(PLATFORM), 0)) == "amount_not_positive"
    assert story.refuse(returned("a", "o", own_of(PLATFORM), AMOUNT_FEN_MAX + 1)) == "amount_too_large"
    assert story.refuse(returned("a", "o", own_of(PLATFORM), 1)) == "exceeds_order"
    story.do(take_back("b", "s", 0, 4_200), pay_out("out", "supplier", 26_430), take_back("b2", "s", 3, 1))
    hospital = Splitting(HOSPITAL)
    hospital.do(bind("platform"))
    hospital.paid_order("o")
    hospital.do(split("s", "o"), pay_out("out", "supplier", 26_430), take_back("b", "s", 3, 1))
    suspense = money_places.suspense(Books(NOTHING, None), HOSPITAL)  # type: ignore[arg-type]
    assert hospital.refuse(returned("a", "o", suspense, 0)) == "account_guarded"
    missing = AccountRef(HOSPITAL, mac("missing"))
    assert hospital.refuse(returned("a", "o", missing, 1)) == "debit_account_unknown"


def test_own_money_is_not_moved_by_a_transfer(story: Splitting) -> None:
    till = AccountRef(PLATFORM, mac("till"))
    story.do(OpenAccount(till.account, "own", UNLIMITED, True))
    for debit, credit in ((own_of(PLATFORM), till), (till, own_of(PLATFORM))):
        assert story.refuse(Transfer(mac("t"), debit, credit, 1, "own", [], [])) == "account_guarded"
