"""Accounts, transfers, holds, corrections: each code in its place, limits that a hold counts against at once, expiry by block time."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from chain import keyspace
from chain.codec import FEN_MAX
from chain.operation import (
    AccountRef,
    CaptureHold,
    CloseAccount,
    CloseOrganisation,
    HoldMoney,
    OpenAccount,
    Operation,
    ReleaseHold,
    SuspendOrganisation,
    Transfer,
    TransferRef,
)
from chain.records import (
    CAPTURED,
    CREDITS_WITHIN_DEBITS,
    DEBITS_WITHIN_CREDITS,
    LET_GO,
    UNIT,
    UNLIMITED,
    AccountBody,
    HeldMoney,
    HoldBody,
    ReasonBody,
    TransferBody,
)
from chain.rules import RULES
from chain.rules.accounts import AMOUNT_FEN_MAX, HOLD_MS_MAX, HOLDS_MAX, Books, transfer, verify_conserved
from chain.rules.context import Context, Refused
from tests.chain.making import Chain, genesis_with, key_of, mac

A, B = "hospital-a", "hospital-b"
HOUR_MS = 3_600_000


def ref(name: str, owner: str = A) -> AccountRef:
    return AccountRef(owner, mac(name))


OUT, WALLET, DEBT, OTHER = ref("outside"), ref("wallet"), ref("debt"), ref("till", B)


@pytest.fixture
def chain() -> Chain:
    chain = Chain(genesis_with(lender_a="lender"))
    opened = [
        OpenAccount(mac("outside"), "channel", UNLIMITED, False),
        OpenAccount(mac("wallet"), "deposit", DEBITS_WITHIN_CREDITS, False),
        OpenAccount(mac("debt"), "receivable", CREDITS_WITHIN_DEBITS, False),
    ]
    assert chain.run(A, *opened) == ["recorded"] * 3
    assert code(chain, OpenAccount(mac("till"), "own", UNLIMITED, True), B) == "recorded"
    return chain


def code(chain: Chain, operation: Operation, organisation: str = A, **how: Any) -> str:
    (found,) = chain.run(organisation, operation, **how)
    return found


def pay(name: str, debit: AccountRef, credit: AccountRef, amount_fen: int, corrects: str = "", by: str = A) -> Transfer:
    return Transfer(
        mac(name),
        debit,
        credit,
        amount_fen,
        "sale",
        [mac("order")],
        [TransferRef(by, mac(corrects))] if corrects else [],
    )


def hold(
    chain: Chain, name: str, debit: AccountRef, credit: AccountRef, amount_fen: int, ms: int = HOUR_MS
) -> HoldMoney:
    return HoldMoney(mac(name), debit, credit, amount_fen, chain.time_ms + ms, "visit", [])


def account(chain: Chain, name: AccountRef) -> AccountBody:
    found: AccountBody = chain.body(keyspace.account(name), AccountBody)
    return found


def sums(chain: Chain, name: AccountRef) -> tuple[int, int]:
    body = account(chain, name)
    return body.debits_fen, body.credits_fen


def test_a_transfer_is_one_amount_on_two_accounts_for_ever(chain: Chain) -> None:
    first, time_ms = pay("t1", OUT, WALLET, 500), chain.time_ms
    assert code(chain, first) == "recorded"
    assert code(chain, first) == "already_recorded"
    assert code(chain, pay("t1", OUT, WALLET, 400)) == "transfer_exists"
    assert (sums(chain, OUT), sums(chain, WALLET)) == ((500, 0), (0, 500))
    assert chain.body(keyspace.transfer(A, mac("t1")), TransferBody) == TransferBody(
        OUT, WALLET, 500, "sale", [mac("order")], [], 0, time_ms
    )


def test_who_may_and_what_money_there_is_in_their_order(chain: Chain) -> None:
    assert code(chain, pay("t", OUT, WALLET, 1), "finance-city", key=key_of("finance-city/seal")) == "wrong_key"
    assert code(chain, pay("t", OTHER, OTHER, 0)) == "not_the_owner"
    assert code(chain, pay("t", OUT, OUT, 0)) == "same_account"
    assert code(chain, pay("t", OUT, ref("none"), 0)) == "amount_not_positive"
    assert code(chain, pay("t", OUT, ref("none"), -1)) == "amount_not_positive"
    assert code(chain, pay("t", ref("none"), ref("nor this"), 1)) == "debit_account_unknown"
    assert code(chain, pay("t", OUT, ref("none"), 1)) == "credit_account_unknown"
    assert code(chain, OpenAccount(mac("x"), "own", 9, True)) == "limit_unknown"
    assert code(chain, OpenAccount(mac("wallet"), "own", UNLIMITED, True)) == "account_exists"
    assert (
        code(chain, OpenAccount(mac("till"), "own", UNLIMITED, True), "lender-a") == "recorded"
    )  # names are each owner's own
    assert code(chain, SuspendOrganisation(A, "audit", 0, []), "finance-city") == "recorded"
    assert code(chain, pay("t", OUT, WALLET, 1)) == "organisation_suspended"


def test_limits_hold_and_a_hold_counts_against_them_at_once(chain: Chain) -> None:
    assert code(chain, pay("in", OUT, WALLET, 100)) == "recorded"
    assert code(chain, pay("t", WALLET, OTHER, 101)) == "exceeds_credits"
    assert code(chain, hold(chain, "h1", WALLET, OTHER, 60)) == "recorded"
    assert code(chain, pay("t", WALLET, OTHER, 41)) == "exceeds_credits"
    assert code(chain, hold(chain, "h2", WALLET, OTHER, 41)) == "exceeds_credits"
    assert code(chain, pay("t", WALLET, OTHER, 40)) == "recorded"
    assert code(chain, CaptureHold(mac("h1"), mac("c1"), 60)) == "recorded"
    assert sums(chain, WALLET) == (100, 100)
    assert code(chain, pay("d", DEBT, OTHER, 30)) == "recorded"
    assert code(chain, pay("r", OUT, DEBT, 31)) == "exceeds_debits"
    assert code(chain, hold(chain, "h3", OUT, DEBT, 20)) == "recorded"
    assert code(chain, pay("r", OUT, DEBT, 11)) == "exceeds_debits"
    assert code(chain, pay("r", OUT, DEBT, 10)) == "recorded"


def test_a_hold_is_captured_once_and_what_is_left_is_free(chain: Chain) -> None:
    assert code(chain, pay("in", OUT, WALLET, 100)) == "recorded"
    first = hold(chain, "h", WALLET, OTHER, 80)
    assert code(chain, first) == "recorded"
    assert code(chain, first) == "already_recorded"
    assert code(chain, hold(chain, "h", WALLET, OTHER, 1)) == "hold_exists"
    assert account(chain, WALLET).holds == [HeldMoney(A, mac("h"), 80, first.until_ms)]
    assert code(chain, CaptureHold(mac("none"), mac("c"), 1)) == "hold_unknown"
    assert code(chain, CaptureHold(mac("h"), mac("c"), 1), B) == "hold_unknown"
    assert code(chain, CaptureHold(mac("h"), mac("c"), 0)) == "amount_not_positive"
    assert code(chain, CaptureHold(mac("h"), mac("c"), 81)) == "amount_exceeds_hold"
    capture = CaptureHold(mac("h"), mac("c"), 50)
    assert code(chain, capture) == "recorded"
    assert code(chain, capture) == "already_recorded"
    assert code(chain, CaptureHold(mac("h"), mac("d"), 30)) == "already_captured"
    assert code(chain, ReleaseHold(mac("h"), "gone")) == "already_captured"
    body = chain.body(keyspace.held(A, mac("h")), HoldBody)
    assert (body.state, body.captured_fen, account(chain, WALLET).holds) == (CAPTURED, 50, [])
    assert code(chain, pay("t", WALLET, OTHER, 50)) == "recorded"


def test_a_hold_is_released_once(chain: Chain) -> None:
    assert code(chain, pay("in", OUT, WALLET, 100)) == "recorded"
    assert code(chain, hold(chain, "h", WALLET, OTHER, 100)) == "recorded"
    release = ReleaseHold(mac("h"), "left_early")
    assert code(chain, release) == "recorded"
    assert code(chain, release) == "already_recorded"
    assert code(chain, ReleaseHold(mac("h"), "other")) == "already_released"
    assert code(chain, CaptureHold(mac("h"), mac("c"), 1)) == "already_released"
    assert chain.body(keyspace.held(A, mac("h")), HoldBody).state == LET_GO
    assert code(chain, pay("t", WALLET, OTHER, 100)) == "recorded"


def test_a_hold_expires_by_block_time_as_if_it_had_never_been(chain: Chain) -> None:
    assert code(chain, pay("in", OUT, WALLET, 100)) == "recorded"
    for ms in (0, HOLD_MS_MAX + 1):
        too_long = hold(chain, "h", WALLET, OTHER, 1, ms)
        assert code(chain, too_long, time_ms=chain.time_ms) == "hold_too_long"
    first = hold(chain, "h", WALLET, OTHER, 100, 60_000)
    assert code(chain, first) == "recorded"
    assert code(chain, pay("t", WALLET, OTHER, 1), time_ms=first.until_ms - 1) == "exceeds_credits"
    assert code(chain, CaptureHold(mac("h"), mac("c"), 1), time_ms=first.until_ms) == "hold_expired"
    assert code(chain, ReleaseHold(mac("h"), "gone")) == "hold_expired"
    assert code(chain, pay("t", WALLET, OTHER, 100)) == "recorded"
    assert account(chain, WALLET).holds == []


def test_a_limited_account_has_so_many_holds_at_once(chain: Chain) -> None:
    assert code(chain, pay("in", OUT, WALLET, 1_000)) == "recorded"
    holds = [hold(chain, f"h{number}", WALLET, OTHER, 1) for number in range(HOLDS_MAX + 1)]
    assert chain.run(A, *holds) == ["recorded"] * HOLDS_MAX + ["too_many_holds"]
    free = [hold(chain, f"f{number}", OUT, OTHER, 1) for number in range(HOLDS_MAX + 1)]
    assert chain.run(A, *free) == ["recorded"] * (HOLDS_MAX + 1)  # an account without a limit counts none


def test_a_correction_goes_the_other_way_and_never_takes_back_more(chain: Chain) -> None:
    assert code(chain, pay("in", OUT, WALLET, 100)) == "recorded"
    assert code(chain, pay("b", WALLET, OUT, 30, corrects="none")) == "transfer_unknown"
    assert code(chain, pay("b", OUT, WALLET, 30, corrects="in")) == "correction_differs"
    assert code(chain, pay("b", WALLET, OUT, 101, corrects="in")) == "exceeds_transfer"
    assert code(chain, pay("b1", WALLET, OUT, 60, corrects="in")) == "recorded"
    assert code(chain, pay("b2", WALLET, OUT, 41, corrects="in")) == "exceeds_transfer"
    assert code(chain, pay("b2", WALLET, OUT, 40, corrects="in")) == "recorded"
    assert chain.body(keyspace.transfer(A, mac("in")), TransferBody).corrected_fen == 100
    assert sums(chain, WALLET) == (100, 100)


def test_an_account_is_closed_even_and_free(chain: Chain) -> None:
    assert code(chain, pay("in", OUT, WALLET, 100)) == "recorded"
    assert code(chain, CloseAccount(mac("none"))) == "account_unknown"
    assert code(chain, CloseAccount(mac("wallet"))) == "account_not_even"
    assert code(chain, pay("out", WALLET, OUT, 100)) == "recorded"
    assert code(chain, hold(chain, "h", OUT, WALLET, 5)) == "recorded"
    close = CloseAccount(mac("wallet"))
    assert code(chain, close) == "recorded"
    assert code(chain, close) == "already_recorded"
    assert code(chain, pay("t", OUT, WALLET, 1)) == "account_closed"
    assert code(chain, CaptureHold(mac("h"), mac("c"), 5)) == "account_closed"
    assert code(chain, ReleaseHold(mac("h"), "closed")) == "recorded"


def test_sums_have_an_end(chain: Chain) -> None:
    assert code(chain, pay("t", OUT, WALLET, AMOUNT_FEN_MAX + 1)) == "amount_too_large"
    assert code(chain, pay("t", OUT, OTHER, AMOUNT_FEN_MAX)) == "recorded"
    full = replace(account(chain, OUT), debits_fen=FEN_MAX)
    context = Context(A, UNIT, 1, chain.time_ms, mac("o"), chain.genesis.parameters, lambda height: None)
    with pytest.raises(Refused, match="account_full"):
        transfer(Overlaid(chain, {keyspace.account(OUT): full}), pay("u", OUT, WALLET, 1), context)


class Overlaid:
    """The state of a chain with some records more."""

    def __init__(self, chain: Chain, bodies: dict[bytes, Any]) -> None:
        self._state, self._bodies = chain.ledger.state, bodies

    def get(self, key: bytes, kind: Any) -> Any:
        return self._bodies.get(key) or self._state.get(key, kind)

    def origin(self, key: bytes) -> bytes | None:
        return None


def test_a_stranger_pays_nothing_into_an_account_that_does_not_take_it(chain: Chain) -> None:
    """Else anybody could write a debt off, fill an account up, or hold the room of a debt for half a year."""
    assert code(chain, OpenAccount(mac("d"), "receivable", CREDITS_WITHIN_DEBITS, True)) == "debt_open_to_others"
    assert code(chain, pay("d", DEBT, OUT, 500)) == "recorded"
    for credited in (DEBT, OUT, WALLET):
        assert code(chain, pay("x", OTHER, credited, 1), B) == "not_taken_from_others"
        assert code(chain, hold(chain, "y", OTHER, credited, 1), B) == "not_taken_from_others"
    assert code(chain, pay("r", OUT, DEBT, 500)) == "recorded"


def test_what_left_an_account_may_be_given_back_to_it_and_no_more(chain: Chain) -> None:
    """A refund reaches an account that takes nothing else from others, a debt too."""
    assert code(chain, pay("out", OUT, OTHER, 80)) == "recorded"
    assert code(chain, pay("due", DEBT, OTHER, 30)) == "recorded"
    assert code(chain, pay("b1", OTHER, OUT, 81, corrects="out"), B) == "exceeds_transfer"
    assert code(chain, pay("b1", OTHER, OUT, 80, corrects="due"), B) == "correction_differs"
    assert code(chain, pay("b1", OTHER, OUT, 80, corrects="out"), B) == "recorded"
    assert code(chain, pay("b2", OTHER, DEBT, 30, corrects="due"), B) == "recorded"
    assert code(chain, pay("b3", OTHER, OUT, 1, corrects="out"), B) == "exceeds_transfer"
    assert (sums(chain, OUT), sums(chain, DEBT)) == ((80, 80), (30, 30))


def test_nothing_is_paid_to_who_is_closed(chain: Chain) -> None:
    held = hold(chain, "h", OUT, OTHER, 5)
    assert code(chain, held) == "recorded"
    assert code(chain, CloseOrganisation(B, "merged", 0, []), "finance-city") == "recorded"
    assert code(chain, pay("t", OUT, OTHER, 1)) == "account_closed"
    assert code(chain, hold(chain, "g", OUT, OTHER, 1)) == "account_closed"
    assert code(chain, CaptureHold(mac("h"), mac("c"), 5)) == "account_closed"


def test_what_a_hold_was_about_goes_with_its_transfer_and_a_correction_names_the_first(chain: Chain) -> None:
    held = HoldMoney(mac("h"), OUT, OTHER, 5, chain.time_ms + HOUR_MS, "visit", [mac("bill")])
    assert code(chain, held) == "recorded"
    assert code(chain, CaptureHold(mac("h"), mac("c"), 4)) == "recorded"
    made = chain.body(keyspace.transfer(A, mac("c")), TransferBody)
    assert (made.amount_fen, made.code, made.about) == (4, "visit", [mac("bill")])
    assert code(chain, OpenAccount(mac("in"), "own", UNLIMITED, True)) == "recorded"
    assert code(chain, pay("in", OTHER, ref("in"), 4, by=A), B) == "recorded"
    assert code(chain, pay("b", ref("in"), OTHER, 4, corrects="in", by=B)) == "recorded"
    assert chain.body(keyspace.transfer(A, mac("b")), TransferBody).corrects == [TransferRef(B, mac("in"))]


def test_only_a_unit_that_is_active_holds_and_captures_and_its_own_alone(chain: Chain) -> None:
    seal = {"organisation": "finance-city", "key": key_of("finance-city/seal")}
    assert code(chain, hold(chain, "h", OTHER, OUT, 1)) == "not_the_owner"
    assert code(chain, hold(chain, "h", OUT, OTHER, 9)) == "recorded"
    for operation in (
        hold(chain, "g", OUT, OTHER, 1),
        CaptureHold(mac("h"), mac("c"), 1),
        ReleaseHold(mac("h"), "gone"),
    ):
        assert code(chain, operation, **seal) == "wrong_key"
    assert code(chain, SuspendOrganisation(A, "audit", 0, []), "finance-city") == "recorded"
    for operation in (
        hold(chain, "g", OUT, OTHER, 1),
        CaptureHold(mac("h"), mac("c"), 1),
        ReleaseHold(mac("h"), "gone"),
    ):
        assert code(chain, operation) == "organisation_suspended"


def test_the_first_fault_is_told(chain: Chain) -> None:
    """Each with all that come later."""
    assert code(chain, pay("in", OUT, WALLET, 10)) == "recorded"
    assert code(chain, pay("d", DEBT, OUT, 5)) == "recorded"
    late = chain.time_ms
    assert code(chain, HoldMoney(mac("h"), WALLET, DEBT, 11, late, "visit", []), time_ms=late) == "hold_too_long"
    assert code(chain, hold(chain, "h", WALLET, DEBT, 11)) == "exceeds_credits"
    assert code(chain, hold(chain, "h", WALLET, DEBT, 6)) == "exceeds_debits"
    assert code(chain, CaptureHold(mac("none"), mac("c"), 0)) == "hold_unknown"
    short = hold(chain, "s", OUT, OTHER, 5, 60_000)
    assert code(chain, short) == "recorded"
    assert code(chain, CaptureHold(mac("s"), mac("c"), 5)) == "recorded"
    assert code(chain, CaptureHold(mac("s"), mac("e"), 0), time_ms=short.until_ms + 1) == "already_captured"
    assert code(chain, CloseAccount(mac("debt"))) == "account_not_even"
    assert code(chain, pay("back", OUT, DEBT, 5)) == "recorded"
    assert code(chain, CloseAccount(mac("debt"))) == "recorded"
    assert code(chain, pay("n", DEBT, OUT, 1, corrects="none")) == "account_closed"
    assert code(chain, pay("n", WALLET, OTHER, 11, corrects="none")) == "transfer_unknown"


@pytest.mark.parametrize("fault", ["a fen more", "erased", "another limit", "no transfer"])
def test_execution_refuses_an_operation_that_makes_money(
    chain: Chain, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    """A fault of a rule changes nothing, and the ledger goes on."""
    right = RULES[Transfer]

    def wrong(view: Any, operation: Any, context: Any) -> Any:
        changes = right(view, operation, context)
        key, made = keyspace.account(operation.credit), keyspace.transfer(A, operation.transfer)
        match fault:
            case "a fen more":
                return changes | {key: replace(changes[key], credits_fen=changes[key].credits_fen + 1)}
            case "erased":
                return changes | {key: ReasonBody("gone")}
            case "another limit":
                return changes | {key: replace(changes[key], limit=UNLIMITED)}
            case _:
                return {key: body for key, body in changes.items() if key != made}

    with monkeypatch.context() as patched:
        patched.setitem(RULES, Transfer, wrong)
        assert code(chain, pay("t", OUT, WALLET, 100)) == "money_not_conserved"
    assert (sums(chain, OUT), sums(chain, WALLET)) == ((0, 0), (0, 0))
    assert code(chain, pay("t", OUT, WALLET, 100)) == "recorded"


def test_books_take_one_step_on_the_other(chain: Chain) -> None:
    """What later parts are written on: a name, or a hold, is used once in an operation too."""
    context = Context(A, UNIT, 1, chain.time_ms, mac("o"), chain.genesis.parameters, lambda height: None)
    books = Books(Overlaid(chain, {}), context)
    books.transfer(TransferRef(A, mac("t")), OUT, WALLET, 100, "sale", [], [])
    with pytest.raises(Refused, match="transfer_exists"):
        books.transfer(TransferRef(A, mac("t")), OUT, WALLET, 7, "sale", [], [])
    books.hold(mac("h"), hold(chain, "h", WALLET, OTHER, 100))
    with pytest.raises(Refused, match="hold_exists"):
        books.hold(mac("h"), hold(chain, "h", OUT, OTHER, 1))
    with pytest.raises(Refused, match="exceeds_credits"):
        books.transfer(TransferRef(A, mac("u")), WALLET, OTHER, 1, "sale", [], [])
    books.capture(mac("h"), TransferRef(A, mac("c")), 60)
    with pytest.raises(Refused, match="already_captured"):
        books.capture(mac("h"), TransferRef(A, mac("e")), 40)
    with pytest.raises(Refused, match="account_exists"):
        books.open(WALLET, "own", UNLIMITED, takes_from_others=True)
    books.transfer(TransferRef(A, mac("u")), WALLET, OTHER, 40, "sale", [], [])
    verify_conserved(Overlaid(chain, {}), books.changes)


def test_a_chain_of_transfers_holds_or_falls_together(chain: Chain) -> None:
    assert code(chain, pay("in", OUT, WALLET, 100)) == "recorded"
    parts = [pay("p1", WALLET, OTHER, 60), pay("p2", WALLET, OTHER, 41)]
    assert chain.run_linked(A, *parts) == ["linked_failed", "exceeds_credits"]
    assert sums(chain, WALLET) == (0, 100)
    parts = [pay("p1", WALLET, OTHER, 60), pay("p2", WALLET, OTHER, 40)]
    assert chain.run_linked(A, *parts) == ["recorded", "recorded"]
    assert (sums(chain, WALLET), sums(chain, OTHER)) == ((100, 100), (0, 100))
