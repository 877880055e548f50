"""What `medbill network init` leaves behind. DESIGN 2; issue 2, item 4."""

from __future__ import annotations

import stat
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID

from api.auth import TokenVerifier, issue_token, load_issuers
from chain.database import Database
from chain.genesis import genesis_from_json
from chain.records import SEAL, UNIT
from node import provision as provision_module
from node.config import load_network_config, load_node_config
from node.home import NetworkHome
from node.journal import Journal
from node.keystore import load_authority, load_secret, load_signing_key
from node.network_file import NetworkFileRefused, load_network_file
from node.provision import ProvisionRefused, provision

EXAMPLE = Path(__file__).parents[2] / "network.yaml"
NEW_YEAR_MS = int(datetime(2026, 12, 31, 16, 0, 30, tzinfo=UTC).timestamp() * 1000)  # 2027-01-01 00:00:30 in UTC+8


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> NetworkHome:
    home = tmp_path_factory.mktemp("provision") / "deep" / "network"
    provision(load_network_config(EXAMPLE), home, NEW_YEAR_MS)
    return NetworkHome(home)


def test_genesis_is_the_same_everywhere_and_holds_no_secret(made: NetworkHome) -> None:
    text = made.genesis.read_bytes()
    genesis = genesis_from_json(text)

    assert [member.organisation for member in genesis.validators] == ["bigdata", "finance", "health", "insurance"]
    assert load_network_file(made.root).chain_id == genesis.digest().hex()
    for entry in load_network_file(made.root).nodes:
        assert made.node(entry.name).genesis.read_bytes() == text
    assert load_signing_key(made.organisation("finance").unit_key).seed.hex().encode() not in text


def test_initial_ranges_are_for_the_local_year_and_the_next(made: NetworkHome) -> None:
    """Half a minute into 2027 in UTC+8 it is still 2026 in UTC; DESIGN 6: the business date is local."""
    genesis = genesis_from_json(made.genesis.read_bytes())

    assert sorted({entry.code for entry in genesis.ranges}) == [
        f"3306{kind:02d}{year}" for kind in (1, 2, 3, 4) for year in (27, 28)
    ]
    first = [(entry.holder, entry.first, entry.count) for entry in genesis.ranges if entry.code == "33060127"]
    assert first == [
        ("finance", 1, 4_000_000_000),
        ("finance-city", 1, 500_000_000),
        ("hospital-a", 1, 20_000_000),
        ("hospital-b", 20_000_001, 20_000_000),
    ]


def test_every_key_in_genesis_has_its_holder(made: NetworkHome) -> None:
    genesis = genesis_from_json(made.genesis.read_bytes())
    held = {(key.organisation, key.purpose): key.public for key in genesis.keys}

    for entry in genesis.organisations:
        assert held[entry.id, UNIT] == load_signing_key(made.organisation(entry.id).unit_key).public
    assert held["finance-city", SEAL] == load_signing_key(made.node("archive").seal_key).public
    assert [pair for pair in held if pair[1] == SEAL] == [("finance-city", SEAL)]
    for member in genesis.validators:
        assert member.key == load_signing_key(made.node(member.organisation).vote_key).public


def test_private_files_are_for_their_owner_alone(made: NetworkHome) -> None:
    """DESIGN 2: keys 0600."""
    keys = [path for path in made.root.rglob("*.key") if path.is_file()]

    assert len(keys) == 7 * 3 + 3 * 2 + 1 + 2 + 8 + 4 + (2 + 1) + 3 * 3 + 2
    assert {stat.S_IMODE(path.stat().st_mode) for path in keys} == {0o600}


def test_a_validators_home_holds_no_organisations_key(made: NetworkHome) -> None:
    """DESIGN 2: organisation signing keys lie in DIR/organisations/NAME, never in a validator's home."""
    assert sorted(path.name for path in made.node("finance").config_dir.iterdir()) == [
        "ca-bundle.pem", "genesis.json", "node.yaml", "tls.key", "tls.pem", "vote.key",
    ]  # fmt: skip


