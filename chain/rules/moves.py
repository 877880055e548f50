"""A bill's life: on each axis its states, and what a move makes of them or why it is refused.

One table. Rules move along it, its codes are outcomes, `docs/bill-life.md` and the picture there are drawn from it. Axes are
independent but for the preconditions of `WAITS_FOR`, which are looked at in their order. Source: Zhejiang medical e-bill measure of 2019;
DA/T 95-2022 table B.10, `FinanceCheck`.
"""

from __future__ import annotations

import msgspec

from chain.records import (
    ACKNOWLEDGED,
    APPROVED,
    BOOKED,
    COVERED,
    DELIVERED,
    DISPUTE_SETTLED,
    DISPUTED,
    FUND_PAID,
    GRANTED,
    IN_ARREARS,
    IN_HOUSE,
    JOINED,
    LOCKED,
    NO_PAPER,
    NORMAL,
    NOT_BOOKED,
    NOT_CLAIMED,
    NOT_DISPUTED,
    NOT_GRANTED,
    NOT_SETTLED,
    PAID,
    PAPER_OUT,
    RED,
    REJECTED,
    RELEASED,
    REVERSED,
    REVOKED,
    VOID,
    WITHDRAWN,
    WITHHELD,
)
from chain.rules.context import Refused


class Axis(msgspec.Struct, frozen=True):
    """`states`: number -> name; the first one is where a bill begins. `moves`: name -> state -> state, or the code."""

    states: dict[int, str]
    moves: dict[str, dict[int, int | str]]


