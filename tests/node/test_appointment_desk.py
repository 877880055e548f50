"""Schedules and appointments at a hospital's desk, over a real ledger: the next free number, races, what expires, what is missed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from chain.bill import Charge, Payer
from node.gateway import Gateway
from node.money.moments import utc_moment
from node.money.requests import ClosureWish, NoticeBill, PartWish, PaymentWish, RefundWish
from node.money.visit_requests import (
    AppointmentWish,
    CancellationWish,
    CheckInWish,
    ConfirmationWish,
    FeeWish,
    MissWish,
    PoolWish,
    ScheduleWish,
    StopWish,
    SubstitutionWish,
)
from node.service import ServiceRefused, Standing
from tests.node.gateway_province import PATIENCE_S, STAFF, Province, until
from tests.node.test_money_desk import LI, WEI, billed, done, notice, order, patient, refused, shown

MINUTE_MS, HOUR_MS, DAY_MS = 60_000, 3_600_000, 86_400_000
ZHAO = Payer("示例丙", "person", "other", "EXAMPLE-0003")


class Clinic:
    """A hospital with one gateway or two, and a clock that stories set."""

    def __init__(self, province: Province, gateway: Gateway) -> None:
        self.province, self.gateway = province, gateway
        self.noon_ms = province.now_ms

    def session(self, number: str = "PB-1", numbers: int = 2, day: int = 1, **changes: Any) -> ScheduleWish:
        """So many days after today, from 12 to 15 o'clock."""
        starts_ms = self.noon_ms + day * DAY_MS
        wish = ScheduleWish(
            number,
            "cardiology",
            "doctor-7",
            "pm",
            utc_moment(starts_ms),
            utc_moment(starts_ms + 3 * HOUR_MS),
            [PoolWish("app", numbers)],
        )
        return replace(wish, **changes)

    async def published(self, *given: Any, **changes: Any) -> str:
        return await done(self.gateway, self.session(*given, **changes))

    def at(self, time_ms: int) -> None:
        """A block with this time, and the gateways' clocks."""
        self.province.chain.block(time_ms=time_ms)
        self.province.feed.publish(self.province.chain.height)
        self.province.now_ms = self.province.chain.time_ms

    async def missed(self, number: str, day: int, payer: Payer = WEI) -> None:
        """An appointment of `day` that they did not come to."""
        schedule = await self.published(f"PB-{number}", day=day)
        name = await done(self.gateway, booked(schedule, number, payer))
        await done(self.gateway, ConfirmationWish(), name)
        self.at(self.noon_ms + day * DAY_MS + 4 * HOUR_MS)
        await done(self.gateway, MissWish(), name)


def booked(schedule: str, number: str = "YY-1", payer: Payer | None = WEI, channel: str = "app") -> AppointmentWish:
    return AppointmentWish(number, schedule, channel, payer)


def with_fee() -> dict[str, Any]:
    bill = NoticeBill("registration", "A01", "machine 1", [Charge("01", "registration", 5_000)])
    return {"fee_fen": 5_000, "bill": bill}


@pytest.fixture
async def clinic(tmp_path: Path) -> AsyncIterator[Clinic]:
    province = Province(tmp_path)
    yield Clinic(province, await province.start("hospital-a"))
    await province.stop()


async def free(clinic: Clinic, schedule: str, channel: str = "app") -> list[int]:
    return list((await shown(clinic.gateway, "schedule", schedule))["free"][channel])


async def state(gateway: Gateway, name: str) -> str:
    return str((await shown(gateway, "appointment", name))["state"])


async def became(gateway: Gateway, name: str, wanted: str) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while await state(gateway, name) != wanted:  # noqa: ASYNC110 - nobody is told
            await asyncio.sleep(0.01)


async def owed_no_longer(gateway: Gateway, order: str) -> None:
    """The fee's order is closed, its notice withdrawn, and nothing is left to be done."""
    gateway.money.fees.look_now()
    notice = (await shown(gateway, "order", order))["notices"][0]
    async with asyncio.timeout(PATIENCE_S):
        while (await shown(gateway, "notice", notice))["state"] != "withdrawn":  # noqa: ASYNC110 - nobody is told
            await asyncio.sleep(0.01)
    assert (await shown(gateway, "order", order))["state"] == "closed"
    gateway.money.fees.look_now()
    await until(lambda: not gateway.money.rows_kept.due("confirm", 9))


