"""Merkle trees against RFC 6962, section 2.1, written down again here as its text says it: recursively."""

from __future__ import annotations

from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chain.errors import ProofMalformed, ProofMismatch
from chain.merkle import (
    EMPTY_ROOT,
    CoveredTree,
    HashTree,
    hash_leaf,
    path,
    path_from_nodes,
    paths_of_hashes,
    peaks,
    root,
    root_of_hashes,
    root_of_peaks,
    updated_nodes,
    verify_inclusion,
)

SIZES = range(71)

# The leaves and roots (of the first 1, 2 … 8 of them) that come with the reference implementation of RFC 6962.
PUBLISHED_LEAVES = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
PUBLISHED_ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


def tree_head(leaves: list[bytes]) -> bytes:
    """MTH(D[n]) of the RFC."""
    if not leaves:
        return sha256().digest()
    if len(leaves) == 1:
        return sha256(b"\x00" + leaves[0]).digest()
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return sha256(b"\x01" + tree_head(leaves[:split]) + tree_head(leaves[split:])).digest()


def audit_path(index: int, leaves: list[bytes]) -> list[bytes]:
    """PATH(m, D[n]) of the RFC."""
    if len(leaves) == 1:
        return []
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    if index < split:
        return [*audit_path(index, leaves[:split]), tree_head(leaves[split:])]
    return [*audit_path(index - split, leaves[split:]), tree_head(leaves[:split])]


def leaves_of(size: int) -> list[bytes]:
    return [f"leaf {index}".encode() for index in range(size)]


class Nodes:
    """A tree kept as its full subtrees."""

    def __init__(self) -> None:
        self.nodes: dict[tuple[int, int], bytes] = {}
        self.size = 0

    def node(self, level: int, index: int) -> bytes:
        return self.nodes[level, index]

    def change(self, replaced: dict[int, bytes], added: list[bytes]) -> None:
        for level, row in enumerate(updated_nodes(self, self.size, replaced, added)):
            self.nodes.update({(level, index): node for index, node in row.items()})
        self.size += len(added)


def test_the_published_roots_come_out() -> None:
    leaves = [bytes.fromhex(text) for text in PUBLISHED_LEAVES]
    assert [root(leaves[: count + 1]).hex() for count in range(8)] == PUBLISHED_ROOTS
    assert EMPTY_ROOT == root([]) == sha256(b"").digest()


@pytest.mark.parametrize("size", SIZES)
def test_root_and_every_path_are_those_of_the_recursive_definition(size: int) -> None:
    """RFC 6962, 2.1 and 2.1.1."""
    leaves = leaves_of(size)
    expected = tree_head(leaves)

    assert root(leaves) == expected
    assert paths_of_hashes([hash_leaf(leaf) for leaf in leaves], list(range(size))) == [
        audit_path(index, leaves) for index in range(size)
    ]
    for index in range(size):
        verify_inclusion(leaves[index], index, size, path(leaves, index), expected)


@pytest.mark.parametrize("size", range(1, 21))
def test_a_path_proves_one_leaf_at_one_place_of_one_tree(size: int) -> None:
    leaves = leaves_of(size)
    whole = root(leaves)
    for index in range(size):
        steps = path(leaves, index)
        for other in range(size):
            if other != index:
                with pytest.raises((ProofMalformed, ProofMismatch)):
                    verify_inclusion(leaves[index], other, size, steps, whole)
                with pytest.raises((ProofMalformed, ProofMismatch)):
                    verify_inclusion(leaves[other], index, size, steps, whole)
        with pytest.raises(ProofMalformed):
            verify_inclusion(leaves[index], index, size, [*steps, bytes(32)], whole)
        if steps:
            with pytest.raises(ProofMalformed):
                verify_inclusion(leaves[index], index, size, steps[:-1], whole)
            with pytest.raises(ProofMismatch):
                verify_inclusion(leaves[index], index, size, [bytes(32), *steps[1:]], whole)


@pytest.mark.parametrize(("index", "size"), [(0, 0), (-1, 3), (3, 3), (2**60, 3), (0, -1)])
def test_a_place_outside_the_tree_is_malformed(index: int, size: int) -> None:
    with pytest.raises(ProofMalformed):
        verify_inclusion(b"leaf", index, size, [], bytes(32))


def test_an_endless_path_is_malformed_before_it_is_hashed() -> None:
    with pytest.raises(ProofMalformed):
        verify_inclusion(b"leaf", 0, 2**64, [bytes(32)] * 65, bytes(32))


def test_a_node_does_not_pass_for_a_leaf() -> None:
    """RFC 6962's two prefixes: without them the two leaves below a node would be a leaf of a smaller tree."""
    left, right = hash_leaf(b"a"), hash_leaf(b"b")
    with pytest.raises(ProofMismatch):
        verify_inclusion(left + right, 0, 1, [], root([b"a", b"b"]))


