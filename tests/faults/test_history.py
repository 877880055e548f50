"""The judge of histories finds each error that is planted in one that holds."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from tests.faults.history import Call, Verdict, verify_history

BILL, RED = "000001010000000001", "000002010000000001"
Blocks = list[dict[str, Any]]
Plant = Callable[[list[Call], Blocks], None]


def block(height: int, *entries: tuple[str, str, dict[str, Any]]) -> dict[str, Any]:
    """One of a page, with operations (digest, type, content) of one hospital."""
    return {
        "height": height,
        "digest": f"block {height}",
        "header": {"parent": f"block {height - 1}"},
        "time_ms": height * 1_000,
        "signed_by": ["a", "b", "c"],
        "body": [
            {
                "organisation": "hospital-a",
                "operations": [
                    {"operation": digest, "type": kind, "content": content, "code": "recorded"}
                    for digest, kind, content in entries
                ],
            }
        ],
    }


def lease(code: str, first: int) -> dict[str, Any]:
    return {"first": first, "count": 10, "range": {"code": code}, "place": "A01"}


def issue(bill: str, business: str) -> dict[str, Any]:
    return {"bill": bill, "place": "A01", "business_mac": business, "total_fen": 500}


@pytest.fixture
def history() -> tuple[list[Call], Blocks]:
    """Two leases, a bill that was waited for, its reversal that was queued, and a call that nobody answered."""
    reversal = {"bill": RED, "place": "A01", "original": BILL, "total_fen": -500}
    blocks = [
        block(1, ("l1", "TakeLease", lease(BILL[:8], 1)), ("l2", "TakeLease", lease(RED[:8], 1))),
        block(2, ("i1", "IssueBill", issue(BILL, "m1"))),
        block(3, ("r1", "ReverseBill", reversal)),
    ]
    calls = [
        Call("hospital-a", "IssueBill", "1", 500, 1_500, 1, 2_100, "i1", BILL, 2),
        Call("hospital-a", "ReverseBill", "red", -500, 2_200, 2, 2_300, "r1", RED, 0),
        Call("hospital-a", "IssueBill", "2", 500, 2_400, 2),
    ]
    return calls, blocks


def test_a_history_that_holds_is_counted(history: tuple[list[Call], Blocks]) -> None:
    calls, blocks = history
    assert verify_history(calls, blocks) == Verdict(blocks=3, acknowledged=2, unknown=1, unknown_in=0)


def test_what_nobody_answered_may_have_taken_effect(history: tuple[list[Call], Blocks]) -> None:
    calls, blocks = history
    blocks.append(block(4, ("i2", "IssueBill", issue("000001010000000002", "m2"))))
    assert verify_history(calls, blocks).unknown_in == 1


def operations(blocks: Blocks, height: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = blocks[height - 1]["body"][0]["operations"]
    return found


def a_lost_one(calls: list[Call], blocks: Blocks) -> None:
    operations(blocks, 2).clear()
    operations(blocks, 3).clear()


def a_refused_one(calls: list[Call], blocks: Blocks) -> None:
    operations(blocks, 3)[0]["code"] = "already_reversed"


def one_twice(calls: list[Call], blocks: Blocks) -> None:
    operations(blocks, 3).append(copy.deepcopy(operations(blocks, 2)[0]))


def a_second_bill_of_one_business(calls: list[Call], blocks: Blocks) -> None:
    operations(blocks, 3).append(
        {**operations(blocks, 2)[0], "operation": "i2", "content": issue("000001010000000002", "m1")}
    )


def a_number_twice(calls: list[Call], blocks: Blocks) -> None:
    operations(blocks, 3).append({**operations(blocks, 2)[0], "operation": "i2", "content": issue(BILL, "m2")})


def a_number_outside_leases(calls: list[Call], blocks: Blocks) -> None:
    operations(blocks, 3).append(
        {**operations(blocks, 2)[0], "operation": "i2", "content": issue("000001010000000099", "m2")}
    )


def leases_that_overlap(calls: list[Call], blocks: Blocks) -> None:
    operations(blocks, 2).append({**operations(blocks, 1)[0], "operation": "l3", "content": lease(BILL[:8], 10)})


def a_reversal_twice(calls: list[Call], blocks: Blocks) -> None:
    content = {**operations(blocks, 3)[0]["content"], "bill": "000002010000000002"}
    operations(blocks, 3).append({**operations(blocks, 3)[0], "operation": "r2", "content": content})


def another_sum_reversed(calls: list[Call], blocks: Blocks) -> None:
    operations(blocks, 3)[0]["content"]["total_fen"] = -499


def another_sum_than_called_for(calls: list[Call], blocks: Blocks) -> None:
    calls[0].total_fen = 501


def two_calls_with_one_operation(calls: list[Call], blocks: Blocks) -> None:
    calls.append(copy.copy(calls[0]))


def what_nobody_asked_for(calls: list[Call], blocks: Blocks) -> None:
    del calls[2]
    operations(blocks, 3).append(
        {**operations(blocks, 2)[0], "operation": "i2", "content": issue("000001010000000002", "m2")}
    )


def final_before_the_call(calls: list[Call], blocks: Blocks) -> None:
    calls[0].called_height = 2


def a_block_older_than_the_call(calls: list[Call], blocks: Blocks) -> None:
    calls[0].called_ms = 2_001


def acknowledged_before_its_block(calls: list[Call], blocks: Blocks) -> None:
    calls[0].returned_ms = 1_999


def told_another_block(calls: list[Call], blocks: Blocks) -> None:
    calls[0].height = 3


def a_gap(calls: list[Call], blocks: Blocks) -> None:
    del blocks[0]


def another_parent(calls: list[Call], blocks: Blocks) -> None:
    blocks[1]["header"]["parent"] = "another"


def time_that_stands(calls: list[Call], blocks: Blocks) -> None:
    blocks[2]["time_ms"] = blocks[1]["time_ms"]


def one_signer_too_few(calls: list[Call], blocks: Blocks) -> None:
    blocks[1]["signed_by"] = ["a", "b", "b"]


@pytest.mark.parametrize(
    ("plant", "said"),
    [
        (a_lost_one, "lost"),
        (a_refused_one, "lost"),
        (one_twice, "took effect twice"),
        (a_second_bill_of_one_business, "a second bill for one business"),
        (a_number_twice, "serves two bills"),
        (a_number_outside_leases, "lies in no lease"),
        (leases_that_overlap, "leased twice"),
        (a_reversal_twice, "is reversed twice"),
        (another_sum_reversed, "reverses another sum"),
        (another_sum_than_called_for, "became"),
        (two_calls_with_one_operation, "promised one operation"),
        (what_nobody_asked_for, "nobody asked for"),
        (final_before_the_call, "final before the call"),
        (a_block_older_than_the_call, "older than the call"),
        (acknowledged_before_its_block, "acknowledged before its block"),
        (told_another_block, "told another block"),
        (a_gap, "block 2 after 0"),
        (another_parent, "follows another one"),
        (time_that_stands, "its time does not grow"),
        (one_signer_too_few, "is signed by"),
    ],
)
def test_a_planted_error_is_found(history: tuple[list[Call], Blocks], plant: Plant, said: str) -> None:
    calls, blocks = history
    plant(calls, blocks)
    with pytest.raises(AssertionError, match=said):
        verify_history(calls, blocks)
