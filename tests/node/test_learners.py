"""Who may have forgotten a vote signs nothing, says why, and comes back through a renewal. Source: PROTOCOL rule 14;
RELIABILITY 3.4 and G7."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from chain.transaction import Transaction
from consensus.model import Commit, NewView, PrePrepare
from consensus.wire import decode_message
from node.messages import CONSENSUS
from node.vote_memory import (
    JOURNAL_BEHIND,
    JOURNAL_COPIED,
    JOURNAL_DAMAGED,
    JOURNAL_MISSING,
    JOURNAL_OF_FORMER_RENEWAL,
    VOTE_FORGOTTEN,
    WAITS_FOR_RENEWAL,
)
from tests.chain.making import VALIDATORS
from tests.node.conftest import MakeTable
from tests.node.validating import Table, all_recorded, grow, recorded

PRIMARY, VICTIM = VALIDATORS[0], VALIDATORS[3]

Fault = Callable[[Path, Path], None]  # (data of the victim, a copy of it that was made earlier)


# ── what happens to disks ────────────────────────────────────────────────────────────────────────────────────────────


def restored(data: Path, backup: Path) -> None:
    """Everything from the backup, as new files."""
    shutil.rmtree(data)
    shutil.copytree(backup, data)


def rolled_back(data: Path, backup: Path) -> None:
    """The journal alone, as a new file."""
    shutil.rmtree(data / "journal")
    shutil.copytree(backup / "journal", data / "journal")


def rolled_back_in_place(data: Path, backup: Path) -> None:
    """The journal alone, over the file that is there: its inode stays."""
    (data / "journal" / "journal.log").write_bytes((backup / "journal" / "journal.log").read_bytes())


def wiped(data: Path, _backup: Path) -> None:
    """The disk is new, the keys were kept elsewhere; the blocks came from a peer's disk, or were kept too."""
    shutil.rmtree(data / "journal")


def spoilt(data: Path, _backup: Path) -> None:
    """A bit of the head."""
    file = data / "journal" / "journal.log"
    sound = bytearray(file.read_bytes())
    sound[100] ^= 1
    file.write_bytes(sound)


FAULTS: dict[str, tuple[Fault, str]] = {
    "restored": (restored, JOURNAL_COPIED),
    "rolled back": (rolled_back, JOURNAL_COPIED),
    "rolled back in place": (rolled_back_in_place, JOURNAL_BEHIND),
    "wiped": (wiped, JOURNAL_MISSING),
    "spoilt": (spoilt, JOURNAL_DAMAGED),
}


async def back_up(table: Table, name: str, backup: Path) -> None:
    """While it is stopped; it goes on afterwards and signs what the backup does not know."""
    await table.stop(name)
    shutil.copytree(table.place / name, backup)
    table.start(name)
    await table.until(lambda: not table.nodes[name].runtime.replica.waits_to_hear)
    before = table.votes_of(name)
    while table.votes_of(name) < before + 4:
        await grow(table, 1)


async def follows_silently(table: Table, name: str, blocks: int = 3) -> None:
    """It gets the blocks of the others and says nothing that is signed."""
    before = table.votes_of(name)
    await grow(table, blocks)
    await table.height(table.highest(), name)
    assert table.votes_of(name) == before


async def votes_again(table: Table, name: str, transaction: Transaction) -> int:
    """The renewal runs; it votes from the epoch that this one opens, and in none before. Returns the epoch."""
    before = {slot for slot in table.said if slot[0] == name}
    await table.submit(PRIMARY, transaction)
    await table.until(lambda: recorded(table.nodes[PRIMARY], transaction))
    epoch = table.newest().epoch
    await table.switched()
    while not {slot for slot in table.said if slot[0] == name} - before:
        await grow(table, 1)
    assert all(slot[1] >= epoch for slot in table.said if slot[0] == name and slot not in before)
    assert not table.nodes[name].learner_reason
    return epoch


@pytest.mark.parametrize("fault", FAULTS)
async def test_who_may_have_forgotten_a_vote_is_silent_until_its_renewal(
    table: Table, tmp_path: Path, fault: str
) -> None:
    """Restored backup, rolled-back journal, wiped disk, damage: the reason is said, the others go on, renew leads back."""
    spoil, reason = FAULTS[fault]
    table.start()
    await grow(table, 2)
    await back_up(table, VICTIM, tmp_path / "backup")
    await table.kill(VICTIM)
    spoil(table.place / VICTIM, tmp_path / "backup")
    table.start(VICTIM)
    assert table.nodes[VICTIM].learner_reason == reason
    assert f"follows without voting: {reason}" in table.nodes[VICTIM].not_ready()
    await follows_silently(table, VICTIM)

    await votes_again(table, VICTIM, table.renew(VICTIM))  # it runs on meanwhile
    assert not table.nodes[VICTIM].not_ready()
    await table.kill(PRIMARY)  # now its vote is needed
    await grow(table, 2, VALIDATORS[1])
    table.verify_same()


