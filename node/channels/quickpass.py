"""QuickPass (云闪付): a QR code that the payer scans, by UnionPay's `backTransReq.do` with `txnType` 01 and `txnSubType` 07.

Source: UnionPay open platform, QR codes shown by the merchant, version 5.1.0 (`qrCode` in the answer). Never run against it.
"""

from __future__ import annotations

from node.channels.channel import QR_CODE, Invitation, PaymentRequest
from node.channels.errors import ChannelRefused, reading_answer
from node.channels.unionpay import DONE, UnionPay


class QuickPass(UnionPay):
    name = "quickpass"
    business, terminal = "000000", "08"

    async def pay(self, request: PaymentRequest) -> Invitation:
        fields = await self.ask("backTransReq.do", self.order(request, "07"))
        code = fields.text("respCode", "")
        if code not in DONE:
            raise ChannelRefused(self.name, code)
        with reading_answer():
            fields.same("orderId", request.order_no)
            return Invitation(QR_CODE, fields.text("qrCode"))
