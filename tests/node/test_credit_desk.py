"""Treatment on credit at a hospital's desk, over a real ledger: agreement, hold, charges without a cashier, emergency, the patient's view."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from chain import keyspace
from chain.bill import Charge
from chain.operation import EndLine, LineRef, OpenLine, PublishProduct, StateLine
from chain.records import HOSPITAL_BEARS, AccountBody, LineBody
from chain.rules import money_places
from chain.rules.accounts import Books
from chain.rules.credit import owed_fen
from node.gateway import Gateway
from node.money.requests import (
    AgreementWish,
    CardWish,
    ChargeWish,
    DepositPaymentWish,
    DepositWish,
    EndAgreementWish,
    HoldWish,
    NoticeBill,
    NoticeLine,
    RefundWish,
    ReleaseWish,
    ReviewWish,
)
from node.service import Reader, ServiceRefused
from tests.chain.making import genesis_with, mac
from tests.chain.paying import DAY_MS, terms
from tests.node.gateway_province import PATIENCE_S, STAFF, Province
from tests.node.test_money_desk import LI, WEI, billed, done, patient, refused, shown

LENDER = "lender-a"
CHIEF = Reader("chief-1", "hospital-a", "hospital_admin")


class Credit:
    """A hospital and a lender whose word is recorded at once."""

    def __init__(self, province: Province, gateway: Gateway) -> None:
        self.province, self.gateway = province, gateway

    def lend(self, name: str = "line", **changes: Any) -> str:
        """A line by the seeds' terms; its name."""
        chain = self.province.chain
        assert self.province.run(LENDER, PublishProduct(name, 1, terms(**changes))) == ["recorded"]
        opened = OpenLine(mac(name), name, 1, chain.time_ms + 365 * DAY_MS, mac("yes"), ["hospital-a"])
        assert self.province.run(LENDER, opened) == ["recorded"]
        return mac(name).hex()

    async def agreed(self, line: str, number: str = "XY-1", **changes: Any) -> str:
        return await done(self.gateway, agreement(line, number, **changes))

    async def charged(self, hold: str, number: str, amount_fen: int, **changes: Any) -> str:
        """The name of the notice that a step became."""
        return await done(self.gateway, charge(number, amount_fen, **changes), hold)

    def line(self, name: str = "line") -> LineBody:
        body = self.province.chain.ledger.state.get(keyspace.line(LENDER, mac(name)), LineBody)
        assert body is not None
        return body

    async def height_of_line(self) -> int:
        """The block that changed what the line's account holds."""
        found = await self.gateway.money.steps.body_at(keyspace.account(self.line().account), AccountBody)
        assert found is not None
        return found[1]

    def owed(self, name: str = "line") -> int:
        return owed_fen(self.province.chain.ledger.state, self.line(name))

    def at(self, place: str) -> int:
        """What lies at one of the places of the hospital's money."""
        state: Any = self.province.chain.ledger.state
        ref = getattr(money_places, place)(Books(state, None), "hospital-a")  # type: ignore[arg-type]
        body = state.get(keyspace.account(ref), AccountBody)
        return body.credits_fen - body.debits_fen if body else 0

    def overdue(self, name: str = "line") -> None:
        """A statement, and its date passes."""
        chain = self.province.chain
        due_ms = chain.time_ms + 10 * DAY_MS + 60_000
        stated = StateLine(LineRef(LENDER, mac(name)), mac(f"s{due_ms}"), self.owed(name), due_ms)
        assert self.province.run(LENDER, stated) == ["recorded"]
        self.province.chain.block(time_ms=due_ms)
        self.province.feed.publish(chain.height)
        self.province.now_ms = chain.time_ms


def agreement(line: str, number: str = "XY-1", **changes: Any) -> AgreementWish:
    return replace(AgreementWish(number, WEI, LENDER, line, 100_000, "QM-1"), **changes)


def charge(number: str, amount_fen: int, **changes: Any) -> ChargeWish:
    bill = NoticeBill("outpatient", "A01", "machine 1", [Charge("05", "laboratory", amount_fen)])
    return replace(ChargeWish(number, [NoticeLine("test", amount_fen, "blood")], bill=bill), **changes)


