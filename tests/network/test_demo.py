"""The demo's scenes, each as a test: they play one after the other on one network, as `make demo` plays them."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest

from cli.demo.browser import PROGRAMS
from cli.demo.phone import phone_page
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


def test_where_there_is_no_browser_the_scene_says_what_looked_instead(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The page's program in Node; without Node, or where it fails, this program's own check. Never a green that nobody saw."""
    found = shutil.which

    def only(**programs: str | None) -> None:
        hidden = dict.fromkeys(PROGRAMS) | programs
        monkeypatch.setattr(shutil, "which", lambda name, *more: hidden[name] if name in hidden else found(name, *more))

    if found("node"):
        only()
        assert phone_page(stage).startswith("the page's program in Node, without a screen: green;")
        assert "no page is shown: no Chromium on this machine" in capsys.readouterr().err
    for program in (None, found("false")):
        only(node=program)
        assert phone_page(stage).startswith("this program's check of the same answers, no page: green;")
        assert "no page anywhere" in capsys.readouterr().err
