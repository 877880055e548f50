"""`medbill audit trail`: a bill's money step by step, and exit 3 where a step does not balance."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from api.schemas.money_examples import TRAIL
from tests.cli.conftest import Ran
from tests.cli.nodes import FakeNode, problem

Medbill = Callable[..., Ran]
BILL = TRAIL["bill_id"]
PATH = f"/v1/audit/trails/{BILL}"
DAY = {
    "step": "channel_and_bank",
    "in_fen": 12_850,
    "out_fen": 0,
    "balanced": True,
    "pending": True,
    "rows": [{"channel": "alipay", "day": "2026-03-01", "taken_fen": 12_850, "refunded_fen": 0, "bank_lines": []}],
}


def test_what_goes_into_a_step_comes_out_of_it(medbill: Medbill, home: Path, node: FakeNode) -> None:
    page = {**TRAIL, "steps": [*TRAIL["steps"], DAY]}
    node.answers["GET", PATH] = lambda asked: (200, page)
    ran = medbill("audit", "trail", BILL, "--home", home)
    lines = [line.split() for line in ran.out.splitlines()]
    assert ran.code == 0
    assert lines[0] == [BILL, "of", "hospital-a,", "128.50,", "normal"]
    assert ["notices", "→", "bill", "128.50", "128.50", "ok"] in lines
    assert ["channel's", "day", "→", "bank", "128.50", "0.00", "pending"] in lines
    assert ["alipay,", "2026-03-01,", "taken", "128.50"] in lines
    assert lines[-1] == ["balanced"]
    assert medbill("audit", "trail", BILL, "--home", home, "--json").document == page


def test_a_fen_that_is_missing_is_a_finding(medbill: Medbill, home: Path, node: FakeNode) -> None:
    step = {**DAY, "out_fen": 12_849, "balanced": False, "pending": False}
    node.answers["GET", PATH] = lambda asked: (200, {**TRAIL, "steps": [step], "balanced": False})
    ran = medbill("audit", "trail", BILL, "--home", home)
    assert ran.code == 3
    assert "DIFFERS" in ran.out
    assert ran.out.rstrip().endswith("NOT BALANCED")
    assert medbill("audit", "trail", BILL, "--home", home, "--json").code == 3


def test_no_such_bill(medbill: Medbill, home: Path, node: FakeNode) -> None:
    node.answers["GET", PATH] = lambda asked: (404, problem("bill_unknown", 404))
    assert medbill("audit", "trail", BILL, "--home", home, "--json").code == 4
