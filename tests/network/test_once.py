"""One business number, one bill: over two gateways of one hospital, with and without a quorum."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.network.running import Network, bill_request

pytestmark = pytest.mark.processes

TRIES = 25  # at each of the two gateways


def issue_everywhere(network: Network, business_no: str) -> list[dict[str, Any]]:
    body = bill_request(business_no)
    clients = [network.api(name) for name in ("hospital-a", "hospital-a-2")]

    def issue(number: int) -> dict[str, Any]:
        answer = clients[number % 2].post("/bills", json=body)
        assert answer.status_code in (200, 201, 202), answer.text
        return dict(answer.json())

    with ThreadPoolExecutor(16) as threads:
        return list(threads.map(issue, range(2 * TRIES)))


def settled(network: Network, business_no: str) -> str | None:
    """The one bill that both gateways name, sealed; None before."""
    named = set()
    for name in ("hospital-a", "hospital-a-2"):
        found = (
            network.api(name).get("/bills", params={"issuer": "hospital-a", "business_no": business_no}).json()["data"]
        )
        if len(found) != 1 or found[0]["status"] != "sealed":
            return None
        named.add(found[0]["bill_id"])
    return named.pop() if len(named) == 1 else None


def verify_spares(network: Network, bill: str, given: set[str]) -> None:
    """Every other number that was given answers with the bill, and is reported unused: the ledger says so."""
    spares = given - {bill}
    assert len(spares) <= 1  # one number at most was given beside it, by the other gateway
    for spare in spares:
        network.until(lambda spare=spare: superseding(network, spare) == bill, f"{spare} answers with the bill")
        network.until(lambda spare=spare: is_unused(network, spare), f"{spare} is reported unused")


def superseding(network: Network, spare: str) -> str | None:
    """What a spare number answers with, at the gateway that gave it."""
    for name in ("hospital-a", "hospital-a-2"):
        answer = network.api(name).get(f"/bills/{spare}")
        if answer.status_code == 200:
            return answer.json().get("superseded_by")
    return None


def is_unused(network: Network, spare: str) -> bool:
    """Whether a final block recorded ReportUnused for the number, as the archive's auditors see it."""
    auditor = network.api("archive", "auditor")
    for row in auditor.get("/blocks", params={"limit": 20}).json()["data"]:
        block = auditor.get(f"/blocks/{row['height']}").json()
        if any(
            entry.get("type") == "ReportUnused"
            and entry["content"]["bill"] == spare
            and entry.get("code") == "recorded"
            for transaction in block.get("body", [])
            for entry in transaction.get("operations", [])
        ):
            return True
    return False


def test_two_gateways_at_once_issue_one_bill(network: Network) -> None:
    """DESIGN 6: the rule is the ledger's; each gateway alone gives one number at most."""
    answers = issue_everywhere(network, "once-1")
    bill = network.until(lambda: settled(network, "once-1"), "both gateways name one sealed bill")
    verify_spares(network, bill, {answer["bill_id"] for answer in answers})


def test_two_gateways_without_a_quorum_issue_one_bill_in_the_end(network: Network) -> None:
    """A number given while queued is provisional: the loser keeps B -> A and reports B unused."""
    network.kill("insurance")
    network.kill("bigdata")
    try:
        answers = issue_everywhere(network, "once-2")
    finally:
        network.up("insurance", "bigdata")
    given = {answer["bill_id"] for answer in answers}
    assert len(given) == 2
    bill = network.until(lambda: settled(network, "once-2"), "both gateways name one sealed bill", 60)
    verify_spares(network, bill, given)


def test_other_content_under_one_business_number_is_refused(network: Network) -> None:
    """DESIGN 10: 409 `business_no_conflict`, at the same gateway and at the other one."""
    first = network.api("hospital-a").post("/bills", json=bill_request("once-3"), headers={"Prefer": "wait=20"})
    assert first.status_code == 201, first.text
    for name in ("hospital-a", "hospital-a-2"):
        answer = network.until(lambda name=name: conflict(network, name), f"{name} refuses")
        assert answer["code"] == "business_no_conflict"


def conflict(network: Network, name: str) -> dict[str, Any] | None:
    answer = network.api(name).post("/bills", json=bill_request("once-3", 99_999), headers={"Prefer": "wait=5"})
    return dict(answer.json()) if answer.status_code == 409 else None


def test_two_hospitals_never_get_one_number(network: Network) -> None:
    """DESIGN 6: leases are cut from ranges that nest and never overlap."""
    numbers: dict[str, set[str]] = {}
    for name, place in (("hospital-a", "A01"), ("hospital-a-2", "A02"), ("hospital-b", "B01")):
        bills = [bill_request(f"apart-{name}-{number}", place_code=place) for number in range(40)]
        answer = network.api(name).post("/bills:batch", json={"bills": bills}).json()
        numbers[name] = {row["bill_id"] for row in answer["outcomes"]}
        assert len(numbers[name]) == 40
    assert len(set.union(*numbers.values())) == 120
