"""Whether a simulated node may vote: the real `node.vote_memory` over a journal that is a record."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from node.vote_memory import VoteMemory

if TYPE_CHECKING:
    from tests.simulator.node import Node


class NodeKeys:
    """The vote keys of a home: all that its organisation ever made."""

    def __init__(self, node: Node) -> None:
        self._node = node

    def sign_with(self, public: bytes) -> Any:
        signers = self._node.world.signers
        name = signers.name_of(public)
        is_own = name is not None and name.startswith(f"{self._node.organisation}/vote-")
        return signers.sign(name) if is_own and name is not None else None


class SimulatedMemory(VoteMemory):
    def __init__(self, node: Node) -> None:
        journal = node.disk.journal
        self._organisation = node.organisation
        self._keys = NodeKeys(node)  # type: ignore[assignment]
        self.trouble = journal.trouble
        self.journal = None if journal.trouble else journal  # type: ignore[assignment]
        self._known = journal.keys
