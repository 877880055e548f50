"""Importing: nothing twice, nothing lost, figures that add up. Issue 2, item 7; DESIGN 6."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from chain.bill import BillRequest
from cli import importing
from cli.exit_codes import ExitCode
from cli.failures import CommandFailed
from cli.formats import FormatRefused
from cli.importing import BATCH_BILLS_MAX, Importer
from tests.chain.making import request
from tests.cli.conftest import Ran
from tests.cli.nodes import Asked, FakeNode

FILE = Path("day.json")


class Gateway:
    """Keeps bills by business number, as a real one does; `trouble` is consulted before each request."""

    organisation = "hospital-a"

    def __init__(self) -> None:
        self.bills: dict[str, dict[str, Any]] = {}
        self.content: dict[str, int] = {}
        self.requests: list[int] = []
        self.trouble: list[Callable[[], None]] = []
        self.full: int | None = None  # keeps so many bills, then says outbox_full
        self.seals_at_once = False
        self.asked: list[str] = []
        self.issued_at = "1970-01-12T00:00:00+08:00"  # before each run

    def post(self, path: str, body: bytes | dict[str, Any], wait_s: int = 0) -> Any:
        assert path == "/v1/bills:batch"
        assert isinstance(body, bytes)
        requests = [msgspec.convert(bill, BillRequest) for bill in json.loads(body)["bills"]]
        self.requests.append(len(requests))
        before = self.trouble.pop(0) if self.trouble else None
        outcomes = [{"index": index, **self._keep(bill)} for index, bill in enumerate(requests)]
        if wait_s:
            for bill in self.bills.values():
                if bill["status"] in ("queued", "recorded"):
                    bill["status"] = "sealed"
            outcomes = [{"index": index, **self._keep(bill)} for index, bill in enumerate(requests)]
        if before is not None:
            before()
        return {"outcomes": outcomes}

    def _keep(self, bill: BillRequest) -> dict[str, Any]:
        known = self.bills.get(bill.business_no)
        if known is not None:
            if self.content[bill.business_no] != bill.total_fen:
                return {"status": "refused", "code": "business_no_conflict"}
            return {**known, "repeated": True}
        if self.full is not None and len(self.bills) >= self.full:
            return {"status": "refused", "code": "outbox_full"}
        made = {"status": "sealed" if self.seals_at_once else "queued", "operation": "ab", "issued_at": self.issued_at}
        self.bills[bill.business_no], self.content[bill.business_no] = made, bill.total_fen
        return dict(made)

    def get(self, path: str, **parameters: Any) -> Any:
        self.asked.append(parameters["business_no"])
        return {"data": [self.bills[parameters["business_no"]]]}


def reader_of(*bills: BillRequest | FormatRefused) -> importing.Reader:
    def read(path: Path, **_: Any) -> Iterator[tuple[str, BillRequest | FormatRefused]]:
        for bill in bills:
            yield (bill.business_no if isinstance(bill, BillRequest) else "B-bad"), bill

    return read


def bills(count: int, total_fen: int = 1000) -> list[BillRequest]:
    return [request(f"B-{number}", total_fen) for number in range(count)]


def run(gateway: Gateway, *given: BillRequest | FormatRefused, deadline_s: float = 100.0) -> importing.Report:
    clock = iter(range(1_000_000, 10_000_000))
    importer = Importer(gateway, clock=lambda: float(next(clock)), sleep=lambda seconds: None)
    importer.import_file(FILE, reader_of(*given), as_cny=False, place_code="A01")
    return importer.finish(deadline_s)


def silence() -> None:
    raise CommandFailed("timed_out", "no answer in time")


def test_bills_go_in_by_the_hundred_and_are_waited_for() -> None:
    gateway = Gateway()
    report = run(gateway, *bills(250))

    assert report.document() == {"issued": 250, "already_issued": 0, "refused": [], "total_fen": 250_000}
    assert report.unsealed == 0
    assert gateway.requests == [100, 100, 50, 100, 100, 50]  # sent, then looked at: one question for a hundred
    assert BATCH_BILLS_MAX == 100


def test_importing_again_issues_nothing() -> None:
    gateway = Gateway()
    run(gateway, *bills(120))
    report = run(gateway, *bills(120))

    assert (report.issued, report.already_issued, report.total_fen) == (0, 120, 120_000)


def test_after_a_silence_the_same_batch_goes_again_and_counts_as_issued() -> None:
    """What arrived before the silence is of this run: its time of issue tells."""
    gateway = Gateway()
    gateway.issued_at = "1970-02-01T00:00:00+08:00"
    gateway.trouble = [silence]
    report = run(gateway, *bills(30))

    assert (report.issued, report.already_issued) == (30, 0)
    assert gateway.asked == [f"B-{number}" for number in range(30)]


def test_after_a_silence_older_bills_still_count_as_older() -> None:
    gateway = Gateway()
    run(gateway, *bills(10))
    gateway.trouble = [silence]
    gateway.issued_at = "1970-02-01T00:00:00+08:00"
    report = run(gateway, *bills(30))

    assert (report.issued, report.already_issued, report.total_fen) == (20, 10, 30_000)


def test_a_gateway_that_stays_away_ends_the_run_with_exit_5() -> None:
    gateway = Gateway()
    gateway.trouble = [silence] * 100
    with pytest.raises(CommandFailed) as caught:
        run(gateway, *bills(3))
    assert caught.value.exit_code is ExitCode.UNREACHABLE


def test_what_a_full_outbox_did_not_keep_goes_again() -> None:
    """DESIGN 10: 503 only if nothing was kept."""
    gateway = Gateway()
    gateway.full = 40
    gateway.trouble = [lambda: setattr(gateway, "full", 70), lambda: setattr(gateway, "full", None)]
    report = run(gateway, *bills(100))

    assert (report.issued, report.refused) == (100, [])
    assert gateway.requests[:3] == [100, 60, 30]


def test_a_conflict_and_an_unreadable_bill_are_refused_by_file_number_and_code() -> None:
    gateway = Gateway()
    run(gateway, request("B-1", 500))
    report = run(gateway, request("B-1", 700), FormatRefused("total_missing", "/entry/3"), request("B-2", 300))

    assert report.document() == {
        "issued": 1,
        "already_issued": 0,
        "refused": [
            {"file": "day.json", "business_no": "B-bad", "code": "total_missing"},
            {"file": "day.json", "business_no": "B-1", "code": "business_no_conflict"},
        ],
        "total_fen": 300,
    }


def test_a_business_number_twice_in_the_files_counts_once() -> None:
    report = run(Gateway(), request("B-1", 500), request("B-1", 500))
    assert (report.issued, report.already_issued, report.total_fen) == (1, 1, 500)


def test_a_number_given_meanwhile_by_another_gateway_is_already_issued() -> None:
    """DESIGN 6: on already_issued the losing gateway answers with the other's bill."""
    gateway = Gateway()

    def lose() -> None:
        gateway.bills["B-1"].update(status="refused", code="already_issued", superseded_by="330601260000000009")

    gateway.trouble = [lose]
    report = run(gateway, request("B-1", 500), request("B-2", 100))
    assert (report.issued, report.already_issued, report.total_fen, report.refused) == (1, 1, 600, [])


