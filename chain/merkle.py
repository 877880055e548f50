"""Merkle trees exactly after RFC 6962, section 2.1: leaf hashes 0x00, nodes 0x01, the empty tree is SHA-256 of nothing.

A tree of n leaves splits at the largest power of two below n. So every aligned full subtree of 2^k leaves stays the
same as the tree grows, and the whole root is the fold of the "peaks", the full subtrees that n's binary digits name.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from typing import Protocol

from chain.errors import ProofMalformed, ProofMismatch

EMPTY_ROOT = sha256(b"").digest()
LEAF, NODE = b"\x00", b"\x01"  # what the hash of a leaf, or of a node, begins with
PATH_LENGTH_MAX = 64


def hash_leaf(leaf: bytes) -> bytes:
    """32 bytes; `leaf` is the canonical array of the entry."""
    return sha256(LEAF + leaf).digest()


def hash_node(left: bytes, right: bytes) -> bytes:
    """32 bytes over two digests of 32."""
    return sha256(NODE + left + right).digest()


def root_of_hashes(hashes: Sequence[bytes]) -> bytes:
    """The root over leaf hashes. Pairs level by level: an odd one out moves up, which is the same as RFC 6962's split."""
    count = len(hashes)
    if count & (count - 1) == 0:
        return _root_of_full(hashes) if count else EMPTY_ROOT
    level = list(hashes)
    while len(level) > 1:
        level = _above(level)
    return level[0]


def _root_of_full(hashes: Sequence[bytes]) -> bytes:
    """Of 2^k leaf hashes: no level has an odd one, so all levels stand in one row and each pair adds a node at its end."""
    nodes = list(hashes)
    add = nodes.append
    for place in range(0, 2 * len(hashes) - 2, 2):
        add(sha256(NODE + nodes[place] + nodes[place + 1]).digest())
    return nodes[-1]


def _above(level: Sequence[bytes]) -> list[bytes]:
    """hash_node of each pair, written out: trees of details and blocks are hashed by the hundred thousand a second."""
    above = [sha256(NODE + left + right).digest() for left, right in zip(level[::2], level[1::2], strict=False)]
    if len(level) % 2:
        above.append(level[-1])
    return above


class GrowingRoot:
    """The root over leaves that come one by one and are not kept: only the peaks are, one for each binary digit."""

    def __init__(self) -> None:
        self._peaks: list[tuple[int, bytes]] = []  # (level, digest), the widest first

    def add(self, leaf: bytes) -> None:
        level, node = 0, hash_leaf(leaf)
        while self._peaks and self._peaks[-1][0] == level:
            node = hash_node(self._peaks.pop()[1], node)
            level += 1
        self._peaks.append((level, node))

    def root(self) -> bytes:
        """Of the leaves so far: the same as `root` of them all."""
        result = b""
        for _level, node in reversed(self._peaks):
            result = hash_node(node, result) if result else node
        return result or EMPTY_ROOT


def root(leaves: Sequence[bytes]) -> bytes:
    """The root over leaves (not their hashes)."""
    return root_of_hashes([hash_leaf(leaf) for leaf in leaves])


class HashTree:
    """A whole tree in memory, for many paths: `levels[0]` are the leaf hashes, the last level is the root."""

    def __init__(self, hashes: Sequence[bytes]) -> None:
        level = list(hashes)
        self.levels = [level]
        while len(level) > 1:
            level = _above(level)
            self.levels.append(level)

    def path(self, index: int) -> list[bytes]:
        """The inclusion path, from the leaf's sibling upwards."""
        found = []
        for level in self.levels[:-1]:
            sibling = index ^ 1
            if sibling < len(level):
                found.append(level[sibling])
            index //= 2
        return found

    def cover(self, places: Sequence[int]) -> list[bytes]:
        """What a CoveredTree of these leaves needs beside them: ascending places in, siblings level by level out."""
        found = []
        row = list(places)
        for level in self.levels[:-1]:
            found += [level[sibling] for sibling in _siblings_missing(row, len(level) - 1)]
            row = _parents(row)
        return found


