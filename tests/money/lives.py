"""Random lives of all money: the rules of the ledger against the models, step by step.

Rules run as in a block, over records in a dictionary; what a block adds (signatures, trees, the disk) is tested elsewhere.
"""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from msgspec.structs import replace

from chain import keyspace
from chain.operation import Operation, operation_digest
from chain.records import UNIT, AccountBody, ChannelDayBody, OrganisationBody
from chain.rules import RULES, Context, Refused
from chain.rules.accounts import room_fen, verify_conserved
from tests.chain.making import NOON_MS, PLACES, parameters
from tests.money.bills import Bills
from tests.money.draws import NAMES_EACH, OWNERS, Draws
from tests.money.errands import Errands
from tests.money.model import FREE
from tests.money.places import place_ref
from tests.money.steps import ref_of
from tests.money.whole import Whole

HOSPITALS, LENDERS = ("hospital-a", "hospital-b"), ("lender-a", "hospital-a")
DAY_MS = 86_400_000
LOOK_AT_ALL_EVERY = 500  # steps, and seldomer as a life grows
CHAINS_UPTO = 30_000  # steps with accounts in chains: their model is copied for each, and grows


@dataclass
class Records:
    """The state as a rule sees it."""

    bodies: dict[bytes, Any] = field(default_factory=dict)
    origins: dict[bytes, bytes] = field(default_factory=dict)

    def get(self, key: bytes, kind: type[Any]) -> Any:
        return self.bodies.get(key)

    def origin(self, key: bytes) -> bytes | None:
        return self.origins.get(key)


class Lives:
    """One step is one operation; `AssertionError` tells where rules and model part."""

    def __init__(self, seed: int) -> None:
        self._draw = random.Random(seed)
        self._draws = Draws(self._draw)
        self.model = Whole({owner: owner.split("-")[0] for owner in OWNERS})
        self.records = Records()
        self._bills = Bills(self)
        self._errands = Errands(self._draw, self.model, HOSPITALS, LENDERS, OWNERS, self._bills.bill, self._bills.red)
        self.steps = self._next_look = 0
        self.codes: Counter[str] = Counter()
        self.kinds: Counter[tuple[str, str]] = Counter()  # (operation, recorded or refused)
        self.time_ms = NOON_MS
        self._parameters = parameters()
        for owner in OWNERS:
            places = PLACES.get(owner, [])
            body = OrganisationBody(owner, owner.split("-")[0], "330600", 4, "", places, 1, "", 0)
            self.records.bodies[keyspace.organisation(owner)] = body
        self.records.bodies |= self._bills.leases()
        self.model.now = NOON_MS
        for owner in OWNERS:
            for opening in self._draws.opening()[
                : NAMES_EACH - 1
            ]:  # the last one is opened on the way, this way or that
                self._one(owner, opening)

    def step(self) -> None:
        """One random operation, or a chain of some that holds or falls together, at rules and model, and what they say compared."""
        self.steps += 1
        what = self._draw.random()
        if what < 0.3:
            self.time_ms += self._draw.randrange(1, 2_000)
        elif what < 0.304:
            self.time_ms += self._draw.randrange(DAY_MS)  # so that dates are passed
        self.model.now = self.time_ms
        if self._draw.random() < 0.05:
            self._chain()
        else:
            self._one(*self._operation(is_account=self._draw.random() < 0.4))
        if self.steps >= self._next_look:
            self.compare()
            self._next_look = self.steps + max(LOOK_AT_ALL_EVERY, self.steps // 20)

    def _operation(self, is_account: bool) -> tuple[str, Operation]:
        return self._draws.operation(self.time_ms) if is_account else self._errands.operation()

    def _chain(self) -> None:
        """The first that is refused takes all before it back."""
        may_copy = self.steps < CHAINS_UPTO and self._draw.random() < 0.5
        signer, operations = self._errands.linked()
        if may_copy or self._draw.random() < 0.5:
            drawn = [self._operation(may_copy and number % 2 == 0) for number in range(16)]
            signer = drawn[0][0]
            operations = [operation for one, operation in drawn if one == signer][:4]
        self.model.begin(may_copy)
        undo: list[tuple[bytes, Any, bytes | None]] = []
        is_kept = all(self._one(signer, operation, undo) for operation in operations)
        if not is_kept:
            for key, body, origin in reversed(undo):
                _put(self.records.bodies, key, body)
                _put(self.records.origins, key, origin)
        self.model.end(is_kept)
        self.codes["linked" if is_kept else "linked_failed"] += 1

    def _one(
        self, signer: str, operation: Operation, undo: list[tuple[bytes, Any, bytes | None]] | None = None
    ) -> bool:
        """Whether it is recorded; what was there before goes to `undo`."""
        allowed = self.model.may(signer, operation)
        assert allowed is not None
        code = self._run(signer, operation, [] if undo is None else undo)
        self.codes[code] += 1
        self.kinds[type(operation).__name__, "recorded" if code == "recorded" else "refused"] += 1
        told = f"step {self.steps}: {code}, the model says {allowed}: {signer} {operation}"
        assert (code == "recorded") == allowed, told
        if allowed:
            self.model.take(signer, operation)
        return allowed

    def compare(self) -> None:
        """Every account has what the models say, all debits are all credits, and what follows from that holds."""
        debits = credits = 0
        accounts = self.model.accounts
        for account, limit in accounts.limits.items():
            body = self.records.bodies[keyspace.account(ref_of(account))]
            assert (body.debits_fen, body.credits_fen) == (accounts.went[account], accounts.came[account]), account
            assert limit == FREE or accounts.room(account) >= 0, account
            debits += body.debits_fen
            credits += body.credits_fen
        for place, balance in self.model.balances().items():
            found = self.records.bodies.get(keyspace.account(place_ref(place)))
            said = (found.debits_fen, found.credits_fen) if found else (0, 0)
            assert said[1] - said[0] == balance, (place, said, balance)
            debits += said[0]
            credits += said[1]
        assert debits == credits
        self.model.verify_sums()
        for (owner, channel), owes in self._channel_days().items():
            assert owes == -self.model.moves.at((owner, "channel", channel.encode())), (owner, channel)

    def _channel_days(self) -> Counter[tuple[str, str]]:
        """What each channel owes by the day books of channels."""
        found: Counter[tuple[str, str]] = Counter()
        for key, body in self.records.bodies.items():
            if isinstance(body, ChannelDayBody):
                _kind, owner, channel, _day = key.decode().split("/")
                found[owner, channel] += body.taken_fen - body.refunded_fen - body.banked_fen - body.fee_fen
        return found

    def _run(self, signer: str, operation: Operation, undo: list[tuple[bytes, Any, bytes | None]]) -> str:
        digest = operation_digest(operation)
        context = Context(signer, UNIT, 1, self.time_ms, digest, self._parameters, lambda height: None)
        try:
            changes = RULES[type(operation)](self.records, operation, context)
            verify_conserved(self.records, changes)
        except Refused as refusal:
            return refusal.code
        for key, body in changes.items():
            undo.append((key, self.records.bodies.get(key), self.records.origins.get(key)))
            self.records.bodies[key] = body
            self.records.origins.setdefault(key, digest)
            if isinstance(body, AccountBody) and body.limit != FREE:
                assert (
                    room_fen(replace(body, holds=[hold for hold in body.holds if hold.until_ms > self.time_ms])) >= 0
                ), key
        return "recorded"


def _put(rows: dict[bytes, Any], key: bytes, value: Any) -> None:
    """None: it was not there."""
    if value is None:
        rows.pop(key, None)
    else:
        rows[key] = value
