"""The province that every run begins with: members and spare organisations, an office, two hospitals, their numbers."""

from __future__ import annotations

from functools import lru_cache

from chain.genesis import Genesis, GenesisKey, GenesisOrganisation, GenesisRange
from chain.ledger import start_store
from chain.operation import RangeRef
from chain.records import SEAL, UNIT, ParametersBody
from chain.validators import Member
from tests.chain.making import MemoryStore
from tests.simulator.signers import key_of

GENESIS_MS = 1_767_225_600_000  # 2026-01-01
TODAY = 20260101
SPARES = 2  # organisations without a seat that may get one
OFFICE = "office"
HOSPITALS = ("hospital-a", "hospital-b")
PLACES = {"hospital-a": "A01", "hospital-b": "B01"}
CODE = "33060126"
BASE = {"hospital-a": 1, "hospital-b": 500_001}  # first number of each hospital's range
RANGE_COUNT = 500_000
BLOCK_TRANSACTIONS_MAX = 8


def member_name(number: int) -> str:
    """Sorted as the numbers are."""
    return f"member-{number:02d}"


def vote_key(number: int, generation: int = 0) -> str:
    return f"{member_name(number)}/vote-{generation}"


@lru_cache(maxsize=64)
def genesis_of(n: int, heartbeat_ms: int) -> Genesis:
    """`n` members and SPARES more organisations that could be; a small ledger, so that blocks are full now and then."""
    members = [member_name(number) for number in range(n + SPARES)]
    names = sorted([*members, OFFICE, *HOSPITALS])
    kinds = {OFFICE: "finance", **dict.fromkeys(HOSPITALS, "hospital"), members[0]: "finance"}
    supervisors = {OFFICE: members[0], **dict.fromkeys(HOSPITALS, OFFICE)}
    organisations = [
        GenesisOrganisation(
            name,
            name,
            kinds.get(name, "health"),
            "330000",
            {OFFICE: 2, **dict.fromkeys(HOSPITALS, 4)}.get(name, 1),
            supervisors.get(name, ""),
            [PLACES[name]] if name in PLACES else [],
            b"",
        )
        for name in names
    ]
    ranges = [
        GenesisRange(members[0], CODE, 1, 2_000_000, []),
        GenesisRange(OFFICE, CODE, 1, 1_000_000, [RangeRef(members[0], CODE, 1)]),
        *(
            GenesisRange(hospital, CODE, BASE[hospital], RANGE_COUNT, [RangeRef(OFFICE, CODE, 1)])
            for hospital in HOSPITALS
        ),
    ]
    parameters = ParametersBody(
        utc_offset_minutes=480,
        region="33",
        classification="06",
        kinds=[1, 2, 3, 4],
        heartbeat_ms=heartbeat_ms,
        block_interval_min_ms=0,
        block_transactions_max=BLOCK_TRANSACTIONS_MAX,
        block_operations_max=64,
        block_bytes_max=1 << 18,
        replay_window=300,
        business_days_behind_max=30,
        business_ahead_max_ms=300_000,
        seal_entries_max=5,
        two_persons=[],
    )
    return Genesis(
        version=1,
        name="simulated province",
        created_ms=GENESIS_MS,
        parameters=parameters,
        organisations=organisations,
        keys=[
            *(GenesisKey(name, UNIT, key_of(f"{name}/unit").public) for name in names),
            GenesisKey(OFFICE, SEAL, key_of(f"{OFFICE}/seal").public),
        ],
        validators=[Member(member_name(number), key_of(vote_key(number)).public) for number in range(n)],
        ranges=ranges,
    )


@lru_cache(maxsize=64)
def _first_state(n: int, heartbeat_ms: int) -> dict[bytes, bytes]:
    store = MemoryStore()
    start_store(store, genesis_of(n, heartbeat_ms))
    return store.values


def first_store(n: int, heartbeat_ms: int) -> MemoryStore:
    """The database at height 0."""
    return MemoryStore(_first_state(n, heartbeat_ms))
