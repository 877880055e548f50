"""A bill that names no document, as one paid in cash, becomes the bill of who shows its slip first (FEATURES 29).

The slip is the first factor: its check code, or the token of its QR code. The second is the name that the sign-on has
proved, which must be the payer's. Afterwards the slip alone opens no details any more (`rights.possession`), so a
photograph of it is worth nothing. A mismatch of any kind looks like a bill that is not there.
"""

from __future__ import annotations

import hmac
import time
from collections.abc import Callable

from chain.details import field_values
from chain.operation import BindHolder
from node.bill_desk import BillDesk, KnownBill, is_secret
from node.bound_payer import is_unknown
from node.details_store import DetailsStore
from node.identity import Identity
from node.office_desk import OfficeDesk
from node.service import Reader, ServiceRefused, Standing
from node.verification import FailureCounter, is_token


class Binding:
    """At the archive of the office, which signs for it. Failures count per source and per bill; a token nobody guesses,
    so it is not kept from its owner by those who guess at the check code."""

    def __init__(
        self, bills: BillDesk, store: DetailsStore, office: OfficeDesk, now_s: Callable[[], float] = time.monotonic
    ) -> None:
        self._bills, self._store, self._office = bills, store, office
        self._failures = FailureCounter(now_s)

    async def claim(self, reader: Reader, bill: str, secret: str, source: str) -> Standing:
        """What has become of it; `repeated` if the bill was the person's before.

        Raises ServiceRefused `identity_missing`, `too_many_attempts`, `bill_unknown` for a slip that is not the bill's, another
        payer's name or document; then `already_claimed`, `bill_is_void`, `unavailable`, `mempool_full`.
        """
        identity = reader.identity
        if identity is None:
            raise ServiceRefused("identity_missing", "the token does not say who claims the bill")
        counted = [f"source {source}"] if is_token(secret) else [f"source {source}", f"bill {bill}"]
        if any(self._failures.is_locked(name) for name in counted):
            raise ServiceRefused("too_many_attempts")
        known = self._shown(identity, bill, secret)
        if known is None:
            for name in counted:
                self._failures.add(name)
            raise ServiceRefused("bill_unknown")
        if self._bills.holders.is_own(reader, bill, known.body):
            await self._store.add_holder(
                identity, known.body.issuer, bill
            )  # after a restore it may not be found otherwise
            return self._bills.standing(bill, known)
        operation = BindHolder(bill, self._store.pseudonym(bill, identity))
        recorded = self._office.foresee(operation)
        if recorded is not None:
            return recorded
        await self._store.add_holder(identity, known.body.issuer, bill)  # of who loses the race it opens nothing
        return await self._office.act(operation)

    def _shown(self, identity: Identity, bill: str, secret: str) -> KnownBill | None:
        """The bill, if it is the one of the slip and may be the person's."""
        known = self._bills.known(bill)
        if known is None or known.details is None or not is_secret(secret, known.details):
            return None
        payer = self._bills.payer_of(
            known.body.issuer, known.details
        )  # who was bound later counts, not who stood there
        values = field_values(payer)
        if is_unknown(payer):  # whose it is, is still to be found out
            return None
        number = values.get("payer_id_number", "")
        is_named = bool(number.strip())
        if is_named and not identity.is_on(values.get("payer_id_type", ""), number):
            return None
        return known if _is_same_name(values.get("payer_name", ""), identity.name) else None


def _is_same_name(written: str, proved: str) -> bool:
    """Spaces come from typing."""
    one, other = (" ".join(name.split()).encode() for name in (written, proved))
    return bool(one) and hmac.compare_digest(one, other)
