"""No personal data outside the hospital and its office: looked for in every file, record, page and log line.

A canary is a patient who exists nowhere else. The scanner must find it in control files and a control store first:
a blind scanner finds nothing either.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx2
import pytest

from chain.database import Database
from tests.network import scanner
from tests.network.running import VALIDATORS, Network, bill_request

pytestmark = pytest.mark.processes

NAME = "欧阳金丝雀"
IDENTITY = "330102190001019876"
DIAGNOSIS = "金丝雀热"
REASON = "退金丝雀费"
BUSINESS_NO = "CANARY-7Q4Z-0001"
CASHIER = "金丝雀收费员"
PAYER, GROUP = "司徒金丝雀", "CANARY-7Q4Z-G1"  # who was bound later, and the settlement
TEXTS = [NAME, IDENTITY, DIAGNOSIS, REASON, BUSINESS_NO, CASHIER, PAYER, GROUP]
OUTSIDE = (*VALIDATORS, "hospital-b")
INSIDE = ("hospital-a", "hospital-a-2", "archive")  # may hold it, wrapped; never in clear
CLEAR = ("plain", "utf-16", "gb18030", "escaped", "percent", "hex", "HEX", "base64+0", "base64+1", "base64+2")


@dataclass
class Canary:
    """What was done with the canary's data, and what was seen of it before the network was stopped."""

    network: Network
    bill: str
    pages: dict[str, bytes] = field(default_factory=dict)  # node and path -> an answer that anyone may see
    refusals: dict[str, bytes] = field(default_factory=dict)  # a request that was refused -> the answer


@pytest.fixture(scope="module")
def canary(network: Network) -> Iterator[Canary]:
    """The canary's bill is issued, shown, found, reversed, refused; then the network is stopped, and started again."""
    gateway, wait = network.api("hospital-a"), {"Prefer": "wait=20"}
    payer = {"type": "person", "name": NAME, "id_type": "01", "id_number": IDENTITY}
    body = bill_request(BUSINESS_NO, payer=payer, cashier=CASHIER, visit={"department": "内科", "diagnosis": DIAGNOSIS})
    answer = gateway.post("/bills", json=body, headers=wait)
    assert (answer.status_code, answer.json()["status"]) == (201, "sealed"), answer.text
    canary = Canary(network, answer.json()["bill_id"])
    shown = gateway.get(f"/bills/{canary.bill}")
    assert NAME in shown.text  # the hospital reads its own
    for name in ("hospital-a", "hospital-a-2", "hospital-b"):
        found = network.api(name).get("/bills", params={"issuer": "hospital-a", "business_no": BUSINESS_NO})
        assert found.status_code in (200, 403, 404)
    network.until(
        lambda: network.api("hospital-a-2").get(f"/bills/{canary.bill}").status_code == 200, "the other gateway"
    )
    emergency = bill_request(f"{BUSINESS_NO}-E", payer={"type": "unknown", "name": "无名氏"}, group=GROUP)
    unknown = gateway.post("/bills", json=emergency, headers=wait).json()["bill_id"]
    bound = {"name": PAYER, "id_type": "01", "id_number": IDENTITY, "operator": CASHIER}
    answer = gateway.post(f"/bills/{unknown}/payer", json=bound, headers=wait)
    assert answer.status_code == 201, answer.text
    for name in ("hospital-a", "hospital-a-2", "archive"):
        query = {"issuer": "hospital-a", "group": GROUP}
        network.until(lambda name=name, query=query: PAYER in network.api(name).get("/bills", params=query).text, name)

    refused = {
        "sum": {**body, "business_no": BUSINESS_NO + "x", "total_fen": 1},
        "unknown field": {**body, "nickname": NAME},
        "wrong type": {**body, "total_fen": NAME},
        "wrong kind": {**body, "kind": NAME},
        "unknown place": {**body, "place_code": IDENTITY[:16]},
        "control character": {**body, "payer": {**payer, "name": NAME + "\u0007"}},
        "conflict": {**body, "cashier": CASHIER, "visit": {"department": DIAGNOSIS}},
    }
    for name, wrong in refused.items():
        answer = gateway.post("/bills", json=wrong)
        assert 400 <= answer.status_code < 500, (name, answer.text)
        canary.refusals[name] = answer.content
    for name, wrong in (
        ("bound twice", bound),
        ("no name", {**bound, "name": ""}),
        ("letters", {**bound, "name": PAYER + "\u0007"}),
    ):
        answer = gateway.post(f"/bills/{unknown}/payer", json=wrong)
        assert 400 <= answer.status_code < 500, (name, answer.text)
        canary.refusals[name] = answer.content
    for name, content in (("no JSON", f'{{"{NAME}": "{IDENTITY}'), ("path", "")):
        answer = gateway.post("/bills" if content else f"/bills/{NAME}{IDENTITY}", content=content.encode())
        assert answer.status_code >= 400
        canary.refusals[name] = answer.content
    reversal = {"reason": REASON, "operator": CASHIER}
    asked = gateway.post(f"/bills/{canary.bill}/reversal", json=reversal, headers=wait)
    assert asked.json()["status"] == "awaiting_second", asked.text
    checker = network.api("hospital-a", person="checker")
    answer = checker.post(f"/approvals/{asked.json()['approval']}", json={}, headers=wait)
    assert answer.status_code == 201, answer.text
    again = gateway.post(f"/bills/{canary.bill}/reversal", json={**reversal, "reason": REASON + "2"})
    assert again.status_code == 409, again.text
    canary.refusals["second reversal"] = again.content

    canary.pages = public_pages(network)
    network.down()
    yield canary
    network.up()
    network.until(network.agreed, "all validators at one height and root")


