"""Rules of splitting as people write them: a JSON file of payees, of who gets what of each kind of charge, and of sample orders.

{"model", "title", "signed_by": kind of the organisation, "rules": their name, "earliest", "latest": 30s … 180d after payment,
 "payees": [{"name", "kind", "account": "own" for the signer's own money, another organisation's id, or none: kept by the signer}],
 "lines": {kind of charge: [{"to": kind of payee, one of "share": "30 %" or "1/3", "fixed": "5.00" (yuan), "rest": true,
                             "cap": what it may come to of the line; 30 % if nothing is said}]},
 "orders": [{"name", "lines": {kind of charge: yuan}, "payees": {kind of payee: name}, "given": {name: yuan}}]}

The default cap is what channels keep to where nothing else is agreed: whoever is to have more, is said to. The ledger itself has
no default (`chain/rules/division.py`). Samples of a hospital, a region and a platform lie in `samples/splits`.
Source: DOMAIN section 6 (default ratio cap 30 %, window 30 s to 180 days).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction
from math import lcm
from pathlib import Path
from typing import Any

import msgspec

from api.intake.document import Element, fen, load
from api.intake.errors import FormatRefused
from chain.operation import LineRule, PublishSplitRules, ShareRule
from chain.records import FIXED, REMAINDER, SHARE
from chain.rules import Refused
from chain.rules.division import divide, verify_lines
from cli.durations import parse_duration_ms
from cli.failures import CommandFailed

DEFAULT_CAP = Fraction(30, 100)
WHOLE_MAX = 1_000_000  # of `chain.operation.LineRule`
PERCENT = re.compile(r"([0-9]{1,3}(?:\.[0-9]{1,4})?) ?%", re.ASCII)
FRACTION = re.compile(r"([0-9]{1,6})/([1-9][0-9]{0,5})", re.ASCII)
WAYS = ("share", "fixed", "rest")


class Payee(msgspec.Struct, frozen=True):
    name: str
    kind: str
    account: str  # empty: kept by the signer; own; an organisation


class SampleOrder(msgspec.Struct, frozen=True):
    name: str
    lines: dict[str, int]  # kind of charge -> fen
    payees: dict[str, str]  # kind of payee -> name
    given: dict[str, int]  # name -> fen


class Portion(msgspec.Struct, frozen=True):
    """One payee's money of one line: what becomes a `Share` of a split."""

    line: str
    rule: int  # place among the line's
    payee: str
    amount_fen: int


class SplitModel(msgspec.Struct, frozen=True):
    model: str
    title: str
    signed_by: str
    rules: PublishSplitRules  # version 1
    payees: list[Payee]
    orders: list[SampleOrder]

    def portions(self, lines: Mapping[str, int], payees: Mapping[str, str]) -> list[Portion]:
        """What each payee gets of an order's lines (fen), by line and rule; `payees`: kind -> name of who served.

        Raises FormatRefused (line_without_rule, payee_not_bound, line_too_small, split_above_cap).
        """
        by_kind = {line.kind: line for line in self.rules.lines}
        found: list[Portion] = []
        for kind, amount_fen in sorted(lines.items()):
            rule = by_kind.get(kind)
            if rule is None:
                raise FormatRefused("line_without_rule", f"/lines/{kind}")
            try:
                shared = divide(rule, amount_fen)
            except Refused as refusal:
                raise FormatRefused(refusal.code, f"/lines/{kind}") from None
            for place, (share, given_fen) in enumerate(zip(rule.shares, shared, strict=True)):
                name = payees.get(share.payee_kind)
                if name is None:
                    raise FormatRefused("payee_not_bound", f"/lines/{kind}/{place}")
                found.append(Portion(kind, place, name, given_fen))
        return found


