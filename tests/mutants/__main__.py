"""Find every seeded bug: python -m tests.mutants [--only NAME] [--seeds-max N] [--repeats R] [--jobs J] [--resume FILE].

Each patch is applied to a copy of this tree, and what its head names is run there from several starting seeds, until it
says anything but PASS; then the same seeds must pass in the tree as it is. A patch that no longer applies is a failure.
With all mutants and `--write` the table in README.md is made anew.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path

from tests.mutants.detect import Found, detect
from tests.mutants.mutant import FOLDER, ROOT, Mutant, all_mutants
from tests.tables import write_table

START_STEP = 10_000  # between starting seeds
NOT_COPIED = shutil.ignore_patterns(".git", ".venv", "__pycache__", ".*_cache", ".hypothesis", "build", "dist")
PAGE = FOLDER / "README.md"
DETECTOR_WITHIN_S = 1_800


@dataclass(frozen=True)
class Result:
    name: str
    mark: str  # of the patch and of how it was looked for: a result of another patch does not count
    error: str  # "" or why there is no result
    found: list[Found]
    healthy: list[Found]  # the same seeds in the tree as it is

    @property
    def is_caught(self) -> bool:
        return not self.error and all(entry.verdict != "PASS" for entry in self.found)

    @property
    def is_good(self) -> bool:
        return self.is_caught and all(entry.verdict == "PASS" for entry in self.healthy)

    @property
    def verdicts(self) -> str:
        return ", ".join(sorted({entry.verdict for entry in self.found}))

    @property
    def median(self) -> float:
        return statistics.median(entry.tried for entry in self.found)


def mark_of(mutant: Mutant, seeds_max: int, repeats: int) -> str:
    return f"{sha256(mutant.patch.read_bytes()).hexdigest()[:16]} {seeds_max} {repeats}"


def look_for(mutant: Mutant, seeds_max: int, repeats: int) -> Result:
    """Apply the patch to a copy, and run what must find it."""
    mark = mark_of(mutant, seeds_max, repeats)
    with tempfile.TemporaryDirectory(prefix="mutant-") as folder:
        copy = Path(folder) / "tree"
        shutil.copytree(ROOT, copy, ignore=NOT_COPIED)
        command = ["git", "apply", "-p1", str(mutant.patch)]
        environment = {**os.environ, "GIT_CEILING_DIRECTORIES": folder}
        applied = subprocess.run(command, cwd=copy, env=environment, capture_output=True, text=True)
        if applied.returncode:
            return Result(mutant.name, mark, f"does not apply: {applied.stderr.strip()[:200]}", [], [])
        starts = [0] if mutant.kind == "test" else [START_STEP * repeat for repeat in range(repeats)]
        found: list[Found] = []
        healthy: list[Found] = []
        for first in starts:
            try:
                found.append(detected_in(copy, mutant, first, seeds_max))
            except (subprocess.SubprocessError, ValueError) as error:
                return Result(mutant.name, mark, f"no answer: {str(error)[:300]}", found, healthy)
        for entry in found:
            healthy.append(detect(mutant, entry.seed, 1))
    return Result(mutant.name, mark, "", found, healthy)


def detected_in(copy: Path, mutant: Mutant, first: int, seeds: int) -> Found:
    """In a process of its own, which imports the copy."""
    command = [sys.executable, "-m", "tests.mutants.detect", mutant.name, "--from", str(first), "--seeds", str(seeds)]
    environment = {**os.environ, "PYTHONPATH": str(copy)}
    done = subprocess.run(command, cwd=copy, env=environment, capture_output=True, text=True, timeout=DETECTOR_WITHIN_S)
    if done.returncode:
        raise ValueError(done.stderr.strip()[-300:])
    verdict, detail, seed, tried = json.loads(done.stdout.splitlines()[-1])
    return Found(verdict, detail, seed, tried)


# -- what is known already, and the table --------------------------------------------------------------------------


def results_of(path: Path | None) -> dict[str, Result]:
    if path is None or not path.exists():
        return {}
    results = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        fields = json.loads(line)
        fields["found"] = [Found(**entry) for entry in fields["found"]]
        fields["healthy"] = [Found(**entry) for entry in fields["healthy"]]
        results[fields["name"]] = Result(**fields)
    return results


def row(mutant: Mutant, result: Result) -> str:
    if result.error:
        return f"| {mutant.name} | {mutant.rule} | **{result.error}** | | |"
    by = result.verdicts
    needed = f"{result.median:g} (most {max(entry.tried for entry in result.found)})" if mutant.kind != "test" else ""
    if mutant.kind == "test":
        by = f"`{result.found[0].detail}`" if result.is_caught else "**nobody**"
    elif not result.is_caught:
        by = f"**{by}**"
    if not result.is_good and result.is_caught:
        by += " **and the healthy tree fails too**"
    return f"| {mutant.name} | {mutant.rule} | {by} | {needed} | `python -m tests.mutants --only {mutant.name}` |"


def table(mutants: list[Mutant], results: dict[str, Result], repeats: int) -> str:
    runs = [results[mutant.name] for mutant in mutants if mutant.kind != "test" and results[mutant.name].found]
    caught = sum(results[mutant.name].is_caught for mutant in mutants)
    lines = [
        f"{caught} of {len(mutants)} caught; {len(runs)} of them by simulation, from {repeats} starting seeds each.",
        "",
        "| Mutant | Rule or row | Caught by | Seeds needed, median | Command |",
        "| --- | --- | --- | --- | --- |",
        *(row(mutant, results[mutant.name]) for mutant in mutants),
    ]
    if runs:
        middle = statistics.median(result.median for result in runs)
        worst = max(result.median for result in runs)
        lines += ["", f"Simulated: median of the medians {middle:g} seeds, the highest median {worst:g}."]
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("--only", action="append", default=[], help="a mutant's name or a part of it; may be repeated")
    parser.add_argument("--seeds-max", type=int, default=1_000, help="tried from each start")
    parser.add_argument("--repeats", type=int, default=5, help="starting seeds")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--resume", type=Path, help="results, one a line: what stands there is not looked for again")
    parser.add_argument("--write", action="store_true", help="the table in README.md anew")
    arguments = parser.parse_args()
    mutants = [
        mutant for mutant in all_mutants() if not arguments.only or any(part in mutant.name for part in arguments.only)
    ]
    if not mutants:
        parser.error("no mutant has such a name")
    marks = {mutant.name: mark_of(mutant, arguments.seeds_max, arguments.repeats) for mutant in mutants}
    results = {name: kept for name, kept in results_of(arguments.resume).items() if kept.mark == marks.get(name)}
    wanted = [mutant for mutant in mutants if mutant.name not in results]
    started = time.monotonic()
    with ThreadPoolExecutor(max(1, arguments.jobs)) as pool:
        waiting = [pool.submit(look_for, mutant, arguments.seeds_max, arguments.repeats) for mutant in wanted]
        for done, future in enumerate(as_completed(waiting), 1):
            result = future.result()
            results[result.name] = result
            if arguments.resume is not None:
                with arguments.resume.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(asdict(result)) + "\n")
            said = result.error or f"{result.verdicts} after {result.median:g}: {result.found[0].detail[:90]}"
            word = "ok" if result.is_good else "NOT WELL"
            print(f"{done}/{len(wanted)} {time.monotonic() - started:.0f} s {word} {result.name}: {said}", flush=True)
    text = table(mutants, results, arguments.repeats)
    print(f"\n{text}")
    if arguments.write and not arguments.only:
        write_table(PAGE, text)
    return int(not all(results[mutant.name].is_good for mutant in mutants))


if __name__ == "__main__":
    sys.exit(main())
