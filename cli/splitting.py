"""What the verbs of `medbill split` are told, read into what the ledger takes; every error is a CommandFailed with a stable code."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from cli.exit_codes import ExitCode
from cli.failures import CommandFailed

if TYPE_CHECKING:
    from chain.operation import AccountRef
    from cli.formats.split_rules import Portion, SplitModel

FILE_BYTES_MAX = 16 * 1024 * 1024  # of a consent, a statement, a channel's word
ACCOUNT = re.compile(r"([a-z0-9][a-z0-9-]{0,63})/([0-9a-f]{64})", re.ASCII)
OWN = "own"
# by content, not by form: the ledger would refuse them too
BY_RULE = ("share_forbidden", "split_above_cap", "payee_not_bound", "line_without_rule", "line_too_small")


def read_file(path: Path) -> SplitModel:
    """A file of rules. Raises CommandFailed: exit 6 for what no rules may say (share_forbidden …), 2 for all else."""
    from api.intake.errors import FormatRefused
    from cli.formats.split_rules import read

    try:
        return read(path)
    except FormatRefused as refusal:
        raise _failed(refusal, path) from None


def portions(model: SplitModel, path: Path, lines: dict[str, int], payees: dict[str, str]) -> list[Portion]:
    """Who gets what. Raises CommandFailed as `read_file`."""
    from api.intake.errors import FormatRefused

    try:
        return model.portions(lines, payees)
    except FormatRefused as refusal:
        raise _failed(refusal, path) from None


def _failed(refusal: Exception, path: Path) -> CommandFailed:
    code = str(getattr(refusal, "code", "file_refused"))
    exit_code = ExitCode.REFUSED if code in BY_RULE else ExitCode.USAGE
    return CommandFailed(code, f"{path.name}: {refusal}", exit_code)


def account_of(text: str, organisation: str) -> list[AccountRef]:
    """own, NAME/HEX, or nothing. Raises CommandFailed `argument_refused`."""
    from chain.operation import AccountRef
    from chain.rules.money_places import own_account

    if not text:
        return []
    if text == OWN:
        return [own_account(organisation)]
    match = ACCOUNT.fullmatch(text)
    if match is None:
        raise CommandFailed("argument_refused", f"'{text}': write own, or NAME/HEX as 'split account' printed it")
    return [AccountRef(match[1], bytes.fromhex(match[2]))]


def file_digest(path: Path) -> bytes:
    """SHA-256. Raises CommandFailed `file_unreadable`, also for an empty file: an empty paper says nothing."""
    try:
        with path.open("rb") as file:
            data = file.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        raise CommandFailed("file_unreadable", f"{path}: {error.strerror}") from None
    if not data or len(data) > FILE_BYTES_MAX:
        raise CommandFailed("file_unreadable", f"{path}: empty, or more than {FILE_BYTES_MAX} bytes")
    return sha256(data).digest()


def local_day(text: str) -> int:
    """YYYY-MM-DD as the ledger writes days: YYYYMMDD. Raises CommandFailed `argument_refused`."""
    try:
        if len(text) != len("YYYY-MM-DD"):
            raise ValueError
        day = date.fromisoformat(text)
    except ValueError:
        raise CommandFailed("argument_refused", f"'{text}': write a day as 2026-03-01") from None
    return day.year * 10_000 + day.month * 100 + day.day


def lines_of(texts: Sequence[str]) -> dict[str, int]:
    """consultation=60.00 …: kind of charge -> fen. Raises CommandFailed `argument_refused`."""
    from cli.amounts import parse_amount_fen

    found = {kind: parse_amount_fen(text, "--line") for kind, text in _pairs(texts, "consultation=60.00").items()}
    if not all(found.values()):
        raise CommandFailed("argument_refused", "--line: more than nothing, as in consultation=60.00")
    return found


def names_of(texts: Sequence[str]) -> dict[str, str]:
    """doctor=doctor-wang …: kind of payee -> name. Raises CommandFailed `argument_refused`."""
    return _pairs(texts, "doctor=doctor-wang")


def _pairs(texts: Sequence[str], example: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for text in texts:
        kind, separator, value = text.partition("=")
        if not separator or not kind or not value or kind in found:
            raise CommandFailed("argument_refused", f"'{text}': write each kind once, as {example}")
        found[kind] = value
    return found
