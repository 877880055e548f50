"""What the ledger recorded, told as events: what each is called, where it stands, and how it looks.

An event is one recorded operation. Its id is the place of that operation, height-transaction-index, so every mirror of a
ledger gives the same event the same id, and whoever has heard one mirror up to there goes on at any other. A refused
operation changed nothing and is no event. Names are words of `[a-z_]` parted by full stops, as Standard Webhooks asks.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from chain.operation import (
    AcknowledgeReversal,
    AddKey,
    AdmitOrganisation,
    AgreeInstalments,
    AllotRange,
    AnchorAccesses,
    AnswerNotices,
    ApproveChange,
    AttestBalance,
    BankChannel,
    BindHolder,
    BindPayee,
    BindPayer,
    BookBill,
    CancelAppointment,
    CaptureCredit,
    CaptureHold,
    ChargeVisit,
    CheckIn,
    ClearLease,
    CloseAccount,
    CloseOrder,
    CloseOrganisation,
    CloseVisit,
    ConfirmAppointment,
    DecideClaim,
    DeliverBill,
    DisputeBill,
    EndAgreement,
    EndKey,
    EndLine,
    EndProxy,
    FinishOrder,
    GrantProxy,
    GrantRead,
    HoldBill,
    HoldCredit,
    HoldMoney,
    HoldNumber,
    IssueBill,
    IssueNotice,
    JoinSettlement,
    LockClaim,
    MakeUpPayment,
    MissAppointment,
    NameHospitals,
    OpenAccount,
    OpenDeposit,
    OpenLine,
    OpenVisit,
    Operation,
    PayBackLine,
    PayClaim,
    PayDeposit,
    PayFromDeposit,
    PayFund,
    PayOut,
    PayOwed,
    PlaceOrder,
    PrintPaper,
    ProposeChange,
    PublishCatalogue,
    PublishProduct,
    PublishSchedule,
    PublishSplitRules,
    RefundDeposit,
    RefundPayment,
    ReleaseClaim,
    ReleaseCredit,
    ReleaseHold,
    Renew,
    RepayLine,
    ReportUnused,
    ResumeOrganisation,
    ResumePayee,
    ReturnToOrder,
    ReverseBill,
    ReviewEmergency,
    RevokeGrant,
    SealBills,
    SettleDeposit,
    SettleDispute,
    SignAgreement,
    SplitOrder,
    StampVisit,
    StateLine,
    StopSchedule,
    SubstituteStaff,
    SuperviseMoney,
    SuspendOrganisation,
    SuspendPayee,
    TakeBackPaper,
    TakeBackShare,
    TakeLease,
    TakePayment,
    TakeStray,
    Transfer,
    VoidBill,
    VoidBlanks,
    WithdrawNotice,
    WithdrawSettlement,
)
from node.bill_stamps import proof_links
from node.ledger_pages import utc_text
from node.recorded_operations import RecordedOperation

# one row for each operation, in the order of their tags
EVENT_TYPES: dict[type, str] = {
    ProposeChange: "validators.change_proposed",
    ApproveChange: "validators.change_approved",
    Renew: "validators.renewed",
    AddKey: "key.added",
    EndKey: "key.ended",
    AdmitOrganisation: "organisation.admitted",
    SuspendOrganisation: "organisation.suspended",
    ResumeOrganisation: "organisation.resumed",
    CloseOrganisation: "organisation.closed",
    PublishCatalogue: "catalogue.published",
    AllotRange: "numbers.allotted",
    TakeLease: "numbers.leased",
    ReportUnused: "numbers.unused",
    IssueBill: "bill.issued",
    ReverseBill: "bill.reversed",
    VoidBill: "bill.voided",
    DeliverBill: "bill.delivered",
    HoldBill: "bill.held",
    MakeUpPayment: "bill.made_up",
    BindPayer: "bill.payer_bound",
    SealBills: "bills.sealed",
    PrintPaper: "paper.printed",
    TakeBackPaper: "paper.ended",
    VoidBlanks: "paper.blanks_voided",
    BookBill: "bill.booked",
    AcknowledgeReversal: "bill.reversal_acknowledged",
    JoinSettlement: "settlement.joined",
    PayFund: "settlement.fund_paid",
    WithdrawSettlement: "settlement.withdrawn",
    ClearLease: "numbers.cleared",
    LockClaim: "claim.locked",
    DecideClaim: "claim.decided",
    PayClaim: "claim.paid",
    ReleaseClaim: "claim.released",
    GrantRead: "grant.given",
    RevokeGrant: "grant.revoked",
    GrantProxy: "proxy.given",
    EndProxy: "proxy.ended",
    BindHolder: "bill.claimed",
    AnchorAccesses: "accesses.anchored",
    DisputeBill: "bill.disputed",
    SettleDispute: "bill.dispute_settled",
    OpenAccount: "account.opened",
    CloseAccount: "account.closed",
    Transfer: "money.transferred",
    HoldMoney: "money.held",
    CaptureHold: "money.captured",
    ReleaseHold: "money.released",
    IssueNotice: "notice.issued",
    WithdrawNotice: "notice.withdrawn",
    AnswerNotices: "notice.answered",
    PlaceOrder: "order.placed",
    TakePayment: "payment.taken",
    TakeStray: "payment.strayed",
    CloseOrder: "order.closed",
    RefundPayment: "payment.refunded",
    BankChannel: "payment.banked",
    BindPayee: "payee.bound",
    SuspendPayee: "payee.suspended",
    ResumePayee: "payee.resumed",
    PublishSplitRules: "split.rules_published",
    SplitOrder: "split.made",
    FinishOrder: "split.finished",
    TakeBackShare: "split.taken_back",
    ReturnToOrder: "split.returned",
    PayOwed: "split.owed_paid",
    PayOut: "split.paid_out",
    SuperviseMoney: "supervision.begun",
    AttestBalance: "supervision.attested",
    OpenDeposit: "deposit.opened",
    PayDeposit: "deposit.paid",
    PayFromDeposit: "deposit.used",
    SettleDeposit: "deposit.settled",
    RefundDeposit: "deposit.refunded",
    PublishProduct: "credit.product_published",
    OpenLine: "credit.line_opened",
    EndLine: "credit.line_ended",
    NameHospitals: "credit.hospitals_named",
    SignAgreement: "credit.agreement_signed",
    EndAgreement: "credit.agreement_ended",
    HoldCredit: "credit.held",
    CaptureCredit: "credit.captured",
    ReleaseCredit: "credit.released",
    ReviewEmergency: "credit.emergency_reviewed",
    StateLine: "credit.stated",
    RepayLine: "credit.repaid",
    AgreeInstalments: "credit.instalments_agreed",
    PayBackLine: "credit.paid_back",
    PublishSchedule: "schedule.published",
    StopSchedule: "schedule.stopped",
    SubstituteStaff: "schedule.substituted",
    HoldNumber: "appointment.held",
    ConfirmAppointment: "appointment.confirmed",
    CancelAppointment: "appointment.cancelled",
    CheckIn: "appointment.arrived",
    MissAppointment: "appointment.missed",
    OpenVisit: "visit.opened",
    StampVisit: "visit.stamped",
    ChargeVisit: "visit.charged",
    CloseVisit: "visit.closed",
}
# what changes what a bill is worth: whoever reimburses or has booked it is told so. Never what another payer does with it, and
# nothing of paper and delivery.
TOLD_TO_PAYERS: frozenset[type] = frozenset(
    {ReverseBill, VoidBill, HoldBill, MakeUpPayment, DisputeBill, SettleDispute}
)
# what one payer does with a bill is no other payer's affair
AFFAIRS_OF_PAYERS: frozenset[type] = frozenset(
    {BookBill, LockClaim, DecideClaim, PayClaim, ReleaseClaim, JoinSettlement, PayFund, WithdrawSettlement}
)
GRANTS: frozenset[type] = frozenset({GrantRead, RevokeGrant})  # told to the organisation that may read, or might
# decided about another organisation than the one that signed it; `subject_of` says which
SUBJECTS: frozenset[type] = frozenset(
    {
        AdmitOrganisation,
        SuspendOrganisation,
        ResumeOrganisation,
        CloseOrganisation,
        AllotRange,
        ClearLease,
        Transfer,
        HoldMoney,
        SignAgreement,
        HoldCredit,
        CaptureCredit,
        ReleaseCredit,
        StateLine,
        RepayLine,
        AgreeInstalments,
        PayBackLine,
        BindPayee,
        PayOwed,
        SuperviseMoney,
        AttestBalance,
    }
)
# nearly all of a ledger: whoever is told neither leaps over blocks that hold nothing else (`life_index.py`)
PLAIN: frozenset[type] = frozenset({IssueBill, SealBills})

END = 1 << 40  # stands for all of a block
_POSITION = re.compile(r"([0-9]{1,15})(?:-([0-9]{1,9})-([0-9]{1,9}))?")


class Position(NamedTuple):
    """What has been told: everything up to this operation, or all of a block. Ascending in the order of the ledger."""

    height: int
    transaction: int = END
    entry: int = END  # of the transaction

    def __str__(self) -> str:
        if self.transaction == END:
            return str(self.height)
        return f"{self.height}-{self.transaction}-{self.entry}"


def parse_position(text: str) -> Position | None:
    """An event's id, or a height for the whole of that block; None if it is neither."""
    match = _POSITION.fullmatch(text)
    if match is None:
        return None
    if match[2] is None:
        return Position(int(match[1]))
    return Position(int(match[1]), int(match[2]), int(match[3]))


