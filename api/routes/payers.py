"""The payer of a bill that was issued for an unknown one: bound later, once, and proven."""

from __future__ import annotations

from starlette.responses import Response

from api.call import Call
from api.rendering import render_bytes
from api.route import BOTH, GATEWAY, Given, Route, Sent
from api.routes.bills import BILL_ID, NOTHING_KEPT, PREFER
from api.routes.public import HOLDER, VARY, for_reader_or_holder
from api.schemas import examples
from api.schemas.answers import Answer
from api.schemas.requests import PayerRequest
from api.standing import answer_standing
from chain.bill import Payer


async def bind_payer(call: Call) -> Response:
    bill, request = call.bill_id(), await call.read_json(PayerRequest)
    payer = Payer(request.name, request.type, request.id_type, request.id_number)
    return await answer_standing(call, await call.counter.bind_payer(bill, payer, request.operator))


async def fetch_payer_proof(call: Call) -> Response:
    bill = call.bill_id()
    check_code = call.parameters("check_code").get("check_code", "")
    data = await for_reader_or_holder(
        call, bill, check_code, lambda reader, secret: call.desk.payer_proof(bill, reader, secret)
    )
    headers = {"Content-Disposition": f'attachment; filename="{bill}-payer.proof"', "Vary": VARY}
    return render_bytes(call, data, "application/octet-stream", headers=headers)


ROUTES = (
    Route(
        "POST",
        "/v1/bills/{bill_id}/payer",
        "bindPayer",
        "a bill's life",
        "Bind the payer of a bill that was issued for an unknown one, once: who it is, the ledger does not learn",
        bind_payer,
        {
            202: Given("Kept and queued for the ledger", examples.LIFE_QUEUED, Answer),
            201: Given("Recorded within the preferred wait", examples.LIFE_RECORDED, Answer),
        },
        (GATEWAY,),
        Sent(examples.PAYER, PayerRequest),
        (BILL_ID, PREFER),
        ("payer_already_bound", "bill_unknown", "bill_not_normal", "payer_known", "text_refused", *NOTHING_KEPT),
    ),
    Route(
        "GET",
        "/v1/bills/{bill_id}/payer/proof",
        "fetchPayerProof",
        "public",
        "A file that proves who was bound to the bill, without a network",
        fetch_payer_proof,
        {200: Given("The *.proof file", media_type="application/octet-stream")},
        BOTH,
        None,
        (BILL_ID, *HOLDER),
        ("bill_unknown", "payer_not_bound", "too_many_attempts", "unavailable"),
    ),
)
