"""Who may do what: tokens that hold and do not, and the whole table of roles and paths."""

from __future__ import annotations

import base64
import json
from typing import Any

import msgspec
import pytest
from joserfc import jwt
from joserfc.jwk import OctKey, OKPKey
from starlette.testclient import TestClient

from api.auth import (
    LIFETIME_S_MAX,
    ROLES,
    TOKENS_REMEMBERED_MAX,
    TokenVerifier,
    issue_token,
    load_issuers,
    public_jwk,
)
from api.errors import ConfigRefused, TokenRefused
from api.policy import POLICIES
from api.route import GATEWAY, INSURER, LENDER, MIRROR
from api.routes import ROUTES
from api.schemas import examples
from chain.signature import SigningKey
from node.token_issuers import TokenIssuer, organisation_issuer
from tests.api.conftest import FOREIGN_KEY, KEY, NOW_S, ORGANISATIONS, bearer, bill, problem, serve, token, verifier
from tests.api.fake_desk import CHAIN_ID, FakeDesk, FakeGateway, FakeInsurer, FakeLender, FakeMirror

TAMPERED = token("cashier", "hospital-a")[:-4] + "AAAA"


def signed(claims: dict[str, Any], alg: str = "Ed25519") -> str:
    private: Any = {**public_jwk(KEY.public), "d": base64.urlsafe_b64encode(KEY.seed).rstrip(b"=").decode()}
    return jwt.encode({"alg": alg}, claims, OKPKey.import_key(private), algorithms=[alg])


CLAIMS: dict[str, Any] = {
    "iss": "province",
    "sub": "person-1",
    "org": "hospital-a",
    "role": "cashier",
    "aud": CHAIN_ID,
    "iat": NOW_S,
    "exp": NOW_S + 600,
}


def without(name: str) -> dict[str, Any]:
    return {key: value for key, value in CLAIMS.items() if key != name}


def unsigned() -> str:
    parts = [json.dumps({"alg": "none"}), json.dumps(CLAIMS)]
    return ".".join(base64.urlsafe_b64encode(part.encode()).rstrip(b"=").decode() for part in parts) + "."