AXES: dict[str, Axis] = {
    "validity": Axis(
        {NORMAL: "normal", REVERSED: "reversed", RED: "red", VOID: "void"},
        {
            "reverse": {NORMAL: REVERSED, REVERSED: "already_reversed", RED: "bill_is_red", VOID: "bill_is_void"},
            "void": {NORMAL: VOID, REVERSED: "already_reversed", RED: "bill_is_red", VOID: "already_void"},
        },
    ),
    "seal": Axis(
        {COVERED: "covered", WITHHELD: "withheld"},
        {
            "withhold": {COVERED: WITHHELD, WITHHELD: "already_withheld"},
            "release": {WITHHELD: COVERED, COVERED: "not_withheld"},
        },
    ),
    "circulation": Axis(
        {IN_HOUSE: "in_house", IN_ARREARS: "in_arrears", DELIVERED: "delivered"},
        {
            "hold": {IN_HOUSE: IN_ARREARS, IN_ARREARS: "already_in_arrears", DELIVERED: "already_delivered"},
            "make_up": {IN_HOUSE: "not_in_arrears", IN_ARREARS: IN_HOUSE, DELIVERED: "not_in_arrears"},
            "deliver": {IN_HOUSE: DELIVERED, IN_ARREARS: "bill_in_arrears", DELIVERED: DELIVERED},
        },
    ),
    "paper": Axis(
        {NO_PAPER: "none", PAPER_OUT: "out"},
        {
            "print": {NO_PAPER: PAPER_OUT, PAPER_OUT: "paper_copy_exists"},
            "take_back": {NO_PAPER: "no_paper_copy", PAPER_OUT: NO_PAPER},
        },
    ),
    "accounting": Axis(  # of the paying unit; the issuer's own booking has the same states and stops nothing
        {NOT_BOOKED: "none", BOOKED: "booked", ACKNOWLEDGED: "acknowledged"},
        {
            "book": {NOT_BOOKED: BOOKED, BOOKED: "already_accounted", ACKNOWLEDGED: "already_accounted"},
            "acknowledge": {NOT_BOOKED: "not_accounted", BOOKED: ACKNOWLEDGED, ACKNOWLEDGED: "already_acknowledged"},
        },
    ),
    "claim": Axis(  # of one claim; a bill may see several, one locked at a time
        {
            NOT_CLAIMED: "none", LOCKED: "locked", REJECTED: "rejected", APPROVED: "approved", PAID: "paid",
            RELEASED: "released",
        },
        {
            "lock": {
                NOT_CLAIMED: LOCKED, LOCKED: "claim_exists", APPROVED: "claim_exists", REJECTED: "claim_exists",
                PAID: "claim_exists", RELEASED: "claim_exists",
            },
            "approve": {
                NOT_CLAIMED: "claim_unknown", LOCKED: APPROVED, APPROVED: "already_decided", REJECTED: "already_decided",
                PAID: "already_decided", RELEASED: "claim_released",
            },
            "reject": {
                NOT_CLAIMED: "claim_unknown", LOCKED: REJECTED, APPROVED: "already_decided", REJECTED: "already_decided",
                PAID: "already_decided", RELEASED: "claim_released",
            },
            "pay": {
                NOT_CLAIMED: "claim_unknown", LOCKED: "claim_undecided", APPROVED: PAID, REJECTED: "claim_rejected",
                PAID: "already_paid", RELEASED: "claim_released",
            },
            "release": {
                NOT_CLAIMED: "claim_unknown", LOCKED: RELEASED, APPROVED: RELEASED, REJECTED: "claim_rejected",
                PAID: RELEASED, RELEASED: "already_released",
            },
        },
    ),
    "settlement": Axis(  # of one settlement; a bill is of one that holds
        {NOT_SETTLED: "none", JOINED: "joined", FUND_PAID: "paid", WITHDRAWN: "withdrawn"},
        {
            "join": {
                NOT_SETTLED: JOINED, JOINED: JOINED, FUND_PAID: FUND_PAID, WITHDRAWN: "settlement_withdrawn",
            },
            "pay": {
                NOT_SETTLED: FUND_PAID, JOINED: FUND_PAID, FUND_PAID: "fund_already_paid", WITHDRAWN: "settlement_withdrawn",
            },
            "withdraw": {
                NOT_SETTLED: "settlement_unknown", JOINED: WITHDRAWN, FUND_PAID: WITHDRAWN, WITHDRAWN: "already_withdrawn",
            },
        },
    ),
    "dispute": Axis(
        {NOT_DISPUTED: "none", DISPUTED: "open", DISPUTE_SETTLED: "settled"},
        {
            "dispute": {NOT_DISPUTED: DISPUTED, DISPUTED: "already_disputed", DISPUTE_SETTLED: DISPUTED},
            "settle": {NOT_DISPUTED: "not_disputed", DISPUTED: DISPUTE_SETTLED, DISPUTE_SETTLED: "already_settled"},
        },
    ),
    "grant": Axis(  # of one grant; a bill may have several in force
        {NOT_GRANTED: "none", GRANTED: "granted", REVOKED: "revoked"},
        {
            "give": {NOT_GRANTED: GRANTED, GRANTED: "grant_exists", REVOKED: "grant_exists"},
            "revoke": {NOT_GRANTED: "grant_unknown", GRANTED: REVOKED, REVOKED: "already_revoked"},
        },
    ),
}  # fmt: skip

# move of validity -> (axis, states that stop it, code), in their order
WAITS_FOR: dict[str, list[tuple[str, tuple[int, ...], str]]] = {
    "reverse": [
        ("paper", (PAPER_OUT,), "paper_copy_outstanding"),
        ("claim", (LOCKED, APPROVED), "claim_open"),
        ("claim", (PAID,), "claim_paid"),
        ("accounting", (BOOKED,), "accounting_not_acknowledged"),
    ],
    "void": [
        ("circulation", (DELIVERED,), "delivered_use_reversal"),
        ("paper", (PAPER_OUT,), "paper_copy_outstanding"),
        ("claim", (LOCKED, APPROVED), "claim_open"),
        ("claim", (PAID,), "claim_paid"),
        ("accounting", (BOOKED,), "accounting_not_acknowledged"),
    ],
}


def moved(axis: str, move: str, state: int) -> int:
    """The state after a move. Raises Refused with the table's code."""
    after = AXES[axis].moves[move][state]
    if isinstance(after, str):
        raise Refused(after)
    return after


def begin(axis: str) -> int:
    """Where every bill begins."""
    return next(iter(AXES[axis].states))