def rules_wish(rules: PublishSplitRules, version: int) -> dict[str, Any]:
    """Rules as REST writes them."""
    return {
        "rules": rules.rules,
        "version": version,
        "lines": [
            {"kind": line.kind, "whole": line.whole, "shares": [_share_wish(share) for share in line.shares]}
            for line in rules.lines
        ],
        "earliest_seconds": -(-rules.earliest_ms // 1000),
        "latest_seconds": rules.latest_ms // 1000,
    }


def _share_wish(share: ShareRule) -> dict[str, Any]:
    head: dict[str, Any] = {"to": share.payee_kind, "cap_parts": share.cap_parts}
    match share.way:
        case found if found == SHARE:
            return head | {"parts": share.parts}
        case found if found == FIXED:
            return head | {"fixed_fen": share.amount_fen}
        case _:
            return head | {"rest": True}


def read(path: Path) -> SplitModel:
    """Raises FormatRefused: file_unreadable, file_too_large, file_damaged, member_missing, wrong_type, amount_out_of_range,
    field_refused, and those of `division.verify_lines`; each but the file's with a JSON pointer."""
    document = load(path)
    lines = document.need("lines")
    rules = PublishSplitRules(
        document.need("rules").text(),
        1,
        [_line(kind, lines.need(kind)) for kind in sorted(_members(lines))],
        _duration_ms(document.need("earliest")),
        _duration_ms(document.need("latest")),
    )
    try:
        verify_lines(rules.lines)
    except Refused as refusal:
        raise FormatRefused(refusal.code, lines.pointer) from None
    return SplitModel(
        document.need("model").text(),
        document.need("title").text(),
        document.need("signed_by").text(),
        rules,
        [
            Payee(entry.need("name").text(), entry.need("kind").text(), entry.text_of("account"))
            for entry in document.list_of("payees")
        ],
        [_order(entry) for entry in document.list_of("orders")],
    )


def _line(kind: str, place: Element) -> LineRule:
    """All fractions of a line count in parts of one whole."""
    entries = place.entries()
    if not entries:
        raise FormatRefused("field_refused", place.pointer, "nobody shares in it")
    ratios = [ratio for entry in entries for ratio in (_share(entry), _cap(entry))]
    whole = lcm(*(ratio.denominator for ratio in ratios))
    if whole > WHOLE_MAX:
        raise FormatRefused("field_refused", place.pointer, f"more than {WHOLE_MAX} parts")
    return LineRule(kind, whole, [_rule(entry, whole) for entry in entries])


def _rule(entry: Element, whole: int) -> ShareRule:
    to, cap = entry.need("to").text(), int(_cap(entry) * whole)
    ways = [name for name in WAYS if entry.find(name) is not None]
    if len(ways) != 1:
        raise FormatRefused("field_refused", entry.pointer, "one of share, fixed and rest")
    match ways[0]:
        case "share":
            return ShareRule(to, SHARE, int(_share(entry) * whole), 0, cap)
        case "fixed":
            return ShareRule(to, FIXED, 0, _fen(entry.need("fixed")), cap)
        case _:
            if entry.need("rest").value is not True:
                raise FormatRefused("field_refused", f"{entry.pointer}/rest", "true, or it is left out")
            return ShareRule(to, REMAINDER, 0, 0, cap)


def _share(entry: Element) -> Fraction:
    share = entry.find("share")
    return Fraction(0) if share is None else _ratio(share)


def _cap(entry: Element) -> Fraction:
    cap = entry.find("cap")
    return DEFAULT_CAP if cap is None else _ratio(cap)


def _ratio(place: Element) -> Fraction:
    """30 %, 12.5%, 2/3: more than nothing, and no more than the whole."""
    text = place.text()
    percent, fraction = PERCENT.fullmatch(text), FRACTION.fullmatch(text)
    if percent is not None:
        found = Fraction(Decimal(percent[1])) / 100
    elif fraction is not None:
        found = Fraction(int(fraction[1]), int(fraction[2]))
    else:
        raise FormatRefused("field_refused", place.pointer, "write a share as 30 % or 1/3")
    if not 0 < found <= 1:
        raise FormatRefused("field_refused", place.pointer, "more than nothing, and no more than the whole")
    return found


def _order(place: Element) -> SampleOrder:
    lines, payees, given = place.need("lines"), place.need("payees"), place.need("given")
    return SampleOrder(
        place.need("name").text(),
        {kind: _fen(lines.need(kind)) for kind in _members(lines)},
        {kind: payees.need(kind).text() for kind in _members(payees)},
        {name: _fen(given.need(name)) for name in _members(given)},
    )


def _members(place: Element) -> list[str]:
    if not isinstance(place.value, dict):
        raise FormatRefused("wrong_type", place.pointer, "an object belongs here")
    return list(place.value)


def _fen(place: Element) -> int:
    """Yuan with at most two decimals, more than nothing."""
    amount = place.decimal(written=True)
    if amount <= 0 or amount != amount.quantize(Decimal("0.01")):
        raise FormatRefused("field_refused", place.pointer, "yuan, to the fen")
    return fen(amount)


def _duration_ms(place: Element) -> int:
    try:
        return parse_duration_ms(place.text())
    except CommandFailed as failure:
        raise FormatRefused("field_refused", place.pointer, failure.detail) from None
