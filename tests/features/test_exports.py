"""Rows of whoever takes bills in and out: CSV in, archives and FHIR out. Over a real network."""

from __future__ import annotations

import base64
import csv
import os
import secrets
import shutil
import subprocess
import sys
import time
import zipfile
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx2
import pytest
import xmlschema

from archives.packing import pack, write_manifest
from chain.genesis import genesis_from_json
from chain.operation import DecideClaim, PayClaim
from chain.proof import check_proof
from tests.exports.fhir_models import read_bundle, validated
from tests.features.acting import act, agreed, post, sealed_bill
from tests.features.test_insurer import lock
from tests.network.running import ROOT, Network

pytestmark = pytest.mark.processes

YEAR = time.gmtime(time.time() + 8 * 3600).tm_year
HEADING = "业务流水号,票据种类,交款人,证件号,总金额,医保统筹基金支付,个人自付,项目编码,项目名称,明细编码,明细名称,数量,单价,金额"


def rows(mark: str, count: int) -> list[str]:
    """Two rows a bill."""
    lines = []
    for number in range(count):
        lines.append(
            f"{mark}-{number},门诊,示例甲,EXAMPLE-{number},128.50,80.00,20.00,02,西药费,XY0001,阿莫西林胶囊,3,34.50,103.50"
        )
        lines.append(f"{mark}-{number},,,,,,,01,诊察费,,,,,25.00")
    return lines


def import_csv(network: Network, *what: str, expect: int = 0) -> dict[str, object]:
    through = ("--home", str(network.home), "--via", "hospital-a")
    return dict(network.json("bill", "import", *what, *through, expect=expect))


def test_03_every_row_gets_an_outcome_and_the_second_run_issues_nothing(network: Network, tmp_path: Path) -> None:
    """By file and by folder; a half-written file waits."""
    mark, count = f"csv-{secrets.token_hex(4)}", 12
    file = tmp_path / "day.csv"
    file.write_text("\n".join([HEADING, *rows(mark, count), ""]), "gb18030")
    first = import_csv(network, str(file))
    assert (first["issued"], first["already_issued"], first["refused"]) == (count, 0, [])
    assert first["total_fen"] == count * 12_850
    (said,) = first["files"]  # type: ignore[misc]
    assert said["encoding"] == "gb18030"

    def outcomes() -> list[dict[str, str]]:
        with (tmp_path / "day.outcome.csv").open(encoding="gb18030", newline="") as stream:
            return list(csv.DictReader(stream))

    issued = outcomes()
    assert len(issued) == 2 * count
    assert {row["status"] for row in issued} == {"issued"}
    numbers = {row["业务流水号"]: row["bill_id"] for row in issued}
    assert len(set(numbers.values())) == count

    second = import_csv(network, str(file))
    assert (second["issued"], second["already_issued"]) == (0, count)
    again = outcomes()
    assert {row["status"] for row in again} == {"same_bill"}
    assert {row["业务流水号"]: row["bill_id"] for row in again} == numbers
    shown = network.api("hospital-a").get(f"/bills/{numbers[f'{mark}-0']}").json()
    assert (shown["total_fen"], shown["payer"]["name"], shown["status"]) == (12_850, "示例甲", "sealed")

    (tmp_path / "half.csv").write_text("\n".join([HEADING, *rows(f"{mark}-h", 1)]), "utf-8")
    third = import_csv(network, "--folder", str(tmp_path))
    assert (third["issued"], third["already_issued"]) == (0, count)
    assert [entry["reason"] for entry in third["left"]] == ["no_final_line_break"]  # type: ignore[attr-defined]
    with (tmp_path / "half.csv").open("a") as stream:
        stream.write("\n")
    fourth = import_csv(network, "--folder", str(tmp_path))
    assert (fourth["issued"], fourth["already_issued"], fourth["left"]) == (1, count, [])
    wrong = tmp_path / "wrong.csv"
    wrong.write_text(file.read_text("gb18030").replace("25.00", "26.00"), "utf-8")
    refused = import_csv(network, str(wrong), expect=6)
    assert {entry["code"] for entry in refused["refused"]} == {"sum_mismatch"}  # type: ignore[attr-defined]


