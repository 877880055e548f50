"""What the check of a file says: each thing that was looked at, in order, until one does not hold."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from chain.errors import ChainError


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at. `ok` is None for what the file does not contain."""

    name: str
    ok: bool | None
    detail: str


class Checkpoint(msgspec.Struct, frozen=True):
    """A header that the holder has seen proven: of this height there can be no other."""

    chain_id: str
    height: int
    digest: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """`valid` only if every check that was made holds."""

    valid: bool
    checks: list[Check]
    bill: dict[str, Any]  # what is proven, in the words of the API; empty when nothing is
    newest: Checkpoint | None


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a holder asks of a file beyond what it proves by itself.

    `now_ms` is needed with `max_age_ms`; one without the other is the caller's fault: ValueError.
    """

    trusted: Sequence[Checkpoint] = ()
    max_age_ms: int | None = None
    now_ms: int | None = None
    at_height: int | None = None  # as of which block the file has to speak
    at_ms: int | None = None  # or as of which moment

    def __post_init__(self) -> None:
        if (self.max_age_ms is None) != (self.now_ms is None):
            raise ValueError("max_age_ms and now_ms go together")


class CheckFailed(Exception):
    """A check did not hold; it is the last of the list."""


class Steps:
    """The list of checks as it grows, and what they have shown."""

    def __init__(self) -> None:
        self.checks: list[Check] = []
        self.facts: dict[str, Any] = {}

    def step(self, name: str, check: Callable[[], str]) -> None:
        """Make one check: it returns its detail, and raises if it does not hold. Raises CheckFailed."""
        try:
            detail = check()
        except (ChainError, msgspec.MsgspecError, LookupError, ValueError, ArithmeticError, RecursionError) as error:
            self.checks.append(Check(name, False, str(error)[:200]))
            raise CheckFailed from None
        self.checks.append(Check(name, True, detail))

    def missing(self, name: str, detail: str) -> None:
        """Tell what the file does not contain."""
        self.checks.append(Check(name, None, detail))
