"""What QuickPass and bank cards share: UnionPay's online acquiring, version 5.1.0, of a merchant that is connected directly.

Questions are posted forms, answers are `name=value&…` without escapes, notices (`backUrl`) are posted forms again, repeated until
HTTP 200 comes back. Amounts are fen. An order is known by `orderId` and `txnTime`; there is no closing, an order ends
at its `payTimeout`. A refund is an order of its own that names the payment (`origQryId`); `reqReserved` brings our order number
back in its notices and statement. Notices have no number; the transaction's `queryId` stands for it.
Sources: UnionPay open platform, "交易状态查询", "退货", "文件传输", version 5.1.0; public SDKs. Never run against UnionPay.
"""

from __future__ import annotations

import base64
import binascii
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date
from typing import BinaryIO, ClassVar
from urllib.parse import urlencode

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from node.channels.amounts import parse_fen
from node.channels.channel import (
    ABSENT,
    Acknowledgement,
    Channel,
    ChannelState,
    Notice,
    PaymentRequest,
    RefundRequest,
    RefundState,
    evidence_of,
)
from node.channels.channel_client import ANSWER_BYTES_MAX, ChannelClient
from node.channels.errors import (
    AnswerMalformed,
    ChannelRefused,
    NoticeForeign,
    StatementNotReady,
    WrongForm,
    reading_answer,
    reading_notice,
)
from node.channels.fields import Fields, read_form, read_plain_form, verify_one_reading
from node.channels.moments import COMPACT, beijing_day, beijing_text, parse_beijing, parse_without_year
from node.channels.statement_line import CLOSED, FAILED, PAYMENT, PENDING, REFUND, SUCCESS, StatementLine
from node.channels.unionpay_signing import SIGNER, sign_message, verify_message
from node.channels.unionpay_statement import read_unionpay_statement

DONE = {"00", "A6"}  # A6: done with a flaw of no concern to the merchant
UNSURE = {"01", "03", "04", "05", "06"}  # under way, or lost on its way: ask again
REPEATED, UNKNOWN, NO_FILE = "12", "34", "98"
FILE_BYTES_MAX = 96 << 20  # of an answer with a statement in it; a million lines have about 50 MiB
UNPACKED_ZIP_BYTES_MAX = 64 << 20


