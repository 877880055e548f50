"""The table of rules: operation -> function (view of the state, operation, context) -> changes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from chain.operation import (
    AddKey,
    AllotRange,
    ApproveChange,
    EndKey,
    IssueBill,
    ProposeChange,
    Renew,
    ReportUnused,
    ReverseBill,
    SealBills,
    TakeLease,
)
from chain.rules.bills import issue_bill, reverse_bill
from chain.rules.context import Changes, Context, Refused, View
from chain.rules.keys import add_key, end_key
from chain.rules.membership import approve_change, propose_change, renew
from chain.rules.numbers import allot_range, report_unused, take_lease
from chain.rules.seals import seal_bills

RULES: dict[type, Callable[[View, Any, Context], Changes]] = {
    ProposeChange: propose_change,
    ApproveChange: approve_change,
    Renew: renew,
    AddKey: add_key,
    EndKey: end_key,
    AllotRange: allot_range,
    TakeLease: take_lease,
    ReportUnused: report_unused,
    IssueBill: issue_bill,
    ReverseBill: reverse_bill,
    SealBills: seal_bills,
}

__all__ = ["RULES", "Changes", "Context", "Refused", "View"]
