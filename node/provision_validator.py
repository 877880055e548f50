"""A home for one more validator, beside a network that runs: `medbill node init-validator`.

It is made from the network's directory (genesis.json, network.json and the organisation's own keys, nothing else), with a
vote key and a journal of its own. The node follows until the members have given its organisation a seat with this key.
Its organisation must have an authority in genesis: links of agencies are trusted by that, and by nothing that came later.
"""

from __future__ import annotations

from pathlib import Path

from chain.genesis import Genesis, genesis_from_json
from chain.ledger import Ledger
from node.answers import AGENCIES
from node.config import VALIDATOR, load_node_config
from node.home import NetworkHome, NodeHome
from node.journal import Journal
from node.keystore import generate_signing_key, save_signing_key
from node.network_file import NetworkFile, NodeEntry, load_network_file
from node.provision import ProvisionRefused
from node.provision_node import add_node_home, dialled, save_basics


def provision_validator(home: Path, entry: NodeEntry) -> bytes:
    """Make DIR/nodes/NAME and name it in network.json; returns the public half of its vote key.

    Raises ProvisionRefused (name_taken, organisation_unknown, not_an_agency, no_authority, home_not_writable), KeyFileRefused,
    NetworkFileRefused, GenesisRefused.
    """
    places, network = NetworkHome(home), load_network_file(home)
    text = places.genesis.read_text("utf-8")
    genesis = genesis_from_json(text)
    _verify(genesis, entry)

    def build(own: NodeHome) -> bytes:
        save_basics(places, own, genesis, text, entry, _settings(network, entry))
        key = generate_signing_key()
        save_signing_key(own.vote_key, key)
        config = load_node_config(own.root)
        Ledger.create(config.data_dir, genesis)
        Journal.create(config.data_dir / "journal", [key.public]).close()
        return key.public

    return add_node_home(places, network, entry, build)


def _verify(genesis: Genesis, entry: NodeEntry) -> None:
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


def _settings(network: NetworkFile, entry: NodeEntry) -> dict[str, object]:
    return {
        "name": entry.name,
        "kind": VALIDATOR,
        "organisation": entry.organisation,
        "listen": {"host": entry.host, "port": entry.peer_port},
        "operations": {"host": entry.host, "port": entry.operations_port},
        "peers": dialled(network),
        "data_dir": "data",
    }
