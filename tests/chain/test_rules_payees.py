"""Payees: bound with kind, account and consent; suspended and resumed; paid out by the bank; debts that further shares pay first."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from chain import keyspace
from chain.digest import EMPTY_DIGEST
from chain.operation import AccountRef, CloseAccount, OpenAccount, PayOut, ResumePayee, SuspendPayee
from chain.records import ACTIVE, DEBITS_WITHIN_CREDITS, SUSPENDED, UNLIMITED, OwedPaidBody, PayeeBody, PayOutBody
from chain.rules import money_places
from chain.rules.accounts import AMOUNT_FEN_MAX, Books
from tests.chain.making import key_of, mac
from tests.chain.paying import HOSPITAL
from tests.chain.splitting import (
    NOTHING,
    PLATFORM,
    SHARES,
    Splitting,
    bind,
    own_of,
    pay_out,
    pay_owed,
    returned,
    share,
    split,
    take_back,
)

TILL = AccountRef(HOSPITAL, mac("till"))
MINE = AccountRef(PLATFORM, mac("till"))
STRANGER = "hospital-b"


@pytest.fixture
def story() -> Splitting:
    return Splitting()


def suspend(payee: str, changes: int) -> SuspendPayee:
    return SuspendPayee(mac(payee), "licence_ended", changes)


def resume(payee: str, changes: int) -> ResumePayee:
    return ResumePayee(mac(payee), changes)


# ── bound ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_payee_without_an_account_gets_one_that_splits_alone_move(story: Splitting) -> None:
    operation = bind("doctor-2", "doctor")
    story.do(operation)
    body = story.payee_body("doctor-2")
    kept = money_places.payee(Books(NOTHING, None), PLATFORM, mac("doctor-2"))  # type: ignore[arg-type]
    assert body == PayeeBody("doctor", kept, mac("doctor-2 consents"), ACTIVE, "", 0, [])
    assert story.refuse(operation) == "already_recorded"
    assert story.refuse(bind("doctor-2", "courier")) == "payee_exists"


def test_a_payee_needs_a_known_kind_and_a_consent(story: Splitting) -> None:
    nobody = replace(bind("x", "friend"), consent=EMPTY_DIGEST)
    assert story.refuse(nobody, "finance-city", key=key_of("finance-city/seal")) == "wrong_key"
    assert story.refuse(nobody) == "payee_kind_unknown"
    assert story.refuse(replace(nobody, kind="doctor", account=[MINE])) == "consent_missing"


def test_an_account_is_of_another_organisation_that_takes_from_others(story: Splitting) -> None:
    """In the order of the codes."""
    assert story.refuse(bind("h", "hospital", MINE)) == "account_not_the_payees"  # whether it is there or not
    story.do(OpenAccount(mac("till"), "own", UNLIMITED, True))
    assert story.refuse(bind("h", "doctor", MINE)) == "account_not_the_payees"
    assert story.refuse(bind("h", "hospital", TILL)) == "account_unknown"
    story.done(OpenAccount(mac("till"), "own", UNLIMITED, False))
    assert story.refuse(bind("h", "hospital", TILL)) == "not_taken_from_others"
    story.done(OpenAccount(mac("closed"), "own", UNLIMITED, True), CloseAccount(mac("closed")))
    assert story.refuse(bind("h", "hospital", AccountRef(HOSPITAL, mac("closed")))) == "account_closed"
    story.paid("n", test=1)  # opens the hospital's guarded accounts
    collected = money_places.collected(Books(NOTHING, None), HOSPITAL)  # type: ignore[arg-type]
    assert story.refuse(bind("h", "hospital", collected)) == "account_guarded"
    story.done(OpenAccount(mac("open"), "own", UNLIMITED, True))
    story.do(bind("h", "hospital", AccountRef(HOSPITAL, mac("open"))))


def test_an_organisations_own_money_is_its_own_share_and_nobody_elses(story: Splitting) -> None:
    assert story.refuse(bind("d", "doctor", own_of(PLATFORM))) == "payee_kind_differs"
    story.do(bind("us", "platform", own_of(PLATFORM)))
    hospital = Splitting(HOSPITAL)
    assert hospital.refuse(bind("us", "platform", own_of(HOSPITAL))) == "payee_kind_differs"


# ── standing ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_payee_is_suspended_and_resumed_and_each_step_names_how_often_before(story: Splitting) -> None:
    assert story.refuse(suspend("none", 0)) == "payee_not_bound"
    assert story.refuse(suspend("doctor", 1)) == "standing_moved"
    assert story.refuse(resume("doctor", 0)) == "not_suspended"
    story.do(suspend("doctor", 0))
    body = story.payee_body("doctor")
    assert (body.state, body.reason, body.changes) == (SUSPENDED, "licence_ended", 1)
    assert story.refuse(suspend("doctor", 0)) == "standing_moved"
    assert story.refuse(suspend("doctor", 1)) == "already_suspended"
    assert story.refuse(resume("doctor", 0)) == "standing_moved"
    assert story.refuse(resume("doctor", 1), "finance-city", key=key_of("finance-city/seal")) == "wrong_key"
    story.do(resume("doctor", 1))
    assert (story.payee_body("doctor").state, story.payee_body("doctor").reason) == (ACTIVE, "")


def test_what_a_suspended_payee_has_stays_its_own(story: Splitting) -> None:
    story.paid_order("o")
    story.do(split("s", "o"), suspend("doctor", 0), pay_out("out", "doctor", 4_200))
    assert story.has("doctor") == 0


# ── paid out ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_payee_is_paid_out_what_it_has(story: Splitting) -> None:
    story.paid_order("o")
    story.do(split("s", "o"))
    operation, time_ms = pay_out("out", "doctor", 4_000), story.chain.time_ms
    story.do(operation)
    assert (story.has("doctor"), story.at("bank", PLATFORM)) == (200, 4_000)
    stored = story.chain.body(keyspace.payout(PLATFORM, mac("out")), PayOutBody)
    assert stored == PayOutBody(mac("doctor"), 4_000, mac("out by bank"), time_ms)
    assert story.refuse(operation) == "already_recorded"
    assert story.refuse(pay_out("out", "doctor", 1)) == "payout_exists"
    assert story.refuse(pay_out("more", "doctor", 201)) == "exceeds_credits"
    story.do(pay_out("own", "platform", 1_800))
    assert (story.at("own", PLATFORM), story.at("bank", PLATFORM)) == (0, 5_800)


def test_codes_of_a_payout_in_their_order(story: Splitting) -> None:
    story.done(OpenAccount(mac("open"), "own", UNLIMITED, True))
    story.do(bind("h", "hospital", AccountRef(HOSPITAL, mac("open"))))
    nothing = PayOut(mac("out"), mac("none"), 0, mac("bank"))
    assert story.refuse(nothing, "finance-city", key=key_of("finance-city/seal")) == "wrong_key"
    assert story.refuse(nothing) == "payee_not_bound"
    assert story.refuse(replace(nothing, payee=mac("h"))) == "not_the_owner"
    assert story.refuse(replace(nothing, payee=mac("doctor"))) == "amount_not_positive"
    assert story.refuse(replace(nothing, payee=mac("doctor"), amount_fen=AMOUNT_FEN_MAX + 1)) == "amount_too_large"
    assert story.refuse(replace(nothing, payee=mac("doctor"), amount_fen=1)) == "exceeds_credits"


# ── debts ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def owing(story: Splitting) -> Splitting:
    """The doctor has taken his 42.00 out, 30.00 are taken back: he owes them to the first order, and 12.00 to the second."""
    return in_debt(story)


@pytest.fixture
def counter() -> Splitting:
    """The same at a hospital, which takes money at its counter."""
    story = Splitting(HOSPITAL)
    story.do(bind("platform"), OpenAccount(mac("till"), "own", UNLIMITED, False))
    return in_debt(story)


def in_debt(story: Splitting) -> Splitting:
    story.paid_order("o")
    story.paid_order("p")
    story.do(split("s", "o"), split("s2", "p"), pay_out("out", "doctor", 8_400))
    story.do(take_back("b1", "s", 0, 3_000), take_back("b2", "s2", 0, 1_200))
    assert (story.has("doctor"), story.owes("doctor"), story.free("o"), story.free("p")) == (0, 4_200, (0, 0), (0, 0))
    return story


def test_further_shares_pay_the_oldest_debt_first_into_its_orders_money(owing: Splitting) -> None:
    owing.paid_order("q", consultation=5_000)
    shares = [share("consultation", 0, "doctor", 3_500), share("consultation", 1, "platform", 1_500)]
    owing.do(split("s3", "q", *shares))
    assert (owing.has("doctor"), owing.owes("doctor")) == (0, 700)
    assert (owing.free("o"), owing.free("p"), owing.free("q")) == ((3_000, 3_000), (500, 500), (0, 0))
    assert owing.at("collected", PLATFORM) == 3_500
    owing.paid_order("t", consultation=6_000)
    owing.do(split("s4", "t", *SHARES[:2]))
    assert (owing.has("doctor"), owing.owes("doctor"), owing.free("p")) == (3_500, 0, (1_200, 1_200))


def test_what_comes_back_to_an_order_that_is_not_all_split_is_no_part_of_its_other_lines(story: Splitting) -> None:
    story.paid_order("o")
    story.do(bind("pharmacy-courier", "courier"))
    courier = replace(SHARES[2], payee=mac("pharmacy-courier"))
    story.do(split("s1", "o", courier), pay_out("out", "pharmacy-courier", 1_200), take_back("b", "s1", 0, 1_200))
    assert (story.owes("pharmacy-courier"), story.free("o")) == (1_200, (32_430, 0))
    story.paid_order("p", delivery=1_000)
    story.do(split("s2", "p", replace(courier, amount_fen=1_000)))
    assert (story.owes("pharmacy-courier"), story.free("o"), story.free("p")) == (200, (33_430, 1_000), (0, 0))
    story.do(split("s3", "o", SHARES[0], SHARES[1], SHARES[3]))
    assert story.free("o") == (1_000, 1_000)


def test_a_platform_makes_no_money_for_what_a_payee_owes(owing: Splitting) -> None:
    """Out of an account that gives without end it would pay the debt, and have the payee's next share as its own."""
    owing.do(OpenAccount(mac("till"), "own", UNLIMITED, False))
    assert owing.refuse(returned("a", "o", MINE, 2_000)) == "source_not_own"
    assert owing.refuse(pay_owed("r", "doctor", MINE, 2_000)) == "source_not_own"
    owing.paid_order("q")
    owing.do(split("s3", "q"))
    assert (owing.at("own", PLATFORM), owing.free("o")) == (3 * 1_800, (3_000, 3_000))


