"""Orders from the invitation to the statement, over HTTP, against every channel's simulator."""

from __future__ import annotations

import html
import re
from hashlib import sha256

import httpx2
import pytest

from node.channels import (
    ABSENT,
    CLOSED,
    FORM,
    PAYMENT,
    PENDING,
    QR_CODE,
    REFUND,
    SUCCESS,
    ChannelRefused,
    ChannelState,
    ChannelUnreachable,
    Invitation,
    PaymentRequest,
    StatementNotReady,
)
from node.channels.simulators.simulator import Simulator
from node.channels.simulators.till import TillRefused
from tests.channels.counter import HOUR_MS, PERSON, START_MS, Counter

NOTIFYING = ["alipay", "wechat", "quickpass", "card"]


def simulator_of(counter: Counter, name: str) -> Simulator:
    sides = counter.sides
    return {"alipay": sides.alipay, "wechat": sides.wechat}.get(name, sides.unionpay)


async def invite(counter: Counter, name: str, request: PaymentRequest) -> Invitation:
    """What the payer does with an invitation: scan the code, or post the form."""
    invitation = await counter.channels[name].pay(request)
    if invitation.kind == FORM:
        address = re.findall(r'action="([^"]+)"', invitation.text)[0]
        fields = {
            html.unescape(key): html.unescape(value)
            for key, value in re.findall(r'name="([^"]+)" value="([^"]*)"', invitation.text)
        }
        async with httpx2.AsyncClient(trust_env=False) as browser:
            answer = await browser.post(address, data=fields)
        assert answer.status_code == 200, answer.text
    return invitation


@pytest.mark.parametrize("name", NOTIFYING)
async def test_an_order_is_paid_told_and_stated(counter: Counter, name: str) -> None:
    """FEATURES 86: the same story for all of them; the moment is the simulator's, to the second."""
    channel, request = counter.channels[name], counter.request("ORDER0000000001")
    invitation = await invite(counter, name, request)
    assert invitation.kind == (FORM if name == "card" else QR_CODE)
    assert invitation.text
    assert (await channel.query(request)).state == (ABSENT if name == "alipay" else PENDING)

    counter.clock.forward(60_000)
    sale = simulator_of(counter, name).payer_pays(request.order_no)
    await simulator_of(counter, name).notifier.settle()

    assert await channel.query(request) == ChannelState(SUCCESS, sale.trade_no, 26_430, START_MS + 60_000)
    [notice] = counter.notices
    assert (notice.kind, notice.order_no, notice.trade_no) == (PAYMENT, request.order_no, sale.trade_no)
    assert (notice.amount_fen, notice.state) == (26_430, SUCCESS)
    [delivery] = simulator_of(counter, name).notifier.deliveries
    assert notice.evidence == sha256(delivery.body).digest()
    assert delivery.is_acknowledged

    with pytest.raises(StatementNotReady):
        await counter.statement(name)
    counter.next_day()
    [line] = await counter.statement(name)
    assert (line.channel, line.kind, line.order_no, line.trade_no) == (name, PAYMENT, request.order_no, sale.trade_no)
    assert (line.amount_fen, line.fee_fen, line.state, line.time_ms) == (26_430, 159, SUCCESS, START_MS + 60_000)


