"""What a start tells of what it found on the disk."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from node import build
from node.build import Stop
from node.config import load_node_config
from node.home import NodeHome
from node.peer_certificate import PeerContexts
from tests.chain.making import genesis
from tests.node.homes import BLOCKS, make_mirror, make_validator


@pytest.mark.parametrize("make", [make_validator, make_mirror])
async def test_a_torn_end_that_is_cut_and_a_state_that_is_dropped_are_told(
    tmp_path: Path, make: Callable[[Path], Path]
) -> None:
    """DESIGN 8: a torn last record is cut; whoever reads the log of the node learns where and how much."""
    home = make(tmp_path / "home")
    newest = max((home / "data" / "blocks").glob("*.log"))
    os.truncate(newest, newest.stat().st_size - 7)
    left = newest.stat().st_size
    with capture_logs() as lines:
        await opened(home)
    told = {line["event"]: line for line in lines}
    cut = told["torn_end_cut"]
    assert (cut["log_level"], cut["height"]) == ("warning", BLOCKS - 1)
    assert cut["place"] == f"{newest} offset {newest.stat().st_size}"
    assert cut["bytes"] == left - newest.stat().st_size > 0
    assert told["state_built_again"]["reason"]  # it stood on the block that was cut

    sound = make(tmp_path / "sound")
    with capture_logs() as lines:
        await opened(sound)
    assert not {"torn_end_cut", "state_built_again"} & {line["event"] for line in lines}


async def opened(home: Path) -> None:
    """As a start does, up to where its tasks would begin."""
    contexts = PeerContexts.__new__(PeerContexts)  # nobody was admitted here: nobody's certificates are added
    part, _desk = build._open(NodeHome(home), load_node_config(home), genesis(), contexts, Stop())
    await part.stop()
