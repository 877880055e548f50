"""The manifest over a folder, and the ZIP file made of it; one file at a time is in memory."""

from __future__ import annotations

import hashlib
import itertools
import os
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

from archives.checker import MANIFEST, MANIFEST_ROOT, digest_before_comment, manifest_line
from chain.directory import flush_directory
from chain.merkle import GrowingRoot

COMMENT = b"medbill-archive sha256="
SAME_DATE = (1980, 1, 1, 0, 0, 0)  # equal files make equal archives
OWNER_ONLY = 0o100600 << 16
PARTIAL = ".partial"


def names_in(folder: Path, below: str = "") -> Iterator[str]:
    """Paths of all files, in the order of their text; without the manifest and its root."""
    entries = sorted(entry.name + "/" * entry.is_dir() for entry in folder.iterdir())
    for entry in entries:
        if entry.endswith("/"):
            yield from names_in(folder / entry[:-1], below + entry)
        elif below or entry not in (MANIFEST, MANIFEST_ROOT):
            yield below + entry


def write_manifest(folder: Path) -> int:
    """`manifest.jsonl` and `manifest.root`; how many files they name."""
    root, count = GrowingRoot(), 0
    with (folder / MANIFEST).open("wb") as manifest:
        for name in names_in(folder):
            data = (folder / name).read_bytes()
            line = manifest_line(name, len(data), hashlib.sha256(data).hexdigest())
            root.add(line)
            manifest.write(line + b"\n")
            count += 1
        manifest.flush()
        os.fsync(manifest.fileno())
    (folder / MANIFEST_ROOT).write_text(root.root().hex() + "\n")
    return count


def pack(folder: Path, out: Path, told: Callable[[int, str], None] = lambda steps, text: None) -> None:
    """A folder with its manifest as a ZIP file, whose comment is the digest of all bytes before it. Either the whole file
    is at `out` afterwards, or nothing new."""
    partial = out.with_name(out.name + PARTIAL)
    with zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED) as packed:
        for name in itertools.chain(names_in(folder), (MANIFEST, MANIFEST_ROOT)):
            info = zipfile.ZipInfo(name, SAME_DATE)
            info.compress_type, info.external_attr = zipfile.ZIP_DEFLATED, OWNER_ONLY
            with packed.open(info, "w") as stream, (folder / name).open("rb") as source:
                while piece := source.read(1 << 20):
                    stream.write(piece)
            told(1, "packing")
        packed.comment = COMMENT + b"0" * 64
    digest = digest_before_comment(partial, len(COMMENT) + 64).encode()
    with partial.open("r+b") as stream:
        stream.seek(-len(digest), os.SEEK_END)
        stream.write(digest)
        stream.flush()
        os.fsync(stream.fileno())
    partial.chmod(0o600)
    partial.replace(out)
    flush_directory(out.parent)