async def both_kept(clinic: Clinic, numbers: int) -> list[asyncio.Task[Standing]]:
    """Two gateways have kept the same number for two people before a block is made, which is made now."""
    schedule = await clinic.published(numbers=numbers)
    other = await clinic.province.start("hospital-a-2")
    clinic.province.hold()
    asked = [
        asyncio.create_task(gateway.money.do(booked(schedule, f"YY-{payer.id_number}", payer), STAFF))
        for gateway, payer in ((clinic.gateway, WEI), (other, LI))
    ]
    await until(lambda: len(clinic.province.pool) == 2)
    clinic.province.go_on()
    return asked


async def test_each_channel_gives_out_its_own_numbers_until_they_are_open_to_all(clinic: Clinic) -> None:
    opens = utc_moment(clinic.noon_ms + HOUR_MS)
    pools = [PoolWish("window", 1, opens), PoolWish("app", 2)]
    schedule = await clinic.published(pools=pools)
    page = await shown(clinic.gateway, "schedule", schedule, patient(LI))
    assert (page["free"], page["staff"], page["date"]) == ({"window": [1], "app": [2, 3]}, "doctor-7", "2026-06-02")
    first = await done(clinic.gateway, booked(schedule))
    assert (await shown(clinic.gateway, "appointment", first))["number"] == 2
    assert await refused(clinic.gateway, booked(schedule, "YY-2", LI, "kiosk")) == "pool_closed"
    clinic.at(clinic.noon_ms + HOUR_MS)
    assert await free(clinic, schedule) == [1, 2, 3]  # unpaid: its time is over
    assert await free(clinic, schedule, "window") == [1]
    at_kiosk = await done(clinic.gateway, booked(schedule, "YY-2", LI, "kiosk"))
    assert (await shown(clinic.gateway, "appointment", at_kiosk))["number"] == 1


async def test_a_department_sees_its_day(clinic: Clinic) -> None:
    names = [await clinic.published(f"PB-{number}") for number in range(3)]
    other = await clinic.published("PB-other", department="surgery")
    await clinic.published("PB-later", day=2)
    desk = clinic.gateway.money
    first = await desk.schedules_of("cardiology", 20260602, None, 2)
    rest = await desk.schedules_of("cardiology", 20260602, first.next, 2)
    assert [row["schedule"] for row in (*first.data, *rest.data)] == names
    assert rest.next is None
    assert [row["schedule"] for row in (await desk.schedules_of("surgery", 20260602, None, 9)).data] == [other]
    assert len((await desk.schedules_of("", 20260602, None, 9)).data) == 4
    again = await desk.do(clinic.session("PB-0"), STAFF)
    assert again.repeated
    assert len((await desk.schedules_of("", 20260602, None, 9)).data) == 4


async def test_what_a_schedule_may_not_be(clinic: Clinic) -> None:
    assert await refused(clinic.gateway, clinic.session(ends=utc_moment(clinic.noon_ms))) == "schedule_malformed"
    assert await refused(clinic.gateway, clinic.session(starts="soon")) == "invalid_time"
    assert await refused(clinic.gateway, clinic.session(day=91)) == "schedule_too_far"
    assert await refused(clinic.gateway, clinic.session(fee_fen=4_999, bill=with_fee()["bill"])) == "sum_mismatch"
    await clinic.published()
    assert await refused(clinic.gateway, clinic.session(numbers=3)) == "business_no_conflict"


async def test_a_fee_whose_bill_could_not_follow_is_not_published(clinic: Clinic) -> None:
    fee = with_fee()
    for changes, code in (
        ({"place_code": "ZZZ"}, "place_unknown"),
        ({"charges": [Charge("01", "registration", 4_999)]}, "sum_mismatch"),
        ({"business_no": "MZ-1"}, "invalid_value"),  # or all fees would have one bill
    ):
        assert await refused(clinic.gateway, clinic.session(**fee | {"bill": replace(fee["bill"], **changes)})) == code


async def test_stopped_and_substituted(clinic: Clinic) -> None:
    schedule = await clinic.published()
    name = await done(clinic.gateway, booked(schedule))
    await done(clinic.gateway, SubstitutionWish("doctor-9"), schedule)
    assert await refused(clinic.gateway, SubstitutionWish("doctor-9"), schedule) == "staff_unchanged"
    page = await shown(clinic.gateway, "schedule", schedule)
    assert (page["staff"], page["substitutions"]) == ("doctor-9", 1)
    await done(clinic.gateway, StopWish("ill"), schedule)
    page = await shown(clinic.gateway, "schedule", schedule)
    assert (page["state"], page["reason"], page["free"]) == ("stopped", "ill", {"app": []})
    assert await refused(clinic.gateway, booked(schedule, "YY-2", LI)) == "schedule_stopped"
    assert await refused(clinic.gateway, SubstitutionWish("doctor-7"), schedule) == "schedule_stopped"
    await done(clinic.gateway, CancellationWish("schedule_stopped"), name)
    assert await state(clinic.gateway, name) == "cancelled"


