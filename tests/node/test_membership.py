"""Validators come, go, are replaced and change their keys, while the others go on. Four real ones and more in files; see
`validating.py`. Source: PROTOCOL rules 14 and 15."""

from __future__ import annotations

import random

import pytest

from chain.block import FinalBlock
from chain.codec import decode
from chain.operation import SeatChange
from chain.transaction import Transaction
from chain.validators import COMMIT, verify_certificate
from consensus.model import NewView, PrePrepare
from consensus.wire import decode_message
from node.journal import Journal
from node.messages import CONSENSUS
from node.vote_keys import make_vote_key
from node.vote_memory import JOURNAL_OF_ANOTHER_KEY, NO_SEAT, VOTE_KEY_MISSING
from tests.chain.making import VALIDATORS, key_of
from tests.node.conftest import MakeTable
from tests.node.validating import Table, all_recorded, grow, recorded

PRIMARY, LEAVING = VALIDATORS[0], VALIDATORS[3]
JOINING = "finance-city"

JOINS = SeatChange(JOINING, [key_of(f"{JOINING}/vote").public])
LEAVES = SeatChange(LEAVING, [])


async def switch(table: Table, *changes: SeatChange, via: str = PRIMARY) -> int:
    """Propose, approve, and wait until all stand in the new epoch."""
    epoch = table.newest().epoch
    await table.carry_out(via, *table.change(*changes))
    await table.until(lambda: table.newest().epoch > epoch)
    return await table.switched()


async def until_votes(table: Table, organisation: str, epoch: int) -> None:
    """Blocks until it has said a vote in an epoch."""
    via = table.newest().members[0].organisation
    while not any(slot[0] == organisation and slot[1] == epoch for slot in table.said):
        await grow(table, 1, via)


def verify_certificates(table: Table) -> None:
    """Every block of every log has a certificate of the set that the chain gives its height, and of no other."""
    table.verify_same()
    for node in table.nodes.values():
        for height in range(1, node.feed.height + 1):
            final = decode(node.ledger.log.read(height), FinalBlock)
            members, header = node.ledger.set_at(height), final.block.header
            assert header.validators == members.digest()
            verify_certificate(final.certificate, members, COMMIT, table.chain_id, height, header.digest())


# ── coming and going ─────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_validator_follows_until_it_has_a_seat_and_votes_from_its_epoch_on(table: Table) -> None:
    """Rule 15: known at h, in force at h + 2."""
    table.make(JOINING)
    table.start(*VALIDATORS, JOINING)
    await grow(table, 3)
    await table.height(3, JOINING)
    assert table.nodes[JOINING].learner_reason == NO_SEAT
    assert table.nodes[JOINING].not_ready() == []
    assert table.votes_of(JOINING) == 0

    epoch = await switch(table, JOINS)
    await until_votes(table, JOINING, epoch)
    assert [len(node.ledger.members.members) for node in table.nodes.values()] == [5] * 5
    assert not table.nodes[JOINING].learner_reason
    assert min(slot[1] for slot in table.said if slot[0] == JOINING) == epoch
    await table.kill(LEAVING)  # of five, four are needed
    await grow(table, 2)
    verify_certificates(table)


async def test_a_validator_that_joins_may_come_late(table: Table) -> None:
    """It was not started before its epoch had begun: it follows from genesis on and then votes."""
    table.start()
    await grow(table, 70)
    epoch = await switch(table, JOINS)
    await grow(table, 3)
    table.make(JOINING)
    table.start(JOINING)
    await table.until(lambda: table.nodes[JOINING].ledger.members.epoch == epoch)
    await until_votes(table, JOINING, epoch)
    verify_certificates(table)


