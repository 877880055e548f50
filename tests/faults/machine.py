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


def rss_mib(pid: int) -> float:
    """Memory that a process holds."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise ProcessLookupError(pid)
