"""Tables of validators, whose timers are ten times as fast as in life."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from consensus import catch_up, timers
from tests.node.validating import Table

MakeTable = Callable[..., Table]


@pytest.fixture
async def make_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[MakeTable]:
    monkeypatch.setattr(timers, "VIEW_TIMEOUT_FIRST_MS", 200)
    monkeypatch.setattr(catch_up, "STATUS_MS", 100)
    monkeypatch.setattr(catch_up, "STATUS_ANSWERED_MS", 40)
    monkeypatch.setattr(catch_up, "FETCH_RETRY_MS", 100)
    monkeypatch.setattr(catch_up, "CLAIM_PATIENCE_MS", 30)
    tables: list[Table] = []

    def make(**parameters: Any) -> Table:
        tables.append(Table(tmp_path / f"table{len(tables)}", **parameters))
        return tables[-1]

    yield make
    for table in tables:
        await table.end()


@pytest.fixture
def table(make_table: MakeTable) -> Table:
    return make_table()
