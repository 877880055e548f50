"""Validators and keys change while bills are issued: real processes, by the command line alone. Source: PROTOCOL rules 14
and 15; DESIGN sections 5 and 11."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.network.running import Network, bill_request

pytestmark = pytest.mark.processes

MEMBERS = ("bigdata", "finance", "health", "insurance")
JOINING, ITS_NODE = "finance-city", "finance-city-votes"
NODES = (*MEMBERS, "archive", "hospital-a")


class Cashier:
    """Issues bills one after the other until told to stop; each must have an answer."""

    def __init__(self, network: Network) -> None:
        self.bills: list[str] = []
        self.faults: list[str] = []
        self._network, self._end = network, threading.Event()
        self._thread = threading.Thread(target=self._work)

    def _work(self) -> None:
        client = self._network.api("hospital-a")
        while not self._end.is_set():
            try:
                answer = client.post("/bills", json=bill_request(f"load-{len(self.bills) + len(self.faults)}"))
                if answer.status_code in (201, 202):
                    self.bills.append(answer.json()["bill_id"])
                else:
                    self.faults.append(answer.text)
            except httpx2.HTTPError as error:
                self.faults.append(repr(error))
            self._end.wait(0.05)

    def __enter__(self) -> Cashier:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()


@pytest.fixture(scope="module")
def province(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    network = Network(tmp_path_factory.mktemp("members"))
    try:
        network.up(*NODES)
        yield network
    finally:
        network.down()


def home(network: Network) -> tuple[str, str]:
    return "--home", str(network.home)


def free_port() -> str:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return str(listener.getsockname()[1])


def members(network: Network) -> list[str]:
    page = network.json("validators", "list", *home(network))
    return [member["organisation"] for member in page["current"]["members"]]


def change(network: Network, *seats: str, by: tuple[str, ...] = ("finance", "health", "insurance")) -> None:
    """Proposed by the first, approved by the others."""
    proposed = network.json("validators", "propose", *home(network), "--organisation", by[0], *seats)
    assert proposed["status"] == "recorded"
    shown = network.json("validators", "list", *home(network))["changes"]
    assert [row["approvals"] for row in shown if row["change"] == proposed["change"]] == [[by[0]]]
    for name in by[1:]:
        network.json("validators", "approve", proposed["change"], *home(network), "--organisation", name)


def epoch_of(network: Network, name: str) -> int:
    status = network.status(name)
    return int(status["epoch"]) if status is not None else 0


def sealed(network: Network, bill: str) -> bool:
    return network.api("hospital-a").get(f"/bills/{bill}").json()["status"] == "sealed"


def verify_proof(network: Network, bill: str, place: Path) -> dict[str, Any]:
    """Fetched now, checked against genesis alone."""
    file = place / f"{bill}.proof"
    network.json("proof", "fetch", bill, *home(network), "--via", "hospital-a", "--out", str(file))
    return check(network, file)


def check(network: Network, file: Path) -> dict[str, Any]:
    verdict = network.json("proof", "verify", str(file), "--genesis", str(network.home / "genesis.json"))
    assert verdict["valid"] is True
    return dict(verdict)


def issued(network: Network, number: str) -> str:
    answer = network.api("hospital-a").post("/bills", json=bill_request(number), headers={"Prefer": "wait=20"})
    assert answer.json()["status"] == "sealed", answer.text
    return str(answer.json()["bill_id"])


def test_a_validator_is_replaced_under_load_and_the_primary_killed_inside_the_switch(
    province: Network, tmp_path: Path
) -> None:
    """Rule 15; bills go on, proofs from before and after verify from genesis, who left goes on following."""
    network = province
    early = issued(network, "early")
    verify_proof(network, early, tmp_path)
    made = network.json(
        "node", "init-validator", *home(network), "--name", ITS_NODE, "--organisation", JOINING,
        "--peer-port", free_port(), "--operations-port", free_port(),
    )  # fmt: skip
    network.nodes[ITS_NODE] = next(
        node for node in json.loads((network.home / "network.json").read_text())["nodes"] if node["name"] == ITS_NODE
    )
    network.up(ITS_NODE)
    assert network.status(ITS_NODE)["learner"] == "no_seat"
    with Cashier(network) as cashier:
        change(network, "--seat", f"{JOINING}={made['vote_key']}", "--remove", "insurance")
        network.kill("bigdata")  # the primary of view 0, of both sets
        network.until(lambda: epoch_of(network, "finance") > 1, "the new set votes")
        network.up("bigdata")
        network.until(lambda: len(cashier.bills) > 20, "bills go on")
    assert cashier.faults == []
    assert members(network) == ["bigdata", "finance", JOINING, "health"]
    network.until(lambda: sealed(network, cashier.bills[-1]), "all bills are sealed", 60)
    assert all(sealed(network, bill) for bill in cashier.bills)

    verify_proof(network, cashier.bills[-1], tmp_path)
    verify_proof(network, early, tmp_path)
    check(network, tmp_path / f"{early}.proof")
    now = ("bigdata", "finance", "health", ITS_NODE)
    network.until(lambda: network.status("insurance")["learner"] == "no_seat", "who left knows it")
    network.until(lambda: network.agreed((*now, "insurance")), "all have the same state")
    network.kill("finance")  # of four, three are needed: the new one too
    issued(network, "three of four")
    network.up("finance")


def test_a_vote_key_changes_while_its_validator_runs(province: Network, tmp_path: Path) -> None:
    network = province
    own = ("--home", str(network.node_home("health")))
    made = network.json("keys", "make-vote", *own)
    before, pid = epoch_of(network, "finance"), network.pid("health")
    by = ("finance", "health", "bigdata")
    change(network, "--seat", f"health={made['vote_key']}", by=by)
    network.until(lambda: epoch_of(network, "health") > before, "the new key votes")
    assert network.status("health")["learner"] is None
    network.kill("bigdata")
    bill = issued(network, "with the new key")
    assert network.pid("health") == pid
    network.up("bigdata")
    verify_proof(network, bill, tmp_path)


def test_unit_and_seal_keys_change_under_load(province: Network, tmp_path: Path) -> None:
    """Added, put to use with a restart of the nodes that sign with them, then the former ones are ended."""
    network = province
    early = issued(network, "under the first keys")
    shown = network.json("keys", "show", *home(network))["keys"]
    for organisation, purpose, node in (("hospital-a", "unit", "hospital-a"), (JOINING, "seal", "archive")):
        former = next(
            row["key_id"] for row in shown if (row["organisation"], row["purpose"]) == (organisation, purpose)
        )
        who = ("--organisation", organisation)
        added = network.json("keys", "add", *home(network), *who, "--purpose", purpose)
        assert added["status"] == "recorded"
        for number in range(6):  # up to the height that it is in force from
            issued(network, f"{purpose}-before-{number}")
        used = network.json("keys", "use", added["key_id"], *home(network), *who)
        assert node in used["restart"]
        network.medbill("network", "down", *home(network), "--node", node)
        network.up(node)
        issued(network, f"{purpose}-after")
        assert network.json("keys", "end", former, *home(network), *who)["status"] == "recorded"
        for number in range(6):
            late = issued(network, f"{purpose}-ended-{number}")
        until = [
            row["until_height"] for row in network.json("keys", "show", *home(network), *who)["keys"]
            if row["purpose"] == purpose
        ]  # fmt: skip
        assert until[-1] is None  # the new one; the former one is shown until its end has come
        assert len(until) == 1 or until[0] > 0
        verify_proof(network, late, tmp_path)
    verify_proof(network, early, tmp_path)
