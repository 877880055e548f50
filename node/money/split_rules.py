"""Rules of splitting of a hospital: published in versions that never change, and shown as the ledger has them."""

from __future__ import annotations

from typing import Any

import msgspec

from chain import keyspace
from chain.operation import LineRule, PublishSplitRules, ShareRule
from chain.records import FIXED, REMAINDER, SHARE, SplitRulesBody
from node.money.filing import Filing
from node.money.split_requests import LineRuleWish, ShareRuleWish, SplitRulesWish
from node.service import Reader, ServiceRefused, Standing

CAP_TENTHS = 3  # of a line: 30 %, what channels keep to where nothing else is agreed
PATH = "/v1/split-rules"


class SplitRules:
    def __init__(self, filing: Filing) -> None:
        self._filing = filing
        self._organisation = filing.steps.organisation

    async def publish(self, wish: SplitRulesWish, reader: Reader, target: str) -> Standing:
        lines = [line_rule(line, f"/lines/{place}") for place, line in enumerate(wish.lines)]
        operation = PublishSplitRules(
            wish.rules,
            wish.version,
            sorted(lines, key=lambda line: line.kind),
            wish.earliest_seconds * 1000,
            wish.latest_seconds * 1000,
        )
        standing = await self._filing.steps.carry_out([operation])
        return msgspec.structs.replace(standing, resource=f"{PATH}/{wish.rules}/{wish.version}")

    async def body(self, rules: str, version: int) -> SplitRulesBody:
        """Raises ServiceRefused `rules_unknown`."""
        key = keyspace.split_rules(self._organisation, rules, version)
        body = await self._filing.steps.body(key, SplitRulesBody)
        if body is None:
            raise ServiceRefused("rules_unknown")
        return body

    async def page(self, target: str, reader: Reader) -> dict[str, Any] | None:
        """`target` is name/version."""
        rules, _, version = target.rpartition("/")
        if not (version.isascii() and version.isdigit() and len(version) <= 6):
            return None
        key = keyspace.split_rules(self._organisation, rules, int(version))
        found = await self._filing.steps.recorded(key, SplitRulesBody)
        if found is None:
            return None
        body, record = found
        return {
            "rules": rules,
            "version": int(version),
            "lines": [
                {"kind": line.kind, "whole": line.whole, "shares": [_share_page(share) for share in line.shares]}
                for line in body.lines
            ],
            "earliest_seconds": body.earliest_ms // 1000,
            "latest_seconds": body.latest_ms // 1000,
            "operation": record.origin.hex(),
            "height": record.height,
        }


def line_rule(wish: LineRuleWish, pointer: str) -> LineRule:
    """Raises ServiceRefused `invalid_value`. Where a cap is left out and the whole has no tenths, all count in ten times as many."""
    is_finer = wish.whole % 10 and any(share.cap_parts is None for share in wish.shares)
    times = 10 if is_finer else 1
    whole = wish.whole * times
    shares = [_share_rule(share, whole, times, f"{pointer}/shares/{place}") for place, share in enumerate(wish.shares)]
    return LineRule(wish.kind, whole, shares)


def _share_rule(wish: ShareRuleWish, whole: int, times: int, pointer: str) -> ShareRule:
    cap = whole * CAP_TENTHS // 10 if wish.cap_parts is None else wish.cap_parts * times
    match wish.parts, wish.fixed_fen, wish.rest:
        case int(parts), None, False:
            return ShareRule(wish.to, SHARE, parts * times, 0, cap)
        case None, int(fixed_fen), False:
            return ShareRule(wish.to, FIXED, 0, fixed_fen, cap)
        case None, None, True:
            return ShareRule(wish.to, REMAINDER, 0, 0, cap)
    raise ServiceRefused("invalid_value", "one of parts, fixed_fen and rest", pointer)


def _share_page(share: ShareRule) -> dict[str, Any]:
    """As it is asked for."""
    way: dict[str, Any] = {"rest": True}
    if share.way == SHARE:
        way = {"parts": share.parts}
    elif share.way == FIXED:
        way = {"fixed_fen": share.amount_fen}
    return {"to": share.payee_kind, **way, "cap_parts": share.cap_parts}