class CoveredTree:
    """The part of a tree that some of its leaves and a cover make out: one proof for all of them, which holds each node
    of their paths once, and none that they make out themselves."""

    def __init__(self, leaves: Mapping[int, bytes], size: int, cover: Sequence[bytes]) -> None:
        """`leaves` (place -> leaf hash, one at least) of `size`. Raises ProofMalformed if they and the cover do not fit."""
        row = dict(sorted(leaves.items()))
        if not row or next(iter(row)) < 0 or next(reversed(row)) >= size:
            raise ProofMalformed("a place outside the tree")
        self._size = size
        self._levels: list[dict[int, bytes]] = []  # place -> node
        last, used = size - 1, 0
        while last > 0:
            missing = _siblings_missing(row, last)
            if missing:
                row = dict(sorted([*row.items(), *zip(missing, cover[used : used + len(missing)], strict=False)]))
            used += len(missing)
            if used > len(cover):
                raise ProofMalformed("a cover too short for its tree")
            self._levels.append(row)
            above = {}
            for place, node in row.items():
                sibling = row.get(place ^ 1)
                if sibling is None:  # the odd one out
                    above[place >> 1] = node
                elif not place & 1:
                    above[place >> 1] = sha256(NODE + node + sibling).digest()
            row = above
            last >>= 1
        if used != len(cover):
            raise ProofMalformed("a cover too long for its tree")
        self.root = row[0]

    def path(self, place: int) -> list[bytes]:
        """The inclusion path of one of the leaves, as in HashTree.path."""
        found = []
        for level in self._levels:
            sibling = level.get(place ^ 1)
            if sibling is not None:
                found.append(sibling)
            place >>= 1
        return found

    def cover(self, places: Sequence[int], other: CoveredTree | None = None) -> list[bytes]:
        """The cover of ascending `places`, each a leaf of this tree, or of the `other` one, which the caller believes to
        have the same size and root. Raises ProofMalformed if neither has what it takes."""
        found = []
        row, last = list(places), self._size - 1
        for depth, mine in enumerate(self._levels):
            others = other._levels[depth] if other is not None and other._size == self._size else {}
            for place in _siblings_missing(row, last):
                node = mine.get(place) or others.get(place)
                if node is None:
                    raise ProofMalformed("a place that neither tree has")
                found.append(node)
            row = _parents(row)
            last >>= 1
        return found


def _siblings_missing(row: Iterable[int], last: int) -> list[int]:
    """Of the nodes at ascending places of a level, those siblings that are not among them; none beyond its `last`."""
    missing = []
    waiting = -1  # an even place whose sibling has not come yet
    for place in row:
        if waiting >= 0 and place != waiting + 1:
            missing.append(waiting + 1)
            waiting = -1
        if not place & 1:
            waiting = place
        elif waiting < 0:
            missing.append(place - 1)
        else:
            waiting = -1
    if 0 <= waiting < last:
        missing.append(waiting + 1)
    return missing


def _parents(row: Iterable[int]) -> list[int]:
    return list(dict.fromkeys(place >> 1 for place in row))


def paths_of_hashes(hashes: Sequence[bytes], wanted: Sequence[int]) -> list[list[bytes]]:
    """For each index in `wanted` the inclusion path, from the leaf's sibling upwards."""
    tree = HashTree(hashes)
    return [tree.path(index) for index in wanted]


def path(leaves: Sequence[bytes], index: int) -> list[bytes]:
    """The inclusion path of leaf `index`."""
    return paths_of_hashes([hash_leaf(leaf) for leaf in leaves], [index])[0]


