"""Visits at a hospital's desk, over a real ledger: opened with what is held, charged step by step, closed, one bill; without a cashier."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from chain.bill import Charge, Payer
from chain.operation import ANSWERED_MAX, CloseVisit, EndLine, LineRef, RepayLine, TakePayment
from node.gateway import Gateway
from node.money.requests import (
    CardWish,
    DepositPaymentWish,
    DepositWish,
    HoldWish,
    NoticeBill,
    NoticeLine,
    NoticeRefundWish,
    NoticeWish,
    ReleaseWish,
)
from node.money.visit_requests import CloseWish, ConfirmationWish, StampWish, VisitChargeWish, VisitWish
from node.service import ServiceRefused
from tests.chain.making import genesis_with, mac
from tests.node.gateway_province import PATIENCE_S, STAFF, Province, until
from tests.node.test_appointment_desk import MINUTE_MS, Clinic, booked
from tests.node.test_credit_desk import LENDER, Credit
from tests.node.test_money_desk import LI, WEI, done, notice, patient, refused, shown


def visit(number: str = "JZ-1", payer: Payer = WEI, cap_fen: int = 60_000, **changes: Any) -> VisitWish:
    return replace(VisitWish(number, "outpatient", payer, cap_fen), **changes)


def charge(number: str, amount_fen: int, kind: str = "test", **changes: Any) -> VisitChargeWish:
    return replace(VisitChargeWish(number, [NoticeLine(kind, amount_fen, f"{kind} in words")]), **changes)


def close(amount_fen: int) -> CloseWish:
    return CloseWish(NoticeBill("outpatient", "A01", "machine 1", [Charge("05", "all of it", amount_fen)]))


@pytest.fixture
async def credit(tmp_path: Path) -> AsyncIterator[Credit]:
    given = genesis_with(lender_a="lender")
    province = Province(tmp_path, organisations=given.organisations, keys=given.keys)
    yield Credit(province, await province.start("hospital-a"))
    await province.stop()


@pytest.fixture
def gateway(credit: Credit) -> Gateway:
    return credit.gateway


async def billed(gateway: Gateway, name: str) -> str:
    """The one bill that follows."""
    async with asyncio.timeout(PATIENCE_S):
        while not (page := await shown(gateway, "visit", name))["bill_id"]:  # noqa: ASYNC110 - nobody is told
            await asyncio.sleep(0.01)
    return str(page["bill_id"])


def operations(province: Province) -> list[Any]:
    """Of all blocks, as far as they were recorded."""
    found = []
    for height in range(1, province.chain.height + 1):
        view = province.chain.view(height)
        entries = [entry.operation for own in view.received for entry in own.transaction.entries]
        found += [one for one, outcome in zip(entries, view.outcomes, strict=True) if outcome.code == "recorded"]
    return found


async def test_three_steps_are_deducted_and_one_bill_follows_without_a_cashier(credit: Credit) -> None:
    """FEATURES 35: the patient has agreed once; 20 + 60 + 90 of a cap of 600."""
    gateway = credit.gateway
    signed = await credit.agreed(credit.lend())
    name = await done(gateway, visit(agreement=signed))
    page = await shown(gateway, "visit", name)
    assert (await shown(gateway, "hold", page["hold"]))["amount_fen"] == 60_000
    amounts = {"consultation": 2_000, "test": 6_000, "drug": 9_000}
    for number, (kind, amount_fen) in enumerate(amounts.items()):
        before = credit.at("collected")
        await done(gateway, charge(f"JF-{number}", amount_fen, kind), name)
        assert credit.at("collected") == before + amount_fen
        await done(gateway, StampWish("called"), name)
    page = await shown(gateway, "visit", name, patient(WEI))
    assert [row["parts"] for row in page["charges"]] == [
        [{"channel": "credit", "amount_fen": amount_fen}] for amount_fen in amounts.values()
    ]
    assert (page["charged_fen"], page["left_fen"], page["bill_id"]) == (17_000, 43_000, None)
    mine = await gateway.money.rows("notice", patient(WEI), None, 10)
    assert [(row["state"], row["titles"]) for row in mine.data] == [
        ("settled", [f"{kind} in words"]) for kind in amounts
    ]

    await done(gateway, close(17_000), name)
    bill = await billed(gateway, name)
    found = await gateway.bill(bill, STAFF)
    assert found is not None
    assert (found["total_fen"], found["business_no"], found["payments"]["cash_fen"]) == (17_000, "JZ-1", 17_000)
    for row in mine.data:
        assert (await shown(gateway, "notice", row["notice"]))["bill_id"] == bill
    assert len(credit.province.recorded_bills()) == 1
    assert (await shown(gateway, "hold", page["hold"]))["state"] == "released"
    assert (await shown(gateway, "agreement", signed))["left_fen"] == 100_000 - 17_000
    assert not [one for one in operations(credit.province) if isinstance(one, TakePayment)]
    assert await refused(gateway, charge("JF-9", 1), name) == "already_released"
    assert (await gateway.money.do(close(17_000), STAFF, name)).repeated
    credit.province.now_ms += 1
    assert await refused(gateway, close(17_000), name) == "visit_closed"


async def test_nothing_is_held_for_a_visit_that_is_not_opened(credit: Credit) -> None:
    gateway = credit.gateway
    signed = await credit.agreed(credit.lend())
    height = credit.province.chain.height
    assert await refused(gateway, visit(agreement=signed, appointment="0" * 64)) == "appointment_unknown"
    assert await refused(gateway, visit(agreement=signed, cap_fen=100_001)) == "visit_cap_exceeded"
    assert await refused(gateway, visit(agreement=signed, payer=LI)) == "agreement_unknown"
    assert await refused(gateway, visit(agreement="0" * 64)) == "agreement_unknown"
    assert credit.province.chain.height == height
    assert (await shown(gateway, "agreement", signed))["left_fen"] == 100_000
    first = visit(agreement=signed)
    name = await done(gateway, first)
    again = await gateway.money.do(first, STAFF)
    assert (again.repeated, (again.resource or "").rpartition("/")[2]) == (True, name)
    assert await refused(gateway, visit(agreement=signed, cap_fen=1)) == "business_no_conflict"


async def test_what_is_held_for_a_visit_beside_is_within_its_cap(credit: Credit) -> None:
    """Refused at the counter already, and nothing is sent."""
    gateway = credit.gateway
    signed = await credit.agreed(credit.lend())
    name = await done(gateway, visit(agreement=signed))
    await done(gateway, charge("JF-1", 10_000), name)
    height = credit.province.chain.height
    assert await refused(gateway, HoldWish("DJ-2", signed, 40_001, visit=name)) == "visit_cap_exceeded"
    assert await refused(gateway, HoldWish("DJ-2", signed, 40_001)) == "credit_line_exceeded"
    assert credit.province.chain.height == height
    first = (await shown(gateway, "visit", name))["hold"]
    await done(gateway, ReleaseWish(), first)
    assert await refused(gateway, HoldWish("DJ-2", signed, 90_001, visit=name)) == "visit_cap_exceeded"
    hold = await done(gateway, HoldWish("DJ-2", signed, 90_000, visit=name))
    assert (await shown(gateway, "hold", hold))["visit"] == name
    assert await refused(gateway, HoldWish("DJ-3", signed, 1, visit=name)) == "visit_cap_exceeded"
    emergency = HoldWish("JZ-9", signed, 50_000, visit=name, declared_by="doctor-7")
    assert (await shown(gateway, "hold", await done(gateway, emergency)))["emergency"]


async def test_beyond_the_cap_nothing_is_paid(gateway: Gateway) -> None:
    """Without credit a step is paid by card and of a deposit, whole or not at all."""
    deposit = await done(gateway, DepositWish("YJ-1", WEI))
    await done(gateway, DepositPaymentWish("cash", "receipt 1", 50_000), deposit)
    name = await done(gateway, visit(cap_fen=10_000))
    assert await refused(gateway, charge("JF-1", 3_000), name) == "sum_mismatch"
    assert await refused(gateway, charge("JF-1", 3_000, card=CardWish("slip 1", 2_000)), name) == "sum_mismatch"
    assert await refused(gateway, charge("JF-1", 3_000, card=CardWish("slip 1", 3_001)), name) == "sum_mismatch"
    assert await refused(gateway, charge("JF-1", 10_001, deposit=deposit), name) == "visit_cap_exceeded"
    first = charge("JF-1", 3_000, card=CardWish("slip 1", 2_000), deposit=deposit)
    await done(gateway, first, name)
    assert (await gateway.money.do(first, STAFF, name)).repeated
    assert await refused(gateway, replace(first, card=CardWish("slip 1", 1_999)), name) == "business_no_conflict"
    await done(gateway, charge("JF-2", 7_000, "drug", deposit=deposit), name)
    assert await refused(gateway, charge("JF-3", 1, card=CardWish("slip 2", 1)), name) == "visit_cap_exceeded"
    assert (await shown(gateway, "deposit", deposit))["balance_fen"] == 50_000 - 8_000
    assert await refused(gateway, close(9_999), name) == "sum_mismatch"
    assert await refused(gateway, CloseWish(), name) == "sum_mismatch"
    await done(gateway, close(10_000), name)
    bill = await gateway.bill(await billed(gateway, name), STAFF)
    assert bill is not None
    assert bill["total_fen"] == 10_000


async def test_a_visit_and_a_notice_do_not_share_a_bills_number(gateway: Gateway) -> None:
    """Both are counted by the hospital, in series of their own; a bill that could not follow does not end the visit."""
    await done(gateway, notice("JZ-1"))
    assert await refused(gateway, visit("JZ-1")) == "business_no_conflict"
    name = await done(gateway, visit("JZ-2"))
    assert await refused(gateway, notice("JZ-2")) == "business_no_conflict"
    await done(gateway, charge("JZ-2", 7_000, card=CardWish("slip 1", 7_000)), name)  # which has no bill of its own
    wish = close(7_000)
    assert wish.bill is not None
    assert await refused(gateway, replace(wish, bill=replace(wish.bill, place_code="ZZZ")), name) == "place_unknown"
    assert (await shown(gateway, "visit", name))["state"] == "open"
    await done(gateway, wish, name)
    await billed(gateway, name)
    assert (await gateway.money.do(wish, STAFF, name)).repeated


async def test_of_what_went_back_after_a_visit_was_closed_people_write_the_bill(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As of a notice: they are told."""
    follow, held = gateway.money.follow, asyncio.Event()
    bill_of = follow._sources["visit"].bill_of

    async def later(name: bytes) -> Any:
        await held.wait()
        return await bill_of(name)

    monkeypatch.setattr(follow._sources["visit"], "bill_of", later)
    name = await done(gateway, visit())
    await done(gateway, charge("JF-1", 7_000, card=CardWish("slip 1", 7_000)), name)
    await done(gateway, close(7_000), name)
    charged = gateway.money.filing.names.of("notice", "JF-1").hex()
    await done(gateway, NoticeRefundWish("TK-1", amount_fen=1_000), charged)
    held.set()
    await until(lambda: follow.waiting.codes == {bytes.fromhex(name): "bill_unanswered"})
    assert gateway.money.rows_kept.due("visit", 2) == [bytes.fromhex(name)]  # so a restart does not forget it


