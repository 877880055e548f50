"""The scene of a visit on credit: a score provider's word opens a line, steps are deducted without a cashier, an emergency has its own.

The score provider is a key of this scene: what it signs is what a provider's own software would sign.
"""

from __future__ import annotations

import base64
import contextlib
import json
import secrets
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

from chain.signature import SigningKey
from cli.demo.stage import SceneFailed, Stage, expect
from cli.output import yuan

LENDER, HOSPITAL, SIGN_ON = "lender-a", "hospital-a", "finance-city"  # whose people they are to the lender
PRODUCT, LINE_FEN = "anxin", 100_000
STEPS = (("consultation", 5_000), ("test", 18_000), ("drug", 26_430))
TOO_MUCH_FEN, EMERGENCY_FEN = 60_000, 50_000
PAYER = {"type": "person", "name": "周予安", "id_type": "01", "id_number": "331002199106020048"}
STARTS_S = 30


def visit_on_credit(stage: Stage) -> str:
    home = ("--home", str(stage.home))
    own = ("--organisation", LENDER, *home)
    stage.medbill("credit", "product", "publish", str(stage.samples / "credit" / f"{PRODUCT}.json"), *own)
    scorer = SigningKey.from_seed(secrets.token_bytes(32))
    _know(stage, scorer)
    with _lender(stage) as url:
        person = secrets.token_hex(8)  # a pseudonym; the sign-on alone knows whose
        refused = _enrol(stage, url, scorer, person, 649, expect_code=6)
        expect(refused["code"], "not_eligible")
        line = _enrol(stage, url, scorer, person, 650)
    expect(line["line_fen"], LINE_FEN)

    there = (*home, "--via", HOSPITAL)
    payer = ("--payer", stage.file("payer", PAYER))
    of = ("--lender", LENDER, "--line", line["line"], "--cap", yuan(LINE_FEN))
    agreement = ("--number", "demo-credit", *of, "--consent", "demo-consent", *payer)
    signed = stage.medbill("credit", "agreement", "sign", *agreement, *there)["name"]

    def opened(number: str, kind: str, cap_fen: int, *more: str, expect: int = 0) -> Any:
        wish = ("--number", number, "--kind", kind, "--cap", yuan(cap_fen), "--agreement", signed)
        return stage.medbill("visit", "open", *wish, *more, *payer, *there, expect=expect)

    def charged(number: str, kind: str, amount_fen: int, expect: int = 0) -> Any:
        step = {"charge_no": number, "lines": [{"kind": kind, "amount_fen": amount_fen}]}
        return stage.medbill("visit", "charge", visit, stage.file(number, step), *there, expect=expect)

    visit = opened("demo-visit", "outpatient", LINE_FEN)["name"]
    started = time.monotonic()
    for number, (kind, amount_fen) in enumerate(STEPS):
        charged(f"demo-step-{number}", kind, amount_fen)
    seconds = time.monotonic() - started
    expect(charged("demo-step-x", "drug", TOO_MUCH_FEN, expect=6)["code"], "credit_line_exceeded")
    used_fen = sum(amount_fen for _kind, amount_fen in STEPS)
    stage.medbill("visit", "close", visit, "--bill", stage.file("visit-bill", _bill(used_fen)), *there)
    page = stage.until(lambda: _closed(stage, visit), "the visit's bill follows")
    stage.count(HOSPITAL, used_fen)
    expect((page["charged_fen"], page["left_fen"]), (used_fen, LINE_FEN - used_fen))

    refused = opened("demo-visit-2", "outpatient", TOO_MUCH_FEN, expect=6)
    expect(refused["code"], "credit_line_exceeded")
    opened("demo-emergency", "emergency", EMERGENCY_FEN, "--declared-by", "急诊医生01")
    stage.measured["a visit's step on credit, recorded"] = (
        f"{seconds / len(STEPS) * 1000:.0f} ms (start of the command included)"
    )
    steps = " + ".join(yuan(fen) for _kind, fen in STEPS)
    return (
        f"649: not_eligible; 650: a line of {yuan(LINE_FEN)}; {steps} deducted without a cashier, bill {page['bill_id']}; "
        f"{yuan(TOO_MUCH_FEN)} more: credit_line_exceeded; an emergency of {yuan(EMERGENCY_FEN)}: open"
    )


def _closed(stage: Stage, visit: str) -> Any:
    page = stage.medbill("visit", "show", visit, "--home", str(stage.home), "--via", HOSPITAL, show=False)
    return page if page["bill_id"] is not None else None


def _bill(total_fen: int) -> dict[str, Any]:
    charges = [{"code": "09", "name": "门诊费用", "amount_fen": total_fen}]
    return {"kind": "outpatient", "place_code": "A01", "cashier": "自助机01", "charges": charges}


# ── the lender's service, and the score provider ─────────────────────────────────────────────────────────────────────


def _know(stage: Stage, scorer: SigningKey) -> None:
    """The lender knows the score provider's key."""
    from api.auth import public_jwk

    file = stage.home / "organisations" / LENDER / "score-providers.json"
    stage.say(f"a score provider signs with a key that {LENDER} has in {file}")
    file.write_text(json.dumps([{"name": "scorer", "key": public_jwk(scorer.public)}]))


@contextlib.contextmanager
def _lender(stage: Stage) -> Iterator[str]:
    """`medbill lender serve` as a process of its own; its address."""
    words = ("lender", "serve", "--organisation", LENDER, "--home", str(stage.home), "--port", "0")
    stage.say("$ " + shlex.join(["medbill", *words]) + " &")
    log = stage.directory / "lender.log"
    with (
        log.open("ab") as errors,
        subprocess.Popen(
            [sys.executable, "-m", "cli.main", *words],
            stdout=subprocess.PIPE, stderr=errors, stdin=subprocess.DEVNULL, text=True,
        ) as process,
    ):  # fmt: skip
        assert process.stdout is not None
        try:
            line = process.stdout.readline()
            if " serves at http" not in line:
                raise SceneFailed(f"the lender's service does not start: see {log}")
            yield line.split()[-1]
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(STARTS_S)


def _enrol(stage: Stage, url: str, scorer: SigningKey, person: str, score: int, expect_code: int = 0) -> Any:
    token, attestation = stage.directory / "person.token", stage.directory / f"score-{score}.jws"
    who = ("--organisation", SIGN_ON, "--role", "patient", "--subject", person, "--home", str(stage.home))
    token.write_text(stage.medbill("token", "issue", *who, "--at", LENDER, show=False)["token"])
    attestation.write_text(_attested(scorer, person, score))
    files = ("--attestation", str(attestation), "--token", str(token))
    return stage.medbill(
        "credit", "enrol", "--product", PRODUCT, "--hospital", HOSPITAL, *files, "--service", url, expect=expect_code
    )


def _attested(scorer: SigningKey, person: str, score: int) -> str:
    """A compact JWS, as a score provider gives it to the person for this lender alone."""
    from joserfc import jws
    from joserfc.jwk import OKPKey

    from api.auth import public_jwk

    secret: Any = {**public_jwk(scorer.public), "d": base64.urlsafe_b64encode(scorer.seed).rstrip(b"=").decode()}
    claims = {
        "iss": "scorer", "sub": person, "aud": LENDER, "jti": secrets.token_hex(8), "exp": int(time.time()) + 600,
        "score": score, "identity_level": 2,
    }  # fmt: skip
    key = OKPKey.import_key(secret)
    signed: str = jws.serialize_compact({"alg": "Ed25519"}, json.dumps(claims), key, algorithms=["Ed25519"])
    return signed
