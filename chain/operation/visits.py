"""16xx: a visit, from check-in to its bill."""

from __future__ import annotations

from typing import Annotated

import msgspec

from chain.codec import Count, Digest, Fen, Milliseconds, Wire
from chain.operation.fields import Mac, Reason


class OpenVisit(Wire, frozen=True, tag=1600):
    """A patient is there: for an appointment, without one, or as an emergency."""

    visit: Digest
    kind: Reason  # outpatient, inpatient, emergency
    holder: Mac  # as the hospital knows the patient
    appointment: Annotated[list[Digest], msgspec.Meta(max_length=1)]
    cap_fen: Fen  # what the patient has agreed to at most
    emergency: Annotated[list[Mac], msgspec.Meta(max_length=1)]  # who declared it, as the hospital knows its staff
    at_ms: Milliseconds


class StampVisit(Wire, frozen=True, tag=1601):
    """A step of it has begun."""

    visit: Digest
    number: Count  # of its steps, from 1
    step: Reason  # queued, called, treated, tested, dispensed …
    at_ms: Milliseconds


class ChargeVisit(Wire, frozen=True, tag=1602):
    """An order was paid for one of its steps."""

    visit: Digest
    order: Digest
    step: Reason


class CloseVisit(Wire, frozen=True, tag=1603):
    """It is over."""

    visit: Digest
    at_ms: Milliseconds