async def test_a_number_is_one_bills_from_when_it_is_asked_for(gateway: Gateway) -> None:
    """Of two that are to follow under one number the second could never be issued; whose bill has another number is in nobody's way."""

    def asked(number: str, business_no: str) -> NoticeWish:
        wish = notice(number)
        assert wish.bill is not None
        return replace(wish, bill=replace(wish.bill, business_no=business_no))

    await done(gateway, asked("JF-1", "MZ-1"))
    name = await done(gateway, visit("JF-1"))
    for wish, pointer in (
        (asked("JF-2", "MZ-1"), "/bill/business_no"),
        (notice("MZ-1"), "/notice_no"),
        (asked("JF-2", "JF-1"), "/bill/business_no"),
        (visit("MZ-1"), "/visit_no"),
    ):
        with pytest.raises(ServiceRefused) as caught:
            await gateway.money.do(wish, STAFF)
        assert (caught.value.code, caught.value.pointer) == ("business_no_conflict", pointer)
    await done(gateway, asked("JF-2", "MZ-2"))
    await done(gateway, charge("JF-3", 7_000, card=CardWish("slip 1", 7_000)), name)
    wish = close(7_000)
    assert wish.bill is not None
    taken = replace(wish, bill=replace(wish.bill, business_no="MZ-2"))
    assert await refused(gateway, taken, name) == "business_no_conflict"
    await done(gateway, wish, name)
    await billed(gateway, name)


