"""What a patient does at the archive with grants (FEATURES 31): give, look, take back; the same again makes nothing new."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from chain import keyspace
from chain.details import Details, reversal_details
from chain.genesis import Genesis
from chain.operation import GrantRead, RevokeGrant, SuspendOrganisation
from chain.proof_kinds import check_any
from chain.records import GrantBody
from chain.rules.grants import GRANT_MS_MAX, GRANTABLE
from node.identity import Identity
from node.service import GivenGrant, GrantWish, Reader, ServiceRefused
from tests.chain.making import bill_id, changed, genesis_with, mac, reverse_bill
from tests.node.test_mirror import AUDITOR, CASHIER, CLERK, Archive

PERSON = Identity("test", "TEST-000001", "Synthetic Person")  # the payer of every bill of `Archive.issue`
HOLDER = Reader("p-1", "finance-city", "patient", PERSON)
STRANGER = Reader("p-2", "finance-city", "patient", Identity("test", "TEST-000002", "Synthetic Stranger"))
NAMELESS = Reader("p-3", "finance-city", "patient")
INSURER = Reader("i-1", "insurer-a", "insurer_clerk")
EMPLOYER = Reader("e-1", "employer-a", "employer_clerk")
HOUR_MS = 3_600_000
OPEN = sorted(GRANTABLE)


def red_details(number: str) -> Details:
    """The private part of `reverse_bill`'s red bill."""
    return reversal_details(number, sha256(number.encode()).digest(), "wrong payer", "cashier one", "now")


def start() -> Genesis:
    """With an insurer that the office can suspend, and an employer."""
    made = genesis_with(insurer_a="insurer", employer_a="employer")
    organisations = [
        changed(entry, supervisor="finance-city") if entry.id == "insurer-a" else entry for entry in made.organisations
    ]
    return changed(made, organisations=organisations)  # type: ignore[no-any-return]


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    archive = Archive(tmp_path, start())
    yield archive
    archive.close()


def wish(archive: Archive, **changes: Any) -> GrantWish:
    until_ms = archive.chain.time_ms + changes.pop("for_ms", HOUR_MS)
    fields: dict[str, Any] = {"to": "insurer-a", "fields": ["items"], "purpose": "reimbursement", "until_ms": until_ms}
    return GrantWish(**{**fields, **changes})


async def give(archive: Archive, *bills: str, reader: Reader = HOLDER, **changes: Any) -> list[GivenGrant]:
    """Grants that are recorded when this returns."""
    given = await archive.mirror.patients.give_grants(reader, bills, wish(archive, **changes))
    assert archive.block(*archive.sent()) == ["recorded"] * len(bills)
    return given


async def refused(archive: Archive, *bills: str, reader: Reader = HOLDER, **changes: Any) -> tuple[str, str | None]:
    """Code and pointer; nothing was sent."""
    with pytest.raises(ServiceRefused) as refusal:
        await archive.mirror.patients.give_grants(reader, bills, wish(archive, **changes))
    assert archive.sent() == []
    return refusal.value.code, refusal.value.pointer


async def rows(archive: Archive, reader: Reader = HOLDER) -> list[dict[str, Any]]:
    page = await archive.mirror.patients.my_grants(reader, None, 100)
    assert page.next is None
    return page.data


