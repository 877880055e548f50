"""What each node of a network says of itself on its operations port."""

from __future__ import annotations

from typing import Any

from cli.client import OperationsClient
from node.network_file import NodeEntry


def read_statuses(entries: list[NodeEntry]) -> list[dict[str, Any]]:
    """A row per node: name, kind, organisation, state (ready, not ready, unreachable), then what its /status holds."""
    with OperationsClient() as client:
        return [_read(client, entry) for entry in entries]


def _read(client: OperationsClient, entry: NodeEntry) -> dict[str, Any]:
    row: dict[str, Any] = {"name": entry.name, "kind": entry.kind, "organisation": entry.organisation}
    answer = client.ask(entry.host, entry.operations_port, "/status")
    if answer is None or answer[0] != 200:
        return {**row, "state": "unreachable"}
    document = {**answer[1], **row}
    return {**row, "state": "ready" if document.get("ready") else "not ready", **document}
