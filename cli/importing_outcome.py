"""What came of one bill of an imported file."""

from __future__ import annotations

import msgspec


class Outcome(msgspec.Struct, frozen=True):
    """As far as is known; a later one of the same bill takes its place."""

    status: str  # issued, same_bill, refused, not_sent
    bill_id: str = ""
    code: str = ""  # why it was refused
    detail: str = ""  # where; never a value


NOT_SENT = Outcome("not_sent")
