"""Notices as a channel sends them, and as somebody else might: each simulator's own, changed before or after it was signed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

import pytest

from node.channels import NoticeRefused, PaymentRequest
from node.channels.simulators.till import Sale
from tests.channels.counter import Counter
from tests.channels.test_round_trips import invite, simulator_of

FORM_HEADERS = {"content-type": "application/x-www-form-urlencoded;charset=utf-8"}

Message = tuple[dict[str, str], bytes]


async def paid(counter: Counter, name: str, order_no: str = "ORDER0000000001") -> Sale:
    """An order that was paid, without a word."""
    request: PaymentRequest = counter.request(order_no)
    await invite(counter, name, request)
    simulator = simulator_of(counter, name)
    simulator.notifier.is_silent = True
    return simulator.payer_pays(order_no)


def notice_of(counter: Counter, name: str, sale: Sale, **changes: Any) -> Message:
    """Signed by the channel, with `changes` made before: what only the channel itself could have sent."""
    sides = counter.sides
    if name == "alipay":
        return dict(FORM_HEADERS), sides.alipay.notice(sale, "a" * 34, changes=changes)
    if name == "wechat":
        content = sides.wechat._transaction(sale) | changes
        body = sides.wechat.notice("EV-1", "TRANSACTION.SUCCESS", content)
        return lower(sides.wechat.signed_headers(body)), body
    return dict(FORM_HEADERS), urlencode(sides.unionpay.signed(sides.unionpay.notice(sale) | changes)).encode()


def lower(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def refuse(counter: Counter, name: str, message: Message, kind: type[NoticeRefused]) -> None:
    """It is refused as `kind`, in words that tell nothing of what it said."""
    with pytest.raises(kind) as refused:
        counter.channels[name].read_notice(*message)
    assert type(refused.value) is kind
    assert "ORDER0000" not in str(refused.value)
    assert "264" not in str(refused.value)


def take(counter: Counter, name: str, message: Message) -> None:
    assert counter.channels[name].read_notice(*message).amount_fen == 26_430