@pytest.mark.parametrize("name", NOTIFYING)
async def test_part_of_it_is_given_back_once(counter: Counter, name: str) -> None:
    """Asked twice, given once; more than was paid is refused; the statement has both lines, with the fee given back."""
    channel, request = counter.channels[name], counter.request("ORDER0000000002")
    await invite(counter, name, request)
    sale = simulator_of(counter, name).payer_pays(request.order_no)
    refund = counter.refund("REFUND0000000001", sale.trade_no, 6_430)

    assert (await channel.query_refund(request, refund)).state == ABSENT
    first = await channel.refund(request, refund)
    again = await channel.refund(request, refund)
    assert (first.state, first.amount_fen) == (PENDING if name == "wechat" else SUCCESS, 6_430)
    assert again == await channel.query_refund(request, refund)
    assert (again.state, again.refund_no, again.amount_fen) == (SUCCESS, refund.refund_no, 6_430)
    assert sum(given.amount_fen for given in sale.refunds.values()) == 6_430
    with pytest.raises(ChannelRefused):
        await channel.refund(request, counter.refund("REFUND0000000002", sale.trade_no, 20_001))

    await simulator_of(counter, name).notifier.settle()
    told = [notice for notice in counter.notices if notice.kind == REFUND]
    assert [(notice.order_no, notice.refund_no, notice.trade_no, notice.amount_fen) for notice in told] == [
        (request.order_no, refund.refund_no, sale.trade_no, 6_430)
    ]
    assert (await channel.query(request)).state == SUCCESS  # it was paid all the same
    counter.next_day()
    lines = await counter.statement(name)
    assert [(line.kind, line.order_no, line.trade_no, line.refund_no) for line in lines] == [
        (PAYMENT, request.order_no, sale.trade_no, ""),
        (REFUND, request.order_no, sale.trade_no, refund.refund_no),
    ]
    assert [(line.amount_fen, line.fee_fen) for line in lines] == [(26_430, 159), (6_430, -39)]


async def test_all_of_it_given_back_is_still_an_order_that_was_paid(counter: Counter) -> None:
    """Alipay shows it as closed, like one that nobody paid."""
    channel, request = counter.channels["alipay"], counter.request("ORDER0000000003")
    await channel.pay(request)
    sale = counter.sides.alipay.payer_pays(request.order_no)
    await channel.refund(request, counter.refund("REFUND0000000003", sale.trade_no, 26_430))
    assert await channel.query(request) == ChannelState(SUCCESS, sale.trade_no, 26_430, START_MS)


@pytest.mark.parametrize("name", ["alipay", "wechat"])
async def test_a_closed_order_cannot_be_paid(counter: Counter, name: str) -> None:
    channel, request = counter.channels[name], counter.request("ORDER0000000004")
    await channel.pay(request)
    simulator_of(counter, name).payer_scans(request.order_no)
    assert (await channel.close(request)).state == CLOSED
    assert (await channel.close(request)).state == CLOSED
    assert (await channel.query(request)).state == CLOSED
    with pytest.raises(TillRefused):
        simulator_of(counter, name).payer_pays(request.order_no)


@pytest.mark.parametrize("name", NOTIFYING)
async def test_closing_what_was_paid_meanwhile_says_so(counter: Counter, name: str) -> None:
    """FEATURES 87: the notice was lost; whoever closes learns of the money."""
    channel, request = counter.channels[name], counter.request("ORDER0000000005")
    await invite(counter, name, request)
    simulator_of(counter, name).notifier.is_silent = True
    sale = simulator_of(counter, name).payer_pays(request.order_no)
    assert await channel.close(request) == ChannelState(SUCCESS, sale.trade_no, 26_430, START_MS)
    assert counter.notices == []


@pytest.mark.parametrize("name", ["alipay", "quickpass", "card"])
async def test_where_nothing_can_be_closed_it_ends_by_its_expiry(counter: Counter, name: str) -> None:
    """An unscanned Alipay code and UnionPay's orders: PENDING until then, and a late payer still pays."""
    channel, request = counter.channels[name], counter.request("ORDER0000000006")
    await invite(counter, name, request)
    assert (await channel.close(request)).state == PENDING
    counter.clock.forward(HOUR_MS + 1_000)
    assert (await channel.close(request)).state == CLOSED
    with pytest.raises(TillRefused):
        simulator_of(counter, name).payer_pays(request.order_no)


@pytest.mark.parametrize("name", ["alipay", "wechat", "quickpass"])
async def test_an_order_number_is_one_order(counter: Counter, name: str) -> None:
    """Asked again it is the same; with another amount it is refused."""
    channel, request = counter.channels[name], counter.request("ORDER0000000007")
    assert await channel.pay(request) == await channel.pay(request)
    with pytest.raises(ChannelRefused) as refused:
        await channel.pay(counter.request("ORDER0000000007", 1))
    assert refused.value.code == "channel_refused"


