"""Making an archive, day by day: what a mirror shows becomes files in a folder.

A day is whole when its `day-books.proof` stands there, written last and only if its sums are those of the bills beside it. So an
archive that was broken off goes on where it was, and a day that has changed since is made anew. In memory is one bill at a time.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Protocol

import msgspec

from archives.bill_check import ArchiveRefused, Figures, differences, enter_figures, read_bill, verify_xml
from archives.checker import DAY_BOOKS, HEAD
from archives.contents import head_of, standing_files
from chain.day_book_proof import DayBooks, check_day_books
from chain.errors import ChainError
from chain.genesis import Genesis, genesis_from_json
from exports.dat95.document import xml_of
from exports.proven_bill import read_proven

DAYS_AT_ONCE = 7  # of day books in one question: of a thousand issuing points they still fit in a file
ATTEMPTS_MAX = 5  # at a day that changes while it is read

Told = Callable[[int, str], None]  # (days done since, text)


class MakingFailed(Exception):
    """`code` is stable: archive_differs, foreign_genesis, issuer_unknown, proof_refused, day_moves."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code, self.detail = code, detail


class Mirror(Protocol):
    """What is asked of a node that holds all bills and their details."""

    def network(self) -> dict[str, Any]: ...

    def bills(self, issuer: str, day: str) -> Iterator[str]:
        """Numbers of a day's bills."""
        ...

    def proof(self, bill: str) -> bytes:
        """With the details of table B.10 opened; without, if the node no longer has them."""
        ...

    def day_books(self, issuer: str, first: str, last: str) -> bytes:
        """The file that proves them, of up to `DAYS_AT_ONCE` days."""
        ...


class Report(msgspec.Struct):
    bills: int = 0  # written by this run
    days: int = 0
    days_kept: int = 0  # were there before, and have not changed
    without_details: int = 0
    unsealed: int = 0


