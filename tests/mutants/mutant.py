"""A seeded bug: a patch whose head says which rule it bends, what that breaks, and what finds it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
ROOT = FOLDER.parent.parent


@dataclass(frozen=True)
class Mutant:
    """`changes` are the options of a run that differ; `tests` the arguments of pytest where no simulation finds it."""

    name: str
    rule: str
    breaks: str
    kind: str  # hunt, simulator or test
    changes: dict[str, Any]
    tests: tuple[str, ...]
    blind: str  # a checker that looks away, so that the damage itself must be found; "" none
    wanted: tuple[str, ...]  # verdicts; empty: any but PASS

    @property
    def patch(self) -> Path:
        return FOLDER / f"{self.name}.patch"

    @property
    def detector(self) -> str:
        """As the head of the patch has it."""
        return f"test {' '.join(self.tests)}" if self.kind == "test" else f"{self.kind} {json.dumps(self.changes)}"


def mutant_of(path: Path) -> Mutant:
    """Raises ValueError for a head that does not say enough."""
    head = path.read_text(encoding="utf-8").split("\n\n", 1)[0]
    said = dict(line.split(": ", 1) for line in head.splitlines())
    unknown = said.keys() - {"Rule", "Breaks", "Detector", "Blind", "Wants"}
    if unknown or not said.keys() >= {"Rule", "Breaks", "Detector"}:
        raise ValueError(f"{path.name}: a head of Rule, Breaks, Detector is wanted, and at most Blind and Wants")
    kind, what = said["Detector"].split(" ", 1)
    if kind not in ("hunt", "simulator", "test"):
        raise ValueError(f"{path.name}: no detector is called {kind}")
    return Mutant(
        name=path.stem,
        rule=said["Rule"],
        breaks=said["Breaks"],
        kind=kind,
        changes=json.loads(what) if kind != "test" else {},
        tests=tuple(what.split()) if kind == "test" else (),
        blind=said.get("Blind", ""),
        wanted=tuple(said.get("Wants", "").split()),
    )


def all_mutants() -> list[Mutant]:
    return [mutant_of(path) for path in sorted(FOLDER.glob("*.patch"))]
