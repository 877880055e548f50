"""A year's archive: whole, it verifies with nothing but the genesis file; anything taken out or changed shows."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
import tokenize
import zipfile
from pathlib import Path

import pytest

from archives import bill_check, checker
from archives.checker import check_archive, manifest_line
from archives.making import Archivist, MakingFailed
from archives.packing import names_in, write_manifest
from chain.genesis import genesis_to_json
from chain.merkle import EMPTY_ROOT, GrowingRoot, root
from tests.archives.story import YEAR, MemoryMirror, Story, genesis_json, made, packed, told
from tests.chain.making import at, genesis, issue_bill

BILLS, DAYS = 7, 3
DAY = "bills/hospital-a/2026-06-01"


@pytest.fixture(scope="module")
def story() -> Story:
    return told()


@pytest.fixture(scope="module")
def whole(story: Story, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("archive") / "year"
    report = made(story, folder)
    assert (report.bills, report.days, report.unsealed, report.without_details) == (BILLS, DAYS, 0, 0)
    return folder


@pytest.fixture
def folder(whole: Path, tmp_path: Path) -> Path:
    """A copy to change."""
    return Path(shutil.copytree(whole, tmp_path / "year"))


def faults(archive: Path, story: Story) -> list[str]:
    return [f"{fault.file}: {fault.detail}" for fault in check_archive(archive, genesis_json(story)).faults]


def test_an_archive_verifies_as_a_folder_and_as_one_file(story: Story, folder: Path) -> None:
    for archive in (folder, packed(folder)):
        verdict = check_archive(archive, genesis_json(story))
        assert verdict.valid, verdict.faults
        assert (verdict.bills, verdict.days, verdict.unsealed, verdict.numbers_open) == (BILLS, DAYS, 0, 0)
        assert verdict.total_fen == 50_000 + 7_700 + 910_000 + 2 * 12_345
        assert verdict.head["issuers"] == ["hospital-a", "hospital-b"]


def test_another_ledgers_genesis_is_not_believed(story: Story, folder: Path) -> None:
    other = genesis_to_json(genesis(name="another province")).encode()
    verdict = check_archive(folder, other)
    assert not verdict.valid
    assert {fault.file for fault in verdict.faults} >= {"genesis.json", "archive.json"}


def test_a_bill_taken_out_is_missed_and_named_by_hospital_and_day(story: Story, folder: Path) -> None:
    """Also where the forger made manifest, root and file digest anew."""
    number = sorted((folder / DAY).glob("*.xml"))[1].stem
    for ending in ("proof", "xml"):
        (folder / DAY / f"{number}.{ending}").unlink()
    found = faults(folder, story)
    assert any(number in fault for fault in found)  # the manifest names what is not there
    (fault,) = faults(packed(folder), story)
    assert fault.startswith("hospital-a 2026-06-01: issuing point A01, kind ")
    assert "the day book has" in fault


def test_day_books_taken_out_are_missed(story: Story, folder: Path) -> None:
    (folder / DAY / "day-books.proof").unlink()
    assert any(f"{DAY}/day-books.proof: missing" in fault for fault in faults(packed(folder), story))


@pytest.mark.parametrize(
    ("element", "before", "after"),
    [
        ("TotalAmount", b"<TotalAmount>500.00</TotalAmount>", b"<TotalAmount>900.00</TotalAmount>"),
        ("PayerName", b"<PayerName>Synthetic Person</PayerName>", b"<PayerName>Another Person</PayerName>"),
        ("Items/ItemAmount", b"<ItemAmount>1.00</ItemAmount>", b"<ItemAmount>2.00</ItemAmount>"),
        ("RandomNumber", b"  <TotalAmount>", b"  <RandomNumber>abc123</RandomNumber>\n  <TotalAmount>"),
    ],
)
def test_an_xml_that_says_otherwise_than_its_proof_is_named(
    story: Story, folder: Path, element: str, before: bytes, after: bytes
) -> None:
    """An altered amount, with all digests made anew. The value itself is not repeated."""
    (file,) = [path for path in (folder / DAY).glob("*.xml") if b"<TotalAmount>500.00<" in path.read_bytes()]
    content = file.read_bytes()
    assert before in content
    file.write_bytes(content.replace(before, after))
    (fault,) = faults(packed(folder), story)
    assert fault.startswith(f"{DAY}/{file.name}: {element} ")
    assert "Another" not in fault


def test_a_foreign_file_a_bill_without_xml_and_a_proof_of_another_day(story: Story, folder: Path) -> None:
    first, second = sorted((folder / DAY).glob("*.xml"))[:2]
    first.unlink()
    assert any(f"{DAY}/{first.name}: missing" in fault for fault in faults(packed(folder), story))
    (folder / DAY / "notes.txt").write_text("x")
    assert any("no file of an archive" in fault for fault in faults(packed(folder), story))
    (folder / DAY / "notes.txt").unlink()
    shutil.copy(second.with_suffix(".proof"), first.with_suffix(".proof"))
    assert any("another bill, hospital or day" in fault for fault in faults(packed(folder), story))


def test_one_byte_changed_anywhere_in_the_file_shows(story: Story, folder: Path) -> None:
    """A sample of places over the whole ZIP file, its end and the headers of its first files among them."""
    archive = packed(folder)
    content = archive.read_bytes()
    places = {
        *range(0, 64, 4),
        *range(len(content) - 200, len(content), 5),
        *range(0, len(content), len(content) // 40),
    }
    for place in sorted(places):
        changed = bytearray(content)
        changed[place] ^= 0x01
        archive.write_bytes(changed)
        assert not check_archive(archive, genesis_json(story)).valid, place
    for cut in (content[:-1], content[: len(content) // 2], b"", content + b"\0"):
        archive.write_bytes(cut)
        assert not check_archive(archive, genesis_json(story)).valid
    archive.write_bytes(content)
    assert check_archive(archive, genesis_json(story)).valid


def test_one_byte_changed_in_any_file_of_a_folder_shows(story: Story, folder: Path) -> None:
    for name in [*names_in(folder), checker.MANIFEST, checker.MANIFEST_ROOT]:
        if name.startswith("software/chain/") and not name.endswith("merkle.py"):
            continue  # one of them stands for all
        file = folder / name
        content = file.read_bytes()
        for place in {0, len(content) // 2, len(content) - 1}:
            changed = bytearray(content)
            changed[place] ^= 0x01
            file.write_bytes(changed)
            assert not check_archive(folder, genesis_json(story)).valid, (name, place)
        file.write_bytes(content)
    assert check_archive(folder, genesis_json(story)).valid


def test_hostile_archives_are_invalid_and_never_more_than_that(story: Story, folder: Path, tmp_path: Path) -> None:
    """Names that lead out, a manifest that is none, a compressed flood."""
    manifest = folder / checker.MANIFEST
    lines = manifest.read_bytes()
    for bad in (b"", b"\n", b"[]\n", b"{}\n", b'{"path": 1}\n', lines[::-1], b"\xff" * 9000, lines + lines):
        manifest.write_bytes(bad)
        assert not check_archive(folder, genesis_json(story)).valid, bad[:20]
    outside = tmp_path / "outside.txt"
    outside.write_text("x")
    manifest.write_bytes(manifest_line("../outside.txt", 1, "0" * 64) + b"\n")
    assert not check_archive(folder, genesis_json(story)).valid
    flood = tmp_path / "flood.zip"
    with zipfile.ZipFile(flood, "w", zipfile.ZIP_DEFLATED) as packed_flood:
        packed_flood.writestr(checker.MANIFEST, b"a" * (80 << 20))
    assert not check_archive(flood, genesis_json(story)).valid


def test_making_goes_on_where_it_was_and_makes_changed_days_anew(tmp_path: Path) -> None:
    story, folder = told(), tmp_path / "year"
    mirror = MemoryMirror(story)
    made(story, folder, mirror)
    asked = mirror.asked
    assert made(story, folder, mirror).days_kept == DAYS
    assert mirror.asked == asked
    story.issue("B-9", serial=6, business_date=20260602, issued_ms=at("2026-06-02 09:20:00"))
    story.seal()
    report = made(story, folder, mirror)
    assert (report.bills, report.days, report.days_kept) == (2, 1, DAYS - 1)
    assert check_archive(folder, genesis_json(story)).valid


def test_a_reversal_between_two_runs_reaches_the_bill_that_it_takes_back(tmp_path: Path) -> None:
    """Its own day's books do not change by it; and an archive where it was forgotten is found out."""
    story, folder, stale = told(), tmp_path / "year", tmp_path / "stale"
    mirror = MemoryMirror(story)
    made(story, folder, mirror)
    original = issue_bill("B-2", serial=2, total_fen=50_000)
    story.reverse(original, serial=20, business_date=20260602)
    story.seal()
    shutil.copytree(folder, stale)
    made(story, folder, mirror)
    assert check_archive(folder, genesis_json(story)).valid
    number = story.bills["hospital-a", "2026-06-02"][-1]
    for name in (f"{number}.proof", f"{number}.xml", "day-books.proof"):
        shutil.copy(folder / "bills/hospital-a/2026-06-02" / name, stale / "bills/hospital-a/2026-06-02" / name)
    (fault,) = faults(packed(stale), story)
    assert f"{number}.proof: takes back {original.bill}" in fault