def public_pages(network: Network) -> dict[str, bytes]:
    pages = {}
    with httpx2.Client(timeout=20, trust_env=False) as client:
        for name, node in network.nodes.items():
            for path in ("/metrics", "/status", "/readyz", "/livez", "/nothing"):
                pages[f"{name} {path}"] = client.get(f"http://127.0.0.1:{node['operations_port']}{path}").content
            if node["api_port"] is None:
                continue
            for path in ("/v1/blocks", "/v1/network", "/v1/blocks/1", "/openapi.json", "/v1/nothing"):
                pages[f"{name} {path}"] = client.get(f"http://127.0.0.1:{node['api_port']}{path}").content
    for path in ("/audit/bills", "/audit/day-totals", "/blocks"):
        query = {"issuer": "hospital-a"} if path == "/audit/bills" else {}
        pages[f"auditor {path}"] = network.api("archive", "auditor", "finance").get(path, params=query).content
    return pages


# ── the scanner sees ─────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("spelling", sorted(scanner.spellings(NAME)))
def test_the_scanner_finds_each_spelling_in_a_file_and_in_a_store(tmp_path: Path, spelling: str) -> None:
    """As a value among others that LevelDB packs into a compressed table, as a key, and inside a file."""
    for place, text in enumerate((NAME, IDENTITY)):
        home = tmp_path / str(place)
        needle = scanner.spellings(text)[spelling]
        (home / "logs").mkdir(parents=True)
        (home / "logs" / "node.log").write_bytes(b"before " + needle + b" after")
        store = Database.create(home / "data" / "state")
        store.write({b"key %d" % number: b"rubbish " * 20 for number in range(200)})
        store.write({b"value": b"before " + needle + b" after", b"key " + needle: b""})
        store.close()
        Database.open(home / "data" / "state").close()
        hits = scanner.find(home, [NAME, IDENTITY])
        assert f"logs/node.log: {spelling}" in hits
        assert any(hit.startswith("data/state key") and hit.endswith(f": {spelling}") for hit in hits), hits
        assert scanner.find_in(needle, [text]) != []


def test_the_scanner_finds_nothing_where_nothing_is(tmp_path: Path) -> None:
    (tmp_path / "node.log").write_bytes(json.dumps({"event": "测试甲 330102199001011234"}, ensure_ascii=False).encode())
    Database.create(tmp_path / "state").close()
    assert scanner.find(tmp_path, TEXTS) == []


# ── the homes ────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("node", OUTSIDE)
def test_nothing_of_it_is_on_a_validator_or_at_the_other_hospital(canary: Canary, node: str) -> None:
    """DESIGN 1, principle 6: configuration, blocks, journal, state, outbox, logs; in no spelling, not even digested."""
    home = canary.network.node_home(node)
    assert (home / "logs" / "node.log").stat().st_size
    assert scanner.find(home, TEXTS) == []


@pytest.mark.parametrize("node", INSIDE)
def test_where_the_details_are_they_lie_wrapped(canary: Canary, node: str) -> None:
    """DESIGN 6: under a data key per bill; neither in clear nor in any spelling that gives it back."""
    home = canary.network.node_home(node)
    hits = [hit for hit in scanner.find(home, TEXTS) if hit.rpartition(": ")[2] in CLEAR]
    assert hits == []


def test_nothing_of_it_is_on_a_page(canary: Canary) -> None:
    """Metrics, status, blocks, audit: whoever may read them has no right to the details."""
    assert len(canary.pages) > 40
    assert {page: hits for page, data in canary.pages.items() if (hits := scanner.find_in(data, TEXTS))} == {}


def test_a_refusal_repeats_nothing_of_the_request(canary: Canary) -> None:
    """Problems name the pointer, never the value: they end in the vendor's logs."""
    texts = [NAME, IDENTITY, DIAGNOSIS, REASON, PAYER, GROUP]
    assert {name: data for name, data in canary.refusals.items() if scanner.find_in(data, texts)} == {}


def test_the_bill_itself_is_on_the_chain(canary: Canary) -> None:
    """The control: the same scan finds the number, which is public, in every validator's blocks."""
    for node in VALIDATORS:
        assert any("blocks/" in hit for hit in scanner.find(canary.network.node_home(node), [canary.bill]))
