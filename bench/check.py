"""Whether the program has become slower: `python -m bench.check`, `make bench-check`.

A quick run, its figures as ratios to the machine's own speed in that run, against those in `baseline.json`. A loss of more
than a fifth fails. `--record` writes today's ratios there: by hand, with a reason in the commit.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

import msgspec

from bench.measure import QUICK, measure
from bench.report import Machine, Report
from cli import output

BASELINE = Path(__file__).parent / "baseline.json"
LOSS_MAX = 0.2


class Baseline(msgspec.Struct, frozen=True):
    machine: Machine
    ratios: dict[str, float]  # larger is better


def ratios_of(report: Report) -> dict[str, float]:
    """Figures that another hour of the same machine gives again, more or less; larger is better."""
    verify = sum(calibration.verify_per_s for calibration in report.calibration) / len(report.calibration)
    first = report.growth[0]
    return {
        "single_signed": report.single_signed.roofline_ratio,
        "batch_signed to verify/s": round(report.batch_signed.bills_per_s / verify, 3),
        "rest single to verify/s": round(report.rest.single_per_s / verify, 4),
        "rest batch to verify/s": round(report.rest.batch_per_s / verify, 4),
        "signatures in the time of one bill idle": round(1000 / report.idle_latency_ms.p50 / verify * 1000, 3),
        "bills executed in the time of one signature": round(1e6 / first.us_per_bill / verify, 3),
        "one_down": report.one_down.throughput_ratio,
    }  # goodput under overload was 0.43 and 0.32 in two runs of one commit: not compared before it is steady


def losses(now: dict[str, float], then: dict[str, float]) -> list[str]:
    """What became worse by more than LOSS_MAX, or is not measured any more."""
    found = []
    for name, before in then.items():
        value = now.get(name)
        if value is None:
            found.append(f"{name}: not measured any more")
        elif value < before * (1 - LOSS_MAX):
            found.append(f"{name}: {value:g}, was {before:g}")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.check", description=__doc__)
    parser.add_argument("--record", action="store_true", help="keep today's ratios as those to compare with")
    options = parser.parse_args()
    directory = Path(tempfile.mkdtemp(prefix="medbill-bench-"))
    try:
        report = measure(directory, Path("network.yaml").resolve(), QUICK, output.note)
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    now = ratios_of(report)
    then = msgspec.json.decode(BASELINE.read_bytes(), type=Baseline).ratios if BASELINE.exists() else {}
    output.print_table(
        ("ratio", "now", "on record"), [[name, f"{value:g}", f"{then.get(name, 0):g}"] for name, value in now.items()]
    )
    if options.record:
        data = msgspec.json.format(msgspec.json.encode(Baseline(report.machine, now)), indent=2)
        BASELINE.write_bytes(data + b"\n")
        return
    lost = losses(now, then)
    if lost:
        sys.exit("slower by more than a fifth:\n" + "\n".join(lost))


if __name__ == "__main__":
    main()