async def test_a_notice_comes_until_it_is_acknowledged(counter: Counter) -> None:
    """Three times refused for want of room; each time the same notice by its number, for WeChat Pay signed anew."""
    counter.is_closed = 3
    request = counter.request("ORDER0000000008")
    await counter.channels["wechat"].pay(request)
    counter.sides.wechat.payer_pays(request.order_no)
    await counter.sides.wechat.notifier.settle()
    assert len(counter.notices) == 4
    assert len({notice.notice_no for notice in counter.notices}) == 1
    deliveries = counter.sides.wechat.notifier.deliveries
    assert [delivery.is_acknowledged for delivery in deliveries] == [False, False, False, True]
    assert len({delivery.headers["Wechatpay-Signature"] for delivery in deliveries}) == 4


async def test_the_fund_pays_its_share_at_once(counter: Counter) -> None:
    """120.00 of 200.00; asked again it is the same settlement, looked up it is there, taken back it is stated."""
    channel = counter.channels["fund"]
    request = counter.request("ORDER0000000009", 12_000, medfee_sumamt="200.00", **PERSON)
    invitation = await channel.pay(request)
    state = invitation.state
    assert state is not None
    assert (state.state, state.amount_fen, state.time_ms) == (SUCCESS, 12_000, START_MS)
    assert (await channel.pay(request)).state == state
    assert await channel.query(request) == state
    assert await channel.close(request) == state

    refund = counter.refund("REFUND0000000009", state.trade_no, 12_000)
    with pytest.raises(ChannelRefused) as refused:
        await channel.refund(request, counter.refund("REFUND0000000010", state.trade_no, 11_999))
    assert refused.value.reason == "only_whole"
    assert (await channel.query_refund(request, refund)).state == ABSENT
    assert (await channel.refund(request, refund)).state == SUCCESS
    assert (await channel.refund(request, refund)).state == SUCCESS
    assert (await channel.query_refund(request, refund)).amount_fen == 12_000
    counter.next_day()
    assert [
        (line.kind, line.order_no, line.refund_no, line.amount_fen) for line in await counter.statement("fund")
    ] == [
        (PAYMENT, request.order_no, "", 12_000),
        (REFUND, request.order_no, refund.refund_no, 12_000),
    ]
    assert await counter.statement("account") == []


async def test_an_account_with_too_little_settles_nothing(counter: Counter) -> None:
    """100.00 lie there: 30.00 are paid, 70.01 more are refused before anything is settled."""
    channel = counter.channels["account"]
    paid = await channel.pay(counter.request("ORDER0000000010", 3_000, **PERSON))
    assert paid.state is not None
    assert paid.state.amount_fen == 3_000
    over = counter.request("ORDER0000000011", 7_001, **PERSON)
    with pytest.raises(ChannelRefused) as refused:
        await channel.pay(over)
    assert refused.value.reason == "amount_differs"
    assert await channel.query(over) == ChannelState(ABSENT)
    assert await channel.close(over) == ChannelState(CLOSED)
    assert counter.sides.insurance.insured[PERSON["psn_no"]].account_fen == 7_000


async def test_a_lost_answer_is_found_by_asking(counter: Counter) -> None:
    """FEATURES 87: the bureau settled, its answer was lost; nobody guesses."""
    channel, request = counter.channels["account"], counter.request("ORDER0000000012", 3_000, **PERSON)
    counter.sides.insurance.is_mute = True
    with pytest.raises(ChannelUnreachable):
        await channel.pay(request)
    counter.sides.insurance.is_mute = False
    assert (await channel.query(request)).state == ABSENT  # the trial was lost, so nothing was settled
    invitation = await channel.pay(request)
    assert invitation.state is not None
    counter.sides.insurance.is_mute = True
    with pytest.raises(ChannelUnreachable):
        await channel.query(request)
    counter.sides.insurance.is_mute = False
    assert await channel.query(request) == invitation.state


async def test_a_gateway_that_is_away_is_unreachable(counter: Counter) -> None:
    channel, request = counter.channels["wechat"], counter.request("ORDER0000000013")
    await channel.pay(request)
    await counter.sides.wechat.stop()
    with pytest.raises(ChannelUnreachable) as away:
        await channel.query(request)
    assert away.value.code == "channel_unreachable"
    assert "ORDER" not in str(away.value)
