"""Random streams of operations against a model of a page: uniqueness, day books, ranges (RELIABILITY 2.3, I4 and I5).

The model shares no code with the rules: it is told what was recorded and keeps its own dictionaries. The rules' answer
is judged in both directions: what they record must be allowed, what they refuse must have a reason.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from chain.operation import IssueBill, Operation, Payments, ReportUnused, ReverseBill, TakeLease
from chain.transaction import Entry
from tests.chain.making import PLACES, Chain, bill_id, issue_bill, reverse_bill

HOSPITALS = ("hospital-a", "hospital-b")
BASE = {"hospital-a": 0, "hospital-b": 100_000}

steps = st.one_of(
    st.tuples(st.just("lease"), st.integers(1, 6), st.integers(0, 1)),
    st.tuples(st.just("issue"), st.integers(1, 14), st.integers(1, 6)),
    st.tuples(st.just("reverse"), st.integers(1, 14), st.integers(1, 14)),
    st.tuples(st.just("unused"), st.integers(1, 14), st.integers(0, 0)),
)
streams = st.lists(st.tuples(st.sampled_from(HOSPITALS), steps, st.booleans()), max_size=40)


class Model:
    """Hospitals with numbers 1 … 14 (plus their base) at their first place."""

    def __init__(self) -> None:
        self.next = dict.fromkeys(HOSPITALS, 1)
        self.lease_of: dict[tuple[str, int], int] = {}  # (hospital, serial) -> first of its lease
        self.used: dict[tuple[str, int], int] = {}  # -> amount, signed
        self.unused: set[tuple[str, int]] = set()
        self.business: set[tuple[str, int]] = set()
        self.reversed: set[tuple[str, int]] = set()
        self.books: dict[str, Counter[str]] = defaultdict(Counter)

    def allows(self, hospital: str, step: Any) -> bool:
        kind, first, second = step
        place = (hospital, first)
        if kind == "lease":
            return True
        free = place in self.lease_of and place not in self.used and place not in self.unused
        if kind == "issue":
            return free and (hospital, second) not in self.business
        if kind == "reverse":
            target = (hospital, second)
            return free and self.used.get(target, 0) > 0 and target not in self.reversed
        return free

    def take(self, hospital: str, step: Any) -> None:
        kind, first, second = step
        book = self.books[hospital]
        if kind == "lease":
            start = self.next[hospital]
            for serial in range(start, start + first):
                self.lease_of[hospital, serial] = start
            self.next[hospital] = start + first
        elif kind == "issue":
            amount = 100 + second
            self.used[hospital, first] = amount
            self.business.add((hospital, second))
            book.update(count=1, sum=amount)
        elif kind == "reverse":
            amount = self.used[hospital, second]
            self.used[hospital, first] = -amount
            self.reversed.add((hospital, second))
            book.update(red_count=1)
            book.subtract(red_sum=amount)
        else:
            self.unused.add((hospital, first))


def operation_of(model: Model, hospital: str, step: Any, chain: Chain) -> Operation:
    kind, first, second = step
    base = BASE[hospital]
    lease = base + model.lease_of.get((hospital, first), 1)
    place = PLACES[hospital][0]
    if kind == "lease":
        return TakeLease(chain.range_of(hospital), base + model.next[hospital], first, hospital, place)
    if kind == "issue":
        return issue_bill(
            f"B-{second}", serial=base + first, issuer=hospital, total_fen=100 + second, lease_first=lease
        )
    if kind == "unused":
        return ReportUnused(bill_id(base + first), lease, "lost")
    amount = abs(model.used.get((hospital, second), 1))
    original = issue_bill("B", serial=base + second, issuer=hospital, total_fen=amount, lease_first=lease)
    return reverse_bill(original, serial=base + first)


@settings(max_examples=60, deadline=None)
@given(streams)
def test_any_stream_records_what_the_model_allows_and_nothing_else(stream: Any) -> None:
    chain, model = Chain(), Model()
    recorded: list[Operation] = []
    for hospital, step, again in stream:
        operation = operation_of(model, hospital, step, chain)
        allowed = model.allows(hospital, step)
        (code,) = chain.run(hospital, operation)
        assert (code == "recorded") == allowed, (hospital, step, code)
        if allowed:
            model.take(hospital, step)
            recorded.append(operation)
            if again:
                assert chain.run(hospital, operation) == ["already_recorded"]

    bills = [operation.bill for operation in recorded if isinstance(operation, IssueBill | ReverseBill)]
    assert len(bills) == len(set(bills)) == len(model.used)
    for (hospital, serial), amount in model.used.items():
        assert chain.bill(bill_id(BASE[hospital] + serial)).total_fen == amount
    for hospital, book in model.books.items():
        if not +book and not -book:
            continue
        (totals,) = chain.day_book(hospital, PLACES[hospital][0]).kinds
        assert (totals.count, totals.sum_fen) == (book["count"], book["sum"])
        assert (totals.red_count, totals.red_sum_fen) == (book["red_count"], book["red_sum"])
        parts = totals.payments
        assert parts.insurance_fund_fen + parts.cash_fen == book["sum"] + book["red_sum"]


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.integers(1, 12), st.integers(1, 8)), min_size=1, max_size=25), st.data())
def test_one_transaction_or_many_give_the_same_bills(entries: Any, data: st.DataObject) -> None:
    """How operations are bundled changes which blocks there are, never what is recorded (chains apart)."""
    operations = [issue_bill(f"B-{business}", serial=serial) for _flag, serial, business in entries]
    one, many = Chain(), Chain()
    for chain in (one, many):
        chain.lease("hospital-a", 10)
    codes = one.run("hospital-a", *operations)
    assert codes == [many.run("hospital-a", operation)[0] for operation in operations]
    if "recorded" in codes:
        assert one.day_book() == many.day_book()
    assert sum(code == "recorded" for code in codes) == len(
        {serial for (_f, serial, _b), code in zip(entries, codes, strict=True) if code == "recorded"}
    )


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.integers(1, 12), st.integers(1, 8)), min_size=1, max_size=20))
def test_linked_chains_are_all_or_nothing_in_any_mixture(entries: Any) -> None:
    operations = [issue_bill(f"B-{business}", serial=serial) for _flag, serial, business in entries]
    flags = [flag for flag, *_rest in entries[:-1]] + [False]
    chain = Chain()
    chain.lease("hospital-a", 10)
    codes = chain.run(
        "hospital-a", entries=[Entry(flag, operation) for flag, operation in zip(flags, operations, strict=True)]
    )
    group: list[str] = []
    for flag, code in zip(flags, codes, strict=True):
        group.append(code)
        if not flag:
            culprits = [entry for entry in group if entry not in ("recorded", "linked_failed")]
            assert set(group) == {"recorded"} or (len(culprits) == 1 and "recorded" not in group)
            group = []
    count = codes.count("recorded")
    if count:
        assert chain.day_book().kinds[0].count == count
        assert chain.day_book().kinds[0].payments == Payments(6_172 * count, 0, 0, 6_173 * count)