async def test_a_read_without_a_grant_is_impossible(archive: Archive) -> None:
    """FEATURES 31 and 54: nothing, then the granted field, then nothing; with the height of each."""
    bill = await archive.issue(1)
    await archive.seal()
    assert await archive.mirror.bill(bill, INSURER) is None

    (given,) = await give(archive, bill)
    height = archive.chain.height
    page = await archive.mirror.bill(bill, INSURER)
    assert page is not None
    assert (page["total_fen"], page["items"][0]["name"]) == (12_345, "consultation")
    assert not {"payer", "business_no", "charges", "visit", "cashier", "check_code", "remark"} & set(page)
    (mine,) = page["grants"]
    assert (mine["grant"], mine["fields"], mine["granted_by"]) == (given.grant, ["items"], "finance-city")
    data = await archive.mirror.proof(bill, INSURER, ["items"], None)
    assert data is not None
    assert list(check_any(data, archive.chain.genesis).bill["opened"]) == ["items"]
    for closed in (["diagnosis"], ["items", "visit"], ["check_code"]):
        assert await archive.mirror.proof(bill, INSURER, closed, None) is None
    assert await archive.mirror.bill(bill, EMPLOYER) is None

    standing = await archive.mirror.patients.revoke_grant(HOLDER, given.grant, "claim_paid")
    assert archive.block(*archive.sent()) == ["recorded"]
    assert (await archive.mirror.wait(standing, 0)).height == archive.chain.height
    for path in (archive.mirror.bill(bill, INSURER), archive.mirror.proof(bill, INSURER, ["items"], None)):
        assert await path is None
    (row,) = await rows(archive)
    assert row == {
        "grant": given.grant,
        "granted_by": "finance-city",
        "bill_id": bill,
        "to": "insurer-a",
        "fields": ["items"],
        "purpose": "reimbursement",
        "until": mine["until"],
        "state": "revoked",
        "height": height,
        "revoked_height": archive.chain.height,
        "reason": "claim_paid",
    }


async def test_the_same_again_is_the_same_grant(archive: Archive) -> None:
    """While it is on its way, when it is recorded, after a restart; a revocation is not undone by a request of before."""
    bill = await archive.issue(1)
    same = wish(archive)
    patients = archive.mirror.patients
    (first,) = await patients.give_grants(HOLDER, [bill], same)
    (again,) = await patients.give_grants(HOLDER, [bill], same)
    assert (again.grant, again.standing.status, again.standing.repeated) == (first.grant, "queued", True)
    sent = archive.sent()
    assert len(sent) == 1
    archive.restart()
    patients = archive.mirror.patients
    (again,) = await patients.give_grants(HOLDER, [bill], same)
    assert (again.grant, again.standing.repeated) == (first.grant, True)
    assert archive.block(*sent) == ["recorded"]
    (again,) = await patients.give_grants(HOLDER, [bill], same)
    assert (again.standing.status, again.standing.height) == ("recorded", archive.chain.height)
    assert again.standing.repeated

    await patients.revoke_grant(HOLDER, first.grant, "holder_asked")
    assert archive.block(*archive.sent()) == ["recorded"]
    again_revoked = await patients.revoke_grant(HOLDER, first.grant, "holder_asked")
    assert (again_revoked.status, again_revoked.repeated) == ("recorded", True)
    with pytest.raises(ServiceRefused, match="already_revoked"):
        await patients.revoke_grant(HOLDER, first.grant, "other")
    with pytest.raises(ServiceRefused, match="grant_revoked"):
        await patients.give_grants(HOLDER, [bill], same)
    assert archive.sent() == []
    (other,) = await give(archive, bill, until_ms=same.until_ms + 1)
    assert other.grant != first.grant


async def test_many_bills_at_once_all_or_none(archive: Archive) -> None:
    bills = [await archive.issue(serial) for serial in range(1, 5)]
    assert await refused(archive, bills[0], bill_id(77)) == ("bill_unknown", "/bill_ids/1")
    assert await refused(archive, bills[0], "not a bill") == ("bill_unknown", "/bill_ids/1")
    assert await refused(archive, bills[0], bills[1], bills[0]) == ("invalid_value", "/bill_ids/2")
    until_ms = archive.chain.time_ms + HOUR_MS
    await give(archive, bills[1], until_ms=until_ms)
    given = await archive.mirror.patients.give_grants(HOLDER, bills, wish(archive, until_ms=until_ms))
    assert [one.bill_id for one in given] == bills
    assert [one.standing.repeated for one in given] == [False, True, False, False]
    assert archive.block(*archive.sent()) == ["recorded"] * 3
    assert [row["bill_id"] for row in await rows(archive)] == bills
    for bill in bills:
        assert await archive.mirror.bill(bill, INSURER) is not None


