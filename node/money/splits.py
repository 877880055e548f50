"""Splits of a hospital's paid orders: worked out or said, all or nothing; finished; taken back after a refund."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from chain import keyspace
from chain.operation import FinishOrder, LineRule, Operation, ReturnToOrder, Share, SplitOrder, TakeBackShare
from chain.records import (
    NoticeBody,
    OrderBody,
    OrderSplitBody,
    ReturnedBody,
    SplitBody,
    TakenBackBody,
)
from chain.rules import Refused, money_places
from chain.rules.division import divide
from node.money.filing import Filing, parse_name
from node.money.moments import utc_moment
from node.money.payees import Payees
from node.money.split_requests import (
    Aimed,
    FinishWish,
    OrderReturnWish,
    ServingWish,
    ShareReturnWish,
    SplitWish,
)
from node.money.split_rules import SplitRules
from node.service import Reader, ServiceRefused, Standing

HISTORY_MAX = 500  # returns of one split or order that are shown, the oldest first


class Splits:
    def __init__(self, filing: Filing, payees: Payees, rules: SplitRules) -> None:
        self._filing, self._payees, self._rules = filing, payees, rules
        self._organisation = filing.steps.organisation

    async def split(self, wish: SplitWish, reader: Reader, target: str) -> Standing:
        """Raises ServiceRefused: `invalid_value`, or what the ledger would say of the first line that is at fault."""
        if (known := self._filing.known("split", wish.split_no, wish)) is not None:
            return known
        if bool(wish.shares) == bool(wish.payees) or (wish.shares and wish.lines):
            raise ServiceRefused("invalid_value", "who served, or each share", "/payees")
        if wish.shares:
            shares = [
                Share(share.line, share.rule, bytes.fromhex(share.payee), share.amount_fen, share.paper)
                for share in wish.shares
            ]
        else:
            shares = await self._worked_out(wish)
        shares.sort(key=lambda share: (share.line, share.rule))
        order = bytes.fromhex(wish.order)
        return await self._filing.file(
            "split",
            wish.split_no,
            wish,
            lambda name: [SplitOrder(name, order, wish.rules, wish.version, shares)],
        )

    async def finish(self, wish: FinishWish, reader: Reader, target: str) -> Standing:
        name = parse_name(target, "order_unknown")
        return self._filing.pointed(await self._filing.steps.carry_out([FinishOrder(name)]), "order", name)

    async def take_back(self, wish: ShareReturnWish, reader: Reader, target: str) -> Standing:
        name = parse_name(target, "split_unknown")
        return await self._return(
            wish.return_no, "split", name, wish, lambda own: [TakeBackShare(own, name, wish.share, wish.amount_fen)]
        )

    async def give_back(self, wish: OrderReturnWish, reader: Reader, target: str) -> Standing:
        name = parse_name(target, "order_unknown")
        source = money_places.own_account(self._organisation)
        return await self._return(
            wish.return_no, "order", name, wish, lambda own: [ReturnToOrder(own, name, source, wish.amount_fen)]
        )

    async def _return(
        self,
        number: str,
        kind: str,
        name: bytes,
        wish: ShareReturnWish | OrderReturnWish,
        make: Callable[[bytes], Sequence[Operation]],
    ) -> Standing:
        filing, own = self._filing, self._filing.names.of("return", number)
        is_listed = filing.rows.get("return", own) is not None

        def beside() -> None:
            if not is_listed:
                filing.rows.put_day(_shelf(kind, name), 0, own)

        standing = await filing.file("return", number, Aimed(f"{kind}/{name.hex()}", wish), make, beside=beside)
        return filing.pointed(standing, kind, name)

    # ── sums ─────────────────────────────────────────────────────────────────────────────────────────────────────────

    async def _worked_out(self, wish: SplitWish) -> list[Share]:
        """Each line whole, or for what is said of it; the ledger works it all out again."""
        order = await self._order(bytes.fromhex(wish.order))
        rules = await self._rules.body(wish.rules, wish.version)
        by_kind = {line.kind: line for line in rules.lines}
        serving = await self._serving(wish.payees)
        shares: list[Share] = []
        for place, (kind, amount_fen) in enumerate(await self._lines(wish, order)):
            pointer = f"/lines/{place}"
            if kind not in by_kind:
                raise ServiceRefused("line_without_rule", kind, pointer)
            shares += _shares(by_kind[kind], amount_fen, serving, pointer)
        return shares

    async def _lines(self, wish: SplitWish, order: OrderBody) -> list[tuple[str, int]]:
        """(kind, fen) of what is to be divided: what is said, or all that is left. What this very number has divided already, at
        another gateway, is divided in the same way, so that the ledger knows it again."""
        asked, name = await self._asked(order), bytes.fromhex(wish.order)
        if wish.lines:
            return [(line.kind, line.amount_fen or asked.get(line.kind, 0)) for line in wish.lines]
        own = keyspace.split(self._organisation, self._filing.names.of("split", wish.split_no))
        recorded = await self._filing.steps.body(own, SplitBody)
        if recorded is not None and recorded.order == name:
            sums: dict[str, int] = {}
            for share in recorded.shares:
                sums[share.line] = sums.get(share.line, 0) + share.amount_fen
            return list(sums.items())
        former = await self._filing.steps.body(keyspace.order_split(self._organisation, name), OrderSplitBody)
        left = [(kind, fen) for kind, fen in asked.items() if former is None or kind not in former.lines]
        if not left:
            raise ServiceRefused("line_split", "all of them are")
        return left

    async def _asked(self, order: OrderBody) -> dict[str, int]:
        """What its notices ask for, by kind of charge, ascending."""
        asked: dict[str, int] = {}
        for name in order.notices:
            notice = await self._filing.steps.body(keyspace.notice(self._organisation, name), NoticeBody)
            if notice is None:
                raise ServiceRefused("notice_unknown")
            for line in notice.lines:
                asked[line.kind] = asked.get(line.kind, 0) + line.amount_fen
        return dict(sorted(asked.items()))

    async def _serving(self, payees: Sequence[ServingWish]) -> dict[str, tuple[bytes, str]]:
        """Kind of payee -> who, and the number of their paper."""
        serving: dict[str, tuple[bytes, str]] = {}
        for place, one in enumerate(payees):
            name = bytes.fromhex(one.payee)
            try:
                kind = (await self._payees.body(name)).kind
            except ServiceRefused as refused:
                raise ServiceRefused(refused.code, refused.detail, f"/payees/{place}") from None
            if kind in serving:
                raise ServiceRefused("invalid_value", f"two of the kind {kind}: say each share", f"/payees/{place}")
            serving[kind] = (name, one.paper)
        return serving

    async def _order(self, name: bytes) -> OrderBody:
        order = await self._filing.steps.body(keyspace.order(self._organisation, name), OrderBody)
        if order is None:
            raise ServiceRefused("order_unknown", "", "/order")
        return order

    # ── what is shown ────────────────────────────────────────────────────────────────────────────────────────────────

    async def page(self, target: str, reader: Reader) -> dict[str, Any] | None:
        name, steps = parse_name(target, "split_unknown"), self._filing.steps
        row = self._filing.rows.get("split", name)
        found = await steps.recorded(keyspace.split(self._organisation, name), SplitBody)
        page: dict[str, Any] = {"split": name.hex()} | ({"split_no": row.number} if row is not None else {})
        if found is None:
            standing = steps.standing(row.operations) if row is not None else None
            return page | {"state": standing.status, "code": standing.code} if standing is not None else None
        body, record = found
        return page | {
            "state": "recorded",
            "order": body.order.hex(),
            "rules": body.rules,
            "version": body.version,
            "shares": [
                {
                    "line": share.line,
                    "rule": share.rule,
                    "payee": share.payee.hex(),
                    "amount_fen": share.amount_fen,
                    "taken_back_fen": taken_fen,
                    "paper": share.paper or None,
                }
                for share, taken_fen in zip(body.shares, body.taken_back_fen, strict=True)
            ],
            "total_fen": sum(share.amount_fen for share in body.shares),
            "time": utc_moment(body.time_ms),
            "operation": record.origin.hex(),
            "height": record.height,
        }

    async def history_page(self, target: str, reader: Reader) -> dict[str, Any] | None:
        """The split, and what this gateway took back of it, as far as it is recorded."""
        name, steps = parse_name(target, "split_unknown"), self._filing.steps
        found = await steps.recorded(keyspace.split(self._organisation, name), SplitBody)
        if found is None:
            return None
        body, record = found
        rows: list[dict[str, Any]] = [
            {
                "step": "split",
                "name": name.hex(),
                "amount_fen": sum(share.amount_fen for share in body.shares),
                "time": utc_moment(body.time_ms),
                "operation": record.origin.hex(),
            }
        ]
        for own in self._listed("split", name):
            taken = await steps.recorded(keyspace.taken_back(self._organisation, own), TakenBackBody)
            if taken is None:
                continue
            rows.append(
                {
                    "step": "taken_back",
                    "name": own.hex(),
                    "share": taken[0].share,
                    "amount_fen": taken[0].amount_fen,
                    "owed_fen": taken[0].owed_fen,
                    "time": utc_moment(taken[0].time_ms),
                    "operation": taken[1].origin.hex(),
                }
            )
        return {"split": name.hex(), "steps": rows}

    async def division_page(self, target: str, reader: Reader) -> dict[str, Any] | None:
        """What became of an order's money."""
        name, steps = parse_name(target, "order_unknown"), self._filing.steps
        order = await steps.body(keyspace.order(self._organisation, name), OrderBody)
        if order is None:
            return None
        found = await steps.body(keyspace.order_split(self._organisation, name), OrderSplitBody)
        became = found if found is not None else OrderSplitBody([], 0, 0, 0, [])
        returns: list[dict[str, Any]] = []
        for own in self._listed("order", name):
            back = await steps.recorded(keyspace.returned(self._organisation, own), ReturnedBody)
            if back is not None:
                returns.append(
                    {
                        "return": own.hex(),
                        "amount_fen": back[0].amount_fen,
                        "advanced_fen": back[0].advanced_fen,
                        "time": utc_moment(back[0].time_ms),
                        "operation": back[1].origin.hex(),
                    }
                )
        return {
            "order": name.hex(),
            "total_fen": order.total_fen,
            "lines": [
                {"kind": kind, "amount_fen": fen, "split": kind in became.lines}
                for kind, fen in (await self._asked(order)).items()
            ],
            "splits": [split.hex() for split in became.splits],
            "free_fen": order.free_fen,
            "came_back_fen": order.back_fen,
            "rest_fen": became.rest_fen,
            "owed_fen": became.owed_fen,
            "advanced_fen": became.advanced_fen,
            "finished": order.finished,
            "returns": returns,
        }

    def _listed(self, kind: str, name: bytes) -> list[bytes]:
        return [own for _key, own in self._filing.rows.of_day(_shelf(kind, name), 0, b"", HISTORY_MAX)]


def _shares(rule: LineRule, amount_fen: int, serving: dict[str, tuple[bytes, str]], pointer: str) -> list[Share]:
    """One for each rule of a line. Raises ServiceRefused."""
    if amount_fen <= 0:
        raise ServiceRefused("line_not_in_order", rule.kind, pointer)
    try:
        sums = divide(rule, amount_fen)
    except Refused as refused:
        raise ServiceRefused(refused.code, rule.kind, pointer) from None
    shares: list[Share] = []
    for place, (share, given_fen) in enumerate(zip(rule.shares, sums, strict=True)):
        if share.payee_kind not in serving:
            raise ServiceRefused("payee_not_bound", f"{rule.kind}: no {share.payee_kind} is named", pointer)
        payee, paper = serving[share.payee_kind]
        shares.append(Share(rule.kind, place, payee, given_fen, paper))
    return shares


def _shelf(kind: str, name: bytes) -> str:
    """Returns lie by day as a channel's lines do, under a name that no channel has."""
    return f"returns:{kind}:{name.hex()}"
