"""WeChat Pay, API v3: Native payment (a QR code that the payer scans), signed with RSA both ways.

A request carries `Authorization: WECHATPAY2-SHA256-RSA2048` over method, path, timestamp, nonce and body. Answers and notices carry
`Wechatpay-Signature` over timestamp, nonce and body, by the platform key that `Wechatpay-Serial` names; more than five minutes
off it may be a recording. A notice's content is AEAD_AES_256_GCM under the merchant's APIv3 key, and is opened after the signature was
found to hold. Amounts are fen; an answer to a statement's download is not signed, its SHA-1 came in a signed one.
Sources: WeChat Pay APIv3, "签名生成", "签名验证", "支付通知", "申请交易账单", "下载账单". Never run against WeChat Pay.
"""

from __future__ import annotations

import base64
import binascii
import json
import secrets
from collections.abc import Callable, Iterator, Mapping
from datetime import date
from typing import Any, BinaryIO
from urllib.parse import urlsplit

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from node.channels.amounts import check_fen
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
from node.channels.channel_client import ANSWER_BYTES_MAX, ChannelClient, is_safe_address, sha1
from node.channels.errors import (
    ChannelRefused,
    NoticeForeign,
    NoticeStale,
    StatementDigestDiffers,
    StatementNotReady,
    WrongForm,
    WrongSignature,
    reading_answer,
    reading_notice,
)
from node.channels.fields import MESSAGE_BYTES_MAX, Fields, read_json
from node.channels.moments import offset_text, parse_offset
from node.channels.rsa_keys import sign, verify
from node.channels.statement_line import CLOSED, FAILED, PAYMENT, PENDING, REFUND, SUCCESS, StatementLine
from node.channels.wechat_statement import read_wechat_statement

OFF_S_MAX = 300  # of a signature's timestamp, either way
STATES = {
    "SUCCESS": SUCCESS, "REFUND": SUCCESS, "NOTPAY": PENDING, "USERPAYING": PENDING, "ACCEPT": PENDING,
    "CLOSED": CLOSED, "REVOKED": CLOSED, "PAYERROR": FAILED,
}  # fmt: skip
REFUND_STATES = {"SUCCESS": SUCCESS, "PROCESSING": PENDING, "CLOSED": FAILED, "ABNORMAL": FAILED}
UNKNOWN = {"ORDER_NOT_EXIST", "ORDERNOTEXIST", "RESOURCE_NOT_EXISTS"}


