"""Parts of orders that come over a channel: what the payer opens, and what the channel says by itself."""

from __future__ import annotations

from starlette.responses import Response

from api.body import read_bytes
from api.call import Call
from api.money_route import name_of
from api.rendering import render
from api.route import GATEWAY, Given, Parameter, Route, Sent
from api.routes.payments import TAG
from api.schemas import money_examples as examples
from node.money.requests import InvitationWish

NOTICE_BYTES_MAX = 64 * 1024
CHANNEL = Parameter("channel", "as the gateway's configuration names it", "alipay", "path", True)


async def invite_payer(call: Call) -> Response:
    wish = await call.read_json(InvitationWish)
    return render(call, await call.counter.money.invite(wish, call.person, call.request.path_params["name"]))


async def hear_channel(call: Call) -> Response:
    """Whatever the body is: the channel's own signature says whether it is the channel's."""
    body = await read_bytes(call.request, NOTICE_BYTES_MAX, call.settings.body_timeout_s)
    headers = {name.lower(): value for name, value in call.request.headers.items()}
    status, media_type, answer = await call.counter.money.hear(call.request.path_params["channel"], headers, body)
    return Response(answer, status, headers={"Content-Type": media_type})  # to the byte as the channel wants it


ROUTES = (
    Route(
        "POST",
        "/v1/payment-orders/{name}/invitations",
        "invitePayer",
        TAG,
        "Ask a part's channel for what the payer opens; one that answers at once has paid at once. Asked again, the same",
        invite_payer,
        {200: Given("What the payer opens", examples.INVITATION, dict)},
        (GATEWAY,),
        Sent({"part": 2}, InvitationWish),
        (name_of("an order"),),
        (
            "order_unknown",
            "part_unknown",
            "already_settled",
            "order_closed",
            "channel_unknown",
            "channel_unreachable",
            "channel_refused",
        ),
    ),
    Route(
        "POST",
        "/v1/channel-notices/{channel}",
        "hearChannel",
        TAG,
        "A channel's own notice of a payment, in its own form and under its own signature; answered as it wants to be",
        hear_channel,
        {
            200: Given(
                "Kept, or known already. What is not taken is answered in the channel's own form too, and comes again",
                b"success",
                None,
                "text/plain",
            ),
        },
        (GATEWAY,),
        Sent("00", None, ("application/x-www-form-urlencoded", "application/json")),
        (CHANNEL,),
        ("not_found",),
    ),
)
