"""Rows of consent: whom a patient lets read which bills, which fields of them, until when."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from chain.details import FIELDS
from tests.features.acting import Patient, clerk, life, sealed_bill, verified
from tests.network.running import Network

pytestmark = pytest.mark.processes

MEDICAL: dict[str, Any] = {
    "visit": {"department": "肿瘤内科", "diagnosis": "示范病症甲", "outpatient_no": "OP-5431-01"},
    "remark": "示范随访",
    "charges": [{"code": "09", "name": "西药费", "quantity_milli": 1000, "unit": "项", "amount_fen": 10_000}],
    "items": [
        {"charge_code": "09", "code": "H1", "name": "示范胶囊", "specification": "0.25g*24", "unit": "盒", "quantity_milli": 1000, "unit_price_e4": 1_000_000, "amount_fen": 10_000},
    ],
}  # fmt: skip
PATHS = ("", "/history", "/proof", "/proof?fields=items", "/face", "/fhir", "/version?at=2099-01-01T00:00:00Z")
UNKNOWN = "330601269999999999"


def give(
    network: Network, patient: Patient, bills: Sequence[str], to: str, fields: list[str], seconds: float = 3600
) -> list[dict[str, Any]]:
    """Grants, once the ledger has them."""
    until = (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat(timespec="milliseconds")
    body = {"bill_ids": list(bills), "to": to, "fields": fields, "purpose": "reimbursement", "until": until}
    answer = patient.at(network).post("/me/grants", json=body, headers={"Prefer": "wait=15"})
    assert answer.status_code == 201, answer.text
    grants: list[dict[str, Any]] = answer.json()["grants"]
    assert [(one["bill_id"], one["status"]) for one in grants] == [(bill, "recorded") for bill in bills]
    return grants


def denied(network: Network, bill: str, organisation: str = "insurer-a", role: str = "insurer_clerk") -> bool:
    """Whether every path of a bill is answered as that of a bill that does not exist: status, code, and all but the request's id."""
    api = clerk(network, "archive", organisation, role)
    for path in PATHS:
        answers = [api.get(f"/bills/{number}{path}", headers={"X-Request-Id": "same"}) for number in (bill, UNKNOWN)]
        first, second = ((answer.status_code, answer.content) for answer in answers)
        if first != second or answers[0].status_code != 404 or answers[0].json()["code"] != "bill_unknown":
            return False
    return True


def height_of(answer: Any) -> int:
    return int(answer.headers["medbill-height"])


