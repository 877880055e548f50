"""Random lives of accounts, transfers and holds: the rules of the ledger against the model, step by step.

Rules run as in a block, over records in a dictionary; what a block adds (signatures, trees, the disk) is tested elsewhere.
"""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from chain import keyspace
from chain.operation import Operation, operation_digest
from chain.records import UNIT, AccountBody, OrganisationBody
from chain.rules import RULES, Context, Refused
from chain.rules.accounts import room_fen, verify_conserved
from tests.chain.making import NOON_MS, parameters
from tests.money.draws import NAMES_EACH, OWNERS, Draws
from tests.money.model import FREE, Model
from tests.money.steps import ref_of, step_of

LOOK_AT_ALL_EVERY = 500
CHAINS_UPTO = 30_000  # steps: the model is copied for each, and grows


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
        self.model = Model()
        self.records = Records()
        self.steps = 0
        self.codes: Counter[str] = Counter()
        self._time_ms = NOON_MS
        self._parameters = parameters()
        for owner in OWNERS:
            body = OrganisationBody(owner, owner.split("-")[0], "330600", 4, "", [], 1, "", 0)
            self.records.bodies[keyspace.organisation(owner)] = body
        self.model.now = NOON_MS
        for owner in OWNERS:
            for opening in self._draws.opening()[
                : NAMES_EACH - 1
            ]:  # the last one is opened on the way, this way or that
                self._one(owner, opening)

    def step(self) -> None:
        """One random operation, or a chain of some that holds or falls together, at rules and model, and what they say compared."""
        self.steps += 1
        if self._draw.random() < 0.3:
            self._time_ms += self._draw.randrange(1, 2_000)
        self.model.now = self._time_ms
        if self.steps < CHAINS_UPTO and self._draw.random() < 0.05:
            self._chain()
        else:
            self._one(*self._draws.operation(self._time_ms))
        if self.steps % LOOK_AT_ALL_EVERY == 0:
            self.compare()

    def _chain(self) -> None:
        """The first that is refused takes all before it back."""
        drawn = [self._draws.operation(self._time_ms) for _ in range(12)]
        signer = drawn[0][0]
        before = self.model.copy()
        undo: list[tuple[bytes, Any, bytes | None]] = []
        for operation in [operation for one, operation in drawn if one == signer][:4]:
            if not self._one(signer, operation, undo):
                for key, body, origin in reversed(undo):
                    _put(self.records.bodies, key, body)
                    _put(self.records.origins, key, origin)
                self.model = before
                self.codes["linked_failed"] += 1
                return
        self.codes["linked"] += 1

    def _one(
        self, signer: str, operation: Operation, undo: list[tuple[bytes, Any, bytes | None]] | None = None
    ) -> bool:
        """Whether it is recorded; what was there before goes to `undo`."""
        step = step_of(signer, operation)
        assert step is not None
        allowed = self.model.may(step)
        code = self._run(signer, operation, [] if undo is None else undo)
        self.codes[code] += 1
        assert (code == "recorded") == allowed, f"step {self.steps}: {code}, the model says {allowed}: {step}"
        if allowed:
            self.model.take(step)
        return allowed

    def compare(self) -> None:
        """Every account has what the model says, and all debits are all credits."""
        debits = credits = 0
        for account, limit in self.model.limits.items():
            body = self.records.bodies[keyspace.account(ref_of(account))]
            assert (body.debits_fen, body.credits_fen) == (self.model.went[account], self.model.came[account]), account
            assert limit == FREE or self.model.room(account) >= 0, account
            debits += body.debits_fen
            credits += body.credits_fen
        assert debits == credits

    def _run(self, signer: str, operation: Operation, undo: list[tuple[bytes, Any, bytes | None]]) -> str:
        digest = operation_digest(operation)
        context = Context(signer, UNIT, 1, self._time_ms, digest, self._parameters, lambda height: None)
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
                assert room_fen(body) >= 0, key
        return "recorded"


def _put(rows: dict[bytes, Any], key: bytes, value: Any) -> None:
    """None: it was not there."""
    if value is None:
        rows.pop(key, None)
    else:
        rows[key] = value
