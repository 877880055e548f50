"""One frozen struct per thing that can be asked of the ledger.

The integer tag comes first in the bytes. Tags are grouped by file of `chain/rules`, with room:
1xx organisations, validators and catalogues, 2xx numbers, 3xx bills, 4xx seals, 5xx paper, 6xx accounting, 7xx clearance,
8xx claims, 9xx grants (90x), holders (91x) and disputes (93x), 10xx accounts, 11xx payments, 12xx splits, 13xx deposits,
14xx credit, 15xx appointments, 16xx visits. An operation carries everything that its effect needs, so that the outcome's
code alone tells the result.
"""

from __future__ import annotations

from typing import TypeAlias

from chain.digest import OPERATION, digest
from chain.operation.accounts import (
    AccountRef,
    CaptureHold,
    CloseAccount,
    HoldMoney,
    Limit,
    OpenAccount,
    ReleaseHold,
    Transfer,
    TransferRef,
)
from chain.operation.appointments import (
    NUMBERS_MAX,
    POOLS_MAX,
    CancelAppointment,
    CheckIn,
    ConfirmAppointment,
    HoldNumber,
    MissAppointment,
    Pool,
    PublishSchedule,
    StopSchedule,
    SubstituteStaff,
)
from chain.operation.bills import (
    BindPayer,
    DeliverBill,
    HoldBill,
    IssueBill,
    MakeUpPayment,
    Payments,
    ReverseBill,
    SealBills,
    SealException,
    SealSegment,
    VoidBill,
)
from chain.operation.credit import (
    HOSPITALS_MAX,
    INSTALMENTS_MAX,
    AgreeInstalments,
    CaptureCredit,
    CreditTerms,
    EndAgreement,
    EndLine,
    HoldCredit,
    Instalment,
    LineRef,
    NameHospitals,
    OpenLine,
    PayBackLine,
    PublishProduct,
    ReleaseCredit,
    RepayLine,
    ReviewEmergency,
    SignAgreement,
    StateLine,
)
from chain.operation.deposits import OpenDeposit, PayDeposit, PayFromDeposit, RefundDeposit, SettleDeposit
from chain.operation.fields import Kind, Mac, Persons, Reason, Region, Serial, Title
from chain.operation.life import (
    PAPERS_MAX,
    AcknowledgeReversal,
    BookBill,
    ClearLease,
    DecideClaim,
    JoinSettlement,
    LockClaim,
    PaperNumber,
    PayClaim,
    PayFund,
    PrintPaper,
    ReleaseClaim,
    Side,
    TakeBackPaper,
    VoidBlanks,
    WithdrawSettlement,
)
from chain.operation.numbers import AllotRange, RangeRef, ReportUnused, TakeLease
from chain.operation.organisations import (
    AUTHORITY_BYTES_MAX,
    PLACES_MAX,
    AddKey,
    AdmitOrganisation,
    ApproveChange,
    CloseOrganisation,
    EndKey,
    ProposeChange,
    PublishCatalogue,
    Renew,
    ResumeOrganisation,
    SeatChange,
    SuspendOrganisation,
)
from chain.operation.payments import (
    ANSWERED_MAX,
    NOTICE_LINES_MAX,
    NOTICES_MAX,
    PARTS_MAX,
    AnswerNotices,
    BankChannel,
    CloseOrder,
    IssueNotice,
    LineSum,
    OrderPart,
    PlaceOrder,
    RefundPayment,
    TakePayment,
    TakeStray,
    WithdrawNotice,
)
from chain.operation.reading import (
    AnchorAccesses,
    BindHolder,
    DisputeBill,
    EndProxy,
    FieldId,
    GrantProxy,
    GrantRead,
    RevokeGrant,
    SettleDispute,
)
from chain.operation.splits import (
    SHARE_RULES_MAX,
    SHARES_MAX,
    AttestBalance,
    BindPayee,
    FinishOrder,
    LineRule,
    PayOut,
    PayOwed,
    PublishSplitRules,
    ResumePayee,
    ReturnToOrder,
    Share,
    ShareRule,
    SplitOrder,
    SuperviseMoney,
    SuspendPayee,
    TakeBackShare,
)
from chain.operation.visits import ChargeVisit, CloseVisit, OpenVisit, StampVisit