def test_31_which_insurer_which_bills_until_when_and_taken_back(network: Network, tmp_path: Path) -> None:
    """404, then 200, then 404: each as of the block that the ledger has of it, and each step proven without a network."""
    patient, other = Patient("示范己"), Patient("示范庚")
    mine = [sealed_bill(network, via=via, payer=patient.payer, **MEDICAL) for via in ("hospital-a", "hospital-b")]
    kept = sealed_bill(network, payer=patient.payer, **MEDICAL)
    theirs = sealed_bill(network, payer=other.payer, **MEDICAL)
    bill = mine[0]
    insurer = clerk(network, "archive")

    before = insurer.get(f"/bills/{bill}")
    assert (before.status_code, before.json()["code"]) == (404, "bill_unknown")
    assert denied(network, bill)

    # nobody grants what is not theirs, and a mistake in one of many grants nothing
    body = {"to": "insurer-a", "fields": ["items"], "purpose": "reimbursement", "until": "2027-12-31T23:59:59+08:00"}
    for bills in ([theirs], [UNKNOWN], [bill, theirs]):
        answer = patient.at(network).post("/me/grants", json={"bill_ids": bills, **body})
        assert (answer.status_code, answer.json()["code"]) == (404, "bill_unknown")
    wrong = patient.at(network).post("/me/grants", json={**body, "bill_ids": [bill], "to": "hospital-b"})
    assert (wrong.status_code, wrong.json()["code"], wrong.json()["errors"][0]["pointer"]) == (
        403,
        "not_a_reader",
        "/to",
    )
    assert patient.at(network).get("/me/grants").json()["data"] == []
    assert denied(network, bill)

    # two bills to one insurer: it reads them, as of the block that gave the grant, and no other bill; nobody else does
    given = give(network, patient, mine, "insurer-a", ["charges", "items"])
    after = insurer.get(f"/bills/{bill}")
    assert after.status_code == 200, after.text
    assert height_of(before) < given[0]["height"] <= height_of(after)
    (shown,) = after.json()["grants"]
    assert (shown["grant"], shown["height"], shown["to"]) == (given[0]["grant"], given[0]["height"], "insurer-a")
    assert shown["until"] > datetime.now(UTC).isoformat()
    assert insurer.get(f"/bills/{mine[1]}").status_code == 200
    assert denied(network, kept)
    assert denied(network, theirs)
    assert denied(network, bill, "insurer-b")
    assert denied(network, bill, "employer-a", "employer_clerk")
    assert network.api("archive", "cashier", "hospital-b").get(f"/bills/{bill}").status_code == 404

    # the same again is the same grant
    rows = {row["bill_id"]: row for row in patient.at(network).get("/me/grants").json()["data"]}
    again = {name: rows[bill][name] for name in ("to", "fields", "purpose", "until")}
    repeated = patient.at(network).post("/me/grants", json={"bill_ids": [bill], **again})
    assert (repeated.status_code, repeated.json()["grants"][0]["grant"]) == (200, given[0]["grant"])

    # taken back: gone, as of that block; the other bill stays open
    path = f"/me/grants/{given[0]['grant']}/revocation"
    stranger = other.at(network).post(path, json={})
    assert (stranger.status_code, stranger.json()["code"]) == (404, "grant_unknown")
    revoked = patient.at(network).post(path, json={"reason": "claim_paid"}, headers={"Prefer": "wait=15"})
    assert (revoked.status_code, revoked.json()["status"]) == (201, "recorded"), revoked.text
    gone = insurer.get(f"/bills/{bill}")
    assert gone.status_code == 404
    assert height_of(after) < revoked.json()["height"] <= height_of(gone)
    assert denied(network, bill)
    assert insurer.get(f"/bills/{mine[1]}").status_code == 200
    late = patient.at(network).post("/me/grants", json={"bill_ids": [bill], **again})
    assert (late.status_code, late.json()["code"]) == (409, "grant_revoked")  # a request of before undoes nothing

    # what the patient sees of it, and what the ledger proves of it
    rows = {row["bill_id"]: row for row in patient.at(network).get("/me/grants").json()["data"]}
    assert set(rows) == set(mine)
    assert (rows[bill]["state"], rows[bill]["height"], rows[bill]["revoked_height"]) == (
        "revoked",
        given[0]["height"],
        revoked.json()["height"],
    )
    assert (rows[mine[1]]["state"], rows[mine[1]]["height"]) == ("granted", given[1]["height"])
    assert other.at(network).get("/me/grants").json()["data"] == []
    history = patient.at(network).get(f"/bills/{bill}/history").json()["data"]
    stamps = {row["event"]: row for row in history if row["event"].startswith("grant_")}
    assert [row["event"] for row in history][-2:] == ["grant_given", "grant_revoked"]
    for event, height in (("grant_given", given[0]["height"]), ("grant_revoked", revoked.json()["height"])):
        file = tmp_path / f"{event}.proof"
        link = stamps[event]["links"]["proof"].removeprefix("/v1")
        file.write_bytes(patient.at(network).get(link).content)
        genesis = ("--genesis", str(network.home / "genesis.json"))
        facts = network.json("proof", "verify", str(file), *genesis)["bill"]
        assert (facts["height"], facts["content"]["grant"]) == (height, given[0]["grant"])
        assert patient.number.encode() not in file.read_bytes()
        assert insurer.get(link).content == file.read_bytes()  # it may show that it read what it might read
        assert clerk(network, "archive", "insurer-b").get(link).status_code == 404
    cashier = network.api("archive", "cashier", "hospital-a").get(f"/bills/{bill}/history").json()["data"]
    assert not any(row["event"].startswith("grant_") for row in cashier)

    # and one that runs out by itself: by the time of the ledger's blocks
    (short,) = give(network, patient, [kept], "insurer-a", [], seconds=6)
    opened = insurer.get(f"/bills/{kept}")
    assert opened.status_code == 200
    assert not {"items", "charges", "payer", "visit"} & set(opened.json())  # the public part alone

    def has_run_out() -> bool:
        life(network, sealed_bill(network))  # the ledger has a new block
        return denied(network, kept)

    network.until(has_run_out, "the grant has run out", 30)
    (row,) = [row for row in patient.at(network).get("/me/grants").json()["data"] if row["bill_id"] == kept]
    assert (row["grant"], row["state"], "revoked_height" in row) == (short["grant"], "expired", False)
    assert time.time() > datetime.fromisoformat(row["until"]).timestamp() - 1


