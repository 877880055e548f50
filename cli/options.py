"""Options that several commands have, so that they are called and explained alike everywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

HOME_VARIABLE = "MEDBILL_HOME"

Home = Annotated[
    Path,
    typer.Option(
        "--home", envvar=HOME_VARIABLE, metavar="DIR", help="Directory of the network, made by 'network init'."
    ),
]
NodeHome = Annotated[Path, typer.Option("--home", metavar="DIR", help="The node's home: DIR/nodes/NAME.")]
OptionalNodeHome = Annotated[
    Path | None, typer.Option("--home", metavar="DIR", help="The node's home: DIR/nodes/NAME.")
]
BackupPath = Annotated[
    Path | None, typer.Option("--backup", metavar="PATH", help="A backup made by 'node backup', instead of a home.")
]
Json = Annotated[bool, typer.Option("--json", help="One JSON document on stdout, nothing else.")]
Via = Annotated[str, typer.Option("--via", metavar="NODE", help="The gateway to go through, as in network.yaml.")]
ViaMirror = Annotated[
    str | None,
    typer.Option("--via", metavar="NODE", help="The node to ask; the network's first mirror if none is named."),
]
Organisation = Annotated[
    str, typer.Option("--organisation", metavar="NAME", help="Who acts; DIR/organisations/NAME/unit.key signs.")
]
Wait = Annotated[
    int,
    typer.Option(
        "--wait", min=0, max=30, metavar="SECONDS", help="Answer when sealed, or after so long with what is reached."
    ),
]
FromDate = Annotated[
    str | None, typer.Option("--from", metavar="YYYY-MM-DD", help="First business date; a week ago if left out.")
]
ToDate = Annotated[
    str | None, typer.Option("--to", metavar="YYYY-MM-DD", help="Last business date; today if left out.")
]
Purpose = Annotated[
    str | None,
    typer.Option(
        "--purpose", metavar="CODE", help="What it is read for; the patients are shown it. 'audit' if left out."
    ),
]
CaseNumber = Annotated[
    str | None,
    typer.Option("--case-number", metavar="NUMBER", help="Of an auditor's case: the patients are told later."),
]
