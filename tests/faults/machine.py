"""What a figure was measured on: no figure without it."""

from __future__ import annotations

import os
import platform
import subprocess
from pathlib import Path

from tests.network.running import ROOT


def describe_machine() -> str:
    """Processor, cores, load of others, commit."""
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if "model name" in line
        ),
        platform.machine(),
    )
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout.strip()
    return f"{model}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} before, Python {platform.python_version()}, {commit}"


def memory_mib(pid: int) -> tuple[float, float]:
    """What a process holds of its own, and of mapped files: LevelDB's tables, which the system takes back as it likes."""
    lines = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    own, mapped = (int(lines[name].split()[0]) / 1024 for name in ("RssAnon", "RssFile"))
    return own, mapped
