"""`medbill access`: the log of who read which details, checked against its anchor on the ledger."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli import output
from cli.exit_codes import ExitCode
from cli.failures import CommandFailed
from cli.options import Home, Json, ViaMirror

if TYPE_CHECKING:
    from cli.client import Client

app = typer.Typer(no_args_is_help=True, help="Who read which details.")

ROLE = "auditor"
PAGE_ROWS = 1_000
ANCHOR_WAIT_S = 15

Anchor = Annotated[bool, typer.Option("--anchor", help="Have what was logged up to now anchored first.")]


@app.command()
@output.reported
def verify(home: Home, via: ViaMirror = None, anchor: Anchor = False, as_json: Json = False) -> ExitCode:
    """Check the whole log of an archive: no entry changed or taken out since it was anchored. Exit 3 if one was.

    The anchor is proven against the genesis file here; the entries are read from the archive and their digests made again.
    """
    from chain.access_anchor import check_anchor
    from chain.accesses import EMPTY_ANCHOR, check_accesses
    from chain.errors import ChainError
    from chain.genesis import genesis_from_json
    from cli import proof_check
    from cli.client import open_client
    from node.home import NetworkHome

    genesis = genesis_from_json(proof_check.read_file(NetworkHome(home).genesis, proof_check.FILE_BYTES_MAX))
    with open_client(home, via, ROLE) as client:
        if anchor:
            client.post("/v1/audit/accesses:anchor", {}, ANCHOR_WAIT_S)
        file = _anchor_file(client)  # before the log, which only grows
        try:
            proven = check_anchor(file, genesis) if file is not None else None
            if proven is not None and proven.office != client.office:
                raise CommandFailed("proof_refused", "the node sent the anchor of another archive")
            anchored = (proven.last, proven.head) if proven is not None else EMPTY_ANCHOR
            checked = check_accesses(_entries(client), anchored)
        except ChainError as refusal:
            return _told({"valid": False, "code": "log_altered", "detail": str(refusal)}, as_json, ExitCode.INVALID)
    report = {
        "valid": True,
        "entries": checked.count,
        "anchored": checked.anchored,
        "anchored_height": proven.anchored_height if proven is not None else None,
        "as_of_height": proven.height if proven is not None else None,
        "head": checked.head.hex(),
    }
    return _told(report, as_json, ExitCode.OK)


def _anchor_file(client: Client) -> bytes | None:
    try:
        return client.get_bytes("/v1/audit/accesses/anchor")
    except CommandFailed as failed:
        if failed.code == "anchor_unknown":
            return None
        raise


def _entries(client: Client) -> Iterator[bytes]:
    after: str | None = "0"
    while after is not None:
        page = client.get("/v1/audit/accesses", after=after, limit=PAGE_ROWS)
        try:
            yield from [bytes.fromhex(row["entry"]) for row in page["data"]]
            after = page["next"]
        except (KeyError, TypeError, ValueError):
            raise CommandFailed("answer_malformed", "the log of accesses is not in its form") from None


def _told(report: dict[str, Any], as_json: bool, code: ExitCode) -> ExitCode:
    if as_json:
        output.print_json(report)
    else:
        output.print_fields(report)
    return code
