"""The network that is struck: real processes that stay up, a victim that is started armed, and what must hold after."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2

from chain.failpoint import KILL, TORN, VARIABLE
from tests.failpoints.load import Load
from tests.failpoints.plan import ALLOT, BACKUP, GATEWAY, INIT, LOWEST, MIRROR, OUTAGE, PRIMARY, STOP, VALIDATOR, Case
from tests.failpoints.votes import Votes
from tests.network.running import ROOT, VALIDATORS, Network, one_person, with_free_ports

ARCHIVE, COUNTER, PLACE = "archive", "hospital-b", "B01"
NODES = (*VALIDATORS, ARCHIVE, COUNTER)
STRIKE_S = 60.0
NUDGE_S = 10.0
END_S = 20.0  # from a strike to the end of the process
BACK_S = 90.0
SEALED_S = 60.0


@dataclass(slots=True)
class Row:
    """What a run showed; `fault` is empty if all held."""

    case: Case
    node: str = ""
    struck: bool = False
    said: str = ""
    back_s: float = 0.0
    acknowledged: int = 0
    sealed: int = 0
    seconds: float = 0.0
    fault: str = ""


class Stage(Network):
    """Made in `directory`, up after `begin`."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory, lambda text: _few_numbers_at_a_time(one_person(text)))
        self._started: dict[str, subprocess.Popen[bytes]] = {}
        self._turn = 0
        self.votes = Votes()
        self.load: Load | None = None

    def begin(self) -> None:
        self.up(*NODES)
        self.load = Load(self, COUNTER, PLACE)
        self.load.go_on()
        self.until(lambda: self.load is not None and self.load.acknowledged, "the first number", 30)

    def end(self) -> None:
        if self.load is not None:
            self.load.close()
        self.down()
        for process in self._started.values():
            if process.poll() is None:
                process.kill()
            process.wait()

    # ── one run ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def play(self, case: Case) -> Row:
        row, began = Row(case), time.monotonic()
        try:
            if case.node == INIT:
                self._play_init(row)
            else:
                self._play(row)
        except Exception as error:
            row.fault = f"{type(error).__name__}: {error}"
        row.seconds = time.monotonic() - began
        return row

    def mend(self, victim: str) -> None:
        """After a run that failed: every node runs and none is armed, so that the next one means something."""
        for name in NODES:
            with contextlib.suppress(ProcessLookupError, FileNotFoundError, ValueError):
                os.kill(self.pid(name), signal.SIGCONT)
            if name == victim or self.status(name) is None:
                self._kill(name)
                self._start(name, "")
        self.until(lambda: all(self._is_ready(name) for name in NODES), "all are ready", BACK_S)

    def _play(self, row: Row) -> None:
        load, case = self.load, row.case
        assert load is not None
        before = len(load.acknowledged)
        load.go_on()
        row.node = name = self._victim(case)
        self._kill(name)
        if case.torn:
            self._tear(name, case.torn)
        log = self.node_home(name) / "logs" / "node.log"
        offset = log.stat().st_size
        process = self._start(name, case.spec)

        def is_struck() -> bool:
            return _struck(log, offset, case)

        with self._on_the_way(case, name, is_struck):
            self._wait(is_struck, process, case, name)
        row.struck = True
        if case.goes_on:
            self.until(lambda: self._is_ready(name), f"{name} is ready after {case.action}", BACK_S)
            assert process.poll() is None, f"{name} ended, and should live on"
            row.said = "went on"
        else:
            row.said = self._ended(process, log, offset, case)
            if case.node == VALIDATOR:
                self.votes.look(name, self.node_home(name) / "data")
            began = time.monotonic()
            self._start(name, "")
            self.until(lambda: self._is_ready(name), f"{name} is back", BACK_S)
            row.back_s = time.monotonic() - began
        self._verify(row, before)

    def _ended(self, process: subprocess.Popen[bytes], log: Path, offset: int, case: Case) -> str:
        try:
            code = process.wait(END_S)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"did not end within {END_S:.0f} s of {case.action}: {_tail(log, offset)}") from None
        if case.action in (KILL, TORN):
            assert code == -signal.SIGKILL, f"exit {code} instead of a kill: {_tail(log, offset)}"
            return "killed"
        said = _reason(log, offset)
        assert code == 1, f"exit {code} instead of 1: {_tail(log, offset)}"
        assert said, f"ended without a reason: {_tail(log, offset)}"
        assert "/" in said or "state" in said, f"names no place: {said}"
        return said

    def _verify(self, row: Row, before: int) -> None:
        """Everything acknowledged is on the ledger once, nobody voted twice, and all agree."""
        load = self.load
        assert load is not None
        load.pause(SEALED_S)
        assert not load.faults, load.faults
        bills = list(load.acknowledged.values())
        row.acknowledged = len(bills) - before
        assert len(set(bills)) == len(bills), "a number was given twice"
        waiting = set(bills[before:])

        def all_sealed() -> bool:
            for bill in list(waiting):
                answer = load.client.get(f"/bills/{bill}")
                if answer.status_code == 200 and answer.json()["status"] == "sealed":
                    waiting.discard(bill)
            return not waiting

        try:
            self.until(all_sealed, "all acknowledged bills are sealed", SEALED_S)
        finally:
            row.sealed = row.acknowledged - len(waiting)
        self.until(lambda: self.agreed((*VALIDATORS, ARCHIVE)), "one height and one root", BACK_S)
        issued = self._issued()
        assert issued == len(bills), f"{len(bills)} bills acknowledged, {issued} in the day books"
        for status in self.statuses():
            assert status["evidence"] == 0, status
            assert status["learner"] is None, status
        if row.case.node == VALIDATOR:
            self.votes.look(row.node, self.node_home(row.node) / "data")

    def verify_votes(self) -> None:
        """Over all lives of all validators."""
        for name in VALIDATORS:
            self.votes.look(name, self.node_home(name) / "data")

    def _issued(self) -> int:
        """How many bills of the counter's hospital the ledger counts, as its auditors see them."""
        days = [time.strftime("%Y-%m-%d", time.gmtime(time.time() + days * 86_400)) for days in (-2, 2)]
        query = {"issuer": COUNTER, "from": days[0], "to": days[1]}
        rows = self.api(ARCHIVE).get("/audit/day-totals", params=query).json()["data"]
        return sum(int(row["count"]) for row in rows)

    # ── the way there ────────────────────────────────────────────────────────────────────────────────────────────────

    def _victim(self, case: Case) -> str:
        if case.node == MIRROR:
            return ARCHIVE
        if case.node == GATEWAY:
            return COUNTER
        if case.trigger == PRIMARY:  # the one that comes after the present primary
            members = sorted(VALIDATORS)
            return members[(members.index(self._primary()) + 1) % len(members)]
        if case.who == LOWEST:
            return min(VALIDATORS)
        self._turn += 1
        if case.who == BACKUP and VALIDATORS[self._turn % len(VALIDATORS)] == self._primary():
            self._turn += 1
        return VALIDATORS[self._turn % len(VALIDATORS)]

    def _primary(self) -> str:
        status = max(self.statuses(), key=lambda status: (status["active"], status["view"]))
        return str(status["primary"])

    @contextlib.contextmanager
    def _on_the_way(self, case: Case, victim: str, is_struck: Callable[[], bool]) -> Iterator[None]:
        """Do what brings the armed node there; what stands still goes on afterwards. On a busy machine it may get there
        by itself, before it is ready."""
        frozen: list[str] = []
        if case.trigger:
            self.until(lambda: is_struck() or self._is_ready(victim), f"{victim} is ready, armed", BACK_S)
        if case.trigger == STOP:
            os.kill(self.pid(victim), signal.SIGTERM)
        elif case.trigger == ALLOT:
            self._allot()
        elif case.trigger == PRIMARY:
            frozen = [self._primary()]
        elif case.trigger == OUTAGE:
            frozen = [name for name in VALIDATORS if name != victim][:2]
        try:
            for name in frozen:
                os.kill(self.pid(name), signal.SIGSTOP)
            yield
        finally:
            for name in frozen:
                os.kill(self.pid(name), signal.SIGCONT)

    def _allot(self) -> None:
        """A clerk's request, whose answer the strike takes away."""
        client = self.api(ARCHIVE, "finance_clerk")
        rows = client.get("/number-ranges", params={"holder": "finance-city"}).json()["data"]
        row = next(row for row in rows if int(row["first"]) + int(row["count"]) - int(row["next"]) > 10)
        parent = f"{row['holder']}/{row['code']}/{row['first']}"
        with contextlib.suppress(httpx2.HTTPError):
            answer = client.post(
                "/number-ranges", json={"parent": parent, "first": int(row["next"]), "count": 10, "holder": COUNTER}
            )
            assert answer.status_code < 400 or answer.status_code >= 500, answer.text

    def _tear(self, name: str, where: str) -> None:
        """Half a record at the end of a file, as a crash leaves it."""
        data = self.node_home(name) / "data" / where
        last = sorted(data.glob("*.log"), key=lambda path: (len(path.name), path.name))[-1]
        with last.open("ab") as file:
            file.write(b"\0\0\1\0half")

    def _play_init(self, row: Row) -> None:
        """A network that is being made: nothing half-made is left where it was wanted."""
        case = row.case
        row.node, home = "network init", self.directory / f"made-{case.name}-{case.action}"
        config = self.directory / "another.yaml"
        config.write_text(with_free_ports(self.config.read_text("utf-8")), "utf-8")
        command = [sys.executable, "-m", "cli.main", "network", "init", "--config", str(config)]
        process = subprocess.run(
            [*command, "--home", str(home)],
            cwd=ROOT,
            env={**os.environ, VARIABLE: case.spec},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        row.struck = '"event": "failpoint"' in process.stderr
        assert row.struck, f"{case.name} is never passed: {process.stderr[-300:]}"
        if case.action == KILL:
            assert process.returncode == -signal.SIGKILL, process.returncode
            row.said = "killed"
            assert home.exists() == (case.name == "provision.renamed")
        else:
            row.said = process.stderr.strip().splitlines()[-1]
            assert process.returncode == 1, process.returncode
            assert str(home.parent) in row.said, row.said
            assert not list(self.directory.glob(f".{home.name}.*")), "something half-made stays"
            assert not home.exists()

    # ── processes ────────────────────────────────────────────────────────────────────────────────────────────────────

    def _kill(self, name: str) -> None:
        process = self._started.pop(name, None)
        if process is not None:
            process.kill()
            process.wait()
        else:
            with contextlib.suppress(ProcessLookupError, FileNotFoundError):
                self.kill(name)

    def _start(self, name: str, spec: str) -> subprocess.Popen[bytes]:
        self._started[name] = process = self.spawn(self.node_home(name), **{VARIABLE: spec})
        return process

    def _wait(self, is_struck: Callable[[], bool], process: subprocess.Popen[bytes], case: Case, victim: str) -> None:
        """Until the point is struck. A validator that has left a view alone, as it does on a machine that is too busy,
        votes only once others follow it: so after a while one of them stands still, and all of them move on."""
        began, frozen = time.monotonic(), ""
        try:
            while not is_struck():
                ended = process.poll() is not None and not is_struck()
                assert not ended, f"it ended with {process.returncode}, and {case.name} was not passed"
                waited = time.monotonic() - began
                assert waited < STRIKE_S, f"not within {STRIKE_S:.0f} s: {case.name} is never passed"
                if waited > NUDGE_S and not frozen and case.node == VALIDATOR and not case.trigger:
                    frozen = min(name for name in VALIDATORS if name != victim)
                    os.kill(self.pid(frozen), signal.SIGSTOP)
                time.sleep(0.05)
        finally:
            if frozen:
                os.kill(self.pid(frozen), signal.SIGCONT)

    def _is_ready(self, name: str) -> bool:
        process = self._started.get(name)
        assert process is None or process.poll() is None, f"{name} ended with {process and process.returncode}"
        port = self.nodes[name]["operations_port"]
        try:
            return httpx2.get(f"http://127.0.0.1:{port}/readyz", timeout=2, trust_env=False).status_code == 200
        except httpx2.HTTPError:
            return False


def _few_numbers_at_a_time(text: str) -> str:
    """So that leases are taken all the time."""
    text = text.replace("lease_count: 10000", "lease_count: 60").replace("lease_threshold: 5000", "lease_threshold: 40")
    assert "lease_count: 60" in text
    assert "lease_threshold: 40" in text
    return text


def _lines(log: Path, offset: int) -> list[dict[str, Any]]:
    """What a node has said since, as far as it is JSON."""
    with log.open("rb") as file:
        file.seek(offset)
        text = file.read().decode("utf-8", "replace")
    found = []
    for line in text.splitlines():
        with contextlib.suppress(ValueError):
            document = json.loads(line)
            if isinstance(document, dict):
                found.append(document)
    return found


def _struck(log: Path, offset: int, case: Case) -> bool:
    return any(line.get("event") == "failpoint" and line.get("name") == case.name for line in _lines(log, offset))


def _reason(log: Path, offset: int) -> str:
    """Why it stopped: its `stopped` line, or what the command says that could not start it."""
    stopped = [line for line in _lines(log, offset) if line.get("event") == "stopped"]
    if stopped:
        return str(stopped[-1].get("reason", ""))
    last = _tail(log, offset).strip().splitlines()
    return last[-1] if last and not last[-1].startswith("{") else ""


def _tail(log: Path, offset: int) -> str:
    with log.open("rb") as file:
        file.seek(offset)
        return file.read().decode("utf-8", "replace")[-600:]
