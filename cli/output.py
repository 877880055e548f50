"""The one home of printing: results on stdout, everything else on stderr.

With `--json` stdout carries exactly one JSON document: the result, or the problem object. NO_COLOR and pipes are
honoured by rich.
"""

from __future__ import annotations

import functools
import json
import os
import sys
import traceback
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ParamSpec

import typer

from cli.exit_codes import ExitCode
from cli.failures import CommandFailed, explain

if TYPE_CHECKING:
    from rich.console import Console

PIPE_COLUMNS = 200  # width of tables where there is no terminal, so that no digest is cut
DEBUG_VARIABLE = "MEDBILL_DEBUG"  # set: faults of this program show their traceback

P = ParamSpec("P")


def console(is_error: bool = False) -> Console:
    """A rich console on stdout or stderr as they are now."""
    from rich.console import Console

    stream = sys.stderr if is_error else sys.stdout
    return Console(stderr=is_error, width=None if stream.isatty() else PIPE_COLUMNS, highlight=False, markup=False)


def log_to_stderr() -> None:
    """For a command that works with parts of a node: what they log is no answer of ours."""
    import structlog

    structlog.configure(logger_factory=lambda *_names: structlog.PrintLogger(sys.stderr))


def print_json(document: Any) -> None:
    sys.stdout.write(json.dumps(document, ensure_ascii=False, indent=1) + "\n")
    sys.stdout.flush()


def print_line(text: str) -> None:
    """A line of the result."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def note(text: str) -> None:
    """A line for the person who waits; never part of the result."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def print_fields(document: dict[str, Any], indent: str = "") -> None:
    """An object, a line per field that has a value; objects in it and lists of them stand below their name."""
    shown = {key: value for key, value in document.items() if not _is_empty(value)}
    width = max((len(key) for key in shown), default=0)
    for key, value in shown.items():
        if isinstance(value, dict):
            print_line(f"{indent}{key}")
            print_fields(value, indent + "  ")
        elif isinstance(value, list) and all(isinstance(entry, dict) for entry in value):
            print_line(f"{indent}{key}")
            for entry in value:
                print_line(
                    f"{indent}  - "
                    + ", ".join(f"{name} {_flat(part)}" for name, part in entry.items() if not _is_empty(part))
                )
        else:
            print_line(f"{indent}{key:<{width}}  {_flat(value)}")


def _is_empty(value: Any) -> bool:
    return value is None or value == "" or (isinstance(value, dict | list) and all(map(_is_empty, _parts(value))))


def _parts(value: dict[str, Any] | list[Any]) -> Iterable[Any]:
    return value.values() if isinstance(value, dict) else value


def build_table(columns: Sequence[str], rows: Iterable[Sequence[Any]], figures: Collection[str] = ()) -> Any:
    """A rich table; whole numbers stand to the right, and so do the columns `figures`."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    kept = [list(row) for row in rows]
    for index, column in enumerate(columns):
        is_number = bool(kept) and all(isinstance(row[index], int) for row in kept)
        table.add_column(column, justify="right" if is_number or column in figures else "left", no_wrap=True)
    for row in kept:
        table.add_row(*(_flat(value) for value in row))
    return table


def print_table(columns: Sequence[str], rows: Iterable[Sequence[Any]], figures: Collection[str] = ()) -> None:
    console().print(build_table(columns, rows, figures))


def print_failure(failure: CommandFailed, as_json: bool) -> None:
    if as_json:
        print_json(failure.problem)
    else:
        note(f"medbill: {failure.code}: {failure.detail}")


def yuan(fen: int) -> str:
    """Fen as people read them: 12.30."""
    return f"{'-' if fen < 0 else ''}{abs(fen) // 100}.{abs(fen) % 100:02d}"


@contextmanager
def progress(description: str, total: int | None) -> Iterator[Callable[[int, str], None]]:
    """A bar on stderr; the function given takes (steps done since, text beside the bar). Removed when done."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[beside]}"),
    )
    with Progress(*columns, console=console(is_error=True), transient=True, disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task(description, total=total, beside="")
        yield lambda steps, beside: bar.update(task, advance=steps, beside=beside)


@contextmanager
def counted(description: str) -> Iterator[Callable[[int, int], None]]:
    """The same for work on blocks: the function given takes (height, of how many)."""
    with progress(description, None) as bar:
        done = 0

        def told(height: int, total: int) -> None:
            nonlocal done
            bar(height - done, f"of {total} blocks")
            done = height

        yield told


def reported(function: Callable[P, ExitCode | None]) -> Callable[P, None]:
    """Make a function a command: what it raises becomes a line on stderr, or the problem object with `--json`.

    It returns its exit code, None for OK. Its parameter `as_json` is the flag.
    """

    @functools.wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        as_json = bool(kwargs.get("as_json"))
        try:
            code = function(*args, **kwargs)
        except (typer.Exit, typer.Abort, typer.TyperException):
            raise
        except KeyboardInterrupt:
            failure = CommandFailed("interrupted", "interrupted")
            print_failure(failure, as_json)
            raise typer.Exit(failure.exit_code) from None
        except BrokenPipeError:  # the reader of our output has gone: nothing to tell it
            sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - closed with the process
            raise typer.Exit(ExitCode.FAILED) from None
        except Exception as error:
            known = explain(error)
            if known is None:
                # its text may quote what it was given: the type is enough, the rest on demand
                if os.environ.get(DEBUG_VARIABLE):
                    traceback.print_exc()
                detail = f"{type(error).__name__} in this program; {DEBUG_VARIABLE}=1 shows where"
                known = CommandFailed("internal_error", detail)
            print_failure(known, as_json)
            raise typer.Exit(known.exit_code) from None
        if code:
            raise typer.Exit(code)

    return run


def _flat(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False)
    return str(value)


def print_checks(checks: Iterable[dict[str, Any]]) -> None:
    """A line per check: ok, FAILED, or - for what was not there to check."""
    for check in checks:
        mark = {True: "ok", False: "FAILED", None: "-"}[check["ok"]]
        print_line(f"{mark:<6}  {check['name']:<16}  {check['detail']}")


def show_fields(document: dict[str, Any], as_json: bool) -> None:
    """A node's answer: whole as JSON, or its fields but for the links."""
    if as_json:
        print_json(document)
    else:
        print_fields({key: value for key, value in document.items() if key != "links"})
