"""How much one patient may ask of a gateway within an hour."""

from __future__ import annotations

import pytest

from node.money import pace
from node.money.pace import HOUR_MS, WISHES_MAX, PatientPace
from node.service import ServiceRefused

WEI, LI = b"w" * 32, b"l" * 32


class Watch:
    now_ms = 1_780_000_000_000

    def __call__(self) -> int:
        return self.now_ms


def test_each_patient_has_so_many_wishes_an_hour() -> None:
    watch = Watch()
    patients = PatientPace(watch)
    for _ in range(WISHES_MAX):
        patients.count(WEI)
    watch.now_ms += HOUR_MS - 1
    with pytest.raises(ServiceRefused, match="too_many_requests"):
        patients.count(WEI)
    patients.count(LI)
    watch.now_ms += 1
    patients.count(WEI)


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pace, "PATIENTS_MAX", 2)
    patients = PatientPace(Watch())
    for holder in (WEI, LI, WEI, b"z" * 32):
        patients.count(holder)
    assert list(patients._asked) == [WEI, b"z" * 32]
