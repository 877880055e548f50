"""An archive's log of who read which details: a chain of digests, checked against the anchor that stands on the ledger.

Each entry names the digest of the one before it, so the anchor, which names the newest one of its time, holds all of them.
Nothing here is a patient's: bills by their numbers, staff by the number their sign-on gave them, a proxy by the name of the
relation (whose people the archive keeps sealed). Source: FEATURES 33.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated

import msgspec

from chain.codec import Digest, Height, Milliseconds, Wire, decode
from chain.digest import ACCESS, EMPTY_DIGEST, digest
from chain.errors import ChainError, ProofMismatch

EMPTY_ANCHOR: tuple[int, bytes] = (0, EMPTY_DIGEST)  # nothing is anchored yet


class Access(Wire, frozen=True):
    """Somebody read a bill's details, or searched an issuer's bills."""

    number: Annotated[int, msgspec.Meta(ge=1, le=2**53)]  # 1, 2, 3 … of one archive
    former: Digest  # of the entry before; zeros before the first
    bill: str  # empty for a search
    issuer: str  # of the bill, or of those that were searched
    organisation: str  # of who read; empty for who showed the bill's check code or token
    role: str  # of the token; `proxy` for who read for the patient, `bearer` for who showed a code
    subject: str  # the token's, of staff; empty for patients, proxies and bearers
    proxy: bytes  # the relation's name, or empty
    purpose: str
    case_number: str
    height: Height  # of the archive's ledger
    time_ms: Milliseconds  # by the archive's clock
    shown_ms: Milliseconds  # the patient is not told before: a case's embargo
    fields: list[str]  # that were opened, by name, ascending

    def digest(self) -> bytes:
        return digest(ACCESS, self)


@dataclass(frozen=True, slots=True)
class LogChecked:
    """What holds: `count` entries, of which those up to `anchored` can never be changed unseen."""

    count: int
    anchored: int
    head: bytes


def check_accesses(entries: Iterable[bytes], anchored: tuple[int, bytes]) -> LogChecked:
    """Check a whole log, in canonical bytes, against its anchor: (number of the last anchored entry, its digest); (0, zeros) if
    nothing was anchored yet.

    Raises ProofMismatch, naming the entry: 1. it reads; 2. numbers run on; 3. each names the one before; 4. the anchored one is
    the anchor's; 5. the log reaches as far as the anchor.
    """
    number, head = 0, EMPTY_DIGEST
    for data in entries:
        try:
            entry = decode(data, Access)  # 1
        except ChainError:
            raise ProofMismatch(f"entry {number + 1} does not read") from None
        if entry.number != number + 1:  # 2
            raise ProofMismatch(f"entry {number + 1} is missing: {entry.number} comes after {number}")
        if entry.former != head:  # 3
            raise ProofMismatch(f"entry {number} was changed: the next one names another digest")
        number, head = entry.number, entry.digest()
        if number == anchored[0] and head != anchored[1]:  # 4
            raise ProofMismatch(f"entry {number} was changed: the ledger has another digest of it")
    if number < anchored[0]:  # 5
        raise ProofMismatch(f"entries {number + 1} to {anchored[0]} are missing: the ledger has an anchor of them")
    return LogChecked(number, anchored[0], head)
