"""A bill's face: what the hospital, the archive and whoever holds the bill are given, checked as a file."""

from __future__ import annotations

import io
import json
import secrets
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import httpx2
import pypdf
import pytest

from tests.features.acting import agreed, post, sealed_bill
from tests.network.running import ROOT, VALIDATORS, Network, bill_request

pytestmark = pytest.mark.processes


def pdf(network: Network, bill: str, via: str = "hospital-a", **parameters: str) -> pypdf.PdfReader:
    answer = network.api(via).get(f"/bills/{bill}/face", params={"form": "pdf", **parameters})
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/pdf"), answer.text
    return pypdf.PdfReader(io.BytesIO(answer.content))


def said(reader: pypdf.PdfReader) -> str:
    return "\n".join(page.extract_text() for page in reader.pages)


def verified(network: Network, directory: Path, proof: bytes) -> Any:
    """What `medbill proof verify` prints of an attachment; it must end with 0."""
    file = directory / f"{secrets.token_hex(4)}.proof"
    file.write_bytes(proof)
    genesis = str(network.home / "genesis.json")
    command = [sys.executable, "-m", "cli.main", "proof", "verify", str(file), "--genesis", genesis, "--json"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)["bill"]


def test_09_a_face_carries_its_own_proof(network: Network, tmp_path: Path) -> None:
    """From gateway and archive, by right and by check code: the attachment verifies and opens what is printed, no more."""
    request = bill_request(
        "face-1",
        visit={"department": "内科", "diagnosis": "canary"},
        items=[
            {"charge_code": "09", "code": "X1", "name": "样例药", "quantity_milli": 1000, "unit_price_e4": 1_234_500,
             "amount_fen": 12_345}
        ],
    )  # fmt: skip
    issued = network.api("hospital-a").post("/bills", json=request, headers={"Prefer": "wait=20"}).json()
    bill, code = issued["bill_id"], issued["check_code"]
    reader = pdf(network, bill)
    text = said(reader)
    for word in (bill[:8], bill[8:], code, "测试甲", "壹佰贰拾叁元肆角伍分", "123.45"):
        assert word in text
    assert "canary" not in text
    assert "样例药" not in text
    ((data,),) = reader.attachments.values()
    facts = verified(network, tmp_path, data)
    assert facts["bill_id"] == bill
    assert facts["opened"]["payer_name"] == "测试甲"
    assert not {"items", "diagnosis", "business_time"} & set(facts["opened"])

    network.until(lambda: network.api("archive", "auditor").get(f"/bills/{bill}").status_code == 200, "it is there")
    path = f"http://127.0.0.1:{network.nodes['archive']['api_port']}/v1/bills/{bill}/face"
    held = httpx2.get(path, params={"kind": "list"}, headers={"Medbill-Check-Code": code}, timeout=30, trust_env=False)
    assert held.status_code == 200, held.text
    listed = pypdf.PdfReader(io.BytesIO(held.content))
    assert "样例药" in said(listed)
    ((data,),) = listed.attachments.values()
    assert set(verified(network, tmp_path, data)["opened"]) >= {"items", "charges"}
    wrong = httpx2.get(path, headers={"Medbill-Check-Code": "zzzzzz"}, timeout=30, trust_env=False)
    assert (wrong.status_code, wrong.json()["code"]) == (404, "bill_unknown")
    assert network.api("hospital-b").get(f"/bills/{bill}/face").status_code == 404

    unentitled = network.api("archive", "auditor", "health").get(f"/bills/{bill}/face")  # reads public parts only
    assert (unentitled.status_code, unentitled.json()["code"]) == (404, "bill_unknown")
    audited = pdf(network, bill, "archive")  # an auditor of the office above: no check code, no QR code
    assert code not in said(audited)
    ((data,),) = audited.attachments.values()
    assert not {"check_code", "token"} & set(verified(network, tmp_path, data)["opened"])


