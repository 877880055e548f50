"""Validators: votes are saved before they are said, blocks are kept before they are spoken of, and one bad peer or one
crash stops nobody. Four real ones in files; see `validating.py`. Source: PROTOCOL rules 3 to 14; DESIGN sections 7 to 9.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest

from chain.block import FinalBlock
from chain.codec import decode, encode
from chain.ledger import Ledger
from chain.transaction import Transaction
from consensus.effects import PassOn
from consensus.model import Blocks, Bodies, FetchBodies, NewView, Prepare, PrePrepare, Status
from consensus.wire import decode_message, encode_message, vote_digest
from node.journal import Journal
from node.link import Link
from node.messages import BUNDLE, BUNDLE_BYTES_MAX, CONSENSUS, encode_bundle
from node.saver import Saver
from node.validator_intake import REFUSED_WORK_S
from tests.chain.making import VALIDATORS, key_of
from tests.node.conftest import MakeTable
from tests.node.validating import Fuse, Table, all_recorded, grow, recorded

PRIMARY = VALIDATORS[0]  # of view 0
BACKUPS = VALIDATORS[1:]


def is_kind(payload: bytes, *kinds: type) -> bool:
    return isinstance(decode_message(payload), kinds)


# ── the normal case ──────────────────────────────────────────────────────────────────────────────────────────────────


async def test_what_one_validator_is_given_all_of_them_record(table: Table) -> None:
    """Rule 10: a client's transaction is passed on to all once."""
    table.start()
    first, second = table.transaction(), table.transaction()
    await table.submit(BACKUPS[2], first)
    await all_recorded(table, first)
    await table.submit(PRIMARY, second, first)
    await all_recorded(table, second)
    table.verify_same()
    assert all(len(node.pool) == 0 for node in table.nodes.values())
    assert all(len(node.parts.checked) == 0 for node in table.nodes.values())  # of what is final nothing is kept
    assert all(node.runtime.replica.view == 0 for node in table.nodes.values())


async def test_a_transaction_is_recorded_once_however_often_it_comes(table: Table) -> None:
    table.start()
    again = table.transaction()
    for name in (*VALIDATORS, PRIMARY):
        await table.submit(name, again, again)
    await all_recorded(table, again)
    for name in VALIDATORS:
        await table.submit(name, again)
    last = table.transaction()
    await table.submit(PRIMARY, last)
    await all_recorded(table, last)
    log = table.nodes[PRIMARY].ledger.log
    blocks = [decode(log.read(height), FinalBlock) for height in range(1, log.height + 1)]
    assert sum(len(block.block.transactions) for block in blocks) == 2


async def test_validators_agree_on_lossy_slow_links(table: Table) -> None:
    """Rule 11: certificates and Status repair every loss."""
    dice = random.Random(1)
    table.delay_s = 0.002
    table.lost = lambda _sender, _target, _kind, _payload: dice.random() < 0.15
    table.start()
    sent = [table.transaction() for _ in range(20)]
    for number, transaction in enumerate(sent):
        await table.submit(VALIDATORS[number % 4], transaction)
    await table.until(lambda: any(all(recorded(node, entry) for entry in sent) for node in table.nodes.values()))
    table.lost = lambda _sender, _target, _kind, _payload: False
    await all_recorded(table, *sent)
    table.verify_same()


# ── views ────────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_primary_that_falls_silent_in_the_middle_of_a_proposal_is_replaced(table: Table) -> None:
    """Rule 6, 8: one backup has its proposal, the others do not."""
    table.lost = lambda sender, target, kind, payload: (
        sender == PRIMARY and not (target == BACKUPS[0] and kind == CONSENSUS and is_kind(payload, PrePrepare))
    )
    table.start()
    transaction = table.transaction()
    await table.submit(BACKUPS[1], transaction)
    await table.until(lambda: all(recorded(table.nodes[name], transaction) for name in BACKUPS))
    table.lost = lambda _sender, _target, _kind, _payload: False
    await all_recorded(table, transaction)
    table.verify_same()
    assert table.nodes[BACKUPS[0]].runtime.replica.view > 0


