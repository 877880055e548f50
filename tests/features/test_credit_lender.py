"""Rows 95 and 99 at a lender's own service: a process beside the network that enrols people on a score provider's word."""

from __future__ import annotations

import base64
import json
import os
import re
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import httpx2
import msgspec
import pytest
from joserfc import jws
from joserfc.jwk import OKPKey

from api.auth import public_jwk, service_audience
from chain.block import FinalBlock
from chain.block_log import BlockLog
from chain.codec import decode, encode
from chain.operation import OpenLine
from chain.signature import SigningKey
from cli.tokens import make_token
from tests.features.acting import Patient, post
from tests.features.test_payments import billed, made, reversed_by, shown
from tests.network import scanner
from tests.network.running import ROOT, Network

pytestmark = pytest.mark.processes

SCORER = SigningKey.from_seed(b"\x61" * 32)
STRANGER = SigningKey.from_seed(b"\x62" * 32)
PERSON, OTHER = "pseudonym-7f3a91c2", "pseudonym-c20d55e8"
UNUSUAL = 987_654  # a score that nothing else could be taken for
ATTESTATION_NO = "attestation-5be1f09a7c"


@dataclass
class Lending:
    network: Network
    log: Path
    running: ExitStack = field(default_factory=ExitStack)
    url: str = ""

    def token(self, person: str, organisation: str = "finance-city", role: str = "patient") -> str:
        """Of somebody by the pseudonym that the bureau's sign-on has for them."""
        secret = self.network.home / "organisations" / organisation / "token.key"
        return make_token(secret, service_audience(self.network.chain_id, "lender-a"), organisation, person, role, 3600)

    def at(self, person: str) -> httpx2.Client:
        return self._client(self.token(person))

    def staff(self) -> httpx2.Client:
        return self._client(self.token("clerk-1", "lender-a", "operator"))

    def restart(self) -> None:
        self.running.close()
        self.url = self.running.enter_context(serving(self.network, self.log))

    def _client(self, token: str) -> httpx2.Client:
        headers = {"Authorization": f"Bearer {token}"}
        return httpx2.Client(base_url=f"{self.url}/v1", headers=headers, timeout=40, trust_env=False)

    def enrol(self, person: str, attestation: str, product: str = "anxin") -> tuple[int, Any]:
        body = {"product": product, "attestation": attestation, "hospitals": ["hospital-a"]}
        answer = self.at(person).post("/credit-accounts", json=body)
        return answer.status_code, answer.json()

    def medbill(self, *arguments: str, expect: int = 0) -> Any:
        """`medbill credit …` of the lender's people."""
        own = ("--organisation", "lender-a", "--home", str(self.network.home), "--service", self.url)
        return self.network.json("credit", *arguments, *own, expect=expect)


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def attested(person: str, score: int, key: SigningKey = SCORER, **changes: Any) -> str:
    """What the score provider signs, with joserfc as its own software might."""
    claims = {
        "iss": "scorer",
        "sub": person,
        "aud": "lender-a",
        "jti": secrets.token_hex(8),
        "exp": int(time.time()) + 600,
        "score": score,
        "identity_level": 2,
        **changes,
    }
    secret: Any = {**public_jwk(key.public), "d": _base64url(key.seed)}
    signed: str = jws.serialize_compact(
        {"alg": "Ed25519"}, json.dumps(claims), OKPKey.import_key(secret), algorithms=["Ed25519"]
    )
    return signed


@cache
def shown_attestation() -> str:
    """One that is shown several times, from when it is shown first."""
    return attested(PERSON, 650, jti=ATTESTATION_NO)


