"""One wired network for all stories of this folder; each leaves it whole and agreed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.faults.history import Load, Recorder
from tests.faults.wired import Wired
from tests.network.running import VALIDATORS

HEALED_S = 30.0


@pytest.fixture(scope="package")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wired]:
    network = Wired(tmp_path_factory.mktemp("wired"))
    try:
        network.up()
        yield network
    finally:
        network.down()


@pytest.fixture(scope="package")
def recorder() -> Recorder:
    """Of all stories: they share a chain."""
    return Recorder()


@pytest.fixture
def load(network: Wired, recorder: Recorder) -> Iterator[Load]:
    """Cashiers at work while the story is told; after it all links are whole, all agree, and the history holds."""
    with Load(network, ["hospital-a", "hospital-b"], recorder=recorder) as load:
        network.until(lambda: load.recorded, "a first bill")
        yield load
        network.heal()
        verdict = load.verify()
        assert verdict.acknowledged > 0
        network.until(lambda: network.agreed((*VALIDATORS, "archive")), "one height and root", HEALED_S)
