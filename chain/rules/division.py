"""How a kind of charge is divided among payees: to the fen, the same for everybody, and what no rules may say.

Of a line of n fen a share of p parts of the whole gets the floor of n × p / whole; a fixed sum is what it is; the remainder gets
what the others leave. Where there is no remainder, all parts are the whole, and what the floors leave over, less than a fen a share,
goes fen by fen to the largest fractions, of equal ones to the earlier rule. Nobody gets more than the cap of his rule, so many
parts of the whole, fractions and remainder included: a fen that would lift one above it goes to the next one.
A doctor shares in services of his own alone, whatever the way and however small: never in drugs or tests (a commission for
prescribing is forbidden). So the list is of what he may share in; a kind of charge that nobody has thought of is not on it. The
ledger's cap is a field of each rule; the default of 30 % that channels keep to is for whoever writes rules
(`cli/formats/split_rules.py`).
Source: DOMAIN section 6 (split ratio cap, line kinds); the largest remainder method of Hamilton.
"""

from __future__ import annotations

from chain import records
from chain.operation import LineRule, ShareRule
from chain.records import FIXED, REMAINDER, SHARE
from chain.rules.context import Refused

DOCTOR = "doctor"
PAYEE_KINDS = frozenset({DOCTOR, "hospital", "pharmacy", "laboratory", "supplier", "courier", "platform"})
DOCTORS_LINES = frozenset({"consultation", "registration", "treatment", "surgery"})


def verify_lines(lines: list[LineRule]) -> None:
    """Raises Refused `rules_malformed`, `payee_kind_unknown`, `share_forbidden`, `split_above_cap`, each of all lines first."""
    kinds = [line.kind for line in lines]
    if kinds != sorted(set(kinds)) or not all(_is_whole(line) for line in lines):
        raise Refused("rules_malformed")
    every = [(line, share) for line in lines for share in line.shares]
    if any(share.payee_kind not in PAYEE_KINDS for _, share in every):
        raise Refused("payee_kind_unknown")
    for line, share in every:
        verify_allowed(share.payee_kind, line.kind)
    if any(share.parts > share.cap_parts for _, share in every):
        raise Refused("split_above_cap")


def verify_allowed(payee_kind: str, line_kind: str) -> None:
    """Raises Refused `share_forbidden`."""
    if payee_kind == DOCTOR and line_kind not in DOCTORS_LINES:
        raise Refused("share_forbidden")


def _is_whole(line: LineRule) -> bool:
    """All of it is divided: by one remainder, or by parts that are the whole."""
    if not all(_is_one_way(share) and 0 < share.cap_parts <= line.whole for share in line.shares):
        return False
    ways = [share.way for share in line.shares]
    parts = sum(share.parts for share in line.shares)
    if REMAINDER in ways:
        return ways.count(REMAINDER) == 1 and parts <= line.whole
    return FIXED not in ways and parts == line.whole


def _is_one_way(share: ShareRule) -> bool:
    """It has the figure of its way, and no other."""
    match share.way:
        case records.SHARE:
            return share.parts > 0 and share.amount_fen == 0
        case records.FIXED:
            return share.parts == 0 and share.amount_fen > 0
        case _:
            return share.parts == 0 and share.amount_fen == 0


def divide(line: LineRule, amount_fen: int) -> list[int]:
    """What each of the line's rules gives of a positive sum; together it is that sum.

    Raises Refused `line_too_small` (for its shares and fixed sums together), `split_above_cap`.
    """
    given = [_first(share, amount_fen, line.whole) for share in line.shares]
    rest_fen = amount_fen - sum(given)
    if rest_fen < 0:
        raise Refused("line_too_small")
    for place, share in enumerate(line.shares):
        if share.way == REMAINDER:
            given[place] = rest_fen
            rest_fen = 0
    for place in _by_fraction(line, amount_fen)[:rest_fen] if rest_fen else []:
        given[place] += 1
        rest_fen -= 1
    if rest_fen or not all(
        is_within_cap(line, share, fen, amount_fen) for share, fen in zip(line.shares, given, strict=True)
    ):
        raise Refused("split_above_cap")
    return given


def is_within_cap(line: LineRule, share: ShareRule, given_fen: int, amount_fen: int) -> bool:
    return given_fen * line.whole <= amount_fen * share.cap_parts


def _first(share: ShareRule, amount_fen: int, whole: int) -> int:
    """Before fractions and remainder."""
    return amount_fen * share.parts // whole if share.way == SHARE else share.amount_fen


def _by_fraction(line: LineRule, amount_fen: int) -> list[int]:
    """Places of the shares that can take a fen more, the largest fraction first."""
    fractions = [(-(amount_fen * share.parts % line.whole), place) for place, share in enumerate(line.shares)]
    return [
        place
        for _, place in sorted(fractions)
        if is_within_cap(line, line.shares[place], amount_fen * line.shares[place].parts // line.whole + 1, amount_fen)
    ]
