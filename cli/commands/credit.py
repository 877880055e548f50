"""`medbill credit`: a lender's products, its lines at its own service, and what a hospital deducts from them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli import output
from cli.commands import agreement, hold
from cli.exit_codes import ExitCode
from cli.failures import CommandFailed
from cli.hospital_money import Instalments, instalment_wish
from cli.options import Home, Json, Organisation, ViaMirror, Wait
from cli.request_file import read_secret

if TYPE_CHECKING:
    from chain.signature import SigningKey

app = typer.Typer(
    no_args_is_help=True, help="Treatment on credit: a lender's products and lines, and their use at hospitals."
)
product_app = typer.Typer(no_args_is_help=True, help="Terms of a line, in versions that stay.")
app.add_typer(product_app, name="product")
app.add_typer(agreement.app, name="agreement")
app.add_typer(hold.app, name="hold")

STATEMENT_COLUMNS = ("line", "status", "amount_fen", "due", "code", "height")

File = Annotated[Path, typer.Argument(metavar="FILE", help="Terms as in samples/credit.")]
ProductName = Annotated[str, typer.Option("--product", metavar="NAME", help="As its file calls it.")]
Version = Annotated[int | None, typer.Option("--version", min=1, help="One of its versions; the newest if left out.")]
Service = Annotated[
    str, typer.Option("--service", metavar="URL", help="Where 'lender serve' answers, as it printed it.")
]
Authority = Annotated[
    Path | None,
    typer.Option(
        "--authority", metavar="FILE", help="Certificates that vouch for the service, in PEM; else the system's."
    ),
]
Line = Annotated[str, typer.Option("--line", metavar="NAME", help="A line's name on the ledger, 64 hex digits.")]
OneLine = Annotated[str | None, typer.Option("--line", metavar="NAME", help="Of this line alone.")]
All = Annotated[bool, typer.Option("--all", help="Of every line with debt whose risk the lender bears.")]
Attestation = Annotated[
    Path,
    typer.Option("--attestation", metavar="FILE", help="What a score provider signed for this lender: a compact JWS."),
]
Hospitals = Annotated[
    list[str],
    typer.Option("--hospital", metavar="NAME", help="Where it is to be used; once for each. Any named before stay."),
]
Token = Annotated[
    Path, typer.Option("--token", metavar="FILE", help="The person's token for the lender: 'token issue --at NAME'.")
]
Number = Annotated[
    str,
    typer.Option(
        "--repayment", metavar="NO", help="The lender's own number; the ledger has a keyed digest of it only."
    ),
]
PaybackNumber = Annotated[
    str,
    typer.Option("--payback", metavar="NO", help="The lender's own number; the ledger has a keyed digest of it only."),
]
Channel = Annotated[str, typer.Option("--channel", metavar="CODE", help="alipay, bank, cash …")]
Amount = Annotated[int, typer.Option("--amount-fen", min=1, metavar="FEN", help="What came, or left.")]
Plan = Annotated[str, typer.Option("--plan", metavar="NO", help="The lender's own number of what was agreed.")]
Reason = Annotated[str, typer.Option("--reason", metavar="CODE", help="revoked, moved_away …")]


@product_app.command()
@output.reported
def publish(
    file: File, organisation: Organisation, home: Home, via: ViaMirror = None, wait: Wait = 10, as_json: Json = False
) -> ExitCode:
    """Publish terms as the next version of their product; lines that are open keep the version that they were opened under."""
    from api.intake.errors import FormatRefused
    from chain.operation import PublishProduct
    from cli import signing
    from cli.client import open_client
    from cli.formats.credit_product import read

    try:
        product = read(file)
    except FormatRefused as refusal:
        raise CommandFailed(refusal.code, f"{file.name}: {refusal}", ExitCode.USAGE) from None
    with open_client(home, via, signing.ROLE, organisation=organisation) as client:
        try:
            newest = int(client.get(f"/v1/credit-products/{organisation}/{product.product}")["newest"])
        except CommandFailed as failed:
            if failed.code != "product_unknown":
                raise
            newest = 0

    def make(key: SigningKey) -> PublishProduct:
        return PublishProduct(product.product, newest + 1, product.terms)

    return signing.act(home, organisation, make, via, wait, as_json)


@product_app.command()
@output.reported
def show(
    organisation: Organisation,
    product: ProductName,
    home: Home,
    version: Version = None,
    via: ViaMirror = None,
    as_json: Json = False,
) -> None:
    """Terms as the ledger has them: who may have a line, how much, and who bears the risk."""
    from cli.client import open_client

    with open_client(home, via, "operator", organisation=organisation) as client:
        page = client.get(f"/v1/credit-products/{organisation}/{product}", version=version)
    if as_json:
        output.print_json(page)
    else:
        terms = page.pop("terms")
        output.show_fields(page | terms, as_json)


@app.command()
@output.reported
def enrol(
    product: ProductName,
    attestation: Attestation,
    token: Token,
    hospital: Hospitals,
    service: Service,
    authority: Authority = None,
    as_json: Json = False,
) -> None:
    """Ask for a line as the person whom the token names. The same attestation again gives the same line, at further
    hospitals if others are named.

    Attestation and token are read from files, so that they stand in no list of processes. Exit 6: not eligible.
    """
    from cli.service_client import ServiceClient

    body = {"product": product, "attestation": read_secret(attestation), "hospitals": hospital}
    with ServiceClient(service, lambda: read_secret(token), authority) as client:
        output.show_fields(_flat(client.post("/v1/credit-accounts", body), as_json), as_json)


@app.command()
@output.reported
def statement(
    organisation: Organisation,
    home: Home,
    service: Service,
    line: OneLine = None,
    every: All = False,
    authority: Authority = None,
    as_json: Json = False,
) -> ExitCode:
    """State what is owed, due after the product's days; once a local day for each line. Exit 6 if one of several was refused."""
    if (line is None) is not every:
        raise CommandFailed("argument_refused", "name --line or --all, one of the two")
    if line is not None:
        return _post(organisation, home, service, authority, f"/v1/credit-accounts/{line}/statements", None, as_json)
    from urllib.parse import quote

    from cli.service_client import ServiceClient, staff_token

    rows: list[dict[str, Any]] = []
    with ServiceClient(service, lambda: staff_token(home, organisation), authority) as client:
        following = ""
        while True:
            answer = client.post(f"/v1/credit-statements{following}")
            rows += answer["statements"]
            if answer["next"] is None:
                break
            following = f"?after={quote(answer['next'], safe='')}"
    stated = [row for row in rows if row["status"] == "recorded"]
    refused, owed_fen = (
        len(rows) - len(stated),
        sum(row.get("amount_fen", 0) for row in stated if not row.get("repeated")),
    )
    if as_json:
        output.print_json({"statements": rows, "stated": len(stated), "refused": refused, "owed_fen": owed_fen})
    else:
        output.print_table(STATEMENT_COLUMNS, [[row.get(column, "") for column in STATEMENT_COLUMNS] for row in rows])
        output.print_line(f"{len(stated)} stated, {refused} refused, {owed_fen} fen owed")
    return ExitCode.REFUSED if refused else ExitCode.OK


