"""The finance bureau's rows: two persons, suspension, what a stolen key signed."""

from __future__ import annotations

import pytest

from tests.features.acting import agreed, post, sealed_bill
from tests.network.running import Network, bill_request

pytestmark = pytest.mark.processes

CLERK = "finance_clerk"


def test_41_one_clerk_allots_nothing(network: Network) -> None:
    clerk = network.api("archive", CLERK)
    rows = clerk.get("/number-ranges", params={"holder": "finance-city"}).json()["data"]
    row = next(row for row in rows if row["left"] > 1_000)
    body = {"parent": f"finance-city/{row['code']}/{row['first']}", "first": row["next"], "count": 10}
    body["holder"] = "hospital-b"
    asked = clerk.post("/number-ranges", json=body)
    assert (asked.status_code, asked.json()["status"]) == (202, "awaiting_second")
    alone = clerk.post(asked.json()["links"]["approval"].removeprefix("/v1"), json={})
    assert (alone.status_code, alone.json()["code"]) == (403, "same_person")
    assert clerk.get("/number-ranges", params={"holder": "finance-city"}).json()["data"] == rows

    status, answer = agreed(network, asked.json(), "archive")
    assert (status, answer["status"]) == (201, "recorded")
    found = clerk.get("/number-ranges", params={"holder": "hospital-b"}).json()["data"]
    assert [(row["first"], row["count"]) for row in found if row["first"] == body["first"]] == [(body["first"], 10)]
    overlap = clerk.post("/number-ranges", json=body)
    assert (overlap.status_code, overlap.json()["code"]) == (
        409,
        "range_overlaps",
    )  # told at once, before anybody agrees


def test_42_a_suspended_hospital_issues_nothing_and_its_stolen_keys_bills_are_listed(network: Network) -> None:
    """Suspended at once; what its key signed from the theft on is a list, and nothing else is on it."""
    before = sealed_bill(network, via="hospital-b")
    stolen_at = network.api("archive").get("/network").json()["head"]["height"] + 1
    after = [sealed_bill(network, via="hospital-b") for _ in range(2)]
    home = ("--home", str(network.home))
    (unit,) = [
        key
        for key in network.json("keys", "show", "--organisation", "hospital-b", *home)["keys"]
        if key["purpose"] == "unit"
    ]
    listed = network.json("audit", "signed-by", unit["key_id"], "--from", str(stolen_at), *home)["data"]
    assert [row["bill_id"] for row in listed if row["kind"] == "issue_bill"] == after
    assert {row["organisation"] for row in listed} == {"hospital-b"}
    whole = network.json("audit", "signed-by", unit["key_id"], *home)["data"]
    assert [row["bill_id"] for row in whole if row["kind"] == "issue_bill"][-3:] == [before, *after]

    asked = network.json("organisation", "suspend", "hospital-b", "--reason", "key_lost", *home)
    assert asked["status"] == "awaiting_second"
    assert agreed(network, asked, "archive")[1]["status"] == "recorded"
    try:
        rows = network.json("organisation", "list", *home)["data"]
        assert {row["organisation"]: row["state"] for row in rows if row["state"] != "active"} == {
            "hospital-b": "suspended"
        }
        request = bill_request("features-suspended", 100, place_code="B01")
        status, answer = post(network, "/bills", request, "hospital-b")
        assert (status, answer["code"]) == (403, "organisation_suspended")
        assert sealed_bill(network)  # hospital A goes on
        status, answer = post(network, "/verifications", check_of(network, after[0]), "hospital-b")
        assert answer["verdict"] == "genuine"  # what it issued stands
    finally:
        asked = network.json("organisation", "resume", "hospital-b", *home)
        assert agreed(network, asked, "archive")[1]["status"] == "recorded"
    assert sealed_bill(network, via="hospital-b")


def check_of(network: Network, bill: str) -> dict[str, str]:
    page = network.api("hospital-b").get(f"/bills/{bill}").json()
    return {"bill_id": bill, "check_code": page["check_code"]}
