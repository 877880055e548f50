"""A home more beside a network that was made before: built aside, renamed when it is whole, then named in network.json."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import msgspec
import yaml
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from chain.genesis import Genesis
from node.config import VALIDATOR
from node.home import NetworkHome, NodeHome
from node.keystore import issue_node_certificate, load_authority, save_certificate, save_tls_key
from node.network_file import NetworkFile, NodeEntry, save_network_file
from node.provision import NODE_YAML_HEAD, ProvisionRefused


def add_node_home(
    places: NetworkHome, network: NetworkFile, entry: NodeEntry, build: Callable[[NodeHome], bytes]
) -> bytes:
    """Make DIR/nodes/NAME by `build` and name it in network.json; returns what `build` does.

    Raises ProvisionRefused (name_taken, home_not_writable) and what `build` raises; nothing stays then.
    """
    if any(entry.name == other.name for other in network.nodes):
        raise ProvisionRefused("name_taken", f"{entry.name}: a node of this network has this name already")
    own = places.node(entry.name)
    try:
        own.root.parent.mkdir(exist_ok=True)
        building = NodeHome(Path(tempfile.mkdtemp(prefix=f".{entry.name}.", dir=own.root.parent)))
    except OSError as error:
        raise ProvisionRefused("home_not_writable", f"{own.root.parent}: {error.strerror}") from None
    try:
        made = build(building)
        building.root.rename(own.root)
        _add_to_network(places, network, entry)
    finally:
        shutil.rmtree(building.root, ignore_errors=True)
    return made


def save_basics(
    places: NetworkHome, own: NodeHome, genesis: Genesis, text: str, entry: NodeEntry, settings: dict[str, object]
) -> None:
    """Directories, node.yaml, genesis.json (`text`), and a certificate of the organisation's own authority.

    Raises KeyFileRefused."""
    for directory in (own.config_dir, own.root / "data", own.pid_file.parent, own.log_file.parent):
        directory.mkdir(parents=True, mode=0o700)
    written = yaml.safe_dump(settings, sort_keys=False, allow_unicode=True)
    own.node_yaml.write_text(NODE_YAML_HEAD.format(name=entry.name) + written, encoding="utf-8")
    own.genesis.write_text(text, encoding="utf-8")
    authority = load_authority(places.organisation(entry.organisation).root)
    tls_key, certificate = issue_node_certificate(authority, entry.name, entry.organisation, [entry.host])
    save_tls_key(own.tls_key, tls_key)
    save_certificate(own.tls_certificate, certificate)
    authorities = [x509.load_der_x509_certificate(der) for _, der in sorted(genesis.authorities().items())]
    save_certificate(own.ca_bundle, *(found.public_bytes(Encoding.PEM) for found in authorities))


def dialled(network: NetworkFile) -> list[dict[str, object]]:
    """All validators, since none of them knows a node that came later."""
    return [peer_setting(peer) for peer in network.nodes if peer.kind == VALIDATOR and peer.peer_port is not None]


def peer_setting(peer: NodeEntry) -> dict[str, object]:
    """As node.yaml names a peer."""
    return {
        "name": peer.name,
        "organisation": peer.organisation,
        "kind": peer.kind,
        "host": peer.host,
        "port": peer.peer_port,
    }


def _add_to_network(places: NetworkHome, network: NetworkFile, entry: NodeEntry) -> None:
    """The old list or the new one, whatever happens."""
    beside = NetworkHome(Path(tempfile.mkdtemp(prefix=".network.", dir=places.root)))
    try:
        save_network_file(beside, msgspec.structs.replace(network, nodes=[*network.nodes, entry]))
        os.replace(beside.network_json, places.network_json)
    finally:
        shutil.rmtree(beside.root, ignore_errors=True)