async def test_two_of_four_killed_during_a_change_of_view_come_back_and_go_on(table: Table) -> None:
    table.lost = lambda sender, _target, kind, payload: (
        kind == CONSENSUS and (sender == PRIMARY or is_kind(payload, NewView))
    )
    table.start()
    transaction = table.transaction()
    await table.submit(BACKUPS[0], transaction)
    await table.until(lambda: all(table.nodes[name].runtime.replica.view > 0 for name in BACKUPS))
    for name in BACKUPS[:2]:
        await table.kill(name)
        table.verify_saved(name)
    table.lost = lambda _sender, _target, _kind, _payload: False
    table.start(*BACKUPS[:2])
    await table.submit(BACKUPS[0], transaction)
    await all_recorded(table, transaction)
    table.verify_same()


async def test_all_four_killed_at_once_go_on_where_they_were(table: Table) -> None:
    table.start()
    first, second = table.transaction(), table.transaction()
    await table.submit(PRIMARY, first)
    await all_recorded(table, first)
    for name in VALIDATORS:
        await table.kill(name)
        table.verify_saved(name)
    table.start()
    await table.submit(BACKUPS[0], second)
    await all_recorded(table, first, second)
    table.verify_same()


async def test_a_stopped_validator_has_said_and_saved_what_it_decided(table: Table) -> None:
    """DESIGN 9: SIGTERM finishes the block."""
    table.start()
    sent = [table.transaction() for _ in range(10)]
    for transaction in sent:
        await table.submit(PRIMARY, transaction)
    for name in VALIDATORS:
        node = table.nodes[name]
        await table.stop(name)
        table.verify_saved(name)
        assert node.ledger.log.flushed_height == node.runtime.replica.height
    table.start()
    await table.submit(PRIMARY, *sent)
    await all_recorded(table, *sent)
    table.verify_same()


# ── crashes ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("victim", [PRIMARY, BACKUPS[0]])
async def test_a_crash_before_any_write_or_flush_loses_no_vote_and_no_block(make_table: MakeTable, victim: str) -> None:
    """Rule 13, at every place of the writer's thread."""
    for at in range(1, 20):
        table = make_table()
        if not await crashes(table, victim, at):
            break
        await table.end()


def is_through(table: Table, fuse: Fuse, sent: list[Transaction]) -> bool:
    return fuse.dead or all(recorded(node, entry) for node in table.nodes.values() for entry in sent)


async def crashes(table: Table, victim: str, at: int) -> bool:
    """Whether there was an `at`-th place."""
    table.start()
    fuse = Fuse(table.nodes[victim], at)
    sent = [table.transaction() for _ in range(3)]
    for number, transaction in enumerate(sent):  # a block each, as long as all live
        await table.submit(BACKUPS[1], transaction)
        await table.until(partial(is_through, table, fuse, sent[: number + 1]))
    if fuse.dead:
        await table.until(lambda: victim in table.halted)
    final = table.nodes[victim].feed.height
    await table.kill(victim)
    table.verify_saved(victim)
    table.start(victim)
    assert table.nodes[victim].ledger.head.height >= final
    assert not table.nodes[victim].learner_reason
    await all_recorded(table, *sent)
    table.verify_same()
    return fuse.dead


