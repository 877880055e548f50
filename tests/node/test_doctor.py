"""`node doctor` names what an operator would find, and what to do; it changes nothing."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from chain.directory import flush_directory
from node import vote_memory
from node.backup import make_backup
from node.doctor import LEARNER_ADVICE, Finding, examine
from node.restore import restore_home
from node.unsafe_journal import make_unsafe_journal
from node.vote_memory import MARK
from tests.node.homes import BLOCKS, make_gateway, make_mirror, make_validator


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return make_validator(tmp_path / "home")


def found(home: Path, name: str) -> list[Finding]:
    return [finding for finding in examine(home) if finding.name == name]


def states(home: Path) -> dict[str, str]:
    return {finding.name: finding.state for finding in examine(home)}


def test_a_sound_stopped_home_lacks_nothing_but_its_certificate_here(home: Path) -> None:
    """These homes are made without certificates; all else is in order, and files are as before."""
    before = {path: path.read_bytes() for path in home.rglob("*") if path.is_file()}

    told = states(home)

    assert {told[name] for name in ("configuration", "genesis", "keys", "disk room", "block log", "journal")} == {"ok"}
    assert told["running"] == "warn"
    assert {path: path.read_bytes() for path in home.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("make", [make_mirror, make_gateway])
def test_mirrors_and_gateways_are_looked_at_too(make, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    told = states(make(tmp_path / "home"))
    assert told["configuration"] == told["keys"] == "ok"


def test_a_key_open_to_others_fails(home: Path) -> None:
    (home / "config" / "vote.key").chmod(0o644)
    (finding,) = found(home, "keys")
    assert finding.state == "fail"
    assert "chmod 600" in finding.detail


def test_missing_files_are_named_with_what_to_do(home: Path) -> None:
    shutil.rmtree(home / "data" / "state")
    missing = {finding.detail: finding.advice for finding in found(home, "files")}
    assert any("state: missing" in detail and "rebuild" in advice for detail, advice in missing.items())
    assert any("tls.pem: missing" in detail for detail in missing)


def test_a_damaged_block_log_is_named(home: Path) -> None:
    last = sorted((home / "data" / "blocks").glob("*.log"))[-1]
    last.rename(last.with_name("notes.log"))
    (finding,) = found(home, "block log")
    assert finding.state == "fail"
    assert "rebuild --from-peers" in finding.advice


def test_a_journal_that_is_gone_or_was_found_wanting_is_told(home: Path) -> None:
    (home / "data" / "journal" / MARK).write_bytes(b"vote_forgotten")
    flush_directory(home / "data" / "journal")
    (finding,) = found(home, "journal")
    assert finding.state == "fail"
    assert "vote_forgotten" in finding.detail
    shutil.rmtree(home / "data" / "journal")
    (finding,) = found(home, "journal")
    assert "renew" in finding.advice


def test_what_was_done_to_the_home_is_remembered(home: Path, tmp_path: Path) -> None:
    """A restore, data put aside, and the unsafe command: for ever."""
    make_backup(home, tmp_path / "backup")
    restored = restore_home(home, tmp_path / "backup", set_aside=True)
    make_unsafe_journal(home, BLOCKS, restored.digest)

    assert found(home, "restored")[0].state == "ok"
    assert found(home, "set aside")[0].state == "warn"
    assert "unsafe-new-journal was used at block 10" in found(home, "unsafe.json")[0].detail


def test_no_home_is_a_finding_and_no_traceback(tmp_path: Path) -> None:
    (finding,) = examine(tmp_path)
    assert (finding.name, finding.state) == ("configuration", "fail")


def test_every_reason_not_to_vote_has_advice() -> None:
    """The codes are those of vote_memory.py."""
    codes = {
        value
        for name, value in vars(vote_memory).items()
        if name.isupper() and isinstance(value, str) and name != "MARK" and "_" in value
    }
    assert codes == set(LEARNER_ADVICE)
