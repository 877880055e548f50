"""A hospital's bills: issue one or many, look up, reverse, history."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import msgspec
from starlette.responses import Response

from api.body import JSON, decode_json, split_list
from api.call import Call
from api.errors import ApiRefused
from api.purpose import PURPOSE_HEADERS, PURPOSE_PROBLEMS
from api.rendering import found, render, status_of_code
from api.route import BOTH, GATEWAY, Given, Parameter, Route, Sent
from api.schemas import examples
from api.schemas.answers import Answer, Correction, Outcome, Outcomes, Rows
from api.schemas.requests import BATCH_MAX, Batch, CorrectionRequest, ReversalRequest
from api.second_person import perform_or_ask
from api.standing import (
    answer_standing,
    build_answer,
    build_outcome,
    preferred_wait_s,
    render_standing,
    wait_for,
)
from chain.bill import BillRequest
from node.service import ServiceRefused, Standing

BILLS_AT_A_TIME = 50  # decoded before the node's loop has a turn; 50 large ones take some 10 ms


async def issue_bill(call: Call) -> Response:
    # its texts are looked at by the node's own check of the content
    request = await call.read_json(BillRequest, texts=False)
    return await answer_standing(call, await call.counter.issue(request))


async def issue_batch(call: Call) -> Response:
    entries = split_list(await call.read_raw(JSON), Batch, "bills", BATCH_MAX)
    kept: list[Standing | ServiceRefused | ApiRefused | None] = [None] * len(entries)
    requests: list[BillRequest] = []
    places: list[int] = []
    for index, entry in enumerate(entries):
        if index % BILLS_AT_A_TIME == BILLS_AT_A_TIME - 1:
            await asyncio.sleep(0)
        try:
            requests.append(decode_json(entry, BillRequest, texts=False))
            places.append(index)
        except ApiRefused as refusal:
            kept[index] = refusal
    if requests:
        for index, standing in zip(places, await call.counter.issue_many(requests), strict=True):
            kept[index] = standing
    headers: dict[str, str] = {}
    waited_s = preferred_wait_s(call)
    if waited_s is not None:
        open_places = [index for index, standing in enumerate(kept) if isinstance(standing, Standing)]
        reached = await wait_for(call, [kept[index] for index in open_places], waited_s)  # type: ignore[misc]
        if reached is not None:
            headers["Preference-Applied"] = f"wait={waited_s}"
            for index, standing in zip(open_places, reached, strict=True):
                repeated = kept[index].repeated  # type: ignore[union-attr]
                kept[index] = msgspec.structs.replace(standing, repeated=repeated)
    outcomes = [build_outcome(index, standing) for index, standing in enumerate(kept)]
    _refuse_if_nothing_could_be_kept(outcomes)
    status = 202 if any(outcome.status == "queued" for outcome in outcomes) else 200
    return render(call, Outcomes(outcomes), status, headers=headers)


def _refuse_if_nothing_could_be_kept(outcomes: list[Outcome]) -> None:
    codes = [outcome.code for outcome in outcomes if outcome.status == "refused" and outcome.operation is None]
    if len(codes) == len(outcomes) and all(code is not None and status_of_code(code) == 503 for code in codes):
        raise ApiRefused(codes[0] or "unavailable", "no bill of this request was kept")


async def show_bill(call: Call) -> Response:
    reader, bill_id = call.person, call.bill_id()
    return render(call, with_links(found(await call.desk.bill(bill_id, reader), "bill_unknown")))


async def reverse_bill(call: Call) -> Response:
    bill_id, request = call.bill_id(), await call.read_json(ReversalRequest)
    return await perform_or_ask(call, "reverse_bill", bill_id, request, perform_reversal)


async def perform_reversal(call: Call, bill_id: str, request: ReversalRequest, persons: Sequence[bytes]) -> Response:
    reason, operator = request.reason, request.operator
    return await answer_standing(
        call, await call.counter.reverse(bill_id, reason, operator, request.place_code, persons, request.refund)
    )


async def correct_bill(call: Call) -> Response:
    bill_id, request = call.bill_id(), await call.read_json(CorrectionRequest, texts=False)
    return await perform_or_ask(call, "correct_bill", bill_id, request, perform_correction)


async def perform_correction(
    call: Call, bill_id: str, request: CorrectionRequest, persons: Sequence[bytes]
) -> Response:
    try:
        standings = list(await call.counter.correct(bill_id, request.reason, request.operator, request.bill, persons))
    except ServiceRefused as refusal:
        pointer = refusal.pointer
        if pointer is not None and pointer not in ("/reason", "/operator") and not pointer.startswith("/bill/"):
            pointer = f"/bill{pointer}"  # of the bill within the body
        raise ServiceRefused(refusal.code, refusal.detail, pointer, refusal.links) from None
    headers: dict[str, str] = {}
    waited_s = preferred_wait_s(call)
    if waited_s is not None:
        reached = await wait_for(call, standings, waited_s)
        if reached is not None:
            headers["Preference-Applied"] = f"wait={waited_s}"
            kept = zip(reached, standings, strict=True)
            standings = [msgspec.structs.replace(one, repeated=before.repeated) for one, before in kept]
    red, bill = standings
    if "refused" in (red.status, bill.status):  # both are; the one that was at fault tells the code
        return render_standing(call, red if red.code != "linked_failed" or bill.status != "refused" else bill, waited_s)
    status = 202 if "queued" in (red.status, bill.status) else 200 if bill.repeated else 201
    headers["Location"] = f"/v1/bills/{bill.bill_id}"
    return render(call, Correction(build_answer(red), build_answer(bill)), status, headers=headers)


async def show_history(call: Call) -> Response:
    rows = found(await call.desk.history(call.bill_id(), call.person), "bill_unknown")
    return render(call, Rows(rows, False, None))


def with_links(view: dict[str, Any]) -> dict[str, Any]:
    """A bill's view with where to read on, unless the node said so itself."""
    bill_id = view.get("bill_id")
    if "links" in view or bill_id is None:
        return view
    bill = f"/v1/bills/{bill_id}"
    return {**view, "links": {"bill": bill, "history": f"{bill}/history", "proof": f"{bill}/proof"}}


