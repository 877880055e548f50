"""The OpenAPI document is complete, and what it shows works: every example is sent."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from fastapi.openapi.models import OpenAPI

from api.openapi import build_document
from api.problems import PROBLEMS, ProblemBody
from api.route import SERVING
from api.routes import ROUTES
from api.schemas import answers, examples
from tests.api.conftest import bearer, serve
from tests.api.fake_desk import FakeDesk, FakeGateway, FakeInsurer, FakeLender, FakeMirror

FILES = ("application/octet-stream", "application/pdf")  # answers that are no text
DESKS: dict[str, type[Any]] = {
    "gateway": FakeGateway,
    "mirror": FakeMirror,
    "insurer": FakeInsurer,
    "lender": FakeLender,
}
METHODS = ("get", "post", "put", "delete", "patch", "head", "options")


def document(kind: str) -> dict[str, Any]:
    desk: FakeDesk = DESKS[kind]()
    found: dict[str, Any] = serve(desk).get("/openapi.json").json()
    return found


def operations(kind: str) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in document(kind)["paths"].items():
        for method, operation in methods.items():
            yield method, path, operation


@pytest.mark.parametrize("kind", SERVING)
def test_every_operation_is_described_whole(kind: str) -> None:
    """ECOSYSTEM 6.9: operationId, tag, request and response examples, problem responses."""
    names = []
    tags = {tag["name"] for tag in document(kind)["tags"]}
    for method, path, operation in operations(kind):
        assert method in METHODS
        names.append(operation["operationId"])
        assert set(operation["tags"]) <= tags
        assert operation["summary"]
        placed = {parameter["name"] for parameter in operation.get("parameters", []) if parameter["in"] == "path"}
        assert placed == {part[1:-1] for part in path.split("/") if part.startswith("{")}
        for content in operation.get("requestBody", {}).get("content", {}).values():
            assert "example" in content
        assert any(int(status) >= 400 for status in operation["responses"])
        for status, response in operation["responses"].items():
            assert response["description"]
            for media, content in response["content"].items():
                assert (media == "application/problem+json") == (int(status) >= 400)
                assert "example" in content or "examples" in content or media in FILES
    assert len(names) == len(set(names))


@pytest.mark.parametrize("kind", SERVING)
def test_the_document_lists_what_is_served_and_nothing_else(kind: str) -> None:
    served = {(route.method.lower(), route.path) for route in ROUTES if kind in route.nodes}
    assert {(method, path) for method, path, _ in operations(kind)} == served


@pytest.mark.parametrize("kind", SERVING)
def test_the_document_is_openapi(kind: str) -> None:
    """By the model of the specification that FastAPI brings along."""
    OpenAPI.model_validate(document(kind))


@pytest.mark.parametrize("kind", SERVING)
def test_every_reference_leads_somewhere(kind: str) -> None:
    whole = document(kind)
    assert whole["openapi"] == "3.1.0"

    def look(value: Any) -> None:
        if isinstance(value, dict):
            if "$ref" in value:
                assert value["$ref"].removeprefix("#/components/schemas/") in whole["components"]["schemas"]
            for entry in value.values():
                look(entry)
        elif isinstance(value, list):
            for entry in value:
                look(entry)

    look(whole)


@pytest.mark.parametrize("kind", SERVING)
def test_examples_of_answers_fit_their_schema(kind: str) -> None:
    kinds = {**vars(answers), "ProblemBody": ProblemBody}
    for _method, _path, operation in operations(kind):
        for response in operation["responses"].values():
            for content in response["content"].values():
                shown = (
                    [content["example"]]
                    if "example" in content
                    else [entry["value"] for entry in content.get("examples", {}).values()]
                )
                name = content["schema"].get("$ref", "").rpartition("/")[2]
                for value in shown:
                    if name:
                        msgspec.convert(value, kinds[name])
                    if name == "ProblemBody":
                        assert value["status"] == PROBLEMS[value["code"]].status


ROLE = {
    "allotRange": ("finance_clerk", "finance-city"),
    "admitOrganisation": ("finance_clerk", "finance-city"),
    "suspendOrganisation": ("finance_clerk", "finance-city"),
    "resumeOrganisation": ("finance_clerk", "finance-city"),
    "closeOrganisation": ("finance_clerk", "finance-city"),
    "listMyBills": ("patient", "finance-city"),
    "claimBill": ("patient", "finance-city"),
    "listOurLines": ("hospital_admin", "hospital-a"),
    "fetchStatement": ("hospital_admin", "hospital-a"),
    "listMyNotices": ("patient", "hospital-a"),
    "listMyCreditAccounts": ("patient", "hospital-a"),
    "listMyAppointments": ("patient", "hospital-a"),
    "listMyVisits": ("patient", "hospital-a"),
    "listMyDeposits": ("patient", "hospital-a"),
    "publishSchedule": ("hospital_admin", "hospital-a"),
    "stopSchedule": ("hospital_admin", "hospital-a"),
    "substituteStaff": ("hospital_admin", "hospital-a"),
    "reviewEmergency": ("hospital_admin", "hospital-a"),
    "bindPayee": ("hospital_admin", "hospital-a"),
    "suspendPayee": ("hospital_admin", "hospital-a"),
    "resumePayee": ("hospital_admin", "hospital-a"),
    "payOut": ("hospital_admin", "hospital-a"),
    "payDebt": ("hospital_admin", "hospital-a"),
    "publishSplitRules": ("hospital_admin", "hospital-a"),
    "superviseMoney": ("hospital_admin", "hospital-a"),
    "finishOrder": ("hospital_admin", "hospital-a"),
    "returnToOrder": ("hospital_admin", "hospital-a"),
    "listSupervised": ("auditor", "audit-office"),
    "showLookups": ("patient", "finance-city"),
    "disputeBill": ("patient", "finance-city"),
    "settleDispute": ("finance_clerk", "finance-city"),
    "listDisputes": ("auditor", "audit-office"),
    "giveGrants": ("patient", "finance-city"),
    "listMyGrants": ("patient", "finance-city"),
    "revokeGrant": ("patient", "finance-city"),
    "listMyAccesses": ("patient", "finance-city"),
    "listProxies": ("patient", "finance-city"),
    "grantProxy": ("patient", "finance-city"),
    "endProxy": ("patient", "finance-city"),
    "registerProxy": ("finance_clerk", "finance-city"),
    "endProxyAtTheCounter": ("finance_clerk", "finance-city"),
    "listAccesses": ("auditor", "audit-office"),
    "fetchAccessAnchor": ("auditor", "audit-office"),
    "anchorAccesses": ("auditor", "audit-office"),
    "listSignedBy": ("auditor", "audit-office"),
    "withholdSeals": ("finance_clerk", "finance-city"),
    "clearLease": ("finance_clerk", "finance-city"),
    "listClearances": ("auditor", "audit-office"),
    "publishCatalogue": ("finance_clerk", "finance-city"),
    "listRanges": ("finance_clerk", "finance-city"),
    "listSeals": ("auditor", "audit-office"),
    "listKeys": ("operator", "finance"),
    "showTrail": ("auditor", "audit-office"),
    "listAuditedBills": ("auditor", "audit-office"),
    "listSettlements": ("auditor", "audit-office"),
    "showWaiting": ("auditor", "audit-office"),
    "listDayTotals": ("auditor", "audit-office"),
    "fetchDayBooks": ("auditor", "audit-office"),
    "listNumberGaps": ("auditor", "audit-office"),
    "submitTransaction": ("operator", "finance"),
    "bookBill": ("operator", "finance"),
    "verifyBills": ("operator", "finance"),
    "proveDecision": ("auditor", "audit-office"),
    "proveKey": ("operator", "finance"),
    "listClaims": ("auditor", "audit-office"),
    "showClaim": ("auditor", "audit-office"),
    "foreseeClaims": ("insurer_clerk", "insurer-a"),
    "claimBills": ("patient", "finance-city"),
    "checkClaims": ("patient", "finance-city"),
    "showCreditProduct": ("auditor", "audit-office"),
    "listCreditLines": ("auditor", "audit-office"),
    "showCreditLine": ("auditor", "audit-office"),
    "openCreditAccount": ("patient", "finance-city"),
    "showCreditAccount": ("patient", "finance-city"),
    "endCreditAccount": ("patient", "finance-city"),
    "repayLine": ("operator", "lender-a"),
    "payBackLine": ("operator", "lender-a"),
    "agreeInstalments": ("operator", "lender-a"),
    "stateLine": ("operator", "lender-a"),
    "stateAllLines": ("operator", "lender-a"),
}


@pytest.mark.parametrize("kind", SERVING)
def test_every_example_works(kind: str) -> None:
    """Each request as the document shows it is answered as the document says."""
    for method, path, operation in operations(kind):
        desk: FakeDesk = DESKS[kind]()
        client = serve(desk)
        cashier = bearer("cashier", "hospital-a")
        if kind == "gateway" and operation["operationId"] not in ("issueBill", "issueBills"):
            client.post("/v1/bills", json=examples.BILL, headers=cashier)
        if operation["operationId"] == "showOperation":
            desk.standings[examples.DIGEST] = msgspec.convert({**examples.SEALED}, type=_standing())
        query, url = {}, path
        for parameter in operation.get("parameters", []):
            if "example" in parameter and parameter["in"] == "path":
                url = url.replace("{" + parameter["name"] + "}", str(parameter["example"]))
            elif "example" in parameter and parameter["in"] == "query":
                query[parameter["name"]] = parameter["example"]
        role, organisation = ROLE.get(operation["operationId"], ("cashier", "hospital-a"))
        if operation["operationId"] == "publishCatalogue" and kind == "gateway":
            role, organisation = "hospital_admin", "hospital-a"
        if operation["tags"] == ["approvals"] and kind == "mirror":
            role, organisation = "finance_clerk", "finance-city"
        headers = {} if operation["security"] == [] else bearer(role, organisation)
        for parameter in operation.get("parameters", []):
            if "example" in parameter and parameter["in"] == "header":
                headers[parameter["name"]] = parameter["example"]
        sent: dict[str, Any] = {}
        for media, content in operation.get("requestBody", {}).get("content", {}).items():
            raw = media != "application/json"
            sent = {"content": bytes.fromhex(content["example"]) if raw else json.dumps(content["example"])}
            headers["Content-Type"] = media
        answer = client.request(method.upper(), url, params=query, headers=headers, **sent)
        assert answer.status_code < 300, (operation["operationId"], answer.text)
        response = operation["responses"][str(answer.status_code)]
        media = answer.headers["content-type"]
        assert media in response["content"], operation["operationId"]
        name = response["content"][media]["schema"].get("$ref", "").rpartition("/")[2]
        if name:
            msgspec.convert(answer.json(), vars(answers)[name])


def _standing() -> Any:
    from node.service import Standing

    return Standing


@pytest.mark.parametrize("kind", SERVING)
def test_the_committed_document_is_this_one(kind: str) -> None:
    """After a change: `python -m api.openapi`, and read the difference before committing it."""
    committed = json.loads((Path(__file__).parents[2] / "api" / f"openapi-{kind}.json").read_text("utf-8"))
    built = build_document([route for route in ROUTES if kind in route.nodes], kind)
    assert committed == json.loads(msgspec.json.encode(built))


def test_examples_hold_nothing_that_could_be_a_person() -> None:
    """No identity number of 18 characters stands in the examples, apart from the bill ids."""
    text = json.dumps(examples.BILL)
    assert not any(len(part) == 18 and part[:17].isdigit() for part in text.replace('"', " ").split())
