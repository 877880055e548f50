"""Random operations on money, right ones and wrong ones: names used twice, accounts of others, more than there is, too late."""

from __future__ import annotations

import random
from hashlib import sha256

from chain.operation import (
    CaptureHold,
    CloseAccount,
    HoldMoney,
    OpenAccount,
    Operation,
    ReleaseHold,
    Transfer,
    TransferRef,
)
from tests.money.model import DEBT, FREE, WALLET, Account, Named
from tests.money.steps import account_of, ref_of

OWNERS = ("hospital-a", "hospital-b", "lender-a", "platform-a")
NAMES_EACH = 6  # accounts of an owner
RECENT = 40  # transfers and holds that operations go back to


class Draws:
    """Remembers what it asked lately; whether that was recorded it does not know."""

    def __init__(self, draw: random.Random, owners: tuple[str, ...] = OWNERS) -> None:
        self._draw, self._owners = draw, owners
        self._asked = 0
        self._transfers: list[tuple[Named, Transfer]] = []
        self._holds: list[tuple[Named, HoldMoney]] = []

    def opening(self) -> list[OpenAccount]:
        """All accounts of an owner, of each kind of limit some."""
        return [OpenAccount(name, "own", limit, limit != DEBT) for name, limit in _FIRST.items()]

    def operation(self, time_ms: int) -> tuple[str, Operation]:
        """Who signs it, and what."""
        self._asked += 1
        what = self._draw.random() * 100
        if what < 3:
            owner, name = self._account()
            limit = self._draw.choice((FREE, WALLET, WALLET, DEBT))
            return owner, OpenAccount(name, "own", limit, self._draw.random() < (0.1 if limit == DEBT else 0.7))
        if what < 4:
            owner, name = self._account()
            return owner, CloseAccount(name)
        if what < 44 or not self._transfers or not self._holds:
            debit, credit = self._account(), self._account()
            return self._hold(time_ms) if what < 12 else self._transfer(debit, credit, self._amount(debit))
        if what < 56:
            return self._correct()
        if what < 76:
            return self._hold(time_ms)
        name, hold = self._draw.choice(self._holds)
        if what < 92:
            amount = self._draw.choice((hold.amount_fen, hold.amount_fen // 2, hold.amount_fen + 1))
            capture = CaptureHold(name[1], self._name("transfer"), amount)
            made = Transfer(capture.transfer, hold.debit, hold.credit, amount, hold.code, [], [])
            self._keep(name[0], made)
            return name[0], capture
        return name[0], ReleaseHold(name[1], "gone")

    def _transfer(
        self, debit: Account, credit: Account, amount: int, corrects: list[TransferRef] | None = None
    ) -> tuple[str, Operation]:
        signer = debit[0] if self._draw.random() < 0.97 else self._draw.choice(self._owners)
        operation = Transfer(self._name("transfer"), ref_of(debit), ref_of(credit), amount, "sale", [], corrects or [])
        self._keep(signer, operation)
        return signer, operation

    def _keep(self, signer: str, transfer: Transfer) -> None:
        self._transfers = [*self._transfers[1 - RECENT :], ((signer, transfer.transfer), transfer)]

    def _correct(self) -> tuple[str, Operation]:
        """All of an earlier one, or some amount that may be too much."""
        name, first = self._draw.choice(self._transfers)
        amount = self._draw.choice((first.amount_fen, first.amount_fen // 2, first.amount_fen + 1))
        return self._transfer(
            account_of(first.credit), account_of(first.debit), amount, [TransferRef(name[0], name[1])]
        )

    def _hold(self, time_ms: int) -> tuple[str, Operation]:
        debit, credit = self._account(), self._account()
        until_ms = time_ms + self._draw.choice((0, 1, 500, 5_000, 50_000))
        operation = HoldMoney(
            self._name("hold"), ref_of(debit), ref_of(credit), self._amount(debit), until_ms, "visit", []
        )
        signer = debit[0] if self._draw.random() < 0.97 else self._draw.choice(self._owners)
        self._holds = [*self._holds[1 - RECENT :], ((signer, operation.hold), operation)]
        return signer, operation

    def _account(self) -> Account:
        return self._draw.choice(self._owners), _named(f"account {self._draw.randrange(NAMES_EACH)}")

    def _amount(self, debit: Account) -> int:
        """Of each size as many. Of what always gives little is asked, of wallets much: so wallets are often asked for
        more than they have."""
        if self._draw.random() < 0.02:
            return self._draw.choice((-5, 0, 10**12 + 1))
        return round(10 ** self._draw.uniform(0, 3 if debit[1] in _GENEROUS else 6))

    def _name(self, kind: str) -> bytes:
        """A new one, or once in a while one of before."""
        number = self._asked if self._draw.random() < 0.97 else self._draw.randrange(self._asked)
        return _named(f"{kind} {number}")


def _named(name: str) -> bytes:
    return sha256(name.encode()).digest()


_FIRST = {_named(f"account {number}"): (FREE, WALLET, DEBT)[number % 3] for number in range(NAMES_EACH)}
_GENEROUS = {name for name, limit in _FIRST.items() if limit != WALLET}
