"""`medbill credit` and `medbill lender`: what they send, print and exit with; products in files."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from api.auth import TokenVerifier, load_issuers, service_audience
from api.intake.errors import FormatRefused
from api.schemas import lending_examples as examples
from api.schemas.requests import InstalmentsRequest
from chain.records import HOSPITAL_BEARS, LENDER
from cli.formats.credit_product import read
from node.home import NetworkHome
from node.network_file import load_network_file
from tests.cli.conftest import Ran
from tests.cli.nodes import Asked, FakeNode, problem
from tests.house.project import ROOT

Medbill = Callable[..., Ran]
SAMPLES = ROOT / "samples" / "credit"
LINE = examples.LINE["line"]
ACCOUNT = f"/v1/credit-accounts/{LINE}"
BANK = "insurer-a"  # whatever organisation of the example has keys and believes itself stands for the lender here


@pytest.fixture
def service(home: Path) -> Iterator[FakeNode]:
    """The lender's service: it takes tokens that were made for it, and no others."""
    fake = FakeNode()
    issuers = load_issuers(NetworkHome(home).organisation(BANK).token_issuers.read_bytes())
    fake.verifier = TokenVerifier(issuers, service_audience(load_network_file(home).chain_id, BANK))
    with fake.serving():
        yield fake


def own(home: Path, service: FakeNode) -> tuple[str, ...]:
    return ("--organisation", BANK, "--home", str(home), "--service", f"http://127.0.0.1:{service.port}")


def answering(service: FakeNode, path: str, body: Any, status: int = 201) -> None:
    service.answers["POST", path] = lambda asked: (status, body)


# ── products in files ────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_samples_are_the_seeds_products() -> None:
    """FEATURES 95, 97: 650 and CNY 1,000 with the lender; CNY 3,000, daily at 20:00, with the hospital."""
    anxin, risk = read(SAMPLES / "anxin.json"), read(SAMPLES / "hospital-risk.json")
    terms = anxin.terms
    assert (terms.score_min, terms.line_fen, terms.visit_cap_fen, terms.bearer) == (650, 100_000, 100_000, LENDER)
    assert terms.emergency_fen > 0
    terms = risk.terms
    assert (terms.line_fen, terms.bearer) == (300_000, HOSPITAL_BEARS)
    assert (terms.statement_day, terms.statement_minute) == (0, 20 * 60)


@pytest.mark.parametrize(
    ("member", "value", "code"),
    [
        ("score_min", None, "member_missing"),
        ("score_min", "650", "wrong_type"),
        ("score_min", True, "wrong_type"),
        ("score_min", 650.5, "wrong_type"),
        ("score_min", -1, "field_refused"),
        ("line", "1000.001", "field_refused"),
        ("line", "-1.00", "field_refused"),
        ("line", "much", "wrong_type"),
        ("bearer", "bank", "field_refused"),
        ("product", "An Xin", "field_refused"),
        ("statement_day", 29, "field_refused"),
        ("statement_day", "weekly", "wrong_type"),
        ("statement_time", "24:00", "field_refused"),
        ("hold", "a month", "field_refused"),
        ("due_days", 0, "field_refused"),
    ],
)
def test_what_a_file_says_wrong_is_named(tmp_path: Path, member: str, value: Any, code: str) -> None:
    document = json.loads((SAMPLES / "anxin.json").read_text("utf-8"))
    document[member] = value
    if value is None:
        del document[member]
    file = tmp_path / "product.json"
    file.write_text(json.dumps(document), "utf-8")
    with pytest.raises(FormatRefused) as refusal:
        read(file)
    assert (refusal.value.code, refusal.value.pointer) == (code, f"/{member}")


def test_a_product_is_published_as_its_next_version(medbill: Medbill, home: Path, node: FakeNode) -> None:
    sent: list[bytes] = []

    def take(asked: Asked) -> tuple[int, Any]:
        sent.append(asked.body)
        return 200, {"outcomes": [{"index": 0, "status": "recorded", "height": 7}]}

    node.answers["GET", "/v1/network"] = lambda asked: (
        200,
        {"chain_id": load_network_file(home).chain_id, "head": {"height": 5}},
    )
    node.answers["POST", "/v1/transactions"] = take
    product = f"/v1/credit-products/{BANK}/anxin"
    node.answers["GET", product] = lambda asked: (404, problem("product_unknown", 404))
    publish = ("credit", "product", "publish", SAMPLES / "anxin.json", "--organisation", BANK, "--home", home)
    assert medbill(*publish).code == 0
    node.answers["GET", product] = lambda asked: (200, {**examples.PRODUCT, "newest": 4})
    ran = medbill(*publish, "--json")
    assert (ran.code, ran.document["height"]) == (0, 7)

    from chain.codec import decode
    from chain.transaction import Transaction

    operations: list[Any] = [decode(data, Transaction).entries[0].operation for data in sent]
    assert [(operation.product, operation.version) for operation in operations] == [("anxin", 1), ("anxin", 5)]
    wrong = home / "wrong.json"
    wrong.write_text("{}")
    assert medbill("credit", "product", "publish", wrong, "--organisation", BANK, "--home", home).code == 2


