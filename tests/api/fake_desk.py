"""Nodes in memory, with just enough of a gateway's and a mirror's behaviour for the stories of the REST layer.

No rule of the ledger is here: a fake says what it is told to say, or the obvious.
"""

from __future__ import annotations

import asyncio
import functools
import hashlib
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from api.schemas import (
    claim_examples,
    credit_examples,
    examples,
    lending_examples,
    money_examples,
    split_examples,
    visit_examples,
)
from chain.bill import BillRequest, Payer, verify_request
from chain.codec import encode
from chain.errors import ContentRefused
from chain.operation import AdmitOrganisation, BindPayer, PublishCatalogue, operation_digest
from docs.faces.bills import request_of, source_of
from exports import fhir
from faces.link import page_link
from faces.source import FaceSource, Form
from node.approvals import Approvals, Awaiting
from node.money.requests import RefundWish
from node.service import (
    Claimed,
    EventPage,
    EventQuery,
    GivenGrant,
    GrantWish,
    Head,
    LeaseView,
    LifeOperation,
    Page,
    ProxyAsked,
    Reader,
    ServiceRefused,
    Standing,
    StandingOperation,
    Status,
    WaitingQuery,
)
from node.services.desks import Acted, ClaimStanding, ClaimWish, Enrolled, InstalmentWish
from tests.chain.making import Chain, details, genesis, issue_bill

CHAIN_ID = "c0ffee00" * 8
PAGES = money_examples.PAGES | credit_examples.PAGES | visit_examples.PAGES | split_examples.PAGES
ANY_BILL = {examples.BILL_ID}


TOKEN = "0123456789abcdef" * 2  # of the known bill


@functools.lru_cache(maxsize=2)
def proven(current: bool = True) -> bytes:
    """A proof of the bill of the examples, its details opened."""
    chain = Chain()
    chain.lease("hospital-a")
    bill = issue_bill("B-1", serial=1)
    chain.run("hospital-a", bill)
    seal = chain.seal(["hospital-a"])
    chain.run_seal(seal)
    opened = details(bill.bill, business_no="B-1")
    shown = {"opened": opened, "fields": list(fhir.OPENED)}
    return encode(chain.proof(bill.bill, seal=operation_digest(seal), current=current, **shown))


