"""Bank cards: UnionPay's payment page, to which the payer's own browser posts a form that we signed (`frontTransReq.do`).

Nothing is asked here: until the form is posted UnionPay knows no such order. The terminal at the counter speaks ISO 8583 to its
acquirer, in a way of each acquirer's own, and is not spoken to here.
Source: UnionPay open platform, online gateway payment, `bizType` 000201, version 5.1.0. Never run against it.
"""

from __future__ import annotations

from html import escape

from node.channels.channel import FORM, Invitation, PaymentRequest
from node.channels.unionpay import UnionPay


class Card(UnionPay):
    name = "card"
    business, terminal = "000201", "07"

    async def pay(self, request: PaymentRequest) -> Invitation:
        fields = "".join(
            f'<input type="hidden" name="{escape(name)}" value="{escape(value)}">'
            for name, value in sorted(self.order(request, "01").items())
        )
        page = (
            '<!doctype html><meta charset="utf-8"><form method="post" accept-charset="utf-8" '
            f'action="{escape(self.gateway)}/frontTransReq.do">{fields}<button>银行卡支付</button></form>'
        )
        return Invitation(FORM, page)
