"""A step of a visit, paid at once and counted against its cap: notice, order, payments and the visit's charge are one chain.

Where something was held at the opening, the step is paid as `charges.py` pays it; else of a deposit and by card, whole or not at all.
"""

from __future__ import annotations

import os

import msgspec

from chain.details import SEED_BYTES
from chain.operation import ANSWERED_MAX, ChargeVisit, IssueNotice, Operation
from node.money.charges import Charges, Sources, order_of, paid_at_once
from node.money.filing import Filing, parse_name
from node.money.notices import DUE_MS, NoticePrivate, line_sums
from node.money.requests import ChargeWish
from node.money.visit_requests import VisitChargeWish
from node.money.visits import Visits
from node.service import Reader, ServiceRefused, Standing


class _Asked(msgspec.Struct, frozen=True):
    """What makes two charges the same."""

    visit: str
    wish: VisitChargeWish


class VisitCharges:
    def __init__(self, filing: Filing, charges: Charges, visits: Visits) -> None:
        self._filing, self._charges, self._visits = filing, charges, visits

    async def charge(self, wish: VisitChargeWish, reader: Reader, target: str) -> Standing:
        """Raises ServiceRefused: `too_many_charges` for what one bill cannot answer, those of `Charges.charge`, or the ledger's
        code, `visit_cap_exceeded` among them."""
        filing, visit = self._filing, parse_name(target, "visit_unknown")
        _, private = self._visits.kept(visit)
        body = await self._visits.body(visit)
        notice = filing.names.of("notice", wish.charge_no)
        if len(body.orders) >= ANSWERED_MAX and notice not in private.charges:
            raise ServiceRefused("too_many_charges", f"one bill is about {ANSWERED_MAX} at most")
        step = wish.lines[0].kind

        def also(order: bytes) -> list[Operation]:
            return [ChargeVisit(visit, order, step)]

        def beside() -> None:
            row, now = self._visits.kept(visit)
            if notice not in now.charges:
                self._visits.keep(visit, row, msgspec.structs.replace(now, charges=[*now.charges, notice]))

        if private.hold:
            if wish.deposit is not None:
                raise ServiceRefused("invalid_value", "what was held pays, after the agreement's balance", "/deposit")
            asked = ChargeWish(wish.charge_no, wish.lines, wish.kind, wish.card)
            return await self._charges.charge(asked, reader, private.hold.hex(), also, beside)
        asked_here = _Asked(target, wish)
        if (known := filing.known("notice", wish.charge_no, asked_here)) is not None:
            return known
        names, now_ms, sums = filing.names, filing.steps.now_ms(), line_sums(wish.lines)
        details = NoticePrivate(os.urandom(SEED_BYTES), private.payer, [line.title for line in wish.lines], b"")
        sources = _sources(wish, sum(line.amount_fen for line in sums))
        order = order_of(names, wish.charge_no)

        def make(name: bytes) -> list[Operation]:
            issued = IssueNotice(name, wish.kind, body.holder, sums, now_ms + DUE_MS, details.root())
            return [*paid_at_once(names, reader, issued, order, now_ms, sources), *also(order)]

        return await filing.file(
            "notice", wish.charge_no, asked_here, make, holder=body.holder, private=details, beside=beside
        )


def _sources(wish: VisitChargeWish, total_fen: int) -> Sources:
    """The card pays what it has paid, the deposit the rest. Raises ServiceRefused `sum_mismatch`."""
    card_fen = wish.card.amount_fen if wish.card is not None else 0
    rest_fen = total_fen - card_fen
    if rest_fen < 0 or (rest_fen and wish.deposit is None):
        raise ServiceRefused("sum_mismatch", f"{total_fen} fen are to be paid", "/card/amount_fen")
    deposit = bytes.fromhex(wish.deposit) if wish.deposit is not None and rest_fen else b""
    return Sources(deposit=deposit, deposit_fen=rest_fen, card=wish.card)
