"""A gateway of hospital-a and the archive of finance-city, each behind a test client; and tokens for anybody."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
from starlette.testclient import TestClient

from api.app import ApiSettings, build_app
from api.auth import ROLES, TokenVerifier, issue_token, public_jwk
from api.schemas import examples
from chain.signature import SigningKey
from node.identity import Identity
from node.token_issuers import TokenIssuer
from tests.api.fake_desk import CHAIN_ID, FakeDesk, FakeGateway, FakeMirror

NOW_S = 1_772_328_600
KEY = SigningKey.from_seed(b"\x11" * 32)
FOREIGN_KEY = SigningKey.from_seed(b"\x22" * 32)
ORGANISATIONS = [
    "hospital-a",
    "hospital-b",
    "finance-city",
    "finance",
    "audit-office",
    "insurer-a",
    "insurer-b",
    "lender-a",
]

PERSON = Identity("01", "SYNTHETIC-0001", "Synthetic Person")

Client = Callable[..., TestClient]


def verifier() -> TokenVerifier:
    issuer = TokenIssuer("province", public_jwk(KEY.public), ORGANISATIONS, list(ROLES))
    return TokenVerifier([issuer], CHAIN_ID, lambda: NOW_S)


def token(role: str, organisation: str, **changes: Any) -> str:
    wanted: dict[str, Any] = {
        "issuer": "province",
        "chain_id": CHAIN_ID,
        "subject": "person-1",
        "organisation": organisation,
        "role": role,
        "now_s": NOW_S,
        "identity": PERSON if role == "patient" else None,
        **changes,
    }
    return issue_token(wanted.pop("key", KEY), **wanted)


def bearer(role: str, organisation: str, **changes: Any) -> dict[str, str]:
    return {"Authorization": f"Bearer {token(role, organisation, **changes)}"}


CASHIER = bearer("cashier", "hospital-a")
ADMINISTRATOR = bearer("hospital_admin", "hospital-a")
OTHER_CASHIER = bearer("cashier", "hospital-b")
CLERK = {**bearer("finance_clerk", "finance-city"), "Purpose": "supervision"}
AUDITOR = {**bearer("auditor", "audit-office"), "Purpose": "audit"}
OPERATOR = bearer("operator", "finance")


def serve(desk: FakeDesk, **settings: Any) -> TestClient:
    settings = {"cursor_key": b"k" * 32, **settings}
    return TestClient(build_app(desk, verifier(), ApiSettings(**settings)), raise_server_exceptions=True)  # type: ignore[arg-type]


@pytest.fixture
def desk() -> FakeGateway:
    return FakeGateway()


@pytest.fixture
def gateway(desk: FakeGateway) -> TestClient:
    return serve(desk)


@pytest.fixture
def archive() -> FakeMirror:
    return FakeMirror()


@pytest.fixture
def mirror(archive: FakeMirror) -> TestClient:
    return serve(archive)


def bill(**changes: Any) -> dict[str, Any]:
    """A request that agrees with itself, until it is changed."""
    return {**copy.deepcopy(examples.BILL), **changes}


def problem(response: Any, status: int, code: str, pointer: str | None = None) -> dict[str, Any]:
    """Check that an answer is this problem, in its form; returns it."""
    assert (response.status_code, response.headers["content-type"]) == (status, "application/problem+json"), (
        response.text
    )
    body: dict[str, Any] = response.json()
    assert body["code"] == code, body
    assert body["status"] == status
    assert body["type"] == f"/problems/{code}"
    assert body["title"]
    assert body["request_id"] == response.headers["x-request-id"]
    if pointer is not None:
        assert [error["pointer"] for error in body["errors"]] == [pointer]
    return body
