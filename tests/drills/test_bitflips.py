"""A few places of every kind of file, each time `make test` runs; `make bitflips` takes 200 of each (RELIABILITY G5)."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.drills.bitflips import HARMLESS, STOPPED, kinds_of, sweep
from tests.drills.flip_kit import Kit, make_kit

PLACES = 6

pytestmark = pytest.mark.processes


@pytest.fixture(scope="module")
def kit(tmp_path_factory: pytest.TempPathFactory) -> Kit:
    return make_kit(tmp_path_factory.mktemp("flips"), 6)


def test_no_flipped_bit_of_any_file_gives_a_wrong_answer(kit: Kit) -> None:
    tallies = [sweep(kind, PLACES, 11, kit) for kind in kinds_of(kit)]
    wrong = {tally.kind: tally.wrong for tally in tallies if tally.wrong}
    assert not wrong
    assert len(tallies) > 30
    stopped = {tally.kind for tally in tallies if tally.outcomes[STOPPED]}
    assert {"journal", "block log, closed segment", "genesis.json of a validator", "mac.key", "proof file"} <= stopped


def test_a_sound_file_is_harmless_to_look_at(kit: Kit) -> None:
    """What is called harmless is the answer that nobody spoilt."""
    for kind in kinds_of(kit):
        kind.prepare()
        assert kind.look() == HARMLESS, kind.name
        kind.put_back()
        kind.leave()


def test_an_answer_that_differs_is_found(kit: Kit, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sweep itself: without the check of a private file, another key passes for the right one."""
    from node import keystore

    def believing(path: Path) -> bytes:
        return b"".join(keystore.read_private(path).splitlines(keepends=True)[:-1])

    monkeypatch.setattr(keystore, "_checked", believing)
    (kind,) = (kind for kind in kinds_of(kit) if kind.name == "mac.key")
    assert sweep(kind, 200, 1, kit).wrong
