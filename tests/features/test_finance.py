"""The finance bureau's rows: two persons, suspension, what a stolen key signed, clearance."""

from __future__ import annotations

import io
from collections.abc import Iterator

import pypdf
import pytest

from chain.operation import RangeRef, ReportUnused, TakeLease
from tests.features.acting import act, agreed, post, sealed_bill, verified
from tests.network.running import VALIDATORS, Network, bill_request

pytestmark = pytest.mark.processes

CLERK = "finance_clerk"


def test_40_a_clerk_withholds_one_seal_and_its_neighbours_have_theirs(network: Network) -> None:
    """The holder is told that the seal is withheld, and why; released, the bill gets it by itself."""
    before = sealed_bill(network)
    named = f"{before[:8]}{int(before[8:]) + 1:010d}"  # the next number of this counter
    clerk = network.api("archive", CLERK)
    body = {"exceptions": [{"bill_id": named, "reason": "under_inquiry"}]}
    assert clerk.post("/seals", json=body).status_code == 200
    request = bill_request("features-withheld", 100)
    answer = network.api("hospital-a").post("/bills", json=request, headers={"Prefer": "wait=1"}).json()
    assert answer["bill_id"] == named
    sealed_bill(network)
    archive = network.api("archive", "auditor")
    network.until(lambda: archive.get(f"/bills/{named}").json().get("seal_withheld") == "under_inquiry", "withheld")
    check = {"bill_id": named, "check_code": answer["check_code"]}
    for via in ("hospital-a", "archive"):
        network.until(
            lambda via=via: network.api(via).post("/verifications", json=check).json().get("seal_withheld"), "told"
        )
    (row,) = clerk.get("/seals", params={"issuer": "hospital-a"}).json()["data"]
    assert {"bill_id": named, "reason": "under_inquiry"} in row["withheld"]
    assert {"bill_id": named, "reason": "under_inquiry"} in row["questioned"]

    network.stop("archive")  # the clerk's word survives the archive
    network.up("archive")
    sealed_bill(network)
    assert archive.get(f"/bills/{named}").json()["seal_withheld"] == "under_inquiry"
    assert clerk.post("/seals", json={"released": [named]}).status_code == 200
    network.until(lambda: archive.get(f"/bills/{named}").json()["status"] == "sealed", "sealed after all")
    late = clerk.post("/seals", json=body)
    assert (late.status_code, late.json()["code"]) == (409, "already_sealed")


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
        later = network.api("hospital-b").post("/bills", json=bill_request("features-later", 100, place_code="B01"))
        assert (later.status_code, later.json()["code"]) == (
            403,
            "organisation_suspended",
        )  # at once, and no number is spent
        assert "bill_id" not in later.json()
        assert sealed_bill(network)  # hospital A goes on
        status, answer = post(network, "/verifications", check_of(network, after[0]), "hospital-b")
        assert answer["verdict"] == "genuine"  # what it issued stands
    finally:
        asked = network.json("organisation", "resume", "hospital-b", *home)
        assert agreed(network, asked, "archive")[1]["status"] == "recorded"
    request = bill_request("features-resumed", 100, place_code="B01")
    network.until(lambda: post(network, "/bills", request, "hospital-b")[0] in (200, 201), "it goes on by itself")
    assert sealed_bill(network, via="hospital-b")


def test_42_a_hospital_is_admitted_on_a_running_ledger(network: Network) -> None:
    """Keys of its own, taken in by two clerks, numbers, a gateway beside those that run: its bills are sealed and proven."""
    home = ("--home", str(network.home))
    request = network.json(
        "organisation", "init", "hospital-c", "--title", "第三医院", "--region", "331000", "--place", "C01", *home
    )
    assert network.json("organisation", "admit", request["request"], *home)["status"] == "awaiting_second"
    asked = network.json("organisation", "admit", request["request"], *home)  # the same again is the same step
    assert agreed(network, asked, "archive")[1]["status"] == "recorded"
    rows = {row["organisation"]: row for row in network.json("organisation", "list", *home)["data"]}
    assert (rows["hospital-c"]["state"], rows["hospital-c"]["supervisor"]) == ("active", "finance-city")
    again = network.medbill("organisation", "admit", request["request"], *home, "--json", expect=6)
    assert "organisation_known" in again

    clerk = network.api("archive", CLERK)
    for kind in ("outpatient", "inpatient", "registration", "checkup"):
        ranges = clerk.get("/number-ranges", params={"holder": "finance-city"}).json()["data"]
        row = min((row for row in ranges if row["kind"] == kind), key=lambda row: row["year"])
        parent = f"finance-city/{row['code']}/{row['first']}"
        body = {"parent": parent, "first": row["next"], "count": 50_000, "holder": "hospital-c"}
        assert agreed(network, clerk.post("/number-ranges", json=body).json(), "archive")[1]["status"] == "recorded"

    network.add_gateway("hospital-c", "archive")
    network.up("hospital-c")
    leases = network.api("hospital-c", "hospital_admin")
    network.until(lambda: leases.get("/number-leases").json()["data"], "it has taken numbers")
    bill = sealed_bill(network, via="hospital-c")
    proof = network.api("hospital-c").get(f"/bills/{bill}/proof", params={"fields": "payer_name,charges"})
    facts = verified(network, proof.content)
    assert (facts["issuer"], facts["sealed"]) == ("hospital-c", True)
    assert network.api("archive").get(f"/bills/{bill}").json()["charges"]  # its details lie with the office
    face = pypdf.PdfReader(io.BytesIO(network.api("hospital-c").get(f"/bills/{bill}/face").content))
    assert "第三医院" in face.pages[0].extract_text().replace(" ", "")

    # all of it is the ledger's: who was started again knows the new hospital's links too
    for name in (*VALIDATORS, "archive"):
        network.stop(name)
        network.start(name)
    network.until(network.agreed, "they agree again")
    assert sealed_bill(network, via="hospital-c")
    asked = network.json("organisation", "suspend", "hospital-c", "--reason", "key_lost", *home)
    assert agreed(network, asked, "archive")[1]["status"] == "recorded"
    status, answer = post(network, "/bills", bill_request("features-c", 100, place_code="C01"), "hospital-c")
    assert (status, answer["code"]) == (403, "organisation_suspended")
    network.stop("hospital-c")


