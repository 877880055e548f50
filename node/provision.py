"""Making a network: keys, certificates, genesis, and a home per node. `medbill network init`.

Everything is built in a hidden directory beside the wanted one and renamed at the end, so that a failure leaves
nothing half-made. Journals and ledgers are made here and never by a start: a node that finds its store missing has
lost something, and must not begin anew. Layout: `home.py`.
"""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import yaml
from cryptography.hazmat.primitives.serialization import Encoding

from chain.database import Database
from chain.errors import ChainError
from chain.failpoint import arm_from_environment, failpoint
from chain.genesis import (
    GENESIS_VERSION,
    Genesis,
    GenesisKey,
    GenesisOrganisation,
    GenesisRange,
    genesis_from_json,
    genesis_to_json,
)
from chain.ledger import Ledger
from chain.operation import RangeRef
from chain.records import SEAL, UNIT
from chain.rules.context import local_date
from chain.signature import SigningKey
from chain.validators import Member
from node.config import GATEWAY, MIRROR, VALIDATOR, NetworkConfig, load_node_config
from node.details_store import DetailsStore
from node.errors import NodeError
from node.home import NetworkHome, NodeHome
from node.journal import Journal
from node.keystore import (
    SECRET_BYTES,
    Authority,
    create_authority,
    generate_signing_key,
    issue_node_certificate,
    save_authority,
    save_certificate,
    save_secret,
    save_signing_key,
    save_tls_key,
)
from node.network_config import NetworkNode, RangeConfig
from node.network_file import NetworkFile, NodeEntry, save_network_file
from node.token_issuers import SERVICE_KINDS, organisation_issuer, save_token_issuers, service_issuers

YEARS = 2  # that initial ranges are made for: this one and the next

NODE_YAML_HEAD = """\
# {name}: where this node listens and whom it dials. What all nodes agree on is in genesis.json, not here.
# lease_*: numbers taken at a time, and below how many left the next are taken; transaction_window_blocks: how much
# later a signed transaction may still run. Relative paths start at this node's home.
# public_url, if it stands here: where the QR codes of faces lead. Left out, it is the address under `api`.
"""


