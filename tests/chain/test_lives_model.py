"""Whole lives of bills over several organisations, against a model of a page (hypothesis state machine).

The model shares no code with the rules and no table with `moves.py`: it says for each step whether it is allowed, and why
not in its own words. What the ledger records must be allowed, and what it refuses must not be.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from chain import keyspace
from chain.operation import (
    AcknowledgeReversal,
    BindPayer,
    BookBill,
    DecideClaim,
    DeliverBill,
    DisputeBill,
    HoldBill,
    JoinSettlement,
    LockClaim,
    MakeUpPayment,
    Operation,
    PayClaim,
    PayFund,
    Payments,
    PrintPaper,
    ReleaseClaim,
    SettleDispute,
    TakeBackPaper,
    VoidBill,
    VoidBlanks,
    WithdrawSettlement,
)
from chain.records import PAYER, ClaimBody, ClaimsBody
from tests.chain.making import NOON_MS, Chain, bill_id, genesis_with, issue_bill, mac, reverse_bill

OWN = 50
HOSPITALS, INSURERS, EMPLOYERS = ("hospital-a", "hospital-b"), ("insurer-a", "insurer-b"), ("employer-a", "employer-b")
FIRST = {"hospital-a": 1, "hospital-b": 100_001}
bills = st.tuples(st.sampled_from(HOSPITALS), st.integers(0, 2))
papers = st.sampled_from(["P001", "P002", "P003", "P004"])
claim_names = st.sampled_from(["c1", "c2", "c3"])
settlement_names = st.sampled_from(["s1", "s2", "s3"])


@dataclass
class Bill:
    normal: bool = True
    void: bool = False
    delivered: set[str] = field(default_factory=set)
    held: bool = False
    was_held: bool = False
    copy: str = ""
    booked_by: str = ""
    acknowledged: bool = False
    issuer_booked: bool = False
    payer: str = ""
    disputes: int = 0
    disputed: bool = False


@dataclass
class Claim:
    bill: tuple[str, int]
    amount: int
    until_ms: int
    state: str = "locked"
    granted: int = 0


@dataclass
class Settlement:
    hospital: str
    bills: list[tuple[str, int]] = field(default_factory=list)
    paid: bool = False
    withdrawn: bool = False


class Lives(RuleBasedStateMachine):
    @initialize()
    def begin(self) -> None:
        """Each hospital has three sealed bills with an own part of 50."""
        kinds = {name.replace("-", "_"): name.partition("-")[0] for name in (*INSURERS, *EMPLOYERS)}
        self.chain = Chain(genesis_with(**kinds))
        self.bills: dict[tuple[str, int], Bill] = {}
        self.forms: set[tuple[str, str]] = set()
        self.ended: set[tuple[str, str]] = set()
        self.claims: dict[tuple[str, str], Claim] = {}
        self.settlements: dict[str, Settlement] = {}
        self.reds = dict.fromkeys(HOSPITALS, 0)
        for hospital in HOSPITALS:
            self.chain.lease(hospital)
            for number in range(3):
                self.bills[hospital, number] = Bill()
                assert self.chain.run(hospital, self.issue((hospital, number))) == ["recorded"]
        assert self.chain.run_seal(self.chain.seal(HOSPITALS)) == "recorded"

    def number(self, bill: tuple[str, int]) -> str:
        return bill_id(FIRST[bill[0]] + bill[1])

    def issue(self, bill: tuple[str, int]) -> Any:
        hospital, number = bill
        return issue_bill(
            f"B-{number}", serial=FIRST[hospital] + number, issuer=hospital, lease_first=FIRST[hospital],
            self_paid_fen=OWN, self_funded_fen=0,
        )  # fmt: skip

    def run(self, organisation: str, operation: Operation, allowed: bool) -> None:
        (code,) = self.chain.run(organisation, operation)
        assert (code == "recorded") == allowed, (organisation, operation, code)

    def counting(self, bill: tuple[str, int]) -> list[Claim]:
        now = self.chain.time_ms
        return [
            claim
            for claim in self.claims.values()
            if claim.bill == bill
            and (claim.state in ("granted", "paid") or (claim.state == "locked" and claim.until_ms > now))
        ]

    def may_leave(self, bill: tuple[str, int]) -> bool:
        one = self.bills[bill]
        return (
            one.normal
            and not one.void
            and not one.copy
            and not self.counting(bill)
            and (not one.booked_by or one.acknowledged)
        )

    @rule(bill=bills, by=st.sampled_from(HOSPITALS))
    def reverse(self, bill: tuple[str, int], by: str) -> None:
        serial = FIRST[by] + 100 + self.reds[by]
        red = reverse_bill(
            self.issue(bill), serial=serial, lease_first=FIRST[by], place="A01" if by == "hospital-a" else "B01"
        )
        allowed = by == bill[0] and self.may_leave(bill)
        self.run(by, red, allowed)
        if allowed:
            self.bills[bill].normal = False
            self.reds[by] += 1

    @rule(bill=bills)
    def void(self, bill: tuple[str, int]) -> None:
        allowed = self.may_leave(bill) and not self.bills[bill].delivered
        self.run(bill[0], VoidBill(self.number(bill), "mistyped"), allowed)
        self.bills[bill].void |= allowed

    @rule(bill=bills, channel=st.sampled_from(["sms", "mail"]))
    def deliver(self, bill: tuple[str, int], channel: str) -> None:
        one = self.bills[bill]
        allowed = not one.void and not one.held and channel not in one.delivered
        self.run(bill[0], DeliverBill(self.number(bill), channel, NOON_MS), allowed)
        if allowed:
            one.delivered.add(channel)

    @rule(bill=bills)
    def hold(self, bill: tuple[str, int]) -> None:
        one = self.bills[bill]
        allowed = one.normal and not one.void and not one.delivered and not one.was_held
        self.run(bill[0], HoldBill(self.number(bill), "fees_owed"), allowed)
        if allowed:
            one.held = one.was_held = True

    @rule(bill=bills)
    def make_up(self, bill: tuple[str, int]) -> None:
        one = self.bills[bill]
        self.run(bill[0], MakeUpPayment(self.number(bill)), one.held)
        one.held = False

    @rule(bill=bills, payer=st.sampled_from(["p1", "p2"]))
    def bind_payer(self, bill: tuple[str, int], payer: str) -> None:
        one = self.bills[bill]
        allowed = one.normal and not one.void and not one.payer
        self.run(bill[0], BindPayer(self.number(bill), mac(payer)), allowed)
        if allowed:
            one.payer = payer

    @rule(bill=bills, paper=papers)
    def print_paper(self, bill: tuple[str, int], paper: str) -> None:
        one = self.bills[bill]
        allowed = (bill[0], paper) not in self.forms and one.normal and not one.void and not one.held and not one.copy
        self.run(bill[0], PrintPaper(self.number(bill), paper), allowed)
        if allowed:
            one.copy = paper
            self.forms.add((bill[0], paper))

    @rule(bill=bills, paper=papers)
    def take_back(self, bill: tuple[str, int], paper: str) -> None:
        one = self.bills[bill]
        allowed = one.copy == paper and (bill[0], paper) not in self.ended
        self.run(bill[0], TakeBackPaper(self.number(bill), paper, "damaged"), allowed)
        if allowed:
            one.copy = ""
            self.ended.add((bill[0], paper))

    @rule(hospital=st.sampled_from(HOSPITALS), some=st.sets(papers, min_size=1, max_size=2))
    def void_blanks(self, hospital: str, some: set[str]) -> None:
        allowed = not any((hospital, paper) in self.forms for paper in some)
        self.run(hospital, VoidBlanks(sorted(some), "torn"), allowed)
        if allowed:
            self.forms |= {(hospital, paper) for paper in some}

    @rule(bill=bills, by=st.sampled_from(EMPLOYERS))
    def book(self, bill: tuple[str, int], by: str) -> None:
        one = self.bills[bill]
        allowed = one.normal and not one.void and not one.held and not one.booked_by
        self.run(by, BookBill(self.number(bill), PAYER, 10, mac(by)), allowed)
        if allowed:
            one.booked_by = by

    @rule(bill=bills, by=st.sampled_from(EMPLOYERS))
    def acknowledge(self, bill: tuple[str, int], by: str) -> None:
        one = self.bills[bill]
        allowed = one.booked_by == by and not one.acknowledged
        self.run(by, AcknowledgeReversal(self.number(bill)), allowed)
        one.acknowledged |= allowed

    @rule(
        bill=bills, by=st.sampled_from(INSURERS), name=claim_names, amount=st.integers(1, OWN + 1),
        for_ms=st.sampled_from([1_500, 3_600_000]),
    )  # fmt: skip
    def lock(self, bill: tuple[str, int], by: str, name: str, amount: int, for_ms: int) -> None:
        one, counting = self.bills[bill], self.counting(bill)
        left = OWN - sum(claim.granted for claim in counting)
        allowed = (
            (by, name) not in self.claims
            and one.normal
            and not one.void
            and not one.held
            and not one.disputed
            and not any(claim.state == "locked" for claim in counting)
            and amount <= left
        )
        until_ms = self.chain.time_ms + for_ms
        self.run(by, LockClaim(mac(by + name), self.number(bill), amount, until_ms), allowed)
        if allowed:
            self.claims[by, name] = Claim(bill, amount, until_ms)

    @rule(bill=bills, by=st.sampled_from(["issuer", "finance-city", "insurer-a"]))
    def dispute(self, bill: tuple[str, int], by: str) -> None:
        one = self.bills[bill]
        allowed = by != "insurer-a" and not one.void and not one.disputed
        operation = DisputeBill(self.number(bill), mac("me"), "not_me", one.disputes + 1)
        self.run(bill[0] if by == "issuer" else by, operation, allowed)
        if allowed:
            one.disputed = True
            one.disputes += 1

    @rule(bill=bills, by=st.sampled_from(["issuer", "finance-city"]))
    def settle(self, bill: tuple[str, int], by: str) -> None:
        one = self.bills[bill]
        allowed = by == "finance-city" and one.disputed
        operation = SettleDispute(self.number(bill), "dismissed", one.disputes)
        self.run(bill[0] if by == "issuer" else by, operation, allowed)
        if allowed:
            one.disputed = False

    @rule(by=st.sampled_from(INSURERS), name=claim_names, granted=st.integers(0, OWN))
    def decide(self, by: str, name: str, granted: int) -> None:
        claim = self.claims.get((by, name))
        allowed = (
            claim is not None
            and claim.state == "locked"
            and claim.until_ms > self.chain.time_ms
            and granted <= claim.amount
        )
        self.run(by, DecideClaim(mac(by + name), granted), allowed)
        if claim is not None and allowed:
            claim.state, claim.granted = ("granted" if granted else "rejected"), granted

    @rule(by=st.sampled_from(INSURERS), name=claim_names)
    def pay(self, by: str, name: str) -> None:
        claim = self.claims.get((by, name))
        allowed = claim is not None and claim.state == "granted"
        self.run(by, PayClaim(mac(by + name), mac("payment")), allowed)
        if claim is not None and allowed:
            claim.state = "paid"

    @rule(by=st.sampled_from(INSURERS), name=claim_names)
    def release(self, by: str, name: str) -> None:
        claim = self.claims.get((by, name))
        allowed = claim is not None and claim.state in ("locked", "granted", "paid")
        self.run(by, ReleaseClaim(mac(by + name), "withdrawn"), allowed)
        if claim is not None and allowed:
            claim.state, claim.granted = "released", 0

    @rule(bill=bills, name=settlement_names)
    def join(self, bill: tuple[str, int], name: str) -> None:
        one, known = self.bills[bill], self.settlements.get(name)
        is_free = not any(bill in other.bills for other in self.settlements.values() if not other.withdrawn)
        fits = known is None or (known.hospital == bill[0] and not known.withdrawn)
        allowed = one.normal and not one.void and is_free and fits
        self.run("insurance", JoinSettlement(mac(name), self.number(bill), Payments(1, 0, 0, 0)), allowed)
        if allowed:
            self.settlements.setdefault(name, Settlement(bill[0])).bills.append(bill)

    @rule(hospital=st.sampled_from(HOSPITALS), name=settlement_names)
    def pay_fund(self, hospital: str, name: str) -> None:
        known = self.settlements.get(name)
        allowed = known is None or (known.hospital == hospital and not known.paid and not known.withdrawn)
        self.run("insurance", PayFund(mac(name), hospital, 1, 20260601, mac("payment")), allowed)
        if allowed:
            self.settlements.setdefault(name, Settlement(hospital)).paid = True

    @rule(name=settlement_names)
    def withdraw(self, name: str) -> None:
        known = self.settlements.get(name)
        allowed = known is not None and not known.withdrawn
        self.run("insurance", WithdrawSettlement(mac(name), "mistyped"), allowed)
        if known is not None and allowed:
            known.withdrawn = True

    @invariant()
    def never_more_than_the_own_part(self) -> None:
        """Told by the ledger's own records."""
        state = self.chain.ledger.state
        for bill in self.bills:
            listed = state.get(keyspace.claims(self.number(bill)), ClaimsBody)
            found = (
                [state.get(keyspace.claim(ref.insurer, ref.claim), ClaimBody) for ref in listed.claims if listed]
                if listed
                else []
            )
            assert sum(claim.approved_fen for claim in found if claim) <= OWN


TestLives = Lives.TestCase
TestLives.settings = settings(max_examples=40, stateful_step_count=40, deadline=None)
