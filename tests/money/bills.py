"""Bills and their reversals in a life: true ones, for of wrong ones others tell."""

from __future__ import annotations

from datetime import datetime
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from chain import keyspace
from chain.operation import IssueBill, Payments, ReverseBill
from chain.records import LeaseBody
from tests.chain.making import BEIJING, PLACES

if TYPE_CHECKING:
    from tests.money.lives import Lives

YEARS = range(26, 40)
NUMBERS = 5_000_000  # of a hospital and year, more than a life has
FIRST = {hospital: 1 + place * NUMBERS for place, hospital in enumerate(sorted(PLACES))}


class Bills:
    """Numbers, one after the other."""

    def __init__(self, lives: Lives) -> None:
        self._lives = lives
        self._made = 0

    def leases(self) -> dict[bytes, Any]:
        return {
            keyspace.lease(hospital, f"330601{year}", first): LeaseBody(
                first, NUMBERS, hospital, PLACES[hospital][0], False
            )
            for hospital, first in FIRST.items()
            for year in YEARS
        }

    def bill(self, hospital: str, total_fen: int) -> IssueBill:
        number, day = self._number(hospital)
        return IssueBill(
            bill=number,
            kind=1,
            place=PLACES[hospital][0],
            business_date=day,
            issued_ms=self._lives.time_ms,
            total_fen=total_fen,
            payments=Payments(0, 0, 0, total_fen),
            self_paid_fen=0,
            self_funded_fen=0,
            lease_first=FIRST[hospital],
            business_mac=sha256(b"business %d" % self._made).digest(),
            content_mac=sha256(b"content %d" % self._made).digest(),
            details_root=sha256(b"details %d" % self._made).digest(),
        )

    def red(self, hospital: str, original: IssueBill) -> ReverseBill:
        number, day = self._number(hospital)
        return ReverseBill(
            bill=number,
            original=original.bill,
            place=original.place,
            business_date=day,
            issued_ms=self._lives.time_ms,
            total_fen=-original.total_fen,
            payments=Payments(0, 0, 0, -original.total_fen),
            self_paid_fen=0,
            self_funded_fen=0,
            lease_first=FIRST[hospital],
            details_root=sha256(b"reversal %d" % self._made).digest(),
            persons=[],
        )

    def _number(self, hospital: str) -> tuple[str, int]:
        self._made += 1
        now = datetime.fromtimestamp(self._lives.time_ms / 1000, BEIJING)
        return (
            f"330601{now.year % 100:02d}{FIRST[hospital] + self._made:010d}",
            now.year * 10_000 + now.month * 100 + now.day,
        )
