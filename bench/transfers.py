"""Transfers between accounts of one organisation, and holds that are captured, as its gateway would sign them: many under one
signature."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from hashlib import sha256

from chain.codec import encode
from chain.operation import AccountRef, CaptureHold, HoldMoney, OpenAccount, Operation, Transfer
from chain.records import DEBITS_WITHIN_CREDITS, UNLIMITED
from chain.signature import SigningKey
from chain.transaction import Entry, Transaction, sign_transaction

ACCOUNTS = 1_000  # of patients
FUNDED_FEN = 10**9  # each, to begin with


class Till:
    """A channel's account without a limit, and a wallet with one for each of ACCOUNTS patients."""

    def __init__(self, chain_id: bytes, organisation: str, key: SigningKey) -> None:
        self._chain_id, self._organisation, self._key = chain_id, organisation, key
        self._draw = random.Random(f"{organisation} transfers")
        self._made = 0
        self._channel = AccountRef(organisation, _name("channel", 0))
        self._wallets = [AccountRef(organisation, _name("wallet", number)) for number in range(ACCOUNTS)]

    def opening(self, valid_until: int) -> Iterator[Transaction]:
        """All accounts, and their first money."""
        yield self._sign([OpenAccount(self._channel.account, "channel", UNLIMITED, False)], valid_until)
        for begin in range(0, ACCOUNTS, 100):
            some = self._wallets[begin : begin + 100]
            yield self._sign(
                [OpenAccount(wallet.account, "wallet", DEBITS_WITHIN_CREDITS, False) for wallet in some], valid_until
            )
            yield self._sign([self._transfer(self._channel, wallet, FUNDED_FEN) for wallet in some], valid_until)

    def transactions(self, count: int, transfers_each: int, valid_until: int) -> Iterator[Transaction]:
        """From wallet to wallet, a few yuan each."""
        for _ in range(count):
            made: list[Operation] = []
            for _ in range(transfers_each):
                debit, credit = self._draw.sample(self._wallets, 2)
                made.append(self._transfer(debit, credit, self._draw.randrange(1, 1_000)))
            yield self._sign(made, valid_until)

    def captures(self, count: int, holds_each: int, until_ms: int, valid_until: int) -> Iterator[Transaction]:
        """Money is held from wallet to wallet and captured, most of it: two operations each."""
        for _ in range(count):
            made: list[Operation] = []
            for _ in range(holds_each):
                self._made += 1
                debit, credit = self._draw.sample(self._wallets, 2)
                hold, amount_fen = _name("hold", self._made), self._draw.randrange(10, 1_000)
                made.append(HoldMoney(hold, debit, credit, amount_fen, until_ms, "visit", []))
                made.append(CaptureHold(hold, _name("transfer", self._made), amount_fen - self._draw.randrange(10)))
            yield self._sign(made, valid_until)

    def _transfer(self, debit: AccountRef, credit: AccountRef, amount_fen: int) -> Transfer:
        self._made += 1
        return Transfer(_name("transfer", self._made), debit, credit, amount_fen, "sale", [], [])

    def _sign(self, operations: Sequence[Operation], valid_until: int) -> Transaction:
        entries = [Entry(False, operation) for operation in operations]
        return sign_transaction(self._chain_id, self._organisation, self._key, valid_until, entries)


def _name(kind: str, number: int) -> bytes:
    return sha256(encode([kind, number])).digest()
