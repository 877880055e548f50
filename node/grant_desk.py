"""Grants that patients give and take back at the archive: the office has seen who they are, and signs for them.

A grant's name is a MAC of all that it says, so a request that is sent again is the same grant and makes nothing new; nor does it
undo a revocation that came in between. The mark of the patient is a MAC too, another one to each organisation: the ledger does not
show that two of them read bills of the same person. Both are under a key of this node's own. Source: FEATURES 31.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterator, Sequence
from typing import Any

from chain import keyspace
from chain.codec import encode
from chain.details import FIELD_IDS
from chain.ledger import Ledger
from chain.operation import GrantRead, RevokeGrant, operation_digest
from chain.records import BillBody, GrantBody
from chain.rules.grants import GRANTABLE, is_in_force, standing
from node.bill_desk import BillDesk
from node.details_store import DetailsStore
from node.identity import Identity
from node.office_signer import OfficeSigner
from node.service import GivenGrant, GrantWish, Page, Reader, ServiceRefused, Standing

BILLS_AT_ONCE = 500  # looked at for a page of grants; it may then be short and still have a next one
POINTERS = {  # code of the rules -> the field of the request that is at fault
    "organisation_unknown": "/to",
    "not_a_reader": "/to",
    "organisation_suspended": "/to",
    "organisation_closed": "/to",
    "grant_too_long": "/until",
}


class GrantDesk:
    """On the ledger's loop. Whoever holds no such bill is told that there is none."""

    def __init__(self, ledger: Ledger, store: DetailsStore, bills: BillDesk, signer: OfficeSigner) -> None:
        self._ledger, self._bills, self._signer = ledger, bills, signer
        self._key, self._store = store.grant_key, store

    # ── give ─────────────────────────────────────────────────────────────────────────────────────────────────────────

    async def give(self, reader: Reader, bills: Sequence[str], wish: GrantWish) -> list[GivenGrant]:
        """A grant on each bill, all or none of them sent. Raises ServiceRefused: `identity_missing`, `bill_unknown`,
        `field_unknown`, `grant_revoked` and `grant_expired` for what was granted in the same words before, the rules' codes."""
        identity = identified(reader)
        self._signer.key()
        fields = _field_ids(wish.fields)
        wanted: list[GrantRead] = []
        for place, bill in enumerate(bills):
            if bill in bills[:place]:
                raise ServiceRefused("invalid_value", "this bill stands twice", f"/bill_ids/{place}")
            body = self._held(bill, reader)
            if body is None:
                raise ServiceRefused("bill_unknown", "", f"/bill_ids/{place}")
            spelt = self._bills.holders.spelt_holder(bill, body, identity)
            said = [bill, wish.to, fields, wish.purpose, wish.until_ms]
            name, mark = self._mac(["grant", spelt, *said]), self._mac(["holder", spelt, wish.to])
            wanted.append(GrantRead(name, bill, wish.to, fields, wish.purpose, wish.until_ms, mark))
        before = [self._before(operation, place) for place, operation in enumerate(wanted)]
        new = [operation for operation, known in zip(wanted, before, strict=True) if known is None]
        sent = iter(await self._signer.send(*new) if new else [])
        return [
            GivenGrant(operation.grant.hex(), operation.bill, known or next(sent))
            for operation, known in zip(wanted, before, strict=True)
        ]

    def _before(self, operation: GrantRead, place: int) -> Standing | None:
        """How the same grant stands, or None if the rules would take it now. Raises ServiceRefused."""
        body = self._ledger.state.get(keyspace.grant(self._signer.organisation, operation.grant), GrantBody)
        if body is not None:
            now_ms = self._ledger.head.time_ms
            if not is_in_force(body, now_ms):
                code = "grant_expired" if body.state != standing(body, now_ms) else "grant_revoked"
                raise ServiceRefused(code, "granted in the same words before: choose another end", f"/bill_ids/{place}")
            return Standing(operation_digest(operation).hex(), "recorded", height=body.height, repeated=True)
        known = self._signer.known(operation)
        if known is not None:
            return known
        try:
            return self._signer.try_now(operation)
        except ServiceRefused as refusal:
            pointer = POINTERS.get(refusal.code, f"/bill_ids/{place}")
            raise ServiceRefused(refusal.code, refusal.detail, pointer) from None

    # ── take back ────────────────────────────────────────────────────────────────────────────────────────────────────

    async def revoke(self, reader: Reader, grant: str, reason: str) -> Standing:
        """Of a grant that the ledger has, on a bill of the reader's; `grant` is hex. Raises ServiceRefused: `identity_missing`,
        `grant_unknown` also for another's, the rules' codes."""
        identified(reader)
        self._signer.key()
        name = bytes.fromhex(grant)
        for granter in (self._signer.organisation, *sorted(self._store.issuers)):
            body = self._ledger.state.get(keyspace.grant(granter, name), GrantBody)
            if body is not None and self._held(body.bill, reader) is not None:
                operation = RevokeGrant(granter, name, reason)
                known = self._signer.known(operation) or self._signer.try_now(operation)
                if known is None:
                    (known,) = await self._signer.send(operation)
                return known
        raise ServiceRefused("grant_unknown")

    # ── look ─────────────────────────────────────────────────────────────────────────────────────────────────────────

    def page(self, reader: Reader, after: str | None, limit: int) -> Page:
        """Grants on a person's bills, by issuer, bill, and the order in which they were given; rows as `consents.py` has them.
        `after` is the `next` of the page before. Raises ServiceRefused `identity_missing`."""
        rows: list[dict[str, Any]] = []
        position, looked_at = after, 0
        for position_after, found in self._from(reader, identified(reader), after):
            if (found is not None and len(rows) == limit) or looked_at == BILLS_AT_ONCE:
                return Page(rows, position)
            rows += [found] if found is not None else []
            looked_at += found is None
            if found is not None or len(rows) < limit:  # behind a full page nothing is passed over
                position = position_after
        return Page(rows, None)

    def _from(
        self, reader: Reader, identity: Identity, after: str | None
    ) -> Iterator[tuple[str, dict[str, Any] | None]]:
        """(position behind it, grant), and None instead of a grant behind each bill. A position is issuer/bill/how many of its."""
        begin: tuple[str, str] | None = None
        if after is not None:
            issuer, bill, count = after.split("/")
            begin = issuer, bill
            if self._held(bill, reader) is not None:
                yield from self._behind(issuer, bill, int(count))
        for issuer, bill, _body in self._bills.holders.bills_of(identity, begin):
            yield from self._behind(issuer, bill, 0)

    def _behind(self, issuer: str, bill: str, count: int) -> Iterator[tuple[str, dict[str, Any] | None]]:
        rows = self._bills.consents.rows_of(bill)
        for place, row in enumerate(rows[count:], count + 1):
            yield f"{issuer}/{bill}/{place}", row
        yield f"{issuer}/{bill}/{len(rows)}", None

    def _held(self, bill: str, reader: Reader) -> BillBody | None:
        """A bill that is the reader's, or is theirs to act for."""
        body = self._bills.body_of(bill)
        return body if body is not None and self._bills.holders.is_own(reader, bill, body) else None

    def _mac(self, said: list[Any]) -> bytes:
        return hmac.digest(self._key, encode(said), "sha256")


def identified(reader: Reader) -> Identity:
    """Raises ServiceRefused `identity_missing`."""
    if reader.identity is None:
        raise ServiceRefused("identity_missing", "the token does not say whose bills are asked for")
    return reader.identity


def _field_ids(names: Sequence[str]) -> list[int]:
    """Ascending, each once. Raises ServiceRefused `field_unknown`, also for what nobody grants."""
    for place, name in enumerate(names):
        if FIELD_IDS.get(name) not in GRANTABLE:
            known = ", ".join(sorted(name for name, number in FIELD_IDS.items() if number in GRANTABLE))
            raise ServiceRefused("field_unknown", known, f"/fields/{place}")
    return sorted({FIELD_IDS[name] for name in names})
