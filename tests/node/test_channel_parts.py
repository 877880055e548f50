"""Parts of orders over channels whose other sides are simulated, over HTTP: notices once, late, twice, forged, never; money that goes back."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import msgspec
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from chain.operation import (
    PayDeposit,
    RefundPayment,
    ResumeOrganisation,
    SuspendOrganisation,
    TakePayment,
    TakeStray,
)
from node.channels.configuration import read_channels
from node.channels.errors import ChannelUnreachable
from node.channels.opening import open_channels
from node.channels.simulators.insurance import Insured
from node.channels.simulators.other_sides import OtherSides
from node.channels.simulators.simulator import Simulator
from node.config_file import compose_config
from node.gateway import Gateway
from node.money import channel_parts, pace
from node.money.channel_parts import ASKED_AGAIN_MS
from node.money.requests import (
    ClosureWish,
    DepositPaymentWish,
    DepositSettlementWish,
    DepositWish,
    InvitationWish,
    OrderWish,
    PaymentWish,
    RefundWish,
)
from node.money.top_up_requests import TopUpWish
from node.service import ServiceRefused
from node.web import WebServer
from tests.node.gateway_province import PATIENCE_S, STAFF, Province
from tests.node.test_money_desk import LI, WEI, billed, done, notice, order, patient, refused, shown

PERSON = {"psn_no": "330100000000001", "mdtrt_id": "V202606010001"}


@dataclass
class Counter:
    """A hospital whose gateway has all channels, and what stands behind them."""

    province: Province
    sides: OtherSides
    gateway: Gateway
    answers: list[int]

    def side(self, name: str) -> Simulator:
        return next(side for side in self.sides.all if side.name == name)

    async def asked(self, number: str, **parts: int) -> tuple[str, str]:
        """(notice, order), of one notice."""
        name = await done(self.gateway, notice(f"JF-{number}", test=sum(parts.values())))
        return name, await done(self.gateway, order(f"ZF-{number}", name, **parts))

    async def invited(self, asked: str, part: int = 0, **details: str) -> dict[str, Any]:
        return await self.gateway.money.invite(InvitationWish(part, details=details), STAFF, asked)

    def codes(self, kind: type) -> list[str]:
        """What became of all operations of a kind."""
        chain, found = self.province.chain, []
        for height in range(1, chain.height + 1):
            view = chain.view(height)
            entries = [entry for own in view.received for entry in own.transaction.entries]
            found += [
                outcome.code
                for entry, outcome in zip(entries, view.outcomes, strict=True)
                if isinstance(entry.operation, kind)
            ]
        return found


async def soon(condition: Callable[[], Any]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while True:
            found = condition()
            if await found if asyncio.iscoroutine(found) else found:
                return
            await asyncio.sleep(0.01)


@pytest.fixture
async def counter(tmp_path: Path) -> AsyncIterator[Counter]:
    province, answers = Province(tmp_path), []
    gateways: list[Gateway] = []

    async def receive(request: Request) -> Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        status, kind, body = await gateways[0].money.hear(request.path_params["channel"], headers, await request.body())
        answers.append(status)
        return Response(body, status, headers={"Content-Type": kind})

    web = WebServer(Starlette(routes=[Route("/channels/{channel}", receive, methods=["POST"])]), "127.0.0.1", 0)
    sides = OtherSides(
        tmp_path / "keys", f"http://127.0.0.1:{web.port}/channels", (0, 0.05, 0.05, 0.05), lambda: province.now_ms
    )
    await sides.start()
    try:
        sides.insurance.insured[PERSON["psn_no"]] = Insured(fund_percent=60, account_fen=10_000)
        root = compose_config(sides.write_configuration().encode(), "channels.yaml", "channels")
        configs = read_channels(root)
        root.finish()
        root.problems.settle()
        province.channels = open_channels(configs, sides.keys, tmp_path / "books", lambda: province.now_ms)
        gateways.append(await province.start("hospital-a"))
        yield Counter(province, sides, gateways[0], answers)
    finally:
        await province.stop()
        await sides.stop()
        await web.stop()


async def test_a_wallets_own_notice_pays_the_part_and_the_bill_follows(counter: Counter) -> None:
    """FEATURES 86: two wallets and the fund, each in its own form."""
    name, asked = await counter.asked("1", alipay=4_000, wechat=6_000)
    for part, channel in enumerate(("alipay", "wechat")):
        invitation = await counter.invited(asked, part)
        assert (invitation["channel"], invitation["state"]) == (channel, "invited")
        assert invitation["text"]
        if part == 0:
            counter.side(channel).payer_scans(invitation["order_no"])
        counter.side(channel).payer_pays(invitation["order_no"])
    await billed(counter.gateway, name)
    page = await shown(counter.gateway, "order", asked)
    assert (page["state"], [part["payment"] is not None for part in page["parts"]]) == ("paid", [True, True])
    assert counter.codes(TakePayment) == ["recorded"] * 2


async def test_the_same_notice_five_times_is_one_payment(counter: Counter) -> None:
    """FEATURES 87."""
    _name, asked = await counter.asked("1", wechat=10_000)
    invitation = await counter.invited(asked)
    side = counter.side("wechat")
    sale = side.payer_pays(invitation["order_no"])
    for _ in range(4):
        side.tell(sale)
    await soon(lambda: len(counter.answers) >= 5)
    await soon(lambda: _is_paid(counter.gateway, asked))
    assert counter.codes(TakePayment) == ["recorded"]
    assert counter.codes(TakeStray) == []


async def test_a_notice_after_the_order_was_closed_goes_back_by_itself(counter: Counter) -> None:
    """FEATURES 87."""
    _name, asked = await counter.asked("1", wechat=10_000)
    invitation = await counter.invited(asked)
    await done(counter.gateway, ClosureWish("unpaid"), asked)
    side = counter.side("wechat")
    sale = side.payer_pays(invitation["order_no"])
    await soon(lambda: counter.codes(RefundPayment) == ["recorded"])
    assert counter.codes(TakeStray) == ["recorded"]
    await soon(lambda: sum(refund.amount_fen for refund in sale.refunds.values()) == 10_000)
    assert (await shown(counter.gateway, "order", asked))["state"] == "closed"


async def test_a_part_whose_notice_is_lost_is_asked_for(counter: Counter) -> None:
    _name, asked = await counter.asked("1", wechat=10_000)
    invitation = await counter.invited(asked)
    side = counter.side("wechat")
    side.notifier.is_silent = True
    side.payer_pays(invitation["order_no"])
    counter.province.now_ms += ASKED_AGAIN_MS
    counter.gateway.money.parts.look_now()

    async def is_paid() -> bool:
        return bool((await shown(counter.gateway, "order", asked))["state"] == "paid")

    await soon(is_paid)
    assert counter.answers == []


async def test_an_unpaid_order_is_closed_when_its_time_is_over_and_its_notice_is_owed_again(counter: Counter) -> None:
    name, asked = await counter.asked("1", wechat=10_000)
    await counter.invited(asked)
    counter.province.now_ms += 31 * 60_000
    counter.gateway.money.parts.look_now()

    async def is_closed() -> bool:
        return bool((await shown(counter.gateway, "order", asked))["state"] == "closed")

    await soon(is_closed)
    assert (await shown(counter.gateway, "notice", name))["state"] == "owed"


async def test_the_insurance_answers_at_once(counter: Counter) -> None:
    _name, asked = await counter.asked("1", fund=6_000, cash=4_000)
    with pytest.raises(ServiceRefused, match="amount_differs"):
        await counter.invited(asked, 0, medfee_sumamt="99.00", **PERSON)
    paid = await counter.invited(asked, 0, medfee_sumamt="100.00", **PERSON)
    assert paid["state"] == "paid"
    await soon(lambda: counter.codes(TakePayment) == ["recorded"])


async def test_forged_and_foreign_notices_pay_nothing(counter: Counter) -> None:
    _name, asked = await counter.asked("1", wechat=10_000)
    await counter.invited(asked)
    for channel, body in (("wechat", b"{}"), ("alipay", b"sign=x"), ("alipay", b""), ("wechat", b"\xff")):
        status, _kind, _body = await counter.gateway.money.hear(channel, {}, body)
        assert status >= 400 or channel == "alipay"  # Alipay wants to read "failure"
    with pytest.raises(ServiceRefused) as caught:
        await counter.gateway.money.hear("nobody", {}, b"")
    assert caught.value.code == "not_found"
    assert counter.codes(TakePayment) == []
    assert counter.gateway.money.parts.refused_notices == 4


async def test_an_invitation_is_refused_for_what_cannot_be_paid(counter: Counter) -> None:
    async def code(part: int, target: str, subject: str = "fees") -> str:
        with pytest.raises(ServiceRefused) as caught:
            await counter.gateway.money.invite(InvitationWish(part, subject), STAFF, target)
        return caught.value.code

    _name, asked = await counter.asked("1", wechat=6_000, voucher=4_000)
    assert await code(0, "0" * 64) == "order_unknown"
    assert await code(2, asked) == "part_unknown"
    assert await code(1, asked) == "channel_unknown"
    assert await code(0, asked, "a&b=c") == "invalid_value"
    await done(counter.gateway, ClosureWish("unpaid"), asked)
    assert await code(0, asked) == "order_closed"


async def test_one_patient_does_not_fill_the_outbox(counter: Counter, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is asked for counts; a counter is not bound by it."""
    monkeypatch.setattr(pace, "WISHES_MAX", 2)
    gateway, wei = counter.gateway, patient(WEI)
    deposit = await done(gateway, DepositWish("YJ-1", WEI))
    for number in (1, 2):
        await gateway.money.invite_top_up(TopUpWish(f"CZ-{number}", "wechat", 1), wei, deposit)
    with pytest.raises(ServiceRefused, match="too_many_requests"):
        await gateway.money.invite_top_up(TopUpWish("CZ-3", "wechat", 1), wei, deposit)
    name, asked = await counter.asked("1", wechat=10_000)
    with pytest.raises(ServiceRefused, match="too_many_requests"):
        await gateway.money.invite(InvitationWish(0), wei, asked)
    assert await refused(gateway, order("1", name, wechat=10_000), reader=wei) == "too_many_requests"
    assert (await gateway.money.invite(InvitationWish(0), STAFF, asked))["state"] == "invited"
    assert len(gateway.money.rows_kept.due("part", 9)) == 3