async def test_unknown_and_not_yours_look_the_same(archive: Archive) -> None:
    bill = await archive.issue(1)
    (given,) = await give(archive, bill)
    assert await refused(archive, bill, reader=STRANGER) == await refused(archive, bill_id(9), reader=STRANGER)
    assert await refused(archive, bill, reader=NAMELESS) == ("identity_missing", None)
    assert await rows(archive, STRANGER) == []
    for reader, code in ((STRANGER, "grant_unknown"), (NAMELESS, "identity_missing")):
        with pytest.raises(ServiceRefused, match=code):
            await archive.mirror.patients.revoke_grant(reader, given.grant, "holder_asked")
    with pytest.raises(ServiceRefused, match="grant_unknown"):
        await archive.mirror.patients.revoke_grant(HOLDER, "ab" * 32, "holder_asked")
    with pytest.raises(ServiceRefused, match="identity_missing"):
        await archive.mirror.patients.my_grants(NAMELESS, None, 10)
    assert archive.sent() == []


async def test_what_the_rules_would_refuse_is_told_at_once(archive: Archive) -> None:
    """With the field of the request that is at fault."""
    bill = await archive.issue(1)
    for changes, code, pointer in (
        ({"to": "nobody"}, "organisation_unknown", "/to"),
        ({"to": "hospital-b"}, "not_a_reader", "/to"),
        ({"fields": ["items", "token"]}, "field_unknown", "/fields/1"),
        ({"fields": ["check_code"]}, "field_unknown", "/fields/0"),
        ({"fields": ["blood_group"]}, "field_unknown", "/fields/0"),
        ({"for_ms": -HOUR_MS}, "grant_too_long", "/until"),
        ({"for_ms": GRANT_MS_MAX + HOUR_MS}, "grant_too_long", "/until"),
    ):
        assert await refused(archive, bill, **changes) == (code, pointer)
    await give(archive, bill, fields=["visit", "items", "visit"])
    (row,) = await rows(archive)
    assert row["fields"] == ["items", "visit"]


async def test_a_grant_runs_out_by_block_time(archive: Archive) -> None:
    bill = await archive.issue(1)
    until_ms = archive.chain.time_ms + 5_000
    await give(archive, bill, until_ms=until_ms)
    assert await archive.mirror.bill(bill, INSURER) is not None
    archive.chain.time_ms = until_ms
    archive.block()
    assert await archive.mirror.bill(bill, INSURER) is None
    (row,) = await rows(archive)
    assert (row["state"], "revoked_height" in row) == ("expired", False)
    assert await refused(archive, bill, until_ms=until_ms) == ("grant_expired", "/bill_ids/0")
    with pytest.raises(ServiceRefused, match="grant_expired"):
        await archive.mirror.patients.revoke_grant(HOLDER, row["grant"], "holder_asked")


async def test_an_organisation_that_is_suspended_reads_nothing(archive: Archive) -> None:
    bill = await archive.issue(1)
    await give(archive, bill)
    assert await archive.mirror.bill(bill, INSURER) is not None
    chain = archive.chain
    assert archive.block(chain.sign("finance-city", SuspendOrganisation("insurer-a", "key_lost", 0, []))) == [
        "recorded"
    ]
    assert await archive.mirror.bill(bill, INSURER) is None
    assert await refused(archive, bill, fields=[]) == ("organisation_suspended", "/to")


