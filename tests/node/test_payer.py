"""A gateway binds the payer of a bill that was issued for an unknown one, and finds the bills of a settlement (FEATURES 8)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from chain import keyspace
from chain.bill import Payer
from chain.operation import BindPayer, VoidBill
from chain.proof_kinds import check_any
from chain.records import PayerBody
from node.gateway import Gateway
from node.service import Reader, ServiceRefused, Standing
from tests.node.gateway_province import PATIENCE_S, STAFF, Province, bill, until

NOBODY = Payer("无名氏", "unknown")
FOUND, OTHER = Payer("Found Person", "person", "test", "TEST-9"), Payer("Other Person")
STRANGERS = [
    Reader("x", "hospital-b", "cashier"),
    Reader("x", "hospital-a", "patient"),
    Reader("x", "finance", "auditor"),
]


@pytest.fixture
async def province(tmp_path: Path) -> AsyncIterator[Province]:
    province = Province(tmp_path)
    yield province
    await province.stop()


async def recorded(gateway: Gateway, standing: Standing) -> str:
    done = await gateway.wait(standing, PATIENCE_S, "recorded")
    assert done.status in ("recorded", "sealed"), done
    return done.bill_id or ""


async def payer_of(gateway: Gateway, number: str) -> dict[str, object]:
    page = await gateway.bill(number, STAFF)
    assert page is not None
    found: dict[str, object] = page["payer"]
    return found


async def test_a_payer_is_bound_once_and_goes_to_the_archive(province: Province) -> None:
    gateway = await province.start()
    number = await recorded(gateway, await gateway.issue(bill(payer=NOBODY)))
    assert await payer_of(gateway, number) == {"type": "unknown", "name": "无名氏", "id_type": "", "id_number": ""}

    standing = await gateway.bind_payer(number, FOUND, "cashier two")
    done = await gateway.wait(standing, PATIENCE_S, "recorded")
    assert (done.status, done.bill_id) == ("recorded", None)
    body = province.chain.ledger.state.get(keyspace.payer(number), PayerBody)
    assert body is not None
    assert body.height == done.height

    shown = await payer_of(gateway, number)
    assert (shown["type"], shown["name"], shown["id_number"]) == ("person", "Found Person", "TEST-9")
    assert shown["at_issue"] == {"type": "unknown", "name": "无名氏", "id_type": "", "id_number": ""}
    bound = shown["bound"]
    assert isinstance(bound, dict)
    assert (bound["height"], bound["by"], bound["operation"]) == (done.height, "cashier two", standing.operation)
    history = await gateway.history(number, STAFF)
    assert history is not None
    (stamp,) = [row for row in history if row["event"] == "payer_bound"]
    assert (stamp["height"], stamp["operation"], stamp["role"]) == (done.height, standing.operation, "issuer")

    await until(lambda: province.archive.payers.keys() == {number})
    await until(lambda: gateway.store.payers_due("", 1) == [])
    for again in (FOUND, OTHER):
        with pytest.raises(ServiceRefused, match="payer_already_bound") as refusal:
            await gateway.bind_payer(number, again, "cashier two")
        assert refusal.value.links == {"bill": f"/v1/bills/{number}"}
    assert province.codes().count("payer_already_bound") == 0  # refused at the counter


async def test_only_a_bill_that_stands_and_was_for_an_unknown_payer_gets_one(province: Province) -> None:
    """Each with its code; nothing of it is kept."""
    gateway = await province.start()
    known = await recorded(gateway, await gateway.issue(bill("B-1")))
    void = await recorded(gateway, await gateway.issue(bill("B-2", payer=NOBODY)))
    await gateway.wait(await gateway.move(VoidBill(void, "mistyped")), PATIENCE_S, "recorded")
    reversed_ = await recorded(gateway, await gateway.issue(bill("B-3", payer=NOBODY)))
    red = await recorded(gateway, await gateway.reverse(reversed_, "wrong", "cashier one", None))
    open_ = await recorded(gateway, await gateway.issue(bill("B-4", payer=NOBODY)))

    async def code(number: str, payer: Payer = FOUND, operator: str = "cashier two") -> tuple[str, str | None]:
        with pytest.raises(ServiceRefused) as refusal:
            await gateway.bind_payer(number, payer, operator)
        return refusal.value.code, refusal.value.pointer

    assert await code(known) == ("payer_known", None)
    assert await code("330601269999999999") == ("bill_unknown", None)
    for number in (void, reversed_, red):
        assert await code(number) == ("bill_not_normal", None)
    assert await code(open_, NOBODY) == ("invalid_value", "/type")
    assert await code(open_, Payer("a\nb")) == ("text_refused", "/name")
    assert await code(open_, Payer("x", "unit", "test", "1\u202e2")) == ("text_refused", "/id_number")
    assert await code(open_, FOUND, "") == ("invalid_value", "/operator")
    assert not any(isinstance(item.operation, BindPayer) for item in gateway.store.outbox())
    assert gateway.store.payer(open_) is None
    await gateway.bind_payer(open_, Payer("Some Unit", "unit"), "cashier two")
    shown = await payer_of(gateway, open_)
    assert (shown["type"], shown["name"]) == ("unit", "Some Unit")


async def test_a_binding_waits_for_its_bill_and_survives_a_crash(province: Province) -> None:
    """Both are queued: kept, shown as on their way, and recorded in their order by another process."""
    gateway = await province.start()
    province.is_held = True
    number = (await gateway.issue(bill(payer=NOBODY))).bill_id or ""
    standing = await gateway.bind_payer(number, FOUND, "cashier two")
    assert standing.status == "queued"
    shown = await payer_of(gateway, number)
    assert (shown["name"], shown["bound"]) == ("Found Person", {
        "height": None, "operation": standing.operation, "at": "2026-06-01T12:00:00+08:00", "by": "cashier two",
    })  # fmt: skip
    with pytest.raises(ServiceRefused, match="payer_not_bound"):
        await gateway.payer_proof(number, STAFF, None)

    second = await province.crash(gateway)
    second.begin()
    with pytest.raises(ServiceRefused, match="payer_already_bound"):
        await second.bind_payer(number, OTHER, "cashier two")
    province.is_held = False
    province.make_block()
    done = await second.wait(standing, PATIENCE_S, "recorded")
    assert done.status == "recorded"
    assert (await payer_of(second, number))["name"] == "Found Person"
    await until(lambda: province.archive.payers.keys() == {number})


async def test_of_two_gateways_that_bind_at_once_one_stands(province: Province) -> None:
    """The other one's is refused by the ledger and forgotten; both show the same payer."""
    first, second = await province.start(), await province.start("hospital-a-2")
    number = await recorded(first, await first.issue(bill(payer=NOBODY)))
    await until(lambda: second.store.bill(number) is not None and number in province.archive.kept)
    province.is_held = True
    ours = await first.bind_payer(number, FOUND, "cashier one")
    theirs = await second.bind_payer(number, OTHER, "cashier two")
    province.is_held = False
    await asyncio.sleep(0.05)
    province.make_block()
    ends = [await first.wait(ours, PATIENCE_S, "recorded"), await second.wait(theirs, PATIENCE_S, "recorded")]

    assert sorted((end.status, end.code or "") for end in ends) == [
        ("recorded", ""),
        ("refused", "payer_already_bound"),
    ]
    name = "Found Person" if ends[0].status == "recorded" else "Other Person"
    await until(lambda: number in province.archive.payers)
    for gateway in (first, second):
        assert (await payer_of(gateway, number))["name"] == name
        with pytest.raises(ServiceRefused, match="payer_already_bound"):
            await gateway.bind_payer(number, FOUND, "cashier one")


