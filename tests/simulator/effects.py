"""What a simulated node does about each effect of its replica."""

from __future__ import annotations

from functools import partial
from math import ceil
from typing import TYPE_CHECKING, assert_never

from consensus.effects import (
    Accuse,
    BecomeLearner,
    Broadcast,
    CheckBlock,
    Effect,
    EnterEpoch,
    FetchBlocks,
    Finalise,
    Halt,
    LeaveSet,
    PassOn,
    Persist,
    Propose,
    Refuse,
    Send,
    SendBlocks,
    StartTimer,
    StopTimer,
)
from consensus.events import Event, PeerUnreachable, Timer, TimerExpired
from consensus.model import Fetch
from tests.simulator.checks import Broken
from tests.simulator.payloads import Gossip
from tests.simulator.province import member_name
from tests.simulator.saver import Addressed

if TYPE_CHECKING:
    from tests.simulator.node import Node


class Effects:
    def __init__(self, node: Node) -> None:
        self._node = node

    def perform(self, effect: Effect) -> None:
        """What may run at once, runs; the rest goes to the saver, in order. Raises Crashed if this is the last one."""
        node, world = self._node, self._node.world
        node.count_to_crash()
        match effect:
            case Persist() | Broadcast():
                node.saver.put(effect)
            case Send() | SendBlocks():  # to whom is settled now: seats may mean others when the saver comes to it
                node.saver.put(Addressed(node.number_of(effect.seat), effect))
            case Finalise():
                node.finalise(effect)
            case StartTimer():
                delay = max(1, ceil(effect.timeout_ms / node.speed))  # never before its clock says so
                node.after(delay, partial(self._expired, effect.timer, effect.number))
            case StopTimer():
                pass  # its end is ignored by its number
            case Propose():
                node.after(node.execution_delay(), partial(node.proposal, effect))
            case CheckBlock():
                node.proposals.check(effect)
            case FetchBlocks():
                self._fetch_blocks(effect)
            case PassOn():
                world.sometimes["passed on to the primary"] += 1
                if node.pool.waiting:
                    node.send_seat(effect.seat, Gossip(list(node.pool.waiting.values())))
            case Accuse():
                world.checks.on_accuse(node, effect.first, effect.second)
            case Refuse():
                world.sometimes[f"refused: {effect.error.code}"] += 1
            case BecomeLearner():
                self._become_learner(effect)
            case EnterEpoch():
                world.sometimes["P9 an epoch begins"] += 1
                if node.is_honest:
                    world.trace(node.number, f"epoch {effect.members.epoch} of {effect.members.n}")
                world.connect(node)
            case LeaveSet():
                world.sometimes["P9 a seat is left"] += 1
                node.replica = None
                node.after(0, node.follower.ask)
            case Halt():
                if node.is_honest and not world.options.is_too_many:
                    raise Broken("DIVERGED", f"{node.organisation} halts: {effect.reason}")
                world.checks.on_halt(node, effect.reason)
            case _:
                assert_never(effect)

    def _expired(self, timer: Timer, number: int) -> Event:
        return TimerExpired(timer, number, self._node.clock())

    def _fetch_blocks(self, effect: FetchBlocks) -> None:
        node, world = self._node, self._node.world
        number = node.number_of(effect.seat)
        world.send(node.number, number, Fetch(effect.from_height, effect.count))
        if not any(peer.is_up for peer in world.nodes.get(number, [])):
            world.sometimes["blocks asked of who is down"] += 1
            node.after(0, partial(self._unreachable, number))

    def _unreachable(self, number: int) -> Event | None:
        seat = self._node.members.seat_of(member_name(number))
        return PeerUnreachable(seat, self._node.clock()) if seat is not None else None

    def _become_learner(self, effect: BecomeLearner) -> None:
        node, world = self._node, self._node.world
        if node.is_honest and node.number not in world.options.forgetful:
            raise Broken("BROKEN", f"{node.organisation} became a learner: {effect.reason}")
        node.saver.has_forgotten = True
        if not node.disk.journal.trouble:
            node.disk.journal.trouble = "vote_forgotten"
        world.sometimes["rule 14 a vote comes back from others"] += 1