async def test_several_grants_open_what_they_open_together(archive: Archive) -> None:
    bill = await archive.issue(1)
    (first,) = await give(archive, bill, fields=["items"])
    await give(archive, bill, fields=["diagnosis"], purpose="underwriting")
    page = await archive.mirror.bill(bill, INSURER)
    assert page is not None
    assert page["visit"] == {"diagnosis": "none, this is a test"}  # and not the visit itself
    assert len(page["grants"]) == 2
    assert await archive.mirror.proof(bill, INSURER, ["items", "diagnosis"], None) is not None
    await archive.mirror.patients.revoke_grant(HOLDER, first.grant, "holder_asked")
    archive.block(*archive.sent())
    page = await archive.mirror.bill(bill, INSURER)
    assert page is not None
    assert "items" not in page


async def test_a_hospital_may_have_given_it_and_the_office_takes_it_back(archive: Archive) -> None:
    """Whoever keeps the details has seen the patient; the patient finds it and revokes it at the archive."""
    bill = await archive.issue(1)
    until_ms = archive.chain.time_ms + HOUR_MS
    operation = GrantRead(mac("g"), bill, "employer-a", [], "booking", until_ms, mac("h"))
    assert archive.block(archive.chain.sign("hospital-a", operation)) == ["recorded"]
    page = await archive.mirror.bill(bill, EMPLOYER)
    assert page is not None
    assert "items" not in page
    (row,) = await rows(archive)
    assert (row["granted_by"], row["fields"]) == ("hospital-a", [])
    await archive.mirror.patients.revoke_grant(HOLDER, row["grant"], "holder_asked")
    assert archive.block(*archive.sent()) == ["recorded"]
    assert await archive.mirror.bill(bill, EMPLOYER) is None


async def test_the_history_tells_the_holder_and_auditors_and_not_the_cashier(archive: Archive) -> None:
    """Each stamp has a proof of its own, for the holder and the organisation that it is about; also when it is over."""
    bill = await archive.issue(1)
    await archive.seal()
    (given,) = await give(archive, bill)
    await archive.mirror.patients.revoke_grant(HOLDER, given.grant, "claim_paid")
    archive.block(*archive.sent())
    seen: dict[str, list[str]] = {}
    for name, reader in (("holder", HOLDER), ("auditor", AUDITOR), ("office", CLERK), ("cashier", CASHIER)):
        found = await archive.mirror.history(bill, reader)
        assert found is not None
        seen[name] = [row["event"] for row in found]
        if name == "holder":
            stamps = [row for row in found if row["event"].startswith("grant_")]
    assert seen["holder"] == seen["auditor"] == seen["office"] == ["recorded", "sealed", "grant_given", "grant_revoked"]
    assert seen["cashier"] == ["recorded", "sealed"]
    assert [(row["role"], row["organisation"]) for row in stamps] == [("details_keeper", "finance-city")] * 2
    assert (stamps[0]["to"], stamps[0]["fields"], stamps[1]["reason"]) == ("insurer-a", ["items"], "claim_paid")
    for row in stamps:
        for reader in (HOLDER, INSURER, AUDITOR):
            data = await archive.mirror.operation_proof(row["operation"], reader)
            assert data is not None
            assert check_any(data, archive.chain.genesis).valid
        for reader in (STRANGER, EMPLOYER, CASHIER):
            assert await archive.mirror.operation_proof(row["operation"], reader) is None


async def test_the_ledger_has_no_personal_data_and_no_link_between_readers(archive: Archive) -> None:
    """The patient's mark is another one to each organisation, and the same again to the same one."""
    bills = [await archive.issue(serial) for serial in (1, 2)]
    given = [*await give(archive, *bills), *await give(archive, *bills, to="employer-a")]
    marks = []
    for one in given:
        entry = archive.chain.ledger.state.record(keyspace.grant("finance-city", bytes.fromhex(one.grant)))
        assert entry is not None
        assert PERSON.id_number.encode() not in entry.body
        body = archive.chain.body(keyspace.grant("finance-city", bytes.fromhex(one.grant)), GrantBody)
        marks.append(body.holder)
    assert marks[0] == marks[1]
    assert marks[2] == marks[3]
    assert marks[0] != marks[2]


