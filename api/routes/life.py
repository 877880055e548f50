"""What a hospital does with a bill after its issue: paper copies, delivery, arrears, withdrawal."""

from __future__ import annotations

import time

from starlette.responses import Response

from api.call import Call
from api.route import GATEWAY, Given, Parameter, Route, Sent
from api.routes.bills import BILL_ID, NOTHING_KEPT, PREFER
from api.schemas import examples
from api.schemas.answers import Answer
from api.schemas.requests import BlanksRequest, DeliveryRequest, Nothing, PaperEnd, PaperRequest, ReasonRequest
from api.standing import answer_standing
from chain.operation import (
    PAPERS_MAX,
    DeliverBill,
    HoldBill,
    MakeUpPayment,
    PrintPaper,
    TakeBackPaper,
    VoidBill,
    VoidBlanks,
)


async def void_bill(call: Call) -> Response:
    bill, request = call.bill_id(), await call.read_json(ReasonRequest)
    return await answer_standing(call, await call.counter.move(VoidBill(bill, request.reason)))


async def deliver_bill(call: Call) -> Response:
    bill, request = call.bill_id(), await call.read_json(DeliveryRequest)
    operation = DeliverBill(bill, request.channel, time.time_ns() // 1_000_000)
    return await answer_standing(call, await call.counter.move(operation))


async def hold_bill(call: Call) -> Response:
    bill, request = call.bill_id(), await call.read_json(ReasonRequest)
    return await answer_standing(call, await call.counter.move(HoldBill(bill, request.reason)))


async def make_up_payment(call: Call) -> Response:
    bill = call.bill_id()
    await call.read_json(Nothing)
    return await answer_standing(call, await call.counter.move(MakeUpPayment(bill)))


async def print_paper(call: Call) -> Response:
    bill, request = call.bill_id(), await call.read_json(PaperRequest)
    return await answer_standing(call, await call.counter.move(PrintPaper(bill, request.paper)))


async def end_paper(call: Call) -> Response:
    bill, request = call.bill_id(), await call.read_json(PaperEnd)
    return await answer_standing(call, await call.counter.move(TakeBackPaper(bill, request.paper, request.reason)))


async def void_blanks(call: Call) -> Response:
    request = await call.read_json(BlanksRequest)
    return await answer_standing(call, await call.counter.move(VoidBlanks(sorted(request.papers), request.reason)))


def _route(
    path: str,
    name: str,
    summary: str,
    handler: object,
    sent: Sent,
    codes: tuple[str, ...],
    of_bill: bool = True,
) -> Route:
    parameters: tuple[Parameter, ...] = (BILL_ID, PREFER) if of_bill else (PREFER,)
    known = ("bill_unknown",) if of_bill else ()
    return Route(
        "POST",
        path,
        name,
        "a bill's life",
        summary,
        handler,  # type: ignore[arg-type]
        {
            202: Given("Kept and queued for the ledger", examples.LIFE_QUEUED, Answer),
            201: Given("Recorded within the preferred wait", examples.LIFE_RECORDED, Answer),
            200: Given("The same was asked before", examples.LIFE_RECORDED, Answer),
        },
        (GATEWAY,),
        sent,
        parameters,
        (*known, *codes, *NOTHING_KEPT),
    )


WAITED_FOR = ("paper_copy_outstanding", "claim_open", "claim_paid", "accounting_not_acknowledged")

ROUTES = (
    _route(
        "/v1/bills/{bill_id}/void",
        "voidBill",
        "Withdraw a bill that was never delivered",
        void_bill,
        Sent({"reason": "mistyped"}, ReasonRequest),
        ("already_void", "already_reversed", "bill_is_red", "delivered_use_reversal", *WAITED_FOR),
    ),
    _route(
        "/v1/bills/{bill_id}/deliveries",
        "deliverBill",
        "Stamp that a bill went to its payer, once for each channel; no number or address is kept",
        deliver_bill,
        Sent({"channel": "sms"}, DeliveryRequest),
        ("already_delivered", "bill_is_void", "bill_in_arrears"),
    ),
    _route(
        "/v1/bills/{bill_id}/arrears",
        "holdBill",
        "Fees are owed: the bill may not circulate",
        hold_bill,
        Sent({"reason": "fees_owed"}, ReasonRequest),
        ("already_in_arrears", "bill_not_normal", "already_delivered"),
    ),
    _route(
        "/v1/bills/{bill_id}/make-up-payment",
        "makeUpPayment",
        "What was owed is paid: the bill may circulate",
        make_up_payment,
        Sent({}, Nothing),
        ("not_in_arrears",),
    ),
    _route(
        "/v1/bills/{bill_id}/paper-copies",
        "printPaper",
        "Print a paper copy on a numbered form; one is alive at a time",
        print_paper,
        Sent({"paper": examples.PAPER}, PaperRequest),
        ("paper_copy_exists", "form_used", "bill_not_normal", "bill_in_arrears"),
    ),
    _route(
        "/v1/bills/{bill_id}/paper-copies:end",
        "endPaper",
        "The copy is no longer alive: taken back, spoilt or declared lost",
        end_paper,
        Sent({"paper": examples.PAPER, "reason": "returned"}, PaperEnd),
        ("no_paper_copy", "form_unknown", "form_ended"),
    ),
    _route(
        "/v1/paper-forms:void",
        "voidBlanks",
        f"Void up to {PAPERS_MAX} blank forms, all or none",
        void_blanks,
        Sent({"papers": [examples.PAPER], "reason": "lost"}, BlanksRequest),
        ("form_used", "forms_malformed"),
        of_bill=False,
    ),
)