async def test_a_patients_word_is_no_payment(counter: Counter) -> None:
    """Cash is a cashier's to see, and whose insurance pays the hospital's: from a phone nobody says that it came."""
    gateway = counter.gateway
    _name, asked = await counter.asked("1", cash=4_000, fund=6_000)
    deposit = await done(gateway, DepositWish("YJ-1", WEI))
    for part, details in ((0, {"cashier": "desk-1"}), (1, PERSON | {"medfee_sumamt": "100.00"})):
        with pytest.raises(ServiceRefused, match="channel_differs"):
            await gateway.money.invite(InvitationWish(part, details=details), patient(WEI), asked)
    for channel in ("cash", "deposit", "fund", "account"):
        wish = TopUpWish("CZ-1", channel, 900_000, details={"cashier": "desk-1", "transfer_id": "1"} | PERSON)
        with pytest.raises(ServiceRefused, match="channel_differs"):
            await gateway.money.invite_top_up(wish, patient(WEI), deposit)
    assert (counter.codes(TakePayment), counter.codes(PayDeposit)) == ([], [])
    with pytest.raises(ServiceRefused, match="channel_refused"):
        await gateway.money.invite(InvitationWish(0, details={"cashier": "a name"}), STAFF, asked)
    page = await gateway.money.invite(InvitationWish(0, details={"cashier": "desk-1"}), STAFF, asked)
    assert page["state"] == "paid"