async def test_who_leaves_votes_no_more_and_goes_on_serving_blocks(table: Table) -> None:
    """Rule 15. Five, so that four are left."""
    table.make(JOINING)
    table.start(*VALIDATORS, JOINING)
    await switch(table, JOINS)
    epoch = await switch(table, LEAVES)
    votes = table.votes_of(LEAVING)
    await table.until(lambda: table.nodes[LEAVING].learner_reason == NO_SEAT)
    await grow(table, 5)
    await table.height(table.highest())
    assert table.votes_of(LEAVING) == votes
    assert all(slot[1] < epoch for slot in table.said if slot[0] == LEAVING)
    transaction = table.transaction()
    await table.submit(LEAVING, transaction)  # a client that does not know it yet
    await all_recorded(table, transaction)
    await table.kill(LEAVING)
    table.start(LEAVING)
    assert table.nodes[LEAVING].runtime is None
    await grow(table, 2)
    await table.height(table.highest())
    verify_certificates(table)


async def test_who_left_comes_back_with_a_new_key(table: Table) -> None:
    """A key has a seat once; the journal is the same, and took the new key before any set had it."""
    table.make(JOINING)
    table.start(*VALIDATORS, JOINING)
    await switch(table, JOINS)
    await switch(table, LEAVES)
    await table.until(lambda: table.nodes[LEAVING].runtime is None)
    data = table.place / LEAVING
    _, public = make_vote_key(data / "config", data / "journal")
    epoch = await switch(table, SeatChange(LEAVING, [public]))
    await until_votes(table, LEAVING, epoch)
    verify_certificates(table)


async def test_one_that_slept_through_its_leaving_learns_of_it(table: Table) -> None:
    """It comes back as a member of an epoch that is over: others send it the blocks that say so."""
    table.make(JOINING)
    table.start(*VALIDATORS, JOINING)
    await switch(table, JOINS)
    await table.kill(LEAVING)
    await switch(table, LEAVES)
    await grow(table, 70)
    table.start(LEAVING)
    assert table.nodes[LEAVING].runtime is not None
    await table.until(lambda: table.nodes[LEAVING].learner_reason == NO_SEAT)
    await table.height(table.highest())
    verify_certificates(table)


async def test_one_that_slept_through_two_changes_votes_again(make_table: MakeTable) -> None:
    """Fetched blocks count as far as their headers name known sets; the rest is fetched when those are executed."""
    table = make_table(more=("audit-a",))
    table.make(JOINING)
    table.make("audit-a")
    table.start(*VALIDATORS, JOINING, "audit-a")
    sleeper = VALIDATORS[1]
    await grow(table, 2)
    await table.kill(sleeper)
    await switch(table, JOINS)
    await grow(table, 3)
    epoch = await switch(table, SeatChange("audit-a", [key_of("audit-a/vote").public]))
    await grow(table, 3)
    table.start(sleeper)
    await table.until(lambda: table.nodes[sleeper].ledger.members.epoch == epoch)
    await until_votes(table, sleeper, epoch)
    verify_certificates(table)


async def test_one_that_slept_while_all_others_were_replaced_comes_back(make_table: MakeTable) -> None:
    """No member of its set votes any more; they still send it the blocks that say who does."""
    more = ("audit-a", "audit-b", "audit-c")
    table = make_table(more=more)
    for name in more:
        table.make(name)
    table.start(*VALIDATORS, *more)
    sleeper, *others = VALIDATORS
    await grow(table, 2, others[0])
    await table.kill(sleeper)
    for leaves, joins in zip(others, more, strict=True):
        changes = (SeatChange(leaves, []), SeatChange(joins, [key_of(f"{joins}/vote").public]))
        epoch = await switch(table, *changes, via=table.newest().members[-1].organisation)
    await grow(table, 2, more[0])
    table.start(sleeper)
    await table.until(lambda: table.nodes[sleeper].ledger.members.epoch == epoch)
    await until_votes(table, sleeper, epoch)
    verify_certificates(table)


