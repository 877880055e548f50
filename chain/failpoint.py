"""Named places where a test lets a process die, or the disk refuse: `MEDBILL_FAILPOINTS="segment.flush=EIO@3"`.

Not armed, as in production, a place costs one call and one comparison. Armed by the environment, at start, with
`name=action@passing` joined by semicolons; the passing counts from 1, and @1 may be left out. Actions:

  kill         the process ends there as by SIGKILL: nothing is flushed, closed or said
  torn         of a place that writes: half of the bytes are written, then the process ends
  ENOSPC, EIO, …  any error number by its name, raised as the system call would; at a place that writes, ENOSPC comes
               after half of the bytes, as from a full disk
  sleep:MS     the thread stands still for so long, from that passing on
  force        of a place that asks `is_forced`: what is rare (a full segment, a pruning) happens from that passing on

The places are listed in `failpoint_table.py`; a name that is not there is refused. Each strike is a JSON line on
stderr, `{"event": "failpoint", …}`. Source: RELIABILITY 2.1 (P2, D9 to D11) and 7, G6; etcd's gofail.
"""

from __future__ import annotations

import errno
import json
import os
import re
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from chain.errors import ChainError

VARIABLE = "MEDBILL_FAILPOINTS"
KILL, TORN, FORCE, SLEEP = "kill", "torn", "force", "sleep"
_ENTRY = re.compile(r"([a-z_]+\.[a-z_]+)=([A-Za-z0-9]+)(?::([0-9]{1,6}))?(?:@([1-9][0-9]{0,8}))?")


class FailpointRefused(ChainError):
    """What the environment asks for cannot be done."""

    code = "failpoint_refused"


@dataclass(slots=True)
class Arm:
    """What is to happen at a place."""

    action: str
    at: int  # the passing, from 1
    sleep_ms: int
    passings: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def is_due(self) -> bool:
        """Counts a passing; whether this is the one. Standing still and being forced go on from there."""
        with self.lock:
            self.passings += 1
            return self.passings == self.at or (self.passings > self.at and self.action in (SLEEP, FORCE))


_arms: dict[str, Arm] | None = None  # None: nothing is armed, and nothing is looked up


def failpoint(name: str, error: type[Exception] = OSError) -> None:
    """A place. `error` is what the call that follows raises when the system refuses: its subclass of OSError."""
    if _arms is not None:
        _pass(name, error)


def failpoint_write(name: str, handle: int, data: bytes | memoryview, offset: int) -> None:
    """A place before `data` is written to a file at `offset`: here a part of it can be written."""
    if _arms is not None:
        _pass(name, OSError, lambda: os.pwrite(handle, data[: len(data) // 2], offset))


def is_forced(name: str) -> bool:
    """Whether what is rare is to happen now."""
    if _arms is None:
        return False
    arm = _arms.get(name)
    if arm is None or not arm.is_due():
        return False
    if arm.passings == arm.at:
        _tell(name, arm)
    return True


def arm_from_environment() -> None:
    """Called by whoever starts a process of the project. Raises FailpointRefused."""
    arm(os.environ.get(VARIABLE, ""))


def arm(text: str) -> None:
    """Arm what `text` says and nothing else. Raises FailpointRefused."""
    global _arms
    _arms = None
    if text:
        _arms = parse(text)
        _write_line({"event": "failpoints_armed", "level": "warning", "failpoints": text})


def parse(text: str) -> dict[str, Arm]:
    """Name -> arm. Raises FailpointRefused for names that are not in the table and what cannot happen there."""
    from chain.failpoint_table import FORCED, POINTS, WRITES

    arms: dict[str, Arm] = {}
    for entry in text.split(";"):
        match = _ENTRY.fullmatch(entry.strip())
        if match is None:
            raise FailpointRefused(f"{VARIABLE}: {entry.strip()[:80]!r} is not name=action@passing")
        name, action, milliseconds, at = match.groups()
        if name not in POINTS:
            raise FailpointRefused(f"{VARIABLE}: no failpoint is called {name!r}; see chain/failpoint_table.py")
        if name in arms:
            raise FailpointRefused(f"{VARIABLE}: {name} is given twice")
        is_known = action in (KILL, TORN, FORCE, SLEEP) or isinstance(getattr(errno, action, None), int)
        if not is_known or (action == SLEEP) != (milliseconds is not None):
            raise FailpointRefused(f"{VARIABLE}: {name} cannot {entry.partition('=')[2].strip()[:40]!r}")
        if (action == TORN and name not in WRITES) or (action == FORCE) != (name in FORCED):
            raise FailpointRefused(f"{VARIABLE}: {action} cannot happen at {name}")
        arms[name] = Arm(action, int(at or 1), int(milliseconds or 0))
    return arms


def _pass(name: str, error: type[Exception], write_half: Callable[[], object] | None = None) -> None:
    assert _arms is not None
    arm = _arms.get(name)
    if arm is None or not arm.is_due():
        return
    if arm.passings == arm.at:
        _tell(name, arm)
    if arm.action == SLEEP:
        time.sleep(arm.sleep_ms / 1000)
        return
    if write_half is not None and arm.action in (TORN, "ENOSPC"):
        write_half()
    if arm.action in (KILL, TORN):
        os.kill(os.getpid(), signal.SIGKILL)
        threading.Event().wait()  # the signal may find another thread first: nothing more happens in this one
    number = getattr(errno, arm.action)
    raise OSError(number, os.strerror(number)) if error is OSError else error(f"IO error: {os.strerror(number)}")


def _tell(name: str, arm: Arm) -> None:
    _write_line({"event": "failpoint", "level": "warning", "name": name, "action": arm.action, "passing": arm.at})


def _write_line(document: dict[str, object]) -> None:
    os.write(2, json.dumps(document).encode() + b"\n")
