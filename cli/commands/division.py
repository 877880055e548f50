"""`medbill division`: rules of splitting, and the money of paid orders divided by them, through an organisation's gateway."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from cli import hospital_money, output
from cli.failures import CommandFailed
from cli.hospital_money import MANAGER, Amount, Number, below
from cli.options import Home, Json, Via, Wait

app = typer.Typer(
    no_args_is_help=True,
    help="An order's money to who shares in it, through the organisation's own gateway; without one: 'split'.",
)

PATH = "splits"

Name = Annotated[str, typer.Argument(metavar="SPLIT", help="Its name on the ledger: 64 hexadecimal digits.")]
Order = Annotated[str, typer.Argument(metavar="ORDER", help="Its name on the ledger: 64 hexadecimal digits.")]
OfOrder = Annotated[str, typer.Option("--order", metavar="ORDER", help="Whose money, once it is paid.")]
File = Annotated[Path, typer.Argument(metavar="FILE", help="Rules as in samples/splits.")]
RulesName = Annotated[str, typer.Argument(metavar="RULES", help="As their file calls them.")]
RulesVersion = Annotated[int, typer.Argument(metavar="VERSION", min=1)]
Rules = Annotated[
    str, typer.Option("--rules", metavar="RULES/VERSION", help="By which rules: as in visit/1; versions never change.")
]
Version = Annotated[int, typer.Option("--version", min=1, help="The next one of these rules.")]
Payees = Annotated[
    list[str],
    typer.Option(
        "--payee",
        metavar="PAYEE[=PAPER]",
        help="Who served, and the number of its bill or tax invoice; once for each kind.",
    ),
]
Lines = Annotated[
    list[str] | None,
    typer.Option("--line", metavar="KIND[=YUAN]", help="Only these lines; all that are not split yet if left out."),
]
Out = Annotated[Path, typer.Option("--out", metavar="FILE", help="Where the proof goes.")]
Share = Annotated[int, typer.Option("--share", min=0, metavar="N", help="Its place in the split, from 0.")]


@app.command()
@output.reported
def publish(file: File, home: Home, via: Via, version: Version = 1, wait: Wait = 10, as_json: Json = False) -> None:
    """Publish the rules of a file, as one of their versions: who gets what of each kind of charge, and at most."""
    from cli.formats.split_rules import rules_wish
    from cli.splitting import read_file

    wish = rules_wish(read_file(file).rules, version)
    hospital_money.ask(home, via, "/v1/split-rules", wish, wait, as_json, MANAGER)


@app.command()
@output.reported
def rules(rules: RulesName, version: RulesVersion, home: Home, via: Via, as_json: Json = False) -> None:
    """Rules as the ledger has them: what each kind of payee gets of a line, and at most."""
    with hospital_money.open_desk(home, via) as client:
        page = client.get(below("split-rules", rules, str(version)))
    if as_json:
        output.print_json(page)
        return
    lines = page.pop("lines")
    output.print_fields(page)
    output.print_line("")
    rows = [
        (line["kind"], share["to"], _way(share, line["whole"]), f"{share['cap_parts']}/{line['whole']}")
        for line in lines
        for share in line["shares"]
    ]
    output.print_table(("line", "payee", "gets", "at most"), rows)


@app.command()
@output.reported
def make(
    number: Number,
    order: OfOrder,
    rules: Rules,
    payee: Payees,
    home: Home,
    via: Via,
    line: Lines = None,
    wait: Wait = 10,
    as_json: Json = False,
) -> None:
    """Divide a paid order's money. The gateway works the sums out, and the ledger works them out again."""
    name, sign, version = rules.partition("/")
    if not name or not sign or not version.isdecimal():
        raise CommandFailed("argument_refused", f"--rules '{rules}': write rules and version, as in visit/1")
    body: dict[str, Any] = {"split_no": number, "order": order, "rules": name, "version": int(version)}
    body["payees"] = [_serving(text) for text in payee]
    if line:
        body["lines"] = [_line(text) for text in line]
    hospital_money.ask(home, via, f"/v1/{PATH}", body, wait, as_json)


@app.command()
@output.reported
def show(split: Name, home: Home, via: Via, as_json: Json = False) -> None:
    """A split: each share, and what of it was taken back."""
    hospital_money.show(home, via, below(PATH, split), as_json)


@app.command()
@output.reported
def history(split: Name, home: Home, via: Via, as_json: Json = False) -> None:
    """A split and what was taken back of it since."""
    hospital_money.show(home, via, below(PATH, split, "history"), as_json)


@app.command()
@output.reported
def proof(split: Name, out: Out, home: Home, via: Via, as_json: Json = False) -> None:
    """A file that proves who signed the split with which shares, and which block recorded it."""
    with hospital_money.open_desk(home, via) as client:
        data = client.get_bytes(below(PATH, split, "proof"))
    out.write_bytes(data)
    if as_json:
        output.print_json({"split": split, "file": str(out), "bytes": len(data)})
    else:
        output.print_line(f"{out}: {len(data)} bytes; 'medbill proof verify' checks it")


@app.command("take-back")
@output.reported
def take_back(
    split: Name,
    number: Number,
    share: Share,
    amount: Amount,
    home: Home,
    via: Via,
    wait: Wait = 10,
    as_json: Json = False,
) -> None:
    """A payee gives back of a share; what it has not got any more it owes by name."""
    from cli.amounts import parse_amount_fen

    body = {"return_no": number, "share": share, "amount_fen": parse_amount_fen(amount, "--amount")}
    hospital_money.ask(home, via, below(PATH, split, "returns"), body, wait, as_json)


@app.command()
@output.reported
def order(order: Order, home: Home, via: Via, as_json: Json = False) -> None:
    """What became of an order's money: split, free, gone back, owed."""
    hospital_money.show(home, via, below("payment-orders", order, "division"), as_json)


@app.command()
@output.reported
def finish(order: Order, home: Home, via: Via, wait: Wait = 10, as_json: Json = False) -> None:
    """No more of an order is split; the rest is the hospital's own, and never a platform's."""
    hospital_money.ask(home, via, below("payment-orders", order, "finish"), {}, wait, as_json, MANAGER)


@app.command("give-back")
@output.reported
def give_back(
    order: Order, number: Number, amount: Amount, home: Home, via: Via, wait: Wait = 10, as_json: Json = False
) -> None:
    """The organisation's own money comes to an order again: of the rest it had, or for what payees still owe it."""
    from cli.amounts import parse_amount_fen

    body = {"return_no": number, "amount_fen": parse_amount_fen(amount, "--amount")}
    hospital_money.ask(home, via, below("payment-orders", order, "returns"), body, wait, as_json, MANAGER)


def _way(share: dict[str, Any], whole: int) -> str:
    if share.get("rest"):
        return "the rest"
    return f"{share['parts']}/{whole}" if share.get("parts") else output.yuan(share["fixed_fen"])


def _serving(text: str) -> dict[str, Any]:
    name, _, paper = text.partition("=")
    return {"payee": name} | ({"paper": paper} if paper else {})


def _line(text: str) -> dict[str, Any]:
    from cli.amounts import parse_amount_fen

    kind, sign, amount = text.partition("=")
    return {"kind": kind} | ({"amount_fen": parse_amount_fen(amount, "--line")} if sign else {})
