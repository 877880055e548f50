"""Whoever holds a bill: verification, proofs, and against whom failures count."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.testclient import TestClient

from api.app import ApiSettings, build_app
from api.schemas import examples
from tests.api.conftest import CASHIER, OPERATOR, OTHER_CASHIER, bill, problem, serve, verifier
from tests.api.fake_desk import TOKEN, FakeMirror

PROOF = f"/v1/bills/{examples.BILL_ID}/proof"


def test_a_bill_in_hand_is_genuine_or_matches_nothing(mirror: TestClient) -> None:
    answer = mirror.post("/v1/verifications", json=examples.CLAIMED)
    assert (answer.status_code, answer.json()["verdict"]) == (200, "genuine")
    wrong = mirror.post("/v1/verifications", json={**examples.CLAIMED, "check_code": "AAAAAA"})
    unknown = mirror.post("/v1/verifications", json={**examples.CLAIMED, "bill_id": "9" * 18})
    assert wrong.json() == unknown.json() == {"verdict": "no_match"}


def test_after_too_many_failures_one_is_told_to_wait(mirror: TestClient, archive: FakeMirror) -> None:
    archive.failures_left = 0
    answer = mirror.post("/v1/verifications", json={**examples.CLAIMED, "check_code": "AAAAAA"})
    assert (answer.status_code, answer.json()["verdict"], answer.headers["retry-after"]) == (200, "try_later", "60")


def test_a_claim_that_cannot_stand_on_a_bill_is_told_so(mirror: TestClient) -> None:
    for change, pointer in (
        ({"bill_id": "12"}, "/bill_id"),
        ({"business_date": "01.03.2026"}, "/business_date"),
        ({"business_date": "2026-02-30"}, "/business_date"),
        ({"check_code": ""}, "/check_code"),
    ):
        answer = mirror.post("/v1/verifications", json={**examples.CLAIMED, **change})
        problem(answer, 422, "invalid_value", pointer)
    answer = mirror.post("/v1/verifications", json={**examples.CLAIMED, "total_fen": 128.5})
    problem(answer, 422, "wrong_type", "/total_fen")


def test_a_proof_is_a_file_for_who_has_the_right(gateway: TestClient) -> None:
    gateway.post("/v1/bills", json=bill(), headers=CASHIER)
    answer = gateway.get(PROOF, params={"fields": "payer_name,lines"}, headers=CASHIER)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/octet-stream")
    assert answer.content == f"proof of {examples.BILL_ID} with ['payer_name', 'lines']".encode()
    assert answer.headers["content-disposition"] == f'attachment; filename="{examples.BILL_ID}.proof"'
    problem(gateway.get(PROOF, headers=OTHER_CASHIER), 404, "bill_unknown")
    problem(gateway.get(PROOF), 404, "bill_unknown")


@pytest.mark.parametrize("how", ["query", "header"])
def test_a_holder_shows_the_check_code(how: str, mirror: TestClient, archive: FakeMirror) -> None:
    """A token that gives no right is no hindrance."""
    for token in ({}, OTHER_CASHIER, OPERATOR):
        if how == "query":
            answer = mirror.get(PROOF, params={"check_code": examples.CHECK_CODE}, headers=token)
        else:
            answer = mirror.get(PROOF, headers={**token, "Medbill-Check-Code": examples.CHECK_CODE})
        assert answer.status_code == 200


def test_a_wrong_check_code_counts_like_a_wrong_verification(mirror: TestClient, archive: FakeMirror) -> None:
    """Else the path of proofs would be the way to guess it."""
    archive.failures_left = 2
    for _ in range(2):
        problem(mirror.get(PROOF, headers={"Medbill-Check-Code": "AAAAAA"}), 404, "bill_unknown")
    answer = mirror.get(PROOF, headers={"Medbill-Check-Code": "AAAAAA"})
    problem(answer, 429, "too_many_attempts")
    assert answer.headers["retry-after"] == "60"
    assert all(call[0] == "verify" for call in archive.calls)
    problem(mirror.get(PROOF, headers={"Medbill-Check-Code": "A" * 33}), 404, "bill_unknown")


@pytest.mark.parametrize(
    "fields", ["a,a", ",", "a b", "../x", "é", ",".join(f"f{place}" for place in range(65)), "x" * 49]
)
def test_fields_are_names(fields: str, mirror: TestClient) -> None:
    problem(mirror.get(PROOF, params={"fields": fields}), 400, "parameter_invalid")


def test_a_proof_is_checked_and_not_kept(mirror: TestClient) -> None:
    headers = {"Content-Type": "application/octet-stream"}
    assert mirror.post("/v1/proofs:check", content=b"proof", headers=headers).json()["valid"] is True
    assert mirror.post("/v1/proofs:check", content=b"\xff\x00", headers=headers).json()["valid"] is False
    problem(mirror.post("/v1/proofs:check", content=b"x" * 4_200_000, headers=headers), 413, "body_too_large")
    problem(mirror.post("/v1/proofs:check", json={}), 415, "media_type_unsupported")


@pytest.mark.parametrize(
    ("peer", "forwarded", "source"),
    [
        ("203.0.113.9", None, "203.0.113.9"),
        ("203.0.113.9", "198.51.100.1", "203.0.113.9"),  # nobody trusts this peer's header
        ("10.0.0.1", "198.51.100.1", "198.51.100.1"),
        ("10.0.0.1", "198.51.100.1, 10.0.0.2", "198.51.100.1"),
        ("10.0.0.1", "1.1.1.1, 198.51.100.1", "198.51.100.1"),  # the left part is the client's invention
        ("10.0.0.1", None, "10.0.0.1"),
        ("10.0.0.1", "garbage" * 100, ("garbage" * 100)[:64]),
        ("2001:db8:1:2:3:4:5:6", None, "2001:db8:1:2::/64"),  # a household has 2^64 addresses
        ("::ffff:203.0.113.9", None, "203.0.113.9"),
    ],
)
def test_failures_count_against_the_peer_or_what_a_trusted_proxy_says(
    peer: str, forwarded: str | None, source: str, archive: FakeMirror
) -> None:
    settings = ApiSettings(trusted_proxies=frozenset({"10.0.0.1", "10.0.0.2"}))
    client = TestClient(build_app(archive, verifier(), settings), client=(peer, 1))
    headers: dict[str, str] = {} if forwarded is None else {"X-Forwarded-For": forwarded}
    client.post("/v1/verifications", json=examples.CLAIMED, headers=headers)
    assert archive.calls[-1][2] == source


def test_every_source_is_passed_on(archive: FakeMirror) -> None:
    calls: list[Any] = archive.calls
    serve(archive).post("/v1/verifications", json=examples.CLAIMED)
    assert calls[-1][2] == "testclient"


def test_a_token_opens_the_proof_and_is_no_guess(mirror: TestClient, archive: FakeMirror) -> None:
    """DESIGN 10: a bill's proof needs a right, or its token or check code; 128 bits are not counted as guesses."""
    assert mirror.get(PROOF, headers={"Medbill-Check-Code": TOKEN}).status_code == 200
    problem(mirror.get(PROOF, headers={"Medbill-Check-Code": "f" * 32}), 404, "bill_unknown")
    assert not [call for call in archive.calls if call[0] == "verify"]
