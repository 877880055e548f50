"""Rows of a bill's holder: who looked it up, whose a bill paid in cash is, and "this was not me"."""

from __future__ import annotations

import secrets
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx2
import pytest

from chain.codec import decode
from chain.operation import DecideClaim, LockClaim, PayClaim
from chain.proof import Proof
from tests.features.acting import Patient, act, agreed, clerk, life, post, sealed_bill, verified
from tests.network.running import Network

pytestmark = pytest.mark.processes

CLERK = "finance_clerk"


def check_code(network: Network, bill: str, via: str = "hospital-a") -> str:
    return str(network.api(via).get(f"/bills/{bill}").json()["check_code"])


def qr_token(network: Network, bill: str, via: str = "hospital-a") -> str:
    answer = network.api(via).get(f"/bills/{bill}/proof", params={"fields": "token"})
    (opened,) = decode(answer.content, Proof).opened
    return str(opened.value)


def public(network: Network, node: str = "archive") -> httpx2.Client:
    """Somebody without a token."""
    address = f"http://127.0.0.1:{network.nodes[node]['api_port']}/v1"
    return httpx2.Client(base_url=address, timeout=40, trust_env=False)


def bills_of(network: Network, patient: Patient) -> set[str]:
    return {row["bill_id"] for row in patient.at(network).get("/me/bills").json()["data"]}


def test_26_the_holder_sees_who_looked_and_the_public_how_often(network: Network) -> None:
    """Three look-ups of three kinds; the number outlives a kill of the archive; nobody else reads the list."""
    patient, other = Patient("示范己"), Patient("示范庚")
    bill = sealed_bill(network, payer=patient.payer)
    shown = {"bill_id": bill, "check_code": check_code(network, bill)}
    insurer, employer = clerk(network, "archive"), clerk(network, "archive", "employer-a", "employer_clerk")
    with public(network) as anybody:
        answers = [asker.post("/verifications", json=shown).json() for asker in (insurer, employer, anybody)]
        assert [answer["lookups"] for answer in answers] == [1, 2, 3]
        assert {answer["verdict"] for answer in answers} == {"genuine"}
        for answer in answers:  # the count, and nothing of who asked
            assert set(answer) == {"verdict", "status", "as_of", "lookups"}
        missed = anybody.post("/verifications", json={**shown, "check_code": "zzzzzz"}).json()
        assert (missed["verdict"], "lookups" in missed) == ("no_match", False)

        rows = patient.at(network).get(f"/bills/{bill}/lookups").json()
        assert rows["count"] == 3
        assert [(row["kind"], row.get("organisation")) for row in rows["rows"]] == [
            ("public", None),
            ("employer", "employer-a"),
            ("insurer", "insurer-a"),
        ]
        assert rows["last"] == rows["rows"][0]["time"]

        # many at once count as well; the proof by the check code asks nothing
        insurer.post("/verifications:batch", json={"rows": [shown, {**shown, "check_code": "zzzzzz"}]})
        assert (
            anybody.get(f"/bills/{bill}/proof", headers={"Medbill-Check-Code": shown["check_code"]}).status_code == 200
        )
        assert patient.at(network).get(f"/bills/{bill}/lookups").json()["count"] == 4
        time.sleep(1.5)  # WRITE_S, and some
        network.kill("archive")
        network.up("archive")
        assert anybody.post("/verifications", json=shown).json()["lookups"] == 5
    staff = network.api("archive", "cashier", "hospital-a").get(f"/bills/{bill}/lookups").json()
    assert [row["kind"] for row in staff["rows"]] == ["public", "insurer", "public", "employer", "insurer"]
    for stranger in (other.at(network), network.api("archive", "cashier", "hospital-b")):
        refused = stranger.get(f"/bills/{bill}/lookups")
        assert (refused.status_code, refused.json()["code"]) == (404, "bill_unknown")

    # a gateway counts what it answers itself, and tells its own people and the patient
    assert network.api("hospital-a").post("/verifications", json=shown).json()["lookups"] == 1
    own = network.api("hospital-a").get(f"/bills/{bill}/lookups").json()
    assert (own["count"], own["rows"][0]["kind"], own["rows"][0]["organisation"]) == (1, "hospital", "hospital-a")
    assert network.api("hospital-b").get(f"/bills/{bill}/lookups").status_code == 404
    for asking, status in ((patient, 200), (other, 404)):
        there = network.api("hospital-a", "patient", "finance-city", asking.number, asking.identity)
        assert there.get(f"/bills/{bill}/lookups").status_code == status


def slip(network: Network, name: str, via: str = "hospital-a") -> dict[str, str]:
    """Of a bill that was paid in cash: it names a person, and no document."""
    bill = sealed_bill(network, payer={"type": "person", "name": name}, via=via)
    return {"bill_id": bill, "secret": check_code(network, bill, via)}


