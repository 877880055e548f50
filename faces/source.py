"""What a node knows of a bill whose face it makes, and the files that travel inside the face."""

from __future__ import annotations

from typing import Literal

import msgspec

from chain.catalogue import NOTHING, InForce
from chain.details import Details
from chain.records import BillBody

Form = Literal["face", "list"]  # the bill itself; its detail list


class Attachment(msgspec.Struct, frozen=True):
    """A file inside the face. `name` is ASCII without slashes."""

    name: str
    description: str
    data: bytes


class FaceSource(msgspec.Struct, frozen=True):
    """All of it is of one bill and about one moment."""

    bill: str  # 18 digits
    body: BillBody
    details: Details
    original: Details | None  # of a red bill: the details of the bill that it takes back
    issuer: str  # as people write it
    office: str  # the supervising finance office
    status: Literal["queued", "recorded", "sealed"]
    paper: str | None  # form of the living paper copy; empty: none is alive; None: nobody could be asked
    as_of_height: int
    as_of_ms: int
    utc_offset_minutes: int
    with_secrets: bool  # whether check code and token are for this reader
    proofs: list[Attachment]  # none while the bill is queued; a red bill has its original's too
    payer: Details | None = (
        None  # bound later to a bill that was issued for an unknown one; None also where it is not to be had
    )
    payer_height: int = 0  # of the block that recorded who it is; 0 where nobody was bound
    catalogues: InForce = NOTHING  # of the day whose lines are printed
