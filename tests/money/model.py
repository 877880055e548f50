"""What the money ledger has to do, in a page that shares nothing with it: balances are sums, limits are one comparison."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

Account = tuple[str, bytes]  # owner, name
Named = tuple[str, bytes]  # who signed, name

FREE, WALLET, DEBT = 1, 2, 3
MOST = 10**12  # of one move


@dataclass(frozen=True)
class Open:
    account: Account
    limit: int
    takes_from_others: bool


@dataclass(frozen=True)
class Close:
    account: Account


@dataclass(frozen=True)
class Move:
    name: Named
    debit: Account
    credit: Account
    amount: int
    back: Named | None = None  # a move that this one takes back


@dataclass(frozen=True)
class Hold:
    name: Named
    debit: Account
    credit: Account
    amount: int
    until: int


@dataclass(frozen=True)
class Capture:
    hold: Named
    name: Named  # of the move
    amount: int


@dataclass(frozen=True)
class Release:
    hold: Named


Step = Open | Close | Move | Hold | Capture | Release


class Model:
    """Asked whether a step may be taken, and told that it was."""

    def __init__(self) -> None:
        self.limits: dict[Account, int] = {}
        self.welcoming: set[Account] = set()  # others may pay in
        self.closed: set[Account] = set()
        self.came: Counter[Account] = Counter()
        self.went: Counter[Account] = Counter()
        self.moves: dict[Named, Move] = {}
        self.taken_back: Counter[Named] = Counter()
        self.holds: dict[Named, Hold] = {}
        self.running: dict[Named, Hold] = {}  # of those, neither captured nor released nor seen to be over
        self.now = 0

    def copy(self) -> Model:
        other = Model()
        for name, value in vars(self).items():
            setattr(other, name, value if isinstance(value, int) else value.copy())
        return other

    def may(self, step: Step) -> bool:
        match step:
            case Open(account, limit, takes_from_others):
                return account not in self.limits and not (limit == DEBT and takes_from_others)
            case Close(account):
                is_open = account in self.limits and account not in self.closed
                return is_open and self.came[account] == self.went[account] and not self._counting(account)
            case Move(name, debit, credit, amount, back):
                is_free = name not in self.moves and name[0] == debit[0]
                is_welcome = back is not None or self._is_welcome(debit, credit)
                return is_free and is_welcome and self._fits(debit, credit, amount) and self._takes_back(step, back)
            case Hold(name, debit, credit, amount, until):
                is_free = name not in self.holds and name[0] == debit[0] and until > self.now
                return is_free and self._is_welcome(debit, credit) and self._fits(debit, credit, amount)
            case Capture(hold, name, amount):
                held = self._running(hold)
                if name in self.moves or held is None or not 0 < amount <= held.amount:
                    return False
                return not self.closed & {held.debit, held.credit}
            case Release(hold):
                return self._running(hold) is not None

    def take(self, step: Step) -> None:
        match step:
            case Open(account, limit, takes_from_others):
                self.limits[account] = limit
                if takes_from_others:
                    self.welcoming.add(account)
            case Close(account):
                self.closed.add(account)
            case Move():
                if step.back is not None:
                    self.taken_back[step.back] += step.amount
                self._post(step)
            case Hold(name):
                self.holds[name] = self.running[name] = step
            case Capture(hold, name, amount):
                held = self.running.pop(hold)
                self._post(Move(name, held.debit, held.credit, amount))
            case Release(hold):
                del self.running[hold]

    def room(self, account: Account) -> int:
        """What may still leave a wallet, or be paid on a debt."""
        balance = self.came[account] - self.went[account]
        reserved = sum(hold.amount for hold in self._counting(account))
        return (balance if self.limits[account] == WALLET else -balance) - reserved

    def _post(self, move: Move) -> None:
        self.moves[move.name] = move
        self.went[move.debit] += move.amount
        self.came[move.credit] += move.amount

    def _running(self, name: Named) -> Hold | None:
        held = self.running.get(name)
        return held if held is not None and held.until > self.now else None

    def _counting(self, account: Account) -> list[Hold]:
        """The holds that count against an account's limit."""
        side = {WALLET: "debit", DEBT: "credit"}.get(self.limits[account])
        self.running = {name: hold for name, hold in self.running.items() if hold.until > self.now}
        return [hold for hold in self.running.values() if side and getattr(hold, side) == account]

    def _is_welcome(self, debit: Account, credit: Account) -> bool:
        return debit[0] == credit[0] or credit in self.welcoming

    def _fits(self, debit: Account, credit: Account, amount: int) -> bool:
        if debit == credit or not 0 < amount <= MOST or not {debit, credit} <= self.limits.keys() - self.closed:
            return False
        leaves = self.limits[debit] != WALLET or amount <= self.room(debit)
        return leaves and (self.limits[credit] != DEBT or amount <= self.room(credit))

    def _takes_back(self, step: Move, back: Named | None) -> bool:
        if back is None:
            return True
        first = self.moves.get(back)
        if first is None or (first.debit, first.credit) != (step.credit, step.debit):
            return False
        return self.taken_back[back] + step.amount <= first.amount
