"""Seeded bugs are found, a few of them here within a few seeds; `make mutants` finds all."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.mutants.__main__ import look_for
from tests.mutants.detect import detect, options_of, prepared
from tests.mutants.mutant import Mutant, all_mutants, mutant_of
from tests.simulator.hunt import hunting
from tests.simulator.world import World

MUTANTS = {mutant.name.split("-", 1)[1]: mutant for mutant in all_mutants()}
QUICK = ("quorum-f-plus-1", "commit-said-before-saved", "view-change-not-saved", "far-votes-kept")
SEEDS_MAX = 20


def test_every_row_has_a_head_and_a_number_of_its_own() -> None:
    """Issue 3, point 2: thirty or more, each with its rule, what it breaks and what finds it."""
    assert len(MUTANTS) == len(all_mutants()) >= 30
    assert all(mutant.rule and mutant.breaks for mutant in MUTANTS.values())
    numbers = [int(mutant.name.split("-", 1)[0]) for mutant in MUTANTS.values()]
    assert sorted(numbers) == list(range(1, len(numbers) + 1))


def test_a_patch_that_says_too_little_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "01-nothing.patch"
    path.write_text("Rule: 1\nDetector: hunt {}\n\n--- a/x\n")
    with pytest.raises(ValueError, match="a head of Rule, Breaks, Detector"):
        mutant_of(path)
    path.write_text("Rule: 1\nBreaks: it\nDetector: luck {}\n\n--- a/x\n")
    with pytest.raises(ValueError, match="no detector is called luck"):
        mutant_of(path)


def test_a_patch_that_no_longer_applies_is_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "01-late.patch"
    path.write_text(
        "Rule: 1\nBreaks: it\nDetector: hunt {}\n\n"
        "--- a/chain/validators.py\n+++ b/chain/validators.py\n@@ -1 +1 @@\n-no such line\n+another\n"
    )
    monkeypatch.setattr("tests.mutants.mutant.FOLDER", tmp_path)
    result = look_for(mutant_of(path), seeds_max=1, repeats=1)
    assert result.error.startswith("does not apply")
    assert not result.is_good


@pytest.mark.parametrize("name", QUICK)
def test_a_bent_rule_is_noticed(name: str) -> None:
    """And the seed that shows it passes in the tree as it is."""
    result = look_for(MUTANTS[name], seeds_max=SEEDS_MAX, repeats=1)
    assert result.is_caught, result
    assert result.is_good, result.healthy


@pytest.mark.parametrize("forgery", ["few", "junk", "status", "high"])
def test_honest_members_let_no_forgery_in(forgery: str) -> None:
    """What the forger says is refused at the door, so that a run with it passes; and it does speak."""
    mutant = Mutant("", "", "", "hunt", {"forgeries": [forgery]}, (), "", ())
    with prepared(mutant):
        verdict = World(options_of(mutant, 3)).run()
    assert verdict.result == "PASS", verdict.detail
    assert verdict.sometimes["message refused by its check"] > 0


def test_a_hunt_finds_nothing_in_the_rules_as_they_are() -> None:
    """With the checker of certificates looking away, too."""
    assert detect(MUTANTS["quorum-2f-plus-1"], 0, 1).verdict == "PASS"
    assert World(hunting(36)).run().result == "PASS"
