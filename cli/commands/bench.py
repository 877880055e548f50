"""`medbill bench`: how fast this machine runs the whole program, beside what the machine could do."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from cli import output
from cli.exit_codes import ExitCode
from cli.failures import CommandFailed
from cli.options import Json

Quick = Annotated[bool, typer.Option("--quick", help="Within three minutes: shorter runs, less growth.")]
Config = Annotated[Path, typer.Option("--config", metavar="FILE", help="The network to measure.")]
Charts = Annotated[Path | None, typer.Option("--charts", metavar="DIR", help="Write the charts there, as SVG.")]
Work = Annotated[
    Path | None, typer.Option("--work", metavar="DIR", help="Where nodes keep their files; else a temporary place.")
]


@output.reported
def bench(
    quick: Quick = False,
    config: Config = Path("network.yaml"),
    charts: Charts = None,
    work: Work = None,
    as_json: Json = False,
) -> ExitCode:
    """Measure a real network of processes: TLS, every flush, every validator checking every signature."""
    from bench.charts import bars_of, figures_svg, growth_svg
    from bench.load import LoadFailed
    from bench.measure import QUICK, WHOLE, measure
    from cli.demo.stage import SceneFailed
    from cli.processes import end_as_by_ctrl_c

    output.log_to_stderr()  # the client is a node's transport, which tells when a link is lost
    if not config.is_file():
        raise CommandFailed(
            "argument_refused", f"{config} is not here: run this in the project's directory, or name it"
        )
    end_as_by_ctrl_c()
    directory = Path(tempfile.mkdtemp(prefix="medbill-bench-", dir=work))
    try:
        report = measure(directory, config.resolve(), QUICK if quick else WHOLE, output.note)
    except (LoadFailed, SceneFailed) as failure:
        raise CommandFailed("bench_failed", str(failure)) from None
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    if charts is not None:
        charts.mkdir(parents=True, exist_ok=True)
        (charts / "figures.svg").write_text(figures_svg(report), "utf-8")
        (charts / "growth.svg").write_text(growth_svg(report.growth, report.growth_memory), "utf-8")
    if as_json:
        output.print_json(msgspec.to_builtins(report))
        return ExitCode.OK
    rows = [
        [
            bar.name,
            f"{bar.value:,.3g}" if bar.value < 100 else f"{bar.value:,.0f}",
            bar.unit,
            f"{bar.floor:g}",
            f"{bar.aim:g}",
        ]
        for bar in bars_of(report)
    ]
    transfers = report.transfers
    rows.append([f"transfers, {transfers.per_signature} a signature", f"{transfers.per_s:,.0f}", "transfers/s", "", ""])
    for name, chains in (("notice, order, payment", report.paid_orders), ("hold, capture", report.captured_holds)):
        rows.append([name, f"{chains.chains_per_s:,.0f}", "chains/s", "", ""])
        rows.append(
            [f"the same, {chains.to_bills:.2f} of bills/s", f"{chains.operations_per_s:,.0f}", "operations/s", "", ""]
        )
    output.print_table(("figure", "measured", "", "floor", "aim"), rows)
    return ExitCode.OK
