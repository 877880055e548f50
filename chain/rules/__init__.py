"""The table of rules: operation -> function (view of the state, operation, context) -> changes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

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
from chain.rules.appointments import (
    cancel_appointment,
    check_in,
    confirm_appointment,
    hold_number,
    miss_appointment,
)
from chain.rules.bills import issue_bill, reverse_bill
from chain.rules.catalogues import publish_catalogue
from chain.rules.circulation import deliver_bill, hold_bill, make_up_payment, void_bill
from chain.rules.claims import decide_claim, lock_claim, pay_claim, release_claim
from chain.rules.clearance import clear_lease
from chain.rules.context import Changes, Context, Refused, View
from chain.rules.credit import end_agreement, end_line, name_hospitals, open_line, publish_product, sign_agreement
from chain.rules.credit_holds import capture_credit, hold_credit, release_credit, review_emergency
from chain.rules.credit_repayment import agree_instalments, pay_back_line, repay_line, state_line
from chain.rules.deposits import open_deposit, pay_deposit, pay_from_deposit, refund_deposit, settle_deposit
from chain.rules.disputes import dispute_bill, settle_dispute
from chain.rules.grants import grant_read, revoke_grant
from chain.rules.holders import bind_holder
from chain.rules.keys import add_key, end_key
from chain.rules.membership import approve_change, propose_change, renew
from chain.rules.notices import answer_notices, issue_notice, withdraw_notice
from chain.rules.numbers import allot_range, report_unused, take_lease
from chain.rules.orders import close_order, place_order
from chain.rules.organisations import close_organisation, resume_organisation, suspend_organisation
from chain.rules.paper import print_paper, take_back_paper, void_blanks
from chain.rules.payees import bind_payee, pay_out, pay_owed, resume_payee, suspend_payee
from chain.rules.payer import bind_payer
from chain.rules.payments import bank_channel, refund_payment, take_payment, take_stray
from chain.rules.proxies import end_proxy, grant_proxy
from chain.rules.returns import return_to_order, take_back_share
from chain.rules.schedules import (
    publish_schedule,
    stop_schedule,
    substitute_staff,
)
from chain.rules.seals import seal_bills
from chain.rules.settlements import join_settlement, pay_fund, withdraw_settlement
from chain.rules.splits import finish_order, publish_split_rules, split_order
from chain.rules.supervision import attest_balance, supervise_money
from chain.rules.visits import (
    charge_visit,
    close_visit,
    open_visit,
    stamp_visit,
)

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
    IssueNotice: issue_notice,
    WithdrawNotice: withdraw_notice,
    AnswerNotices: answer_notices,
    PlaceOrder: place_order,
    TakePayment: take_payment,
    TakeStray: take_stray,
    CloseOrder: close_order,
    RefundPayment: refund_payment,
    BankChannel: bank_channel,
    BindPayee: bind_payee,
    SuspendPayee: suspend_payee,
    ResumePayee: resume_payee,
    PublishSplitRules: publish_split_rules,
    SplitOrder: split_order,
    FinishOrder: finish_order,
    TakeBackShare: take_back_share,
    ReturnToOrder: return_to_order,
    PayOwed: pay_owed,
    PayOut: pay_out,
    SuperviseMoney: supervise_money,
    AttestBalance: attest_balance,
    OpenDeposit: open_deposit,
    PayDeposit: pay_deposit,
    PayFromDeposit: pay_from_deposit,
    SettleDeposit: settle_deposit,
    RefundDeposit: refund_deposit,
    PublishProduct: publish_product,
    OpenLine: open_line,
    EndLine: end_line,
    NameHospitals: name_hospitals,
    SignAgreement: sign_agreement,
    EndAgreement: end_agreement,
    HoldCredit: hold_credit,
    CaptureCredit: capture_credit,
    ReleaseCredit: release_credit,
    ReviewEmergency: review_emergency,
    StateLine: state_line,
    RepayLine: repay_line,
    AgreeInstalments: agree_instalments,
    PayBackLine: pay_back_line,
    PublishSchedule: publish_schedule,
    StopSchedule: stop_schedule,
    SubstituteStaff: substitute_staff,
    HoldNumber: hold_number,
    ConfirmAppointment: confirm_appointment,
    CancelAppointment: cancel_appointment,
    CheckIn: check_in,
    MissAppointment: miss_appointment,
    OpenVisit: open_visit,
    StampVisit: stamp_visit,
    ChargeVisit: charge_visit,
    CloseVisit: close_visit,
}

__all__ = ["RULES", "Changes", "Context", "Refused", "View"]
