"""Catalogues by year: what a code leads to is settled on the ledger, and a bill prints with its own day's names."""

from __future__ import annotations

import io
import json
import secrets
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ofdkit
import pypdf
import pytest

from tests.network.running import Network, bill_request

pytestmark = pytest.mark.processes

DAY_S = 86_400
OLD, NEW = "门诊诊察费", "普通诊查费"
TITLE = "新年度门诊收费票据"
FULL_FEN, PART_FEN = 5_000, 2_000


def a_day_ahead(text: str) -> str:
    """Business dates of tomorrow are taken today: so the last day of the old names and the first of the new ones come in one."""
    changed = text.replace("business_ahead_max_ms: 600000", "business_ahead_max_ms: 86400000")
    assert changed != text
    return changed


@pytest.fixture(scope="module")
def ahead(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    network = Network(tmp_path_factory.mktemp("catalogues"), a_day_ahead)
    try:
        network.up()
        yield network
    finally:
        network.down()


def local_day(days: int = 0) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(time.time() + 8 * 3600 + days * DAY_S))


def published(network: Network, via: str, file: Path, *more: str) -> dict[str, Any]:
    """What the command says of a catalogue that one person has published and another one of the organisation agreed to."""
    where = ["--home", str(network.home), "--via", via]
    asked = network.json("catalogue", "publish", str(file), *where, *more)
    assert (asked["status"], asked["kind"]) == ("awaiting_second", "publish_catalogue")
    agree = ["approvals", "agree", asked["approval"], *where]
    network.medbill(*agree, "--person", "medbill-cli", expect=6)  # the one who asked
    done = network.json(*agree, "--person", "second-02")
    assert done["status"] == "recorded"
    return dict(asked)


def known(network: Network, count: int, *nodes: str) -> None:
    """Until these nodes go by so many versions."""
    for node in nodes:
        listed = network.api(node).get
        network.until(lambda listed=listed: len(listed("/catalogues").json()["data"]) == count, f"{node} knows", 60)


def charged(number: str, code: str = "02", place: str = "A01", **changes: Any) -> dict[str, Any]:
    """A bill with two charges: of the hospital's own codes, unless another is named."""
    charges = [
        {"code": code, "name": "医院自己的名称", "amount_fen": FULL_FEN - PART_FEN},
        {"code": "09", "name": "西药费", "amount_fen": PART_FEN},
    ]
    return bill_request(number, FULL_FEN, charges=charges, place_code=place, **changes)


def refusal(network: Network, body: dict[str, Any], via: str = "hospital-a") -> tuple[int, str, str]:
    """Status, code and pointer of a bill that is refused; no number is spent on it."""
    api = network.api(via)
    before = api.get("/number-leases").json()["data"]
    answer = api.post("/bills", json=body)
    assert api.get("/number-leases").json()["data"] == before
    problem = answer.json()
    return answer.status_code, problem["code"], problem["errors"][0]["pointer"]


def issued(network: Network, body: dict[str, Any], via: str = "hospital-a") -> str:
    answer = network.api(via).post("/bills", json=body, headers={"Prefer": "wait=20"}).json()
    assert answer["status"] == "sealed", answer
    return str(answer["bill_id"])


def said(network: Network, bill: str, via: str, form: str, kind: str = "face") -> str:
    """What stands on the face, without line breaks."""
    answer = network.api(via).get(f"/bills/{bill}/face", params={"form": form, "kind": kind})
    assert answer.status_code == 200, answer.text
    if form == "ofd":
        with ofdkit.open(io.BytesIO(answer.content)) as document:
            return "".join(document.text().split())
    pages = pypdf.PdfReader(io.BytesIO(answer.content)).pages
    return "".join("".join(page.extract_text() for page in pages).split())