def check_of(network: Network, bill: str) -> dict[str, str]:
    page = network.api("hospital-b").get(f"/bills/{bill}").json()
    return {"bill_id": bill, "check_code": page["check_code"]}


def short_leases(text: str) -> str:
    return text.replace("lease_count: 10000", "lease_count: 7").replace("lease_threshold: 5000", "lease_threshold: 1")


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    """Leases of seven numbers."""
    network = Network(tmp_path_factory.mktemp("small"), short_leases)
    try:
        network.up(*VALIDATORS, "archive", "hospital-a")
        yield network
    finally:
        network.down()


def test_44_every_number_of_a_lease_is_explained_before_it_is_cleared(small: Network) -> None:
    """Normal, reversed, red, void and unused add up to the lease; the counts are the ledger's own."""
    bills = [sealed_bill(small) for _ in range(4)]
    code, first = bills[0][:8], int(bills[0][8:])
    lease = ("numbers", "clear", f"hospital-a/{code}/{first}", "--home", str(small.home))
    assert "lease_in_use" in small.medbill(*lease, "--json", expect=6)
    assert post(small, f"/bills/{bills[0]}/void", {"reason": "mistyped"})[0] == 201
    reversal = {"reason": "wrong payer", "operator": "收费员01"}
    red = agreed(small, post(small, f"/bills/{bills[1]}/reversal", reversal)[1])[1]
    assert int(red["bill_id"][8:]) == first + 4
    later = [sealed_bill(small) for _ in range(2)]
    assert [int(bill[8:]) for bill in later] == [first + 5, first + 6]

    cleared = small.json(*lease)
    counts = {name: cleared[name] for name in ("normal", "reversed", "red", "void", "unused")}
    assert counts == {"normal": 4, "reversed": 1, "red": 1, "void": 1, "unused": 0}
    assert sum(counts.values()) == cleared["count"] == 7
    again = small.api("archive", CLERK).post("/clearances", json={"issuer": "hospital-a", "code": code, "first": first})
    assert again.status_code == 200, again.text
    assert int(sealed_bill(small)[8:]) > first + 6  # the gateway goes on with another lease


def test_44_a_number_that_nothing_explains_stops_it(small: Network) -> None:
    """A lease that the hospital took by hand, and what it says of its numbers."""
    code = sealed_bill(small)[:8]
    ranges = small.api("archive", "auditor").get("/number-ranges", params={"holder": "hospital-a"}).json()["data"]
    row = next(row for row in ranges if row["code"] == code)
    first, ref = row["next"], RangeRef("hospital-a", code, row["first"])
    assert act(small, "hospital-a", TakeLease(ref, first, 3, "by-hand", "A01")) == ["recorded"]

    def unused(*serials: int) -> list[str]:
        reports = [ReportUnused(f"{code}{serial:010d}", first, "spoilt") for serial in serials]
        return act(small, "hospital-a", *reports)

    assert unused(first + 1, first + 2) == ["recorded"] * 2
    asked = {"issuer": "hospital-a", "code": code, "first": first}
    clerk = small.api("archive", CLERK)
    answer = clerk.post("/clearances", json=asked)
    assert (answer.status_code, answer.json()["code"]) == (422, "numbers_unexplained")
    assert f"{first:010d}" in answer.json()["detail"]
    assert unused(first) == ["recorded"]
    answer = clerk.post("/clearances", json=asked, headers={"Prefer": "wait=15"})
    assert (answer.status_code, answer.json()["status"]) == (201, "recorded")
    rows = clerk.get("/clearances", params={"issuer": "hospital-a"}).json()["data"]
    assert [(row["unused"], row["count"]) for row in rows if row["gateway"] == "by-hand"] == [(3, 3)]