def choose_types(text: str) -> frozenset[type] | None:
    """The operations that a list names, `bill.reversed,claim`: types, or all that begin with a word. None if one is unknown."""
    chosen: set[type] = set()
    for word in text.split(","):
        kinds = {kind for kind, name in EVENT_TYPES.items() if word in (name, name.partition(".")[0])}
        if not kinds:
            return None
        chosen |= kinds
    return frozenset(chosen)


def subject_of(operation: Operation) -> str:
    """The organisation that something was decided about by another one; empty for all else."""
    match operation:
        case AdmitOrganisation() | SuspendOrganisation() | ResumeOrganisation() | CloseOrganisation():
            return operation.organisation
        case AllotRange():
            return operation.holder
        case ClearLease():
            return operation.issuer
        case Transfer() | HoldMoney():
            return operation.credit.owner
        case SignAgreement() | HoldCredit() | StateLine() | RepayLine() | AgreeInstalments() | PayBackLine():
            return operation.line.lender
        case CaptureCredit() | ReleaseCredit():
            return operation.lender
        case SuperviseMoney():
            return operation.bank
        case BindPayee():
            return operation.account[0].owner if operation.account else ""
        case AttestBalance() | PayOwed():
            return operation.organisation
        case _:
            return ""


def event_row(done: RecordedOperation, bills: list[str], issuer: str) -> dict[str, Any]:
    """The event as JSON. `bills` are those that it is about, the first one foremost; nothing of a person stands in it."""
    operation = done.operation
    row: dict[str, Any] = {
        "id": str(Position(*done.place)),
        "type": EVENT_TYPES[type(operation)],
        "height": done.height,
        "time": utc_text(done.time_ms),
        "organisation": done.organisation,
        "operation": done.digest.hex(),
    }
    if bills:
        row |= {"bill_id": bills[0], "issuer": issuer}
    match operation:
        case ReverseBill():
            row["red_bill_id"] = operation.bill
        case LockClaim() | DecideClaim() | PayClaim() | ReleaseClaim():
            row["claim"] = operation.claim.hex()
        case JoinSettlement() | PayFund() | WithdrawSettlement():
            row["settlement"] = operation.settlement.hex()
        case SealBills():
            row["segments"] = [
                {"issuer": segment.issuer, "after": segment.after, "upto": segment.upto}
                for segment in operation.segments
            ]
            row["withheld"] = [exception.bill for exception in operation.exceptions]
            row["released"] = operation.released
        case _ if subject := subject_of(operation):
            row["subject"] = subject
        case _:
            pass
    links = proof_links(done.digest)
    if bills:
        links["bill"] = f"/v1/bills/{bills[0]}"
    return row | {"links": links}
