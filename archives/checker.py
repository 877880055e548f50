"""Checks a yearly archive of medical bills against a genesis file: no node, no network, nothing believed.

Needs the standard library, `bill_check.py` and the package `chain`. An archive is a ZIP file or a folder; README.md has its contents.
 1 container   a ZIP file's comment is the SHA-256 of all bytes before it
 2 manifest    a line per file, in order, with its length and SHA-256; every file is there and no other; the Merkle root
               over the lines (RFC 6962) is what `manifest.root` says
 3 ledger      the archive's genesis is the one that is trusted
 4 bills       each proof holds, and the XML beside it says what the proof says, element by element
 5 day books   of each hospital and day, certified; their counts and sums are those of the bills here: none is missing
 6 reversals   a bill whose red bill is here says itself that it is reversed
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import sys
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, NamedTuple, Protocol

from archives.bill_check import (
    ArchiveRefused,
    Figures,
    ProvenBill,
    differences,
    enter_figures,
    read_bill,
    verify_xml,
)
from chain.day_book_proof import DayBooks, check_day_books
from chain.errors import ChainError
from chain.genesis import Genesis, genesis_from_json
from chain.merkle import GrowingRoot

FORMAT, VERSION = "medbill-archive", 1
MANIFEST, MANIFEST_ROOT, HEAD, GENESIS = "manifest.jsonl", "manifest.root", "archive.json", "genesis.json"
DAY_BOOKS = "day-books.proof"
COMMENT = re.compile(rb"medbill-archive sha256=([0-9a-f]{64})")
BILL_PATH = re.compile(r"bills/([a-z0-9][a-z0-9_.-]{0,31})/(\d{4}-\d\d-\d\d)/(\d{18})\.(proof|xml)", re.ASCII)
DAY_PATH = re.compile(r"bills/([a-z0-9][a-z0-9_.-]{0,31})/(\d{4}-\d\d-\d\d)/day-books\.proof", re.ASCII)
FILE_BYTES_MAX = 64 << 20
LINE_BYTES_MAX = 4096
FAULTS_MAX = 50  # told; the rest is counted
PIECE_BYTES = 1 << 20
DAMAGED = (OSError, zipfile.BadZipFile, zlib.error, EOFError, KeyError, ValueError, RuntimeError, NotImplementedError)


class Fault(NamedTuple):
    file: str  # or the hospital and day that bills are missing of
    detail: str


@dataclass
class Verdict:
    """`valid` if nothing is at fault. Nothing here holds a person's data."""

    head: dict[str, Any] = field(default_factory=dict)  # archive.json
    files: int = 0
    bills: int = 0
    unsealed: int = 0
    without_details: int = 0  # only their public part is here
    days: int = 0  # of one hospital each
    total_fen: int = 0
    as_of: tuple[int, int] = (0, 0)  # lowest and highest block that day books were proven at
    numbers_open: int = 0  # below the highest of their lease: reported unused, or left out with a whole day
    faults: list[Fault] = field(default_factory=list)
    faults_count: int = 0

    @property
    def valid(self) -> bool:
        return self.faults_count == 0

    def blame(self, file: str, detail: str) -> None:
        self.faults_count += 1
        if len(self.faults) < FAULTS_MAX:
            self.faults.append(Fault(file, detail))


Told = Callable[[int, str], None]  # (files done since, text)


def check_archive(path: Path, genesis_json: bytes, told: Told = lambda steps, text: None) -> Verdict:
    """Check an archive. Raises GenesisRefused if the trusted genesis does not read, OSError if there is nothing at `path`;
    whatever is wrong with the archive is a fault of the verdict."""
    genesis = genesis_from_json(genesis_json)
    verdict = Verdict()
    if not path.exists():
        raise FileNotFoundError(2, os.strerror(2), str(path))
    try:
        files: Files = Folder(path) if path.is_dir() else Archive(path, verdict)
    except (ArchiveRefused, *DAMAGED) as error:
        verdict.blame(path.name, f"not an archive that can be read: {_said(error)}")
        return verdict
    try:
        _Check(files, genesis, verdict, told).run()
    except (ArchiveRefused, *DAMAGED) as error:
        verdict.blame(MANIFEST, _said(error))
    return verdict


def _said(error: Exception) -> str:
    return str(error)[:200] if isinstance(error, ArchiveRefused) else type(error).__name__


# ── where the files lie ──────────────────────────────────────────────────────────────────────────────────────────────


class Files(Protocol):
    def count(self) -> int: ...

    def open(self, name: str) -> IO[bytes]: ...


