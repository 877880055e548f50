"""Twins (Y1), enumerated: nothing is found in the rules as they are, and each bent rule within a few scenarios."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import pytest

from chain.validators import ValidatorSet
from consensus import view_change, wire
from consensus.state import ReplicaState
from tests.simulator.twins import CHOICES, Round, Tally, main, run_range, scenario
from tests.simulator.twins_table import HONEST, Contradiction, Table

EVERYBODY = frozenset(range(5))


def number_of(*rounds: Round) -> int:
    number = 0
    for one in rounds:
        number = number * len(CHOICES) + CHOICES.index(one)
    return number


# Member 1 alone learns that its block is final; a quorum without it goes on.
HIDDEN = number_of(Round(1, frozenset({0, 1, 2, 3}), "one"), Round(2, frozenset({0, 2, 3}), "all"))


def test_every_number_is_another_scenario() -> None:
    """148 rounds differ: 3 leaders with 10 splits that can decide of 16, the doubled one with 12, three reaches each."""
    assert len(set(CHOICES)) == len(CHOICES) == 3 * (10 * 3 + 6) + 12 * 3 + 4
    found = {tuple(scenario(number, 2)) for number in range(len(CHOICES) ** 2)}
    assert len(found) == len(CHOICES) ** 2
    with pytest.raises(ValueError, match="there are 148"):
        scenario(len(CHOICES), 1)


def test_one_round_of_every_kind_and_what_ranges_add_up_to() -> None:
    """Agreement, one digest a slot, progress after healing; a range may be cut anywhere."""
    whole = run_range(1, 0, len(CHOICES))
    halves = run_range(1, 0, 61)
    halves.add(run_range(1, 61, len(CHOICES) - 61))
    assert whole.failures == []
    assert halves == whole
    assert whole.blocks == 84  # each round in which a quorum hears its leader and one of it hears the Commits
    assert whole.happened["the doubled member signs two Prepares"] > 0


def test_a_share_of_two_rounds() -> None:
    """PBFT 4.4: what is final at one member alone is proposed again by whoever leads the others."""
    tally = run_range(2, HIDDEN - HIDDEN % 50, 100)
    assert tally.failures == []
    assert {"a NewView with an obligation", "a block is final in a later view than it was proposed in"} <= set(
        tally.happened
    )


def test_a_hidden_final_block_is_the_one_that_becomes_final() -> None:
    """Rules 8 and 9, looked at block by block."""
    table = Table()
    first, second = (CHOICES[digit] for digit in scenario(HIDDEN, 2))
    table.play(first.leader, first.part, first.reach)
    assert [table.processes[member].height for member in HONEST] == [1, 0, 0]
    table.play(second.leader, second.part, second.reach)
    members = [table.processes[member] for member in HONEST]
    assert members[1].blocks[0].header == members[0].blocks[0].header
    assert members[2].blocks[0].header == members[0].blocks[0].header


def test_both_copies_of_the_leader_propose_and_one_block_becomes_final() -> None:
    """Rule 2: who has prepared one digest prepares no other in its slot."""
    table = Table()
    table.play(0, EVERYBODY, "all")
    assert "the doubled member signs two Prepares" in table.happened
    assert len({table.processes[member].head.digest for member in HONEST}) == 1


def test_a_copied_table_goes_its_own_way() -> None:
    """Scenarios that share a beginning do not touch each other."""
    table = Table()
    table.play(1, EVERYBODY, "none")
    before = table.told()
    other = table.copied()
    other.play(2, EVERYBODY, "all")
    assert other.height > table.height
    assert table.told() == before
    again = table.copied()
    again.play(2, EVERYBODY, "all")
    assert again.told() == other.told()


def test_a_failure_tells_how_to_play_it_again() -> None:
    with patch.object(Table, "play", side_effect=Contradiction("DIVERGED", "height 1")):
        tally = run_range(2, HIDDEN, 1)
    assert len(tally.failures) == 1
    assert tally.failures[0].endswith(f"python -m tests.simulator.twins --rounds 2 --from {HIDDEN} --count 1")


@pytest.mark.parametrize("words", [["--rounds", "0"], ["--rounds", "1", "--from", "148"], ["--count", "0"]])
def test_a_range_that_is_none_is_refused(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with patch.object(sys, "argv", ["twins", *words]), pytest.raises(SystemExit):
        main()
    assert "at least one round" in capsys.readouterr().err


# -- bent rules ----------------------------------------------------------------------------------------------------


@contextmanager
def the_prepared_block_is_not_told() -> Iterator[None]:
    real = view_change.leave

    def bent(state: ReplicaState, view: int, out: list[Any]) -> None:
        state.prepared = None
        real(state, view, out)

    with patch.object(view_change, "leave", bent):
        yield


@contextmanager
def no_obligation_is_derived() -> Iterator[None]:
    def bent(view_changes: list[Any]) -> tuple[int, None]:
        return max(change.height for change in view_changes), None

    with patch.object(view_change, "base_and_obligation", bent), patch.object(wire, "base_and_obligation", bent):
        yield


@contextmanager
def two_of_four_are_a_quorum() -> Iterator[None]:
    with patch.object(ValidatorSet, "quorum", property(lambda members: 2)):
        yield


# bent rule -> (rounds, first scenario, how many)
HUNTS: dict[Callable[[], Any], tuple[int, int, int]] = {
    the_prepared_block_is_not_told: (2, HIDDEN, 1),
    no_obligation_is_derived: (2, HIDDEN, 1),
    two_of_four_are_a_quorum: (1, 0, 48),
}


@pytest.mark.parametrize("bent", HUNTS, ids=lambda bent: bent.__name__)
def test_a_bent_rule_forks(bent: Callable[[], Any]) -> None:
    with bent():
        tally: Tally = run_range(*HUNTS[bent])
    assert any("DIVERGED" in failure for failure in tally.failures), tally.printed()
