"""The gateway's main story: a number at once, then recorded, sealed and proven without anybody's help."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from chain.bill import PaymentParts
from chain.proof import check_proof
from node.sender import WINDOW_WEIGHT_MIN, Window
from node.service import Claimed, Reader, ServiceRefused
from tests.chain.making import VALIDATORS
from tests.node.gateway_province import PATIENCE_S, STAFF, Province, bill, sealed, until


@pytest.fixture
async def province(tmp_path: Path) -> AsyncIterator[Province]:
    province = Province(tmp_path)
    yield province
    await province.stop()


async def test_a_bill_has_its_number_at_once_and_becomes_recorded_then_sealed(province: Province) -> None:
    """DESIGN 1.8: agreement, seal and proof follow by themselves."""
    gateway = await province.start()

    standing = await gateway.issue(bill())
    assert (standing.status, standing.bill_id, len(standing.check_code or "")) == ("queued", "330601260000000001", 6)
    done = await sealed(province, gateway, standing)

    assert (done.status, done.bill_id, done.check_code) == ("sealed", standing.bill_id, standing.check_code)
    assert done.height is not None
    assert done.sealed_height is not None
    assert done.sealed_height > done.height
    assert [entry.bill for entry in province.recorded_bills()] == [standing.bill_id]
    await until(lambda: province.archive.kept.keys() == {standing.bill_id})
    page = await gateway.bill(done.bill_id or "", STAFF)
    assert page is not None
    assert page["status"] == "sealed"
    assert page["payer"]["name"] == "Synthetic Person"
    assert page["business_no"] == "B-1"


async def test_fifty_requests_for_one_business_number_at_once_use_one_number(province: Province) -> None:
    """DESIGN 6, once per business number."""
    gateway = await province.start()

    standings = await asyncio.gather(*(gateway.issue(bill()) for _ in range(50)))

    assert {standing.bill_id for standing in standings} == {"330601260000000001"}
    assert sum(not standing.repeated for standing in standings) == 1
    assert len({standing.check_code for standing in standings}) == 1
    await gateway.wait(standings[0], PATIENCE_S, "recorded")
    assert len(province.recorded_bills()) == 1


async def test_the_same_number_with_another_content_is_a_conflict(province: Province) -> None:
    """DESIGN 10: 409 business_no_conflict, with the bill that has it."""
    gateway = await province.start()
    first = await gateway.issue(bill())

    with pytest.raises(ServiceRefused, match="business_no_conflict") as refusal:
        await gateway.issue(bill(total_fen=999))

    assert refusal.value.links == {"bill": f"/v1/bills/{first.bill_id}"}
    assert (await gateway.issue(bill(cashier="another cashier"))).bill_id == first.bill_id


@pytest.mark.parametrize(
    ("changes", "code", "pointer"),
    [
        ({"payments": PaymentParts(cash_fen=1)}, "sum_mismatch", "/payments"),
        ({"total_fen": 0}, "total_not_positive", "/total_fen"),
        ({"place_code": "Z99"}, "place_unknown", "/place_code"),
        ({"business_time": "2026-06-01 12:00:00"}, "invalid_time", "/business_time"),
        ({"business_time": "2026-06-01T12:00:00"}, "invalid_time", "/business_time"),
        ({"business_time": "2026-02-30T12:00:00Z"}, "invalid_time", "/business_time"),
        ({"business_time": "2026-06-02T00:00:00+08:00"}, "date_out_of_window", "/business_time"),
        ({"business_time": "2026-06-01T23:00:00+08:00"}, "date_out_of_window", "/business_time"),
        ({"business_time": "2026-01-01T12:00:00+08:00"}, "date_out_of_window", "/business_time"),
        ({"business_time": "9999-12-31T23:59:59-23:59"}, "date_out_of_window", "/business_time"),
        ({"remark": "a\nb"}, "text_refused", "/remark"),
        ({"remark": "\ud800"}, "text_refused", "/remark"),
    ],
)
async def test_a_refused_request_uses_no_number(
    province: Province, changes: dict[str, object], code: str, pointer: str
) -> None:
    """Issue 2, bad input: each with a stable code and a pointer."""
    gateway = await province.start()

    with pytest.raises(ServiceRefused) as refusal:
        await gateway.issue(bill(**changes))

    assert (refusal.value.code, refusal.value.pointer) == (code, pointer)
    assert (await gateway.issue(bill())).bill_id == "330601260000000001"


async def test_a_batch_gives_each_bill_its_own_outcome(province: Province) -> None:
    """DESIGN 10: a bad one spoils no other."""
    gateway = await province.start()

    answers = await gateway.issue_many([bill("B-1"), bill("B-2", total_fen=0), bill("B-3"), bill("B-1")])

    assert [getattr(answer, "bill_id", None) for answer in answers] == [
        "330601260000000001",
        None,
        "330601260000000002",
        "330601260000000001",
    ]
    assert isinstance(answers[1], ServiceRefused)
    await gateway.wait(answers[2], PATIENCE_S, "recorded")  # type: ignore[arg-type]
    assert len(province.recorded_bills()) == 2


async def test_three_hundred_bills_at_three_points_refill_their_leases(tmp_path: Path, province: Province) -> None:
    """DESIGN 6, numbers: a gateway refills below a threshold; numbers never repeat and stay in their leases."""
    first = await province.start(lease_count=20, lease_threshold=15)
    other = await province.start("hospital-b", lease_count=20, lease_threshold=15)

    async def issue(gateway: object, point: str, number: int) -> str:
        while True:
            try:
                standing = await gateway.issue(bill(f"{point}-{number}", place_code=point))  # type: ignore[attr-defined]
                return str((await gateway.wait(standing, PATIENCE_S, "recorded")).bill_id)  # type: ignore[attr-defined]
            except ServiceRefused as refused:
                if refused.code != "no_numbers":
                    raise
                await asyncio.sleep(0.005)

    async def counter(gateway: object, point: str) -> list[str]:
        return [
            name
            for start in range(0, 100, 10)
            for name in await asyncio.gather(*(issue(gateway, point, number) for number in range(start, start + 10)))
        ]

    issued = await asyncio.gather(counter(first, "A01"), counter(first, "A02"), counter(other, "B01"))

    names = [name for point in issued for name in point]
    assert len(set(names)) == 300
    assert len(province.recorded_bills()) == 300
    assert {code for code in province.codes() if code not in ("recorded", "range_moved")} == set()


async def test_without_numbers_nothing_is_kept_and_more_are_asked_for(province: Province) -> None:
    """DESIGN 10: 503 only if nothing was kept."""
    province.hold()
    gateway = await province.start()

    with pytest.raises(ServiceRefused, match="no_numbers"):
        await gateway.issue(bill())

    assert gateway.not_ready() != []
    province.go_on()
    await until(lambda: not gateway.not_ready())
    assert (await gateway.issue(bill())).bill_id == "330601260000000001"


async def test_a_reversal_is_recorded_and_a_second_one_is_refused(province: Province) -> None:
    """Chain/rules/bills.py: one red bill, the linked negative."""
    gateway = await province.start()
    first = await gateway.issue(bill())
    await gateway.wait(first, PATIENCE_S, "recorded")

    red = await gateway.reverse(first.bill_id or "", "wrong payer", "cashier one", None)
    with pytest.raises(ServiceRefused, match="already_reversed") as refusal:
        await gateway.reverse(first.bill_id or "", "again", "cashier one", None)
    assert refusal.value.links == {"reversal": f"/v1/bills/{red.bill_id}"}
    done = await sealed(province, gateway, red)

    assert done.status == "sealed"
    with pytest.raises(ServiceRefused, match="bill_is_red"):
        await gateway.reverse(red.bill_id or "", "once more", "cashier one", None)
    with pytest.raises(ServiceRefused, match="bill_unknown"):
        await gateway.reverse("330601260000099999", "of nobody", "cashier one", None)
    page, red_page = await gateway.bill(first.bill_id or "", STAFF), await gateway.bill(red.bill_id or "", STAFF)
    assert page is not None
    assert red_page is not None
    assert (page["validity"], page["related"]) == ("reversed", red.bill_id)
    assert (red_page["validity"], red_page["related"], red_page["total_fen"]) == ("red", first.bill_id, -12_345)
    history = await gateway.history(first.bill_id or "", STAFF)
    assert [event["event"] for event in history or []] == ["issued", "recorded", "reversed", "sealed"]


async def test_a_queued_bill_may_be_reversed_and_the_red_bill_waits_for_it(province: Province) -> None:
    """The cashier never waits for the province: both become final, in their order."""
    gateway = await province.start()
    province.hold()
    first = await gateway.issue(bill())
    red = await gateway.reverse(first.bill_id or "", "wrong payer", "cashier one", None)
    province.go_on()

    assert (await gateway.wait(red, PATIENCE_S, "recorded")).status == "recorded"
    assert "bill_unknown" not in province.codes()


async def test_a_proof_holds_offline_and_shows_chosen_fields_only(province: Province) -> None:
    """DESIGN 1.5: against the genesis file alone."""
    gateway = await province.start()
    first = await gateway.issue(bill())
    await gateway.wait(await gateway.issue(bill("B-2")), PATIENCE_S, "recorded")
    await sealed(province, gateway, first)
    province.block()  # later than the seal

    proof = await gateway.proof(first.bill_id or "", STAFF, ["payer_name"], None)
    assert proof is not None
    verdict = check_proof(proof, province.chain.genesis)
    assert verdict.valid, verdict.checks
    assert verdict.bill["sealed"] is True
    assert verdict.bill["status"] == "normal"
    assert verdict.bill["opened"] == {"payer_name": "Synthetic Person"}
    assert gateway.check_proof(proof)["valid"] is True
    assert gateway.check_proof(proof[:-1])["valid"] is False
    by_code = await gateway.proof(first.bill_id or "", None, [], first.check_code)
    assert by_code is not None
    assert await gateway.proof(first.bill_id or "", None, [], "aaaaaa") is None
    assert await gateway.proof(first.bill_id or "", Reader("x", "hospital-b", "cashier"), [], None) is None
    with pytest.raises(ServiceRefused, match="field_unknown"):
        await gateway.proof(first.bill_id or "", STAFF, ["shoe_size"], None)


async def test_a_bill_that_is_not_final_has_no_proof_yet(province: Province) -> None:
    gateway = await province.start()
    province.hold()
    first = await gateway.issue(bill())

    with pytest.raises(ServiceRefused, match="bill_not_recorded"):
        await gateway.proof(first.bill_id or "", STAFF, [], None)


async def test_the_public_verifies_by_check_code_and_only_failures_count(province: Province) -> None:
    """DESIGN 10: genuine, genuine_reversed, no_match, try_later."""
    gateway = await province.start()
    first = await gateway.issue(bill())
    await gateway.wait(first, PATIENCE_S, "recorded")
    claimed = Claimed(first.bill_id or "", first.check_code or "", "2026-06-01", 12_345)

    for _ in range(20):
        assert (await gateway.verify_claimed(claimed, "10.0.0.1"))["verdict"] == "genuine"
    red = await gateway.reverse(first.bill_id or "", "wrong payer", "cashier one", None)
    await gateway.wait(red, PATIENCE_S, "recorded")
    answer = await gateway.verify_claimed(claimed, "10.0.0.1")
    assert (answer["verdict"], answer["reversed_by"]) == ("genuine_reversed", red.bill_id)
    for _ in range(10):
        wrong = Claimed(first.bill_id or "", "zzzzzz")
        assert (await gateway.verify_claimed(wrong, "10.0.0.2"))["verdict"] == "no_match"
    assert (await gateway.verify_claimed(claimed, "10.0.0.2"))["verdict"] == "try_later"
    assert (await gateway.verify_claimed(claimed, "10.0.0.1"))["verdict"] == "genuine_reversed"


async def test_strangers_learn_nothing_of_a_bill(province: Province) -> None:
    """DESIGN 10: unknown and forbidden look the same."""
    gateway = await province.start()
    first = await gateway.issue(bill())
    for reader in (Reader("x", "hospital-b", "cashier"), Reader("p", "hospital-a", "patient")):
        assert await gateway.bill(first.bill_id or "", reader) is None
        assert await gateway.history(first.bill_id or "", reader) is None
        assert await gateway.bills_by_business_no("hospital-a", "B-1", reader) == []
        assert await gateway.operation(first.operation, reader) is None
    assert await gateway.bill("330601260000099999", STAFF) is None
    rows = await gateway.bills_by_business_no("hospital-a", "B-1", STAFF)
    assert [row["bill_id"] for row in rows] == [first.bill_id]


async def test_blocks_are_shown_newest_first_with_header_and_certificate(province: Province) -> None:
    gateway = await province.start()
    standing = await gateway.issue(bill())
    done = await gateway.wait(standing, PATIENCE_S, "recorded")

    page = await gateway.blocks(None, 1)
    assert page.data[0]["height"] == gateway.head().height
    assert len(page.data[0]["certificate"]["signatures"]) == 3
    assert page.next == str(gateway.head().height)
    own = await gateway.block(done.height or 0, STAFF)
    assert own is not None
    assert standing.bill_id in str(own["body"])
    public = await gateway.block(done.height or 0, None)
    assert public is not None
    assert "body" not in public
    assert await gateway.block(10_000, None) is None
    assert gateway.network()["validators"] == sorted(VALIDATORS)


async def test_no_more_is_on_its_way_than_the_ledger_takes(province: Province) -> None:
    """While nobody decides, some wait at validators and the rest here, in order; then all are recorded, oldest first."""
    gateway = await province.start(lease_count=5_000)
    await until(lambda: not gateway.not_ready())
    province.hold()
    for start in range(0, 3_000, 250):  # more than two full transactions
        answers = await gateway.issue_many([bill(f"B-{start + number}") for number in range(250)])
        assert not [answer for answer in answers if isinstance(answer, ServiceRefused)]

    def under_way() -> int:
        return sum(len(transaction.entries) for transaction in province.pool.values())

    await until(lambda: under_way() >= 900)
    await asyncio.sleep(0.3)
    assert under_way() <= 1_500
    first = {entry.operation.bill for entry in next(iter(province.pool.values())).entries}  # type: ignore[union-attr]
    assert "330601260000000001" in first
    province.go_on()
    await until(lambda: len(province.recorded_bills()) == 3_000)
    bills = [entry.bill for entry in province.recorded_bills()]
    assert bills == sorted(bills)


def test_the_window_follows_what_is_taken_and_so_does_the_patience() -> None:
    window = Window()
    assert window.weight(0.0) == WINDOW_WEIGHT_MIN
    assert window.patience_s == 0.5
    for tenth in range(20):
        window.took(500, tenth / 10 - 0.6, tenth / 10)
    assert 4_500 <= window.weight(1.9) <= 5_500  # of the last second
    assert 1.0 < window.patience_s <= 1.2
    for _ in range(50):
        window.took(500, 0.0, 10.0)
    assert window.patience_s == 2.0
    assert window.weight(11.5) == WINDOW_WEIGHT_MIN
