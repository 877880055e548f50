"""One network for most tests of this folder, and the samples that it is fed with."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.network.agencies import Agencies
from tests.network.running import Network

SAMPLES = Path(__file__).resolve().parents[3] / "shared" / "samples" / "fhir"


@pytest.fixture(scope="session")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    """The example network, up. Every test leaves it whole: what it kills it starts again."""
    network = Network(tmp_path_factory.mktemp("network"))
    try:
        network.up()
        yield network
    finally:
        network.down()


@pytest.fixture(scope="session")
def agencies(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Agencies]:
    """Four validators without gateways and mirror, up. Every test leaves them whole."""
    agencies = Agencies(tmp_path_factory.mktemp("agencies"))
    try:
        yield agencies
    finally:
        agencies.down()


@pytest.fixture(scope="session")
def fhir_files() -> list[Path]:
    files = sorted(SAMPLES.glob("*.json"))
    if not files:
        pytest.skip(f"the Synthea bundles are not beside the project ({SAMPLES.name}/*.json)")
    return files


@pytest.fixture
def own_network(tmp_path: Path) -> Iterator[Network]:
    """A network for one test, made but not up."""
    network = Network(tmp_path)
    try:
        yield network
    finally:
        network.down()
