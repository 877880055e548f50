"""`medbill keys`: which keys are in force, which of them lie here, and how they are changed.

A unit or seal key is changed in three steps: `add` makes one and has it recorded, `use` puts its file where the nodes of
this directory read it, `end` has the former one end. A vote key is made in its validator's home and comes into force
with a change of the set (`medbill validators propose`).
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

import typer

from cli import output
from cli.exit_codes import ExitCode
from cli.failures import CommandFailed
from cli.options import Home, Json, NodeHome, ViaMirror, Wait

app = typer.Typer(no_args_is_help=True, help="Keys: those in force, their private files, and how they are changed.")

PURPOSES = {1: "unit", 2: "seal", 3: "vote"}
HERE, NOT_USED = "here", "here, not in use"  # the second was made by 'add' and waits for 'use'
BLOCKS_AHEAD = 10  # from the newest block to the first that a new key may sign in, or an old one no longer

Organisation = Annotated[
    str | None, typer.Option("--organisation", metavar="NAME", help="Only this organisation's keys.")
]


@app.command()
@output.reported
def show(home: Home, organisation: Organisation = None, via: ViaMirror = None, as_json: Json = False) -> None:
    """Every key that has not ended, as the ledger has it now: whose, what for, from and until which block it signs; and
    whether its private file lies here and is fit for use. Private keys are never shown.

    'until' is the first block that it may no longer sign in.
    """
    from cli.client import open_client
    from node.home import NetworkHome
    from node.network_file import load_network_file
    from node.vote_keys import LATER_KEYS

    network, places = load_network_file(home), NetworkHome(home)
    validators = {node.organisation: node.name for node in network.nodes if node.kind == "validator"}
    with open_client(home, via, "finance_clerk") as client:
        page = client.get("/v1/keys", organisation=organisation)["data"]
    rows: list[dict[str, Any]] = []
    for row in page:
        holder, purpose, public = str(row["organisation"]), str(row["purpose"]), bytes.fromhex(row["public"])
        if purpose == "vote" and holder in validators:
            directory = places.node(validators[holder]).config_dir
            files = [directory / "vote.key", *sorted(directory.glob(LATER_KEYS))]
        else:
            directory = places.organisation(holder).root
            files = [directory / f"{purpose}.key"]
        state = next(
            (state for file in files if (state := _state_of(file, public)) == HERE), _state_of(files[0], public)
        )
        added = _new_file(directory, purpose, bytes.fromhex(row["key_id"]))
        if state != HERE and _state_of(added, public) == HERE:
            state = NOT_USED
        rows.append({**row, "private_file": state})
    if as_json:
        output.print_json({"chain_id": network.chain_id, "keys": rows})
    else:
        output.print_table(("organisation", "purpose", "key id", "from", "until", "private file"), [
            [row["organisation"], row["purpose"], row["key_id"], row["from_height"], row["until_height"], row["private_file"]]
            for row in rows
        ])  # fmt: skip


Whose = Annotated[str, typer.Option("--organisation", metavar="NAME", help="The organisation; its unit.key signs.")]
Purpose = Annotated[str, typer.Option("--purpose", metavar="unit|seal", help="What it signs: transactions, or seals.")]
KeyId = Annotated[str, typer.Argument(metavar="KEY_ID", help="64 hexadecimal digits, as 'add' and 'show' print them.")]
FromHeight = Annotated[
    int | None, typer.Option("--from-height", min=1, metavar="H", help="First block that it may sign in.")
]
UntilHeight = Annotated[
    int | None, typer.Option("--until-height", min=1, metavar="H", help="First block that it may no longer sign in.")
]


@app.command()
@output.reported
def add(
    home: Home,
    organisation: Whose,
    purpose: Purpose = "unit",
    from_height: FromHeight = None,
    via: ViaMirror = None,
    wait: Wait = 10,
    as_json: Json = False,
) -> ExitCode:
    """Make a unit or seal key beside the former one, and have the ledger record it. 'use' then puts it to use."""
    from chain.operation import AddKey
    from chain.signature import ED25519
    from chain.transaction import key_id
    from cli import signing
    from cli.client import open_client
    from node.home import NetworkHome
    from node.keystore import generate_signing_key, save_signing_key

    number = {name: number for number, name in PURPOSES.items()}.get(purpose)
    if number not in (1, 2):
        raise CommandFailed("argument_refused", f"'{purpose}': unit or seal; vote keys are made by 'keys make-vote'")
    signer = signing.organisation_key(home, organisation)
    with open_client(home, via, "finance_clerk") as client:
        if from_height is None:
            from_height = int(client.get("/v1/network")["head"]["height"]) + BLOCKS_AHEAD
        key = generate_signing_key()
        name = key_id(key.public)
        path = _new_file(NetworkHome(home).organisation(organisation).root, purpose, name)
        save_signing_key(path, key)  # before anybody hears of it
        outcome = signing.send_operation(
            client, organisation, signer, AddKey(key.public, number, ED25519, from_height), wait
        )
    _print({**outcome, "key_id": name.hex(), "from_height": from_height, "file": str(path)}, as_json)
    return signing.exit_code(outcome)


@app.command()
@output.reported
def use(key: KeyId, home: Home, organisation: Whose, as_json: Json = False) -> None:
    """Put a key made by 'add' in the place of the former one, here and in the homes of the organisation's nodes below
    DIR. Former files are put aside, never deleted. Restart the nodes that are named."""
    from node.home import NetworkHome
    from node.keystore import load_signing_key, save_signing_key
    from node.network_file import load_network_file

    places, network = NetworkHome(home), load_network_file(home)
    own, name = places.organisation(organisation), _parse_id(key)
    purpose = next((kind for kind in ("unit", "seal") if _new_file(own.root, kind, name).exists()), None)
    if purpose is None:
        raise CommandFailed("not_found", f"{own.root}: no file of key {key[:16]}; 'keys add' makes one")
    new = load_signing_key(_new_file(own.root, purpose, name))
    files = [own.root / f"{purpose}.key"]
    homes = [(node.name, places.node(node.name)) for node in network.nodes if node.organisation == organisation]
    in_nodes = [(node, path) for node, place in homes if (path := place.config_dir / f"{purpose}.key").exists()]
    for path in [*(path for _, path in in_nodes), *files]:  # the organisation's own last: it says that all is done
        former = load_signing_key(path)
        if former.public != new.public:
            beside = path.with_suffix(".new")
            beside.unlink(missing_ok=True)
            save_signing_key(beside, new)
            os.link(path, _aside(path))
            os.replace(beside, path)  # at every moment one of both lies there
    restart = [node for node, _ in in_nodes]
    _print({"key_id": key, "purpose": purpose, "restart": restart}, as_json)


@app.command()
@output.reported
def end(
    key: KeyId,
    home: Home,
    organisation: Whose,
    until_height: UntilHeight = None,
    via: ViaMirror = None,
    wait: Wait = 10,
    as_json: Json = False,
) -> ExitCode:
    """End a unit or seal key. What it signed before stays provable; the last unit key cannot be ended."""
    from chain.operation import EndKey
    from cli import signing
    from cli.client import open_client

    signer = signing.organisation_key(home, organisation)
    with open_client(home, via, "finance_clerk") as client:
        if until_height is None:
            until_height = int(client.get("/v1/network")["head"]["height"]) + BLOCKS_AHEAD
        operation = EndKey(_parse_id(key), until_height)
        outcome = signing.send_operation(client, organisation, signer, operation, wait)
    _print({**outcome, "key_id": key, "until_height": until_height}, as_json)
    return signing.exit_code(outcome)


@app.command("make-vote")
@output.reported
def make_vote(home: NodeHome, as_json: Json = False) -> None:
    """Make a new vote key in a validator's home, running or stopped; it signs once a change of the set has it.

    The node's journal takes note of it: so do not copy vote keys from one home to another.
    """
    from node.config import VALIDATOR, load_node_config
    from node.home import NodeHome as Places
    from node.vote_keys import make_vote_key

    config = load_node_config(home)
    if config.kind != VALIDATOR:
        raise CommandFailed("not_a_validator", f"{config.name} is a {config.kind}: only validators vote")
    path, public = make_vote_key(Places(home).config_dir, config.data_dir / "journal")
    _print({"file": str(path), "vote_key": public.hex()}, as_json)
    output.note(
        f"propose it: medbill validators propose --organisation MEMBER --seat {config.organisation}={public.hex()}"
    )


def _print(document: dict[str, Any], as_json: bool) -> None:
    if as_json:
        output.print_json(document)
    else:
        output.print_fields({key: value for key, value in document.items() if key != "links"})


def _new_file(directory: Path, purpose: str, key_id: bytes) -> Path:
    return directory / f"{purpose}-{key_id.hex()[:16]}.key"


def _aside(path: Path) -> Path:
    """A name for a key that is no longer used; none that exists."""
    number = 1
    while (former := path.with_suffix(f".former-{number}")).exists():
        number += 1
    return former


def _parse_id(text: str) -> bytes:
    try:
        found = bytes.fromhex(text)
    except ValueError:
        found = b""
    if len(found) != 32:
        raise CommandFailed("argument_refused", f"'{text}': a key id has 64 hexadecimal digits")
    return found


def _state_of(path: Any, public: bytes) -> str:
    from node.errors import KeyFileRefused
    from node.keystore import load_signing_key

    if not path.exists():
        return "not here"
    try:
        return HERE if load_signing_key(path).public == public else "another key"
    except KeyFileRefused as refusal:
        return refusal.detail
