"""What answers look like. Views of records (bills, blocks, ranges …) are JSON objects made by the node."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from node.service import LeaseView, Status
from node.services.desks import ClaimStatus


class Answer(msgspec.Struct, frozen=True, omit_defaults=True):
    """What has become of something written. `queued` is kept durably and will be sent until it is recorded or refused."""

    operation: str  # digest, hex
    status: Status
    code: str | None = None  # of the refusal
    height: int | None = None  # of the block that recorded or refused it
    sealed_height: int | None = None
    bill_id: str | None = None
    check_code: str | None = None
    superseded_by: str | None = None  # the bill that the business number has already
    proxy: str | None = None  # the relation that was registered
    name: str | None = None  # what the ledger calls what was made, where it is no bill
    links: dict[str, str] = {}


class Correction(msgspec.Struct, frozen=True):
    """What has become of the two bills of one correction."""

    reversal: Answer
    bill: Answer


class AwaitingAnswer(msgspec.Struct, frozen=True):
    """Kept, and nothing done: another person of the organisation has to agree at `links.approval`."""

    status: Literal["awaiting_second"]
    approval: str
    kind: str
    target: str | None  # the bill or organisation that it is about
    links: dict[str, str]


class Outcome(msgspec.Struct, frozen=True, omit_defaults=True):
    """What has become of one of many. Where nothing was kept: `status` refused, `code`, `detail`, `pointer`."""

    index: int
    status: Status
    operation: str | None = None
    code: str | None = None
    detail: str | None = None
    pointer: str | None = None  # JSON pointer into this bill
    height: int | None = None
    sealed_height: int | None = None
    bill_id: str | None = None
    check_code: str | None = None
    superseded_by: str | None = None
    repeated: bool = False
    links: dict[str, str] = {}


class Outcomes(msgspec.Struct, frozen=True):
    """One outcome per entry, in the request's order."""

    outcomes: list[Outcome]


class Rows(msgspec.Struct, frozen=True):
    """Part of a list. `next` is the cursor of the following part, null at the end."""

    data: list[dict[str, Any]]
    has_more: bool
    next: str | None


class GrantAnswer(msgspec.Struct, frozen=True, omit_defaults=True):
    """A grant by its name: what it is taken back by. Otherwise as any written thing."""

    grant: str
    bill_id: str
    operation: str
    status: Status
    code: str | None = None
    height: int | None = None
    links: dict[str, str] = {}


class GivenGrants(msgspec.Struct, frozen=True):
    """What has become of each grant, in the order of the request's bills."""

    grants: list[GrantAnswer]


class ClaimAnswer(msgspec.Struct, frozen=True, omit_defaults=True):
    """A claimed bill. `approved`, `rejected` and `paid` are decided, `locked` waits for a person of the insurer's, `queued` is on its
    way: the same request says later what became of it."""

    bill_id: str
    status: ClaimStatus
    code: str | None = None  # why it is refused
    reason: str | None = None  # the same for people, in the language of the answer
    claim: str | None = None
    number: str | None = None
    amount_fen: int | None = None
    approved_fen: int | None = None
    height: int | None = None


class ClaimAnswers(msgspec.Struct, frozen=True):
    """One for each bill, in the order of the request; how many there are of each status; what is granted in all."""

    claims: list[ClaimAnswer]
    counts: dict[str, int]
    approved_fen: int


class ClaimTerms(msgspec.Struct, frozen=True):
    """What a patient grants the insurer, so that a bill shows whose it is; up to which sum a claim is decided at once."""

    organisation: str
    fields: list[str]
    purpose: str
    small_claim_fen: int
    bills_max: int


class Foreseen(msgspec.Struct, frozen=True):
    """The code with which the ledger would refuse a claim now, or null."""

    bill_id: str
    code: str | None


class ForeseenClaims(msgspec.Struct, frozen=True):
    claims: list[Foreseen]


class Leases(msgspec.Struct, frozen=True):
    data: list[LeaseView]
    has_more: bool
    next: str | None


class Verification(msgspec.Struct, frozen=True, omit_defaults=True):
    """`no_match` also when there is no such bill; `try_later` after too many failures from one source."""

    verdict: str
    status: str | None = None
    reversed_by: str | None = None
    seal_withheld: str | None = None  # why the office has not sealed it
    as_of: dict[str, Any] | None = None
    lookups: int | None = None  # how often this node has found the bill, this time with it


class LookupsPage(msgspec.Struct, frozen=True):
    """Of this node's own answers. `rows` newest first: {time, kind, organisation?}."""

    count: int
    last: str | None
    rows: list[dict[str, Any]]


class BatchVerification(msgspec.Struct, frozen=True):
    """`results` in the order of the rows; `manifest.file` is checked as a proof is: it signs questions and results."""

    counts: dict[str, int]  # by verdict
    results: list[dict[str, Any]]
    manifest: dict[str, Any]


class ProofCheck(msgspec.Struct, frozen=True):
    valid: bool
    checks: list[dict[str, Any]]
    bill: dict[str, Any] | None


class LineActed(msgspec.Struct, frozen=True, omit_defaults=True):
    """What was recorded of a line; `repeated` if the same was recorded before."""

    line: str
    status: Literal["recorded", "refused"]
    code: str | None = None  # why one statement of several was refused
    height: int | None = None
    repeated: bool = False
    amount_fen: int | None = None
    due: str | None = None


class LineStatements(msgspec.Struct, frozen=True):
    """Of a part of the lines with debt whose risk the lender bears; `next` leads to the rest."""

    statements: list[LineActed]
    counts: dict[str, int]  # by status
    owed_fen: int  # of those recorded now
    next: str | None
