"""`network.json` in the directory of a network: which nodes there are and where they answer. Public, like genesis.

Written once by `medbill network init`; the command line finds nodes by it. Nodes themselves do not read it.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from node.errors import NodeError
from node.home import NetworkHome

NETWORK_FILE_BYTES_MAX = 16 << 20


class NetworkFileRefused(NodeError):
    """No network lies in this directory, or its list cannot be read."""

    code = "network_unknown"


class NodeEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    kind: str
    organisation: str
    host: str
    peer_port: int | None  # None: is never dialled
    api_port: int | None  # None: serves no REST
    api_tls: bool
    operations_port: int
    home: str  # relative to the network's directory

    def ports(self) -> list[int]:
        return [port for port in (self.peer_port, self.api_port, self.operations_port) if port is not None]


class NetworkFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    chain_id: str  # hex
    nodes: list[NodeEntry]

    def node(self, name: str) -> NodeEntry:
        """Raises NetworkFileRefused, naming those that there are."""
        for entry in self.nodes:
            if entry.name == name:
                return entry
        raise NetworkFileRefused(
            f"no node '{name}' in this network; there are {', '.join(node.name for node in self.nodes)}"
        )


def save_network_file(home: NetworkHome, network: NetworkFile) -> None:
    home.network_json.write_bytes(msgspec.json.format(msgspec.json.encode(network), indent=1) + b"\n")


def load_network_file(directory: Path) -> NetworkFile:
    """Raises NetworkFileRefused."""
    path = NetworkHome(directory).network_json
    try:
        with path.open("rb") as stream:
            data = stream.read(NETWORK_FILE_BYTES_MAX)
    except OSError:
        raise NetworkFileRefused(
            f"{directory}: no network here; make one: medbill network init --config network.yaml --home {directory}"
        ) from None
    try:
        return msgspec.json.decode(data, type=NetworkFile)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise NetworkFileRefused(f"{path}: {error}; take it from where the network was made") from None