class Folder:
    def __init__(self, root: Path) -> None:
        self._root = root

    def count(self) -> int:
        return sum(len(names) for _folder, _below, names in os.walk(self._root))

    def open(self, name: str) -> IO[bytes]:
        return (self._root / name).open("rb")


class Archive:
    """A ZIP file, its comment checked first; what is damaged in it is then looked for file by file."""

    def __init__(self, path: Path, verdict: Verdict) -> None:
        self._zip = zipfile.ZipFile(path)
        said = COMMENT.fullmatch(self._zip.comment)
        if said is None or said[1].decode() != digest_before_comment(path, len(self._zip.comment)):
            verdict.blame(path.name, "its bytes are not those that were written")

    def count(self) -> int:
        return len(self._zip.infolist())

    def open(self, name: str) -> IO[bytes]:
        return self._zip.open(name)


def digest_before_comment(path: Path, comment_bytes: int) -> str:
    """SHA-256 of a file but for its last bytes, in hex."""
    digest, left = hashlib.sha256(), path.stat().st_size - comment_bytes
    with path.open("rb") as stream:
        while left > 0 and (piece := stream.read(min(left, PIECE_BYTES))):
            digest.update(piece)
            left -= len(piece)
    return digest.hexdigest()


def _read(files: Files, name: str, bytes_max: int = FILE_BYTES_MAX) -> bytes:
    with files.open(name) as stream:
        data = stream.read(bytes_max + 1)
    if len(data) > bytes_max:
        raise ArchiveRefused(f"a file of more than {bytes_max} bytes")
    return data


# ── the check ────────────────────────────────────────────────────────────────────────────────────────────────────────


