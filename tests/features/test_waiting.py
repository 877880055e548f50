"""Row 37: minutes queued and treated before a day and since, from the stamps that hospitals signed; figures of few are nobody's."""

from __future__ import annotations

import hashlib
import secrets
import time
from datetime import datetime, timedelta, timezone

import pytest

from chain.operation import CloseVisit, OpenVisit, Operation, StampVisit
from tests.features.acting import act
from tests.network.running import Network

pytestmark = pytest.mark.processes

CHINA = timezone(timedelta(hours=8))
MINUTE_MS = 60_000
TODAY = datetime.now(CHINA).replace(hour=0, minute=0, second=0, microsecond=0)
SPLIT = TODAY - timedelta(days=2)  # the bills' days may lie some days behind: visits are told late, too


def visit(began: datetime, queued: int, treated: int, kind: str = "outpatient", closed: bool = True) -> list[Operation]:
    """From its opening to its end, as a hospital signs it."""
    name, began_ms = secrets.token_bytes(32), round(began.timestamp() * 1000)
    called_ms = began_ms + queued * MINUTE_MS
    emergency = [hashlib.sha256(b"doctor").digest()] if kind == "emergency" else []
    steps: list[Operation] = [
        OpenVisit(name, kind, secrets.token_bytes(32), [], 60_000, emergency, began_ms),
        StampVisit(name, 1, "called", called_ms),
    ]
    return [*steps, CloseVisit(name, called_ms + treated * MINUTE_MS)] if closed else steps


def record(network: Network, hospital: str, *visits: list[Operation]) -> None:
    operations = [operation for one in visits for operation in one]
    assert act(network, hospital, *operations) == ["recorded"] * len(operations)


def test_37_medians_before_and_since_a_day_and_none_of_few(network: Network) -> None:
    """Seven visits before and six since at one hospital; of four since at another nothing is told, and the sum hides them."""
    before, since = SPLIT - timedelta(hours=20), SPLIT + timedelta(hours=4)
    waits = (90, 30, 60, 70, 50, 80, 40)
    record(network, "hospital-a", *(visit(before, wait, 10) for wait in waits))
    record(network, "hospital-a", *(visit(since, wait, 12) for wait in (8, 6, 12, 10, 4, 14)))
    # what does not count: visits that go on, emergencies
    record(network, "hospital-a", *(visit(since, 500, 1, closed=False) for _ in range(9)))
    record(network, "hospital-a", *(visit(since, 0, 33, kind="emergency") for _ in range(5)))
    record(network, "hospital-b", *(visit(before, 20, 10) for _ in range(5)))
    record(network, "hospital-b", *(visit(since, 999, 10) for _ in range(4)))

    split = SPLIT.date().isoformat()
    # to the split's own day: visits of now are other stories' of this network
    asked = ("audit", "waiting", "--split", split, "--to", split, "--home", str(network.home))
    told = network.json(*asked)
    rows = {row["hospital"]: row for row in told["data"]}
    assert list(rows) == ["hospital-a", "hospital-b", None]
    a_before = {"visits": 7, "queued": 60, "treated": 10, "tested": 0, "dispensed": 0, "total": 70}
    a_since = {"visits": 6, "queued": 8, "treated": 12, "tested": 0, "dispensed": 0, "total": 20}
    assert (rows["hospital-a"]["before"], rows["hospital-a"]["since"]) == (a_before, a_since)
    assert rows["hospital-b"]["before"]["visits"] == 5
    assert set(rows["hospital-b"]["since"].values()) == {None}
    assert rows[None]["before"]["visits"] == 12
    assert rows[None]["since"] == a_since  # the four are not what is missing

    # another day, another kind, one hospital alone
    only = network.json(*asked, "--hospital", "hospital-b", "--from", split)["data"]
    assert [(row["hospital"], row["before"]["visits"], row["since"]["visits"]) for row in only] == [
        ("hospital-b", 0, None)
    ]
    (urgent,) = network.json(*asked, "--kind", "emergency")["data"]
    assert (urgent["since"]["visits"], urgent["since"]["queued"], urgent["since"]["treated"]) == (5, 0, 33)

    # as people see it: table and bars; a day that is none is refused before anybody is asked
    shown = network.medbill(*asked)
    assert "too few" in shown
    assert "999" not in shown
    bars = [line for line in shown.splitlines() if "█" in line]
    lengths = {tuple(line.split()[:3]): line.count("█") for line in bars if "queued" in line}
    assert lengths["hospital-a", "queued", "before"] > 5 * lengths["hospital-a", "queued", "since"] > 0
    network.medbill("audit", "waiting", "--split", "soon", "--home", str(network.home), expect=2)

    # auditors and the office alone
    for role, organisation in (("cashier", "hospital-a"), ("insurer_clerk", "insurer-a")):
        answer = network.api("archive", role, organisation).get("/audit/waiting", params={"split": split})
        assert (answer.status_code, answer.json()["code"]) == (403, "role_forbidden")


def test_37_a_thousand_visits_are_counted(network: Network) -> None:
    """How long it takes is printed, and bounds nothing."""
    began = SPLIT - timedelta(hours=30)
    for _ in range(10):
        record(network, "hospital-b", *(visit(began, 5, 5) for _ in range(100)))
    begun = time.monotonic()
    answer = network.api("archive", "auditor").get("/audit/waiting", params={"split": SPLIT.date().isoformat()})
    print(f"a thousand visits read in {time.monotonic() - begun:.3f} s")
    (row,) = [row for row in answer.json()["data"] if row["hospital"] == "hospital-b"]
    assert row["before"]["visits"] >= 1_000
    assert row["before"]["queued"] == 5