async def test_a_patient_is_invited_to_what_they_owe_themselves(counter: Counter) -> None:
    """Who knows another one's order learns nothing by it, and the channel hears of nothing."""
    _name, asked = await counter.asked("1", wechat=10_000)
    with pytest.raises(ServiceRefused, match="order_unknown"):
        await counter.gateway.money.invite(InvitationWish(0), patient(LI), asked)
    assert counter.gateway.money.rows_kept.due("part", 1) == []
    page = await counter.gateway.money.invite(InvitationWish(0), patient(WEI), asked)
    assert page["state"] == "invited"


async def test_what_is_paid_is_asked_for_no_longer_though_its_payer_is_invited_once_more(counter: Counter) -> None:
    gateway, now = counter.gateway, counter.province
    deposit = await done(gateway, DepositWish("YJ-1", WEI))
    wish = TopUpWish("CZ-1", "wechat", 100)
    page = await gateway.money.invite_top_up(wish, patient(WEI), deposit)
    counter.side("wechat").payer_pays(page["order_no"])
    await soon(lambda: counter.codes(PayDeposit) == ["recorded"])
    await gateway.money.invite_top_up(msgspec.structs.replace(wish, subject="once more"), patient(WEI), deposit)
    now.now_ms += ASKED_AGAIN_MS
    gateway.money.parts.look_now()
    await soon(lambda: not gateway.money.rows_kept.due("part", 9))
    assert counter.codes(PayDeposit) == ["recorded"]


