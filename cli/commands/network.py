"""`medbill network`: a whole network on this machine, made, started, looked at, stopped."""

from __future__ import annotations

import signal
import sys
import threading
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from cli import output
from cli.exit_codes import ExitCode
from cli.options import Home, Json

app = typer.Typer(no_args_is_help=True, help="Make and run a whole network on this machine.")

TABLE_REFRESH_S = 1.0
COLUMNS = ("node", "kind", "state", "height", "view", "state root", "peers", "outbox", "seals lag")

Config = Annotated[
    Path, typer.Option("--config", metavar="FILE", help="What to make: see the comments in network.yaml.")
]
NewHome = Annotated[Path, typer.Option("--home", metavar="DIR", help="The directory to make; it must not exist.")]
Detach = Annotated[bool, typer.Option("--detach", help="Return when all nodes are ready, and leave them running.")]
Nodes = Annotated[list[str] | None, typer.Option("--node", metavar="NAME", help="Only this node; may be repeated.")]


@app.command()
@output.reported
def init(config: Config, home: NewHome, as_json: Json = False) -> None:
    """Make genesis, keys, certificates and a home per node from network.yaml."""
    from node.config import load_network_config
    from node.network_checks import verify_ports_free
    from node.network_file import load_network_file
    from node.provision import provision, verify_new

    verify_new(home)
    network = load_network_config(config)
    verify_ports_free(network.nodes, str(config))
    provision(network, home, int(time.time() * 1000))
    made = load_network_file(home)
    if as_json:
        nodes = [{"name": node.name, "kind": node.kind, "organisation": node.organisation} for node in made.nodes]
        output.print_json({"home": str(home), "chain_id": made.chain_id, "nodes": nodes})
    else:
        output.print_line(f"made {home}: {len(made.nodes)} nodes, ledger {made.chain_id}")
        output.note(f"start it with: medbill network up --home {home}")


@app.command()
@output.reported
def up(home: Home, detach: Detach = False, node: Nodes = None, as_json: Json = False) -> None:
    """Start all nodes that do not run yet, each as a process of its own, and show them until Ctrl-C.

    Ctrl-C takes the network down. With --detach it returns when all are ready. The logs are DIR/nodes/NAME/logs/node.log.
    """
    from cli.processes import start_nodes, stop_nodes, wait_ready
    from node.network_file import load_network_file

    network = load_network_file(home)
    entries = [network.node(name) for name in node] if node else network.nodes
    started_at = time.monotonic()
    nodes = start_nodes(home, entries)
    ours = [one for one in nodes if one.process is not None]
    try:
        with output.progress("starting", len(nodes)) as bar:
            shown = 0

            def told(ready: int, beside: str) -> None:
                nonlocal shown
                bar(ready - shown, beside)
                shown = ready

            wait_ready(nodes, told)
        seconds = round(time.monotonic() - started_at, 2)
        if as_json:
            rows = [{"name": one.entry.name, "kind": one.entry.kind, "pid": one.pid} for one in nodes]
            output.print_json({"ready": len(nodes), "started": len(ours), "seconds": seconds, "nodes": rows})
        else:
            output.print_line(f"{len(nodes)} nodes ready in {seconds} s, {len(ours)} of them started now")
    except BaseException:
        output.note("taking down what was started")
        stop_nodes(ours, output.note)
        raise
    if not detach:
        _watch(entries, as_json)
        output.note("taking the network down")
        stop_nodes(nodes, output.note)


def _watch(entries: list[Any], as_json: bool) -> None:
    """A live table on stderr until Ctrl-C or SIGTERM; none with `--json` or where nobody looks."""
    from rich.live import Live

    from cli.network_status import read_statuses

    ended = threading.Event()
    before = {number: signal.signal(number, lambda *_: ended.set()) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        if as_json or not sys.stderr.isatty():
            ended.wait()
            return
        with Live(console=output.console(is_error=True), auto_refresh=False, transient=True) as live:
            while not ended.is_set():
                live.update(output.build_table(COLUMNS, [_row(row) for row in read_statuses(entries)]), refresh=True)
                ended.wait(TABLE_REFRESH_S)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@app.command()
@output.reported
def down(home: Home, node: Nodes = None, as_json: Json = False) -> None:
    """Stop all nodes: they finish their block and close their stores. After 15 s they are killed, with a note."""
    from cli.processes import find_running, stop_nodes
    from node.network_file import load_network_file

    network = load_network_file(home)
    nodes = find_running(home, [network.node(name) for name in node] if node else network.nodes)
    killed = stop_nodes(nodes, output.note)
    if as_json:
        output.print_json({"stopped": [one.entry.name for one in nodes], "killed": killed})
    else:
        output.print_line(f"{len(nodes)} nodes stopped" if nodes else "no node was running")


@app.command()
@output.reported
def status(home: Home, as_json: Json = False) -> ExitCode:
    """Height, state root, view and peers of every node. Exit 5 if none answers."""
    from cli.network_status import read_statuses
    from node.network_file import load_network_file

    network = load_network_file(home)
    rows = read_statuses(network.nodes)
    if as_json:
        output.print_json({"name": network.name, "chain_id": network.chain_id, "nodes": rows})
    else:
        output.print_table(COLUMNS, [_row(row) for row in rows])
    return ExitCode.OK if any(row["state"] != "unreachable" for row in rows) else ExitCode.UNREACHABLE


def _row(row: dict[str, Any]) -> list[Any]:
    """The columns of a row of `network_status.read_statuses`."""
    state = (
        row["state"] if row["state"] != "not ready" else f"not ready: {', '.join(row['reasons']) or 'no reason given'}"
    )
    root = str(row.get("state_root") or "-")[:12]
    return [
        row["name"],
        row["kind"],
        state,
        row.get("height"),
        row.get("view"),
        root,
        row.get("peers"),
        row.get("outbox"),
        row.get("seals_lag"),
    ]
