"""A hospital's own system calls as it always did: the vendor's envelope, signed, over TLS. What it gets is verified as any bill is.

The client shares no code with the node. Source: DOMAIN section 2.1.
"""

from __future__ import annotations

import base64
import hashlib
import json
import shlex
import ssl
import time
import uuid
from decimal import Decimal
from typing import Any

import httpx2

from cli.demo.stage import HIS_APP, HIS_GATEWAY, SEALED, Stage, expect
from node.home import NetworkHome
from node.network_file import load_network_file

SERVICE = "invoiceEBillOutpatient"


def sign(appid: str, data: str, noise: str, key: str) -> str:
    text = f"appid={appid}&data={data}&noise={noise}&key={key}&version=1.0"
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest().upper()


def envelope(body: dict[str, Any], key: str) -> dict[str, str]:
    data, noise = base64.b64encode(json.dumps(body, ensure_ascii=False).encode()).decode(), uuid.uuid4().hex
    return {"appid": HIS_APP, "data": data, "noise": noise, "version": "1.0", "sign": sign(HIS_APP, data, noise, key)}


def vendor_call(stage: Stage) -> str:
    """A recorded outpatient bill of hospital B, of today; then the same call with another sign."""
    body = _recorded_bill(stage)
    fen = int(Decimal(body["totalAmt"]) * 100)
    sent = envelope(body, stage.his_key)
    result, answer = _send(stage, sent)
    expect(result, "S0000")
    stage.count(HIS_GATEWAY, fen)
    for name in ("billBatchCode", "billNo", "random", "createTime", "pictureNetUrl"):
        stage.say(f"{name:14} {answer[name]}")
    picture = base64.b64decode(answer["billQRCode"])
    stage.say(f"{'billQRCode':14} a picture of {len(picture)} bytes")
    refused, _text = _send(stage, {**sent, "sign": "0" * 32})
    expect(refused, "E1003")

    bill = answer["billBatchCode"] + answer["billNo"]
    with stage.client(HIS_GATEWAY) as client:
        stage.until(lambda: client.get(f"/v1/bills/{bill}")["status"] == SEALED, f"{bill} is sealed")
    file = stage.directory / f"{bill}.proof"
    where = ["--home", str(stage.home), "--via", HIS_GATEWAY]
    stage.medbill("proof", "fetch", bill, "--out", str(file), *where)
    verdict = stage.medbill("proof", "verify", str(file), "--genesis", str(stage.home / "genesis.json"))
    expect((verdict["bill"]["bill_id"], verdict["bill"]["total_fen"]), (bill, fen))
    return f"{SERVICE}: {result}, bill {bill}, check code {answer['random']}; its proof holds; another sign: {refused}"


def _recorded_bill(stage: Stage) -> dict[str, Any]:
    bodies = json.loads((stage.samples / "his" / "hospital-b-outpatient.json").read_text("utf-8"))
    now = time.strftime("%Y%m%d%H%M%S", time.gmtime(time.time() + 8 * 3600)) + "000"
    return {**bodies[0], "busNo": f"demo-{bodies[0]['busNo']}", "busDateTime": now}


def _send(stage: Stage, sent: dict[str, str]) -> tuple[str, Any]:
    """Result and message, as an object where it is one; printed as anyone can repeat it. The answer's own sign must hold."""
    entry = load_network_file(stage.home).node(HIS_GATEWAY)
    authority = NetworkHome(stage.home).organisation(entry.organisation).ca_certificate
    file = stage.directory / f"his-{sent['noise'][:8]}-{sent['sign'][:4]}.json"
    file.write_text(json.dumps(sent), "utf-8")
    address = f"https://{entry.host}:{entry.api_port}/compat/medical/{SERVICE}"
    command = ["curl", "--cacert", str(authority), "-H", "Content-Type: application/json", "-d", f"@{file}", address]
    stage.say("$ " + shlex.join(command))
    trusted = ssl.create_default_context(cafile=str(authority))
    with httpx2.Client(verify=trusted, trust_env=False, timeout=30) as http:
        answer = http.post(address, json=sent)
    expect(answer.status_code, 200)
    said = answer.json()
    if "data" not in said:  # nobody whom an answer could be signed for
        return said["result"], said["message"]
    expect(said["sign"], sign(HIS_APP, said["data"], said["noise"], stage.his_key))
    inner = json.loads(base64.b64decode(said["data"]))
    message = base64.b64decode(inner["message"]).decode()
    return inner["result"], json.loads(message) if inner["result"] == "S0000" else message