def in_place(source: Path, data: Path) -> None:
    """Journal and blocks as they were, in the very same files: what a snapshot below the file system does."""
    for file in [*(source / "journal").iterdir(), *(source / "blocks").iterdir()]:
        (data / file.relative_to(source)).write_bytes(file.read_bytes())


async def test_a_node_set_back_as_a_whole_hears_of_its_promise_from_the_others(table: Table, tmp_path: Path) -> None:
    """Nothing on its disk shows it, but it signs nothing before the others have said what they hold of it."""
    table.start()
    await grow(table, 3)
    await table.stop(VICTIM)
    data = table.place / VICTIM
    shutil.copytree(data, tmp_path / "snapshot")
    table.start(VICTIM)

    def decides_nothing(_sender: str, _target: str, kind: int, payload: bytes) -> bool:
        return kind == CONSENSUS and isinstance(decode_message(payload), PrePrepare | NewView | Commit)

    table.lost = decides_nothing
    await table.submit(VICTIM, table.transaction())
    others = [table.nodes[name].runtime.replica for name in VALIDATORS[:3]]
    await table.until(lambda: all(VALIDATORS.index(VICTIM) in other._state.view_changes for other in others))
    await table.kill(VICTIM)
    in_place(tmp_path / "snapshot", data)
    before = table.votes_of(VICTIM)
    table.start(VICTIM)
    assert not table.nodes[VICTIM].learner_reason
    await table.until(lambda: table.nodes[VICTIM].learner_reason == VOTE_FORGOTTEN)
    assert table.votes_of(VICTIM) == before
    table.lost = lambda _sender, _target, _kind, _payload: False
    await grow(table, 2, VALIDATORS[1])
    await votes_again(table, VICTIM, table.renew(VICTIM))
    table.verify_same()


async def test_of_two_live_copies_one_votes(table: Table) -> None:
    """A cloned home: the copy knows that it is one, whichever of both starts first."""
    table.start()
    await grow(table, 2)
    await table.stop(VICTIM)
    shutil.copytree(table.place / VICTIM, table.place / f"{VICTIM}@2")
    for order in ((f"{VICTIM}@2", VICTIM), (VICTIM, f"{VICTIM}@2")):
        table.start(*order)
        assert table.nodes[f"{VICTIM}@2"].learner_reason == JOURNAL_COPIED
        assert not table.nodes[VICTIM].learner_reason
        await grow(table, 4)
        for name in order:
            await table.stop(name)
    table.verify_same()


# ── renewals ─────────────────────────────────────────────────────────────────────────────────────────────────────────


async def without_journal(table: Table, *names: str) -> None:
    table.start()
    await grow(table, 2)
    for name in names:
        await table.kill(name)
        shutil.rmtree(table.place / name / "journal")
        table.start(name)
        assert table.nodes[name].learner_reason == JOURNAL_MISSING


async def test_somebody_elses_renewal_frees_nobody(make_table: MakeTable) -> None:
    """Rule 14: it votes from the epoch that this very operation opens. Two of seven have lost theirs."""
    table = seven(make_table)
    table.start()
    await grow(table, 2)
    first, second = sorted(table.seats)[-2:]
    for name in (first, second):
        await table.kill(name)
        shutil.rmtree(table.place / name / "journal")
        table.start(name)
    before = table.votes_of(second)
    waiting = table.renew(second)
    await table.kill(second)
    table.start(second)
    await votes_again(table, first, table.renew(first))
    await table.switched(second)
    assert table.nodes[second].learner_reason == WAITS_FOR_RENEWAL
    assert table.votes_of(second) == before
    await votes_again(table, second, waiting)
    table.verify_same()


@pytest.mark.parametrize("moment", ["before it is sent", "before its epoch", "in its epoch"])
async def test_a_restart_during_a_renewal_changes_nothing(table: Table, moment: str) -> None:
    await without_journal(table, VICTIM)
    await table.kill(VICTIM)
    transaction = table.renew(VICTIM)
    if moment == "before it is sent":
        table.start(VICTIM)
        assert table.nodes[VICTIM].learner_reason == WAITS_FOR_RENEWAL
        await follows_silently(table, VICTIM)
        await votes_again(table, VICTIM, transaction)
    else:
        await table.submit(PRIMARY, transaction)
        await table.until(lambda: recorded(table.nodes[PRIMARY], transaction))
        if moment == "in its epoch":
            await table.switched()
            await grow(table, 3)
        epoch = table.newest().epoch
        before = {slot for slot in table.said if slot[0] == VICTIM}
        table.start(VICTIM)
        await table.switched()
        while not {slot for slot in table.said if slot[0] == VICTIM} - before:
            await grow(table, 1)
        assert all(slot[1] >= epoch for slot in table.said if slot[0] == VICTIM and slot not in before)
    await table.kill(VICTIM)
    table.start(VICTIM)
    assert not table.nodes[VICTIM].learner_reason
    table.verify_same()


