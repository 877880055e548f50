"""Catalogues at a gateway: bills are held against those of their day, printed with them for ever, whoever answers or not."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from chain.bill import Item
from chain.catalogue import (
    Catalogue,
    ChargeName,
    ChargesCatalogue,
    FacesCatalogue,
    FaceTitle,
    ItemPlace,
    ItemsCatalogue,
)
from chain.operation import PERSONS_TAGS, PublishCatalogue
from faces.face import Face, make_face
from node import gateway_catalogues
from node.gateway import Gateway
from node.messages import RecordAnswer
from node.service import ServiceRefused, Standing
from tests.chain.making import TODAY, at
from tests.node.gateway_province import PATIENCE_S, STAFF, Province, bill, until

OFFICE, PROVINCE, HOSPITAL = "finance-city", "finance", "hospital-a"
OLD_NAMES, NEW_NAMES = ["西药费", "诊察费"], ["西药费", "诊查费"]
ITEMS = ItemsCatalogue([ItemPlace("D-1", "02"), ItemPlace("D-2", "01")])


@pytest.fixture
async def province(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Province]:
    monkeypatch.setattr(gateway_catalogues, "LOOK_S", 0.02)
    province = Province(tmp_path)
    yield province
    await province.stop()


def charges(names: list[str]) -> ChargesCatalogue:
    """Of the two charges that `bill()` has."""
    return ChargesCatalogue([ChargeName(f"{number:02d}", name) for number, name in enumerate(names, 1)])


def publish(version: int, from_date: int, content: Catalogue) -> PublishCatalogue:
    return PublishCatalogue(version, from_date, content, [])


def pass_on(province: Province, text: str) -> None:
    """It is so late now, on the ledger and at the gateways."""
    province.now_ms = province.chain.time_ms = at(text)


async def know(gateway: Gateway, count: int) -> None:
    await until(lambda: len(gateway.catalogues(None)) == count)


async def face(gateway: Gateway, standing: Standing, form: str = "face") -> Face:
    source = await gateway.face_source(standing.bill_id or "", STAFF, form, None)  # type: ignore[arg-type]
    assert source is not None
    return make_face(source, form, "https://bills.example.cn", gateway.chain_id)  # type: ignore[arg-type]


def names(printed: Face) -> list[str]:
    return [line.name for line in printed.lines]


async def refused(gateway: Gateway, **changes: Any) -> tuple[str, str | None]:
    before = gateway.leases()
    with pytest.raises(ServiceRefused) as refusal:
        await gateway.issue(bill("B-refused", **changes))
    assert gateway.leases() == before  # no number was spent
    return refusal.value.code, refusal.value.pointer


async def test_both_years_print_right_on_the_same_day(province: Province) -> None:
    """The change is effective on 01-01: after midnight, a bill of the year before has its own year's names, title and heads."""
    pass_on(province, "2026-12-20 09:00:00")
    heads = ["项目", "数", "位", "金额"]
    faces = FacesCatalogue([FaceTitle(1, "二七年门诊票据", "二七年门诊清单")], heads, [])
    first = [publish(1, 20261220, charges(OLD_NAMES)), publish(2, 20270101, charges(NEW_NAMES))]
    assert province.run(OFFICE, *first, publish(1, 20270101, faces)) == ["recorded"] * 3
    pass_on(province, "2026-12-31 12:00:00")
    province.block()
    gateway = await province.start()
    await know(gateway, 3)
    await until(lambda: any(view.lease.startswith("33060127") for view in gateway.leases()))
    pass_on(province, "2027-01-01 00:00:10")

    old = await gateway.issue(bill("B-1", business_time="2026-12-31T23:59:59+08:00"))
    new = await gateway.issue(bill("B-2", business_time="2027-01-01T00:00:00+08:00"))
    assert [(one.bill_id or "")[6:8] for one in (old, new)] == ["26", "27"]
    for _ in ("queued", "recorded"):
        printed, later = await face(gateway, old), await face(gateway, new)
        assert (names(printed), names(later)) == (OLD_NAMES, NEW_NAMES)
        assert (printed.title, later.title) == ("浙江省医疗门诊收费票据（电子）", "二七年门诊票据")
        assert (printed.columns[0], later.columns) == ("项目名称", heads)
        assert any("收费项目目录第 1 版（自 2026年12月20日起）" in line for line in printed.small_print)
        for standing in (old, new):
            assert (await gateway.wait(standing, PATIENCE_S, "recorded")).status == "recorded"
    assert (await face(gateway, new, "list")).title == "二七年门诊清单"

    assert province.run(OFFICE, publish(3, 20270101, charges(["药", "诊"]))) == ["recorded"]
    await know(gateway, 4)
    assert names(await face(gateway, new)) == NEW_NAMES  # what is published later changes no bill that was issued
    pass_on(province, "2027-01-01 00:10:00")
    third = await gateway.issue(bill("B-3", business_time="2027-01-01T00:09:00+08:00"))
    assert names(await face(gateway, third)) == ["药", "诊"]

    red = await gateway.reverse(old.bill_id or "", "wrong payer", "cashier one", None)
    assert names(await face(gateway, red)) == OLD_NAMES  # it takes back what the other one says


