"""The loop around the core: an event goes in, its effects are carried out.

Ordered effects (save, send) go to the saver in their order; the others are done at once, and may give the next event.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from typing import Protocol, assert_never

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
from consensus.events import Event, Timer, TimerExpired
from consensus.replica import Replica


class Shell(Protocol):
    """What the loop needs done. Nothing here waits; what has to wait comes back as an event later."""

    def persist(self, effect: Persist) -> None: ...
    def finalise(self, effect: Finalise) -> list[Event]: ...
    def broadcast(self, effect: Broadcast) -> None: ...
    def send(self, effect: Send) -> None: ...
    def send_blocks(self, effect: SendBlocks) -> None: ...
    def propose(self, effect: Propose) -> list[Event]: ...
    def check_block(self, effect: CheckBlock) -> list[Event]: ...
    def fetch_blocks(self, effect: FetchBlocks) -> list[Event]: ...
    def pass_on(self, effect: PassOn) -> None: ...
    def accuse(self, effect: Accuse) -> None: ...
    def refuse(self, effect: Refuse) -> None: ...
    def become_learner(self, effect: BecomeLearner) -> None: ...
    def enter_epoch(self, effect: EnterEpoch) -> None: ...
    def leave_set(self, effect: LeaveSet) -> None: ...
    def halt(self, effect: Halt) -> None: ...
    def step_failed(self, error: Exception) -> None:
        """An invariant of ours is broken, and effects of a step are lost: the node must stop."""


class Clock:
    """The machine's clock in milliseconds since the epoch. It may jump; the core takes that into account."""

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000


class Runtime:
    """Steps are taken one at a time, on the event loop."""

    def __init__(self, replica: Replica, shell: Shell, clock: Clock) -> None:
        self.replica = replica
        self._shell = shell
        self.clock = clock
        self._timers: dict[Timer, asyncio.TimerHandle] = {}
        self._events: deque[Event] = deque()
        self._stepping = False
        self.halted = False

    def take(self, *events: Event) -> None:
        """Step through `events`, and go on until nothing follows. Raises nothing.

        After an error nothing is stepped any more: the core believes saved and sent what was lost with the step.
        """
        if self.halted:
            return
        self._events.extend(events)
        if self._stepping:
            return
        self._stepping = True
        try:
            while self._events and not self.halted:
                for effect in self.replica.step(self._events.popleft()):
                    self._events.extend(self._perform(effect))
        except Exception as error:
            self.stop()
            self._shell.step_failed(error)
        finally:
            self._stepping = False

    def stop(self) -> None:
        self.halted = True
        for handle in self._timers.values():
            handle.cancel()
        self._timers.clear()

    def _perform(self, effect: Effect) -> list[Event]:
        shell = self._shell
        match effect:
            case Persist():
                shell.persist(effect)
            case Finalise():
                return shell.finalise(effect)
            case Broadcast():
                shell.broadcast(effect)
            case Send():
                shell.send(effect)
            case SendBlocks():
                shell.send_blocks(effect)
            case StartTimer():
                self._start_timer(effect)
            case StopTimer():
                handle = self._timers.pop(effect.timer, None)
                if handle is not None:
                    handle.cancel()
            case Propose():
                return shell.propose(effect)
            case CheckBlock():
                return shell.check_block(effect)
            case FetchBlocks():
                return shell.fetch_blocks(effect)
            case PassOn():
                shell.pass_on(effect)
            case Accuse():
                shell.accuse(effect)
            case Refuse():
                shell.refuse(effect)
            case BecomeLearner():
                shell.become_learner(effect)
            case EnterEpoch():
                shell.enter_epoch(effect)
            case LeaveSet():
                self.stop()
                shell.leave_set(effect)
            case Halt():
                self.stop()
                shell.halt(effect)
            case _:
                assert_never(effect)
        return []

    def _start_timer(self, effect: StartTimer) -> None:
        earlier = self._timers.pop(effect.timer, None)
        if earlier is not None:
            earlier.cancel()
        loop = asyncio.get_running_loop()
        self._timers[effect.timer] = loop.call_later(
            max(effect.timeout_ms, 0) / 1000, self._expired, effect.timer, effect.number
        )

    def _expired(self, timer: Timer, number: int) -> None:
        self._timers.pop(timer, None)
        self.take(TimerExpired(timer, number, self.clock.now_ms()))
