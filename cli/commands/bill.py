"""`medbill bill`: issuing, looking up, reversing and importing bills through a hospital's gateway."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from cli import output
from cli.commands.bill_export import export
from cli.commands.bill_import import import_bills
from cli.failures import CommandFailed
from cli.options import Home, Json, Via, Wait
from cli.request_file import read_request

app = typer.Typer(no_args_is_help=True, help="Issue, show, reverse and import bills, as a hospital's cashier.")

app.command("import")(import_bills)
app.command("export")(export)

ROLE = "cashier"
FACE_FORMS = ("pdf", "ofd")

BillId = Annotated[str, typer.Argument(metavar="BILL_ID", help="18 digits: code and number.")]
Request = Annotated[
    str,
    typer.Argument(
        metavar="FILE",
        help="The bill in the JSON of POST /v1/bills, of now if it says no business_time; '-' reads stdin.",
    ),
]
BusinessNo = Annotated[
    str | None, typer.Option("--business-no", metavar="NO", help="Look up by the hospital's own serial instead.")
]
Group = Annotated[
    str | None,
    typer.Option("--group", metavar="NO", help="All bills of a settlement, by the hospital's own number of it."),
]
Reason = Annotated[str, typer.Option("--reason", help="Why it is reversed.")]
Operator = Annotated[str, typer.Option("--operator", help="Who reverses it.")]
Place = Annotated[
    str | None,
    typer.Option("--place", metavar="CODE", help="Issuing point of the red bill; the original's if left out."),
]
Refund = Annotated[
    str | None,
    typer.Option(
        "--refund",
        metavar="POLICY",
        help="All that was paid goes back: proportional, credit_first or last_first. Both or neither.",
    ),
]


@app.command()
@output.reported
def issue(request: Request, home: Home, via: Via, wait: Wait = 10, as_json: Json = False) -> None:
    """Issue a bill: it has its number at once, and is recorded and sealed by itself. The same bill again is the same bill."""
    from cli.client import open_client

    body = _with_time(read_request(request))
    with open_client(home, via, ROLE) as client:
        output.show_fields(client.post("/v1/bills", body, wait), as_json)


@app.command()
@output.reported
def show(
    home: Home,
    via: Via,
    bill_id: Annotated[str, typer.Argument(metavar="BILL_ID")] = "",
    business_no: BusinessNo = None,
    group: Group = None,
    as_json: Json = False,
) -> None:
    """Show a bill by its number or by the hospital's own serial; or all bills of a settlement."""
    from cli.client import open_client, quoted

    if sum(map(bool, (bill_id, business_no, group))) != 1:
        raise CommandFailed("argument_refused", "name a bill: BILL_ID or --business-no; or several: --group")
    with open_client(home, via, ROLE) as client:
        if group:
            bills = client.get_all("/v1/bills", issuer=client.organisation, group=group)
            _show_settlement(bills, as_json)
            return
        if bill_id:
            output.show_fields(client.get(f"/v1/bills/{quoted(bill_id)}"), as_json)
            return
        rows = client.get("/v1/bills", issuer=client.organisation, business_no=business_no)["data"]
    if not rows:
        raise CommandFailed("not_found", "no bill has this business number")
    output.show_fields(rows[0], as_json)


def _show_settlement(bills: list[dict[str, Any]], as_json: bool) -> None:
    if as_json:
        output.print_json({"bills": bills})
        return
    if not bills:
        raise CommandFailed("not_found", "no bill belongs to this settlement")
    rows = [
        (bill["bill_id"], bill.get("business_no", ""), output.yuan(bill["total_fen"]), bill["status"], bill["validity"])
        for bill in bills
    ]
    output.print_table(("bill", "business number", "total", "status", "validity"), rows)


@app.command()
@output.reported
def reverse(
    bill_id: BillId,
    home: Home,
    via: Via,
    reason: Reason,
    operator: Operator,
    place: Place = None,
    refund: Refund = None,
    wait: Wait = 10,
    as_json: Json = False,
) -> None:
    """Reverse a bill by a linked red bill. It can be done once; with --refund its money goes back in the same step."""
    from cli.client import open_client, quoted

    body: dict[str, Any] = {"reason": reason, "operator": operator, **({"place_code": place} if place else {})}
    if refund is not None:
        body["refund"] = {"policy": refund}
    with open_client(home, via, ROLE) as client:
        output.show_fields(client.post(f"/v1/bills/{quoted(bill_id)}/reversal", body, wait), as_json)


@app.command()
@output.reported
def correct(
    bill_id: BillId,
    request: Request,
    home: Home,
    via: Via,
    reason: Reason,
    operator: Operator,
    wait: Wait = 10,
    as_json: Json = False,
) -> None:
    """Take a bill back and issue FILE in its place, in one step: both or neither. FILE has a business number of its own."""
    from cli.client import open_client, quoted

    try:
        bill = msgspec.json.decode(_with_time(read_request(request)))
    except (msgspec.MsgspecError, UnicodeError) as error:
        raise CommandFailed("argument_refused", f"{request}: no JSON: {error}") from None
    body = {"reason": reason, "operator": operator, "bill": bill}
    with open_client(home, via, ROLE) as client:
        said = client.post(f"/v1/bills/{quoted(bill_id)}/correction", body, wait)
    if as_json:
        output.print_json(said)
        return
    for name in ("reversal", "bill"):
        output.print_line(name)
        output.show_fields(said[name], as_json=False)


