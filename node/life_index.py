"""What happened to each bill after its issue, operation by operation, derived from final blocks.

It lies in the database of the details, beside the index of seals, and can be derived again: after a crash it is, from the
height that it has come to. Keys:  l/bill/height (12 digits)/place in the block (8 digits) -> digest of the operation
m/lives/2 -> height (8) · u/bill -> nothing: those with an open dispute
h/organisation/bill -> position: since when an insurer or a unit has it in hand, by its first claim or booking
e/height (12 digits) -> nothing: a block with more in it than new bills and seals, as nearly all of a ledger has
Not in it: issue, reversal and seals, which the bill's own record and the index of seals lead to.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from chain import keyspace
from chain.block import RECORDED
from chain.final_view import FinalView
from chain.ledger import Ledger
from chain.operation import (
    AcknowledgeReversal,
    BindHolder,
    BindPayer,
    BookBill,
    DecideClaim,
    DeliverBill,
    DisputeBill,
    GrantRead,
    HoldBill,
    JoinSettlement,
    LockClaim,
    MakeUpPayment,
    Operation,
    PayClaim,
    PayFund,
    PrintPaper,
    ReleaseClaim,
    RevokeGrant,
    SettleDispute,
    TakeBackPaper,
    VoidBill,
    WithdrawSettlement,
    operation_digest,
)
from chain.records import ClaimBody, GrantBody, SettlementBody
from chain.state import Store
from chain.transaction import Transaction
from node.ledger_events import PLAIN, Position, parse_position
from node.recorded_operations import block_at, codes_at

SAVE_BLOCKS = 256  # the height is written so many blocks apart: as many are looked at again after a crash
OPERATIONS_MAX = 10_000  # told of one bill
_INDEXED = b"m/lives/2"  # an earlier release had neither h nor b: without this they are derived anew

_OF_A_BILL = (
    VoidBill,
    DeliverBill,
    HoldBill,
    MakeUpPayment,
    BindPayer,
    PrintPaper,
    TakeBackPaper,
    BookBill,
    AcknowledgeReversal,
    JoinSettlement,
    LockClaim,
    BindHolder,
    DisputeBill,
    SettleDispute,
    GrantRead,
)
_OF_A_CLAIM = (DecideClaim, PayClaim, ReleaseClaim)
_OF_A_SETTLEMENT = (
    PayFund,
    WithdrawSettlement,
)  # not indexed: `bill_history.py` comes to them by way of the bill's own step
_STEPS = frozenset((*_OF_A_BILL, *_OF_A_CLAIM, RevokeGrant))


class LifeIndex:
    """Fed with final blocks in order, each once. Its writes are not flushed: what is lost is derived again."""

    def __init__(self, database: Store, ledger: Ledger) -> None:
        self._database, self._ledger = database, ledger
        value = database.get(_INDEXED)
        self.indexed = min(int.from_bytes(value, "big") if value else 0, ledger.head.height)
        self._saved = self.indexed
        self._eventful: list[int] = []  # blocks of b that are not written yet, at most SAVE_BLOCKS
        for height in range(self.indexed + 1, ledger.head.height + 1):
            _header, transactions = block_at(ledger, height)
            self._index(height, transactions, partial(codes_at, ledger, height))

    def on_final(self, view: FinalView) -> None:
        self._index(view.header.height, view.block.transactions, lambda: [outcome.code for outcome in view.outcomes])

    def _index(self, height: int, transactions: Sequence[Transaction], codes: Callable[[], list[str]]) -> None:
        """`codes` is asked for only where the block holds a step: in nearly all of an old ledger's it holds bills alone."""
        steps: list[tuple[int, Position, str, Operation]] = []
        number, is_plain = 0, True
        for place, transaction in enumerate(transactions):
            for index, entry in enumerate(transaction.entries):
                if type(entry.operation) not in PLAIN:
                    is_plain = False
                    if type(entry.operation) in _STEPS:
                        step = Position(height, place, index)
                        steps.append((number, step, transaction.organisation, entry.operation))
                number += 1
        became = codes() if steps else []
        puts: dict[bytes, bytes] = {}
        disputed: dict[bytes, bool] = {}  # whether after the block
        if not is_plain:
            self._eventful.append(height)
        for number, step, organisation, operation in steps:
            bill = self.bill_of(operation, organisation) if became[number] == RECORDED else ""
            if not bill:
                continue
            puts[f"l/{bill}/{height:012d}/{number:08d}".encode()] = operation_digest(operation)
            if isinstance(operation, DisputeBill | SettleDispute):
                disputed[f"u/{bill}".encode()] = isinstance(operation, DisputeBill)
            if isinstance(operation, LockClaim | BookBill):
                key = _hand_key(organisation, bill)
                if key not in puts and self._database.get(key) is None:
                    puts[key] = str(step).encode()
        self.indexed = height
        puts |= {key: b"" for key, is_open in disputed.items() if is_open}
        if puts or self.indexed >= self._saved + SAVE_BLOCKS:
            self._save(puts, [key for key, is_open in disputed.items() if not is_open])

    def bill_of(self, operation: Operation, organisation: str) -> str:
        """Which bill a step is about; empty if it is about none."""
        if isinstance(operation, _OF_A_BILL):
            return operation.bill
        if isinstance(operation, _OF_A_CLAIM):
            claim = self._ledger.state.get(keyspace.claim(organisation, operation.claim), ClaimBody)
            return claim.bill if claim else ""
        if isinstance(operation, _OF_A_SETTLEMENT):
            settlement = self._ledger.state.get(keyspace.settlement(organisation, operation.settlement), SettlementBody)
            return settlement.bills[0] if settlement and settlement.bills else ""  # all of them are one hospital's
        if isinstance(operation, RevokeGrant):
            grant = self._ledger.state.get(keyspace.grant(operation.granter, operation.grant), GrantBody)
            return grant.bill if grant else ""
        return ""

    def operations_of(self, bill: str) -> list[bytes]:
        """Digests of the steps that the ledger recorded, in their order."""
        return [value for _key, value in self._database.scan(f"l/{bill}/".encode(), limit=OPERATIONS_MAX)]

    def disputed(self, after: str, limit: int) -> list[str]:
        """Bills with an open dispute, by number from behind `after`; at most `limit`."""
        start = f"u/{after}\0".encode() if after else None
        return [key[2:].decode() for key, _nothing in self._database.scan(b"u/", start=start, limit=limit)]

    def in_hand_since(self, organisation: str, bill: str) -> Position | None:
        """The first claim or booking of an organisation on a bill; None if it never had one. Later ones change nothing,
        nor does a release: what was told once is told again to who reads from there."""
        value = self._database.get(_hand_key(organisation, bill))
        return None if value is None else parse_position(value.decode())

    def eventful_from(self, height: int, limit: int) -> list[int]:
        """The next blocks from `height` on that hold more than new bills and seals, ascending; at most `limit`."""
        stored = [int(key[2:]) for key in self._database.keys(b"e/", _block_key(height), limit)]
        return sorted({*stored, *(later for later in self._eventful if later >= height)})[:limit]

    def close(self) -> None:
        """Remember how far it came."""
        self._save({}, [])

    def _save(self, puts: dict[bytes, bytes], deletes: list[bytes]) -> None:
        puts |= {_block_key(height): b"" for height in self._eventful}
        puts[_INDEXED] = self.indexed.to_bytes(8, "big")
        self._database.write(puts, deletes, sync=False)
        self._eventful.clear()
        self._saved = self.indexed


def _hand_key(organisation: str, bill: str) -> bytes:
    return f"h/{organisation}/{bill}".encode()


def _block_key(height: int) -> bytes:
    return f"e/{height:012d}".encode()
