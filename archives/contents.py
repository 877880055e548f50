"""What stands in every archive beside its bills: the head, the trusted genesis, the schema, how to read it, and the checker."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import chain
from archives.checker import FORMAT, GENESIS, HEAD, VERSION

HERE = Path(__file__).parent
SCHEMA, README = "dat95-b10.xsd", "README.txt"
CHECKER = ("__init__.py", "checker.py", "bill_check.py")


def head_of(year: int, chain_id: str, issuers: list[str]) -> dict[str, Any]:
    """`archive.json`."""
    return {"format": FORMAT, "version": VERSION, "year": year, "chain_id": chain_id, "issuers": issuers}


def standing_files(head: dict[str, Any], genesis_json: bytes) -> Iterator[tuple[str, bytes]]:
    """(path, bytes) of all that does not depend on a bill."""
    yield HEAD, (json.dumps(head, ensure_ascii=False, indent=1) + "\n").encode()
    yield GENESIS, genesis_json
    yield README, (HERE / README).read_bytes()
    yield SCHEMA, (HERE / SCHEMA).read_bytes()
    for name in CHECKER:
        yield f"software/archives/{name}", (HERE / name).read_bytes()
    sources = Path(chain.__file__).parent
    for file in sorted(sources.rglob("*.py")):
        yield f"software/chain/{file.relative_to(sources).as_posix()}", file.read_bytes()
