"""A network directory, made once and copied for each story, and the command as a function."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from typer.testing import CliRunner

from cli.main import app
from node.config import load_network_config
from node.provision import provision
from tests.cli.nodes import FakeNode, lead_to

EXAMPLE = Path(__file__).parents[2] / "network.yaml"
NOW_MS = 1_795_000_000_000  # 2026-11-18


class Ran(msgspec.Struct):
    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """What stdout holds: one JSON document and nothing else."""
        return json.loads(self.out)


@pytest.fixture
def medbill() -> Callable[..., Ran]:
    def run(*arguments: object, stdin: str | None = None) -> Ran:
        result = CliRunner().invoke(app, [str(argument) for argument in arguments], input=stdin)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Ran(result.exit_code, result.stdout, result.stderr)

    return run


@pytest.fixture(scope="session")
def network_made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("cli") / "network"
    provision(load_network_config(EXAMPLE), home, NOW_MS)
    return home


@pytest.fixture
def home(network_made: Path, tmp_path: Path) -> Path:
    """A copy to change. Stores are left out: nothing here starts a node."""
    return Path(shutil.copytree(network_made, tmp_path / "network", ignore=shutil.ignore_patterns("data")))


@pytest.fixture
def node(home: Path) -> Iterator[FakeNode]:
    """Answers for hospital-a and the archive."""
    fake = FakeNode()
    lead_to(home, fake, "hospital-a", "archive")
    with fake.serving():
        yield fake
