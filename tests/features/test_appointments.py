"""Rows 34 and 98: one number is one person's, over a network of real processes; the hospital signs with its own key at a mirror.

What waits for a moment (an unpaid number that comes back, no-shows, overdue credit) is told with a set clock:
`tests/chain/test_rules_appointments.py`, `test_rules_no_shows.py`.
"""

from __future__ import annotations

import secrets
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone
from functools import partial

import pytest

from chain.operation import (
    CancelAppointment,
    ConfirmAppointment,
    HoldNumber,
    OpenVisit,
    Pool,
    PublishSchedule,
)
from tests.features.acting import act
from tests.network.running import Network

pytestmark = pytest.mark.processes

HOSPITAL = "hospital-a"
BEIJING = timezone(timedelta(hours=8))
MINUTE_MS = 60_000


def name() -> bytes:
    return secrets.token_bytes(32)


def schedule(numbers: int) -> PublishSchedule:
    """Tomorrow morning from 8 to 12, without a fee."""
    morning = (datetime.now(UTC).astimezone(BEIJING) + timedelta(days=1)).replace(
        hour=8, minute=0, second=0, microsecond=0
    )
    starts_ms = round(morning.timestamp() * 1000)
    date = morning.year * 10_000 + morning.month * 100 + morning.day
    return PublishSchedule(
        schedule=name(),
        department="cardiology",
        staff=name(),
        date=date,
        session="am",
        starts_ms=starts_ms,
        ends_ms=starts_ms + 240 * MINUTE_MS,
        pools=[Pool("app", 1, numbers, starts_ms)],
        fee_fen=0,
        pay_within_ms=15 * MINUTE_MS,
        book_until_ms=starts_ms + 180 * MINUTE_MS,
        cancel_until_ms=starts_ms,
    )


def held(of: PublishSchedule, number: int, holder: bytes | None = None) -> HoldNumber:
    until_ms = int(time.time() * 1000) + 10 * MINUTE_MS
    return HoldNumber(name(), of.schedule, "app", number, holder or name(), until_ms)


def test_34_two_ask_for_the_last_number_and_one_has_it(network: Network) -> None:
    """At the same moment, six times: 201 and 409 on the ledger's own word; one that is given back is free again."""
    for _ in range(6):
        published = schedule(1)
        assert act(network, HOSPITAL, published) == ["recorded"]
        asked = [held(published, 1), held(published, 1)]
        with ThreadPoolExecutor(2) as clients:
            codes = [found[0] for found in clients.map(partial(act, network, HOSPITAL), asked)]
        assert sorted(codes) == ["recorded", "slot_taken"]
    winner = asked[codes.index("recorded")]
    assert act(network, HOSPITAL, ConfirmAppointment(winner.appointment, [])) == ["recorded"]
    assert act(network, HOSPITAL, held(published, 1)) == ["slot_taken"]
    assert act(network, HOSPITAL, CancelAppointment(winner.appointment, "patient_asked")) == ["recorded"]
    assert act(network, HOSPITAL, held(published, 1)) == ["recorded"]
    assert act(network, HOSPITAL, held(published, 2)) == ["number_unknown"]


def test_98_an_emergency_visit_waits_for_no_appointment(network: Network) -> None:
    now_ms = int(time.time() * 1000)
    undeclared = OpenVisit(name(), "emergency", name(), [], 100_000, [], now_ms)
    assert act(network, HOSPITAL, undeclared) == ["emergency_undeclared"]
    declared = OpenVisit(name(), "emergency", name(), [], 100_000, [name()], now_ms)
    assert act(network, HOSPITAL, declared) == ["recorded"]