@contextmanager
def serving(network: Network, log: Path) -> Iterator[str]:
    """`medbill lender serve` as a process of its own; its address. Its log is added to `log`."""
    command = (
        *(sys.executable, "-m", "cli.main", "lender", "serve", "--organisation", "lender-a"),
        *("--home", str(network.home), "--port", "0"),
    )
    with (
        log.open("ab") as stderr,
        subprocess.Popen(
            command, cwd=ROOT, stdout=subprocess.PIPE, stderr=stderr, text=True, stdin=subprocess.DEVNULL
        ) as process,
    ):
        assert process.stdout is not None
        line = process.stdout.readline()
        assert " serves at http://127.0.0.1:" in line, log.read_text()
        try:
            yield line.split()[-1]
        finally:
            os.kill(process.pid, signal.SIGTERM)
            assert process.wait(20) == 0


@pytest.fixture(scope="module")
def lending(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lending]:
    directory = tmp_path_factory.mktemp("lending")
    network = Network(directory)
    try:
        network.up()
        home = ("--organisation", "lender-a", "--home", str(network.home))
        for sample in ("anxin", "hospital-risk"):
            file = ROOT / "samples" / "credit" / f"{sample}.json"
            assert network.json("credit", "product", "publish", str(file), *home)["status"] in ("recorded", "sealed")
        providers = [{"name": "scorer", "key": public_jwk(SCORER.public)}]
        (network.home / "organisations" / "lender-a" / "score-providers.json").write_text(json.dumps(providers))
        found = Lending(network, directory / "lender.log")
        with found.running:
            found.restart()
            yield found
    finally:
        network.down()


def bill(amount_fen: int) -> dict[str, Any]:
    charges = [{"code": "05", "name": "化验费", "amount_fen": amount_fen}]
    return {"kind": "outpatient", "place_code": "A01", "cashier": "自助机01", "charges": charges}


def agreement(lending: Lending, line: str, patient: Patient, number: str) -> str:
    wish = {
        "agreement_no": number,
        "payer": patient.payer,
        "lender": "lender-a",
        "line": line,
        "cap_fen": 100_000,
        "consent": f"consent {number}",
    }
    return made(lending.network, "/credit-agreements", wish)


def hold(lending: Lending, signed: str, amount_fen: int) -> tuple[int, Any]:
    wish = {"hold_no": secrets.token_hex(8), "agreement": signed, "amount_fen": amount_fen}
    return post(lending.network, "/credit-holds", wish)


def charge(lending: Lending, held: str, number: str, amount_fen: int) -> None:
    wish = {"charge_no": number, "lines": [{"kind": "test", "amount_fen": amount_fen}], "bill": bill(amount_fen)}
    status, answer = post(lending.network, f"/credit-holds/{held}/charges", wish)
    assert status == 201, answer


def test_95_a_score_of_650_opens_a_line_and_649_does_not(lending: Lending, tmp_path: Path) -> None:
    """201 and a line of 1,000.00; 409 not_eligible; and the same person has the same line again, over a restart too."""
    status, page = lending.enrol(PERSON, shown_attestation())
    assert status == 201, page
    assert (page["product"], page["line_fen"], page["left_fen"], page["owed_fen"]) == ("anxin", 100_000, 100_000, 0)
    assert page["bearer"] == "lender"
    for attestation in (attested(OTHER, 649), attested(OTHER, 900, identity_level=1)):
        status, refused = lending.enrol(OTHER, attestation)
        assert (status, refused["code"]) == (409, "not_eligible")

    again, newer = lending.enrol(PERSON, shown_attestation()), lending.enrol(PERSON, attested(PERSON, UNUSUAL))
    assert [(status, answer["line"]) for status, answer in (again, newer)] == [(200, page["line"])] * 2
    lending.restart()
    status, answer = lending.enrol(PERSON, shown_attestation())
    assert (status, answer["line"]) == (200, page["line"])

    token, file = tmp_path / "token", tmp_path / "attestation"
    token.write_text(lending.token(OTHER) + "\n")
    for score, code in ((649, 6), (650, 0)):
        file.write_text(attested(OTHER, score) + "\n")
        asked = ("--product", "anxin", "--attestation", str(file), "--token", str(token), "--service", lending.url)
        asked = (*asked, "--hospital", "hospital-a")
        answer = lending.network.json("credit", "enrol", *asked, expect=code)
    assert answer["line_fen"] == 100_000
    assert answer["line"] != page["line"]


