"""Stands in for Alipay's gateway: `gateway.do`, notices, and the statement behind an address that holds for half a minute.

Written after Alipay's public texts; it is not Alipay, and nobody of Alipay has looked at it.
"""

from __future__ import annotations

import io
import json
import secrets
import zipfile
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from pathlib import Path
from urllib.parse import parse_qsl, urlencode

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from node.channels.simulators import keys as own_keys
from node.channels.simulators.simulator import Simulator, now_ms
from node.channels.simulators.till import CLOSED, PAID, Sale, TillRefused, fen, local, local_ms, yuan

SCHEDULE_S = (0, 240, 600, 600, 3_600, 7_200, 21_600, 54_000)
LINK_MS = 30_000
REFUSALS = {
    "unknown": "ACQ.TRADE_NOT_EXIST",
    "differs": "ACQ.CONTEXT_INCONSISTENT",
    "not_open": "ACQ.TRADE_STATUS_ERROR",
    "not_paid": "ACQ.TRADE_STATUS_ERROR",
    "too_much": "ACQ.REFUND_AMT_NOT_EQUAL_TOTAL",
}
HEADER = (
    "支付宝交易号,商户订单号,业务类型,商品名称,创建时间,完成时间,门店编号,门店名称,操作员,终端号,对方账户,订单金额（元）,"
    "商家实收（元）,支付宝红包（元）,集分宝（元）,支付宝优惠（元）,商家优惠（元）,券核销金额（元）,券名称,商家红包消费金额（元）,"
    "卡消费金额（元）,退款批次号/请求号,服务费（元）,分润（元）,备注"
)