def test_a_product_is_shown(medbill: Medbill, home: Path, node: FakeNode) -> None:
    node.answers["GET", f"/v1/credit-products/{BANK}/anxin"] = lambda asked: (200, examples.PRODUCT)
    show = ("credit", "product", "show", "--organisation", BANK, "--home", home, "--product")
    ran = medbill(*show, "anxin", "--version", 1, "--json")
    assert (ran.code, ran.document["terms"]["score_min"]) == (0, 650)
    assert node.asked[-1].query == {"version": "1"}
    assert "650" in medbill(*show, "anxin").out
    assert medbill(*show, "other").code == 4


# ── at the service ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_enrolling_reads_its_secrets_from_files(
    medbill: Medbill, home: Path, service: FakeNode, tmp_path: Path
) -> None:
    token, attestation = tmp_path / "token", tmp_path / "attestation"
    made = medbill(
        *("token", "issue", "--organisation", "finance-city", "--role", "patient", "--subject", "pseudonym-1"),
        *("--id-number", "SYNTHETIC-1", "--name", "Somebody", "--at", BANK, "--home", home, "--json"),
    )
    assert made.code == 0, made.err
    token.write_text(made.document["token"] + "\n")
    attestation.write_text("a.b.c\n")
    answering(service, "/v1/credit-accounts", examples.LINE)
    enrol = ("credit", "enrol", "--product", "anxin", "--attestation", attestation, "--token", token)
    enrol = (*enrol, "--hospital", "hospital-a", "--hospital", "hospital-b")
    enrol = (*enrol, "--service", f"http://127.0.0.1:{service.port}")
    ran = medbill(*enrol, "--json")
    assert (ran.code, ran.document["line_fen"]) == (0, 100_000), ran.err
    assert service.asked[-1].body == {
        "product": "anxin",
        "attestation": "a.b.c",
        "hospitals": ["hospital-a", "hospital-b"],
    }
    assert service.asked[-1].reader is not None
    assert (service.asked[-1].reader.subject, service.asked[-1].reader.role) == ("pseudonym-1", "patient")
    assert "left_fen" in medbill(*enrol).out

    answering(service, "/v1/credit-accounts", problem("not_eligible", 409), 409)
    ran = medbill(*enrol, "--json")
    assert (ran.code, ran.document["code"]) == (6, "not_eligible")
    assert "a.b.c" not in ran.out + ran.err
    for content in (b"", b"\xff", b"x" * 9_000, b"a\nb"):
        attestation.write_bytes(content)
        assert medbill(*enrol).code == 2


def test_repaying_and_revoking_are_asked_as_the_lenders_own_people(
    medbill: Medbill, home: Path, service: FakeNode
) -> None:
    answering(service, f"{ACCOUNT}/repayments", examples.REPAID)
    answering(service, f"{ACCOUNT}/revocation", examples.ACTED)
    repay = ("credit", "repay", "--line", LINE, "--repayment", "HK-1", "--channel", "alipay", "--amount-fen", 500)
    ran = medbill(*repay, *own(home, service), "--json")
    assert (ran.code, ran.document["amount_fen"]) == (0, 20_000), ran.err
    assert service.asked[-1].body == {"repayment_no": "HK-1", "channel": "alipay", "amount_fen": 500}
    reader = service.asked[-1].reader
    assert reader is not None
    assert (reader.organisation, reader.role) == (BANK, "operator")
    assert medbill("credit", "revoke", "--line", LINE, *own(home, service)).code == 0
    assert service.asked[-1].body == {"reason": "revoked"}
    answering(service, f"{ACCOUNT}/repayments", problem("exceeds_debt", 409), 409)
    assert medbill(*repay, *own(home, service)).code == 6
    assert medbill("credit", "revoke", "--line", "0" * 64, *own(home, service)).code == 4


