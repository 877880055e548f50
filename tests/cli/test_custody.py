"""`medbill audit supervised`: a bank's word of a day beside the ledger, and a fen between the two."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from api.schemas.split_examples import SUPERVISED
from tests.cli.conftest import Ran
from tests.cli.nodes import FakeNode

Medbill = Callable[..., Ran]
PATH = "/v1/audit/supervised"


def test_a_fen_between_bank_and_ledger_is_a_finding(medbill: Medbill, home: Path, node: FakeNode) -> None:
    same = SUPERVISED | {"attested_fen": 33_630, "difference_fen": 0, "finding": None}
    rows = [SUPERVISED]
    node.answers["GET", PATH] = lambda asked: (200, {"data": rows, "has_more": False, "next": None})
    asked = ("audit", "supervised", "--organisation", "hospital-a", "--findings", "--home", home)
    ran = medbill(*asked)
    assert ran.code == 3
    assert "supervised_balance_mismatch" in ran.out
    assert "-0.01" in ran.out
    assert node.asked[-1].query == {"organisation": "hospital-a", "finding": "supervised_balance_mismatch"}
    assert medbill(*asked, "--json").document == {"data": rows}
    rows[:] = [same]
    assert medbill("audit", "supervised", "--home", home).code == 0