def test_a_day_that_goes_on_while_it_is_read_is_read_again(tmp_path: Path) -> None:
    """Bills come between the list and the day books: never an archive that does not add up."""
    story, folder = told(), tmp_path / "year"

    class Busy(MemoryMirror):
        left = 2

        def day_books(self, issuer: str, first: str, last: str) -> bytes:
            if self.left and (first, last) == ("2026-06-02", "2026-06-02"):
                self.left -= 1
                number = 10 + self.left
                story.issue(f"B-{number}", serial=number, business_date=20260602, issued_ms=at("2026-06-02 09:30:00"))
                story.seal()
            return super().day_books(issuer, first, last)

    assert made(story, folder, Busy(story)).bills == BILLS + 2
    assert check_archive(folder, genesis_json(story)).valid
    busy = Busy(story)
    busy.left = 100
    with pytest.raises(MakingFailed) as caught:
        made(story, tmp_path / "never", busy)
    assert caught.value.code == "day_moves"


def test_a_bill_whose_details_are_erased_is_there_with_its_public_part(tmp_path: Path) -> None:
    story, folder = told(), tmp_path / "year"
    mirror = MemoryMirror(story)
    mirror.erased = {story.bills["hospital-b", "2026-06-01"][0]}
    assert made(story, folder, mirror).without_details == 1
    verdict = check_archive(folder, genesis_json(story))
    assert (verdict.valid, verdict.without_details) == (True, 1)


