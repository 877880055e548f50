"""Wishes: what may be asked of a hospital's gateway in matters of money, as REST and the command line write it.

Money in fen, times RFC 3339 with their zone, names of the ledger 64 hexadecimal digits. Unknown fields are refused.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from chain.bill import LINES_MAX, BusinessNo, Charge, Item, Payer, RequiredText, Text, Visit
from chain.codec import Name, PlaceCode

Number = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]  # the hospital's own, or a channel's
NameHex = Annotated[str, msgspec.Meta(pattern=r"\A[0-9a-f]{64}\Z")]
Code = Annotated[str, msgspec.Meta(pattern=r"\A[a-z][a-z0-9_]{0,47}\Z")]
Amount = Annotated[int, msgspec.Meta(ge=1, le=10**12)]
Moment = Annotated[str, msgspec.Meta(max_length=35)]


class Wish(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Base of all."""


class NoticeLine(Wish, frozen=True):
    kind: Code  # consultation, drug, test …: rules of splitting go by it
    amount_fen: Amount
    title: Text = ""  # private


class NoticeBill(Wish, frozen=True):
    """The bill that is to follow by itself once the notice is paid; time, payer and payments come from there."""

    kind: Literal["outpatient", "inpatient", "registration", "checkup"]
    place_code: PlaceCode
    cashier: RequiredText
    charges: Annotated[list[Charge], msgspec.Meta(min_length=1, max_length=LINES_MAX)]
    items: Annotated[list[Item], msgspec.Meta(max_length=LINES_MAX)] = []
    self_paid_fen: Annotated[int, msgspec.Meta(ge=0)] = 0
    self_funded_fen: Annotated[int, msgspec.Meta(ge=0)] = 0
    visit: Visit = msgspec.field(default_factory=Visit)
    checker: Text = ""
    remark: Text = ""
    business_no: BusinessNo | None = None  # else the number of the notice, charge or visit; of a schedule's fee none


class NoticeWish(Wish, frozen=True):
    """Somebody owes the hospital."""

    notice_no: Number
    payer: Payer
    lines: Annotated[list[NoticeLine], msgspec.Meta(min_length=1, max_length=LINES_MAX)]
    kind: Code = "medical"  # utility, non_tax …: other collections
    due: Moment = ""  # else a week from now
    bill: NoticeBill | None = None  # none: what follows is another one's business, as a visit's is


class WithdrawalWish(Wish, frozen=True):
    reason: Code


class PartWish(Wish, frozen=True):
    channel: Code
    amount_fen: Amount


class OrderWish(Wish, frozen=True):
    """Notices are to be paid, by all parts together or not at all."""

    order_no: Number
    notices: Annotated[list[NameHex], msgspec.Meta(min_length=1, max_length=16)]
    parts: Annotated[list[PartWish], msgspec.Meta(min_length=1, max_length=8)]
    minutes: Annotated[int, msgspec.Meta(ge=1, le=259_200)] = 30


class PaymentWish(Wish, frozen=True):
    """The counter has a part's money: cash, a card at its terminal, a settlement with the insurance."""

    part: Annotated[int, msgspec.Meta(ge=0, le=7)]
    channel_no: Number  # of the receipt, the terminal's slip, the settlement
    amount_fen: Amount


Details = Annotated[
    dict[Annotated[str, msgspec.Meta(max_length=64)], Annotated[str, msgspec.Meta(max_length=128)]],
    msgspec.Meta(max_length=16),
]  # what one channel alone wants to know


class InvitationWish(Wish, frozen=True):
    """The payer of a part is to be shown what to open; a channel that answers at once is asked at once."""

    part: Annotated[int, msgspec.Meta(ge=0, le=7)]
    subject: Annotated[str, msgspec.Meta(min_length=1, max_length=40)] = (
        "医疗费用"  # the payer reads it: nothing about a patient
    )
    details: Details = {}


class ClosureWish(Wish, frozen=True):
    reason: Code


class RefundWish(Wish, frozen=True):
    """What a red bill leaves over goes back the way it came."""

    policy: Literal["proportional", "credit_first", "last_first"] = "proportional"
    amount_fen: Amount | None = None  # else all that was paid for it


class NoticeRefundWish(Wish, frozen=True):
    """What was paid for a notice that has no bill goes back the way it came: at a platform none ever has."""

    refund_no: Number
    policy: Literal["proportional", "credit_first", "last_first"] = "proportional"
    amount_fen: Amount | None = None  # else all that was paid for it


class DepositWish(Wish, frozen=True):
    deposit_no: Number
    payer: Payer
    kind: Literal["inpatient", "balance"] = "inpatient"


class DepositPaymentWish(Wish, frozen=True):
    """A voucher."""

    channel: Code
    channel_no: Number
    amount_fen: Amount


class DepositUseWish(Wish, frozen=True):
    """A deposit pays a part of an order."""

    order: NameHex
    part: Annotated[int, msgspec.Meta(ge=0, le=7)]


class DepositSettlementWish(Wish, frozen=True):
    """It pays for nothing more; what is left goes back the way it came."""


class AgreementWish(Wish, frozen=True):
    """A patient lets the hospital deduct from a line of theirs, step by step, without being asked each time."""

    agreement_no: Number
    payer: Payer
    lender: Name
    line: NameHex  # as the lender told the patient
    cap_fen: Amount  # the patient's own for one visit
    consent: Number  # of what the patient signed
    deposit: NameHex | None = None  # the balance that is used before the line is


class EndAgreementWish(Wish, frozen=True):
    """The patient takes it back, or the hospital does. What is owed stays owed."""

    reason: Code


class HoldWish(Wish, frozen=True):
    """At check-in: so much of the line is kept for this visit; all holds of it share one cap."""

    hold_no: Number
    agreement: NameHex
    amount_fen: Amount
    hours: Annotated[int, msgspec.Meta(ge=1, le=4320)] = 24
    visit: NameHex | None = None
    declared_by: Annotated[str, msgspec.Meta(max_length=64)] = (
        ""  # of an emergency: the member of staff who says that it is one
    )


class ReleaseWish(Wish, frozen=True):
    """The visit needs no more of it."""

    reason: Code = "done"


class ReviewWish(Wish, frozen=True):
    """Somebody else has looked at a declared emergency."""

    outcome: Literal["upheld", "dismissed"]


class CardWish(Wish, frozen=True):
    """What the patient's card paid at a terminal."""

    channel_no: Number  # of the slip
    amount_fen: Amount


class ChargeWish(Wish, frozen=True):
    """A step of a visit, paid at once: what the balance and the card do not pay, the line does."""

    charge_no: Number
    lines: Annotated[list[NoticeLine], msgspec.Meta(min_length=1, max_length=LINES_MAX)]
    kind: Code = "medical"
    card: CardWish | None = None
    bill: NoticeBill | None = None  # none: what follows is another one's business, as a visit's is
    release: bool = False  # at discharge: what is left of the hold is free again in the same step
