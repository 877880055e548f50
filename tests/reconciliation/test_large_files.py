"""A large day takes the memory of a chunk, not of the day. `tests/reconciliation/large_files.py LINES` measures any other."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.reconciliation.large_files import FAULT_EVERY, measured

LINES = 200_000  # a million is measured in node/reconciliation/README.md
PEAK_MIB_MAX = 130  # of the whole process; 85 were measured


@pytest.mark.slow
def test_two_hundred_thousand_lines_take_the_memory_of_a_chunk(tmp_path: Path) -> None:
    found = measured(LINES, tmp_path)
    assert found["rows"] == LINES // FAULT_EVERY
    assert found["matched"] == LINES - LINES // FAULT_EVERY
    assert found["bytes"] > 100 << 20
    assert found["peak_mib"] < PEAK_MIB_MAX
