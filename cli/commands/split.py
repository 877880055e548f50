"""`medbill split`: who shares in an organisation's orders, by which rules, and which bank keeps the money; signed with its own key.

What is done with an order's money stands in `split_money.py`, which adds its verbs to the same noun.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli import output
from cli.exit_codes import ExitCode
from cli.options import Home, Json, Organisation, ViaMirror, Wait

if TYPE_CHECKING:
    from chain.operation import (
        AttestBalance,
        BindPayee,
        OpenAccount,
        PublishSplitRules,
        ResumePayee,
        SuperviseMoney,
        SuspendPayee,
    )
    from chain.signature import SigningKey

app = typer.Typer(
    no_args_is_help=True,
    help="Splitting by an organisation that signs for itself; through a gateway: 'payee', 'division', 'custody'.",
)

PayeeName = Annotated[str, typer.Argument(metavar="PAYEE", help="The organisation's own name or number of the payee.")]
Kind = Annotated[
    str, typer.Option("--kind", help="doctor, hospital, pharmacy, laboratory, supplier, courier, platform.")
]
Consent = Annotated[
    Path, typer.Option("--consent", metavar="FILE", help="What the payee signed; its digest alone goes to the ledger.")
]
Account = Annotated[
    str,
    typer.Option(
        "--account",
        metavar="own|NAME/HEX",
        help="The signer's own money, or another's account; else kept by the signer.",
    ),
]
Changes = Annotated[
    int,
    typer.Option("--changes", min=0, metavar="N", help="How often its standing changed before: 'split show' says it."),
]
Reason = Annotated[str, typer.Option("--reason", metavar="CODE", help="licence_ended … : all can read it.")]
AccountName = Annotated[str, typer.Argument(metavar="ACCOUNT", help="The organisation's own name for it.")]
RulesFile = Annotated[Path, typer.Argument(metavar="FILE", help="Rules as in samples/splits.")]
Version = Annotated[int, typer.Option("--version", min=1, metavar="N", help="One more than the newest one has.")]
Earliest = Annotated[
    str | None,
    typer.Option("--earliest", metavar="DURATION", help="30s … after payment, instead of what the file says."),
]
Bank = Annotated[str, typer.Option("--bank", metavar="NAME", help="The bank's id on the ledger.")]
Number = Annotated[int, typer.Option("--number", min=0, metavar="N", help="How often the bank has changed before.")]
Supervised = Annotated[str, typer.Option("--of", metavar="NAME", help="Whose supervised account it is.")]
Day = Annotated[str, typer.Option("--day", metavar="YYYY-MM-DD", help="A local day that is over.")]
Balance = Annotated[int, typer.Option("--balance-fen", min=0, metavar="FEN", help="What lay there at its end.")]
Statement = Annotated[
    Path, typer.Option("--statement", metavar="FILE", help="The bank's own statement; its digest goes to the ledger.")
]


@app.command()
@output.reported
def account(
    name: AccountName,
    organisation: Organisation,
    home: Home,
    via: ViaMirror = None,
    wait: Wait = 10,
    as_json: Json = False,
) -> ExitCode:
    """Open an account that others may pay shares into; `account` of the answer is what they bind."""
    from chain.operation import OpenAccount
    from chain.records import UNLIMITED
    from cli import signing
    from cli.client import open_client

    key = signing.organisation_key(home, organisation)
    own = signing.keyed_name(key, "share-account", name)
    operation: OpenAccount = OpenAccount(own, "shares", UNLIMITED, True)
    with open_client(home, via, signing.ROLE) as client:
        outcome = signing.send_operation(client, organisation, key, operation, wait)
    output.show_fields(outcome | {"account": f"{organisation}/{own.hex()}"}, as_json)
    return signing.exit_code(outcome)


@app.command()
@output.reported
def bind(
    payee: PayeeName,
    kind: Kind,
    consent: Consent,
    organisation: Organisation,
    home: Home,
    account: Account = "",
    via: ViaMirror = None,
    wait: Wait = 10,
    as_json: Json = False,
) -> ExitCode:
    """Bind a payee with its kind, account and consent. Refused: payee_exists, payee_kind_unknown, account_not_the_payees …"""
    from cli import signing
    from cli.splitting import account_of, file_digest

    accounts, agreed = account_of(account, organisation), file_digest(consent)

    def make(key: SigningKey) -> BindPayee:
        from chain.operation import BindPayee

        return BindPayee(signing.keyed_name(key, "payee", payee), kind, accounts, agreed)

    return signing.act(home, organisation, make, via, wait, as_json)


@app.command()
@output.reported
def suspend(
    payee: PayeeName,
    reason: Reason,
    organisation: Organisation,
    home: Home,
    changes: Changes = 0,
    via: ViaMirror = None,
    wait: Wait = 10,
    as_json: Json = False,
) -> ExitCode:
    """Nothing is split to it until it is resumed; what it has is paid out all the same."""
    from cli import signing

    def make(key: SigningKey) -> SuspendPayee:
        from chain.operation import SuspendPayee

        return SuspendPayee(signing.keyed_name(key, "payee", payee), reason, changes)

    return signing.act(home, organisation, make, via, wait, as_json)


@app.command()
@output.reported
def resume(
    payee: PayeeName,
    organisation: Organisation,
    home: Home,
    changes: Changes = 1,
    via: ViaMirror = None,
    wait: Wait = 10,
    as_json: Json = False,
) -> ExitCode:
    """A suspended payee shares again."""
    from cli import signing

    def make(key: SigningKey) -> ResumePayee:
        from chain.operation import ResumePayee

        return ResumePayee(signing.keyed_name(key, "payee", payee), changes)

    return signing.act(home, organisation, make, via, wait, as_json)


@app.command()
@output.reported
def rules(
    file: RulesFile,
    organisation: Organisation,
    home: Home,
    version: Version = 1,
    earliest: Earliest = None,
    via: ViaMirror = None,
    wait: Wait = 10,
    as_json: Json = False,
) -> ExitCode:
    """Publish a file's rules as their next version. Exit 2 if the file cannot be understood.

    What no rules may say is refused here by the ledger's own rule, before anything is sent: share_forbidden, split_above_cap.
    """
    from msgspec.structs import replace

    from cli import signing
    from cli.durations import parse_duration_ms
    from cli.splitting import read_file

    published = replace(read_file(file).rules, version=version)
    if earliest is not None:
        published = replace(published, earliest_ms=parse_duration_ms(earliest))

    def make(_key: SigningKey) -> PublishSplitRules:
        return published

    return signing.act(home, organisation, make, via, wait, as_json)


@app.command()
@output.reported
def supervise(
    bank: Bank,
    organisation: Organisation,
    home: Home,
    number: Number = 0,
    via: ViaMirror = None,
    wait: Wait = 10,
    as_json: Json = False,
) -> ExitCode:
    """The money of the organisation's orders lies with this bank from now on, which attests it daily."""
    from cli import signing

    def make(_key: SigningKey) -> SuperviseMoney:
        from chain.operation import SuperviseMoney

        return SuperviseMoney(bank, number)

    return signing.act(home, organisation, make, via, wait, as_json)


@app.command()
@output.reported
def attest(
    of: Supervised,
    day: Day,
    balance_fen: Balance,
    statement: Statement,
    organisation: Organisation,
    home: Home,
    via: ViaMirror = None,
    wait: Wait = 10,
    as_json: Json = False,
) -> ExitCode:
    """The bank's word of a day's end. Another sum than the ledger's is recorded, and found: supervised_balance_mismatch."""
    from cli import signing
    from cli.splitting import file_digest, local_day

    number, of_statement = local_day(day), file_digest(statement)

    def make(_key: SigningKey) -> AttestBalance:
        from chain.operation import AttestBalance

        return AttestBalance(of, number, balance_fen, of_statement)

    return signing.act(home, organisation, make, via, wait, as_json)