def test_a_bill_that_the_ledger_refuses_later_leaves_the_total() -> None:
    gateway = Gateway()
    gateway.trouble = [lambda: gateway.bills["B-1"].update(status="refused", code="date_out_of_window")]

    def keep(bill: BillRequest) -> dict[str, Any]:
        known = gateway.bills.get(bill.business_no)
        return {**known, "repeated": False} if known and known["status"] == "refused" else Gateway._keep(gateway, bill)

    gateway._keep = keep  # type: ignore[method-assign]
    report = run(gateway, request("B-1", 500), request("B-2", 100))
    assert (report.issued, report.total_fen) == (1, 100)
    assert report.refused == [{"file": "day.json", "business_no": "B-1", "code": "date_out_of_window"}]


def test_without_waiting_and_at_the_deadline_the_unsealed_are_counted() -> None:
    assert run(Gateway(), *bills(5), deadline_s=0).unsealed == 5

    gateway = Gateway()
    gateway.trouble = [lambda: None, *([silence] * 1000)]
    report = run(gateway, *bills(5), deadline_s=30)
    assert (report.issued, report.unsealed) == (5, 5)


def test_kept_batches_have_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    """STYLE 3: every queue has a bound with a name."""
    monkeypatch.setattr(importing, "WAITING_BATCHES_MAX", 1)
    gateway = Gateway()
    report = run(gateway, *bills(300))

    assert (report.issued, report.unsealed) == (300, 0)
    assert len(gateway.requests) == 6


def test_his_files_go_through_the_whole_command(medbill: Callable[..., Ran], home: Path, node: FakeNode) -> None:
    """DESIGN 11: stdout is exactly one document with these four fields."""
    gateway = Gateway()
    gateway.seals_at_once = True

    def batch(asked: Asked) -> tuple[int, Any]:
        return 200, gateway.post(asked.path, json.dumps(asked.body).encode())

    node.answers["POST", "/v1/bills:batch"] = batch
    file = sorted((Path(__file__).parents[2] / "samples" / "his").glob("*.json"))[0]
    raw = json.loads(file.read_text())
    ran = medbill("bill", "import", "--format", "his", "--home", home, "--via", "hospital-a", file, "--json")

    # samples have fixed dates: those too old for the ledger are refused by the reader, one by one
    assert set(ran.document) == {"issued", "already_issued", "refused", "total_fen"}
    assert ran.document["issued"] + len(ran.document["refused"]) == len(raw)
    assert ran.code == (6 if ran.document["refused"] else 0)
    if ran.document["issued"]:
        again = medbill("bill", "import", "--format", "his", "--home", home, "--via", "hospital-a", file, "--json")
        assert (again.document["issued"], again.document["already_issued"]) == (0, ran.document["issued"])
        assert again.document["total_fen"] == ran.document["total_fen"]


def test_an_unknown_format_or_a_missing_file_is_a_usage_error(
    medbill: Callable[..., Ran], home: Path, tmp_path: Path
) -> None:
    file = tmp_path / "a.json"
    file.write_text("[]")
    assert medbill("bill", "import", "--format", "xml", "--home", home, "--via", "hospital-a", file).code == 2
    assert (
        medbill("bill", "import", "--format", "his", "--home", home, "--via", "hospital-a", tmp_path / "b.json").code
        == 2
    )
    assert medbill("bill", "import", "--format", "his", "--home", home, "--via", "archive", file).code == 2
