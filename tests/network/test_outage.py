"""The cashier never waits for the province: numbers at once, seals when the agencies are back."""

from __future__ import annotations

import pytest

from tests.network.running import Network, bill_request

pytestmark = pytest.mark.processes


def test_without_a_quorum_bills_are_queued_and_sealed_later_once(network: Network) -> None:
    """DESIGN 6 and 9: what was answered with a number survives the gateway's own crash and is sealed by itself."""
    network.kill("insurance")
    network.kill("bigdata")
    try:
        answer = network.api("hospital-b").post("/bills", json=bill_request("outage-1", place_code="B01"))
        assert answer.status_code == 202, answer.text
        kept = answer.json()
        assert kept["status"] == "queued"
        assert len(kept["bill_id"]) == 18
        network.kill("hospital-b")
        network.up("hospital-b")
        assert network.api("hospital-b").get(f"/bills/{kept['bill_id']}").json()["status"] == "queued"
    finally:
        network.up("insurance", "bigdata", "hospital-b")
    gateway = network.api("hospital-b")
    network.until(lambda: gateway.get(f"/bills/{kept['bill_id']}").json().get("status") == "sealed", "sealed by itself")

    found = gateway.get("/bills", params={"issuer": "hospital-b", "business_no": "outage-1"}).json()["data"]
    assert [row["bill_id"] for row in found] == [kept["bill_id"]]
    again = gateway.post("/bills", json=bill_request("outage-1", place_code="B01"))
    assert (again.status_code, again.json()["bill_id"]) == (200, kept["bill_id"])
