"""Operations of the ledger in the words of the model."""

from __future__ import annotations

from chain.operation import (
    AccountRef,
    CaptureHold,
    CloseAccount,
    HoldMoney,
    OpenAccount,
    Operation,
    ReleaseHold,
    Transfer,
)
from tests.money.model import Account, Capture, Close, Hold, Move, Open, Release, Step


def step_of(organisation: str, operation: Operation) -> Step | None:
    """None for an operation that moves no money."""
    match operation:
        case OpenAccount():
            return Open((organisation, operation.account), operation.limit, operation.takes_from_others)
        case CloseAccount():
            return Close((organisation, operation.account))
        case Transfer():
            back = [(ref.organisation, ref.transfer) for ref in operation.corrects]
            return Move(
                (organisation, operation.transfer),
                account_of(operation.debit),
                account_of(operation.credit),
                operation.amount_fen,
                back[0] if back else None,
            )
        case HoldMoney():
            return Hold(
                (organisation, operation.hold),
                account_of(operation.debit),
                account_of(operation.credit),
                operation.amount_fen,
                operation.until_ms,
            )
        case CaptureHold():
            return Capture((organisation, operation.hold), (organisation, operation.transfer), operation.amount_fen)
        case ReleaseHold():
            return Release((organisation, operation.hold))
        case _:
            return None


def account_of(ref: AccountRef) -> Account:
    return ref.owner, ref.account


def ref_of(account: Account) -> AccountRef:
    return AccountRef(*account)
