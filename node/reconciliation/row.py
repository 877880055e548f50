"""A row of the file beside a result: one difference, or one item in suspense."""

from __future__ import annotations

import msgspec

from chain.reconciliation_result import ShownRow
from node.reconciliation.item import Item

OURS, THEIRS = "ours", "theirs"


class Row(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """What stands beside it that is empty or 0 is left out of the file. Amounts are None where a side has nothing."""

    name: str  # the class
    kind: str  # payment, refund, bank
    order_no: str = ""
    refund_no: str = ""
    number: str = ""  # the channel's, of a bank's line the bank's
    ours_fen: int | None = None  # of our side: line, order, channel
    theirs_fen: int | None = None  # of the other: channel, bill, bank
    ours_state: str = ""
    theirs_state: str = ""
    time_ms: int = 0
    since: int = 0  # yyyymmdd: carried from that day
    order: str = ""  # names on the ledger
    notice: str = ""
    bill_id: str = ""
    gap_fen: int = 0  # how much more money theirs has than ours
    entry: str = ""
    entry_fen: int = 0
    side: str = ""  # of an item in suspense: whose it is,
    item: Item | None = None  # and all of it, for the next day

    def shown(self) -> ShownRow:
        ours = [] if self.ours_fen is None else [self.ours_fen]
        theirs = [] if self.theirs_fen is None else [self.theirs_fen]
        return ShownRow(
            self.name, self.kind, self.order_no, self.refund_no, self.number, ours, theirs, self.entry, self.entry_fen
        )
