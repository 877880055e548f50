"""Row 12: a partial refund is a red bill and a new one, both or neither, whenever the gateway is killed."""

from __future__ import annotations

import contextlib
import secrets
from typing import Any

import httpx2
import pytest

from chain.failpoint import VARIABLE
from tests.features.acting import agreed, post, sealed_bill
from tests.network.running import Network, bill_request

pytestmark = pytest.mark.processes


def correction(total_fen: int = 7_000) -> dict[str, Any]:
    bill = bill_request(f"features-corrected-{secrets.token_hex(4)}", total_fen)
    return {"reason": "partial refund", "operator": "收费员01", "bill": bill}


def validity(network: Network, bill: str) -> tuple[str | None, str | None]:
    page = network.api("archive", "auditor").get(f"/bills/{bill}").json()
    return page.get("validity"), page.get("related")


def test_12_both_bills_are_of_one_step(network: Network) -> None:
    bill, asked = sealed_bill(network), correction()
    status, answer = agreed(network, post(network, f"/bills/{bill}/correction", asked)[1])
    assert status == 201, answer
    red, new = answer["reversal"], answer["bill"]
    assert (red["status"], new["status"]) == ("sealed", "sealed")
    assert red["height"] == new["height"]
    assert validity(network, bill) == ("reversed", red["bill_id"])
    page = network.api("hospital-a").get(f"/bills/{new['bill_id']}").json()
    assert (page["total_fen"], page["validity"]) == (7_000, "normal")

    status, again = post(network, f"/bills/{bill}/correction", asked)
    assert status == 200
    assert (again["reversal"]["bill_id"], again["bill"]["bill_id"]) == (red["bill_id"], new["bill_id"])
    status, other = post(network, f"/bills/{bill}/correction", correction())
    assert (status, other["code"]) == (409, "already_reversed")


def test_12_what_stops_a_reversal_stops_both(network: Network) -> None:
    bill, form = sealed_bill(network), f"P{secrets.randbelow(10**12):012d}"
    assert post(network, f"/bills/{bill}/paper-copies", {"paper": form})[0] == 201
    asked = correction()
    status, answer = post(network, f"/bills/{bill}/correction", asked)
    assert (status, answer["code"]) == (409, "paper_copy_outstanding")
    found = (
        network.api("hospital-a")
        .get("/bills", params={"issuer": "hospital-a", "business_no": asked["bill"]["business_no"]})
        .json()["data"]
    )
    assert found == []
    standing = sealed_bill(network)
    taken = network.api("hospital-a").get(f"/bills/{standing}").json()["business_no"]
    asked["bill"] = bill_request(taken, 10_000)
    assert post(network, f"/bills/{sealed_bill(network)}/correction", asked)[1]["code"] == "business_no_conflict"


@pytest.mark.parametrize(
    "failpoint", ["issuing.half_corrected", "outbox.added", "issuing.kept", "sender.signed", "sender.sent"]
)
def test_12_a_crash_leaves_both_or_neither(network: Network, failpoint: str) -> None:
    """The gateway is killed there; started again, it has both or knows of nothing, and so has the ledger."""
    bill, asked = sealed_bill(network), correction()
    network.stop("hospital-a")
    network.spawn(network.node_home("hospital-a"), **{VARIABLE: f"{failpoint}=kill"})
    network.until(lambda: network.status("hospital-a"), "the gateway answers")
    network.until(lambda: network.api("hospital-a").get(f"/bills/{bill}").status_code == 200, "it serves")
    waiting = post(network, f"/bills/{bill}/correction", asked)[1]
    with contextlib.suppress(httpx2.HTTPError):  # it is killed in the middle of it: that is the story
        agreed(network, waiting)
    network.up("hospital-a")
    business_no = asked["bill"]["business_no"]

    def is_settled() -> bool:
        page = network.api("hospital-a").get(f"/bills/{bill}").json()
        found = (
            network.api("hospital-a")
            .get("/bills", params={"issuer": "hospital-a", "business_no": business_no})
            .json()["data"]
        )
        if page["related"] is None:
            assert found == []  # neither
            return True
        assert len(found) == 1  # both
        red = network.api("hospital-a").get(f"/bills/{page['related']}").json()
        return bool(
            found[0]["status"] == "sealed" and red["status"] == "sealed" and found[0]["height"] == red["height"]
        )

    network.until(is_settled, "both or neither", 40)
    status, answer = post(network, f"/bills/{bill}/correction", asked)
    if answer.get("status") == "awaiting_second":  # neither
        status, answer = agreed(network, answer)
    assert status in (200, 201), answer
    assert answer["reversal"]["height"] == answer["bill"]["height"]
