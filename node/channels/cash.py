"""Cash at the counter: the counter's word is all there is, and the cashier's day list is the statement.

`pay` is called when the money lies in the drawer; `details` has `cashier`, the desk's number (never a person's name). What the
drawer really holds is counted by people at the end of the day, against this list.
"""

from __future__ import annotations

from node.channels.own_money import OwnMoney


class Cash(OwnMoney):
    name = "cash"
    who = "cashier"
