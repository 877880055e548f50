"""The project as files: what is tracked, what the packages are called."""

from __future__ import annotations

import subprocess
import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
PYPROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PACKAGES: list[str] = PYPROJECT["tool"]["uv"]["build-backend"]["module-name"]


def tracked_files() -> list[Path]:
    """Every file that a clone would hold; in an unpacked archive, every file outside hidden folders."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False)
    if listed.returncode == 0:
        found = [ROOT / name for name in listed.stdout.decode().split("\0") if name]
        return [path for path in found if path.is_file()]
    return [
        path
        for path in ROOT.rglob("*")
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(ROOT).parts)
    ]


def text_of(path: Path) -> str:
    """A file's text; bytes that are no UTF-8 are kept as escapes, so that they can be searched all the same."""
    return path.read_bytes().decode("utf-8", "backslashreplace")
