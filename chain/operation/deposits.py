"""13xx: money that a patient leaves with a hospital beforehand."""

from __future__ import annotations

from chain.codec import Count, Digest, Fen, Wire
from chain.operation.fields import Mac, Reason


class OpenDeposit(Wire, frozen=True, tag=1300):
    """A hospital keeps money of a patient's: for one stay, or as the balance of a card."""

    deposit: Digest
    kind: Reason  # inpatient, balance
    holder: Mac


class PayDeposit(Wire, frozen=True, tag=1301):
    """Money comes into it: a voucher each time."""

    deposit: Digest
    payment: Digest
    channel: Reason
    amount_fen: Fen
    evidence: Digest


class PayFromDeposit(Wire, frozen=True, tag=1302):
    """It pays a part of an order."""

    deposit: Digest
    payment: Digest
    order: Digest
    part: Count


class SettleDeposit(Wire, frozen=True, tag=1303):
    """It pays for nothing more: what is left goes back."""

    deposit: Digest


class RefundDeposit(Wire, frozen=True, tag=1304):
    """Money of it goes back the way it came."""

    refund: Digest
    deposit: Digest
    payment: Digest  # by which it came
    amount_fen: Fen
    evidence: Digest
