"""What all simulators share: a server on this machine, the till, the notices, and the paths by which a story is told to it.

`/control/…` is the story's, and no real gateway has it: `pay` (the payer pays), `tell` (its notice again), `scan`, `orders`, `silence` (notices get lost from
now on, or no more), `faults` of the statement. All take and give JSON.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from node.channels.simulators.notifier import Notifier
from node.channels.simulators.till import Row, Sale, Till, TillRefused
from node.web import WebServer

HOST = "127.0.0.1"


def now_ms() -> int:
    return int(time.time() * 1_000)


class Simulator(ABC):
    """`schedule_s`: when notices are sent, in seconds after each other."""

    name: str

    def __init__(self, schedule_s: Sequence[float], clock_ms: Callable[[], int] = now_ms) -> None:
        self.clock_ms = clock_ms
        self.till = Till(clock_ms)
        self.notifier = Notifier(schedule_s)
        self._server: WebServer | None = None

    async def start(self, port: int = 0) -> None:
        """Raises AddressTaken."""
        control = [
            Route("/control/pay", self._control_pay, methods=["POST"]),
            Route("/control/scan", self._control_scan, methods=["POST"]),
            Route("/control/tell", self._control_tell, methods=["POST"]),
            Route("/control/silence", self._control_silence, methods=["POST"]),
            Route("/control/faults", self._control_faults, methods=["POST"]),
            Route("/control/orders", self._control_orders, methods=["GET"]),
        ]
        self._server = WebServer(Starlette(routes=[*self.routes(), *control]), HOST, port)

    @property
    def address(self) -> str:
        if self._server is None:
            raise RuntimeError("not started")
        return f"http://{HOST}:{self._server.port}"

    async def stop(self) -> None:
        await self.notifier.end()
        if self._server is not None:
            await self._server.stop()

    @abstractmethod
    def routes(self) -> list[Route]:
        """What the real gateway has."""

    @abstractmethod
    def configuration(self, keys: Path, notify_url: str) -> list[dict[str, object]]:
        """Entries of a hospital's list `channels`; key files of both sides are written to `keys`."""

    def payer_pays(self, order_no: str) -> Sale:
        """Raises TillRefused. A notice follows."""
        sale = self.till.pay(order_no)
        self.tell(sale)
        return sale

    def payer_scans(self, order_no: str) -> Sale:
        sale = self.till.known(order_no)
        sale.is_scanned = True
        return sale

    @abstractmethod
    def tell(self, sale: Sale, refund_no: str = "") -> None:
        """Send the notice of a payment, or of a refund; again if it was sent before."""

    async def _control_pay(self, request: Request) -> Response:
        return await self._told(request, self.payer_pays)

    async def _control_scan(self, request: Request) -> Response:
        return await self._told(request, self.payer_scans)

    async def _control_tell(self, request: Request) -> Response:
        """The notice of what was paid, once more."""
        return await self._told(request, self._tell_again)

    def _tell_again(self, order_no: str) -> Sale:
        sale = self.till.known(order_no)
        self.tell(sale)
        return sale

    async def _told(self, request: Request, act: Callable[[str], Sale]) -> Response:
        try:
            sale = act(str((await request.json())["order_no"]))
        except TillRefused as refused:
            return JSONResponse({"code": str(refused)}, 409)
        return JSONResponse({"order_no": sale.order_no, "state": sale.state, "trade_no": sale.trade_no})

    async def _control_silence(self, request: Request) -> Response:
        self.notifier.is_silent = bool((await request.json())["is_silent"])
        return JSONResponse({"is_silent": self.notifier.is_silent})

    async def _control_faults(self, request: Request) -> Response:
        """`{"left_out": [order number], "shifted_fen": {order number: fen}, "invented": [row]}`, each as far as given."""
        told = await request.json()
        self.till.left_out |= set(told.get("left_out", []))
        self.till.shifted_fen |= {str(key): int(value) for key, value in told.get("shifted_fen", {}).items()}
        self.till.invented += [msgspec.convert(row, Row) for row in told.get("invented", [])]
        return JSONResponse({})

    async def _control_orders(self, _request: Request) -> Response:
        rows = [
            {"order_no": sale.order_no, "state": sale.state, "amount_fen": sale.amount_fen, "trade_no": sale.trade_no}
            for sale in self.till.sales.values()
        ]
        return JSONResponse({"orders": rows})
