"""Configuration files, read strictly: `network.yaml` of a network to be made, `config/node.yaml` of one node.

Consensus parameters are in genesis and on the chain, never here: a node's own file says where it listens and whom it
dials, and what only itself depends on.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from chain.codec import Name, PlaceCode
from node.channels.configuration import ChannelConfig, read_channels
from node.config_file import ConfigRefused, Problem, Section, compose_config, read_config_file
from node.home import NodeHome
from node.network_checks import check_network
from node.network_config import (
    GATEWAY,
    MIRROR,
    NODE_KINDS,
    PARAMETERS,
    PLACE,
    PORT_MAX,
    SERIAL_MAX,
    VALIDATOR,
    NetworkConfig,
    read_network,
)
from node.webhook_config import WebhookConfig, read_webhooks

__all__ = [
    "GATEWAY",
    "MIRROR",
    "VALIDATOR",
    "Address",
    "ConfigRefused",
    "NetworkConfig",
    "NodeConfig",
    "Office",
    "PeerConfig",
    "Problem",
    "load_network_config",
    "load_node_config",
    "parse_network_config",
    "parse_node_config",
]

HOST = r"[A-Za-z0-9_.:-]{1,253}"
HOST_HINT = "a host name or address"
RESERVE_MIB_MAX = 1 << 20  # a tebibyte
VERIFY_WORKERS_MAX = 64
EMBARGO_DAYS_MAX = 3_650
URL = r"https?://[A-Za-z0-9.:\[\]-]{1,253}(/[A-Za-z0-9._~/-]{0,200})?"
URL_HINT = "an address such as https://bills.example.cn, without query"


class Address(msgspec.Struct, frozen=True):
    host: str
    port: int


class PeerConfig(msgspec.Struct, frozen=True):
    """A node that this one dials."""

    name: Name  # CN of its certificate
    organisation: Name  # O of its certificate
    kind: str
    host: str
    port: int


class Office(msgspec.Struct, frozen=True):
    """A gateway's supervising finance office and the mirror where its sealer runs."""

    name: Name  # of the mirror, one of the peers
    organisation: Name


class NodeConfig(msgspec.Struct, frozen=True):
    """A checked node.yaml. Fields that a kind of node has no use for are None, empty or 0."""

    name: Name
    kind: str  # validator, mirror, gateway
    organisation: Name
    listen: Address | None  # for peers; None for a gateway, which is never dialled
    api: Address | None  # REST; None if it serves none, as every validator
    api_tls: bool  # REST over the node's own certificate
    operations: Address  # /livez /readyz /metrics /status
    peers: list[PeerConfig]  # to dial
    data_dir: Path  # blocks, journal, state; gateway, details
    places: list[PlaceCode]  # a gateway's issuing points
    lease_count: int  # numbers that a gateway takes at a time
    lease_threshold: int  # and below how many left it takes the next
    transaction_window_blocks: int  # its transactions may run so many blocks later; at most genesis' replay_window
    office: Office | None  # of a gateway
    verify_workers: int = 1  # threads of a validator or mirror that check signatures
    disk_reserve_mib: int | None = None  # free room below which no new work is taken; None: disk_space.py's own
    title: str = ""  # of a gateway whose organisation came after genesis: as people write it
    access_embargo_days: int = 30  # a mirror tells patients so much later of what was read for a case
    public_url: str = (
        ""  # where the QR codes of faces lead, without a slash at the end; the REST port's own if left out
    )
    paper_forms: Path | None = (
        None  # the file that says which blank forms a gateway has (paper_stock.py); it need not be there
    )
    webhooks: list[WebhookConfig] = []  # whom a mirror tells of events
    channels: list[ChannelConfig] = []  # by which a hospital takes money

    @property
    def office_name(self) -> str:
        """The organisation that supervises a gateway's; empty for other nodes."""
        return self.office.organisation if self.office is not None else ""


def load_network_config(path: Path) -> NetworkConfig:
    """Read and check a network.yaml. Raises ConfigRefused with all that is wrong, each with its line."""
    return parse_network_config(read_config_file(path), str(path))


def parse_network_config(data: bytes, path: str = "network.yaml") -> NetworkConfig:
    """The same for bytes; `path` is only named in messages."""
    root = compose_config(data, path, "the network")
    network = read_network(root)
    check_network(network, root)
    root.problems.settle()
    return network


def load_node_config(home: Path) -> NodeConfig:
    """Read and check `config/node.yaml` in a node's home. Raises ConfigRefused with all that is wrong."""
    path = NodeHome(home).node_yaml
    return parse_node_config(read_config_file(path), home, str(path))


