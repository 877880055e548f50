"""The patient's deposit at the hospital: an account of our own ledger, so nobody outside is asked.

`pay` is called when the transfer from the deposit account is final; `details` has `transfer_id`, its number on the ledger, which
becomes the trade number. Whether the account held enough is the ledger's rule (`chain/rules/accounts.py`), not this file's.
"""

from __future__ import annotations

from node.channels.channel import PaymentRequest
from node.channels.own_money import OwnMoney


class Deposit(OwnMoney):
    name = "deposit"
    who = "transfer_id"

    def _trade_no(self, request: PaymentRequest) -> str:
        return request.details[self.who]
