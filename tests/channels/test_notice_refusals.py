"""What is not taken for a notice: forged, foreign, stale, malformed. After each refusal a good one is still taken."""

from __future__ import annotations

import base64
import json
import random
from typing import Any
from urllib.parse import parse_qsl, urlencode

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from node.channels import NoticeForeign, NoticeForged, NoticeMalformed, NoticeRefused
from node.channels.simulators import keys
from node.channels.simulators.till import local
from tests.channels.counter import Counter
from tests.channels.notices import FORM_HEADERS, lower, notice_of, paid, refuse, take

NAMES = ["alipay", "wechat", "quickpass", "card"]
NO_YUAN = [
    "1e3", "1.234", "-1", "-264.30", "+264.30", "NaN", "Infinity", "２６４.３０", "264．30", "٢٦٤.٣٠", "0", "0.00", "", " 264.30",
    "264.30 ", "264.", ".30", "264,30", "1,264.30", "0264.30", "1_000", "0x10", "264.30\n", "99999999999.99", "1" * 40,
]  # fmt: skip
NO_FEN = [
    "1e3",
    "264.30",
    "-1",
    "+1",
    "NaN",
    "２６４３０",
    "0",
    "000",
    "",
    " 26430",
    "1_000",
    "0x10",
    "26430\n",
    "9999999999999",
    "1" * 40,
]
NO_NUMBER: list[Any] = ["26430", 26_430.0, 264.3, True, None, -1, 0, 10**13, 1e3, float("nan"), [26_430]]

GARBAGE = [
    b"",
    b"{}",
    b"[]",
    b"null",
    b"&",
    b"=",
    b"sign",
    b"\xff\xfe",
    b"charset=gbk&subject=" + "门诊".encode("gbk"),
    b"charset=utf-8&subject=" + "门诊".encode(),
    b"charset=utf-8&subject=%b2%e2%ca%d4",
    b'{"a":' * 20_000,
    b"[" * 60_000,
    b'{"a": NaN}',
    b'{"a": ' + b"9" * 50_000 + b"}",
    b"a=" + b"1" * 70_000,
    b"&".join(b"a%d=1" % number for number in range(500)),
]


@pytest.mark.parametrize("name", NAMES)
async def test_a_changed_byte_is_found_wherever_it_is(counter: Counter, name: str) -> None:
    """Refused, or it says the very same (percent signs may be written in two ways)."""
    headers, body = notice_of(counter, name, await paid(counter, name))
    channel, draw = counter.channels[name], random.Random(6)
    good = channel.read_notice(headers, body)
    refused = 0
    for place in range(0, len(body), 5):
        changed = bytearray(body)
        changed[place] = draw.choice([byte for byte in range(32, 127) if byte != body[place]])
        try:
            found = channel.read_notice(headers, bytes(changed))
        except NoticeRefused:
            refused += 1
        else:
            assert (found.order_no, found.amount_fen, found.notice_no) == (
                good.order_no,
                good.amount_fen,
                good.notice_no,
            )
            assert found.state == good.state
    assert refused >= len(range(0, len(body), 5)) * 9 // 10
    assert channel.read_notice(headers, body) == good


@pytest.mark.parametrize("name", NAMES)
async def test_a_stranger_who_knows_everything_but_the_key(counter: Counter, name: str) -> None:
    """The form is right to the last field, the key is another."""
    sale = await paid(counter, name)
    simulator = {"alipay": counter.sides.alipay, "wechat": counter.sides.wechat}.get(name, counter.sides.unionpay)
    good, own = notice_of(counter, name, sale), simulator.key
    simulator.key = keys.make_key()
    refuse(counter, name, notice_of(counter, name, sale), NoticeForged)
    simulator.key = own
    take(counter, name, good)