def test_29_the_first_who_scans_a_slip_has_the_bill_and_its_photograph_is_worth_nothing(network: Network) -> None:
    me, namesake, other = Patient("示范辛"), Patient("示范辛"), Patient("示范壬")
    found = slip(network, me.name)
    bill, token = found["bill_id"], qr_token(network, found["bill_id"])
    with public(network) as anybody, public(network, "hospital-a") as at_gateway:
        for where in (anybody, at_gateway):
            opened = where.get(f"/bills/{bill}/proof?fields=charges", headers={"Medbill-Check-Code": token})
            assert opened.status_code == 200
        # the second factor: whose name the sign-on has proved
        for reader, body in ((other, found), (me, {**found, "secret": "zzzzzz"}), (me, {**found, "bill_id": "9" * 18})):
            refused = reader.at(network).post("/me/bills", json=body)
            assert (refused.status_code, refused.json()["code"]) == (404, "bill_unknown")

        bound = me.at(network).post("/me/bills", json=found)
        assert (bound.status_code, bound.json()["status"]) == (200, "recorded"), bound.text
        late = namesake.at(network).post("/me/bills", json={**found, "secret": token})
        assert (late.status_code, late.json()["code"]) == (409, "already_claimed")
        again = me.at(network).post("/me/bills", json=found)
        assert (again.status_code, again.json()["status"]) == (200, "sealed")
        assert (bills_of(network, me), bills_of(network, namesake)) == ({bill}, set())

        # the slip alone: genuine, what is public, and nothing else
        for secret in (token, found["secret"]):
            shown = {"Medbill-Check-Code": secret}
            for where in (anybody, at_gateway):
                assert where.get(f"/bills/{bill}/proof?fields=charges", headers=shown).status_code == 404
                assert where.get(f"/bills/{bill}/face", headers=shown).status_code == 404
                assert where.get(f"/bills/{bill}/proof", headers=shown).status_code == 200
                answer = where.post("/verifications", json={"bill_id": bill, "check_code": secret}).json()
                assert answer["verdict"] == "genuine"
    proof = me.at(network).get(f"/bills/{bill}/proof?fields=payer_name,charges")
    assert verified(network, proof.content)["opened"]["payer_name"] == me.name
    assert me.at(network).get(f"/bills/{bill}/face").status_code == 200
    assert network.api("hospital-a").get(f"/bills/{bill}/face").status_code == 200  # the hospital's own people
    history = me.at(network).get(f"/bills/{bill}/history").json()["data"]
    (stamp,) = [row for row in history if row["event"] == "holder_bound"]
    assert (stamp["organisation"], stamp["role"]) == ("finance-city", "supervising_office")
    assert verified(network, network.api("archive").get(stamp["links"]["proof"].removeprefix("/v1")).content)

    # a bill that names its payer's document is theirs without a slip, and the same answer is given
    named = sealed_bill(network, payer=me.payer)
    theirs = {"bill_id": named, "secret": check_code(network, named)}
    assert me.at(network).post("/me/bills", json=theirs).status_code == 200
    assert namesake.at(network).post("/me/bills", json=theirs).status_code == 404
    assert bills_of(network, me) == {bill, named}


def test_29_of_two_who_scan_at_the_same_moment_one_has_it_also_over_a_kill(network: Network) -> None:
    first, second = Patient("示范癸"), Patient("示范癸")
    with ThreadPoolExecutor(2) as threads:
        for via in ("hospital-a", "hospital-b", "hospital-a"):
            found = slip(network, first.name, via)
            answers = list(
                threads.map(lambda one, body=found: one.at(network).post("/me/bills", json=body), (first, second))
            )
            assert sorted(answer.status_code for answer in answers) == [200, 409]
            winner, loser = (first, second) if answers[0].status_code == 200 else (second, first)
            assert found["bill_id"] in bills_of(network, winner) - bills_of(network, loser)
            assert [answer.json()["code"] for answer in answers if answer.status_code == 409] == ["already_claimed"]

    found = slip(network, first.name)
    asked = first.at(network).post("/me/bills", json=found, headers={"Prefer": "wait=0"})
    assert asked.status_code in (200, 202), asked.text
    network.kill("archive")
    network.up("archive")

    def theirs() -> Any:
        answer = first.at(network).post("/me/bills", json=found)
        return answer.status_code == 200

    network.until(theirs, "what was answered with 202 is theirs")
    late = second.at(network).post("/me/bills", json=found)
    assert (late.status_code, late.json()["code"]) == (409, "already_claimed")
    assert found["bill_id"] in bills_of(network, first) - bills_of(network, second)
    stamps = network.api("archive").get(f"/bills/{found['bill_id']}/history").json()["data"]
    assert [row["event"] for row in stamps].count("holder_bound") == 1


