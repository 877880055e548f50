"""For people whom an insurer insures, at the insurer's own service: several bills claimed at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from starlette.responses import Response

from api.call import Call
from api.problems import PROBLEMS, choose_language
from api.rendering import REVALIDATE, render
from api.route import INSURER, Given, Route, Sent
from api.schemas import claim_examples as examples
from api.schemas.answers import ClaimAnswer, ClaimAnswers, ClaimTerms
from api.schemas.requests import ClaimsRequest
from node.services.desks import ClaimStanding, ClaimWish


async def show_terms(call: Call) -> Response:
    return render(call, call.insurer.terms(), cache=REVALIDATE)


async def check_claims(call: Call) -> Response:
    return _render(call, await call.insurer.check(call.person, await _wishes(call)))


async def claim_bills(call: Call) -> Response:
    return _render(call, await call.insurer.claim(call.person, await _wishes(call)))


async def _wishes(call: Call) -> list[ClaimWish]:
    request = await call.read_json(ClaimsRequest)
    return [ClaimWish(bill.bill_id, bill.amount_fen) for bill in request.bills]


def _render(call: Call, standings: Sequence[ClaimStanding]) -> Response:
    """200, or 202 while the ledger has not said what became of one."""
    language = choose_language(call.request.headers.get("accept-language", ""))
    claims = [_answer(standing, language) for standing in standings]
    counts: dict[str, int] = dict(sorted(Counter[str](standing.status for standing in standings).items()))
    approved_fen = sum(standing.approved_fen for standing in standings)
    headers = {"Content-Language": "zh-CN" if language == "zh" else "en", "Vary": "Accept-Language"}
    status = 202 if "queued" in counts else 200
    return render(call, ClaimAnswers(claims, counts, approved_fen), status, headers=headers)


def _answer(standing: ClaimStanding, language: str) -> ClaimAnswer:
    problem = PROBLEMS.get(standing.code) if standing.code is not None else None
    return ClaimAnswer(
        bill_id=standing.bill_id,
        status=standing.status,
        code=standing.code,
        reason=None if problem is None else problem.zh if language == "zh" else problem.en,
        claim=standing.claim,
        number=standing.number,
        amount_fen=standing.amount_fen,
        approved_fen=None if standing.status == "refused" else standing.approved_fen,
        height=standing.height,
    )


ROUTES = (
    Route(
        "POST",
        "/v1/claims:batch",
        "claimBills",
        "claims",
        "Claim bills of one's own, each for itself; small claims are decided before the answer",
        claim_bills,
        {
            200: Given("What became of each", examples.CLAIM_ANSWERS, ClaimAnswers),
            202: Given(
                "Of some the ledger has not said yet: the same request says later", examples.CLAIM_ANSWERS, ClaimAnswers
            ),
        },
        (INSURER,),
        Sent(examples.CLAIMS_REQUEST, ClaimsRequest),
        (),
        ("identity_missing", "unavailable"),
    ),
    Route(
        "POST",
        "/v1/claims:check",
        "checkClaims",
        "claims",
        "What a claim of each would come to now, and why one would be refused; nothing is written",
        check_claims,
        {200: Given("What would become of each", examples.CLAIM_ANSWERS, ClaimAnswers)},
        (INSURER,),
        Sent(examples.CLAIMS_REQUEST, ClaimsRequest),
        (),
        ("identity_missing", "unavailable"),
    ),
    Route(
        "GET",
        "/v1/claim-terms",
        "showClaimTerms",
        "claims",
        "What a bill's holder grants this insurer before claiming, and up to which sum claims are decided at once",
        show_terms,
        {200: Given("The terms", examples.TERMS, ClaimTerms)},
        (INSURER,),
    ),
)
