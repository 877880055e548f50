"""Rows 28 and 33: who reads for whom, and who read what, over real processes."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest

from chain.database import Database
from cli.exit_codes import ExitCode
from node.config import load_node_config
from tests.features.acting import Patient, clerk, sealed_bill, verified
from tests.network.running import Network

pytestmark = pytest.mark.processes

LASTS_S = 8
ENTRIES = b"a/e/"  # of the log, in the database of the details: node/access_log.py


def moment(seconds: float) -> str:
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()


def granted(client: httpx2.Client, agent: Patient, until: str, path: str = "/me/proxies", **more: Any) -> str:
    """The name of a relation that the ledger has recorded."""
    person = {"id_type": "passport", "id_number": agent.number, "name": agent.name}
    body = {"agent": person, "relationship": "parent", "until": until, **more}
    answer = client.post(path, json=body, headers={"Prefer": "wait=15"})
    assert (answer.status_code, answer.json()["status"]) == (201, "recorded"), answer.text
    return str(answer.json()["proxy"])


def accesses(client: httpx2.Client, **parameters: Any) -> list[dict[str, Any]]:
    answer = client.get("/me/accesses", params=parameters)
    assert answer.status_code == 200, answer.text
    return list(answer.json()["data"])


def test_28_a_proxy_reads_under_the_own_name_until_the_day_after(network: Network) -> None:
    """Granted until D; after it 404; the patient sees the proxy by name."""
    mother, daughter, stranger = Patient("示范母"), Patient("示范女"), Patient("示范邻")
    bills = {sealed_bill(network, via=via, payer=mother.payer) for via in ("hospital-a", "hospital-b")}
    bill = min(bills)
    hers = daughter.at(network)
    assert hers.get(f"/bills/{bill}").status_code == 404

    ends = time.monotonic() + LASTS_S
    proxy = granted(mother.at(network), daughter, moment(LASTS_S))
    shown = hers.get(f"/bills/{bill}").json()
    assert shown["payer"]["name"] == mother.name
    rows = hers.get("/me/bills", params={"for": proxy}).json()["data"]
    assert {row["bill_id"] for row in rows} == bills
    assert hers.get("/me/bills").json()["data"] == []
    proof = hers.get(f"/bills/{bill}/proof", params={"fields": "payer_name"})
    assert verified(network, proof.content)["opened"]["payer_name"] == mother.name
    (row,) = hers.get("/me/proxies").json()["data"]
    assert (row["as"], row["state"], row["principal"]) == ("agent", "in_force", mother.name)
    assert stranger.at(network).get(f"/bills/{bill}").status_code == 404
    assert stranger.at(network).get("/me/bills", params={"for": proxy}).json()["code"] == "proxy_unknown"

    told = [row for row in accesses(mother.at(network)) if row["bill_id"] == bill]
    assert {(row["person"], row["role"], row["proxy"]) for row in told} == {(daughter.name, "proxy", proxy)}
    assert len(told) == 3  # the page, the list, the proof
    assert accesses(stranger.at(network)) == []

    time.sleep(max(0.0, ends - time.monotonic()) + 0.2)  # no block need come meanwhile
    for path in (f"/bills/{bill}", f"/bills/{bill}/proof", f"/bills/{bill}/face", f"/me/bills?for={proxy}"):
        assert hers.get(path).status_code == 404, path
    assert mother.at(network).get(f"/bills/{bill}").status_code == 200


def test_28_a_childs_proxy_is_registered_at_the_counter(network: Network) -> None:
    """By a clerk who sees a document; the parent alone may not; ended, it opens nothing more."""
    child, father = Patient("示范童"), Patient("示范父")
    bill = sealed_bill(network, payer=child.payer)
    his = father.at(network)
    person = {"id_type": "passport", "id_number": child.number, "name": child.name}
    alone = his.post("/me/proxies", json={"agent": person, "relationship": "child", "until": "2027-12-31"})
    assert (alone.status_code, alone.json()["code"]) == (403, "counter_only")
    cashier = network.api("archive", "cashier", "hospital-a")
    assert cashier.post("/proxies", json={}).json()["code"] == "role_forbidden"

    more = {"principal": person, "relationship": "child", "evidence": {"kind": "birth_certificate", "number": "S-0001"}}
    counter = network.api("archive", "finance_clerk", person="clerk-03")
    proxy = granted(counter, father, "2027-12-31", "/proxies", **more)
    assert his.get(f"/bills/{bill}").json()["payer"]["name"] == child.name
    (row,) = his.get("/me/proxies").json()["data"]
    assert (row["until"], row["registered_by"]) == ("2027-12-31T16:00:00.000Z", "finance-city/clerk-03")
    (told,) = accesses(his, **{"for": proxy})  # the parent sees for the child who read, and so itself
    assert (told["person"], told["relationship"]) == (father.name, "child")

    ended = his.post(f"/me/proxies/{proxy}/end", json={}, headers={"Prefer": "wait=15"})
    assert (ended.status_code, ended.json()["status"]) == (201, "recorded")
    assert his.get(f"/bills/{bill}").status_code == 404
    again = his.post(f"/me/proxies/{proxy}/end", json={})
    assert (again.status_code, again.json()["status"]) == (200, "recorded")


def test_33_the_patient_sees_who_read_and_nobody_takes_it_out_again(network: Network) -> None:
    """Who, role, purpose, when; no purpose, no search; whoever keeps the log and alters it is found out."""
    patient = Patient("示范己")
    bill = sealed_bill(network, payer=patient.payer)
    auditor, his = network.api("archive", "auditor", person="auditor-07"), patient.at(network)
    counter = network.api("archive", "finance_clerk", person="clerk-03")

    # no purpose: no search, no details
    for path in ("/audit/bills?issuer=hospital-a", f"/bills/{bill}", f"/bills/{bill}/face", "/audit/accesses"):
        refused = auditor.get(path, headers={"Purpose": ""})
        assert (refused.status_code, refused.json()["code"]) == (400, "purpose_missing"), path
    assert auditor.get(f"/bills/{bill}", headers={"Purpose": "curiosity"}).json()["code"] == "purpose_invalid"
    assert auditor.get(f"/bills/{bill}/proof", headers={"Purpose": ""}).status_code == 200  # what is on the ledger
    assert auditor.get("/audit/bills?issuer=hospital-a").status_code == 200
    assert accesses(his) == []

    # readings: an auditor's, a clerk's, the hospital's at the archive, somebody's with the check code, a proxy's
    readers = readings_of(network, patient, bill)
    for client, headers in readers.values():
        assert client.get(f"/bills/{bill}", headers=headers).status_code == 200
    before = time.time()
    proof = {"fields": "payer_name"}
    code = his.get(f"/bills/{bill}").json()["check_code"]
    address = f"http://127.0.0.1:{network.nodes['archive']['api_port']}/v1/bills/{bill}/proof"
    found = httpx2.get(address, params=proof, headers={"Medbill-Check-Code": code}, trust_env=False)
    assert verified(network, found.content)["opened"] == {"payer_name": patient.name}
    case = {"Purpose": "fraud-investigation", "Case-Number": "2026-0017"}
    assert auditor.get(f"/bills/{bill}", headers=case).status_code == 200
    refused = counter.get(f"/bills/{bill}", headers=case)
    assert (refused.status_code, refused.json()["code"]) == (400, "case_number_invalid")

    rows = accesses(his)  # the newest first; the own ones and the case are not among them
    assert [(row["person"], row["role"], row["purpose"]) for row in rows] == [
        (None, "bearer", "verification"),
        *reversed(list(readers)),
    ]
    newest = rows[0]
    assert newest["fields"] == ["payer_name"]
    assert abs(datetime.fromisoformat(newest["at"]).timestamp() - before) < 60
    assert rows[-1]["organisation"] == "finance-city"
    first = his.get("/me/accesses", params={"limit": 2}).json()
    rest = his.get("/me/accesses", params={"limit": 100, "cursor": first["next"]}).json()["data"]
    assert first["data"] + rest == rows

    # the log is whole; anchored, it can be shortened or changed by nobody
    where = ("--home", str(network.home))
    network.until(
        lambda: is_anchored_whole(network.json("access", "verify", "--anchor", *where)), "all of it is anchored"
    )
    number = newest["number"]
    altering = Altering(network)
    altering.stopped(lambda database: database.write({}, [ENTRIES + number.to_bytes(8, "big")]))
    told = network.json("access", "verify", *where, expect=ExitCode.INVALID)
    assert (told["code"], f"entry {number} is missing" in told["detail"]) == ("log_altered", True)
    altering.stopped(lambda database: change_a_byte(database, altering.kept, number))
    told = network.json("access", "verify", *where, expect=ExitCode.INVALID)
    assert f"entry {number} was changed" in told["detail"]
    config = network.node_home("archive") / "config" / "node.yaml"
    text = config.read_text()
    try:
        config.write_text(text + "access_embargo_days: 0\n")
        altering.put_back()
        assert network.json("access", "verify", *where)["valid"]
        # a case that no embargo covers is told at once, with its number
        assert auditor.get(f"/bills/{bill}", headers={**case, "Case-Number": "2026-0018"}).status_code == 200
        assert [row["case_number"] for row in accesses(his)[:2]] == ["2026-0018", None]
    finally:
        config.write_text(text)


def is_anchored_whole(report: dict[str, Any]) -> bool:
    assert report["valid"]
    return bool(report["anchored"] == report["entries"] > 0)


Reading = tuple[str, str, str]  # person, role, purpose


def readings_of(network: Network, patient: Patient, bill: str) -> dict[Reading, tuple[httpx2.Client, dict[str, str]]]:
    """Who may read the bill's details beside the patient, with what they send along, as the patient is to be told of it."""
    proxy = Patient("示范庚")
    granted(patient.at(network), proxy, moment(600))
    wish = {
        "bill_ids": [bill],
        "to": "insurer-a",
        "fields": ["charges"],
        "purpose": "reimbursement",
        "until": moment(600),
    }
    answer = patient.at(network).post("/me/grants", json=wish, headers={"Prefer": "wait=15"})
    assert answer.status_code == 201, answer.text
    auditor = network.api("archive", "auditor", person="auditor-07")
    return {
        ("auditor-07", "auditor", "audit"): (auditor, {}),
        ("clerk-03", "finance_clerk", "complaint"): (
            network.api("archive", "finance_clerk", person="clerk-03"),
            {"Purpose": "complaint"},
        ),
        ("test", "cashier", "treatment-payment"): (network.api("archive", "cashier", "hospital-a"), {}),
        (proxy.name, "proxy", "own-affairs"): (proxy.at(network), {}),
        ("test", "insurer_clerk", "reimbursement"): (clerk(network, "archive"), {}),  # what the grant was given for
    }


class Altering:
    """What somebody with the archive's disk could do; `put_back` undoes it."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self.kept: dict[bytes, bytes] = {}

    def stopped(self, change: Any) -> None:
        """The archive stops, something is done to its database, and it starts again."""
        self._network.stop("archive")
        data = load_node_config(self._network.node_home("archive")).data_dir
        database = Database.open(data / "details")
        try:
            self.kept = self.kept or dict(database.scan(ENTRIES))
            change(database)
        finally:
            database.close()
        self._network.up("archive")

    def put_back(self) -> None:
        self.stopped(lambda database: database.write(self.kept))


def change_a_byte(database: Database, kept: dict[bytes, bytes], number: int) -> None:
    """One letter of an entry's last field, so that it still reads."""
    key = ENTRIES + number.to_bytes(8, "big")
    value = kept[key]
    database.write({key: value[:-1] + bytes([value[-1] ^ 1])})
