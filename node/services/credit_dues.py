"""What a lender's own people do about debts: statements, repayments, instalments, paybacks; signed by the lender, said by the ledger.

A statement is named by its line and the local day, a repayment, a payback and a plan by the lender's own number: the same again is the same
operation's name, and the ledger takes it once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from chain.operation import (
    AgreeInstalments,
    EndLine,
    Instalment,
    LineRef,
    Operation,
    PayBackLine,
    RepayLine,
    StateLine,
)
from chain.rules.context import DAY_MS
from chain.signature import SigningKey
from chain.transaction import Entry
from node.ledger_pages import utc_text
from node.service import ServiceRefused
from node.services.desks import Acted, InstalmentWish
from node.services.mirror_link import OPERATOR, MirrorLink, Outcome, OutcomeUnknown
from node.services.names import keyed_name
from node.statement_times import due_after, end_of_day

WAIT_S = 12  # for the ledger's word
STATED_AT_ONCE = 50  # statements in one transaction
LINES_AT_ONCE = 200  # looked at in one request
STATED_TODAY = "statement_exists"
REPEATED = "already_recorded"  # the very operation, sent before


class CreditDues:
    def __init__(self, mirror: MirrorLink, key: SigningKey, now_ms: Callable[[], int]) -> None:
        self._mirror, self._key, self._now_ms = mirror, key, now_ms
        self._lender = mirror.organisation
        self._offset_ms: int | None = None  # of local days, once the ledger has said
        self._terms: dict[tuple[str, int], dict[str, Any]] = {}  # the lender's own products by version: they stay

    # ── what a line's page and its product say ───────────────────────────────────────────────────────────────────────

    async def page(self, line: str) -> dict[str, Any]:
        """A line as the ledger has it. Raises ServiceRefused `line_unknown`, `unavailable`."""
        found = await self._mirror.get(f"/v1/credit-lines/{line}", OPERATOR, lender=self._lender)
        if found is None:
            raise ServiceRefused("line_unknown")
        page: dict[str, Any] = found
        return page

    async def product(self, name: str, version: int | None = None) -> dict[str, Any]:
        """{version, terms}. Raises ServiceRefused `product_unknown`, `unavailable`."""
        named = {"version": str(version)} if version is not None else {}
        found = await self._mirror.get(f"/v1/credit-products/{self._lender}/{name}", OPERATOR, **named)
        if found is None:
            raise ServiceRefused("product_unknown", "", "/product")
        product: dict[str, Any] = found
        return product

    async def terms(self, product: str, version: int) -> dict[str, Any]:
        """Of a version that lines have. Raises ServiceRefused `product_unknown`, `unavailable`."""
        kind = (product, version)
        if kind not in self._terms:
            self._terms[kind] = (await self.product(product, version))["terms"]
        return self._terms[kind]

    # ── one line ─────────────────────────────────────────────────────────────────────────────────────────────────────

    async def end(self, line: str, reason: str) -> Acted:
        return await self.act(line, EndLine(bytes.fromhex(line), reason))

    async def repay(self, line: str, number: str, channel: str, amount_fen: int) -> Acted:
        operation = RepayLine(
            self._ref(line),
            keyed_name(self._key, "repayment", number),
            channel,
            amount_fen,
            keyed_name(self._key, "repayment_evidence", number),
        )
        return await self.act(line, operation, amount_fen=amount_fen)

    async def pay_back(self, line: str, number: str, channel: str, amount_fen: int) -> Acted:
        operation = PayBackLine(
            self._ref(line),
            keyed_name(self._key, "payback", number),
            channel,
            amount_fen,
            keyed_name(self._key, "payback_evidence", number),
        )
        return await self.act(line, operation, amount_fen=amount_fen)

    async def agree(self, line: str, number: str, instalments: Sequence[InstalmentWish]) -> Acted:
        offset_ms = await self.offset_ms()
        dated = [
            Instalment(_end_of(wish.due, offset_ms, f"/instalments/{place}/due"), wish.amount_fen)
            for place, wish in enumerate(instalments)
        ]
        plan = keyed_name(self._key, "instalments", number)
        operation = AgreeInstalments(self._ref(line), plan, dated)
        amount_fen = sum(wish.amount_fen for wish in instalments)
        return await self.act(line, operation, amount_fen=amount_fen, due=utc_text(dated[-1].due_ms))

    async def state(self, line: str) -> Acted:
        (stated,) = await self.state_rows([await self.page(line)], [self._now_ms()])
        return _done(stated)

    async def act(self, line: str, operation: Operation, **more: Any) -> Acted:
        """Raises ServiceRefused with the ledger's code, OutcomeUnknown while nobody knows."""
        (sent,) = await self._send([operation])
        return _done(_acted(line, *sent, **more))

    async def _send(self, operations: Sequence[Operation]) -> list[tuple[Outcome, bool]]:
        """What became of each, and whether it stood on the ledger before. Raises ServiceRefused, OutcomeUnknown."""
        await self._mirror.meet()
        before = self._mirror.head().height
        outcomes = await self._mirror.act([Entry(False, operation) for operation in operations], WAIT_S)
        return [
            (outcome, outcome.is_recorded and outcome.height is not None and outcome.height <= before)
            for outcome in outcomes
        ]

    # ── all of them ──────────────────────────────────────────────────────────────────────────────────────────────────

    async def state_all(self, after: str | None) -> tuple[list[Acted], str | None]:
        rows, following = await self.owing(after)
        acted: list[Acted] = []
        for place in range(0, len(rows), STATED_AT_ONCE):
            part = rows[place : place + STATED_AT_ONCE]
            acted += await self.state_rows(part, [self._now_ms()] * len(part))
        return acted, following

    async def owing(self, after: str | None) -> tuple[list[dict[str, Any]], str | None]:
        """Pages of lines that owe something and whose risk the lender bears, a part of them, and the `after` of the next part."""
        more = {"cursor": after} if after is not None else {}
        page = await self._mirror.get(
            "/v1/credit-lines", OPERATOR, lender=self._lender, owing="true", limit=str(LINES_AT_ONCE), **more
        )
        if page is None:
            raise ServiceRefused("unavailable", "the ledger's mirror lists no lines")
        return [row for row in page["data"] if row["bearer"] == "lender"], page["next"]

    async def state_rows(self, rows: Sequence[dict[str, Any]], moments_ms: Sequence[int]) -> list[Acted]:
        """State lines by their pages, at most STATED_AT_ONCE, each for the local day of its moment: once for a line and day.

        A refusal is told, not raised. Raises ServiceRefused and OutcomeUnknown as `act`.
        """
        if not rows:
            return []
        operations = [await self._statement(row, moment_ms) for row, moment_ms in zip(rows, moments_ms, strict=True)]
        sent = await self._send(operations)
        return [_stated(operation, *outcome) for operation, outcome in zip(operations, sent, strict=True)]

    async def _statement(self, page: dict[str, Any], moment_ms: int) -> StateLine:
        """Due at the end of a local day, the product's days from now."""
        due_days = (await self.terms(page["product"], page["version"]))["due_days"]
        offset_ms = await self.offset_ms()
        due_ms = due_after(self._now_ms(), due_days, offset_ms)
        name = keyed_name(self._key, "statement", f"{page['line']}/{(moment_ms + offset_ms) // DAY_MS}")
        return StateLine(self._ref(page["line"]), name, page["owed_fen"], due_ms)

    def _ref(self, line: str) -> LineRef:
        return LineRef(self._lender, bytes.fromhex(line))

    async def offset_ms(self) -> int:
        """What local time is ahead of UTC. Raises ServiceRefused `unavailable`."""
        if self._offset_ms is None:
            network = await self._mirror.get("/v1/network", OPERATOR)
            if network is None:
                raise ServiceRefused("unavailable", "the ledger's mirror does not say which network it is of")
            self._offset_ms = int(network["parameters"]["utc_offset_minutes"]) * 60_000
        return self._offset_ms


