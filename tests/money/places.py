"""Accounts of the ledger that the places of the models are."""

from __future__ import annotations

from chain.digest import ACCOUNT, digest
from chain.operation import AccountRef
from tests.money.facts import Place

PARTS = {
    "deposit": "deposits",
    "line": "credit",
    "emergency": "credit",
    "granted": "credit",
    "own": "splits",
}  # else payments


def place_ref(place: Place) -> AccountRef:
    """Its name follows from what it is: `chain/rules/money_places.py`."""
    owner, what, which = place
    return AccountRef(owner, digest(ACCOUNT, [PARTS.get(what, "payments"), what, which]))
