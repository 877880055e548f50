"""Whose a bill is at the archive: the slip that makes it somebody's (FEATURES 29), and who may say "this was not me" (32)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from chain.bill import Payer
from chain.details import Details, check_code, details_root, token
from chain.operation import VoidBill
from node.identity import Identity
from node.service import Claimed, Reader, ServiceRefused, Standing
from node.verification import FAILURES_MAX
from tests.chain.making import bill_id, details, issue_bill, reverse_bill
from tests.node.test_mirror import AUDITOR, CASHIER, CLERK, Archive

NAME = "Synthetic Payer"
ME, NAMESAKE, OTHER = (
    Reader(f"p-{number}", "finance-city", "patient", Identity("passport", f"SYNTHETIC-{number}", name))
    for number, name in ((1, NAME), (2, NAME), (3, "Synthetic Other"))
)
SOURCE = "10.0.0.1"


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    archive = Archive(tmp_path)
    yield archive
    archive.close()


async def paid_in_cash(archive: Archive, serial: int = 1, payer: Payer | None = None) -> Details:
    """A recorded bill whose payer showed no document."""
    private = details(bill_id(serial), business_no=f"No. {serial}", payer=payer or Payer(NAME, "person", "", ""))
    root = details_root(private)
    bill = issue_bill(f"No. {serial}", serial=serial, lease_first=archive.first["hospital-a"], details_root=root)
    await archive.store.put("hospital-a", [private])
    assert archive.block(archive.chain.sign("hospital-a", bill)) == ["recorded"]
    return private


async def claimed(
    archive: Archive, reader: Reader, slip: Details, secret: str | None = None, by: str = SOURCE
) -> Standing:
    code = check_code(slip.seed, slip.bill) if secret is None else secret
    return await archive.mirror.binding.claim(reader, slip.bill, code, by)


async def refusal(archive: Archive, reader: Reader, slip: Details, secret: str | None = None, by: str = SOURCE) -> str:
    with pytest.raises(ServiceRefused) as refused:
        await claimed(archive, reader, slip, secret, by)
    return refused.value.code


async def mine(archive: Archive, reader: Reader) -> list[str]:
    return [row["bill_id"] for row in (await archive.mirror.patients.my_bills(reader, None, 50)).data]


async def test_the_slip_makes_the_bill_somebodys_and_is_worth_nothing_afterwards(archive: Archive) -> None:
    slip = await paid_in_cash(archive)
    code, long, bill = check_code(slip.seed, slip.bill), token(slip.seed, slip.bill), slip.bill
    assert await archive.mirror.proof(bill, None, ["charges"], long) is not None
    assert await mine(archive, ME) == []

    standing = await claimed(archive, ME, slip)
    assert (standing.status, standing.repeated) == ("queued", False)
    assert await mine(archive, ME) == []  # the ledger decides
    assert archive.block(*archive.sent()) == ["recorded"]

    assert await mine(archive, ME) == [bill]
    page = await archive.mirror.bill(bill, ME)
    assert page is not None
    assert page["check_code"] == code
    for secret in (code, long):
        assert await archive.mirror.proof(bill, None, ["charges"], secret) is None
        assert await archive.mirror.face_source(bill, None, "face", secret) is None
        assert await archive.mirror.proof(bill, None, [], secret) is not None
        assert (await archive.mirror.look_up(Claimed(bill, secret), SOURCE, None))["verdict"] == "genuine"
    for reader in (ME, CASHIER, CLERK):
        assert await archive.mirror.proof(bill, reader, ["charges"], None) is not None
    assert await archive.mirror.face_source(bill, ME, "face", None) is not None
    (stamp,) = [row for row in await archive.mirror.history(bill, ME) or [] if row["event"] == "holder_bound"]
    assert (stamp["organisation"], stamp["role"]) == ("finance-city", "supervising_office")


async def test_a_second_person_with_the_name_and_the_slip_comes_too_late(archive: Archive) -> None:
    """At once, before the block, and after a restart."""
    slip = await paid_in_cash(archive)
    for reader in (ME, NAMESAKE):
        assert (await claimed(archive, reader, slip)).status == "queued"
    assert (await claimed(archive, ME, slip)).status == "queued"  # the same again, while it is on its way
    assert archive.block(*archive.sent()) == ["recorded", "already_claimed"]
    assert await refusal(archive, NAMESAKE, slip) == "already_claimed"
    archive.restart()
    assert await refusal(archive, NAMESAKE, slip, token(slip.seed, slip.bill)) == "already_claimed"
    again = await claimed(archive, ME, slip)
    assert (again.status, again.repeated) == ("recorded", True)
    assert (await mine(archive, ME), await mine(archive, NAMESAKE)) == ([slip.bill], [])
    assert archive.sent() == []


async def test_whatever_does_not_fit_looks_like_no_bill_and_counts(archive: Archive) -> None:
    """Another name, another's document, a wrong code, a number that no bill has; a token is no guess."""
    slip = await paid_in_cash(archive)
    named = await paid_in_cash(archive, 2, Payer(NAME, "person", "passport", "SYNTHETIC-2"))
    red = await paid_in_cash(archive, 3, Payer("", "person", "", ""))
    assert await refusal(archive, OTHER, slip) == "bill_unknown"
    assert await refusal(archive, ME, slip, "zzzzzz") == "bill_unknown"
    assert await refusal(archive, ME, named) == "bill_unknown"
    assert await refusal(archive, ME, red) == "bill_unknown"  # no name is nobody's name
    assert await refusal(archive, ME, details(bill_id(77))) == "bill_unknown"
    assert await refusal(archive, Reader("p-9", "finance-city", "patient"), slip) == "identity_missing"
    for _ in range(FAILURES_MAX - 5):
        assert await refusal(archive, ME, slip, "zzzzzz") == "bill_unknown"
    assert await refusal(archive, ME, slip) == "too_many_attempts"
    for number in range(FAILURES_MAX):  # the bill is guarded from many sources too
        if await refusal(archive, ME, slip, "zzzzzz", f"10.0.1.{number}") == "too_many_attempts":
            break
    assert await refusal(archive, ME, slip, by="10.0.2.1") == "too_many_attempts"
    assert (await claimed(archive, ME, slip, token(slip.seed, slip.bill), "10.0.2.1")).status == "queued"


