"""Row 93: one set of rules, three models, over real processes; each order is paid, divided, derived from blocks, and balances.

Both orders of a hospital's, a region's and a platform's sample are paid on one network, so that the wait of 30 s is waited once.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from cli.demo.split_model import (
    PLATFORM,
    WAIT,
    admit_platform,
    bind_payees,
    divide,
    pay,
    pay_out,
    shown,
    verify_given,
    wait_until,
)
from cli.demo.stage import SceneFailed, Stage
from cli.formats.split_rules import read
from tests.network.running import ROOT, Network

pytestmark = pytest.mark.processes

SIGNERS = {"hospital": "hospital-a", "region": PLATFORM, "platform": PLATFORM}


@pytest.fixture
def stage(network: Network, tmp_path: Path) -> Stage:
    """The network of these tests, as the demo plays on one."""
    stage = Stage(tmp_path, network.config, ROOT / "samples", with_tls=False)
    stage.home = network.home
    return stage


@pytest.mark.waits
def test_93_each_model_balances_to_the_fen(stage: Stage, network: Network, tmp_path: Path) -> None:
    admit_platform(stage)
    orders = []
    paid_s = 0.0
    for name, by in SIGNERS.items():
        file = stage.samples / "splits" / f"{name}.json"
        model = read(file)
        stage.medbill(
            *("split", "rules", str(file), "--earliest", WAIT, "--organisation", by, "--home", str(stage.home)),
            show=False,
        )
        for number, sample in enumerate(model.orders):
            bind_payees(stage, by, model, sample)
            paid_s = pay(stage, by, sample, payment=f"P-{name}-{number}")
            orders.append((by, file, sample, len(model.portions(sample.lines, sample.payees))))
    assert len(orders) == 6
    wait_until(stage, paid_s)
    pages: list[Any] = []
    for by, file, sample, shares in orders:
        divide(stage, by, file, sample)
        page = shown(stage, by, file, sample, shares)
        verify_given(page, sample)
        pages.append(page)
    assert pages[0]["total_fen"] == 49_430
    by, file, sample, shares = orders[0]
    pay_out(stage, by, pages[0])
    page = shown(stage, by, file, sample, shares)
    assert {row["payee"]: row["balance_fen"] for row in page["shares"]}["doctor-zhao"] == 0
    assert page["ledger_debits_fen"] == page["ledger_credits_fen"] > 0

    show = ("split", "show", "--organisation", by, "--home")
    unknown = network.json(*show, str(stage.home), "--order", "nobody's", expect=4)
    assert unknown["code"] == "order_unknown"
    text = network.medbill(*show, str(stage.home), "--order", sample.name, "--rules", str(file))
    assert "494.30" in text
    assert text.rstrip().endswith("signed by 3 agencies: balanced")
    altered = _altered(stage.home, tmp_path / "altered")
    network.json(*show, str(altered), "--order", sample.name, expect=3)


def _altered(home: Path, place: Path) -> Path:
    """The same directory, where one bit of the archive's blocks is another one."""
    shutil.copytree(home, place, ignore=shutil.ignore_patterns("state", "details", "run", "journal", "LOCK"))
    (log,) = sorted((place / "nodes" / "archive").rglob("blocks/*.log"))[:1]
    data = bytearray(log.read_bytes())
    data[len(data) // 3] ^= 1
    log.write_bytes(data)
    return place


def test_a_page_that_does_not_add_up_is_no_green_scene() -> None:
    sample = read(ROOT / "samples" / "splits" / "platform.json").orders[0]
    shares = [{"payee": name, "amount_fen": fen} for name, fen in sample.given.items()]
    page = {
        "shares": shares,
        "split_fen": 33_630,
        "total_fen": 33_630,
        "free_fen": 0,
        "ledger_debits_fen": 5,
        "ledger_credits_fen": 5,
        "balanced": True,
    }
    verify_given(page, sample)
    less = [{**shares[0], "amount_fen": 4_199}, *shares[1:]]
    for wrong in (
        {"shares": less},
        {"free_fen": 1},
        {"ledger_credits_fen": 4},
        {"balanced": False},
        {"split_fen": 33_629},
    ):
        with pytest.raises(SceneFailed):
            verify_given(page | wrong, sample)


@pytest.mark.waits
def test_93_the_command_ends_with_0_and_says_that_it_balances(network: Network) -> None:
    """A network of its own, brought up and down by the command."""
    said = network.json("demo", "split", "--model", "region", timeout=180)
    assert (said["model"], said["balanced"], said["total_fen"]) == ("region", True, 23_805)
    assert network.json("demo", "split", "--model", "city", expect=2)["code"] == "argument_refused"