def _acted(line: str, outcome: Outcome, repeated: bool, **more: Any) -> Acted:
    """Raises OutcomeUnknown while the ledger has not said."""
    if outcome.is_recorded:
        return Acted(line, "recorded", None, outcome.height, repeated, **more)
    if outcome.code == REPEATED:
        return Acted(line, "recorded", None, outcome.height, True, **more)
    if outcome.status == "refused":
        return Acted(line, "refused", outcome.code, outcome.height, **more)
    raise OutcomeUnknown


def _stated(operation: StateLine, outcome: Outcome, repeated: bool) -> Acted:
    """Stated before on this day, with whatever was owed then, counts as done."""
    line = operation.line.line.hex()
    if outcome.code == STATED_TODAY:
        return Acted(line, "recorded", repeated=True)
    return _acted(line, outcome, repeated, amount_fen=operation.owed_fen, due=utc_text(operation.due_ms))


def _done(acted: Acted) -> Acted:
    """Raises ServiceRefused with the ledger's code."""
    if acted.status == "refused":
        raise ServiceRefused(acted.code or "unavailable")
    return acted


def _end_of(text: str, offset_ms: int, pointer: str) -> int:
    try:
        return end_of_day(text, offset_ms)
    except ValueError:
        raise ServiceRefused("invalid_value", "there is no such day", pointer) from None