def make(network: Network, out: Path) -> dict[str, object]:
    arguments = ("--year", str(YEAR), "--home", str(network.home), "--via", "archive", "--out", str(out))
    return dict(network.json("archive", "make", *arguments, timeout=300))


def verify(network: Network, archive: Path, expect: int = 0) -> dict[str, object]:
    genesis = ("--genesis", str(network.home / "genesis.json"))
    return dict(network.json("archive", "verify", str(archive), *genesis, expect=expect, timeout=300))


def test_46_an_archive_verifies_with_no_node_running(own_network: Network, tmp_path: Path) -> None:
    """Bills of two hospitals, a red one and a void one; then everything is stopped, and only files are left."""
    network = own_network
    network.up()
    kept = [sealed_bill(network, total_fen=10_000 + number, own_fen=100) for number in range(6)]
    kept += [sealed_bill(network, via="hospital-b") for _ in range(3)]
    asked = post(network, f"/bills/{kept[0]}/reversal", {"reason": "wrong payer", "operator": "收费员01"})[1]
    assert agreed(network, asked)[0] == 201
    assert post(network, f"/bills/{kept[1]}/void", {"reason": "mistyped"})[0] == 201
    archive, folder = tmp_path / "year.zip", tmp_path / "year"
    made = make(network, archive)
    assert (made["bills"], made["without_details"], made["unsealed"]) == (len(kept) + 1, 0, 0)
    assert make(network, folder)["bills"] == len(kept) + 1
    assert make(network, folder)["bills"] == 0  # whole already
    network.medbill(
        "archive", "make", "--year", str(YEAR), "--home", str(network.home), "--out", str(archive), expect=6
    )
    totals = network.json("audit", "day-totals", "--home", str(network.home))
    network.down()
    assert network.statuses() == []

    said = verify(network, archive)
    assert (said["valid"], said["bills"], said["total_fen"]) == (True, len(kept) + 1, _sum(totals))
    assert said["issuers"] == ["hospital-a", "hospital-b"]
    assert verify(network, folder)["valid"]
    rules = xmlschema.XMLSchema(str(folder / "dat95-b10.xsd"))
    documents = list(folder.rglob("*.xml"))
    assert len(documents) == len(kept) + 1
    for document in documents:
        rules.validate(str(document))

    with zipfile.ZipFile(archive) as opened:  # what whoever opens it in thirty years has: the file, and a genesis
        opened.extractall(tmp_path / "opened")
    environment = {"PYTHONPATH": str(tmp_path / "opened" / "software"), "PATH": os.environ["PATH"]}
    command = [sys.executable, "-P", "-m", "archives.checker", str(archive), str(network.home / "genesis.json")]
    assert subprocess.run(command, env=environment, cwd=tmp_path, check=False, capture_output=True).returncode == 0

    _altered(network, folder, tmp_path)
    content = archive.read_bytes()
    for place in range(0, len(content), len(content) // 8):
        changed = bytearray(content)
        changed[place] ^= 0x10
        (tmp_path / "flipped.zip").write_bytes(changed)
        assert not verify(network, tmp_path / "flipped.zip", expect=3)["valid"]


def _sum(totals: dict[str, list[dict[str, int]]]) -> int:
    return sum(row["sum_fen"] + row["red_sum_fen"] for row in totals["data"])


def _altered(network: Network, folder: Path, tmp_path: Path) -> None:
    """A bill taken out, an amount changed: with manifest, root and file digest made anew."""
    short, other = (Path(shutil.copytree(folder, tmp_path / name)) for name in ("short", "other"))
    taken = sorted(short.glob("bills/hospital-b/*/*.xml"))[0]
    taken.unlink()
    taken.with_suffix(".proof").unlink()
    (fault,) = verify(network, _packed(short), expect=3)["faults"]  # type: ignore[misc]
    assert fault["file"] == f"hospital-b {taken.parent.name}"
    assert "the day book has 3 bills" in fault["detail"]
    changed = sorted(other.glob("bills/hospital-a/*/*.xml"))[2]
    text = changed.read_text("utf-8")
    changed.write_text(text.replace("<TotalAmount>100.", "<TotalAmount>900."), "utf-8")
    assert changed.read_text("utf-8") != text
    (fault,) = verify(network, _packed(other), expect=3)["faults"]  # type: ignore[misc]
    assert fault["file"] == str(changed.relative_to(other))
    assert "TotalAmount" in fault["detail"]


def _packed(folder: Path) -> Path:
    write_manifest(folder)
    out = folder.with_name(f"{folder.name}.zip")
    pack(folder, out)
    return out


def test_58_a_bill_goes_out_as_fhir_with_its_provenance(network: Network, tmp_path: Path) -> None:
    """Valid by the FHIR models; read back with the same amounts; claims only where the ledger knows them."""
    bill = sealed_bill(network, total_fen=43_210, own_fen=500)
    home = ("--home", str(network.home))
    file = tmp_path / "invoice.json"
    network.medbill("bill", "export", bill, "--format", "fhir", "--via", "hospital-a", *home, "--out", str(file))
    resources = _validated(file)
    assert resources["Invoice"]["totalGross"]["value"] == Decimal("432.10")
    entities = {one["what"]["display"]: one["what"] for one in resources["Provenance"]["entity"]}
    assert entities["ledger"]["identifier"]["value"] == network.chain_id
    page = network.api("archive", "auditor").get(f"/bills/{bill}").json()
    assert entities["operation"]["identifier"]["value"] == page["operation"]
    assert entities["block"]["identifier"]["value"] == str(page["height"])

    proof = tmp_path / "attached.proof"
    proof.write_bytes(base64.b64decode(resources["DocumentReference"]["content"][0]["attachment"]["data"]))
    genesis = (network.home / "genesis.json").read_bytes()
    assert check_proof(proof.read_bytes(), genesis_from_json(genesis)).bill["total_fen"] == 43_210

    claim = lock(bill, 500)
    export = ("bill", "export", bill, "--via", "archive", *home, "--json")
    for kind in ("Claim", "ExplanationOfBenefit"):
        assert "claim_unknown" in network.medbill(*export, "--kind", kind, expect=4)
    assert act(network, "insurer-a", claim) == ["recorded"]
    file.write_text(network.medbill(*export, "--kind", "Claim"), "utf-8")
    assert _validated(file)["Claim"]["total"]["value"] == Decimal("5.00")
    assert act(network, "insurer-a", DecideClaim(claim.claim, 400)) == ["recorded"]
    assert act(network, "insurer-a", PayClaim(claim.claim, secrets.token_bytes(32))) == ["recorded"]
    file.write_text(network.medbill(*export, "--kind", "ExplanationOfBenefit"), "utf-8")
    benefit = _validated(file)["ExplanationOfBenefit"]
    assert benefit["payment"]["amount"]["value"] == Decimal("4.00")

    network.medbill("bill", "export", bill, "--via", "hospital-b", *home, expect=4)  # another hospital's gateway
    code = network.api("hospital-a").get(f"/bills/{bill}").json()["check_code"]
    address = f"http://127.0.0.1:{network.nodes['archive']['api_port']}/v1/bills/{bill}/fhir"
    assert httpx2.get(address, headers={"Medbill-Check-Code": code}, trust_env=False).status_code == 200
    assert httpx2.get(address, trust_env=False).status_code == 404

    back = tmp_path / "back.json"
    network.medbill("bill", "export", bill, "--via", "hospital-a", *home, "--out", str(back))
    read = network.json("bill", "import", "--format", "fhir", "--via", "hospital-b", *home, str(back))
    assert (read["issued"], read["total_fen"]) == (1, 43_210)
    text = network.medbill("bill", "export", bill, "--format", "dat95", "--via", "hospital-a", *home)
    xmlschema.XMLSchema(str(ROOT / "archives" / "dat95-b10.xsd")).validate(text)


def _validated(file: Path) -> dict[str, dict[str, Any]]:
    """Resource type -> the one of it, each checked by its own model."""
    return {kind: found[0] for kind, found in validated(read_bundle(file.read_text("utf-8"))).items()}