async def test_a_deposit_pays_by_its_own_account_and_by_nobodys_mark(counter: Counter) -> None:
    """What the ledger moves itself no counter says: it was told as paid, and nothing was."""
    gateway = counter.gateway
    _name, asked = await counter.asked("1", deposit=10_000)
    own = await done(gateway, DepositWish("YJ-1", WEI))
    with pytest.raises(ServiceRefused, match="channel_differs"):
        await counter.invited(asked, transfer_id="1")
    with pytest.raises(ServiceRefused, match="channel_differs"):
        await gateway.money.invite_top_up(TopUpWish("CZ-1", "deposit", 9, details={"transfer_id": "1"}), STAFF, own)
    assert (gateway.money.rows_kept.due("stray", 9), counter.codes(TakeStray)) == ([], [])


async def test_both_sides_of_a_channels_day_say_the_same(counter: Counter) -> None:
    """FEATURES 92: what this gateway has, beside what the channel writes the day after; what strayed and went back is in both."""
    for number, amount_fen in (("1", 10_000), ("2", 700)):
        _name, asked = await counter.asked(number, wechat=amount_fen)
        invitation = await counter.invited(asked)
        if number == "2":
            await done(counter.gateway, ClosureWish("unpaid"), asked)
        sale = counter.side("wechat").payer_pays(invitation["order_no"])
    await soon(lambda: counter.codes(TakePayment) == ["recorded"] and counter.codes(RefundPayment) == ["recorded"])
    await soon(lambda: sum(refund.amount_fen for refund in sale.refunds.values()) == 700)
    await soon(lambda: not counter.gateway.money.rows_kept.due("back", 9))
    day = date(2026, 6, 1)
    ours = [line async for line in counter.gateway.money.our_lines("wechat", 20260601)]
    counter.province.now_ms += 24 * 3_600_000
    file = io.BytesIO()
    await counter.gateway.money.statement("wechat", day, file)
    file.seek(0)
    theirs = list(counter.province.channels["wechat"].read_statement(file))

    def told(line: Any) -> tuple[str, str, int, str, str]:
        return line.kind, line.order_no, line.amount_fen, line.trade_no, line.refund_no

    assert sorted(map(told, ours)) == sorted(map(told, theirs))
    assert sorted((line.kind, line.amount_fen) for line in ours) == [
        ("payment", 700),
        ("payment", 10_000),
        ("refund", 700),
    ]
    with pytest.raises(ServiceRefused, match="channel_unknown"):
        await counter.gateway.money.statement("nobody", day, file)


async def _is_paid(gateway: Gateway, asked: str) -> bool:
    return bool((await shown(gateway, "order", asked))["state"] == "paid")


