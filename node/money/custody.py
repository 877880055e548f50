"""The bank that keeps the money of a hospital's orders: named by the hospital, which sees what the bank attested day by day."""

from __future__ import annotations

from typing import Any

from chain import keyspace
from chain.operation import SuperviseMoney
from chain.records import AccountBody, AttestedBody, CustodyBody
from chain.rules import money_places
from node.money.filing import Filing
from node.money.split_requests import CustodyWish
from node.service import Reader, Standing
from node.supervised_days import day_row


class Custody:
    def __init__(self, filing: Filing) -> None:
        self._filing = filing
        self._organisation = filing.steps.organisation

    async def supervise(self, wish: CustodyWish, reader: Reader, target: str) -> Standing:
        body = await self._filing.steps.body(keyspace.custody(self._organisation), CustodyBody)
        if body is not None and body.bank == wish.bank:
            number = body.number - 1  # the step that named it: the same again
        else:
            number = body.number if body is not None else 0
        return await self._filing.steps.carry_out([SuperviseMoney(wish.bank, number)])

    async def page(self, target: str, reader: Reader) -> dict[str, Any] | None:
        """What lies there now, and the newest days on which it moved. None where no bank supervises it."""
        steps = self._filing.steps
        found = await steps.body_at(keyspace.custody(self._organisation), CustodyBody)
        if found is None:
            return None
        body, height = found
        account = await steps.body(keyspace.account(money_places.collected_account(self._organisation)), AccountBody)
        today = steps.local_day(steps.now_ms())
        rows: list[dict[str, Any]] = []
        for closing in reversed(body.closings):
            key = keyspace.attested(self._organisation, closing.day)
            attested = await steps.body(key, AttestedBody) if closing.day < today else None
            ledger_fen = attested.ledger_fen if attested is not None else closing.balance_fen
            rows.append(day_row(closing.day, today, ledger_fen, attested))
        return {
            "bank": body.bank,
            "changes": body.number,
            "balance_fen": account.credits_fen - account.debits_fen if account is not None else 0,
            "days": rows,
            "height": height,
        }