async def test_what_was_held_pays_and_no_other_deposit(credit: Credit) -> None:
    gateway = credit.gateway
    signed = await credit.agreed(credit.lend())
    name = await done(gateway, visit(agreement=signed))
    assert await refused(gateway, charge("JF-1", 100, deposit="0" * 64), name) == "invalid_value"
    await done(gateway, charge("JF-1", 3_000, card=CardWish("slip 1", 1_000)), name)
    assert credit.owed() == 2_000


async def test_a_visit_is_not_closed_over_a_charge_that_is_on_its_way(credit: Credit) -> None:
    gateway = credit.gateway
    signed = await credit.agreed(credit.lend())
    name = await done(gateway, visit(agreement=signed))
    credit.province.hold()
    waiting = await gateway.money.do(charge("JF-1", 3_000), STAFF, name)
    assert waiting.status == "queued"
    assert await refused(gateway, CloseWish(), name) == "charge_pending"
    credit.province.go_on()
    assert (await gateway.wait(waiting, PATIENCE_S, "recorded")).status == "recorded"
    await done(gateway, close(3_000), name)
    await billed(gateway, name)


async def test_a_visit_without_charges_has_no_bill(gateway: Gateway) -> None:
    name = await done(gateway, visit())
    await done(gateway, CloseWish(), name)
    assert gateway.money.rows_kept.due("visit", 9) == []
    page = await shown(gateway, "visit", name)
    assert (page["state"], page["charges"], page["bill_id"]) == ("closed", [], None)