def test_95_an_attestation_that_does_not_hold_opens_nothing(lending: Lending) -> None:
    person = "pseudonym-b41e07"
    before = len(_opened(lending))
    for attestation, code in (
        (attested(person, 800, STRANGER), "attestation_invalid"),
        (attested(person, 800, STRANGER, iss="stranger"), "attestation_invalid"),
        (attested(person, 800, aud="lender-b"), "attestation_invalid"),
        (attested(person, 800, exp=int(time.time()) + 400 * 86_400), "attestation_invalid"),
        (attested(person, 800, exp=int(time.time()) - 1), "attestation_expired"),
        (attested(PERSON, 800), "attestation_of_other"),
        (_with_score(attested(person, 649), 800), "attestation_invalid"),
        ("a.b.c", "attestation_invalid"),
    ):
        status, answer = lending.enrol(person, attestation)
        assert (answer.get("code"), status >= 400) == (code, True)
    status, answer = lending.enrol(person, attested(person, 800), product="other")
    assert (status, answer["code"]) == (404, "product_unknown")
    assert len(_opened(lending)) == before


def test_97_the_bearer_of_the_risk_is_there_for_auditors_to_read(lending: Lending) -> None:
    client = lending.network.api("archive", "auditor", "finance")
    for product, bearer, line_fen, minute in (
        ("anxin", "lender", 100_000, 1200),
        ("hospital-risk", "hospital", 300_000, 1200),
    ):
        terms = client.get(f"/credit-products/lender-a/{product}").json()["terms"]
        assert (terms["bearer"], terms["line_fen"], terms["statement_minute"]) == (bearer, line_fen, minute)
    shown_by = lending.network.json(
        "credit",
        "product",
        "show",
        "--product",
        "anxin",
        "--organisation",
        "lender-a",
        "--home",
        str(lending.network.home),
    )
    assert (shown_by["version"], shown_by["terms"]["score_min"]) == (1, 650)


def test_97_at_its_own_risk_the_hospital_states_and_collects(lending: Lending) -> None:
    """The variant of 2016. That it states by itself at 20:00 is told with a set clock: `tests/node/test_debt_desk.py`."""
    network, person, patient = lending.network, "pseudonym-4ad1f0", Patient("示例乙")
    status, page = lending.enrol(person, attested(person, 660), "hospital-risk")
    assert (status, page["bearer"], page["line_fen"]) == (201, "hospital", 300_000)
    line = page["line"]
    signed = agreement(lending, line, patient, "lender-97")
    status, held = hold(lending, signed, 30_000)
    assert status == 201, held
    charge(lending, held["name"], "lender-97-1", 30_000)
    path = f"/credit-agreements/{signed}"
    assert [post(network, f"{path}/statements", {})[0] for _ in range(2)] == [201, 200]
    (account,) = patient.at(network, "hospital-a").get("/me/credit-accounts").json()["data"]
    assert [due["amount_fen"] for due in account["dues"]] == [30_000]
    assert lending.medbill("statement", "--line", line, expect=6)["code"] == "not_the_bearer"
    plan = {"plan_no": "lender-97", "instalments": [{"due": _day(30), "amount_fen": 30_000}]}
    status, answer = post(network, f"{path}/instalments", plan)
    assert (status, answer["code"]) == (422, "instalments_malformed")  # this product knows none
    repayment = {"repayment_no": "lender-97", "channel": "cash", "amount_fen": 10_000}
    assert post(network, f"{path}/repayments", repayment)[0] == 201
    (account,) = patient.at(network, "hospital-a").get("/me/credit-accounts").json()["data"]
    assert (account["owed_fen"], account["left_fen"]) == (20_000, 280_000)