def test_a_folder_of_something_else_is_left_alone(story: Story, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(MakingFailed) as caught:
        made(story, tmp_path)
    assert caught.value.code == "archive_differs"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine.txt"]


def test_an_archive_of_one_hospital_is_of_that_hospital(story: Story, tmp_path: Path) -> None:
    folder = tmp_path / "year"
    report = Archivist(MemoryMirror(story), genesis_json(story), YEAR, folder).make(["hospital-b"])
    assert (report.bills, report.days) == (1, 1)
    write_manifest(folder)
    verdict = check_archive(folder, genesis_json(story))
    assert (verdict.valid, verdict.head["issuers"]) == (True, ["hospital-b"])
    with pytest.raises(MakingFailed) as caught:
        Archivist(MemoryMirror(story), genesis_json(story), YEAR, folder).make(["hospital-a", "hospital-b"])
    assert caught.value.code == "archive_differs"


def test_what_a_mirror_answers_is_not_believed(story: Story, tmp_path: Path) -> None:
    """A proof that does not hold is never written; a node of another ledger, an unknown hospital."""

    class Lying(MemoryMirror):
        def proof(self, bill: str) -> bytes:
            return super().proof(bill)[:-1] + b"\x01"

    other = genesis_to_json(genesis(name="another")).encode()
    for mirror, trusted, issuers, code in (
        (Lying(story), genesis_json(story), None, "proof_refused"),
        (MemoryMirror(story), other, None, "foreign_genesis"),
        (MemoryMirror(story), genesis_json(story), ["hospital-z"], "issuer_unknown"),
    ):
        with pytest.raises(MakingFailed) as caught:
            Archivist(mirror, trusted, YEAR, tmp_path / code).make(issuers)
        assert caught.value.code == code
        assert not list(tmp_path.glob(f"{code}/bills/**/*.xml"))


def test_a_year_without_bills_is_an_empty_archive(story: Story, tmp_path: Path) -> None:
    report = Archivist(MemoryMirror(story), genesis_json(story), YEAR + 1, tmp_path / "empty").make()
    assert (report.bills, report.days) == (0, 0)
    write_manifest(tmp_path / "empty")
    assert check_archive(tmp_path / "empty", genesis_json(story)).valid


def test_equal_folders_make_equal_files(folder: Path) -> None:
    first = packed(folder).read_bytes()
    os.utime(folder / "README.txt", (1, 1))
    assert packed(folder).read_bytes() == first


def test_the_manifests_root_is_the_tree_of_merkle(folder: Path) -> None:
    lines = (folder / checker.MANIFEST).read_bytes().splitlines()
    assert (folder / checker.MANIFEST_ROOT).read_text() == root(lines).hex() + "\n"
    paths = [json.loads(line)["path"] for line in lines]
    assert paths == sorted(paths)
    for count in range(20):
        growing = GrowingRoot()
        for line in lines[:count]:
            growing.add(line)
        assert growing.root() == (root(lines[:count]) if count else EMPTY_ROOT)


def test_the_checker_runs_from_the_archive_itself(story: Story, folder: Path, tmp_path: Path) -> None:
    """What whoever opens it in thirty years does: the sources that are in it, and a genesis file kept elsewhere."""
    archive, trusted = packed(folder), tmp_path / "trusted.json"
    trusted.write_bytes(genesis_json(story))
    with zipfile.ZipFile(archive) as opened:
        opened.extractall(tmp_path / "opened")
    command = [sys.executable, "-P", "-m", "archives.checker", str(archive), str(trusted)]
    software = tmp_path / "opened" / "software"
    script = "import archives.checker as c, sys; assert c.__file__.startswith(sys.argv[1]), c.__file__"
    environment = {"PYTHONPATH": str(software), "PATH": os.environ["PATH"]}
    where = subprocess.run([sys.executable, "-c", script, str(software)], env=environment, cwd=tmp_path, check=False)
    assert where.returncode == 0
    done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, f"valid: {BILLS} bills of {DAYS} days\n"), done.stderr
    content = bytearray(archive.read_bytes())
    content[len(content) // 2] ^= 1
    archive.write_bytes(content)
    assert subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, check=False).returncode == 3


def test_the_checker_stays_short() -> None:
    """Four hundred lines of code in two files, without comments, docstrings and blank lines: somebody has to read them."""
    assert sum(_lines_of_code(Path(str(module.__file__))) for module in (checker, bill_check)) <= 400


def _lines_of_code(file: Path) -> int:
    lines: set[int] = set()
    before = tokenize.INDENT
    for token in tokenize.generate_tokens(io.StringIO(file.read_text("utf-8")).readline):
        is_docstring = token.type == tokenize.STRING and before in (tokenize.INDENT, tokenize.NEWLINE, tokenize.NL)
        is_code = token.type not in (tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT)
        if is_code and token.string and not is_docstring:
            lines.update(range(token.start[0], token.end[0] + 1))
        if token.type != tokenize.COMMENT:
            before = token.type
    return len(lines)
