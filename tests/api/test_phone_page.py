"""The phone page as files: one page for every link, nothing else of the disk, headers that keep strangers' code out."""

from __future__ import annotations

import hashlib
import re

import pytest
from starlette.testclient import TestClient

from api.pages.phone_page import FILES, FOLDER
from api.schemas import examples
from chain.signature import _ACCEPTED, _EDGE_CASES, SMALL_ORDER_KEYS
from faces.link import page_link
from tests.api.conftest import problem
from tests.api.fake_desk import CHAIN_ID, TOKEN, FakeGateway, FakeMirror

LINK = page_link(examples.BILL_ID, TOKEN, CHAIN_ID).split("#")[0]


@pytest.fixture(params=["gateway", "mirror"])
def node(request: pytest.FixtureRequest) -> TestClient:
    client: TestClient = request.getfixturevalue(request.param)
    return client


def test_every_link_gets_the_same_page_and_the_desk_is_not_asked(
    node: TestClient, desk: FakeGateway, archive: FakeMirror
) -> None:
    """Neither number nor token is looked at: a stranger learns nothing by trying."""
    page = node.get(LINK)
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    for other in ("x", "0" * 18 + "." + "f" * 32, "%2e%2e", "a" * 5_000):
        assert node.get(f"/v/{other}").content == page.content
    assert desk.calls == archive.calls == []


def test_the_page_takes_code_from_its_own_server_alone(node: TestClient) -> None:
    for path in (LINK, *(f"/v/assets/{name}" for name in FILES if name != "index.html")):
        answer = node.get(path)
        assert answer.status_code == 200, path
        policy = dict(part.split(" ", 1) for part in answer.headers["content-security-policy"].split("; "))
        assert policy["default-src"] == "'none'"
        assert set(policy.values()) == {"'none'", "'self'"}
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "no-cache"
        again = node.get(path, headers={"If-None-Match": answer.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")


def test_nothing_in_the_files_leads_elsewhere() -> None:
    """No other host, no code inside the markup, no markup made of texts; the vendored file only names its sources."""
    for name, data in FILES.items():
        text = data.decode("utf-8")
        if name.startswith("noble-ed25519"):
            continue
        assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", text), name
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function", text), (
            name
        )
    page = FILES["index.html"].decode("utf-8")
    assert not re.search(r"<script(?![^>]* src=)|\son\w+=|\sstyle=", page)


def test_nothing_else_of_the_disk_is_served(node: TestClient) -> None:
    for name in ("index.html", "..", "%2e%2e%2fphone_page.py", "..%5cphone_page.py", "", "phone.css/", "PHONE.CSS"):
        problem(node.get(f"/v/assets/{name}"), 404, "not_found")
    problem(node.post(LINK), 405, "method_not_allowed")


def test_every_module_that_is_imported_is_there() -> None:
    imported = {
        name for path in FOLDER.glob("*.js") for name in re.findall(r"from '\./([^']+)'", path.read_text("utf-8"))
    }
    assert imported
    assert imported <= FILES.keys()


def test_the_genesis_file_is_public(node: TestClient) -> None:
    answer = node.get("/v1/genesis")
    assert (answer.status_code, answer.json()) == (200, examples.GENESIS)
    assert answer.headers["etag"]


def test_edge_cases_of_signatures_are_those_of_the_ledger() -> None:
    """The page and the nodes must decide alike: one table, written twice."""
    text = (FOLDER / "ed25519_cases.js").read_text("utf-8")
    small, cases = text.split("export const EDGE_CASES")
    assert set(re.findall(r"'([0-9a-f]{64})'", small)) == {key.hex() for key in SMALL_ORDER_KEYS}
    found = re.findall(
        r"key: '(\w+)',\s+message: '(\w*)',\s+signature:\s+'(\w+)' \+\s+'(\w+)',\s+expected: (\w+)", cases
    )
    assert [(key, message, first + second) for key, message, first, second, _ in found] == list(_EDGE_CASES)
    assert {place for place, case in enumerate(found) if case[4] == "true"} == set(_ACCEPTED)


def test_the_vendored_file_is_the_one_that_the_page_of_this_package_names() -> None:
    """Unchanged, with its licence beside it."""
    page = (FOLDER.parents[1] / "README.md").read_text("utf-8")
    assert hashlib.sha256(FILES["noble-ed25519.js"]).hexdigest() in page
    assert "MIT License" in FILES["noble-ed25519.LICENSE.txt"].decode("utf-8")
