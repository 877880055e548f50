"""What the fund and the insured's account share: the national medical insurance settlement interface, called by a hospital.

One POST of JSON a question, answered at once, so there are no notices: `infno` names the transaction (2206 try a settlement, 2207
settle, 2208 take it back, 5203 look it up, 9102 fetch a file), `msgid` is the hospital's code, the moment and four digits, `output`
has what came of it. We make `msgid` of the order's number and moment, so asking again is the same question. Amounts are yuan with two
decimals. `details` of a request must have `psn_no` and `mdtrt_id`, may have the interface's other fields, and goes into `input`; none of
it is logged. A settlement is tried first, and taken back where it came out other than ordered. It can only be taken back whole.
Ours, since public texts leave it open: how content is signed (`insurance_signing.py`), 5203 by `medins_setl_id`, our order number
in `exp_content`, the file of 9102 (`insurance_statement.py`), and that fund and account are settled one after the other.
Sources: field names of the national interface specification as several public hospital systems have them. Never run against a bureau.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from datetime import date
from hashlib import sha256
from typing import Any, BinaryIO, ClassVar

from node.channels.amounts import format_yuan, parse_yuan
from node.channels.channel import (
    ABSENT,
    NONE,
    Channel,
    ChannelState,
    Invitation,
    PaymentRequest,
    RefundRequest,
    RefundState,
)
from node.channels.channel_client import ANSWER_BYTES_MAX, ChannelClient
from node.channels.errors import ChannelRefused, StatementNotReady, reading_answer
from node.channels.fields import Fields, read_json
from node.channels.insurance_signing import REPLY, REQUEST, body_code, caller_headers, verify_code
from node.channels.insurance_statement import read_insurance_statement
from node.channels.moments import COMPACT, beijing_text, parse_beijing
from node.channels.statement_line import CLOSED, SUCCESS, StatementLine

TRY, SETTLE, TAKE_BACK, LOOK_UP, FETCH = "2206", "2207", "2208", "5203", "9102"
DIFFERS = "amount_differs"


class MedicalInsurance(Channel):
    """`institution_no` is the bureau's 12 characters for the hospital, `region` six digits."""

    uses_account: ClassVar[str]  # acct_used_flag
    paid: ClassVar[str]  # the field of `setlinfo` that must come to the order's amount

    def __init__(
        self,
        gateway: str,
        institution_no: str,
        region: str,
        paas_id: str,
        token: str,
        secret: bytes,
        client: ChannelClient,
        clock_ms: Callable[[], int],
    ) -> None:
        self._gateway, self._institution_no, self._region = gateway, institution_no, region
        self._paas_id, self._token, self._secret = paas_id, token, secret
        self._client, self._clock_ms = client, clock_ms

    async def pay(self, request: PaymentRequest) -> Invitation:
        data = {
            "psn_setlway": "01",
            "chrg_bchno": request.order_no,
            "medfee_sumamt": format_yuan(request.amount_fen),
            "acct_used_flag": self.uses_account,
        } | _whose(request)
        number = self._message_no(request.order_no, request.placed_ms)
        tried = await self._ask(TRY, number, {"data": data})
        with reading_answer():
            if self._paid_fen(tried.section("setlinfo")) != request.amount_fen:
                raise ChannelRefused(self.name, DIFFERS)
        settled = await self._ask(SETTLE, number, {"data": data | {"exp_content": request.order_no}})
        with reading_answer():
            state = self._state(settled.section("setlinfo"))
        if state.amount_fen != request.amount_fen:
            await self._take_back(request, state.trade_no, f"{number[:-4]}0000", "")
            raise ChannelRefused(self.name, DIFFERS)
        return Invitation(NONE, state=state)

    async def query(self, request: PaymentRequest) -> ChannelState:
        found = await self._look_up(request, self._message_no(request.order_no, request.placed_ms))
        with reading_answer():
            return self._state(found) if found is not None else ChannelState(ABSENT)

    async def close(self, request: PaymentRequest) -> ChannelState:
        """Nobody but us starts a settlement, so one that is not there will not come."""
        found = await self.query(request)
        return ChannelState(CLOSED) if found.state == ABSENT else found

    async def refund(self, request: PaymentRequest, refund: RefundRequest) -> RefundState:
        if refund.amount_fen != request.amount_fen:
            raise ChannelRefused(self.name, "only_whole")
        number = self._message_no(refund.refund_no, refund.placed_ms)
        await self._take_back(request, refund.trade_no, number, refund.refund_no)
        return RefundState(SUCCESS, refund.refund_no, refund.amount_fen)

    async def query_refund(self, request: PaymentRequest, refund: RefundRequest) -> RefundState:
        found = await self._look_up(request, self._message_no(refund.refund_no, refund.placed_ms))
        if found is None:
            return RefundState(ABSENT, refund.refund_no)
        with reading_answer():
            return RefundState(SUCCESS, refund.refund_no, self._paid_fen(found))

    async def statement(self, day: date, target: BinaryIO) -> None:
        number = self._message_no(f"{self.name}{day:%Y%m%d}", self._clock_ms())
        asked = {
            "fixmedins_code": self._institution_no,
            "filename": f"{self.name}-{day}.txt",
            "file_qury_no": f"{day:%Y%m%d}",
        }
        body = self._envelope(FETCH, number, {"fsDownloadIn": asked})
        code = body_code(self._secret, REPLY, number)
        headers = self._headers(number, body)
        status, answered = await self._client.download(self._gateway, headers, target, (code,), "POST", body)
        if status != 200:
            raise StatementNotReady(f"{self.name} answered {status}")
        with reading_answer():
            verify_code(code, answered.get("x-signature", ""))

    def read_statement(self, source: BinaryIO) -> Iterator[StatementLine]:
        return read_insurance_statement(self.name, self.paid, source)

    async def end(self) -> None:
        await self._client.end()

    async def _take_back(self, request: PaymentRequest, trade_no: str, number: str, refund_no: str) -> None:
        data = _whose(request) | {"setl_id": trade_no, "exp_content": refund_no}
        await self._ask(TAKE_BACK, number, {"data": data})

    async def _look_up(self, request: PaymentRequest, number: str) -> Fields | None:
        asked_as = self._message_no(request.order_no, self._clock_ms())
        found = await self._ask(LOOK_UP, asked_as, {"data": _whose(request) | {"medins_setl_id": number}})
        if found.values.get("setlinfo") is None:
            return None
        with reading_answer():
            settled = found.section("setlinfo")
            settled.same("medins_setl_id", number)
            return settled

    async def _ask(self, transaction: str, number: str, content: Mapping[str, Any]) -> Fields:
        """`output` of a signed answer. Raises ChannelRefused with `infcode`, and as all questions do."""
        body = self._envelope(transaction, number, content)
        answer = await self._client.ask("POST", self._gateway, self._headers(number, body), body)
        with reading_answer():
            code = body_code(self._secret, REPLY, number)
            code.update(answer.body)
            verify_code(code, answer.headers.get("x-signature", ""))
            fields = read_json(answer.body, ANSWER_BYTES_MAX)
            if fields.number("infcode") != 0:
                raise ChannelRefused(self.name, str(fields.number("infcode")))
            return fields.section("output")

    def _envelope(self, transaction: str, number: str, content: Mapping[str, Any]) -> bytes:
        values = {
            "infno": transaction,
            "msgid": number,
            "mdtrtarea_admvs": self._region,
            "recer_sys_code": "MBS_LOCAL",
            "signtype": "",
            "cainfo": "",
            "infver": "V1.0",
            "opter_type": "2",
            "opter": "medbill",
            "inf_time": beijing_text(self._clock_ms()),
            "fixmedins_code": self._institution_no,
            "input": content,
        }
        return json.dumps(values, ensure_ascii=False).encode()

    def _headers(self, number: str, body: bytes) -> dict[str, str]:
        code = body_code(self._secret, REQUEST, number)
        code.update(body)
        return {
            "content-type": "application/json;charset=utf-8",
            "x-signature": code.hexdigest(),
            **caller_headers(self._paas_id, self._token, self._clock_ms()),
        }

    def _message_no(self, own_no: str, placed_ms: int) -> str:
        """30 characters: hospital, moment, four digits that follow from our number."""
        digits = int.from_bytes(sha256(own_no.encode()).digest()[:8]) % 9_999 + 1
        return f"{self._institution_no}{beijing_text(placed_ms, COMPACT)}{digits:04d}"

    def _paid_fen(self, settled: Fields) -> int:
        value = settled.values.get(self.paid)
        return parse_yuan(str(value) if type(value) is int else settled.text(self.paid), self.paid, least_fen=0)

    def _state(self, settled: Fields) -> ChannelState:
        moment = parse_beijing(settled.text("setl_time"), "setl_time")
        return ChannelState(SUCCESS, settled.text("setl_id"), self._paid_fen(settled), moment)


def _whose(request: PaymentRequest) -> dict[str, str]:
    if not {"psn_no", "mdtrt_id"} <= request.details.keys():
        raise ValueError("details of an insured's payment have psn_no and mdtrt_id")
    return request.details