async def test_a_block_is_on_the_disk_before_the_journal_that_follows_from_it_is_written() -> None:
    """After a loss of power the disk may hold what was written last and lack what was written before, as long as
    neither was flushed: a vote above a block that is gone would be damage, and the node would not start."""
    done: list[object] = []

    def note(what: str) -> Any:
        return lambda *arguments: done.append((what, *arguments[:1]))

    log = SimpleNamespace(append=note("block"), flush=note("blocks flushed"), last_journal_sequence=0)
    journal = SimpleNamespace(
        append=lambda payload, _height: done.append(payload.decode()),
        flush=note("journal flushed"),
        prune=lambda *_arguments: None,
        flushed_sequence=0,
    )
    ledger = SimpleNamespace(log=log, unflushed_blocks=0)
    with ThreadPoolExecutor(1) as thread:
        saver = Saver(cast(Ledger, ledger), cast(Journal, journal), thread, thread, note("spoken of"))
        saver.entry(1, b"commit of 1")
        saver.send(lambda: done.append("said"))
        saver.block(1, bytes(32), b"block 1")
        saver.entry(2, b"prepare of 2")
        await saver.drain()
    assert done == [
        ("block", 1),
        ("blocks flushed",),
        "commit of 1",
        "prepare of 2",
        ("journal flushed",),
        ("spoken of", 1),
        "said",
    ]


class Disk:
    """Log, journal and state for a Saver, in memory; `meanwhile` runs in the writer's thread, before it prunes."""

    def __init__(self) -> None:
        self.written: list[int] = []  # heights in the log
        self.state_height = 0  # of the last batch of the state that was written
        self.head = 0
        self.unflushed_blocks = 0
        self.kept: list[bytes] = []
        self.meanwhile: Callable[[], None] = lambda: None
        self.last_journal_sequence = self.flushed_sequence = 0
        self.log = self.state = self.store = self

    def saver(self, thread: ThreadPoolExecutor) -> Saver:
        journal = SimpleNamespace(append=self.append, flush=self.flush, prune=self.prune, flushed_sequence=0)
        return Saver(cast(Ledger, self), cast(Journal, journal), thread, thread, lambda _height: None)

    def adopt(self, saver: Saver, size: int = 100) -> None:
        """The next block is final."""
        self.head += 1
        self.unflushed_blocks += 1
        saver.block(self.head, bytes(32), bytes(size))

    def append(self, height: object, *_arguments: object) -> None:
        if isinstance(height, int):
            self.written.append(height)

    def flush(self) -> None:
        self.meanwhile()

    def prune(self, _height: int, _digest: bytes, keep: list[bytes]) -> None:
        self.kept = keep

    def begin_flush(self) -> tuple[dict[bytes, bytes], list[bytes]]:
        return {b"applied": self.head.to_bytes(8, "big")}, []

    def end_flush(self) -> None:
        """Nothing is read from here."""

    def write(self, puts: dict[bytes, bytes], _deletes: list[bytes], sync: bool) -> None:
        assert sync
        self.state_height = int.from_bytes(puts[b"applied"], "big")


async def test_what_was_written_and_sent_waits_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """The bound is on what waits at a time: counted since the start, it stopped all validators at once after a while."""
    monkeypatch.setattr("node.saver.WAITING_BYTES_MAX", 1_000)
    disk = Disk()
    with ThreadPoolExecutor(1) as thread:
        saver = disk.saver(thread)
        for height in range(1, 21):
            disk.adopt(saver)
            saver.entry(height + 1, bytes(100))
            saver.send(lambda: None, 100)
            await saver.drain()
        saver.entry(height + 1, bytes(900))
        with pytest.raises(RuntimeError, match="does not keep up"):
            saver.send(lambda: None, 101)


async def test_the_state_on_the_disk_is_never_ahead_of_the_log() -> None:
    """A state above the log's end is dropped at the next start, and the whole log is run again."""
    disk = Disk()
    with ThreadPoolExecutor(1) as thread:
        saver = disk.saver(thread)
        disk.unflushed_blocks = 1_000  # so that a batch is due
        disk.adopt(saver)
        asyncio.get_running_loop().call_soon(disk.adopt, saver)  # another block, as soon as the saver lets go
        await saver.drain()
    assert (disk.head, disk.written) == (2, [1])
    assert disk.state_height == 1


