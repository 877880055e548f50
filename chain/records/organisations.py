"""Who takes part: organisations, keys, catalogues, validators; what the province has settled for all."""

from __future__ import annotations

from typing import Annotated

import msgspec

from chain.catalogue import Catalogue, CatalogueVersion
from chain.codec import Count, Digest, Height, LocalDate, Milliseconds, Name, PlaceCode, PublicKey, Wire
from chain.operation import Kind, SeatChange
from chain.records.record import State
from chain.validators import Member, ValidatorSet

# purposes of a key
UNIT = 1  # signs transactions of its organisation
SEAL = 2  # signs seals of a finance office
VOTE = 3  # votes; listed in the validator set
FOR_EVER = 2**53  # `until_height` of a key that has no end yet

# an organisation's standing
ACTIVE = 1
SUSPENDED = 2
CLOSED = 3


class OrganisationBody(Wire, frozen=True):
    name: str  # as people write it; public
    kind: Name  # hospital, finance, health, …
    region: str  # GB/T 2260
    level: Count  # 1 province, 2 city, 3 county, 4 institution
    supervisor: str  # organisation id, or empty for the province
    places: list[PlaceCode]  # issuing points
    state: State  # ACTIVE, SUSPENDED or CLOSED
    reason: str  # why it is not active, or empty
    changes: Count  # of its standing so far


class AuthorityBody(Wire, frozen=True):
    """What an admitted organisation's node certificates are issued under, as it was stated."""

    certificate: bytes  # DER; empty if it runs no node


class AdmittedBody(Wire, frozen=True):
    """All organisations that came after genesis, ascending."""

    organisations: list[Name]


class KeyBody(Wire, frozen=True):
    public: PublicKey
    purpose: State
    suite: Count
    from_height: Height  # first block that it may sign in
    until_height: Height  # first block that it may no longer sign in


class KeysBody(Wire, frozen=True):
    """Ids of an organisation's unit and seal keys that had not ended when the list last changed, ascending."""

    ids: list[Digest]


class HolderBody(Wire, frozen=True):
    """Whose a key is: one holder has one voice, for ever."""

    organisation: Name


class SupervisedBody(Wire, frozen=True):
    """All that an organisation supervises, ascending."""

    organisations: list[Name]


class CatalogueBody(Wire, frozen=True):
    """One version of a catalogue, for ever."""

    from_date: LocalDate
    published_ms: Milliseconds
    content: Catalogue


class CatalogueVersions(Wire, frozen=True):
    catalogue: Name
    versions: list[CatalogueVersion]  # in the order of their numbers


class CataloguesBody(Wire, frozen=True):
    """All that an organisation has published, by catalogue, ascending."""

    catalogues: list[CatalogueVersions]

    def versions(self, catalogue: str) -> list[CatalogueVersion]:
        return next((entry.versions for entry in self.catalogues if entry.catalogue == catalogue), [])


class ValidatorsBody(Wire, frozen=True):
    """The newest set of validators; it votes from block `epoch` on, which may be two ahead."""

    epoch: Height
    members: list[Member]  # by organisation

    def members_set(self) -> ValidatorSet:
        return ValidatorSet(self.epoch, self.members)


class ChangeBody(Wire, frozen=True):
    """A proposal for another set, and who approved it."""

    based_on: Height
    changes: list[SeatChange]
    until_height: Height  # first block that it can no longer be approved in
    proposer: Name
    approvals: list[Name]  # ascending, the proposer among them
    epoch: Height  # of the set that it made; 0 while it is open


class RenewalBody(Wire, frozen=True):
    """A member's journal was made anew: it votes with that one from `epoch` on (PROTOCOL rule 14)."""

    number: Digest
    height: Height  # of the block that recorded it
    epoch: Height


class ParametersBody(Wire, frozen=True):
    """What the province has settled for all: part of genesis, and a record."""

    utc_offset_minutes: Annotated[int, msgspec.Meta(ge=-720, le=840)]  # of business dates
    region: Annotated[str, msgspec.Meta(pattern=r"\A[0-9]{2}\Z")]  # first digits of every bill code
    classification: Annotated[str, msgspec.Meta(pattern=r"\A[0-9]{2}\Z")]
    kinds: list[Kind]  # that may be issued, ascending
    heartbeat_ms: Count  # an empty block may come so long after its parent
    block_interval_min_ms: Count  # a proposer waits so long after the parent
    block_transactions_max: Count
    block_operations_max: Count
    block_bytes_max: Count
    replay_window: Count  # blocks that a transaction may be valid ahead, and is remembered
    business_days_behind_max: Count  # how far a business date may lie behind block time
    business_ahead_max_ms: Count  # and how far ahead of it, for clocks that differ
    seal_entries_max: Count  # exceptions, and releases, in one seal
    two_persons: list[Count]  # tags of operations that need two persons of the organisation that signs, ascending