async def test_a_patient_books_for_themselves_and_sees_their_own(clinic: Clinic) -> None:
    schedule = await clinic.published()
    wish = booked(schedule, payer=None)
    mine, others = [await done(clinic.gateway, wish, reader=patient(payer)) for payer in (WEI, LI)]
    assert mine != others  # one number that two chose, and each has their own appointment
    again = await clinic.gateway.money.do(wish, patient(WEI))
    assert (again.repeated, (again.resource or "").rpartition("/")[2]) == (True, mine)
    (row,) = (await clinic.gateway.money.rows("appointment", patient(WEI), None, 10)).data
    assert (row["appointment"], row["appointment_no"], row["number"], row["state"]) == (mine, "YY-1", 1, "held")
    assert await clinic.gateway.money.show("appointment", mine, patient(LI)) is None
    for step in (ConfirmationWish(), CancellationWish(), CheckInWish()):
        assert await refused(clinic.gateway, step, mine, patient(LI)) == "appointment_unknown"
    assert await refused(clinic.gateway, booked(schedule, "YY-2"), reader=patient(WEI)) == "invalid_value"
    window = booked(schedule, "YY-2", None, "window")
    assert await refused(clinic.gateway, window, reader=patient(WEI)) == "pool_closed"
    assert await refused(clinic.gateway, booked(schedule, "YY-2", None)) == "invalid_value"
    assert await refused(clinic.gateway, booked(schedule, "YY-2")) == "already_appointed"
    await done(clinic.gateway, ConfirmationWish(), mine, patient(WEI))
    assert await state(clinic.gateway, mine) == "confirmed"


async def test_two_gateways_race_for_the_last_number(clinic: Clinic) -> None:
    """FEATURES 34: both were kept; one is recorded, the other one is told that none is left."""
    told = await asyncio.gather(*await both_kept(clinic, numbers=1), return_exceptions=True)
    (lost,) = [one for one in told if isinstance(one, ServiceRefused)]
    (won,) = [one for one in told if isinstance(one, Standing)]
    assert (lost.code, won.status) == ("slot_taken", "recorded")
    assert clinic.province.codes().count("slot_taken") == 1
    appointment = await shown(clinic.gateway, "appointment", (won.resource or "").rpartition("/")[2])
    assert await free(clinic, appointment["schedule"]) == []


async def test_who_lost_a_number_gets_the_next_one(clinic: Clinic) -> None:
    told = await asyncio.gather(*await both_kept(clinic, numbers=3))
    assert [one.status for one in told] == ["recorded", "recorded"]
    assert clinic.province.codes().count("slot_taken") == 1
    pages = [await shown(clinic.gateway, "appointment", (one.resource or "").rpartition("/")[2]) for one in told]
    assert len({page["number"] for page in pages}) == 2
    for gateway, payer in zip(clinic.province.running, (WEI, LI), strict=True):
        (row,) = (await gateway.money.rows("appointment", patient(payer), None, 9)).data  # once, though two were tried
        assert row["number"] in {page["number"] for page in pages}


async def test_the_fee_is_paid_and_the_number_is_confirmed_and_billed_by_itself(clinic: Clinic) -> None:
    schedule = await clinic.published(**with_fee())
    name = await done(clinic.gateway, booked(schedule, payer=None), reader=patient(WEI))
    assert await refused(clinic.gateway, ConfirmationWish(), name) == "order_unpaid"
    fee = FeeWish([PartWish("cash", 5_000)])
    assert await refused(clinic.gateway, FeeWish([PartWish("cash", 4_999)]), name) == "sum_mismatch"
    assert await refused(clinic.gateway, fee, name, patient(LI)) == "appointment_unknown"
    order = await done(clinic.gateway, fee, name, patient(WEI))
    again = await clinic.gateway.money.do(fee, STAFF, name)
    assert (again.repeated, (again.resource or "").rpartition("/")[2]) == (True, order)
    await done(clinic.gateway, PaymentWish(0, "receipt 1", 5_000), order)
    await became(clinic.gateway, name, "confirmed")
    notice = (await shown(clinic.gateway, "order", order))["notices"][0]
    bill = await clinic.gateway.bill(await billed(clinic.gateway, notice), STAFF)
    assert bill is not None
    assert (bill["kind"], bill["total_fen"]) == ("registration", 5_000)
    assert (await shown(clinic.gateway, "appointment", name))["order"] == order
    assert await refused(clinic.gateway, replace(fee, parts=[PartWish("card", 5_000)]), name) == "business_no_conflict"
    clinic.gateway.money.fees.look_now()
    await until(lambda: not clinic.gateway.money.rows_kept.due("confirm", 9))