FaceForm = Annotated[str, typer.Option("--form", metavar="pdf|ofd", help="What kind of file.")]
AsList = Annotated[bool, typer.Option("--list", help="The detail list, with every item, instead of the bill itself.")]
FaceFile = Annotated[
    Path | None, typer.Option("--out", metavar="FILE", help="Where to write it; BILL_ID.FORM if left out.")
]


@app.command()
@output.reported
def face(
    bill_id: BillId,
    home: Home,
    via: Via,
    form: FaceForm = "pdf",
    as_list: AsList = False,
    out: FaceFile = None,
    as_json: Json = False,
) -> None:
    """Fetch a bill as people see it, as PDF or OFD: its proof is an attachment of the file."""
    from cli.client import open_client, quoted

    if form not in FACE_FORMS:
        raise CommandFailed("argument_refused", f"--form: write {' or '.join(FACE_FORMS)}")
    kind = "list" if as_list else "face"
    with open_client(home, via, ROLE) as client:
        data = client.get_bytes(f"/v1/bills/{quoted(bill_id)}/face", form=form, kind=kind)
    if out is None:
        if not (len(bill_id) == 18 and bill_id.isascii() and bill_id.isdigit()):
            raise CommandFailed("argument_refused", "a bill has 18 digits; name a file with --out")
        out = Path(f"{bill_id}{'-list' if as_list else ''}.{form}")
    out.write_bytes(data)
    if as_json:
        output.print_json({"bill_id": bill_id, "file": str(out), "bytes": len(data)})
    else:
        output.print_line(f"{out}: {len(data)} bytes")


Code = Annotated[
    str, typer.Option("--reason", metavar="CODE", help="Why, as a code such as 'mistyped': all can read it.")
]
Channel = Annotated[str, typer.Option("--channel", metavar="CODE", help="sms, mail, app, counter …")]


@app.command()
@output.reported
def void(bill_id: BillId, reason: Code, home: Home, via: Via, wait: Wait = 10, as_json: Json = False) -> None:
    """Withdraw a bill that was never delivered. It stays to be seen, marked void."""
    _move(home, via, bill_id, "void", {"reason": reason}, wait, as_json)


@app.command()
@output.reported
def deliver(bill_id: BillId, channel: Channel, home: Home, via: Via, wait: Wait = 10, as_json: Json = False) -> None:
    """Stamp that a bill went to its payer; no number or address is kept. Afterwards it is reversed, not withdrawn."""
    _move(home, via, bill_id, "deliveries", {"channel": channel}, wait, as_json)


@app.command()
@output.reported
def hold(bill_id: BillId, reason: Code, home: Home, via: Via, wait: Wait = 10, as_json: Json = False) -> None:
    """Fees are owed: the bill may not circulate, and nobody reimburses it."""
    _move(home, via, bill_id, "arrears", {"reason": reason}, wait, as_json)


PayerName = Annotated[str, typer.Option("--name", help="Who pays.")]
AsUnit = Annotated[bool, typer.Option("--unit", help="A unit pays, not a person.")]
IdType = Annotated[str, typer.Option("--id-type", metavar="TYPE", help="resident_identity_card, passport …")]
IdNumber = Annotated[str, typer.Option("--id-number", metavar="NO")]
Binder = Annotated[str, typer.Option("--operator", help="Who says so.")]


@app.command("bind-payer")
@output.reported
def bind_payer(
    bill_id: BillId,
    home: Home,
    via: Via,
    name: PayerName,
    operator: Binder,
    unit: AsUnit = False,
    id_type: IdType = "",
    id_number: IdNumber = "",
    wait: Wait = 10,
    as_json: Json = False,
) -> None:
    """Say who pays a bill that was issued for an unknown payer. It can be done once."""
    payer = {"type": "unit" if unit else "person", "name": name, "id_type": id_type, "id_number": id_number}
    _move(home, via, bill_id, "payer", {**payer, "operator": operator}, wait, as_json)


@app.command("make-up")
@output.reported
def make_up(bill_id: BillId, home: Home, via: Via, wait: Wait = 10, as_json: Json = False) -> None:
    """What was owed is paid: the bill may circulate."""
    _move(home, via, bill_id, "make-up-payment", {}, wait, as_json)


def _move(home: Path, via: str, bill_id: str, step: str, body: dict[str, Any], wait: int, as_json: bool) -> None:
    from cli.client import open_client, quoted

    with open_client(home, via, ROLE) as client:
        output.show_fields(client.post(f"/v1/bills/{quoted(bill_id)}/{step}", body, wait), as_json)


def _with_time(data: bytes) -> bytes:
    """The request, of now if it says no business time; one that does not read goes on as it is: the node says why."""
    try:
        request = msgspec.json.decode(data)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return data
    if not isinstance(request, dict) or "business_time" in request:
        return data
    return msgspec.json.encode({**request, "business_time": datetime.now(UTC).isoformat(timespec="seconds")})
