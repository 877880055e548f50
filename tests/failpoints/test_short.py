"""Six failpoints of every kind of node, in real processes; `make failpoints` strikes them all. RELIABILITY 7, G6."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.failpoints.plan import SHORT, Case
from tests.failpoints.stage import Stage

pytestmark = [pytest.mark.processes, pytest.mark.slow]


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    made = Stage(tmp_path_factory.mktemp("failpoints"))
    try:
        made.begin()
        yield made
    finally:
        made.end()


@pytest.mark.parametrize("case", SHORT, ids=lambda case: case.label)
def test_nothing_is_lost_and_nobody_votes_twice(stage: Stage, case: Case) -> None:
    """No acknowledged bill lost or doubled, no second vote, one root, and the node back or stopped with its reason."""
    row = stage.play(case)
    assert not row.fault, row
    assert row.struck
    assert row.sealed == row.acknowledged
    assert row.acknowledged > 0
