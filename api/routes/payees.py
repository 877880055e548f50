"""Who shares in an organisation's orders, by which rules; which bank keeps the money."""

from __future__ import annotations

from starlette.responses import Response

from api.call import Call
from api.errors import ApiRefused
from api.money_route import list_route, name_of, show_route, wish_route
from api.rendering import render
from api.route import GATEWAY, Given, Parameter, Route, Sent
from api.schemas import split_examples as examples
from node.money.split_requests import (
    CustodyWish,
    DebtPaymentWish,
    PayeeWish,
    PayoutWish,
    ResumptionWish,
    SplitRulesWish,
    SuspensionWish,
)

TAG = "splits"
PAYEE = name_of("a payee")
ACCOUNTS = (
    "account_not_the_payees",
    "account_unknown",
    "account_closed",
    "account_guarded",
    "not_taken_from_others",
)


async def show_rules(call: Call) -> Response:
    rules, version = (str(call.request.path_params[part]) for part in ("rules", "version"))
    page = await call.counter.money.show("split_rules", f"{rules}/{version}", call.person)
    if page is None:
        raise ApiRefused("rules_unknown")
    return render(call, page)


async def show_custody(call: Call) -> Response:
    page = await call.counter.money.show("custody", "", call.person)
    if page is None:
        raise ApiRefused("custody_unknown")
    return render(call, page)


ROUTES = (
    wish_route(
        "/v1/payees",
        "bindPayee",
        TAG,
        "Somebody may share in orders, and has consented; who it is stays with the gateway",
        Sent(examples.PAYEE_WISH, PayeeWish),
        (
            "payee_exists",
            "business_no_conflict",
            "payee_kind_unknown",
            "consent_missing",
            "payee_kind_differs",
            *ACCOUNTS,
        ),
    ),
    list_route(
        "/v1/payees",
        "listPayees",
        TAG,
        "All that were bound at this gateway, in the order of their making",
        "payee",
        examples.PAYEE,
        ("cursor_invalid",),
    ),
    show_route(
        "/v1/payees/{name}",
        "showPayee",
        TAG,
        "A payee with what it has, and what it owes to which order",
        "payee",
        examples.PAYEE,
        "payee_unknown",
        PAYEE,
    ),
    show_route(
        "/v1/payees/{name}/history",
        "showPayeeHistory",
        TAG,
        "What this gateway recorded of its payouts and of payments of its debts",
        "payee_history",
        examples.PAYEE_HISTORY,
        "payee_unknown",
        PAYEE,
    ),
    wish_route(
        "/v1/payees/{name}/suspension",
        "suspendPayee",
        TAG,
        "Nothing is split to it until it is resumed; what it has stays its own",
        Sent({"reason": "licence_ended"}, SuspensionWish),
        ("payee_not_bound", "already_suspended", "standing_moved"),
        PAYEE,
    ),
    wish_route(
        "/v1/payees/{name}/resumption",
        "resumePayee",
        TAG,
        "It shares again",
        Sent({}, ResumptionWish),
        ("payee_not_bound", "not_suspended", "standing_moved"),
        PAYEE,
    ),
    wish_route(
        "/v1/payees/{name}/payouts",
        "payOut",
        TAG,
        "The bank has paid a payee out, never more than it has",
        Sent(examples.PAYOUT_WISH, PayoutWish),
        ("payee_not_bound", "payout_exists", "business_no_conflict", "not_the_owner", "exceeds_credits"),
        PAYEE,
    ),
    wish_route(
        "/v1/payees/{name}/debt-payments",
        "payDebt",
        TAG,
        "What a payee owed has come: the oldest debt first, to its order or to who had put it in",
        Sent(examples.DEBT_PAYMENT_WISH, DebtPaymentWish),
        (
            "payee_not_bound",
            "repayment_exists",
            "business_no_conflict",
            "source_not_own",
            "exceeds_debt",
            "account_exists",
        ),
        PAYEE,
    ),
    wish_route(
        "/v1/split-rules",
        "publishSplitRules",
        TAG,
        "The next version of rules: of each kind of charge parts, fixed sums and the rest, each with its cap; and the window",
        Sent(examples.RULES_WISH, SplitRulesWish),
        (
            "version_moved",
            "rules_malformed",
            "payee_kind_unknown",
            "share_forbidden",
            "split_above_cap",
            "window_malformed",
        ),
    ),
    Route(
        "GET",
        "/v1/split-rules/{rules}/{version}",
        "showSplitRules",
        TAG,
        "One version of rules, which never changes",
        show_rules,
        {200: Given("As the ledger has it", examples.RULES, dict)},
        (GATEWAY,),
        None,
        (
            Parameter("rules", "their name", "visit", "path", True),
            Parameter("version", "its number, from 1 on", "1", "path", True),
        ),
        ("rules_unknown",),
    ),
    wish_route(
        "/v1/supervised-account",
        "superviseMoney",
        TAG,
        "The money of all orders lies with this bank, which attests it daily",
        Sent({"bank": "bank-a"}, CustodyWish),
        ("custody_moved", "bank_not_entitled"),
    ),
    Route(
        "GET",
        "/v1/supervised-account",
        "showSupervisedAccount",
        TAG,
        "What lies there now, the newest days on which it moved, and what the bank attested of each",
        show_custody,
        {200: Given("As the ledger has it now", examples.CUSTODY, dict)},
        (GATEWAY,),
        None,
        (),
        ("custody_unknown",),
    ),
)
