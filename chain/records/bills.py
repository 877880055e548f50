"""Bills, their circulation and payers, seals over them, day books."""

from __future__ import annotations

from chain.codec import BillId, Count, Digest, Fen, Height, LocalDate, Milliseconds, Name, PlaceCode, Wire
from chain.operation import IssueBill, Kind, Payments, ReverseBill
from chain.records.record import State

# validity axis of a bill
NORMAL = 1
REVERSED = 2  # a red bill exists
RED = 3  # is a red bill
VOID = 4  # withdrawn before it was delivered

# seal axis of a bill: whether the office's watermark covers it
COVERED = 1
WITHHELD = 2

# circulation axis
IN_HOUSE = 1
IN_ARREARS = 2  # its fees are owed: it may not go round
DELIVERED = 3


class BillBody(Wire, frozen=True):
    issuer: Name
    kind: Kind
    place: PlaceCode
    business_date: LocalDate
    issued_ms: Milliseconds
    total_fen: Fen
    payments: Payments
    self_paid_fen: Fen
    self_funded_fen: Fen
    details_root: Digest
    height: Height  # of the block that recorded it
    validity: State
    related: list[BillId]  # the red bill of a reversed one, the original of a red one
    seal: State
    withheld: str  # reason, while the seal is withheld

    @classmethod
    def of(
        cls,
        operation: IssueBill | ReverseBill,
        issuer: str,
        kind: int,
        height: int,
        *,
        validity: int,
        related: list[str],
        seal: int = COVERED,
        withheld: str = "",
    ) -> BillBody:
        """The record of a bill as its operation states it, recorded at `height`."""
        return cls(
            issuer=issuer,
            kind=kind,
            place=operation.place,
            business_date=operation.business_date,
            issued_ms=operation.issued_ms,
            total_fen=operation.total_fen,
            payments=operation.payments,
            self_paid_fen=operation.self_paid_fen,
            self_funded_fen=operation.self_funded_fen,
            details_root=operation.details_root,
            height=height,
            validity=validity,
            related=related,
            seal=seal,
            withheld=withheld,
        )


class CirculationBody(Wire, frozen=True):
    """Of a bill that was held or delivered; without it a bill is in the house."""

    state: State
    reason: str  # while it is held


class DeliveryBody(Wire, frozen=True):
    """One way that a bill went to its payer."""

    delivered_ms: Milliseconds


class PayerBody(Wire, frozen=True):
    """The payer that was bound to a bill after its issue."""

    payer_root: Digest
    height: Height  # of the block that recorded it


class WatermarkBody(Wire, frozen=True):
    """Up to which height an office has sealed an issuer's bills."""

    upto: Height


class SealBody(Wire, frozen=True):
    upto: Height  # 0 where bills are only released
    header: Digest


class KindTotals(Wire, frozen=True):
    """A day's figures of one kind of bill. Red sums are negative; payment parts are of all together, void bills taken off."""

    kind: Kind
    count: Count
    sum_fen: Fen
    red_count: Count
    red_sum_fen: Fen
    void_count: Count  # of `count`, withdrawn
    void_sum_fen: Fen  # of `sum_fen`
    payments: Payments


class DayBookBody(Wire, frozen=True):
    kinds: list[KindTotals]  # by kind, ascending
