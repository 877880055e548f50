"""`medbill split collect|divide|finish|take-back|return|pay-out|show`: what is done with an order's money."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli import output
from cli.commands.split import PayeeName, RulesFile
from cli.commands.split import app as app
from cli.exit_codes import ExitCode
from cli.options import Home, Json, Organisation, ViaMirror, Wait

if TYPE_CHECKING:
    from chain.operation import FinishOrder, Operation, PayOut, ReturnToOrder, SplitOrder, TakeBackShare
    from chain.signature import SigningKey

HOUR_MS, DAY_MS = 3_600_000, 86_400_000
COLUMNS = ("payee", "kind", "line", "rule", "sum", "taken back")

Order = Annotated[str, typer.Option("--order", metavar="NO", help="The organisation's own number of the order.")]
Split = Annotated[str, typer.Option("--split", metavar="NO", help="Its own number of the split.")]
SplitOfOrder = Annotated[str | None, typer.Option("--split", metavar="NO", help="As the order if left out.")]
Back = Annotated[str, typer.Option("--back", metavar="NO", help="Its own number of this step.")]
Payout = Annotated[str, typer.Option("--payout", metavar="NO", help="Its own number of the payout.")]
Payment = Annotated[str, typer.Option("--payment", metavar="NO", help="The number of bank or channel; kept as a MAC.")]
Channel = Annotated[str, typer.Option("--channel", metavar="CODE", help="alipay, wechat, card, cash …")]
Evidence = Annotated[
    Path, typer.Option("--evidence", metavar="FILE", help="What the channel signed; its digest goes to the ledger.")
]
Patient = Annotated[str, typer.Option("--patient", metavar="NO", help="The organisation's own number; kept as a MAC.")]
Lines = Annotated[list[str], typer.Option("--line", metavar="KIND=YUAN", help="A kind of charge; may stand again.")]
Payees = Annotated[
    list[str], typer.Option("--payee", metavar="KIND=PAYEE", help="Who served, by kind of payee; may stand again.")
]
Papers = Annotated[
    list[str] | None,
    typer.Option(
        "--paper", metavar="KIND=NO", help="A payee's own bill or tax invoice for its share; may stand again."
    ),
]
Amount = Annotated[int, typer.Option("--amount-fen", min=1, metavar="FEN")]
Place = Annotated[int, typer.Option("--share", min=0, metavar="N", help="Its place in the split, from 0.")]
Version = Annotated[int, typer.Option("--version", min=1, metavar="N", help="Of the rules as they were published.")]
OneOrder = Annotated[str, typer.Option("--order", metavar="NO", help="The order to show.")]
Named = Annotated[
    Path | None, typer.Option("--rules", metavar="FILE", help="A file of rules: its payees are shown by their names.")
]
ViaHome = Annotated[
    str | None,
    typer.Option(
        "--via", metavar="NODE", help="Mirror or validator whose blocks lie in DIR/nodes/NODE; else the first mirror."
    ),
]


@app.command()
@output.reported
def collect(
    order: Order,
    lines: Lines,
    channel: Channel,
    payment: Payment,
    evidence: Evidence,
    patient: Patient,
    organisation: Organisation,
    home: Home,
    via: ViaMirror = None,
    wait: Wait = 10,
    as_json: Json = False,
) -> ExitCode:
    """Record an order that a patient paid by one channel: notice, order and payment. For who has no gateway of its own."""
    from chain.operation import IssueNotice, LineSum, OrderPart, PlaceOrder, TakePayment
    from cli import signing
    from cli.client import open_client
    from cli.splitting import file_digest, lines_of

    sums, of_channel = lines_of(lines), file_digest(evidence)
    key, now_ms, total_fen = signing.organisation_key(home, organisation), int(time.time() * 1000), sum(sums.values())

    def named(purpose: str, number: str) -> bytes:
        return signing.keyed_name(key, purpose, number)

    notice, own, holder = named("notice", order), named("order", order), named("patient", patient)
    asked = [LineSum(kind, fen) for kind, fen in sorted(sums.items())]
    operations: list[Operation] = [
        IssueNotice(notice, "medical", holder, asked, now_ms + DAY_MS, named("notice-details", order)),
        PlaceOrder(own, [notice], [OrderPart(channel, total_fen)], now_ms + HOUR_MS),
        TakePayment(named("payment", payment), own, 0, total_fen, of_channel),
    ]
    with open_client(home, via, signing.ROLE) as client:
        outcomes, _height = signing.send_operations(client, organisation, key, operations, wait)
    for outcome in outcomes:
        signing.verify_taken(outcome)
    last = {key: value for key, value in outcomes[-1].items() if key != "index"}
    output.show_fields(last | {"order": own.hex(), "total_fen": total_fen}, as_json)
    return max(signing.exit_code(outcome) for outcome in outcomes)


@app.command()
@output.reported
def divide(
    file: RulesFile,
    order: Order,
    lines: Lines,
    payees: Payees,
    organisation: Organisation,
    home: Home,
    split: SplitOfOrder = None,
    papers: Papers = None,
    version: Version = 1,
    via: ViaMirror = None,
    wait: Wait = 10,
    as_json: Json = False,
) -> ExitCode:
    """Divide an order's lines by a file's rules, all or nothing; the ledger works every sum out anew.

    Refused: split_too_early, payee_not_bound, payee_suspended, share_forbidden, split_above_cap, line_split …
    """
    from chain.operation import Share
    from cli import signing
    from cli.splitting import lines_of, names_of, portions, read_file

    model, names, paper = read_file(file), names_of(payees), names_of(papers or [])
    parts = portions(model, file, lines_of(lines), names)
    kinds = {line.kind: [share.payee_kind for share in line.shares] for line in model.rules.lines}

    def make(key: SigningKey) -> SplitOrder:
        from chain.operation import SplitOrder

        shares = [
            Share(
                part.line,
                part.rule,
                signing.keyed_name(key, "payee", part.payee),
                part.amount_fen,
                paper.get(kinds[part.line][part.rule], ""),
            )
            for part in parts
        ]
        named = signing.keyed_name(key, "split", split or order)
        return SplitOrder(named, signing.keyed_name(key, "order", order), model.rules.rules, version, shares)

    return signing.act(home, organisation, make, via, wait, as_json)


@app.command()
@output.reported
def finish(
    order: Order, organisation: Organisation, home: Home, via: ViaMirror = None, wait: Wait = 10, as_json: Json = False
) -> ExitCode:
    """No more of it is split: the rest is the hospital's own. A platform's is not (rest_not_yours)."""
    from cli import signing

    def make(key: SigningKey) -> FinishOrder:
        from chain.operation import FinishOrder

        return FinishOrder(signing.keyed_name(key, "order", order))

    return signing.act(home, organisation, make, via, wait, as_json)


@app.command("take-back")
@output.reported
def take_back(
    split: Split,
    share: Place,
    amount_fen: Amount,
    back: Back,
    organisation: Organisation,
    home: Home,
    via: ViaMirror = None,
    wait: Wait = 10,
    as_json: Json = False,
) -> ExitCode:
    """A payee gives back of a share, so that the patient can be refunded; what it has not got any more it owes by name."""
    from cli import signing

    def make(key: SigningKey) -> TakeBackShare:
        from chain.operation import TakeBackShare

        of = signing.keyed_name(key, "split", split)
        return TakeBackShare(signing.keyed_name(key, "back", back), of, share, amount_fen)

    return signing.act(home, organisation, make, via, wait, as_json)


@app.command("return")
@output.reported
def return_(
    order: Order,
    amount_fen: Amount,
    back: Back,
    organisation: Organisation,
    home: Home,
    via: ViaMirror = None,
    wait: Wait = 10,
    as_json: Json = False,
) -> ExitCode:
    """The organisation's own money comes to an order again: of the rest that it had, or for what payees owe it."""
    from cli import signing

    def make(key: SigningKey) -> ReturnToOrder:
        from chain.operation import ReturnToOrder
        from chain.rules.money_places import own_account

        source = own_account(organisation)
        of = signing.keyed_name(key, "order", order)
        return ReturnToOrder(signing.keyed_name(key, "back", back), of, source, amount_fen)

    return signing.act(home, organisation, make, via, wait, as_json)


