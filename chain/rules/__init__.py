"""The table of rules: operation -> function (view of the state, operation, context) -> changes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from chain.operation import (
    AcknowledgeReversal,
    AddKey,
    AdmitOrganisation,
    AllotRange,
    AnchorAccesses,
    ApproveChange,
    BindHolder,
    BindPayer,
    BookBill,
    CaptureHold,
    ClearLease,
    CloseAccount,
    CloseOrganisation,
    DecideClaim,
    DeliverBill,
    DisputeBill,
    EndKey,
    EndProxy,
    GrantProxy,
    GrantRead,
    HoldBill,
    HoldMoney,
    IssueBill,
    JoinSettlement,
    LockClaim,
    MakeUpPayment,
    OpenAccount,
    PayClaim,
    PayFund,
    PrintPaper,
    ProposeChange,
    PublishCatalogue,
    ReleaseClaim,
    ReleaseHold,
    Renew,
    ReportUnused,
    ResumeOrganisation,
    ReverseBill,
    RevokeGrant,
    SealBills,
    SettleDispute,
    SuspendOrganisation,
    TakeBackPaper,
    TakeLease,
    Transfer,
    VoidBill,
    VoidBlanks,
    WithdrawSettlement,
)
from chain.rules.accesses import anchor_accesses
from chain.rules.accounting import acknowledge_reversal, book_bill
from chain.rules.accounts import (
    capture_hold,
    close_account,
    hold_money,
    open_account,
    release_hold,
    transfer,
)
from chain.rules.admission import admit_organisation
from chain.rules.bills import issue_bill, reverse_bill
from chain.rules.catalogues import publish_catalogue
from chain.rules.circulation import deliver_bill, hold_bill, make_up_payment, void_bill
from chain.rules.claims import decide_claim, lock_claim, pay_claim, release_claim
from chain.rules.clearance import clear_lease
from chain.rules.context import Changes, Context, Refused, View
from chain.rules.disputes import dispute_bill, settle_dispute
from chain.rules.grants import grant_read, revoke_grant
from chain.rules.holders import bind_holder
from chain.rules.keys import add_key, end_key
from chain.rules.membership import approve_change, propose_change, renew
from chain.rules.numbers import allot_range, report_unused, take_lease
from chain.rules.organisations import close_organisation, resume_organisation, suspend_organisation
from chain.rules.paper import print_paper, take_back_paper, void_blanks
from chain.rules.payer import bind_payer
from chain.rules.proxies import end_proxy, grant_proxy
from chain.rules.seals import seal_bills
from chain.rules.settlements import join_settlement, pay_fund, withdraw_settlement

RULES: dict[type, Callable[[View, Any, Context], Changes]] = {
    ProposeChange: propose_change,
    ApproveChange: approve_change,
    Renew: renew,
    AddKey: add_key,
    EndKey: end_key,
    AdmitOrganisation: admit_organisation,
    SuspendOrganisation: suspend_organisation,
    ResumeOrganisation: resume_organisation,
    CloseOrganisation: close_organisation,
    PublishCatalogue: publish_catalogue,
    AllotRange: allot_range,
    TakeLease: take_lease,
    ReportUnused: report_unused,
    IssueBill: issue_bill,
    ReverseBill: reverse_bill,
    VoidBill: void_bill,
    DeliverBill: deliver_bill,
    HoldBill: hold_bill,
    MakeUpPayment: make_up_payment,
    BindPayer: bind_payer,
    SealBills: seal_bills,
    PrintPaper: print_paper,
    TakeBackPaper: take_back_paper,
    VoidBlanks: void_blanks,
    BookBill: book_bill,
    AcknowledgeReversal: acknowledge_reversal,
    JoinSettlement: join_settlement,
    PayFund: pay_fund,
    WithdrawSettlement: withdraw_settlement,
    ClearLease: clear_lease,
    LockClaim: lock_claim,
    DecideClaim: decide_claim,
    PayClaim: pay_claim,
    ReleaseClaim: release_claim,
    BindHolder: bind_holder,
    DisputeBill: dispute_bill,
    SettleDispute: settle_dispute,
    GrantRead: grant_read,
    RevokeGrant: revoke_grant,
    GrantProxy: grant_proxy,
    EndProxy: end_proxy,
    AnchorAccesses: anchor_accesses,
    OpenAccount: open_account,
    CloseAccount: close_account,
    Transfer: transfer,
    HoldMoney: hold_money,
    CaptureHold: capture_hold,
    ReleaseHold: release_hold,
}

__all__ = ["RULES", "Changes", "Context", "Refused", "View"]
