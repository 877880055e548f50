"""Parts of orders that come over a channel: what the payer opens, and what the channel says by itself."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator
from datetime import date

import msgspec
from starlette.responses import Response, StreamingResponse

from api.body import read_bytes
from api.call import Call
from api.errors import ApiRefused
from api.money_route import PACE, name_of
from api.rendering import render
from api.route import GATEWAY, Given, Parameter, Route, Sent
from api.routes.payments import TAG
from api.routes.public import parse_date
from api.schemas import money_examples as examples
from node.money.requests import InvitationWish
from node.money.top_up_requests import TopUpWish

NOTICE_BYTES_MAX = 64 * 1024
CHANNEL = Parameter("channel", "as the gateway's configuration names it", "alipay", "path", True)


async def invite_payer(call: Call) -> Response:
    wish = await call.read_json(InvitationWish)
    return render(call, await call.counter.money.invite(wish, call.person, call.request.path_params["name"]))


async def invite_top_up(call: Call) -> Response:
    wish = await call.read_json(TopUpWish)
    return render(call, await call.counter.money.invite_top_up(wish, call.person, call.request.path_params["name"]))


async def hear_channel(call: Call) -> Response:
    """Whatever the body is: the channel's own signature says whether it is the channel's."""
    body = await read_bytes(call.request, NOTICE_BYTES_MAX, call.settings.body_timeout_s)
    headers = {name.lower(): value for name, value in call.request.headers.items()}
    status, media_type, answer = await call.counter.money.hear(call.request.path_params["channel"], headers, body)
    return Response(answer, status, headers={"Content-Type": media_type})  # to the byte as the channel wants it


async def list_our_lines(call: Call) -> Response:
    """Line by line, as they are found."""
    channel, day = _channel_and_day(call)
    lines = call.counter.money.our_lines(channel, day.year * 10_000 + day.month * 100 + day.day)

    async def written() -> AsyncIterator[bytes]:
        async for line in lines:
            yield msgspec.json.encode(line) + b"\n"

    return StreamingResponse(written(), media_type=LINES)


async def fetch_statement(call: Call) -> Response:
    """As the channel writes it; kept on the disk while it comes, and nowhere afterwards."""
    channel, day = _channel_and_day(call)
    file = tempfile.TemporaryFile()  # noqa: SIM115 - it is closed with the answer
    try:
        await call.counter.money.statement(channel, day, file)
        file.seek(0)
    except BaseException:
        file.close()
        raise

    async def pieces() -> AsyncIterator[bytes]:
        with file:
            while piece := await asyncio.to_thread(file.read, PIECE_BYTES):
                yield piece

    return StreamingResponse(pieces(), media_type=STATEMENT)


def _channel_and_day(call: Call) -> tuple[str, date]:
    parameters = call.parameters("day")
    if "day" not in parameters:
        raise ApiRefused("parameter_missing", "day")
    parse_date(parameters["day"], "parameter_invalid", "day")
    return call.request.path_params["channel"], date.fromisoformat(parameters["day"])


LINES, STATEMENT = "application/x-ndjson", "application/octet-stream"
PIECE_BYTES = 1 << 20
DAY = Parameter("day", "in the ledger's own time zone, yyyy-mm-dd", "2026-03-01", required=True)

ROUTES = (
    Route(
        "GET",
        "/v1/channels/{channel}/lines",
        "listOurLines",
        TAG,
        "What this gateway has of a channel's day: what `medbill reconciliation run --ours` reads",
        list_our_lines,
        {200: Given("One JSON object a line", b"", None, LINES)},
        (GATEWAY,),
        None,
        (CHANNEL, DAY),
        ("channel_unknown", "parameter_missing", "parameter_invalid"),
    ),
    Route(
        "GET",
        "/v1/channels/{channel}/statement",
        "fetchStatement",
        TAG,
        "The channel's own statement of a day, as the channel writes it",
        fetch_statement,
        {200: Given("The file as it came", b"", None, STATEMENT)},
        (GATEWAY,),
        None,
        (CHANNEL, DAY),
        (
            "channel_unknown",
            "channel_unreachable",
            "channel_refused",
            "statement_not_ready",
            "parameter_missing",
            "parameter_invalid",
        ),
    ),
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
            "channel_differs",
            PACE,
            "channel_unreachable",
            "channel_refused",
        ),
    ),
    Route(
        "POST",
        "/v1/deposits/{name}/invitations",
        "inviteTopUp",
        TAG,
        "Ask a channel for what the payer opens to pay into a deposit, at the bedside too. Asked again, the same",
        invite_top_up,
        {200: Given("What the payer opens", examples.TOP_UP, dict)},
        (GATEWAY,),
        Sent(examples.TOP_UP_WISH, TopUpWish),
        (name_of("a deposit"),),
        (
            "deposit_unknown",
            "deposit_settled",
            "business_no_conflict",
            "channel_unknown",
            "channel_differs",
            PACE,
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