# ── deposits ─────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_deposit_is_paid_into_from_a_phone_and_the_rest_goes_back_there(counter: Counter) -> None:
    """FEATURES 16: voucher, top-up over a channel, settlement, refund; once for each of the channel's numbers."""
    gateway = counter.gateway
    name = await done(gateway, DepositWish("YJ-1", WEI))
    await done(gateway, DepositPaymentWish("cash", "SJ-1", 20_000), name)
    wish = TopUpWish("CZ-1", "alipay", 50_000)
    page = await gateway.money.invite_top_up(wish, patient(WEI), name)
    assert (page["deposit"], page["state"]) == (name, "invited")
    assert (await gateway.money.invite_top_up(wish, STAFF, name))["order_no"] == page["order_no"]
    side = counter.side("alipay")
    side.payer_scans(page["order_no"])
    sale = side.payer_pays(page["order_no"])
    side.tell(sale)  # and again
    await soon(lambda: _is_left(gateway, name, 70_000))
    assert [row["channel"] for row in (await shown(gateway, "deposit", name))["vouchers"]] == ["cash", "alipay"]
    assert counter.codes(PayDeposit) == ["recorded", "recorded"]
    await done(gateway, DepositSettlementWish(), name)
    assert (await shown(gateway, "deposit", name))["balance_fen"] == 0
    await soon(lambda: sum(refund.amount_fen for refund in sale.refunds.values()) == 50_000)
    await soon(lambda: gateway.money.rows_kept.due("back", 10) == [])


async def test_what_a_phone_paid_while_the_deposit_was_settled_goes_back(counter: Counter) -> None:
    gateway = counter.gateway
    name = await done(gateway, DepositWish("YJ-1", WEI))
    page = await gateway.money.invite_top_up(TopUpWish("CZ-1", "wechat", 30_000), STAFF, name)
    await done(gateway, DepositSettlementWish(), name)
    side = counter.side("wechat")
    sale = side.payer_pays(page["order_no"])
    await soon(lambda: sum(refund.amount_fen for refund in sale.refunds.values()) == 30_000)
    assert counter.codes(TakeStray) == ["recorded"]
    assert (await shown(gateway, "deposit", name))["vouchers"] == []
    with pytest.raises(ServiceRefused, match="deposit_settled"):
        await gateway.money.invite_top_up(TopUpWish("CZ-2", "wechat", 1), STAFF, name)


async def test_nobody_else_pays_into_a_deposit_nor_sees_it(counter: Counter) -> None:
    gateway = counter.gateway
    name = await done(gateway, DepositWish("YJ-1", WEI))
    for wish, reader, target, code in (
        (TopUpWish("CZ-1", "alipay", 1), patient(LI), name, "deposit_unknown"),
        (TopUpWish("CZ-1", "alipay", 1), STAFF, "0" * 64, "deposit_unknown"),
        (TopUpWish("CZ-1", "barter", 1), STAFF, name, "channel_unknown"),
    ):
        with pytest.raises(ServiceRefused, match=code):
            await gateway.money.invite_top_up(wish, reader, target)
    with pytest.raises(
        ServiceRefused, match="channel_differs"
    ):  # or the wallet's own notice of that number would be lost
        await gateway.money.do(DepositPaymentWish("alipay", "2026030122001", 10), STAFF, name)
    await gateway.money.invite_top_up(TopUpWish("CZ-1", "alipay", 10), STAFF, name)
    with pytest.raises(ServiceRefused, match="business_no_conflict"):
        await gateway.money.invite_top_up(TopUpWish("CZ-1", "alipay", 11), STAFF, name)
    assert await gateway.money.show("deposit", name, patient(LI)) is None
    (own,) = (await gateway.money.rows("deposit", patient(WEI), None, 10)).data
    assert (own["deposit"], own["balance_fen"]) == (name, 0)
    assert (await gateway.money.rows("deposit", patient(LI), None, 10)).data == []


async def _is_left(gateway: Gateway, name: str, amount_fen: int) -> bool:
    return bool((await shown(gateway, "deposit", name))["balance_fen"] == amount_fen)


