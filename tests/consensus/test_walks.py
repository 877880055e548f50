"""Random walks over changes of the set: loss, disorder, restarts, crossings of epochs; then all heal and go on.

No clock, no disk, no liar here: those are the simulator's. These walks are quick and end in the words of the table.
"""

from __future__ import annotations

import random

import pytest

from consensus.effects import Broadcast, Halt, LeaveSet
from consensus.events import Timer, WorkChanged
from consensus.model import Commit, Prepare, PrePrepare
from tests.consensus.cluster import Cluster, Seat

PERSONS = 6
STEPS = 400
HEAL_ROUNDS_MAX = 60


class Walk:
    def __init__(self, seed: int) -> None:
        self.draw = random.Random(f"walk {seed}")
        self.cluster = Cluster(4, others=PERSONS - 4)
        self.submitted = 0
        self.has_asked = False  # for the last transaction, after healing
        for height in range(1, 12):
            if self.draw.random() < 0.4:
                self.cluster.plan(height, *self.draw.sample(range(PERSONS), self.draw.choice([4, 4, 5, 6])))

    def step(self) -> None:
        cluster, draw = self.cluster, self.draw
        what = draw.random()
        if what < 0.70 and cluster.queue:
            sender, receiver, message = cluster.queue.pop(draw.randrange(min(len(cluster.queue), 12)))
            if draw.random() < 0.9:
                cluster.give(sender, receiver, message)
            if draw.random() < 0.05:
                cluster.queue.append((sender, receiver, message))
        elif what < 0.76:
            seat = draw.choice(cluster.seats)
            timer = draw.choice([Timer.VIEW, Timer.STATUS, Timer.PASS_ON])
            cluster.expire(timer, seat.number)
        elif what < 0.80:
            self.submitted += 1
            to = [seat.number for seat in cluster.seats if draw.random() < 0.7]
            cluster.submit(f"T-{self.submitted}", to=to)
        elif what < 0.82:
            self.restart(draw.choice(cluster.seats))
        elif what < 0.9:
            self.join()
        else:
            self.answer()

    def answer(self) -> None:
        """Fetches under way, without the rest of `settle`."""
        cluster = self.cluster
        queue, cluster.queue = cluster.queue, []
        cluster.settle()
        cluster.queue += queue

    def restart(self, seat: Seat) -> None:
        if not seat.did(LeaveSet):
            self.cluster.restart(seat.number, must_hear=True)
            self.cluster.connect(seat.number)

    def join(self) -> None:
        """Whoever has a seat at the highest head begins, with that head's blocks."""
        cluster = self.cluster
        ahead = max(cluster.seats, key=lambda seat: seat.height)
        for number in cluster.persons(cluster.set_at(ahead.height + 1)):
            running = [seat for seat in cluster.seats if seat.number == number]
            if not running or running[0].did(LeaveSet):
                for old in running:
                    cluster.seats.remove(old)
                cluster.join(number, source=ahead.number)
                cluster.connect(number)

    def check(self, signed: dict[tuple[object, ...], bytes]) -> None:
        """One block a height; one digest a slot and member, over all lives; nobody halts."""
        final: dict[int, bytes] = {}
        for seat in self.cluster.seats:
            assert not seat.did(Halt)
            for block in seat.blocks:
                digest = block.header.digest()
                assert final.setdefault(block.header.height, digest) == digest
            for effect in seat.effects:
                if isinstance(effect, Broadcast) and isinstance(effect.message, PrePrepare | Prepare | Commit):
                    message = effect.message
                    is_proposal = isinstance(message, PrePrepare)
                    digest = message.header.digest() if is_proposal else message.digest
                    kind = "Prepare" if is_proposal else type(message).__name__
                    slot = (seat.number, message.epoch, message.view, message.height, kind)
                    assert signed.setdefault(slot, digest) == digest

    def heal(self) -> bool:
        """Everybody hears everybody: all who have a seat reach one height, with all that was submitted, and a new one."""
        cluster = self.cluster
        self.submitted += 1
        last = f"T-{self.submitted}"
        for _ in range(HEAL_ROUNDS_MAX):
            self.join()
            ahead = max(cluster.seats, key=lambda seat: seat.height)
            members = cluster.persons(cluster.set_at(ahead.height + 1))
            for number in members:
                cluster.connect(number)
            if not self.has_asked:
                self.has_asked = True
                cluster.submit(last, to=members)
            self.pass_on(members)
            cluster.tick()
            heights = {cluster[number].height for number in members if cluster.has(number)}
            waiting = [cluster[number] for number in members if cluster.has(number) and cluster[number].pool]
            due = cluster.changes.get(max(heights)) is not None
            if len(heights) == 1 and not waiting and not due and all(cluster.has(number) for number in members):
                return True
            cluster.expire(Timer.VIEW, *members)
            cluster.settle()
        return False

    def pass_on(self, members: list[int]) -> None:
        """What waits anywhere waits everywhere (rule 10), unless it is final."""
        waiting = dict.fromkeys(entry for seat in self.cluster.seats for entry in seat.pool)
        for seat in self.cluster.seats:
            final = {entry for block in seat.blocks for entry in block.transactions}
            seat.pool = [entry for entry in waiting if entry not in final]
            if seat.number in members and seat.pool:
                seat.step(WorkChanged(True, self.cluster.now_ms))
        self.cluster.work()


@pytest.mark.parametrize("seed", range(12))
def test_a_walk_over_changes_of_the_set(seed: int) -> None:
    """Rules 13 to 15 together."""
    walk, signed = Walk(seed), dict[tuple[object, ...], bytes]()
    for _ in range(STEPS):
        walk.step()
    walk.check(signed)
    assert walk.heal(), [(seat.number, seat.height, seat.replica.view) for seat in walk.cluster.seats]
    walk.check(signed)
