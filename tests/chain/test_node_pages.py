"""Where a state's Merkle nodes lie: each in its own place, and what was never there is told from what is."""

from __future__ import annotations

import random

import pytest

from chain.errors import StorageDamaged
from chain.merkle import hash_leaf, path_from_nodes, root_from_path, root_of_hashes, updated_nodes
from chain.node_pages import EMPTY_PAGE, LEVELS, NODE_BYTES, is_begun, place_of
from chain.state import SavedState, StateChange
from tests.chain.making import MemoryStore


def test_each_node_has_a_place_of_its_own_and_a_page_is_full_of_them() -> None:
    """Sixteen leaves, eight above them, four, two, one."""
    taken: dict[bytes, set[int]] = {}
    for level in range(3 * LEVELS):
        for index in range(2 ** (3 * LEVELS - 1 - level)):
            key, first = place_of(b"n", level, index)
            assert first not in taken.setdefault(key, set())
            taken[key].add(first)
    assert {frozenset(places) for places in taken.values()} == {frozenset(range(0, len(EMPTY_PAGE), NODE_BYTES))}
    assert place_of(b"n", 0, 15)[0] == place_of(b"n", 4, 0)[0] != place_of(b"n", 0, 16)[0]


def test_a_page_is_looked_for_from_its_first_node_on() -> None:
    """Leaf by leaf: each page is begun by the first node that is put into it, and not a leaf earlier."""
    pages: set[bytes] = set()
    state = SavedState(MemoryStore())
    for count in range(1_100):
        rows = updated_nodes(state, count, {}, [bytes([1 + count % 255]) * 32])
        nodes = [(level, index) for level, row in enumerate(rows) for index in row]
        for level, index in nodes:
            key, _first = place_of(b"n", level, index)
            assert is_begun(level, index, count) == (key in pages)
        pages |= {place_of(b"n", level, index)[0] for level, index in nodes}
        state.save(StateChange(bytes(32), count + 1, {}, rows))
    assert {key[1] for key in pages} == {0, 1, 2}


def test_a_saved_tree_gives_every_node_and_path_whatever_grew_and_changed() -> None:
    draw = random.Random(7)
    state, leaves = SavedState(MemoryStore()), []
    for _ in range(40):
        replaced = {draw.randrange(len(leaves)): draw.randbytes(32) for _ in range(draw.randrange(5)) if leaves}
        added = [draw.randbytes(32) for _ in range(draw.choice([0, 1, 2, 15, 16, 17, 100]))]
        nodes = updated_nodes(state, len(leaves), replaced, added)
        for index, value in replaced.items():
            leaves[index] = value
        leaves += added
        root = root_of_hashes(leaves)
        state.save(StateChange(root, len(leaves), {}, nodes))
        if draw.random() < 0.5:
            puts, deletes = state.begin_flush()
            state.store.write(puts, deletes)
            state.end_flush()
        for index in draw.sample(range(len(leaves)), min(20, len(leaves))):
            assert state.node(0, index) == leaves[index]
            path = path_from_nodes(state, index, len(leaves))
            assert root_from_path(leaves[index], index, len(leaves), path) == root
    assert all(len(value) == len(EMPTY_PAGE) for value in state.store.values.values())  # type: ignore[attr-defined]


@pytest.mark.parametrize(("level", "index"), [(0, 3), (1, 1), (2, 0), (0, 500), (7, 0)])
def test_a_node_that_was_never_saved_is_damage(level: int, index: int) -> None:
    """In a page that is there, and in one that is not."""
    state, leaves = SavedState(MemoryStore()), [hash_leaf(bytes([number])) for number in range(3)]
    state.save(StateChange(root_of_hashes(leaves), 3, {}, updated_nodes(state, 0, {}, leaves)))
    with pytest.raises(StorageDamaged, match=f"node {level}/{index}"):
        state.node(level, index)
