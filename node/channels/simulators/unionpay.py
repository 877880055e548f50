"""Stands in for UnionPay's online acquiring, version 5.1.0: QuickPass codes, the payment page for cards, notices, refunds, statement.

It is its own authority, which issues its certificate and the merchant's, as one authority does for both in reality. Written after
UnionPay's public texts; it is not UnionPay, and nobody there has looked at it.
"""

from __future__ import annotations

import base64
import hashlib
import io
import zipfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path
from urllib.parse import parse_qsl, urlencode

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route

from node.channels.simulators import keys as own_keys
from node.channels.simulators.simulator import Simulator, now_ms
from node.channels.simulators.till import PAID, WAITING, Row, Sale, Till, TillRefused, local, local_ms

SCHEDULE_S = (0, 60, 120, 300, 600, 1_200, 3_600)
DAYS_KEPT = 30  # of statements
REFUSALS = {"unknown": "34", "differs": "12", "not_open": "12", "not_paid": "35", "too_much": "36", "expired": "77"}
FORM = "%Y%m%d%H%M%S"


class UnionPaySimulator(Simulator):
    """One merchant with two products: the same number, two orders of business."""

    name = "unionpay"

    def __init__(
        self,
        merchant_key: RSAPublicKey,
        merchant_no: str = "777290000000001",
        schedule_s: Sequence[float] = SCHEDULE_S,
        clock_ms: Callable[[], int] = now_ms,
    ) -> None:
        super().__init__(schedule_s, clock_ms)
        self.till = Till(clock_ms, digits=21)
        self.merchant_no = merchant_no
        self.authority_key, self.key = own_keys.make_key(), own_keys.make_key()
        authority = own_keys.make_certificate(
            "CFCA SIMULATED OCA1", self.authority_key.public_key(), self.authority_key, clock_ms()
        )
        self.authority = authority
        self.certificate = self.issue("041@8310000000083040@中国银联股份有限公司@00016495", self.key.public_key())
        self.merchant_certificate = self.issue(f"041@{merchant_no}@Hospital@00000001", merchant_key)
        self._products: dict[str, str] = {}  # order number -> bizType

    def issue(self, common_name: str, key: RSAPublicKey, days: int = own_keys.DAYS) -> x509.Certificate:
        return own_keys.make_certificate(common_name, key, (self.authority, self.authority_key), self.clock_ms(), days)

    def routes(self) -> list[Route]:
        return [
            Route("/gateway/api/backTransReq.do", self._back, methods=["POST"]),
            Route("/gateway/api/frontTransReq.do", self._front, methods=["POST"]),
            Route("/gateway/api/queryTrans.do", self._query, methods=["POST"]),
            Route("/file", self._file, methods=["POST"]),
        ]

    def configuration(self, keys: Path, notify_url: str) -> list[dict[str, object]]:
        (keys / "unionpay-authority.pem").write_bytes(own_keys.certificate_pem(self.authority))
        (keys / "unionpay-merchant.pem").write_bytes(own_keys.certificate_pem(self.merchant_certificate))
        entry: dict[str, object] = {
            "gateway": f"{self.address}/gateway/api",
            "file_gateway": f"{self.address}/file",
            "merchant_no": self.merchant_no,
            "key_file": "merchant.pem",
            "certificate_file": "unionpay-merchant.pem",
        }
        stem = notify_url.rsplit("/", 1)[0]
        return [
            {"channel": name, **entry, "authority_files": ["unionpay-authority.pem"], "notify_url": f"{stem}/{name}"}
            for name in ("quickpass", "card")
        ]

    async def _read(self, request: Request) -> dict[str, str] | None:
        """A signed message of the merchant; None if it is not."""
        pairs = parse_qsl((await request.body()).decode(), keep_blank_values=True)
        sent = dict(pairs)
        covered = "&".join(f"{name}={value}" for name, value in sorted(pairs) if name != "signature")
        digest = hashlib.sha256(covered.encode()).hexdigest().encode()
        is_ours = sent.get("merId") == self.merchant_no and sent.get("certId") == str(
            self.merchant_certificate.serial_number
        )
        key = self.merchant_certificate.public_key()
        if not isinstance(key, RSAPublicKey) or len(sent) != len(pairs) or not is_ours:
            return None
        return sent if own_keys.is_signed(key, digest, sent.get("signature", "")) else None

    def _answer(self, sent: Mapping[str, str] | None, code: str, more: Mapping[str, str] | None = None) -> Response:
        if sent is None:
            return PlainTextResponse("Signature verification failed", 400)
        names = ("bizType", "txnType", "txnSubType", "merId", "orderId", "txnTime", "accessType", "settleDate")
        values = {name: sent[name] for name in names if name in sent} | {"respCode": code, "respMsg": "simulated"}
        return PlainTextResponse("&".join(f"{k}={v}" for k, v in self.signed(values | dict(more or {})).items()))

    def signed(
        self, values: Mapping[str, str], certificate: x509.Certificate | None = None, key: RSAPrivateKey | None = None
    ) -> dict[str, str]:
        """With UnionPay's certificate and signature, or others."""
        pem = own_keys.certificate_pem(certificate or self.certificate).decode().strip().replace("\n", "\r\n")
        message = dict(values) | {"version": "5.1.0", "encoding": "UTF-8", "signMethod": "01", "signPubKeyCert": pem}
        covered = "&".join(f"{name}={message[name]}" for name in sorted(message))
        digest = hashlib.sha256(covered.encode()).hexdigest().encode()
        return message | {"signature": own_keys.signature_of(key or self.key, digest)}

    async def _back(self, request: Request) -> Response:
        sent = await self._read(request)
        if sent is None:
            return self._answer(None, "11")
        try:
            if sent["txnType"] == "01":
                self._place(sent)
                code = base64.b32encode(sent["orderId"].encode()).decode().rstrip("=")
                return self._answer(sent, "00", {"qrCode": f"https://qr.95516.example/{code}"})
            sale = self._paid_by(sent["origQryId"])
            given, is_new = self.till.refund(sale.order_no, sent["orderId"], int(sent["txnAmt"]))
        except TillRefused as refused:
            return self._answer(sent, REFUSALS[str(refused)])
        if is_new:
            self.tell(sale, given.refund_no)
        return self._answer(sent, "00" if is_new else "12", {"queryId": given.number, "origQryId": sale.trade_no})

    async def _front(self, request: Request) -> Response:
        sent = await self._read(request)
        if sent is None:
            return HTMLResponse("<p>签名有误</p>", 400)
        try:
            self._place(sent)
        except TillRefused:
            return HTMLResponse("<p>订单有误</p>", 400)
        return HTMLResponse("<p>银行卡支付</p>")

    def _place(self, sent: Mapping[str, str]) -> None:
        sale = Sale(sent["orderId"], int(sent["txnAmt"]), local_ms(sent["txnTime"], FORM), local_ms(sent["payTimeout"], FORM),
                    sent["backUrl"], sent["orderDesc"], placed_text=sent["txnTime"])  # fmt: skip
        self.till.place(sale)
        self._products[sale.order_no] = sent["bizType"]

    def _paid_by(self, trade_no: str) -> Sale:
        for sale in self.till.sales.values():
            if sale.trade_no == trade_no and trade_no:
                return sale
        raise TillRefused("unknown")

    async def _query(self, request: Request) -> Response:
        sent = await self._read(request)
        if sent is None:
            return self._answer(None, "11")
        sale = self.till.sales.get(sent["orderId"])
        if sale is not None and sale.placed_text == sent["txnTime"]:
            if self.till.known(sale.order_no).state == WAITING:
                return self._answer(sent, "00", {"origRespCode": "05", "txnAmt": str(sale.amount_fen)})
            if sale.state == PAID:
                return self._answer(sent, "00", self._done(sale.trade_no, sale.amount_fen, sale.paid_ms))
        for other in self.till.sales.values():
            given = other.refunds.get(sent["orderId"])
            if given is not None:
                return self._answer(sent, "00", self._done(given.number, given.amount_fen, given.time_ms))
        return self._answer(sent, "34")

    def _done(self, number: str, amount_fen: int, time_ms: int) -> dict[str, str]:
        moment = f"{local(time_ms):%m%d%H%M%S}"
        return {"origRespCode": "00", "queryId": number, "txnAmt": str(amount_fen), "traceTime": moment}

    def tell(self, sale: Sale, refund_no: str = "") -> None:
        headers = {"content-type": "application/x-www-form-urlencoded;charset=UTF-8"}
        body = urlencode(self.signed(self.notice(sale, refund_no))).encode()
        self.notifier.tell(sale.notify_url, lambda: (headers, body), lambda status, _answer: status == 200)

    def notice(self, sale: Sale, refund_no: str = "") -> dict[str, str]:
        """The fields of a notice, to be signed."""
        given = sale.refunds.get(refund_no)
        values = {
            "bizType": self._products[sale.order_no],
            "accessType": "0",
            "merId": self.merchant_no,
            "currencyCode": "156",
            "respCode": "00",
            "respMsg": "Success!",
            "reqReserved": sale.order_no,
        }
        if given is not None:
            moment = f"{local(given.time_ms):%Y%m%d%H%M%S}"
            return values | {"txnType": "04", "txnSubType": "00", "orderId": refund_no, "txnTime": moment,
                             "txnAmt": str(given.amount_fen), "queryId": given.number, "origQryId": sale.trade_no}  # fmt: skip
        return values | {"txnType": "01", "txnSubType": "01", "orderId": sale.order_no, "txnTime": sale.placed_text,
                         "txnAmt": str(sale.amount_fen), "queryId": sale.trade_no}  # fmt: skip

    async def _file(self, request: Request) -> Response:
        sent = await self._read(request)
        if sent is None:
            return self._answer(None, "11")
        today = local(self.clock_ms()).date()
        days = [today - timedelta(days=back) for back in range(1, DAYS_KEPT + 1)]
        day = next((day for day in days if f"{day:%m%d}" == sent["settleDate"]), None)
        if day is None:
            return self._answer(sent, "98")
        content = base64.b64encode(zlib.compress(self.statement(day, sent["bizType"]))).decode()
        return self._answer(sent, "00", {"fileName": f"{self.merchant_no}_{day:%Y%m%d}.zip", "fileContent": content})

    def statement(self, day: date, product: str) -> bytes:
        """The zip of a settlement day, one product's lines."""
        lines = [self._line(row) for row in self.till.rows(day) if self._products.get(row.order_no, product) == product]
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(f"INN{day:%y%m%d}88ZM_{self.merchant_no}", "".join(lines).encode("gbk"))
            archive.writestr(f"INN{day:%y%m%d}88ZME_{self.merchant_no}", b"")
        return packed.getvalue()

    def _line(self, row: Row) -> str:
        def sided(amount_fen: int) -> str:
            return f"{'C' if amount_fen < 0 else 'D'}{abs(amount_fen):012d}"

        code, kind = ("S30", "04") if row.refund_no else ("S22", "01")
        columns = [
            code, f"{48020000:<11}", f"{48020000:<11}", "000001", f"{local(row.time_ms):%m%d%H%M%S}", f"{'622202****0018':<19}",
            f"{row.amount_fen:012d}", "8062", "07", f"{'9' * 21 if row.refund_no else row.trade_no:<21}", "  ",
            f"{row.refund_no or row.order_no:<32}", "01", "000001", f"{'':<10}", sided(row.fee_fen),
            sided(row.amount_fen if row.refund_no else -row.amount_fen), "    ", f"{'':<15}", kind, "01", "000201", "01", "    ",
            f"{'':<32}", "1", f"{row.trade_no if row.refund_no else '':<21}", self.merchant_no, " ", f"{'':<15}", f"{'':<32}",
            f"{'':<13}", f"{'':<13}", f"{'':<8}", f"{row.order_no:<32}", f"{'':<13}", f"{'':<13}", f"{'':<12}", "  ", " ",
            f"{'':<32}", f"{'':<98}",
        ]  # fmt: skip
        return " ".join(columns) + "\r\n"
