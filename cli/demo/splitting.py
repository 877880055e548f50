"""Two scenes of one order at an online clinic: it is paid, and what nobody may do with its money is refused; later it is divided.

They are two because nothing is split in the first 30 s after a payment: the scenes between them use that time.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from chain.digest import ACCOUNT, digest
from chain.operation import AccountRef, Operation, Transfer
from chain.rules.money_places import collected_account
from cli.demo.split_model import (
    PLATFORM,
    admit_platform,
    bind_payees,
    divide,
    pay,
    shown,
    verify_given,
    wait_until,
)
from cli.demo.stage import SceneFailed, Stage, expect
from cli.failures import CommandFailed
from cli.output import yuan
from cli.signing import ROLE, organisation_key, send_operation
from cli.splitting import read_file

PAID_AT = "online order paid"  # of `Stage.moments`


def order_is_paid(stage: Stage) -> str:
    """336.30; a commission on drugs, and two ways of a platform to the money, are refused."""
    file = _file(stage)
    model = read_file(file)
    admit_platform(stage)
    sample = model.orders[0]
    stage.moments[PAID_AT] = pay(stage, PLATFORM, sample)
    stage.medbill("split", "rules", str(file), *_by(stage))
    early = divide(stage, PLATFORM, file, sample, expect=6)
    expect(early["code"], "split_too_early")

    forbidden = stage.directory / "commission.json"
    document = json.loads(file.read_text("utf-8"))
    document["lines"]["drug"].append({"to": "doctor", "share": "5 %"})
    forbidden.write_text(json.dumps(document, ensure_ascii=False, indent=1), "utf-8")
    commission = stage.medbill("split", "rules", str(forbidden), "--version", "2", *_by(stage), expect=6)
    expect(commission["code"], "share_forbidden")

    rest = stage.medbill("split", "finish", "--order", sample.name, *_by(stage), expect=6)
    expect(rest["code"], "rest_not_yours")
    till = stage.medbill("split", "account", "till", *_by(stage))["account"]
    withdrawal = _refusal(stage, _withdrawal(till))
    expect(withdrawal, "account_guarded")
    total = yuan(sum(sample.lines.values()))
    return (
        f"{total} paid; a doctor's 5 % of drugs: {commission['code']}; the clinic takes the rest: {rest['code']}; it signs a"
        f" withdrawal: {withdrawal}"
    )


def order_is_divided(stage: Stage) -> str:
    """Doctor 42.00, platform 18.00, supplier 264.30, courier 12.00, and derived again from the archive's blocks."""
    file = _file(stage)
    model = read_file(file)
    sample = model.orders[0]
    if PAID_AT not in stage.moments:
        raise SceneFailed("the order was not paid")
    bind_payees(stage, PLATFORM, model, sample)
    wait_until(stage, stage.moments[PAID_AT])
    divide(stage, PLATFORM, file, sample)
    again = divide(stage, PLATFORM, file, sample, "--split", "once more", expect=6)
    expect(again["code"], "line_split")
    started = time.monotonic()
    page: Any = shown(stage, PLATFORM, file, sample, 4)
    seconds = time.monotonic() - started
    verify_given(page, sample)
    given = ", ".join(f"{row['kind']} {yuan(row['amount_fen'])}" for row in page["shares"])
    return (
        f"{yuan(page['total_fen'])} → {given}; a second time: {again['code']}; {page['height']} blocks derived anew in"
        f" {seconds:.1f} s: debits = credits = {yuan(page['ledger_debits_fen'])}"
    )


def _withdrawal(till: str) -> Transfer:
    """Of 1 fen of its orders' money, into an account of the clinic's own."""
    collected = collected_account(PLATFORM)
    owner, _separator, account = till.partition("/")
    return Transfer(digest(ACCOUNT, ["demo"]), collected, AccountRef(owner, bytes.fromhex(account)), 1, "mine", [], [])


def _refusal(stage: Stage, operation: Operation) -> str:
    """The code with which the ledger refuses what the clinic signs."""
    stage.say(
        f"{PLATFORM} signs a {type(operation).__name__} of 0.01 from its orders' money to its till, by no command"
    )
    key = organisation_key(stage.home, PLATFORM)
    with stage.client("archive", ROLE) as client:
        try:
            send_operation(client, PLATFORM, key, operation, 10)
        except CommandFailed as refusal:
            return refusal.code
    raise SceneFailed("the ledger took it")


def _file(stage: Stage) -> Path:
    return stage.samples / "splits" / "platform.json"


def _by(stage: Stage) -> tuple[str, ...]:
    return ("--organisation", PLATFORM, "--home", str(stage.home))