class WeChat(Channel):
    """`platform_keys`: serial of a platform certificate, or id of a platform key -> key. Two while they are exchanged."""

    name = "wechat"
    asks_payer = True

    def __init__(
        self,
        gateway: str,
        app_id: str,
        merchant_no: str,
        key: RSAPrivateKey,
        key_serial: str,
        api_v3_key: bytes,
        platform_keys: Mapping[str, RSAPublicKey],
        notify_url: str,
        client: ChannelClient,
        clock_ms: Callable[[], int],
    ) -> None:
        self._gateway, self._app_id, self._merchant_no = gateway, app_id, merchant_no
        self._key, self._key_serial, self._platform_keys = key, key_serial, platform_keys
        self._cipher = AESGCM(api_v3_key)
        self._notify_url, self._client, self._clock_ms = notify_url, client, clock_ms

    async def pay(self, request: PaymentRequest) -> Invitation:
        asked = {
            "appid": self._app_id,
            "mchid": self._merchant_no,
            "description": request.subject,
            "out_trade_no": request.order_no,
            "time_expire": offset_text(request.expires_ms),
            "notify_url": self._notify_url,
            "amount": {"total": request.amount_fen, "currency": "CNY"},
        }
        answer = await self._ask("POST", "/v3/pay/transactions/native", asked)
        with reading_answer():
            return Invitation(QR_CODE, answer.text("code_url"))

    async def query(self, request: PaymentRequest) -> ChannelState:
        path = f"/v3/pay/transactions/out-trade-no/{request.order_no}?mchid={self._merchant_no}"
        try:
            answer = await self._ask("GET", path)
        except ChannelRefused as refused:
            if refused.reason in UNKNOWN:
                return ChannelState(ABSENT)
            raise
        with reading_answer():
            answer.same("out_trade_no", request.order_no)
            state = _state(answer, "trade_state", STATES)
            if state != SUCCESS:
                return ChannelState(state)
            amount_fen = check_fen(answer.section("amount").number("total"))
            return ChannelState(
                SUCCESS,
                answer.text("transaction_id"),
                amount_fen,
                parse_offset(answer.text("success_time"), "success_time"),
            )

    async def close(self, request: PaymentRequest) -> ChannelState:
        path = f"/v3/pay/transactions/out-trade-no/{request.order_no}/close"
        try:
            await self._ask("POST", path, {"mchid": self._merchant_no})
            return ChannelState(CLOSED)
        except ChannelRefused:
            found = await self.query(request)
            return ChannelState(CLOSED) if found.state == ABSENT else found

    async def refund(self, request: PaymentRequest, refund: RefundRequest) -> RefundState:
        asked = {
            "out_trade_no": request.order_no,
            "out_refund_no": refund.refund_no,
            "notify_url": self._notify_url,
            "amount": {"refund": refund.amount_fen, "total": request.amount_fen, "currency": "CNY"},
        }
        return _refund_state(await self._ask("POST", "/v3/refund/domestic/refunds", asked), refund)

    async def query_refund(self, request: PaymentRequest, refund: RefundRequest) -> RefundState:
        try:
            answer = await self._ask("GET", f"/v3/refund/domestic/refunds/{refund.refund_no}")
        except ChannelRefused as refused:
            if refused.reason in UNKNOWN:
                return RefundState(ABSENT, refund.refund_no)
            raise
        return _refund_state(answer, refund)

    def read_notice(self, headers: Mapping[str, str], body: bytes) -> Notice:
        with reading_notice():
            if len(body) > MESSAGE_BYTES_MAX:
                raise WrongForm(f"longer than {MESSAGE_BYTES_MAX} bytes")
            signed_s = self._verify(headers, body)
            if abs(self._clock_ms() // 1000 - signed_s) > OFF_S_MAX:
                raise NoticeStale("signed more than five minutes off")
            outer = read_json(body)
            content = self._open(outer.section("resource"))
            if (content.text("mchid"), content.text("appid", self._app_id)) != (self._merchant_no, self._app_id):
                raise NoticeForeign("for another merchant or application")
            is_refund = outer.text("event_type").startswith("REFUND.")
            amount = content.section("amount")
            if not is_refund and amount.text("currency", "CNY") != "CNY":
                raise WrongForm("currency: not CNY")
            if is_refund:
                state = _state(content, "refund_status", REFUND_STATES)
            else:
                state = _state(content, "trade_state", STATES)
            moment = content.text("success_time") if "success_time" in content else outer.text("create_time")
            return Notice(
                REFUND if is_refund else PAYMENT,
                content.text("out_trade_no"),
                content.text("out_refund_no") if is_refund else "",
                content.text("transaction_id"),
                check_fen(amount.number("refund" if is_refund else "total")),
                state,
                parse_offset(moment, "success_time"),
                outer.text("id"),
                evidence_of(body),
            )

    def acknowledgement(self, is_accepted: bool) -> Acknowledgement:
        if is_accepted:
            return Acknowledgement(204, "application/json", b"")
        return Acknowledgement(400, "application/json", b'{"code":"FAIL","message":"refused"}')

    async def statement(self, day: date, target: BinaryIO) -> None:
        """CSV, from 10:00 of the next day on."""
        try:
            answer = await self._ask("GET", f"/v3/bill/tradebill?bill_date={day.isoformat()}&bill_type=ALL")
        except ChannelRefused as refused:
            if refused.reason in {"NO_STATEMENT_EXIST", "STATEMENT_CREATING"}:
                raise StatementNotReady("wechat has none yet") from None
            raise
        with reading_answer():
            url, kind, value = (answer.text(name) for name in ("download_url", "hash_type", "hash_value"))
            if kind != "SHA1" or not is_safe_address(url):
                raise WrongForm("download_url, hash_type: not what is followed")
        digest = sha1()
        status, _headers = await self._client.download(url, self._signed_headers("GET", url, b""), target, (digest,))
        if status != 200:
            raise StatementNotReady(f"wechat answered {status}")
        if digest.hexdigest() != value.lower():
            raise StatementDigestDiffers("wechat announced another file")

    def read_statement(self, source: BinaryIO) -> Iterator[StatementLine]:
        return read_wechat_statement(source)

    async def end(self) -> None:
        await self._client.end()

    async def _ask(self, method: str, path: str, content: Mapping[str, Any] | None = None) -> Fields:
        """A signed answer. Raises ChannelRefused with WeChat Pay's `code`, and as all questions do."""
        body = json.dumps(content, ensure_ascii=False).encode() if content is not None else b""
        url = self._gateway + path
        answer = await self._client.ask(method, url, self._signed_headers(method, url, body), body)
        with reading_answer():
            signed_s = self._verify(answer.headers, answer.body)
            if abs(self._clock_ms() // 1000 - signed_s) > OFF_S_MAX:
                raise WrongSignature("signed more than five minutes off")
            fields = read_json(answer.body, ANSWER_BYTES_MAX) if answer.body else Fields({})
            if not 200 <= answer.status < 300:
                raise ChannelRefused(self.name, fields.text("code", str(answer.status)))
            return fields

    def _signed_headers(self, method: str, url: str, body: bytes) -> dict[str, str]:
        parts = urlsplit(url)
        path = parts.path + (f"?{parts.query}" if parts.query else "")
        timestamp, nonce = self._clock_ms() // 1000, secrets.token_hex(16)
        signature = sign(self._key, f"{method}\n{path}\n{timestamp}\n{nonce}\n".encode() + body + b"\n")
        return {
            "accept": "application/json",
            "content-type": "application/json",
            "user-agent": "medbill",
            "authorization": f'WECHATPAY2-SHA256-RSA2048 mchid="{self._merchant_no}",nonce_str="{nonce}",'
            f'signature="{signature}",timestamp="{timestamp}",serial_no="{self._key_serial}"',
        }

    def _verify(self, headers: Mapping[str, str], body: bytes) -> int:
        """The second that was signed. Raises WrongSignature: an unsigned answer is a forged one."""
        timestamp, nonce = headers.get("wechatpay-timestamp", ""), headers.get("wechatpay-nonce", "")
        key = self._platform_keys.get(headers.get("wechatpay-serial", ""))
        if key is None or not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 12):
            raise WrongSignature("signed by nobody whom we know")
        verify(key, f"{timestamp}\n{nonce}\n".encode() + body + b"\n", headers.get("wechatpay-signature", ""))
        return int(timestamp)

    def _open(self, resource: Fields) -> Fields:
        if resource.text("algorithm") != "AEAD_AES_256_GCM":
            raise WrongForm("algorithm: not AEAD_AES_256_GCM")
        try:
            sealed = base64.b64decode(resource.values.get("ciphertext", ""), validate=True)
            nonce = resource.text("nonce").encode()
            return read_json(self._cipher.decrypt(nonce, sealed, resource.text("associated_data", "").encode()))
        except (binascii.Error, TypeError, ValueError, InvalidTag):
            raise WrongSignature("the content does not open with our key") from None


def _state(fields: Fields, name: str, states: Mapping[str, str]) -> str:
    state = states.get(fields.text(name))
    if state is None:
        raise WrongForm(f"{name}: not one that we know")
    return state


def _refund_state(answer: Fields, refund: RefundRequest) -> RefundState:
    with reading_answer():
        answer.same("out_refund_no", refund.refund_no)
        amount_fen = check_fen(answer.section("amount").number("refund"))
        return RefundState(_state(answer, "status", REFUND_STATES), refund.refund_no, amount_fen)
