"""At a lender's own service: people enrol on a score provider's word, and see and end their line; its staff states and collects."""

from __future__ import annotations

from collections import Counter

import msgspec
from starlette.responses import Response

from api.call import Call
from api.rendering import found, render
from api.route import LENDER, Given, Parameter, Route, Sent
from api.routes.files import digest_parameter, hexadecimal
from api.schemas import lending_examples as examples
from api.schemas.answers import LineActed, LineStatements
from api.schemas.requests import EnrolRequest, InstalmentsRequest, PaybackRequest, RepaymentRequest, RevocationRequest
from node.services.desks import Acted

TAG = "credit"
UNSURE = ("unavailable",)


async def enrol(call: Call) -> Response:
    request = await call.read_json(EnrolRequest)
    enrolled = await call.lender.enrol(call.person, request.product, request.attestation, request.hospitals)
    page = enrolled.page
    headers = {"Location": f"/v1/credit-accounts/{page['line']}"}
    return render(call, page, 200 if enrolled.repeated else 201, headers=headers)


async def show_account(call: Call) -> Response:
    return render(call, found(await call.lender.account(call.person, _line(call)), "line_unknown"))


async def revoke_line(call: Call) -> Response:
    request = await call.read_json(RevocationRequest)
    return _render(call, await call.lender.revoke(call.person, _line(call), request.reason))


async def repay_line(call: Call) -> Response:
    request = await call.read_json(RepaymentRequest)
    acted = await call.lender.repay(_line(call), request.repayment_no, request.channel, request.amount_fen)
    return _render(call, acted)


async def pay_back_line(call: Call) -> Response:
    request = await call.read_json(PaybackRequest)
    acted = await call.lender.pay_back(_line(call), request.payback_no, request.channel, request.amount_fen)
    return _render(call, acted)


async def agree_instalments(call: Call) -> Response:
    request = await call.read_json(InstalmentsRequest)
    return _render(call, await call.lender.agree(_line(call), request.plan_no, request.instalments))


async def state_line(call: Call) -> Response:
    return _render(call, await call.lender.state(_line(call)))


async def state_all(call: Call) -> Response:
    acted, following = await call.lender.state_all(call.parameters("after").get("after"))
    counts = dict(sorted(Counter[str](one.status for one in acted).items()))
    owed_fen = sum(one.amount_fen or 0 for one in acted if one.status == "recorded" and not one.repeated)
    return render(call, LineStatements([_answer(one) for one in acted], counts, owed_fen, following))


def _line(call: Call) -> str:
    return hexadecimal(call.request.path_params["line"], "line_unknown")


def _answer(acted: Acted) -> LineActed:
    return LineActed(**msgspec.structs.asdict(acted))


def _render(call: Call, acted: Acted) -> Response:
    return render(call, _answer(acted), 200 if acted.repeated else 201)


def _act(
    verb: str, name: str, summary: str, handler: object, sent: Sent | None, example: object, *problems: str
) -> Route:
    """POST on a line: 201, or 200 when the same was recorded before."""
    return Route(
        "POST",
        f"/v1/credit-accounts/{{line}}/{verb}",
        name,
        TAG,
        summary,
        handler,  # type: ignore[arg-type]
        {
            200: Given("It was recorded before", example, LineActed),
            201: Given("It is recorded", example, LineActed),
        },
        (LENDER,),
        sent,
        (digest_parameter("line"),),
        ("line_unknown", *problems, *UNSURE),
    )


ROUTES = (
    Route(
        "POST",
        "/v1/credit-accounts",
        "openCreditAccount",
        TAG,
        "A line of the lender's for the asking person, if a score provider attests what the product asks for",
        enrol,
        {
            200: Given("The person had this line", examples.LINE, dict),
            201: Given("The line", examples.LINE, dict),
        },
        (LENDER,),
        Sent(examples.ENROL_REQUEST, EnrolRequest),
        (),
        (
            "attestation_invalid",
            "attestation_expired",
            "attestation_of_other",
            "product_unknown",
            "not_eligible",
            *UNSURE,
        ),
    ),
    Route(
        "GET",
        "/v1/credit-accounts/{line}",
        "showCreditAccount",
        TAG,
        "A line of one's own: what is left, what is owed or too much, by when",
        show_account,
        {200: Given("The line", examples.LINE, dict)},
        (LENDER,),
        None,
        (digest_parameter("line"),),
        ("line_unknown", *UNSURE),
    ),
    _act(
        "revocation",
        "endCreditAccount",
        "Nothing new is drawn from it; what is owed stays owed",
        revoke_line,
        Sent(examples.REVOCATION_REQUEST, RevocationRequest),
        examples.ACTED,
        "line_ended",
    ),
    _act(
        "repayments",
        "repayLine",
        "What came over a channel restores the line by as much",
        repay_line,
        Sent(examples.REPAYMENT_REQUEST, RepaymentRequest),
        examples.REPAID,
        "repayment_exists",
        "not_the_bearer",
        "channel_differs",
        "exceeds_debt",
    ),
    _act(
        "paybacks",
        "payBackLine",
        "What a line has too much leaves by a channel: what was repaid first and refunded afterwards is the patient's",
        pay_back_line,
        Sent(examples.PAYBACK_REQUEST, PaybackRequest),
        examples.PAID_BACK,
        "payback_exists",
        "not_the_bearer",
        "channel_differs",
        "exceeds_surplus",
        "exceeds_credits",
    ),
    _act(
        "instalments",
        "agreeInstalments",
        "Dates in the place of all before; together what is owed now",
        agree_instalments,
        Sent(examples.INSTALMENTS_REQUEST, InstalmentsRequest),
        examples.STATED,
        "plan_exists",
        "not_the_bearer",
        "nothing_owed",
        "instalments_malformed",
    ),
    _act(
        "statements",
        "stateLine",
        "What is owed now, due after the product's days; once a day",
        state_line,
        None,
        examples.STATED,
        "not_the_bearer",
        "owed_differs",
        "nothing_owed",
        "too_many_dues",
    ),
    Route(
        "POST",
        "/v1/credit-statements",
        "stateAllLines",
        TAG,
        "Statements of lines with debt whose risk the lender bears, part by part; once a day for each",
        state_all,
        {200: Given("What became of each", examples.STATEMENTS, LineStatements)},
        (LENDER,),
        None,
        (Parameter("after", "`next` of the part before"),),
        ("parameter_unknown", "parameter_invalid", "cursor_invalid", *UNSURE),
    ),
)