Operation: TypeAlias = (
    ProposeChange
    | ApproveChange
    | Renew
    | AddKey
    | EndKey
    | AdmitOrganisation
    | SuspendOrganisation
    | ResumeOrganisation
    | CloseOrganisation
    | PublishCatalogue
    | AllotRange
    | TakeLease
    | ReportUnused
    | IssueBill
    | ReverseBill
    | VoidBill
    | DeliverBill
    | HoldBill
    | MakeUpPayment
    | BindPayer
    | SealBills
    | PrintPaper
    | TakeBackPaper
    | VoidBlanks
    | BookBill
    | AcknowledgeReversal
    | JoinSettlement
    | PayFund
    | WithdrawSettlement
    | ClearLease
    | LockClaim
    | DecideClaim
    | PayClaim
    | ReleaseClaim
    | GrantRead
    | RevokeGrant
    | BindHolder
    | DisputeBill
    | SettleDispute
    | GrantProxy
    | EndProxy
    | AnchorAccesses
    | OpenAccount
    | CloseAccount
    | Transfer
    | HoldMoney
    | CaptureHold
    | ReleaseHold
    | IssueNotice
    | WithdrawNotice
    | AnswerNotices
    | PlaceOrder
    | TakePayment
    | TakeStray
    | CloseOrder
    | RefundPayment
    | BankChannel
    | BindPayee
    | SuspendPayee
    | ResumePayee
    | PublishSplitRules
    | SplitOrder
    | FinishOrder
    | TakeBackShare
    | ReturnToOrder
    | PayOwed
    | PayOut
    | SuperviseMoney
    | AttestBalance
    | OpenDeposit
    | PayDeposit
    | PayFromDeposit
    | SettleDeposit
    | RefundDeposit
    | PublishProduct
    | OpenLine
    | EndLine
    | NameHospitals
    | SignAgreement
    | EndAgreement
    | HoldCredit
    | CaptureCredit
    | ReleaseCredit
    | ReviewEmergency
    | StateLine
    | RepayLine
    | AgreeInstalments
    | PayBackLine
    | PublishSchedule
    | StopSchedule
    | SubstituteStaff
    | HoldNumber
    | ConfirmAppointment
    | CancelAppointment
    | CheckIn
    | MissAppointment
    | OpenVisit
    | StampVisit
    | ChargeVisit
    | CloseVisit
)

# operations that say which persons they are of: the name that `network.yaml` calls them by -> tag
PERSONS_TAGS = {
    "admit_organisation": 120,
    "suspend_organisation": 121,
    "resume_organisation": 122,
    "close_organisation": 123,
    "publish_catalogue": 130,
    "allot_range": 200,
    "reverse_bill": 301,
}


def operation_digest(operation: Operation) -> bytes:
    """What outcomes and records call the operation by."""
    return digest(OPERATION, operation)


__all__ = [
    "ANSWERED_MAX",
    "AUTHORITY_BYTES_MAX",
    "HOSPITALS_MAX",
    "INSTALMENTS_MAX",
    "NOTICES_MAX",
    "NOTICE_LINES_MAX",
    "NUMBERS_MAX",
    "PAPERS_MAX",
    "PARTS_MAX",
    "PERSONS_TAGS",
    "PLACES_MAX",
    "POOLS_MAX",
    "SHARES_MAX",
    "SHARE_RULES_MAX",
    "AccountRef",
    "AcknowledgeReversal",
    "AddKey",
    "AdmitOrganisation",
    "AgreeInstalments",
    "AllotRange",
    "AnchorAccesses",
    "AnswerNotices",
    "ApproveChange",
    "AttestBalance",
    "BankChannel",
    "BindHolder",
    "BindPayee",
    "BindPayer",
    "BookBill",
    "CancelAppointment",
    "CaptureCredit",
    "CaptureHold",
    "ChargeVisit",
    "CheckIn",
    "ClearLease",
    "CloseAccount",
    "CloseOrder",
    "CloseOrganisation",
    "CloseVisit",
    "ConfirmAppointment",
    "CreditTerms",
    "DecideClaim",
    "DeliverBill",
    "DisputeBill",
    "EndAgreement",
    "EndKey",
    "EndLine",
    "EndProxy",
    "FieldId",
    "FinishOrder",
    "GrantProxy",
    "GrantRead",
    "HoldBill",
    "HoldCredit",
    "HoldMoney",
    "HoldNumber",
    "Instalment",
    "IssueBill",
    "IssueNotice",
    "JoinSettlement",
    "Kind",
    "Limit",
    "LineRef",
    "LineRule",
    "LineSum",
    "LockClaim",
    "Mac",
    "MakeUpPayment",
    "MissAppointment",
    "NameHospitals",
    "OpenAccount",
    "OpenDeposit",
    "OpenLine",
    "OpenVisit",
    "Operation",
    "OrderPart",
    "PaperNumber",
    "PayBackLine",
    "PayClaim",
    "PayDeposit",
    "PayFromDeposit",
    "PayFund",
    "PayOut",
    "PayOwed",
    "Payments",
    "Persons",
    "PlaceOrder",
    "Pool",
    "PrintPaper",
    "ProposeChange",
    "PublishCatalogue",
    "PublishProduct",
    "PublishSchedule",
    "PublishSplitRules",
    "RangeRef",
    "Reason",
    "RefundDeposit",
    "RefundPayment",
    "Region",
    "ReleaseClaim",
    "ReleaseCredit",
    "ReleaseHold",
    "Renew",
    "RepayLine",
    "ReportUnused",
    "ResumeOrganisation",
    "ResumePayee",
    "ReturnToOrder",
    "ReverseBill",
    "ReviewEmergency",
    "RevokeGrant",
    "SealBills",
    "SealException",
    "SealSegment",
    "SeatChange",
    "Serial",
    "SettleDeposit",
    "SettleDispute",
    "Share",
    "ShareRule",
    "Side",
    "SignAgreement",
    "SplitOrder",
    "StampVisit",
    "StateLine",
    "StopSchedule",
    "SubstituteStaff",
    "SuperviseMoney",
    "SuspendOrganisation",
    "SuspendPayee",
    "TakeBackPaper",
    "TakeBackShare",
    "TakeLease",
    "TakePayment",
    "TakeStray",
    "Title",
    "Transfer",
    "TransferRef",
    "VoidBill",
    "VoidBlanks",
    "WithdrawNotice",
    "WithdrawSettlement",
    "operation_digest",
]
