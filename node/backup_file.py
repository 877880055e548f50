"""A backup as it lies on a disk: a directory, or the same in one `.tar` file.

    manifest.json             what it is of, how far it goes, and the digest of every other file
    genesis.json
    blocks/NNNNNNNN.log       the block log of a validator or mirror: closed segments, and the whole records of the last
    evidence.log              of a validator or mirror that keeps any: what convicts who voted twice
    details.rows, gateway.rows   a mirror's details and submissions; a gateway's store (`backup_rows.py`)

Never journal, never keys. Source: DESIGN section 8.
"""

from __future__ import annotations

import re
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

import msgspec

from node.errors import NodeError

FORMAT = "medbill/1/backup"
MANIFEST = "manifest.json"
GENESIS = "genesis.json"
BLOCKS = "blocks"
EVIDENCE = "evidence.log"
DETAILS_ROWS, GATEWAY_ROWS = "details.rows", "gateway.rows"
MANIFEST_BYTES_MAX = 64 << 20
TAR_SUFFIX = ".tar"
_NAME = re.compile(r"genesis\.json|evidence\.log|details\.rows|gateway\.rows|blocks/[0-9]{8,}\.log")


class BackupRefused(NodeError):
    """`code`: backup_unreadable (not one, or not whole), backup_exists, home_not_empty, foreign_genesis."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code


class BackupFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    path: str
    bytes: int
    sha256: str


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """`height`, `digest`, `state_root` and `certificate` (canonical bytes, hex) are of the last block in it, of a
    gateway the last one it followed; at height 0 there is no certificate."""

    format: str
    node: str
    kind: str
    organisation: str
    chain_id: str
    made_ms: int
    height: int
    digest: str
    state_root: str
    certificate: str
    rows: dict[str, int]  # file of rows -> how many
    files: list[BackupFile]
    check: str  # SHA-256 of this document with an empty `check`
    office: str = ""  # that supervises a gateway's organisation, where this came after genesis


def encode_manifest(manifest: Manifest) -> bytes:
    """As it lies in the file, its check made."""
    bare = msgspec.structs.replace(manifest, check="")
    return _json(msgspec.structs.replace(bare, check=sha256(_json(bare)).hexdigest()))


def decode_manifest(data: bytes) -> Manifest:
    """Raises BackupRefused for anything but the very bytes that `encode_manifest` gives."""
    try:
        manifest = msgspec.json.decode(data, type=Manifest)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise BackupRefused("backup_unreadable", f"{MANIFEST}: {error}") from None
    if manifest.format != FORMAT:
        raise BackupRefused("backup_unreadable", f"{MANIFEST}: format {manifest.format[:40]!r}, not {FORMAT}")
    if encode_manifest(manifest) != data:
        raise BackupRefused("backup_unreadable", f"{MANIFEST}: altered, its check does not fit")
    for entry in manifest.files:
        if not _NAME.fullmatch(entry.path):
            raise BackupRefused("backup_unreadable", f"{MANIFEST}: names a file that no backup has")
    return manifest


def _json(manifest: Manifest) -> bytes:
    return msgspec.json.format(msgspec.json.encode(manifest), indent=1) + b"\n"


def file_digest(path: Path) -> tuple[int, str]:
    """(bytes, SHA-256)"""
    hashed, size = sha256(), 0
    with path.open("rb") as file:
        while part := file.read(1 << 20):
            hashed.update(part)
            size += len(part)
    return size, hashed.hexdigest()


class Backup:
    """An opened backup: a directory whose every file has the digest that the manifest names."""

    def __init__(self, directory: Path, manifest: Manifest) -> None:
        self.directory, self.manifest = directory, manifest

    def path(self, name: str) -> Path:
        return self.directory / name

    @property
    def has_evidence(self) -> bool:
        return any(entry.path == EVIDENCE for entry in self.manifest.files)

    @property
    def segments(self) -> list[Path]:
        """By first height."""
        names = [entry.path for entry in self.manifest.files if entry.path.startswith(f"{BLOCKS}/")]
        return [self.path(name) for name in sorted(names, key=lambda name: int(Path(name).stem))]


@contextmanager
def opened_backup(path: Path) -> Iterator[Backup]:
    """Check manifest and digests; a `.tar` is unpacked into a temporary place. Raises BackupRefused."""
    if path.is_dir():
        yield _checked(path)
    elif path.is_file():
        with tempfile.TemporaryDirectory(prefix="medbill-backup-") as place:
            _unpack(path, Path(place))
            yield _checked(Path(place))
    else:
        raise BackupRefused("backup_unreadable", f"{path}: neither a directory nor a file")


def _checked(directory: Path) -> Backup:
    try:
        with (directory / MANIFEST).open("rb") as file:
            manifest = decode_manifest(file.read(MANIFEST_BYTES_MAX))
        for entry in manifest.files:
            if (directory / entry.path).is_symlink() or file_digest(directory / entry.path) != (
                entry.bytes,
                entry.sha256,
            ):
                raise BackupRefused("backup_unreadable", f"{directory / entry.path}: altered, its digest does not fit")
    except OSError as error:
        raise BackupRefused("backup_unreadable", f"{error.filename}: {error.strerror}") from None
    if GENESIS not in {entry.path for entry in manifest.files}:
        raise BackupRefused("backup_unreadable", f"{directory / GENESIS}: missing")
    return Backup(directory, manifest)


def _unpack(path: Path, place: Path) -> None:
    """Only plain files under the names that a backup has, each once."""
    (place / BLOCKS).mkdir()
    try:
        with tarfile.open(path, "r:") as archive:
            for member in archive:
                if not member.isreg() or not (_NAME.fullmatch(member.name) or member.name == MANIFEST):
                    raise BackupRefused("backup_unreadable", f"{path}: holds what no backup has")
                source = archive.extractfile(member)
                assert source is not None
                with (place / member.name).open("xb") as file:
                    while part := source.read(1 << 20):
                        file.write(part)
    except (tarfile.TarError, FileExistsError, EOFError, ValueError) as error:
        raise BackupRefused("backup_unreadable", f"{path}: {type(error).__name__}") from None


def pack(directory: Path, path: Path) -> None:
    """One `.tar`, the manifest first. Raises OSError."""
    with tarfile.open(path, "x:") as archive:
        names = sorted(str(entry.relative_to(directory)) for entry in directory.rglob("*") if entry.is_file())
        for name in sorted(names, key=lambda name: (name != MANIFEST, name)):
            archive.add(directory / name, name, recursive=False)
