"""Several bills of one settlement; a payer that is a unit; a payer who was unknown and is bound later, once (row 8)."""

from __future__ import annotations

import io
import secrets
from pathlib import Path
from typing import Any

import pypdf
import pytest

from chain.operation import BindPayer
from tests.features.acting import Patient, act, agreed, post, sealed_bill, verified
from tests.network.running import Network, bill_request

pytestmark = pytest.mark.processes

UNIT = {
    "type": "unit",
    "name": "测试机械厂",
    "id_type": "unified_social_credit_code",
    "id_number": "91330100TEST00001X",
}
NOBODY = {"type": "unknown", "name": "无名氏"}
FOUND = {"name": "测试丙", "id_type": "01", "id_number": "330102199203033456", "operator": "收费员02"}


def listed(network: Network, via: str, group: str, limit: int | None = None, **who: Any) -> list[dict[str, Any]]:
    """All bills of a settlement, part by part as `next` leads."""
    rows: list[dict[str, Any]] = []
    query: dict[str, Any] = {"issuer": "hospital-a", "group": group, **({"limit": limit} if limit else {})}
    while True:
        answer = network.api(via, **who).get("/bills", params=query)
        assert answer.status_code == 200, answer.text
        part = answer.json()
        assert limit is None or len(part["data"]) <= limit
        rows += part["data"]
        if not part["has_more"]:
            return rows
        query["cursor"] = part["next"]


def test_08_all_bills_of_a_settlement_are_found(network: Network) -> None:
    """A firm pays a group check-up: a bill for each person, over both gateways; found there and at the archive."""
    group = f"TJ-{secrets.token_hex(4)}"
    numbers = []
    for place in range(5):
        via = "hospital-a" if place < 3 else "hospital-a-2"
        body = bill_request(f"{group}-{place}", 10_000 + place, kind="checkup", payer=UNIT, group=group)
        answer = network.api(via).post("/bills", json=body, headers={"Prefer": "wait=20"}).json()
        assert answer["status"] == "sealed", answer
        numbers.append(answer["bill_id"])
    alone = sealed_bill(network, group=f"{group}-other")
    everywhere: list[tuple[str, dict[str, Any]]] = [
        ("hospital-a", {}),
        ("hospital-a-2", {}),
        ("archive", {}),
        ("archive", {"role": "hospital_admin", "organisation": "hospital-a"}),
    ]
    for via, who in everywhere:
        network.until(lambda via=via, who=who: len(listed(network, via, group, **who)) == 5, f"{via} has all five")
        for limit in (None, 2):
            rows = listed(network, via, group, limit, **who)
            assert [row["bill_id"] for row in rows] == sorted(numbers)
            assert {row["payer"]["name"] for row in rows} == {UNIT["name"]}
            assert {(row["payer"]["type"], row["group"]) for row in rows} == {("unit", group)}
            assert sum(row["total_fen"] for row in rows) == 50_010
        assert [row["bill_id"] for row in listed(network, via, f"{group}-other", **who)] == [alone]
        assert listed(network, via, f"{group}-nothing", **who) == []
    said = network.json("bill", "show", "--group", group, "--via", "hospital-a", "--home", str(network.home))
    assert [bill["bill_id"] for bill in said["bills"]] == sorted(numbers)

    for organisation, role in (("hospital-b", "cashier"), ("health", "auditor")):
        assert listed(network, "archive", group, role=role, organisation=organisation) == []
    gateway = network.api("hospital-a")
    for query, code in (
        ({"issuer": "hospital-a"}, "parameter_missing"),
        ({"group": group}, "parameter_missing"),
        ({"issuer": "hospital-a", "group": group, "business_no": f"{group}-0"}, "parameter_invalid"),
        ({"issuer": "hospital-a", "group": group * 9}, "parameter_invalid"),
        ({"issuer": "hospital-a", "group": group, "limit": 101}, "parameter_invalid"),
        ({"issuer": "hospital-a", "group": group, "cursor": "AAAA"}, "cursor_invalid"),
    ):
        answer = gateway.get("/bills", params=query)
        assert (answer.status_code, answer.json()["code"]) == (400, code)
    same = bill_request(f"{group}-0", 10_000, kind="checkup", payer=UNIT, group=f"{group}-other")
    answer = gateway.post("/bills", json=same)
    assert (answer.status_code, answer.json()["code"]) == (409, "business_no_conflict")


