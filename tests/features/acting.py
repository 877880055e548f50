"""What people of the rows do: bills that are sealed, and operations that an organisation signs with its own key."""

from __future__ import annotations

import itertools
from typing import Any

import httpx2

from chain.codec import encode
from chain.operation import Operation
from chain.transaction import Entry, sign_transaction
from cli.proof_check import verify_proof_bytes
from cli.signing import TRANSACTION_WINDOW_BLOCKS, organisation_key
from node.identity import Identity
from tests.network.running import Network, bill_request

_numbers = itertools.count(1)


def sealed_bill(
    network: Network, total_fen: int = 10_000, own_fen: int = 0, via: str = "hospital-a", **changes: Any
) -> str:
    """A new bill's number, once its office has sealed it. `changes` are fields of the request."""
    place = {"hospital-b": "B01", "hospital-c": "C01"}.get(via, "A01")
    number = f"features-{via}-{next(_numbers)}"
    request = bill_request(number, total_fen, self_paid_fen=own_fen, place_code=place, **changes)
    answer = network.api(via).post("/bills", json=request, headers={"Prefer": "wait=20"}).json()
    assert answer["status"] == "sealed", answer
    return str(answer["bill_id"])


def post(
    network: Network, path: str, body: dict[str, Any], via: str = "hospital-a", wait_s: int = 15
) -> tuple[int, Any]:
    """Status and answer of a step at a gateway, once it is recorded."""
    answer = network.api(via).post(path, json=body, headers={"Prefer": f"wait={wait_s}"})
    return answer.status_code, answer.json()


def agreed(network: Network, asked: Any, via: str = "hospital-a", wait_s: int = 15) -> tuple[int, Any]:
    """Status and answer of a step that one person asked for, once a second one has agreed to it."""
    assert asked["status"] == "awaiting_second", asked
    client = network.api(via, "finance_clerk" if via == "archive" else None, person="checker-02")
    answer = client.post(f"/approvals/{asked['approval']}", json={}, headers={"Prefer": f"wait={wait_s}"})
    return answer.status_code, answer.json()


def act(network: Network, organisation: str, *operations: Operation, via: str = "archive") -> list[str]:
    """What became of operations that an organisation signed and gave to a mirror: an outcome's code for each, `recorded` if
    it stands."""
    key = organisation_key(network.home, organisation)
    head = network.api(via, "auditor").get("/network").json()["head"]["height"]
    until = head + TRANSACTION_WINDOW_BLOCKS
    entries = [Entry(False, operation) for operation in operations]
    transaction = sign_transaction(bytes.fromhex(network.chain_id), organisation, key, until, entries)
    headers = {"Content-Type": "application/octet-stream", "Prefer": "wait=15"}
    answer = network.api(via, "operator").post("/transactions", content=encode(transaction), headers=headers)
    assert answer.status_code in (200, 201, 202), answer.text
    return [outcome.get("code") or outcome["status"] for outcome in answer.json()["outcomes"]]


def life(network: Network, bill: str) -> dict[str, Any]:
    """Where a bill stands, as the archive shows its auditors."""
    return dict(network.api("archive", "auditor").get(f"/bills/{bill}").json()["life"])


def verified(network: Network, data: bytes, **wanted: Any) -> dict[str, Any]:
    """What a file of any kind proves, by the genesis file alone; the test fails if it does not hold."""
    verdict = verify_proof_bytes(data, (network.home / "genesis.json").read_bytes(), **wanted)
    assert verdict.valid, verdict.checks[-1]
    return verdict.bill


def clerk(network: Network, node: str, organisation: str = "insurer-a", role: str = "insurer_clerk") -> httpx2.Client:
    """Somebody of an insurer or employer at a node."""
    return network.api(node, role, organisation)


class Patient:
    """Somebody made up, with a document that no bill of another test names."""

    def __init__(self, name: str) -> None:
        self.name, self.number = name, f"SYNTHETIC-{next(_numbers):06d}"
        self.identity = Identity("passport", self.number, name)

    @property
    def payer(self) -> dict[str, str]:
        """As a hospital writes it on a bill."""
        return {"type": "person", "name": self.name, "id_type": "passport", "id_number": self.number}

    def at(self, network: Network, node: str = "archive") -> httpx2.Client:
        """The patient at a node, by a token of the finance bureau's sign-on."""
        bureau = network.nodes["archive" if network.nodes[node]["kind"] == "gateway" else node]["organisation"]
        return network.api(node, "patient", bureau, self.number, self.identity)
