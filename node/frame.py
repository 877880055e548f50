"""How frames look between nodes, and the first one, the hello.

A frame is length 4 (big-endian, of what follows) · kind 1 · payload. Kinds up to KIND_MAX are the node's messages; those
above belong to the link. The first frame in each direction is the hello: the link's version and the chain id. The
payload of a request begins with a correlation number of 4 bytes, and so does that of its answer.
"""

from __future__ import annotations

import re
from asyncio import StreamReader, StreamWriter

from node.errors import PeerRefused

KIND_MAX = 239  # of the node's own messages
HELLO, PING, REQUEST, RESPONSE, REFUSAL = 240, 241, 242, 244, 245  # 243 was once an urgent question
VERSION = 1
HELLO_BYTES_MAX = 64
LENGTH_BYTES = 4
HEAD_BYTES = LENGTH_BYTES + 1
NUMBER_BYTES = 4
CODE = re.compile(rb"[a-z0-9][a-z0-9_.-]{0,31}")  # in a refusal


def frame_head(kind: int, payload_bytes: int) -> bytes:
    """What goes before a payload."""
    return (payload_bytes + 1).to_bytes(LENGTH_BYTES, "big") + bytes([kind])


async def exchange_hello(reader: StreamReader, writer: StreamWriter, chain_id: bytes) -> None:
    """Say which ledger this is and hear the same. Raises PeerRefused, OSError, IncompleteReadError."""
    hello = bytes([VERSION]) + chain_id
    writer.write(frame_head(HELLO, len(hello)) + hello)
    head = await reader.readexactly(HEAD_BYTES)
    length = int.from_bytes(head[:LENGTH_BYTES], "big")
    if head[LENGTH_BYTES] != HELLO or not 1 <= length <= HELLO_BYTES_MAX:
        raise PeerRefused("wrong_hello")
    heard = await reader.readexactly(length - 1)
    if heard != hello:
        raise PeerRefused("other_chain" if heard[:1] == hello[:1] else "other_version")