def test_08_a_payer_who_was_unknown_is_bound_once(network: Network, tmp_path: Path) -> None:
    """An emergency's bill is issued, sealed and delivered; who it was is bound later, on record, and nobody else ever."""
    gateway = network.api("hospital-a")
    malformed = bill_request("features-08", payer={**NOBODY, "id_number": "1"})
    answer = gateway.post("/bills", json=malformed)
    assert (answer.status_code, answer.json()["code"]) == (422, "payer_has_number")
    assert answer.json()["errors"][0]["pointer"] == "/payer/id_number"

    bill = sealed_bill(network, payer=NOBODY)  # its office seals it all the same
    assert "无名氏（身份待核）" in said_by(network, bill)[0]
    assert gateway.get(f"/bills/{bill}/payer/proof").json()["code"] == "payer_not_bound"
    # the name that a hospital writes for want of a better one is nobody's: it makes no holder, before or after
    slip = {"bill_id": bill, "secret": gateway.get(f"/bills/{bill}").json()["check_code"]}
    namesake = Patient(NOBODY["name"]).at(network)
    assert namesake.post("/me/bills", json=slip).json()["code"] == "bill_unknown"
    status, bound = post(network, f"/bills/{bill}/payer", FOUND)
    assert (status, bound["status"]) == (201, "recorded")
    for again in (FOUND, {**FOUND, "name": "测试丁"}):
        status, refused = post(network, f"/bills/{bill}/payer", again)
        assert (status, refused["code"]) == (409, "payer_already_bound")
        assert refused["links"]["bill"] == f"/v1/bills/{bill}"
    status, refused = post(network, f"/bills/{bill}/payer", {**FOUND, "name": "测试丁"}, via="hospital-a-2")
    assert (status, refused["code"]) == (409, "payer_already_bound")

    archive = network.api("archive", "auditor")
    network.until(lambda: archive.get(f"/bills/{bill}").json()["payer"]["name"] == FOUND["name"], "the archive has it")
    for via in ("hospital-a", "hospital-a-2", "archive"):
        payer = network.api(via).get(f"/bills/{bill}").json()["payer"]
        assert (payer["name"], payer["id_number"], payer["type"]) == (FOUND["name"], FOUND["id_number"], "person")
        assert (payer["bound"]["height"], payer["bound"]["by"]) == (bound["height"], FOUND["operator"])
        assert payer["at_issue"]["name"] == "无名氏"
        history = network.api(via).get(f"/bills/{bill}/history").json()["data"]
        (stamp,) = [row for row in history if row["event"] == "payer_bound"]
        assert (stamp["height"], stamp["organisation"], stamp["role"]) == (bound["height"], "hospital-a", "issuer")
        proof = network.api(via).get(stamp["links"]["proof"].removeprefix("/v1")).content
        assert verified(network, proof)["type"] == "BindPayer"
    assert "payer" not in network.api("archive", "auditor", "health").get(f"/bills/{bill}").json()
    assert network.api("archive", "cashier", "hospital-b").get(f"/bills/{bill}/payer/proof").status_code == 404
    assert network.api("hospital-b").get(f"/bills/{bill}/payer/proof").status_code == 404

    assert namesake.post("/me/bills", json=slip).json()["code"] == "bill_unknown"

    for via in ("hospital-a", "archive"):
        _look_at_files(network, bill, via, tmp_path)
    assert network.api("hospital-a").get(f"/bills/{bill}").json()["status"] == "sealed"
    status, asked = post(network, f"/bills/{bill}/reversal", {"reason": "测试", "operator": "收费员01"})
    status, red = agreed(network, asked)
    assert status == 201
    assert f"{FOUND['name']}（后补登）" in said_by(network, red["bill_id"])[0]