REFUSED = {
    "nothing like a token": "x",
    "two dots": "..",
    "not base64": "a.!.c",
    "tampered": TAMPERED,
    "by a foreign key under a known name": token("cashier", "hospital-a", key=FOREIGN_KEY),
    "by an unknown issuer": token("cashier", "hospital-a", issuer="elsewhere"),
    "for another ledger": token("cashier", "hospital-a", chain_id="00" * 32),
    "for an organisation that the issuer may not speak for": token("cashier", "hospital-z"),
    "unsigned": unsigned(),
    "signed with the public key as a secret": jwt.encode({"alg": "HS256"}, CLAIMS, OctKey.import_key(KEY.public)),
    "without a subject": signed(without("sub")),
    "without an issuing time": signed(without("iat")),
    "without an end": signed(without("exp")),
    "living longer than 12 hours": signed({**CLAIMS, "exp": NOW_S + LIFETIME_S_MAX + 1}),
    "issued in the future": signed({**CLAIMS, "iat": NOW_S + 3600, "exp": NOW_S + 7200}),
    "ending before it begins": signed({**CLAIMS, "exp": NOW_S - 1}),
    "with a role that does not exist": signed({**CLAIMS, "role": "root"}),
    "with a time that is text": signed({**CLAIMS, "exp": "never"}),
    "far too long": "a." + "b" * 100_000 + ".c",
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_token_that_proves_nothing_is_refused(name: str, gateway: TestClient) -> None:
    answer = gateway.post("/v1/bills", json=bill(), headers={"Authorization": f"Bearer {REFUSED[name]}"})
    problem(answer, 401, "token_invalid")
    assert answer.headers["www-authenticate"].startswith('Bearer realm="medbill", error="invalid_token"')


def test_an_expired_token_is_told_from_a_false_one(gateway: TestClient) -> None:
    expired = bearer("cashier", "hospital-a", now_s=NOW_S - 7200)
    problem(gateway.post("/v1/bills", json=bill(), headers=expired), 401, "token_expired")


def test_a_remembered_token_expires_too() -> None:
    now = [NOW_S]
    issuer = TokenIssuer("province", public_jwk(KEY.public), ORGANISATIONS, list(ROLES))
    tokens = TokenVerifier([issuer], CHAIN_ID, lambda: now[0])
    text = token("cashier", "hospital-a")
    assert tokens.verify(text).role == "cashier"
    now[0] += 3600
    for _ in range(2):
        with pytest.raises(TokenRefused) as refusal:
            tokens.verify(text)
        assert refusal.value.code == "token_expired"


def test_few_tokens_are_remembered() -> None:
    tokens = verifier()
    for place in range(TOKENS_REMEMBERED_MAX + 10):
        tokens.verify(token("cashier", "hospital-a", subject=f"person-{place}"))
    assert len(tokens._checked) == TOKENS_REMEMBERED_MAX


def test_without_a_token_the_challenge_names_no_error(gateway: TestClient) -> None:
    """RFC 6750, 3.1."""
    answer = gateway.post("/v1/bills", json=bill())
    problem(answer, 401, "token_missing")
    assert answer.headers["www-authenticate"] == 'Bearer realm="medbill"'
    basic = gateway.post("/v1/bills", json=bill(), headers={"Authorization": "Basic eDp5"})
    problem(basic, 401, "token_invalid")


@pytest.mark.filterwarnings("ignore:EdDSA is deprecated")
def test_both_names_of_the_algorithm_are_taken() -> None:
    """RFC 9864 renamed EdDSA; sign-ons still write the old name."""
    for alg in ("Ed25519", "EdDSA"):
        assert verifier().verify(signed(CLAIMS, alg)).organisation == "hospital-a"
    assert verifier().verify(signed({**CLAIMS, "aud": ["other", CHAIN_ID]})).subject == "person-1"


def test_an_issuer_gives_only_its_own_roles() -> None:
    """A hospital's key makes no auditor."""
    issuer = TokenIssuer("hospital-a", public_jwk(KEY.public), ["hospital-a"], ["cashier"])
    tokens = TokenVerifier([issuer], CHAIN_ID, lambda: NOW_S)
    assert tokens.verify(token("cashier", "hospital-a", issuer="hospital-a"))
    with pytest.raises(TokenRefused):
        tokens.verify(token("auditor", "hospital-a", issuer="hospital-a"))


def test_what_init_writes_is_what_is_read() -> None:
    issuer = organisation_issuer("hospital-a", "hospital", KEY.public)
    (read,) = load_issuers(msgspec.json.encode([issuer]))
    reader = TokenVerifier([read], CHAIN_ID, lambda: NOW_S).verify(token("cashier", "hospital-a", issuer="hospital-a"))
    assert (reader.organisation, reader.role) == ("hospital-a", "cashier")


def test_issuers_that_cannot_be_right_stop_the_start() -> None:
    good = {"name": "a", "key": public_jwk(KEY.public), "organisations": ["a"], "roles": ["cashier"]}
    secret = {**public_jwk(KEY.public), "d": "AA"}
    small_order = public_jwk(b"\x01" + b"\x00" * 31)
    bad = [
        [good, good],
        [{**good, "roles": ["root"]}],
        [{**good, "key": secret}],
        [{**good, "key": {}}],
        [{**good, "key": small_order}],
        [{**good, "more": 1}],
        {"name": "a"},
    ]
    assert TokenVerifier(load_issuers(json.dumps([good]).encode()), CHAIN_ID)
    for entries in bad:
        with pytest.raises(ConfigRefused):
            TokenVerifier(load_issuers(json.dumps(entries).encode()), CHAIN_ID)


def test_no_token_is_issued_that_would_be_refused() -> None:
    for role, lifetime_s in (("root", 60), ("cashier", 0), ("cashier", LIFETIME_S_MAX + 1)):
        with pytest.raises(ValueError, match=r"role|lives"):
            issue_token(
                SigningKey.from_seed(b"\x33" * 32),
                issuer="x",
                chain_id=CHAIN_ID,
                subject="s",
                organisation="o",
                role=role,
                lifetime_s=lifetime_s,
            )


# Written out by hand, and not derived from the table that it checks: path -> readers who are let in, as role@organisation.
EVERYBODY = {f"{role}@{where}" for role in ROLES for where in ("home", "elsewhere")} | {"nobody"}


def anywhere(*roles: str) -> set[str]:
    return {f"{role}@{where}" for role in roles for where in ("home", "elsewhere")}


CATALOGUE_READERS = (
    "cashier", "hospital_admin", "finance_clerk", "auditor", "insurer_clerk", "employer_clerk", "operator"
)  # fmt: skip

READERS = ("cashier", "hospital_admin", "finance_clerk", "auditor", "patient", "insurer_clerk", "employer_clerk")
DESK = {"cashier@home", "hospital_admin@home"}
ADMITTED = {
    "POST /v1/bills": {"cashier@home", "hospital_admin@home"},
    "POST /v1/bills:batch": {"cashier@home", "hospital_admin@home"},
    "POST /v1/bills/{bill_id}/reversal": {"cashier@home", "hospital_admin@home"},
    "POST /v1/bills/{bill_id}/correction": {"cashier@home", "hospital_admin@home"},
    "POST /v1/bills/{bill_id}/void": {"cashier@home", "hospital_admin@home"},
    "POST /v1/bills/{bill_id}/deliveries": {"cashier@home", "hospital_admin@home"},
    "POST /v1/bills/{bill_id}/arrears": {"cashier@home", "hospital_admin@home"},
    "POST /v1/bills/{bill_id}/make-up-payment": {"cashier@home", "hospital_admin@home"},
    "POST /v1/bills/{bill_id}/payer": {"cashier@home", "hospital_admin@home"},
    "POST /v1/bills/{bill_id}/paper-copies": {"cashier@home", "hospital_admin@home"},
    "POST /v1/bills/{bill_id}/paper-copies:end": {"cashier@home", "hospital_admin@home"},
    "POST /v1/paper-forms:void": {"cashier@home", "hospital_admin@home"},
    "GET /v1/bills/{bill_id}": anywhere(*READERS),
    "GET /v1/bills": anywhere(*READERS),
    "GET /v1/bills/{bill_id}/history": anywhere(*READERS),
    "GET /v1/bills/{bill_id}/proof": EVERYBODY,
    "GET /v1/bills/{bill_id}/version": anywhere(*READERS),
    "GET /v1/me/bills": anywhere("patient"),
    "POST /v1/me/bills": anywhere("patient"),
    "GET /v1/bills/{bill_id}/lookups": anywhere("cashier", "hospital_admin", "patient"),
    "POST /v1/bills/{bill_id}/disputes": anywhere("patient"),
    "POST /v1/bills/{bill_id}/disputes:settle": {"finance_clerk@home"},
    "GET /v1/disputes": {*anywhere("auditor"), "finance_clerk@home"},
    "GET /v1/me/grants": anywhere("patient"),
    "POST /v1/me/grants": anywhere("patient"),
    "POST /v1/me/grants/{grant}/revocation": anywhere("patient"),
    "GET /v1/me/accesses": anywhere("patient"),
    "GET /v1/me/proxies": anywhere("patient"),
    "POST /v1/me/proxies": anywhere("patient"),
    "POST /v1/me/proxies/{proxy}/end": anywhere("patient"),
    "POST /v1/proxies": {"finance_clerk@home"},
    "POST /v1/proxies/{proxy}/end": {"finance_clerk@home"},
    "GET /v1/audit/accesses": {*anywhere("auditor"), "finance_clerk@home"},
    "GET /v1/audit/accesses/anchor": {*anywhere("auditor"), "finance_clerk@home"},
    "POST /v1/audit/accesses:anchor": {*anywhere("auditor"), "finance_clerk@home"},
    "GET /v1/claims/{claim}/evidence": anywhere("insurer_clerk", "operator", "auditor"),
    "GET /v1/claims": anywhere("insurer_clerk", "operator", "auditor"),
    "GET /v1/claims/{claim}": anywhere("insurer_clerk", "operator", "auditor"),
    "POST /v1/claims:foresee": anywhere("insurer_clerk"),
    "GET /v1/claim-terms": EVERYBODY,
    "POST /v1/claims:check": anywhere("patient"),
    "POST /v1/claims:batch": anywhere("patient"),
    "POST /v1/bills/{bill_id}/accounting": anywhere(
        "insurer_clerk", "employer_clerk", "hospital_admin", "finance_clerk", "operator"
    ),
    "POST /v1/verifications:batch": anywhere(
        "insurer_clerk", "employer_clerk", "hospital_admin", "finance_clerk", "auditor", "operator"
    ),
    "GET /v1/operations/{digest}/proof": anywhere(*READERS, "operator"),
    "GET /v1/bills/{bill_id}/fhir": EVERYBODY,
    "GET /v1/bills/{bill_id}/face": EVERYBODY,
    "GET /v1/bills/{bill_id}/payer/proof": EVERYBODY,
    "POST /v1/fee-notices": DESK,
    "GET /v1/fee-notices/{name}": {*DESK, *anywhere("patient")},
    "GET /v1/me/fee-notices": anywhere("patient"),
    "POST /v1/fee-notices/{name}/withdrawal": DESK,
    "POST /v1/fee-notices/{name}/refund": DESK,
    "POST /v1/payment-orders": {*DESK, *anywhere("patient")},
    "GET /v1/payment-orders/{name}": {*DESK, *anywhere("patient")},
    "POST /v1/payment-orders/{name}/payments": DESK,
    "POST /v1/payment-orders/{name}/invitations": {*DESK, *anywhere("patient")},
    "POST /v1/channel-notices/{channel}": EVERYBODY,
    "GET /v1/channels/{channel}/lines": {"hospital_admin@home", "operator@home"},
    "GET /v1/channels/{channel}/statement": {"hospital_admin@home", "operator@home"},
    "POST /v1/payment-orders/{name}/closure": {*DESK, *anywhere("patient")},
    "POST /v1/bills/{bill_id}/refund": DESK,
    "GET /v1/bills/{bill_id}/refund": DESK,
    "POST /v1/deposits": DESK,
    "GET /v1/deposits/{name}": {*DESK, *anywhere("patient")},
    "GET /v1/me/deposits": anywhere("patient"),
    "POST /v1/deposits/{name}/invitations": {*DESK, *anywhere("patient")},
    "POST /v1/deposits/{name}/payments": DESK,
    "POST /v1/deposits/{name}/use": DESK,
    "POST /v1/deposits/{name}/settlement": DESK,
    "POST /v1/schedules": {"hospital_admin@home"},
    "GET /v1/schedules": {*DESK, *anywhere("patient")},
    "GET /v1/schedules/{name}": {*DESK, *anywhere("patient")},
    "POST /v1/schedules/{name}/stop": {"hospital_admin@home"},
    "POST /v1/schedules/{name}/substitution": {"hospital_admin@home"},
    "POST /v1/appointments": {*DESK, *anywhere("patient")},
    "GET /v1/appointments/{name}": {*DESK, *anywhere("patient")},
    "GET /v1/me/appointments": anywhere("patient"),
    "POST /v1/appointments/{name}/fee": {*DESK, *anywhere("patient")},
    "POST /v1/appointments/{name}/confirmation": {*DESK, *anywhere("patient")},
    "POST /v1/appointments/{name}/cancellation": {*DESK, *anywhere("patient")},
    "POST /v1/appointments/{name}/check-in": {*DESK, *anywhere("patient")},
    "POST /v1/appointments/{name}/miss": DESK,
    "POST /v1/visits": DESK,
    "GET /v1/visits/{name}": {*DESK, *anywhere("patient")},
    "GET /v1/me/visits": anywhere("patient"),
    "GET /v1/visits/{name}/timeline": {*DESK, *anywhere("patient")},
    "POST /v1/visits/{name}/stamps": DESK,
    "POST /v1/visits/{name}/charges": DESK,
    "POST /v1/visits/{name}/close": DESK,
    "POST /v1/payees": {"hospital_admin@home"},
    "GET /v1/payees": {*DESK, *anywhere("auditor")},
    "GET /v1/payees/{name}": {*DESK, *anywhere("auditor")},
    "GET /v1/payees/{name}/history": {*DESK, *anywhere("auditor")},
    "POST /v1/payees/{name}/suspension": {"hospital_admin@home"},
    "POST /v1/payees/{name}/resumption": {"hospital_admin@home"},
    "POST /v1/payees/{name}/payouts": {"hospital_admin@home"},
    "POST /v1/payees/{name}/debt-payments": {"hospital_admin@home"},
    "POST /v1/split-rules": {"hospital_admin@home"},
    "GET /v1/split-rules/{rules}/{version}": {*DESK, *anywhere("auditor")},
    "POST /v1/supervised-account": {"hospital_admin@home"},
    "GET /v1/supervised-account": {*DESK, *anywhere("auditor")},
    "POST /v1/splits": DESK,
    "GET /v1/splits/{name}": {*DESK, *anywhere("auditor")},
    "GET /v1/splits/{name}/history": {*DESK, *anywhere("auditor")},
    "GET /v1/splits/{name}/proof": DESK,
    "POST /v1/splits/{name}/returns": DESK,
    "GET /v1/payment-orders/{name}/division": {*DESK, *anywhere("auditor")},
    "POST /v1/payment-orders/{name}/finish": {"hospital_admin@home"},
    "POST /v1/payment-orders/{name}/returns": {"hospital_admin@home"},
    "POST /v1/credit-agreements": DESK,
    "GET /v1/credit-agreements/{name}": {*DESK, *anywhere("patient")},
    "POST /v1/credit-agreements/{name}/end": DESK,
    "POST /v1/credit-agreements/{name}/repayments": DESK,
    "POST /v1/credit-agreements/{name}/paybacks": DESK,
    "POST /v1/credit-agreements/{name}/statements": DESK,
    "POST /v1/credit-agreements/{name}/instalments": DESK,
    "GET /v1/me/credit-accounts": anywhere("patient"),
    "POST /v1/credit-holds": DESK,
    "GET /v1/credit-holds/{name}": {*DESK, *anywhere("patient")},
    "POST /v1/credit-holds/{name}/charges": DESK,
    "POST /v1/credit-holds/{name}/release": DESK,
    "POST /v1/credit-holds/{name}/review": {"hospital_admin@home"},
    "GET /v1/number-leases": {"cashier@home", "hospital_admin@home", "operator@home"},
    "GET /v1/number-ranges": {*anywhere("auditor", "hospital_admin"), "finance_clerk@home"},
    "POST /v1/number-ranges": {"finance_clerk@home"},
    "GET /v1/keys": anywhere("hospital_admin", "finance_clerk", "auditor", "operator"),
    "GET /v1/keys/{key}/proof": anywhere("hospital_admin", "finance_clerk", "auditor", "operator"),
    "GET /v1/organisations": anywhere("cashier", "hospital_admin", "finance_clerk", "auditor", "operator"),
    "POST /v1/organisations": {"finance_clerk@home"},
    "POST /v1/organisations/{name}/suspension": {"finance_clerk@home"},
    "POST /v1/organisations/{name}/resumption": {"finance_clerk@home"},
    "POST /v1/organisations/{name}/closure": {"finance_clerk@home"},
    "POST /v1/catalogues": {"hospital_admin@home", "finance_clerk@home"},
    "GET /v1/catalogues": anywhere(*CATALOGUE_READERS),
    "GET /v1/catalogues/{catalogue}/{version}": anywhere(*CATALOGUE_READERS),
    "GET /v1/approvals": {"cashier@home", "hospital_admin@home", "finance_clerk@home"},
    "POST /v1/approvals/{approval}": {"cashier@home", "hospital_admin@home", "finance_clerk@home"},
    "POST /v1/approvals/{approval}/withdrawal": {"cashier@home", "hospital_admin@home", "finance_clerk@home"},
    "GET /v1/audit/signed-by": {*anywhere("auditor"), "finance_clerk@home"},
    "POST /v1/clearances": {"finance_clerk@home"},
    "GET /v1/clearances": {*anywhere("auditor", "hospital_admin"), "finance_clerk@home"},
    "POST /v1/seals": {"finance_clerk@home"},
    "GET /v1/seals": {*anywhere("auditor", "hospital_admin"), "finance_clerk@home"},
    "GET /v1/audit/bills": {*anywhere("auditor"), "finance_clerk@home"},
    "GET /v1/audit/settlements": {*anywhere("auditor", "insurer_clerk"), "finance_clerk@home"},
    "GET /v1/audit/trails/{bill_id}": {*anywhere("auditor"), "finance_clerk@home"},
    "GET /v1/audit/supervised": {*anywhere("auditor"), "finance_clerk@home"},
    "GET /v1/audit/waiting": {*anywhere("auditor"), "finance_clerk@home"},
    "GET /v1/audit/day-totals": {*anywhere("auditor"), "finance_clerk@home"},
    "GET /v1/audit/day-books": {*anywhere("auditor", "hospital_admin"), "finance_clerk@home"},
    "GET /v1/audit/number-gaps": {*anywhere("auditor"), "finance_clerk@home"},
    "GET /v1/credit-products/{lender}/{product}": anywhere(*CATALOGUE_READERS),
    "GET /v1/credit-lines": anywhere("auditor", "operator", "hospital_admin"),
    "GET /v1/credit-lines/{line}": anywhere("auditor", "operator", "hospital_admin"),
    "POST /v1/credit-accounts": anywhere("patient"),
    "GET /v1/credit-accounts/{line}": {*anywhere("patient"), "operator@home"},
    "POST /v1/credit-accounts/{line}/revocation": {*anywhere("patient"), "operator@home"},
    "POST /v1/credit-accounts/{line}/repayments": {"operator@home"},
    "POST /v1/credit-accounts/{line}/paybacks": {"operator@home"},
    "POST /v1/credit-accounts/{line}/instalments": {"operator@home"},
    "POST /v1/credit-accounts/{line}/statements": {"operator@home"},
    "POST /v1/credit-statements": {"operator@home"},
    "POST /v1/verifications": EVERYBODY,
    "POST /v1/proofs:check": EVERYBODY,
    "GET /v1/blocks": EVERYBODY,
    "GET /v1/blocks/{height}": EVERYBODY,
    "GET /v1/network": EVERYBODY,
    "GET /v1/genesis": EVERYBODY,
    "GET /v1/operations/{digest}": anywhere("cashier", "hospital_admin", "finance_clerk", "auditor", "operator"),
    "GET /v1/events": anywhere(
        "cashier", "hospital_admin", "finance_clerk", "auditor", "insurer_clerk", "employer_clerk", "operator"
    ),
    "POST /v1/transactions": anywhere("hospital_admin", "finance_clerk", "operator"),
}


def test_every_route_has_its_policy_and_its_row_here() -> None:
    names = {f"{route.method} {route.path}" for route in ROUTES}
    assert names == set(ADMITTED)
    assert {f"{method} {path}" for method, path in POLICIES} == names | {"GET /problems/{code}"}


@pytest.mark.parametrize("kind", [GATEWAY, MIRROR, INSURER, LENDER])
def test_the_whole_table_of_roles_and_paths(kind: str) -> None:
    """Whoever is not let in gets 401 without a token and 403 with one, whatever the body says."""
    desk: FakeDesk = {
        GATEWAY: FakeGateway,
        MIRROR: FakeMirror,
        INSURER: FakeInsurer,
        LENDER: FakeLender,
    }[kind]()
    client = serve(desk)
    for route in ROUTES:
        if kind not in route.nodes:
            continue
        path = route.path.format(
            bill_id=examples.BILL_ID,
            height=1,
            digest=examples.DIGEST,
            name="hospital-b",
            channel="alipay",
            approval=examples.APPROVAL,
            claim=examples.DIGEST,
            catalogue="charges",
            version=2,
            grant=examples.DIGEST,
            lender="lender-a",
            product="anxin",
            rules="visit",
            line=examples.DIGEST,
            proxy=examples.DIGEST,
            key=examples.DIGEST,
        )
        for reader in sorted(EVERYBODY):
            role, _, where = reader.partition("@")
            organisation = desk.organisation if where == "home" else "hospital-b"
            headers = {} if reader == "nobody" else bearer(role, organisation)
            answer = client.request(route.method, path, headers=headers)
            admitted = reader in ADMITTED[f"{route.method} {route.path}"]
            if admitted:
                assert answer.status_code not in (401, 403), (route.path, reader)
            elif reader == "nobody":
                problem(answer, 401, "token_missing")
            else:
                same_role_at_home = f"{role}@home" in ADMITTED[f"{route.method} {route.path}"]
                problem(answer, 403, "organisation_forbidden" if same_role_at_home else "role_forbidden")


def test_a_hospitals_administrator_sees_its_own_ranges_and_seals(mirror: TestClient) -> None:
    reader = bearer("hospital_admin", "hospital-b")
    for path, name in (("/v1/number-ranges", "holder"), ("/v1/seals", "issuer")):
        for query in ({}, {name: "hospital-b"}):
            rows = mirror.get(path, params=query, headers=reader).json()["data"]
            assert [row[name] for row in rows] == ["hospital-b"]
        assert mirror.get(path, params={name: "hospital-a"}, headers=reader).json()["data"] == []


def test_a_token_of_no_use_here_is_as_good_as_none(mirror: TestClient) -> None:
    """On a path with an optional token a role without rights reads what the public reads; a false token is refused."""
    public = mirror.get("/v1/blocks/7").json()
    assert mirror.get("/v1/blocks/7", headers=bearer("patient", "hospital-a")).json() == public
    assert "body" in mirror.get("/v1/blocks/7", headers=bearer("auditor", "audit-office")).json()
    problem(mirror.get("/v1/blocks/7", headers={"Authorization": f"Bearer {TAMPERED}"}), 401, "token_invalid")
