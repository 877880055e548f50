"""Who reads for whom (FEATURES 28): under the own name, until a day; names sealed here, pseudonyms on the ledger."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chain import keyspace
from chain.operation import GrantProxy
from chain.records import ProxyBody
from node.identity import Identity
from node.proxies import LIVING_MAX
from node.service import ProxyAsked, Reader, ServiceRefused
from tests.node.test_mirror import AUDITOR, CLERK, Archive

DAY_MS = 86_400_000
# as tests/chain/making.py writes them on its bills
MOTHER = Identity("test", "TEST-000001", "Synthetic Person")
DAUGHTER = Identity("passport", "SYNTHETIC-0002", "Tochter Canary")
NEIGHBOUR = Identity("passport", "SYNTHETIC-0003", "Nachbar Canary")


def patient(person: Identity) -> Reader:
    return Reader(f"subject of {person.name}", "finance-city", "patient", person)


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    archive = Archive(tmp_path)
    archive.mirror.proxies.now_ms = lambda: archive.chain.time_ms
    yield archive
    archive.close()


def until(archive: Archive, days: float = 1) -> int:
    return archive.chain.time_ms + round(days * DAY_MS)


async def granted(archive: Archive, agent: Identity = DAUGHTER, days: float = 1, **how: Any) -> str:
    """The name of a relation that the mother's own sign-on granted, recorded."""
    until_ms = how.pop("until_ms", 0) or until(archive, days)
    asked = ProxyAsked(None, agent, how.pop("relationship", "parent"), until_ms)
    standing = await archive.mirror.family.grant(patient(how.pop("principal", MOTHER)), asked)
    assert archive.block(*archive.sent()) == ["recorded"]
    assert standing.proxy is not None
    return standing.proxy


async def own_bill(archive: Archive, serial: int = 1) -> str:
    bill = await archive.issue(serial)
    page = await archive.mirror.bill(bill, AUDITOR)
    assert page is not None
    assert (page["payer"]["id_type"], page["payer"]["id_number"]) == (MOTHER.id_type, MOTHER.id_number)
    return bill


async def test_the_daughter_reads_her_mothers_bills_until_the_day_after(archive: Archive) -> None:
    bill, daughter = await own_bill(archive), patient(DAUGHTER)
    assert await archive.mirror.bill(bill, daughter) is None
    name = await granted(archive)

    page = await archive.mirror.bill(bill, daughter)
    assert page is not None
    assert page["payer"]["name"] == MOTHER.name
    assert await archive.mirror.proof(bill, daughter, ["payer_name", "check_code"], None) is not None
    rows = await archive.mirror.patients.my_bills(daughter, None, 20, name)
    assert [row["bill_id"] for row in rows.data] == [bill]
    assert (await archive.mirror.patients.my_bills(daughter, None, 20)).data == []  # her own: none
    assert await archive.mirror.bill(bill, patient(NEIGHBOUR)) is None
    with pytest.raises(ServiceRefused, match="proxy_unknown"):
        await archive.mirror.patients.my_bills(patient(NEIGHBOUR), None, 20, name)
    with pytest.raises(ServiceRefused, match="proxy_unknown"):  # it holds in one direction
        await archive.mirror.patients.my_bills(patient(MOTHER), None, 20, name)

    archive.chain.time_ms += DAY_MS  # no block comes: the clock alone
    assert await archive.mirror.bill(bill, daughter) is None
    assert await archive.mirror.proof(bill, daughter, [], None) is None
    with pytest.raises(ServiceRefused, match="proxy_unknown"):
        await archive.mirror.patients.my_bills(daughter, None, 20, name)
    assert await archive.mirror.bill(bill, patient(MOTHER)) is not None
    (row,) = archive.mirror.family.mine(daughter)
    assert (row["state"], row["as"]) == ("expired", "agent")