@pytest.fixture
async def credit(tmp_path: Path) -> AsyncIterator[Credit]:
    given = genesis_with(lender_a="lender")
    province = Province(tmp_path, organisations=given.organisations, keys=given.keys)
    yield Credit(province, await province.start("hospital-a"))
    await province.stop()


async def why(gateway: Gateway, wish: Any, target: str) -> tuple[str, str]:
    """Code and detail of a refusal."""
    with pytest.raises(ServiceRefused) as caught:
        await gateway.money.do(wish, STAFF, target)
    return caught.value.code, caught.value.detail


async def test_each_step_of_a_visit_is_deducted_and_its_bill_follows(credit: Credit) -> None:
    """FEATURES 35, 96, 97: 1,000.00 held; 50 + 180 + 264.30 deducted; 600 is refused, 505.70 left."""
    gateway = credit.gateway
    signed = await credit.agreed(credit.lend())
    hold = await done(gateway, HoldWish("DJ-1", signed, 100_000))
    height = credit.province.chain.height
    names = []
    for number, amount_fen in (("JF-1", 5_000), ("JF-2", 18_000), ("JF-3", 26_430)):
        before = credit.at("collected")
        names.append(await credit.charged(hold, number, amount_fen))
        assert credit.at("collected") == before + amount_fen
    assert credit.province.chain.height > height
    assert await why(gateway, charge("JF-4", 60_000), hold) == (
        "credit_line_exceeded",
        "50570 fen are left of what is held",
    )
    page = await shown(gateway, "hold", hold)
    assert (page["state"], page["captured_fen"], page["left_fen"]) == ("held", 49_430, 50_570)
    bills = [await billed(gateway, name) for name in names]
    assert len(set(bills)) == 3
    found = await gateway.bill(bills[2], STAFF)
    assert found is not None
    assert (found["total_fen"], found["payments"]["cash_fen"]) == (26_430, 26_430)
    mine = await gateway.money.rows("notice", patient(WEI), None, 10)
    assert [(row["notice"], row["state"], row["total_fen"]) for row in mine.data] == [
        (name, "settled", amount) for name, amount in zip(names, (5_000, 18_000, 26_430), strict=True)
    ]


async def test_a_charge_is_all_or_nothing_and_once(credit: Credit) -> None:
    gateway = credit.gateway
    signed = await credit.agreed(credit.lend())
    hold = await done(gateway, HoldWish("DJ-1", signed, 10_000))
    height = credit.province.chain.height
    assert (await why(gateway, charge("JF-1", 10_001), hold))[0] == "credit_line_exceeded"
    assert (await why(gateway, replace(charge("JF-1", 100), bill=charge("x", 99).bill), hold))[0] == "sum_mismatch"
    assert credit.province.chain.height == height
    first = charge("JF-1", 10_000)
    name = await done(gateway, first, hold)
    again = await gateway.money.do(first, STAFF, hold)
    assert (again.repeated, (again.resource or "").rpartition("/")[2]) == (True, name)
    assert await refused(gateway, charge("JF-1", 9_999), hold) == "business_no_conflict"
    assert await refused(gateway, charge("JF-2", 1), hold) == "already_captured"
    assert await refused(gateway, charge("JF-2", 1), "0" * 64) == "hold_unknown"
    assert credit.owed() == 10_000


async def test_balance_then_card_then_line(credit: Credit) -> None:
    """FEATURES 96: the seeds' order."""
    gateway = credit.gateway
    balance = await done(gateway, DepositWish("YJ-1", WEI, "balance"))
    await done(gateway, DepositPaymentWish("cash", "receipt 1", 3_000), balance)
    signed = await credit.agreed(credit.lend(), deposit=balance)
    hold = await done(gateway, HoldWish("DJ-1", signed, 50_000))
    assert await refused(gateway, charge("JF-0", 4_000, card=CardWish("slip 0", 1_001)), hold) == "sum_mismatch"
    name = await credit.charged(hold, "JF-1", 10_000, card=CardWish("slip 1", 2_000))
    order = (await shown(gateway, "notice", name))["order"]
    parts = (await shown(gateway, "order", order))["parts"]
    assert [(part["channel"], part["amount_fen"]) for part in parts] == [
        ("deposit", 3_000),
        ("card", 2_000),
        ("credit", 5_000),
    ]
    assert all(part["payment"] for part in parts)
    assert (credit.owed(), credit.at("collected")) == (5_000, 10_000)
    name = await credit.charged(hold, "JF-2", 1_000)
    parts = (await shown(gateway, "order", (await shown(gateway, "notice", name))["order"]))["parts"]
    assert [part["channel"] for part in parts] == ["credit"]


