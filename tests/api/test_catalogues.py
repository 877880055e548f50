"""Catalogues over REST: published by who may, refused with the place that is wrong, read back as they were sent."""

from __future__ import annotations

from typing import Any

import pytest

from api.schemas import examples
from chain.catalogue import (
    ChargeName,
    ChargesCatalogue,
    FacesCatalogue,
    FaceTitle,
    ItemPlace,
    ItemsCatalogue,
)
from chain.operation import PublishCatalogue
from tests.api.conftest import CASHIER, CLERK, bearer, problem, serve
from tests.api.fake_desk import FakeDesk, FakeGateway, FakeMirror

ADMIN = bearer("hospital_admin", "hospital-a", subject="admin-01")
ITEMS: dict[str, Any] = {
    "catalogue": "items",
    "version": 1,
    "from_date": "2027-01-01",
    "items": [{"code": "H1", "charge": "0809"}, {"code": "H2", "charge": "0802"}],
}
FACES = {
    "catalogue": "faces",
    "version": 2,
    "from_date": "2027-01-01",
    "titles": [{"kind": "inpatient", "bill_title": "住院票据", "list_title": "住院清单"}],
    "charge_columns": ["项目", "数量", "单位", "金额"],
}


def published(desk: FakeDesk) -> list[PublishCatalogue]:
    return [call[1] for call in desk.calls if call[0] == "publish"]


def test_each_catalogue_becomes_one_operation() -> None:
    mirror, gateway = FakeMirror(), FakeGateway()
    for desk, body, headers in (
        (mirror, examples.CATALOGUE_REQUEST, CLERK),
        (mirror, FACES, CLERK),
        (gateway, ITEMS, ADMIN),
    ):
        answer = serve(desk).post("/v1/catalogues", json=body, headers=headers)
        assert (answer.status_code, answer.json()["status"]) == (202, "queued")
    charges, faces = published(mirror)
    (items,) = published(gateway)
    assert charges.content == ChargesCatalogue([ChargeName("0802", "诊查费"), ChargeName("0809", "西药费")])
    assert (charges.version, charges.from_date) == (2, 20270101)
    heads = ["项目", "数量", "单位", "金额"]
    assert faces.content == FacesCatalogue([FaceTitle(2, "住院票据", "住院清单")], heads, [])
    assert items.content == ItemsCatalogue([ItemPlace("H1", "0809"), ItemPlace("H2", "0802")])


@pytest.mark.parametrize(
    ("changes", "code", "pointer"),
    [
        ({"items": [*ITEMS["items"], ITEMS["items"][0]]}, "catalogue_malformed", "/items/2"),
        ({"items": []}, "catalogue_malformed", "/items"),
        ({"items": [{"code": "H1\u0007", "charge": "02"}]}, "catalogue_malformed", "/items/0"),
        ({"charges": [{"code": "02", "name": "诊查费"}]}, "invalid_value", "/charges"),
        ({"catalogue": "prices"}, "invalid_value", "/catalogue"),
        ({"from_date": "1999-01-01"}, "date_unknown", "/from_date"),
        ({"from_date": "01.01.2027"}, "invalid_value", "/from_date"),
        ({"version": 0}, "invalid_value", "/version"),
        ({"prices": []}, "unknown_field", "/prices"),
    ],
)
def test_what_is_wrong_is_named_and_nothing_is_asked_of_the_node(
    changes: dict[str, Any], code: str, pointer: str
) -> None:
    desk = FakeGateway()
    client = serve(desk)
    refused = problem(client.post("/v1/catalogues", json={**ITEMS, **changes}, headers=ADMIN), 422, code)
    assert [error["pointer"] for error in refused["errors"]] == [pointer]
    assert not published(desk)
    assert client.post("/v1/catalogues", json=ITEMS, headers=ADMIN).status_code == 202


def test_a_cashier_publishes_nothing_and_one_clerk_alone_neither() -> None:
    gateway, mirror = FakeGateway(), FakeMirror()
    problem(serve(gateway).post("/v1/catalogues", json=ITEMS, headers=CASHIER), 403, "role_forbidden")
    mirror.needs_two = True
    client = serve(mirror)
    asked = client.post("/v1/catalogues", json=FACES, headers=CLERK)
    assert (asked.status_code, asked.json()["kind"]) == (202, "publish_catalogue")
    path = asked.json()["links"]["approval"]
    problem(client.post(path, json={}, headers=CLERK), 403, "same_person")
    assert not published(mirror)
    other = bearer("finance_clerk", "finance-city", subject="clerk-two")
    assert client.post(path, json={}, headers=other).status_code == 202
    assert [operation.version for operation in published(mirror)] == [2]


def test_versions_are_listed_and_shown_in_the_words_that_published_them() -> None:
    client = serve(FakeMirror())
    assert client.get("/v1/catalogues", headers=CLERK).json()["data"] == [examples.CATALOGUE_ROW]
    assert client.get("/v1/catalogues", params={"organisation": "finance"}, headers=CLERK).json()["data"] == []
    shown = client.get("/v1/catalogues/charges/2", headers=CLERK).json()
    assert {name: shown[name] for name in examples.CATALOGUE_REQUEST} == examples.CATALOGUE_REQUEST
    for path in ("charges/3", "charges/x", "charges/0", "charges/9999999", "prices/2", "charges/２"):
        problem(client.get(f"/v1/catalogues/{path}", headers=CLERK), 404, "catalogue_unknown")
