"""A hospital's counter: a bill has its number at once, and is kept before anybody hears of it.

Each of these functions looks and changes without waiting in between, so two requests for one business number can never
both find it free; the caller then waits for the disk. A refused request uses no number.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import msgspec

from chain.bill import KINDS, BillRequest, verify_request
from chain.codec import verify_text
from chain.details import (
    SEED_BYTES,
    Details,
    business_mac,
    content_mac,
    details_of,
    details_root,
    field_values,
    reversal_details,
)
from chain.errors import ChainError, ContentRefused, TextRefused
from chain.failpoint import failpoint
from chain.operation import PERSONS_TAGS, IssueBill, Operation, Payments, ReportUnused, ReverseBill
from chain.records import ParametersBody
from chain.rules.bills import bill_code, negated
from chain.rules.context import local_date
from node.business_time import business_date, local_text, parse_business_time
from node.details_post import DetailsPost
from node.disk_space import CODE as DISK_NEARLY_FULL
from node.disk_space import DiskSpace, boundless
from node.gateway_store import BillRow, BusinessRow, GatewayStore, bill_key, business_key
from node.groups import Groups
from node.lease_book import LeaseBook
from node.outbox import Outbox
from node.service import ServiceRefused, Standing
from node.standings import Standings

REASON_CHARACTERS_MAX = 128


@dataclass(frozen=True, slots=True)
class _Asked:
    """A bill that is asked for, looked at but not numbered yet."""

    request: BillRequest
    kind: int
    mac: bytes
    content: bytes
    now_ms: int
    date: Callable[[], int]  # of its business; raises ServiceRefused for one out of bounds
    before: BillRow | None  # the bill that its business number has


class Issuing:
    def __init__(
        self,
        parameters: ParametersBody,
        places: Collection[str],
        mac_key: bytes,
        store: GatewayStore,
        outbox: Outbox,
        leases: LeaseBook,
        standings: Standings,
        post: DetailsPost,
        groups: Groups,
        now_ms: Callable[[], int],
        space: DiskSpace | None = None,
        verify_mapped: Callable[[BillRequest, int, int], None] = lambda request, date, now_ms: None,
    ) -> None:
        """`verify_mapped` raises ServiceRefused for a bill that the catalogues of its business date do not know."""
        self._parameters, self._places, self._mac_key = parameters, frozenset(places), mac_key
        self._store, self._outbox, self._leases = store, outbox, leases
        self._standings, self._post, self._groups, self._now_ms = standings, post, groups, now_ms
        self._space = space or boundless()
        self._verify_mapped = verify_mapped
        self._two_reverse = PERSONS_TAGS["reverse_bill"] in parameters.two_persons

    def business_mac(self, business_no: str) -> bytes:
        return business_mac(self._mac_key, business_no)

    def issue(self, request: BillRequest) -> Standing:
        """Give a bill its number, or find the one that its business number has. Raises ServiceRefused.

        1. its figures agree; 2. kind, place and time are known; 3. its business number is free; 4. its date lies
        within bounds, and the catalogues of that day know its codes; 5. there is room and a number.
        """
        asked = self._look_at(request)
        if asked.before is not None:
            return msgspec.structs.replace(self._standings.of_bill(asked.before), repeated=True)
        date = self._date(asked)  # 4
        number = self._number(asked.kind, date, request.place_code)  # 5
        return self._keep(*self._made(asked, date, number), "")

    def verify(self, request: BillRequest) -> None:
        """Whether `issue` would give this new bill a number now, if there is one. Raises ServiceRefused."""
        asked = self._look_at(request)
        if asked.before is not None:
            raise ServiceRefused("business_no_conflict", "a bill stands under it", "/business_no")
        self._date(asked)

    def reverse(
        self,
        bill_id: str,
        reason: str,
        operator: str,
        place_code: str | None,
        persons: list[bytes],
        with_it: Callable[[str], Sequence[Operation]] = lambda red: (),
    ) -> Standing:
        """Give a bill's red bill its number. Raises ServiceRefused, `second_person_missing` last of all.

        A bill that is still queued may be reversed: the red bill is sent when it is recorded. `persons` are the marks of
        who asked and who agreed, ascending; none where genesis lets one person reverse. `with_it`: red bill's number -> what
        holds or falls with it, in one chain; asked for once nothing more is refused.
        """
        original, place = self.reversible(bill_id, reason, operator, place_code)
        self._verify_persons(persons)
        now_ms = self._now_ms()
        number = self._number(int(bill_id[4:6]), self._date_of(now_ms), place)
        operation, details = self._red(original, place, number, reason, operator, now_ms, persons)
        after, linked = "" if original.code else bill_id, with_it(number[0])
        standing = self._keep(operation, details, after, linked=bool(linked))
        last = len(linked) - 1
        digests = [self._outbox.add(one, after, linked=index < last) for index, one in enumerate(linked)]
        chain = (standing.operation, *(digest.hex() for digest in digests)) if digests else ()
        return msgspec.structs.replace(standing, chain=chain)

    def correct(
        self, bill_id: str, reason: str, operator: str, request: BillRequest, persons: list[bytes]
    ) -> tuple[Standing, Standing]:
        """A red bill for one and a new bill in its place: one step of the ledger, both or neither; the standings of the two.

        Raises ServiceRefused as `reverse` and `issue` do, `business_no_conflict` where the new bill has the number of one
        that stands. The same correction again is the same two bills.
        """
        asked = self._look_at(request)
        row = self._store.bill(bill_id)
        red = self._store.bill(row.reversed_by) if row is not None and row.reversed_by else None
        if asked.before is not None:
            if red is None or asked.before.with_red != red.operation.bill:
                links = {"bill": f"/v1/bills/{asked.before.operation.bill}"}
                raise ServiceRefused("business_no_conflict", "a bill stands under it", "/bill/business_no", links)
            first, second = (self._standings.of_bill(one) for one in (red, asked.before))
            return msgspec.structs.replace(first, repeated=True), msgspec.structs.replace(second, repeated=True)
        original, place = self.reversible(bill_id, reason, operator, request.place_code)
        date = self._date(asked)
        self._verify_persons(persons)
        red_number = self._number(int(bill_id[4:6]), self._date_of(asked.now_ms), place)
        try:
            number = self._number(asked.kind, date, request.place_code)
        except ServiceRefused:
            self._outbox.add(ReportUnused(*red_number, "refused"))  # it was taken, so it is explained
            raise
        after = "" if original.code else bill_id
        taken_back = self._keep(
            *self._red(original, place, red_number, reason, operator, asked.now_ms, persons), after, linked=True
        )
        failpoint("issuing.half_corrected")
        return taken_back, self._keep(*self._made(asked, date, number), after, with_red=red_number[0])

    def _look_at(self, request: BillRequest) -> _Asked:
        """Steps 1 to 3 of `issue`."""
        try:
            verify_request(request)  # 1
            mac, content = self.business_mac(request.business_no), content_mac(self._mac_key, request)
        except ContentRefused as refusal:
            raise ServiceRefused(refusal.code, refusal.detail, refusal.pointer) from None
        except ChainError as refusal:  # an integer beyond 64 bits in a bill that was not read from JSON
            raise ServiceRefused(refusal.code) from None
        kind = KINDS[request.kind]
        if kind not in self._parameters.kinds:  # 2
            raise ServiceRefused("kind_unknown", "not issued in this province", "/kind")
        if request.place_code not in self._places:
            raise ServiceRefused("place_unknown", "not an issuing point of this gateway", "/place_code")
        time_ms, now_ms = parse_business_time(request.business_time), self._now_ms()
        business, row = self._store.get(business_key(mac), BusinessRow), None
        if business is not None:  # 3
            if business.content_mac != content:
                links = {"bill": f"/v1/bills/{business.bill}"}
                raise ServiceRefused("business_no_conflict", "its bill has another content", "/business_no", links)
            row = self._store.bill(business.bill)
        return _Asked(
            request, kind, mac, content, now_ms, lambda: business_date(time_ms, now_ms, self._parameters), row
        )

    def _date(self, asked: _Asked) -> int:
        """Step 4 of `issue`: the business date."""
        date = asked.date()
        self._verify_mapped(asked.request, date, asked.now_ms)
        return date

    def _made(self, asked: _Asked, date: int, number: tuple[str, int]) -> tuple[IssueBill, Details]:
        """The operation under its number; its business number is taken."""
        failpoint("issuing.numbered")
        request, (bill, lease_first) = asked.request, number
        details = details_of(bill, os.urandom(SEED_BYTES), request)
        parts = request.payments
        operation = IssueBill(
            bill=bill,
            kind=asked.kind,
            place=request.place_code,
            business_date=date,
            issued_ms=asked.now_ms,
            total_fen=request.total_fen,
            payments=Payments(parts.insurance_fund_fen, parts.personal_account_fen, parts.other_fen, parts.cash_fen),
            self_paid_fen=request.self_paid_fen,
            self_funded_fen=request.self_funded_fen,
            lease_first=lease_first,
            business_mac=asked.mac,
            content_mac=asked.content,
            details_root=details_root(details),
        )
        self._store.put(business_key(asked.mac), BusinessRow(bill, asked.content))
        if request.group:
            self._groups.add(request.group, bill)
        return operation, details

    def reversible(self, bill_id: str, reason: str, operator: str, place_code: str | None) -> tuple[BillRow, str]:
        """The bill's row, and where its red bill is issued. Raises ServiceRefused."""
        for name, text in (("reason", reason), ("operator", operator)):
            verify_short_text(text, f"/{name}")
        original = self._store.bill(bill_id)
        if original is not None and original.superseded_by:
            links = {"bill": f"/v1/bills/{original.superseded_by}"}
            raise ServiceRefused("bill_superseded", "reverse the bill that stands for it", None, links)
        if original is None or self._standings.status_of(original) == "refused":
            raise ServiceRefused("bill_unknown")
        first = original.operation
        if isinstance(first, ReverseBill):
            raise ServiceRefused("bill_is_red")
        if original.void_height:
            raise ServiceRefused("bill_is_void")
        if original.reversed_by:
            links = {"reversal": f"/v1/bills/{original.reversed_by}"}
            raise ServiceRefused("already_reversed", f"by {original.reversed_by}", None, links)
        place = first.place if place_code is None else place_code
        if place not in self._places:
            raise ServiceRefused("place_unknown", "not an issuing point of this gateway", "/place_code")
        return original, place

    def _verify_persons(self, persons: list[bytes]) -> None:
        if self._two_reverse and len(persons) < 2:
            raise ServiceRefused("second_person_missing", "another person of the hospital has to agree")

    def _red(
        self,
        original: BillRow,
        place: str,
        number: tuple[str, int],
        reason: str,
        operator: str,
        now_ms: int,
        persons: list[bytes],
    ) -> tuple[ReverseBill, Details]:
        """The red bill under its number; the bill is marked."""
        first, (bill, lease_first) = original.operation, number
        offset = self._parameters.utc_offset_minutes
        details = reversal_details(bill, os.urandom(SEED_BYTES), reason, operator, local_text(now_ms, offset))
        operation = ReverseBill(
            bill=bill,
            original=first.bill,
            place=place,
            business_date=self._date_of(now_ms),
            issued_ms=now_ms,
            total_fen=-first.total_fen,
            payments=negated(first.payments),
            self_paid_fen=-first.self_paid_fen,
            self_funded_fen=-first.self_funded_fen,
            lease_first=lease_first,
            details_root=details_root(details),
            persons=persons,
        )
        self._store.put(bill_key(first.bill), msgspec.structs.replace(original, reversed_by=bill))
        return operation, details

    def _date_of(self, time_ms: int) -> int:
        return local_date(time_ms, self._parameters.utc_offset_minutes)

    def _number(self, kind: int, date: int, place: str) -> tuple[str, int]:
        if self._space.is_low():
            raise ServiceRefused(DISK_NEARLY_FULL, "no room for new bills on this node's disk")
        if not self._outbox.has_room():
            raise ServiceRefused("outbox_full", "too many bills wait for the ledger")
        parameters = self._parameters
        code = bill_code(parameters.region, parameters.classification, kind, date)
        number = self._leases.take(code, place)
        if number is None:
            raise ServiceRefused("no_numbers", f"none of {code} is left at {place}; more were asked for")
        return number

    def _keep(
        self,
        operation: IssueBill | ReverseBill,
        details: Details,
        after: str,
        *,
        linked: bool = False,
        with_red: str = "",
    ) -> Standing:
        """All of it in one change: details, outbox, bill; number and business number were put before."""
        self._post.add(details)
        digest = self._outbox.add(operation, after, linked)
        row = BillRow(operation, digest, "", 0, 0, 0, "", "", "", 0, 0, 0, with_red, 0)
        self._store.put(bill_key(operation.bill), row)
        failpoint("issuing.kept")
        code = field_values(details)["check_code"]
        return Standing(digest.hex(), "queued", bill_id=operation.bill, check_code=code)


def verify_short_text(text: str, pointer: str) -> None:
    """Raises ServiceRefused for what a person's name or reason cannot be, with the field's pointer."""
    try:
        verify_text(text)
    except TextRefused as refusal:
        raise ServiceRefused(refusal.code, str(refusal), pointer) from None
    if not 1 <= len(text) <= REASON_CHARACTERS_MAX:
        raise ServiceRefused("invalid_value", f"1 to {REASON_CHARACTERS_MAX} characters", pointer)
