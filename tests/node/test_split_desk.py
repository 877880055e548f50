"""Splits at a hospital's desk, over a real ledger: payees, rules, an order divided to the fen, taken back after a refund; the bank."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from chain import keyspace
from chain.operation import AccountRef, AttestBalance, OpenAccount
from chain.records import UNLIMITED, AccountBody
from node.gateway import Gateway
from node.money.requests import NoticeRefundWish, PaymentWish, RefundWish
from node.money.split_requests import (
    AccountWish,
    CustodyWish,
    DebtPaymentWish,
    FinishWish,
    LineRuleWish,
    LineWish,
    OrderReturnWish,
    PayeeWish,
    PayoutWish,
    ResumptionWish,
    ServingWish,
    ShareReturnWish,
    ShareRuleWish,
    ShareWish,
    SplitRulesWish,
    SplitWish,
    SuspensionWish,
)
from node.money_trail import MoneyTrail
from node.service import Reader, ServiceRefused
from node.supervised_accounts import SupervisedAccounts
from tests.chain.making import genesis_with, mac
from tests.chain.paying import DAY_MS
from tests.node.gateway_province import PATIENCE_S, STAFF, Province
from tests.node.gateway_province import bill as request
from tests.node.test_money_desk import WEI, billed, done, notice, order, patient, refused, shown

AUDITOR = Reader("auditor-1", "audit-office", "auditor")
BANK = "bank-a"
KINDS = ("doctor", "platform", "supplier", "courier")
LINES = {"consultation": 6_000, "delivery": 1_200, "drug": 26_430}  # 336.30
LATER_MS = 60_000


def rules(version: int = 1, **changes: Any) -> SplitRulesWish:
    lines = [
        LineRuleWish("drug", [ShareRuleWish("supplier", rest=True, cap_parts=100)]),
        LineRuleWish("consultation", [ShareRuleWish("doctor", rest=True, cap_parts=70), ShareRuleWish("platform", 30)]),
        LineRuleWish("delivery", [ShareRuleWish("courier", rest=True, cap_parts=100)]),
    ]
    return replace(SplitRulesWish("visit", version, lines), **changes)


class Sharing:
    """A hospital with four payees and their rules."""

    def __init__(self, province: Province, gateway: Gateway) -> None:
        self.province, self.gateway = province, gateway
        self.payees: dict[str, str] = {}  # kind -> name

    async def begin(self) -> None:
        for kind in KINDS:
            self.payees[kind] = await done(self.gateway, self.payee(kind))
        await done(self.gateway, rules())

    def payee(self, kind: str, number: str = "", **changes: Any) -> PayeeWish:
        return replace(PayeeWish(number or f"FZ-{kind}", kind, f"paper of {kind}", f"示例{kind}"), **changes)

    async def paid(self, number: str = "1", **lines: int) -> tuple[str, str]:
        """An order that was paid a minute ago, and its notice."""
        asked = notice(f"JF-{number}", **(lines or LINES))
        owed = await done(self.gateway, asked)
        total_fen = sum((lines or LINES).values())
        name = await done(self.gateway, order(f"ZF-{number}", owed, card=total_fen))
        await done(self.gateway, PaymentWish(0, f"slip {number}", total_fen), name)
        self.wait(LATER_MS)
        return name, owed

    def wait(self, ms: int) -> None:
        self.province.now_ms += ms
        self.province.chain.time_ms += ms

    def wish(self, order_name: str, number: str = "FZ-1", **changes: Any) -> SplitWish:
        serving = [ServingWish(self.payees[kind], f"2611{place}") for place, kind in enumerate(KINDS)]
        return replace(SplitWish(number, order_name, "visit", 1, serving), **changes)

    def said(self, order_name: str, number: str = "FZ-1", **amounts: int) -> SplitWish:
        """The same with each share said."""
        given = {"doctor": 4_200, "platform": 1_800, "courier": 1_200, "supplier": 26_430} | amounts
        places = (
            ("consultation", 0, "doctor"),
            ("consultation", 1, "platform"),
            ("delivery", 0, "courier"),
            ("drug", 0, "supplier"),
        )
        shares = [ShareWish(line, rule, self.payees[kind], given[kind]) for line, rule, kind in places]
        return SplitWish(number, order_name, "visit", 1, shares=shares)

    async def has(self, kind: str) -> int:
        return int((await shown(self.gateway, "payee", self.payees[kind]))["balance_fen"])

    def trail(self, bill: str) -> dict[str, Any]:
        found = MoneyTrail(self.province.chain.ledger.state, 480).trail(bill)
        assert found is not None
        return found


@pytest.fixture
async def sharing(tmp_path: Path) -> AsyncIterator[Sharing]:
    given = genesis_with(bank_a="bank", platform_a="platform")
    province = Province(tmp_path, organisations=given.organisations, keys=given.keys)
    sharing = Sharing(province, await province.start("hospital-a"))
    await sharing.begin()
    yield sharing
    await province.stop()


@pytest.fixture
def gateway(sharing: Sharing) -> Gateway:
    return sharing.gateway


# ── payees ───────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_payee_is_bound_with_kind_and_consent(sharing: Sharing, gateway: Gateway) -> None:
    """FEATURES 88: who it is stands with the hospital alone."""
    wish = sharing.payee("doctor")
    again = await gateway.money.do(wish, STAFF)
    assert (again.repeated, again.resource) == (True, f"/v1/payees/{sharing.payees['doctor']}")
    assert await refused(gateway, replace(wish, title="示例乙")) == "business_no_conflict"
    assert await refused(gateway, sharing.payee("friend")) == "payee_kind_unknown"
    page = await shown(gateway, "payee", sharing.payees["doctor"])
    assert (page["kind"], page["state"], page["title"], page["payee_no"]) == (
        "doctor",
        "active",
        "示例doctor",
        "FZ-doctor",
    )
    assert (page["balance_fen"], page["owed_fen"], page["owed"]) == (0, 0, [])
    assert "title" not in await shown(gateway, "payee", sharing.payees["doctor"], AUDITOR)
    assert await gateway.money.show("payee", "0" * 64, STAFF) is None
    listed = await gateway.money.rows("payee", STAFF, None, 3)
    assert [row["kind"] for row in listed.data] == list(KINDS[:3])
    rest = await gateway.money.rows("payee", STAFF, listed.next, 3)
    assert ([row["kind"] for row in rest.data], rest.next) == ([KINDS[3]], None)


async def test_the_hospital_itself_and_another_organisation_may_be_payees(sharing: Sharing, gateway: Gateway) -> None:
    """With its own money, or with an account that the other one opened for that; whether there is one, the ledger says."""
    us = sharing.payee("hospital", is_signer=True)
    page = await shown(gateway, "payee", await done(gateway, us))
    assert (page["account"]["organisation"], page["balance_fen"]) == ("hospital-a", 0)
    assert await refused(gateway, sharing.payee("doctor", "D-2", is_signer=True)) == "payee_kind_differs"
    account = AccountWish("platform-a", mac("till").hex())
    both = sharing.payee("platform", "P-2", is_signer=True, account=account)
    assert await refused(gateway, both) == "invalid_value"
    theirs = sharing.payee("platform", "P-2", account=account)
    standing = await gateway.wait(await gateway.money.do(theirs, STAFF), PATIENCE_S, "recorded")
    assert (standing.status, standing.code) == ("refused", "account_unknown")
    assert sharing.province.run("platform-a", OpenAccount(mac("till"), "till", UNLIMITED, True)) == ["recorded"]
    sharing.province.now_ms += 1
    page = await shown(gateway, "payee", await done(gateway, theirs))
    assert (page["account"]["organisation"], page["balance_fen"]) == ("platform-a", None)
    sharing.payees["platform"] = page["payee"]
    name, _ = await sharing.paid()
    await done(gateway, sharing.wish(name))
    till = sharing.province.chain.body(keyspace.account(AccountRef("platform-a", mac("till"))), AccountBody)
    assert till.credits_fen - till.debits_fen == 1_800


async def test_a_suspended_payee_shares_in_nothing_and_is_paid_what_it_has(sharing: Sharing, gateway: Gateway) -> None:
    courier = sharing.payees["courier"]
    first, _ = await sharing.paid("1")
    await done(gateway, sharing.wish(first))
    await done(gateway, SuspensionWish("licence_ended"), courier)
    assert await refused(gateway, SuspensionWish("licence_ended"), courier) == "already_suspended"
    page = await shown(gateway, "payee", courier)
    assert (page["state"], page["reason"]) == ("suspended", "licence_ended")
    second, _ = await sharing.paid("2")
    assert await refused(gateway, sharing.wish(second, "FZ-2")) == "payee_suspended"
    await done(gateway, PayoutWish("TX-1", 1_200, "bank 1"), courier)
    await done(gateway, ResumptionWish(), courier)
    assert await refused(gateway, ResumptionWish(), courier) == "not_suspended"
    await done(gateway, sharing.wish(second, "FZ-2"))
    for wish in (SuspensionWish("gone"), ResumptionWish(), PayoutWish("TX-2", 1, "bank 2"), DebtPaymentWish("HK-1", 1)):
        assert await refused(gateway, wish, "0" * 64) == "payee_not_bound"


async def test_a_payout_is_one_and_never_above_what_the_payee_has(sharing: Sharing, gateway: Gateway) -> None:
    doctor = sharing.payees["doctor"]
    name, _ = await sharing.paid()
    await done(gateway, sharing.wish(name))
    assert await refused(gateway, PayoutWish("TX-1", 4_201, "bank 1"), doctor) == "exceeds_credits"
    wish = PayoutWish("TX-1", 4_000, "bank 1")
    await done(gateway, wish, doctor)
    assert (await gateway.money.do(wish, STAFF, doctor)).repeated
    assert await refused(gateway, wish, sharing.payees["supplier"]) == "business_no_conflict"
    assert await sharing.has("doctor") == 200
    history = await shown(gateway, "payee_history", doctor)
    assert [(row["step"], row["amount_fen"]) for row in history["steps"]] == [("payout", 4_000)]


# ── rules ────────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_rules_have_versions_caps_and_a_window(gateway: Gateway) -> None:
    """FEATURES 89: 30 % is the cap where nothing is said."""
    page = await shown(gateway, "split_rules", "visit/1")
    assert [line["kind"] for line in page["lines"]] == ["consultation", "delivery", "drug"]
    assert page["lines"][0]["shares"] == [
        {"to": "doctor", "rest": True, "cap_parts": 70},
        {"to": "platform", "parts": 30, "cap_parts": 30},
    ]
    assert (page["earliest_seconds"], page["latest_seconds"]) == (30, 30 * 86_400)
    for unknown in ("visit/2", "visit/x", "visit", "others/1"):
        assert await gateway.money.show("split_rules", unknown, STAFF) is None
    assert (await gateway.money.do(rules(), STAFF)).repeated
    assert await refused(gateway, rules(latest_seconds=60)) == "version_moved"
    assert await refused(gateway, rules(3)) == "version_moved"
    assert await refused(gateway, rules(2, earliest_seconds=29)) == "window_malformed"
    assert await refused(gateway, rules(2, latest_seconds=180 * 86_400 + 1)) == "window_malformed"
    commission = [
        LineRuleWish("drug", [ShareRuleWish("doctor", 5), ShareRuleWish("supplier", rest=True, cap_parts=100)])
    ]
    assert await refused(gateway, rules(2, lines=commission)) == "share_forbidden"
    above = [LineRuleWish("drug", [ShareRuleWish("platform", 31), ShareRuleWish("supplier", rest=True, cap_parts=100)])]
    assert await refused(gateway, rules(2, lines=above)) == "split_above_cap"
    two_ways = [LineRuleWish("drug", [ShareRuleWish("supplier", 10, rest=True, cap_parts=100)])]
    assert await refused(gateway, rules(2, lines=two_ways)) == "invalid_value"


async def test_a_line_in_thirds(sharing: Sharing, gateway: Gateway) -> None:
    """1.00 in thirds: .34, .33, .33; the cap of 30 % counts in tenths, so the whole does too."""
    thirds = [ShareRuleWish(kind, 1, cap_parts=2) for kind in ("courier", "platform", "supplier")]
    await done(gateway, rules(2, lines=[LineRuleWish("delivery", thirds, 3)]))
    name, _ = await sharing.paid(delivery=100)
    wish = sharing.wish(name, version=2)
    await done(gateway, wish)
    assert [await sharing.has(kind) for kind in ("courier", "platform", "supplier")] == [34, 33, 33]
    some = [ShareRuleWish("courier", 2, cap_parts=3), ShareRuleWish("platform", 1)]
    assert await refused(gateway, rules(3, lines=[LineRuleWish("delivery", some, 3)])) == "split_above_cap"
    most = [ShareRuleWish("courier", rest=True, cap_parts=3), ShareRuleWish("platform", fixed_fen=10)]
    await done(gateway, rules(3, lines=[LineRuleWish("delivery", most, 3)]))
    page = await shown(gateway, "split_rules", "visit/3")
    assert (page["lines"][0]["whole"], [share["cap_parts"] for share in page["lines"][0]["shares"]]) == (30, [30, 9])


# ── splits ───────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_336_30_is_divided_to_the_fen(sharing: Sharing, gateway: Gateway) -> None:
    """FEATURES 89, 94: who served and their papers are said; the gateway works the sums out, and the ledger again."""
    name, owed = await sharing.paid()
    bill = await billed(gateway, owed)
    wish = sharing.wish(name)
    split = await done(gateway, wish)
    assert [await sharing.has(kind) for kind in KINDS] == [4_200, 1_800, 26_430, 1_200]
    page = await shown(gateway, "split", split, AUDITOR)
    assert [(share["line"], share["payee"], share["amount_fen"], share["paper"]) for share in page["shares"]] == [
        ("consultation", sharing.payees["doctor"], 4_200, "26110"),
        ("consultation", sharing.payees["platform"], 1_800, "26111"),
        ("delivery", sharing.payees["courier"], 1_200, "26113"),
        ("drug", sharing.payees["supplier"], 26_430, "26112"),
    ]
    assert (page["total_fen"], page["order"], page["split_no"]) == (33_630, name, "FZ-1")
    assert (await gateway.money.do(wish, STAFF)).repeated
    assert await refused(gateway, replace(wish, version=2)) == "business_no_conflict"
    assert await refused(gateway, sharing.wish(name, "FZ-2")) == "line_split"
    assert await refused(gateway, sharing.said(name, "FZ-2")) == "line_split"
    division = await shown(gateway, "division", name)
    assert [(line["kind"], line["split"]) for line in division["lines"]] == [(kind, True) for kind in LINES]
    assert (division["free_fen"], division["splits"]) == (0, [split])
    trail = sharing.trail(bill)
    step = next(step for step in trail["steps"] if step["step"] == "payments_and_division")
    assert (trail["balanced"], step["in_fen"], step["out_fen"]) == (True, 33_630, 33_630)
    assert [(row["kind"], row["amount_fen"], row["paper"]) for row in step["rows"]] == [
        ("doctor", 4_200, "26110"),
        ("platform", 1_800, "26111"),
        ("courier", 1_200, "26113"),
        ("supplier", 26_430, "26112"),
    ]


async def test_the_hospitals_other_gateway_divides_too_and_knows_nobodys_name(
    sharing: Sharing, gateway: Gateway
) -> None:
    """The same number there is the same split; what only people know lies where it was said."""
    name, _ = await sharing.paid()
    other = await sharing.province.start("hospital-a-2")
    split = await done(other, sharing.wish(name))
    page = await shown(other, "payee", sharing.payees["doctor"])
    assert (page["balance_fen"], "title" in page, "payee_no" in page) == (4_200, False, False)
    again = await gateway.wait(await gateway.money.do(sharing.wish(name), STAFF), PATIENCE_S, "recorded")
    assert (again.status, (again.resource or "").rpartition("/")[2]) == ("recorded", split)
    without_papers = [ServingWish(payee) for payee in sharing.payees.values()]
    assert await refused(gateway, sharing.wish(name, payees=without_papers)) == "split_exists"
    assert await refused(gateway, sharing.wish(name, "FZ-2")) == "line_split"
    await done(gateway, ShareReturnWish("TH-1", 0, 200), split)
    assert (await shown(other, "split", split))["shares"][0]["taken_back_fen"] == 200
    assert [row["step"] for row in (await shown(other, "split_history", split))["steps"]] == ["split"]
    division = await shown(other, "division", name)
    assert (division["free_fen"], division["came_back_fen"]) == (200, 200)


async def test_what_the_ledger_would_refuse_moves_nothing(sharing: Sharing, gateway: Gateway) -> None:
    name, _ = await sharing.paid()
    assert await refused(gateway, sharing.said(name, doctor=4_199, platform=1_801)) == "split_above_cap"
    assert await refused(gateway, sharing.said(name, doctor=4_201, platform=1_799)) == "split_above_cap"
    assert await refused(gateway, sharing.said(name, supplier=26_431)) == "split_differs"
    stranger = sharing.said(name)
    shares = [*stranger.shares[:3], replace(stranger.shares[3], payee="0" * 64)]
    assert await refused(gateway, replace(stranger, shares=shares)) == "payee_not_bound"
    for_him = [*stranger.shares[:3], replace(stranger.shares[3], payee=sharing.payees["doctor"])]
    assert await refused(gateway, replace(stranger, shares=for_him)) == "share_forbidden"
    wish = sharing.wish(name)
    assert await refused(gateway, replace(wish, payees=wish.payees[:3])) == "payee_not_bound"
    assert await refused(gateway, replace(wish, payees=[ServingWish("0" * 64)])) == "payee_not_bound"
    assert await refused(gateway, replace(wish, payees=[*wish.payees, wish.payees[0]])) == "invalid_value"
    assert await refused(gateway, replace(wish, payees=[])) == "invalid_value"
    assert await refused(gateway, replace(wish, shares=stranger.shares)) == "invalid_value"
    assert await refused(gateway, replace(wish, version=2)) == "rules_unknown"
    assert await refused(gateway, replace(wish, order="0" * 64)) == "order_unknown"
    assert await refused(gateway, replace(wish, lines=[LineWish("ward")])) == "line_without_rule"
    assert [await sharing.has(kind) for kind in KINDS] == [0, 0, 0, 0]
    await done(gateway, wish)


async def test_an_order_is_split_within_its_window(sharing: Sharing, gateway: Gateway) -> None:
    name, _ = await sharing.paid()
    sharing.wait(-LATER_MS)
    assert await refused(gateway, sharing.wish(name)) == "split_too_early"
    sharing.wait(31 * DAY_MS)
    assert await refused(gateway, sharing.wish(name)) == "split_too_late"


async def test_lines_are_split_one_after_the_other_and_the_rest_is_the_hospitals(
    sharing: Sharing, gateway: Gateway
) -> None:
    name, _ = await sharing.paid(consultation=6_000, delivery=1_200, ward=50_000)
    assert await refused(gateway, sharing.wish(name)) == "line_without_rule"
    await done(gateway, sharing.wish(name, lines=[LineWish("delivery")]))
    await done(gateway, sharing.wish(name, "FZ-2", lines=[LineWish("consultation", 6_000)]))
    await done(gateway, FinishWish(), name)
    assert await refused(gateway, sharing.wish(name, "FZ-3", lines=[LineWish("ward")])) == "line_without_rule"
    division = await shown(gateway, "division", name)
    assert (division["free_fen"], division["rest_fen"], division["finished"]) == (0, 50_000, True)
    assert await refused(gateway, FinishWish(), "0" * 64) == "order_unknown"
    more = OrderReturnWish("TH-1", 50_001)
    assert await refused(gateway, more, name) == "exceeds_order"
    await done(gateway, replace(more, amount_fen=50_000), name)
    division = await shown(gateway, "division", name)
    assert (division["free_fen"], division["came_back_fen"], division["rest_fen"]) == (50_000, 50_000, 0)
    assert [(row["amount_fen"], row["advanced_fen"]) for row in division["returns"]] == [(50_000, 0)]


# ── after a refund ───────────────────────────────────────────────────────────────────────────────────────────────────


async def red(sharing: Sharing, owed: str) -> tuple[str, str]:
    """The bill, and its red bill once that is recorded."""
    gateway = sharing.gateway
    bill = await billed(gateway, owed)
    standing = await gateway.wait(await gateway.reverse(bill, "wrong", "cashier", None), PATIENCE_S, "recorded")
    assert standing.bill_id is not None
    return bill, standing.bill_id


async def test_shares_are_taken_back_and_what_is_missing_is_owed_by_name(sharing: Sharing, gateway: Gateway) -> None:
    """FEATURES 90: never below zero; the sum of all that went in stays what it was, at every step."""
    doctor = sharing.payees["doctor"]
    name, owed = await sharing.paid()
    split = await done(gateway, sharing.wish(name))
    await done(gateway, PayoutWish("TX-1", 4_000, "bank 1"), doctor)
    bill, its_red = await red(sharing, owed)
    assert await refused(gateway, RefundWish(amount_fen=6_000), its_red) == "exceeds_order"
    assert await refused(gateway, ShareReturnWish("TH-0", 0, 4_201), split) == "exceeds_share"
    assert await refused(gateway, ShareReturnWish("TH-0", 4, 1), split) == "share_unknown"
    assert await refused(gateway, ShareReturnWish("TH-0", 0, 1), "0" * 64) == "split_unknown"
    take_back = ShareReturnWish("TH-1", 0, 4_200)
    await done(gateway, take_back, split)
    assert (await gateway.money.do(take_back, STAFF, split)).repeated
    assert sharing.trail(bill)["steps"][3]["balanced"]
    await done(gateway, ShareReturnWish("TH-2", 1, 1_800), split)
    page = await shown(gateway, "payee", doctor)
    assert (page["balance_fen"], page["owed_fen"], page["owed"]) == (0, 4_000, [{"order": name, "amount_fen": 4_000}])
    history = await shown(gateway, "split_history", split)
    assert [(row["step"], row["amount_fen"], row.get("owed_fen")) for row in history["steps"]] == [
        ("split", 33_630, None),
        ("taken_back", 4_200, 4_000),
        ("taken_back", 1_800, 0),
    ]
    assert [share["taken_back_fen"] for share in (await shown(gateway, "split", split))["shares"]] == [
        4_200,
        1_800,
        0,
        0,
    ]
    assert await refused(gateway, RefundWish(amount_fen=6_000), its_red) == "exceeds_order"
    await done(gateway, RefundWish(amount_fen=2_000), its_red)
    assert await refused(gateway, DebtPaymentWish("HK-1", 4_001), doctor) == "exceeds_debt"
    await done(gateway, DebtPaymentWish("HK-1", 1_000), doctor)
    await done(gateway, DebtPaymentWish("HK-2", 3_000), doctor)
    page = await shown(gateway, "payee", doctor)
    assert (page["owed_fen"], page["balance_fen"]) == (0, 0)
    division = await shown(gateway, "division", name)
    assert (division["free_fen"], division["came_back_fen"], division["owed_fen"]) == (4_000, 4_000, 0)
    step = sharing.trail(bill)["steps"][3]
    assert (step["balanced"], step["free_fen"], step["refunded_fen"], step["shared_fen"]) == (
        True,
        4_000,
        2_000,
        27_630,
    )
    assert [row["step"] for row in (await shown(gateway, "payee_history", doctor))["steps"]] == [
        "payout",
        "debt_payment",
        "debt_payment",
    ]


async def test_the_first_two_payments_of_debts_at_once_open_one_account(sharing: Sharing, gateway: Gateway) -> None:
    name, _ = await sharing.paid()
    split = await done(gateway, sharing.wish(name))
    for kind, fen in (("doctor", 4_200), ("supplier", 26_430)):
        await done(gateway, PayoutWish(f"TX-{kind}", fen, f"bank {kind}"), sharing.payees[kind])
    await done(gateway, ShareReturnWish("TH-1", 0, 100), split)
    await done(gateway, ShareReturnWish("TH-2", 3, 200), split)
    sharing.province.hold()
    first = await gateway.money.do(DebtPaymentWish("HK-1", 100), STAFF, sharing.payees["doctor"])
    second = await gateway.money.do(DebtPaymentWish("HK-2", 200), STAFF, sharing.payees["supplier"])
    sharing.province.go_on()
    for standing in (first, second):
        assert (await gateway.wait(standing, PATIENCE_S, "recorded")).status == "recorded"
    assert (await shown(gateway, "division", name))["came_back_fen"] == 300


async def test_the_hospital_may_put_in_what_a_payee_owes(sharing: Sharing, gateway: Gateway) -> None:
    """Of its own money alone: it has some once an order of its own was finished."""
    other, _ = await sharing.paid("0", ward=10_000)
    name, owed = await sharing.paid("1")
    split = await done(gateway, sharing.wish(name))
    supplier = sharing.payees["supplier"]
    await done(gateway, PayoutWish("TX-1", 26_430, "bank 1"), supplier)
    await done(gateway, ShareReturnWish("TH-1", 3, 9_000), split)
    advance = OrderReturnWish("TH-2", 9_000)
    assert await refused(gateway, advance, name) == "exceeds_credits"
    await done(gateway, FinishWish(), other)
    assert await refused(gateway, OrderReturnWish("TH-2", 9_001), name) == "exceeds_order"
    await done(gateway, advance, name)
    division = await shown(gateway, "division", name)
    assert (division["free_fen"], division["owed_fen"], division["advanced_fen"]) == (9_000, 9_000, 9_000)
    bill, its_red = await red(sharing, owed)
    await done(gateway, RefundWish(amount_fen=9_000), its_red)
    trail = sharing.trail(bill)
    assert all(step["balanced"] for step in trail["steps"][1:4])
    third, _ = await sharing.paid("2")
    await done(gateway, sharing.wish(third, "FZ-2"))  # its next share pays what the hospital put in
    page = await shown(gateway, "payee", supplier)
    assert (page["owed_fen"], page["balance_fen"]) == (0, 26_430 - 9_000)


# ── the bank ─────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_bank_attests_the_balance_and_a_fen_is_a_finding(sharing: Sharing, gateway: Gateway) -> None:
    """FEATURES 91."""
    province = sharing.province
    assert await gateway.money.show("custody", "", STAFF) is None
    assert await refused(gateway, CustodyWish("platform-a")) == "bank_not_entitled"
    await done(gateway, CustodyWish(BANK))
    assert (await gateway.money.do(CustodyWish(BANK), STAFF)).repeated
    await sharing.paid()
    page = await shown(gateway, "custody", "")
    (today,) = page["days"]
    assert (page["bank"], page["balance_fen"], today["ledger_fen"], today["state"]) == (BANK, 33_630, 33_630, "open")
    day = int(today["day"].replace("-", ""))
    supervised = SupervisedAccounts(province.chain.ledger)
    (row,) = await supervised.rows({})
    assert (row["organisation"], row["state"], row["ledger_fen"], row["finding"]) == (
        "hospital-a",
        "open",
        33_630,
        None,
    )
    assert province.run(BANK, AttestBalance("hospital-a", day, 33_630, mac("page"))) == ["day_not_over"]
    sharing.wait(DAY_MS)
    second, _ = await sharing.paid("2")
    rows = await supervised.rows({"organisation": "hospital-a"})
    assert [(row["state"], row["ledger_fen"]) for row in rows] == [("awaited", 33_630), ("open", 67_260)]
    assert province.run("platform-a", AttestBalance("hospital-a", day, 33_630, mac("page"))) == ["not_the_bank"]
    assert province.run(BANK, AttestBalance("hospital-a", day, 33_629, mac("page"))) == ["recorded"]
    (row,) = await supervised.rows({"finding": "supervised_balance_mismatch"})
    assert (row["day"], row["ledger_fen"], row["attested_fen"], row["difference_fen"]) == (
        today["day"],
        33_630,
        33_629,
        -1,
    )
    assert (row["finding"], row["bank"], row["statement"]) == ("supervised_balance_mismatch", BANK, mac("page").hex())
    sharing.wait(DAY_MS)
    await done(gateway, sharing.wish(second, "FZ-2"))
    tomorrow = day + 1
    assert province.run(BANK, AttestBalance("hospital-a", tomorrow, 67_260, mac("page 2"))) == ["recorded"]
    rows = await supervised.rows({"from": _text(tomorrow), "to": _text(tomorrow)})
    assert [(row["attested_fen"], row["difference_fen"], row["finding"]) for row in rows] == [(67_260, 0, None)]
    assert await supervised.rows({"organisation": "hospital-b"}) == []
    with pytest.raises(ServiceRefused, match="parameter_invalid"):
        await supervised.rows({"from": "yesterday"})
    mine = await shown(gateway, "custody", "", AUDITOR)
    assert [(row["state"], row["finding"]) for row in mine["days"]] == [
        ("open", None),
        ("attested", None),
        ("attested", "supervised_balance_mismatch"),
    ]


def _text(day: int) -> str:
    return f"{day // 10_000:04d}-{day // 100 % 100:02d}-{day % 100:02d}"


# ── a platform ───────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_platform_divides_at_its_own_gateway_and_issues_no_fiscal_bill(sharing: Sharing) -> None:
    """FEATURES 91, 93, 94: its part is its own; what nobody's rules divide is not."""
    gateway = await sharing.province.start("platform-a")
    assert gateway.not_ready() == []
    with pytest.raises(ServiceRefused, match="issuer_not_entitled"):
        await gateway.issue(request())
    with pytest.raises(ServiceRefused, match="issuer_not_entitled"):
        await gateway.issue_many([request()])
    there = Sharing(sharing.province, gateway)
    for kind in KINDS:
        there.payees[kind] = await done(gateway, there.payee(kind, is_signer=kind == "platform"))
    await done(gateway, rules())
    asked = replace(notice("JF-1", **LINES), bill=None)
    assert await refused(gateway, notice("JF-1", **LINES)) == "issuer_not_entitled"
    name = await done(gateway, order("ZF-1", await done(gateway, asked), card=33_630))
    await done(gateway, PaymentWish(0, "slip", 33_630), name)
    there.wait(LATER_MS)
    assert await refused(gateway, FinishWish(), name) == "rest_not_yours"
    await done(gateway, there.wish(name))
    assert [await there.has(kind) for kind in KINDS] == [4_200, 1_800, 26_430, 1_200]
    owed = (await gateway.money.rows("notice", patient(WEI), None, 10)).data[0]
    assert owed["state"] == "settled"
    back = NoticeRefundWish("TK-1", amount_fen=1_200)
    assert await refused(gateway, back, owed["notice"]) == "exceeds_order"
    split = (await shown(gateway, "division", name))["splits"][0]
    await done(gateway, ShareReturnWish("TH-1", 2, 1_200), split)
    assert await refused(gateway, replace(back, amount_fen=33_631), owed["notice"]) == "exceeds_notice"
    await done(gateway, back, owed["notice"])
    assert (await gateway.money.do(back, STAFF, owed["notice"])).repeated
    assert await refused(gateway, back, "0" * 64) == "business_no_conflict"
    assert await refused(gateway, replace(back, refund_no="TK-2"), "0" * 64) == "notice_unknown"
    assert (await shown(gateway, "notice", owed["notice"]))["refunded_fen"] == 1_200


async def test_a_hospitals_notice_with_a_bill_is_refunded_by_its_red_bill_alone(
    sharing: Sharing, gateway: Gateway
) -> None:
    _, owed = await sharing.paid()
    await billed(gateway, owed)
    assert await refused(gateway, NoticeRefundWish("TK-1"), owed) == "red_bill_missing"
    unpaid = await done(gateway, notice("JF-9", test=100))
    assert await refused(gateway, NoticeRefundWish("TK-1"), unpaid) == "nothing_to_refund"
