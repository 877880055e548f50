"""Rows of the auditor."""

from __future__ import annotations

import json
import secrets
import time

import pytest

from chain.operation import IssueBill, Payments, RangeRef, ReportUnused, TakeLease
from tests.features.acting import act, sealed_bill
from tests.network.running import Network

pytestmark = pytest.mark.processes

COUNT = 10


def test_63_a_planted_gap_is_found_and_nothing_else(network: Network) -> None:
    """Of a lease of ten, the numbers 1, 2, 4 and 7 are used and 5 is reported; 3 and 6 nobody explains."""
    sealed_bill(network, via="hospital-b")
    now = time.time() + 8 * 3600
    year = int(time.strftime("%Y", time.gmtime(now)))
    home = ("--home", str(network.home), "--year", str(year), "--issuer", "hospital-b")
    assert json.loads(network.medbill("numbers", "gaps", *home, "--json"))["missing"] == 0

    code = f"330604{year % 100:02d}"
    ranges = network.api("archive", "auditor").get("/number-ranges", params={"holder": "hospital-b"}).json()["data"]
    own = next(row for row in ranges if row["code"] == code)
    first = own["next"]
    lease = TakeLease(RangeRef("hospital-b", code, own["first"]), first, COUNT, "hospital-b", "B01")
    assert act(network, "hospital-b", lease) == ["recorded"]
    date = int(time.strftime("%Y%m%d", time.gmtime(now)))

    def bill(offset: int) -> IssueBill:
        return IssueBill(
            f"{code}{first + offset:010d}", 4, "B01", date, time.time_ns() // 1_000_000, 100, Payments(0, 0, 0, 100), 0, 0,
            first, secrets.token_bytes(32), secrets.token_bytes(32), secrets.token_bytes(32),
        )  # fmt: skip

    assert act(network, "hospital-b", *(bill(offset) for offset in (0, 1, 3, 6))) == ["recorded"] * 4
    assert act(network, "hospital-b", ReportUnused(f"{code}{first + 4:010d}", first, "spoilt")) == ["recorded"]
    found = json.loads(network.medbill("numbers", "gaps", *home, "--json", expect=3))
    assert found["missing"] == 2
    (row,) = [row for row in found["data"] if row["missing"]]
    assert (row["code"], row["used"], row["unused"], row["highest"]) == (code, 4, 1, first + 6)
    assert row["gaps"] == [[first + 2, first + 2], [first + 5, first + 5]]
    assert (
        act(network, "hospital-b", *(ReportUnused(f"{code}{first + n:010d}", first, "spoilt") for n in (2, 5)))
        == ["recorded"] * 2
    )
    assert json.loads(network.medbill("numbers", "gaps", *home, "--json"))["missing"] == 0
