"""The block that nobody voted on: who takes part, with which keys, under which parameters and numbers.

Genesis is a canonical struct; its digest is the chain id. `genesis.json` is a view of it (bytes as hex), decoded
strictly. It is height 0: its digest stands where block 0's would, its records, sorted, are the first of the state.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, get_args, get_origin, get_type_hints

import msgspec

from chain import keyspace
from chain.codec import BillCode, Count, Milliseconds, Name, PlaceCode, PublicKey, Wire, decode, encode, verify_text
from chain.digest import EMPTY_DIGEST, GENESIS, digest
from chain.errors import ChainError, GenesisRefused, KeyRefused, TextRefused
from chain.operation import PERSONS_TAGS, RangeRef, Serial
from chain.records import (
    ACTIVE,
    FOR_EVER,
    VOTE,
    HolderBody,
    KeyBody,
    KeysBody,
    OrganisationBody,
    ParametersBody,
    RangeBody,
    RangesBody,
    Record,
    State,
    SupervisedBody,
    ValidatorsBody,
)
from chain.segment import RECORD_BYTES_MAX
from chain.signature import ED25519, verify_public_key
from chain.transaction import key_id
from chain.validators import MEMBERS_MAX, VALIDATORS_MIN, Member, ValidatorSet

GENESIS_VERSION = 1
FIRST_EPOCH = 1
BLOCK_TRANSACTIONS_LIMIT = 7_500  # with it a NewView of MEMBERS_MAX members, each with a full block, fits one frame
BLOCK_BYTES_LIMIT = RECORD_BYTES_MAX - (1 << 20)  # header and certificate fit beside the transactions


class GenesisOrganisation(Wire, frozen=True):
    id: Name
    name: str
    kind: Name
    region: str
    level: Count
    supervisor: str
    places: list[PlaceCode]
    authority: bytes  # DER of the certificate that its nodes' certificates are issued by; empty if it runs none


class GenesisKey(Wire, frozen=True):
    organisation: Name
    purpose: State
    public: PublicKey


class GenesisRange(Wire, frozen=True):
    """Parents come before their children, which are cut from the front in this order."""

    holder: Name
    code: BillCode
    first: Serial
    count: Count
    parent: list[RangeRef]  # one, or none for a province's own


class Genesis(Wire, frozen=True):
    version: Count
    name: str
    created_ms: Milliseconds
    parameters: ParametersBody
    organisations: list[GenesisOrganisation]  # by id
    keys: list[GenesisKey]
    validators: list[Member]  # by organisation
    ranges: list[GenesisRange]

    def digest(self) -> bytes:
        """The chain id."""
        return digest(GENESIS, self)

    def validator_set(self) -> ValidatorSet:
        return ValidatorSet(FIRST_EPOCH, self.validators)

    def authorities(self) -> dict[str, bytes]:
        """organisation -> DER of its certificate authority."""
        return {entry.id: entry.authority for entry in self.organisations if entry.authority}


def verify_genesis(genesis: Genesis) -> None:
    """Check that a ledger can start from it. Raises GenesisRefused."""
    if genesis.version != GENESIS_VERSION:
        raise GenesisRefused(f"version {genesis.version}, this program knows {GENESIS_VERSION}")
    ids = [entry.id for entry in genesis.organisations]
    if ids != sorted(set(ids)):
        raise GenesisRefused("organisations must be distinct and sorted")
    seats = [member.organisation for member in genesis.validators]
    if seats != sorted(set(seats)):
        raise GenesisRefused("validators must be distinct and sorted")
    if len(seats) < VALIDATORS_MIN:
        raise GenesisRefused(f"{len(seats)} validators tolerate no fault: at least {VALIDATORS_MIN}")
    if len(seats) > MEMBERS_MAX:
        raise GenesisRefused(f"{len(seats)} validators, at most {MEMBERS_MAX}")
    for name in [*seats, *(entry.organisation for entry in genesis.keys)]:
        if name not in ids:
            raise GenesisRefused(f"{name} is not among the organisations")
    _verify_texts(genesis)
    for entry in genesis.organisations:
        if entry.supervisor and entry.supervisor not in ids:
            raise GenesisRefused(f"{entry.id}: its supervisor {entry.supervisor} is not among the organisations")
    keys = [*(entry.public for entry in genesis.keys), *(member.key for member in genesis.validators)]
    for public in keys:
        try:
            verify_public_key(public)
        except KeyRefused as refusal:
            raise GenesisRefused(f"key {public.hex()}: {refusal}") from None
    if len(set(keys)) != len(keys):
        raise GenesisRefused("a key stands twice: one holder would have two voices")
    parameters = genesis.parameters
    if parameters.kinds != sorted(set(parameters.kinds)) or not parameters.kinds:
        raise GenesisRefused("kinds of bill must be distinct and sorted")
    for limit in ("block_transactions_max", "block_operations_max", "block_bytes_max", "replay_window"):
        if getattr(parameters, limit) < 1:
            raise GenesisRefused(f"{limit} must be positive")
    if parameters.block_transactions_max > BLOCK_TRANSACTIONS_LIMIT:
        raise GenesisRefused(
            f"block_transactions_max must be at most {BLOCK_TRANSACTIONS_LIMIT}: proposals of a quorum are one message"
        )
    if parameters.block_bytes_max > BLOCK_BYTES_LIMIT:
        raise GenesisRefused(f"block_bytes_max must be at most {BLOCK_BYTES_LIMIT}: a block is one record of the log")
    tags = parameters.two_persons
    if tags != sorted(set(tags)) or not set(tags) <= set(PERSONS_TAGS.values()):
        raise GenesisRefused(f"two_persons: distinct and sorted, of {', '.join(PERSONS_TAGS)}")
    dict(_range_records(genesis))


def _verify_texts(genesis: Genesis) -> None:
    texts = [genesis.name, *(text for entry in genesis.organisations for text in (entry.name, entry.region))]
    for text in texts:
        try:
            verify_text(text)
        except TextRefused as refusal:
            raise GenesisRefused(f"a name or region: {refusal}") from None


def genesis_records(genesis: Genesis) -> list[tuple[bytes, bytes]]:
    """(key, canonical bytes of the Record), sorted by key: the leaves of the state at height 0."""
    bodies: dict[bytes, Wire] = {
        keyspace.PARAMETERS: genesis.parameters,
        keyspace.VALIDATORS: ValidatorsBody(FIRST_EPOCH, genesis.validators),
    }
    supervised: dict[str, list[str]] = {}
    for entry in genesis.organisations:
        if entry.supervisor:
            supervised.setdefault(entry.supervisor, []).append(entry.id)
        bodies[keyspace.organisation(entry.id)] = OrganisationBody(
            entry.name, entry.kind, entry.region, entry.level, entry.supervisor, entry.places, ACTIVE, "", 0
        )
    keys = [*genesis.keys, *(GenesisKey(member.organisation, VOTE, member.key) for member in genesis.validators)]
    own: dict[str, list[bytes]] = {}
    for held in keys:
        name = key_id(held.public)
        bodies[keyspace.key(held.organisation, name)] = KeyBody(held.public, held.purpose, ED25519, 1, FOR_EVER)
        bodies[keyspace.holder(name)] = HolderBody(held.organisation)
        if held.purpose != VOTE:
            own.setdefault(held.organisation, []).append(name)
    bodies.update({keyspace.keys(name): KeysBody(sorted(ids)) for name, ids in own.items()})
    bodies.update({keyspace.supervised(name): SupervisedBody(sorted(below)) for name, below in supervised.items()})
    bodies.update(_range_records(genesis))
    return [
        (key, encode(Record(1, 0, EMPTY_DIGEST, EMPTY_DIGEST, EMPTY_DIGEST, encode(body))))
        for key, body in sorted(bodies.items())
    ]


def _range_records(genesis: Genesis) -> Iterator[tuple[bytes, Wire]]:
    ranges: dict[bytes, RangeBody] = {}
    holders: dict[bytes, list[int]] = {}
    roots: list[GenesisRange] = []
    for entry in genesis.ranges:
        if entry.holder not in {organisation.id for organisation in genesis.organisations}:
            raise GenesisRefused(f"range of {entry.holder}, which is not among the organisations")
        if len(entry.parent) > 1:
            raise GenesisRefused(f"range {entry.holder}/{entry.code}/{entry.first}: more than one parent")
        own = keyspace.number_range(RangeRef(entry.holder, entry.code, entry.first))
        if own in ranges or entry.count < 1 or entry.first < 1 or entry.first + entry.count - 1 > 9_999_999_999:
            raise GenesisRefused(f"range {own.decode()}: twice, empty, or beyond ten digits")
        if not entry.parent:
            for other in roots:
                if other.code == entry.code and _overlap(other, entry):
                    raise GenesisRefused(f"range {own.decode()}: overlaps another that has no parent")
            roots.append(entry)
        for ref in entry.parent:
            above = keyspace.number_range(ref)
            body = ranges.get(above)
            if body is None or ref.code != entry.code or body.next != entry.first:
                raise GenesisRefused(f"range {own.decode()}: not the next piece of its parent")
            if entry.first + entry.count > body.first + body.count:
                raise GenesisRefused(f"range {own.decode()}: longer than what its parent has left")
            ranges[above] = RangeBody(body.first, body.count, entry.first + entry.count, body.parent)
        ranges[own] = RangeBody(entry.first, entry.count, entry.first, entry.parent)
        holders.setdefault(keyspace.number_ranges(entry.holder, entry.code), []).append(entry.first)
    yield from ranges.items()
    for key, firsts in holders.items():
        yield key, RangesBody(sorted(firsts))


def _overlap(one: GenesisRange, other: GenesisRange) -> bool:
    return one.first < other.first + other.count and other.first < one.first + one.count


# ── the JSON view ────────────────────────────────────────────────────────────────────────────────────────────────────


def genesis_to_json(genesis: Genesis) -> str:
    """The view: objects with field names, bytes as lower-case hex."""
    return json.dumps(_view(genesis), ensure_ascii=False, indent=1) + "\n"


def genesis_from_json(text: str | bytes) -> Genesis:
    """Decode and check a `genesis.json`. Raises GenesisRefused, naming the place."""
    try:
        raw = json.loads(text, object_pairs_hook=_distinct, parse_float=_no_float, parse_constant=_no_float)
        genesis: Genesis = _unview(raw, Genesis, "")
        decode(encode(genesis), Genesis)
        verify_genesis(genesis)
    except GenesisRefused:
        raise
    except (ChainError, ValueError, TypeError, RecursionError, msgspec.MsgspecError) as error:
        raise GenesisRefused(str(error)[:200]) from None
    return genesis


def _view(value: Any) -> Any:
    if isinstance(value, Wire):
        return {name: _view(getattr(value, name)) for name in value.__struct_fields__}
    if isinstance(value, list):
        return [_view(entry) for entry in value]
    return value.hex() if isinstance(value, bytes) else value


def _unview(value: Any, kind: Any, pointer: str) -> Any:
    while get_origin(kind) is not None and get_origin(kind) is not list:  # Annotated
        kind = get_args(kind)[0]
    if isinstance(kind, type) and issubclass(kind, Wire):
        hints = get_type_hints(kind)
        if not isinstance(value, dict) or set(value) != set(hints):
            raise GenesisRefused(f"{pointer or '/'}: expected an object with {', '.join(hints)}")
        return kind(**{name: _unview(value[name], hint, f"{pointer}/{name}") for name, hint in hints.items()})
    if get_origin(kind) is list:
        if not isinstance(value, list):
            raise GenesisRefused(f"{pointer}: expected a list")
        return [_unview(entry, get_args(kind)[0], f"{pointer}/{index}") for index, entry in enumerate(value)]
    if kind is bytes:
        if not isinstance(value, str) or bytes.fromhex(value).hex() != value:  # fromhex skips white space
            raise GenesisRefused(f"{pointer}: expected lower-case hex")
        return bytes.fromhex(value)
    if kind is int and type(value) is int:
        return value
    if kind is str and isinstance(value, str):
        return value
    raise GenesisRefused(f"{pointer}: expected {getattr(kind, '__name__', kind)}")


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise GenesisRefused("a field stands twice")
    return found


def _no_float(text: str) -> Any:
    raise GenesisRefused(f"{text}: numbers are whole")
