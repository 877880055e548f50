"""Rows of the patient: what a holder shows, and to whom."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from chain.codec import decode, encode
from chain.details import FIELD_IDS, FIELDS, LISTS, SALT_BYTES, SCHEMA, expand
from chain.proof import Proof
from cli.exit_codes import ExitCode
from cli.proof_check import verdict_exit_code
from tests.features.acting import Patient, agreed, post, sealed_bill, verified
from tests.network.running import Network

pytestmark = pytest.mark.processes

DETAILS = {
    "payer": {"type": "person", "name": "示范丙", "id_type": "passport", "id_number": "990000197001019999"},
    "visit": {"department": "肿瘤内科", "diagnosis": "示范病症", "outpatient_no": "OP-5502-77"},
    "remark": "复诊",
    "charges": [
        {"code": "05", "name": "化疗费", "quantity_milli": 1000, "unit": "次", "amount_fen": 9_100},
        {"code": "02", "name": "专家诊察费", "quantity_milli": 1000, "unit": "次", "amount_fen": 900},
    ],
}
HOSPITALS = ("hospital-a", "hospital-b")
AMOUNTS = range(10_001)  # fen: a charge is not more than the total, which everybody sees


def windows(data: bytes, length: int) -> set[bytes]:
    """Every string of so many bytes that a file holds, wherever it begins."""
    return {data[place : place + length] for place in range(len(data) - length + 1)}


def unsalted(field: int, index: int, bill: str, value: object) -> Iterator[bytes]:
    """What a careless design would leave of a value: hashes that trying all values finds."""
    texts = [encode(value), *([value.encode()] if isinstance(value, str) else [str(value).encode()])]
    for text in texts:
        yield hashlib.sha256(text).digest()
        yield hashlib.sha256(b"\0" + text).digest()
    for salt in ([], [b""], [bytes(SALT_BYTES)]):
        yield hashlib.sha256(b"\0" + encode([SCHEMA, bill, field, index, *salt, value])).digest()


def found_by_trying(data: bytes, bill: str, field: int, index: int, values: Iterable[object]) -> list[object]:
    """Values of a small domain whose unsalted hash is somewhere in the file."""
    held = windows(data, 32)
    return [value for value in values if any(trace in held for trace in unsalted(field, index, bill, value))]


def found_with_salts(data: bytes, bill: str, field: int, values: Iterable[object]) -> list[object]:
    """The same with every 16 bytes of the file tried as the salt: finds what a file tells beside a leaf's hash."""
    held, salts = windows(data, 32), windows(data, SALT_BYTES)
    return [
        value
        for value in values
        if any(hashlib.sha256(b"\0" + encode([SCHEMA, bill, field, 0, salt, value])).digest() in held for salt in salts)
    ]


def test_30_what_is_not_shown_cannot_be_found(network: Network, tmp_path: Path) -> None:
    """Of a file with every field opened three public ones are shown, then one more; all others are looked for in vain."""
    bill = sealed_bill(network, **DETAILS)
    api, home = network.api("hospital-a"), ("--home", str(network.home))
    names = [name for name in FIELD_IDS if name != "reason"]
    opened, shown, named = (tmp_path / f"{name}.proof" for name in ("opened", "shown", "named"))
    every = api.get(f"/bills/{bill}/proof", params={"fields": ",".join(names)})
    assert every.status_code == 200
    opened.write_bytes(every.content)
    network.medbill("proof", "present", str(opened), "--show", "total,date,issuer", "--out", str(shown))
    network.medbill("proof", "present", str(opened), "--show", "total,date,issuer,payer_name", "--out", str(named))

    genesis = (network.home / "genesis.json").read_bytes()
    for file, seen in ((opened, set(names)), (shown, set()), (named, {"payer_name"})):
        verdict = json.loads(
            network.medbill("proof", "verify", str(file), "--genesis", str(network.home / "genesis.json"), "--json")
        )
        assert verdict["valid"]
        facts = verdict["bill"]
        assert (facts["total_fen"], facts["issuer"], facts["status"]) == (10_000, "hospital-a", "normal")
        assert facts["business_date"]
        assert set(facts.get("opened", {})) == seen

    whole = decode(opened.read_bytes(), Proof)
    for file, kept in ((shown, set()), (named, {"payer_name"})):
        data = file.read_bytes()
        hidden = [field for field in whole.opened if FIELDS[field.field] not in kept]
        assert len(hidden) == len(names) - len(kept)
        assert [FIELDS[field.field] for field in decode(data, Proof).opened] == sorted(kept)
        short, long = windows(data, SALT_BYTES), windows(data, 32)
        for field in hidden:
            assert not short & set(field.salts), FIELDS[field.field]
            rows = field.value if isinstance(field.value, list) else [[field.value]]
            for index, row in enumerate(rows):
                for value in filter(None, row):
                    if isinstance(value, str) and len(value.encode()) > 4:
                        assert value.encode() not in data, FIELDS[field.field]
                    for trace in unsalted(field.field, index, bill, value):
                        assert trace not in long, FIELDS[field.field]
                for trace in (*unsalted(field.field, index + 1, bill, row), *unsalted(field.field, index, bill, row)):
                    assert trace not in long, FIELDS[field.field]
            for trace in unsalted(field.field, 0, bill, field.value):
                assert trace not in long, FIELDS[field.field]
        # no 32 bytes of it are the seed that all salts come from
        salts = {FIELDS[field.field]: field.salts[0] for field in whole.opened}
        stream = f"medbill/1/salt/{bill}/slots/0".encode()
        at = SALT_BYTES * FIELD_IDS["payer_type"]
        assert not [seed for seed in long if expand(seed, stream, at + SALT_BYTES)[at:] == salts["payer_type"]]
        # a type of two, and amounts up to the total
        types, slot = ["person", "unit", ""], FIELD_IDS["payer_type"]
        assert found_by_trying(data, bill, slot, 0, types) == []
        assert found_with_salts(data, bill, slot, types) == []
        assert found_by_trying(data, bill, FIELD_IDS["charges"], 0, AMOUNTS) == []
        assert found_by_trying(data + hashlib.sha256(b"9100").digest(), bill, 0, 0, AMOUNTS) == [
            9_100
        ]  # it can find one

    # the searcher does find what a file tells: the opened one has the salt, and its leaf beside the payer's name
    assert found_with_salts(opened.read_bytes(), bill, FIELD_IDS["payer_type"], ["unit", "person"]) == ["person"]
    altered = bytes([*named.read_bytes()[:-1], named.read_bytes()[-1] ^ 1])
    assert verdict_exit_code(altered, genesis) is ExitCode.INVALID

    # what the file does not show nobody can show on, and what no bill has, neither
    again = ("--out", str(tmp_path / "again.proof"), "--json")
    assert "field_not_opened" in network.medbill(
        "proof", "present", str(named), "--show", "total,charges", *again, expect=6
    )
    assert "field_unknown" in network.medbill(
        "proof", "present", str(named), "--show", "total,blood_group", *again, expect=2
    )
    assert not (tmp_path / "again.proof").exists()

    # the hospital may leave the choice to its holder, or make it: what is on the chain needs no opening
    fetched = tmp_path / "fetched.proof"
    choice = ("--show", "total,date,issuer,payer_name", "--out", str(fetched))
    network.medbill("proof", "fetch", bill, *home, "--via", "hospital-a", *choice)
    assert [FIELDS[field.field] for field in decode(fetched.read_bytes(), Proof).opened] == ["payer_name"]
    assert {"charges", "items", "visit"} == set(LISTS)  # all of them were among the hidden ones