async def test_the_bill_follows_after_the_gateway_was_killed(credit: Credit) -> None:
    signed = await credit.agreed(credit.lend())
    name = await done(credit.gateway, visit(agreement=signed))
    await done(credit.gateway, charge("JF-1", 3_000), name)
    credit.province.hold()
    await credit.gateway.money.do(close(3_000), STAFF, name)
    again = await credit.province.crash(credit.gateway)
    again.begin()
    credit.province.go_on()
    await billed(again, name)
    assert len(credit.province.recorded_bills()) == 1


async def test_a_task_that_outlived_its_bill_makes_no_second_one(credit: Credit) -> None:
    """The gateway was killed after the bill had answered the visit's notices, before it had noted so."""
    gateway = credit.gateway
    signed = await credit.agreed(credit.lend())
    name = await done(gateway, visit(agreement=signed))
    await done(gateway, charge("JF-1", 5_000), name)
    await done(gateway, close(5_000), name)
    bill = await billed(gateway, name)
    rows, follow = gateway.money.rows_kept, gateway.money.follow
    rows.put_due("visit", bytes.fromhex(name))
    follow.on_paid(bytes(32))  # whatever was paid: it looks
    await until(lambda: rows.due("visit", 1) == [])
    assert [one.bill for one in credit.province.recorded_bills()] == [bill]
    assert follow.waiting.codes == {}


async def test_one_bill_answers_so_many_charges_and_no_more(gateway: Gateway) -> None:
    name = await done(gateway, visit())
    for number in range(ANSWERED_MAX):
        await done(gateway, charge(f"JF-{number}", 10, card=CardWish(f"slip {number}", 10)), name)
    assert await refused(gateway, charge("JF-x", 10, card=CardWish("slip x", 10)), name) == "too_many_charges"
    assert (await gateway.money.do(charge("JF-3", 10, card=CardWish("slip 3", 10)), STAFF, name)).repeated
    await done(gateway, close(10 * ANSWERED_MAX), name)
    await billed(gateway, name)