def _look_at_files(network: Network, bill: str, via: str, directory: Path) -> None:
    """The face names him, with a mark, and proves it; so do the file about him and the FHIR bundle."""
    text, attached = said_by(network, bill, via)
    assert f"{FOUND['name']}（后补登）" in text
    assert "开票时登记为：无名氏" in text
    assert set(attached) == {f"{bill}.proof", f"{bill}-payer.proof"}
    facts = verified(network, attached[f"{bill}-payer.proof"])
    assert facts["opened"] == {
        "payer_type": "person",
        "payer_name": FOUND["name"],
        "payer_id_number": FOUND["id_number"],
    }
    data = network.api(via).get(f"/bills/{bill}/payer/proof").content
    file, altered = directory / f"{via}.proof", directory / f"{via}-altered.proof"
    file.write_bytes(data)
    place = data.index(FOUND["name"].encode())
    altered.write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
    genesis = ("--genesis", str(network.home / "genesis.json"))
    checked = network.json("proof", "verify", str(file), *genesis)
    assert (checked["valid"], checked["bill"]["bill_id"], checked["bill"]["organisation"]) == (True, bill, "hospital-a")
    assert network.json("proof", "verify", str(altered), *genesis, expect=3)["valid"] is False
    bundle = network.api(via).get(f"/bills/{bill}/fhir").json()
    (patient,) = [one["resource"] for one in bundle["entry"] if one["resource"]["resourceType"] == "Patient"]
    assert patient["name"] == [{"text": FOUND["name"]}]


def said_by(network: Network, bill: str, via: str = "hospital-a") -> tuple[str, dict[str, bytes]]:
    """Text and attachments of a bill's face."""
    answer = network.api(via).get(f"/bills/{bill}/face")
    assert answer.status_code == 200, answer.text
    reader = pypdf.PdfReader(io.BytesIO(answer.content))
    attached = {name: data for name, (data,) in reader.attachments.items()}
    return "".join(page.extract_text() for page in reader.pages).replace("\n", ""), attached


def test_08_nobody_is_bound_to_a_bill_that_has_a_payer_or_does_not_stand(network: Network) -> None:
    """At the counter and by the ledger's own rule, each with its code."""
    known, void = sealed_bill(network), sealed_bill(network, payer=NOBODY)
    status, answer = post(network, f"/bills/{known}/payer", FOUND)
    assert (status, answer["code"]) == (409, "payer_known")
    assert post(network, f"/bills/{void}/void", {"reason": "mistyped"})[0] == 201
    status, answer = post(network, f"/bills/{void}/payer", FOUND)
    assert (status, answer["code"]) == (409, "bill_not_normal")
    status, answer = post(network, f"/bills/{'9' * 18}/payer", FOUND)
    assert (status, answer["code"]) == (404, "bill_unknown")
    open_ = sealed_bill(network, payer=NOBODY)
    for wrong, pointer in (({"type": "unknown"}, "/type"), ({"name": ""}, "/name"), ({"name": "a\u0007"}, "/name")):
        status, answer = post(network, f"/bills/{open_}/payer", {**FOUND, **wrong})
        assert (status, answer["errors"][0]["pointer"]) == (422, pointer)

    def signed(organisation: str, bill: str) -> list[str]:
        return act(network, organisation, BindPayer(bill, secrets.token_bytes(32)))

    assert signed("hospital-b", open_) == ["not_issuer"]
    assert signed("hospital-a", void) == ["bill_not_normal"]
    assert signed("hospital-a", open_) == ["recorded"]
    assert signed("hospital-a", open_) == ["payer_already_bound"]
    status, answer = post(network, f"/bills/{open_}/payer", FOUND)  # the gateway is told by validators, or has followed
    assert (status, answer["code"]) == (409, "payer_already_bound")


def test_08_a_bound_payer_reaches_the_archive_whatever_dies(network: Network) -> None:
    """The archive is away while it is bound, and the gateway is killed right after its answer."""
    bill = sealed_bill(network, payer=NOBODY)
    network.stop("archive")
    try:
        told = network.json(
            "bill", "bind-payer", bill, "--name", "测试戊", "--operator", "收费员02", "--unit",
            "--via", "hospital-a", "--home", str(network.home),
        )  # fmt: skip
        assert told["status"] == "recorded"
        network.kill("hospital-a")
    finally:
        network.up("archive", "hospital-a")
    archive = network.api("archive", "auditor")

    def payer() -> dict[str, Any]:
        answer = archive.get(f"/bills/{bill}")
        found: dict[str, Any] = answer.json().get("payer", {}) if answer.status_code == 200 else {}
        return found

    network.until(lambda: payer().get("name") == "测试戊", "the archive has it", 60)
    assert (payer()["type"], payer()["bound"]["by"]) == ("unit", "收费员02")
    status, answer = post(network, f"/bills/{bill}/payer", FOUND)
    assert (status, answer["code"]) == (409, "payer_already_bound")