@pytest.mark.parametrize("name", NAMES)
async def test_a_notice_that_comes_again_is_the_same_notice(counter: Counter, name: str) -> None:
    """FEATURES 87: told by `notice_no`, never by when it came."""
    message = notice_of(counter, name, await paid(counter, name))
    first = counter.channels[name].read_notice(*message)
    counter.clock.forward(200_000)
    assert [counter.channels[name].read_notice(*message) for _ in range(5)] == [first] * 5


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("alipay", {"app_id": "2021000000000002"}),
        ("alipay", {"seller_id": "2088000000000002"}),
        ("wechat", {"mchid": "1900000002"}),
        ("wechat", {"appid": "wx0000000000000002"}),
        ("quickpass", {"merId": "777290000000002"}),
        ("quickpass", {"bizType": "000201"}),
        ("card", {"merId": "777290000000002"}),
        ("card", {"bizType": "000000"}),
    ],
)
async def test_money_for_somebody_else_is_not_ours(counter: Counter, name: str, changes: dict[str, str]) -> None:
    """Signed by the channel itself: for another merchant, application or product."""
    sale = await paid(counter, name)
    refuse(counter, name, notice_of(counter, name, sale, **changes), NoticeForeign)
    take(counter, name, notice_of(counter, name, sale))


async def test_what_is_no_amount(counter: Counter) -> None:
    """Even where the channel signed it: yuan of Alipay, fen as text of UnionPay, fen as a number of WeChat Pay."""
    alipay, wechat = await paid(counter, "alipay"), await paid(counter, "wechat")
    quickpass = await paid(counter, "quickpass")
    for amount in NO_YUAN:
        message = notice_of(counter, "alipay", alipay, total_amount=amount)
        refuse(counter, "alipay", message, NoticeMalformed)
    for amount in NO_FEN:
        refuse(counter, "quickpass", notice_of(counter, "quickpass", quickpass, txnAmt=amount), NoticeMalformed)
    for number in NO_NUMBER:
        message = notice_of(counter, "wechat", wechat, amount={"total": number, "currency": "CNY"})
        refuse(counter, "wechat", message, NoticeMalformed)
    take(counter, "alipay", notice_of(counter, "alipay", alipay))
    take(counter, "quickpass", notice_of(counter, "quickpass", quickpass))
    take(counter, "wechat", notice_of(counter, "wechat", wechat))


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("alipay", {"trade_status": "TRADE_WON"}),
        ("alipay", {"charset": "gbk"}),
        ("alipay", {"out_trade_no": ""}),
        ("alipay", {"notify_id": ""}),
        ("alipay", {"gmt_payment": "2026-13-18 10:00:00"}),
        ("alipay", {"gmt_payment": "２０２６-11-18 10:00:00"}),
        ("alipay", {"subject": "x" * 5_000, "out_trade_no": "x" * 5_000}),
        ("wechat", {"trade_state": "WON"}),
        ("wechat", {"out_trade_no": 7}),
        ("wechat", {"amount": 26_430}),
        ("wechat", {"amount": {"total": 26_430, "currency": "USD"}}),
        ("wechat", {"success_time": "2026-11-18T10:00:00"}),
        ("quickpass", {"txnType": "31"}),
        ("quickpass", {"currencyCode": "840"}),
        ("quickpass", {"txnTime": "20261118190"}),
        ("quickpass", {"queryId": ""}),
    ],
)
async def test_a_signed_notice_without_sense(counter: Counter, name: str, changes: dict[str, Any]) -> None:
    sale = await paid(counter, name)
    refuse(counter, name, notice_of(counter, name, sale, **changes), NoticeMalformed)
    take(counter, name, notice_of(counter, name, sale))


async def test_the_signed_text_cut_at_another_place(counter: Counter) -> None:
    """Whoever may choose a subject gets another amount signed along; the text is the very same, and its fields are not."""
    sale, simulator = await paid(counter, "alipay"), counter.sides.alipay
    sale.subject = "x&total_amount=999.00&total_b=y"
    values = dict(parse_qsl(simulator.notice(sale, "a" * 34).decode()))
    cut = values | {"subject": "x", "total_amount": "999.00", "total_b": f"y&total_amount={values['total_amount']}"}
    covered = [
        "&".join(f"{k}={v}" for k, v in sorted(one.items()) if k not in ("sign", "sign_type")) for one in (values, cut)
    ]
    assert covered[0] == covered[1]
    assert keys.is_signed(simulator.key.public_key(), covered[1].encode(), cut["sign"])
    refuse(counter, "alipay", (FORM_HEADERS, urlencode(cut).encode()), NoticeMalformed)
    refuse(counter, "alipay", (FORM_HEADERS, urlencode(values).encode()), NoticeMalformed)
    union = await paid(counter, "quickpass")
    refuse(
        counter, "quickpass", notice_of(counter, "quickpass", union, respMsg="x&txnAmt=99900&txnB=y"), NoticeMalformed
    )


