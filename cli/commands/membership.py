"""`medbill node renew`, `init-validator`, `init-gateway`: a journal made anew, and homes for nodes that come later."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from cli import output
from cli.exit_codes import ExitCode
from cli.failures import CommandFailed
from cli.options import Home, Json, NodeHome, Wait

NetworkDirectory = Annotated[
    Path | None,
    typer.Option("--network", metavar="DIR", help="Directory of the network; two above the home if left out."),
]
KeyFile = Annotated[
    Path | None,
    typer.Option("--organisation-key", metavar="FILE", help="The organisation's unit key, if it lies elsewhere."),
]
ViaMirrors = Annotated[
    str | None,
    typer.Option("--via", metavar="NODE", help="The node to ask; the network's mirrors in turn if none is named."),
]
Anew = Annotated[bool, typer.Option("--anew", help="A fresh journal even if one waits for its renewal already.")]
Name = Annotated[str, typer.Option("--name", metavar="NODE", help="Name of the new node.")]
Organisation = Annotated[
    str, typer.Option("--organisation", metavar="NAME", help="Whose it is; it has an authority in genesis.")
]
Hospital = Annotated[
    str, typer.Option("--organisation", metavar="NAME", help="Whose it is; 'organisation init' made it.")
]
OfficeNode = Annotated[
    str, typer.Option("--office", metavar="NODE", help="The mirror of the office that supervises it.")
]
ApiPort = Annotated[
    int, typer.Option("--api-port", min=1, max=65535, metavar="PORT", help="For the hospital's systems.")
]
ApiTls = Annotated[bool, typer.Option("--api-tls", help="REST over the node's own certificate.")]
Host = Annotated[str, typer.Option("--host", metavar="HOST", help="Where it listens, and is dialled.")]
Port = Annotated[int, typer.Option("--peer-port", min=1, max=65535, metavar="PORT", help="For other nodes.")]
OperationsPort = Annotated[
    int, typer.Option("--operations-port", min=1, max=65535, metavar="PORT", help="For its operators; on loopback.")
]


@output.reported
def renew(
    home: NodeHome,
    network: NetworkDirectory = None,
    organisation_key: KeyFile = None,
    anew: Anew = False,
    via: ViaMirrors = None,
    wait: Wait = 10,
    as_json: Json = False,
) -> ExitCode:
    """Give a validator that must not vote a fresh journal, and have the ledger record it: the way back.

    For a node whose journal is missing, copied (also by a move to another disk), damaged or behind; it may run or be
    stopped. The former journal is put aside, never deleted. The node votes from the epoch that this very operation
    opens, two blocks after it is recorded. A member may renew once in 1,000 blocks. The same command again sends the
    same operation again, until it is recorded. A mirror that does not answer is left for the next one.
    """
    from chain.operation import Renew
    from cli import signing
    from cli.client import MirrorsInTurn
    from node.config import VALIDATOR, load_node_config

    directory = network or home.resolve().parents[1]
    config = load_node_config(home)
    if config.kind != VALIDATOR:
        raise CommandFailed("not_a_validator", f"{config.name} is a {config.kind}: only validators have a journal")
    key = signing.organisation_key(directory, config.organisation, organisation_key)
    mirrors = MirrorsInTurn(directory, via, "finance_clerk", output.note)
    _verify_may_renew(mirrors.ask(lambda client: client.get("/v1/network"))["membership"], config.organisation)
    number = _number(home, config, anew)
    output.note(f"a fresh journal waits for renewal {number.hex()[:16]}")
    outcome = mirrors.ask(  # a renewal by its number counts once, however often it is sent
        lambda client: signing.send_operation(client, config.organisation, key, Renew(number), wait)
    )
    outcome = {**outcome, "node": config.name, "number": number.hex()}
    if outcome.get("repeated"):
        output.note("it was recorded before; if the node does not vote two blocks later, take another number: --anew")
    if as_json:
        output.print_json(outcome)
    else:
        output.print_fields({key: value for key, value in outcome.items() if key != "links"})
    return signing.exit_code(outcome)


def _verify_may_renew(page: dict[str, Any], organisation: str) -> None:
    """Asked before anything is moved: a journal that the ledger would not take yet is worse than the one that is there."""
    from chain.rules.membership import RENEWAL_BLOCKS

    member = next((one for one in page["current"]["members"] if one["organisation"] == organisation), None)
    if member is None:
        raise CommandFailed("no_seat", f"{organisation} has no seat; 'medbill validators propose' gives one")
    if member["renewed_at"] is not None and page["height"] + 1 < member["renewed_at"] + RENEWAL_BLOCKS:
        due = member["renewed_at"] + RENEWAL_BLOCKS
        raise CommandFailed(
            "renewed_lately", f"{organisation} renewed in block {member['renewed_at']}; the next one may stand in {due}"
        )


def _number(home: Path, config: Any, anew: bool) -> bytes:
    """Of the journal that waits, made now if there is none."""
    from cli.client import OperationsClient
    from cli.processes import running_pid
    from node.home import NodeHome as Places
    from node.renewal import fresh_journal

    if running_pid(Places(home)) is not None:
        with OperationsClient() as client:
            answer = client.ask(config.operations.host, config.operations.port, "/status")
        if answer is None or answer[0] != 200:
            raise CommandFailed("unreachable", f"{config.name} runs and does not answer; stop it first")
        status = answer[1]
        if not status.get("learner"):
            raise CommandFailed("votes_already", f"{config.name} votes; nothing is to be renewed. To do it all the same, stop it first")  # fmt: skip
        if status.get("waits_for") and not anew:
            return bytes.fromhex(status["waits_for"])
    return fresh_journal(config.data_dir, anew=anew)


@output.reported
def init_validator(
    home: Home,
    name: Name,
    organisation: Organisation,
    peer_port: Port,
    operations_port: OperationsPort,
    host: Host = "127.0.0.1",
    as_json: Json = False,
) -> None:
    """Make a home for one more validator of a network that runs, with a vote key and a journal of its own.

    DIR needs genesis.json, network.json and organisations/NAME. Start the node; it follows. It votes once the members
    have given its organisation a seat with the key that is printed here ('validators propose').
    """
    from node.network_file import NodeEntry
    from node.provision_validator import provision_validator

    entry = NodeEntry(
        name, "validator", organisation, host, peer_port, None, False, operations_port, str(Path("nodes") / name)
    )
    public = provision_validator(home, entry)
    if as_json:
        output.print_json({"name": name, "organisation": organisation, "vote_key": public.hex()})
    else:
        output.print_line(f"made {home / entry.home}: vote key {public.hex()}")
        output.note(f"start it: medbill network up --home {home} --detach --node {name}")
        output.note(
            f"give it a seat: medbill validators propose --home {home} --organisation MEMBER "
            f"--seat {organisation}={public.hex()}"
        )


@output.reported
def init_gateway(
    home: Home,
    name: Name,
    organisation: Hospital,
    office: OfficeNode,
    api_port: ApiPort,
    operations_port: OperationsPort,
    host: Host = "127.0.0.1",
    api_tls: ApiTls = False,
    as_json: Json = False,
) -> None:
    """Make a home for the gateway of a hospital that 'organisation init' made keys for.

    Start the node: it follows, and issues once the office has admitted the hospital and allotted it numbers.
    """
    from node.network_file import NodeEntry
    from node.provision_gateway import Leases, provision_gateway

    entry = NodeEntry(
        name, "gateway", organisation, host, None, api_port, api_tls, operations_port, str(Path("nodes") / name)
    )
    provision_gateway(home, entry, office, Leases())
    if as_json:
        output.print_json({"name": name, "organisation": organisation, "home": str(home / entry.home)})
    else:
        output.print_line(f"made {home / entry.home}")
        output.note(f"start it: medbill network up --home {home} --detach --node {name}")
