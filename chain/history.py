"""The tree over block digests as it lies in the database: what `history_root` covers."""

from __future__ import annotations

from chain import keyspace
from chain.errors import StorageDamaged
from chain.state import SavedState


class History:
    """Nodes of the tree over block digests."""

    def __init__(self, state: SavedState) -> None:
        self._state = state

    def node(self, level: int, index: int) -> bytes:
        value = self._state.read(keyspace.stored_history(level, index))
        if value is None:
            raise StorageDamaged(f"state, history node {level}/{index}", "missing")
        return value


class HistoryAt:
    """The history tree as it was at an earlier size: full subtrees never change, so the nodes are the same."""

    def __init__(self, history: History, size: int) -> None:
        self._history, self._size = history, size

    def node(self, level: int, index: int) -> bytes:
        if (index + 1) << level > self._size:
            raise KeyError(f"history node {level}/{index} is not full at {self._size}")
        return self._history.node(level, index)
