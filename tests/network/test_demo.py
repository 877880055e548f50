"""The demo's scenes, each as a test: they play one after the other on one network, as `make demo` plays them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from cli.demo.scenes import SCENES, Scene
from cli.demo.stage import Stage
from tests.network.running import ROOT

pytestmark = pytest.mark.processes


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    stage = Stage(tmp_path_factory.mktemp("demo"), ROOT / "network.yaml", ROOT / "samples")
    try:
        yield stage
    finally:
        stage.medbill("network", "down", "--home", str(stage.home), show=False)


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.title.replace(" ", "_"))
def test_the_scene_shows_what_it_promises(scene: Scene, stage: Stage) -> None:
    """DESIGN 12. A scene raises when its promise is broken; what it prints is not looked at here."""
    assert scene.play(stage)