async def test_what_a_patient_paid_for_something_else_is_no_fee(clinic: Clinic) -> None:
    schedule = await clinic.published(**with_fee())
    test = await done(clinic.gateway, notice())
    paid = await done(clinic.gateway, order("ZF-1", test, cash=10_000))
    await done(clinic.gateway, PaymentWish(0, "receipt 1", 10_000), paid)
    name = await done(clinic.gateway, booked(schedule, payer=None), reader=patient(WEI))
    asked = await done(clinic.gateway, FeeWish([PartWish("cash", 5_000)]), name, patient(WEI))
    with_another = ConfirmationWish(paid)
    assert await refused(clinic.gateway, with_another, name, patient(WEI)) == "fee_differs"
    assert (await state(clinic.gateway, name), (await shown(clinic.gateway, "order", asked))["state"]) == (
        "held",
        "open",
    )
    await done(clinic.gateway, ClosureWish("anew"), asked)
    fee = (await shown(clinic.gateway, "order", asked))["notices"][0]
    again = await done(clinic.gateway, order("ZF-2", fee, cash=5_000))
    await done(clinic.gateway, PaymentWish(0, "receipt 2", 5_000), again)
    await done(clinic.gateway, ConfirmationWish(again), name, patient(WEI))


async def paid_meanwhile(clinic: Clinic) -> tuple[str, Gateway, Gateway]:
    """A fee was asked for at a gateway that is gone, and paid at the other one: appointment, the first one opened again, the other."""
    schedule = await clinic.published(numbers=1, **with_fee())
    name = await done(clinic.gateway, booked(schedule))
    order = await done(clinic.gateway, FeeWish([PartWish("cash", 5_000)]), name)
    again = await clinic.province.crash(clinic.gateway)
    other = await clinic.province.start("hospital-a-2")
    await done(other, PaymentWish(0, "receipt 1", 5_000), order)
    assert await state(other, name) == "held"
    return name, again, other


async def test_a_gateway_that_was_gone_in_between_confirms_what_was_paid(clinic: Clinic) -> None:
    name, again, _ = await paid_meanwhile(clinic)
    again.begin()
    await became(again, name, "confirmed")


async def test_a_fee_whose_number_is_somebody_elses_by_now_is_told_of(clinic: Clinic) -> None:
    name, again, other = await paid_meanwhile(clinic)
    clinic.at(clinic.noon_ms + 15 * MINUTE_MS)
    await done(other, booked((await shown(other, "appointment", name))["schedule"], "YY-2", LI))
    again.begin()
    await until(lambda: bool(again.money.fees.waiting.codes))
    assert again.money.fees.waiting.codes == {bytes.fromhex(name): "hold_expired"}
    assert await state(again, name) == "lapsed"
    order = again.money.filing.names.of("order", "fee", bytes.fromhex(name)).hex()
    bill = await billed(again, (await shown(again, "order", order))["notices"][0])
    red = await again.wait(await again.reverse(bill, "number lapsed", "cashier", None), PATIENCE_S, "recorded")
    assert red.bill_id is not None
    await done(again, RefundWish(), red.bill_id)
    await until(lambda: again.money.fees.waiting.codes == {} and not again.money.rows_kept.due("confirm", 9))


async def test_an_unpaid_number_is_free_again_when_its_time_is_over(clinic: Clinic) -> None:
    """FEATURES 34."""
    schedule = await clinic.published(numbers=1, **with_fee())
    name = await done(clinic.gateway, booked(schedule))
    order = await done(clinic.gateway, FeeWish([PartWish("cash", 5_000)]), name)
    assert await refused(clinic.gateway, booked(schedule, "YY-2", LI)) == "slot_taken"
    clinic.at(clinic.noon_ms + 15 * MINUTE_MS)
    assert (await state(clinic.gateway, name), await free(clinic, schedule)) == ("expired", [1])
    assert await refused(clinic.gateway, PaymentWish(0, "receipt 1", 5_000), order) == "order_expired"
    await done(clinic.gateway, booked(schedule, "YY-2", LI))
    assert await state(clinic.gateway, name) == "lapsed"
    page = await shown(clinic.gateway, "schedule", schedule)
    assert (page["free"]["app"], page["returned"]) == ([], 1)
    await owed_no_longer(clinic.gateway, order)