def parse_node_config(data: bytes, home: Path, path: str = "node.yaml") -> NodeConfig:
    """The same for bytes; `home` is what relative paths start from."""
    root = compose_config(data, path, "the node's name, kind and addresses")
    kind = root.read_choice("kind", NODE_KINDS)
    config = NodeConfig(
        name=root.read_name("name"),
        kind=kind,
        organisation=root.read_name("organisation"),
        listen=_address(root, "listen") if "listen" in root or kind != GATEWAY else None,
        api=_address(root, "api") if "api" in root else None,
        api_tls=root.read_boolean("api_tls", default=False),
        operations=_address(root, "operations"),
        peers=[_peer(section) for section in root.read_sections("peers")],
        data_dir=home / root.read_text("data_dir", "data", ".+", "a directory"),
        places=root.read_texts("places", PLACE, "issuing points", is_required=kind == GATEWAY),
        lease_count=_gateway_integer(root, kind, "lease_count", SERIAL_MAX),
        lease_threshold=_gateway_integer(root, kind, "lease_threshold", SERIAL_MAX),
        transaction_window_blocks=_gateway_integer(
            root, kind, "transaction_window_blocks", PARAMETERS["replay_window"][2]
        ),
        office=_office(root) if "office" in root or kind == GATEWAY else None,
        verify_workers=root.read_integer("verify_workers", 1, VERIFY_WORKERS_MAX, default=1),
        disk_reserve_mib=root.read_integer("disk_reserve_mib", 0, RESERVE_MIB_MAX)
        if "disk_reserve_mib" in root
        else None,
        title=root.read_text("title", "", r".{0,128}", "at most 128 characters"),
        access_embargo_days=root.read_integer("access_embargo_days", 0, EMBARGO_DAYS_MAX, default=30),
        public_url=root.read_text("public_url", "", URL, URL_HINT).rstrip("/"),
        paper_forms=NodeHome(home).paper_forms,
        webhooks=read_webhooks(root),
        channels=read_channels(root),
    )
    if config.api is not None and not config.public_url:
        config = msgspec.structs.replace(config, public_url=_own_url(config.api, config.api_tls))
    root.finish()
    _check_node(config, root)
    root.problems.settle()
    return config


def _address(root: Section, key: str) -> Address:
    section = root.read_section(key)
    address = Address(section.read_text("host", None, HOST, HOST_HINT), section.read_integer("port", 1, PORT_MAX))
    section.finish()
    return address


def _own_url(api: Address, is_tls: bool) -> str:
    host = f"[{api.host}]" if ":" in api.host else api.host
    return f"{'https' if is_tls else 'http'}://{host}:{api.port}"


def _peer(section: Section) -> PeerConfig:
    peer = PeerConfig(
        name=section.read_name("name"),
        organisation=section.read_name("organisation"),
        kind=section.read_choice("kind", NODE_KINDS),
        host=section.read_text("host", None, HOST, HOST_HINT),
        port=section.read_integer("port", 1, PORT_MAX),
    )
    section.finish()
    return peer


def _office(root: Section) -> Office:
    section = root.read_section("office")
    office = Office(section.read_name("name"), section.read_name("organisation"))
    section.finish()
    return office


def _gateway_integer(root: Section, kind: str, key: str, maximum: int) -> int:
    if kind != GATEWAY and key not in root:
        return 0
    return root.read_integer(key, 0 if key == "lease_threshold" else 1, maximum)


def _check_node(config: NodeConfig, root: Section) -> None:
    if config.kind != GATEWAY:
        for key in ("places", "lease_count", "lease_threshold", "transaction_window_blocks", "office", "title"):
            if key in root:
                root.problems.add(
                    root.line_of(key), f"{key}: only gateways have it, this is a {config.kind}; remove it"
                )
    if config.kind == GATEWAY and "verify_workers" in root:
        root.problems.add(root.line_of("verify_workers"), "verify_workers: a gateway checks few signatures; remove it")
    if config.kind != MIRROR and "access_embargo_days" in root:
        root.problems.add(root.line_of("access_embargo_days"), "access_embargo_days: only mirrors have it; remove it")
    if config.kind != MIRROR and "webhooks" in root:
        root.problems.add(
            root.line_of("webhooks"), f"webhooks: only mirrors tell of events, this is a {config.kind}; remove it"
        )
    if config.kind != GATEWAY and "channels" in root:
        root.problems.add(root.line_of("channels"), "channels: only a hospital's gateway takes money; remove it")
    if config.kind == VALIDATOR and config.api is not None:
        root.problems.add(root.line_of("api"), "api: a validator serves nobody but nodes; remove it")
    if config.api is None and "public_url" in root:
        root.problems.add(root.line_of("public_url"), "public_url: this node serves no REST; remove it")
    if config.kind == GATEWAY and config.lease_threshold >= config.lease_count > 1:
        root.problems.add(root.line_of("lease_threshold"), "lease_threshold: must be below lease_count")
    names = [peer.name for peer in config.peers]
    for name in sorted({name for name in names if names.count(name) > 1}):
        root.problems.add(root.line_of("peers"), f"peers: '{name}' stands twice; remove one")
    if config.name in names:
        root.problems.add(root.line_of("peers"), "peers: a node does not dial itself; remove it")
    if config.office is not None and config.office.name not in names:
        root.problems.add(
            root.line_of("office"), f"office: '{config.office.name}' is not among the peers; add it there"
        )
