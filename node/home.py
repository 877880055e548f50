"""Where things lie: in the directory of a network, and in the home of a node. The one place that knows these names."""

from __future__ import annotations

from pathlib import Path

import msgspec


class NodeHome(msgspec.Struct, frozen=True):
    """DIR/nodes/NAME. `data` may lie elsewhere: node.yaml says so, and `NodeConfig.data_dir` is where it really is."""

    root: Path

    @property
    def config_dir(self) -> Path:
        return self.root / "config"

    @property
    def node_yaml(self) -> Path:
        return self.config_dir / "node.yaml"

    @property
    def genesis(self) -> Path:
        return self.config_dir / "genesis.json"

    @property
    def tls_key(self) -> Path:
        return self.config_dir / "tls.key"

    @property
    def tls_certificate(self) -> Path:
        return self.config_dir / "tls.pem"

    @property
    def own_authority(self) -> Path:
        """What the node's own certificate was issued under, where genesis does not know its organisation."""
        return self.config_dir / "authority.pem"

    @property
    def ca_bundle(self) -> Path:
        return self.config_dir / "ca-bundle.pem"

    @property
    def vote_key(self) -> Path:
        return self.config_dir / "vote.key"

    @property
    def unit_key(self) -> Path:
        return self.config_dir / "unit.key"

    @property
    def seal_key(self) -> Path:
        return self.config_dir / "seal.key"

    @property
    def medical_apps(self) -> Path:
        """Hospital systems that speak the vendor interface, with their keys; not there: it is not served."""
        return self.config_dir / "medical.json"

    @property
    def channel_keys(self) -> Path:
        """Directory of the keys and secrets by which a hospital's channels know it, and it knows them."""
        return self.config_dir / "channels"

    @property
    def paper_forms(self) -> Path:
        """Blank forms that lie at a gateway's issuing points; not there: none."""
        return self.config_dir / "paper-forms.json"

    @property
    def mac_key(self) -> Path:
        return self.config_dir / "mac.key"

    @property
    def storage_key(self) -> Path:
        return self.config_dir / "storage.key"

    @property
    def token_issuers(self) -> Path:
        return self.config_dir / "token-issuers.json"

    @property
    def pid_file(self) -> Path:
        return self.root / "run" / "node.pid"

    @property
    def log_file(self) -> Path:
        return self.root / "logs" / "node.log"


class OrganisationHome(msgspec.Struct, frozen=True):
    """DIR/organisations/NAME: the keys that an organisation acts with. Never in a validator's home."""

    root: Path

    @property
    def unit_key(self) -> Path:
        return self.root / "unit.key"

    @property
    def seal_key(self) -> Path:
        return self.root / "seal.key"

    @property
    def token_key(self) -> Path:
        return self.root / "token.key"

    @property
    def mac_key(self) -> Path:
        return self.root / "mac.key"

    @property
    def token_issuers(self) -> Path:
        """Whose tokens the organisation's own service believes; of kinds that have one."""
        return self.root / "token-issuers.json"

    @property
    def score_providers(self) -> Path:
        """Whose attestations a lender's service believes."""
        return self.root / "score-providers.json"

    @property
    def credit_book(self) -> Path:
        """What a lender's service keeps of its own."""
        return self.root / "credit-book"

    @property
    def admission(self) -> Path:
        """The request to be taken in, of an organisation that came after genesis."""
        return self.root / "admission.json"

    @property
    def ca_key(self) -> Path:
        return self.root / "ca.key"

    @property
    def ca_certificate(self) -> Path:
        return self.root / "ca.pem"


class NetworkHome(msgspec.Struct, frozen=True):
    """DIR of `medbill network init`."""

    root: Path

    @property
    def genesis(self) -> Path:
        return self.root / "genesis.json"

    @property
    def network_json(self) -> Path:
        return self.root / "network.json"

    def organisation(self, name: str) -> OrganisationHome:
        return OrganisationHome(self.root / "organisations" / name)

    def node(self, name: str) -> NodeHome:
        return NodeHome(self.root / "nodes" / name)