async def test_a_bill_that_names_the_person_is_theirs_already(archive: Archive) -> None:
    named = await paid_in_cash(archive, 1, Payer(NAME, "person", "passport", "SYNTHETIC-1"))
    standing = await claimed(archive, ME, named)
    assert (standing.status, standing.repeated, standing.bill_id) == ("recorded", True, named.bill)
    assert archive.sent() == []
    assert await archive.mirror.proof(named.bill, None, ["charges"], token(named.seed, named.bill)) is not None


async def test_withdrawn_is_refused_and_reversed_is_not(archive: Archive) -> None:
    void, reversed_ = await paid_in_cash(archive, 1), await paid_in_cash(archive, 2)
    first = archive.first["hospital-a"]
    red = reverse_bill(issue_bill("No. 2", serial=2, lease_first=first), serial=9, lease_first=first)
    codes = archive.block(archive.chain.sign("hospital-a", VoidBill(void.bill, "mistyped"), red))
    assert codes == ["recorded", "recorded"]
    assert await refusal(archive, ME, void) == "bill_is_void"
    await claimed(archive, ME, reversed_)
    assert archive.block(*archive.sent()) == ["recorded"]
    assert await mine(archive, ME) == [reversed_.bill]


# ── disputes ─────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_holder_disputes_and_the_office_settles(archive: Archive) -> None:
    slip = await paid_in_cash(archive, 1, Payer(NAME, "person", "passport", "SYNTHETIC-1"))
    desk, bill = archive.mirror.disputes, slip.bill
    for reader in (NAMESAKE, CASHIER, AUDITOR, Reader("p-9", "finance-city", "patient")):
        with pytest.raises(ServiceRefused, match=r"bill_unknown|identity_missing"):
            await desk.dispute(reader, bill, "not_me")
    with pytest.raises(ServiceRefused, match="not_disputed"):
        await desk.settle(bill, "upheld")
    with pytest.raises(ServiceRefused, match="bill_unknown"):
        await desk.settle(bill_id(77), "upheld")
    assert (await desk.dispute(ME, bill, "not_me")).status == "queued"
    assert archive.block(*archive.sent()) == ["recorded"]
    assert (await desk.dispute(ME, bill, "not_me")).repeated
    with pytest.raises(ServiceRefused, match="already_disputed"):
        await desk.dispute(ME, bill, "never_there")

    (row,) = desk.open(CLERK, "", 20).data
    assert (row["bill_id"], row["reason"], row["number"], row["total_fen"]) == (bill, "not_me", 1, 12_345)
    assert "payer" not in row
    page = await archive.mirror.bill(bill, AUDITOR)
    assert page is not None
    assert (page["life"]["dispute"], page["life"]["disputed_for"]) == ("open", "not_me")
    archive.restart()
    desk = archive.mirror.disputes
    assert [row["bill_id"] for row in desk.open(AUDITOR, "", 20).data] == [bill]
    assert desk.open(AUDITOR, bill, 20).data == []

    assert (await desk.settle(bill, "dismissed")).status == "queued"
    assert archive.block(*archive.sent()) == ["recorded"]
    assert (await desk.settle(bill, "dismissed")).repeated
    with pytest.raises(ServiceRefused, match="already_settled"):
        await desk.settle(bill, "upheld")
    assert desk.open(CLERK, "", 20).data == []
    events = [row["event"] for row in await archive.mirror.history(bill, ME) or []]
    assert events == ["recorded", "disputed", "dispute_settled"]

    # a second one is another one, and what was settled of the first is not settled of it
    await desk.dispute(ME, bill, "not_me")
    assert archive.block(*archive.sent()) == ["recorded"]
    (row,) = desk.open(CLERK, "", 20).data
    assert row["number"] == 2