async def test_block_time_ends_it_where_the_clock_stands_still(archive: Archive) -> None:
    bill = await own_bill(archive)
    stopped_ms = archive.chain.time_ms
    archive.mirror.proxies.now_ms = lambda: stopped_ms
    await granted(archive)
    assert await archive.mirror.bill(bill, patient(DAUGHTER)) is not None
    archive.chain.time_ms += DAY_MS
    archive.block()
    assert await archive.mirror.bill(bill, patient(DAUGHTER)) is None


async def test_either_of_the_two_ends_it_and_nobody_else(archive: Archive) -> None:
    bill, until_ms = await own_bill(archive), until(archive)
    for person in (MOTHER, DAUGHTER):
        name = await granted(archive, until_ms=until_ms)
        assert await archive.mirror.bill(bill, patient(DAUGHTER)) is not None
        for stranger in (patient(NEIGHBOUR), Reader("u", "finance-city", "patient")):
            with pytest.raises(ServiceRefused, match="proxy_unknown"):
                await archive.mirror.family.end(stranger, name)
        await archive.mirror.family.end(patient(person), name)
        assert archive.block(*archive.sent()) == ["recorded"]
        assert await archive.mirror.bill(bill, patient(DAUGHTER)) is None
    states = [row["state"] for row in archive.mirror.family.mine(patient(MOTHER))]
    assert states == ["ended", "ended"]  # the same people and day again: another relation
    assert len({row["proxy"] for row in archive.mirror.family.mine(patient(MOTHER))}) == 2


async def test_a_child_is_registered_at_the_counter_with_a_document(archive: Archive) -> None:
    """The parent alone cannot open a child's bills; a clerk of the office sees a document."""
    bill, end = await own_bill(archive), until(archive, 30)
    for relationship in ("child", "guardian"):
        with pytest.raises(ServiceRefused, match="counter_only"):
            await archive.mirror.family.grant(patient(DAUGHTER), ProxyAsked(None, NEIGHBOUR, relationship, end))
    asked = ProxyAsked(MOTHER, DAUGHTER, "guardian", end, "court_order", "2026-SYNTHETIC-9")
    standing = await archive.mirror.family.grant(CLERK, asked)
    assert archive.block(*archive.sent()) == ["recorded"]
    assert await archive.mirror.bill(bill, patient(DAUGHTER)) is not None
    (row,) = archive.mirror.family.mine(patient(DAUGHTER))
    assert (row["registered_by"], row["evidence"], row["relationship"]) == (
        "finance-city/u-2",
        "court_order",
        "guardian",
    )
    assert standing.proxy is not None
    await archive.mirror.family.end(CLERK, standing.proxy)
    assert archive.block(*archive.sent()) == ["recorded"]
    assert await archive.mirror.bill(bill, patient(DAUGHTER)) is None


async def test_refusals_before_anything_is_kept(archive: Archive) -> None:
    family = archive.mirror.family
    for reader, asked, code in (
        (
            Reader("u", "finance-city", "patient"),
            ProxyAsked(None, DAUGHTER, "other", until(archive)),
            "identity_missing",
        ),
        (
            patient(MOTHER),
            ProxyAsked(None, Identity("TEST", " test-000001", "x"), "other", until(archive)),
            "same_person",
        ),
        (patient(MOTHER), ProxyAsked(None, DAUGHTER, "other", archive.chain.time_ms), "proxy_expired"),
    ):
        with pytest.raises(ServiceRefused, match=code):
            await family.grant(reader, asked)
    with pytest.raises(ServiceRefused, match="identity_missing"):
        family.mine(Reader("u", "finance-city", "patient"))
    assert archive.sent() == []
    assert dict(archive.store.database.scan(b"f/")) == {}


async def test_the_same_grant_again_is_the_same_one(archive: Archive) -> None:
    name = await granted(archive)
    asked = ProxyAsked(None, DAUGHTER, "parent", next(archive.mirror.proxies.of(MOTHER, "p"))[1].until_ms)
    again = await archive.mirror.family.grant(patient(MOTHER), asked)
    assert (again.proxy, again.repeated) == (name, True)
    assert archive.sent() == []


