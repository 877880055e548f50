"""Binding a payer to a bill that was issued for an unknown one (an emergency's patient): once, on record (FEATURES 8).

Whether a bill's payer was unknown only its details tell, so it is looked at here, before anything is signed. In this order:
text_refused or invalid_value, payer_already_bound, bill_superseded, bill_unknown, bill_not_normal, unavailable (the details),
payer_known, then what the ledger would say now, then room.
"""

from __future__ import annotations

import os
from collections.abc import Callable

from chain.bill import Payer
from chain.details import SEED_BYTES, details_root, payer_details
from chain.operation import BindPayer, ReverseBill, operation_digest
from chain.records import ParametersBody
from node.bill_life import BillLife
from node.bound_payer import KNOWN_TYPES, is_unknown
from node.business_time import local_text
from node.details_post import DetailsPost
from node.gateway_store import BillRow, GatewayStore
from node.issuing import verify_short_text
from node.payer_post import PayerPost
from node.service import ServiceRefused, Standing
from node.standings import Standings


class PayerBinding:
    def __init__(
        self,
        parameters: ParametersBody,
        store: GatewayStore,
        standings: Standings,
        post: DetailsPost,
        payers: PayerPost,
        life: BillLife,
        now_ms: Callable[[], int],
    ) -> None:
        self._parameters, self._store, self._standings = parameters, store, standings
        self._post, self._payers, self._life, self._now_ms = post, payers, life, now_ms

    async def bind(self, bill: str, payer: Payer, operator: str) -> Standing:
        """Keep it. Raises ServiceRefused."""
        _verify_named(payer, operator)
        self._verify_unbound(bill)
        row = self._bindable(bill)
        details = await self._post.details(row)
        if details is None:
            raise ServiceRefused("unavailable", "the archive that has the details does not answer")
        if not is_unknown(details):
            raise ServiceRefused("payer_known", "it was issued for a payer who is known")
        time = local_text(self._now_ms(), self._parameters.utc_offset_minutes)
        private = payer_details(bill, os.urandom(SEED_BYTES), payer, operator, time)
        operation = BindPayer(bill, details_root(private))

        def keep() -> None:
            self._verify_unbound(bill)  # somebody else may have asked while we looked
            self._payers.keep(operation, operation_digest(operation), private)

        return await self._life.move(operation, keep)

    def _verify_unbound(self, bill: str) -> None:
        if self._store.payer(bill) is not None:
            raise ServiceRefused("payer_already_bound", "it is bound once", None, {"bill": f"/v1/bills/{bill}"})

    def _bindable(self, bill: str) -> BillRow:
        row = self._store.bill(bill)
        if row is not None and row.superseded_by:
            links = {"bill": f"/v1/bills/{row.superseded_by}"}
            raise ServiceRefused("bill_superseded", "name the bill that stands for it", None, links)
        if row is None or self._standings.status_of(row) == "refused":
            raise ServiceRefused("bill_unknown")
        if isinstance(row.operation, ReverseBill) or row.void_height or row.reversed_by:
            raise ServiceRefused("bill_not_normal")
        return row


def _verify_named(payer: Payer, operator: str) -> None:
    if payer.type not in KNOWN_TYPES:
        raise ServiceRefused("invalid_value", "a person or a unit", "/type")
    verify_short_text(payer.name, "/name")
    verify_short_text(operator, "/operator")
    for name, text in (("id_type", payer.id_type), ("id_number", payer.id_number)):
        if text:
            verify_short_text(text, f"/{name}")