async def test_what_is_held_for_a_stay_turns_into_payment_at_discharge(credit: Credit) -> None:
    """FEATURES 98: and what it was not needed for is free in the same block."""
    gateway = credit.gateway
    signed = await credit.agreed(credit.lend())
    hold = await done(gateway, HoldWish("DJ-1", signed, 100_000, hours=240))
    assert (await shown(gateway, "agreement", signed))["left_fen"] == 0
    await credit.charged(hold, "JF-1", 32_000, release=True)
    page = await shown(gateway, "hold", hold)
    assert (page["state"], page["captured_fen"]) == ("released", 32_000)
    assert (await shown(gateway, "agreement", signed))["left_fen"] == 68_000
    whole = await done(gateway, HoldWish("DJ-2", signed, 68_000))
    await credit.charged(whole, "JF-2", 68_000, release=True)
    assert (await shown(gateway, "hold", whole))["state"] == "captured"
    assert credit.owed() == 100_000


async def test_overdue_stops_what_is_new_and_never_an_emergency(credit: Credit) -> None:
    """FEATURES 98: its own limit; who declared it is on record, and somebody else reviews it."""
    gateway = credit.gateway
    signed = await credit.agreed(credit.lend())
    hold = await done(gateway, HoldWish("DJ-1", signed, 20_000))
    await credit.charged(hold, "JF-1", 20_000)
    credit.overdue()
    assert (await shown(gateway, "agreement", signed))["overdue"]
    assert await refused(gateway, HoldWish("DJ-2", signed, 1)) == "account_overdue"
    too_much = HoldWish("JZ-1", signed, 50_001, declared_by="doctor-7")
    assert await refused(gateway, too_much) == "credit_line_exceeded"
    emergency = await done(gateway, HoldWish("JZ-1", signed, 50_000, declared_by="doctor-7"))
    await credit.charged(emergency, "JF-2", 30_000, bill=None)
    assert await refused(gateway, ReviewWish("upheld"), emergency, replace(CHIEF, subject="doctor-7")) == "same_person"
    assert await refused(gateway, ReviewWish("upheld"), hold, CHIEF) == "not_an_emergency"
    await done(gateway, ReviewWish("upheld"), emergency, CHIEF)
    page = await shown(gateway, "hold", emergency)
    assert (page["emergency"], page["declared_by"], page["review"]) == (True, "doctor-7", "upheld")
    assert await refused(gateway, ReviewWish("dismissed"), emergency, CHIEF) == "already_reviewed"


async def test_at_the_hospitals_risk_a_charge_is_a_receivable(credit: Credit) -> None:
    """FEATURES 97, the variant of 2016."""
    signed = await credit.agreed(credit.lend(bearer=HOSPITAL_BEARS))
    hold = await done(credit.gateway, HoldWish("DJ-1", signed, 20_000))
    await credit.charged(hold, "JF-1", 20_000)
    assert (credit.at("collected"), credit.at("receivable")) == (0, 20_000)


async def test_a_refund_gives_the_line_back_in_its_own_block(credit: Credit) -> None:
    """FEATURES 99."""
    gateway = credit.gateway
    signed = await credit.agreed(credit.lend())
    hold = await done(gateway, HoldWish("DJ-1", signed, 20_000))
    bill = await billed(gateway, await credit.charged(hold, "JF-1", 20_000))
    red = await gateway.wait(await gateway.reverse(bill, "wrong test", "cashier", None), PATIENCE_S, "recorded")
    assert red.bill_id is not None
    assert credit.owed() == 20_000
    standing = await gateway.wait(await gateway.money.do(RefundWish(), STAFF, red.bill_id), PATIENCE_S, "recorded")
    assert standing.status == "recorded"
    assert (await credit.height_of_line(), credit.owed()) == (standing.height, 0)


