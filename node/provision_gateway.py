"""What an organisation that comes after genesis makes for itself: keys and the request to be taken in, then its gateway's home.

`medbill organisation init` and `medbill node init-gateway`. Only the request leaves the house: public halves, name, issuing points.
"""

from __future__ import annotations

import secrets
from pathlib import Path

import msgspec

from chain.database import Database
from chain.genesis import genesis_from_json
from node.config import GATEWAY, MIRROR, load_node_config
from node.home import NetworkHome, NodeHome, OrganisationHome
from node.keystore import (
    SECRET_BYTES,
    create_authority,
    generate_signing_key,
    load_secret,
    load_signing_key,
    save_authority,
    save_certificate,
    save_secret,
    save_signing_key,
)
from node.network_file import NetworkFile, NodeEntry, load_network_file
from node.provision import ProvisionRefused
from node.provision_node import add_node_home, dialled, peer_setting, save_basics
from node.token_issuers import organisation_issuer, save_token_issuers

GATEWAY_KINDS = ("hospital", "platform")  # a platform takes payments and divides them; it issues no bills


class Leases(msgspec.Struct, frozen=True):
    """How a gateway takes numbers; see network.yaml."""

    lease_count: int = 10_000
    lease_threshold: int = 5_000
    transaction_window_blocks: int = 2_000


class Admission(msgspec.Struct, frozen=True):
    """What is asked of the office: the body of `POST /v1/organisations`. Bytes are hex."""

    organisation: str
    name: str
    kind: str
    region: str
    key: str
    authority: str
    places: list[str]


def provision_organisation(home: Path, name: str, title: str, kind: str, region: str, places: list[str]) -> Admission:
    """Draw the organisation's keys into DIR/organisations/NAME, beside the request. Raises ProvisionRefused name_taken,
    home_not_writable."""
    own = NetworkHome(home).organisation(name)
    try:
        own.root.mkdir(parents=True, mode=0o700)
    except FileExistsError:
        raise ProvisionRefused("name_taken", f"{own.root} exists; keys are never overwritten") from None
    except OSError as error:
        raise ProvisionRefused("home_not_writable", f"{own.root}: {error.strerror}") from None
    unit, authority = generate_signing_key(), create_authority(name)
    save_signing_key(own.unit_key, unit)
    save_signing_key(own.token_key, generate_signing_key())
    save_authority(own.root, authority)
    if kind in GATEWAY_KINDS:
        save_secret(own.mac_key, secrets.token_bytes(SECRET_BYTES))
    request = Admission(name, title, kind, region, unit.public.hex(), authority.der.hex(), sorted(set(places)))
    own.admission.write_bytes(msgspec.json.format(msgspec.json.encode(request), indent=1) + b"\n")
    return request


def load_admission(own: OrganisationHome) -> Admission:
    """Raises ProvisionRefused `organisation_unknown`."""
    try:
        return msgspec.json.decode(own.admission.read_bytes(), type=Admission)
    except (OSError, msgspec.MsgspecError, UnicodeError):
        raise ProvisionRefused(
            "organisation_unknown", f"{own.admission}: no request that 'organisation init' made"
        ) from None


def provision_gateway(home: Path, entry: NodeEntry, office: str, leases: Leases) -> None:
    """Make DIR/nodes/NAME for a gateway; `office` is the node, a mirror, of the office that takes its details.

    Raises ProvisionRefused (name_taken, organisation_unknown, office_unknown, home_not_writable), KeyFileRefused,
    NetworkFileRefused, GenesisRefused.
    """
    places, network = NetworkHome(home), load_network_file(home)
    keys = places.organisation(entry.organisation)
    request = load_admission(keys)
    archive = next((node for node in network.nodes if node.name == office and node.kind == MIRROR), None)
    if archive is None:
        raise ProvisionRefused("office_unknown", f"{office}: no mirror of this network")
    text = places.genesis.read_text("utf-8")
    genesis = genesis_from_json(text)

    def build(own: NodeHome) -> bytes:
        save_basics(places, own, genesis, text, entry, _settings(network, entry, archive, request, leases))
        save_certificate(own.own_authority, (keys.root / "ca.pem").read_bytes())
        save_signing_key(own.unit_key, load_signing_key(keys.unit_key))
        save_secret(own.storage_key, secrets.token_bytes(SECRET_BYTES))
        save_secret(own.mac_key, load_secret(keys.mac_key))
        save_token_issuers(
            own.token_issuers,
            [organisation_issuer(request.organisation, request.kind, load_signing_key(keys.token_key).public)],
        )
        config = load_node_config(own.root)
        Database.create(config.data_dir / "gateway").close()
        return b""

    add_node_home(places, network, entry, build)


def _settings(
    network: NetworkFile, entry: NodeEntry, archive: NodeEntry, request: Admission, leases: Leases
) -> dict[str, object]:
    return {
        "name": entry.name,
        "kind": GATEWAY,
        "organisation": entry.organisation,
        "title": request.name,
        "api": {"host": entry.host, "port": entry.api_port},
        "api_tls": entry.api_tls,
        "operations": {"host": entry.host, "port": entry.operations_port},
        "peers": [*dialled(network), peer_setting(archive)],
        "data_dir": "data",
        "places": request.places,
        **msgspec.to_builtins(leases),
        "office": {"name": archive.name, "organisation": archive.organisation},
    }
