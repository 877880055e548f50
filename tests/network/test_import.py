"""Real input: 546 bills that nobody here wrote, through the command line, onto four validators."""

from __future__ import annotations

import json
import signal
from concurrent.futures import ThreadPoolExecutor
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path

import pytest

from tests.network.running import VALIDATORS, Network, bill_request

pytestmark = pytest.mark.processes


def independent_total_fen(files: list[Path]) -> tuple[int, int]:
    """(bills, fen) straight from the files; shares no code with the importer."""
    bills, total = 0, 0
    for file in files:
        for entry in json.loads(file.read_text("utf-8"), parse_float=Decimal)["entry"]:
            resource = entry["resource"]
            if resource["resourceType"] == "ExplanationOfBenefit":
                (submitted,) = [t for t in resource["total"] if t["category"]["coding"][0]["code"] == "submitted"]
                yuan = Decimal(submitted["amount"]["value"])
                total += int((yuan * 100).quantize(Decimal(1), rounding=ROUND_HALF_UP))
                bills += 1
    return bills, total


def import_fhir(network: Network, files: list[Path]) -> dict[str, object]:
    home = ["--home", str(network.home), "--via", "hospital-a"]
    names = [str(file) for file in files]
    return dict(network.json("bill", "import", "--format", "fhir", "--as-cny", *home, *names, timeout=300))


def test_every_bill_of_the_bundles_is_issued_once(network: Network, fhir_files: list[Path]) -> None:
    """Issue item 7: the totals are those of the files, importing again issues nothing, day books agree."""
    bills, total = independent_total_fen(fhir_files)
    before = day_sum(network)

    first = import_fhir(network, fhir_files)
    assert (first["issued"], first["already_issued"], first["refused"]) == (bills, 0, [])
    assert first["total_fen"] == total
    assert day_sum(network) - before == total

    second = import_fhir(network, fhir_files)
    assert (second["issued"], second["already_issued"], second["refused"]) == (0, bills, [])
    assert day_sum(network) - before == total


def day_sum(network: Network, issuer: str = "hospital-a") -> int:
    rows = network.json("audit", "day-totals", "--home", str(network.home))["data"]
    return sum(row["sum_fen"] for row in rows if row["issuer"] == issuer)


def test_the_primary_dies_while_an_import_runs(network: Network, fhir_files: list[Path]) -> None:
    """The same bundles at the other hospital, with kill -9 in the middle: all recorded and sealed, none twice."""
    bills, total = independent_total_fen(fhir_files)
    before = day_sum(network, "hospital-b")
    height = network.statuses()[0]["height"]
    arguments = ["--home", str(network.home), "--via", "hospital-b", *(str(file) for file in fhir_files)]
    with ThreadPoolExecutor(1) as thread:
        running = thread.submit(network.json, "bill", "import", "--format", "fhir", "--as-cny", *arguments, timeout=300)
        network.until(lambda: network.statuses()[0]["height"] > height, "the first bills are recorded")
        killed = primary(network)
        network.kill(killed, signal.SIGKILL)
        report = running.result()
    network.up(killed)
    assert (report["issued"], report["refused"], report["total_fen"]) == (bills, [], total)
    assert day_sum(network, "hospital-b") - before == total
    network.until(lambda: network.agreed(), "all validators at one height and root")


def test_a_killed_validator_comes_back_with_everything(network: Network) -> None:
    """DESIGN 7 and 8: kill -9 of any validator, the primary too, loses nothing and forks nothing."""
    for killed in ("the primary", "a backup"):
        leader = primary(network)
        name = leader if killed == "the primary" else next(other for other in VALIDATORS if other != leader)
        network.kill(name, signal.SIGKILL)
        gateway = network.api("hospital-b")
        for number in range(5):
            body = bill_request(f"after {killed}'s death {number}", place_code="B01")
            answer = gateway.post("/bills", json=body, headers={"Prefer": "wait=20"})
            assert (answer.status_code, answer.json()["status"]) == (201, "sealed"), answer.text
        network.up(name)
    network.until(lambda: network.agreed(), "all validators at one height and root")
    for name in VALIDATORS:
        network.medbill("node", "verify", "--home", str(network.node_home(name)), timeout=300)


def primary(network: Network) -> str:
    return str(network.statuses()[0]["primary"])
