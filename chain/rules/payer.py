"""Who pays a bill whose payer was unknown when it was issued: an emergency's patient. Bound once, on record.

Whether the payer was unknown is a private detail: the gateway looks before it signs, and the office shows no payer that
was bound to a bill which had one. Codes in their order of precedence:
already_recorded, payer_already_bound, wrong_key, bill_unknown, not_issuer, bill_not_normal.
"""

from __future__ import annotations

from chain import keyspace
from chain.operation import BindPayer
from chain.records import NORMAL, PayerBody
from chain.rules.context import Changes, Context, Refused, View, refuse_repeated
from chain.rules.lives import own_bill


def bind_payer(view: View, operation: BindPayer, context: Context) -> Changes:
    """The first one stands for ever; whoever was bound by mistake is put right by a correction of the bill."""
    own = keyspace.payer(operation.bill)
    refuse_repeated(view, own, context, "payer_already_bound")
    body = own_bill(view, operation.bill, context)
    if body.validity != NORMAL:
        raise Refused("bill_not_normal")
    return {own: PayerBody(operation.payer_root, context.height)}
