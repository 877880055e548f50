"""Public verification (DESIGN 10): who types in what stands on a bill learns whether it is genuine, and nothing else."""

from __future__ import annotations

import pytest

from node.service import Claimed, Head
from node.verification import (
    FAILURE_WINDOW_S,
    FAILURES_MAX,
    SOURCES_MAX,
    FaceOfBill,
    FailureCounter,
    PublicVerification,
)

BILL = "330601260000000001"
OTHER = "330601260000000002"
AS_OF = Head(9, "00" * 32, 1_000)


class Clock:
    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def face(**fields: object) -> FaceOfBill:
    values = {"check_code": "ab12cd", "business_date": "2026-03-05", "total_fen": 1050, "status": "sealed"}
    return FaceOfBill(**{**values, **fields})  # type: ignore[arg-type]


def verification(clock: Clock | None = None, **fields: object) -> PublicVerification:
    return PublicVerification({BILL: face(**fields)}.get, clock or Clock())


def verdict(desk: PublicVerification, bill: str = BILL, code: str = "ab12cd", source: str = "10.0.0.1") -> str:
    return str(desk.verify(Claimed(bill, code), source, AS_OF)["verdict"])


def test_a_bill_with_its_check_code_is_genuine() -> None:
    """node/verification.py; capitals count as small letters, as people type them."""
    answer = verification().verify(Claimed(BILL, " AB12CD ", "2026-03-05", 1050), "10.0.0.1", AS_OF)

    assert answer == {"verdict": "genuine", "status": "sealed", "as_of": {"height": 9, "time_ms": 1_000}}


def test_a_reversed_bill_is_genuine_and_names_its_red_bill() -> None:
    """DESIGN 10: `genuine_reversed`."""
    answer = verification(reversed_by=OTHER).verify(Claimed(BILL, "ab12cd"), "10.0.0.1", AS_OF)

    assert (answer["verdict"], answer["reversed_by"]) == ("genuine_reversed", OTHER)


@pytest.mark.parametrize(
    "claimed",
    [
        Claimed(OTHER, "ab12cd"),
        Claimed(BILL, "ab12ce"),
        Claimed(BILL, ""),
        Claimed(BILL, "\ud800"),
        Claimed(BILL, "ab12cd", "2026-03-06"),
        Claimed(BILL, "ab12cd", None, 1051),
        Claimed(BILL, "ab12cd", "2026-03-05", 0),
    ],
)
def test_whatever_differs_is_no_match_as_if_nothing_existed(claimed: Claimed) -> None:
    """DESIGN 10: `no_match`, also when nothing exists."""
    answer = verification().verify(claimed, "10.0.0.1", AS_OF)

    assert answer == {"verdict": "no_match", "as_of": {"height": 9, "time_ms": 1_000}}


def test_after_too_many_failures_a_source_waits_and_the_others_do_not() -> None:
    """DESIGN 10: only failures count, per source."""
    clock = Clock()
    desk = verification(clock)
    for _ in range(FAILURES_MAX):
        assert verdict(desk, code="000000") == "no_match"

    assert verdict(desk) == "try_later"
    assert verdict(desk, code="000000") == "try_later"
    assert verdict(desk, source="10.0.0.2") == "genuine"
    clock.now_s = FAILURE_WINDOW_S
    assert verdict(desk) == "genuine"


def test_successes_never_lock_anybody_out() -> None:
    """An insurer behind one address verifies thousands."""
    desk = verification()

    assert {verdict(desk) for _ in range(FAILURES_MAX * 10)} == {"genuine"}


def test_the_memory_of_sources_is_bounded() -> None:
    """The bound has a name: SOURCES_MAX."""
    counter = FailureCounter(Clock())
    for number in range(SOURCES_MAX + 5):
        counter.add(str(number))

    assert len(counter._failures) == SOURCES_MAX


def test_who_shows_who_it_is_is_never_locked_out_and_locks_nobody_out() -> None:
    """A batch compares without counting: a thousand wrong rows change nothing for the public."""
    desk = verification()
    for _ in range(FAILURES_MAX * 100):
        assert desk.compare(Claimed(BILL, "000000")) == {"verdict": "no_match"}

    assert desk.compare(Claimed(BILL, "ab12cd")) == {"verdict": "genuine", "status": "sealed"}
    assert verdict(desk) == "genuine"
