"""The failpoints themselves: how they are armed, what they do, and that the table says what the code passes."""

from __future__ import annotations

import ast
import errno
import os
import re
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from chain import failpoint as failpoints
from chain.database import Database
from chain.errors import StorageFailed
from chain.failpoint import FailpointRefused, failpoint, failpoint_write, is_forced, parse
from chain.failpoint_table import FORCED, POINTS, WRITES
from tests.failpoints.pages import BEGIN, END, names_by_file
from tests.failpoints.plan import INIT, SHORT, cases
from tests.network.running import ROOT, with_free_ports

STORES = ("state", "details", "gateway")  # one door, and a name for each


@pytest.fixture(autouse=True)
def nothing_armed() -> Iterator[None]:
    yield
    failpoints.arm("")


# ── arming ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "text",
    [
        "segment.flsh=kill@1",
        "segment.flush",
        "segment.flush=explode",
        "segment.flush=kill@0",
        "segment.flush=sleep",
        "segment.flush=EIO:5",
        "segment.flush=torn",
        "segment.flush=force",
        "block_log.roll=kill",
        "segment.flush=kill;segment.flush=EIO",
        "segment.flush=kill;",
    ],
)
def test_what_cannot_happen_is_refused(text: str) -> None:
    """A misspelt name would test nothing."""
    with pytest.raises(FailpointRefused) as refused:
        parse(text)
    assert refused.value.code == "failpoint_refused"