def test_gateways_of_one_hospital_share_the_mac_key_and_nobody_else_has_it(made: NetworkHome) -> None:
    """DESIGN 6: once per business number, over all gateways of a hospital."""
    own = load_secret(made.organisation("hospital-a").mac_key)

    assert load_secret(made.node("hospital-a").mac_key) == load_secret(made.node("hospital-a-2").mac_key) == own
    assert load_secret(made.node("hospital-b").mac_key) != own
    assert load_secret(made.node("hospital-a").storage_key) != load_secret(made.node("hospital-a-2").storage_key)


def test_node_certificates_chain_to_the_authority_in_genesis(made: NetworkHome) -> None:
    authorities = genesis_from_json(made.genesis.read_bytes()).authorities()
    for entry in load_network_file(made.root).nodes:
        certificate = x509.load_pem_x509_certificate(made.node(entry.name).tls_certificate.read_bytes())
        authority = x509.load_der_x509_certificate(authorities[entry.organisation])

        certificate.verify_directly_issued_by(authority)
        assert certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value == entry.name
        assert certificate.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)[0].value == entry.organisation
        assert authority == load_authority(made.organisation(entry.organisation).root).certificate
    bundle = x509.load_pem_x509_certificates(made.node("archive").ca_bundle.read_bytes())
    assert len(bundle) == 7


def test_between_two_validators_the_lower_name_dials(made: NetworkHome) -> None:
    dialled = {
        entry.name: [peer.name for peer in load_node_config(made.node(entry.name).root).peers]
        for entry in load_network_file(made.root).nodes
    }

    assert dialled["bigdata"] == ["finance", "health", "insurance"]
    assert dialled["insurance"] == []
    assert dialled["archive"] == ["bigdata", "finance", "health", "insurance"]
    assert dialled["hospital-b"] == ["bigdata", "finance", "health", "insurance", "archive"]


def test_stores_are_made_here_so_that_a_start_never_begins_anew(made: NetworkHome) -> None:
    """DESIGN 8: made only by init; a journal together with the vote key."""
    journal = Journal.open(made.node("health").root / "data" / "journal")
    assert journal.flushed_sequence == 0
    journal.close()
    for name, store in (("health", "state"), ("archive", "state"), ("archive", "details"), ("hospital-b", "gateway")):
        Database.open(made.node(name).root / "data" / store).close()
    assert not (made.node("archive").root / "data" / "journal").exists()


def test_each_serving_node_believes_every_organisation_about_itself(made: NetworkHome) -> None:
    chain_id = load_network_file(made.root).chain_id
    verifier = TokenVerifier(load_issuers(made.node("archive").token_issuers.read_bytes()), chain_id)
    key = load_signing_key(made.organisation("hospital-a").token_key)
    token = issue_token(
        key, issuer="hospital-a", chain_id=chain_id, subject="c-1", organisation="hospital-a", role="cashier"
    )

    assert verifier.verify(token).organisation == "hospital-a"


def test_an_existing_directory_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "kept").write_text("mine")
    with pytest.raises(ProvisionRefused) as caught:
        provision(load_network_config(EXAMPLE), tmp_path, NEW_YEAR_MS)

    assert caught.value.code == "home_exists"
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]


def test_a_failure_half_way_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(provision_module, "_create_stores", fail)
    with pytest.raises(ProvisionRefused, match="No space left"):
        provision(load_network_config(EXAMPLE), tmp_path / "network", NEW_YEAR_MS)
    assert list(tmp_path.iterdir()) == []


def test_two_networks_of_one_file_share_no_key_and_no_chain_id(made: NetworkHome, tmp_path: Path) -> None:
    provision(load_network_config(EXAMPLE), tmp_path / "other", NEW_YEAR_MS)
    other = NetworkHome(tmp_path / "other")

    assert load_network_file(other.root).chain_id != load_network_file(made.root).chain_id
    assert load_secret(other.node("archive").storage_key) != load_secret(made.node("archive").storage_key)


def test_a_directory_without_a_network_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(NetworkFileRefused, match="medbill network init"):
        load_network_file(tmp_path)
    NetworkHome(tmp_path).network_json.write_bytes(msgspec.json.encode({"nodes": []}))
    with pytest.raises(NetworkFileRefused, match="missing required field"):
        load_network_file(tmp_path)