async def test_an_appointment_becomes_a_visit(credit: Credit) -> None:
    clinic = Clinic(credit.province, credit.gateway)
    schedule = await clinic.published()
    name = await done(clinic.gateway, booked(schedule))
    await done(clinic.gateway, ConfirmationWish(), name)
    assert await refused(clinic.gateway, visit(appointment=name)) == "too_early"
    clinic.at(clinic.noon_ms + 24 * 60 * MINUTE_MS)
    assert await refused(clinic.gateway, visit(payer=LI, appointment=name)) == "appointment_of_other"
    opened = await done(clinic.gateway, visit(appointment=name))
    page = await shown(clinic.gateway, "appointment", name)
    assert (page["state"], page["visit"]) == ("checked_in", opened)
    assert await refused(clinic.gateway, visit("JZ-2", appointment=name)) == "appointment_used"


async def test_overdue_credit_blocks_numbers_and_never_an_emergency(credit: Credit) -> None:
    """FEATURES 98: repaid, booking opens again."""
    clinic = Clinic(credit.province, credit.gateway)
    signed = await credit.agreed(credit.lend())
    name = await done(clinic.gateway, visit(agreement=signed, cap_fen=20_000))
    await done(clinic.gateway, charge("JF-1", 20_000), name)
    await done(clinic.gateway, close(20_000), name)
    credit.overdue()
    clinic.noon_ms = credit.province.now_ms
    schedule = await clinic.published()
    assert await refused(clinic.gateway, booked(schedule)) == "account_overdue"
    assert await refused(clinic.gateway, visit("JZ-2")) == "account_overdue"
    assert await refused(clinic.gateway, visit("JZ-2", kind="emergency")) == "emergency_undeclared"
    emergency = visit("JZ-2", kind="emergency", declared_by="doctor-7", agreement=signed, cap_fen=50_001)
    assert await refused(clinic.gateway, emergency) == "credit_line_exceeded"
    opened = await done(clinic.gateway, replace(emergency, cap_fen=50_000))
    await done(clinic.gateway, charge("JF-2", 30_000), opened)
    page = await shown(clinic.gateway, "visit", opened)
    assert (page["emergency"], page["declared_by"], page["left_fen"]) == (True, "doctor-7", 20_000)
    assert "declared_by" not in await shown(clinic.gateway, "visit", opened, patient(WEI))
    line = LineRef(LENDER, mac("line"))
    assert credit.province.run(LENDER, RepayLine(line, mac("r"), "alipay", 20_000, mac("e"))) == ["recorded"]
    await done(clinic.gateway, booked(schedule))


async def test_minutes_are_told_from_the_stamps(credit: Credit) -> None:
    """FEATURES 37."""
    clinic = Clinic(credit.province, credit.gateway)
    name = await done(clinic.gateway, visit())
    for minutes, step in ((12, "called"), (20, "tested"), (50, "called")):
        clinic.at(clinic.noon_ms + minutes * MINUTE_MS)
        await done(clinic.gateway, StampWish(step), name)
    assert await refused(clinic.gateway, StampWish("called", number=2), name) == "stamp_exists"
    assert await refused(clinic.gateway, StampWish("called", number=9), name) == "standing_moved"
    clinic.at(clinic.noon_ms + 55 * MINUTE_MS)
    await done(clinic.gateway, CloseWish(), name)
    page = await shown(clinic.gateway, "timeline", name, patient(WEI))
    assert [(step["step"], step["after_minutes"]) for step in page["steps"]] == [
        ("registered", 0),
        ("called", 12),
        ("tested", 20),
        ("called", 50),
    ]
    assert (page["queued"], page["treated"], page["tested"], page["total"], page["closed"]) == (12, 13, 30, 55, True)


async def test_a_patient_sees_their_own_visits(credit: Credit) -> None:
    gateway = credit.gateway
    name = await done(gateway, visit())
    (mine,) = (await gateway.money.rows("visit", patient(WEI), None, 9)).data
    assert (mine["visit"], mine["visit_no"], mine["state"]) == (name, "JZ-1", "open")
    assert (await gateway.money.rows("visit", patient(LI), None, 9)).data == []
    for kind in ("visit", "timeline"):
        assert await gateway.money.show(kind, name, patient(LI)) is None
        with pytest.raises(ServiceRefused, match="visit_unknown"):
            await gateway.money.show(kind, "no name", STAFF)


