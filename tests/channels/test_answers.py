"""What a channel answers is believed when it is signed and about what was asked; and who asks is checked on the other side."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
import pytest

from node.channels import (
    AnswerForged,
    AnswerMalformed,
    ChannelError,
    ChannelRefused,
    ChannelUnreachable,
    StatementNotReady,
)
from node.channels.channel_client import ANSWER_BYTES_MAX, Answer, ChannelClient, is_safe_address
from node.channels.simulators import keys
from tests.channels.counter import DAY, PERSON, START_MS, Counter
from tests.channels.notices import paid
from tests.channels.test_round_trips import invite

NAMES = ["alipay", "wechat", "quickpass"]


class Middleman(ChannelClient):
    """Sits on the line: asks the real gateway over HTTP, and hands on another answer."""

    def __init__(self, alter: Callable[[Answer], Answer]) -> None:
        super().__init__("middleman")
        self.alter = alter

    async def ask(
        self, method: str, url: str, headers: Mapping[str, str], content: bytes = b"", bytes_max: int = ANSWER_BYTES_MAX
    ) -> Answer:
        return self.alter(await super().ask(method, url, headers, content, bytes_max))


def put_between(counter: Counter, name: str, alter: Callable[[Answer], Answer]) -> None:
    counter.channels[name]._client = Middleman(alter)  # type: ignore[attr-defined]


def body(change: Callable[[bytes], bytes]) -> Callable[[Answer], Answer]:
    return lambda answer: msgspec.structs.replace(answer, body=change(answer.body))


@pytest.mark.parametrize("name", [*NAMES, "card"])
async def test_an_altered_answer_is_forged(counter: Counter, name: str) -> None:
    """One fen more, one letter of the state, no signature at all: nothing is believed, and the true answer still is."""
    sale = await paid(counter, name)
    request = msgspec.structs.replace(counter.request(sale.order_no), placed_ms=START_MS)
    channel = counter.channels[name]
    for change in (
        lambda text: re.sub(rb"26430|264\.30", b"26431" if name != "alipay" else b"264.31", text),
        lambda text: text.replace(b"SUCCESS", b"CLOSED").replace(b"origRespCode=00", b"origRespCode=05"),
        lambda text: text.replace(sale.trade_no.encode(), b"1" * len(sale.trade_no)),
    ):
        put_between(counter, name, body(change))
        with pytest.raises(AnswerForged):
            await channel.query(request)
    put_between(
        counter,
        name,
        lambda answer: Answer(200, {}, re.sub(rb'(&|, ?|,)"?sign(ature)?"?[=:].*?(?=[,}&]|$)', b"", answer.body)),
    )
    with pytest.raises((AnswerForged, AnswerMalformed)):
        await channel.query(request)
    put_between(counter, name, lambda answer: answer)
    assert (await channel.query(request)).trade_no == sale.trade_no


@pytest.mark.parametrize("name", [*NAMES, "card"])
async def test_a_recorded_answer_about_another_order_is_refused(counter: Counter, name: str) -> None:
    """It is signed as well. Paid was order 1; asked is about order 2."""
    sale = await paid(counter, name)
    recorded: list[Answer] = []

    def record(answer: Answer) -> Answer:
        recorded.append(answer)
        return answer

    channel = counter.channels[name]
    put_between(counter, name, record)
    assert (await channel.query(counter.request(sale.order_no))).state == "success"
    other = counter.request("ORDER0000000002")
    await invite(counter, name, other)
    put_between(counter, name, lambda _answer: recorded[0])
    with pytest.raises(AnswerMalformed):
        await channel.query(other)


async def test_a_recorded_answer_of_the_insurer_is_forged(counter: Counter) -> None:
    """Its code covers the number of the question; a question is not its own answer."""
    channel = counter.channels["account"]
    recorded: list[Answer] = []

    def record(answer: Answer) -> Answer:
        recorded.append(answer)
        return answer

    put_between(counter, "account", record)
    request = counter.request("ORDER0000000001", 3_000, **PERSON)
    await channel.pay(request)
    put_between(counter, "account", lambda _answer: recorded[-1])
    other = counter.request("ORDER0000000002", 3_000, **PERSON)
    for question in (channel.pay, channel.query):
        with pytest.raises(AnswerForged):
            await question(other)
    put_between(counter, "account", body(lambda text: text.replace(b"30.00", b"99.00")))
    with pytest.raises(AnswerForged):
        await channel.query(request)


async def test_an_old_answer_of_wechat_is_forged(counter: Counter) -> None:
    sale = await paid(counter, "wechat")
    recorded: list[Answer] = []
    put_between(counter, "wechat", lambda answer: recorded.append(answer) or answer)
    request = counter.request(sale.order_no)
    await counter.channels["wechat"].query(request)
    put_between(counter, "wechat", lambda _answer: recorded[0])
    counter.clock.forward(300_000)
    assert (await counter.channels["wechat"].query(request)).state == "success"
    counter.clock.forward(1_000)
    with pytest.raises(AnswerForged):
        await counter.channels["wechat"].query(request)


@pytest.mark.parametrize("name", [*NAMES, "account"])
async def test_garbage_for_an_answer(counter: Counter, name: str) -> None:
    """Our own errors, whatever comes; a server's fault is one that has to be asked about again."""
    request = counter.request("ORDER0000000001", 3_000, **PERSON)
    for garbage in (
        b"",
        b"{}",
        b"[]",
        b"\xff",
        b"<html>",
        b'{"a":' * 9_000,
        b"a=1&a=2",
        b'{"alipay_trade_query_response":1,"sign":""}',
    ):
        put_between(counter, name, body(lambda _text, garbage=garbage: garbage))
        with pytest.raises((AnswerForged, AnswerMalformed)):
            await counter.channels[name].query(request)


