"""What holds on every path: problems, request ids, languages, as-of headers, entity tags, cursors, HEAD and OPTIONS."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path
from typing import Any

import pytest
import structlog
from starlette.testclient import TestClient

from api.problems import PROBLEMS, choose_language
from api.schemas import examples
from tests.api.conftest import AUDITOR, CASHIER, CLERK, bill, problem, serve
from tests.api.fake_desk import FakeGateway, FakeMirror


@pytest.mark.parametrize(
    "path", ["/", "/v1", "/v1/", "/v1/bill", "/v1/bills/", "/v1/bills:batch/1", "/docs", "/redoc", "/%00", "/v1//bills"]
)
def test_a_path_that_does_not_exist_is_a_problem(path: str, gateway: TestClient) -> None:
    problem(gateway.get(path, headers=CASHIER), 404, "not_found")


def test_a_method_that_does_not_exist_is_a_problem_with_what_there_is(gateway: TestClient) -> None:
    for method, path, allow in (
        ("PUT", "/v1/bills", "GET, HEAD, OPTIONS, POST"),
        ("DELETE", f"/v1/bills/{examples.BILL_ID}", "GET, HEAD, OPTIONS"),
        ("GET", "/v1/bills:batch", "OPTIONS, POST"),
        ("HEAD", "/v1/bills:batch", "OPTIONS, POST"),
        ("BREW", "/v1/network", "GET, HEAD, OPTIONS"),
    ):
        answer = gateway.request(method, path, headers=CASHIER)
        assert (answer.status_code, answer.headers["allow"]) == (405, allow)
        if method != "HEAD":
            problem(answer, 405, "method_not_allowed")


def test_options_say_what_there_is(gateway: TestClient) -> None:
    answer = gateway.options("/v1/bills")
    assert (answer.status_code, answer.content, answer.headers["allow"]) == (204, b"", "GET, HEAD, OPTIONS, POST")
    problem(gateway.options("/v1/nothing"), 404, "not_found")


def test_head_is_get_without_a_body(gateway: TestClient) -> None:
    get, head = gateway.get("/v1/network"), gateway.head("/v1/network")
    assert (head.status_code, head.content) == (200, b"")
    for name in ("etag", "content-length", "content-type", "medbill-height"):
        assert head.headers[name] == get.headers[name]


def test_paths_of_the_other_kind_of_node_do_not_exist(gateway: TestClient, mirror: TestClient) -> None:
    problem(gateway.get("/v1/seals", headers=CLERK), 404, "not_found")
    problem(mirror.post("/v1/bills:batch", json={"bills": [bill()]}, headers=CASHIER), 404, "not_found")
    problem(mirror.post("/v1/bills", json=bill(), headers=CASHIER), 405, "method_not_allowed")


def test_escaped_paths_are_the_same_paths(gateway: TestClient) -> None:
    assert gateway.post("/v1/bills%3Abatch", json={"bills": [bill()]}, headers=CASHIER).status_code == 202
    problem(gateway.get("/v1/bills/%2e%2e%2fnetwork", headers=CASHIER), 404, "not_found")
    problem(gateway.get("/v1/bills/100%25", headers=CASHIER), 404, "bill_unknown")


def test_a_request_id_is_echoed_or_made(gateway: TestClient) -> None:
    assert (
        gateway.get("/v1/network", headers={"X-Request-Id": "his-7.2026_A"}).headers["x-request-id"] == "his-7.2026_A"
    )
    made = {
        gateway.get("/v1/network", headers={"X-Request-Id": text}).headers["x-request-id"]
        for text in ("", "a b", "x" * 65, "a\x07")
    }
    assert len(made) == 4
    assert all(len(text) == 16 for text in made)


def test_every_get_says_as_of_when(gateway: TestClient, desk: FakeGateway) -> None:
    """DESIGN 10: height and time in headers, errors too; not part of the entity tag."""
    desk.height, desk.time_ms = 7, 1_772_328_600_005
    first = gateway.get("/v1/network")
    assert first.headers["medbill-height"] == "7"
    assert first.headers["medbill-time"] == "2026-03-01T01:30:00.005Z"
    assert gateway.get(f"/v1/bills/{'9' * 18}", headers=CASHIER).headers["medbill-height"] == "7"
    assert "medbill-height" not in gateway.post("/v1/bills", json=bill(), headers=CASHIER).headers
    desk.height = 8
    assert gateway.get("/v1/network").headers["etag"] == first.headers["etag"]


def test_what_has_not_changed_is_not_sent_again(gateway: TestClient, desk: FakeGateway) -> None:
    """RFC 9110, 13.1.2: weak comparison, lists, and the star."""
    tag = gateway.get("/v1/network").headers["etag"]
    assert tag.startswith('"')
    for sent in (tag, f'"x", {tag}', f"W/{tag}", "*"):
        answer = gateway.get("/v1/network", headers={"If-None-Match": sent})
        assert (answer.status_code, answer.content) == (304, b"")
        assert answer.headers["etag"] == tag
        assert answer.headers["medbill-height"] == "1043"
    assert gateway.get("/v1/network", headers={"If-None-Match": '"x"'}).status_code == 200
    problem(gateway.get(f"/v1/bills/{'9' * 18}", headers={**CASHIER, "If-None-Match": "*"}), 404, "bill_unknown")


def test_blocks_are_for_ever_and_personal_data_is_kept_nowhere(gateway: TestClient) -> None:
    gateway.post("/v1/bills", json=bill(), headers=CASHIER)
    assert gateway.get("/v1/blocks/7").headers["cache-control"] == "public, max-age=31536000, immutable"
    assert gateway.get("/v1/blocks/7", headers=AUDITOR).headers["cache-control"] == "private, no-store"
    for part in ("", "/history", "/proof"):
        answer = gateway.get(f"/v1/bills/{examples.BILL_ID}{part}", headers=CASHIER)
        assert (answer.status_code, answer.headers["cache-control"]) == (200, "private, no-store")


def test_problems_speak_chinese_to_who_prefers_it(gateway: TestClient) -> None:
    answer = gateway.get("/v1/nothing", headers={"Accept-Language": "zh-CN,zh;q=0.9,en;q=0.8"})
    assert problem(answer, 404, "not_found")["title"] == "未找到"
    assert answer.headers["content-language"] == "zh-CN"
    assert gateway.get("/v1/nothing").headers["content-language"] == "en"


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("", "en"),
        ("zh", "zh"),
        ("en-GB, zh;q=0.9", "en"),
        ("de, zh-TW;q=0.3", "zh"),
        ("en;q=0.1, zh-CN;q=0.2", "zh"),
        ("zh;q=0", "en"),
        ("zh;q=x,", "en"),
        ("*", "en"),
    ],
)
def test_the_preferred_language_is_the_heaviest_known(header: str, language: str) -> None:
    assert choose_language(header) == language


def test_every_code_has_a_page_and_a_title_in_both_languages(gateway: TestClient) -> None:
    for code, entry in PROBLEMS.items():
        page = gateway.get(f"/problems/{code}")
        assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
        assert code in page.text
        assert entry.zh in page.text
        assert entry.zh.strip() != entry.en.strip()
        assert "http" not in page.text.lower().replace("· http", "")
    problem(gateway.get("/problems/<script>"), 404, "not_found")


def test_every_code_that_the_program_refuses_with_has_its_status() -> None:
    """One home of error code -> HTTP status: codes are looked for where they are raised."""
    root = Path(__file__).parents[2]
    raised = {
        "api/**/*.py": {"ApiRefused", "TokenRefused"},
        "node/**/*.py": {"ServiceRefused", "ContentRefused"},
        "chain/rules/*.py": {"Refused"},
        "chain/bill.py": {"ContentRefused"},
    }
    missing = set()
    for pattern, names in raised.items():
        for path in root.glob(pattern):
            for call in ast.walk(ast.parse(path.read_text("utf-8"))):
                if isinstance(call, ast.Call) and getattr(call.func, "id", "") in names and call.args:
                    code = getattr(call.args[0], "value", None)
                    if isinstance(code, str) and code not in PROBLEMS:
                        missing.add(f"{path.relative_to(root)}: {code}")
    assert missing == set()


def test_every_code_of_an_outcome_or_of_a_transaction_has_its_status() -> None:
    """Rules and execution list theirs in docstrings, in order of precedence."""
    from chain import execute
    from chain.rules import bills, keys, membership, numbers, seals

    texts = [str(source.__doc__) for source in (bills, keys, membership, numbers, seals)]
    codes = {word for text in texts for word in re.findall(r"[a-z]+(?:_[a-z]+)+", text)}
    listed = str(execute.verify_transaction.__doc__).partition("first fault:")[2]
    codes |= set(re.findall(r"[a-z]+(?:_[a-z]+)+", listed))
    assert len(codes) > 30
    assert codes - set(PROBLEMS) == set()


def test_a_failure_of_ours_is_a_problem_that_says_nothing(gateway: TestClient, desk: FakeGateway) -> None:
    """Neither the answer nor the log repeats what an exception quotes."""

    def fail() -> None:
        raise KeyError("canary 110101199003070000")

    desk.fault = fail
    with structlog.testing.capture_logs() as logs:
        answer = gateway.get("/v1/network")
    problem(answer, 500, "internal_error")
    assert "canary" not in answer.text
    (line,) = logs
    assert (line["event"], line["error"], line["route"]) == ("request_failed", "KeyError", "/v1/network")
    assert line["request_id"] == answer.headers["x-request-id"]
    assert "canary" not in json.dumps(line)
    desk.fault = lambda: None
    assert gateway.get("/v1/network").status_code == 200


def test_a_code_that_nobody_entered_is_our_own_failure(gateway: TestClient, desk: FakeGateway) -> None:
    from node.service import ServiceRefused

    def refuse() -> None:
        raise ServiceRefused("never_heard_of", "canary")

    desk.fault = refuse
    with structlog.testing.capture_logs() as logs:
        answer = gateway.post("/v1/bills", json=bill(), headers=CASHIER)
    problem(answer, 500, "internal_error")
    assert "canary" not in answer.text
    assert [line["code"] for line in logs] == ["never_heard_of"]


def test_requests_are_observed_by_route_and_never_by_their_query(desk: FakeGateway) -> None:
    seen: list[tuple[Any, ...]] = []
    gateway = serve(desk, observe=lambda *observed: seen.append(observed))
    with structlog.testing.capture_logs() as logs:
        gateway.get("/v1/bills", params={"issuer": "hospital-a", "business_no": "canary"}, headers=CASHIER)
        gateway.get("/v1/canary")
    assert [entry[:3] for entry in seen] == [("/v1/bills", "GET", 200), ("none", "GET", 404)]
    assert logs == []


def test_a_list_goes_on_where_its_cursor_says(mirror: TestClient, archive: FakeMirror) -> None:
    query: dict[str, Any] = {"issuer": "hospital-a", "limit": 20}
    heights: list[int] = []
    parts = 0
    while True:
        answer = mirror.get("/v1/audit/bills", params=query, headers=AUDITOR)
        page = answer.json()
        heights += [row["height"] for row in page["data"]]
        parts += 1
        assert page["has_more"] == (page["next"] is not None) == ("link" in answer.headers)
        if page["next"] is None:
            break
        query["cursor"] = page["next"]
        following = answer.headers["link"].removeprefix("<").partition(">")[0]
        assert mirror.get(following, headers=AUDITOR).status_code == 200
    assert (parts, heights) == (3, list(range(1, 46)))


def test_a_cursor_is_good_for_its_own_list_only(mirror: TestClient) -> None:
    cursor = mirror.get("/v1/audit/bills", params={"issuer": "hospital-a"}, headers=AUDITOR).json()["next"]
    for query in (
        {"issuer": "hospital-b", "cursor": cursor},
        {"issuer": "hospital-a", "kind": "inpatient", "cursor": cursor},
        {"issuer": "hospital-a", "cursor": cursor[:-2] + "AA"},
        {"issuer": "hospital-a", "cursor": "20"},
        {"issuer": "hospital-a", "cursor": "!"},
        {"issuer": "hospital-a", "cursor": "é"},
    ):
        problem(mirror.get("/v1/audit/bills", params=query, headers=AUDITOR), 400, "cursor_invalid")
    problem(mirror.get("/v1/blocks", params={"cursor": cursor}), 400, "cursor_invalid")


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("issuer=hospital-a", "parameter_missing"),
        ("business_no=B1", "parameter_missing"),
        ("issuer=&business_no=B1", "parameter_missing"),
        ("issuer=hospital-a&business_no=B1&patient=x", "parameter_unknown"),
        ("issuer=hospital-a&business_no=B1&business_no=B2", "parameter_invalid"),
        ("issuer=hospital-a&business_no=" + "B" * 51, "parameter_invalid"),
        ("issuer=hospital-a&business_no=" + "B" * 5000, "parameter_invalid"),
        ("issuer=hospital-a&business_no=%00", "parameter_invalid"),
        ("issuer=hospital-a&business_no=%ff", None),
    ],
)
def test_queries_are_strict(query: str, code: str | None, gateway: TestClient) -> None:
    answer = gateway.get(f"/v1/bills?{query}", headers=CASHIER)
    if code is None:
        assert answer.json()["data"] == []
    else:
        problem(answer, 400, code)