# ── from a phone ─────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_what_is_owed_is_paid_from_a_phone(counter: Counter) -> None:
    """FEATURES 85: order, wallet, bill, and nobody at a counter."""
    gateway, wei = counter.gateway, patient(WEI)
    name = await done(gateway, notice("JF-1", test=10_000))
    asked = await done(gateway, order("1", name, wechat=10_000), reader=wei)
    assert (await shown(gateway, "order", asked, wei))["order_no"] == "1"
    invited = await gateway.money.invite(InvitationWish(0), wei, asked)
    counter.side("wechat").payer_pays(invited["order_no"])
    await billed(gateway, name)
    assert (await shown(gateway, "order", asked, wei))["state"] == "paid"


async def test_a_phone_pays_its_owners_debts_by_channels_that_ask_and_soon(counter: Counter) -> None:
    gateway, wei, li = counter.gateway, patient(WEI), patient(LI)
    name, others = [await done(gateway, notice(f"JF-{payer.name}", payer)) for payer in (WEI, LI)]

    async def code(wish: OrderWish, reader: Any = wei) -> str:
        return await refused(gateway, wish, reader=reader)

    mine = order("1", name, wechat=10_000)
    assert await code(mine, li) == "notice_unknown"
    assert await code(order("1", name, others, wechat=20_000)) == "notice_unknown"
    assert await code(order("1", name, cash=10_000)) == "channel_differs"
    assert await code(order("1", name, wechat=9_000, fund=1_000)) == "channel_differs"
    assert await code(order("1", name, voucher=10_000)) == "channel_differs"
    assert await code(msgspec.structs.replace(mine, minutes=31)) == "invalid_value"
    assert await code(order("1", name, wechat=9_999)) == "sum_mismatch"
    asked = await done(gateway, mine, reader=wei)
    assert (await gateway.money.do(mine, wei)).repeated
    assert await done(gateway, order("1", others, wechat=10_000), reader=li) != asked  # each counts for themselves
    assert await gateway.money.show("order", asked, li) is None
    assert await refused(gateway, ClosureWish("changed"), asked, li) == "order_unknown"
    await done(gateway, ClosureWish("changed"), asked, wei)
    at_the_counter = await done(gateway, order("ZF-1", name, cash=10_000))
    assert (await shown(gateway, "order", at_the_counter, wei))["state"] == "open"
    assert await refused(gateway, ClosureWish("changed"), at_the_counter, wei) == "order_unknown"


# ── orders that come to nothing ──────────────────────────────────────────────────────────────────────────────────────


async def half_paid(counter: Counter) -> tuple[str, str, Any]:
    """(notice, order, the wallet's sale): the wallet has paid its part, the cash has not come."""
    name, asked = await counter.asked("1", wechat=6_000, cash=4_000)
    sale = counter.side("wechat").payer_pays((await counter.invited(asked))["order_no"])
    await soon(lambda: counter.codes(TakePayment) == ["recorded"])
    return name, asked, sale


async def test_what_a_wallet_paid_of_an_order_that_the_counter_closes_goes_back(counter: Counter) -> None:
    name, asked, sale = await half_paid(counter)
    await done(counter.gateway, ClosureWish("patient_left"), asked)
    await soon(lambda: sum(refund.amount_fen for refund in sale.refunds.values()) == 6_000)
    assert (await shown(counter.gateway, "notice", name))["state"] == "owed"
    await soon(lambda: counter.gateway.money.rows_kept.due("order", 9) == [])


async def test_another_gateway_closes_it_and_the_one_that_heard_of_the_payment_gives_it_back(counter: Counter) -> None:
    _name, asked, sale = await half_paid(counter)
    counter.province.channels = {}
    other = await counter.province.start("hospital-a-2")
    await done(other, ClosureWish("patient_left"), asked)
    await soon(lambda: sum(refund.amount_fen for refund in sale.refunds.values()) == 6_000)
    assert set(counter.codes(RefundPayment)) <= {"recorded", "already_recorded"}


