"""Random proposals, approvals, renewals and keys against a model of a page (PROTOCOL 14 and 15, DESIGN 5).

The model shares no code with the rules: names stand for keys, dictionaries for records. What the rules record must be
allowed by it, what they refuse must be refused by it; after each block both say who votes, and who may sign.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chain.block_log import BlockLog
from chain.errors import BlockInvalid
from chain.execute import key_in_force
from chain.ledger import Ledger, start_store
from chain.operation import AddKey, ApproveChange, EndKey, Operation, ProposeChange, Renew, SeatChange, operation_digest
from chain.records import SEAL, UNIT
from chain.rules import membership
from chain.transaction import key_id
from tests.chain.making import VALIDATORS, Chain, MemoryStore, key_of

NAMES = ("bigdata", "finance", "finance-city", "health", "hospital-a", "insurance")
SEATS_MAX, RENEWED_EVERY = 5, 4
FOR_EVER = 2**53

names = st.sampled_from(NAMES)
voters, signers = st.sampled_from(NAMES[:2]), st.sampled_from(NAMES[2:4])
few = st.integers(0, 5)
changes = st.dictionaries(names, st.one_of(st.none(), st.integers(1, 4)), max_size=2)  # vote key, or none: leaves
steps = st.one_of(
    st.tuples(st.just("propose"), names, changes, st.sampled_from([0, 0, 0, 1]), st.integers(1, 4)),
    st.tuples(st.just("approve"), names, few),
    st.tuples(st.just("agree"), names, changes, st.integers(1, 5)),
    st.tuples(st.just("approve all"), names, st.integers(0, 2)),
    st.tuples(st.just("renew"), voters, few),
    st.tuples(st.just("add"), signers, st.sampled_from(["unit-2", "unit-3", "seal-2", "vote-2"]), st.integers(0, 3)),
    st.tuples(
        st.just("end"), signers, st.sampled_from(["unit", "unit-2", "seal", "seal-2", "vote"]), st.integers(0, 9)
    ),
)
streams = st.lists(st.lists(steps, max_size=4), min_size=4, max_size=20)


def vote_name(organisation: str, number: int) -> str:
    return f"{organisation}/vote" + (f"-{number}" if number > 1 else "")


class Model:
    def __init__(self) -> None:
        self.sets: list[tuple[int, dict[str, str]]] = [(1, {name: f"{name}/vote" for name in VALIDATORS})]
        self.holders = {f"{name}/vote" for name in VALIDATORS} | {f"{name}/unit" for name in NAMES}
        self.holders |= {"finance/seal", "finance-city/seal", "hospital-b/unit"}
        self.keys: dict[str, dict[str, list[int]]] = {name: {f"{name}/unit": [UNIT, 1, FOR_EVER]} for name in NAMES}
        for name in ("finance", "finance-city"):
            self.keys[name][f"{name}/seal"] = [SEAL, 1, FOR_EVER]
        self.proposals: list[dict[str, Any]] = []  # newest first
        self.known: set[bytes] = set()  # operations that made a record
        self.renewed: dict[str, list[tuple[int, int]]] = {name: [] for name in NAMES}  # (number, height)

    def voters(self, height: int) -> tuple[int, dict[str, str]]:
        return [entry for entry in self.sets if entry[0] <= height][-1]

    def signer(self, organisation: str, height: int) -> str:
        """Some unit key is always in force: that is what `last_key` is for."""
        held = self.keys[organisation].items()
        return next(key for key, (purpose, since, until) in held if purpose == UNIT and since <= height < until)

    def set_after(self, changed: dict[str, int | None]) -> dict[str, str] | None:
        seats = dict(self.sets[-1][1])
        for name, number in changed.items():
            if number is None:
                if name not in seats:
                    return None
                del seats[name]
            elif vote_name(name, number) in self.holders:
                return None
            else:
                seats[name] = vote_name(name, number)
        return seats if changed and 4 <= len(seats) <= SEATS_MAX else None

    def propose(self, by: str, changed: dict[str, int | None], behind: int, until: int, height: int) -> bool:
        if by not in self.sets[-1][1] or behind or until <= height or self.set_after(changed) is None:
            return False
        based = self.sets[-1][0]
        self.proposals.insert(0, {"based": based, "changed": changed, "until": until, "by": {by}, "made": False})
        return True

    def approve(self, by: str, place: int, height: int) -> bool:
        proposal = self.proposals[place]
        epoch, seats = self.sets[-1]
        if by in proposal["by"] or by not in seats or proposal["made"] or proposal["based"] != epoch:
            return False
        if height >= proposal["until"]:
            return False
        if len((proposal["by"] | {by}) & set(seats)) >= len(seats) - (len(seats) - 1) // 3:
            after = self.set_after(proposal["changed"])
            if after is None:
                return False
            proposal["made"] = True
            self.holders |= set(after.values())
            self.open_epoch(after, height)
        proposal["by"].add(by)
        return True

    def renew(self, by: str, number: int, height: int) -> bool:
        earlier = self.renewed[by]
        if by not in self.sets[-1][1] or any(number == used for used, _height in earlier):
            return False
        if earlier and height < earlier[-1][1] + RENEWED_EVERY:
            return False
        earlier.append((number, height))
        self.open_epoch(dict(self.sets[-1][1]), height)
        return True

    def open_epoch(self, seats: dict[str, str], height: int) -> None:
        if self.sets[-1][0] == height + 2:
            self.sets.pop()
        self.sets.append((height + 2, seats))

    def add(self, by: str, key: str, purpose: int, since: int, height: int) -> bool:
        if key in self.holders or since <= height or (purpose == SEAL and by not in ("finance", "finance-city")):
            return False
        self.holders.add(key)
        self.keys[by][key] = [purpose, since, FOR_EVER]
        return True

    def end(self, by: str, key: str, until: int, height: int) -> bool:
        held = self.keys[by].get(key)
        if held is None or until <= height or until >= held[2]:
            return False
        before, held[2] = held[2], until
        edges = {height + 1, *(end for _purpose, _since, end in self.keys[by].values() if height < end < FOR_EVER)}
        for edge in edges:
            if not any(purpose == UNIT and since <= edge < end for purpose, since, end in self.keys[by].values()):
                held[2] = before
                return False
        return True


def expand(model: Model, step: Any, height: int) -> Iterator[tuple[str, Operation, Any]]:
    """(who signs, what, the model's word on it) of a step; `agree` is a proposal with some approvals."""
    kind, by = step[0], step[1]
    if kind in ("propose", "agree"):
        changed, behind, ahead = step[2], *(step[3:] if kind == "propose" else (0, 6))
        asked = [
            SeatChange(name, [] if number is None else [key_of(vote_name(name, number)).public])
            for name, number in sorted(changed.items())
        ]
        operation = ProposeChange(model.sets[-1][0] - behind, asked, height + ahead - 1)
        digest = operation_digest(operation)
        is_new = digest not in model.known
        is_kept = is_new and model.propose(by, changed, behind, height + ahead - 1, height)
        if is_kept:
            model.known.add(digest)
            model.proposals[0]["digest"] = digest
        yield by, operation, is_kept
        if kind == "agree" and is_kept:
            for name in sorted(model.sets[-1][1])[: step[3]]:
                yield name, ApproveChange(digest), model.approve(name, 0, height)
    elif kind.startswith("approve"):
        if step[2] < len(model.proposals):
            digest = model.proposals[step[2]]["digest"]
            for name in NAMES if kind == "approve all" else [by]:
                yield name, ApproveChange(digest), model.approve(name, step[2], height)
    elif kind == "renew":
        yield by, Renew(bytes([step[2]]) * 32), model.renew(by, step[2], height)
    elif kind == "add":
        key, purpose = f"{by}/{step[2]}", SEAL if step[2].startswith("seal") else UNIT
        since = height + step[3]
        yield by, AddKey(key_of(key).public, purpose, 1, since), model.add(by, key, purpose, since, height)
    else:
        key, until = f"{by}/{step[2]}", height + step[3]
        yield by, EndKey(key_id(key_of(key).public), until), model.end(by, key, until, height)


def may_sign(chain: Chain, organisation: str, key: str) -> bool:
    try:
        key_in_force(chain.ledger.state, organisation, key_id(key_of(key).public), chain.height + 1)
    except BlockInvalid:
        return False
    return True


def compare(model: Model, chain: Chain) -> None:
    """Who votes at every height that is settled, and which keys may sign in the next block."""
    ledger = chain.ledger
    assert [members.epoch for members in ledger.sets()] == [epoch for epoch, _seats in model.sets]
    for height in range(max(1, chain.height - 2), chain.height + 3):
        epoch, seats = model.voters(height)
        members = ledger.set_at(height)
        assert members.epoch == epoch
        assert [(member.organisation, member.key) for member in members.members] == [
            (name, key_of(key).public) for name, key in sorted(seats.items())
        ]
    for name, held in model.keys.items():
        for key, (_purpose, since, until) in held.items():
            is_in_force = since <= chain.height + 1 < until
            assert may_sign(chain, name, key) == is_in_force
        last = model.renewed[name][-1:]
        renewal = ledger.renewal_of(name)
        assert (renewal.number[0], renewal.height) == last[0] if renewal else not last


@pytest.fixture(autouse=True, scope="module")
def _small_bounds() -> Iterator[None]:
    with patch.object(membership, "MEMBERS_MAX", SEATS_MAX), patch.object(membership, "RENEWAL_BLOCKS", RENEWED_EVERY):
        yield


@settings(max_examples=100, deadline=None)
@given(streams)
def test_the_rules_say_what_the_model_says(stream: list[list[Any]]) -> None:
    model, chain = Model(), Chain()
    for block in stream:
        height = chain.height + 1
        transactions, expected = [], []
        signers = {name: model.signer(name, height) for name in NAMES}
        for step in block:
            for by, operation, is_allowed in expand(model, step, height):
                transactions.append(chain.sign(by, operation, key=key_of(signers[by])))
                expected.append((operation, is_allowed))
        for (operation, is_allowed), outcome in zip(expected, chain.block(transactions).outcomes, strict=True):
            assert (outcome.code == "recorded") == is_allowed, (operation, outcome.code)
        compare(model, chain)

    store = MemoryStore()
    start_store(store, chain.genesis)
    again = Ledger(chain.genesis, store, cast(BlockLog, chain.ledger.log), True)
    again.load()
    again.replay()
    assert again.head == chain.ledger.head
    assert again.sets() == chain.ledger.sets()
