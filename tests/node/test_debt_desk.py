"""Debts that a hospital bears the risk of, over a real ledger: stated by themselves at the product's time, repaid, put into instalments."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from chain.operation import StateLine
from chain.records import HOSPITAL_BEARS, LENDER
from node.money.debt_requests import InstalmentsWish, InstalmentWish, PaybackWish, RepaymentWish, StatementWish
from node.money.requests import HoldWish, RefundWish
from tests.chain.making import at, genesis_with
from tests.chain.paying import DAY_MS
from tests.node.gateway_province import PATIENCE_S, STAFF, Province, until
from tests.node.test_credit_desk import Credit, charge
from tests.node.test_money_desk import WEI, billed, done, patient, refused

MINUTE_MS = 60_000
EVENING = at("2026-06-01 20:00")


class Debts(Credit):
    """With a clock that is set, and a line at the hospital's risk."""

    agreement = hold = ""

    async def begin(self, **changes: int) -> None:
        terms = {"bearer": HOSPITAL_BEARS, "statement_day": 0, **changes}
        self.agreement = await self.agreed(self.lend(**terms))
        self.hold = await done(self.gateway, HoldWish("DJ-1", self.agreement, 90_000, hours=480))
        await self.gateway.money.debts.look()

    async def at_time(self, time_ms: int) -> list[int]:
        """What the gateway states at a time of the ledger and of its own."""
        chain = self.province.chain
        chain.block(time_ms=time_ms)
        self.province.feed.publish(chain.height)
        self.province.now_ms = chain.time_ms
        before = len(self.stated())
        await self.gateway.money.debts.look()
        return self.stated()[before:]

    def stated(self) -> list[int]:
        """What was owed by each statement that the ledger took."""
        found: list[int] = []
        for height in range(1, self.province.chain.height + 1):
            view = self.province.chain.view(height)
            operations = [entry.operation for own in view.received for entry in own.transaction.entries]
            for operation, outcome in zip(operations, view.outcomes, strict=True):
                if isinstance(operation, StateLine) and outcome.code == "recorded":
                    found.append(operation.owed_fen)
        return found

    def dates(self) -> list[tuple[int, int]]:
        """By when how much of all that was ever used has to have come back."""
        return [(due.due_ms, due.returned_fen) for due in self.line().dues]

    async def seen(self) -> list[tuple[int, int]]:
        """What the patient is shown as owed, and as too much, by agreement."""
        mine = await self.gateway.money.rows("agreement", patient(WEI), None, 10)
        return [(page["owed_fen"], page["surplus_fen"]) for page in mine.data]

    async def step(self, number: str, amount_fen: int) -> None:
        await done(self.gateway, charge(number, amount_fen), self.hold)


@pytest.fixture
async def debts(tmp_path: Path) -> AsyncIterator[Debts]:
    given = genesis_with(lender_a="lender")
    province = Province(tmp_path, organisations=given.organisations, keys=given.keys)
    yield Debts(province, await province.start("hospital-a"))
    await province.stop()


async def test_each_evening_what_is_owed_by_then_is_stated_once(debts: Debts) -> None:
    """FEATURES 97: daily at 20:00; what is charged later waits for the next evening."""
    await debts.begin()
    await debts.step("JF-1", 20_000)
    assert await debts.at_time(EVENING - MINUTE_MS) == []
    assert await debts.at_time(EVENING) == [20_000]
    assert debts.dates() == [(at("2026-06-11 23:59:59.999"), 20_000)]
    assert await debts.at_time(EVENING + MINUTE_MS) == []
    await debts.step("JF-2", 5_000)
    assert await debts.at_time(EVENING + 2 * MINUTE_MS) == []
    assert await debts.at_time(EVENING + DAY_MS) == [25_000]
    assert [due.returned_fen for due in debts.line().dues] == [20_000, 25_000]


