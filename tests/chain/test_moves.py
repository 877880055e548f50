"""The table of moves: whole, and the page and picture that are made of it."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from chain.rules.context import Refused
from chain.rules.moves import AXES, WAITS_FOR, begin, moved
from docs import bill_life


def test_every_move_says_something_of_every_state() -> None:
    for axis in AXES.values():
        for move, table in axis.moves.items():
            assert set(table) == set(axis.states), move
            assert any(not isinstance(after, str) for after in table.values()), move
            assert {after for after in table.values() if not isinstance(after, str)} <= set(axis.states)


def test_every_state_is_the_first_or_is_reached_but_red() -> None:
    """A red bill is one from its issue on."""
    reached = {
        (name, after)
        for name, axis in AXES.items()
        for table in axis.moves.values()
        for after in table.values()
        if not isinstance(after, str)
    }
    unreached = {(name, state) for name, axis in AXES.items() for state in axis.states} - reached
    assert {(name, AXES[name].states[state]) for name, state in unreached - {(name, begin(name)) for name in AXES}} == {
        ("validity", "red")
    }


def test_a_refusal_is_the_tables_code() -> None:
    for name, axis in AXES.items():
        for move, table in axis.moves.items():
            for state, after in table.items():
                if isinstance(after, str):
                    with pytest.raises(Refused, match=after):
                        moved(name, move, state)
                else:
                    assert moved(name, move, state) == after


def test_what_is_waited_for_is_a_state_of_an_axis() -> None:
    for waits in WAITS_FOR.values():
        for axis, states, _code in waits:
            assert set(states) <= set(AXES[axis].states)


def test_page_and_picture_are_those_of_the_table() -> None:
    """`python -m docs.bill_life` changes nothing."""
    assert bill_life.PAGE.read_text("utf-8") == bill_life.page()
    assert bill_life.PICTURE.read_text("utf-8") == bill_life.picture()
    ElementTree.fromstring(bill_life.picture())


def test_every_move_has_an_operation() -> None:
    assert set(bill_life.OPERATIONS) == {(name, move) for name, axis in AXES.items() for move in axis.moves}
