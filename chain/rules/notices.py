"""Notices: what somebody owes an organisation, from its issue to the bill that answers it.

A notice is owed, then in an order, then settled; or it was withdrawn. A bill answers what was paid, so nothing is owed twice and
nothing is paid without a bill.
Codes in their order of precedence:
  IssueNotice     already_recorded, notice_exists, then the signer's, lines_malformed, amount_too_large
  WithdrawNotice  already_recorded, notice_withdrawn, then the signer's, notice_unknown, already_settled, notice_in_order
  AnswerNotices   already_recorded, already_answered, then the signer's, notices_malformed, bill_unknown, not_issuer,
                  bill_not_normal, then notice by notice notice_unknown, notice_unsettled, already_answered; bill_differs
Source: the flow notice, payment, bill of the Zhejiang platform; DOMAIN section 2.2.
"""

from __future__ import annotations

from msgspec.structs import replace

from chain import keyspace
from chain.operation import (
    AnswerNotices,
    IssueNotice,
    WithdrawNotice,
)
from chain.records import (
    IN_ORDER,
    NORMAL,
    NOT_OWED,
    OWED,
    SETTLED,
    AnsweredBody,
    BillBody,
    NoticeBody,
    ReasonBody,
)
from chain.rules.accounts import AMOUNT_FEN_MAX, verify_signer
from chain.rules.context import Changes, Context, Refused, View, refuse_repeated


def issue_notice(view: View, operation: IssueNotice, context: Context) -> Changes:
    key = keyspace.notice(context.organisation, operation.notice)
    refuse_repeated(view, key, context, "notice_exists")
    verify_signer(view, context)
    kinds = [line.kind for line in operation.lines]
    if kinds != sorted(set(kinds)) or any(line.amount_fen <= 0 for line in operation.lines):
        raise Refused("lines_malformed")
    total_fen = sum(line.amount_fen for line in operation.lines)
    if total_fen > AMOUNT_FEN_MAX:
        raise Refused("amount_too_large")
    return {
        key: NoticeBody(
            operation.kind,
            operation.holder,
            operation.lines,
            total_fen,
            operation.due_ms,
            operation.details_root,
            OWED,
            [],
            [],
            0,
        )
    }


def withdraw_notice(view: View, operation: WithdrawNotice, context: Context) -> Changes:
    end = keyspace.notice_end(context.organisation, operation.notice)
    refuse_repeated(view, end, context, "notice_withdrawn")
    verify_signer(view, context)
    notice = notice_of(view, context.organisation, operation.notice)
    verify_owed(notice)
    return {
        keyspace.notice(context.organisation, operation.notice): replace(notice, state=NOT_OWED),
        end: ReasonBody(operation.reason),
    }


def answer_notices(view: View, operation: AnswerNotices, context: Context) -> Changes:
    """Each notice has one bill, and a further one only after that was reversed and some of the money went back."""
    own = keyspace.answered(operation.bill)
    refuse_repeated(view, own, context, "already_answered")
    verify_signer(view, context)
    if operation.notices != sorted(set(operation.notices)):
        raise Refused("notices_malformed")
    bill = view.get(keyspace.bill(operation.bill), BillBody)
    if bill is None:
        raise Refused("bill_unknown")
    if bill.issuer != context.organisation:
        raise Refused("not_issuer")
    if bill.validity != NORMAL:
        raise Refused("bill_not_normal")
    changes: Changes = {own: AnsweredBody(operation.notices)}
    paid_fen = 0
    for name in operation.notices:
        notice = notice_of(view, context.organisation, name)
        if notice.state != SETTLED:
            raise Refused("notice_unsettled")
        if _is_answered(view, notice):
            raise Refused("already_answered")
        paid_fen += notice.total_fen - notice.refunded_fen
        changes[keyspace.notice(context.organisation, name)] = replace(notice, bill=[operation.bill])
    if paid_fen != bill.total_fen:
        raise Refused("bill_differs")
    return changes


def notice_of(view: View, organisation: str, name: bytes) -> NoticeBody:
    """Raises Refused `notice_unknown`."""
    notice = view.get(keyspace.notice(organisation, name), NoticeBody)
    if notice is None:
        raise Refused("notice_unknown")
    return notice


def verify_owed(notice: NoticeBody) -> None:
    if notice.state == SETTLED:
        raise Refused("already_settled")
    if notice.state == IN_ORDER:
        raise Refused("notice_in_order")
    if notice.state == NOT_OWED:
        raise Refused("notice_withdrawn")


def _is_answered(view: View, notice: NoticeBody) -> bool:
    """Its bill stands."""
    for name in notice.bill:
        bill = view.get(keyspace.bill(name), BillBody)
        if bill is not None and bill.validity == NORMAL:
            return True
    return False