@pytest.mark.parametrize("name", NAMES)
async def test_a_field_that_stands_twice(counter: Counter, name: str) -> None:
    """Two readers could each believe another one."""
    headers, body = notice_of(counter, name, await paid(counter, name))
    if name == "wechat":
        doubled = body[:-1] + b', "id": "EV-1"}'
        headers = lower(counter.sides.wechat.signed_headers(doubled))
    else:
        doubled = body + b"&" + body.split(b"&")[0]
    refuse(counter, name, (headers, doubled), NoticeMalformed)


async def test_an_amount_that_stands_twice_inside_what_wechat_encrypted(counter: Counter) -> None:
    simulator, sale = counter.sides.wechat, await paid(counter, "wechat")
    plain = json.dumps(simulator._transaction(sale)).replace('"total": 26430', '"total": 1, "total": 26430')
    assert plain.count('"total"') == 2
    outer = json.loads(simulator.notice("EV-1", "TRANSACTION.SUCCESS", {}))
    sealed = AESGCM(simulator.api_v3_key).encrypt(b"0" * 12, plain.encode(), b"transaction")
    outer["resource"] |= {"nonce": "0" * 12, "ciphertext": base64.b64encode(sealed).decode()}
    body = json.dumps(outer).encode()
    refuse(counter, "wechat", (lower(simulator.signed_headers(body)), body), NoticeMalformed)


@pytest.mark.parametrize("name", NAMES)
async def test_garbage_is_refused_by_our_own_errors(counter: Counter, name: str) -> None:
    """No stray KeyError, no RecursionError. For WeChat Pay signed by WeChat Pay, so that it is read at all."""
    for body in GARBAGE:
        headers = lower(counter.sides.wechat.signed_headers(body)) if name == "wechat" else FORM_HEADERS
        refuse(counter, name, (dict(headers), body), NoticeMalformed)


async def test_a_notice_before_its_time_or_after_is_told_apart(counter: Counter) -> None:
    """Out of order: the refund's notice first, then the payment's, then that it once waited for the payer."""
    sale = await paid(counter, "alipay")
    given, _is_new = counter.sides.alipay.till.refund(sale.order_no, "REFUND0000000001", 430)
    channel = counter.channels["alipay"]
    back = channel.read_notice(FORM_HEADERS, counter.sides.alipay.notice(sale, "b" * 34, given.refund_no))
    payment = channel.read_notice(*notice_of(counter, "alipay", sale))
    waiting = channel.read_notice(*notice_of(counter, "alipay", sale, trade_status="WAIT_BUYER_PAY"))
    assert [(notice.kind, notice.state, notice.amount_fen) for notice in (back, payment, waiting)] == [
        ("refund", "success", 430),
        ("payment", "success", 26_430),
        ("payment", "pending", 26_430),
    ]
    assert len({back.notice_no, payment.notice_no}) == 2
    assert back.time_ms // 1_000 == counter.clock() // 1_000
    assert f"{local(back.time_ms):%H:%M}" == "19:06"


@pytest.mark.parametrize("name", ["fund", "account", "cash", "deposit"])
async def test_who_tells_nothing_by_himself_is_not_believed(counter: Counter, name: str) -> None:
    refuse(counter, name, ({}, b"{}"), NoticeForeign)


async def test_refused_over_http_comes_again_and_is_answered_so(counter: Counter) -> None:
    """Each channel's own way to say no: Alipay `fail`, the others 400."""
    for name in ("alipay", "wechat", "quickpass"):
        simulator = {"alipay": counter.sides.alipay, "wechat": counter.sides.wechat}.get(name, counter.sides.unionpay)
        address = counter.sides._notify_base + f"/{name}"
        status, answer = await simulator.notifier.deliver(address, FORM_HEADERS, b"a=1")
        assert (status, answer) == {
            "alipay": (200, b"fail"),
            "wechat": (400, b'{"code":"FAIL","message":"refused"}'),
            "quickpass": (400, b"fail"),
        }[name]
    assert counter.refusals == ["notice_malformed", "notice_forged", "notice_malformed"]