BILL_ID = Parameter(
    "bill_id",
    "18 digits: code and number",
    examples.BILL_ID,
    "path",
    True,
    {"type": "string", "pattern": "^[0-9]{18}$"},
)
PREFER = Parameter("Prefer", "`wait=N`: answer when sealed, or after N seconds (at most 30)", None, "header")
CONTENT = (
    "total_not_positive",
    "sum_mismatch",
    "line_mismatch",
    "item_not_mapped",
    "item_mapped_elsewhere",
    "own_part_exceeds_total",
    "charge_repeated",
    "charge_unknown",
    "payer_has_number",
    "text_refused",
    "kind_unknown",
    "place_unknown",
    "invalid_time",
    "date_out_of_window",
)
UNREFUNDABLE = ("nothing_to_refund", "exceeds_notice", "exceeds_order", "exceeds_payment")
IRREVERSIBLE = (
    "bill_unknown",
    "already_reversed",
    "bill_is_red",
    "paper_copy_outstanding",
    "claim_open",
    "claim_paid",
    "accounting_not_acknowledged",
)
NOTHING_KEPT = ("no_numbers", "outbox_full", "disk_nearly_full", "unavailable")

ROUTES = (
    Route(
        "POST",
        "/v1/bills",
        "issueBill",
        "bills",
        "Issue a bill; it has its number at once",
        issue_bill,
        {
            202: Given("Kept under a number, queued for the ledger", examples.QUEUED, Answer),
            201: Given("Recorded or sealed within the preferred wait", examples.SEALED, Answer),
            200: Given("The same bill was issued before", examples.SEALED, Answer),
        },
        (GATEWAY,),
        Sent(examples.BILL, BillRequest),
        (PREFER,),
        (*CONTENT, *NOTHING_KEPT, "business_no_conflict", "issuer_not_entitled"),
    ),
    Route(
        "POST",
        "/v1/bills:batch",
        "issueBills",
        "bills",
        f"Issue up to {BATCH_MAX} bills, an outcome for each: a bad one spoils no other",
        issue_batch,
        {
            202: Given("At least one bill is queued", examples.OUTCOMES, Outcomes),
            200: Given("Nothing is left to wait for", examples.OUTCOMES, Outcomes),
        },
        (GATEWAY,),
        Sent({"bills": [examples.BILL]}, "Batch"),
        (PREFER,),
        NOTHING_KEPT,
    ),
    Route(
        "GET",
        "/v1/bills/{bill_id}",
        "showBill",
        "bills",
        "A bill, as far as the reader may see it",
        show_bill,
        {200: Given("The bill", examples.BILL_VIEW, dict)},
        BOTH,
        None,
        (BILL_ID, *PURPOSE_HEADERS),
        ("bill_unknown", *PURPOSE_PROBLEMS),
    ),
    Route(
        "POST",
        "/v1/bills/{bill_id}/reversal",
        "reverseBill",
        "bills",
        "Reverse a bill by a linked red one; with `refund`, what was paid for it goes back in the same block, both or neither",
        reverse_bill,
        {
            202: Given(
                "Queued, or waiting for a second person: then `status` is `awaiting_second`",
                examples.RED_QUEUED,
                Answer,
            ),
            201: Given("Recorded or sealed within the preferred wait", examples.RED_QUEUED, Answer),
        },
        (GATEWAY,),
        Sent(examples.REVERSAL, ReversalRequest),
        (BILL_ID, PREFER),
        (*IRREVERSIBLE, "place_unknown", *UNREFUNDABLE, *NOTHING_KEPT),
    ),
    Route(
        "POST",
        "/v1/bills/{bill_id}/correction",
        "correctBill",
        "bills",
        "A red bill and a new one in its place, in one step: both or neither",
        correct_bill,
        {
            202: Given(
                "Queued, or waiting for a second person: then `status` is `awaiting_second`",
                examples.CORRECTION,
                Correction,
            ),
            201: Given("Both are recorded or sealed within the preferred wait", examples.CORRECTION, Correction),
            200: Given("The same correction was made before", examples.CORRECTION, Correction),
        },
        (GATEWAY,),
        Sent({**examples.REVERSAL, "bill": examples.BILL}, CorrectionRequest),
        (BILL_ID, PREFER),
        (*IRREVERSIBLE, *CONTENT, *NOTHING_KEPT, "business_no_conflict"),
    ),
    Route(
        "GET",
        "/v1/bills/{bill_id}/history",
        "showHistory",
        "bills",
        "All versions of a bill's record, oldest first",
        show_history,
        {200: Given("The versions", {"data": [examples.HISTORY_ROW], "has_more": False, "next": None}, Rows)},
        BOTH,
        None,
        (BILL_ID,),
        ("bill_unknown",),
    ),
)
