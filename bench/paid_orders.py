"""What patients owe and pay, as a hospital's gateway would sign it: a notice, the order for it, the payment; many under one signature."""

from __future__ import annotations

import random
from collections.abc import Iterator
from hashlib import sha256

from chain.codec import encode
from chain.operation import IssueNotice, LineSum, Operation, OrderPart, PlaceOrder, TakePayment
from chain.signature import SigningKey
from chain.transaction import Entry, Transaction, sign_transaction

CHANNELS = ("alipay", "wechat", "card")


class Cashier:
    """Every name is new, so that nothing is refused; nobody's money has to be there before, for it comes from a channel."""

    def __init__(self, chain_id: bytes, organisation: str, key: SigningKey) -> None:
        self._chain_id, self._organisation, self._key = chain_id, organisation, key
        self._draw = random.Random(f"{organisation} orders")
        self._made = 0

    def transactions(self, count: int, orders_each: int, until_ms: int, valid_until: int) -> Iterator[Transaction]:
        """So many, each with so many orders from the notice to the payment: three operations an order. Orders
        are open till `until_ms` of block time."""
        for _ in range(count):
            entries = [Entry(False, operation) for _ in range(orders_each) for operation in self._paid_order(until_ms)]
            yield sign_transaction(self._chain_id, self._organisation, self._key, valid_until, entries)

    def _paid_order(self, until_ms: int) -> list[Operation]:
        self._made += 1
        notice, order, payment, holder = (self._name(kind) for kind in ("notice", "order", "payment", "holder"))
        consultation, drug = self._draw.randrange(1_000, 10_000), self._draw.randrange(1_000, 50_000)
        total = consultation + drug
        lines = [LineSum("consultation", consultation), LineSum("drug", drug)]
        return [
            IssueNotice(notice, "medical", holder, lines, until_ms, self._draw.randbytes(32)),
            PlaceOrder(order, [notice], [OrderPart(self._draw.choice(CHANNELS), total)], until_ms),
            TakePayment(payment, order, 0, total, self._draw.randbytes(32)),
        ]

    def _name(self, kind: str) -> bytes:
        return sha256(encode([kind, self._organisation, self._made])).digest()
