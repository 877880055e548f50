"""What the REST layer asks of a node: the shapes, and one protocol per kind of node that serves people.

The API knows these and nothing else of a node; `gateway.py` and `mirror.py` implement them.
"""

from __future__ import annotations

from typing import Any, Literal, Protocol

import msgspec

from chain.bill import BillRequest
from chain.operation import (
    DeliverBill,
    HoldBill,
    MakeUpPayment,
    PrintPaper,
    TakeBackPaper,
    VoidBill,
    VoidBlanks,
)

# what a hospital does with a bill that it issued
LifeOperation = VoidBill | DeliverBill | HoldBill | MakeUpPayment | PrintPaper | TakeBackPaper | VoidBlanks
Status = Literal["queued", "recorded", "sealed", "refused"]
Verdict = Literal["genuine", "genuine_reversed", "genuine_void", "no_match", "try_later"]


class ServiceRefused(Exception):
    """A request that a node refuses. `code` is stable; `pointer` names the field where one is at fault."""

    def __init__(self, code: str, detail: str = "", pointer: str | None = None, links: dict[str, str] | None = None):
        super().__init__(f"{code}: {detail}" if detail else code)
        self.code, self.detail, self.pointer, self.links = code, detail, pointer, links


class Reader(msgspec.Struct, frozen=True):
    """Who asks, as their token says; checked before."""

    subject: str
    organisation: str
    role: str  # cashier, hospital_admin, finance_clerk, auditor, patient, operator


class Standing(msgspec.Struct, frozen=True, omit_defaults=True):
    """What has become of one written thing so far."""

    operation: str  # digest, hex
    status: Status
    code: str | None = None  # of the outcome, when refused
    height: int | None = None  # of the block that recorded or refused it
    sealed_height: int | None = None
    bill_id: str | None = None
    check_code: str | None = None  # of a bill issued here
    superseded_by: str | None = None  # the bill that the same business number has already
    repeated: bool = False  # the same request was kept before: nothing new was made


class Head(msgspec.Struct, frozen=True):
    """As of when a node answers."""

    height: int
    digest: str
    time_ms: int


class LeaseView(msgspec.Struct, frozen=True):
    lease: str  # code ‖ first number, 18 digits
    kind: str
    place: str
    gateway: str
    first: int
    count: int
    next: int
    left: int


class Claimed(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a member of the public types in from a bill."""

    bill_id: str
    check_code: str
    business_date: str | None = None  # yyyy-mm-dd
    total_fen: int | None = None


class Page(msgspec.Struct, frozen=True):
    """Part of a list: rows as JSON objects, and where to go on."""

    data: list[dict[str, Any]]
    next: str | None = None


class Desk(Protocol):
    """What every node that serves REST can do. Unknown and forbidden look the same: None, or an empty page."""

    name: str
    kind: str  # gateway or mirror
    organisation: str
    chain_id: str  # hex

    def head(self) -> Head: ...

    def network(self) -> dict[str, Any]:
        """Organisations, validators, parameters, this node, its peers and the head."""
        ...

    def genesis_file(self) -> bytes:
        """genesis.json as this node has it. Whoever is given it compares its digest with what is known from elsewhere."""
        ...

    async def blocks(self, before: int | None, limit: int) -> Page:
        """Header, certificate and counts, newest first."""
        ...

    async def block(self, height: int, reader: Reader | None) -> dict[str, Any] | None:
        """The same for one; bodies for auditors, and an issuer's own part for its people."""
        ...

    async def bill(self, bill_id: str, reader: Reader) -> dict[str, Any] | None: ...

    async def bills_by_business_no(self, issuer: str, business_no: str, reader: Reader) -> list[dict[str, Any]]: ...

    async def history(self, bill_id: str, reader: Reader) -> list[dict[str, Any]] | None: ...

    async def proof(self, bill_id: str, reader: Reader | None, fields: list[str], secret: str | None) -> bytes | None:
        """The proof file. `reader` with the right to it, or `secret`: the bill's check code or token."""
        ...

    def check_proof(self, data: bytes) -> dict[str, Any]:
        """What `medbill proof verify` says of a file: {valid, checks [{name, ok, detail}], bill}; keeps nothing."""
        ...

    async def verify_claimed(self, claimed: Claimed, source: str) -> dict[str, Any]:
        """{verdict, status?, reversed_by?, as_of}; `source` is counted against for failures only."""
        ...

    async def operation(self, digest: str, reader: Reader) -> Standing | None: ...

    async def submit(self, transaction: bytes) -> list[Standing]:
        """Take a signed transaction in canonical bytes. Raises ServiceRefused."""
        ...

    async def wait(self, standing: Standing, seconds: float, until: Status = "sealed") -> Standing:
        """The standing when it is reached, or after so many seconds what there is."""
        ...


class Counter(Desk, Protocol):
    """A gateway: where a hospital's bills are issued."""

    async def issue(self, request: BillRequest) -> Standing:
        """Keep a bill durably under a number. Raises ServiceRefused: content codes with a pointer,
        `business_no_conflict`, `no_numbers`, `outbox_full`."""
        ...

    async def issue_many(self, requests: list[BillRequest]) -> list[Standing | ServiceRefused]: ...

    async def reverse(self, bill_id: str, reason: str, operator: str, place_code: str | None) -> Standing:
        """Keep a red bill durably. Raises ServiceRefused: `bill_unknown`, `already_reversed`, `bill_is_red` …"""
        ...

    async def correct(
        self, bill_id: str, reason: str, operator: str, request: BillRequest
    ) -> tuple[Standing, Standing]:
        """Keep a red bill and a new one, both or neither; as `reverse` and `issue` refuse."""
        ...

    async def move(self, operation: LifeOperation) -> Standing:
        """Keep a step of a bill's life durably. Raises ServiceRefused with the code that the ledger would give now."""
        ...

    async def reprint(self, bill_id: str, paper: str, again: str) -> Standing:
        """Take a spoilt paper copy back and print another, both or neither. Raises ServiceRefused."""
        ...

    async def life(self, bill_id: str, reader: Reader) -> dict[str, Any] | None:
        """Where a bill of the hospital stands on the other axes, as validators tell; None for one that is not there."""
        ...

    def leases(self) -> list[LeaseView]: ...


class Archive(Desk, Protocol):
    """A mirror: reads over all hospitals, for finance, auditors and the public."""

    def keys(self, organisation: str | None) -> list[dict[str, Any]]:
        """Those that have not ended, with the blocks from and until which they may sign."""
        ...

    async def number_ranges(self, holder: str | None) -> list[dict[str, Any]]: ...

    async def allot_range(self, parent: str, first: int, count: int, holder: str) -> Standing:
        """Sign and send an allotment as this node's own organisation. `parent` is holder/code/first."""
        ...

    async def seals(self, issuer: str | None) -> list[dict[str, Any]]:
        """Per issuer: watermark, head, lag in blocks, bills withheld."""
        ...

    async def audit_bills(self, filters: dict[str, str], after: str | None, limit: int) -> Page:
        """Filters: issuer (required), from, to (yyyy-mm-dd), kind, place, validity."""
        ...

    async def number_gaps(self, issuer: str | None, year: int) -> list[dict[str, Any]]:
        """Leases of a year that numbers were used of, with the stretches that nothing explains."""
        ...

    async def day_totals(self, issuer: str | None, from_date: str, to_date: str) -> list[dict[str, Any]]:
        """Day books: per issuer, place, date and kind the counts and sums of fen, plus the record's version."""
        ...
