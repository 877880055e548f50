"""`medbill keys`: which keys the ledger starts with, and which of them lie here."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from cli import output
from cli.options import Home, Json

app = typer.Typer(no_args_is_help=True, help="Public keys of genesis, and their private files.")

PURPOSES = {1: "unit", 2: "seal", 3: "vote"}

Organisation = Annotated[
    str | None, typer.Option("--organisation", metavar="NAME", help="Only this organisation's keys.")
]


@app.command()
@output.reported
def show(home: Home, organisation: Organisation = None, as_json: Json = False) -> None:
    """Every key in genesis: whose, what for, its id, and whether its private file lies here and is fit for use.

    Reads files only. Private keys are never shown.
    """
    from chain.genesis import genesis_from_json
    from chain.records import VOTE
    from chain.transaction import key_id
    from node.home import NetworkHome
    from node.network_file import load_network_file

    network = load_network_file(home)
    places = NetworkHome(home)
    genesis = genesis_from_json(places.genesis.read_bytes())
    keys = [(key.organisation, key.purpose, key.public) for key in genesis.keys]
    keys += [(member.organisation, VOTE, member.key) for member in genesis.validators]
    votes = {node.organisation: places.node(node.name).vote_key for node in network.nodes if node.kind == "validator"}
    rows: list[dict[str, Any]] = []
    for holder, purpose, public in sorted(keys):
        if organisation in (None, holder):
            own = places.organisation(holder)
            path = {"unit": own.unit_key, "seal": own.seal_key}.get(
                PURPOSES[purpose], votes.get(holder, own.root / "vote.key")
            )
            rows.append(
                {
                    "organisation": holder,
                    "purpose": PURPOSES[purpose],
                    "key_id": key_id(public).hex(),
                    "public": public.hex(),
                    "private_file": _state_of(path, public),
                }
            )
    if as_json:
        output.print_json({"chain_id": network.chain_id, "keys": rows})
    else:
        output.print_table(("organisation", "purpose", "key id", "private file"), [
            [row["organisation"], row["purpose"], row["key_id"], row["private_file"]] for row in rows
        ])  # fmt: skip


def _state_of(path: Any, public: bytes) -> str:
    from node.errors import KeyFileRefused
    from node.keystore import load_signing_key

    if not path.exists():
        return "not here"
    try:
        return "here" if load_signing_key(path).public == public else "another key"
    except KeyFileRefused as refusal:
        return refusal.detail
