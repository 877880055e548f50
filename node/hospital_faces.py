"""What a gateway knows of a bill that stands on its face: the same right as to its proof, and the proof itself.

A face is printed whether the ledger can be reached or not: a queued bill has one that says so and carries no proof. Whether a paper copy is alive only
validators tell; where none answers, the face says that too.
"""

from __future__ import annotations

from collections.abc import Callable

from chain.catalogue import InForce
from chain.details import Details, open_fields
from chain.genesis import Genesis
from chain.operation import ReverseBill
from faces.face import opened_fields, opened_of_original, opened_of_payer
from faces.source import Attachment, FaceSource, Form
from node.bill_life import BillLife
from node.bill_pages import BillPages
from node.details_post import DetailsPost
from node.gateway_store import BillRow, GatewayStore
from node.hospital_desk import HospitalDesk
from node.proof_maker import ProofMaker
from node.service import Head, Reader, ServiceRefused
from node.standings import Standings


class HospitalFaces:
    def __init__(
        self,
        genesis: Genesis,
        organisation: str,
        title: str,
        office: str,
        store: GatewayStore,
        standings: Standings,
        post: DetailsPost,
        pages: BillPages,
        proofs: ProofMaker,
        life: BillLife,
        catalogues: Callable[[int, int], InForce],
    ) -> None:
        """`catalogues`: those of a business date and moment of issue."""
        names = {entry.id: entry.name for entry in genesis.organisations}
        self._issuer, self._office = names.get(organisation, title or organisation), names.get(office, office)
        self._offset = genesis.parameters.utc_offset_minutes
        self._store, self._standings, self._post = store, standings, post
        self._pages, self._proofs, self._life = pages, proofs, life
        self._catalogues = catalogues

    async def source(
        self, bill_id: str, reader: Reader | None, form: Form, secret: str | None, desk: HospitalDesk, head: Head
    ) -> FaceSource | None:
        """None for who has no right to it, and for a bill that the ledger refused. Raises ServiceRefused `unavailable`."""
        row = await desk.entitled(bill_id, reader, secret, with_details=True)
        shown = desk.standing_for(row) if row is not None else None
        status = self._standings.status_of(shown) if shown is not None else "refused"
        if shown is None or status == "refused":
            return None
        details, original, named = await self._details(shown), None, shown.operation
        names = opened_fields(details, form, is_red=isinstance(shown.operation, ReverseBill), with_secrets=True)
        opened = [(shown, details, names)]
        if isinstance(shown.operation, ReverseBill):
            first = self._store.bill(shown.operation.original)
            original = await self._details(first)
            if first is not None:
                named = first.operation  # whose lines are printed, with the names of their day
                opened.append((first, original, opened_of_original(original, form)))
        proofs = [await self._proof(*one) for one in opened] if status != "queued" else []
        bound = await desk.bound(original or details)
        payer = bound.details if bound is not None and bound.height else None
        if bound is not None and payer is not None and status != "queued":
            data = await desk.proof_of_payer(bound.operation, payer, opened_of_payer(payer))
            proofs.append(Attachment(f"{payer.bill}-payer.proof", f"proof of the payer of bill {payer.bill}", data))
        return FaceSource(
            bill=shown.operation.bill,
            body=self._pages.body(shown),
            details=details,
            original=original,
            issuer=self._issuer,
            office=self._office,
            status=status,
            paper=await self._paper(shown) if status != "queued" else "",
            as_of_height=head.height,
            as_of_ms=head.time_ms,
            utc_offset_minutes=self._offset,
            with_secrets=True,
            proofs=proofs,
            payer=payer,
            payer_height=bound.height if bound is not None else 0,
            catalogues=self._catalogues(named.business_date, named.issued_ms),
        )

    async def _details(self, row: BillRow | None) -> Details:
        details = await self._post.details(row) if row is not None else None
        if details is None:
            raise ServiceRefused("unavailable", "the archive that has the details does not answer")
        return details

    async def _proof(self, row: BillRow, details: Details, names: list[str]) -> Attachment:
        bill = row.operation.bill
        data = await self._proofs.build(row, open_fields(details, names))
        return Attachment(f"{bill}.proof", f"proof of bill {bill}", data)

    async def _paper(self, row: BillRow) -> str | None:
        try:
            life = await self._life.states(row.operation.bill)
        except ServiceRefused:
            return None
        return str(life["paper_form"]) if life["paper"] == "out" else ""
