"""The vendor interface before a gateway in memory: red bills have links of their own, and nothing is made up."""

from __future__ import annotations

import base64
import hashlib
import json
import uuid
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from starlette.testclient import TestClient

from faces.link import page_link
from tests.api.conftest import serve
from tests.api.fake_desk import CHAIN_ID, TOKEN, FakeGateway
from tests.faces.qr_reader import read_qr

APP, KEY, PUBLIC = "HISA", "k" * 32, "https://bills.example.cn"
LINKS = ("billQRCode", "pictureUrl", "pictureNetUrl")


@pytest.fixture
def desk() -> FakeGateway:
    return FakeGateway()


@pytest.fixture
def client(desk: FakeGateway) -> TestClient:
    return serve(desk, medical_apps={APP: KEY}, public_url=PUBLIC)


def call(client: TestClient, service: str, body: Any) -> tuple[str, Any]:
    data, noise = base64.b64encode(json.dumps(body).encode()).decode(), uuid.uuid4().hex
    text = f"appid={APP}&data={data}&noise={noise}&key={KEY}&version=1.0"
    sign = hashlib.md5(text.encode()).hexdigest().upper()
    sent = {"appid": APP, "data": data, "noise": noise, "version": "1.0", "sign": sign}
    inner = json.loads(base64.b64decode(client.post(f"/compat/medical/{service}", json=sent).json()["data"]))
    message = base64.b64decode(inner["message"]).decode()
    return inner["result"], json.loads(message) if inner["result"] == "S0000" else message


def issued(client: TestClient) -> dict[str, Any]:
    now = datetime.now(timezone(timedelta(hours=8))).strftime("%Y%m%d%H%M%S") + "000"
    body = {
        "busNo": "MZ1", "busType": "02", "payer": "样例", "busDateTime": now, "placeCode": "A01", "payee": "收费员01",
        "totalAmt": "12.50", "chargeDetail": [{"chargeCode": "09", "chargeName": "西药费", "amt": "12.50"}],
    }  # fmt: skip
    result, message = call(client, "invoiceEBillOutpatient", body)
    assert result == "S0000", message
    return dict(message)


def test_a_red_bill_has_its_own_qr_code(client: TestClient) -> None:
    message = issued(client)
    order = {"billBatchCode": message["billBatchCode"], "billNo": message["billNo"], "reason": "x", "operator": "y"}
    result, red = call(client, "writeOffEBill", order)
    assert result == "S0000", red
    number = red["eScarletBillBatchCode"] + red["eScarletBillNo"]
    assert number != message["billBatchCode"] + message["billNo"]
    address = read_qr(base64.b64decode(red["billQRCode"]))
    assert address == PUBLIC + page_link(number, TOKEN, CHAIN_ID)
    assert address == red["pictureUrl"] == red["pictureNetUrl"] != message["pictureUrl"]


def test_without_its_details_a_bill_has_a_number_and_no_links(
    client: TestClient, desk: FakeGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another gateway's bill while the archive is away: empty, not guessed."""

    async def nothing(bill_id: str, reader: object) -> None:
        return None

    monkeypatch.setattr(desk, "link", nothing)
    message = issued(client)
    assert message["billNo"]
    assert [message[name] for name in LINKS] == ["", "", ""]


def test_the_day_of_a_bill_that_was_issued_before_is_its_own(
    client: TestClient, desk: FakeGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same request on a later day would be booked under that day."""
    first = issued(client)
    bill = first["billBatchCode"] + first["billNo"]
    desk.bills[bill]["business_date"] = "2026-03-01"
    (request, standing) = desk.requests["MZ1"]

    async def the_same(_request: object) -> Any:
        return type(standing)(standing.operation, "sealed", bill_id=bill, repeated=True)

    monkeypatch.setattr(desk, "issue", the_same)
    assert issued(client)["billBusDate"] == "20260301"
    assert request.business_time[:10].replace("-", "") == first["billBusDate"]
