"""Commands that start a network and are told to end leave no node behind: nodes have sessions of their own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.processes

ROOT = Path(__file__).parents[2]
STARTED_S, ENDED_S = 60.0, 40.0


def nodes_below(place: Path) -> list[str]:
    """Command lines of processes that keep their files there."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            line = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:  # it ended
            continue
        if f"{place}/" in line and " node start " in line:
            found.append(line)
    return found


@pytest.mark.parametrize("command", ["bench", "demo"])
def test_sigterm_takes_the_network_down(tmp_path: Path, command: str) -> None:
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    line = [sys.executable, "-m", "cli.main", command]
    with subprocess.Popen(line, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        deadline = time.monotonic() + STARTED_S
        while len(nodes_below(tmp_path)) < 4:
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.1)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=ENDED_S)
    assert process.returncode != 0
    assert not nodes_below(tmp_path)
    assert not list(tmp_path.iterdir())
