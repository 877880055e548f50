"""Genesis: what a ledger can start from, and the strict JSON view of it (DESIGN 4)."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from chain import keyspace
from chain.errors import GenesisRefused
from chain.genesis import (
    BLOCK_BYTES_LIMIT,
    BLOCK_TRANSACTIONS_LIMIT,
    Genesis,
    GenesisKey,
    GenesisRange,
    genesis_from_json,
    genesis_records,
    genesis_to_json,
    verify_genesis,
)
from chain.operation import RangeRef
from chain.records import UNIT, RangeBody, Record
from chain.signature import SMALL_ORDER_KEYS
from chain.state import body_of, genesis_change, record_of
from chain.validators import Member
from tests.chain.making import CODE, changed, genesis, key_of

GOOD = genesis()


def test_the_json_view_says_the_same() -> None:
    text = genesis_to_json(GOOD)
    again = genesis_from_json(text)
    assert again == GOOD
    assert again.digest() == GOOD.digest()
    assert genesis_from_json(json.dumps(json.loads(text), indent=None)) == GOOD  # white space is not part of it


def test_each_field_changes_the_chain_id() -> None:
    others = [
        genesis(name="x"),
        genesis(created_ms=1),
        genesis(utc_offset_minutes=0),
        genesis(replay_window=301),
        genesis(keys=GOOD.keys[1:]),
        genesis(ranges=GOOD.ranges[1:2]),
        genesis(organisations=GOOD.organisations[1:]),
        genesis(validators=GOOD.validators[1:]),
    ]
    assert len({GOOD.digest(), *(other.digest() for other in others)}) == 1 + len(others)


def member(name: str, key: str) -> Member:
    return Member(name, key_of(key).public)


def root_range(holder: str, first: int, count: int, code: str = CODE) -> GenesisRange:
    return GenesisRange(holder, code, first, count, [])


A_CITY = RangeRef("finance-city", CODE, 1)
BAD: dict[str, Callable[[], Genesis]] = {
    "version": lambda: genesis(version=2),
    "three validators": lambda: genesis(validators=GOOD.validators[:3]),
    "validators unsorted": lambda: genesis(validators=GOOD.validators[::-1]),
    "a validator twice": lambda: genesis(validators=[*GOOD.validators, GOOD.validators[-1]]),
    "a validator unknown": lambda: genesis(validators=[*GOOD.validators, member("zebra", "zebra")]),
    "one vote key for two": lambda: genesis(
        validators=[*GOOD.validators[:3], changed(GOOD.validators[3], key=GOOD.validators[0].key)]
    ),
    "a vote key that also signs": lambda: genesis(
        validators=[changed(GOOD.validators[0], key=GOOD.keys[0].public), *GOOD.validators[1:]]
    ),
    "a key twice": lambda: genesis(keys=[*GOOD.keys, changed(GOOD.keys[0], organisation="health")]),
    "a key of nobody": lambda: genesis(keys=[*GOOD.keys, GenesisKey("zebra", UNIT, key_of("zebra").public)]),
    "a key of small order": lambda: genesis(keys=[*GOOD.keys, GenesisKey("health", UNIT, min(SMALL_ORDER_KEYS))]),
    "a vote key of small order": lambda: genesis(
        validators=[*GOOD.validators[:3], changed(GOOD.validators[3], key=max(SMALL_ORDER_KEYS))]
    ),
    "organisations unsorted": lambda: genesis(organisations=GOOD.organisations[::-1]),
    "an organisation twice": lambda: genesis(organisations=[*GOOD.organisations, GOOD.organisations[-1]]),
    "a supervisor unknown": lambda: genesis(
        organisations=[changed(GOOD.organisations[0], supervisor="zebra"), *GOOD.organisations[1:]]
    ),
    "a name with a line break": lambda: genesis(
        organisations=[changed(GOOD.organisations[0], name="a\nb"), *GOOD.organisations[1:]]
    ),
    "a name of the ledger with a line break": lambda: genesis(name="a\nb"),
    "a region with a line break": lambda: genesis(
        organisations=[changed(GOOD.organisations[0], region="3\n3"), *GOOD.organisations[1:]]
    ),
    "no kinds": lambda: genesis(kinds=[]),
    "kinds unsorted": lambda: genesis(kinds=[2, 1]),
    "a block of nothing": lambda: genesis(block_operations_max=0),
    "no replay window": lambda: genesis(replay_window=0),
    "a block of more transactions than a proposal can name": lambda: genesis(
        block_transactions_max=BLOCK_TRANSACTIONS_LIMIT + 1
    ),
    "a block larger than a record of the log": lambda: genesis(block_bytes_max=BLOCK_BYTES_LIMIT + 1),
    "an empty range": lambda: genesis(ranges=[root_range("finance", 1, 0)]),
    "a range from 0": lambda: genesis(ranges=[root_range("finance", 0, 10)]),
    "a range beyond ten digits": lambda: genesis(ranges=[root_range("finance", 9_999_999_999, 2)]),
    "a range of nobody": lambda: genesis(ranges=[root_range("zebra", 1, 10)]),
    "a range twice": lambda: genesis(ranges=[GOOD.ranges[0], GOOD.ranges[0]]),
    "two roots that overlap": lambda: genesis(ranges=[root_range("finance", 1, 10), root_range("health", 10, 10)]),
    "a child without its parent": lambda: genesis(ranges=GOOD.ranges[1:2]),
    "a child that is not the next piece": lambda: genesis(
        ranges=[*GOOD.ranges[:2], GenesisRange("hospital-a", CODE, 2, 10, [A_CITY])]
    ),
    "a child longer than what is left": lambda: genesis(
        ranges=[*GOOD.ranges[:2], GenesisRange("hospital-a", CODE, 1, 400_001, [A_CITY])]
    ),
    "a child of another code": lambda: genesis(
        ranges=[*GOOD.ranges[:2], GenesisRange("hospital-a", "33060226", 1, 10, [A_CITY])]
    ),
    "a child of two": lambda: genesis(
        ranges=[*GOOD.ranges[:2], GenesisRange("hospital-a", CODE, 1, 10, [A_CITY, GOOD.ranges[1].parent[0]])]
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_a_genesis_that_cannot_start_a_ledger_is_refused(name: str) -> None:
    verify_genesis(GOOD)
    with pytest.raises(GenesisRefused):
        verify_genesis(BAD[name]())
    with pytest.raises(GenesisRefused):
        genesis_from_json(genesis_to_json(BAD[name]()))


def edited(edit: Callable[[dict[str, Any]], None]) -> str:
    view = json.loads(genesis_to_json(GOOD))
    edit(view)
    return json.dumps(view)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[]",
        '{"version": 1}',
        edited(lambda view: view.update(note="x")),
        edited(lambda view: view.pop("name")),
        edited(lambda view: view.update(version=1.0)),
        edited(lambda view: view.update(version=True)),
        edited(lambda view: view.update(version="1")),
        edited(lambda view: view.update(created_ms=-1)),
        edited(lambda view: view.update(created_ms=2**70)),
        edited(lambda view: view.update(created_ms=float("nan"))),
        edited(lambda view: view.update(name="\ud800")),
        edited(lambda view: view.update(ranges={})),
        edited(lambda view: view["keys"][0].update(public="zz")),
        edited(lambda view: view["keys"][0].update(public=view["keys"][0]["public"].upper())),
        edited(lambda view: view["keys"][0].update(public=view["keys"][0]["public"][:-2])),
        edited(lambda view: view["keys"][0].update(public=" " + view["keys"][0]["public"])),
        edited(lambda view: view["organisations"][0].update(id="Finance")),
        edited(lambda view: view["ranges"][0].update(code="3306")),
        edited(lambda view: view["parameters"].update(region="3")),
        genesis_to_json(GOOD).replace('"version": 1', '"version": 1, "version": 1', 1),
        "[" * 100_000,
        '{"a":' * 100_000,
        "1" * 5000,
    ],
)
def test_another_json_is_refused(text: str) -> None:
    """Unknown and missing fields, floats, other spellings of bytes, duplicate names, depth, digits."""
    with pytest.raises(GenesisRefused):
        genesis_from_json(text)


def test_ranges_of_genesis_are_cut_like_those_of_operations() -> None:
    records = {key: record_of(record) for key, record in genesis_records(GOOD)}
    city = records[keyspace.number_range(A_CITY)]
    assert city == Record(1, 0, bytes(32), bytes(32), bytes(32), city.body)
    assert body_of(city, RangeBody) == RangeBody(1, 400_000, 200_001, [RangeRef("finance", CODE, 1)])
    assert list(records) == sorted(records)
    assert genesis_change(GOOD).count == len(records)
