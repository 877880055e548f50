"""Rows 88 to 91, 94: an order's money divided to the fen, over a network of real processes; the platform signs with its own key.

What waits for a day or for months (the window's end, a bank's word of a day that is over) is told with a set clock:
`tests/chain/test_rules_splits.py`, `test_rules_supervision.py`. The three models of row 93: `test_split_models.py`.
"""

from __future__ import annotations

import time
from typing import Any

import pytest
from msgspec.structs import replace

from chain.operation import (
    AccountRef,
    IssueNotice,
    LineRule,
    LineSum,
    OpenAccount,
    OrderPart,
    PlaceOrder,
    ResumePayee,
    SuspendPayee,
    TakePayment,
    Transfer,
)
from chain.records import UNLIMITED
from chain.rules import money_places
from chain.rules.accounts import Books
from tests.chain.making import issue_bill, mac
from tests.chain.splitting import (
    NOTHING,
    PLATFORM,
    SHARES,
    bind,
    own_of,
    part,
    pay_out,
    platform_rules,
    remainder,
    split,
    take_back,
)
from tests.features.acting import act, agreed
from tests.network.running import Network

pytestmark = pytest.mark.processes

DAY_MS = 86_400_000
WINDOW_S = 30  # from the payment on nothing is split for so long


def code(network: Network, operation: Any, by: str = PLATFORM) -> str:
    (found,) = act(network, by, operation)
    return found


def test_88_to_94_what_a_patient_paid_is_divided_among_who_shares_in_it(network: Network) -> None:
    """336.30: doctor 42.00, platform 18.00, supplier 264.30, courier 12.00; and everything that is none of it."""
    home = ("--home", str(network.home))
    request = network.json(
        "organisation", "init", PLATFORM, "--title", "互联网诊所", "--kind", "platform", "--region", "331000", *home
    )
    asked = network.json("organisation", "admit", request["request"], *home)
    assert agreed(network, asked, "archive")[1]["status"] == "recorded"
    now_ms = int(time.time() * 1000)
    lines = [LineSum("consultation", 6_000), LineSum("delivery", 1_200), LineSum("drug", 26_430)]
    operations = [
        IssueNotice(mac("n"), "medical", mac("patient"), lines, now_ms + DAY_MS, mac("details")),
        PlaceOrder(mac("o"), [mac("n")], [OrderPart("alipay", 33_630)], now_ms + 3_600_000),
        TakePayment(mac("p"), mac("o"), 0, 33_630, mac("evidence")),
        bind("doctor"),
        bind("supplier"),
        bind("courier"),
        bind("platform", account=own_of(PLATFORM)),
        platform_rules(),
        OpenAccount(mac("till"), "own", UNLIMITED, True),
    ]
    assert act(network, PLATFORM, *operations) == ["recorded"] * len(operations)
    paid_s = time.monotonic()
    assert code(network, split("early", "o")) == "split_too_early"

    forbidden = [LineRule("drug", 100, [part("doctor", 5, cap=5), remainder("supplier")])]
    assert code(network, platform_rules(2, lines=forbidden)) == "share_forbidden"  # 89: a commission on drugs
    collected = money_places.collected(Books(NOTHING, None), PLATFORM)  # type: ignore[arg-type]
    withdrawal = Transfer(mac("t"), collected, AccountRef(PLATFORM, mac("till")), 1, "mine", [], [])
    assert code(network, withdrawal) == "account_guarded"  # 91
    bill = issue_bill("B-1", issuer=PLATFORM)
    assert code(network, bill) == "issuer_not_entitled"  # 94

    time.sleep(max(0.0, paid_s + WINDOW_S + 2 - time.monotonic()))
    unbound = [SHARES[0], *SHARES[1:3], replace(SHARES[3], payee=mac("nobody"))]
    assert code(network, split("unbound", "o", *unbound)) == "payee_not_bound"  # 88
    assert code(network, SuspendPayee(mac("courier"), "licence_ended", 0)) == "recorded"
    assert code(network, split("halted", "o")) == "payee_suspended"
    assert code(network, ResumePayee(mac("courier"), 1)) == "recorded"
    more = [replace(SHARES[0], amount_fen=4_199), replace(SHARES[1], amount_fen=1_801), *SHARES[2:]]
    assert code(network, split("more", "o", *more)) == "split_above_cap"  # 89
    less = [replace(SHARES[0], amount_fen=4_201), replace(SHARES[1], amount_fen=1_799), *SHARES[2:]]
    assert code(network, split("less", "o", *less)) == "split_differs"
    assert code(network, split("s", "o")) == "recorded"
    assert code(network, split("s", "o", *SHARES[:3])) == "split_exists"
    assert code(network, split("again", "o")) == "line_split"
    for payee, amount_fen in (("doctor", 4_200), ("supplier", 26_430), ("courier", 1_200)):
        too_much = code(network, pay_out(f"{payee} too much", payee, amount_fen + 1))
        assert too_much in ("exceeds_credits", "exceeds_payee")

    assert code(network, take_back("b", "s", 0, 4_201)) == "exceeds_share"  # 90
    assert code(network, pay_out("doctor paid", "doctor", 4_000)) == "recorded"
    assert code(network, take_back("b", "s", 0, 1_000)) == "recorded"  # 200 are there: 800 are owed by name
    assert code(network, pay_out("doctor again", "doctor", 1)) != "recorded"