def lock(bill: str, amount_fen: int = 100) -> LockClaim:
    return LockClaim(secrets.token_bytes(32), bill, amount_fen, time.time_ns() // 1_000_000 + 600_000)


def test_32_who_was_not_there_says_so_and_nobody_reimburses_the_bill(network: Network) -> None:
    """On the office's list and in the bill's history; `disputed` until the office has settled it."""
    patient, other = Patient("示范甲子"), Patient("示范乙丑")
    bill, quiet = (sealed_bill(network, own_fen=100, payer=patient.payer) for _ in range(2))
    before = lock(quiet, 40)
    assert act(network, "insurer-a", before) == ["recorded"]
    wait = {"Prefer": "wait=15"}
    refused = other.at(network).post(f"/bills/{bill}/disputes", json={"reason": "not_me"})
    assert (refused.status_code, refused.json()["code"]) == (404, "bill_unknown")
    said = patient.at(network).post(f"/bills/{bill}/disputes", json={"reason": "not_me"}, headers=wait)
    assert (said.status_code, said.json()["status"]) == (201, "recorded"), said.text
    again = patient.at(network).post(f"/bills/{bill}/disputes", json={"reason": "not_me"}, headers=wait)
    assert (again.status_code, again.json()["operation"]) == (200, said.json()["operation"])
    twice = patient.at(network).post(f"/bills/{bill}/disputes", json={"reason": "never_there"}, headers=wait)
    assert (twice.status_code, twice.json()["code"]) == (409, "already_disputed")

    assert act(network, "insurer-a", lock(bill)) == ["disputed"]
    assert life(network, bill)["dispute"] == "open"
    for watching in (network.api("archive", CLERK), network.api("archive", "auditor", "finance")):
        (row,) = [row for row in watching.get("/disputes").json()["data"] if row["bill_id"] == bill]
        assert (row["issuer"], row["reason"], row["total_fen"]) == ("hospital-a", "not_me", 10_000)
        assert row["height"] == said.json()["height"]
    for stranger in (patient.at(network), network.api("archive", "cashier", "hospital-a")):
        assert stranger.get("/disputes").status_code == 403
    history = patient.at(network).get(f"/bills/{bill}/history").json()["data"]
    (stamp,) = [row for row in history if row["event"] == "disputed"]
    assert (stamp["reason"], stamp["role"]) == ("not_me", "supervising_office")
    assert verified(network, network.api("archive").get(stamp["links"]["proof"].removeprefix("/v1")).content)

    # what an insurer had in hand before goes on: no word of a payer takes a decision back
    said = patient.at(network).post(f"/bills/{quiet}/disputes", json={"reason": "not_me"}, headers=wait)
    assert said.status_code == 201
    assert act(network, "insurer-a", DecideClaim(before.claim, 40)) == ["recorded"]
    assert act(network, "insurer-a", PayClaim(before.claim, secrets.token_bytes(32))) == ["recorded"]
    assert act(network, "insurer-b", lock(quiet, 60)) == ["disputed"]

    # part by part, over a kill of the archive
    network.kill("archive")
    network.up("archive")
    office = network.api("archive", CLERK)
    first = office.get("/disputes", params={"limit": 1}).json()
    listed = [row["bill_id"] for row in first["data"]]
    while first["next"]:
        first = office.get("/disputes", params={"limit": 1, "cursor": first["next"]}).json()
        listed += [row["bill_id"] for row in first["data"]]
    assert {bill, quiet} <= set(listed)
    assert listed == sorted(set(listed))

    for number, outcome in ((bill, "dismissed"), (quiet, "upheld")):
        settled = office.post(f"/bills/{number}/disputes:settle", json={"outcome": outcome}, headers=wait)
        assert (settled.status_code, settled.json()["status"]) == (201, "recorded"), settled.text
    otherwise = office.post(f"/bills/{bill}/disputes:settle", json={"outcome": "upheld"}, headers=wait)
    assert (otherwise.status_code, otherwise.json()["code"]) == (409, "already_settled")
    assert not {bill, quiet} & {row["bill_id"] for row in office.get("/disputes").json()["data"]}
    assert act(network, "insurer-a", lock(bill)) == ["recorded"]
    assert (life(network, quiet)["dispute"], life(network, quiet)["dispute_outcome"]) == ("settled", "upheld")


def test_32_a_bill_that_the_hospital_takes_back_is_disputed_all_the_same(network: Network) -> None:
    """The dispute stops no reversal, which may be what it leads to; a red bill is nobody's to dispute."""
    patient = Patient("示范丙寅")
    bill = sealed_bill(network, payer=patient.payer)
    wait = {"Prefer": "wait=15"}
    assert (
        patient.at(network).post(f"/bills/{bill}/disputes", json={"reason": "not_me"}, headers=wait).status_code == 201
    )
    asked = post(network, f"/bills/{bill}/reversal", {"reason": "x", "operator": "y"})[1]
    status, red = agreed(network, asked)
    assert status == 201, red
    refused = patient.at(network).post(f"/bills/{red['bill_id']}/disputes", json={"reason": "not_me"})
    assert (refused.status_code, refused.json()["code"]) == (409, "bill_is_red")
    settled = network.api("archive", CLERK).post(
        f"/bills/{bill}/disputes:settle", json={"outcome": "upheld"}, headers=wait
    )
    assert settled.status_code == 201
