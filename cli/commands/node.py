"""`medbill node`: one node in its home."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, cast

import msgspec
import typer

from cli import output
from cli.commands import membership, node_storage
from cli.exit_codes import ExitCode
from cli.failures import CommandFailed
from cli.options import BackupPath, Json, NodeHome, OptionalNodeHome

if TYPE_CHECKING:
    from node.build import AppFactory
    from node.config import NodeConfig
    from node.service import Archive, Counter, Desk
    from node.web import App

KEY_CHARACTERS_MIN = 16  # of a hospital system's key: MD5 over a short one is guessed
OWN_CERTIFICATE_FOREIGN = "unknown_certificate"  # before any peer is met: genesis does not know our own certificate

app = typer.Typer(no_args_is_help=True, help="One node: run it, ask it, let it prove its data again.")
app.command("renew")(membership.renew)
app.command("init-validator")(membership.init_validator)
app.command("init-gateway")(membership.init_gateway)
app.command("backup")(node_storage.backup)
app.command("restore")(node_storage.restore)
app.command("rebuild")(node_storage.rebuild)
app.command("doctor")(node_storage.doctor)
app.command("unsafe-new-journal")(node_storage.unsafe_new_journal)


@app.command()
@output.reported
def start(home: NodeHome) -> ExitCode:
    """Run the node in the foreground, its log on stderr. SIGTERM finishes the block and closes the stores."""
    from cli.processes import remove_pid_file, running_pid, write_pid_file
    from node.build import run
    from node.errors import NodeError
    from node.home import NodeHome as Places

    places, own = Places(home), os.getpid()
    other = running_pid(places)
    if other not in (None, own):
        raise CommandFailed("already_running", f"{home}: process {other} runs this node; stop it first")
    write_pid_file(places, own)
    try:
        return ExitCode.OK if run(home, app_factory=_rest_app(home)) == 0 else ExitCode.FAILED
    except NodeError as error:
        if error.code == OWN_CERTIFICATE_FOREIGN:
            raise CommandFailed(
                "foreign_genesis",
                f"{places.genesis} and {places.tls_certificate} are of different networks; "
                "take both from the directory that this home was made in",
            ) from None
        raise
    finally:
        remove_pid_file(places, own)


def _rest_app(home: Path) -> AppFactory | None:
    """Makes the REST app of a node, or None for a node that serves none: only then is the framework loaded."""
    from node.config import load_node_config

    if load_node_config(home).api is None:
        return None
    from api.app import build_app
    from api.auth import TokenVerifier, load_issuers
    from api.call import ApiSettings
    from api.errors import ConfigRefused
    from node.home import NodeHome as Places

    path = Places(home).token_issuers

    def make(desk: Desk, config: NodeConfig) -> App:
        settings = ApiSettings(medical_apps=apps, public_url=config.public_url)
        return build_app(cast("Counter | Archive", desk), TokenVerifier(issuers, desk.chain_id), settings)

    try:
        issuers = load_issuers(path.read_bytes())
        TokenVerifier(issuers, "")  # refuses before the node opens its stores
    except ConfigRefused as refusal:
        raise CommandFailed("config_refused", f"{path}: {refusal}") from None
    apps = _medical_apps(Places(home).medical_apps, load_node_config(home).api_tls)
    return make


def _medical_apps(path: Path, is_tls: bool) -> dict[str, str]:
    """appid -> key of the hospital systems in `config/medical.json`; none where it is not there. Raises CommandFailed."""
    if not path.exists():
        return {}
    if path.stat().st_mode & 0o077:
        raise CommandFailed("config_refused", f"{path}: others can read its keys; chmod 600 it")
    if not is_tls:
        raise CommandFailed("config_refused", f"{path}: its keys travel over TLS only; set api_tls: true in node.yaml")
    try:
        apps = msgspec.json.decode(path.read_bytes(), type=dict[str, str])
    except (msgspec.MsgspecError, UnicodeError) as error:
        raise CommandFailed("config_refused", f"{path}: an object of appid and key belongs here: {error}") from None
    if not apps or not all(appid and len(key) >= KEY_CHARACTERS_MIN for appid, key in apps.items()):
        raise CommandFailed(
            "config_refused", f"{path}: each appid has a key of {KEY_CHARACTERS_MIN} characters or more"
        )
    return apps


@app.command()
@output.reported
def status(home: NodeHome, as_json: Json = False) -> ExitCode:
    """What the node says of itself. Exit 5 if it does not answer."""
    from cli.client import OperationsClient
    from node.config import load_node_config

    config = load_node_config(home)
    with OperationsClient() as client:
        answer = client.ask(config.operations.host, config.operations.port, "/status")
    if answer is None or answer[0] != 200:
        where = f"{config.operations.host} port {config.operations.port}"
        raise CommandFailed("unreachable", f"{config.name} does not answer at {where}; is it started?")
    if as_json:
        output.print_json(answer[1])
    else:
        output.print_fields(answer[1])
    return ExitCode.OK


@app.command()
@output.reported
def verify(home: OptionalNodeHome = None, backup: BackupPath = None, as_json: Json = False) -> ExitCode:
    """Derive everything from the block log again and compare. Exit 3 if something differs. It may run meanwhile.

    Of a backup: prove it offline, from its own genesis on; whether that is the right one, its chain id tells.
    """
    from node.backup import verify_backup
    from node.verify import verify_home

    totals: dict[str, int] = {}
    if (home is None) == (backup is None):
        raise CommandFailed("argument_refused", "name either --home or --backup")
    with output.counted("verifying") as told:
        if backup is not None:
            report, totals = verify_backup(backup, told)
        else:
            assert home is not None
            report = verify_home(home, told)
    checks = [{"name": check.name, "ok": check.ok, "detail": check.detail} for check in report.checks]
    if as_json:
        output.print_json({"valid": report.valid, "checks": checks, **({"totals": totals} if totals else {})})
    else:
        output.print_checks(checks)
        output.print_line("valid" if report.valid else "INVALID")
    return ExitCode.OK if report.valid else ExitCode.INVALID
