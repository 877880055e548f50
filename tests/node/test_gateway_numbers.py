"""Leases and times of the gateway: numbers are never given twice, and the year is the hospital's own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from chain.genesis import GenesisRange
from chain.operation import AllotRange, RangeRef
from node.business_time import business_date, local_text, parse_business_time
from node.service import ServiceRefused
from tests.chain.making import CODE, NOON_MS, at, parameters
from tests.node.gateway_province import PATIENCE_S, STAFF, Province, bill, until


@pytest.fixture
async def province(tmp_path: Path) -> AsyncIterator[Province]:
    province = Province(tmp_path)
    yield province
    await province.stop()


async def test_a_gateway_takes_a_lease_for_each_kind_and_place(province: Province) -> None:
    """Every place × 4 kinds for the current business year, cut one after the other."""
    gateway = await province.start(lease_count=100)

    views = gateway.leases()
    assert {(view.kind, view.place) for view in views} == {
        (kind, place) for kind in ("outpatient", "inpatient", "registration", "checkup") for place in ("A01", "A02")
    }
    assert {(view.gateway, view.count, view.left) for view in views} == {("hospital-a", 100, 100)}
    assert sorted(view.first for view in views if view.kind == "outpatient") == [1, 101]
    assert province.codes() == ["recorded"] * 8


async def test_a_store_made_anew_never_gives_a_former_ones_numbers(province: Province) -> None:
    """The records show old leases by this gateway's name; only what this very store asked for is used."""
    gateway = await province.start()
    standing = await gateway.issue(bill())
    await gateway.wait(standing, PATIENCE_S, "recorded")
    await until(lambda: standing.bill_id in province.archive.kept)
    province.running.remove(gateway)
    await gateway.stop()

    anew = await province.start()
    other = await anew.issue(bill("B-2"))
    assert int((other.bill_id or "")[8:]) > 1000
    assert (await anew.wait(other, PATIENCE_S, "recorded")).status == "recorded"
    again = await anew.issue(bill())
    assert (again.bill_id, again.check_code, again.repeated) == (standing.bill_id, standing.check_code, True)
    page = await anew.bill(standing.bill_id or "", STAFF)
    assert page is not None
    assert page["payer"]["name"] == "Synthetic Person"


async def test_a_bill_of_the_new_years_first_second_has_the_new_years_code(province: Province) -> None:
    """The business date is local; from 31 December on next year's leases are there."""
    province.chain.time_ms = province.now_ms = at("2026-12-31 12:00:00")
    gateway = await province.start()
    await until(lambda: any(view.lease.startswith("33060127") for view in gateway.leases()))
    province.now_ms = at("2027-01-01 00:00:00")
    province.chain.time_ms = province.now_ms

    old = await gateway.issue(bill("B-1", business_time="2026-12-31T23:59:59.999+08:00"))
    new = await gateway.issue(bill("B-2", business_time="2026-12-31T16:00:00Z"))
    assert (old.bill_id or "")[:8] == CODE
    assert (new.bill_id or "")[:8] == "33060127"
    for standing in (old, new):
        assert (await gateway.wait(standing, PATIENCE_S, "recorded")).status == "recorded"


async def test_an_exhausted_range_says_no_numbers_and_goes_on_when_more_is_allotted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DESIGN 10: 503 no_numbers; the hospital's office allots another range, and the gateway finds it by itself."""
    monkeypatch.setattr("node.lease_book.RETRY_MS", 20)
    monkeypatch.setattr("node.lease_book.REFILL_MS", 20)
    province = Province(
        tmp_path,
        ranges=[
            GenesisRange("finance-city", CODE, 1, 1_000, []),
            GenesisRange("hospital-a", CODE, 1, 3, [RangeRef("finance-city", CODE, 1)]),
        ],
        kinds=[1],
    )
    gateway = await province.start(lease_count=2, lease_threshold=1, places=["A01"])
    issued = []
    for number in range(3):
        issued.append(await gateway.issue(bill(f"B-{number}")))
        await until(lambda: bool(gateway.leases()) or len(issued) == 3)
    with pytest.raises(ServiceRefused, match="no_numbers"):
        await gateway.issue(bill("B-3"))
    assert gateway.not_ready() == ["no_numbers"]

    allotment = AllotRange(RangeRef("finance-city", CODE, 1), 4, 10, "hospital-a", [])
    assert province.run("finance-city", allotment) == ["recorded"]
    await until(lambda: not gateway.not_ready())
    issued.append(await gateway.issue(bill("B-3")))

    assert [standing.bill_id for standing in issued] == [f"{CODE}{number:010d}" for number in range(1, 5)]
    assert (await gateway.wait(issued[3], PATIENCE_S, "recorded")).status == "recorded"
    await province.stop()


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-06-01T12:00:00+08:00", NOON_MS),
        ("2026-06-01T04:00:00Z", NOON_MS),
        ("2026-06-01t04:00:00.123456789z", NOON_MS + 123),
        ("2026-06-01T00:30:00.5-03:30", NOON_MS + 500),
    ],
)
def test_a_business_time_is_a_moment(text: str, moment: int) -> None:
    """RFC 3339, 5.6."""
    assert parse_business_time(text) == moment


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026-06-01",
        "2026-06-01T12:00+08:00",
        "2026-06-01T12:00:00+0800",
        "2026-06-01T12:00:00",
        "2026-06-01T24:00:00Z",
        "2026-06-01T12:00:60Z",
        "2026-13-01T12:00:00Z",
        "２026-06-01T12:00:00Z",
        "2026-06-01T12:00:00Z\n",
        "2026-W23-1T12:00:00Z",
        "2026-06-01T12:00:00+25:00",
    ],
)
def test_whatever_else_is_written_is_no_time(text: str) -> None:
    with pytest.raises(ServiceRefused) as refusal:
        parse_business_time(text)
    assert (refusal.value.code, refusal.value.pointer) == ("invalid_time", "/business_time")
    if text:
        assert text not in str(refusal.value)


def test_a_business_date_lies_within_the_bounds_that_the_rules_know() -> None:
    """Chain/rules/bills.py refuses the same days."""
    bounds = parameters(business_days_behind_max=7, business_ahead_max_ms=600_000)
    now = at("2026-06-08 23:55:00")
    assert business_date(at("2026-06-09 00:00:00"), now, bounds) == 20260609
    assert business_date(at("2026-06-01 00:00:00"), now, bounds) == 20260601
    for moment in (at("2026-05-31 23:59:59"), at("2026-06-10 00:00:00")):
        with pytest.raises(ServiceRefused, match="date_out_of_window"):
            business_date(moment, now, bounds)
    assert local_text(now, 480) == "2026-06-08T23:55:00+08:00"
