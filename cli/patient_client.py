"""A node asked as a patient, with a token that was brought along: what the patient's own app or a kiosk does."""

from __future__ import annotations

from pathlib import Path

from cli.client import Client
from node.network_file import NodeEntry, load_network_file


class PatientClient(Client):
    """Use as a context manager."""

    def __init__(self, home: Path, entry: NodeEntry, chain_id: str, token: str) -> None:
        super().__init__(home, entry, chain_id, "patient", "")
        self._brought = token

    def _bearer(self) -> str:
        return self._brought


def open_as_patient(home: Path, via: str, token: str) -> PatientClient:
    """Raises CommandFailed `argument_refused` for a node that serves no people."""
    network = load_network_file(home)
    return PatientClient(home, network.node(via), network.chain_id, token)