# ── inside the switch ────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("victim", [PRIMARY, VALIDATORS[1], LEAVING, JOINING])
async def test_one_is_replaced_while_somebody_dies_inside_the_switch(table: Table, victim: str) -> None:
    """Between the block that decides the change and its epoch: the old primary, a backup, who leaves, who comes."""
    table.make(JOINING)
    table.start(*VALIDATORS, JOINING)
    await grow(table, 2)
    operations = table.change(JOINS, LEAVES)
    via = VALIDATORS[2]
    await table.carry_out(via, *operations[:-1])
    epoch = table.newest().epoch
    await table.submit(via, operations[-1], *(table.transaction() for _ in range(5)))
    await table.until(lambda: table.newest().epoch > epoch)
    await table.kill(victim)
    epoch = await table.switched()
    await grow(table, 3, via)
    table.start(victim)
    joined = await table.switched(victim)
    assert joined == epoch
    if victim != LEAVING:
        await until_votes(table, JOINING, epoch)
    await grow(table, 3, via)
    await table.height(table.highest())
    assert all(slot[1] < epoch for slot in table.said if slot[0] == LEAVING)
    verify_certificates(table)


async def test_a_switch_is_made_by_a_change_of_view(table: Table) -> None:
    """The primary falls silent in the block between: its successor of the old epoch finishes that."""
    table.make(JOINING)
    table.start(*VALIDATORS, JOINING)
    await grow(table, 2)
    *before, last = table.change(JOINS, LEAVES)
    await table.carry_out(VALIDATORS[1], *before)
    old = table.newest().epoch

    def primary_is_silent(sender: str, _target: str, kind: int, payload: bytes) -> bool:
        if sender != PRIMARY or kind != CONSENSUS or table.newest().epoch == old:
            return False
        return isinstance(decode_message(payload), PrePrepare | NewView)

    table.lost = primary_is_silent
    await table.submit(VALIDATORS[1], last)
    await table.until(lambda: table.newest().epoch > old)
    epoch = await table.switched(*VALIDATORS, JOINING)
    final = decode(table.nodes[VALIDATORS[1]].ledger.log.read(epoch - 1), FinalBlock)
    assert final.certificate.view > 0
    assert all(slot[3] == 0 for slot in table.said if slot[1] == epoch)
    table.lost = lambda _sender, _target, _kind, _payload: False
    await grow(table, 3, VALIDATORS[1])
    verify_certificates(table)


async def test_all_are_stopped_between_the_decision_and_the_switch(table: Table) -> None:
    """What a restart knows of the set that comes is in the ledger alone."""
    table.make(JOINING)
    table.start(*VALIDATORS, JOINING)
    *before, last = table.change(JOINS, LEAVES)
    await table.carry_out(PRIMARY, *before)
    old = table.newest().epoch

    def nothing_follows(_sender: str, _target: str, kind: int, _payload: bytes) -> bool:
        return kind == CONSENSUS and table.newest().epoch > old

    table.lost = nothing_follows
    await table.submit(PRIMARY, last)
    await table.until(lambda: table.newest().epoch > old)
    epoch = table.newest().epoch
    for name in [*VALIDATORS, JOINING]:
        await table.kill(name)
    table.lost = lambda _sender, _target, _kind, _payload: False
    table.start(*VALIDATORS, JOINING)
    await table.until(lambda: table.newest().epoch == epoch)
    await table.switched()
    await until_votes(table, JOINING, epoch)
    verify_certificates(table)