def test_27_a_patient_sees_the_bills_of_all_hospitals_and_no_hospital_anothers(network: Network) -> None:
    """By the document that the sign-on has seen; page by page; whoever else asks is told that there is no such bill."""
    patient, other = Patient("示范丁"), Patient("示范戊")
    mine = {sealed_bill(network, 1_000 + n, via=via, payer=patient.payer) for n in (1, 2) for via in HOSPITALS}
    theirs = sealed_bill(network, payer=other.payer)

    rows = patient.at(network).get("/me/bills").json()
    assert {row["bill_id"] for row in rows["data"]} == mine
    assert {row["issuer"] for row in rows["data"]} == set(HOSPITALS)
    assert all(row["payer"]["name"] == patient.name and row["status"] == "sealed" for row in rows["data"])
    assert rows["has_more"] is False
    first = patient.at(network).get("/me/bills", params={"limit": 3}).json()
    rest = patient.at(network).get("/me/bills", params={"limit": 3, "cursor": first["next"]}).json()
    assert [len(first["data"]), len(rest["data"]), rest["has_more"]] == [3, 1, False]
    assert {row["bill_id"] for row in first["data"] + rest["data"]} == mine
    stolen = other.at(network).get("/me/bills", params={"limit": 3, "cursor": first["next"]})
    assert (stolen.status_code, stolen.json()["code"]) == (400, "cursor_invalid")
    assert {row["bill_id"] for row in other.at(network).get("/me/bills").json()["data"]} == {theirs}

    # the bill itself, its face and proof: the patient's; of a bill that is not theirs, there is none
    bill = min(mine)
    shown = patient.at(network).get(f"/bills/{bill}").json()
    assert shown["check_code"]
    assert shown["charges"]
    proof = patient.at(network).get(f"/bills/{bill}/proof", params={"fields": "payer_name,charges"})
    assert verified(network, proof.content)["opened"]["payer_name"] == patient.name
    assert patient.at(network).get(f"/bills/{bill}/face").status_code == 200
    for path in ("", "/history", "/proof", "/face", "/version?at=2099-01-01T00:00:00Z"):
        assert patient.at(network).get(f"/bills/{theirs}{path}").status_code == 404, path

    # a red bill names nobody: it is whose the bill is that it takes back
    reversal = {"reason": "wrong department", "operator": "收费员01"}
    mine_of_a = next(row["bill_id"] for row in rows["data"] if row["issuer"] == "hospital-a")
    red = agreed(network, post(network, f"/bills/{mine_of_a}/reversal", reversal)[1])[1]["bill_id"]
    network.until(lambda: patient.at(network).get(f"/bills/{red}").status_code == 200, "the red bill is the patient's")
    assert other.at(network).get(f"/bills/{red}").status_code == 404

    # a cashier of one hospital asks for the other one's bill, at the archive and at the own gateway
    foreign = next(row["bill_id"] for row in rows["data"] if row["issuer"] == "hospital-b")
    for node in ("archive", "hospital-a"):
        answer = network.api(node, "cashier", "hospital-a").get(f"/bills/{foreign}")
        assert (answer.status_code, answer.json()["code"]) == (404, "bill_unknown")
    refused = network.api("archive", "cashier", "hospital-a").get("/me/bills")
    assert (refused.status_code, refused.json()["code"]) == (403, "role_forbidden")
    nobody = network.api("archive", "patient").get("/me/bills")
    assert (nobody.status_code, nobody.json()["code"]) == (403, "identity_missing")
