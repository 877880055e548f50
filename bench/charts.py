"""Two pictures of a report, as SVG: how each figure stands to its floor and aim, and what growth does to cost and memory.

`python -m bench.charts POINTS.jsonl PICTURE.svg` draws the second one from what `python -m bench.growth` printed.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from html import escape
from pathlib import Path

import msgspec

from bench.report import GrowthPoint, Held, Report

WIDTH, ROW, LEFT, RIGHT = 860, 30, 300, 200
INK, PALE, GOOD, FAIR, BAD = "#24292f", "#d0d7de", "#1a7f37", "#9a6700", "#cf222e"


@dataclass(frozen=True, slots=True)
class Bar:
    """A figure with what is wanted of it; `less` where a smaller one is better."""

    name: str
    value: float
    unit: str
    floor: float
    aim: float
    less: bool = False

    @property
    def share(self) -> float:
        """Of the aim: 1 is there, above is better."""
        return self.aim / self.value if self.less else self.value / self.aim

    @property
    def floor_share(self) -> float:
        return self.aim / self.floor if self.less else self.floor / self.aim

    @property
    def colour(self) -> str:
        return GOOD if self.share >= 1 else FAIR if self.share >= self.floor_share else BAD


def bars_of(report: Report) -> list[Bar]:
    """The issue's figures, in its order."""
    last = report.growth[-1]
    slope = report.mib_per_million
    memory = []
    if slope is not None:
        memory.append(Bar("own memory, a million bills more", max(slope, 1.0), "MiB", 20, 10, less=True))
    return [
        Bar("roofline ratio, single-signed", report.single_signed.roofline_ratio, "", 0.20, 0.35),
        Bar("batch-signed", report.batch_signed.bills_per_s, "bills/s", 5_000, 10_000),
        Bar("one bill, idle, recorded, p50", report.idle_latency_ms.p50, "ms", 30, 15, less=True),
        Bar("half load, p99", report.half_load_latency_ms.p99, "ms", 250, 150, less=True),
        Bar("REST bills:batch", report.rest.batch_per_s, "bills/s", 3_000, 8_000),
        Bar("primary killed, next block", report.failover_ms.primary, "ms", 2_000, 1_000, less=True),
        Bar("one backup down", report.one_down.throughput_ratio, "of all up", 0.90, 0.95),
        Bar("catching up", report.catch_up_ratio, "x live", 5, 10),
        Bar(f"proof at {last.bills:,} bills", report.proof_ms, "ms", 1, 0.3, less=True),
        Bar(
            f"cost at {last.bills:,}, to a young ledger", report.growth_beside.ratio, "x", 1.3, 1.1, less=True
        ),
        *memory,
        Bar("ten times overloaded", report.overload.goodput_ratio, "of peak", 0.90, 0.95),
        Bar(f"flushes of {report.slow_flush.flush_ms} ms", report.slow_flush.throughput_ratio, "of without", 0.90, 1.0),
    ]  # fmt: skip


def figures_svg(report: Report) -> str:
    """Bars up to twice the aim; a line at the floor and at the aim."""
    bars = bars_of(report)
    height = ROW * len(bars) + 50
    scale = (WIDTH - LEFT - RIGHT) / 2
    machine = report.machine
    parts = [
        f'<text x="{LEFT}" y="18" fill="{INK}">floor and aim; {escape(machine.processor)}, {machine.cores} cores, '
        f"{escape(machine.date)}, {escape(machine.commit)}</text>"
    ]
    for number, bar in enumerate(bars):
        y = 30 + number * ROW
        parts += [
            f'<text x="{LEFT - 10}" y="{y + 17}" text-anchor="end" fill="{INK}">{escape(bar.name)}</text>',
            f'<rect x="{LEFT}" y="{y + 4}" width="{scale * min(2.0, bar.share):.1f}" height="18" fill="{bar.colour}"/>',
            f'<line x1="{LEFT + scale * bar.floor_share:.1f}" x2="{LEFT + scale * bar.floor_share:.1f}" y1="{y}" '
            f'y2="{y + 26}" stroke="{INK}" stroke-dasharray="3 2"/>',
            f'<text x="{LEFT + 2 * scale + 10:.1f}" y="{y + 17}" fill="{INK}">{_short(bar.value)} {escape(bar.unit)}</text>',
        ]
    parts.append(
        f'<line x1="{LEFT + scale}" x2="{LEFT + scale}" y1="28" y2="{height - 18}" stroke="{INK}" stroke-width="2"/>'
    )
    return _page(height, parts)


def growth_svg(points: list[GrowthPoint], held: list[Held]) -> str:
    """Cost of a bill, memory and bytes on the disk against the number of bills, each to its own largest."""
    series: dict[str, list[tuple[int, float]]] = {
        "us for one bill more": [(point.bills, point.us_per_bill) for point in points],
        "bills a second": [(point.bills, 1e6 / point.us_per_bill) for point in points],
        "ms for 1,000 of them, p99": [(point.bills, point.block_p99_ms) for point in points],
        "MiB held": [(one.bills, one.rss_mib) for one in held],
        "bytes on the disk for a bill": [(point.bills, point.bytes_per_bill) for point in points],
        "ms for a proof": [(point.bills, point.proof_ms) for point in points],
        "s to open it": [(point.bills, point.start_s) for point in points if point.start_s is not None],
        "s to derive it anew": [(point.bills, point.rebuild_s) for point in points if point.rebuild_s is not None],
    }
    colours = [GOOD, "#0a7f8a", "#4ac26b", FAIR, INK, BAD, "#0969da", "#8250df"]
    left, top, wide, high = 60, 20, WIDTH - 360, 240
    most = points[-1].bills
    parts = [f'<rect x="{left}" y="{top}" width="{wide}" height="{high}" fill="none" stroke="{PALE}"/>']
    for number, (name, values) in enumerate((name, values) for name, values in series.items() if values):
        peak = max((value for _bills, value in values), default=1.0) or 1.0
        line = " ".join(
            f"{left + wide * bills / most:.1f},{top + high - high * 0.95 * value / peak:.1f}" for bills, value in values
        )
        y = top + 20 + 22 * number
        parts += [
            f'<polyline points="{line}" fill="none" stroke="{colours[number]}" stroke-width="2"/>',
            f'<text x="{left + wide + 20}" y="{y}" fill="{colours[number]}">{escape(name)}: {_short(values[0][1])} → '
            f"{_short(values[-1][1])}</text>",
        ]
    parts += [
        f'<text x="{left}" y="{top + high + 18}" fill="{INK}">0</text>',
        f'<text x="{left + wide}" y="{top + high + 18}" text-anchor="end" fill="{INK}">{most:,} bills</text>',
    ]
    return _page(top + high + 40, parts)


def main() -> None:
    source, picture = map(Path, sys.argv[1:])
    said = [msgspec.json.decode(line) for line in source.read_bytes().splitlines()]
    points = [msgspec.convert(one, GrowthPoint) for one in said if "us_per_bill" in one]
    looks = [msgspec.convert(one, Held) for one in said if not {"us_per_bill", "young_bills"} & one.keys()]
    held = sorted([*looks, *(Held(point.bills, point.rss_mib) for point in points)], key=lambda one: one.bills)
    picture.write_text(growth_svg(points, held), "utf-8")


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _page(height: float, parts: list[str]) -> str:
    body = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}" '
        f'font-family="sans-serif" font-size="13">\n<rect width="100%" height="100%" fill="#ffffff"/>\n{body}\n</svg>\n'
    )


if __name__ == "__main__":
    main()