async def test_a_gateway_that_was_down_at_the_time_states_when_it_is_back_and_once(debts: Debts) -> None:
    await debts.begin()
    await debts.step("JF-1", 20_000)
    debts.gateway = await debts.province.crash(debts.gateway)
    debts.province.now_ms = EVENING + 30 * MINUTE_MS
    debts.province.chain.block(time_ms=debts.province.now_ms)
    debts.gateway.begin()
    await until(lambda: not debts.gateway.not_ready())
    await debts.at_time(EVENING + 31 * MINUTE_MS)
    assert debts.stated() == [20_000]
    debts.gateway = await debts.province.crash(
        debts.gateway
    )  # between two looks nothing is forgotten, nothing done twice
    debts.gateway.begin()
    await until(lambda: not debts.gateway.not_ready())
    assert await debts.at_time(EVENING + 40 * MINUTE_MS) == []


async def test_a_statement_that_did_not_get_through_is_tried_again(debts: Debts) -> None:
    """Nothing is final for a while: the time is not over before the ledger has said."""
    await debts.begin()
    await debts.step("JF-1", 20_000)
    looked_ms = debts.gateway.money.rows_kept.looked_ms("debt")
    debts.province.peers["hospital-a"].is_cut = True
    assert await debts.at_time(EVENING) == []
    assert debts.gateway.money.rows_kept.looked_ms("debt") == looked_ms
    debts.province.peers["hospital-a"].is_cut = False
    assert await debts.at_time(EVENING + MINUTE_MS) == [20_000]


async def test_no_validator_at_the_start_is_told_of_until_one_is_there(debts: Debts) -> None:
    await debts.begin()
    await debts.step("JF-1", 20_000)
    debts.gateway = await debts.province.crash(debts.gateway)
    peers, desk = debts.province.peers["hospital-a"], debts.gateway.money.debts
    peers.is_cut = True
    await desk.look()
    assert set(desk.waiting.codes.values()) == {"unavailable"}
    peers.is_cut = False
    await desk.look()
    assert desk.waiting.codes == {}


async def test_a_fault_at_a_statement_does_not_lose_it(debts: Debts, monkeypatch: pytest.MonkeyPatch) -> None:
    """People are told; the line is stated once the fault is mended, not a month later."""
    await debts.begin()
    await debts.step("JF-1", 20_000)
    desk = debts.gateway.money.debts

    async def fails(operation: StateLine) -> bool:
        raise KeyError("a form that nobody thought of")

    with monkeypatch.context() as broken:
        broken.setattr(desk, "_is_stated", fails)
        assert await debts.at_time(EVENING) == []
        assert set(desk.waiting.codes.values()) == {"internal_error"}
    assert await debts.at_time(EVENING + MINUTE_MS) == [20_000]
    assert desk.waiting.codes == {}
    assert await debts.at_time(EVENING + 2 * MINUTE_MS) == []


async def test_a_product_states_on_its_day_of_the_month(debts: Debts) -> None:
    await debts.begin(statement_day=3)
    await debts.step("JF-1", 20_000)
    assert await debts.at_time(EVENING + DAY_MS) == []
    assert await debts.at_time(EVENING + 2 * DAY_MS) == [20_000]
    assert await debts.at_time(EVENING + 3 * DAY_MS) == []


async def test_what_the_lender_bears_is_not_the_hospitals_to_state(debts: Debts) -> None:
    await debts.begin(bearer=LENDER)
    await debts.step("JF-1", 20_000)
    assert await debts.at_time(EVENING) == []
    assert debts.gateway.money.rows_kept.due("debt", 10) == []
    assert await refused(debts.gateway, StatementWish(), debts.agreement) == "not_the_bearer"


