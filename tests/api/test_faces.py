"""The path of a face: who is given one, in which form, and how much is drawn at once."""

from __future__ import annotations

import io
import zipfile

import pytest
from starlette.testclient import TestClient

from api.routes import faces
from api.schemas import examples
from tests.api.conftest import AUDITOR, CASHIER, OTHER_CASHIER, bill, problem
from tests.api.fake_desk import TOKEN, FakeMirror

FACE = f"/v1/bills/{examples.BILL_ID}/face"


def test_a_face_is_a_pdf_if_nothing_else_is_asked_for(gateway: TestClient) -> None:
    gateway.post("/v1/bills", json=bill(), headers=CASHIER)
    answer = gateway.get(FACE, headers=CASHIER)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/pdf")
    assert answer.content.startswith(b"%PDF-")
    assert answer.headers["content-disposition"] == f'inline; filename="{examples.BILL_ID}.pdf"'
    assert answer.headers["cache-control"] == "private, no-store"
    again = gateway.get(FACE, headers={**CASHIER, "If-None-Match": answer.headers["etag"]})
    assert again.status_code == 304


def test_a_list_as_ofd(mirror: TestClient) -> None:
    answer = mirror.get(FACE, params={"form": "ofd", "kind": "list"}, headers=AUDITOR)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/ofd")
    assert answer.headers["content-disposition"] == f'inline; filename="{examples.BILL_ID}-list.ofd"'
    assert "OFD.xml" in zipfile.ZipFile(io.BytesIO(answer.content)).namelist()


def test_a_holder_shows_token_or_check_code(mirror: TestClient, archive: FakeMirror) -> None:
    for secret in (TOKEN, examples.CHECK_CODE):
        assert mirror.get(FACE, headers={"Medbill-Check-Code": secret}).status_code == 200
    problem(mirror.get(FACE), 404, "bill_unknown")
    problem(mirror.get(FACE, headers=OTHER_CASHIER), 404, "bill_unknown")


def test_wrong_check_codes_count(mirror: TestClient, archive: FakeMirror) -> None:
    """Else this path would be the way to guess one."""
    archive.failures_left = 1
    problem(mirror.get(FACE, headers={"Medbill-Check-Code": "aaaaaa"}), 404, "bill_unknown")
    problem(mirror.get(FACE, headers={"Medbill-Check-Code": "aaaaaa"}), 429, "too_many_attempts")


@pytest.mark.parametrize("parameters", [{"form": "png"}, {"kind": "paper"}, {"form": ["pdf", "ofd"]}])
def test_another_form_is_refused(mirror: TestClient, parameters: dict[str, str]) -> None:
    problem(mirror.get(FACE, params=parameters, headers=AUDITOR), 400, "parameter_invalid")


def test_no_more_wait_than_there_is_room_for(mirror: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(faces, "WAITING_MAX", 0)
    problem(mirror.get(FACE, headers=AUDITOR), 503, "unavailable")
