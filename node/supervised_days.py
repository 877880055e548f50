"""A day of a supervised account: what the ledger had at its end, what the bank attested, and whether the two are one sum.

Told at a gateway of its own hospital, and at a mirror of all. Source: FEATURES 91; `chain/rules/supervision.py`.
"""

from __future__ import annotations

from typing import Any

from chain.records import AttestedBody
from chain.rules.supervision import difference_fen
from node.verification import iso_date

MISMATCH = "supervised_balance_mismatch"


def day_row(day: int, today: int, ledger_fen: int, attested: AttestedBody | None) -> dict[str, Any]:
    """`day` is yyyymmdd. `state`: `open` until it is over, then `awaited` until the bank has said what it has."""
    row: dict[str, Any] = {"day": iso_date(day), "ledger_fen": ledger_fen}
    if attested is None:
        state = "open" if day >= today else "awaited"
        return row | {"state": state, "attested_fen": None, "difference_fen": None, "finding": None, "statement": None}
    difference = difference_fen(attested)
    return row | {
        "state": "attested",
        "attested_fen": attested.balance_fen,
        "difference_fen": difference,
        "finding": MISMATCH if difference else None,
        "statement": attested.statement.hex(),
    }
