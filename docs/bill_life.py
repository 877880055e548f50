"""`docs/bill-life.md` and its picture from the table of moves: python -m docs.bill_life"""

from __future__ import annotations

from html import escape
from pathlib import Path

from chain.rules.moves import AXES, WAITS_FOR, Axis

FOLDER = Path(__file__).parent
PAGE, PICTURE = FOLDER / "bill-life.md", FOLDER / "bill-life.svg"

OPERATIONS = {  # (axis, move) -> the operation that makes it
    ("validity", "reverse"): "ReverseBill",
    ("validity", "void"): "VoidBill",
    ("seal", "withhold"): "SealBills, an exception",
    ("seal", "release"): "SealBills, released",
    ("circulation", "hold"): "HoldBill",
    ("circulation", "make_up"): "MakeUpPayment",
    ("circulation", "deliver"): "DeliverBill",
    ("paper", "print"): "PrintPaper",
    ("paper", "take_back"): "TakeBackPaper",
    ("accounting", "book"): "BookBill",
    ("accounting", "acknowledge"): "AcknowledgeReversal",
    ("claim", "lock"): "LockClaim",
    ("claim", "approve"): "DecideClaim",
    ("claim", "reject"): "DecideClaim of nothing",
    ("claim", "pay"): "PayClaim",
    ("claim", "release"): "ReleaseClaim",
    ("settlement", "join"): "JoinSettlement",
    ("settlement", "pay"): "PayFund",
    ("settlement", "withdraw"): "WithdrawSettlement",
    ("dispute", "dispute"): "DisputeBill",
    ("dispute", "settle"): "SettleDispute",
    ("grant", "give"): "GrantRead",
    ("grant", "revoke"): "RevokeGrant",
}

LEFT, BOX, GAP, BOX_HIGH, STEP = 130, 104, 62, 30, 17
INK, PALE, FORTH, BACK = "#24292f", "#f6f8fa", "#0969da", "#9a6700"


def page() -> str:
    parts = [
        "# A bill's life",
        "",
        "Made by `python -m docs.bill_life` from `chain/rules/moves.py`, which the rules themselves move along; a test compares. Each axis stands for",
        "itself, but for what a reversal or a withdrawal waits for. A move that is not allowed is refused with the code in its cell, and the code is an",
        "outcome that the ledger keeps.",
        "",
        "![the axes](bill-life.svg)",
    ]
    for name, axis in AXES.items():
        parts += ["", f"## {name}", "", _table(name, axis)]
    parts += [
        "",
        "## What a move of validity waits for",
        "",
        "In this order; the first that stands in the way gives its code.",
        "",
    ]
    parts += ["| Move | Axis | In state | Code |", "| --- | --- | --- | --- |"]
    for move, waits in WAITS_FOR.items():
        for axis_name, states, code in waits:
            names = ", ".join(AXES[axis_name].states[state] for state in states)
            parts.append(f"| {move} | {axis_name} | {names} | `{code}` |")
    parts += [
        "",
        "A claim's lock that ran out by block time counts as released, a grant as revoked. Of accounting it is the paying unit's side that is waited for; the issuer's own",
        "booking has the same states and stops nothing. A settlement of medical insurance stops nothing either: [settlements](settlements.md).",
        "While a dispute is open no claim is locked: `disputed`.",
        "",
    ]
    return "\n".join(parts)


def _table(name: str, axis: Axis) -> str:
    rows = [
        "| Move | by | " + " | ".join(axis.states.values()) + " |",
        "| --- | --- |" + " --- |" * len(axis.states),
    ]
    for move, table in axis.moves.items():
        cells = [
            f"`{after}`" if isinstance(after, str) else f"→ **{axis.states[after]}**"
            for after in (table[state] for state in axis.states)
        ]
        rows.append(f"| {move} | {OPERATIONS[name, move]} | " + " | ".join(cells) + " |")
    return "\n".join(rows)


def picture() -> str:
    """A row for each axis: states from left to right, moves forth above them and back below."""
    parts: list[str] = []
    y = 0
    for name, axis in AXES.items():
        arrows = [
            (states.index(before), states.index(after), move)
            for states in [list(axis.states)]
            for move, table in axis.moves.items()
            for before, after in table.items()
            if not isinstance(after, str) and after != before
        ]
        above = max([abs(to - since) for since, to, _move in arrows if to > since], default=0)
        below = max([abs(to - since) for since, to, _move in arrows if to < since], default=0)
        top = y + 26 + STEP * above
        parts += _row(name, axis, arrows, top)
        y = top + BOX_HIGH + STEP * below + 18
    wide = LEFT + max(len(axis.states) for axis in AXES.values()) * (BOX + GAP)
    body = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{wide}" height="{y + 10}" viewBox="0 0 {wide} {y + 10}" '
        f'font-family="sans-serif" font-size="13">\n<rect width="100%" height="100%" fill="#ffffff"/>\n'
        f'<defs><marker id="tip" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" markerHeight="7" orient="auto">'
        f'<path d="M0,0 L10,5 L0,10 z" fill="{INK}"/></marker></defs>\n{body}\n</svg>\n'
    )


def _row(name: str, axis: Axis, arrows: list[tuple[int, int, str]], top: int) -> list[str]:
    parts = [
        f'<text x="{LEFT - 20}" y="{top + 20}" text-anchor="end" font-weight="bold" fill="{INK}">{escape(name)}</text>'
    ]
    for place, state in enumerate(axis.states.values()):
        x = LEFT + place * (BOX + GAP)
        parts += [
            f'<rect x="{x}" y="{top}" width="{BOX}" height="{BOX_HIGH}" rx="6" fill="{PALE}" stroke="{INK}"/>',
            f'<text x="{x + BOX // 2}" y="{top + 20}" text-anchor="middle" fill="{INK}">{escape(state)}</text>',
        ]
    for since, to, move in arrows:
        parts += _arrow(since, to, move, top)
    return parts


def _arrow(since: int, to: int, move: str, top: int) -> list[str]:
    """Each leaves right of its box's middle when it goes forth, and comes in left of it."""
    forth = to > since
    lean = 14 + 6 * abs(to - since) if forth else -14 - 6 * abs(to - since)
    start = LEFT + since * (BOX + GAP) + BOX // 2 + lean
    end = LEFT + to * (BOX + GAP) + BOX // 2 - lean
    edge = top if forth else top + BOX_HIGH
    bend = edge - STEP * abs(to - since) - 4 if forth else edge + STEP * abs(to - since) + 4
    colour = FORTH if forth else BACK
    middle = (start + end) // 2
    return [
        f'<path d="M{start},{edge} C{start},{bend} {start},{bend} {middle},{bend} S{end},{bend} {end},{edge}" fill="none" '
        f'stroke="{colour}" stroke-width="1.4" marker-end="url(#tip)"/>',
        f'<text x="{middle}" y="{bend - 3 if forth else bend + 12}" text-anchor="middle" fill="{colour}" font-size="11">{escape(move)}</text>',
    ]


def main() -> None:
    PAGE.write_text(page(), "utf-8")
    PICTURE.write_text(picture(), "utf-8")


if __name__ == "__main__":
    main()