async def test_grants_come_page_by_page(archive: Archive) -> None:
    """Also where a bill has several, and where one is given between two pages."""
    bills = [await archive.issue(serial) for serial in (1, 2, 3)]
    for number in range(3):
        await give(archive, bills[0], fields=["items"], for_ms=HOUR_MS + number)
    await give(archive, bills[2])
    for limit in (1, 2, 3, 4, 5):
        found: list[dict[str, Any]] = []
        after = None
        while True:
            page = await archive.mirror.patients.my_grants(HOLDER, after, limit)
            assert len(page.data) <= limit
            found += page.data
            after = page.next
            if after is None:
                break
        assert found == await rows(archive), limit
    page = await archive.mirror.patients.my_grants(HOLDER, None, 3)
    await give(archive, bills[0], fields=[])
    rest = await archive.mirror.patients.my_grants(HOLDER, page.next, 3)
    assert [(row["bill_id"], row["fields"]) for row in rest.data] == [(bills[0], []), (bills[2], ["items"])]


async def test_a_red_bills_face_shows_no_original_that_was_not_granted(archive: Archive) -> None:
    """The face of a red bill shows the bill that it takes back: who was granted the red one alone gets none."""
    bill = await archive.issue(1)
    original = archive.chain.view(archive.chain.bill(bill).height).received[0].transaction.entries[0].operation
    red = reverse_bill(original, serial=2)  # type: ignore[arg-type]
    await archive.store.put("hospital-a", [red_details(red.bill)])
    assert archive.block(archive.chain.sign("hospital-a", red)) == ["recorded"]
    for number in (red.bill, bill):
        assert await archive.mirror.face_source(red.bill, INSURER, "face", None) is None
        until_ms = archive.chain.time_ms + HOUR_MS
        granted = GrantRead(mac(number), number, "insurer-a", OPEN, "reimbursement", until_ms, mac("h"))
        assert archive.block(archive.chain.sign("hospital-a", granted)) == ["recorded"]
    source = await archive.mirror.face_source(red.bill, INSURER, "face", None)
    assert source is not None
    assert source.original is not None


async def test_two_requests_at_once_make_one_grant(archive: Archive) -> None:
    bill = await archive.issue(1)
    same, patients = wish(archive), archive.mirror.patients
    both = await asyncio.gather(*(patients.give_grants(HOLDER, [bill], same) for _ in range(2)))
    assert {one.grant for (one,) in both} == {both[0][0].grant}
    assert archive.block(*archive.sent()) == ["recorded"]
    assert len(await rows(archive)) == 1


async def test_a_revocation_that_lost_its_race_is_told(archive: Archive) -> None:
    """The hospital revokes in the very block: the office's own step is refused by the ledger, and the grant is over."""
    bill = await archive.issue(1)
    (given,) = await give(archive, bill)
    standing = await archive.mirror.patients.revoke_grant(HOLDER, given.grant, "holder_asked")
    other = RevokeGrant("finance-city", bytes.fromhex(given.grant), "moved_away")
    codes = archive.block(archive.chain.sign("hospital-a", other), *archive.sent())
    assert codes == ["recorded", "already_revoked"]
    reached = await archive.mirror.wait(standing, 0)
    assert (reached.status, reached.code) == ("refused", "already_revoked")
    (row,) = await rows(archive)
    assert (row["state"], row["reason"]) == ("revoked", "moved_away")


async def test_a_business_number_finds_only_who_was_granted_it(archive: Archive) -> None:
    """To look a bill up by its hospital's serial is to learn the serial."""
    bill = await archive.issue(1)
    await give(archive, bill, fields=["items"])
    assert await archive.mirror.bills_by_business_no("hospital-a", "No. 1", INSURER) == []
    await give(archive, bill, fields=["business_no"])
    (page,) = await archive.mirror.bills_by_business_no("hospital-a", "No. 1", INSURER)
    assert page["bill_id"] == bill
    assert await archive.mirror.bills_by_business_no("hospital-a", "No. 1", EMPLOYER) == []
