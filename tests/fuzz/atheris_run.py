"""Coverage-guided fuzzing of the same targets: `python -m tests.fuzz.atheris_run --seconds 60 [--target NAME]`.

It needs the library atheris, which is no dependency of the project, and says so where it is not installed. Each target
runs in a process of its own; a finding is left as `crash-*` in the working directory, and the exit code is 1.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from importlib.util import find_spec

NAMES = ("decode", "message", "block", "question", "record", "evidence", "proof", "genesis")
INPUT_BYTES_MAX = 8_192
INPUT_SECONDS_MAX = 10  # on one input: more is a finding


def main() -> int:
    parser = argparse.ArgumentParser(prog="tests.fuzz.atheris_run")
    parser.add_argument("--seconds", type=int, default=60, help="for each target")
    parser.add_argument("--target", choices=NAMES, action="append")
    parser.add_argument("--inside", choices=NAMES, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if find_spec("atheris") is None:
        print("atheris is not installed: pip install atheris; the suite runs the same targets with hypothesis")
        return 2
    if options.inside:
        return run(options.inside, options.seconds)
    failed = []
    for name in options.target or NAMES:
        print(f"== {name}", flush=True)
        command = [sys.executable, "-m", "tests.fuzz.atheris_run", "--inside", name, "--seconds", str(options.seconds)]
        if subprocess.run(command, check=False).returncode:
            failed.append(name)
    print(f"findings in: {', '.join(failed)}" if failed else "no findings")
    return 1 if failed else 0


def run(name: str, seconds: int) -> int:
    import atheris

    with atheris.instrument_imports(include=["chain", "consensus", "node"]):
        from tests.fuzz.targets import TARGETS
    limits = [f"-max_total_time={seconds}", f"-max_len={INPUT_BYTES_MAX}", f"-timeout={INPUT_SECONDS_MAX}"]
    atheris.Setup([sys.argv[0], *limits, "-print_final_stats=1"], TARGETS[name])
    atheris.Fuzz()
    return 0


if __name__ == "__main__":
    sys.exit(main())