def test_20_an_unmapped_code_is_refused_and_both_years_print_right_on_the_same_day(
    ahead: Network, tmp_path: Path
) -> None:
    """Two persons publish; the change is effective tomorrow, which is the first day of the new names."""
    network, today, tomorrow = ahead, local_day(), local_day(1)
    before = issued(network, charged("before-1", "whatever"))  # a network without any catalogue: as ever

    office = tmp_path / "charges.csv"
    office.write_text(f"code,name\n0802,{OLD}\n0809,西药费\n", "utf-8")
    assert published(network, "archive", office, "--from", today)["version"] == 1
    known(network, 1, "hospital-a", "hospital-a-2", "hospital-b", "archive")
    assert refusal(network, charged("unmapped-1")) == (422, "item_not_mapped", "/charges/0/code")

    own = tmp_path / "items.csv"  # the hospital's codes -> the province's
    own.write_text("code,charge\n02,0802\n09,0809\nH20044454,0809\n", "utf-8")
    published(network, "hospital-a", own, "--from", today)
    known(network, 2, "hospital-a", "hospital-a-2")
    item = {"charge_code": "09", "code": "H20044454", "name": "阿莫西林胶囊", "quantity_milli": 1000}
    item |= {"unit_price_e4": PART_FEN * 100, "amount_fen": PART_FEN}
    unknown = {**item, "code": "H9"}
    for via in ("hospital-a", "hospital-a-2"):
        assert refusal(network, charged("unmapped-2", items=[unknown]), via) == (
            422,
            "item_not_mapped",
            "/items/0/code",
        )
        assert refusal(network, charged("unmapped-3", "03"), via) == (422, "item_not_mapped", "/charges/0/code")
    # the other hospital has no list of its own: it writes the province's codes
    assert refusal(network, charged("unmapped-4", "0802", "B01"), "hospital-b")[2] == "/charges/1/code"

    file = tmp_path / "next.json"
    shown = network.json("catalogue", "show", "charges", "1", "--home", str(network.home))
    assert shown["charges"][0] == {"code": "0802", "name": OLD}
    assert OLD in network.medbill("catalogue", "show", "charges", "1", "--home", str(network.home))
    shown["charges"][0]["name"] = NEW
    file.write_text(json.dumps(shown), "utf-8")
    assert published(network, "archive", file, "--from", tomorrow)["version"] == 2
    heads = tmp_path / "faces.json"
    titles = [{"kind": "outpatient", "bill_title": TITLE, "list_title": "新年度门诊清单"}]
    heads.write_text(json.dumps({"catalogue": "faces", "titles": titles}), "utf-8")
    published(network, "archive", heads, "--from", tomorrow)
    known(network, 4, "hospital-a", "hospital-a-2", "archive")
    known(network, 3, "hospital-b")

    old = issued(network, charged("year-1", items=[item]))
    new = issued(network, charged("year-2", items=[item], business_time=f"{tomorrow}T00:00:00+08:00"), "hospital-a-2")
    network.until(lambda: network.api("hospital-a").get(f"/bills/{new}").status_code == 200, "its sister has it")
    for via in ("hospital-a", "archive"):
        for form in ("pdf", "ofd"):
            first, second = said(network, old, via, form), said(network, new, via, form)
            assert OLD in first
            assert NEW in second
            assert NEW not in first
            assert TITLE not in first
            assert OLD not in second
            assert TITLE in second
            assert "第1版" in first
            assert "第2版" not in first
            assert "第2版" in second
    assert "新年度门诊清单" in said(network, new, "archive", "pdf", "list")
    assert "医院自己的名称" in said(network, before, "hospital-a", "pdf")  # issued before: nothing of it changes


def test_20_what_does_not_fit_is_refused_by_the_ledger_and_the_node_goes_on(ahead: Network, tmp_path: Path) -> None:
    """By codes that stay; after all of them a good bill still has its number."""
    network, today = ahead, local_day()
    clerk, admin = network.api("archive", "finance_clerk"), network.api("hospital-a", "hospital_admin")
    charges = [{"code": "0802", "name": OLD}]
    body = {"catalogue": "charges", "version": 1 + len(clerk.get("/catalogues").json()["data"]) + 5, "from_date": today}

    def code(answer: Any) -> tuple[int, str]:
        return answer.status_code, answer.json()["code"]

    assert code(clerk.post("/catalogues", json={**body, "charges": charges})) == (409, "version_moved")
    twice = {**body, "charges": charges * 2}
    assert code(clerk.post("/catalogues", json=twice)) == (422, "catalogue_malformed")
    assert code(admin.post("/catalogues", json={**body, "charges": charges})) == (403, "publisher_not_entitled")
    newest = max(
        (row["version"] for row in clerk.get("/catalogues").json()["data"] if row["catalogue"] == "charges"), default=0
    )
    past = {**body, "version": newest + 1, "from_date": local_day(-1), "charges": charges}
    assert code(clerk.post("/catalogues", json=past)) == (409, "date_passed")
    assert code(network.api("hospital-a").post("/catalogues", json=past)) == (403, "role_forbidden")
    assert clerk.get("/catalogues/charges/99").status_code == 404
    damaged = tmp_path / "damaged.csv"
    damaged.write_text("code;name\n02;x\n", "utf-8")
    network.medbill("catalogue", "publish", str(damaged), "--from", today, "--home", str(network.home), expect=2)

    # the bureau of the province has no mirror of its own: it signs here, two persons as well
    office = tmp_path / "province.csv"
    office.write_text(f"code,name\n0802,{OLD}\n0809,西药费\n", "utf-8")
    province = ["catalogue", "publish", str(office), "--from", today, "--organisation", "finance"]
    network.medbill(*province, "--home", str(network.home), "--persons", "one", expect=6)
    told = network.json(*province, "--home", str(network.home), "--persons", "one,two")
    assert (told["status"], told["version"]) == ("recorded", 1)
    rows = [{"code": "0802", "name": OLD, "amount_fen": 3_000}, {"code": "0809", "name": "西药费", "amount_fen": 2_000}]
    assert issued(network, bill_request(f"after-{secrets.token_hex(4)}", FULL_FEN, charges=rows))