async def test_open_disputes_come_part_by_part(archive: Archive) -> None:
    bills = [
        (await paid_in_cash(archive, n, Payer(NAME, "person", "passport", "SYNTHETIC-1"))).bill for n in range(1, 6)
    ]
    for bill in bills:
        await archive.mirror.disputes.dispute(ME, bill, "not_me")
    assert set(archive.block(*archive.sent())) == {"recorded"}
    found: list[str] = []
    after: str | None = ""
    while after is not None:
        page = archive.mirror.disputes.open(CLERK, after, 2)
        assert len(page.data) <= 2
        found += [row["bill_id"] for row in page.data]
        after = page.next
    assert found == bills


async def test_look_ups_are_the_holders_and_the_issuers(archive: Archive) -> None:
    slip = await paid_in_cash(archive, 1, Payer(NAME, "person", "passport", "SYNTHETIC-1"))
    code = check_code(slip.seed, slip.bill)
    insurer = Reader("i-1", "insurer-a", "insurer_clerk")
    answers = [await archive.mirror.look_up(Claimed(slip.bill, code), SOURCE, asker) for asker in (insurer, None)]
    assert [answer["lookups"] for answer in answers] == [1, 2]
    assert "lookups" not in await archive.mirror.look_up(Claimed(slip.bill, "zzzzzz"), SOURCE, None)
    await archive.mirror.counts.write()
    archive.restart()
    for reader in (ME, CASHIER):
        page = await archive.mirror.lookups(slip.bill, reader)
        assert page is not None
        assert [row["kind"] for row in page["rows"]] == ["public", "insurer"]
    for reader in (NAMESAKE, AUDITOR, insurer, Reader("u", "hospital-b", "cashier")):
        assert await archive.mirror.lookups(slip.bill, reader) is None
    assert await archive.mirror.lookups(bill_id(77), ME) is None