async def test_the_last_promise_of_an_epoch_stays_until_the_block_that_ends_it_is_on_the_disk() -> None:
    """Rule 13: pruned away while the writer still had the block before, it was forgotten by a crash at that moment, and
    the node could vote in a view that it had left."""
    disk = Disk()
    with ThreadPoolExecutor(1) as thread:
        saver = disk.saver(thread)
        saver.keep = [b"ViewChange to 7"]
        disk.adopt(saver)

        def another_epoch_begins() -> None:
            saver.keep = []

        disk.meanwhile = another_epoch_begins
        await saver.drain()
        assert disk.kept == [b"ViewChange to 7"]
        disk.adopt(saver)
        await saver.drain()
        assert disk.kept == []


async def test_a_broken_step_of_a_timer_stops_the_node_before_it_says_more(table: Table) -> None:
    """What the step wanted saved is lost with it, and the core believes that it was saved."""
    table.start()
    node = table.nodes[BACKUPS[0]]

    def broken(_effect: object) -> None:
        raise RuntimeError("the promise was not saved")

    await table.until(lambda: not node.runtime.replica.waits_to_hear)
    node.effects.persist = broken  # type: ignore[method-assign,assignment]
    table.lost = lambda _sender, _target, _kind, _payload: True
    await table.submit(BACKUPS[0], table.transaction())
    await table.until(lambda: BACKUPS[0] in table.halted)
    assert node.runtime.halted


# ── behind ───────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_validator_that_is_far_behind_catches_up_with_few_questions(table: Table) -> None:
    """Rule 11: the blocks of an answer are all used."""
    table.start(*VALIDATORS[:3])
    await grow(table, 100)
    answers: list[int] = []

    def counted(_sender: str, target: str, kind: int, payload: bytes) -> bool:
        if target == VALIDATORS[3] and kind == CONSENSUS and isinstance(message := decode_message(payload), Blocks):
            answers.append(len(message.blocks))
        return False

    table.lost = counted
    table.start(VALIDATORS[3])
    await table.height(100)
    table.verify_same()
    assert sum(answers) < 200


async def test_a_validator_without_its_journal_follows_and_signs_nothing_over_restarts(table: Table) -> None:
    """Rule 14. Its organisation then puts an old journal back: that does not make it a voter."""
    name = BACKUPS[2]
    table.start()
    await grow(table, 3)
    await table.kill(name)
    journal = table.place / name / "journal" / "journal.log"
    old = journal.read_bytes()
    table.start(name)
    await grow(table, 3)
    await table.height(6)
    await table.kill(name)
    journal.unlink()
    journal.parent.rmdir()
    votes = table.votes_of(name)
    table.start(name)
    assert table.nodes[name].learner_reason == "journal_missing"
    await grow(table, 3)
    await table.height(9)
    for _ in range(2):
        await table.kill(name)
        journal.parent.mkdir(exist_ok=True)
        journal.write_bytes(old)
        table.start(name)
        assert table.nodes[name].learner_reason == "journal_copied"
        await grow(table, 2)
        await table.height(table.nodes[PRIMARY].feed.height)
    assert table.votes_of(name) == votes
    table.verify_same()


async def test_a_validator_that_was_shown_a_vote_it_forgot_stays_a_learner_over_restarts(table: Table) -> None:
    """Rule 14: the vote's height goes by, but a ViewChange may be forgotten too."""
    name = BACKUPS[2]
    seat = VALIDATORS.index(name)
    table.start()
    await grow(table, 2)
    await table.height(2)
    head = table.nodes[name].ledger.head
    unsigned = Prepare(table.members.epoch, 0, head.height + 1, bytes(32), seat, bytes(64))
    signature = key_of(f"{name}/vote").sign(vote_digest(unsigned, table.chain_id))
    vote = msgspec.structs.replace(unsigned, signature=signature)
    shown = Status(table.members.epoch, 0, True, head.height, head.digest, [vote], [0] * 4)
    await table.nodes[name].on_message(cast(Link, table.links[name, BACKUPS[0]]), CONSENSUS, encode_message(shown))
    assert table.nodes[name].learner_reason == "vote_forgotten"
    await grow(table, 1)
    await table.height(3)
    votes = len(table.said)
    for _ in range(2):
        await table.kill(name)
        table.start(name)
        assert table.nodes[name].learner_reason == "vote_forgotten"
        await grow(table, 1)
    await table.height(5)
    assert len(table.said) > votes
    assert all(slot[-1] <= 2 for slot in table.said if slot[0] == name)
    table.verify_same()