def test_the_kept_nodes_give_root_and_paths_at_every_size() -> None:
    """What a node keeps on disk: full subtrees only, the rest is folded when asked for."""
    kept = Nodes()
    for size in SIZES:
        leaves = leaves_of(size)
        if size:
            kept.change({}, [hash_leaf(leaves[-1])])
        assert root_of_peaks(kept, size) == tree_head(leaves)
        assert [path_from_nodes(kept, index, size) for index in range(size)] == [
            audit_path(index, leaves) for index in range(size)
        ]
        assert set(kept.nodes) == {(level, i) for level in range(8) for i in range(size >> level)}


def test_peaks_are_the_binary_digits() -> None:
    assert peaks(0) == []
    assert peaks(1) == [(0, 0)]
    assert peaks(6) == [(2, 0), (1, 2)]
    assert peaks(11) == [(3, 0), (1, 4), (0, 10)]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 9), st.lists(st.tuples(st.integers(0, 200), st.binary(max_size=2)), max_size=4)),
        max_size=8,
    )
)
def test_replacing_and_adding_in_any_blocks_gives_the_tree_of_the_result(
    blocks: list[tuple[int, list[tuple[int, bytes]]]],
) -> None:
    kept, leaves = Nodes(), list[bytes]()
    for added, replaced in blocks:
        changes = {place % len(leaves): value for place, value in replaced} if leaves else {}
        for place, value in changes.items():
            leaves[place] = value
        new = [f"{len(leaves)} {number}".encode() for number in range(added)]
        leaves += new
        kept.change({place: hash_leaf(value) for place, value in changes.items()}, [hash_leaf(leaf) for leaf in new])
        assert root_of_peaks(kept, len(leaves)) == tree_head(leaves) == root_of_hashes(list(map(hash_leaf, leaves)))
    for index in range(len(leaves)):
        assert path_from_nodes(kept, index, len(leaves)) == audit_path(index, leaves)


# ── many leaves at once ──────────────────────────────────────────────────────────────────────────────────────────────


@st.composite
def trees_and_places(draw: st.DrawFn) -> tuple[int, list[int], list[int]]:
    size = draw(st.integers(1, 70))
    some = st.sets(st.integers(0, size - 1), min_size=1)
    return size, sorted(draw(some)), sorted(draw(some))


@given(trees_and_places())
@settings(max_examples=300)
def test_a_cover_proves_its_leaves_and_makes_each_ones_path(drawn: tuple[int, list[int], list[int]]) -> None:
    size, places, others = drawn
    leaves = leaves_of(size)
    hashes = [hash_leaf(leaf) for leaf in leaves]
    whole = HashTree(hashes)

    def covered(of: list[int]) -> CoveredTree:
        return CoveredTree({place: hashes[place] for place in of}, size, whole.cover(of))

    tree = covered(places)
    assert tree.root == tree_head(leaves)
    assert [tree.path(place) for place in places] == [audit_path(place, leaves) for place in places]
    assert tree.cover(others, covered(others)) == whole.cover(others)
    assert tree.cover(sorted({*places, *others}), covered(others)) == whole.cover(sorted({*places, *others}))
    assert tree.cover(places[:1]) == audit_path(places[0], leaves)


@given(trees_and_places(), st.data())
@settings(max_examples=300)
def test_a_cover_proves_nothing_else(drawn: tuple[int, list[int], list[int]], data: st.DataObject) -> None:
    """Another leaf, another place, another cover: malformed, or another root. The size is certified beside the root."""
    size, places, _others = drawn
    hashes = [hash_leaf(leaf) for leaf in leaves_of(size)]
    true = {place: hashes[place] for place in places}
    cover = HashTree(hashes).cover(places)
    root = root_of_hashes(hashes)
    wrong = data.draw(st.sampled_from(places))
    attempts = [
        ({**true, wrong: hash_leaf(b"another")}, size, cover),
        (true, size, [*cover, bytes(32)]),
        ({place + 1: leaf for place, leaf in true.items()}, size, cover),
        ({place - 1: leaf for place, leaf in true.items()}, size, cover),
        ({}, size, cover),
    ]
    if cover:
        bent = data.draw(st.integers(0, len(cover) - 1))
        attempts += [
            (true, size, cover[:-1]),
            (true, size, [*cover[:bent], bytes(32), *cover[bent + 1 :]]),
        ]
    for leaves, count, given_cover in attempts:
        try:
            found = CoveredTree(leaves, count, given_cover).root
        except ProofMalformed:
            continue
        assert found != root


def test_a_cover_of_what_is_not_there_is_malformed() -> None:
    hashes = [hash_leaf(leaf) for leaf in leaves_of(8)]
    tree = CoveredTree({0: hashes[0]}, 8, HashTree(hashes).cover([0]))
    for places, other in [([5], None), ([9], None), ([0, 6], CoveredTree({0: hashes[0]}, 1, []))]:
        with pytest.raises(ProofMalformed):
            tree.cover(places, other)
