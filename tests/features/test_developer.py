"""Row 21: a hospital system's developer tries it alone: what the pages show is copied and runs, every code has its page."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from api.problems import PROBLEMS
from tests.network.running import ROOT, with_free_ports

pytestmark = pytest.mark.processes

README = (ROOT / "README.md").read_text("utf-8")
CURLS = (ROOT / "api" / "README.md").read_text("utf-8").partition("\n## By hand\n")[2]
SECTIONS = ("A network on this machine", "Issue a bill", "Verify it, without a network", "Look it up, reverse it")
TEN_MINUTES_S = 600


def blocks(section: str, kind: str) -> list[str]:
    """Code blocks of a section of the page, as they stand there."""
    text = re.search(rf"^##+ {re.escape(section)}\n(.*?)(?=^##+ )", README, re.M | re.S)
    assert text is not None, section
    return re.findall(rf"^```{kind}\n(.*?)^```", text[1], re.M | re.S)


class Desk:
    """A folder with the files that the page speaks of, and a shell in it that knows the command `medbill`."""

    def __init__(self, directory: Path) -> None:
        self.directory, self.bill = directory, ""
        (directory / "network.yaml").write_text(with_free_ports((ROOT / "network.yaml").read_text("utf-8")), "utf-8")
        (shown,) = [text for text in blocks("Issue a bill", "json") if '"business_no"' in text]
        (directory / "bill.json").write_text(shown, "utf-8")
        binaries = directory / ".venv" / "bin"
        binaries.mkdir(parents=True)
        (binaries / "activate").write_text(f'PATH="{binaries}:$PATH"\n', "utf-8")
        command = binaries / "medbill"
        # the caller's own program, whatever it was installed as
        command.write_text(f'#!/bin/sh\nPYTHONPATH="{ROOT}" exec "{sys.executable}" -m cli.main "$@"\n', "utf-8")
        command.chmod(0o755)

    def shell(self, block: str, **environment: str) -> str:
        """What a block prints; each of its lines has to succeed. `APPROVAL` is what a line before it was told."""
        text = block.replace("BILL_ID", self.bill)
        if "APPROVAL" in text:
            lines = text.splitlines(keepends=True)
            first = next(number for number, line in enumerate(lines) if "APPROVAL" in line)
            said = self.shell("".join(lines[:first]), **environment)
            (approval,) = re.findall(r"^approval +([0-9a-f]{32})$", said, re.M)
            return said + self.shell("".join(lines[first:]).replace("APPROVAL", approval), **environment)
        done = subprocess.run(
            ["bash", "-e", "-c", f"source .venv/bin/activate\n{text}"],
            cwd=self.directory,
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, f"{text}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def up(self) -> dict[str, int]:
        """Node -> port of its REST service, once the page's network is up."""
        if not (self.directory / "net").exists():
            for block in blocks(SECTIONS[0], "sh"):
                self.shell(block)
        nodes = json.loads((self.directory / "net" / "network.json").read_text("utf-8"))["nodes"]
        return {node["name"]: node["api_port"] for node in nodes}


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    desk = Desk(tmp_path_factory.mktemp("desk"))
    try:
        yield desk
    finally:
        if (desk.directory / "net").exists():
            desk.shell("medbill network down --home net")


def test_21_the_pages_commands_run_as_they_stand(desk: Desk) -> None:
    """From nothing to an issued, verified and reversed bill, by what can be copied from the page."""
    begun = time.monotonic()
    desk.up()
    for section in SECTIONS[1:]:
        for block in blocks(section, "sh"):
            told = desk.shell(block)
            issued = re.search(r"^bill_id +([0-9]{18})$", told, re.M)
            desk.bill = desk.bill or (issued[1] if issued else "")
        assert desk.bill, section
    assert (desk.directory / f"{desk.bill}.proof").exists()
    shown = json.loads(desk.shell("medbill bill show --home net --via hospital-a BILL_ID --json"))
    assert (shown["validity"], shown["total_fen"]) == ("reversed", 5_050)
    assert time.monotonic() - begun < TEN_MINUTES_S


def test_21_the_calls_of_the_interface_run_as_they_stand(desk: Desk) -> None:
    """The curl lines of api/README.md, with the names that stand in them filled in."""
    if shutil.which("curl") is None:
        pytest.skip("no curl here")
    (block,) = re.findall(r"^```\n(.*?)^```", CURLS, re.M | re.S)
    ports = desk.up()
    token = desk.shell("medbill token issue --home net --organisation hospital-a --role cashier --subject dev-1")
    bill = {**json.loads((desk.directory / "bill.json").read_text("utf-8")), "business_no": "DEV-2"}
    bill["business_time"] = time.strftime("%Y-%m-%dT%H:%M:%S+08:00", time.gmtime(time.time() + 8 * 3600))
    (desk.directory / "bill.json").write_text(json.dumps(bill), "utf-8")
    names = {
        "GATEWAY": f"http://127.0.0.1:{ports['hospital-a']}",
        "ARCHIVE": f"http://127.0.0.1:{ports['archive']}",
        "TOKEN": token.strip(),
        "no_proxy": "127.0.0.1",
    }
    lines = [line for line in block.splitlines() if line]
    assert len(lines) == 5
    issued = json.loads(desk.shell(lines[0], **names))
    assert issued["status"] == "sealed", issued
    filled = [
        line.replace("330601260000000001", issued["bill_id"]).replace("K7M2QX", issued["check_code"]) for line in lines
    ]
    assert json.loads(desk.shell(filled[1], **names))["business_no"] == "DEV-2"
    assert json.loads(desk.shell(filled[2], **names))["verdict"] == "genuine"
    desk.shell(filled[3], **names)
    assert json.loads(desk.shell(filled[4], **names))["valid"] is True


def test_21_every_code_has_its_page(desk: Desk) -> None:
    """At gateway and mirror, in both languages; what is no code has none; a refusal's own `type` leads to its page."""
    ports = desk.up()
    for node in ("hospital-a", "archive"):
        with httpx2.Client(base_url=f"http://127.0.0.1:{ports[node]}", trust_env=False) as client:
            for code, problem in PROBLEMS.items():
                page = client.get(f"/problems/{code}")
                assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8"), code
                assert code in page.text
                assert str(problem.status) in page.text
                assert problem.zh in page.text
            assert client.get("/problems/no_such_code").status_code == 404
            told = client.get("/openapi.json").json()
            named = set(re.findall(r'"type": "/problems/([a-z0-9_]+)"', json.dumps(told)))
            assert len(named) > 50
            assert named <= set(PROBLEMS)
            refused = client.post("/v1/verifications", json={"bill_id": "1"})
            assert refused.status_code == 422
            page = client.get(refused.json()["type"])
            assert page.status_code == 200
            assert refused.json()["code"] in page.text
            unknown = client.get("/v1/no-such-path")
            assert (unknown.status_code, client.get(unknown.json()["type"]).status_code) == (404, 200)
