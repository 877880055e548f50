"""Whether somebody has claimed a bill by its slip, as a gateway learns it: validators prove the record, and it never ends.

Asked only when somebody shows a slip and wants details. Where no validator answers, it is as if nobody had: the hospital
goes on while the province is away, and what was found once is known here for good.
"""

from __future__ import annotations

from chain import keyspace
from chain.block import RECORDED
from chain.operation import ReverseBill
from chain.records import BoundBody
from node.foresight import Foresight
from node.gateway_store import BillRow, GatewayStore, bound_key


class BoundBills:
    def __init__(self, store: GatewayStore, foresight: Foresight) -> None:
        self._store, self._foresight = store, foresight

    async def is_bound(self, row: BillRow) -> bool:
        """Of a red bill: whether the one that it reverses is, whose details it shows."""
        if row.code != RECORDED:
            return False
        operation = row.operation
        bills = [operation.bill, *([operation.original] if isinstance(operation, ReverseBill) else [])]
        if any(self._store.read(bound_key(bill)) is not None for bill in bills):
            return True
        bound = [bill for bill in bills if await self._ask(bill)]
        for bill in bound:
            self._store.put(bound_key(bill), b"\x01")
        return bool(bound)

    async def _ask(self, bill: str) -> bool:
        found: list[BoundBody | None] = []
        await self._foresight.look(lambda view: found.append(view.get(keyspace.bound(bill), BoundBody)))
        return bool(found) and found[-1] is not None
