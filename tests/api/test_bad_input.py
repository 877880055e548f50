"""Hostile and mistaken bodies: each has a stable code, uses no number, and leaves the node serving."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from api.schemas import examples
from tests.api.conftest import CASHIER, bill, problem, serve
from tests.api.fake_desk import FakeGateway

JSON = {**CASHIER, "Content-Type": "application/json"}


def changed(path: str, value: Any) -> dict[str, Any]:
    request = bill()
    part: Any = request
    *steps, last = path.strip("/").split("/")
    for step in steps:
        part = part[int(step)] if isinstance(part, list) else part[step]
    part[int(last) if isinstance(part, list) else last] = value
    return request


CASES = {
    "unknown field": (changed("/colour", "red"), "unknown_field", "/colour"),
    "unknown field inside": (changed("/payer/phone", "1"), "unknown_field", "/payer/phone"),
    "unknown field with a slash": (changed("/payer", {"name": "x", "a/b~c": 1}), "unknown_field", "/payer/a~1b~0c"),
    "missing field": ({"kind": "outpatient"}, "missing_field", "/business_no"),
    "text for a number": (changed("/total_fen", "12850"), "wrong_type", "/total_fen"),
    "float for an integer": (changed("/total_fen", 12850.0), "wrong_type", "/total_fen"),
    "truth for an integer": (changed("/self_paid_fen", True), "wrong_type", "/self_paid_fen"),
    "null for a list": (changed("/charges", None), "wrong_type", "/charges"),
    "float in a line": (changed("/items/0/amount_fen", 1.5), "wrong_type", "/items/0/amount_fen"),
    "a list": ([], "wrong_type", ""),
    "a total of 0": (changed("/total_fen", 0), "total_not_positive", "/total_fen"),
    "a negative total": (changed("/total_fen", -12850), "total_not_positive", "/total_fen"),
    "an endless number": (changed("/total_fen", 10**400), "invalid_value", "/total_fen"),
    "charges off by a fen": (changed("/charges/0/amount_fen", 2501), "sum_mismatch", "/charges"),
    "payments off by a fen": (changed("/payments/cash_fen", 1851), "sum_mismatch", "/payments"),
    "items off by a fen": (changed("/items/0/amount_fen", 10351), "sum_mismatch", "/charges/1"),
    "a price that does not fit": (changed("/items/0/unit_price_e4", 1), "line_mismatch", "/items/0"),
    "control character": (changed("/cashier", "a\u0007b"), "text_refused", "/cashier"),
    "not in normal form": (changed("/payer/name", "e\u0301"), "text_refused", "/payer/name"),
    "unknown kind": (changed("/kind", "dental"), "kind_unknown", "/kind"),
    "unknown place": (changed("/place_code", "Z99"), "place_unknown", "/place_code"),
    "no place code": (changed("/place_code", "A 01"), "invalid_value", "/place_code"),
    "no charges": (changed("/charges", []), "invalid_value", "/charges"),
    "a text too long": (changed("/remark", "x" * 129), "invalid_value", "/remark"),
}


@pytest.fixture(autouse=True)
def still_serving(gateway: TestClient, desk: FakeGateway) -> Iterator[None]:
    """After each refusal no number is used, and a good bill gets the first one."""
    yield
    assert desk.requests == {}
    good = gateway.post("/v1/bills", json=bill(), headers=CASHIER)
    assert (good.status_code, good.json()["bill_id"]) == (202, examples.BILL_ID)


@pytest.mark.parametrize("name", CASES)
def test_a_bill_that_is_wrong_is_refused_with_code_and_pointer(name: str, gateway: TestClient) -> None:
    request, code, pointer = CASES[name]
    problem(gateway.post("/v1/bills", content=json.dumps(request), headers=JSON), 422, code, pointer)


MALFORMED = {
    "nothing": b"",
    "half": b'{"kind":',
    "text after the end": json.dumps(examples.BILL).encode() + b"x",
    "200,000 levels": b"[" * 200_000,
    "200,000 closed levels": b"[" * 200_000 + b"]" * 200_000,
    "200,000 levels inside a known field": b'{"visit":' + b'{"age":' * 200_000,
    "200,000 levels inside an unknown field": b'{"colour":' + b"[" * 200_000,
    "not a number": json.dumps(changed("/total_fen", float("nan"))).encode(),
    "infinity": json.dumps(changed("/total_fen", float("inf"))).encode(),
    "lone surrogate, escaped": json.dumps(changed("/cashier", "\ud800")).encode(),
    "surrogates in the wrong order": json.dumps(changed("/cashier", "\udc00\ud800")).encode(),
    "lone surrogate, as bytes": json.dumps(changed("/cashier", "?")).encode().replace(b'"?"', b'"\xed\xa0\x80"'),
    "not UTF-8": json.dumps(changed("/cashier", "?")).encode().replace(b'"?"', b'"\xff"'),
    "raw control character": json.dumps(changed("/cashier", "?")).encode().replace(b'"?"', b'"a\x00b"'),
    "byte order mark": b"\xef\xbb\xbf" + json.dumps(examples.BILL).encode(),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_what_is_not_json_is_refused(name: str, gateway: TestClient) -> None:
    problem(gateway.post("/v1/bills", content=MALFORMED[name], headers=JSON), 400, "malformed_json")


@pytest.mark.parametrize(
    "text",
    [
        '{"cashier":"a",',
        '{ "cashier" : "a" , ',
        '{"c\\u0061shier":"a",',
        # an escaped colon must not stand in for the one that went with the dropped key
        '{"remark":"\\u003a","cashier":"a",',
        '{"remark":"\\u003A","cashier":"a",',
    ],
)
def test_a_field_that_stands_twice_is_refused(text: str, gateway: TestClient) -> None:
    """Decoders disagree about which of the two counts."""
    request = bill()
    del request["checker"]
    problem(gateway.post("/v1/bills", content=text + json.dumps(request)[1:], headers=JSON), 422, "duplicate_field")


def test_a_field_that_stands_twice_inside_a_batch_refuses_that_bill_alone(gateway: TestClient) -> None:
    twice = '{"cashier":"a",' + json.dumps(bill(business_no="B2"))[1:]
    content = '{"bills":[' + twice + "]}"
    answer = gateway.post("/v1/bills:batch", content=content, headers=JSON)
    assert [outcome["code"] for outcome in answer.json()["outcomes"]] == ["duplicate_field"]


def test_colons_in_texts_are_no_duplicates(desk: FakeGateway) -> None:
    gateway = serve(FakeGateway())
    for place, remark in enumerate([":", "a: b", '":"', "\\u003a", "::::"]):
        request = bill(business_no=f"B{place}", remark=remark)
        assert gateway.post("/v1/bills", json=request, headers=CASHIER).status_code == 202
        text = json.dumps({**request, "business_no": f"C{place}"}).replace("::", "\\u003a:")
        assert gateway.post("/v1/bills", content=text, headers=JSON).status_code == 202


def test_a_body_of_10_mb_is_refused_before_it_is_read(gateway: TestClient) -> None:
    answer = gateway.post("/v1/bills", content=b" " * 10_000_000, headers=JSON)
    problem(answer, 413, "body_too_large")
    assert "connection" not in answer.headers  # a reset would hide the answer from who is still sending
    problem(gateway.post("/v1/bills:batch", content=b"[" * 10_000_000, headers=JSON), 413, "body_too_large")


def test_a_body_without_a_length_is_cut_off_at_the_cap(gateway: TestClient) -> None:
    """Chunked bodies announce nothing: the bytes are counted as they come."""
    sent = []

    def chunks() -> Iterator[bytes]:
        for _ in range(200):
            sent.append(1)
            yield b" " * 100_000

    answer = gateway.post("/v1/bills", content=chunks(), headers=JSON)
    assert "content-length" not in answer.request.headers
    problem(answer, 413, "body_too_large")


async def test_reading_stops_at_the_cap() -> None:
    """Of a body without end no more than the cap and one piece is ever taken."""
    pieces = 0

    async def receive() -> dict[str, Any]:
        nonlocal pieces
        pieces += 1
        return {"type": "http.request", "body": b" " * 100_000, "more_body": True}

    status = await _call(receive, {})
    assert (status, pieces) == (413, 84)


async def test_a_body_that_never_comes_is_given_up() -> None:
    async def receive() -> dict[str, Any]:
        await asyncio.Event().wait()
        raise AssertionError

    assert await _call(receive, {"body_timeout_s": 0.01}) == 408


async def test_a_client_that_goes_away_is_no_failure() -> None:
    async def receive() -> dict[str, Any]:
        return {"type": "http.disconnect"}

    assert await _call(receive, {}) == 400


async def _call(receive: Any, choices: dict[str, Any]) -> int:
    statuses: list[int] = []

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    headers = [(name.lower().encode(), value.encode()) for name, value in JSON.items()]
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "path": "/v1/bills",
        "raw_path": b"/v1/bills",
        "root_path": "",
        "scheme": "http",
        "query_string": b"",
        "headers": headers,
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
    }
    await serve(FakeGateway(), **choices).app(scope, receive, send)  # type: ignore[arg-type]
    return statuses[0]


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Content-Type": "multipart/form-data; boundary=x"},
        {"Content-Type": "application/json; charset=gbk"},
        {"Content-Type": "application/json", "Content-Encoding": "gzip"},
        {"Content-Type": ""},
    ],
)
def test_other_media_types_are_refused(headers: dict[str, str], gateway: TestClient) -> None:
    content = json.dumps(examples.BILL)
    problem(gateway.post("/v1/bills", content=content, headers={**CASHIER, **headers}), 415, "media_type_unsupported")


def test_media_types_are_read_as_their_standard_says(desk: FakeGateway) -> None:
    headers = {**CASHIER, "Content-Type": 'Application/JSON; charset="UTF-8"'}
    assert serve(FakeGateway()).post("/v1/bills", content=json.dumps(examples.BILL), headers=headers).status_code == 202


def test_nothing_of_what_was_sent_comes_back_in_an_error(gateway: TestClient) -> None:
    """DESIGN 1.6: no personal data in an error."""
    for request in (changed("/payer/name", 7), changed("/kind", "canary"), changed("/payer", "canary")):
        answer = gateway.post("/v1/bills", json=request, headers=CASHIER)
        assert answer.status_code == 422
        assert "canary" not in answer.text
    answer = gateway.post("/v1/bills", json=changed("/cashier", "canary\u0007"), headers=CASHIER)
    assert "canary" not in answer.text


@given(st.data())
@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
def test_damaged_bodies_are_refused_or_taken_and_never_fail(data: st.DataObject) -> None:
    """Any byte changed, cut out or put in: a status below 500, and a problem for every refusal."""
    body = bytearray(json.dumps(examples.BILL, ensure_ascii=False).encode())
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(body) - 1))
        how = data.draw(st.sampled_from(["change", "cut", "insert", "repeat"]))
        if how == "change":
            body[place] = data.draw(st.integers(0, 255))
        elif how == "cut":
            del body[place : place + data.draw(st.integers(1, 40))]
        elif how == "insert":
            body[place:place] = data.draw(st.binary(min_size=1, max_size=8))
        else:
            body[place:place] = body[place : place + data.draw(st.integers(1, 200))]
        if not body:
            break
    answer = serve(FakeGateway()).post("/v1/bills", content=bytes(body), headers=JSON)
    assert answer.status_code in (202, 400, 422)
    if answer.status_code != 202:
        problem(answer, answer.status_code, answer.json()["code"])