async def test_a_code_that_no_catalogue_has_is_refused_before_a_number_is_used(province: Province) -> None:
    gateway = await province.start()
    before = await gateway.issue(bill("B-1"))  # nothing is published: everything passes
    assert province.run(OFFICE, publish(1, TODAY, charges(["西药费"]))) == ["recorded"]
    await know(gateway, 1)
    province.now_ms = province.chain.time_ms
    assert await refused(gateway) == ("item_not_mapped", "/charges/1/code")
    same = await gateway.issue(bill("B-1"))
    assert (same.bill_id, same.repeated) == (before.bill_id, True)  # it has its bill already
    outcomes = await gateway.issue_many([bill("B-3"), bill("B-1")])
    assert isinstance(outcomes[0], ServiceRefused)
    assert outcomes[0].code == "item_not_mapped"
    with pytest.raises(ServiceRefused, match="item_not_mapped"):
        await gateway.correct(before.bill_id or "", "wrong payer", "cashier one", bill("B-4"))

    assert province.run(OFFICE, publish(2, TODAY, charges(OLD_NAMES))) == ["recorded"]
    await know(gateway, 2)
    province.now_ms = province.chain.time_ms
    assert (await gateway.issue(bill("B-refused"))).bill_id


async def test_a_hospital_publishes_its_items_and_both_its_gateways_hold_bills_against_them(province: Province) -> None:
    first, second = await province.start(), await province.start("hospital-a-2")
    other = await province.start("hospital-b")
    standing = await first.publish(publish(1, TODAY, ITEMS))
    assert (await first.wait(standing, PATIENCE_S, "recorded")).status == "recorded"
    await know(first, 1)
    await know(second, 1)
    province.now_ms = province.chain.time_ms
    for gateway in (first, second):
        assert await refused(gateway, items=[Item("02", "D-9", "unknown", 1000, 10_000, 100)]) == (
            "item_not_mapped",
            "/items/0/code",
        )
        assert await refused(gateway, items=[Item("02", "D-2", "a medicine", 1000, 10_000, 100)]) == (
            "item_mapped_elsewhere",
            "/items/0/charge_code",
        )
    assert (await second.issue(bill("B-1"))).bill_id
    elsewhere = bill("B-1", place_code="B01", items=[Item("02", "D-9", "unknown", 1000, 10_000, 100)])
    assert (await other.issue(elsewhere)).bill_id  # it has no such catalogue
    assert other.catalogues(None) == []
    page = first.catalogue("items", 1, None)
    assert page is not None
    assert page["items"] == [{"code": "D-1", "charge": "02"}, {"code": "D-2", "charge": "01"}]

    again = await first.publish(publish(1, TODAY, ITEMS))
    assert (again.status, again.repeated) == ("recorded", True)
    for refused_one, code in (
        (publish(1, TODAY, ItemsCatalogue(ITEMS.items[:1])), "version_moved"),
        (publish(2, 20260531, ITEMS), "date_passed"),
        (publish(2, TODAY, charges(OLD_NAMES)), "publisher_not_entitled"),
    ):
        with pytest.raises(ServiceRefused, match=code):
            await first.publish(refused_one)


async def test_the_nearest_office_counts(province: Province) -> None:
    """The province's list holds until the city has one of its own."""
    gateway = await province.start()
    assert province.run(PROVINCE, publish(1, TODAY, charges(OLD_NAMES))) == ["recorded"]
    await know(gateway, 1)
    province.now_ms = province.chain.time_ms
    early = await gateway.issue(bill("B-1"))
    assert (await gateway.wait(early, PATIENCE_S, "recorded")).status == "recorded"
    assert names(await face(gateway, early)) == OLD_NAMES
    assert province.run(OFFICE, publish(1, TODAY, charges(NEW_NAMES))) == ["recorded"]
    await know(gateway, 2)
    province.now_ms = province.chain.time_ms
    assert names(await face(gateway, await gateway.issue(bill("B-2")))) == NEW_NAMES
    assert names(await face(gateway, early)) == OLD_NAMES


async def test_what_was_taken_over_holds_without_the_province_and_after_a_crash(province: Province) -> None:
    gateway = await province.start()
    assert province.run(OFFICE, publish(1, TODAY, charges(["西药费"]))) == ["recorded"]
    await know(gateway, 1)
    await gateway.store.flushed()
    anew = await province.crash(gateway)
    province.peers["hospital-a"].is_cut = True
    anew.begin()
    province.now_ms = province.chain.time_ms
    assert await refused(anew) == ("item_not_mapped", "/charges/1/code")


async def test_a_validator_that_alters_or_hides_a_catalogue_is_passed_over(province: Province) -> None:
    gateway = await province.start()
    links = province.peers["hospital-a"].links

    def altered(answer: Any) -> Any:
        if isinstance(answer, RecordAnswer) and answer.current is not None:
            record = msgspec.structs.replace(answer.current.record, body=b"\x90")
            return RecordAnswer(msgspec.structs.replace(answer.current, record=record))
        return answer

    links[0].tamper = links[1].tamper = altered
    links[2].tamper = lambda answer: RecordAnswer(None) if isinstance(answer, RecordAnswer) else answer
    assert province.run(OFFICE, publish(1, TODAY, charges(NEW_NAMES))) == ["recorded"]
    await know(gateway, 1)
    assert (gateway.catalogue("charges", 1, None) or {})["charges"][1] == {"code": "02", "name": "诊查费"}


async def test_where_genesis_wants_two_persons_one_alone_is_told_last_of_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gateway_catalogues, "LOOK_S", 0.02)
    province = Province(tmp_path, two_persons=[PERSONS_TAGS["publish_catalogue"]])
    try:
        gateway = await province.start()
        with pytest.raises(ServiceRefused, match="date_passed"):
            await gateway.publish(publish(1, 20260531, ITEMS))
        with pytest.raises(ServiceRefused, match="second_person_missing"):
            await gateway.publish(publish(1, TODAY, ITEMS))
        standing = await gateway.publish(publish(1, TODAY, ITEMS), [b"a" * 32, b"b" * 32])
        assert (await gateway.wait(standing, PATIENCE_S, "recorded")).status == "recorded"
        await know(gateway, 1)
    finally:
        await province.stop()