async def test_an_archive_that_is_away_or_behind_gets_it_later(province: Province) -> None:
    gateway = await province.start()
    number = await recorded(gateway, await gateway.issue(bill(payer=NOBODY)))
    late = await recorded(gateway, await gateway.issue(bill("B-2", payer=NOBODY)))
    await until(lambda: len(province.archive.kept) == 2)
    province.archive.is_away = True
    province.archive.unheard = {number}
    for one in (number, late):
        await gateway.wait(await gateway.bind_payer(one, FOUND, "cashier two"), PATIENCE_S, "recorded")
    await until(lambda: gateway.figures()["details_behind"] == 1.0)
    assert gateway.store.payers_due("", 10) == sorted([number, late])
    assert (await payer_of(gateway, number))["name"] == "Found Person"  # what lies here needs no archive

    province.archive.is_away = False
    await until(lambda: province.archive.payers.keys() == {late})  # one that is not taken holds up no other
    assert gateway.store.payers_due("", 10) == [number]
    province.archive.unheard = set()
    await until(lambda: province.archive.payers.keys() == {number, late})
    await until(lambda: gateway.figures()["details_behind"] == 0.0)


async def test_the_payers_proof_holds_offline_for_those_who_may_have_it(province: Province) -> None:
    gateway = await province.start()
    issued = await gateway.issue(bill(payer=NOBODY))
    number = await recorded(gateway, issued)
    with pytest.raises(ServiceRefused, match="payer_not_bound"):
        await gateway.payer_proof(number, STAFF, None)
    await gateway.wait(await gateway.bind_payer(number, FOUND, "cashier two"), PATIENCE_S, "recorded")
    for reader, secret in ((STAFF, None), (None, issued.check_code)):
        data = await gateway.payer_proof(number, reader, secret)
        assert data is not None
        verdict = check_any(data, province.chain.genesis)
        assert verdict.valid, verdict.checks[-1]
        assert verdict.bill["opened"]["payer_name"] == "Found Person"
        assert verdict.bill["bill_id"] == number
    for stranger in STRANGERS:
        assert await gateway.payer_proof(number, stranger, None) is None
        assert await gateway.payer_proof(number, stranger, "zzzzzz") is None


