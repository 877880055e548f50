"""Values of splitting whose bytes `make_vectors.py` pins: operations, bodies of records, keys."""

from __future__ import annotations

from chain import keyspace
from chain.codec import Wire
from chain.operation import (
    AccountRef,
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
from chain.records import (
    AttestedBody,
    Closing,
    CustodyBody,
    Debt,
    FinishedBody,
    OrderSplitBody,
    OwedPaidBody,
    PayeeBody,
    PayOutBody,
    ReturnedBody,
    SplitBody,
    SplitRulesBody,
    TakenBackBody,
)


def filled(number: int) -> bytes:
    return bytes([number]) * 32


ORDER, PAYEE, SPLIT, BACK = filled(60), filled(61), filled(62), filled(63)
OWN, TILL = AccountRef("platform-a", filled(64)), AccountRef("hospital-a", filled(65))
LINES = [
    LineRule("consultation", 100, [ShareRule("doctor", 3, 0, 0, 100), ShareRule("platform", 1, 30, 0, 30)]),
    LineRule("drug", 1000, [ShareRule("platform", 2, 0, 60, 20), ShareRule("supplier", 3, 0, 0, 1000)]),
]
SHARES = [Share("drug", 0, PAYEE, 60, ""), Share("drug", 1, filled(66), 26370, "26112000000012345678")]

OPERATIONS: dict[str, Wire] = {
    "bind_payee": BindPayee(PAYEE, "doctor", [TILL], filled(67)),
    "bind_payee_that_is_kept": BindPayee(PAYEE, "courier", [], filled(67)),
    "suspend_payee": SuspendPayee(PAYEE, "licence_ended", 2),
    "resume_payee": ResumePayee(PAYEE, 3),
    "publish_split_rules": PublishSplitRules("visit", 2, LINES, 30000, 15552000000),
    "split_order": SplitOrder(SPLIT, ORDER, "visit", 2, SHARES),
    "finish_order": FinishOrder(ORDER),
    "take_back_share": TakeBackShare(BACK, SPLIT, 1, 4200),
    "return_to_order": ReturnToOrder(BACK, ORDER, OWN, 300),
    "pay_owed": PayOwed(filled(68), "platform-a", PAYEE, TILL, 250),
    "pay_out": PayOut(filled(69), PAYEE, 4200, filled(70)),
    "supervise_money": SuperviseMoney("bank-a", 0),
    "attest_balance": AttestBalance("platform-a", 20260601, 33630, filled(71)),
}
BODIES: dict[str, Wire] = {
    "payee": PayeeBody("doctor", TILL, filled(67), 2, "licence_ended", 3, [Debt(ORDER, 300)]),
    "split_rules": SplitRulesBody(LINES, 30000, 15552000000),
    "split": SplitBody(ORDER, "visit", 2, SHARES, [0, 4200], 1780286400000),
    "order_split": OrderSplitBody(["consultation", "drug"], 500, 300, 50, [filled(62)]),
    "finished": FinishedBody(500),
    "taken_back": TakenBackBody(SPLIT, 1, 4200, 300, 1780286400000),
    "returned": ReturnedBody(ORDER, OWN, 300, 50, 1780286400000),
    "owed_paid": OwedPaidBody(PAYEE, TILL, 250, 1780286400000),
    "payout": PayOutBody(PAYEE, 4200, filled(70), 1780286400000),
    "custody": CustodyBody("bank-a", 1, [Closing(20260601, 33630), Closing(20260603, 0)]),
    "attested": AttestedBody("bank-a", 33629, 33630, filled(71)),
}
KEYS: dict[str, bytes] = {
    "payee": keyspace.payee("platform-a", PAYEE),
    "split_rules": keyspace.split_rules("platform-a", "visit", 2),
    "split": keyspace.split("platform-a", SPLIT),
    "order_split": keyspace.order_split("platform-a", ORDER),
    "finished": keyspace.order_step("platform-a", ORDER, "finished"),
    "taken_back": keyspace.taken_back("platform-a", BACK),
    "returned": keyspace.returned("platform-a", BACK),
    "owed_paid": keyspace.owed_paid("hospital-a", filled(68)),
    "payout": keyspace.payout("platform-a", filled(69)),
    "custody": keyspace.custody("platform-a"),
    "attested": keyspace.attested("platform-a", 20260601),
}