def test_54_line_items_are_open_and_the_diagnosis_is_not(network: Network, tmp_path: Path) -> None:
    """Field by field: what was granted is shown and proven without a network; of the rest there is nothing, not even a trace."""
    patient = Patient("示范辛")
    bill = sealed_bill(network, payer=patient.payer, **MEDICAL)
    (given,) = give(network, patient, [bill], "insurer-a", ["items"])
    insurer = clerk(network, "archive")

    page = insurer.get(f"/bills/{bill}")
    assert page.json()["items"][0]["name"] == "示范胶囊"
    assert page.json()["grants"][0]["fields"] == ["items"]
    assert page.json()["total_fen"] == 10_000
    file, genesis = tmp_path / "items.proof", network.home / "genesis.json"
    fetched = insurer.get(f"/bills/{bill}/proof", params={"fields": "items"})
    assert fetched.status_code == 200
    file.write_bytes(fetched.content)
    verdict = json.loads(network.medbill("proof", "verify", str(file), "--genesis", str(genesis), "--json"))
    assert verdict["valid"]
    assert list(verdict["bill"]["opened"]) == ["items"]
    assert verdict["bill"]["opened"]["items"][0][2] == "示范胶囊"
    assert (verdict["bill"]["status"], verdict["bill"]["sealed"]) == ("normal", True)

    # every other field, alone or beside what is open, is answered as for a bill that does not exist
    for name in FIELDS.values():
        if name == "items":
            continue
        for fields in (name, f"items,{name}"):
            answers = [
                insurer.get(f"/bills/{number}/proof", params={"fields": fields}, headers={"X-Request-Id": "same"})
                for number in (bill, UNKNOWN)
            ]
            assert answers[0].status_code == 404, name
            assert answers[0].content == answers[1].content, name
    assert insurer.get(f"/bills/{bill}/face").status_code == 404  # a face shows all of them
    assert insurer.get(f"/bills/{bill}/fhir").status_code == 404
    hidden = [
        "示范病症甲",
        "肿瘤内科",
        "OP-5431-01",
        "示范随访",
        patient.name,
        patient.number,
        "收费员01",
        "复核员02",
        "西药费",
    ]
    answered = [page.content, fetched.content, insurer.get(f"/bills/{bill}/history").content]
    for text in hidden:
        assert not any(text.encode() in data for data in answered), text
    assert not {"check_code", "visit", "payer", "charges", "remark", "cashier"} & set(page.json())

    # a product that needs the diagnosis asks for it: then it is open, and the visit it was made at is not
    (more,) = give(network, patient, [bill], "insurer-a", ["diagnosis"])
    page = insurer.get(f"/bills/{bill}")
    assert page.json()["visit"] == {"diagnosis": "示范病症甲"}
    both = insurer.get(f"/bills/{bill}/proof", params={"fields": "items,diagnosis"})
    assert verified(network, both.content)["opened"]["diagnosis"] == "示范病症甲"
    revocation = f"/me/grants/{more['grant']}/revocation"
    assert patient.at(network).post(revocation, json={}, headers={"Prefer": "wait=15"}).status_code == 201
    page = insurer.get(f"/bills/{bill}")
    assert "visit" not in page.json()
    assert [row["grant"] for row in page.json()["grants"]] == [given["grant"]]