def test_99_a_refund_restores_the_line_and_a_revoked_one_keeps_its_debt(lending: Lending) -> None:
    """60,000 drawn, 40,000 back by a red bill; stated once a day, repaid in part, put into instalments; ended with debt."""
    person, patient = "pseudonym-e9aa10", Patient("示例甲")
    line = lending.enrol(person, attested(person, 660))[1]["line"]
    signed = agreement(lending, line, patient, "lender-99")
    status, held = hold(lending, signed, 60_000)
    assert status == 201, held
    charge(lending, held["name"], "lender-99-1", 40_000)
    charge(lending, held["name"], "lender-99-2", 20_000)
    lending.network.until(lambda: _sums(lending, person, line) == (40_000, 60_000), "the archive has both")

    stated = lending.medbill("statement", "--all")
    assert (stated["stated"], stated["owed_fen"]) == (1, 60_000)
    assert stated["statements"][0]["line"] == line
    again = lending.medbill("statement", "--all")
    assert (again["stated"], again["owed_fen"], again["statements"][0]["repeated"]) == (1, 0, True)
    (due,) = lending.at(person).get(f"/credit-accounts/{line}").json()["dues"]
    assert due == {"due": stated["statements"][0]["due"], "amount_fen": 60_000}

    notices = patient.at(lending.network, "hospital-a").get("/me/fee-notices").json()["data"]
    (first,) = [row["notice"] for row in notices if row["total_fen"] == 40_000]
    red = reversed_by(lending.network, billed(lending.network, first))
    assert post(lending.network, f"/bills/{red}/refund", {})[0] == 201
    refunds = shown(lending.network, f"/bills/{red}/refund")["refunds"]
    assert [(row["channel"], row["amount_fen"]) for row in refunds] == [("credit", 40_000)]
    lending.network.until(lambda: _sums(lending, person, line) == (80_000, 20_000), "the line is restored")

    assert _repaid(lending, line, "HK-1", 20_001, expect=6)["code"] == "exceeds_debt"
    assert _repaid(lending, line, "HK-1", 5_000)["status"] == "recorded"
    assert _repaid(lending, line, "HK-1", 5_000)["repeated"] is True
    assert _repaid(lending, line, "HK-1", 6_000, expect=6)["code"] == "repayment_exists"
    assert _sums(lending, person, line) == (85_000, 15_000)

    plan = [{"due": _day(30), "amount_fen": 7_000}, {"due": _day(60), "amount_fen": 8_000}]
    staff, path = lending.staff(), f"/credit-accounts/{line}"
    short = staff.post(f"{path}/instalments", json={"plan_no": "FQ-0", "instalments": plan[:1]})
    assert short.json()["code"] == "instalments_malformed"
    answer = staff.post(f"{path}/instalments", json={"plan_no": "FQ-1", "instalments": plan})
    assert answer.status_code == 201, answer.text
    dues = lending.at(person).get(path).json()["dues"]
    assert [due["amount_fen"] for due in dues] == [7_000, 15_000]  # each with what was due before

    assert lending.at(OTHER).get(path).status_code == 404
    assert lending.at(OTHER).post(f"{path}/revocation", json={}).json()["code"] == "line_unknown"
    assert lending.at(person).post(f"{path}/repayments", json={}).json()["code"] == "role_forbidden"
    answer = lending.at(person).post(f"{path}/revocation", json={"reason": "revoked"})
    assert answer.status_code == 201, answer.text
    assert lending.medbill("revoke", "--line", line)["repeated"] is True
    assert lending.medbill("revoke", "--line", line, "--reason", "moved_away", expect=6)["code"] == "line_ended"
    status, answer = hold(lending, signed, 1)
    assert (status, answer["code"]) == (409, "line_ended")
    page = lending.at(person).get(path).json()
    assert (page["state"], page["reason"], page["owed_fen"]) == ("ended", "revoked", 15_000)
    status, answer = lending.enrol(person, attested(person, 800))
    assert (status, answer["code"]) == (409, "not_eligible")  # while something is owed
    assert _repaid(lending, line, "HK-2", 15_000)["status"] == "recorded"
    status, answer = lending.enrol(person, attested(person, 800))
    assert (status, answer["line"] != line) == (201, True)

    (second,) = [row["notice"] for row in notices if row["total_fen"] == 20_000]
    red = reversed_by(lending.network, billed(lending.network, second))
    assert post(lending.network, f"/bills/{red}/refund", {})[0] == 201
    lending.network.until(lambda: _surplus(lending, person, line) == 20_000, "what was repaid has come back")
    assert _paid_back(lending, line, "TK-1", 20_001, expect=6)["code"] == "exceeds_surplus"
    assert _paid_back(lending, line, "TK-1", 20_000)["status"] == "recorded"
    assert _paid_back(lending, line, "TK-1", 20_000)["repeated"] is True
    assert (_sums(lending, person, line), _surplus(lending, person, line)) == ((100_000, 0), 0)


