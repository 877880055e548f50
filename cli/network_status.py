"""What each node of a network says of itself on its operations port."""

from __future__ import annotations

from typing import Any

from cli.client import OperationsClient
from node.network_file import NodeEntry

PEERS = ("peers", "validators_linked", "validator_links")  # as the kinds of nodes call them
REASONS = ("reasons", "not_ready")


def read_statuses(entries: list[NodeEntry]) -> list[dict[str, Any]]:
    """A row per node: name, kind, organisation, state (ready, not ready, unreachable), what all kinds have under one name
    (height, peers: how many, outbox, seals_lag in blocks, reasons), and below `status` what its /status says."""
    with OperationsClient() as client:
        return [_read(client, entry) for entry in entries]


def _read(client: OperationsClient, entry: NodeEntry) -> dict[str, Any]:
    row: dict[str, Any] = {"name": entry.name, "kind": entry.kind, "organisation": entry.organisation}
    answer = client.ask(entry.host, entry.operations_port, "/status")
    if answer is None or answer[0] != 200:
        return {**row, "state": "unreachable", "ready": False}
    status = answer[1]
    found = status.get("head")
    head: dict[str, Any] = found if isinstance(found, dict) else {}
    return {
        **row,
        "state": "ready" if status.get("ready") else "not ready",
        "ready": bool(status.get("ready")),
        "reasons": next((status[key] for key in REASONS if isinstance(status.get(key), list)), []),
        "height": status.get("height", head.get("height")),
        "digest": status.get("digest", head.get("digest")),
        "state_root": status.get("state_root"),
        "view": status.get("view"),
        "peers": next((_count(status[key]) for key in PEERS if key in status), None),
        "outbox": status.get("outbox_items"),
        "seals_lag": _lag(status.get("seals")),
        "status": status,
    }


def _count(value: Any) -> int | None:
    return len(value) if isinstance(value, list | dict) else value if isinstance(value, int) else None


def _lag(seals: Any) -> int | None:
    """Of the issuer whose seals are furthest behind: blocks since the last one whose bills are all sealed."""
    if not isinstance(seals, dict):
        return None
    return max((int(standing["lag"]) for standing in seals.values() if isinstance(standing, dict)), default=0)
