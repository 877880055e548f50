"""Stands in for an insurance bureau: tries and makes settlements, takes them back, looks them up, gives the day's file.

The insured are invented here: a number, a share that the fund pays, what lies in the account. Written after field names in public
hospital systems; it is no bureau's, and where public texts say nothing it does what `node/channels/medical_insurance.py` says is ours.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from node.channels.simulators import keys as own_keys
from node.channels.simulators.simulator import Simulator, now_ms
from node.channels.simulators.till import Sale, TillRefused, fen, local, yuan

OFF_S = 300
HEADER = (
    "psn_no\tmdtrt_id\tsetl_id\tmsgid\tstmt_rslt\trefd_setl_flag\tmemo\tmedfee_sumamt\tfund_pay_sumamt\tacct_pay\t"
    "setl_time\texp_content\trefund_no"
)


@dataclass
class Insured:
    """Somebody invented."""

    fund_percent: int = 60
    account_fen: int = 100_000


@dataclass
class Settled:
    """One settlement, or one taken back."""

    kind: str  # fund, account
    person: str
    visit: str
    number: str  # setl_id
    message_no: str
    order_no: str
    fund_fen: int
    account_fen: int
    total_fen: int
    time_ms: int
    refund_no: str = ""
    is_taken_back: bool = False
    is_back: bool = False  # the entry that takes another one back


class InsuranceSimulator(Simulator):
    """Both channels at one address."""

    name = "insurance"

    def __init__(
        self,
        institution_no: str = "H33010000001",
        region: str = "330100",
        schedule_s: Sequence[float] = (),
        clock_ms: Callable[[], int] = now_ms,
    ) -> None:
        super().__init__(schedule_s, clock_ms)
        self.institution_no, self.region = institution_no, region
        self.paas_id, self.token, self.secret = "hospital_0001", secrets.token_hex(16), secrets.token_bytes(32)
        self.insured: dict[str, Insured] = {}  # psn_no -> who
        self.settled: dict[str, Settled] = {}  # msgid -> settlement
        self.is_mute = False  # does as asked, and loses the answer

    def routes(self) -> list[Route]:
        return [Route("/fsi/api", self._asked, methods=["POST"])]

    def configuration(self, keys: Path, notify_url: str) -> list[dict[str, object]]:
        own_keys.write_private(keys / "insurance-token.key", self.token.encode() + b"\n")
        own_keys.write_private(keys / "insurance-secret.key", self.secret.hex().encode() + b"\n")
        entry: dict[str, object] = {
            "gateway": f"{self.address}/fsi/api",
            "institution_no": self.institution_no,
            "region": self.region,
            "paas_id": self.paas_id,
            "token_file": "insurance-token.key",
            "secret_file": "insurance-secret.key",
        }
        return [{"channel": "fund", **entry}, {"channel": "account", **entry}]

    def tell(self, sale: Sale, refund_no: str = "") -> None:
        """Nobody is told anything: the answer was all."""

    async def _asked(self, request: Request) -> Response:
        body = await request.body()
        asked = json.loads(body)
        number = str(asked["msgid"])
        if not self._is_signed(request.headers, number, body):
            return Response(b'{"infcode":-1,"err_msg":"signature"}', 401)
        if asked["infno"] == "9102":
            wanted = asked["input"]["fsDownloadIn"]
            kind, day = str(wanted["filename"]).split("-")[0], date.fromisoformat(wanted["file_qury_no"])
            if day >= local(self.clock_ms()).date():
                return self._signed(number, b"{}", 404)
            return self._signed(number, self.statement(day, kind))
        try:
            code, message, output = 0, "", self._answer(asked["infno"], number, asked["input"]["data"])
        except TillRefused as refused:
            code, message, output = -1, str(refused), {}
        now = f"{local(self.clock_ms()):%Y%m%d%H%M%S}000"
        reference = f"{self.region}{now[:14]}{secrets.randbelow(10**10):010d}"
        reply = {
            "infcode": code,
            "inf_refmsgid": reference,
            "refmsg_time": now,
            "respond_time": now,
            "err_msg": message,
        }
        if self.is_mute:
            return Response(b"", 504)
        return self._signed(number, json.dumps(reply | {"output": output}).encode())

    def _is_signed(self, headers: Mapping[str, str], number: str, body: bytes) -> bool:
        moment, nonce = headers.get("x-tif-timestamp", ""), headers.get("x-tif-nonce", "")
        caller = hashlib.sha256((moment + self.token + nonce + moment).encode()).hexdigest()
        if headers.get("x-tif-paasid") != self.paas_id or headers.get("x-tif-signature") != caller:
            return False
        if not moment.isdigit() or abs(int(moment) - self.clock_ms() // 1_000) > OFF_S:
            return False
        content = hmac.new(self.secret, f"request\n{number}\n".encode() + body, hashlib.sha256).hexdigest()
        return hmac.compare_digest(content, headers.get("x-signature", ""))

    def _signed(self, number: str, body: bytes, status: int = 200) -> Response:
        code = hmac.new(self.secret, f"reply\n{number}\n".encode() + body, hashlib.sha256).hexdigest()
        return Response(body, status, {"x-signature": code}, "application/json")

    def _answer(self, transaction: str, number: str, data: Mapping[str, Any]) -> dict[str, Any]:
        match transaction:
            case "2206":
                return {"setlinfo": self._info(self._settle(number, data))}
            case "2207":
                known = self.settled.get(number)
                if known is None:
                    known = self.settled[number] = self._settle(number, data)
                    self.insured[known.person].account_fen -= known.account_fen
                return {"setlinfo": self._info(known)}
            case "2208":
                return {"setlinfo": self._info(self._take_back(number, data))}
            case "5203":
                found = self.settled.get(str(data["medins_setl_id"]))
                return {"setlinfo": self._info(found) if found is not None else None}
        raise TillRefused("unknown transaction")

    def _settle(self, number: str, data: Mapping[str, Any]) -> Settled:
        person = self.insured.get(str(data["psn_no"]))
        if person is None:
            raise TillRefused("unknown")
        total_fen, is_account = fen(data["medfee_sumamt"]), data["acct_used_flag"] == "1"
        fund_fen = 0 if is_account else total_fen * person.fund_percent // 100
        account_fen = min(total_fen, person.account_fen) if is_account else 0
        kind, now_ms = "account" if is_account else "fund", self.clock_ms()
        return Settled(kind, data["psn_no"], data["mdtrt_id"], self.till.number(now_ms), number,
                       data.get("exp_content", ""), fund_fen, account_fen, total_fen, now_ms)  # fmt: skip

    def _take_back(self, number: str, data: Mapping[str, Any]) -> Settled:
        if number in self.settled:
            return self.settled[number]
        for paid in self.settled.values():
            if (
                paid.number == data["setl_id"]
                and paid.person == data["psn_no"]
                and not paid.is_back
                and not paid.is_taken_back
            ):
                back = Settled(paid.kind, paid.person, paid.visit, paid.number, number, paid.order_no, paid.fund_fen,
                               paid.account_fen, paid.total_fen, self.clock_ms(), data["exp_content"], is_back=True)  # fmt: skip
                paid.is_taken_back = True
                self.insured[paid.person].account_fen += paid.account_fen
                self.settled[number] = back
                return back
        raise TillRefused("unknown")

    def _info(self, settled: Settled) -> dict[str, Any]:
        return {
            "setl_id": settled.number,
            "psn_no": settled.person,
            "mdtrt_id": settled.visit,
            "medins_setl_id": settled.message_no,
            "setl_time": f"{local(settled.time_ms):%Y-%m-%d %H:%M:%S}",
            "medfee_sumamt": yuan(settled.total_fen),
            "fund_pay_sumamt": yuan(settled.fund_fen),
            "acct_pay": yuan(settled.account_fen),
            "psn_cash_pay": yuan(settled.total_fen - settled.fund_fen - settled.account_fen),
            "refd_setl_flag": "1" if settled.is_back else "0",
        }

    def statement(self, day: date, kind: str) -> bytes:
        """The file of a day, one channel's lines."""
        lines = [HEADER]
        for entry in self.settled.values():
            if entry.kind != kind or local(entry.time_ms).date() != day or entry.order_no in self.till.left_out:
                continue
            sign = -1 if entry.is_back else 1
            shift_fen = self.till.shifted_fen.get(entry.order_no, 0)
            amounts = [yuan(sign * amount) for amount in (entry.total_fen, entry.fund_fen, entry.account_fen)]
            if shift_fen:
                amounts = [yuan(sign * (entry.total_fen + shift_fen))] * 3
            cells = [
                entry.person,
                entry.visit,
                entry.number,
                entry.message_no,
                "0",
                "1" if entry.is_back else "0",
                "",
                *amounts,
            ]
            lines.append(
                "\t".join([*cells, f"{local(entry.time_ms):%Y-%m-%d %H:%M:%S}", entry.order_no, entry.refund_no])
            )
        return "\n".join([*lines, f"#count\t{len(lines) - 1}", ""]).encode()
