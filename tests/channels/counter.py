"""A hospital's side of the stories: its channels, opened from the configuration that the simulators write, and a server for notices."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from node.channels import Channel, NoticeRefused, PaymentRequest, RefundRequest, StatementLine
from node.channels.channel import Notice
from node.channels.configuration import read_channels
from node.channels.opening import open_channels
from node.channels.simulators.insurance import Insured
from node.channels.simulators.other_sides import OtherSides
from node.config_file import compose_config
from node.web import WebServer

START_MS = 1_795_000_000_000  # 2026-11-18, 19:06:40 in China
HOUR_MS, DAY_MS = 3_600_000, 86_400_000
DAY = date(2026, 11, 18)
PERSON = {"psn_no": "330100000000001", "mdtrt_id": "V202611180001"}


class Clock:
    """Time that a story moves; both sides read it."""

    def __init__(self) -> None:
        self.now_ms = START_MS

    def __call__(self) -> int:
        return self.now_ms

    def forward(self, by_ms: int) -> None:
        self.now_ms += by_ms


@dataclass
class Counter:
    """What the hospital has: channels by name, and the notices that came."""

    clock: Clock
    sides: OtherSides
    channels: dict[str, Channel] = field(default_factory=dict)
    notices: list[Notice] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)  # codes
    is_closed: int = 0  # so many notices are answered as not accepted, whatever they say

    def request(self, order_no: str, amount_fen: int = 26_430, **details: str) -> PaymentRequest:
        return PaymentRequest(order_no, amount_fen, self.clock(), self.clock() + HOUR_MS, "门诊缴费", details)

    def refund(self, refund_no: str, trade_no: str, amount_fen: int) -> RefundRequest:
        return RefundRequest(refund_no, trade_no, amount_fen, self.clock())

    async def receive(self, request: Request) -> Response:
        channel = self.channels[request.path_params["channel"]]
        try:
            notice = channel.read_notice(dict(request.headers), await request.body())
        except NoticeRefused as error:
            self.refusals.append(error.code)
            answer = channel.acknowledgement(False)
        else:
            self.notices.append(notice)
            self.is_closed -= 1
            answer = channel.acknowledgement(self.is_closed < 0)
        return Response(answer.body, answer.status, media_type=answer.content_type)

    async def statement(self, name: str, day: date = DAY) -> list[StatementLine]:
        target = io.BytesIO()
        await self.channels[name].statement(day, target)
        target.seek(0)
        return list(self.channels[name].read_statement(target))

    def next_day(self) -> None:
        self.clock.forward(DAY_MS)


@asynccontextmanager
async def open_counter(
    folder: Path, schedule_s: tuple[float, ...] = (0, 0.02, 0.02, 0.02, 0.02)
) -> AsyncIterator[Counter]:
    """Simulators, channels and notice server, all over HTTP on this machine."""
    clock = Clock()
    counter: Counter

    async def receive(request: Request) -> Response:
        return await counter.receive(request)

    web = WebServer(Starlette(routes=[Route("/channels/{channel}", receive, methods=["POST"])]), "127.0.0.1", 0)
    sides = OtherSides(folder / "keys", f"http://127.0.0.1:{web.port}/channels", schedule_s, clock)
    counter = Counter(clock, sides)
    await sides.start()
    try:
        sides.insurance.insured[PERSON["psn_no"]] = Insured(fund_percent=60, account_fen=10_000)
        root = compose_config(sides.write_configuration().encode(), "channels.yaml", "channels")
        configs = read_channels(root)
        root.finish()
        root.problems.settle()
        counter.channels = open_channels(configs, sides.keys, folder / "books", clock)
        yield counter
    finally:
        for channel in counter.channels.values():
            await channel.end()
        await asyncio.gather(sides.stop(), web.stop())
