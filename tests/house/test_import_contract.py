"""Imports point one way: api, cli -> node -> consensus, faces -> chain, and the core knows no clock."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.house.project import PACKAGES, PYPROJECT, ROOT

ARCHIVES = ("bill_check", "checker", "contents", "making", "packing")
LINT_IMPORTS = Path(sys.executable).with_name("lint-imports")


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": str(folder), "COLUMNS": "200"}
    command = [str(LINT_IMPORTS), "--config", str(folder / "pyproject.toml"), "--no-cache"]
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=False
    )


def test_the_packages_keep_the_contract() -> None:
    """DESIGN 3."""
    result = lint(ROOT)
    assert result.returncode == 0, result.stdout + result.stderr


def test_every_place_that_lists_the_packages_lists_the_same() -> None:
    """A package forgotten in one of them would be neither checked nor shipped."""
    assert PYPROJECT["tool"]["importlinter"]["root_packages"] == PACKAGES
    assert PYPROJECT["tool"]["mypy"]["packages"] == PACKAGES


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("chain/rules/bills.py", "import time"),
        ("consensus/__init__.py", "import asyncio"),
        ("consensus/__init__.py", "import random"),
        ("chain/__init__.py", "import consensus"),
        ("consensus/__init__.py", "import node"),
        ("node/__init__.py", "import cli"),
        ("faces/__init__.py", "import node"),
        ("faces/__init__.py", "import consensus"),
        ("consensus/__init__.py", "import faces"),
        ("node/__init__.py", "import plyvel"),
        ("api/__init__.py", "import nacl"),
        ("exports/__init__.py", "import api"),
        ("archives/checker.py", "import exports"),
    ],
)
def test_the_contract_notices(tmp_path: Path, module: str, line: str) -> None:
    """Each forbidden import, put into packages of this shape, is found."""
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for folder in [*PACKAGES, "chain/rules"]:
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "__init__.py").touch()
    for file in ("chain/execute.py", *(f"archives/{name}.py" for name in ARCHIVES)):
        (tmp_path / file).touch()
    (tmp_path / module).write_text(f"{line}\n", encoding="utf-8")
    result = lint(tmp_path)
    assert result.returncode == 1, result.stdout + result.stderr
    assert "BROKEN" in result.stdout


def test_a_bound_of_the_agreed_rules_has_one_home() -> None:
    """What chain and consensus both bound is defined once: two figures of one name could part."""
    homes: dict[str, list[str]] = {}
    for package in ("chain", "consensus"):
        for path in sorted((ROOT / package).rglob("*.py")):
            for name in re.findall(r"^([A-Z][A-Z_]*_(?:MAX|MIN)) = ", path.read_text(encoding="utf-8"), re.MULTILINE):
                homes.setdefault(name, []).append(str(path.relative_to(ROOT)))
    assert homes["MEMBERS_MAX"] == ["chain/validators.py"]
    assert {name: places for name, places in homes.items() if len(places) > 1} == {}
