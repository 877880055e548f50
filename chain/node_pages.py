"""How the state's Merkle nodes lie in the database: by pages of sixteen leaves and all that is above them for five levels.

Four nodes change with every bill; one by one, each would cost a key, a checksum and a place in LevelDB's logs and tables.
A path of a million leaves reads four pages. Private to the store: only the root is agreed.
"""

from __future__ import annotations

import struct

LEVELS = 5  # of the tree in one page, the lowest one first: 16, 8, 4, 2, 1 nodes
NODE_BYTES = 32
EMPTY_NODE = bytes(NODE_BYTES)  # where no full subtree is yet
EMPTY_PAGE = bytes(NODE_BYTES * (2**LEVELS - 1))

_pack = struct.Struct(">BQ").pack
# by level above the page's lowest: (bits of an index that stay inside the page, their mask, place of the level's first node)
_WITHIN = [
    (LEVELS - 1 - above, (1 << (LEVELS - 1 - above)) - 1, 2**LEVELS - 2 ** (LEVELS - above)) for above in range(LEVELS)
]


def page_key(prefix: bytes, level: int, page: int) -> bytes:
    """The database key of a page: which one it is among those that hold nodes of `level`."""
    return prefix + _pack(level // LEVELS, page)


def row_of(level: int) -> tuple[int, int, int]:
    """Where a level lies in its pages: an index's bits inside the page, their mask, the first node's first byte."""
    bits, mask, first = _WITHIN[level % LEVELS]
    return bits, mask, NODE_BYTES * first


def place_of(prefix: bytes, level: int, index: int) -> tuple[bytes, int]:
    """The database key of a node's page, and the node's first byte there."""
    bits, mask, first = row_of(level)
    return page_key(prefix, level, index >> bits), first + NODE_BYTES * (index & mask)


def is_begun(level: int, index: int, count: int) -> bool:
    """Whether a tree of `count` leaves has anything in a node's page: its lowest nodes come first."""
    band, above = divmod(level, LEVELS)
    first = index >> _WITHIN[above][0] << LEVELS - 1
    return count >> band * LEVELS > first
