"""Public verification of a bill by what stands on its face, answered where the details are: at issuer and office.

`genuine`, `genuine_reversed`, `genuine_void`, `no_match` (also when nothing exists), `try_later`. The check code has six characters:
guessing must be slow, so failures count per source, and only failures. A source that is locked out is told `try_later`
whether its claim holds or not. The token of a bill's QR code is taken in the check code's place and never counted: nobody
guesses 128 bits. Source: DESIGN section 10.
"""

from __future__ import annotations

import hmac
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from typing import Any

import msgspec

from node.service import Claimed, Head, Status, Verdict

FAILURES_MAX = 10  # of one source within the window; then it waits
FAILURE_WINDOW_S = 600.0  # after so long a failure is forgotten
TOKEN_CHARACTERS = 32  # a secret so long is a bill's token, any other its check code
SOURCES_MAX = 20_000  # remembered; beyond, the one that failed longest ago is forgotten first


class FaceOfBill(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a claim is compared with, and what is said of the bill when it fits."""

    check_code: str
    business_date: str  # yyyy-mm-dd
    total_fen: int
    status: Status  # recorded or sealed; queued where only the issuer knows it yet
    reversed_by: str | None = None  # the red bill of a reversed one
    reverses: str | None = None  # the original of a red one
    is_void: bool = False  # withdrawn before it was delivered
    withheld: str = ""  # why the office has not sealed it, or empty
    token: str = ""  # of its QR code: as good as the check code, and nothing that anybody guesses


class FailureCounter:
    """Failures per source within the last FAILURE_WINDOW_S; `now_s` is a monotonic clock."""

    def __init__(self, now_s: Callable[[], float] = time.monotonic) -> None:
        self._now_s = now_s
        self._failures: OrderedDict[str, deque[float]] = OrderedDict()  # source -> when, at most SOURCES_MAX

    def is_locked(self, source: str) -> bool:
        """Whether a source has failed too often lately."""
        failures = self._failures.get(source)
        if failures is None:
            return False
        while failures and failures[0] <= self._now_s() - FAILURE_WINDOW_S:
            failures.popleft()
        if not failures:
            del self._failures[source]
        return len(failures) >= FAILURES_MAX

    def add(self, source: str) -> None:
        failures = self._failures.setdefault(source, deque(maxlen=FAILURES_MAX))
        failures.append(self._now_s())
        self._failures.move_to_end(source)
        while len(self._failures) > SOURCES_MAX:
            self._failures.popitem(last=False)


class PublicVerification:
    """Compares claims of the public with faces of bills, and counts what fails."""

    def __init__(self, face_of: Callable[[str], FaceOfBill | None], now_s: Callable[[], float] = time.monotonic):
        """`face_of` gives a bill's face by its id, or None where it, or its details, are not known here."""
        self._face_of = face_of
        self._failures = FailureCounter(now_s)

    def verify(self, claimed: Claimed, source: str, as_of: Head) -> dict[str, Any]:
        """{verdict, status?, reversed_by?, reverses?, as_of {height, time_ms}}."""
        stands = {"as_of": {"height": as_of.height, "time_ms": as_of.time_ms}}
        is_guess = not is_token(claimed.check_code)
        if is_guess and self._failures.is_locked(source):
            return _answer("try_later", stands)
        answer = self.compare(claimed)
        if is_guess and answer["verdict"] == "no_match":
            self._failures.add(source)
        return {**answer, **stands}

    def compare(self, claimed: Claimed) -> dict[str, Any]:
        """The same without a source that failures count against: for those who show who they are."""
        face = self._face_of(claimed.bill_id)
        if face is None or not _fits(claimed, face):
            return _answer("no_match", {})
        answer: dict[str, Any] = {"status": face.status}
        if face.withheld:
            answer["seal_withheld"] = face.withheld
        if face.reverses is not None:
            answer["reverses"] = face.reverses
        if face.reversed_by is not None:
            return _answer("genuine_reversed", {"reversed_by": face.reversed_by, **answer})
        return _answer("genuine_void" if face.is_void else "genuine", answer)


def is_check_code(typed: str, check_code: str) -> bool:
    """Whether what somebody typed is the check code, in a time that tells nothing; capitals count as small letters."""
    return hmac.compare_digest(typed.strip().lower().encode("utf-8", "replace"), check_code.encode())


def is_token(typed: str) -> bool:
    """Whether a secret that somebody shows is a token, and no check code."""
    return len(typed.strip()) == TOKEN_CHARACTERS


def iso_date(date: int) -> str:
    """yyyymmdd -> yyyy-mm-dd."""
    return f"{date // 10_000:04d}-{date // 100 % 100:02d}-{date % 100:02d}"


def _fits(claimed: Claimed, face: FaceOfBill) -> bool:
    secret = face.token if is_token(claimed.check_code) else face.check_code
    return (
        is_check_code(claimed.check_code, secret)
        and claimed.business_date in (None, face.business_date)
        and claimed.total_fen in (None, face.total_fen)
    )


def _answer(verdict: Verdict, rest: dict[str, Any]) -> dict[str, Any]:
    return {"verdict": verdict, **rest}
