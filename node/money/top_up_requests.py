"""What is asked to pay into a deposit over a channel; forms and units as in `requests.py`."""

from __future__ import annotations

from typing import Annotated

import msgspec

from node.money.requests import Amount, Code, Details, Number, Wish


class TopUpWish(Wish, frozen=True):
    """Whoever pays is to be shown what to open."""

    top_up_no: Number
    channel: Code
    amount_fen: Amount
    subject: Annotated[str, msgspec.Meta(min_length=1, max_length=40)] = (
        "预交金"  # the payer reads it: nothing about a patient
    )
    details: Details = msgspec.field(default_factory=dict)
