"""The QR code's page on a phone, before an honest gateway and before one that alters its answers.

On a phone means in Chromium, where there is one with playwright. Else the page's own modules run in Node, with the server's answers and
without a screen; and where there is no Node either, the same answers go through this program's check. The scene says which it was.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import httpx2
import msgspec

from chain.codec import decode, encode
from chain.proof import Proof
from cli.demo.altering import altered, of_proofs
from cli.demo.browser import NoBrowser, chromium, phone
from cli.demo.stage import SceneFailed, Stage, expect
from faces.link import page_link

GATEWAY, BUSINESS_NO = "hospital-a", "demo-hospital-a"
FIELDS = "payer_name,charges"  # what the page asks for
NODE_PROGRAM, NODE_SECONDS = Path(__file__).with_name("page_in_node.mjs"), 60


class Seen(NamedTuple):
    colour: str  # of the verdict
    state: str
    failed: str  # the check that did not hold, or empty


def phone_page(stage: Stage) -> str:
    with stage.client(GATEWAY) as client:
        found = client.get("/v1/bills", issuer=client.organisation, business_no=BUSINESS_NO)["data"]
        bill, node = found[0]["bill_id"], client.url
        opened = decode(client.get_bytes(f"/v1/bills/{bill}/proof", fields="token"), Proof).opened
        chain_id = client.get("/v1/network")["chain_id"]
    link = page_link(bill, str(opened[0].value), chain_id)
    stage.say(f"the QR code says {node}{link}")
    with altered(node, of_proofs(_cheaper)) as liar:
        stage.say(f"{liar} speaks for it, and makes the bill one fen")
        how, (honest, lying) = _looked_at(stage, [node + link, liar + link])
    expect(honest, Seen("green", "genuine", ""))
    expect(lying, Seen("red", "invalid", "outcome"))
    return f"{how}: green; from the gateway that alters it: red at '{lying.failed}'"


def _cheaper(data: bytes) -> bytes:
    """The proof of a bill of one fen, as far as somebody without the hospital's key can make it."""
    proof = decode(data, Proof)
    operation = msgspec.structs.replace(proof.bill.entry.operation, total_fen=1)
    entry = msgspec.structs.replace(proof.bill.entry, operation=operation)
    return encode(msgspec.structs.replace(proof, bill=msgspec.structs.replace(proof.bill, entry=entry)))


def _looked_at(stage: Stage, addresses: list[str]) -> tuple[str, list[Seen]]:
    """How, and what was seen at each address."""
    try:
        with chromium() as browser:
            return "in Chromium", list(_by_browser(browser, addresses))
    except NoBrowser as reason:
        stage.say(f"no page is shown: {reason}")
    node = shutil.which("node")
    if node is not None:
        try:
            return "the page's program in Node, without a screen", _by_node(stage, node, addresses)
        except NodeFailed as reason:
            stage.say(f"Node does not run it: {reason}")
    stage.say("no page anywhere: what it would get goes through this program's own check")
    return "this program's check of the same answers, no page", [_by_this_program(address) for address in addresses]


def _by_browser(browser: Any, addresses: list[str]) -> Iterator[Seen]:
    for address in addresses:
        with phone(browser) as held:
            held.open(address)
            yield Seen(held.colour, held.state, "".join(held.failed))


class NodeFailed(Exception):
    """An old one, or one without what the page needs."""


def _by_node(stage: Stage, node: str, addresses: list[str]) -> list[Seen]:
    """The page's files as they are, put where Node takes them for modules. Raises NodeFailed."""
    from api.pages.phone_page import FILES

    folder = stage.directory / "page"
    folder.mkdir(exist_ok=True)
    added = {"package.json": b'{"type": "module"}', NODE_PROGRAM.name: NODE_PROGRAM.read_bytes()}
    for name, content in {**FILES, **added}.items():
        (folder / name).write_bytes(content)
    command = [node, str(folder / NODE_PROGRAM.name), *addresses]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=NODE_SECONDS, check=False)
        seen = json.loads(done.stdout) if done.returncode == 0 else None
    except (OSError, ValueError, subprocess.TimeoutExpired) as error:
        raise NodeFailed(type(error).__name__) from None
    if seen is None:
        raise NodeFailed((done.stderr.strip().splitlines() or ["no reason"])[-1][:200])
    return [Seen(one["colour"], one["state"], one["failed"] or "") for one in seen]


def _by_this_program(address: str) -> Seen:
    """What `medbill proof verify` says of a link's proof, in the page's words."""
    from cli.proof_check import verify_proof_bytes

    parts = urlsplit(address)
    bill, _, token = parts.path.rpartition("/")[2].partition(".")
    with httpx2.Client(base_url=f"{parts.scheme}://{parts.netloc}", trust_env=False, timeout=30) as http:
        genesis = http.get("/v1/genesis")
        asked = {"Medbill-Check-Code": token}
        proof = http.get(f"/v1/bills/{bill}/proof", params={"fields": FIELDS}, headers=asked)
    if genesis.status_code != 200 or proof.status_code != 200:
        raise SceneFailed(f"{address}: {genesis.status_code}, {proof.status_code}")
    verdict = verify_proof_bytes(proof.content, genesis.content)
    if not verdict.valid:
        return Seen("red", "invalid", verdict.checks[-1].name)
    is_this_one = (parts.fragment, verdict.bill["bill_id"], verdict.bill["status"])
    expect(is_this_one, (f"chain={_chain_id(genesis.content)}", bill, "normal"))
    return Seen("green", "genuine", "")


def _chain_id(genesis_json: bytes) -> str:
    from chain.genesis import genesis_from_json

    return genesis_from_json(genesis_json).digest().hex()
