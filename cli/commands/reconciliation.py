"""`medbill reconciliation`: a channel's day, four ways, as a signed file; its check and its table, without any node."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli import output
from cli.exit_codes import ExitCode
from cli.failures import CommandFailed
from cli.options import Home, Json, Organisation

if TYPE_CHECKING:
    from chain.genesis import Genesis
    from chain.key_proof import KeyProof

FETCHING = "hospital_admin"  # who may get both sides

app = typer.Typer(
    no_args_is_help=True,
    help="Payments against channel, bank and bills: a day's result as a signed file, and its check.",
)

RowsLimit = Annotated[int, typer.Option("--rows", min=0, metavar="N", help="Show so many differences at most.")]
ResultFile = Annotated[Path, typer.Argument(metavar="FILE", help="The *.reconciliation file.")]
GenesisFile = Annotated[
    Path, typer.Option("--genesis", metavar="FILE", help="genesis.json of the ledger: all that is trusted.")
]
Channel = Annotated[str, typer.Option("--channel", metavar="NAME", help="alipay, wechat …, as in the statement.")]
Day = Annotated[
    str, typer.Option("--day", metavar="YYYY-MM-DD", help="The statement's day, in the ledger's time zone.")
]
Ours = Annotated[Path, typer.Option("--ours", metavar="FILE.jsonl", help="Our lines of the day.")]
Statement = Annotated[Path, typer.Option("--statement", metavar="FILE", help="The channel's statement of the day.")]
Form = Annotated[str, typer.Option("--format", metavar="NAME", help="Of the statement; 'medbill' is our own CSV.")]
Bank = Annotated[Path | None, typer.Option("--bank", metavar="FILE.csv", help="What the bank credited for days.")]
Carried = Annotated[
    Path | None,
    typer.Option(
        "--carried", metavar="FILE", help="The result of the day before: its items in suspense are compared too."
    ),
]
Out = Annotated[Path, typer.Option("--out", metavar="FILE.reconciliation", help="The result; its rows lie beside it.")]
Near = Annotated[
    str,
    typer.Option("--near-midnight", metavar="TIME", help="So near to the day's end an item is carried to the next."),
]
Temporary = Annotated[
    Path | None,
    typer.Option(
        "--temporary", metavar="DIR", help="Where lines are sorted, as much as both files; the system's if left out."
    ),
]
Csv = Annotated[
    Path | None,
    typer.Option("--csv", metavar="FILE", help="Every difference, from the rows beside it, for a spreadsheet."),
]
Via = Annotated[
    str | None,
    typer.Option(
        "--via",
        metavar="NODE",
        help="A mirror that proves the unit key's record; without it genesis must name the key.",
    ),
]
OursOut = Annotated[Path, typer.Option("--ours", metavar="FILE.jsonl", help="Where our lines go.")]
StatementOut = Annotated[Path, typer.Option("--statement", metavar="FILE", help="Where the channel's file goes.")]
Gateway = Annotated[str, typer.Option("--via", metavar="NODE", help="The hospital's gateway that has the channel.")]
OursAgain = Annotated[Path | None, typer.Option("--ours", metavar="FILE", help="Is it the file that was compared?")]
StatementAgain = Annotated[Path | None, typer.Option("--statement", metavar="FILE", help="The same of the statement.")]
BankAgain = Annotated[Path | None, typer.Option("--bank", metavar="FILE", help="The same of the bank's file.")]


@app.command()
@output.reported
def run(
    organisation: Organisation,
    channel: Channel,
    day: Day,
    ours: Ours,
    statement: Statement,
    out: Out,
    home: Home,
    form: Form = "medbill",
    bank: Bank = None,
    carried: Carried = None,
    near_midnight: Near = "30m",
    temporary: Temporary = None,
    via: Via = None,
    rows: RowsLimit = 20,
    as_json: Json = False,
) -> ExitCode:
    """Compare our payments with the channel's statement, the bank's credits and the bills; sign what comes of it.

    Exit 0 if all agrees, 1 if there are differences or items carried on, 2 if a file is refused: then nothing is written.
    """
    import time

    from api.intake.errors import FormatRefused
    from chain.genesis import genesis_from_json
    from chain.reconciliation_result import is_genesis_key
    from cli import signing
    from cli.durations import parse_duration_ms
    from cli.formats.bank_csv import CHANNEL
    from cli.reconciliation_table import describe, print_result
    from cli.reconciling import Files, count_lines, reconcile_files
    from cli.statement_readers import READERS
    from node.home import NetworkHome
    from node.reconciliation.business_day import NEAR_MIDNIGHT_MS_MAX
    from node.reconciliation.rows_file import RESULT_ENDING, rows_path

    if form not in READERS:
        raise CommandFailed("argument_refused", f"--format: one of {', '.join(READERS)}")
    if not CHANNEL.fullmatch(channel):
        raise CommandFailed("argument_refused", "--channel: small letters, digits, '_', '.' and '-', at most 32")
    if not out.name.endswith(RESULT_ENDING):
        raise CommandFailed("argument_refused", f"--out: a name that ends in {RESULT_ENDING}")
    near_ms = parse_duration_ms(near_midnight)
    if near_ms > NEAR_MIDNIGHT_MS_MAX:
        raise CommandFailed("argument_refused", f"--near-midnight: {NEAR_MIDNIGHT_MS_MAX // 3_600_000}h at most")
    genesis = genesis_from_json(NetworkHome(home).genesis.read_bytes())
    key = signing.organisation_key(home, organisation)
    proof = None if via is None else _key_proof(home, via, organisation, key.public, genesis)
    if proof is None and not is_genesis_key(genesis, organisation, key.public):
        raise CommandFailed(
            "key_file_refused",
            f"genesis names no such unit key of {organisation}: --via a mirror has its record proven",
        )
    business_day = _day(day, genesis.parameters.utc_offset_minutes, near_ms)
    files = Files(ours, statement, form, bank, carried, out)
    made_ms = int(time.time() * 1000)
    with output.progress(f"{channel} {day}", count_lines(files)) as bar:
        try:
            stated = reconcile_files(
                files,
                organisation,
                channel,
                business_day,
                genesis,
                key,
                made_ms,
                proof=proof,
                temporary=temporary,
                told=bar,
            )
        except FormatRefused as refusal:
            raise CommandFailed(refusal.code, str(refusal), ExitCode.USAGE) from None
    if as_json:
        output.print_json({"file": str(out), "rows_file": str(rows_path(out)), **describe(stated, rows)})
    else:
        print_result(stated, rows)
        output.print_line(f"{out}; every row: {rows_path(out)}")
    return ExitCode.FAILED if stated.rows else ExitCode.OK


@app.command()
@output.reported
def fetch(
    channel: Channel,
    day: Day,
    ours: OursOut,
    statement: StatementOut,
    home: Home,
    gateway: Gateway,
    as_json: Json = False,
) -> None:
    """Get both sides of a channel's day from the hospital's gateway: its own lines, and the channel's statement."""
    from cli.client import open_client, quoted

    path = f"/v1/channels/{quoted(channel)}"
    with open_client(home, gateway, FETCHING) as client:
        sizes = {}
        for name, file in (("lines", ours), ("statement", statement)):
            data = client.get_bytes(f"{path}/{name}", day=day)
            file.write_bytes(data)
            sizes[name] = len(data)
    if as_json:
        output.print_json({"channel": channel, "day": day, "ours": str(ours), "statement": str(statement), **sizes})
    else:
        output.print_line(f"{ours}: {sizes['lines']} bytes; {statement}: {sizes['statement']} bytes")


