"""Two of the drills with every `make test`; all of them are `make drills`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.drills.province import Province
from tests.drills.stories import restore_the_network, spoil_the_block_log

pytestmark = [pytest.mark.processes, pytest.mark.slow]


def test_damage_is_mended_from_peers_and_one_backup_restores_the_network(tmp_path: Path) -> None:
    """RELIABILITY G13, DESIGN 8: nothing that was acknowledged is missing afterwards."""
    (tmp_path / "network").mkdir()
    province = Province(tmp_path / "network")
    try:
        province.up()
        province.issue(6)
        spoil_the_block_log(province, tmp_path)
        restore_the_network(province, tmp_path)
        province.verify_nothing_lost()
    finally:
        province.down()
