"""Whose key is in force and from which block until which: a page for operators, made from the newest state."""

from __future__ import annotations

from typing import Any

from chain import keyspace
from chain.ledger import Ledger
from chain.records import FOR_EVER, SEAL, UNIT, VOTE, KeyBody
from chain.state import body_of, record_of
from chain.stored_record import entry_of

PURPOSES = {UNIT: "unit", SEAL: "seal", VOTE: "vote"}
ROWS_MAX = 100_000  # read; each key costs its organisation a signed operation


def key_page(ledger: Ledger, organisation: str | None = None) -> list[dict[str, Any]]:
    """Keys, of one organisation or of all, that may sign the next block or a later one; ended ones are left out.

    `until_height` is the first block that a key may no longer sign in, None while it has no end; `in_force` is said of
    the next block.
    """
    following = ledger.head.height + 1
    prefix = keyspace.stored_record(b"key/" if organisation is None else f"key/{organisation}/".encode())
    rows = []
    for key, value in ledger.state.scan(prefix, limit=ROWS_MAX):
        _, holder, key_id = key[1:].decode().split("/")
        body = body_of(record_of(entry_of(value)[1]), KeyBody)
        if body.until_height <= following:
            continue
        rows.append(
            {
                "organisation": holder,
                "purpose": PURPOSES[body.purpose],
                "key_id": key_id,
                "public": body.public.hex(),
                "from_height": body.from_height,
                "until_height": body.until_height if body.until_height < FOR_EVER else None,
                "in_force": body.from_height <= following,
            }
        )
    return sorted(rows, key=lambda row: (row["organisation"], row["purpose"], row["from_height"], row["key_id"]))
