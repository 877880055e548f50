"""Insurers, employers and offices that show who they are: many verifications at once, and accounting of a bill."""

from __future__ import annotations

import asyncio

from starlette.responses import Response

from api.body import JSON, decode_json, split_list
from api.call import Call
from api.errors import ApiRefused
from api.rendering import render
from api.route import BOTH, MIRROR, Given, Route, Sent
from api.routes.bills import BILL_ID, PREFER
from api.routes.public import parse_date
from api.schemas import examples
from api.schemas.answers import Answer, BatchVerification
from api.schemas.requests import VERIFICATIONS_MAX, VerificationRequest, Verifications
from api.standing import answer_standing
from chain.codec import decode
from chain.operation import BookBill
from chain.transaction import Transaction
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
    return render(call, await call.desk.verify_many(claims, call.person))


async def book_bill(call: Call) -> Response:
    bill, data = call.bill_id(), await call.read_raw()
    entries = decode(data, Transaction).entries
    if len(entries) != 1 or not isinstance(entries[0].operation, BookBill) or entries[0].operation.bill != bill:
        raise ApiRefused("transaction_malformed", "one operation, which books this bill")
    (standing,) = await call.desk.submit(data)
    return await answer_standing(call, standing)


BOOKING = (
    "already_accounted",
    "bill_unknown",
    "not_issuer",
    "issuer_is_not_payer",
    "not_a_paying_unit",
    "bill_not_normal",
    "bill_not_sealed",
    "bill_in_arrears",
    "amount_exceeds_total",
)
SIGNED = (
    "malformed",
    "not_canonical",
    "transaction_malformed",
    "transaction_expired",
    "transaction_repeated",
    "transaction_too_early",
    "bad_signature",
    "key_refused",
    "key_unknown",
    "key_not_in_force",
    "mempool_full",
    "unavailable",
)

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
    Route(
        "POST",
        "/v1/bills/{bill_id}/accounting",
        "bookBill",
        "accounting",
        "Book a bill: a transaction of one operation that the unit has signed, in canonical bytes",
        book_bill,
        {
            202: Given("Taken", examples.LIFE_QUEUED, Answer),
            201: Given("Recorded within the preferred wait", examples.LIFE_RECORDED, Answer),
            200: Given("The same was booked before", examples.LIFE_RECORDED, Answer),
        },
        (MIRROR,),
        Sent(examples.BOOKING_HEX, None, ("application/octet-stream", "application/msgpack")),
        (BILL_ID, PREFER),
        (*BOOKING, *SIGNED),
    ),
)
