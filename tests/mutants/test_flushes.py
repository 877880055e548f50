"""What must be flushed, and before what: told from the calls that a journal makes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

import node.journal
from chain.directory import flush_directory
from node.journal import Journal


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of what is asked of the disk, in order."""
    done: list[str] = []

    def noting(name: str, real: Any) -> Any:
        def call(*arguments: Any) -> Any:
            done.append(name)
            return real(*arguments)

        return call

    monkeypatch.setattr(os, "rename", noting("rename", os.rename))
    monkeypatch.setattr(os, "fsync", noting("file", os.fsync))
    monkeypatch.setattr(os, "fdatasync", noting("file", os.fdatasync))
    monkeypatch.setattr(node.journal, "flush_directory", noting("directory", flush_directory))
    return done


def test_a_flushed_entry_is_on_the_disk(tmp_path: Path, calls: list[str]) -> None:
    """PROTOCOL 3: save, flush, then send."""
    journal = Journal.create(tmp_path / "journal")
    calls.clear()
    journal.append(b"a vote", 1)
    assert calls == []
    journal.flush()
    assert calls == ["file"]
    journal.close()


def test_a_renamed_journal_stays_renamed(tmp_path: Path, calls: list[str]) -> None:
    """CometBFT #6031: a name that was not flushed is rolled back by a loss of power, and the votes with it."""
    journal = Journal.create(tmp_path / "journal")
    for height in range(1, 9):
        journal.append(b"a vote", height)
    journal.flush()
    calls.clear()
    journal.prune(6, b"d" * 32, [], bytes_min=0)
    place = calls.index("rename")
    assert "file" in calls[:place]
    assert "directory" in calls[place:]
    journal.close()
