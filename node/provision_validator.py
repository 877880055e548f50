"""A home for one more validator, beside a network that runs: `medbill node init-validator`.

It is made from the network's directory (genesis.json, network.json and the organisation's own keys, nothing else), with a
vote key and a journal of its own. The node follows until the members have given its organisation a seat with this key.
Its organisation must have an authority in genesis: links are trusted by that, and by nothing that came later.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import msgspec
import yaml
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from chain.genesis import Genesis, genesis_from_json
from chain.ledger import Ledger
from node.answers import AGENCIES
from node.config import VALIDATOR, load_node_config
from node.home import NetworkHome, NodeHome
from node.journal import Journal
from node.keystore import (
    generate_signing_key,
    issue_node_certificate,
    load_authority,
    save_certificate,
    save_signing_key,
    save_tls_key,
)
from node.network_file import NetworkFile, NodeEntry, load_network_file, save_network_file
from node.provision import NODE_YAML_HEAD, ProvisionRefused


def provision_validator(home: Path, entry: NodeEntry) -> bytes:
    """Make DIR/nodes/NAME and name it in network.json; returns the public half of its vote key.

    Raises ProvisionRefused (name_taken, organisation_unknown, not_an_agency, no_authority, home_not_writable), KeyFileRefused,
    NetworkFileRefused, GenesisRefused.
    """
    places, network = NetworkHome(home), load_network_file(home)
    text = places.genesis.read_text("utf-8")
    genesis = genesis_from_json(text)
    _verify(network, genesis, entry)
    own = places.node(entry.name)
    try:
        own.root.parent.mkdir(exist_ok=True)
        building = NodeHome(Path(tempfile.mkdtemp(prefix=f".{entry.name}.", dir=own.root.parent)))
    except OSError as error:
        raise ProvisionRefused("home_not_writable", f"{own.root.parent}: {error.strerror}") from None
    try:
        public = _build(places, building, network, genesis, text, entry)
        building.root.rename(own.root)
        _add_to_network(places, network, entry)
    finally:
        shutil.rmtree(building.root, ignore_errors=True)
    return public


def _verify(network: NetworkFile, genesis: Genesis, entry: NodeEntry) -> None:
    if any(entry.name == other.name for other in network.nodes):
        raise ProvisionRefused("name_taken", f"{entry.name}: a node of this network has this name already")
    organisation = next((other for other in genesis.organisations if other.id == entry.organisation), None)
    if organisation is None:
        raise ProvisionRefused("organisation_unknown", f"{entry.organisation} does not stand in genesis")
    if organisation.kind not in AGENCIES:
        raise ProvisionRefused(
            "not_an_agency", f"{entry.organisation} is a {organisation.kind}: it gets no blocks whole"
        )
    if not organisation.authority:
        detail = f"{entry.organisation} has no authority in genesis: nobody could know its node; only those can join"
        raise ProvisionRefused("no_authority", detail)


def _build(
    places: NetworkHome, own: NodeHome, network: NetworkFile, genesis: Genesis, text: str, entry: NodeEntry
) -> bytes:
    for directory in (own.config_dir, own.root / "data", own.pid_file.parent, own.log_file.parent):
        directory.mkdir(parents=True, mode=0o700)
    settings = yaml.safe_dump(_settings(network, entry), sort_keys=False, allow_unicode=True)
    own.node_yaml.write_text(NODE_YAML_HEAD.format(name=entry.name) + settings, encoding="utf-8")
    own.genesis.write_text(text, encoding="utf-8")
    authority = load_authority(places.organisation(entry.organisation).root)
    tls_key, certificate = issue_node_certificate(authority, entry.name, entry.organisation, [entry.host])
    save_tls_key(own.tls_key, tls_key)
    save_certificate(own.tls_certificate, certificate)
    authorities = [x509.load_der_x509_certificate(der) for _, der in sorted(genesis.authorities().items())]
    save_certificate(own.ca_bundle, *(found.public_bytes(Encoding.PEM) for found in authorities))
    key = generate_signing_key()
    save_signing_key(own.vote_key, key)
    config = load_node_config(own.root)
    Ledger.create(config.data_dir, genesis)
    Journal.create(config.data_dir / "journal", [key.public]).close()
    return key.public


def _settings(network: NetworkFile, entry: NodeEntry) -> dict[str, object]:
    """node.yaml: it dials all validators, since none of them knows it."""
    return {
        "name": entry.name,
        "kind": VALIDATOR,
        "organisation": entry.organisation,
        "listen": {"host": entry.host, "port": entry.peer_port},
        "operations": {"host": entry.host, "port": entry.operations_port},
        "peers": [
            {
                "name": peer.name,
                "organisation": peer.organisation,
                "kind": VALIDATOR,
                "host": peer.host,
                "port": peer.peer_port,
            }
            for peer in network.nodes
            if peer.kind == VALIDATOR and peer.peer_port is not None
        ],
        "data_dir": "data",
    }


def _add_to_network(places: NetworkHome, network: NetworkFile, entry: NodeEntry) -> None:
    """The old list or the new one, whatever happens."""
    beside = NetworkHome(Path(tempfile.mkdtemp(prefix=".network.", dir=places.root)))
    try:
        save_network_file(beside, msgspec.structs.replace(network, nodes=[*network.nodes, entry]))
        os.replace(beside.network_json, places.network_json)
    finally:
        shutil.rmtree(beside.root, ignore_errors=True)
