"""What the REST layer asks of an organisation's service, as `node/service.py` says it of nodes."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from typing import Annotated, Any, Literal, Protocol

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


class Service(Served, Protocol):
    """An organisation's service, whatever its kind."""

    def parts(self) -> dict[str, Callable[[], Coroutine[Any, Any, None]]]:
        """What it does by itself, by name; each until it is cancelled."""
        ...


class Insurer(Service, Protocol):
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


DueDate = Annotated[str, msgspec.Meta(pattern=r"\A[0-9]{4}-[0-9]{2}-[0-9]{2}\Z")]


class Enrolled(msgspec.Struct, frozen=True):
    """A line, and whether it was there before, at all of the hospitals."""

    page: dict[str, Any]
    repeated: bool


class Acted(msgspec.Struct, frozen=True):
    """What was recorded of a line. `repeated`: the same was asked for and recorded before."""

    line: str
    status: Literal["recorded", "refused"]
    code: str | None = None  # why a statement among several was refused
    height: int | None = None
    repeated: bool = False
    amount_fen: int | None = None  # that is owed, or was paid
    due: str | None = None  # RFC 3339: by when


class InstalmentWish(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """So much by the end of a local day."""

    due: DueDate
    amount_fen: Annotated[int, msgspec.Meta(ge=1)]


class Lender(Service, Protocol):
    """A lender's service: for people whom it lends to, and its own staff. Unknown and forbidden look the same."""

    async def enrol(self, reader: Reader, product: str, attestation: str, hospitals: list[str]) -> Enrolled:
        """A line for the asking person, to be used at these hospitals and at those that were named for it before. Raises ServiceRefused
        `attestation_invalid`, `attestation_expired`, `attestation_of_other`, `product_unknown`, `not_eligible`, `hospitals_malformed`, the
        rules' codes, `unavailable`."""
        ...

    async def account(self, reader: Reader, line: str) -> dict[str, Any] | None:
        """{line, product, state, line_fen, left_fen, owed_fen, surplus_fen, dues …}; `line` is hex. Raises ServiceRefused `unavailable`."""
        ...

    async def revoke(self, reader: Reader, line: str, reason: str) -> Acted:
        """Nothing new is drawn from it; what is owed stays owed. Raises ServiceRefused, the rules' codes."""
        ...

    async def repay(self, line: str, number: str, channel: str, amount_fen: int) -> Acted:
        """What came over a channel; `number` is the lender's own. Raises ServiceRefused, the rules' codes."""
        ...

    async def pay_back(self, line: str, number: str, channel: str, amount_fen: int) -> Acted:
        """What a line has too much leaves by a channel; `number` is the lender's own. Raises ServiceRefused, the rules' codes."""
        ...

    async def agree(self, line: str, number: str, instalments: Sequence[InstalmentWish]) -> Acted:
        """Dates in the place of all before. Raises ServiceRefused, the rules' codes, `invalid_value` for a day that is none."""
        ...

    async def state(self, line: str) -> Acted:
        """What is owed on a line now, and by when; once a local day. Raises ServiceRefused, the rules' codes."""
        ...

    async def state_all(self, after: str | None) -> tuple[list[Acted], str | None]:
        """The same of a part of the lender's lines: those that owe something and whose risk it bears; and the `after` of the next
        part. Raises ServiceRefused `unavailable`, `cursor_invalid`."""
        ...
