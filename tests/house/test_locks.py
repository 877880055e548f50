"""The two lock files pin everything by hash and tell nobody where packages came from."""

from __future__ import annotations

import re

import pytest

from tests.house.project import PYPROJECT, ROOT

LOCKS = ["requirements.lock", "requirements-dev.lock"]
REQUIREMENT = re.compile(r"^([a-z0-9][a-z0-9.-]*)(?:\[[a-z,]+\])?==([^ ;\\]+)", re.MULTILINE)


def text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def pinned(name: str) -> dict[str, str]:
    return dict(REQUIREMENT.findall(text(name)))


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_holds_no_address_option_or_path(name: str) -> None:
    """Issue 2, item 1; ECOSYSTEM 7: some lock makers write this machine's index lines."""
    for line in text(name).splitlines():
        if line.startswith("#    uv pip compile"):
            options = re.findall(r"--[a-z-]+", line)
            assert set(options) <= {"--generate-hashes", "--universal", "--python-version", "--extra"}
            continue
        assert "://" not in line
        assert not re.search(r"--(?!hash=sha256:)", line), line
        assert not re.search(r"(^|[\s=@])(\.{0,2}/|[A-Za-z]:\\|file:)", line), line
        assert "@" not in line


@pytest.mark.parametrize("name", LOCKS)
def test_every_requirement_of_a_lock_has_a_hash(name: str) -> None:
    """Else `pip --require-hashes` refuses, or worse, does not."""
    blocks = re.split(r"\n(?=[a-z0-9])", text(name).split("\n", 2)[2])
    assert len(blocks) > 20
    for block in blocks:
        assert REQUIREMENT.match(block), block
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", block), block


def test_the_development_lock_holds_the_other_one_at_equal_versions() -> None:
    """What is tested is what runs."""
    assert pinned("requirements.lock").items() <= pinned("requirements-dev.lock").items()


def test_the_locks_hold_what_the_project_asks_for() -> None:
    """A dependency that is added needs `make lock`."""
    project = PYPROJECT["project"]
    runtime = {re.split(r"[^a-z0-9-]", name)[0] for name in project["dependencies"]}
    development = {re.split(r"[^a-z0-9-]", name)[0] for name in project["optional-dependencies"]["dev"]}
    assert runtime <= pinned("requirements.lock").keys()
    assert development <= pinned("requirements-dev.lock").keys()
    assert not development & pinned("requirements.lock").keys()