@app.command()
@output.reported
def verify(
    file: ResultFile,
    genesis: GenesisFile,
    ours: OursAgain = None,
    statement: StatementAgain = None,
    bank: BankAgain = None,
    as_json: Json = False,
) -> ExitCode:
    """Check who signed a result and that neither it nor its rows were changed; and that named files are those compared.

    Needs no network. Exit 3 if a check fails. Rows that do not lie beside it are told as missing.
    """
    from chain.errors import GenesisRefused
    from chain.genesis import genesis_from_json
    from chain.verdict import Check
    from cli import proof_check
    from cli.reconciling import BANK, OURS, STATEMENT, differing_inputs
    from node.reconciliation.errors import ReconciliationError
    from node.reconciliation.results import ROWS_CHECK, check_result, read_bounded, read_result
    from node.reconciliation.rows_file import rows_path, verify_rows

    try:
        trusted = genesis_from_json(proof_check.read_file(genesis, proof_check.FILE_BYTES_MAX))
    except GenesisRefused as refusal:
        raise CommandFailed("genesis_refused", f"genesis: {refusal}; take it from where the network was made") from None
    verdict = check_result(read_bounded(file), trusted)
    checks = list(verdict.checks)
    if verdict.valid:
        stated = read_result(file)[0].statement
        beside = rows_path(file)
        if beside.exists():
            try:
                verify_rows(beside, stated)
                checks.append(Check(ROWS_CHECK, True, f"{stated.rows} in {beside.name}"))
            except ReconciliationError as error:
                checks.append(Check(ROWS_CHECK, False, str(error)))
        else:
            checks.append(Check(ROWS_CHECK, None, f"{beside.name} does not lie beside it"))
        named = {role: path for role, path in ((OURS, ours), (STATEMENT, statement), (BANK, bank)) if path is not None}
        checks += [Check(role, is_same, said) for role, is_same, said in differing_inputs(stated, named)]
    is_valid = all(check.ok is not False for check in checks)
    facts: dict[str, Any] = verdict.bill if is_valid else {}
    if as_json:
        shown = [{"name": check.name, "ok": check.ok, "detail": check.detail} for check in checks]
        output.print_json({"valid": is_valid, "checks": shown, "result": facts or None})
    else:
        output.print_checks([{"name": check.name, "ok": check.ok, "detail": check.detail} for check in checks])
        if is_valid:
            signer = facts["organisation_name"] or facts["organisation"]
            output.print_line(f"signed by {facts['organisation']} ({signer}), key {facts['key_id'][:16]}")
        output.print_line("valid" if is_valid else "INVALID")
    return ExitCode.OK if is_valid else ExitCode.INVALID