def test_95_neither_score_nor_person_is_in_any_block_log_or_store(lending: Lending) -> None:
    """The last one, with the network at rest: all homes, the lender's own among them, and its log; blocks are read one by one."""
    operations = _opened(lending)
    assert len(operations) >= 2
    for operation in operations:
        fields = msgspec.structs.asdict(operation)
        assert set(fields) == {"line", "product", "version", "until_ms", "approval", "hospitals"}
        assert encode(650) not in encode(operation)
    lending.network.down()
    home, texts = lending.network.directory, [PERSON, OTHER, shown_attestation(), ATTESTATION_NO]
    assert scanner.find(home, texts) == []
    number = re.compile(rb"(?<![0-9A-Za-z])%d(?![0-9A-Za-z])" % UNUSUAL)
    places = [place for place, data in scanner.everything(home) if encode(UNUSUAL) in data or number.search(data)]
    assert places == []
    assert any("blocks/" in hit for hit in scanner.find(home, ["anxin"]))  # the control: what is there is found


def _opened(lending: Lending) -> list[OpenLine]:
    """What opened a line, of all blocks of the archive."""
    log = BlockLog.open_read_only(lending.network.node_home("archive") / "data" / "blocks")
    try:
        blocks = [decode(log.read(height), FinalBlock).block for height in range(1, log.height + 1)]
    finally:
        log.close()
    entries = [entry for block in blocks for transaction in block.transactions for entry in transaction.entries]
    return [entry.operation for entry in entries if isinstance(entry.operation, OpenLine)]


def _repaid(lending: Lending, line: str, number: str, amount_fen: int, expect: int = 0) -> dict[str, Any]:
    asked = ("--line", line, "--repayment", number, "--channel", "alipay", "--amount-fen", str(amount_fen))
    return dict(lending.medbill("repay", *asked, expect=expect))


def _paid_back(lending: Lending, line: str, number: str, amount_fen: int, expect: int = 0) -> dict[str, Any]:
    asked = ("--line", line, "--payback", number, "--channel", "alipay", "--amount-fen", str(amount_fen))
    return dict(lending.medbill("payback", *asked, expect=expect))


def _surplus(lending: Lending, person: str, line: str) -> int:
    return int(lending.at(person).get(f"/credit-accounts/{line}").json()["surplus_fen"])


def _sums(lending: Lending, person: str, line: str) -> tuple[int, int]:
    """What is left of a line, and what is owed, as the person sees it; holds of this file are released or captured."""
    page = lending.at(person).get(f"/credit-accounts/{line}").json()
    return page["left_fen"], page["owed_fen"]


def _with_score(attestation: str, score: int) -> str:
    """The same signature over another score."""
    header, payload, signature = attestation.split(".")
    claims = json.loads(base64.urlsafe_b64decode(payload + "=="))
    return f"{header}.{_base64url(json.dumps({**claims, 'score': score}).encode())}.{signature}"


def _day(days: int) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(time.time() + days * 86_400))