async def test_the_fee_of_what_was_given_back_is_not_owed(clinic: Clinic) -> None:
    schedule = await clinic.published(**with_fee())
    name = await done(clinic.gateway, booked(schedule))
    order = await done(clinic.gateway, FeeWish([PartWish("cash", 5_000)]), name)
    await done(clinic.gateway, CancellationWish(), name)
    await owed_no_longer(clinic.gateway, order)
    assert await refused(clinic.gateway, PaymentWish(0, "receipt 1", 5_000), order) == "order_closed"


async def test_what_a_counter_took_of_a_fee_waits_for_people(clinic: Clinic) -> None:
    schedule = await clinic.published(**with_fee())
    name = await done(clinic.gateway, booked(schedule))
    order = await done(clinic.gateway, FeeWish([PartWish("cash", 2_000), PartWish("card", 3_000)]), name)
    await done(clinic.gateway, PaymentWish(0, "receipt 1", 2_000), order)
    await done(clinic.gateway, CancellationWish(), name)
    for _ in range(3):
        clinic.gateway.money.fees.look_now()
        await asyncio.sleep(0.05)
    assert (await shown(clinic.gateway, "order", order))["state"] == "open"
    await done(clinic.gateway, ClosureWish("patient_left"), order)
    await owed_no_longer(clinic.gateway, order)


async def test_a_fee_that_was_paid_for_what_was_given_back_is_told_of_until_it_went_back(clinic: Clinic) -> None:
    """The counter had half of it in its hands already, and took the rest."""
    schedule = await clinic.published(**with_fee())
    name = await done(clinic.gateway, booked(schedule))
    order = await done(clinic.gateway, FeeWish([PartWish("cash", 2_000), PartWish("card", 3_000)]), name)
    await done(clinic.gateway, PaymentWish(0, "receipt 1", 2_000), order)
    await done(clinic.gateway, CancellationWish(), name)
    await done(clinic.gateway, PaymentWish(1, "slip 1", 3_000), order)
    fees = clinic.gateway.money.fees
    await until(lambda: fees.waiting.codes == {bytes.fromhex(name): "appointment_cancelled"})
    bill = await billed(clinic.gateway, (await shown(clinic.gateway, "order", order))["notices"][0])
    red = await clinic.gateway.reverse(bill, "given back", "cashier", None)
    red = await clinic.gateway.wait(red, PATIENCE_S, "recorded")
    assert red.bill_id is not None
    await done(clinic.gateway, RefundWish(), red.bill_id)
    fees.look_now()
    await until(lambda: fees.waiting.codes == {} and not clinic.gateway.money.rows_kept.due("confirm", 9))


async def test_given_back_it_is_free_and_the_ledger_counts_it(clinic: Clinic) -> None:
    schedule = await clinic.published(numbers=1)
    name = await done(clinic.gateway, booked(schedule))
    await done(clinic.gateway, ConfirmationWish(), name)
    await done(clinic.gateway, CancellationWish(), name, STAFF)
    assert await refused(clinic.gateway, CancellationWish("again"), name) == "appointment_cancelled"
    page = await shown(clinic.gateway, "schedule", schedule)
    assert (page["free"], page["returned"]) == ({"app": [1]}, 1)
    later = await done(clinic.gateway, booked(schedule, "YY-2"))
    await done(clinic.gateway, ConfirmationWish(), later)
    clinic.at(clinic.noon_ms + DAY_MS + MINUTE_MS)
    assert await refused(clinic.gateway, CancellationWish(), later) == "cancel_too_late"
    await done(clinic.gateway, CheckInWish(), later)
    assert await state(clinic.gateway, later) == "checked_in"
    assert await refused(clinic.gateway, MissWish(), later) == "already_arrived"


async def test_who_did_not_come_three_times_is_given_no_number_for_a_while(clinic: Clinic) -> None:
    """FEATURES 34."""
    for number, day in (("YY-1", 1), ("YY-2", 2)):
        await clinic.missed(number, day)
    schedule = await clinic.published("PB-9", day=20)
    await done(clinic.gateway, booked(schedule, "YY-8", ZHAO))
    await clinic.missed("YY-3", 3)
    assert await refused(clinic.gateway, booked(schedule, "YY-9")) == "appointment_blocked"
    await done(clinic.gateway, booked(schedule, "YY-9", LI))
    clinic.at(clinic.noon_ms + 95 * DAY_MS)
    later = await clinic.published("PB-10", day=100)
    await done(clinic.gateway, booked(later, "YY-10"))