class FakeDesk:
    """What gateway and mirror have in common."""

    chain_id = CHAIN_ID

    def __init__(self, name: str, kind: str, organisation: str) -> None:
        self.name, self.kind, self.organisation = name, kind, organisation
        self.time_ms = 1_772_328_600_120
        self.height = 1043
        self.bills: dict[str, dict[str, Any]] = {}
        self.standings: dict[str, Standing] = {}
        self.reaches: Status = "queued"  # what waiting leads to
        self.outcome_code: str | None = None  # of what waiting leads to, when it is refused
        self.waits: list[float] = []
        self.calls: list[tuple[Any, ...]] = []
        self.askers: list[Reader | None] = []  # who looked bills up
        self.claimed: list[dict[str, Any]] = []
        self.proves_current = True  # whether its proofs show where a bill stands
        self.payer: bytes | None = b"payer"  # the file about who was bound to its bills; None: nobody was
        self.failures_left = 10
        self.fault: Callable[[], None] = lambda: None
        self.needs_two = False
        self.refusals: list[str] = []  # of a step that two persons agree on, one each time
        self.approvals = Approvals(Path(tempfile.mkdtemp(prefix="medbill-")), bytes(32), genesis().parameters)
        kind, target = (
            ("reverse_bill", examples.BILL_ID) if kind == "gateway" else ("suspend_organisation", "hospital-b")
        )
        body = msgspec.json.encode(examples.REVERSAL if kind == "reverse_bill" else {"reason": "key_lost"})
        waiting = Awaiting(examples.APPROVAL, kind, target, body, "cashier-07", time.time_ns() // 1_000_000)
        self.approvals._waiting[waiting.id] = waiting

    def verify_persons(self, persons: Sequence[bytes]) -> None:
        if self.needs_two and len(persons) < 2:
            raise ServiceRefused("second_person_missing")
        if persons and self.refusals:
            raise ServiceRefused(self.refusals.pop(0))
        self.calls.append(("persons", list(persons)))

    def head(self) -> Head:
        return Head(self.height, examples.BLOCK_DIGEST, self.time_ms)

    def network(self) -> dict[str, Any]:
        self.fault()
        return examples.NETWORK

    def genesis_file(self) -> bytes:
        return msgspec.json.encode(examples.GENESIS)

    async def blocks(self, before: int | None, limit: int) -> Page:
        top = self.height if before is None else min(before - 1, self.height)
        rows = [{**examples.BLOCK, "height": height} for height in range(top, max(top - limit, 0), -1)]
        return Page(rows, str(rows[-1]["height"]) if rows and rows[-1]["height"] > 1 else None)

    async def block(self, height: int, reader: Reader | None) -> dict[str, Any] | None:
        if not 1 <= height <= self.height:
            return None
        view = {**examples.BLOCK, "height": height}
        return view if reader is None else {**view, "body": [f"for {reader.role} of {reader.organisation}"]}

    def _sees(self, bill_id: str, reader: Reader) -> bool:
        bill = self.bills.get(bill_id)
        return bill is not None and (
            reader.role in ("auditor", "finance_clerk") or reader.organisation == bill["issuer"]
        )

    async def bill(self, bill_id: str, reader: Reader) -> dict[str, Any] | None:
        return self.bills[bill_id] if self._sees(bill_id, reader) else None

    async def bills_by_business_no(self, issuer: str, business_no: str, reader: Reader) -> list[dict[str, Any]]:
        return [
            bill
            for bill_id, bill in self.bills.items()
            if (bill["issuer"], bill["business_no"]) == (issuer, business_no) and self._sees(bill_id, reader)
        ]

    async def bills_of_group(self, issuer: str, group: str, reader: Reader, after: str | None, limit: int) -> Page:
        found = sorted(
            bill_id
            for bill_id, bill in self.bills.items()
            if (bill["issuer"], bill.get("group")) == (issuer, group) and self._sees(bill_id, reader)
        )
        rest = [bill_id for bill_id in found if bill_id > (after or "")]
        return Page([self.bills[one] for one in rest[:limit]], rest[limit - 1] if len(rest) > limit else None)

    async def history(self, bill_id: str, reader: Reader) -> list[dict[str, Any]] | None:
        return [examples.HISTORY_ROW] if self._sees(bill_id, reader) else None

    async def proof(self, bill_id: str, reader: Reader | None, fields: list[str], secret: str | None) -> bytes | None:
        self.calls.append(("proof", bill_id, reader, fields, secret))
        entitled = secret in (examples.CHECK_CODE, TOKEN) if reader is None else self._sees(bill_id, reader)
        if bill_id not in self.bills or not entitled:
            return None
        return (
            proven(self.proves_current) if fields == list(fhir.OPENED) else f"proof of {bill_id} with {fields}".encode()
        )

    async def payer_proof(self, bill_id: str, reader: Reader | None, secret: str | None) -> bytes | None:
        self.calls.append(("payer_proof", bill_id, reader, secret))
        entitled = secret in (examples.CHECK_CODE, TOKEN) if reader is None else self._sees(bill_id, reader)
        if bill_id not in self.bills or not entitled:
            return None
        if self.payer is None:
            raise ServiceRefused("payer_not_bound")
        return self.payer

    async def claims(self, bill_id: str) -> list[dict[str, Any]]:
        return self.claimed

    async def face_source(
        self, bill_id: str, reader: Reader | None, form: Form, secret: str | None
    ) -> FaceSource | None:
        self.calls.append(("face", bill_id, reader, form, secret))
        entitled = secret in (examples.CHECK_CODE, TOKEN) if reader is None else self._sees(bill_id, reader)
        return source_of(request_of(examples.BILL), bill=bill_id) if bill_id in self.bills and entitled else None

    async def publish(self, operation: PublishCatalogue, persons: Sequence[bytes] = ()) -> Standing:
        if operation.version > 2:
            raise ServiceRefused("version_moved")
        self.verify_persons(persons)
        self.calls.append(("publish", operation))
        return self._keep(operation_digest(operation), None)

    def catalogues(self, publisher: str | None) -> list[dict[str, Any]]:
        return [examples.CATALOGUE_ROW] if publisher in (None, "finance-city") else []

    def catalogue(self, name: str, version: int, publisher: str | None) -> dict[str, Any] | None:
        is_there = (name, version) == ("charges", 2) and publisher in (None, "finance-city")
        return examples.CATALOGUE if is_there else None

    def check_proof(self, data: bytes) -> dict[str, Any]:
        return {"valid": data.startswith(b"proof"), "checks": examples.PROOF_CHECK["checks"], "bill": None}

    async def verify_claimed(self, claimed: Claimed, source: str) -> dict[str, Any]:
        self.calls.append(("verify", claimed, source))
        if claimed.bill_id in self.bills and claimed.check_code == examples.CHECK_CODE:
            return examples.GENUINE
        self.failures_left -= 1
        return {"verdict": "no_match" if self.failures_left >= 0 else "try_later"}

    async def look_up(self, claimed: Claimed, source: str, asker: Reader | None) -> dict[str, Any]:
        answer = await self.verify_claimed(claimed, source)
        self.askers.append(asker)
        return answer

    async def lookups(self, bill_id: str, reader: Reader) -> dict[str, Any] | None:
        is_patient = reader.role == "patient" and bill_id in self.bills
        return examples.LOOKUPS if is_patient or self._sees(bill_id, reader) else None

    async def verify_many(self, claims: list[Claimed], asker: Reader) -> dict[str, Any]:
        self.calls.append(("verify_many", claims))
        self.askers.append(asker)
        known = [claim.bill_id in self.bills and claim.check_code == examples.CHECK_CODE for claim in claims]
        results = [{"verdict": "genuine" if fits else "no_match"} for fits in known]
        return {**examples.BATCH_VERIFICATION, "results": results}

    async def operation(self, digest: str, reader: Reader) -> Standing | None:
        return self.standings.get(digest)

    async def operation_proof(self, digest: str, reader: Reader) -> bytes | None:
        return b"operation" if digest == examples.DIGEST else None

    async def submit(self, transaction: bytes) -> list[Standing]:
        if transaction == b"\xc1":
            raise ServiceRefused("malformed")
        if transaction == b"stolen":
            raise ServiceRefused("bad_signature")
        return [self._keep(transaction, None)]

    async def wait(self, standing: Standing, seconds: float, until: Status = "sealed") -> Standing:
        self.waits.append(seconds)
        changes: dict[str, Any] = {"status": self.reaches, "code": self.outcome_code}
        if self.reaches in ("recorded", "sealed", "refused"):
            changes["height"] = self.height
        return msgspec.structs.replace(standing, **changes)

    def _keep(self, content: bytes, bill_id: str | None, check_code: str | None = None) -> Standing:
        digest = hashlib.sha256(content).hexdigest()
        standing = Standing(digest, "queued", bill_id=bill_id, check_code=check_code)
        self.standings[digest] = standing
        return standing


class FakeGateway(FakeDesk):
    """Gives numbers from 330601260000000001 on, while there are any."""

    def __init__(self, organisation: str = "hospital-a", numbers: int = 10_000) -> None:
        super().__init__(organisation, "gateway", organisation)
        self.numbers = numbers
        self.requests: dict[str, tuple[BillRequest, Standing]] = {}
        self.bound: set[str] = set()
        self.money = FakeMoney(self)

    async def issue(self, request: BillRequest) -> Standing:
        self.fault()
        try:
            verify_request(request)
        except ContentRefused as refusal:
            raise ServiceRefused(refusal.code, refusal.detail, refusal.pointer) from None
        if request.place_code not in ("A01", "A02"):
            raise ServiceRefused("place_unknown", "not one of ours", "/place_code")
        earlier = self.requests.get(request.business_no)
        if earlier is not None and earlier[0] == request:
            return msgspec.structs.replace(earlier[1], repeated=True)
        if earlier is not None:
            raise ServiceRefused("business_no_conflict", links={"bill": f"/v1/bills/{earlier[1].bill_id}"})
        if len(self.requests) >= self.numbers:
            raise ServiceRefused("no_numbers")
        bill_id = f"33060126{len(self.requests) + 1:010d}"
        standing = self._keep(bill_id.encode(), bill_id, examples.CHECK_CODE)
        self.requests[request.business_no] = (request, standing)
        self.bills[bill_id] = {
            **{name: value for name, value in examples.BILL_VIEW.items() if name != "links"},
            "bill_id": bill_id,
            "issuer": self.organisation,
            "business_no": request.business_no,
        }
        if request.group:
            self.bills[bill_id]["group"] = request.group
        return standing

    async def issue_many(self, requests: list[BillRequest]) -> list[Standing | ServiceRefused]:
        standings: list[Standing | ServiceRefused] = []
        for request in requests:
            try:
                standings.append(await self.issue(request))
            except ServiceRefused as refusal:
                standings.append(refusal)
        return standings

    async def reverse(
        self,
        bill_id: str,
        reason: str,
        operator: str,
        place_code: str | None,
        persons: Sequence[bytes] = (),
        refund: RefundWish | None = None,
    ) -> Standing:
        bill = self.bills.get(bill_id)
        if bill is None:
            raise ServiceRefused("bill_unknown")
        if bill["validity"] != "normal":
            raise ServiceRefused("bill_is_red" if bill["validity"] == "red" else "already_reversed")
        self.verify_persons(persons)
        self.calls.append(("reverse", bill_id, refund))
        bill["validity"] = "reversed"
        red_id = f"33060126{9_000_000_000 + len(self.bills)}"
        self.bills[red_id] = {**bill, "bill_id": red_id, "validity": "red"}
        return self._keep(red_id.encode(), red_id)

    async def correct(
        self, bill_id: str, reason: str, operator: str, request: BillRequest, persons: Sequence[bytes] = ()
    ) -> tuple[Standing, Standing]:
        return await self.reverse(bill_id, reason, operator, None, persons), await self.issue(request)

    async def move(self, operation: LifeOperation) -> Standing:
        self.calls.append(("move", operation))
        bill = getattr(operation, "bill", None)
        if bill is not None and bill not in self.bills and bill not in ANY_BILL:
            raise ServiceRefused("bill_unknown")
        return self._keep(operation_digest(operation), None)

    async def bind_payer(self, bill_id: str, payer: Payer, operator: str) -> Standing:
        self.calls.append(("bind_payer", bill_id, payer, operator))
        if bill_id in self.bound:
            raise ServiceRefused("payer_already_bound", links={"bill": f"/v1/bills/{bill_id}"})
        if bill_id not in self.bills:
            raise ServiceRefused("bill_unknown")
        self.bound.add(bill_id)
        return self._keep(operation_digest(BindPayer(bill_id, bytes(32))), None)

    async def reprint(self, bill_id: str, paper: str, again: str) -> Standing:
        return self._keep(f"{bill_id}{paper}{again}".encode(), None)

    async def life(self, bill_id: str, reader: Reader) -> dict[str, Any] | None:
        return {"paper": "none", "accounting_payer": "none"} if bill_id in self.bills else None

    async def link(self, bill_id: str, reader: Reader) -> str | None:
        return page_link(bill_id, TOKEN, CHAIN_ID) if self._sees(bill_id, reader) else None

    def leases(self) -> list[LeaseView]:
        return [msgspec.convert(examples.LEASE, LeaseView)]


class FakeMoney:
    """Keeps every wish; of each kind it has one thing, which is everybody's."""

    def __init__(self, desk: FakeDesk) -> None:
        self.desk = desk

    async def do(self, wish: Any, reader: Reader, target: str = "") -> Standing:
        self.desk.calls.append(("do", wish, target))
        standing = self.desk._keep(repr((wish, target)).encode(), None)
        return msgspec.structs.replace(standing, resource=f"/v1/fee-notices/{money_examples.NAME}")

    async def invite(self, wish: Any, reader: Reader, target: str) -> dict[str, Any]:
        self.desk.calls.append(("invite", wish, target))
        return money_examples.INVITATION

    async def invite_top_up(self, wish: Any, reader: Reader, target: str) -> dict[str, Any]:
        self.desk.calls.append(("invite_top_up", wish, target))
        return money_examples.TOP_UP

    async def our_lines(self, channel: str, day: int) -> AsyncIterator[Any]:
        self.desk.calls.append(("our_lines", channel, day))
        yield {"channel": channel}

    async def statement(self, channel: str, day: date, target: BinaryIO) -> None:
        if channel != "alipay":
            raise ServiceRefused("channel_unknown")
        target.write(b"as it came")

    async def schedules_of(self, department: str, day: int, after: str | None, limit: int) -> Page:
        self.desk.calls.append(("schedules_of", department, day, after, limit))
        return Page([visit_examples.SCHEDULE], None if after else "5c")

    async def hear(self, channel: str, headers: Mapping[str, str], body: bytes) -> tuple[int, str, bytes]:
        self.desk.calls.append(("hear", channel, body))
        if channel != "alipay":
            raise ServiceRefused("not_found")
        return (200, "text/plain", b"success") if body else (400, "text/plain", b"failure")

    async def show(self, kind: str, target: str, reader: Reader) -> dict[str, Any] | None:
        self.desk.calls.append(("show", kind, target))
        return PAGES[kind]

    async def rows(self, kind: str, reader: Reader, after: str | None, limit: int) -> Page:
        self.desk.calls.append(("rows", kind, after, limit))
        if kind in ("notice", "agreement", "appointment", "visit") and reader.role != "patient":
            raise ServiceRefused("identity_missing")
        return Page([PAGES[kind]], None if after else "17")


class FakePatients:
    """Every bill of its mirror is everybody's who says who they are."""

    def __init__(self, mirror: FakeMirror) -> None:
        self.mirror = mirror

    async def my_accesses(self, reader: Reader, after: str | None, limit: int, proxy: str | None = None) -> Page:
        self.mirror.calls.append(("my_accesses", after, limit, proxy))
        if proxy not in (None, examples.DIGEST):
            raise ServiceRefused("proxy_unknown")
        return Page([examples.ACCESS], None if after else "17")

    async def my_bills(self, reader: Reader, after: str | None, limit: int, proxy: str | None = None) -> Page:
        self.mirror.calls.append(("my_bills", after, limit))
        if reader.identity is None:
            raise ServiceRefused("identity_missing")
        if proxy not in (None, examples.DIGEST):
            raise ServiceRefused("proxy_unknown")
        rows = list(self.mirror.bills.values())
        begin = 0 if after is None else int(after)
        return Page(rows[begin : begin + limit], str(begin + limit) if begin + limit < len(rows) else None)

    async def give_grants(self, reader: Reader, bills: Sequence[str], wish: GrantWish) -> list[GivenGrant]:
        self.mirror.calls.append(("give_grants", list(bills), wish))
        if reader.identity is None:
            raise ServiceRefused("identity_missing")
        for place, bill in enumerate(bills):
            if bill not in self.mirror.bills:
                raise ServiceRefused("bill_unknown", "", f"/bill_ids/{place}")
        return [GivenGrant(examples.DIGEST, bill, self.mirror._keep(bill.encode(), None)) for bill in bills]

    async def my_grants(self, reader: Reader, after: str | None, limit: int) -> Page:
        self.mirror.calls.append(("my_grants", after, limit))
        return Page([examples.GRANT, {**examples.GRANT, "state": "granted"}], None if after else "hospital-a/1/1")

    async def revoke_grant(self, reader: Reader, grant: str, reason: str) -> Standing:
        self.mirror.calls.append(("revoke_grant", grant, reason))
        if grant != examples.DIGEST:
            raise ServiceRefused("grant_unknown")
        return self.mirror._keep(f"{grant}{reason}".encode(), None)


class FakeBinding:
    """The check code of its mirror's bill makes it anybody's, once."""

    def __init__(self, mirror: FakeMirror) -> None:
        self.mirror = mirror
        self.holder = ""

    async def claim(self, reader: Reader, bill: str, secret: str, source: str) -> Standing:
        self.mirror.calls.append(("claim", bill, secret, source))
        if reader.identity is None:
            raise ServiceRefused("identity_missing")
        if bill not in self.mirror.bills or secret != examples.CHECK_CODE:
            raise ServiceRefused("bill_unknown")
        if self.holder not in ("", reader.identity.id_number):
            raise ServiceRefused("already_claimed")
        is_again, self.holder = bool(self.holder), reader.identity.id_number
        standing = self.mirror._keep(f"bind{bill}".encode(), None)
        if is_again:
            return msgspec.structs.replace(standing, status="recorded", height=self.mirror.height, repeated=True)
        return standing


class FakeDisputes:
    def __init__(self, mirror: FakeMirror) -> None:
        self.mirror = mirror
        self.open_ones = [f"33060126{place:010d}" for place in range(1, 46)]

    async def dispute(self, reader: Reader, bill: str, reason: str) -> Standing:
        if bill not in self.mirror.bills:
            raise ServiceRefused("bill_unknown")
        return self.mirror._keep(f"dispute{bill}{reason}".encode(), None)

    async def settle(self, bill: str, outcome: str) -> Standing:
        if bill not in self.mirror.bills:
            raise ServiceRefused("not_disputed")
        return self.mirror._keep(f"settle{bill}{outcome}".encode(), None)

    def open(self, reader: Reader, after: str, limit: int) -> Page:
        self.mirror.calls.append(("disputes", after, limit))
        rest = [bill for bill in self.open_ones if bill > after]
        rows = [{**examples.DISPUTE, "bill_id": bill} for bill in rest[:limit]]
        return Page(rows, rest[limit - 1] if len(rest) > limit else None)


class FakeFamily:
    """Takes every relation that is asked for."""

    def __init__(self, mirror: FakeMirror) -> None:
        self.mirror = mirror

    async def grant(self, reader: Reader, asked: ProxyAsked) -> Standing:
        self.mirror.calls.append(("grant", asked))
        if asked.principal is None and asked.relationship == "child":
            raise ServiceRefused("counter_only")
        return msgspec.structs.replace(self.mirror._keep(b"proxy", None), proxy=examples.DIGEST)

    async def end(self, reader: Reader, name: str) -> Standing:
        if name != examples.DIGEST:
            raise ServiceRefused("proxy_unknown")
        return self.mirror._keep(name.encode(), None)

    def mine(self, reader: Reader) -> list[dict[str, Any]]:
        return [examples.PROXY]


class FakeEvents:
    """A block with one event each, from 1 to the height of the mirror."""

    def __init__(self, mirror: FakeMirror) -> None:
        self.mirror = mirror
        self.asked: list[tuple[EventQuery, str | None, int]] = []

    async def page(self, query: EventQuery, after: str | None, limit: int) -> EventPage:
        self.asked.append((query, after, limit))
        head = self.mirror.height
        begin = int((str(head) if after is None else after).partition("-")[0])
        rows = [
            {**examples.EVENT, "id": f"{height}-0-0", "height": height}
            for height in range(begin + 1, min(begin + limit, head) + 1)
        ]
        if begin + limit < head:
            return EventPage(rows, rows[-1]["id"], True, head)
        return EventPage(rows, str(max(begin, head)), False, head)

    async def above(self, height: int, seconds: float) -> bool:
        until_s = time.monotonic() + seconds
        while self.mirror.height <= height and time.monotonic() < until_s:  # noqa: ASYNC110 - stories set the height from another thread
            await asyncio.sleep(0.005)
        return self.mirror.height > height


class FakeReimbursing:
    """Knows the claim of the examples."""

    def foresee(self, reader: Reader, wanted: Sequence[tuple[str, int]]) -> list[str | None]:
        return [None if bill == examples.BILL_ID else "bill_unknown" for bill, _amount_fen in wanted]

    def claim(self, insurer: str, name: str, reader: Reader) -> dict[str, Any] | None:
        rows = self.claims(insurer, None, None, 1, reader).data
        return rows[0] if rows and name == rows[0]["claim"] else None

    def claims(self, insurer: str, state: str | None, after: str | None, limit: int, reader: Reader) -> Page:
        row = claim_examples.CLAIM
        is_theirs = insurer == row["insurer"] and (reader.role == "auditor" or reader.organisation == insurer)
        return Page([row] if is_theirs and state in (None, row["state"]) and after is None else [])


class FakeLending:
    """Knows the product and the line of the examples."""

    def product(self, lender: str, name: str, version: int | None) -> dict[str, Any] | None:
        row = lending_examples.PRODUCT
        is_this = (lender, name) == (row["lender"], row["product"]) and version in (None, row["version"])
        return row if is_this else None

    def line(self, lender: str, name: str, reader: Reader) -> dict[str, Any] | None:
        rows = self.lines(lender, False, None, 1, reader).data
        return rows[0] if rows and name == rows[0]["line"] else None

    def lines(self, lender: str, owing: bool, after: str | None, limit: int, reader: Reader) -> Page:
        row = lending_examples.LINE
        is_theirs = lender == row["lender"] and (reader.role == "auditor" or reader.organisation == lender)
        return Page([row] if is_theirs and after is None else [])


class FakeLender(FakeDesk):
    """A lender's service, which takes everybody, and says what is wished to whatever is done."""

    def __init__(self) -> None:
        super().__init__("lender-a", "lender", "lender-a")
        self.asked: list[Any] = []
        self.refusal: ServiceRefused | None = None
        self.repeated = False

    async def enrol(self, reader: Reader, product: str, attestation: str, hospitals: list[str]) -> Enrolled:
        self._note("enrol", reader.subject, product, attestation, hospitals)
        return Enrolled(lending_examples.LINE, self.repeated)

    async def account(self, reader: Reader, line: str) -> dict[str, Any] | None:
        return lending_examples.LINE if line == lending_examples.LINE["line"] else None

    async def revoke(self, reader: Reader, line: str, reason: str) -> Acted:
        return self._note("revoke", line, reason)

    async def pay_back(self, line: str, number: str, channel: str, amount_fen: int) -> Acted:
        return self._note("pay_back", line, number, channel, amount_fen)

    async def repay(self, line: str, number: str, channel: str, amount_fen: int) -> Acted:
        return self._note("repay", line, number, channel, amount_fen)

    async def agree(self, line: str, number: str, instalments: Sequence[InstalmentWish]) -> Acted:
        return self._note("agree", line, number, list(instalments))

    async def state(self, line: str) -> Acted:
        return self._note("state", line)

    async def state_all(self, after: str | None) -> tuple[list[Acted], str | None]:
        refused = Acted("cd" * 32, "refused", "owed_differs", amount_fen=7)
        return [self._note("state_all", after), refused], "more" if after is None else None

    def _note(self, *asked: Any) -> Acted:
        if self.refusal is not None:
            raise self.refusal
        self.asked.append(asked)
        return Acted(examples.DIGEST, "recorded", None, 1042, self.repeated, 5)


class FakeInsurer(FakeDesk):
    """An insurer's service, which approves what it knows."""

    def __init__(self) -> None:
        super().__init__("insurer-a", "insurer", "insurer-a")
        self.became: dict[str, ClaimStanding] = {}  # bill -> what is said of it
        self.wishes: list[ClaimWish] = []

    def terms(self) -> dict[str, Any]:
        return claim_examples.TERMS

    async def check(self, reader: Reader, wishes: Sequence[ClaimWish]) -> list[ClaimStanding]:
        self.wishes = list(wishes)
        otherwise = [ClaimStanding(wish.bill_id, "approved", amount_fen=1, approved_fen=1) for wish in wishes]
        return [self.became.get(standing.bill_id, standing) for standing in otherwise]

    async def claim(self, reader: Reader, wishes: Sequence[ClaimWish]) -> list[ClaimStanding]:
        return await self.check(reader, wishes)


class FakeMirror(FakeDesk):
    """Holds the bill of the examples."""

    def __init__(self) -> None:
        super().__init__("archive", "mirror", "finance-city")
        self.patients, self.family = FakePatients(self), FakeFamily(self)
        self.binding = FakeBinding(self)
        self.disputes = FakeDisputes(self)
        self.events = FakeEvents(self)
        self.reimbursing = FakeReimbursing()
        self.lending = FakeLending()
        self.bills[examples.BILL_ID] = {**examples.BILL_VIEW, "business_no": examples.BILL["business_no"]}
        self.anchor: bytes | None = b"anchor"  # of the log of accesses
        self.searched_by: Reader | None = None  # the last one

    async def bill_version(self, bill_id: str, at_ms: int, reader: Reader) -> bytes | None:
        self.calls.append(("bill_version", bill_id, at_ms))
        if at_ms < 1_000_000_000_000:
            raise ServiceRefused("not_yet_recorded")
        return b"version" if self._sees(bill_id, reader) else None

    async def claim_evidence(self, insurer: str, claim: str, reader: Reader) -> bytes | None:
        self.calls.append(("claim_evidence", insurer, claim))
        if reader.role != "auditor" and reader.organisation != insurer:
            return None
        return b"evidence" if claim == examples.DIGEST else None

    def keys(self, organisation: str | None) -> list[dict[str, Any]]:
        rows = [examples.KEY, {**examples.KEY, "organisation": "hospital-b"}]
        return [row for row in rows if organisation in (None, row["organisation"])]

    async def key_proof(self, organisation: str, key: str) -> bytes | None:
        return b"key" if (organisation, key) == ("hospital-a", examples.DIGEST) else None

    async def number_ranges(self, holder: str | None) -> list[dict[str, Any]]:
        rows = [examples.RANGE, {**examples.RANGE, "holder": "hospital-b"}]
        return [row for row in rows if holder in (None, row["holder"])]

    async def allot_range(
        self, parent: str, first: int, count: int, holder: str, persons: Sequence[bytes] = ()
    ) -> Standing:
        if first < 2_000_001:
            raise ServiceRefused("range_overlaps", "the range begins at 2000001 by now", "/first")
        self.verify_persons(persons)
        return self._keep(f"{parent}{first}{count}{holder}".encode(), None)

    async def clear_lease(self, issuer: str, code: str, first: int) -> Standing:
        return self._keep(f"{issuer}{code}{first}".encode(), None)

    def clearances(self, issuer: str | None) -> list[dict[str, Any]]:
        return [examples.CLEARANCE] if issuer in (None, "hospital-a") else []

    async def withhold(self, withheld: dict[str, str], released: Sequence[str]) -> None:
        self.calls.append(("withhold", withheld, list(released)))

    async def admit(self, operation: AdmitOrganisation, persons: Sequence[bytes] = ()) -> Standing:
        self.verify_persons(persons)
        self.calls.append(("admit", operation))
        return self._keep(operation_digest(operation), None)

    async def supervise(self, operation: StandingOperation, persons: Sequence[bytes] = ()) -> Standing:
        if operation.organisation == "nobody":
            raise ServiceRefused("organisation_unknown")
        self.verify_persons(persons)
        self.calls.append(("supervise", operation))
        return self._keep(operation_digest(operation), None)

    def organisations(self) -> list[dict[str, Any]]:
        return [examples.ORGANISATION]

    async def signed_by(self, key_id: bytes, from_height: int, after: str | None, limit: int) -> Page:
        self.calls.append(("signed_by", key_id, from_height, after, limit))
        return Page([examples.SIGNED], None if after else "1043/0")

    async def seals(self, issuer: str | None) -> list[dict[str, Any]]:
        return [
            row for row in (examples.SEAL, {**examples.SEAL, "issuer": "hospital-b"}) if issuer in (None, row["issuer"])
        ]

    def accesses(self, after: int, limit: int) -> Page:
        self.calls.append(("accesses", after, limit))
        return Page([{**examples.ACCESS_ENTRY, "number": after + 1}], str(after + 1) if after < 2 else None)

    def access_anchor(self) -> bytes | None:
        return self.anchor

    async def anchor_accesses(self) -> Standing | None:
        return self._keep(b"anchor", None) if self.anchor else None

    async def supervised(self, filters: dict[str, str]) -> list[dict[str, Any]]:
        self.calls.append(("supervised", filters))
        return [split_examples.SUPERVISED]

    async def money_trail(self, bill_id: str) -> dict[str, Any] | None:
        return money_examples.TRAIL if bill_id in self.bills or bill_id in ANY_BILL else None

    async def audit_bills(self, filters: dict[str, str], after: str | None, limit: int, reader: Reader) -> Page:
        self.calls.append(("audit_bills", filters, after, limit))
        self.searched_by = reader
        begin = 0 if after is None else int(after)
        rows = [{**examples.BILL_VIEW, "height": 1 + place} for place in range(begin, min(begin + limit, 45))]
        return Page(rows, str(begin + limit) if begin + limit < 45 else None)

    async def audit_settlements(
        self, filters: dict[str, str], bureau: str | None, after: str | None, limit: int
    ) -> Page:
        self.calls.append(("audit_settlements", filters, bureau, after, limit))
        return Page([examples.SETTLEMENT], None if after else "bill:hospital-a/20260301/1")

    async def number_gaps(self, issuer: str | None, year: int) -> list[dict[str, Any]]:
        self.calls.append(("number_gaps", issuer, year))
        return [examples.NUMBER_GAPS]

    async def waiting(self, query: WaitingQuery) -> list[dict[str, Any]]:
        self.calls.append(("waiting", query))
        return [examples.MINUTES_WAITED]

    async def day_totals(self, issuer: str | None, from_date: str, to_date: str) -> list[dict[str, Any]]:
        self.calls.append(("day_totals", issuer, from_date, to_date))
        return [examples.DAY_TOTALS]

    async def day_books(self, issuer: str, from_date: str, to_date: str) -> bytes:
        self.calls.append(("day_books", issuer, from_date, to_date))
        return b"day books"
