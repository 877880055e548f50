"""`medbill custody attest` and `medbill audit supervised`: a bank's word of a day, and a fen between it and the ledger."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from api.schemas.split_examples import SUPERVISED
from chain.codec import decode
from chain.operation import AttestBalance
from chain.transaction import Transaction
from tests.cli.conftest import Ran
from tests.cli.nodes import Answer, Asked, FakeNode

Medbill = Callable[..., Ran]
BANK = "insurer-a"  # whatever organisation of the example has keys stands for the bank here
PATH = "/v1/audit/supervised"


def said(home: Path, **changes: str) -> tuple[object, ...]:
    options = {"of": "hospital-a", "day": "2026-03-01", "balance": "336.29", "statement": "S-1", **changes}
    given = [part for name, value in options.items() for part in (f"--{name}", value)]
    return ("custody", "attest", "--organisation", BANK, *given, "--home", home)


def test_a_bank_signs_what_lies_there_at_the_end_of_a_day(medbill: Medbill, home: Path, node: FakeNode) -> None:
    sent: list[AttestBalance] = []

    def take(asked: Asked) -> Answer:
        transaction = decode(asked.body, Transaction)
        assert transaction.organisation == BANK
        sent.append(transaction.entries[0].operation)  # type: ignore[arg-type]
        return 200, {"outcomes": [{"index": 0, "operation": "00" * 32, "status": "recorded", "height": 7}]}

    node.answers["GET", "/v1/network"] = lambda asked: (200, {"chain_id": "00" * 32, "head": {"height": 5}})
    node.answers["POST", "/v1/transactions"] = take
    assert medbill(*said(home), "--json").document["status"] == "recorded"
    assert medbill(*said(home, statement="S-2"), "--json").code == 0
    assert [(one.organisation, one.day, one.balance_fen) for one in sent] == [("hospital-a", 20260301, 33_629)] * 2
    assert sent[0].statement != sent[1].statement
    assert b"S-1" not in sent[0].statement


@pytest.mark.parametrize(
    ("option", "value"), [("day", "2026-02-30"), ("day", "soon"), ("balance", "336.3"), ("balance", "-1.00")]
)
def test_a_day_and_a_balance_that_are_none_are_told_before_anybody_is_asked(
    option: str, value: str, medbill: Medbill, home: Path, node: FakeNode
) -> None:
    ran = medbill(*said(home, **{option: value}), "--json")
    assert (ran.code, ran.document["code"]) == (2, "argument_refused")
    assert node.asked == []


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