async def test_load_goes_on_over_changes_with_losses(make_table: MakeTable) -> None:
    """Five changes one after the other: each transaction once, one block at each height."""
    more = ("audit-a", "audit-b")
    table = make_table(more=more)
    for name in (JOINING, *more):
        table.make(name)
    table.start(*VALIDATORS, JOINING, *more)
    # Not each eleventh: that can fall into step with what goes out every second, and lose the same answer for ever.
    dice = random.Random(11)
    table.lost = lambda _sender, _target, kind, _payload: kind == CONSENSUS and dice.random() < 1 / 11
    sent: list[Transaction] = []
    changes = [
        [JOINS],
        [SeatChange("audit-a", [key_of("audit-a/vote").public])],
        [SeatChange("audit-b", [key_of("audit-b/vote").public]), SeatChange(VALIDATORS[2], [])],
        [LEAVES],
        [SeatChange("audit-a", [])],
    ]
    for change in changes:
        for operation in table.change(*change):
            load = [table.transaction() for _ in range(3)]
            sent += load
            await table.submit(VALIDATORS[1], *load, operation)
            await table.until(lambda: recorded(table.nodes[VALIDATORS[1]], operation))  # noqa: B023 (awaited here)
        await table.switched(*(member.organisation for member in table.newest().members))
    table.lost = lambda _sender, _target, _kind, _payload: False
    await table.submit(VALIDATORS[1], *sent)
    await all_recorded(table, *sent)
    assert [member.organisation for member in table.newest().members] == ["audit-b", "bigdata", "finance", JOINING]
    verify_certificates(table)


# ── keys ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_vote_key_changes_without_a_stop(table: Table) -> None:
    """The new key lies in the home before it is proposed; the journal takes it, the set says when it signs."""
    table.start()
    await grow(table, 2)
    name = PRIMARY
    data = table.place / name
    path, public = make_vote_key(data / "config", data / "journal")
    epoch = await switch(table, SeatChange(name, [public]), via=VALIDATORS[1])
    await until_votes(table, name, epoch)
    assert all(not node.learner_reason for node in table.nodes.values())
    await table.kill(VALIDATORS[1])  # its votes are needed now
    await grow(table, 2)
    table.start(VALIDATORS[1])
    await table.stop(name)
    journal = Journal.open(data / "journal")
    assert journal.keys == [key_of(f"{name}/vote").public, public]
    journal.close()
    assert list((data / "journal").glob("key-*")) == []
    (data / "config" / "vote.key").unlink()  # the old one is of no use any more
    table.start(name)
    assert not table.nodes[name].learner_reason
    await grow(table, 2)
    assert path.exists()
    verify_certificates(table)


async def test_a_key_that_is_not_here_makes_a_learner_and_one_that_comes_late_needs_a_renewal(table: Table) -> None:
    """Somewhere else the key may have voted already."""
    table.start()
    name = VALIDATORS[2]
    elsewhere = key_of(f"{name}/vote-2")
    epoch = await switch(table, SeatChange(name, [elsewhere.public]))
    assert table.nodes[name].learner_reason == VOTE_KEY_MISSING
    table.make(f"{name}@2", "vote-2")  # a home with the key and an empty journal of its own
    table.start(f"{name}@2")
    await until_votes(table, name, epoch)
    await table.kill(f"{name}@2")
    votes = table.votes_of(name)
    late = table.place / f"{name}@2" / "config" / "vote.key"
    late.rename(table.place / name / "config" / "vote-late.key")
    await table.kill(name)
    table.start(name)
    assert table.nodes[name].learner_reason == JOURNAL_OF_ANOTHER_KEY
    await grow(table, 2)
    assert table.votes_of(name) == votes
    await table.carry_out(PRIMARY, table.renew(name))
    await until_votes(table, name, await table.switched())
    verify_certificates(table)


async def test_a_key_made_before_a_renewal_is_known_to_the_fresh_journal(table: Table) -> None:
    """Its note lay beside the journal that was put aside; nothing was ever signed with it."""
    table.start()
    await grow(table, 2)
    name = VALIDATORS[2]
    data = table.place / name
    await table.kill(name)
    _, public = make_vote_key(data / "config", data / "journal")
    (data / "journal" / "journal.log").unlink()
    renewal = table.renew(name)
    table.start(name)
    await table.carry_out(PRIMARY, renewal)
    await until_votes(table, name, await table.switched())
    await until_votes(table, name, await switch(table, SeatChange(name, [public])))
    assert not table.nodes[name].learner_reason
    verify_certificates(table)
