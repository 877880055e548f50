"""Paid orders that are divided among payees, finished, and taken back after a refund."""

from __future__ import annotations

from starlette.responses import Response

from api.call import Call
from api.errors import ApiRefused
from api.money_route import name_of, show_route, wish_route
from api.rendering import found
from api.route import GATEWAY, Given, Route, Sent
from api.routes.files import OCTETS, render_file
from api.schemas import split_examples as examples
from node.money.split_requests import FinishWish, OrderReturnWish, ShareReturnWish, SplitWish

TAG = "splits"
SPLIT, ORDER = name_of("a split"), name_of("an order")
UNPAID = ("order_unknown", "order_open", "order_closed")


async def prove_split(call: Call) -> Response:
    name = str(call.request.path_params["name"])
    page = found(await call.counter.money.show("split", name, call.person), "split_unknown")
    if "operation" not in page:
        raise ApiRefused("operation_unknown")
    return render_file(
        call,
        found(await call.desk.operation_proof(page["operation"], call.person), "operation_unknown"),
        f"{name[:16]}.proof",
    )


ROUTES = (
    wish_route(
        "/v1/splits",
        "splitOrder",
        TAG,
        "A paid order's money goes to who shares in it, all or nothing: who served is said, or each share to the fen",
        Sent(examples.SPLIT_WISH, SplitWish),
        (
            "split_exists",
            "business_no_conflict",
            *UNPAID,
            "order_finished",
            "rules_unknown",
            "split_too_early",
            "split_too_late",
            "line_not_in_order",
            "line_split",
            "line_without_rule",
            "shares_malformed",
            "payee_not_bound",
            "share_forbidden",
            "payee_suspended",
            "payee_kind_differs",
            "split_above_cap",
            "line_too_small",
            "split_differs",
            "exceeds_order",
        ),
    ),
    show_route(
        "/v1/splits/{name}",
        "showSplit",
        TAG,
        "A split with each share, what was taken back of it, and the number of the payee's own paper",
        "split",
        examples.SPLIT,
        "split_unknown",
        SPLIT,
    ),
    show_route(
        "/v1/splits/{name}/history",
        "showSplitHistory",
        TAG,
        "The split and what this gateway took back of it; each step's operation proves it (`/operations/{digest}/proof`)",
        "split_history",
        examples.SPLIT_HISTORY,
        "split_unknown",
        SPLIT,
    ),
    Route(
        "GET",
        "/v1/splits/{name}/proof",
        "proveSplit",
        TAG,
        "A file that proves the split: who signed it with which shares, and which block recorded it",
        prove_split,
        {200: Given("The file", media_type=OCTETS)},
        (GATEWAY,),
        None,
        (SPLIT,),
        ("split_unknown", "operation_unknown"),
    ),
    wish_route(
        "/v1/splits/{name}/returns",
        "takeBackShare",
        TAG,
        "A payee gives back of a share, never more than it got; what it has not got any more it owes by name",
        Sent(examples.SHARE_RETURN_WISH, ShareReturnWish),
        (
            "split_unknown",
            "share_unknown",
            "back_exists",
            "business_no_conflict",
            "exceeds_share",
            "exceeds_credits",
            "too_many_debts",
        ),
        SPLIT,
    ),
    show_route(
        "/v1/payment-orders/{name}/division",
        "showDivision",
        TAG,
        "What became of an order's money: split, the hospital's own, owed by payees, or there to be given back",
        "division",
        examples.DIVISION,
        "order_unknown",
        ORDER,
    ),
    wish_route(
        "/v1/payment-orders/{name}/finish",
        "finishOrder",
        TAG,
        "No more of it is split: the rest is the hospital's own, a platform has none",
        Sent({}, FinishWish),
        (*UNPAID, "order_finished", "rest_not_yours"),
        ORDER,
    ),
    wish_route(
        "/v1/payment-orders/{name}/returns",
        "returnToOrder",
        TAG,
        "Own money comes to an order again, to be refunded: of the rest that was had of it, or for what payees still owe it",
        Sent(examples.ORDER_RETURN_WISH, OrderReturnWish),
        (*UNPAID, "back_exists", "business_no_conflict", "exceeds_order", "exceeds_credits"),
        ORDER,
    ),
)