async def test_a_red_bill_with_its_refund_gives_the_line_back_in_one_block(credit: Credit) -> None:
    """FEATURES 99: red flush, line back in the same block."""
    gateway = credit.gateway
    signed = await credit.agreed(credit.lend())
    hold = await done(gateway, HoldWish("DJ-1", signed, 20_000))
    bill = await billed(gateway, await credit.charged(hold, "JF-1", 20_000))
    red = await gateway.reverse(bill, "wrong test", "cashier", None, (), RefundWish())
    standing = await gateway.wait(red, PATIENCE_S, "recorded")
    assert standing.status == "recorded"
    assert (await credit.height_of_line(), credit.owed()) == (standing.height, 0)
    assert (await shown(gateway, "refund", red.bill_id or ""))["total_fen"] == 20_000


async def test_an_agreement_ends_and_what_is_owed_stays(credit: Credit) -> None:
    """FEATURES 99."""
    gateway, line = credit.gateway, credit.lend()
    signed = await credit.agreed(line)
    assert (await gateway.money.do(agreement(line), STAFF)).repeated
    assert await refused(gateway, agreement(line, cap_fen=1)) == "business_no_conflict"
    assert await refused(gateway, agreement(line, "XY-2")) == "agreement_in_force"
    assert await refused(gateway, agreement("0" * 64, "XY-2", payer=LI)) == "line_unknown"
    assert await refused(gateway, agreement(line, "XY-2", payer=replace(LI, id_number=" "))) == "invalid_value"
    hold = await done(gateway, HoldWish("DJ-1", signed, 20_000))
    await credit.charged(hold, "JF-1", 5_000)
    await done(gateway, EndAgreementWish("patient_asked"), signed)
    assert await refused(gateway, EndAgreementWish("again"), signed) == "agreement_ended"
    assert await refused(gateway, charge("JF-2", 1), hold) == "agreement_ended"
    assert await refused(gateway, HoldWish("DJ-2", signed, 1)) == "agreement_ended"
    await done(gateway, ReleaseWish(), hold)
    assert credit.owed() == 5_000
    again = await credit.agreed(line, "XY-2")
    assert [(await shown(gateway, "agreement", name))["state"] for name in (signed, again)] == ["ended", "in_force"]


async def test_a_line_that_the_lender_ended_pays_no_step_more(credit: Credit) -> None:
    """FEATURES 99: revoked with debt."""
    gateway = credit.gateway
    signed = await credit.agreed(credit.lend())
    hold = await done(gateway, HoldWish("DJ-1", signed, 20_000))
    await credit.charged(hold, "JF-1", 5_000)
    assert credit.province.run(LENDER, EndLine(mac("line"), "revoked")) == ["recorded"]
    assert await refused(gateway, charge("JF-2", 1), hold) == "line_ended"
    assert await refused(gateway, HoldWish("DJ-2", signed, 1)) == "line_ended"
    assert credit.owed() == 5_000


async def test_a_patient_sees_their_own_line_and_nobody_elses(credit: Credit) -> None:
    gateway = credit.gateway
    signed = await credit.agreed(credit.lend())
    hold = await done(gateway, HoldWish("DJ-1", signed, 20_000))
    await credit.charged(hold, "JF-1", 5_000)
    (mine,) = (await gateway.money.rows("agreement", patient(WEI), None, 10)).data
    assert (mine["agreement"], mine["owed_fen"], mine["left_fen"], mine["dues"]) == (signed, 5_000, 80_000, [])
    assert [(one["hold"], one["captured_fen"]) for one in mine["holds"]] == [(hold, 5_000)]
    assert (await gateway.money.rows("agreement", patient(LI), None, 10)).data == []
    for kind, name in (("agreement", signed), ("hold", hold)):
        assert await gateway.money.show(kind, name, patient(LI)) is None
        assert await gateway.money.show(kind, name, patient(WEI)) is not None
    assert "owed_fen" not in await shown(gateway, "agreement", signed)