def root_from_path(leaf_hash: bytes, index: int, size: int, path: Sequence[bytes]) -> bytes:
    """The root that the path leads to. Raises ProofMalformed if its length does not fit (index, size)."""
    if not 0 <= index < size or len(path) > PATH_LENGTH_MAX:
        raise ProofMalformed("an index outside the tree")
    result, place, last, used = leaf_hash, index, size - 1, 0
    while last > 0:
        if place % 2 or place < last:
            if used == len(path):
                raise ProofMalformed("a path too short for its tree")
            sibling = path[used]
            used += 1
            result = hash_node(sibling, result) if place % 2 else hash_node(result, sibling)
        place //= 2
        last //= 2
    if used != len(path):
        raise ProofMalformed("a path too long for its tree")
    return result


def verify_inclusion(leaf: bytes, index: int, size: int, path: Sequence[bytes], root: bytes) -> None:
    """Check that `leaf` is entry `index` of the `size` entries under `root` (RFC 6962, 2.1.1).

    `path` runs from the leaf's sibling upwards, 32 bytes each. Raises ProofMalformed if its length does not fit
    (index, size), ProofMismatch if it leads to another root.
    """
    if root_from_path(hash_leaf(leaf), index, size, path) != root:
        raise ProofMismatch("the path leads to another root")


class NodeReader(Protocol):
    """Where the nodes of a large tree lie: level 0 are leaf hashes; only full subtrees are kept."""

    def node(self, level: int, index: int) -> bytes: ...


def peaks(size: int) -> list[tuple[int, int]]:
    """(level, index) of the full subtrees that make up a tree of `size` leaves, from left to right."""
    found, start = [], 0
    for level in range(size.bit_length() - 1, -1, -1):
        if size >> level & 1:
            found.append((level, start >> level))
            start += 1 << level
    return found


def root_of_peaks(nodes: NodeReader, size: int) -> bytes:
    """The root of a tree of `size` leaves, from its kept nodes."""
    result = b""
    for level, index in reversed(peaks(size)):
        node = nodes.node(level, index)
        result = hash_node(node, result) if result else node
    return result or EMPTY_ROOT


def path_from_nodes(nodes: NodeReader, index: int, size: int) -> list[bytes]:
    """The inclusion path of leaf `index` in a tree of `size` leaves, from its kept nodes."""
    if not 0 <= index < size:
        raise IndexError(f"leaf {index} of {size}")
    tops = peaks(size)
    mine = next(number for number, (level, top) in enumerate(tops) if index >> level == top)
    found = [nodes.node(level, (index >> level) ^ 1) for level in range(tops[mine][0])]
    if mine + 1 < len(tops):
        result = b""
        for level, top in reversed(tops[mine + 1 :]):
            node = nodes.node(level, top)
            result = hash_node(node, result) if result else node
        found.append(result)
    found.extend(nodes.node(level, top) for level, top in reversed(tops[:mine]))
    return found


def updated_nodes(
    nodes: NodeReader, size: int, replaced: dict[int, bytes], added: Sequence[bytes]
) -> list[dict[int, bytes]]:
    """The nodes that change when leaf hashes are replaced and others are put at the end.

    `size` is the number of leaves before; `replaced` maps index -> leaf hash, below `size`; `added` take the next
    places. Returns by level, the leaves first: index -> node, for every full subtree that is new or different.
    """
    row = dict(replaced)
    row.update(enumerate(added, size))
    rows: list[dict[int, bytes]] = []
    whole = size + len(added)  # so many subtrees of a level are full
    while row:
        level, whole = len(rows), whole >> 1
        above: dict[int, bytes] = {}
        for index in row:
            parent = index >> 1
            if parent < whole and parent not in above:
                left = row.get(2 * parent) or nodes.node(level, 2 * parent)
                right = row.get(2 * parent + 1) or nodes.node(level, 2 * parent + 1)
                above[parent] = sha256(NODE + left + right).digest()
        rows.append(row)
        row = above
    return rows
