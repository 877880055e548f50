"""`make setup` says in one line what a machine lacks, before it changes anything."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.house.project import ROOT

# answers like an interpreter: first whether it is new enough, then whether it has venv and ensurepip
INTERPRETER = """#!/bin/sh
case "$2" in
    *version_info*) exit {too_old} ;;
    *ensurepip*) exit {without_venv} ;;
esac
echo 'Python 3.11.0'
"""


def setup(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run make with a PATH on which no uv is found."""
    programs = folder / "bin"
    programs.mkdir()
    for name in ("sh", "rm", "touch"):
        (programs / name).symlink_to(str(shutil.which(name)))
    for name in ("Makefile", "pyproject.toml", "requirements-dev.lock"):
        shutil.copy(ROOT / name, folder)
    make = shutil.which("make")
    if make is None:
        pytest.skip("make is not installed")
    environment = {"PATH": str(programs)}
    return subprocess.run(
        [make, "setup", *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def interpreter(folder: Path, too_old: int = 0, without_venv: int = 0) -> str:
    program = folder / "interpreter"
    program.write_text(INTERPRETER.format(too_old=too_old, without_venv=without_venv))
    program.chmod(0o755)
    return f"PYTHON={program}"


def complaints(result: subprocess.CompletedProcess[str]) -> list[str]:
    ours = [line for line in result.stderr.splitlines() if not line.startswith("make")]
    assert result.returncode != 0
    return ours


def test_a_python_that_is_too_old_is_named_in_one_line(tmp_path: Path) -> None:
    """Issue 2, item 1."""
    (line,) = complaints(setup(tmp_path, interpreter(tmp_path, too_old=1)))
    assert "Python 3.11 or later" in line
    assert "apt-get install" in line


def test_no_python_at_all_is_the_same(tmp_path: Path) -> None:
    """Issue 2, item 1."""
    (line,) = complaints(setup(tmp_path))
    assert "Python 3.11 or later" in line


def test_a_missing_venv_module_is_named_in_one_line(tmp_path: Path) -> None:
    """A stock Debian keeps it in a package of its own."""
    (line,) = complaints(setup(tmp_path, interpreter(tmp_path, without_venv=1)))
    assert "apt-get install python3-venv" in line
    assert not (tmp_path / ".venv").exists()


def test_ci_runs_the_same_as_everybody(tmp_path: Path) -> None:
    """STYLE 9: make test, the same everywhere."""
    script = ROOT / ".ci" / "run"
    assert script.stat().st_mode & 0o111
    assert script.read_text(encoding="utf-8").splitlines()[-1] == "exec make test"
