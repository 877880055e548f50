"""Insurers, employers and offices that show who they are: many verifications at once."""

from __future__ import annotations

import asyncio

from starlette.responses import Response

from api.body import JSON, decode_json, split_list
from api.call import Call
from api.errors import ApiRefused
from api.rendering import render
from api.route import BOTH, Given, Route, Sent
from api.routes.public import parse_date
from api.schemas import examples
from api.schemas.answers import BatchVerification
from api.schemas.requests import VERIFICATIONS_MAX, VerificationRequest, Verifications
from node.service import Claimed

ROWS_AT_A_TIME = 100  # decoded before the node's loop has a turn: some 3 ms


async def verify_bills(call: Call) -> Response:
    rows = split_list(await call.read_raw(JSON), Verifications, "rows", VERIFICATIONS_MAX)
    claims: list[Claimed] = []
    for index, row in enumerate(rows):
        if index % ROWS_AT_A_TIME == ROWS_AT_A_TIME - 1:
            await asyncio.sleep(0)
        try:
            asked = decode_json(row, VerificationRequest)
            if asked.business_date is not None:
                parse_date(asked.business_date, "invalid_value", "/business_date")
        except ApiRefused as refusal:
            raise ApiRefused(refusal.code, refusal.detail, f"/rows/{index}{refusal.pointer or ''}") from None
        claims.append(Claimed(asked.bill_id, asked.check_code, asked.business_date, asked.total_fen))
    return render(call, await call.desk.verify_many(claims))


ROUTES = (
    Route(
        "POST",
        "/v1/verifications:batch",
        "verifyBills",
        "public",
        f"Whether up to {VERIFICATIONS_MAX:,} bills are genuine, with a signed manifest; no limit a day, no lock-out",
        verify_bills,
        {200: Given("Results in the order of the rows", examples.BATCH_VERIFICATION, BatchVerification)},
        BOTH,
        Sent({"rows": [examples.CLAIMED]}, "Verifications"),
        (),
        ("unavailable",),
    ),
)
