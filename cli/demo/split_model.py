"""`medbill demo split`: one order of a sample of `samples/splits`, paid, divided and paid out on a small network of its own.

The sample's wait after payment is played as 30 s, the least that the ledger takes; the rest of the file is played as it stands.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from cli.demo.stage import SceneFailed, Stage, agreed, expect
from cli.formats.split_rules import SampleOrder, SplitModel
from cli.output import yuan
from cli.splitting import read_file

NODES = ("finance", "health", "insurance", "bigdata", "archive")
WAIT, WAIT_S = "30s", 30
LATER_S = 1.5  # blocks have their own time, and it may be behind ours
PLATFORM = "clinic-a"
MODELS = ("hospital", "region", "platform")


def play(stage: Stage, model: str) -> dict[str, Any]:
    """The order's page as the ledger has it, with the model's title. Raises SceneFailed, CommandFailed."""
    file = stage.samples / "splits" / f"{model}.json"
    read = read_file(file)
    stage.medbill("network", "init", "--config", str(stage.config), "--home", str(stage.home))
    stage.up(*NODES)
    by = "hospital-a" if read.signed_by == "hospital" else PLATFORM
    if by == PLATFORM:
        admit_platform(stage)
    sample = read.orders[0]
    paid_s = pay(stage, by, sample)
    bind_payees(stage, by, read, sample)
    stage.say(
        f"the sample waits {read.rules.earliest_ms // 1000} s after payment; here {WAIT}, the least that is allowed"
    )
    stage.medbill("split", "rules", str(file), "--earliest", WAIT, *_by(stage, by))
    wait_until(stage, paid_s)
    divide(stage, by, file, sample)
    page = shown(stage, by, file, sample, len(_shares_of(read, sample)))
    verify_given(page, sample)
    pay_out(stage, by, page)
    after = shown(stage, by, file, sample, len(page["shares"]))
    left = [row["payee"] for row in after["shares"] if _is_kept(row, by) and row["balance_fen"]]
    expect(left, [])
    return {"model": model, "title": f"{read.title}: {sample.name}", **after}


def admit_platform(stage: Stage) -> None:
    home = ("--home", str(stage.home))
    named = ("--title", "互联网诊所", "--kind", "platform", "--region", "331000")
    request = stage.medbill("organisation", "init", PLATFORM, *named, *home)
    asked = stage.medbill("organisation", "admit", request["request"], *home)
    expect(agreed(stage, asked, ["--via", "archive", *home])["status"], "recorded")


def pay(stage: Stage, by: str, sample: SampleOrder, payment: str = "P-1") -> float:
    """Recorded as paid by one channel; returns when, by `time.monotonic`."""
    word = paper(stage, "channel-word", f"a channel's word of {yuan(sum(sample.lines.values()))}")
    named = ("--channel", "alipay", "--payment", payment, "--evidence", str(word), "--patient", "N-1")
    stage.medbill("split", "collect", "--order", sample.name, *_lines(sample), *named, *_by(stage, by))
    return time.monotonic()


def bind_payees(stage: Stage, by: str, model: SplitModel, sample: SampleOrder) -> None:
    """Those of the order; an account of another organisation is opened by itself first."""
    for payee in model.payees:
        if payee.name not in sample.payees.values():
            continue
        account = payee.account
        if account not in ("", "own"):
            account = stage.medbill("split", "account", f"shares of {by}", *_by(stage, account))["account"]
        consent = paper(stage, f"consent-{payee.name}", f"{payee.name} agrees to share in orders of {by}")
        where = ("--account", account) if account else ()
        stage.medbill(
            *("split", "bind", payee.name, "--kind", payee.kind, "--consent", str(consent)), *where, *_by(stage, by)
        )


def divide(stage: Stage, by: str, file: Path, sample: SampleOrder, *more: str, expect: int = 0) -> Any:
    named = [part for kind, name in sample.payees.items() for part in ("--payee", f"{kind}={name}")]
    order = ("--order", sample.name, *_lines(sample), *named)
    return stage.medbill("split", "divide", str(file), *order, *more, *_by(stage, by), expect=expect)


def shown(stage: Stage, by: str, file: Path, sample: SampleOrder, shares: int) -> Any:
    """The order's page, once its shares are in blocks on the archive's disk."""
    show = ("split", "show", "--order", sample.name, "--rules", str(file), *_by(stage, by))
    stage.until(lambda: len((stage.run(*show)[1] or {}).get("shares", [])) == shares, "the split lies with the archive")
    return stage.medbill(*show)


def verify_given(page: Any, sample: SampleOrder) -> None:
    """To whom the sample says, to the fen; together what the order was."""
    given: dict[str, int] = {}
    for row in page["shares"]:
        given[row["payee"]] = given.get(row["payee"], 0) + row["amount_fen"]
    expect(given, sample.given)
    expect((page["split_fen"], page["free_fen"]), (page["total_fen"], 0))
    expect(page["ledger_debits_fen"], page["ledger_credits_fen"])
    if not page["balanced"] or not page["total_fen"]:
        raise SceneFailed("it does not balance")


def pay_out(stage: Stage, by: str, page: Any) -> None:
    """What payees have that are kept by the signer leaves by the bank; what is another's, or its own, is there already."""
    balances = {row["payee"]: row["balance_fen"] for row in page["shares"] if _is_kept(row, by)}
    for name, amount_fen in balances.items():
        numbers = ("--payout", f"O-{name}", "--payment", f"B-{name}")
        stage.medbill("split", "pay-out", name, "--amount-fen", str(amount_fen), *numbers, *_by(stage, by))


def wait_until(stage: Stage, paid_s: float) -> None:
    """Until an order that was paid then may be split."""
    left_s = paid_s + WAIT_S + LATER_S - time.monotonic()
    if left_s > 0:
        stage.say(f"nothing is split within {WAIT} of the payment: waiting {left_s:.0f} s …")
        time.sleep(left_s)


def paper(stage: Stage, name: str, text: str) -> Path:
    """An invented paper; the ledger has its digest."""
    file = stage.directory / f"{name}.txt"
    file.write_text(text + "\n", "utf-8")
    return file


def _is_kept(row: Any, by: str) -> bool:
    return bool(row["kind"] not in ("platform", "hospital") and row["account"].startswith(f"{by}/"))


def _by(stage: Stage, organisation: str) -> tuple[str, ...]:
    return ("--organisation", organisation, "--home", str(stage.home))


def _lines(sample: SampleOrder) -> list[str]:
    return [part for kind, fen in sample.lines.items() for part in ("--line", f"{kind}={yuan(fen)}")]


def _shares_of(model: SplitModel, sample: SampleOrder) -> list[Any]:
    return model.portions(sample.lines, sample.payees)