class AlipaySimulator(Simulator):
    """`merchant_key` is what the merchant registered for `app_id`."""

    name = "alipay"

    def __init__(
        self,
        merchant_key: RSAPublicKey,
        app_id: str = "2021000000000001",
        seller_id: str = "2088000000000001",
        schedule_s: Sequence[float] = SCHEDULE_S,
        clock_ms: Callable[[], int] = now_ms,
    ) -> None:
        super().__init__(schedule_s, clock_ms)
        self.app_id, self.seller_id, self.merchant_key = app_id, seller_id, merchant_key
        self.key = own_keys.make_key()
        self._links: dict[str, tuple[date, int]] = {}  # token -> day, until when
        self._notice_numbers: dict[tuple[str, str], str] = {}  # order and refund number -> number of the notice

    def routes(self) -> list[Route]:
        return [
            Route("/gateway.do", self._gateway, methods=["POST"]),
            Route("/downloadBillFile.resource", self._download, methods=["GET"]),
        ]

    def configuration(self, keys: Path, notify_url: str) -> list[dict[str, object]]:
        (keys / "alipay-platform.pem").write_bytes(own_keys.public_pem(self.key.public_key()))
        entry: dict[str, object] = {
            "channel": "alipay",
            "gateway": f"{self.address}/gateway.do",
            "app_id": self.app_id,
            "seller_id": self.seller_id,
            "key_file": "merchant.pem",
            "platform_key_file": "alipay-platform.pem",
            "notify_url": notify_url,
        }
        return [entry]

    async def _gateway(self, request: Request) -> Response:
        pairs = parse_qsl(request.url.query, True) + parse_qsl((await request.body()).decode(), True)
        sent = dict(pairs)
        covered = "&".join(f"{key}={value}" for key, value in sorted(pairs) if key != "sign" and value)
        is_ours = sent.get("app_id") == self.app_id and sent.get("sign_type") == "RSA2" and len(sent) == len(pairs)
        if not is_ours or not own_keys.is_signed(self.merchant_key, covered.encode(), sent.get("sign", "")):
            error = {"code": "40002", "msg": "Invalid Arguments", "sub_code": "isv.invalid-signature"}
            return PlainTextResponse(json.dumps({"error_response": error}))
        asked = json.loads(sent["biz_content"])
        try:
            node = {"code": "10000", "msg": "Success"} | self._answer(sent["method"], asked, sent.get("notify_url", ""))
        except TillRefused as refused:
            node = {"code": "40004", "msg": "Business Failed", "sub_code": REFUSALS.get(str(refused), str(refused))}
        text = json.dumps(node, ensure_ascii=False)
        signature = own_keys.signature_of(self.key, text.encode())
        name = sent["method"].replace(".", "_") + "_response"
        return PlainTextResponse(f'{{"{name}":{text},"sign":"{signature}"}}')

    def _answer(self, method: str, asked: Mapping[str, str], notify_url: str) -> dict[str, str]:
        order_no = asked.get("out_trade_no", "")
        match method:
            case "alipay.trade.precreate":
                expires_ms = local_ms(asked["time_expire"], "%Y-%m-%d %H:%M:%S")
                amount_fen = fen(asked["total_amount"])
                sale = Sale(order_no, amount_fen, self.clock_ms(), expires_ms, notify_url, asked["subject"])
                self.till.place(sale)
                return {"out_trade_no": order_no, "qr_code": f"https://qr.alipay.example/{order_no}"}
            case "alipay.trade.query":
                return self._state(self._scanned(order_no))
            case "alipay.trade.close":
                self._scanned(order_no)
                self.till.close(order_no)
                return {"out_trade_no": order_no}
            case "alipay.trade.refund":
                given, is_new = self.till.refund(order_no, asked["out_request_no"], fen(asked["refund_amount"]))
                sale = self.till.known(order_no)
                if is_new:
                    self.tell(sale, given.refund_no)
                return {"out_trade_no": order_no, "trade_no": sale.trade_no, "fund_change": "Y" if is_new else "N",
                        "refund_fee": yuan(_all_back(sale))}  # fmt: skip
            case "alipay.trade.fastpay.refund.query":
                found = self._scanned(order_no).refunds.get(asked["out_request_no"])
                if found is None:
                    return {}
                return {"out_trade_no": order_no, "out_request_no": found.refund_no,
                        "refund_amount": yuan(found.amount_fen), "refund_status": "REFUND_SUCCESS"}  # fmt: skip
            case "alipay.data.dataservice.bill.downloadurl.query":
                return self._link(date.fromisoformat(asked["bill_date"]))
        raise TillRefused("isv.method-invalid")

    def _scanned(self, order_no: str) -> Sale:
        sale = self.till.known(order_no)
        if not sale.is_scanned:
            raise TillRefused("unknown")
        return sale

    def _state(self, sale: Sale) -> dict[str, str]:
        if sale.state != PAID:
            state = "TRADE_CLOSED" if sale.state == CLOSED else "WAIT_BUYER_PAY"
            return {"out_trade_no": sale.order_no, "trade_status": state, "total_amount": yuan(sale.amount_fen)}
        return {
            "out_trade_no": sale.order_no,
            "trade_no": sale.trade_no,
            "trade_status": "TRADE_CLOSED" if _all_back(sale) == sale.amount_fen else "TRADE_SUCCESS",
            "total_amount": yuan(sale.amount_fen),
            "send_pay_date": f"{local(sale.paid_ms):%Y-%m-%d %H:%M:%S}",
        }

    def tell(self, sale: Sale, refund_no: str = "") -> None:
        number = self._notice_numbers.setdefault((sale.order_no, refund_no), secrets.token_hex(17))
        body = self.notice(sale, number, refund_no)
        headers = {"content-type": "application/x-www-form-urlencoded; charset=utf-8"}
        self.notifier.tell(sale.notify_url, lambda: (headers, body), lambda _status, answer: answer == b"success")

    def notice(self, sale: Sale, number: str, refund_no: str = "", changes: Mapping[str, str] | None = None) -> bytes:
        """A signed form; `changes` are made before it is signed."""
        now = f"{local(self.clock_ms()):%Y-%m-%d %H:%M:%S}"
        values = {
            "notify_time": now,
            "notify_type": "trade_status_sync",
            "notify_id": number,
            "charset": "utf-8",
            "version": "1.0",
            "app_id": self.app_id,
            "seller_id": self.seller_id,
            "trade_no": sale.trade_no,
            "out_trade_no": sale.order_no,
            "trade_status": self._state(sale)["trade_status"],
            "total_amount": yuan(sale.amount_fen),
            "subject": sale.subject,
            "gmt_payment": f"{local(sale.paid_ms):%Y-%m-%d %H:%M:%S}",
        }
        if refund_no:
            values |= {"out_biz_no": refund_no, "refund_fee": yuan(_all_back(sale)), "gmt_refund": f"{now}.000"}
        values |= changes or {}
        covered = "&".join(f"{key}={values[key]}" for key in sorted(values))
        values |= {"sign_type": "RSA2", "sign": own_keys.signature_of(self.key, covered.encode())}
        return urlencode(values).encode()

    def _link(self, day: date) -> dict[str, str]:
        if day >= local(self.clock_ms()).date():
            raise TillRefused("isp.bill_not_exist")
        token = secrets.token_hex(16)
        self._links[token] = (day, self.clock_ms() + LINK_MS)
        return {"bill_download_url": f"{self.address}/downloadBillFile.resource?fileId={token}"}

    async def _download(self, request: Request) -> Response:
        day, until_ms = self._links.get(request.query_params.get("fileId", ""), (date.min, 0))
        if self.clock_ms() > until_ms:
            return PlainTextResponse("gone", 404)
        return Response(self.statement(day), media_type="application/zip")

    def statement(self, day: date) -> bytes:
        """The zip of a day."""
        line = "-" * 40
        lines = ["#支付宝业务明细查询", f"#账号：[{self.seller_id}0156]", f"#起始日期：[{day} 00:00:00]"]
        lines += [f"#{line}业务明细列表{line}", HEADER]
        counts = {"交易": 0, "退款": 0}
        for row in self.till.rows(day):
            kind = "退款" if row.refund_no else "交易"
            counts[kind] += 1
            amount = yuan(-row.amount_fen if row.refund_no else row.amount_fen)
            at = f"{local(row.time_ms):%Y-%m-%d %H:%M:%S}"
            cells = [
                f"{row.trade_no}\t",
                f"{row.order_no}\t",
                f"{kind}\t",
                _quoted(row.subject),
                at,
                at,
                "\t",
                "\t",
                "\t",
                "\t",
            ]
            cells += ["**(156******89)\t", amount, amount, *["0.00"] * 5, "", "0.00\t", "0.00"]
            cells += [f"{row.refund_no}\t", yuan(-row.fee_fen), "0.00", ""]
            lines.append(",".join(cells))
        lines += [f"#{line}业务明细列表结束{line}"]
        lines += [f"#{kind}合计：{count}笔，商家实收共0.00元" for kind, count in counts.items()]
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            stem = f"{self.seller_id}0156_{day:%Y%m%d}"
            archive.writestr(f"{stem}_业务明细.csv", "\r\n".join([*lines, ""]).encode("gb18030"))
            archive.writestr(f"{stem}_业务明细(汇总).csv", "#支付宝业务汇总查询\r\n".encode("gb18030"))
        return packed.getvalue()


def _all_back(sale: Sale) -> int:
    return sum(refund.amount_fen for refund in sale.refunds.values())


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"' if set(text) & set(',"') else text