class Archivist:
    """Fills `folder`. Whatever it writes it has checked against the genesis file first."""

    def __init__(
        self, mirror: Mirror, genesis_json: bytes, year: int, folder: Path, told: Told = lambda steps, text: None
    ) -> None:
        self._mirror, self._genesis_json, self._year, self._folder, self._told = (
            mirror,
            genesis_json,
            year,
            folder,
            told,
        )
        self._genesis: Genesis = genesis_from_json(genesis_json)
        self._titles = {entry.id: entry.name for entry in self._genesis.organisations}
        self._report = Report()
        self._originals: list[str] = []  # of the red bills that this run wrote

    def make(self, issuers: list[str] | None = None) -> Report:
        """The whole year of `issuers`, or of the hospitals that the mirror's own office supervises.

        Raises MakingFailed, and what the mirror's answers raise; then the same call goes on.
        """
        issuers = self._chosen(issuers)
        head = head_of(self._year, self._genesis.digest().hex(), issuers)
        self._begin(head)
        for issuer in issuers:
            versions = self._versions(issuer)
            for day in sorted(versions):
                if self._is_whole(issuer, day, versions[day]):
                    self._report.days_kept += 1
                else:
                    self._make_day(issuer, day)
                self._told(1, f"{issuer} {day}, {self._report.bills} bills")
        self._renew_originals()
        return self._report

    def _renew_originals(self) -> None:
        """A reversal changes no day book of the day that it takes back from: what was written there earlier may be older."""
        for original in self._originals:
            for file in self._folder.glob(f"bills/*/*/{original}.proof"):
                self._write_bill(file.parent, original, {}, Report())

    def _versions(self, issuer: str) -> dict[str, dict[str, int]]:
        """Date -> issuing point -> version of its day book, as proven: the days that the year has."""
        found: dict[str, dict[str, int]] = {}
        first, end = date(self._year, 1, 1), date(self._year, 12, 31)
        while first <= end:
            last = min(first + timedelta(days=DAYS_AT_ONCE - 1), end)
            books = self._checked(self._mirror.day_books(issuer, first.isoformat(), last.isoformat()))
            for (point, day), version in books.versions.items():
                found.setdefault(f"{day // 10_000:04d}-{day // 100 % 100:02d}-{day % 100:02d}", {})[point] = version
            first = last + timedelta(days=1)
        return found

    def _chosen(self, wanted: list[str] | None) -> list[str]:
        network = self._mirror.network()
        if network["chain_id"] != self._genesis.digest().hex():
            raise MakingFailed("foreign_genesis", "the node is of another ledger than the genesis file")
        organisations = network["organisations"]  # also those that came after genesis
        self._titles |= {entry["name"]: entry["title"] for entry in organisations}
        hospitals = {entry["name"]: entry["supervisor"] for entry in organisations if entry["kind"] == "hospital"}
        if wanted:
            if unknown := sorted(set(wanted) - hospitals.keys()):
                raise MakingFailed("issuer_unknown", f"no hospital of this ledger: {', '.join(unknown)}")
            return sorted(set(wanted))
        office = network["node"]["organisation"]
        found = sorted(name for name, supervisor in hospitals.items() if supervisor == office)
        if not found:
            raise MakingFailed("issuer_unknown", f"{office} supervises no hospital: name some")
        return found

    def _begin(self, head: dict[str, Any]) -> None:
        known = self._folder / HEAD
        files = dict(standing_files(head, self._genesis_json))
        is_begun = known.exists() and known.read_bytes() == files[HEAD]
        if not is_begun and self._folder.exists() and any(self._folder.iterdir()):
            raise MakingFailed("archive_differs", f"{self._folder}: not empty, and not this archive begun")
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name, data in files.items():
            self._write(self._folder / name, data)

    def _write(self, file: Path, data: bytes) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)

    def _day_folder(self, issuer: str, day: str) -> Path:
        return self._folder / "bills" / issuer / day

    def _is_whole(self, issuer: str, day: str, versions: dict[str, int]) -> bool:
        file = self._day_folder(issuer, day) / DAY_BOOKS
        if not file.exists():
            return False
        try:
            books = self._checked(file.read_bytes())
        except MakingFailed:
            return False
        return {point: version for (point, _date), version in books.versions.items()} == versions

    def _make_day(self, issuer: str, day: str) -> None:
        """Bills first, then the day books: as long as these say otherwise, the day went on while it was read."""
        folder, number_of_day = self._day_folder(issuer, day), int(day.replace("-", ""))
        said: list[str] = []
        for _attempt in range(ATTEMPTS_MAX):
            shutil.rmtree(folder, ignore_errors=True)
            counts, figures = Report(), Figures()
            for number in self._mirror.bills(issuer, day):
                self._write_bill(folder, number, figures, counts)
                self._told(0, f"{issuer} {day}, {self._report.bills + counts.bills} bills")
            data = self._mirror.day_books(issuer, day, day)
            said = list(differences(figures, self._checked(data), issuer, number_of_day))
            if not said:
                partial = folder / f"{DAY_BOOKS}.partial"
                self._write(partial, data)
                partial.replace(folder / DAY_BOOKS)
                self._enter(counts)
                return
        raise MakingFailed("day_moves", f"{issuer} {day}: {said[0]}; run the same command again")

    def _enter(self, counts: Report) -> None:
        self._report.days += 1
        self._report.bills += counts.bills
        self._report.without_details += counts.without_details
        self._report.unsealed += counts.unsealed

    def _write_bill(self, folder: Path, number: str, figures: Figures, counts: Report) -> None:
        data = self._mirror.proof(number)
        try:
            bill = read_bill(data, self._genesis)
            proven = read_proven(data, self._titles, self._genesis.parameters.utc_offset_minutes)
            document = xml_of(proven)
            verify_xml(document, bill, self._genesis)
        except (ArchiveRefused, ChainError) as error:
            raise MakingFailed("proof_refused", f"{number}: {error}") from None
        enter_figures(figures, bill)
        self._write(folder / f"{number}.proof", data)
        self._write(folder / f"{number}.xml", document)
        if proven.original:
            self._originals.append(proven.original)
        counts.bills += 1
        counts.without_details += not proven.has_details
        counts.unsealed += not bill.facts["sealed"]

    def _checked(self, data: bytes) -> DayBooks:
        try:
            return check_day_books(data, self._genesis)
        except ChainError as error:
            raise MakingFailed("proof_refused", f"day books: {error}") from None