def test_an_unknown_name_is_refused_at_the_start(tmp_path: Path) -> None:
    """Before anything is made: exit 1, and an error that names the name."""
    config = tmp_path / "network.yaml"
    config.write_text(with_free_ports((ROOT / "network.yaml").read_text("utf-8")), "utf-8")
    ended = subprocess.run(
        [sys.executable, "-m", "cli.main", "network", "init", "--config", config, "--home", tmp_path / "home"],
        cwd=ROOT,
        env={**os.environ, failpoints.VARIABLE: "segment.flsh=kill@1"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 1
    assert "no failpoint is called 'segment.flsh'" in ended.stderr
    assert not (tmp_path / "home").exists()


def test_only_the_given_passing_is_struck() -> None:
    failpoints.arm("segment.flush=EIO@3")
    for passing in range(1, 6):
        if passing == 3:
            with pytest.raises(OSError, match="Input/output error") as struck:
                failpoint("segment.flush")
            assert struck.value.errno == errno.EIO
        else:
            failpoint("segment.flush")
    failpoint("segment.flushed")


def test_passings_of_several_threads_are_counted_one_by_one() -> None:
    """A node's writer and its loop pass the same places."""
    failpoints.arm("segment.flush=EIO@2000")
    struck: list[OSError] = []

    def pass_often() -> None:
        for _ in range(1000):
            try:
                failpoint("segment.flush")
            except OSError as error:
                struck.append(error)

    threads = [threading.Thread(target=pass_often) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(struck) == 1


def test_being_forced_goes_on() -> None:
    failpoints.arm("block_log.roll=force@2")
    assert [is_forced("block_log.roll") for _ in range(4)] == [False, True, True, True]
    assert not is_forced("journal.prune")


def test_a_full_disk_takes_a_part(tmp_path: Path) -> None:
    """As pwrite does: what fitted is there when the error comes."""
    path = tmp_path / "file"
    handle = os.open(path, os.O_CREAT | os.O_RDWR)
    try:
        failpoints.arm("segment.write=ENOSPC@1")
        with pytest.raises(OSError, match="No space left on device"):
            failpoint_write("segment.write", handle, b"0123456789", 0)
        assert path.read_bytes() == b"01234"
        failpoints.arm("segment.write=EIO@1")
        with pytest.raises(OSError, match="Input/output error"):
            failpoint_write("segment.write", handle, b"abcdefghij", 0)
        assert path.read_bytes() == b"01234"
    finally:
        os.close(handle)


def test_leveldb_refuses_in_its_own_words(tmp_path: Path) -> None:
    """What plyvel raises, and the store is of no use after it."""
    database = Database.create(tmp_path / "state")
    failpoints.arm("state.before_write=ENOSPC@1")
    with pytest.raises(StorageFailed, match="IOError: IO error: No space left on device"):
        database.write({b"a": b"1"})
    with pytest.raises(StorageFailed, match="no longer usable"):
        database.write({b"a": b"1"})
    database.close()


@pytest.mark.parametrize("action", ["kill", "torn"])
def test_a_kill_is_sudden(tmp_path: Path, action: str) -> None:
    """No finally, no atexit, no flush of buffers; it is told on stderr before."""
    program = (
        "import atexit, os, sys; from chain import failpoint as f; f.arm(sys.argv[1])\n"
        "atexit.register(lambda: print('atexit')); h = os.open(sys.argv[2], os.O_CREAT | os.O_RDWR)\n"
        "try: f.failpoint_write('journal.write', h, b'0123456789', 0)\n"
        "finally: print('finally', flush=True)"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program, f"journal.write={action}@1", str(tmp_path / "file")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == -signal.SIGKILL
    assert ended.stdout == ""
    assert '"event": "failpoint"' in ended.stderr
    assert (tmp_path / "file").read_bytes() == (b"01234" if action == "torn" else b"")


# ── the table ────────────────────────────────────────────────────────────────────────────────────────────────────────


def passed_names() -> Counter[tuple[str, str]]:
    """(name, file) of every call in the code, those through the database's door once for each store."""
    found: Counter[tuple[str, str]] = Counter()
    for package in ("chain", "consensus", "node", "api", "cli"):
        for path in sorted((ROOT / package).rglob("*.py")):
            file = str(path.relative_to(ROOT))
            for call in ast.walk(ast.parse(path.read_text("utf-8"))):
                if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name):
                    continue
                if call.func.id not in ("failpoint", "failpoint_write", "is_forced"):
                    continue
                name = call.args[0]
                if isinstance(name, ast.Constant):
                    found[str(name.value), file] += 1
                else:
                    assert file == "chain/database.py", f"{file}:{call.lineno}: a name that is made up as it runs"
                    for ending in re.findall(r"open|before_write|before_unsynced_write|after_write", ast.unparse(name)):
                        for store in STORES if ending != "before_unsynced_write" else ("details",):
                            found[f"{store}.{ending}", file] += 1
    return found


def test_the_table_holds_what_the_code_passes() -> None:
    """Each name at one place, in the file that the table names: none is forgotten, none is left over."""
    found = passed_names()
    assert dict(found.keys()) == {name: point.file for name, point in POINTS.items()}
    assert [name for (name, _file), count in found.items() if count > 1] == []


def test_every_failpoint_is_struck_by_a_run() -> None:
    """By a kill at least, by each error that the table names for it, and by half a write."""
    runs = cases()
    assert len({case.label for case in runs}) == len(runs)
    by_name: dict[str, set[str]] = {}
    for case in runs:
        by_name.setdefault(case.name, set()).add(case.action)
        parse(case.spec)
    for name, point in POINTS.items():
        if name not in FORCED:
            wanted = {"kill", *point.errors, *(["torn"] if name in WRITES else [])}
            assert by_name[name] == wanted, name
    forced = {part.split("=")[0] for case in runs for part in case.more.split(";")}
    assert forced >= FORCED


def test_there_are_more_than_etcd_has() -> None:
    """RELIABILITY 7, G6: more than 41, over all kinds of nodes."""
    nodes = Counter(case.node for case in cases())
    assert len(POINTS) > 41
    assert min(nodes.values()) > 5, nodes
    assert len({POINTS[case.name].file for case in SHORT}) == len(SHORT)
    assert not [case for case in SHORT if case.node == INIT]


def test_the_page_lists_them() -> None:
    """node/README.md, by file. `python -m tests.failpoints.pages` prints what has to stand there."""
    page = (ROOT / "node" / "README.md").read_text("utf-8")
    assert page[page.index(BEGIN) + len(BEGIN) : page.index(END)].strip() == names_by_file()