class UnionPay(Channel):
    """`gateway` and `file_gateway` are addresses up to the last part; `authorities` issue UnionPay's certificates."""

    asks_payer = True
    business: ClassVar[str]  # bizType
    terminal: ClassVar[str]  # channelType: 07 internet, 08 mobile

    def __init__(
        self,
        gateway: str,
        file_gateway: str,
        merchant_no: str,
        key: RSAPrivateKey,
        certificate: x509.Certificate,
        authorities: Sequence[x509.Certificate],
        notify_url: str,
        client: ChannelClient,
        clock_ms: Callable[[], int],
        signer: str = SIGNER,
    ) -> None:
        self.gateway, self._file_gateway, self._merchant_no = gateway, file_gateway, merchant_no
        self._key, self._certificate, self._authorities = key, certificate, authorities
        self._notify_url, self._client, self._clock_ms, self._signer = notify_url, client, clock_ms, signer

    def order(self, request: PaymentRequest, sub_type: str) -> dict[str, str]:
        """The signed fields of a payment."""
        return self._message(
            "01",
            sub_type,
            request.order_no,
            request.placed_ms,
            {
                "channelType": self.terminal,
                "txnAmt": str(request.amount_fen),
                "currencyCode": "156",
                "backUrl": self._notify_url,
                "orderDesc": request.subject,
                "payTimeout": beijing_text(request.expires_ms, COMPACT),
                "reqReserved": request.order_no,
            },
        )

    async def query(self, request: PaymentRequest) -> ChannelState:
        fields = await self._query(request.order_no, request.placed_ms)
        is_over = self._clock_ms() > request.expires_ms
        if fields is None:
            return ChannelState(CLOSED if is_over else ABSENT)
        with reading_answer():
            code = fields.text("origRespCode")
            if code not in DONE:
                return ChannelState(PENDING if code in UNSURE else FAILED)
            return ChannelState(
                SUCCESS,
                fields.text("queryId"),
                parse_fen(fields.text("txnAmt"), "txnAmt"),
                parse_without_year(fields.text("traceTime"), "traceTime", beijing_day(request.placed_ms)),
            )

    async def close(self, request: PaymentRequest) -> ChannelState:
        found = await self.query(request)
        return ChannelState(PENDING) if found.state == ABSENT else found

    async def refund(self, request: PaymentRequest, refund: RefundRequest) -> RefundState:
        more = {
            "channelType": self.terminal,
            "txnAmt": str(refund.amount_fen),
            "origQryId": refund.trade_no,
            "backUrl": self._notify_url,
            "reqReserved": request.order_no,
        }
        message = self._message("04", "00", refund.refund_no, refund.placed_ms, more)
        code = (await self.ask("backTransReq.do", message)).text("respCode", "")
        if code not in DONE | UNSURE | {REPEATED}:
            raise ChannelRefused(self.name, code)
        return await self.query_refund(request, refund)

    async def query_refund(self, request: PaymentRequest, refund: RefundRequest) -> RefundState:
        fields = await self._query(refund.refund_no, refund.placed_ms)
        if fields is None:
            return RefundState(ABSENT, refund.refund_no)
        with reading_answer():
            code = fields.text("origRespCode")
            state = SUCCESS if code in DONE else PENDING if code in UNSURE else FAILED
            return RefundState(state, refund.refund_no, parse_fen(fields.text("txnAmt"), "txnAmt"))

    def read_notice(self, headers: Mapping[str, str], body: bytes) -> Notice:
        with reading_notice():
            fields = read_form(body)
            verify_one_reading(fields.values)
            verify_message(fields, self._authorities, self._clock_ms(), self._signer)
            if fields.text("merId") != self._merchant_no or fields.text("bizType") != self.business:
                raise NoticeForeign("for another merchant or product")
            kind = {"01": PAYMENT, "04": REFUND}.get(fields.text("txnType"))
            if kind is None or fields.text("currencyCode", "156") != "156":
                raise WrongForm("txnType, currencyCode: not a payment or refund in yuan")
            is_refund = kind == REFUND
            code = fields.text("respCode")
            return Notice(
                kind,
                fields.text("reqReserved" if is_refund else "orderId"),
                fields.text("orderId") if is_refund else "",
                fields.text("origQryId" if is_refund else "queryId"),
                parse_fen(fields.text("txnAmt"), "txnAmt"),
                SUCCESS if code in DONE else PENDING if code in UNSURE else FAILED,
                parse_beijing(fields.text("txnTime"), "txnTime", COMPACT),
                fields.text("queryId"),
                evidence_of(body),
            )

    def acknowledgement(self, is_accepted: bool) -> Acknowledgement:
        return Acknowledgement(200, "text/plain", b"ok") if is_accepted else Acknowledgement(400, "text/plain", b"fail")

    async def statement(self, day: date, target: BinaryIO) -> None:
        """A zip with fixed columns in GBK, of the settlement day `day`. The answer holds it whole, so it is in memory once."""
        more = {"settleDate": day.strftime("%m%d"), "fileType": "00"}
        message = self._message("76", "01", "", self._clock_ms(), more)
        fields = await self.ask("", message, self._file_gateway, FILE_BYTES_MAX)
        code = fields.text("respCode", "")
        if code == NO_FILE:
            raise StatementNotReady(f"{self.name} has none yet")
        if code not in DONE:
            raise ChannelRefused(self.name, code)
        with reading_answer():
            fields.same("settleDate", more["settleDate"])
        try:
            inflate = zlib.decompressobj()
            packed = base64.b64decode(fields.values.get("fileContent", ""), validate=True)
            content = inflate.decompress(packed, UNPACKED_ZIP_BYTES_MAX)
        except (binascii.Error, zlib.error):
            raise AnswerMalformed("fileContent: cannot be unpacked") from None
        if not inflate.eof:
            raise AnswerMalformed("fileContent: torn, or too long")
        target.write(content)

    def read_statement(self, source: BinaryIO) -> Iterator[StatementLine]:
        return read_unionpay_statement(self.name, source)

    async def end(self) -> None:
        await self._client.end()

    async def ask(
        self, path: str, message: Mapping[str, str], gateway: str = "", bytes_max: int = ANSWER_BYTES_MAX
    ) -> Fields:
        """A signed answer, whatever its `respCode`. Raises as all questions do."""
        headers = {"content-type": "application/x-www-form-urlencoded;charset=UTF-8"}
        url = gateway or f"{self.gateway}/{path}"
        answer = await self._client.ask("POST", url, headers, urlencode(message).encode(), bytes_max)
        if answer.status != 200:
            raise AnswerMalformed(f"{self.name} answered {answer.status}")
        with reading_answer():
            fields = read_plain_form(answer.body, bytes_max)
            verify_message(fields, self._authorities, self._clock_ms(), self._signer)
            if fields.text("merId") != self._merchant_no:
                raise WrongForm("merId: another merchant's answer")
            return fields

    async def _query(self, order_no: str, placed_ms: int) -> Fields | None:
        """None if UnionPay knows no such order. Raises ChannelRefused."""
        fields = await self.ask("queryTrans.do", self._message("00", "00", order_no, placed_ms, {}))
        code = fields.text("respCode", "")
        if code == UNKNOWN:
            return None
        if code not in DONE:
            raise ChannelRefused(self.name, code)
        with reading_answer():
            fields.same("orderId", order_no)
        return fields

    def _message(
        self, kind: str, sub_type: str, order_no: str, placed_ms: int, more: Mapping[str, str]
    ) -> dict[str, str]:
        values = {
            "encoding": "UTF-8",
            "txnType": kind,
            "txnSubType": sub_type,
            "bizType": self.business,
            "accessType": "0",
            "merId": self._merchant_no,
            "orderId": order_no,
            "txnTime": beijing_text(placed_ms, COMPACT),
        }
        return sign_message(values | dict(more), self._key, self._certificate)