async def test_the_journal_of_a_former_renewal_does_not_vote(table: Table) -> None:
    """Of two homes of one seat the one whose renewal is recorded votes; the other one notices while it runs."""
    table.start()
    await grow(table, 2)
    await table.stop(VICTIM)
    shutil.copytree(table.place / VICTIM, table.place / f"{VICTIM}@2")
    transaction = table.renew(f"{VICTIM}@2")
    table.start(VICTIM, f"{VICTIM}@2")
    await table.until(lambda: not table.nodes[VICTIM].runtime.replica.waits_to_hear)
    assert not table.nodes[VICTIM].learner_reason
    assert table.nodes[f"{VICTIM}@2"].learner_reason == WAITS_FOR_RENEWAL
    await table.submit(PRIMARY, transaction)
    await all_recorded(table, transaction)
    await table.switched()
    assert table.nodes[VICTIM].learner_reason == JOURNAL_OF_FORMER_RENEWAL
    assert not table.nodes[f"{VICTIM}@2"].learner_reason
    await grow(table, 3)
    await table.kill(VICTIM)
    table.start(VICTIM)
    assert table.nodes[VICTIM].learner_reason == JOURNAL_OF_FORMER_RENEWAL
    await grow(table, 2)
    table.verify_same()


async def test_a_renewal_that_waits_is_sent_again_and_a_used_one_is_not(table: Table) -> None:
    """`medbill node renew` twice: the same number as long as nothing was voted under it."""
    await without_journal(table, VICTIM)
    await table.kill(VICTIM)
    first, again = table.renew(VICTIM), table.renew(VICTIM)
    assert first.entries == again.entries
    table.start(VICTIM)
    await votes_again(table, VICTIM, again)
    await table.kill(VICTIM)
    assert table.renew(VICTIM).entries != first.entries
    assert sorted(path.name for path in (table.place / VICTIM).glob("journal.former-*")) == ["journal.former-1"]


# ── every combination ────────────────────────────────────────────────────────────────────────────────────────────────

SEVEN = ("audit-a", "audit-b", "audit-c")  # beside the four: f = 2
PAIRS = [(first, second) for first in FAULTS for second in FAULTS if first <= second]


@pytest.mark.parametrize(("first", "second"), PAIRS)
async def test_two_of_seven_may_have_forgotten(make_table: MakeTable, tmp_path: Path, first: str, second: str) -> None:
    """With at most f of them: never two votes, and all come back."""
    await forget_together(seven(make_table), tmp_path, first, second)


def seven(make_table: MakeTable) -> Table:
    return make_table(more=SEVEN, seats=[*VALIDATORS, *SEVEN])


async def forget_together(table: Table, place: Path, *faults: str) -> None:
    victims = table.seats[-len(faults) :]
    table.start()
    await grow(table, 2)
    for name in victims:
        await back_up(table, name, place / f"backup-{name}")
    for name in victims:
        await table.kill(name)
    for name, fault in zip(victims, faults, strict=True):
        FAULTS[fault][0](table.place / name, place / f"backup-{name}")
    table.start(*victims)
    assert [table.nodes[name].learner_reason for name in victims] == [FAULTS[fault][1] for fault in faults]
    for name in victims:
        await follows_silently(table, name)
    for name in victims:
        await votes_again(table, name, table.renew(name))
    table.verify_same()


async def test_a_fresh_journal_that_was_put_back_after_it_was_used_waits_for_nothing(
    table: Table, tmp_path: Path
) -> None:
    """Its number opened an epoch already: the next renewal takes another."""
    await without_journal(table, VICTIM)
    first = table.renew(VICTIM)
    unused = (table.place / VICTIM / "journal" / "journal.log").read_bytes()
    await votes_again(table, VICTIM, first)
    before = table.votes_of(VICTIM)
    while table.votes_of(VICTIM) < before + 4:
        await grow(table, 1)
    await table.stop(VICTIM)
    (table.place / VICTIM / "journal" / "journal.log").write_bytes(unused)
    table.start(VICTIM)
    assert table.nodes[VICTIM].learner_reason == JOURNAL_BEHIND
    assert table.renew(VICTIM).entries != first.entries
    await follows_silently(table, VICTIM)
    table.verify_same()