def test_what_a_line_has_too_much_is_paid_back(medbill: Medbill, home: Path, service: FakeNode) -> None:
    answering(service, f"{ACCOUNT}/paybacks", examples.PAID_BACK)
    payback = ("credit", "payback", "--line", LINE, "--payback", "TK-1", "--channel", "alipay", "--amount-fen", 500)
    ran = medbill(*payback, *own(home, service), "--json")
    assert (ran.code, ran.document["amount_fen"]) == (0, 5_000), ran.err
    assert service.asked[-1].body == {"payback_no": "TK-1", "channel": "alipay", "amount_fen": 500}
    answering(service, f"{ACCOUNT}/paybacks", problem("exceeds_surplus", 409), 409)
    assert medbill(*payback, *own(home, service)).code == 6


def test_instalments_are_days_with_yuan(medbill: Medbill, home: Path, service: FakeNode) -> None:
    answering(service, f"{ACCOUNT}/instalments", examples.STATED)
    agree = ("credit", "instalments", "--line", LINE, "--plan", "FQ-1", *own(home, service))
    ran = medbill(*agree, "--instalment", "2030-01-31=1,000.00", "--instalment", "2030-02-28=0.05", "--json")
    assert (ran.code, ran.document["status"]) == (0, "recorded"), ran.err
    assert service.asked[-1].body == {
        "plan_no": "FQ-1",
        "instalments": [{"due": "2030-01-31", "amount_fen": 100_000}, {"due": "2030-02-28", "amount_fen": 5}],
    }
    msgspec.convert(service.asked[-1].body, InstalmentsRequest)
    for wrong in ((), ("--instalment", "2030-01-31"), ("--instalment", "2030-01-31=1000"), ("--instalment", "=1.00")):
        assert medbill(*agree, *wrong).code == 2
    answering(service, f"{ACCOUNT}/instalments", problem("nothing_owed", 409), 409)
    assert medbill(*agree, "--instalment", "2030-01-31=1.00").code == 6


def test_statements_of_all_are_gathered_part_by_part(medbill: Medbill, home: Path, service: FakeNode) -> None:
    refused = {"line": "cd" * 32, "status": "refused", "code": "owed_differs", "amount_fen": 7}
    before = {"line": "ef" * 32, "status": "recorded", "repeated": True}
    parts = {
        None: {**examples.STATEMENTS, "next": "a b/c"},
        "a b/c": {"statements": [before], "counts": {}, "owed_fen": 0, "next": None},
    }
    service.answers["POST", "/v1/credit-statements"] = lambda asked: (200, parts[asked.query.get("after")])
    ran = medbill("credit", "statement", "--all", *own(home, service), "--json")
    assert (ran.code, ran.document["stated"], ran.document["owed_fen"]) == (0, 2, 49_430), ran.err
    parts["a b/c"]["statements"] = [refused]
    ran = medbill("credit", "statement", "--all", *own(home, service))
    assert ran.code == 6
    assert "1 stated, 1 refused, 49430 fen owed" in ran.out

    answering(service, f"{ACCOUNT}/statements", examples.STATED)
    assert medbill("credit", "statement", "--line", LINE, *own(home, service)).code == 0
    for wrong in ((), ("--all", "--line", LINE)):
        assert medbill("credit", "statement", *wrong, *own(home, service)).code == 2


def test_a_service_that_is_not_there_is_exit_5_and_no_token_goes_in_clear(medbill: Medbill, home: Path) -> None:
    revoke = ("credit", "revoke", "--line", LINE, "--organisation", BANK, "--home", home, "--service")
    assert medbill(*revoke, "http://127.0.0.1:1").code == 5
    for url in ("http://lender.example", "ftp://127.0.0.1", "lender"):
        assert medbill(*revoke, url).code == 2


def test_a_lender_without_score_providers_does_not_serve(medbill: Medbill, home: Path) -> None:
    serve = ("lender", "serve", "--organisation", BANK, "--home", home, "--json")
    ran = medbill(*serve)
    assert (ran.code, ran.document["code"]) == (2, "file_unreadable")
    providers = NetworkHome(home).organisation(BANK).score_providers
    providers.write_text("[]")
    ran = medbill(*serve)
    assert (ran.code, ran.document["code"]) == (2, "config_refused")
    assert not NetworkHome(home).organisation(BANK).credit_book.exists()
