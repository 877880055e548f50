"""`medbill validators`: who votes, and how that is changed: one member proposes, a quorum approves."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from cli import output
from cli.exit_codes import ExitCode
from cli.failures import CommandFailed
from cli.options import Home, Json, ViaMirror, Wait

app = typer.Typer(no_args_is_help=True, help="The set of validators: list it, propose a change, approve one.")

BLOCKS_OPEN = 10_000  # that a proposal can be approved in, if nothing else is said

By = Annotated[
    str, typer.Option("--organisation", metavar="NAME", help="The member that signs, with its unit.key below DIR.")
]
KeyFile = Annotated[
    Path | None, typer.Option("--organisation-key", metavar="FILE", help="Its unit key, if it lies elsewhere.")
]
Seats = Annotated[
    list[str] | None,
    typer.Option("--seat", metavar="NAME=KEY", help="It joins, or votes with a new key: 64 hexadecimal digits."),
]
Removed = Annotated[list[str] | None, typer.Option("--remove", metavar="NAME", help="It leaves.")]
Blocks = Annotated[int, typer.Option("--blocks", min=1, metavar="N", help="How many blocks it can be approved in.")]
Change = Annotated[str, typer.Argument(metavar="CHANGE", help="What 'propose' printed and 'list' shows.")]


@app.command("list")
@output.reported
def list_validators(home: Home, via: ViaMirror = None, as_json: Json = False) -> None:
    """Who votes now, who from the block after the next on, and the changes that can still be approved."""
    from cli.client import open_client

    with open_client(home, via, "finance_clerk") as client:
        page = client.get("/v1/network")["membership"]
    if as_json:
        output.print_json(page)
        return
    for title in ("current", "next"):
        entry = page[title]
        if entry is None:
            continue
        output.print_line(f"epoch {entry['epoch']}, quorum {entry['quorum']}, {entry['may_fail']} may fail")
        rows = [[member["organisation"], member["key"], member["renewed_at"]] for member in entry["members"]]
        output.print_table(("organisation", "vote key", "renewed at"), rows)
    if page["changes"]:
        columns = ("change", "seats", "approved by", "until block")
        output.print_table(columns, [
            [row["change"], _told(row["seats"]), ", ".join(row["approvals"]), row["until_height"]]
            for row in page["changes"]
        ])  # fmt: skip


@app.command()
@output.reported
def propose(
    home: Home,
    organisation: By,
    seat: Seats = None,
    remove: Removed = None,
    blocks: Blocks = BLOCKS_OPEN,
    organisation_key: KeyFile = None,
    via: ViaMirror = None,
    wait: Wait = 10,
    as_json: Json = False,
) -> ExitCode:
    """Propose another set, as one of its members. Nothing changes until a quorum has approved.

    The key of a new member comes from 'node init-validator', a new key of a member from 'keys make-vote'.
    """
    from chain.operation import ProposeChange, operation_digest
    from cli import signing
    from cli.client import open_client

    changes = _parse_changes(seat or [], remove or [])
    key = signing.organisation_key(home, organisation, organisation_key)
    with open_client(home, via, "finance_clerk") as client:
        page = client.get("/v1/network")["membership"]
        operation = ProposeChange(int(page["newest_epoch"]), changes, int(page["height"]) + blocks)
        outcome = signing.send_operation(client, organisation, key, operation, wait)
    outcome = {**outcome, "change": operation_digest(operation).hex(), "based_on": operation.based_on}
    _print(outcome, as_json)
    if signing.is_recorded(outcome):
        output.note(f"others approve it: medbill validators approve {outcome['change']} --organisation NAME --home DIR")
    return signing.exit_code(outcome)


@app.command()
@output.reported
def approve(
    change: Change,
    home: Home,
    organisation: By,
    organisation_key: KeyFile = None,
    via: ViaMirror = None,
    wait: Wait = 10,
    as_json: Json = False,
) -> ExitCode:
    """Approve a proposed change. The approval that makes a quorum is in force two blocks later."""
    from chain.operation import ApproveChange
    from cli import signing
    from cli.client import open_client

    key = signing.organisation_key(home, organisation, organisation_key)
    with open_client(home, via, "finance_clerk") as client:
        operation = ApproveChange(_parse_hex(change, "a change"))
        outcome = signing.send_operation(client, organisation, key, operation, wait)
        page = client.get("/v1/network")["membership"]
    _print({**outcome, "change": change, "newest_epoch": page["newest_epoch"]}, as_json)
    return signing.exit_code(outcome)


def _print(outcome: dict[str, Any], as_json: bool) -> None:
    if as_json:
        output.print_json(outcome)
    else:
        output.print_fields({key: value for key, value in outcome.items() if key != "links"})


def _told(seats: list[dict[str, Any]]) -> str:
    return ", ".join(
        f"{seat['organisation']}={seat['key'][:16]}" if seat["key"] else f"-{seat['organisation']}" for seat in seats
    )


def _parse_changes(seats: list[str], removed: list[str]) -> list[Any]:
    from chain.operation import SeatChange

    found: dict[str, list[bytes]] = {}
    for text in seats:
        name, _, key = text.partition("=")
        found[name] = [_parse_hex(key, f"'{text}': the key")]
    found.update({name: [] for name in removed})
    if not found or len(found) != len(seats) + len(removed):
        raise CommandFailed("argument_refused", "name each organisation once, with --seat NAME=KEY or --remove NAME")
    return [SeatChange(name, found[name]) for name in sorted(found)]


def _parse_hex(text: str, what: str) -> bytes:
    try:
        found = bytes.fromhex(text)
    except ValueError:
        found = b""
    if len(found) != 32:
        raise CommandFailed("argument_refused", f"{what} has 64 hexadecimal digits")
    return found