# ── bodies ───────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_missing_bodies_are_fetched(table: Table) -> None:
    """Rule 3."""
    table.lost = lambda _sender, _target, kind, _payload: kind == BUNDLE
    table.start()
    transaction = table.transaction()
    await table.submit(PRIMARY, transaction)
    await all_recorded(table, transaction)
    assert all(node.runtime.replica.view == 0 for node in table.nodes.values())


def spoilt(transaction: Transaction, how: str) -> Transaction:
    """The same digest: signature and suite are not part of it."""
    if how == "suite":
        return msgspec.structs.replace(transaction, suite=2)
    return msgspec.structs.replace(transaction, signature=bytes(64))


@pytest.mark.parametrize("how", ["signature", "suite"])
async def test_a_body_with_a_wrong_signature_makes_no_block_invalid(table: Table, how: str) -> None:
    """Digests leave signatures out: a primary that gives one backup a spoilt body would stop it for ever."""
    victim = BACKUPS[0]
    given: list[str] = []

    def spoil(sender: str, target: str, kind: int, payload: bytes) -> bool:
        if kind == BUNDLE:
            return True
        if target == victim and isinstance(message := decode_message(payload), Bodies) and sender == PRIMARY:
            given.append(sender)
            bodies = [spoilt(body, how) for body in message.transactions]
            table.links[sender, target]._queue.put_nowait((CONSENSUS, encode_message(Bodies(bodies))))
            return True
        return False

    table.lost = spoil
    table.start()
    transaction = table.transaction()
    await table.submit(PRIMARY, transaction)
    await all_recorded(table, transaction)
    assert given
    table.verify_same()


async def test_a_final_block_with_spoilt_signatures_is_asked_for_elsewhere(table: Table) -> None:
    """A certificate does not cover the signatures of a block's transactions."""
    victim, liar = VALIDATORS[3], VALIDATORS[0]
    table.start(*VALIDATORS[:3])
    await grow(table, 5)

    def spoil(sender: str, target: str, kind: int, payload: bytes) -> bool:
        if kind != CONSENSUS or (sender, target) != (liar, victim):
            return False
        message = decode_message(payload)
        if not isinstance(message, Blocks):
            return False
        blocks = [
            msgspec.structs.replace(
                final,
                block=msgspec.structs.replace(
                    final.block, transactions=[spoilt(body, "signature") for body in final.block.transactions]
                ),
            )
            for final in message.blocks
        ]
        table.links[sender, target]._queue.put_nowait((CONSENSUS, encode_message(Blocks(blocks))))
        return True

    table.lost = spoil
    table.start(victim)
    table.nodes[victim].runtime.replica._state.last_asked = 3  # the liar is next
    await table.height(5)
    table.verify_same()


async def test_bodies_that_nobody_asked_for_take_no_memory(table: Table) -> None:
    table.start()
    node, liar = table.nodes[PRIMARY], table.links[PRIMARY, BACKUPS[0]]
    for _ in range(10):
        payload = encode_message(Bodies([table.transaction() for _ in range(20)]))
        await node.on_message(cast(Link, liar), CONSENSUS, payload)
    assert not node.parts.proposals._bodies
    assert node.parts.refusals["unasked"] == 10