async def test_the_other_gateway_stamps_and_does_not_charge(credit: Credit) -> None:
    name = await done(credit.gateway, visit())
    other = await credit.province.start("hospital-a-2")
    await done(other, StampWish("called"), name)
    page = await shown(other, "visit", name)
    assert ([stamp["step"] for stamp in page["stamps"]], "visit_no" in page) == (["registered", "called"], False)
    for wish in (charge("JF-1", 100, card=CardWish("slip 1", 100)), CloseWish()):
        assert await refused(other, wish, name) == "visit_unknown"


async def test_what_is_held_for_a_visit_is_told_of_before_it_is_recorded(credit: Credit) -> None:
    """And says why where the ledger refused it."""
    gateway = credit.gateway
    signed = await credit.agreed(credit.lend())
    credit.province.hold()
    name = ((await gateway.money.do(visit(agreement=signed), STAFF)).resource or "").rpartition("/")[2]
    hold = (await shown(gateway, "visit", name))["hold"]
    assert (await shown(gateway, "hold", hold))["state"] == "queued"
    (mine,) = (await gateway.money.rows("agreement", patient(WEI), None, 9)).data
    assert [held["state"] for held in mine["holds"]] == ["queued"]
    assert credit.province.run(LENDER, EndLine(mac("line"), "lender_asked")) == ["recorded"]
    credit.province.go_on()

    async with asyncio.timeout(PATIENCE_S):
        while (page := await shown(gateway, "hold", hold))["state"] == "queued":  # noqa: ASYNC110 - nobody is told
            await asyncio.sleep(0.01)
    assert (page["state"], page["code"]) == ("refused", "line_ended")


async def test_what_went_back_of_a_charge_is_not_billed(credit: Credit) -> None:
    """One charge in part, another one whole: the bill is over the rest, by the channels that paid it, and answers it."""
    gateway = credit.gateway
    signed = await credit.agreed(credit.lend())
    name = await done(gateway, visit(agreement=signed))
    for number, card_fen in (("1", 1_000), ("2", 6_000), ("3", 500)):
        card = CardWish(f"slip {number}", card_fen)
        await done(gateway, charge(f"JF-{number}", 6_000, card=card), name)
    first, second, third = (row["notice"] for row in (await gateway.money.rows("notice", patient(WEI), None, 9)).data)
    await done(gateway, NoticeRefundWish("TK-1", "credit_first", 1_500), first)
    await done(gateway, NoticeRefundWish("TK-2"), second)
    assert await refused(gateway, close(18_000), name) == "sum_mismatch"
    await done(gateway, close(10_500), name)
    async with asyncio.timeout(PATIENCE_S):
        while not (page := await shown(gateway, "notice", third))["bill_id"]:  # noqa: ASYNC110 - nobody is told
            await asyncio.sleep(0.01)
    bill = await gateway.bill(page["bill_id"], STAFF)
    assert bill is not None
    assert bill["total_fen"] == 10_500
    assert [(await shown(gateway, "notice", one))["bill_id"] for one in (first, second)] == [page["bill_id"], None]


async def test_a_charge_that_comes_while_the_visit_is_closed_is_not_left_out(
    credit: Credit, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the bill would be over less than was charged, and never follow."""
    gateway = credit.gateway
    steps, carry_out = gateway.money.steps, gateway.money.steps.carry_out

    async def carry_out_late(operations: Any, *more: Any) -> Any:
        if isinstance(operations[-1], CloseVisit):
            monkeypatch.undo()
            await gateway.money.do(late, STAFF, name)
        return await carry_out(operations, *more)

    name = await done(gateway, visit())
    await done(gateway, charge("JF-1", 2_000, card=CardWish("slip 1", 2_000)), name)
    late = charge("JF-2", 6_000, card=CardWish("slip 2", 6_000))
    monkeypatch.setattr(steps, "carry_out", carry_out_late)
    assert await refused(gateway, close(2_000), name) == "charge_pending"
    await done(gateway, late, name)
    await done(gateway, close(8_000), name)
    await billed(gateway, name)
