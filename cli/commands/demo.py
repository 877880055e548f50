"""`medbill demo`: the scenes, one after the other, and a scoreboard."""

from __future__ import annotations

import shutil
import tempfile
import time
from pathlib import Path
from typing import Annotated

import typer

from cli import output
from cli.exit_codes import ExitCode
from cli.failures import CommandFailed
from cli.options import Json

app = typer.Typer(invoke_without_command=True)

Stay = Annotated[bool, typer.Option("--stay", help="Leave the network up at the end, and print a URL per person.")]
Config = Annotated[Path, typer.Option("--config", metavar="FILE", help="The network to play on.")]
Model = Annotated[str, typer.Option("--model", help="hospital, region or platform: a file of samples/splits.")]
Samples = Annotated[Path, typer.Option("--samples", metavar="DIR", help="Where the sample bills lie.")]


@app.callback()
@output.reported
def demo(
    context: typer.Context,
    stay: Stay = False,
    config: Config = Path("network.yaml"),
    samples: Samples = Path("samples"),
    as_json: Json = False,
) -> ExitCode:
    """Play the story of the system: every scene prints the commands that anyone can repeat. Exit 1 if one fails."""
    if context.invoked_subcommand is not None:
        return ExitCode.OK
    from cli.demo.scenes import SCENES
    from cli.demo.stage import SceneFailed, Stage
    from cli.processes import end_as_by_ctrl_c

    if not config.is_file():
        raise CommandFailed(
            "argument_refused", f"{config} is not here: run this in the project's directory, or name it"
        )
    end_as_by_ctrl_c()
    directory = Path(tempfile.mkdtemp(prefix="medbill-demo-"))
    stage = Stage(directory, config.resolve(), samples.resolve())
    if stage.moved_ports:
        output.note(f"ports of {config} are taken: playing on free ones, see {stage.config}")
    rows: list[tuple[str, str, str]] = []
    failed = False
    try:
        for number, scene in enumerate(SCENES, 1):
            output.note(f"\n{number}. {scene.title}")
            started = time.monotonic()
            try:
                result = scene.play(stage)
            except (SceneFailed, CommandFailed) as failure:
                failed, result = True, str(failure)
            seconds = time.monotonic() - started
            output.note(f"  {'✘' if failed else '✔'} {result}  ({seconds:.1f} s)")
            rows.append(("✘" if failed else "✔", scene.title, f"{seconds:.1f} s"))
            if failed:
                break
        output.note("")
        output.print_table(("", "scene", "took"), [list(row) for row in rows])
        output.print_table(("measured in this run", "figure"), [list(row) for row in stage.measured.items()])
    finally:
        if stay and not failed:
            _stay(stage)
        else:
            _leave(stage, failed)
    return ExitCode.FAILED if failed else ExitCode.OK


@app.command()
@output.reported
def split(
    model: Model,
    config: Config = Path("network.yaml"),
    samples: Samples = Path("samples"),
    as_json: Json = False,
) -> ExitCode:
    """Bring up a small network, pay one order of a model's sample and divide it; exit 1 unless it balances to the fen.

    It takes half a minute more than the network: nothing is split in the first 30 s after a payment.
    """
    from cli.demo.split_model import MODELS, play
    from cli.demo.stage import SceneFailed, Stage
    from cli.processes import end_as_by_ctrl_c

    if model not in MODELS:
        raise CommandFailed("argument_refused", f"'{model}': name one of {', '.join(MODELS)}")
    if not config.is_file():
        raise CommandFailed(
            "argument_refused", f"{config} is not here: run this in the project's directory, or name it"
        )
    end_as_by_ctrl_c()
    stage = Stage(Path(tempfile.mkdtemp(prefix="medbill-demo-")), config.resolve(), samples.resolve(), with_tls=False)
    failed = True
    try:
        page = play(stage, model)
        failed = not page["balanced"]
    except (SceneFailed, CommandFailed) as failure:
        output.note(f"  ✘ {failure}")
        page = {"model": model, "balanced": False, "detail": str(failure)}
    finally:
        _leave(stage, failed)
    if as_json:
        output.print_json(page)
    elif "shares" in page:
        from cli.commands.split_money import print_page

        output.print_line(page["title"])
        print_page(page)
    return ExitCode.FAILED if failed else ExitCode.OK


def _leave(stage: object, failed: bool) -> None:
    from cli.demo.stage import SceneFailed, Stage

    assert isinstance(stage, Stage)
    if stage.home.exists():
        try:
            stage.medbill("network", "down", "--home", str(stage.home))
        except SceneFailed as failure:
            output.note(f"  {failure}")
    if failed:
        output.note(f"what happened is in {stage.home}/nodes/*/logs/node.log")
    else:
        shutil.rmtree(stage.directory, ignore_errors=True)


def _stay(stage: object) -> None:
    from cli.demo.stage import Stage
    from node.network_file import load_network_file

    assert isinstance(stage, Stage)
    people = {"gateway": "cashiers of", "mirror": "patients, finance and auditors at"}
    for node in load_network_file(stage.home).nodes:
        if node.api_port is not None:
            scheme = "https" if node.api_tls else "http"
            output.note(f"{people.get(node.kind, '')} {node.name}: {scheme}://{node.host}:{node.api_port}/openapi.json")
    output.note(f"it stays up; end it with: medbill network down --home {stage.home}")