async def test_a_refund_waits_for_a_channel_that_was_taken_out_and_says_so(counter: Counter) -> None:
    _name, asked, sale = await half_paid(counter)
    channels = counter.gateway.money.parts._channels
    kept, parts = dict(channels), counter.gateway.money.parts
    channels.clear()  # type: ignore[attr-defined]
    await done(counter.gateway, ClosureWish("patient_left"), asked)
    await soon(lambda: set(parts.waiting.codes.values()) == {"channel_unknown"})
    assert not sale.refunds
    channels.update(kept)  # type: ignore[attr-defined]
    await soon(lambda: sum(refund.amount_fen for refund in sale.refunds.values()) == 6_000)
    await soon(lambda: parts.waiting.codes == {})


async def test_nothing_is_remembered_of_a_part_that_is_paid(counter: Counter) -> None:
    """When it was asked for last, that is: it lies in memory."""
    parts = counter.gateway.money.parts
    _name, asked = await counter.asked("1", wechat=10_000)
    invitation = await counter.invited(asked)
    parts.look_now()
    await soon(lambda: len(parts._asked_ms) == 1)
    counter.side("wechat").payer_pays(invitation["order_no"])
    await soon(lambda: _is_paid(counter.gateway, asked))
    assert parts._asked_ms == {}