async def test_a_repayment_is_the_hospitals_own_money_and_restores_the_line(debts: Debts) -> None:
    await debts.begin()
    gateway, agreed = debts.gateway, debts.agreement
    assert await refused(gateway, StatementWish(), agreed) == "nothing_owed"
    await debts.step("JF-1", 20_000)
    assert await refused(gateway, RepaymentWish("HK-1", "alipay", 20_001), agreed) == "exceeds_debt"
    assert await refused(gateway, RepaymentWish("HK-1", "deposit", 1), agreed) == "channel_differs"
    assert await refused(gateway, RepaymentWish("HK-1", "alipay", 1), "0" * 64) == "agreement_unknown"
    await done(gateway, RepaymentWish("HK-1", "alipay", 5_000), agreed)
    assert (debts.owed(), debts.at("receivable"), debts.at("own")) == (15_000, 15_000, 5_000)
    assert (await gateway.money.do(RepaymentWish("HK-1", "alipay", 5_000), STAFF, agreed)).repeated
    assert await refused(gateway, RepaymentWish("HK-1", "alipay", 6_000), agreed) == "repayment_exists"
    await done(gateway, RepaymentWish("HK-2", "cash", 15_000), agreed)
    assert (debts.owed(), debts.at("receivable"), debts.at("own")) == (0, 0, 20_000)
    assert await debts.at_time(EVENING) == []
    assert gateway.money.rows_kept.due("debt", 10) != []  # a charge of today may still wait for the ledger
    assert await debts.at_time(EVENING + 2 * DAY_MS) == []
    assert gateway.money.rows_kept.due("debt", 10) == []
    await debts.step("JF-2", 1_000)
    assert await debts.at_time(EVENING + 3 * DAY_MS) == [1_000]


async def test_what_was_repaid_and_then_refunded_is_paid_back_to_the_patient(debts: Debts) -> None:
    """Over any channel, out of the hospital's own money; the same number again is the same payback."""
    await debts.begin()
    gateway, agreed = debts.gateway, debts.agreement
    bill = await billed(gateway, await debts.charged(debts.hold, "JF-1", 20_000))
    await done(gateway, RepaymentWish("HK-1", "alipay", 20_000), agreed)
    assert await refused(gateway, PaybackWish("TK-1", "alipay", 1), agreed) == "exceeds_surplus"
    await gateway.wait(
        await gateway.reverse(bill, "wrong test", "cashier", None, (), RefundWish()), PATIENCE_S, "recorded"
    )
    assert (debts.owed(), debts.at("receivable"), debts.at("own")) == (-20_000, -20_000, 20_000)
    assert await debts.seen() == [(-20_000, 20_000)]
    assert await refused(gateway, PaybackWish("TK-1", "alipay", 20_001), agreed) == "exceeds_surplus"
    assert await refused(gateway, PaybackWish("TK-1", "credit", 1), agreed) == "channel_differs"
    assert await refused(gateway, PaybackWish("TK-1", "alipay", 1), "0" * 64) == "agreement_unknown"
    await done(gateway, PaybackWish("TK-1", "alipay", 12_000), agreed)
    assert (await gateway.money.do(PaybackWish("TK-1", "alipay", 12_000), STAFF, agreed)).repeated
    assert await refused(gateway, PaybackWish("TK-1", "alipay", 8_000), agreed) == "payback_exists"
    await done(gateway, PaybackWish("TK-2", "cash", 8_000), agreed)
    assert (debts.owed(), debts.at("receivable"), debts.at("own")) == (0, 0, 0)
    assert await debts.seen() == [(0, 0)]
    assert await debts.at_time(EVENING) == []


async def test_instalments_take_the_place_of_all_dates(debts: Debts) -> None:
    await debts.begin()
    await debts.step("JF-1", 20_000)
    gateway, agreed = debts.gateway, debts.agreement
    await done(gateway, StatementWish(), agreed)

    def plan(number: str, *dated: tuple[str, int]) -> InstalmentsWish:
        return InstalmentsWish(number, [InstalmentWish(day, fen) for day, fen in dated])

    assert await refused(gateway, plan("FQ-1", ("2026-06-31", 20_000)), agreed) == "invalid_value"
    assert await refused(gateway, plan("FQ-1", ("2026-06-30", 19_999)), agreed) == "instalments_malformed"
    await done(gateway, plan("FQ-1", ("2026-06-30", 12_000), ("2026-07-31", 8_000)), agreed)
    assert debts.dates() == [(at("2026-06-30 23:59:59.999"), 12_000), (at("2026-07-31 23:59:59.999"), 20_000)]
    assert await refused(gateway, plan("FQ-1", ("2026-06-30", 20_000)), agreed) == "plan_exists"
