"""Where a bill stands on the axes that have records of their own, as a JSON object: what `rules/moves.py` calls its states."""

from __future__ import annotations

from typing import Any

from chain import keyspace
from chain.records import ISSUER, PAYER, BookingBody, CirculationBody, ClaimBody, PaperBody
from chain.rules.disputes import dispute_of
from chain.rules.lives import Reads, claims_of, settlement_of, standing
from chain.rules.moves import AXES, begin
from node.ledger_pages import utc_text


def life_page(state: Reads, bill: str, time_ms: int) -> dict[str, Any]:
    """As of `time_ms`: a claim's lock that ran out by then is released."""
    circulation = state.get(keyspace.circulation(bill), CirculationBody)
    paper = state.get(keyspace.paper(bill), PaperBody)
    page: dict[str, Any] = {
        "circulation": _name("circulation", circulation.state if circulation else None),
        "paper": _name("paper", paper.state if paper else None),
    }
    if circulation is not None and circulation.reason:
        page["held_for"] = circulation.reason
    if paper is not None:
        page |= {"paper_form": paper.paper, "paper_copies": paper.copies}
    for side, field in ((ISSUER, "accounting_issuer"), (PAYER, "accounting_payer")):
        booking = state.get(keyspace.booking(bill, side), BookingBody)
        page[field] = _name("accounting", booking.state if booking else None)
        if booking is not None:
            page |= {f"{field}_by": booking.organisation, f"{field}_fen": booking.amount_fen}
    settled = settlement_of(state, bill)
    page["settlement"] = _name("settlement", settled[1].state if settled else None)
    if settled is not None:
        page |= {"settlement_by": settled[0].bureau, "settlement_mac": settled[0].settlement.hex()}
    dispute = dispute_of(state, bill)
    page["dispute"] = _name("dispute", dispute.state if dispute else None)
    if dispute is not None:
        page["disputed_for"] = dispute.reason
    if dispute is not None and dispute.outcome:
        page["dispute_outcome"] = dispute.outcome
    page["claims"] = [
        {"insurer": ref.insurer, "claim": ref.claim.hex(), **claim_page(claim, time_ms)}
        for ref, claim in claims_of(state, bill)
    ]
    return page


def claim_page(body: ClaimBody, time_ms: int) -> dict[str, Any]:
    """One claim, without who made it."""
    return {
        "bill_id": body.bill,
        "state": _name("claim", standing(body, time_ms)),
        "locked_fen": body.locked_fen,
        "approved_fen": body.approved_fen,
        "locked_until": utc_text(body.until_ms),
        "height": body.height,
    }


def own_affairs(life: dict[str, Any], organisation: str) -> dict[str, Any]:
    """A bill's life as an insurer or a paying unit sees it: what other payers do with the bill is not its affair."""
    return {**life, "claims": [claim for claim in life["claims"] if claim["insurer"] == organisation]}


def _name(axis: str, state: int | None) -> str:
    return AXES[axis].states[begin(axis) if state is None else state]
