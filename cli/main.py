"""The command `medbill`: its nouns and verbs. `medbill --install-completion` teaches them to the shell."""

from __future__ import annotations

import functools
import sys
from collections.abc import Sequence
from typing import Any

import typer
from typer.core import TyperGroup

from cli import output
from cli.commands import (
    access,
    accounting,
    appointment,
    approvals,
    archive,
    audit,
    bench,
    bill,
    blocks,
    catalogue,
    claim,
    credit,
    custody,
    day,
    demo,
    deposit,
    division,
    evidence,
    insurer,
    keys,
    lender,
    network,
    node,
    notice,
    numbers,
    order,
    organisation,
    paper,
    payee,
    proof,
    reconciliation,
    schedule,
    settlement,
    token,
    validators,
    verify,
    verify_file,
    visit,
)
from cli.exit_codes import ExitCode
from cli.failures import CommandFailed
from cli.options import Json


class RootGroup(TyperGroup):
    """Usage errors too are the problem object with `--json`."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        windows_expand_args: bool = True,
        **extra: Any,
    ) -> Any:
        arguments = list(sys.argv[1:] if args is None else args)
        as_json = standalone_mode and "--json" in arguments
        run = functools.partial(super().main, arguments, prog_name, complete_var, **extra)
        if not as_json:
            return run(standalone_mode=standalone_mode)
        try:
            code = run(standalone_mode=False)
        except typer.TyperException as error:
            output.print_json(CommandFailed("usage", error.format_message(), ExitCode.USAGE).problem)
            sys.exit(error.exit_code)
        except typer.Abort:
            sys.exit(ExitCode.FAILED)
        sys.exit(code if isinstance(code, int) else ExitCode.OK)


app = typer.Typer(
    name="medbill",
    cls=RootGroup,
    no_args_is_help=True,
    pretty_exceptions_enable=False,  # they show local variables: keys and patients' names
    rich_markup_mode=None,
    help="A permissioned ledger for medical electronic bills.",
    epilog="Exit codes: 0 ok, 1 failed, 2 usage, 3 verification says invalid, 4 not found, 5 unreachable, 6 refused.",
)
for name, group in (
    ("network", network.app),
    ("node", node.app),
    ("bill", bill.app),
    ("paper", paper.app),
    ("day", day.app),
    ("accounting", accounting.app),
    ("claim", claim.app),
    ("insurer", insurer.app),
    ("schedule", schedule.app),
    ("appointment", appointment.app),
    ("visit", visit.app),
    ("notice", notice.app),
    ("order", order.app),
    ("deposit", deposit.app),
    ("payee", payee.app),
    ("division", division.app),
    ("custody", custody.app),
    ("credit", credit.app),
    ("lender", lender.app),
    ("settlement", settlement.app),
    ("reconciliation", reconciliation.app),
    ("proof", proof.app),
    ("numbers", numbers.app),
    ("organisation", organisation.app),
    ("catalogue", catalogue.app),
    ("approvals", approvals.app),
    ("keys", keys.app),
    ("token", token.app),
    ("validators", validators.app),
    ("audit", audit.app),
    ("access", access.app),
    ("archive", archive.app),
    ("evidence", evidence.app),
    ("block", blocks.app),
):
    app.add_typer(group, name=name)
app.command("blocks")(blocks.blocks)
app.command("verify")(verify.verify)
app.command("verify-file")(verify_file.verify_file)
app.command("verify-result")(verify_file.verify_result)
app.command("demo")(demo.demo)
app.command("bench")(bench.bench)


@app.command()
@output.reported
def version(as_json: Json = False) -> None:
    """The versions of this program and of Python."""
    from importlib.metadata import PackageNotFoundError
    from importlib.metadata import version as installed_version

    try:
        own = installed_version("medbill")
    except PackageNotFoundError:
        own = "not installed"
    python = ".".join(map(str, sys.version_info[:3]))
    if as_json:
        output.print_json({"medbill": own, "python": python})
    else:
        output.print_line(f"medbill {own}, Python {python}")


def main() -> None:
    """The console script."""
    app(prog_name="medbill")


if __name__ == "__main__":
    main()
