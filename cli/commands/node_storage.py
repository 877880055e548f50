"""`medbill node backup|restore|rebuild|doctor|unsafe-new-journal`: what an operator does about a node's disk."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
import typer

from cli import output
from cli.exit_codes import ExitCode
from cli.failures import CommandFailed
from cli.options import Json, NodeHome

To = Annotated[Path, typer.Option("--to", metavar="PATH", help="A new directory, or a new file if it ends with .tar.")]
From = Annotated[Path, typer.Option("--from", metavar="PATH", help="A backup of this node, or of one with the blocks.")]
SetAside = Annotated[bool, typer.Option("--set-aside", help="Move data that are there to data.aside-N first.")]
FromPeers = Annotated[
    bool, typer.Option("--from-peers", help="Fetch what is damaged or missing from peers, every block checked.")
]
JournalAside = Annotated[
    bool,
    typer.Option(
        "--set-journal-aside", help="Move an unusable journal away; the node then follows until 'node renew'."
    ),
]
Offer = Annotated[
    bool, typer.Option("--offer-details", help="Of a gateway: send all its details to the archive at the next start.")
]
Stopped = Annotated[
    bool,
    typer.Option(
        "--all-nodes-are-stopped",
        help="Your word that no node of the network runs, and that all hold the same last block.",
    ),
]
AtHeight = Annotated[int, typer.Option("--height", min=0, help="Of the last block of every node.")]
OfDigest = Annotated[str, typer.Option("--digest", metavar="HEX", help="Of the last block of every node.")]


@output.reported
def backup(home: NodeHome, to: To, as_json: Json = False) -> ExitCode:
    """Save genesis, blocks, details and outbox, beside the running node or not. Never the journal, never keys."""
    from node.backup import make_backup

    with output.counted("saving") as told:
        manifest = make_backup(home, to, told)
    document = msgspec.to_builtins(manifest)
    size = sum(entry.bytes for entry in manifest.files)
    if as_json:
        output.print_json({"path": str(to), "bytes": size, **document})
    else:
        output.print_line(f"{to}: {manifest.kind} {manifest.node} up to block {manifest.height}, {size} bytes")
        output.print_line(f"prove it with: medbill node verify --backup {to}")
    return ExitCode.OK


@output.reported
def restore(home: NodeHome, source: From, set_aside: SetAside = False, as_json: Json = False) -> ExitCode:
    """Fill a stopped node's home from a backup, all of it proven. A validator follows without voting afterwards."""
    from node.restore import restore_home

    _verify_stopped(home)
    with output.counted("restoring") as told:
        restored = restore_home(home, source, set_aside=set_aside, progress=told)
    _print(msgspec.to_builtins(restored), as_json)
    return ExitCode.OK


@output.reported
def rebuild(
    home: NodeHome,
    from_peers: FromPeers = False,
    set_journal_aside: JournalAside = False,
    offer_details: Offer = False,
    as_json: Json = False,
) -> ExitCode:
    """Mend a stopped node: derive its state anew, with --from-peers after mending its blocks. It may be run again."""
    from node.rebuild import rebuild_home

    _verify_stopped(home)
    output.log_to_stderr()
    with output.counted("rebuilding") as told:
        rebuilt = rebuild_home(
            home,
            from_peers=from_peers,
            set_journal_aside=set_journal_aside,
            offer_details=offer_details,
            progress=told,
        )
    _print(msgspec.to_builtins(rebuilt), as_json)
    return ExitCode.OK


@output.reported
def doctor(home: NodeHome, as_json: Json = False) -> ExitCode:
    """Look at what an operator would look at, and say what to do. Exit 1 if something fails; changes nothing."""
    from node.doctor import examine

    findings = examine(home)
    worst = next((state for state in ("fail", "warn") if any(found.state == state for found in findings)), "ok")
    if as_json:
        output.print_json({"state": worst, "findings": [msgspec.to_builtins(found) for found in findings]})
    else:
        for found in findings:
            advice = f"  -> {found.advice}" if found.advice else ""
            output.print_line(f"{found.state:<4}  {found.name:<14}  {found.detail}{advice}")
        output.print_line(worst)
    return ExitCode.FAILED if worst == "fail" else ExitCode.OK


@output.reported
def unsafe_new_journal(
    home: NodeHome, height: AtHeight, digest: OfDigest, stopped: Stopped = False, as_json: Json = False
) -> ExitCode:
    """Let a validator vote again whose journal is lost, when all have lost theirs. Two blocks may become final at one
    height if any node runs, or any holds a later block. One that can reach the others uses 'node renew' instead."""
    from node.unsafe_journal import make_unsafe_journal

    _verify_stopped(home)
    if not stopped:
        raise CommandFailed("argument_refused", "say --all-nodes-are-stopped, if that is so")
    _print(msgspec.to_builtins(make_unsafe_journal(home, height, digest)), as_json)
    return ExitCode.OK


def _verify_stopped(home: Path) -> None:
    from cli.processes import running_pid
    from node.home import NodeHome as Places

    pid = running_pid(Places(home))
    if pid is not None:
        raise CommandFailed("already_running", f"{home}: process {pid} runs this node; stop it first")


def _print(document: dict[str, object], as_json: bool) -> None:
    if as_json:
        output.print_json(document)
    else:
        output.print_fields(document)