@app.command("pay-out")
@output.reported
def pay_out(
    payee: PayeeName,
    amount_fen: Amount,
    payout: Payout,
    payment: Payment,
    organisation: Organisation,
    home: Home,
    via: ViaMirror = None,
    wait: Wait = 10,
    as_json: Json = False,
) -> ExitCode:
    """A payee's money has left by the bank. Refused above what it has: exceeds_credits."""
    from cli import signing

    def make(key: SigningKey) -> PayOut:
        from chain.operation import PayOut

        number, of = signing.keyed_name(key, "payout", payout), signing.keyed_name(key, "payee", payee)
        return PayOut(number, of, amount_fen, signing.keyed_name(key, "payment", payment))

    return signing.act(home, organisation, make, via, wait, as_json)


@app.command()
@output.reported
def show(
    order: OneOrder,
    organisation: Organisation,
    home: Home,
    rules: Named = None,
    via: ViaHome = None,
    as_json: Json = False,
) -> ExitCode:
    """An order's division, derived here from a node's blocks alone: each certificate, signature and step is checked first.

    Exit 3 if a block does not hold or the money does not balance, 4 if there is no such order.
    """
    from cli import signing
    from cli.split_ledger import order_page
    from cli.splitting import read_file

    key = signing.organisation_key(home, organisation)
    known = [payee.name for payee in read_file(rules).payees] if rules is not None else []
    names = {signing.keyed_name(key, "payee", name): name for name in known}
    page = order_page(home, via, organisation, signing.keyed_name(key, "order", order), names)
    if as_json:
        output.print_json(page)
    else:
        print_page(page)
    return ExitCode.OK if page["balanced"] else ExitCode.INVALID


def print_page(page: dict[str, Any]) -> None:
    """The table of an order, its sum, and whether it balances."""
    rows = [
        [
            row["payee"],
            row["kind"],
            row["line"],
            row["rule"],
            output.yuan(row["amount_fen"]),
            output.yuan(row["taken_back_fen"]),
        ]
        for row in page["shares"]
    ]
    rows.append(["Σ", "", "", "", output.yuan(page["split_fen"]), output.yuan(page["taken_back_fen"])])
    output.print_table(COLUMNS, rows)
    output.print_line(
        f"order {output.yuan(page['total_fen'])}, undivided {output.yuan(page['free_fen'])}; on the ledger debits"
        f" {output.yuan(page['ledger_debits_fen'])} = credits {output.yuan(page['ledger_credits_fen'])} at block"
        f" {page['height']}, signed by {page['signatures']} agencies: {'balanced' if page['balanced'] else 'NOT BALANCED'}"
    )
