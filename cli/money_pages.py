"""Things of a hospital's money and visits, for people: fields in lines, lists as tables, amounts in yuan. JSON is REST's own."""

from __future__ import annotations

from typing import Any

from cli import output
from cli.amounts import format_yuan

FEN = "_fen"  # how REST ends the name of an amount


def show_page(page: dict[str, Any], as_json: bool) -> None:
    """A thing as the ledger has it: its fields, then a table for each list of objects that it has."""
    if as_json:
        output.print_json(page)
        return
    output.print_fields({_title(key): _shown(key, value) for key, value in page.items() if not _is_table(value)})
    for key, value in page.items():
        if _is_table(value):
            output.print_line("")
            output.print_line(key)
            print_rows(tuple(dict.fromkeys(name for row in value for name in row)), value)


def print_rows(columns: tuple[str, ...], rows: list[dict[str, Any]]) -> None:
    """A table of `columns` as REST calls them; amounts stand to the right, and what no row has is left out."""
    kept = [column for column in columns if any(_shown(column, row.get(column)) != "" for row in rows)]
    cells = [[_shown(column, row.get(column)) for column in kept] for row in rows]
    figures = {_title(column) for column in kept if column.endswith(FEN)}
    output.print_table([_title(column) for column in kept], cells, figures)


def _is_table(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(row, dict) for row in value)


def _title(key: str) -> str:
    return key.removesuffix(FEN)


def _shown(key: str, value: Any) -> Any:
    """Yuan for fen, nothing for None, `cash 12.00 + card 3.00` for parts within a row, other lists in one line."""
    if value is None:
        return ""
    if key.endswith(FEN):
        return format_yuan(value)
    if isinstance(value, dict):
        return {_title(name): _shown(name, part) for name, part in value.items()}
    if _is_table(value):
        return " + ".join(
            " ".join(str(_shown(*field)) for field in row.items() if field[1] is not None) for row in value
        )
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return value
