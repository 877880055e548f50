"""What the REST layer asks of an organisation's service, as `node/service.py` says it of nodes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, Protocol

import msgspec

from node.service import Reader, Served

BILLS_MAX = 50  # that one request claims: lock and decision of each stay within one transaction

ClaimStatus = Literal["approved", "locked", "queued", "refused", "rejected", "paid"]


class ClaimWish(msgspec.Struct, frozen=True):
    """A bill that somebody claims, and how much of its own part; None: all of it."""

    bill_id: str
    amount_fen: int | None


class ClaimStanding(msgspec.Struct, frozen=True):
    """What has become of one wish, or would. `approved`, `rejected` and `paid` are decided; `locked` waits for a person of the
    insurer's; `queued` was sent, and nobody has said yet what became of it: the same request says so later."""

    bill_id: str
    status: ClaimStatus
    code: str | None = None  # why it is refused
    claim: str | None = None  # the claim's name on the ledger, hex
    number: str | None = None  # the insurer's own number of it: what `medbill claim` takes
    amount_fen: int | None = None  # that is claimed; None where the bill was not shown
    approved_fen: int = 0
    height: int | None = None  # of the block that locked it


class Insurer(Served, Protocol):
    """An insurer's service for the people whom it insures."""

    def terms(self) -> dict[str, Any]:
        """{organisation, fields, purpose, small_claim_fen, bills_max}: what a patient has to grant, and what is decided at once."""
        ...

    async def check(self, reader: Reader, wishes: Sequence[ClaimWish]) -> list[ClaimStanding]:
        """What `claim` would say now; nothing is written. Raises ServiceRefused `identity_missing`, `invalid_value` for a bill
        that stands twice, `unavailable`."""
        ...

    async def claim(self, reader: Reader, wishes: Sequence[ClaimWish]) -> list[ClaimStanding]:
        """Lock each bill, and decide at once what is small; each stands for itself. Raises as `check`."""
        ...
