"""A final block with what became of it: put together from the block log and what the database derived.

Outcomes do not lie in the log, since they follow from the blocks; the database keeps their codes, run-length.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import msgspec

from chain.block import Block, Header, Outcome
from chain.codec import Wire
from chain.errors import StorageDamaged
from chain.execute import KeyWitness
from chain.transaction import ReceivedTransaction
from chain.validators import Certificate


@dataclass(frozen=True, slots=True)
class FinalView:
    """A final block with everything that following, reading and proving needs."""

    digest: bytes
    block: Block
    certificate: Certificate
    received: list[ReceivedTransaction]
    outcomes: list[Outcome]
    witnesses: list[KeyWitness]

    @property
    def header(self) -> Header:
        return self.block.header


class CodeRun(Wire, frozen=True):
    """So many outcomes in a row with one code."""

    code: str
    count: Annotated[int, msgspec.Meta(ge=1)]


def runs_of(outcomes: list[Outcome]) -> list[CodeRun]:
    """The codes, run-length."""
    runs: list[CodeRun] = []
    for outcome in outcomes:
        if runs and runs[-1].code == outcome.code:
            runs[-1] = CodeRun(outcome.code, runs[-1].count + 1)
        else:
            runs.append(CodeRun(outcome.code, 1))
    return runs


def outcomes_of(received: list[ReceivedTransaction], runs: list[CodeRun]) -> list[Outcome]:
    """The outcomes again, from a block's transactions and its codes. Raises StorageDamaged if they do not fit."""
    codes = [run.code for run in runs for _ in range(run.count)]
    places = [
        (entry.digest, index, operation)
        for entry in received
        for index, operation in enumerate(entry.operation_digests)
    ]
    if len(codes) != len(places):
        raise StorageDamaged("state", "outcomes of another block")
    return [
        Outcome(digest, index, operation, code) for (digest, index, operation), code in zip(places, codes, strict=True)
    ]