class _Check:
    """Goes through the manifest once; at a time it holds one bill, and the sums of one hospital's day."""

    def __init__(self, files: Files, genesis: Genesis, verdict: Verdict, told: Told) -> None:
        self._files, self._genesis, self._verdict, self._told = files, genesis, verdict, told
        self._day: tuple[str, str] | None = None  # hospital, date
        self._figures: Figures = {}
        self._proof: tuple[str, ProvenBill] | None = None  # path without ending; its XML comes next
        self._year, self._issuers = "", frozenset[str]()  # of archive.json, which comes before all bills
        self._reversed, self._red = (
            set[str](),
            dict[str, str](),
        )  # reversed bills; originals of red bills -> the red one's path
        self._leases: dict[tuple[str, str, int], list[int]] = {}  # (hospital, code, first) -> [bills, highest number]

    def run(self) -> None:
        root, before, count = GrowingRoot(), "", 0
        with self._files.open(MANIFEST) as manifest:
            while line := manifest.readline(LINE_BYTES_MAX):
                before, count = self._entry(line, before), count + 1
                root.add(line[:-1])
                self._told(1, "")
        self._end_day()
        verdict = self._verdict
        if _read(self._files, MANIFEST_ROOT) != root.root().hex().encode() + b"\n":
            verdict.blame(MANIFEST_ROOT, "not the root of the manifest's lines")
        if self._files.count() != count + 2:
            verdict.blame(MANIFEST, f"lists {count} files, there are {self._files.count() - 2}")
        if not verdict.head:
            verdict.blame(HEAD, "missing")
        for number in sorted(self._red.keys() - self._reversed):
            verdict.blame(f"{self._red[number]}.proof", f"takes back {number}, whose own proof is older than that")
        verdict.files = count
        verdict.numbers_open = sum(
            highest - first + 1 - bills for (_, _, first), (bills, highest) in self._leases.items()
        )

    def _entry(self, line: bytes, before: str) -> str:
        """One line of the manifest, and the file that it names. Raises ArchiveRefused for a line that cannot be one."""
        try:
            entry = json.loads(line)
            name, size, digest = str(entry["path"]), int(entry["bytes"]), str(entry["sha256"])
            spelt = manifest_line(name, size, digest)
        except (ValueError, KeyError, TypeError, RecursionError):
            raise ArchiveRefused(f"the line after {before or 'the beginning'} does not read") from None
        if line != spelt + b"\n" or not before < name or ".." in name or name.startswith("/") or "\\" in name:
            raise ArchiveRefused(
                f"the line after {before or 'the beginning'} is not as it was written, or out of order"
            )
        try:
            data = _read(self._files, name)
        except (ArchiveRefused, *DAMAGED) as error:
            self._verdict.blame(name, f"missing or unreadable: {_said(error)}")
            return name
        if (len(data), hashlib.sha256(data).hexdigest()) != (size, digest):
            self._verdict.blame(name, "not the bytes that the manifest names")
        try:
            self._look(name, data)
        except (ArchiveRefused, ChainError) as error:
            self._verdict.blame(name, str(error)[:200])
        return name

    def _look(self, name: str, data: bytes) -> None:
        if bill := BILL_PATH.fullmatch(name):
            self._enter(bill[1], bill[2])
            stem = name.rpartition(".")[0]
            if bill[4] == "proof":
                self._bill(stem, data, bill[1], bill[2], bill[3])
                return
            held, self._proof = self._proof, None
            if held is None or held[0] != stem:
                raise ArchiveRefused("a bill without a proof that holds beside it")
            verify_xml(data, held[1], self._genesis)
        elif day := DAY_PATH.fullmatch(name):
            self._enter(day[1], day[2])
            self._expect_xml()
            figures, self._day, self._figures = self._figures, None, {}
            self._complete(day[1], day[2], figures, check_day_books(data, self._genesis))
        elif name == HEAD:
            self._head(data)
        elif name == GENESIS:
            if genesis_from_json(data).digest() != self._genesis.digest():
                raise ArchiveRefused("of another ledger than the genesis file that is trusted")
        elif name.startswith("bills/"):
            raise ArchiveRefused("no file of an archive")

    def _head(self, data: bytes) -> None:
        try:
            head = json.loads(data)
            known = (head["format"], head["version"], head["chain_id"])
            self._year, self._issuers = str(int(head["year"])), frozenset(map(str, head["issuers"]))
        except (ValueError, KeyError, TypeError):
            raise ArchiveRefused("does not read") from None
        if known != (FORMAT, VERSION, self._genesis.digest().hex()):
            raise ArchiveRefused("another format or version, or of another ledger")
        self._verdict.head = head

    def _enter(self, issuer: str, date: str) -> None:
        """Files of one hospital's day stand together; the day books end it."""
        if issuer not in self._issuers or date[:4] != self._year:
            raise ArchiveRefused("of a hospital or a year that this archive is not about")
        if self._day != (issuer, date):
            self._end_day()
            self._day = (issuer, date)

    def _end_day(self) -> None:
        self._expect_xml()
        if self._day is not None:
            self._verdict.blame("/".join(("bills", *self._day, DAY_BOOKS)), "missing, or does not hold")
        self._day, self._figures = None, {}

    def _expect_xml(self) -> None:
        if self._proof is not None:
            self._verdict.blame(f"{self._proof[0]}.xml", "missing")
            self._proof = None

    def _bill(self, stem: str, data: bytes, issuer: str, date: str, number: str) -> None:
        self._expect_xml()
        bill = read_bill(data, self._genesis)
        if (bill.issuer, bill.date, bill.operation.bill) != (issuer, date, number):
            raise ArchiveRefused("the proof of another bill, hospital or day")
        self._proof = (stem, bill)
        enter_figures(self._figures, bill)
        if bill.facts["red"] and bill.facts["original"][6:8] == self._year[2:]:
            self._red[bill.facts["original"]] = stem
        elif bill.facts["status"] == "reversed":
            self._reversed.add(number)
        lease = self._leases.setdefault((issuer, number[:8], bill.operation.lease_first), [0, 0])
        lease[:] = lease[0] + 1, max(lease[1], int(number[8:]))
        verdict = self._verdict
        verdict.bills += 1
        verdict.total_fen += bill.operation.total_fen
        verdict.unsealed += not bill.facts["sealed"]
        verdict.without_details += not bill.opened

    def _complete(self, issuer: str, date: str, figures: Figures, books: DayBooks) -> None:
        for difference in differences(figures, books, issuer, int(date.replace("-", ""))):
            self._verdict.blame(f"{issuer} {date}", difference)
        lowest, highest = self._verdict.as_of
        self._verdict.as_of = (min(lowest or books.height, books.height), max(highest, books.height))
        self._verdict.days += 1


def manifest_line(name: str, size: int, digest: str) -> bytes:
    """Without its line end: the leaf of the manifest's tree."""
    line = {"path": name, "bytes": size, "sha256": digest}
    return json.dumps(line, ensure_ascii=False, separators=(",", ":")).encode()


def main(arguments: list[str]) -> int:
    """python -m archives.checker ARCHIVE GENESIS: 0 valid, 3 invalid, 2 usage."""
    if len(arguments) != 2:
        print(main.__doc__, file=sys.stderr)
        return 2
    verdict = check_archive(Path(arguments[0]), Path(arguments[1]).read_bytes())
    for fault in verdict.faults:
        print(f"{fault.file}: {fault.detail}")
    print(f"{'valid' if verdict.valid else 'INVALID'}: {verdict.bills} bills of {verdict.days} days")
    return 0 if verdict.valid else 3


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
