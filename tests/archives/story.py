"""A small year: two hospitals, three days, a red bill and a void one, on a ledger in memory; and the mirror that shows it."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any, cast

from archives.making import Archivist, Report
from archives.packing import pack, write_manifest
from chain.codec import encode
from chain.details import Details, reversal_details
from chain.genesis import genesis_to_json
from chain.operation import IssueBill, ReverseBill, VoidBill, operation_digest
from exports.dat95.document import OPENED
from node.proof_desk import ProofDesk
from tests.chain.making import Chain, at, details, issue_bill, reverse_bill

YEAR = 2026
INPATIENT_CODE = "33060226"


class Story:
    """Bills of the ledger with their details; `mirror` shows them as `archives.making` asks."""

    def __init__(self) -> None:
        self.chain = Chain()
        self.details: dict[str, Details] = {}
        self.seals: dict[str, bytes] = {}  # bill -> digest of the operation that sealed it
        self.bills: dict[tuple[str, str], list[str]] = {}  # (hospital, date) -> numbers
        for issuer, code in (("hospital-a", "33060126"), ("hospital-a", INPATIENT_CODE), ("hospital-b", "33060126")):
            self.chain.lease(issuer, code=code)

    def issue(
        self, business_no: str, *, serial: int, issuer: str = "hospital-a", total_fen: int = 12_345, **how: Any
    ) -> IssueBill:
        bill = issue_bill(business_no, serial=serial, issuer=issuer, total_fen=total_fen, **how)
        assert self.chain.run(issuer, bill) == ["recorded"]
        self._enter(issuer, bill, details(bill.bill, business_no=business_no, total_fen=total_fen))
        return bill

    def reverse(self, original: IssueBill, *, serial: int, issuer: str = "hospital-a", **how: Any) -> ReverseBill:
        red = reverse_bill(original, serial=serial, **how)
        assert self.chain.run(issuer, red) == ["recorded"]
        seed = sha256(red.bill.encode()).digest()
        self._enter(issuer, red, reversal_details(red.bill, seed, "wrong payer", "cashier one", "now"))
        return red

    def void(self, bill: IssueBill, issuer: str = "hospital-a") -> None:
        assert self.chain.run(issuer, VoidBill(bill.bill, "mistyped")) == ["recorded"]

    def _enter(self, issuer: str, bill: IssueBill | ReverseBill, private: Details) -> None:
        day = bill.business_date
        date = f"{day // 10_000:04d}-{day // 100 % 100:02d}-{day % 100:02d}"
        self.bills.setdefault((issuer, date), []).append(bill.bill)
        self.details[bill.bill] = private

    def seal(self) -> None:
        seal = self.chain.seal(["hospital-a", "hospital-b"])
        assert self.chain.run_seal(seal) == "recorded"
        for number in self.details:
            self.seals.setdefault(number, operation_digest(seal))


class MemoryMirror:
    """What a node answers, straight from the ledger."""

    def __init__(self, story: Story) -> None:
        self.story, self.asked = story, 0
        self.desk = ProofDesk(story.chain.ledger, cast(Any, None))
        self.erased: set[str] = set()

    def network(self) -> dict[str, Any]:
        organisations = [
            {"name": entry.id, "title": entry.name, "kind": entry.kind, "supervisor": entry.supervisor}
            for entry in self.story.chain.genesis.organisations
        ]
        node = {"organisation": "finance-city"}
        return {"chain_id": self.story.chain.chain_id.hex(), "node": node, "organisations": organisations}

    def bills(self, issuer: str, date: str) -> Iterator[str]:
        return iter(sorted(self.story.bills.get((issuer, date), [])))

    def proof(self, bill: str) -> bytes:
        self.asked += 1
        opened = None if bill in self.erased else self.story.details[bill]
        return encode(self.story.chain.proof(bill, seal=self.story.seals[bill], opened=opened, fields=list(OPENED)))

    def day_books(self, issuer: str, first: str, last: str) -> bytes:
        return self.desk.day_books(issuer, int(first.replace("-", "")), int(last.replace("-", "")))


def told() -> Story:
    story = Story()
    first = story.issue("B-1", serial=1)
    story.issue("B-2", serial=2, total_fen=50_000)
    story.reverse(first, serial=3)
    story.void(story.issue("B-4", serial=4, total_fen=7_700))
    story.issue("B-5", serial=1, code=INPATIENT_CODE, total_fen=910_000, business_date=20260601)
    story.issue("B-6", serial=100_001, issuer="hospital-b", lease_first=100_001)
    story.chain.time_ms = at("2026-06-02 10:00:00")
    story.issue("B-7", serial=5, business_date=20260602, issued_ms=at("2026-06-02 09:15:30"))
    story.seal()
    return story


def genesis_json(story: Story) -> bytes:
    return genesis_to_json(story.chain.genesis).encode()


def made(story: Story, folder: Path, mirror: MemoryMirror | None = None) -> Report:
    """An archive in a folder, with its manifest."""
    report = Archivist(mirror or MemoryMirror(story), genesis_json(story), YEAR, folder).make()
    write_manifest(folder)
    return report


def packed(folder: Path) -> Path:
    """The ZIP file of a folder as it stands, with a manifest made anew: what a forger would hand over."""
    write_manifest(folder)
    out = folder.with_name(f"{folder.name}.zip")
    out.unlink(missing_ok=True)
    pack(folder, out)
    return out
