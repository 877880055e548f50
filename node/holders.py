"""Whose a bill is: the person whose identity document it names, or who was bound to it later, or who claimed one that
names none (`binding.py`).

The document is read from details, which lie here and nowhere on the ledger; the ledger has a pseudonym of who claimed a
bill. Whoever asks has shown the document to a sign-on (`api/auth.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from chain.details import Details, field_values
from chain.records import RED, BillBody
from node.details_store import DetailsStore
from node.identity import Identity, spelt_document
from node.proxies import Proxies
from node.service import Reader

ROWS_AT_ONCE = 200

DetailsOf = Callable[[str, BillBody], Details | None]  # of a final bill, if the right ones are here
Known = Callable[[str], BillBody | None]
PayerOf = Callable[[str, Details], Details]  # (issuer, details of a bill) -> those that say who pays it
BoundOf = Callable[[str], bytes | None]  # pseudonym of who claimed the bill


class Holders:
    def __init__(
        self,
        store: DetailsStore,
        details_of: DetailsOf,
        body_of: Known,
        payer_of: PayerOf,
        bound_of: BoundOf,
        proxies: Proxies,
    ) -> None:
        self._store, self._details_of, self._body_of, self._payer_of = store, details_of, body_of, payer_of
        self._bound_of, self._proxies = bound_of, proxies

    def is_holder(self, reader: Reader, bill: str, body: BillBody) -> bool:
        """Whether the bill is the asking patient's, or that of somebody whose proxy the patient is now."""
        return self.held_under(reader, bill, body) is not None

    def is_own(self, reader: Reader, bill: str, body: BillBody) -> bool:
        """Whether the bill is the asking patient's: who reads for somebody else neither lets others read, nor disputes."""
        return self.held_under(reader, bill, body) == b""

    def held_under(self, reader: Reader, bill: str, body: BillBody) -> bytes | None:
        """The relation under which a patient reads a bill: empty for the own ones; None if it is not theirs to read."""
        if reader.role != "patient" or reader.identity is None:
            return None
        if self._is_of(reader.identity, bill, body):
            return b""
        for name, relation in self._proxies.in_force_for(reader.identity):
            if self._is_of(relation.principal, bill, body):
                return name
        return None

    def bills_of(self, identity: Identity, after: tuple[str, str] | None) -> Iterator[tuple[str, str, BillBody]]:
        """(issuer, bill, body) of a person's recorded bills at all hospitals, by issuer and number, from behind `after`."""
        while rows := self._store.bills_of_person(identity, after, ROWS_AT_ONCE):
            for issuer, bill in rows:
                body = self._body_of(bill)
                if body is not None and body.issuer == issuer and self._is_of(identity, bill, body):
                    yield issuer, bill, body
            after = rows[-1]

    def _is_of(self, identity: Identity, bill: str, body: BillBody) -> bool:
        if body.validity == RED:  # it names nobody: it is whose the bill is that it takes back
            bill, original = body.related[0], self._body_of(body.related[0])
            return original is not None and self._is_of(identity, bill, original)
        return self._names(identity, bill, body) or self._bound_of(bill) == self._store.pseudonym(bill, identity)

    def _names(self, identity: Identity, bill: str, body: BillBody) -> bool:
        details = self._details_of(bill, body)
        if details is None:
            return False
        values = field_values(self._payer_of(body.issuer, details))
        return identity.is_on(values.get("payer_id_type", ""), values.get("payer_id_number", ""))

    def spelt_holder(self, bill: str, body: BillBody, otherwise: Identity) -> bytes:
        """Whose a bill is, as an index or a mark takes a MAC of it: the document on the bill, or of one that names none,
        that of who was let in as its holder."""
        if body.validity == RED and (original := self._body_of(body.related[0])) is not None:
            return self.spelt_holder(body.related[0], original, otherwise)
        details = self._details_of(bill, body)
        values = field_values(details) if details is not None else {}
        number = values.get("payer_id_number", "")
        return spelt_document(values.get("payer_id_type", ""), number) if number.strip() else otherwise.spelt()