class ProvisionRefused(NodeError):
    """A network that cannot be made here. `code` is home_exists or home_not_writable."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code


class _Keys(msgspec.Struct, frozen=True):
    """Everything secret, before it lies in files. Names are organisations', of `vote` nodes'."""

    unit: dict[str, SigningKey]
    seal: dict[str, SigningKey]
    token: dict[str, SigningKey]
    mac: dict[str, bytes]
    authority: dict[str, Authority]
    vote: dict[str, SigningKey]


def provision(network: NetworkConfig, home: Path, now_ms: int) -> None:
    """Make `network` at `home`. Raises ProvisionRefused if `home` exists or cannot be written; nothing stays then."""
    arm_from_environment()
    with _built_beside(home) as directory:
        keys = _draw_keys(network, datetime.fromtimestamp(now_ms / 1000, UTC))
        genesis = _build_genesis(network, keys, now_ms)
        text = genesis_to_json(genesis)
        if genesis_from_json(text).digest() != genesis.digest():
            raise ProvisionRefused("genesis_refused", "the genesis made is not the genesis written")
        place = NetworkHome(directory)
        place.genesis.write_text(text, encoding="utf-8")
        save_network_file(
            place, NetworkFile(network.name, genesis.digest().hex(), [_entry(node) for node in network.nodes])
        )
        _save_organisations(network, place, keys)
        for node in network.nodes:
            _save_node(network, node, place.node(node.name), keys, text)
            _create_stores(node, place.node(node.name), genesis, keys)


def verify_new(home: Path) -> None:
    """Check that nothing is at `home`. Raises ProvisionRefused `home_exists`."""
    if home.exists() or home.is_symlink():
        raise ProvisionRefused("home_exists", f"{home} exists; name a new directory, keys are never overwritten")


@contextmanager
def _built_beside(home: Path) -> Iterator[Path]:
    verify_new(home)
    try:
        home.parent.mkdir(parents=True, exist_ok=True)
        directory = Path(tempfile.mkdtemp(prefix=f".{home.name}.", dir=home.parent))
    except OSError as error:
        raise ProvisionRefused(
            "home_not_writable", f"{home.parent}: {error.strerror}; name a place to write to"
        ) from None
    try:
        yield directory
        failpoint("provision.rename")
        directory.rename(home)
        failpoint("provision.renamed")
    except OSError as error:
        raise ProvisionRefused("home_not_writable", f"{home}: {error.strerror}; name a place to write to") from None
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _draw_keys(network: NetworkConfig, now: datetime) -> _Keys:
    names = [entry.name for entry in network.organisations]
    runs_nodes = {node.organisation for node in network.nodes}
    return _Keys(
        unit={name: generate_signing_key() for name in names},
        seal={name: generate_signing_key() for name in network.offices()},
        token={name: generate_signing_key() for name in names},
        mac={
            entry.name: secrets.token_bytes(SECRET_BYTES) for entry in network.organisations if entry.kind == "hospital"
        },
        authority={name: create_authority(name, now) for name in names if name in runs_nodes},
        vote={node.name: generate_signing_key() for node in network.nodes_of(VALIDATOR)},
    )


def _build_genesis(network: NetworkConfig, keys: _Keys, now_ms: int) -> Genesis:
    """Sorted as genesis wants it; ranges are for the local year of `now_ms` and the next."""
    held = [
        *(GenesisKey(name, UNIT, key.public) for name, key in keys.unit.items()),
        *(GenesisKey(name, SEAL, key.public) for name, key in keys.seal.items()),
    ]
    return Genesis(
        version=GENESIS_VERSION,
        name=network.name,
        created_ms=now_ms,
        parameters=network.parameters,
        organisations=[
            GenesisOrganisation(
                entry.name,
                entry.title,
                entry.kind,
                entry.region,
                entry.level,
                entry.supervisor,
                sorted(entry.places),
                keys.authority[entry.name].der if entry.name in keys.authority else b"",
            )
            for entry in sorted(network.organisations, key=lambda entry: entry.name)
        ],
        keys=sorted(held, key=lambda key: (key.organisation, key.purpose)),
        validators=sorted(
            (Member(node.organisation, keys.vote[node.name].public) for node in network.nodes_of(VALIDATOR)),
            key=lambda member: member.organisation,
        ),
        ranges=list(_ranges(network, now_ms)),
    )


def _ranges(network: NetworkConfig, now_ms: int) -> Iterator[GenesisRange]:
    parameters = network.parameters
    year = local_date(now_ms, parameters.utc_offset_minutes) // 10_000
    for code in (
        f"{parameters.region}{parameters.classification}{kind:02d}{(year + later) % 100:02d}"
        for later in range(YEARS)
        for kind in parameters.kinds
    ):
        yield from _pieces(network.ranges, code, 1, [])


def _pieces(entries: list[RangeConfig], code: str, first: int, parent: list[RangeRef]) -> Iterator[GenesisRange]:
    for entry in entries:
        yield GenesisRange(entry.holder, code, first, entry.count, parent)
        yield from _pieces(entry.pieces, code, first, [RangeRef(entry.holder, code, first)])
        first += entry.count


def _save_organisations(network: NetworkConfig, place: NetworkHome, keys: _Keys) -> None:
    publics = [(entry.name, entry.kind, keys.token[entry.name].public) for entry in network.organisations]
    for entry in network.organisations:
        own = place.organisation(entry.name)
        own.root.mkdir(parents=True, mode=0o700)
        save_signing_key(own.unit_key, keys.unit[entry.name])
        save_signing_key(own.token_key, keys.token[entry.name])
        if entry.name in keys.seal:
            save_signing_key(own.seal_key, keys.seal[entry.name])
        if entry.name in keys.mac:
            save_secret(own.mac_key, keys.mac[entry.name])
        if entry.name in keys.authority:
            save_authority(own.root, keys.authority[entry.name])
        if entry.kind in SERVICE_KINDS:
            save_token_issuers(own.token_issuers, service_issuers(entry.name, publics))


def _save_node(network: NetworkConfig, node: NetworkNode, own: NodeHome, keys: _Keys, genesis: str) -> None:
    for directory in (own.config_dir, own.root / "data", own.pid_file.parent, own.log_file.parent):
        directory.mkdir(parents=True, mode=0o700)
    settings = yaml.safe_dump(_settings(network, node), sort_keys=False, allow_unicode=True)
    own.node_yaml.write_text(NODE_YAML_HEAD.format(name=node.name) + settings, encoding="utf-8")
    own.genesis.write_text(genesis, encoding="utf-8")
    tls_key, certificate = issue_node_certificate(
        keys.authority[node.organisation], node.name, node.organisation, [node.host]
    )
    save_tls_key(own.tls_key, tls_key)
    save_certificate(own.tls_certificate, certificate)
    bundle = [authority.certificate.public_bytes(Encoding.PEM) for _, authority in sorted(keys.authority.items())]
    save_certificate(own.ca_bundle, *bundle)
    if node.kind == VALIDATOR:
        save_signing_key(own.vote_key, keys.vote[node.name])
    else:
        save_signing_key(own.unit_key, keys.unit[node.organisation])
        save_secret(own.storage_key, secrets.token_bytes(SECRET_BYTES))
        save_token_issuers(
            own.token_issuers,
            [
                organisation_issuer(entry.name, entry.kind, keys.token[entry.name].public)
                for entry in network.organisations
            ],
        )
    if node.kind == GATEWAY:
        save_secret(own.mac_key, keys.mac[node.organisation])
    if node.kind == MIRROR and node.organisation in keys.seal:
        save_signing_key(own.seal_key, keys.seal[node.organisation])
    load_node_config(own.root)


def _create_stores(node: NetworkNode, own: NodeHome, genesis: Genesis, keys: _Keys) -> None:
    data = own.root / "data"
    try:
        if node.kind in (VALIDATOR, MIRROR):
            Ledger.create(data, genesis)
        if node.kind == VALIDATOR:
            Journal.create(data / "journal", [keys.vote[node.name].public]).close()
        if node.kind == MIRROR:
            DetailsStore.create(data)
        if node.kind == GATEWAY:
            Database.create(data / "gateway").close()
    except ChainError as error:
        raise ProvisionRefused(error.code, f"{node.name}: {error}") from None


def _settings(network: NetworkConfig, node: NetworkNode) -> dict[str, Any]:
    """node.yaml, as `config.NodeConfig` reads it."""
    settings: dict[str, Any] = {"name": node.name, "kind": node.kind, "organisation": node.organisation}
    if node.peer_port is not None:
        settings["listen"] = {"host": node.host, "port": node.peer_port}
    if node.api_port is not None:
        settings["api"] = {"host": node.host, "port": node.api_port}
        settings["api_tls"] = node.api_tls
    settings["operations"] = {"host": node.host, "port": node.operations_port}
    settings["peers"] = [
        {
            "name": peer.name,
            "organisation": peer.organisation,
            "kind": peer.kind,
            "host": peer.host,
            "port": peer.peer_port,
        }
        for peer in _dialled(network, node)
    ]
    settings["data_dir"] = "data"
    if node.kind == GATEWAY:
        office = network.office_mirror(node.organisation)
        settings["places"] = network.organisation(node.organisation).places
        settings.update(msgspec.to_builtins(network.gateways))
        settings["office"] = {"name": office.name, "organisation": office.organisation}
    return settings


def _dialled(network: NetworkConfig, node: NetworkNode) -> list[NetworkNode]:
    """Of two validators the lower name dials; mirrors dial validators; gateways these and their office's mirror."""
    validators = network.nodes_of(VALIDATOR)
    if node.kind == VALIDATOR:
        return [peer for peer in validators if peer.name > node.name]
    return [*validators, network.office_mirror(node.organisation)] if node.kind == GATEWAY else validators


def _entry(node: NetworkNode) -> NodeEntry:
    return NodeEntry(
        name=node.name,
        kind=node.kind,
        organisation=node.organisation,
        host=node.host,
        peer_port=node.peer_port,
        api_port=node.api_port,
        api_tls=node.api_tls,
        operations_port=node.operations_port,
        home=os.path.join("nodes", node.name),
    )