async def test_a_channel_that_does_not_answer_is_told_of_until_it_does(
    counter: Counter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A part is asked for now and then; in between nobody has answered yet."""
    monkeypatch.setattr(channel_parts, "LOOK_S", 0.01)
    parts, asked_ms = counter.gateway.money.parts, counter.province.now_ms
    _name, asked = await counter.asked("1", wechat=10_000)
    part = counter.gateway.money.filing.names.of("part", (await counter.invited(asked))["order_no"])
    looks: list[bytes] = []
    watch = parts._watch

    async def away(request: Any) -> Any:
        raise ChannelUnreachable("wechat", "nobody is there")

    async def watched(name: bytes) -> None:
        looks.append(name)
        await watch(name)

    with monkeypatch.context() as broken:
        broken.setattr(counter.province.channels["wechat"], "query", away)
        broken.setattr(parts, "_watch", watched)
        counter.province.now_ms = asked_ms + ASKED_AGAIN_MS
        await soon(lambda: parts._asked_ms.get(part, 0) > asked_ms)
        looks.clear()
        await soon(lambda: len(looks) > 3)
        assert parts.waiting.codes == {part: "channel_unreachable"}
    counter.province.now_ms += ASKED_AGAIN_MS
    await soon(lambda: parts.waiting.codes == {})


@pytest.mark.parametrize("word", ["the channel's notice", "the channel's answer"])
async def test_what_another_gateway_heard_of_is_asked_for_no_longer(counter: Counter, word: str) -> None:
    gateway = counter.gateway
    names, parts = gateway.money.filing.names, gateway.money.parts
    _name, asked = await counter.asked("1", wechat=10_000)
    order_no = (await counter.invited(asked))["order_no"]
    counter.side("wechat").notifier.is_silent = True
    counter.side("wechat").payer_pays(order_no)
    private = parts.known(names.of("part", order_no))
    assert private is not None
    paid = await counter.province.channels["wechat"].query(private.request())
    evidence = names.of("answer", order_no) if word.endswith("answer") else b"e" * 32
    payment = names.of("payment", "wechat", paid.trade_no)
    taken = TakePayment(payment, bytes.fromhex(asked), 0, 10_000, evidence)
    assert counter.province.run("hospital-a", taken) == ["recorded"]
    counter.province.now_ms += ASKED_AGAIN_MS
    parts.look_now()
    await soon(lambda: gateway.money.rows_kept.due("part", 9) == [])
    assert gateway.money.rows_kept.get("payment", payment) is None  # the other one gives back what is to go back


async def test_a_stray_whose_refund_was_refused_goes_back_once_it_may(counter: Counter) -> None:
    """The hospital was suspended in between."""
    province, gateway = counter.province, counter.gateway
    _name, asked = await counter.asked("1", wechat=10_000)
    order_no = (await counter.invited(asked))["order_no"]
    await done(gateway, ClosureWish("unpaid"), asked)
    sale = counter.side("wechat").payer_pays(order_no)
    await soon(lambda: counter.codes(TakeStray) == ["recorded"])
    province.hold()
    await soon(lambda: any(isinstance(item.operation, RefundPayment) for item in gateway._outbox.items.values()))
    province.run("finance-city", SuspendOrganisation("hospital-a", "audit", 0, []))
    province.go_on()
    await soon(lambda: counter.codes(RefundPayment) == ["organisation_suspended"])
    assert gateway.money.rows_kept.due("back", 9) == []
    province.run("finance-city", ResumeOrganisation("hospital-a", 1, []))
    await soon(lambda: sum(refund.amount_fen for refund in sale.refunds.values()) == 10_000)
    await soon(lambda: gateway.money.rows_kept.due("stray", 9) == [])


async def test_what_was_paid_and_offered_once_more_is_asked_for_no_longer(counter: Counter) -> None:
    _name, asked = await counter.asked("1", wechat=10_000)
    order_no = (await counter.invited(asked))["order_no"]
    counter.province.hold()
    counter.side("wechat").payer_pays(order_no)
    await soon(lambda: counter.answers)
    await counter.gateway.money.invite(InvitationWish(0, "other words"), STAFF, asked)
    counter.province.go_on()
    counter.province.now_ms += ASKED_AGAIN_MS
    counter.gateway.money.parts.look_now()
    await soon(lambda: counter.gateway.money.rows_kept.due("part", 9) == [])


async def test_an_order_of_which_one_part_never_came_is_closed_in_time(counter: Counter) -> None:
    name, asked, sale = await half_paid(counter)
    counter.province.now_ms += 31 * 60_000
    await soon(lambda: sum(refund.amount_fen for refund in sale.refunds.values()) == 6_000)
    assert (await shown(counter.gateway, "order", asked))["state"] == "closed"
    assert (await shown(counter.gateway, "notice", name))["state"] == "owed"


async def test_an_order_that_nobody_paid_is_closed_and_its_notice_can_be_paid_otherwise(counter: Counter) -> None:
    name, _asked = await counter.asked("1", cash=10_000)
    counter.province.now_ms += 31 * 60_000

    async def is_owed() -> bool:
        return bool((await shown(counter.gateway, "notice", name))["state"] == "owed")

    await soon(is_owed)
    await done(counter.gateway, order("ZF-2", name, card=10_000))


async def test_what_a_counter_took_of_an_order_waits_for_people(counter: Counter) -> None:
    _name, asked = await counter.asked("1", wechat=6_000, cash=4_000)
    await done(counter.gateway, PaymentWish(1, "receipt 1", 4_000), asked)
    counter.province.now_ms += 31 * 60_000
    await counter.gateway.money.ends.look()
    assert (await shown(counter.gateway, "order", asked))["state"] == "open"
    await done(counter.gateway, ClosureWish("patient_left"), asked)
    await soon(lambda: counter.codes(RefundPayment) == ["recorded"])


async def test_a_refund_that_another_gateway_asked_for_is_given_back_by_who_heard_of_the_payment(
    counter: Counter,
) -> None:
    name, asked = await counter.asked("1", wechat=10_000)
    sale = counter.side("wechat").payer_pays((await counter.invited(asked))["order_no"])
    bill = await billed(counter.gateway, name)
    counter.province.channels = {}
    other = await counter.province.start("hospital-a-2")
    red = await counter.gateway.reverse(bill, "wrong payer", "cashier", None)
    assert red.bill_id is not None
    await counter.gateway.wait(red, PATIENCE_S, "recorded")
    await done(other, RefundWish(), red.bill_id)
    await soon(lambda: sum(refund.amount_fen for refund in sale.refunds.values()) == 10_000)
    await soon(lambda: counter.gateway.money.rows_kept.due("back", 9) == [])
    await soon(lambda: other.money.rows_kept.due("back", 9) == [])
