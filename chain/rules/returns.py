"""Money comes back to an order after it was split or finished, so that the patient can be refunded.

Of a share no more is taken back than it gave. It is taken from the payee's account as far as that goes; what is not there any
more, and all of what lies with another organisation, whose account nobody else gives orders to, becomes the payee's named debt
(`payees.py`): nothing goes below zero. What an organisation's own money cannot give it cannot owe itself. The order gets what
was really there; the rest comes when the payee pays, or the organisation advances it from money of its own: a refund is never
more than what has come back (`exceeds_order` of RefundPayment). What came back is split no more and never goes to the signer; a refund
is first of it.
Codes in their order of precedence:
  TakeBackShare  already_recorded, back_exists, then the signer's, split_unknown, share_unknown, amount_not_positive,
                 exceeds_share, of the signer's own money exceeds_credits, too_many_debts
  ReturnToOrder  already_recorded, back_exists, then the signer's, order_unknown, order_open, order_closed, not_the_owner,
                 source_not_own, account_guarded, amount_not_positive, amount_too_large, exceeds_order, then the money's, the limits'
The signer's, the money's and the limits' codes stand in `accounts.py`.
Source: DOMAIN section 6 (return at most what the receiver got; a refund does not touch transfers, either may be first).
"""

from __future__ import annotations

from msgspec.structs import replace

from chain import keyspace
from chain.operation import ReturnToOrder, TakeBackShare
from chain.records import ReturnedBody, SplitBody, TakenBackBody
from chain.rules import money_places
from chain.rules.accounts import Books, room_fen, verify_free, verify_signer
from chain.rules.context import Changes, Context, Refused, View, refuse_repeated
from chain.rules.orders import order_of
from chain.rules.payees import came_back, order_split_of, owe, payee_of, verify_counter
from chain.rules.payments import verify_amount
from chain.rules.splits import paid_order


def take_back_share(view: View, operation: TakeBackShare, context: Context) -> Changes:
    own = keyspace.taken_back(context.organisation, operation.back)
    refuse_repeated(view, own, context, "back_exists")
    verify_signer(view, context)
    key = keyspace.split(context.organisation, operation.split)
    split = view.get(key, SplitBody)
    if split is None:
        raise Refused("split_unknown")
    if operation.share >= len(split.shares):
        raise Refused("share_unknown")
    if operation.amount_fen <= 0:
        raise Refused("amount_not_positive")
    share, taken_fen = split.shares[operation.share], [*split.taken_back_fen]
    taken_fen[operation.share] += operation.amount_fen
    if taken_fen[operation.share] > share.amount_fen:
        raise Refused("exceeds_share")
    books = Books(view, context)
    there_fen = _there_fen(view, books, context, share.payee, operation.amount_fen)
    if there_fen:
        payee = payee_of(view, books, context.organisation, share.payee)
        into = money_places.collected(books, context.organisation)
        books.post(payee.account, into, there_fen, "taken_back", split.order)
        order = order_of(view, context.organisation, split.order)
        books.changes[keyspace.order(context.organisation, split.order)] = came_back(order, there_fen)
        money_places.note_closing(view, books, context, context.organisation)
    owed_fen = operation.amount_fen - there_fen
    if owed_fen:
        owe(view, books, context, share.payee, split.order, owed_fen)
    return books.changes | {
        key: replace(split, taken_back_fen=taken_fen),
        own: TakenBackBody(operation.split, operation.share, operation.amount_fen, owed_fen, context.time_ms),
    }


def _there_fen(view: View, books: Books, context: Context, name: bytes, amount_fen: int) -> int:
    """So much of a sum the payee has still got where the signer may take it."""
    payee = payee_of(view, books, context.organisation, name)
    if payee.account == money_places.own(books, context.organisation):
        return amount_fen
    if payee.account.owner != context.organisation:
        return 0
    return min(amount_fen, room_fen(books.account(payee.account)))


def return_to_order(view: View, operation: ReturnToOrder, context: Context) -> Changes:
    """The rest first that the signer had of it, then what payees owe to it and nobody has advanced yet."""
    key = keyspace.returned(context.organisation, operation.back)
    refuse_repeated(view, key, context, "back_exists")
    verify_signer(view, context)
    order = paid_order(view, context, operation.order)
    if operation.source.owner != context.organisation:
        raise Refused("not_the_owner")
    books = Books(view, context)
    if operation.source != money_places.own(books, context.organisation):
        verify_counter(view, context)
        verify_free(view, operation.source)
    verify_amount(operation.amount_fen)
    split = order_split_of(view, books, context.organisation, operation.order)
    rest_fen = min(operation.amount_fen, split.rest_fen)
    advanced_fen = operation.amount_fen - rest_fen
    if advanced_fen > split.owed_fen - split.advanced_fen:
        raise Refused("exceeds_order")
    into = money_places.collected(books, context.organisation)
    books.post(operation.source, into, operation.amount_fen, "returned", operation.order)
    money_places.note_closing(view, books, context, context.organisation)
    return books.changes | {
        keyspace.order(context.organisation, operation.order): came_back(order, operation.amount_fen),
        keyspace.order_split(context.organisation, operation.order): replace(
            split, rest_fen=split.rest_fen - rest_fen, advanced_fen=split.advanced_fen + advanced_fen
        ),
        key: ReturnedBody(operation.order, operation.source, operation.amount_fen, advanced_fen, context.time_ms),
    }
