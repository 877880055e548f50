"""What the pages and `network.yaml` say is what the program does."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from chain.bill import BillRequest, verify_request
from node.network_config import PARAMETERS, GatewaySettings
from tests.house.project import PACKAGES, ROOT

PAGES = [ROOT / "README.md", *(ROOT / package / "README.md" for package in PACKAGES), *(ROOT / "docs").glob("*.md")]
PAGES += [ROOT / "samples" / "README.md"]
NETWORK = ROOT / "network.yaml"


def command_lines(program: str) -> Iterator[tuple[str, str]]:
    """(page, command line) of every line in a page's code blocks that starts with a program; `\\` joins lines."""
    for page in PAGES:
        if not page.is_file():
            continue
        for block in re.findall(
            r"^```(?:sh|bash|console|text)?\n(.*?)^```", page.read_text(encoding="utf-8"), re.M | re.S
        ):
            for line in block.replace("\\\n", " ").splitlines():
                bare = line.removeprefix("$ ").split(" # ")[0].strip()
                if bare.split(" ")[0] == program:
                    yield page.name, bare


@cache
def help_of(*path: str) -> str:
    command = [sys.executable, "-c", "from cli.main import main; main()", *path, "--help"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 0, f"medbill {' '.join(path)} --help: {result.stderr}"
    return result.stdout


def test_every_make_target_on_a_page_exists() -> None:
    """Pages name commands that anybody can type."""
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M))
    lines = list(command_lines("make"))
    assert {"demo", "test"} <= {word for _, line in lines for word in line.split()[1:]}
    for page, line in lines:
        for word in line.split()[1:]:
            assert "=" in word or word in targets, f"{page}: {line}"


@pytest.mark.skipif(find_spec("cli.main") is None, reason="there is no command yet")
def test_every_command_on_a_page_is_one_that_help_knows() -> None:
    """Nouns, verbs and options; what follows them is the reader's own."""
    lines = list(command_lines("medbill"))
    assert lines
    for page, line in lines:
        words = shlex.split(line)[1:]
        path: list[str] = []
        for word in words:
            if not re.fullmatch(r"[a-z]+(-[a-z]+)*", word) or not re.search(
                rf"(?m)^\W*{re.escape(word)}\s", help_of(*path)
            ):
                break
            path.append(word)
        assert path, f"{page}: {line}"
        options = {word.split("=")[0] for word in words if re.match(r"--[a-z]", word)}
        unknown = {option for option in options if option not in help_of(*path)}
        assert not unknown, f"{page}: {line}: {unknown}"


def keys_with_comments(path: Path) -> dict[str, bool]:
    """The keys of the example at the second level, and whether a comment stands above each."""
    found: dict[str, bool] = {}
    before = ""
    for line in path.read_text(encoding="utf-8").splitlines():
        if key := re.match(r"  ([a-z_]+):", line):
            found[key[1]] = before.lstrip().startswith("#")
        before = line
    return found


def test_the_example_network_names_every_parameter_and_says_why() -> None:
    """STYLE 8: the unit is in the key, the reason in the line above."""
    network: dict[str, Any] = yaml.safe_load(NETWORK.read_text(encoding="utf-8"))
    assert network["parameters"].keys() == {*PARAMETERS, "two_persons"}
    assert set(network["gateways"]) == {field.name for field in msgspec.structs.fields(GatewaySettings)}
    explained = keys_with_comments(NETWORK)
    for name in [*PARAMETERS, *network["gateways"]]:
        assert explained[name], name


def test_every_bill_shown_on_a_page_is_one_that_the_ledger_takes() -> None:
    """The example is typed in by hand by whoever reads it."""
    shown = re.findall(r"^```json\n(\{.*?\n\})\n```", (ROOT / "README.md").read_text(encoding="utf-8"), re.M | re.S)
    bills = [text for text in shown if '"business_no"' in text]
    assert bills
    for text in bills:
        document = {"business_time": "2026-11-22T07:00:29+08:00", **msgspec.json.decode(text)}  # the command adds it
        verify_request(msgspec.convert(document, BillRequest))


def test_every_link_between_pages_leads_somewhere() -> None:
    """Relative links only; addresses of the world are the reader's."""
    for page in PAGES:
        if not page.is_file():
            continue
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.relative_to(ROOT)}: {target}"


def test_the_number_of_nodes_on_the_page_is_the_example_networks() -> None:
    """README: "Eight homes come out of it"."""
    network = yaml.safe_load(NETWORK.read_text(encoding="utf-8"))
    words = {5: "Five", 6: "Six", 7: "Seven", 8: "Eight", 9: "Nine", 10: "Ten"}
    assert f"{words[len(network['nodes'])]} homes" in (ROOT / "README.md").read_text(encoding="utf-8")