def test_09_the_same_as_ofd_by_the_command(network: Network, tmp_path: Path) -> None:
    bill = sealed_bill(network)
    file = tmp_path / "face.ofd"
    via = ["--home", str(network.home), "--via", "hospital-a"]
    told = network.json("bill", "face", bill, "--form", "ofd", "--out", str(file), *via)
    assert told == {"bill_id": bill, "file": str(file), "bytes": file.stat().st_size}
    with zipfile.ZipFile(file) as archive:
        data = archive.read(f"Doc_0/Attachments/{bill}.proof")
    assert verified(network, tmp_path, data)["bill_id"] == bill
    listed = tmp_path / "list.pdf"
    network.medbill("bill", "face", bill, "--list", "--out", str(listed), *via)
    assert "收费明细清单" in said(pypdf.PdfReader(listed))
    network.medbill("bill", "face", bill, "--form", "png", *via, expect=2)
    network.medbill("bill", "face", "9" * 18, "--out", str(listed), *via, expect=4)


def test_09_a_void_bill_says_so(network: Network, tmp_path: Path) -> None:
    bill = sealed_bill(network)
    assert "作废" not in said(pdf(network, bill))
    assert post(network, f"/bills/{bill}/void", {"reason": "mistyped"})[0] == 201
    reader = pdf(network, bill)
    assert "已作废" in said(reader)
    ((data,),) = reader.attachments.values()
    assert verified(network, tmp_path, data)["status"] == "void"
    archive = network.api("archive", "auditor")
    network.until(lambda: archive.get(f"/bills/{bill}").json()["validity"] == "void", "the archive has it")
    assert "已作废" in said(pdf(network, bill, "archive"))


def test_09_a_paper_copy_shows_while_it_is_alive(network: Network) -> None:
    bill, form = sealed_bill(network), f"P{secrets.randbelow(10**12):012d}"
    assert post(network, f"/bills/{bill}/paper-copies", {"paper": form})[0] == 201
    for via in ("hospital-a", "archive"):
        network.until(lambda via=via: "已换开" in (text := said(pdf(network, bill, via))) and form in text, "it shows")
    assert post(network, f"/bills/{bill}/paper-copies:end", {"paper": form, "reason": "returned"})[0] == 201
    for via in ("hospital-a", "archive"):
        network.until(lambda via=via: "已换开" not in said(pdf(network, bill, via)), "it is gone")


def test_09_a_red_bill_and_its_original_name_each_other(network: Network, tmp_path: Path) -> None:
    """The red one carries two proofs: its own, and its original's for what it takes back."""
    bill = sealed_bill(network)
    status, answer = agreed(
        network, post(network, f"/bills/{bill}/reversal", {"reason": "药品退回", "operator": "收费员01"})[1]
    )
    assert status == 201, answer
    red = answer["bill_id"]
    archive = network.api("archive", "auditor")
    network.until(lambda: archive.get(f"/bills/{red}").status_code == 200, "the archive has it")
    for via in ("hospital-a", "archive"):
        first, second = pdf(network, bill, via), pdf(network, red, via)
        assert "已冲红" in said(first)
        assert red[8:] in said(first)
        assert "-100.00" in said(second)
        assert bill[8:] in said(second)
        assert set(second.attachments) == {f"{bill}.proof", f"{red}.proof"}
        for name, (data,) in second.attachments.items():
            facts = verified(network, tmp_path, data)
            assert f"{facts['bill_id']}.proof" == name
        opened = verified(network, tmp_path, second.attachments[f"{red}.proof"][0])["opened"]
        assert opened["reason"] == "药品退回"


def test_09_without_the_agencies_a_face_says_what_is_not_known(network: Network, tmp_path: Path) -> None:
    """The queue at the window never stops: a new bill's face says that nothing is sealed yet and carries no proof; an older one's
    that nobody could be asked about paper copies, and its proof holds."""
    sealed = sealed_bill(network)
    network.stop(*VALIDATORS)
    try:
        answer = network.api("hospital-a").post("/bills", json=bill_request(f"face-{secrets.token_hex(4)}")).json()
        assert answer["status"] == "queued"
        reader = pdf(network, answer["bill_id"])
        assert "尚未上链" in said(reader)
        assert not reader.attachments
        older = pdf(network, sealed)
        assert "未能核实是否已换开纸质票据" in said(older)
        ((data,),) = older.attachments.values()
        assert verified(network, tmp_path, data)["bill_id"] == sealed
    finally:
        network.up(*VALIDATORS)
    network.until(lambda: "尚未" not in said(pdf(network, answer["bill_id"])), "it is sealed", 60)
    assert pdf(network, answer["bill_id"]).attachments
    network.until(lambda: "未能核实" not in said(pdf(network, sealed)), "it is known again", 60)
