"""What the rules of a bill's life ask of the other axes: in which state a bill is there, and what stops a move.

Each axis but validity and seal has records of its own, so that a plain bill is as short as it was; without one it is where
the axis begins.
"""

from __future__ import annotations

from typing import Protocol

from chain import keyspace
from chain.records import (
    COVERED,
    LOCKED,
    PAYER,
    RELEASED,
    UNIT,
    BillBody,
    BookingBody,
    CirculationBody,
    ClaimBody,
    ClaimRef,
    ClaimsBody,
    PaperBody,
    SettledBody,
    SettlementBody,
    WatermarkBody,
)
from chain.rules.context import Body, Context, Refused, View, organisation
from chain.rules.moves import WAITS_FOR, begin


def known_bill(view: View, number: str) -> BillBody:
    """Raises Refused `bill_unknown`."""
    body = view.get(keyspace.bill(number), BillBody)
    if body is None:
        raise Refused("bill_unknown")
    return body


def own_bill(view: View, number: str, context: Context) -> BillBody:
    """A bill of the organisation that asks. Raises Refused wrong_key, bill_unknown, not_issuer."""
    if context.purpose != UNIT:
        raise Refused("wrong_key")
    body = known_bill(view, number)
    if body.issuer != context.organisation:
        raise Refused("not_issuer")
    return body


def is_sealed(view: View, bill: BillBody) -> bool:
    """Whether its office's watermark covers it, and it is not withheld."""
    office = organisation(view, bill.issuer).supervisor
    mark = view.get(keyspace.watermark(office, bill.issuer), WatermarkBody)
    return bill.seal == COVERED and mark is not None and bill.height <= mark.upto


def circulation_of(view: View, number: str) -> int:
    body = view.get(keyspace.circulation(number), CirculationBody)
    return body.state if body else begin("circulation")


def paper_of(view: View, number: str) -> int:
    body = view.get(keyspace.paper(number), PaperBody)
    return body.state if body else begin("paper")


def accounting_of(view: View, number: str, side: int) -> int:
    body = view.get(keyspace.booking(number, side), BookingBody)
    return body.state if body else begin("accounting")


class Reads(Protocol):
    """A rule's view, a whole ledger's state, or records that were asked for."""

    def get(self, key: bytes, kind: type[Body]) -> Body | None: ...


def claims_of(view: Reads, number: str) -> list[tuple[ClaimRef, ClaimBody]]:
    """Those that are listed, in the order of their locks; what of them still counts, `standing` says."""
    listed = view.get(keyspace.claims(number), ClaimsBody)
    found = []
    for ref in listed.claims if listed else []:
        body = view.get(keyspace.claim(ref.insurer, ref.claim), ClaimBody)
        assert body is not None  # written with the list
        found.append((ref, body))
    return found


def settlement_of(view: Reads, number: str) -> tuple[SettledBody, SettlementBody] | None:
    """The settlement that a bill was joined to last, which may be withdrawn by now; None if it never was joined."""
    settled = view.get(keyspace.settled(number), SettledBody)
    if settled is None:
        return None
    body = view.get(keyspace.settlement(settled.bureau, settled.settlement), SettlementBody)
    return None if body is None else (settled, body)  # a gateway is told by others, who may keep it back


def standing(claim: ClaimBody, time_ms: int) -> int:
    """Its state at a time: a lock that ran out is as if it had been released."""
    return RELEASED if claim.state == LOCKED and claim.until_ms <= time_ms else claim.state


def verify_preconditions(view: View, number: str, move: str, time_ms: int) -> None:
    """What the other axes say to a move of validity. Raises Refused with the first code of `moves.WAITS_FOR`."""
    for axis, states, code in WAITS_FOR[move]:
        if any(state in states for state in _states(view, number, axis, time_ms)):
            raise Refused(code)


def _states(view: View, number: str, axis: str, time_ms: int) -> list[int]:
    match axis:
        case "circulation":
            return [circulation_of(view, number)]
        case "paper":
            return [paper_of(view, number)]
        case "accounting":
            return [accounting_of(view, number, PAYER)]
        case "claim":
            return [standing(claim, time_ms) for _ref, claim in claims_of(view, number)]
    raise KeyError(axis)


def replaced(body: BillBody, **fields: object) -> BillBody:
    """A copy with some fields changed."""
    values = {name: getattr(body, name) for name in body.__struct_fields__}
    return BillBody(**{**values, **fields})