async def test_a_person_has_so_many_at_a_time(archive: Archive) -> None:
    for number in range(LIVING_MAX):
        await granted(archive, Identity("passport", f"SYNTHETIC-1{number:03d}", "Somebody"))
    with pytest.raises(ServiceRefused, match="too_many_proxies"):
        await archive.mirror.family.grant(patient(MOTHER), ProxyAsked(None, DAUGHTER, "other", until(archive)))
    # whom strangers name as their agent has no fewer for it
    assert await granted(archive, MOTHER, principal=DAUGHTER)


async def test_names_lie_sealed_and_the_ledger_has_unlike_pseudonyms(archive: Archive) -> None:
    await granted(archive)
    await granted(archive, NEIGHBOUR)
    name = (await granted(archive, days=2)).encode()
    rows = dict(archive.store.database.scan(b"f/"))
    assert len(rows) == 9  # a box and two marks each
    everything = b"".join(key + value for key, value in rows.items())
    for person in (MOTHER, DAUGHTER, NEIGHBOUR):
        for secret in (person.name, person.id_number):
            assert secret.encode() not in everything
    bodies = [
        archive.chain.body(keyspace.proxy("finance-city", bytes.fromhex(key[4:].decode())), ProxyBody)
        for key in rows
        if key.startswith(b"f/r/")
    ]
    marks = [mark for body in bodies for mark in (body.principal, body.agent)]
    assert len(set(marks)) == 6  # two of the mother's three with one daughter: none alike
    assert name in everything


async def test_a_relation_that_never_got_to_the_ledger_opens_nothing(archive: Archive) -> None:
    bill = await own_bill(archive)
    asked = ProxyAsked(None, DAUGHTER, "parent", until(archive))
    await archive.mirror.family.grant(patient(MOTHER), asked)
    assert await archive.mirror.bill(bill, patient(DAUGHTER)) is None
    (row,) = archive.mirror.family.mine(patient(MOTHER))
    assert row["state"] == "queued"
    (transaction,) = archive.sent()
    assert isinstance(transaction.entries[0].operation, GrantProxy)
    archive.restart()  # what was kept is sent again and comes true
    archive.mirror.proxies.now_ms = lambda: archive.chain.time_ms
    assert archive.block(transaction) == ["recorded"]
    assert await archive.mirror.bill(bill, patient(DAUGHTER)) is not None


async def test_the_patient_sees_who_read_and_the_proxy_by_name(archive: Archive) -> None:
    """FEATURES 33: who, role, purpose, when; the own readings are left out; a case is told when its embargo is over."""
    bill, mother = await own_bill(archive), patient(MOTHER)  # which an auditor read
    name = await granted(archive)
    await archive.mirror.bill(bill, patient(DAUGHTER))
    await archive.mirror.bill(bill, mother)
    await archive.mirror.proof(bill, mother, ["items"], None)
    case = Reader("u-7", "finance", "auditor", purpose="fraud-investigation", case_number="2026-17")
    await archive.mirror.bill(bill, case)

    accesses = archive.mirror.patients._accesses
    page = await archive.mirror.patients.my_accesses(mother, None, 20)
    assert [(row["role"], row["person"], row["purpose"]) for row in page.data] == [
        ("proxy", DAUGHTER.name, "own-affairs"),
        ("auditor", "u-1", "audit"),
    ]
    assert (page.data[0]["proxy"], page.data[0]["relationship"]) == (name, "parent")
    assert page.data[1]["bill_id"] == bill
    later_ms = accesses._now_ms() + 30 * DAY_MS
    accesses._now_ms = lambda: later_ms
    page = await archive.mirror.patients.my_accesses(mother, None, 2)
    assert [row["case_number"] for row in page.data] == ["2026-17", None]
    rest = await archive.mirror.patients.my_accesses(mother, page.next, 2)
    assert ([row["role"] for row in rest.data], rest.next) == (["auditor"], None)
    # of one whom nobody read there is nothing; the daughter sees what her mother sees
    assert (await archive.mirror.patients.my_accesses(patient(NEIGHBOUR), None, 20)).data == []
    assert len((await archive.mirror.patients.my_accesses(patient(DAUGHTER), None, 20, name)).data) == 3
