"""Looks for a text everywhere in a node's home, in every spelling that a careless program would leave it in.

LevelDB compresses its tables, so each database is opened and each key and value looked at; everything else is searched
as it lies. Nested MessagePack keeps text as it is, so decoding changes nothing that a search would not find.
"""

from __future__ import annotations

import base64
import json
import shutil
import tempfile
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

from chain.database import MARKER, Database


def spellings(text: str) -> dict[str, bytes]:
    """Name of the spelling -> bytes to look for."""
    plain = text.encode()
    digest = sha256(plain).digest()
    found = {
        "plain": plain,
        "utf-16": text.encode("utf-16-le"),
        "gb18030": text.encode("gb18030"),
        "escaped": json.dumps(text)[1:-1].encode(),
        "percent": "".join(f"%{byte:02X}" for byte in plain).encode(),
        "hex": plain.hex().encode(),
        "HEX": plain.hex().upper().encode(),
        "sha256": digest,
        "sha256 hex": digest.hex().encode(),
        "sha256 base64": base64.b64encode(digest).rstrip(b"="),
    }
    for shift in range(3):  # base64 of something longer that contains it
        encoded = base64.b64encode(b"\0" * shift + plain)
        start = -(-shift * 8 // 6)
        found[f"base64+{shift}"] = encoded[start : (shift + len(plain)) * 8 // 6]
    return found


def find(home: Path, texts: list[str]) -> list[str]:
    """Where any of the texts stands below `home`: "file: spelling". The node must be stopped."""
    needles = [(name, needle) for text in texts for name, needle in spellings(text).items()]
    hits = []
    for place, data in everything(home):
        hits += [f"{place}: {name}" for name, needle in needles if needle in data]
    return hits


def find_in(data: bytes, texts: list[str]) -> list[str]:
    """Which spellings stand in these bytes: of a metrics page, say."""
    return [name for text in texts for name, needle in spellings(text).items() if needle in data]


def everything(home: Path) -> Iterator[tuple[str, bytes]]:
    """Each file, and each row of each store: where it lies, and its bytes."""
    databases = {marker.parent for marker in home.rglob(MARKER)}
    for path in sorted(home.rglob("*")):
        if path.is_file():
            yield str(path.relative_to(home)), path.read_bytes()
    for database in sorted(databases):
        with tempfile.TemporaryDirectory() as copy:
            shutil.copytree(database, Path(copy) / "db")
            store = Database.open(Path(copy) / "db")
            for key, value in store.scan(b""):
                yield f"{database.relative_to(home)} key {key[:24].hex()}", key + value
            store.close()
