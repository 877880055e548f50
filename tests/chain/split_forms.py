"""What `tests/vectors/splits.py` is in bytes, as plain lists: expected values of `test_vectors.py`, which pack with another library."""

from __future__ import annotations

from typing import Any


def b(number: int) -> bytes:
    return bytes([number]) * 32


TILL, OWN = ["hospital-a", b(65)], ["platform-a", b(64)]
LINES: list[Any] = [
    ["consultation", 100, [["doctor", 3, 0, 0, 100], ["platform", 1, 30, 0, 30]]],
    ["drug", 1000, [["platform", 2, 0, 60, 20], ["supplier", 3, 0, 0, 1000]]],
]
SHARES = [["drug", 0, b(61), 60, ""], ["drug", 1, b(66), 26370, "26112000000012345678"]]

OPERATIONS: dict[str, list[Any]] = {
    "bind_payee": [1200, b(61), "doctor", [TILL], b(67)],
    "bind_payee_that_is_kept": [1200, b(61), "courier", [], b(67)],
    "suspend_payee": [1201, b(61), "licence_ended", 2],
    "resume_payee": [1202, b(61), 3],
    "publish_split_rules": [1210, "visit", 2, LINES, 30000, 15552000000],
    "split_order": [1220, b(62), b(60), "visit", 2, SHARES],
    "finish_order": [1221, b(60)],
    "take_back_share": [1230, b(63), b(62), 1, 4200],
    "return_to_order": [1231, b(63), b(60), OWN, 300],
    "pay_owed": [1232, b(68), "platform-a", b(61), TILL, 250],
    "pay_out": [1240, b(69), b(61), 4200, b(70)],
    "supervise_money": [1250, "bank-a", 0],
    "attest_balance": [1251, "platform-a", 20260601, 33630, b(71)],
}
BODIES: dict[str, list[Any]] = {
    "payee": ["doctor", TILL, b(67), 2, "licence_ended", 3, [[b(60), 300]]],
    "split_rules": [LINES, 30000, 15552000000],
    "split": [b(60), "visit", 2, SHARES, [0, 4200], 1780286400000],
    "order_split": [["consultation", "drug"], 500, 300, 50, [b(62)]],
    "finished": [500],
    "taken_back": [b(62), 1, 4200, 300, 1780286400000],
    "returned": [b(60), OWN, 300, 50, 1780286400000],
    "owed_paid": [b(61), TILL, 250, 1780286400000],
    "payout": [b(61), 4200, b(70), 1780286400000],
    "custody": ["bank-a", 1, [[20260601, 33630], [20260603, 0]]],
    "attested": ["bank-a", 33629, 33630, b(71)],
}
KEYS: dict[str, str] = {
    "payee": "payee/platform-a/" + "3d" * 32,
    "split_rules": "splitrules/platform-a/visit/000002",
    "split": "split/platform-a/" + "3e" * 32,
    "order_split": "ordersplit/platform-a/" + "3c" * 32,
    "finished": "order/platform-a/" + "3c" * 32 + "/finished",
    "taken_back": "takenback/platform-a/" + "3f" * 32,
    "returned": "returned/platform-a/" + "3f" * 32,
    "owed_paid": "owedpaid/hospital-a/" + "44" * 32,
    "payout": "payout/platform-a/" + "45" * 32,
    "custody": "custody/platform-a",
    "attested": "attested/platform-a/20260601",
}
