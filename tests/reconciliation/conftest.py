"""A network's directory with keys, and the command as a function."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from typer.testing import CliRunner

from cli.main import app
from node.config import load_network_config
from node.provision import provision
from tests.house.project import ROOT
from tests.reconciliation.making import Day

NOW_MS = 1_776_700_000_000


class Ran(msgspec.Struct):
    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        return json.loads(self.out)


class Desk:
    """Hospital A's, where days are reconciled. Nothing of it is changed by a story but the folder."""

    def __init__(self, home: Path, folder: Path) -> None:
        self.home, self.folder, self.genesis = home, folder, home / "genesis.json"

    def medbill(self, *arguments: object) -> Ran:
        result = CliRunner().invoke(app, ["reconciliation", *map(str, arguments)])
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Ran(result.exit_code, result.stdout, result.stderr)

    def run(self, day: Day, *more: object, name: str = "") -> Ran:
        """Write the day's files and reconcile them; the result is NAME.reconciliation, named after the day if not told."""
        files = day.write(self.folder / str(day.day.number))
        return self.run_files(files, *more, name=name or str(day.day.number))

    def run_files(self, files: list[str], *more: object, name: str) -> Ran:
        home = ("--home", self.home, "--organisation", "hospital-a", "--out", self.result(name))
        return self.medbill("run", *home, *files, *more)

    def result(self, name: object) -> Path:
        return self.folder / f"{name}.reconciliation"

    def rows(self, name: object) -> Path:
        return self.folder / f"{name}.differences.jsonl"

    def verify(self, name: object, *more: object) -> Ran:
        return self.medbill("verify", self.result(name), "--genesis", self.genesis, *more)


@pytest.fixture(scope="session")
def provisioned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("reconciliation") / "network"
    provision(load_network_config(ROOT / "network.yaml"), home, NOW_MS)
    return home


@pytest.fixture
def desk(provisioned: Path, tmp_path: Path) -> Desk:
    return Desk(provisioned, tmp_path)