@app.command()
@output.reported
def show(file: ResultFile, rows: RowsLimit = 20, csv: Csv = None, as_json: Json = False) -> None:
    """Show what a result says. Whether it holds, 'reconciliation verify' tells."""
    from cli.formats.differences_csv import write_differences_csv
    from cli.reconciliation_table import describe, print_result
    from node.reconciliation.results import read_result
    from node.reconciliation.rows_file import read_rows, rows_path

    stated = read_result(file)[0].statement
    if csv is not None:
        try:
            write_differences_csv(csv, read_rows(rows_path(file), stated.rows_sha256))
        except FileExistsError:
            raise CommandFailed("result_exists", f"{csv}: is there already") from None
    if as_json:
        output.print_json(describe(stated, rows))
    else:
        print_result(stated, rows)
        if csv is not None:
            output.print_line(f"{csv}: {stated.rows} rows")


def _key_proof(home: Path, via: str, organisation: str, public: bytes, genesis: Genesis) -> KeyProof:
    """The record of the key, asked of a mirror and checked here. Raises CommandFailed."""
    from chain.codec import decode
    from chain.key_proof import KeyProof
    from chain.proof_kinds import check_any
    from chain.transaction import key_id
    from cli import signing
    from cli.client import open_client

    name = key_id(public).hex()
    with open_client(home, via, signing.ROLE) as client:
        data = client.get_bytes(f"/v1/keys/{name}/proof", organisation=organisation)
    verdict = check_any(data, genesis)
    facts = verdict.bill
    if (facts.get("organisation"), facts.get("key_id"), facts.get("purpose")) != (organisation, name, "unit"):
        last = verdict.checks[-1]
        raise CommandFailed("proof_refused", f"{via} proves no unit key of {organisation}: {last.name}: {last.detail}")
    if not facts["in_force"]:
        raise CommandFailed("key_file_refused", f"the key of {organisation} that lies here is not in force")
    return decode(data, KeyProof)


def _day(text: str, utc_offset_minutes: int, near_ms: int) -> Any:
    """A BusinessDay. Raises CommandFailed."""
    from datetime import date

    from node.reconciliation.business_day import BusinessDay, number_of

    try:
        if len(text) != 10:
            raise ValueError
        return BusinessDay(number_of(date.fromisoformat(text)), utc_offset_minutes, near_ms)
    except ValueError:
        raise CommandFailed("argument_refused", f"'{text}': write a day as 2026-04-20") from None
