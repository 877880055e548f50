"""The operations port: /livez, /readyz, /metrics, /status. Loopback, no TLS, nothing personal.

A bare ASGI application: it must answer when everything else is in trouble.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any, Protocol

import msgspec
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.registry import Collector

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class Operated(Protocol):
    """What a node tells of itself."""

    name: str
    kind: str
    organisation: str

    def not_ready(self) -> list[str]: ...

    def status(self) -> dict[str, Any]: ...

    def figures(self) -> dict[str, float]:
        """Metric name (without prefix; `_total` for counters) -> value."""
        ...

    def labelled_figures(self) -> dict[str, dict[str, float]]:
        """Metric name with `_total` -> reason -> count. Reasons are few and never personal."""
        ...


class _NodeCollector(Collector):
    def __init__(self, node: Operated, chain_id: str) -> None:
        self._node, self._chain_id = node, chain_id

    def collect(self) -> Iterable[Metric]:
        node = self._node
        info = {"node": node.name, "kind": node.kind, "organisation": node.organisation, "chain_id": self._chain_id}
        yield InfoMetricFamily("medbill_node", "Which node this is", info)
        yield GaugeMetricFamily("medbill_ready", "1 if the node takes part fully", 0 if node.not_ready() else 1)
        for name, value in node.figures().items():
            family = CounterMetricFamily if name.endswith("_total") else GaugeMetricFamily
            yield family(f"medbill_{name.removesuffix('_total')}", name.replace("_", " "), value=value)
        for name, reasons in node.labelled_figures().items():
            counter = CounterMetricFamily(
                f"medbill_{name.removesuffix('_total')}", name.replace("_", " "), labels=["reason"]
            )
            for reason, count in sorted(reasons.items()):
                counter.add_metric([reason], count)
            yield counter


def build_operations_app(node: Operated, chain_id: str) -> Callable[[Scope, Receive, Send], Awaitable[None]]:
    """GET only; everything else is 404."""
    registry = CollectorRegistry()
    registry.register(_NodeCollector(node, chain_id))

    def respond(path: str) -> tuple[int, bytes, bytes]:
        if path == "/livez":
            return 200, b"text/plain", b"ok\n"
        if path == "/readyz":
            reasons = node.not_ready()
            body = {"node": node.name, "ready": not reasons, "reasons": reasons}
            return (503 if reasons else 200), b"application/json", msgspec.json.encode(body)
        if path == "/status":
            reasons = node.not_ready()
            body = {
                "name": node.name,
                "kind": node.kind,
                "organisation": node.organisation,
                "chain_id": chain_id,
                "ready": not reasons,
                "reasons": reasons,
                **node.status(),
            }
            return 200, b"application/json", msgspec.json.encode(body)
        if path == "/metrics":
            return 200, b"text/plain; version=0.0.4; charset=utf-8", generate_latest(registry)
        return 404, b"text/plain", b"not found\n"

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        status, kind, body = (
            respond(scope["path"]) if scope["method"] == "GET" else (404, b"text/plain", b"not found\n")
        )
        headers = [
            (b"content-type", kind),
            (b"content-length", str(len(body)).encode()),
            (b"cache-control", b"no-store"),
        ]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return app