async def test_the_face_shows_who_was_bound_and_carries_the_proof_of_it(province: Province) -> None:
    gateway = await province.start()
    number = await recorded(gateway, await gateway.issue(bill(payer=NOBODY)))
    source = await gateway.face_source(number, STAFF, "face", None)
    assert source is not None
    assert (source.payer, source.payer_height, len(source.proofs)) == (None, 0, 1)
    done = await gateway.wait(await gateway.bind_payer(number, FOUND, "cashier two"), PATIENCE_S, "recorded")
    source = await gateway.face_source(number, STAFF, "face", None)
    assert source is not None
    assert source.payer is not None
    assert source.payer_height == done.height
    assert [proof.name for proof in source.proofs] == [f"{number}.proof", f"{number}-payer.proof"]
    verdict = check_any(source.proofs[1].data, province.chain.genesis)
    assert verdict.bill["opened"] == {
        "payer_type": "person",
        "payer_name": "Found Person",
        "payer_id_number": "TEST-9",
    }
    red = await recorded(gateway, await gateway.reverse(number, "wrong", "cashier one", None))
    source = await gateway.face_source(red, STAFF, "face", None)
    assert source is not None
    assert source.payer_height == done.height


# ── settlements ──────────────────────────────────────────────────────────────────────────────────────────────────────


async def found(gateway: Gateway, group: str, limit: int = 10) -> list[str]:
    """The bills of a settlement, part by part; no part is larger than asked for."""
    numbers: list[str] = []
    after: str | None = None
    while True:
        page = await gateway.bills_of_group("hospital-a", group, STAFF, after, limit)
        assert len(page.data) <= limit
        assert all(row["group"] == group for row in page.data)
        numbers += [row["bill_id"] for row in page.data]
        if page.next is None:
            return numbers
        after = page.next


async def test_the_bills_of_a_settlement_are_found_over_both_gateways(province: Province) -> None:
    """A group check-up: a unit pays, each person has a bill."""
    first, second = await province.start(), await province.start("hospital-a-2")
    unit = Payer("Some Unit", "unit", "unified_social_credit_code", "TEST-UNIT")
    ours = [await first.issue(bill(f"B-{place}", payer=unit, group="G-1")) for place in range(5)]
    theirs = await second.issue(bill("B-9", payer=unit, group="G-1"))
    apart = [await first.issue(bill("B-10", group="G-2")), await first.issue(bill("B-11"))]
    numbers = sorted([await recorded(first, one) for one in ours] + [await recorded(second, theirs)])
    for standing in apart:
        await recorded(first, standing)
    await until(lambda: len(province.archive.kept) == 8)
    for gateway in (first, second):
        await until(lambda gateway=gateway: all(gateway.store.bill(number) for number in numbers))  # type: ignore[misc]
        for limit in (1, 2, 6, 10):
            assert await found(gateway, "G-1", limit) == numbers
    assert await found(first, "G-2") == [apart[0].bill_id]
    assert await found(first, "G-3") == []
    assert sum(1 for _row in first.store._state.scan(b"s")) == 6  # a bill that belongs to none costs nothing

    province.archive.is_away = True
    assert await found(first, "G-1") == sorted(one.bill_id or "" for one in ours)
    for stranger in STRANGERS:
        page = await first.bills_of_group("hospital-a", "G-1", stranger, None, 1)
        assert (page.data, page.next) == ([], None)
    page = await first.bills_of_group("hospital-b", "G-1", STAFF, None, 1)
    assert (page.data, page.next) == ([], None)


async def test_the_same_bill_in_another_settlement_is_another_content(province: Province) -> None:
    gateway = await province.start()
    first = await gateway.issue(bill(group="G-1"))
    assert (await gateway.issue(bill(group="G-1"))).bill_id == first.bill_id
    for group in ("", "G-2"):
        with pytest.raises(ServiceRefused, match="business_no_conflict"):
            await gateway.issue(bill(group=group))
    assert await found(gateway, "G-1") == [first.bill_id]  # also while it is queued
    assert await found(gateway, "G-2") == []
