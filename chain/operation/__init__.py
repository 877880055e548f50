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
    "AUTHORITY_BYTES_MAX",
    "PAPERS_MAX",
    "PERSONS_TAGS",
    "PLACES_MAX",
    "AccountRef",
    "AcknowledgeReversal",
    "AddKey",
    "AdmitOrganisation",
    "AllotRange",
    "AnchorAccesses",
    "ApproveChange",
    "BindHolder",
    "BindPayer",
    "BookBill",
    "CaptureHold",
    "ClearLease",
    "CloseAccount",
    "CloseOrganisation",
    "DecideClaim",
    "DeliverBill",
    "DisputeBill",
    "EndKey",
    "EndProxy",
    "FieldId",
    "GrantProxy",
    "GrantRead",
    "HoldBill",
    "HoldMoney",
    "IssueBill",
    "JoinSettlement",
    "Kind",
    "Limit",
    "LockClaim",
    "Mac",
    "MakeUpPayment",
    "OpenAccount",
    "Operation",
    "PaperNumber",
    "PayClaim",
    "PayFund",
    "Payments",
    "Persons",
    "PrintPaper",
    "ProposeChange",
    "PublishCatalogue",
    "RangeRef",
    "Reason",
    "Region",
    "ReleaseClaim",
    "ReleaseHold",
    "Renew",
    "ReportUnused",
    "ResumeOrganisation",
    "ReverseBill",
    "RevokeGrant",
    "SealBills",
    "SealException",
    "SealSegment",
    "SeatChange",
    "Serial",
    "SettleDispute",
    "Side",
    "SuspendOrganisation",
    "TakeBackPaper",
    "TakeLease",
    "Title",
    "Transfer",
    "TransferRef",
    "VoidBill",
    "VoidBlanks",
    "WithdrawSettlement",
    "operation_digest",
]
