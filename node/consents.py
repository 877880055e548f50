"""What organisations may read of a bill because its holder lets them: grants, as the ledger has them at this node's head.

Nothing of it is kept here: what the ledger does not say is not granted, and what it has revoked, or let run out by the time of its
newest block, is closed. Source: FEATURES 31 and 54, `chain/rules/grants.py`.
"""

from __future__ import annotations

from typing import Any

import msgspec

from chain import keyspace
from chain.details import FIELDS
from chain.ledger import Ledger
from chain.operation import GrantRead, Operation, RevokeGrant
from chain.records import ACTIVE, GRANTED, GrantBody, GrantRef, OrganisationBody, ReasonBody
from chain.rules.grants import grants_of, is_in_force
from chain.state import body_of
from node.ledger_pages import utc_text
from node.rights import NO_FIELDS, PAYING_CLERKS, Right, sees_grants_to
from node.service import Reader


class Consent(msgspec.Struct, frozen=True):
    """What is in force together: an organisation may hold several grants on one bill."""

    is_given: bool
    fields: frozenset[str]
    purpose: str = ""  # of the newest of them


NOTHING_GRANTED = Consent(False, NO_FIELDS)


class Consents:
    """On the ledger's loop; nothing here waits."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def of(self, reader: Reader, bill: str) -> Consent:
        """What a reader's organisation was granted of a bill. An organisation that is suspended or closed reads nothing."""
        if reader.role not in PAYING_CLERKS:
            return NOTHING_GRANTED
        now_ms, state = self._ledger.head.time_ms, self._ledger.state
        own = [
            grant
            for _ref, grant in grants_of(state, bill)
            if grant.to == reader.organisation and is_in_force(grant, now_ms)
        ]
        organisation = state.get(keyspace.organisation(reader.organisation), OrganisationBody) if own else None
        if organisation is None or organisation.state != ACTIVE:
            return NOTHING_GRANTED
        fields = frozenset(FIELDS[number] for grant in own for number in grant.fields)
        return Consent(True, fields, own[-1].purpose)

    def shown_to(self, reader: Reader, right: Right, bill: str) -> list[dict[str, Any]]:
        """The grants in force on a bill that a reader sees there."""
        return [
            self.page(ref, grant)
            for ref, grant in grants_of(self._ledger.state, bill)
            if is_in_force(grant, self._ledger.head.time_ms) and sees_grants_to(grant.to, reader, right)
        ]

    def rows_of(self, bill: str) -> list[dict[str, Any]]:
        """All that the ledger lists of a bill, also what has ended, in the order in which they were given."""
        return [self.page(ref, grant) for ref, grant in grants_of(self._ledger.state, bill)]

    def page(self, ref: GrantRef, grant: GrantBody) -> dict[str, Any]:
        """{grant, granted_by, bill_id, to, fields, purpose, until, state, height}; `revoked_height` and `reason` if it was revoked."""
        page: dict[str, Any] = {
            "grant": ref.grant.hex(),
            "granted_by": ref.granter,
            "bill_id": grant.bill,
            "to": grant.to,
            "fields": [FIELDS[number] for number in grant.fields],
            "purpose": grant.purpose,
            "until": utc_text(grant.until_ms),
            "state": "granted",
            "height": grant.height,
        }
        if grant.state != GRANTED:
            end = self._ledger.state.record(keyspace.grant_end(ref.granter, ref.grant))
            assert end is not None  # written with the state
            page |= {"state": "revoked", "revoked_height": end.height, "reason": body_of(end, ReasonBody).reason}
        elif not is_in_force(grant, self._ledger.head.time_ms):
            page["state"] = "expired"
        return page

    def grantee_of(self, operation: Operation) -> str | None:
        """Whom an operation lets read, or no longer; None for what is about no grant."""
        if isinstance(operation, GrantRead):
            return operation.to
        if isinstance(operation, RevokeGrant):
            grant = self._ledger.state.get(keyspace.grant(operation.granter, operation.grant), GrantBody)
            return grant.to if grant is not None else ""
        return None
