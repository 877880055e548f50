"""Accounts that a bank supervises, over all organisations: the ledger's balance of each day beside the bank's signed one.

Read from the state. The days are those on which the money moved, as far as the ledger remembers them, and all that were attested;
which day is over, the last block's time says.
"""

from __future__ import annotations

import asyncio
from typing import Any

from chain import keyspace
from chain.ledger import Ledger
from chain.records import AttestedBody, CustodyBody, Record
from chain.rules.context import local_date
from chain.state import body_of, record_of
from chain.stored_record import entry_of
from node.audit_desk import ROWS_MAX, day_number
from node.supervised_days import day_row

LAST_DAY = 99991231


class SupervisedAccounts:
    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    async def rows(self, filters: dict[str, str]) -> list[dict[str, Any]]:
        """By organisation and day: {organisation, bank, …} as `supervised_days.day_row` has it, with the operation and the height of
        the attestation. Raises ServiceRefused `parameter_invalid`."""
        first, last = day_number(filters.get("from")), day_number(filters.get("to"), LAST_DAY)
        rows: list[dict[str, Any]] = []
        for organisation, custody in self._custodies(filters.get("organisation")):
            rows += [row for row in self._days(organisation, custody, first, last) if _is_wanted(row, filters)]
            await asyncio.sleep(0)
        return rows

    def _custodies(self, organisation: str | None) -> list[tuple[str, CustodyBody]]:
        if organisation is not None:
            body = self._ledger.state.get(keyspace.custody(organisation), CustodyBody)
            return [(organisation, body)] if body is not None else []
        prefix = keyspace.stored_record(keyspace.custody(""))
        return [
            (key[len(prefix) :].decode(), body_of(record_of(entry_of(value)[1]), CustodyBody))
            for key, value in self._ledger.state.scan(prefix, limit=ROWS_MAX)
        ]

    def _days(self, organisation: str, custody: CustodyBody, first: int, last: int) -> list[dict[str, Any]]:
        offset = self._ledger.genesis.parameters.utc_offset_minutes
        today = local_date(self._ledger.head.time_ms, offset)
        attested = {day: record for day, record in self._attested(organisation) if first <= day <= last}
        ledger_fen = {closing.day: closing.balance_fen for closing in custody.closings if first <= closing.day <= last}
        rows: list[dict[str, Any]] = []
        for day in sorted({*attested, *ledger_fen}):
            record = attested.get(day)
            body = body_of(record, AttestedBody) if record is not None else None
            of_whom = {"organisation": organisation, "bank": body.bank if body is not None else custody.bank}
            balance_fen = body.ledger_fen if body is not None else ledger_fen[day]
            where = {
                "operation": record.operation.hex() if record is not None else None,
                "height": record.height if record is not None else None,
            }
            rows.append(of_whom | day_row(day, today, balance_fen, body) | where)
        return rows

    def _attested(self, organisation: str) -> list[tuple[int, Record]]:
        prefix = keyspace.stored_record(f"attested/{organisation}/".encode())
        return [
            (int(key[len(prefix) :]), record_of(entry_of(value)[1]))
            for key, value in self._ledger.state.scan(prefix, limit=ROWS_MAX)
        ]


def _is_wanted(row: dict[str, Any], filters: dict[str, str]) -> bool:
    return "finding" not in filters or row["finding"] == filters["finding"]