async def test_a_long_answer_and_a_servers_fault(counter: Counter) -> None:
    client = ChannelClient("wechat")
    address = counter.sides.insurance.address + "/control/orders"
    assert (await client.ask("GET", address, {})).status == 200
    with pytest.raises(AnswerMalformed):
        await client.ask("GET", address, {}, bytes_max=5)
    counter.sides.insurance.is_mute = True
    with pytest.raises(ChannelUnreachable):
        await counter.channels["fund"].query(counter.request("ORDER0000000001", **PERSON))
    for wrong in ("http://127.0.0.1:1/", "not an address"):
        with pytest.raises(ChannelUnreachable):
            await client.ask("GET", wrong, {})
    await client.end()


@pytest.mark.parametrize("name", [*NAMES, "fund"])
async def test_the_other_side_knows_who_asks(counter: Counter, name: str) -> None:
    """Another key than the one that was registered: nothing is placed. The simulators check with code of their own."""
    channel: Any = counter.channels[name]
    if name == "fund":
        channel._secret = b"1" * 32
    else:
        channel._key = keys.make_key()
    with pytest.raises(ChannelError) as refused:
        await channel.pay(counter.request("ORDER0000000001", 12_000, medfee_sumamt="200.00", **PERSON))
    assert isinstance(refused.value, ChannelRefused | AnswerMalformed | AnswerForged)
    assert all(simulator.till.sales == {} for simulator in counter.sides.all)
    assert counter.sides.insurance.settled == {}


async def test_the_cards_form_of_a_stranger_is_refused(counter: Counter) -> None:
    channel: Any = counter.channels["card"]
    channel._key = keys.make_key()
    with pytest.raises(AssertionError, match="签名有误"):
        await invite(counter, "card", counter.request("ORDER0000000001"))


async def test_a_statement_from_inside_the_house_is_not_fetched(counter: Counter) -> None:
    """An answer names where a file lies; only https, and this machine for the simulators, is followed."""
    for address in (
        "http://10.0.0.1/x",
        "file:///x",
        "https://user@host/x",
        "http://localhost:1/x",
        "https:///x",
        "ftp://h/x",
        "//h",
        "https://h:99999/",
    ):
        assert not is_safe_address(address)
    assert is_safe_address("https://dwbillcenter.alipay.com/x?y=1")
    simulator = counter.sides.alipay
    simulator._link = lambda _day: {"bill_download_url": "http://10.0.0.1/x"}  # type: ignore[method-assign]
    with pytest.raises(AnswerMalformed):
        await counter.channels["alipay"].statement(DAY, io.BytesIO())
    simulator._link = lambda _day: {"bill_download_url": f"{simulator.address}/downloadBillFile.resource"}  # type: ignore[method-assign]
    with pytest.raises(StatementNotReady):
        await counter.channels["alipay"].statement(DAY, io.BytesIO())
