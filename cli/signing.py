"""Operations that an organisation signs here, with the key in its own directory, and a node takes as they are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cli.client import Client
from cli.exit_codes import ExitCode, exit_code_of_status
from cli.failures import CommandFailed
from node.services.names import keyed_name as keyed_name

if TYPE_CHECKING:
    from chain.operation import Operation
    from chain.signature import SigningKey

ROLE = "operator"  # of whoever sends: the transaction's own signature says for whom it speaks
TRANSACTION_WINDOW_BLOCKS = 1_000  # that what is signed here may run later


def organisation_key(home: Path, organisation: str, file: Path | None = None) -> SigningKey:
    """DIR/organisations/NAME/unit.key, or the file given. Raises KeyFileRefused."""
    from node.home import NetworkHome
    from node.keystore import load_signing_key

    return load_signing_key(file or NetworkHome(home).organisation(organisation).unit_key)


def send_operation(
    client: Client, organisation: str, key: SigningKey, operation: Operation, wait_s: int
) -> dict[str, Any]:
    """What became of it within `wait_s`. Raises CommandFailed with the ledger's code if it was refused."""
    (outcome,), _height = send_operations(client, organisation, key, [operation], wait_s)
    outcome.pop("index", None)
    verify_taken(outcome)
    return outcome


def verify_taken(outcome: dict[str, Any]) -> None:
    """Raises CommandFailed with the ledger's code if it was refused."""
    if outcome.get("status") == "refused" and not outcome.get("repeated"):
        code, detail = str(outcome.get("code")), str(outcome.get("detail") or "the ledger refused it")
        raise CommandFailed(code, detail, exit_code_of_status(409), status=409)


def send_operations(
    client: Client, organisation: str, key: SigningKey, operations: Sequence[Operation], wait_s: int
) -> tuple[list[dict[str, Any]], int]:
    """What became of each within `wait_s`, and the ledger's height before: what was recorded up to it was there already.

    They stand in one transaction (at most `chain.transaction.OPERATIONS_MAX`) and each for itself.
    """
    from chain.codec import encode
    from chain.transaction import Entry, sign_transaction

    network = client.get("/v1/network")
    chain_id, height = bytes.fromhex(network["chain_id"]), int(network["head"]["height"])
    until = height + TRANSACTION_WINDOW_BLOCKS
    entries = [Entry(False, operation) for operation in operations]
    transaction = sign_transaction(chain_id, organisation, key, until, entries)
    headers = {"Content-Type": "application/octet-stream", **({"Prefer": f"wait={wait_s}"} if wait_s else {})}
    answer = client.send("POST", "/v1/transactions", content=encode(transaction), headers=headers).json()
    return list(answer["outcomes"]), height


def act(
    home: Path, organisation: str, make: Callable[[SigningKey], Operation], via: str | None, wait_s: int, as_json: bool
) -> ExitCode:
    """Sign what `make` makes, send it to a mirror, and show what became of it. Raises CommandFailed, KeyFileRefused."""
    from cli import output
    from cli.client import open_client

    key = organisation_key(home, organisation)
    with open_client(home, via, ROLE) as client:
        outcome = send_operation(client, organisation, key, make(key), wait_s)
    output.show_fields(outcome, as_json)
    return exit_code(outcome)


def is_recorded(outcome: dict[str, Any]) -> bool:
    return outcome.get("status") in ("recorded", "sealed")


def exit_code(outcome: dict[str, Any]) -> ExitCode:
    """A queued operation may still be recorded: the same command says so later."""
    return ExitCode.OK if is_recorded(outcome) or outcome.get("repeated") else ExitCode.UNREACHABLE
