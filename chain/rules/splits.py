"""Rules of splitting, and splits: the money of a paid order's charges goes to who shares in it, all or nothing.

Rules are an organisation's, in versions that never change; a split says which one it goes by, and states every sum. The ledger
works each out anew (`division.py`) and refuses what differs, so that nobody has to be trusted with the arithmetic. The lines of
an order are those of its notices, by kind; some may be split earlier than others, each once. Where money of an order went back
before, or never came, lines are divided for less than was asked: by no more, all together, than what the order's money is
short of its lines that are not split yet; whose charge was refunded is the signer's to say.
When an order is finished, what was not split is the signer's own. That goes for hospitals alone, who gave the treatment: from
whoever only collects it (a platform) money goes to payees by rules, or back to the patient, and nowhere else.
Codes in their order of precedence:
  PublishSplitRules  already_recorded, version_moved, then the signer's, version_moved, rules_malformed, payee_kind_unknown,
                     share_forbidden, split_above_cap, window_malformed
  SplitOrder         already_recorded, split_exists, then the signer's, order_unknown, order_open, order_closed, order_finished,
                     rules_unknown, split_too_early, split_too_late, then line by line line_not_in_order, line_split,
                     line_without_rule; shares_malformed; share by share payee_not_bound, share_forbidden, payee_suspended,
                     payee_kind_differs, split_above_cap; line by line line_too_small, split_above_cap, split_differs;
                     exceeds_order, then the money's, the limits'
  FinishOrder        already_recorded, then the signer's, order_unknown, order_open, order_closed, rest_not_yours
The signer's, the money's and the limits' codes stand in `accounts.py`.
Source: DOMAIN section 6 (30 s to 180 days, all or nothing, finishing); the fund-safety rule that a platform never holds the money.
"""

from __future__ import annotations

from msgspec.structs import replace

from chain import keyspace
from chain.operation import FinishOrder, LineRule, PublishSplitRules, Share, SplitOrder
from chain.records import (
    ORDER_CLOSED,
    ORDER_PAID,
    SUSPENDED,
    FinishedBody,
    OrderBody,
    OrderSplitBody,
    SplitBody,
    SplitRulesBody,
)
from chain.rules import money_places
from chain.rules.accounts import Books, verify_signer
from chain.rules.context import DAY_MS, HOSPITAL, Changes, Context, Refused, View, organisation, refuse_repeated
from chain.rules.division import divide, is_within_cap, verify_allowed, verify_lines
from chain.rules.notices import notice_of
from chain.rules.orders import order_of
from chain.rules.payees import order_split_of, pay_share, payee_of

EARLIEST_MS_MIN = 30_000
LATEST_MS_MAX = 180 * DAY_MS


def publish_split_rules(view: View, operation: PublishSplitRules, context: Context) -> Changes:
    key = keyspace.split_rules(context.organisation, operation.rules, operation.version)
    refuse_repeated(view, key, context, "version_moved")
    verify_signer(view, context)
    former = keyspace.split_rules(context.organisation, operation.rules, max(operation.version - 1, 0))
    if operation.version < 1 or (operation.version > 1 and view.get(former, SplitRulesBody) is None):
        raise Refused("version_moved")
    verify_lines(operation.lines)
    if not EARLIEST_MS_MIN <= operation.earliest_ms <= operation.latest_ms <= LATEST_MS_MAX:
        raise Refused("window_malformed")
    return {key: SplitRulesBody(operation.lines, operation.earliest_ms, operation.latest_ms)}


def split_order(view: View, operation: SplitOrder, context: Context) -> Changes:
    own = keyspace.split(context.organisation, operation.split)
    refuse_repeated(view, own, context, "split_exists")
    verify_signer(view, context)
    order = paid_order(view, context, operation.order)
    if order.finished:
        raise Refused("order_finished")
    rules = _rules_in_time(view, operation, context, order)
    books = Books(view, context)
    former = order_split_of(view, books, context.organisation, operation.order)
    asked = lines_of(view, context.organisation, order)
    lines = _lines_to_split(operation, rules, asked, former)
    sums = _sums(operation)
    for share in operation.shares:
        _verify_share(view, books, context, share, lines[share.line], sums[share.line])
    left_fen = order.free_fen - order.back_fen
    spare_fen = sum(fen for kind, fen in asked.items() if kind not in former.lines) - left_fen
    for kind, sum_fen in sums.items():
        stated = [share.amount_fen for share in operation.shares if share.line == kind]
        spare_fen -= asked[kind] - sum_fen
        if stated != divide(lines[kind], sum_fen) or sum_fen > asked[kind] or spare_fen < 0:
            raise Refused("split_differs")
    total_fen = sum(sums.values())
    if total_fen > left_fen:
        raise Refused("exceeds_order")
    books.changes[keyspace.order(context.organisation, operation.order)] = replace(
        order, free_fen=order.free_fen - total_fen
    )
    books.changes[keyspace.order_split(context.organisation, operation.order)] = replace(
        former, lines=sorted([*former.lines, *lines]), splits=[*former.splits, operation.split]
    )
    for share in operation.shares:
        if share.amount_fen:
            pay_share(view, books, context, share.payee, share.amount_fen, operation.order)
    money_places.note_closing(view, books, context, context.organisation)
    return books.changes | {
        own: SplitBody(
            operation.order,
            operation.rules,
            operation.version,
            operation.shares,
            [0] * len(operation.shares),
            context.time_ms,
        )
    }


