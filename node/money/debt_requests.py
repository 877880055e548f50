"""Wishes about debts that the hospital bears the risk of; forms and units as in `requests.py`."""

from __future__ import annotations

from typing import Annotated

import msgspec

from chain.operation import INSTALMENTS_MAX
from node.money.requests import Amount, Code, Number, Wish

Day = Annotated[str, msgspec.Meta(pattern=r"^\d{4}-\d{2}-\d{2}$")]


class RepaymentWish(Wish, frozen=True):
    """What a patient has paid of a debt, over any channel."""

    repayment_no: Number  # the hospital's own
    channel: Code
    amount_fen: Amount


class PaybackWish(Wish, frozen=True):
    """What a patient gets of what their line has too much, over any channel."""

    payback_no: Number  # the hospital's own
    channel: Code
    amount_fen: Amount


class StatementWish(Wish, frozen=True):
    """What is owed now, due after the product's days."""


class InstalmentWish(Wish, frozen=True):
    """So much by the end of a local day."""

    due: Day
    amount_fen: Amount


class InstalmentsWish(Wish, frozen=True):
    """Dates in the place of all before; together what is owed."""

    plan_no: Number
    instalments: Annotated[list[InstalmentWish], msgspec.Meta(min_length=1, max_length=INSTALMENTS_MAX)]