async def test_bundles_that_are_refused_count_as_work_for_whoever_sent_them(
    table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    """RELIABILITY 2.2 Y13: signatures that do not hold cost their sender, what may run costs nobody."""
    table.start()
    node, link = table.nodes[PRIMARY], table.links[PRIMARY, BACKUPS[0]]
    spent: list[float] = []
    monkeypatch.setattr(link, "spend", spent.append)
    good, other = table.transaction(), table.transaction()
    bad = msgspec.structs.replace(other, signature=bytes(64))
    for transactions in ([bad, bad, bad], [good], [bad]):
        await node.on_message(cast(Link, link), BUNDLE, encode_bundle(transactions))
    await all_recorded(table, good)
    await node.on_message(cast(Link, link), BUNDLE, encode_bundle([good]))  # repeated: a race, and nobody's fault
    wanted = [count * REFUSED_WORK_S for count in (3, 0, 1, 0)]

    def counted() -> list[float]:
        return [seconds for seconds in spent if seconds in wanted]  # beside the measured cost of votes

    await table.until(lambda: len(counted()) >= 4)
    assert counted() == wanted


async def test_bytes_that_are_no_message_are_counted_and_nothing_else(table: Table) -> None:
    table.start()
    dice = random.Random(2)
    node, link = table.nodes[PRIMARY], cast(Link, table.links[PRIMARY, BACKUPS[0]])
    samples = [encode([9, []]), encode([10, [1]]), b"", b"\x92\x09", encode_message(FetchBodies([bytes(32)]))]
    for number in range(500):
        sample = bytearray(samples[number % len(samples)] + dice.randbytes(dice.randrange(4)))
        if sample:
            sample[dice.randrange(len(sample))] ^= 1 << dice.randrange(8)
        await node.on_message(link, CONSENSUS, bytes(sample))
    await node.on_message(link, CONSENSUS, bytes(10 << 20))
    transaction = table.transaction()
    await table.submit(BACKUPS[1], transaction)
    await all_recorded(table, transaction)
    table.verify_same()


# ── work ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_expired_transactions_change_no_view(make_table: MakeTable) -> None:
    """Rule 10: what cannot run any more is dropped after each block; no timer runs for it."""
    table = make_table(block_transactions_max=1)
    table.start()
    sent = [table.transaction(valid_until=2) for _ in range(200)]
    await table.submit(PRIMARY, *sent)
    await table.height(2)
    await table.until(lambda: all(len(node.pool) == 0 for node in table.nodes.values()))
    late = table.transaction()
    await table.submit(BACKUPS[0], late)
    await all_recorded(table, late)
    assert all(node.runtime.replica.view == 0 for node in table.nodes.values())
    assert table.nodes[PRIMARY].feed.height == 3


async def test_a_passed_over_transaction_goes_to_the_primary_before_it_costs_the_view(make_table: MakeTable) -> None:
    """Rule 10: it never reached the primary, under a load that lets no timer end."""
    table = make_table(block_transactions_max=10)
    table.lost = lambda sender, _target, kind, _payload: sender == BACKUPS[0] and kind == BUNDLE
    table.start()
    alone = table.transaction()
    await table.submit(BACKUPS[0], alone)
    table.lost = lambda _sender, _target, _kind, _payload: False
    for _ in range(7):
        if not recorded(table.nodes[PRIMARY], alone):
            await grow(table, 1)
    await all_recorded(table, alone)
    assert all(node.runtime.replica.view == 0 for node in table.nodes.values())


async def test_more_work_than_a_frame_holds_is_passed_on_in_several(make_table: MakeTable) -> None:
    """A link takes no frame above its bound, and what it refuses would stop the node."""
    table = make_table(block_bytes_max=16 << 20)
    table.start()
    backup, sizes = table.nodes[BACKUPS[0]], list[int]()

    def measured(_sender: str, _target: str, _kind: int, payload: bytes) -> bool:
        sizes.append(len(payload))
        return True

    table.lost = measured
    for _ in range(12):
        await table.submit(BACKUPS[0], table.large_transaction())
    sizes.clear()
    backup.effects.pass_on(PassOn(0))
    bundles = [size for size in sizes if size > 100_000]
    assert len(backup.pool) == 12
    assert 1 < len(bundles) < 12
    assert max(bundles) < BUNDLE_BYTES_MAX + 1_000
