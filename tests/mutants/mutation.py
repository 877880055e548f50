"""Mutation score of consensus/, file by file: python -m tests.mutants.mutation [--folder F] [--score] [FILE ...].

The tool (cosmic-ray) lives in an environment of its own, from mutation.lock. It changes one place at a time in a clone under the
folder and runs tests/consensus and two seeds of the simulator until the first failure (zygote.py). What is known stays in the
folder's session files: started again, it goes on; `--score` only prints, `--survivors` tells what no test finds.
"""

from __future__ import annotations

import argparse
import shlex
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path

from tests.mutants.mutant import FOLDER, ROOT
from tests.mutants.zygote import TEST_WITHIN_S

FILES = (
    "evidence", "epochs", "restart", "timers", "view_change", "normal_case", "catch_up", "replica", "state", "wire",
    "model", "effects", "events",
)  # fmt: skip
# "X | Y" stands in annotations and patterns only: changing it changes nothing. And `is` between small numbers is the same as
# `==`: the tool's change from one to the other can be seen by nobody.
CONFIG = """[cosmic-ray]
module-path = "consensus/{name}.py"
timeout = {timeout}
excluded-modules = []
test-command = "{command}"
[cosmic-ray.distributor]
name = "local"
[cosmic-ray.filters.operators-filter]
exclude-operators = [
    "core/ReplaceBinaryOperator_BitOr_.*",
    "core/ReplaceComparisonOperator_.*_Is$", "core/ReplaceComparisonOperator_.*_IsNot$",
]
"""


def tool(folder: Path) -> Path:
    """cosmic-ray, installed on first use."""
    program = folder / "environment" / "bin" / "cosmic-ray"
    if not program.exists():
        venv.create(folder / "environment", with_pip=True, clear=True)
        python = folder / "environment" / "bin" / "python"
        lock = str(FOLDER / "mutation.lock")
        subprocess.run([python, "-m", "pip", "install", "-q", "--require-hashes", "-r", lock], check=True)
    return program


def run(folder: Path, names: list[str]) -> None:
    """Do what is not done yet, at the lowest priority."""
    program = tool(folder)
    clone = folder / "clone"
    if not clone.exists():
        ignored = shutil.ignore_patterns(".git", ".venv", "__pycache__", ".*_cache", ".hypothesis")
        shutil.copytree(ROOT, clone, ignore=ignored)
        shutil.copytree(clone / "consensus", folder / "whole")
    place = folder / "zygote"
    command = f"{sys.executable} -I -S {clone / 'tests' / 'mutants' / 'zygote.py'} {place}"
    place.unlink(missing_ok=True)
    zygote = subprocess.Popen([sys.executable, "-m", "tests.mutants.zygote", str(place)], cwd=clone)
    try:
        while not place.exists() and zygote.poll() is None:
            time.sleep(0.1)
        run_files(folder, names, program, clone, command)
    finally:
        zygote.kill()
        zygote.wait()


def run_files(folder: Path, names: list[str], program: Path, clone: Path, command: str) -> None:
    for name in names:
        config, session = folder / f"{name}.toml", folder / f"{name}.sqlite"
        if not session.exists():
            config.write_text(CONFIG.format(name=name, timeout=2 * TEST_WITHIN_S, command=command), encoding="utf-8")
            subprocess.run([program, "init", config, session], cwd=clone, check=True)
            operators = program.with_name("cr-filter-operators")
            subprocess.run([operators, session, config], cwd=clone, check=True)
        # A run that was cut off has left its change behind, in whatever file: with it every test of the next one fails.
        shutil.rmtree(clone / "consensus")
        shutil.copytree(folder / "whole", clone / "consensus")
        if subprocess.run(shlex.split(command), cwd=clone, check=False).returncode:
            raise SystemExit(f"{clone}: the tests fail where nothing is changed, so what they find says nothing")
        subprocess.run(["nice", "-n", "15", program, "exec", config, session], cwd=clone, check=True)
        print(score(folder, name), flush=True)


def score(folder: Path, name: str) -> str:
    """Killed, of those that were tried, of all that are not left out."""
    session = folder / f"{name}.sqlite"
    if not session.exists():
        return f"{name:<12} not begun"
    with sqlite3.connect(session) as connection:
        [total] = connection.execute("select count(*) from mutation_specs").fetchone()
        [left_out] = connection.execute("select count(*) from work_results where worker_outcome = 'SKIPPED'").fetchone()
        outcomes = dict(
            connection.execute(
                "select test_outcome, count(*) from work_results where test_outcome is not null group by 1"
            ).fetchall()
        )
    tried = sum(outcomes.values())
    killed = sum(count for outcome, count in outcomes.items() if str(outcome).upper().endswith("KILLED"))
    share = f"{killed / tried:.1%}" if tried else "-"
    return f"{name:<12} {killed} killed of {tried} tried of {total - left_out}: {share}"


def survivors(folder: Path, name: str) -> list[str]:
    """Place, function, line as it is, and what it was changed to."""
    session = folder / f"{name}.sqlite"
    if not session.exists():
        return []
    with sqlite3.connect(session) as connection:
        rows = connection.execute(
            "select start_pos_row, definition_name, diff from mutation_specs join work_results using (job_id)"
            " where test_outcome like '%SURVIVED' order by 1"
        ).fetchall()
    lines = []
    for row, definition, diff in rows:
        changed = [
            line[1:].strip() for line in str(diff).splitlines() if line[:1] in "+-" and line[:3] not in ("+++", "---")
        ]
        lines.append(f"{name}.py:{row} {definition or ''}: {'  =>  '.join(changed)}")
    return lines


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.mutants.mutation", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="FILE", help=f"of {', '.join(FILES)}; all without any")
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "medbill-mutation")
    parser.add_argument("--score", action="store_true", help="only print what is known")
    parser.add_argument("--survivors", action="store_true", help="only print what no test has found")
    arguments = parser.parse_args()
    names = list(arguments.names or FILES)
    if unknown := set(names) - set(FILES):
        parser.error(f"no such file: {', '.join(sorted(unknown))}")
    arguments.folder.mkdir(parents=True, exist_ok=True)
    if arguments.survivors:
        print("\n".join(line for name in names for line in survivors(arguments.folder, name)))
        return 0
    if not arguments.score:
        run(arguments.folder, names)
    print("\n".join(score(arguments.folder, name) for name in names))
    return 0


if __name__ == "__main__":
    sys.exit(main())
