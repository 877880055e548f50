"""1xx: who takes part, with which keys, as whose validators; catalogues."""

from __future__ import annotations

from typing import Annotated

import msgspec

from chain.catalogue import Catalogue
from chain.codec import Count, Digest, Height, LocalDate, Name, PlaceCode, PublicKey, Wire
from chain.operation.fields import Persons, Reason, Region, Title


class SeatChange(Wire, frozen=True):
    """What becomes of an organisation's seat among the validators."""

    organisation: Name
    key: Annotated[list[PublicKey], msgspec.Meta(max_length=1)]  # it joins, or votes with a new key; none: it leaves


class ProposeChange(Wire, frozen=True, tag=100):
    """A member asks for another set of validators; the operation's digest is what others approve."""

    based_on: Height  # epoch of the newest set: what was proposed for one set never changes another
    changes: list[SeatChange]  # by organisation, ascending
    until_height: Height  # first block that it can no longer be approved in


class ApproveChange(Wire, frozen=True, tag=101):
    """A member agrees to a proposal; the approval that completes a quorum makes the new set."""

    change: Digest  # of the ProposeChange


class Renew(Wire, frozen=True, tag=102):
    """A member whose validator lost its journal asks for a new epoch of the same set (PROTOCOL rule 14)."""

    number: Digest  # random, never the same again: the new journal carries it


class AddKey(Wire, frozen=True, tag=110):
    """An organisation gets another key of its own."""

    public: PublicKey
    purpose: Annotated[int, msgspec.Meta(ge=1, le=99)]  # records.UNIT or records.SEAL; vote keys come with seats
    suite: Count
    from_height: Height  # first block that it may sign in


class EndKey(Wire, frozen=True, tag=111):
    """An organisation ends a key of its own. What it signed before stays provable."""

    key_id: Digest
    until_height: Height  # first block that it may no longer sign in


AUTHORITY_BYTES_MAX = 4096

PLACES_MAX = 1_000


class AdmitOrganisation(Wire, frozen=True, tag=120):
    """A finance office takes in an organisation below itself that genesis does not know."""

    organisation: Name
    name: Title  # as people write it; public
    kind: Name  # hospital, insurer, employer
    region: Region
    places: Annotated[list[PlaceCode], msgspec.Meta(max_length=PLACES_MAX)]  # a hospital's issuing points, ascending
    key: PublicKey  # its first one, of a unit
    authority: Annotated[bytes, msgspec.Meta(max_length=AUTHORITY_BYTES_MAX)]  # DER; empty if it runs no node
    persons: Persons


class SuspendOrganisation(Wire, frozen=True, tag=121):
    """Who supervises an organisation stops it: it issues nothing until it is resumed. What it did stands."""

    organisation: Name
    reason: Reason
    changes: Count  # how often its standing has changed before: what was decided for then does not count for now
    persons: Persons


class ResumeOrganisation(Wire, frozen=True, tag=122):
    """A suspended organisation goes on."""

    organisation: Name
    changes: Count
    persons: Persons


class CloseOrganisation(Wire, frozen=True, tag=123):
    """An organisation has ended: it issues nothing any more."""

    organisation: Name
    reason: Reason
    changes: Count
    persons: Persons


class PublishCatalogue(Wire, frozen=True, tag=130):
    """The next version of a catalogue of the organisation that signs, for business from a day on."""

    version: Count  # one more than the former has
    from_date: LocalDate  # first business date that it is for
    content: Catalogue
    persons: Persons
