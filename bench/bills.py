"""Bills as a hospital's gateway signs them: the public part, each with a number of its own lease."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator

from chain.operation import IssueBill, Payments, RangeRef, TakeLease
from chain.rules.bills import bill_code
from chain.rules.context import local_date
from chain.signature import SigningKey
from chain.transaction import Entry, Transaction, sign_transaction

UTC_OFFSET_MINUTES = 480


def issue_operation(bill: str, place: str, lease_first: int, now_ms: int, draw: random.Random) -> IssueBill:
    """Of an invented visit; `bill` is its number, 18 digits."""
    total = draw.randrange(1_000, 500_000)
    fund = total * 6 // 10
    return IssueBill(
        bill=bill,
        kind=int(bill[4:6]),
        place=place,
        business_date=local_date(now_ms, UTC_OFFSET_MINUTES),
        issued_ms=now_ms,
        total_fen=total,
        payments=Payments(fund, 0, 0, total - fund),
        self_paid_fen=0,
        self_funded_fen=0,
        lease_first=lease_first,
        business_mac=draw.randbytes(32),
        content_mac=draw.randbytes(32),
        details_root=draw.randbytes(32),
    )


def bill_transaction(key: SigningKey, serial: int) -> Transaction:
    """One bill under one signature, on no ledger in particular."""
    bill = f"33060126{serial:010d}"
    operation = issue_operation(bill, "A01", serial, time.time_ns() // 1_000_000, random.Random(serial))
    return sign_transaction(bytes(32), "hospital-a", key, 1_000, [Entry(False, operation)])


class Counter:
    """An issuing point with a lease: makes signed transactions, each number once."""

    def __init__(
        self, chain_id: bytes, organisation: str, key: SigningKey, place: str, gateway: str, region: str = "33"
    ) -> None:
        self._chain_id, self._organisation, self._key = chain_id, organisation, key
        self._place, self._gateway = place, gateway
        self._draw = random.Random(f"{organisation} {gateway}")
        self._first = self._next = self._end = 0
        now_ms = time.time_ns() // 1_000_000
        self.code = bill_code(region, "06", 1, local_date(now_ms, UTC_OFFSET_MINUTES))

    @property
    def left(self) -> int:
        return self._end - self._next

    def bill(self, place: int) -> str:
        """The number of the bill that came so far from the start of the lease."""
        return f"{self.code}{self._first + place:010d}"

    def skip(self, bills: int) -> None:
        """They were made in an earlier life; the next ones are others."""
        self._next += bills
        self._draw.seed(f"{self._organisation} {self._gateway} {bills}")

    def lease(self, range_first: int, first: int, count: int, valid_until: int) -> Transaction:
        """Takes so many numbers from the front of the hospital's range; bills follow once it is final."""
        self._first = self._next = first
        self._end = first + count
        self._draw.seed(f"{self._organisation} {self._gateway} {first}")  # no business number twice, over leases too
        wanted = RangeRef(self._organisation, self.code, range_first)
        return self._sign([TakeLease(wanted, first, count, self._gateway, self._place)], valid_until)

    def transactions(self, count: int, bills_each: int, valid_until: int) -> Iterator[Transaction]:
        """So many, each with so many bills under one signature."""
        now_ms = time.time_ns() // 1_000_000
        for _ in range(count):
            serials = range(self._next, self._next + bills_each)
            self._next += bills_each
            if self._next > self._end:
                raise ValueError(f"a lease of {self._end - self._first} numbers is used up")
            yield self._sign(
                [
                    issue_operation(f"{self.code}{serial:010d}", self._place, self._first, now_ms, self._draw)
                    for serial in serials
                ],
                valid_until,
            )

    def _sign(self, operations: list[IssueBill] | list[TakeLease], valid_until: int) -> Transaction:
        entries = [Entry(False, operation) for operation in operations]
        return sign_transaction(self._chain_id, self._organisation, self._key, valid_until, entries)
