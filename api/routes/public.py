"""For whoever holds a bill: is it genuine, its proof, and the check of a proof."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import date
from typing import TypeVar

from starlette.responses import Response

from api.call import Call
from api.errors import ApiRefused
from api.purpose import PURPOSE_HEADERS, PURPOSE_PROBLEMS
from api.rendering import render, render_bytes
from api.route import BOTH, Given, Parameter, Route, Sent
from api.routes.bills import BILL_ID
from api.schemas import examples
from api.schemas.answers import ProofCheck, Verification
from api.schemas.requests import VerificationRequest
from chain.presenting import OPEN_TO_ALL
from node.service import Claimed, Reader

OPENED_FIELDS_MAX = 64
CHECK_CODE_CHARACTERS_MAX = 31
TOKEN_CHARACTERS = 32  # a bill's token, 128 bits as hex: taken wherever the check code is
CHECKS_AT_ONCE_MAX = 4  # proofs that are checked in threads at the same time
TRY_LATER_S = 60
VARY = "Authorization, Medbill-Check-Code"

T = TypeVar("T")

_checks = asyncio.Semaphore(CHECKS_AT_ONCE_MAX)


async def verify_bill(call: Call) -> Response:
    request = await call.read_json(VerificationRequest)
    if request.business_date is not None:
        parse_date(request.business_date, "invalid_value", "/business_date")
    claimed = Claimed(request.bill_id, request.check_code, request.business_date, request.total_fen)
    verdict = await call.desk.look_up(claimed, call.source(), call.reader)
    headers = {"Retry-After": str(TRY_LATER_S)} if verdict.get("verdict") == "try_later" else {}
    return render(call, verdict, headers=headers)


async def fetch_proof(call: Call) -> Response:
    bill_id = call.bill_id()
    parameters = call.parameters("fields", "check_code")
    # what is on the chain stands in every proof: asking for it opens nothing
    fields = [name for name in _opened_fields(parameters.get("fields", "")) if name not in OPEN_TO_ALL]
    proof = await proof_for(call, bill_id, fields, parameters.get("check_code", ""))
    headers = {"Content-Disposition": f'attachment; filename="{bill_id}.proof"', "Vary": VARY}
    return render_bytes(call, proof, "application/octet-stream", headers=headers)


async def proof_for(call: Call, bill_id: str, fields: list[str], check_code: str) -> bytes:
    """A bill's proof with `fields` opened, as `for_reader_or_holder`."""
    return await for_reader_or_holder(
        call, bill_id, check_code, lambda reader, secret: call.desk.proof(bill_id, reader, fields, secret)
    )


async def for_reader_or_holder(
    call: Call, bill_id: str, check_code: str, give: Callable[[Reader | None, str | None], Awaitable[T | None]]
) -> T:
    """What `give` has for the reader, or else for whoever shows the bill's token or check code, as header or as parameter
    `check_code`. Raises ApiRefused `bill_unknown`, `too_many_attempts`."""
    given = await give(call.reader, None) if call.reader is not None else None
    secret = call.request.headers.get("medbill-check-code", check_code)
    if given is None and secret:
        given = await _by_secret(call, bill_id, secret, give)
    if given is None:
        raise ApiRefused("bill_unknown")
    return given


async def _by_secret(
    call: Call, bill_id: str, secret: str, give: Callable[[Reader | None, str | None], Awaitable[T | None]]
) -> T | None:
    """A wrong code must count like a wrong verification, else these paths would be the way to guess it."""
    if len(secret) == TOKEN_CHARACTERS:  # 128 bits: nobody guesses it, so nothing is counted
        return await give(None, secret)
    if len(secret) > CHECK_CODE_CHARACTERS_MAX:
        return None
    verdict = (await call.desk.verify_claimed(Claimed(bill_id, secret), call.source()))["verdict"]
    if verdict == "try_later":
        raise ApiRefused("too_many_attempts", headers={"Retry-After": str(TRY_LATER_S)})
    if verdict == "no_match":
        return None
    return await give(None, secret)


def _opened_fields(text: str) -> list[str]:
    fields = text.split(",") if text else []
    if len(fields) > OPENED_FIELDS_MAX or len(set(fields)) != len(fields):
        raise ApiRefused("parameter_invalid", f"fields: at most {OPENED_FIELDS_MAX}, each once")
    for name in fields:
        if not name or len(name) > 48 or not name.isascii() or not name.replace("_", "").replace("/", "").isalnum():
            raise ApiRefused("parameter_invalid", "fields: names, separated by commas")
    return fields


async def check_proof(call: Call) -> Response:
    data = await call.read_raw(bytes_max=call.settings.proof_bytes_max)
    async with _checks:
        result = await asyncio.to_thread(call.desk.check_proof, data)
    return render(call, result)


def parse_date(text: str, code: str, place: str) -> date:
    """yyyy-mm-dd, and nothing else of ISO 8601. Raises ApiRefused `code`, naming the place."""
    try:
        if len(text) != 10:
            raise ValueError
        return date.fromisoformat(text)
    except ValueError:
        pointer = place if place.startswith("/") else None
        raise ApiRefused(code, "" if pointer else f"{place}: a day as yyyy-mm-dd", pointer) from None


CHECK_CODE = Parameter(
    "check_code", "of the bill, for a holder without a token; better sent as header", examples.CHECK_CODE
)
CHECK_CODE_HEADER = Parameter(
    "Medbill-Check-Code", "the same as header, or the token of the bill's QR code", None, "header"
)
HOLDER = (CHECK_CODE, CHECK_CODE_HEADER)
ROUTES = (
    Route(
        "POST",
        "/v1/verifications",
        "verifyBill",
        "public",
        "Whether a bill in hand is genuine, and how often it was looked up; only failures count against the asker",
        verify_bill,
        {
            200: Given(
                "`genuine`, `genuine_reversed`, `genuine_void`, `no_match` or `try_later`",
                examples.GENUINE,
                Verification,
            )
        },
        BOTH,
        Sent(examples.CLAIMED, VerificationRequest),
    ),
    Route(
        "GET",
        "/v1/bills/{bill_id}/proof",
        "fetchProof",
        "public",
        "A file that proves the bill to anyone, without a network",
        fetch_proof,
        {200: Given("The *.proof file", media_type="application/octet-stream")},
        BOTH,
        None,
        (
            BILL_ID,
            Parameter(
                "fields",
                "what to open, separated by commas: details, or `total,date,issuer` and the like, which always are",
            ),
            *HOLDER,
            *PURPOSE_HEADERS,
        ),
        ("bill_unknown", "parameter_invalid", "field_unknown", "too_many_attempts", "unavailable", *PURPOSE_PROBLEMS),
    ),
    Route(
        "POST",
        "/v1/proofs:check",
        "checkProof",
        "public",
        "What `medbill proof verify` says of a file; nothing is kept",
        check_proof,
        {200: Given("Every check that was made", examples.PROOF_CHECK, ProofCheck)},
        BOTH,
        Sent(examples.PROOF_HEX, None, ("application/octet-stream", "application/msgpack")),
    ),
)
