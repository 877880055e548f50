"""A cashier who never gives up: bills, and corrections of some, one after the other through one gateway, each asked for until it
has its number."""

from __future__ import annotations

import threading
import time
from typing import Any

import httpx2

from cli.client import make_token
from tests.network.running import Network, bill_request

PAUSE_S = 0.05  # some fifteen bills a second, with seals and leases between them
TOKEN_S = 11 * 3600
CORRECTION_EVERY = 8


class Load:
    """`acknowledged` is what was answered with a number: business number -> bill id."""

    def __init__(self, network: Network, gateway: str, place: str) -> None:
        node = network.nodes[gateway]
        secret = network.home / "organisations" / node["organisation"] / "token.key"
        token = make_token(secret, network.chain_id, node["organisation"], "load", "cashier", TOKEN_S)
        self.client = httpx2.Client(
            base_url=f"http://127.0.0.1:{node['api_port']}/v1",
            headers={"Authorization": f"Bearer {token}"},
            timeout=10,
            trust_env=False,
        )
        self.acknowledged: dict[str, str] = {}
        self.faults: list[str] = []  # answers that must never come
        self._place, self._serial = place, 0
        self._pending: tuple[str, tuple[str, dict[str, Any]]] | None = None
        self._wanted, self._idle = threading.Event(), threading.Event()
        self._idle.set()
        self._is_over = False
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def go_on(self) -> None:
        self._idle.clear()
        self._wanted.set()

    def pause(self, seconds: float) -> None:
        """No new bills; returns when the one under way has its number."""
        self._wanted.clear()
        assert self._idle.wait(seconds), f"a bill got no number within {seconds} s"

    def close(self) -> None:
        self._is_over = True
        self._wanted.set()
        self._thread.join(20)
        self.client.close()

    def _run(self) -> None:
        while not self._is_over:
            if self._pending is None:
                if not self._wanted.is_set():
                    self._idle.set()
                    self._wanted.wait()
                    continue
                self._serial += 1
                number = f"F-{self._serial:07d}"
                self._pending = (number, self._next(number))
            self._ask(*self._pending)
            time.sleep(PAUSE_S)

    def _next(self, number: str) -> tuple[str, dict[str, Any]]:
        """Path and body: a bill, and each so many a correction of the one before."""
        bill = bill_request(number, place_code=self._place)
        last = next(reversed(self.acknowledged.values()), "")
        if self._serial % CORRECTION_EVERY or not last:
            return "/bills", bill
        return f"/bills/{last}/correction", {"reason": "partial refund", "operator": "load", "bill": bill}

    def _ask(self, number: str, request: tuple[str, dict[str, Any]]) -> None:
        """The same request again and again, as whoever heard nothing does."""
        path, body = request
        try:
            answer = self.client.post(path, json=body)
        except httpx2.HTTPError:
            return
        if answer.status_code in (200, 201, 202):
            said = answer.json()
            self.acknowledged[number] = said["bill"]["bill_id"] if "bill" in said else said["bill_id"]
            self._pending = None
        elif answer.status_code != 503:
            self.faults.append(f"{number}: {answer.status_code} {answer.text[:200]}")
            self._pending = None
