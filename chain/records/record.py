"""The record around every body, and what bodies of all parts share."""

from __future__ import annotations

from typing import Annotated

import msgspec

from chain.codec import Count, Digest, Height, Wire, encode
from chain.digest import RECORD, digest

State = Annotated[int, msgspec.Meta(ge=1, le=99)]


class Record(Wire, frozen=True):
    """A record's current version. At most one version a block, each naming the one before."""

    version: Count  # 1 when made
    height: Height  # of the block that made this version; 0 is genesis
    former: Digest  # digest of the version before, zeros for the first
    origin: Digest  # digest of the operation that made version 1, zeros in genesis: "the same again" is told by it
    operation: Digest  # of the one that made this version; the last one where several did
    body: bytes  # canonical bytes of one of the structs below

    def digest(self) -> bytes:
        return digest(RECORD, self)


def state_leaf(key: bytes, record: bytes) -> bytes:
    """The leaf under the state root: (key, record). `record` is canonical bytes of a Record."""
    return encode([key, msgspec.Raw(record)])


class ReasonBody(Wire, frozen=True):
    """Why: of a bill that was withdrawn or held, of a form or a grant that has ended. Empty where nobody is asked."""

    reason: str