def _rules_in_time(view: View, operation: SplitOrder, context: Context, order: OrderBody) -> SplitRulesBody:
    key = keyspace.split_rules(context.organisation, operation.rules, operation.version)
    rules = view.get(key, SplitRulesBody)
    if rules is None:
        raise Refused("rules_unknown")
    if context.time_ms < order.paid_ms + rules.earliest_ms:
        raise Refused("split_too_early")
    if context.time_ms > order.paid_ms + rules.latest_ms:
        raise Refused("split_too_late")
    return rules


def _lines_to_split(
    operation: SplitOrder, rules: SplitRulesBody, asked: dict[str, int], former: OrderSplitBody
) -> dict[str, LineRule]:
    """By kind, in the order of their shares: one share for each rule of a line, none negative, a line's together positive."""
    by_kind = {line.kind: line for line in rules.lines}
    lines: dict[str, LineRule] = {}
    for share in operation.shares:
        if share.line not in asked:
            raise Refused("line_not_in_order")
        if share.line in former.lines:
            raise Refused("line_split")
        if share.line not in by_kind:
            raise Refused("line_without_rule")
        lines[share.line] = by_kind[share.line]
    places = [(kind, place) for kind in sorted(lines) for place in range(len(lines[kind].shares))]
    if (
        [(share.line, share.rule) for share in operation.shares] != places
        or any(share.amount_fen < 0 for share in operation.shares)
        or not all(_sums(operation).values())
    ):
        raise Refused("shares_malformed")
    return lines


def _sums(operation: SplitOrder) -> dict[str, int]:
    """What is divided of each line."""
    sums: dict[str, int] = {}
    for share in operation.shares:
        sums[share.line] = sums.get(share.line, 0) + share.amount_fen
    return sums


def _verify_share(view: View, books: Books, context: Context, share: Share, line: LineRule, sum_fen: int) -> None:
    payee = payee_of(view, books, context.organisation, share.payee)
    verify_allowed(payee.kind, share.line)
    if payee.state == SUSPENDED:
        raise Refused("payee_suspended")
    rule = line.shares[share.rule]
    if payee.kind != rule.payee_kind:
        raise Refused("payee_kind_differs")
    if not is_within_cap(line, rule, share.amount_fen, sum_fen):
        raise Refused("split_above_cap")


def finish_order(view: View, operation: FinishOrder, context: Context) -> Changes:
    """What came back to lines that were split stays the patient's."""
    step = keyspace.order_step(context.organisation, operation.order, "finished")
    refuse_repeated(view, step, context, "order_finished")
    verify_signer(view, context)
    order = paid_order(view, context, operation.order)
    books = Books(view, context)
    former = order_split_of(view, books, context.organisation, operation.order)
    rest_fen = order.free_fen - order.back_fen
    if rest_fen:
        if organisation(view, context.organisation).kind != HOSPITAL:
            raise Refused("rest_not_yours")
        source = money_places.collected(books, context.organisation)
        into = money_places.own(books, context.organisation)
        books.post(source, into, rest_fen, "rest", operation.order)
        money_places.note_closing(view, books, context, context.organisation)
        books.changes[keyspace.order_split(context.organisation, operation.order)] = replace(former, rest_fen=rest_fen)
    key = keyspace.order(context.organisation, operation.order)
    return books.changes | {
        key: replace(order, finished=True, free_fen=order.free_fen - rest_fen),
        step: FinishedBody(rest_fen),
    }


def paid_order(view: View, context: Context, name: bytes) -> OrderBody:
    """Raises Refused `order_unknown`, `order_open`, `order_closed`."""
    order = order_of(view, context.organisation, name)
    if order.state != ORDER_PAID:
        raise Refused("order_closed" if order.state == ORDER_CLOSED else "order_open")
    return order


def lines_of(view: View, organisation_name: str, order: OrderBody) -> dict[str, int]:
    """What its notices ask for, by kind of charge."""
    asked: dict[str, int] = {}
    for name in order.notices:
        for line in notice_of(view, organisation_name, name).lines:
            asked[line.kind] = asked.get(line.kind, 0) + line.amount_fen
    return asked