@app.command()
@output.reported
def repay(
    organisation: Organisation,
    line: Line,
    repayment: Number,
    channel: Channel,
    amount_fen: Amount,
    home: Home,
    service: Service,
    authority: Authority = None,
    as_json: Json = False,
) -> ExitCode:
    """Record what came over a channel: the line is restored by as much. The same number again changes nothing."""
    body = {"repayment_no": repayment, "channel": channel, "amount_fen": amount_fen}
    return _post(organisation, home, service, authority, f"/v1/credit-accounts/{line}/repayments", body, as_json)


@app.command()
@output.reported
def payback(
    organisation: Organisation,
    line: Line,
    payback: PaybackNumber,
    channel: Channel,
    amount_fen: Amount,
    home: Home,
    service: Service,
    authority: Authority = None,
    as_json: Json = False,
) -> ExitCode:
    """Record what a patient got of what their line has too much. The same number again changes nothing."""
    body = {"payback_no": payback, "channel": channel, "amount_fen": amount_fen}
    return _post(organisation, home, service, authority, f"/v1/credit-accounts/{line}/paybacks", body, as_json)


@app.command()
@output.reported
def instalments(
    organisation: Organisation,
    line: Line,
    plan: Plan,
    instalment: Instalments,
    home: Home,
    service: Service,
    authority: Authority = None,
    as_json: Json = False,
) -> ExitCode:
    """Agree on dates in the place of all before; together they are what is owed now. The same plan again changes nothing."""
    body = {"plan_no": plan, "instalments": [instalment_wish(text) for text in instalment]}
    return _post(organisation, home, service, authority, f"/v1/credit-accounts/{line}/instalments", body, as_json)


@app.command()
@output.reported
def revoke(
    organisation: Organisation,
    line: Line,
    home: Home,
    service: Service,
    reason: Reason = "revoked",
    authority: Authority = None,
    as_json: Json = False,
) -> ExitCode:
    """End a line: nothing new is drawn from it, what is owed stays owed."""
    path = f"/v1/credit-accounts/{line}/revocation"
    return _post(organisation, home, service, authority, path, {"reason": reason}, as_json)


def _post(
    organisation: str, home: Path, service: str, authority: Path | None, path: str, body: Any, as_json: bool
) -> ExitCode:
    """As one of the lender's own people."""
    from cli.service_client import ServiceClient, staff_token

    with ServiceClient(service, lambda: staff_token(home, organisation), authority) as client:
        output.show_fields(client.post(path, body), as_json)
    return ExitCode.OK


def _flat(page: dict[str, Any], as_json: bool) -> dict[str, Any]:
    """A line's page; people see how much is due instead of a list of dates."""
    return page if as_json else {key: value for key, value in page.items() if key != "dues"}