def test_what_the_organisation_has_advanced_comes_back_to_it_first(owing: Splitting) -> None:
    """20.00 of the 30.00 were advanced from the platform's own money."""
    owing.do(returned("a", "o", own_of(PLATFORM), 2_000))
    assert (owing.at("own", PLATFORM), owing.free("o"), owing.became("o").advanced_fen) == (
        1_600,
        (2_000, 2_000),
        2_000,
    )
    owing.paid_order("q", consultation=3_000)
    shares = [share("consultation", 0, "doctor", 2_100), share("consultation", 1, "platform", 900)]
    owing.do(split("s3", "q", *shares))
    assert (owing.at("own", PLATFORM), owing.free("o"), owing.owes("doctor")) == (4_500, (2_100, 2_100), 2_100)
    assert (owing.became("o").owed_fen, owing.became("o").advanced_fen) == (900, 0)


def test_a_debt_is_paid_by_who_bound_the_payee_or_answers_for_its_account(counter: Splitting) -> None:
    till = AccountRef(HOSPITAL, mac("till"))
    counter.done(OpenAccount(mac("open"), "own", UNLIMITED, True), by=STRANGER)
    open_ = AccountRef(STRANGER, mac("open"))
    nothing = pay_owed("r", "none", own_of(HOSPITAL), 0, HOSPITAL)
    assert counter.refuse(nothing, "finance-city", key=key_of("finance-city/seal")) == "wrong_key"
    assert counter.refuse(nothing) == "payee_not_bound"
    assert counter.refuse(replace(nothing, payee=mac("doctor"), organisation=STRANGER)) == "payee_not_bound"
    assert counter.refuse(pay_owed("r", "doctor", open_, 0, HOSPITAL)) == "not_the_owner"
    stranger = pay_owed("r", "doctor", open_, 0, HOSPITAL)
    assert counter.code(stranger, STRANGER) == "not_the_owner"  # a stranger pays off nobody's debt
    assert counter.refuse(pay_owed("r", "doctor", own_of(HOSPITAL), 0, HOSPITAL)) == "account_guarded"
    assert counter.refuse(pay_owed("r", "doctor", till, 0, HOSPITAL)) == "amount_not_positive"
    assert counter.refuse(pay_owed("r", "doctor", till, AMOUNT_FEN_MAX + 1, HOSPITAL)) == "amount_too_large"
    assert counter.refuse(pay_owed("r", "doctor", till, 4_201, HOSPITAL)) == "exceeds_debt"
    missing = AccountRef(HOSPITAL, mac("none"))
    assert counter.refuse(pay_owed("r", "doctor", missing, 1, HOSPITAL)) == "debit_account_unknown"
    counter.do(OpenAccount(mac("empty"), "own", DEBITS_WITHIN_CREDITS, False))
    empty = AccountRef(HOSPITAL, mac("empty"))
    assert counter.refuse(pay_owed("r", "doctor", empty, 1, HOSPITAL)) == "exceeds_credits"
    operation, time_ms = pay_owed("r", "doctor", till, 4_200, HOSPITAL), counter.chain.time_ms
    counter.do(operation)
    stored = counter.chain.body(keyspace.owed_paid(HOSPITAL, mac("r")), OwedPaidBody)
    assert stored == OwedPaidBody(mac("doctor"), till, 4_200, time_ms)
    assert (counter.owes("doctor"), counter.free("o"), counter.free("p")) == (0, (3_000, 3_000), (1_200, 1_200))
    assert counter.refuse(operation) == "already_recorded"
    assert counter.refuse(pay_owed("r", "doctor", till, 1, HOSPITAL)) == "repayment_exists"


def test_another_organisation_pays_what_its_account_has_got(story: Splitting) -> None:
    """Row 93: a doctor of another hospital. Nobody but that hospital takes from its account."""
    story.done(OpenAccount(mac("doctors"), "doctors", DEBITS_WITHIN_CREDITS, True))
    account = AccountRef(HOSPITAL, mac("doctors"))
    story.do(bind("guest", "doctor", account))
    story.paid_order("o", consultation=6_000)
    story.do(split("s", "o", replace(SHARES[0], payee=mac("guest")), SHARES[1]), take_back("b", "s", 0, 4_200))
    assert (story.balance(account), story.owes("guest"), story.free("o")) == (4_200, 4_200, (0, 0))
    story.done(pay_owed("r", "guest", account, 4_200))
    assert (story.balance(account), story.owes("guest"), story.free("o")) == (0, 0, (4_200, 4_200))
    assert story.at("collected", PLATFORM) == 4_200
