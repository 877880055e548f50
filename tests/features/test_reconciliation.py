"""Reconciliation: our orders, the channel's file, the bank's and the bills against each other. Rows of FEATURES: 92."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from node.config import load_network_config
from node.provision import provision
from tests.house.project import ROOT
from tests.network.running import Network
from tests.reconciliation.making import TUESDAY, Day

NOW_MS = 1_776_700_000_000
AMOUNT, OURS, THEIRS, STATUS, MIDNIGHT = 17, 42, 301, 88, 199
PLANTED = {
    "amount_differs": f"P-{AMOUNT}",
    "only_ours": f"P-{OURS}",
    "only_theirs": f"P-{THEIRS}",
    "status_differs": f"P-{STATUS}",
    "suspense": f"P-{MIDNIGHT}",
}
Medbill = Callable[..., tuple[int, Any]]  # arguments -> exit code, the JSON document


@pytest.fixture
def home(tmp_path: Path) -> Path:
    provision(load_network_config(ROOT / "network.yaml"), tmp_path / "network", NOW_MS)
    return tmp_path / "network"


@pytest.fixture
def medbill(home: Path) -> Medbill:
    """The command as a process of its own."""

    def run(*arguments: object) -> tuple[int, Any]:
        command = [sys.executable, "-m", "cli.main", "reconciliation", *map(str, arguments), "--json"]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
        assert done.stderr == ""  # no terminal, no bar
        return done.returncode, json.loads(done.stdout)

    return run


def monday() -> Day:
    """Two hundred lines of the channel, of which the hospital's agree but for five faults."""
    day = Day()
    for number in range(180):
        day.pay(number, 1_000 + 37 * number, f"{8 + number // 20:02d}:{number % 60:02d}:00")
    for number in range(100, 120):
        day.give_back(number, 500 + number, "17:30:00")
    day.change_theirs(AMOUNT, amount_fen=5)
    day.theirs = [line for line in day.theirs if line.order_no != f"P-{OURS}"]
    day.pay(THEIRS, 2_600, "16:00:00", "theirs")
    day.change_theirs(STATUS, state="closed", fee_fen=0)
    day.pay(MIDNIGHT, 7_700, "23:59:58", "ours")
    day.credit()
    assert len(day.theirs) == 200
    return day


def test_92_exactly_the_five_planted_differences_and_midnight_is_cleared_the_next_day(
    medbill: Medbill, home: Path, tmp_path: Path
) -> None:
    signer = ("--home", home, "--organisation", "hospital-a")
    first, second = tmp_path / "monday.reconciliation", tmp_path / "tuesday.reconciliation"
    code, found = medbill("run", *signer, *monday().write(tmp_path / "monday"), "--out", first)
    assert code == 1
    assert {row["name"]: row["order_no"] for row in found["shown"]} == PLANTED
    assert {entry["name"]: entry["count"] for entry in found["classes"]} == dict.fromkeys(PLANTED, 1)
    assert (found["rows"], found["theirs"]["lines"], found["closing"]["ours_fen"]) == (5, 200, 7_700)
    assert found["bank"]["expected_fen"] == found["bank"]["credited_fen"]
    beside = [json.loads(line) for line in (tmp_path / "monday.differences.jsonl").read_text("utf-8").splitlines()]
    assert {row["name"]: row["order_no"] for row in beside} == PLANTED

    tuesday = Day(TUESDAY)
    for number in range(1_000, 1_050):
        tuesday.pay(number, 900)
    tuesday.pay(MIDNIGHT, 7_700, "00:00:02", "theirs")
    tuesday.credit()
    files = tuesday.write(tmp_path / "tuesday")
    code, found = medbill("run", *signer, *files, "--carried", first, "--out", second)
    assert code == 0
    assert (found["rows"], found["matched"], found["cleared"]) == (0, 51, 1)
    assert (found["opening"]["ours_fen"], found["closing"]["ours"]) == (7_700, 0)
    carried = next(entry for entry in found["inputs"] if entry["role"] == "carried")
    assert carried["lines"] == 1

    genesis = home / "genesis.json"
    code, told = medbill("verify", second, "--genesis", genesis, "--statement", tmp_path / "tuesday" / "statement.csv")
    assert code == 0
    assert (told["valid"], told["result"]["organisation"]) == (True, "hospital-a")
    altered = bytearray(first.read_bytes())
    altered[len(altered) // 2] ^= 1
    first.write_bytes(altered)
    code, told = medbill("verify", first, "--genesis", genesis)
    assert (code, told["valid"]) == (3, False)


def test_92_a_mirror_proves_the_key_that_signed(network: Network, tmp_path: Path) -> None:
    """Real nodes: the result holds the key's record, and is checked without them."""
    path = tmp_path / "monday.reconciliation"
    home = ("--home", str(network.home))
    who = ("--organisation", "hospital-a", "--via", "archive")
    network.json(
        "reconciliation", "run", *home, *who, *monday().write(tmp_path / "files"), "--out", str(path), expect=1
    )
    genesis = ("--genesis", str(network.home / "genesis.json"))
    told = network.json("reconciliation", "verify", str(path), *genesis)
    key = next(check for check in told["checks"] if check["name"] == "key")
    assert "signed by" in key["detail"]
    assert told["result"]["as_of"]["height"] > 0
    assert network.json("proof", "verify", str(path), *genesis)["valid"] is True
