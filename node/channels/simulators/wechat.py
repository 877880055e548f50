"""Stands in for WeChat Pay's API v3: Native orders, notices, refunds, the day's statement.

Written after WeChat Pay's public texts; it is not WeChat Pay, and nobody there has looked at it.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import secrets
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from node.channels.simulators import keys as own_keys
from node.channels.simulators.simulator import Simulator, now_ms
from node.channels.simulators.till import CLOSED, PAID, Sale, TillRefused, local, local_ms, yuan

SCHEDULE_S = (0, 15, 15, 30, 180, 600, 1_200, 1_800, 1_800, 1_800, 3_600, 10_800, 10_800, 10_800, 21_600, 21_600)
OFF_S = 300
NONCES_MAX = 100_000  # remembered
LINK_MS = 300_000
REFUSALS = {
    "unknown": (404, "ORDER_NOT_EXIST"),
    "unknown_refund": (404, "RESOURCE_NOT_EXISTS"),
    "differs": (400, "INVALID_REQUEST"),
    "not_open": (400, "ORDERPAID"),
    "not_paid": (400, "INVALID_REQUEST"),
    "too_much": (403, "NOT_ENOUGH"),
    "no_statement": (400, "NO_STATEMENT_EXIST"),
    "signature": (401, "SIGN_ERROR"),
}
HEADER = (
    "交易时间,公众账号ID,商户号,特约商户号,设备号,微信订单号,商户订单号,用户标识,交易类型,交易状态,付款银行,货币种类,应结订单金额,"
    "代金券金额,微信退款单号,商户退款单号,退款金额,充值券退款金额,退款类型,退款状态,商品名称,商户数据包,手续费,费率,订单金额,"
    "申请退款金额,费率备注"
)
SUMS = "总交易单数,应结订单总金额,退款总金额,充值券退款总金额,手续费总金额,订单总金额,申请退款总金额"
_TOKEN = re.compile(r'([a-z_]+)="([^"]*)"')
ISO = "%Y-%m-%dT%H:%M:%S+08:00"


class WeChatSimulator(Simulator):
    """`merchant_key` is that of the certificate which the merchant registered under `merchant_serial`."""

    name = "wechat"

    def __init__(
        self,
        merchant_key: RSAPublicKey,
        app_id: str = "wx0000000000000001",
        merchant_no: str = "1900000001",
        merchant_serial: str = "5157F09EFDC096DE15EBE81A47057A7232F1B8E1",
        schedule_s: Sequence[float] = SCHEDULE_S,
        clock_ms: Callable[[], int] = now_ms,
    ) -> None:
        super().__init__(schedule_s, clock_ms)
        self.app_id, self.merchant_no = app_id, merchant_no
        self.merchant_key, self.merchant_serial = merchant_key, merchant_serial
        self.key = own_keys.make_key()
        certificate = own_keys.make_certificate("Tenpay.com sign", self.key.public_key(), self.key, clock_ms())
        self.certificate, self.serial = certificate, f"{certificate.serial_number:X}"
        self.api_v3_key = secrets.token_hex(16).encode()
        self._nonces: dict[str, None] = {}
        self._links: dict[str, tuple[date, int]] = {}  # token -> day, until when
        self._notice_numbers: dict[tuple[str, str], str] = {}  # order and refund number -> number of the notice

    def routes(self) -> list[Route]:
        path, order = "/v3/pay/transactions", "out-trade-no/{order_no}"
        return [
            Route(f"{path}/native", self._asked(self._place), methods=["POST"]),
            Route(f"{path}/{order}", self._asked(self._query), methods=["GET"]),
            Route(f"{path}/{order}/close", self._asked(self._close), methods=["POST"]),
            Route("/v3/refund/domestic/refunds", self._asked(self._refund), methods=["POST"]),
            Route("/v3/refund/domestic/refunds/{refund_no}", self._asked(self._query_refund), methods=["GET"]),
            Route("/v3/bill/tradebill", self._asked(self._link), methods=["GET"]),
            Route("/v3/billdownload/file", self._download, methods=["GET"]),
        ]

    def configuration(self, keys: Path, notify_url: str) -> list[dict[str, object]]:
        (keys / "wechat-platform.pem").write_bytes(own_keys.certificate_pem(self.certificate))
        own_keys.write_private(keys / "wechat-api-v3.key", self.api_v3_key + b"\n")
        entry: dict[str, object] = {
            "channel": "wechat",
            "gateway": self.address,
            "app_id": self.app_id,
            "merchant_no": self.merchant_no,
            "key_file": "merchant.pem",
            "key_serial": self.merchant_serial,
            "api_v3_key_file": "wechat-api-v3.key",
            "platform_keys": [{"serial": self.serial, "file": "wechat-platform.pem"}],
            "notify_url": notify_url,
        }
        return [entry]

    def _asked(self, answer: Callable[[Request, Any], Mapping[str, Any] | None]) -> Callable[[Request], Any]:
        async def endpoint(request: Request) -> Response:
            body = await request.body()
            try:
                if not self._is_signed(request, body):
                    raise TillRefused("signature")
                content = answer(request, json.loads(body) if body else {})
            except TillRefused as refused:
                status, code = REFUSALS[str(refused)]
                return self._signed(status, {"code": code, "message": str(refused)})
            return self._signed(200 if content is not None else 204, content)

        return endpoint

    def _is_signed(self, request: Request, body: bytes) -> bool:
        kind, _, rest = request.headers.get("authorization", "").partition(" ")
        told = dict(_TOKEN.findall(rest))
        nonce, moment = told.get("nonce_str", ""), told.get("timestamp", "")
        is_known = (told.get("mchid"), told.get("serial_no")) == (self.merchant_no, self.merchant_serial)
        if kind != "WECHATPAY2-SHA256-RSA2048" or not is_known or not nonce or nonce in self._nonces:
            return False
        if not moment.isdigit() or abs(int(moment) - self.clock_ms() // 1_000) > OFF_S:
            return False
        target = request.url.path + ("?" + request.url.query if request.url.query else "")
        covered = "\n".join([request.method, target, moment, nonce, body.decode(), ""])
        if not own_keys.is_signed(self.merchant_key, covered.encode(), told.get("signature", "")):
            return False
        self._nonces[nonce] = None
        if len(self._nonces) > NONCES_MAX:
            del self._nonces[next(iter(self._nonces))]
        return True

    def _signed(self, status: int, content: Mapping[str, Any] | None) -> Response:
        body = json.dumps(content, ensure_ascii=False).encode() if content is not None else b""
        return Response(body, status, self.signed_headers(body), "application/json")

    def signed_headers(self, body: bytes, off_s: int = 0) -> dict[str, str]:
        """What goes with an answer or a notice; `off_s` is added to the moment."""
        moment, nonce = str(self.clock_ms() // 1_000 + off_s), secrets.token_hex(16)
        covered = b"\n".join([moment.encode(), nonce.encode(), body, b""])
        return {
            "Wechatpay-Timestamp": moment,
            "Wechatpay-Nonce": nonce,
            "Wechatpay-Serial": self.serial,
            "Wechatpay-Signature": own_keys.signature_of(self.key, covered),
        }

    def _place(self, _request: Request, asked: Any) -> Mapping[str, Any]:
        if (asked["appid"], asked["mchid"], asked["amount"]["currency"]) != (self.app_id, self.merchant_no, "CNY"):
            raise TillRefused("differs")
        expires_ms, amount_fen = local_ms(asked["time_expire"], ISO), int(asked["amount"]["total"])
        order_no, description = asked["out_trade_no"], asked["description"]
        sale = Sale(order_no, amount_fen, self.clock_ms(), expires_ms, asked["notify_url"], description)
        self.till.place(sale)
        return {"code_url": f"weixin://wxpay/bizpayurl?pr={order_no}"}

    def _query(self, request: Request, _asked: Any) -> Mapping[str, Any]:
        return self._transaction(self.till.known(request.path_params["order_no"]))

    def _close(self, request: Request, _asked: Any) -> None:
        self.till.close(request.path_params["order_no"])

    def _refund(self, _request: Request, asked: Any) -> Mapping[str, Any]:
        sale = self.till.known(asked["out_trade_no"])
        if asked["amount"]["total"] != sale.amount_fen:
            raise TillRefused("differs")
        given, is_new = self.till.refund(sale.order_no, asked["out_refund_no"], asked["amount"]["refund"])
        if is_new:
            self.tell(sale, given.refund_no)
        return self._given(sale, given.refund_no, "PROCESSING" if is_new else "SUCCESS", "status")

    def _query_refund(self, request: Request, _asked: Any) -> Mapping[str, Any]:
        number = request.path_params["refund_no"]
        for sale in self.till.sales.values():
            if number in sale.refunds:
                return self._given(sale, number, "SUCCESS", "status")
        raise TillRefused("unknown_refund")

    def _given(self, sale: Sale, refund_no: str, state: str, name: str) -> dict[str, Any]:
        given = sale.refunds[refund_no]
        return {
            "mchid": self.merchant_no,
            "refund_id": given.number,
            "out_refund_no": refund_no,
            "transaction_id": sale.trade_no,
            "out_trade_no": sale.order_no,
            "success_time": f"{local(given.time_ms):{ISO}}",
            name: state,
            "amount": {"total": sale.amount_fen, "refund": given.amount_fen, "payer_refund": given.amount_fen},
        }

    def _transaction(self, sale: Sale) -> dict[str, Any]:
        content: dict[str, Any] = {
            "appid": self.app_id,
            "mchid": self.merchant_no,
            "out_trade_no": sale.order_no,
            "trade_type": "NATIVE",
            "trade_state": {CLOSED: "CLOSED", PAID: "REFUND" if sale.refunds else "SUCCESS"}.get(sale.state, "NOTPAY"),
            "amount": {"total": sale.amount_fen, "payer_total": sale.amount_fen, "currency": "CNY"},
        }
        if sale.state == PAID:
            content |= {"transaction_id": sale.trade_no, "success_time": f"{local(sale.paid_ms):{ISO}}"}
        return content

    def tell(self, sale: Sale, refund_no: str = "") -> None:
        number = self._notice_numbers.setdefault((sale.order_no, refund_no), f"EV-{secrets.token_hex(16)}")
        content = self._given(sale, refund_no, "SUCCESS", "refund_status") if refund_no else self._transaction(sale)
        body = self.notice(number, "REFUND.SUCCESS" if refund_no else "TRANSACTION.SUCCESS", content)
        self.notifier.tell(
            sale.notify_url, lambda: (self.signed_headers(body), body), lambda status, _answer: status in (200, 204)
        )

    def notice(self, number: str, kind: str, content: Mapping[str, Any], key: bytes = b"") -> bytes:
        """A body with encrypted content, under the merchant's key or another."""
        nonce, added = secrets.token_hex(6), "refund" if kind.startswith("REFUND") else "transaction"
        plain = json.dumps(content, ensure_ascii=False).encode()
        sealed = AESGCM(key or self.api_v3_key).encrypt(nonce.encode(), plain, added.encode())
        outer = {
            "id": number,
            "create_time": f"{local(self.clock_ms()):{ISO}}",
            "event_type": kind,
            "resource_type": "encrypt-resource",
            "summary": "支付成功",
            "resource": {
                "algorithm": "AEAD_AES_256_GCM",
                "original_type": added,
                "associated_data": added,
                "nonce": nonce,
                "ciphertext": base64.standard_b64encode(sealed).decode(),
            },
        }
        return json.dumps(outer, ensure_ascii=False).encode()

    def _link(self, request: Request, _asked: Any) -> Mapping[str, Any]:
        day = date.fromisoformat(request.query_params["bill_date"])
        if day >= local(self.clock_ms()).date():
            raise TillRefused("no_statement")
        token = secrets.token_hex(16)
        self._links[token] = (day, self.clock_ms() + LINK_MS)
        url = f"{self.address}/v3/billdownload/file?token={token}"
        digest = hashlib.sha1(self.statement(day), usedforsecurity=False).hexdigest()
        return {"hash_type": "SHA1", "hash_value": digest, "download_url": url}

    async def _download(self, request: Request) -> Response:
        day, until_ms = self._links.get(request.query_params.get("token", ""), (date.min, 0))
        if self.clock_ms() > until_ms or not self._is_signed(request, b""):
            return Response(b"", 401)
        return Response(self.statement(day), media_type="text/plain")

    def statement(self, day: date) -> bytes:
        """The file of a day."""
        rows = list(self.till.rows(day))
        lines = [HEADER]
        for row in rows:
            amount, at = yuan(row.amount_fen), f"{local(row.time_ms):%Y-%m-%d %H:%M:%S}"
            state = ["REFUND", "OTHERS", "CNY", "0.00"] if row.refund_no else ["SUCCESS", "OTHERS", "CNY", amount]
            given = [f"5{row.trade_no}", row.refund_no, amount] if row.refund_no else ["0", "0", "0.00"]
            kind = ["ORIGINAL", "SUCCESS"] if row.refund_no else ["", ""]
            sums = ["0.00", amount] if row.refund_no else [amount, "0.00"]
            cells = [
                at,
                self.app_id,
                self.merchant_no,
                "0",
                "",
                row.trade_no,
                row.order_no,
                "o000000",
                "NATIVE",
                *state,
                "0.00",
            ]
            cells += [*given, "0.00", *kind, row.subject, "", f"{yuan(row.fee_fen)}000", "0.60%", *sums, ""]
            lines.append(",".join(f"`{cell}" for cell in cells))
        paid = sum(row.amount_fen for row in rows if not row.refund_no)
        back = sum(row.amount_fen for row in rows if row.refund_no)
        fees = f"{yuan(sum(row.fee_fen for row in rows))}000"
        sums = [str(len(rows)), yuan(paid), yuan(back), "0.00", fees, yuan(paid), yuan(back)]
        return "\r\n".join([*lines, SUMS, ",".join(f"`{cell}" for cell in sums), ""]).encode()
