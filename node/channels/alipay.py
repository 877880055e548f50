"""Alipay: the open platform's gateway, signed with RSA2 (SHA-256 with RSA).

A request's signature covers its fields but `sign`, in order of names. An answer's covers the JSON text of
`alipay_trade_…_response` as it came. A notice is a form whose signature covers all but `sign` and `sign_type`; it is posted
for some 25 hours until `success` comes back. Amounts are yuan with two decimals, times are Beijing's. An order placed for a
QR code exists at Alipay once somebody scans it; until then it can be neither found nor closed, and ends by its expiry.
Sources: Alipay open platform, `alipay.trade.precreate`, `.query`, `.close`, `.refund`, `.fastpay.refund.query`,
`alipay.data.dataservice.bill.downloadurl.query`; its guides to signing and to asynchronous notices. Never run against Alipay.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import date
from typing import Any, BinaryIO
from urllib.parse import urlencode

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey

from node.channels.alipay_statement import read_alipay_statement
from node.channels.amounts import format_yuan, parse_yuan
from node.channels.channel import (
    ABSENT,
    QR_CODE,
    Acknowledgement,
    Channel,
    ChannelState,
    Invitation,
    Notice,
    PaymentRequest,
    RefundRequest,
    RefundState,
    evidence_of,
)
from node.channels.channel_client import ANSWER_BYTES_MAX, ChannelClient, is_safe_address
from node.channels.errors import (
    AnswerMalformed,
    ChannelRefused,
    NoticeForeign,
    StatementNotReady,
    WrongForm,
    WrongSignature,
    reading_answer,
    reading_notice,
)
from node.channels.fields import Fields, read_form, read_json, signed_text, verify_one_reading
from node.channels.moments import beijing_text, parse_beijing
from node.channels.rsa_keys import sign, verify
from node.channels.statement_line import CLOSED, PAYMENT, PENDING, REFUND, SUCCESS, StatementLine

STATES = {"WAIT_BUYER_PAY": PENDING, "TRADE_SUCCESS": SUCCESS, "TRADE_FINISHED": SUCCESS, "TRADE_CLOSED": CLOSED}
UNKNOWN_ORDER = "ACQ.TRADE_NOT_EXIST"


class Alipay(Channel):
    """`gateway` is the whole address; `platform_key` is the one that Alipay shows for this application."""

    name = "alipay"
    asks_payer = True

    def __init__(
        self,
        gateway: str,
        app_id: str,
        seller_id: str,
        key: RSAPrivateKey,
        platform_key: RSAPublicKey,
        notify_url: str,
        client: ChannelClient,
        clock_ms: Callable[[], int],
    ) -> None:
        self._gateway, self._app_id, self._seller_id = gateway, app_id, seller_id
        self._key, self._platform_key = key, platform_key
        self._notify_url, self._client, self._clock_ms = notify_url, client, clock_ms

    async def pay(self, request: PaymentRequest) -> Invitation:
        answer = await self._ask(
            "alipay.trade.precreate",
            {
                "out_trade_no": request.order_no,
                "total_amount": format_yuan(request.amount_fen),
                "subject": request.subject,
                "time_expire": beijing_text(request.expires_ms),
            },
        )
        with reading_answer():
            answer.same("out_trade_no", request.order_no)
            return Invitation(QR_CODE, answer.text("qr_code"))

    async def query(self, request: PaymentRequest) -> ChannelState:
        try:
            answer = await self._ask("alipay.trade.query", {"out_trade_no": request.order_no})
        except ChannelRefused as refused:
            if refused.reason != UNKNOWN_ORDER:
                raise
            return ChannelState(CLOSED if self._clock_ms() > request.expires_ms else ABSENT)
        with reading_answer():
            answer.same("out_trade_no", request.order_no)
            state = _state(answer)
            if state == CLOSED and "send_pay_date" in answer:
                state = SUCCESS  # paid, and all of it given back since
            if state != SUCCESS:
                return ChannelState(state)
            return ChannelState(
                SUCCESS,
                answer.text("trade_no"),
                parse_yuan(answer.text("total_amount"), "total_amount"),
                parse_beijing(answer.text("send_pay_date"), "send_pay_date"),
            )

    async def close(self, request: PaymentRequest) -> ChannelState:
        try:
            answer = await self._ask("alipay.trade.close", {"out_trade_no": request.order_no})
            with reading_answer():
                answer.same("out_trade_no", request.order_no)
            return ChannelState(CLOSED)
        except ChannelRefused:
            found = await self.query(request)
            return ChannelState(PENDING) if found.state == ABSENT else found

    async def refund(self, request: PaymentRequest, refund: RefundRequest) -> RefundState:
        answer = await self._ask(
            "alipay.trade.refund",
            {
                "out_trade_no": request.order_no,
                "refund_amount": format_yuan(refund.amount_fen),
                "out_request_no": refund.refund_no,
            },
        )
        with reading_answer():
            answer.same("out_trade_no", request.order_no)
            if answer.text("fund_change", "N") == "Y":
                return RefundState(SUCCESS, refund.refund_no, refund.amount_fen)
        return await self.query_refund(request, refund)  # N: nothing moved just now, it may have before

    async def query_refund(self, request: PaymentRequest, refund: RefundRequest) -> RefundState:
        asked = {"out_trade_no": request.order_no, "out_request_no": refund.refund_no}
        answer = await self._ask("alipay.trade.fastpay.refund.query", asked)
        with reading_answer():
            if answer.text("refund_status", "") != "REFUND_SUCCESS":
                return RefundState(ABSENT, refund.refund_no)
            answer.same("out_request_no", refund.refund_no)
            amount_fen = parse_yuan(answer.text("refund_amount"), "refund_amount")
            return RefundState(SUCCESS, refund.refund_no, amount_fen)

    def read_notice(self, headers: Mapping[str, str], body: bytes) -> Notice:
        with reading_notice():
            fields = read_form(body)
            verify_one_reading(fields.values)
            if fields.text("charset").lower() != "utf-8":
                raise WrongForm("charset: not utf-8")
            if fields.text("sign_type") != "RSA2":
                raise WrongSignature("sign_type: not RSA2")
            verify(self._platform_key, signed_text(fields.values, ("sign", "sign_type")), fields.text("sign"))
            if (fields.text("app_id"), fields.text("seller_id")) != (self._app_id, self._seller_id):
                raise NoticeForeign("for another application or seller")
            is_refund = "gmt_refund" in fields
            amount, moment = ("refund_fee", "gmt_refund") if is_refund else ("total_amount", "gmt_payment")
            return Notice(
                REFUND if is_refund else PAYMENT,
                fields.text("out_trade_no"),
                fields.text("out_biz_no") if is_refund else "",
                fields.text("trade_no"),
                parse_yuan(fields.text(amount), amount),
                SUCCESS if is_refund else _state(fields),
                parse_beijing(fields.text(moment if moment in fields else "notify_time")[:19], moment),
                fields.text("notify_id"),
                evidence_of(body),
            )

    def acknowledgement(self, is_accepted: bool) -> Acknowledgement:
        return Acknowledgement(200, "text/plain", b"success" if is_accepted else b"fail")

    async def statement(self, day: date, target: BinaryIO) -> None:
        """A zip of CSV files in GBK, from 10:00 of the next day on."""
        try:
            asked = {"bill_type": "trade", "bill_date": day.isoformat()}
            answer = await self._ask("alipay.data.dataservice.bill.downloadurl.query", asked)
        except ChannelRefused as refused:
            if refused.reason.lower().endswith("bill_not_exist"):
                raise StatementNotReady("alipay has none yet") from None
            raise
        with reading_answer():
            url = answer.text("bill_download_url")
            if not is_safe_address(url):
                raise WrongForm("bill_download_url: not an address that is followed")
        status, _headers = await self._client.download(url, {}, target)
        if status != 200:
            raise StatementNotReady(f"alipay answered {status}")

    def read_statement(self, source: BinaryIO) -> Iterator[StatementLine]:
        return read_alipay_statement(source)

    async def end(self) -> None:
        await self._client.end()

    async def _ask(self, method: str, content: Mapping[str, Any]) -> Fields:
        """The signed node of the answer. Raises ChannelRefused with Alipay's `sub_code`, and as all questions do."""
        values = {
            "app_id": self._app_id,
            "method": method,
            "format": "JSON",
            "charset": "utf-8",
            "sign_type": "RSA2",
            "timestamp": beijing_text(self._clock_ms()),
            "version": "1.0",
            "notify_url": self._notify_url,
            "biz_content": json.dumps(content, ensure_ascii=False),
        }
        values["sign"] = sign(self._key, signed_text(values, ("sign",)))
        body = urlencode({"biz_content": values.pop("biz_content")}).encode()
        headers = {"content-type": "application/x-www-form-urlencoded;charset=utf-8"}
        answer = await self._client.ask("POST", f"{self._gateway}?{urlencode(values)}", headers, body)
        if answer.status != 200:
            raise AnswerMalformed(f"alipay answered {answer.status}")
        with reading_answer():
            node = self._signed_node(answer.body, method.replace(".", "_") + "_response")
            if node.text("code") != "10000":
                raise ChannelRefused(self.name, node.text("sub_code", node.text("code")))
            return node

    def _signed_node(self, body: bytes, name: str) -> Fields:
        """What the signature covers, read from the very text that it covers."""
        outer = read_json(body, ANSWER_BYTES_MAX)
        if "error_response" in outer:  # unsigned: it could not tell whom to answer
            error = outer.section("error_response")
            raise ChannelRefused(self.name, error.text("sub_code", error.text("code")))
        text = body.decode("utf-8")
        place = re.search(rf'"{name}"\s*:\s*', text)
        if place is None:
            raise WrongForm(f"{name}: missing")
        try:
            _value, end = json.JSONDecoder().raw_decode(text, place.end())
        except (ValueError, RecursionError):
            raise WrongForm(f"{name}: not JSON") from None
        signed = text[place.end() : end].encode()
        verify(self._platform_key, signed, outer.text("sign"))
        return read_json(signed, ANSWER_BYTES_MAX)


def _state(fields: Fields) -> str:
    state = STATES.get(fields.text("trade_status"))
    if state is None:
        raise WrongForm("trade_status: not one that we know")
    return state
