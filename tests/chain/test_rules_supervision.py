"""The bank that keeps an organisation's money: it signs for each day that is over, and a difference stays on record."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from chain import keyspace
from chain.operation import AttestBalance, SuperviseMoney, SuspendOrganisation
from chain.records import AttestedBody, Closing, CustodyBody
from chain.rules.money_places import CLOSINGS_MAX
from chain.rules.supervision import difference_fen
from tests.chain.making import TODAY, Chain, at, genesis_with, key_of, mac
from tests.chain.paying import DAY_MS, HOSPITAL, give_back
from tests.chain.splitting import BANK, PLATFORM, SHARES, Splitting, pay_out, split, take_back


@pytest.fixture
def story() -> Splitting:
    return Splitting()


def attest(balance_fen: int, day: int = TODAY, organisation: str = PLATFORM) -> AttestBalance:
    return AttestBalance(organisation, day, balance_fen, mac(f"statement of {day}"))


def custody(story: Splitting) -> CustodyBody:
    found: CustodyBody = story.chain.body(keyspace.custody(PLATFORM), CustodyBody)
    return found


def attested(story: Splitting, day: int = TODAY) -> AttestedBody:
    found: AttestedBody = story.chain.body(keyspace.attested(PLATFORM, day), AttestedBody)
    return found


def test_supervision_begins_with_what_lies_there(story: Splitting) -> None:
    story.paid("o", by=PLATFORM, consultation=6_000)
    assert story.refuse(SuperviseMoney(HOSPITAL, 1)) == "custody_moved"
    for nobody in (HOSPITAL, "nobody"):
        assert story.refuse(SuperviseMoney(nobody, 0)) == "bank_not_entitled"
    assert story.refuse(SuperviseMoney(BANK, 0), "finance-city", key=key_of("finance-city/seal")) == "wrong_key"
    story.do(SuperviseMoney(BANK, 0))
    assert custody(story) == CustodyBody(BANK, 1, [Closing(TODAY, 6_000)])
    assert story.refuse(SuperviseMoney(BANK, 0)) == "custody_moved"
    story.do(SuperviseMoney(BANK, 1))


def test_each_day_ends_with_what_lies_there_then(story: Splitting) -> None:
    """Payment, split, return, refund: all of them move it. A payout does not: that money was the payee's."""
    story.do(SuperviseMoney(BANK, 0))
    story.paid_order("o")
    assert custody(story).closings == [Closing(TODAY, 33_630)]
    story.do(split("s", "o", *SHARES[:2]))
    assert custody(story).closings == [Closing(TODAY, 27_630)]
    story.chain.time_ms = at("2026-06-03 23:59:59.000")
    story.do(take_back("b", "s", 0, 200))
    story.chain.time_ms = at("2026-06-04 00:00:00.000")
    story.do(give_back("r", "o paid", 200, "o"), pay_out("out", "doctor", 4_000))
    assert custody(story).closings == [Closing(TODAY, 27_630), Closing(20260603, 27_830), Closing(20260604, 27_630)]


def test_the_bank_attests_a_day_that_is_over_by_the_last_movement_before_its_end(story: Splitting) -> None:
    story.do(SuperviseMoney(BANK, 0))
    story.paid_order("o")
    assert story.code(attest(33_630), BANK) == "day_not_over"
    story.chain.time_ms = at("2026-06-02 00:00:00.000")
    operation = attest(33_630)
    story.done(operation, by=BANK)
    assert attested(story) == AttestedBody(BANK, 33_630, 33_630, mac(f"statement of {TODAY}"))
    assert difference_fen(attested(story)) == 0
    assert story.code(operation, BANK) == "already_recorded"
    assert story.code(attest(33_629), BANK) == "already_attested"
    story.wait(10 * DAY_MS)
    story.done(attest(33_630, 20260609), by=BANK)  # nothing moved since
    assert attested(story, 20260609).ledger_fen == 33_630


def test_who_is_supervised_cannot_take_a_day_from_its_bank_by_naming_it_again(story: Splitting) -> None:
    story.do(SuperviseMoney(BANK, 0))
    story.paid_order("o")
    story.wait(DAY_MS)
    story.do(SuperviseMoney(BANK, 1))
    assert custody(story).closings == [Closing(TODAY, 33_630), Closing(20260602, 33_630)]
    story.done(attest(33_629), by=BANK)
    assert difference_fen(attested(story)) == -1


def test_a_balance_that_is_a_fen_off_is_recorded_and_not_refused(story: Splitting) -> None:
    """Row 91: `supervised_balance_mismatch` for whoever reads it."""
    story.do(SuperviseMoney(BANK, 0))
    story.paid_order("o")
    story.wait(DAY_MS)
    story.done(attest(33_629), by=BANK)
    assert attested(story).ledger_fen == 33_630
    assert difference_fen(attested(story)) == -1


def test_codes_of_an_attestation_in_their_order(story: Splitting) -> None:
    story.done(SuspendOrganisation(HOSPITAL, "audit", 0, []), by="finance-city")
    assert story.code(attest(0, 20260631)) == "organisation_suspended"
    assert story.code(attest(0, 20260631), BANK) == "not_the_bank"  # nobody is yet
    story.do(SuperviseMoney(BANK, 0))
    assert story.refuse(attest(0, 20260631)) == "not_the_bank"
    assert story.code(attest(0, 20260631, "nobody"), BANK) == "not_the_bank"
    assert story.code(attest(0, 20260631), BANK) == "date_unknown"
    assert story.code(attest(0, 20260602), BANK) == "day_not_over"
    assert story.code(attest(0, TODAY), BANK) == "day_not_over"
    assert story.code(attest(0, 20260531), BANK) == "day_unknown"


def test_another_bank_takes_over_what_was_not_attested(story: Splitting) -> None:
    """Naming another one takes no day away: it is attested by the new one, or seen to be missing."""
    story.chain = Chain(genesis_with(platform_a="platform", bank_a="bank", bank_b="bank"))
    story.do(SuperviseMoney(BANK, 0))
    story.wait(DAY_MS)
    story.do(SuperviseMoney("bank-b", 1))
    assert custody(story) == CustodyBody("bank-b", 2, [Closing(TODAY, 0), Closing(20260602, 0)])
    story.wait(DAY_MS)
    assert story.code(attest(0, 20260602), BANK) == "not_the_bank"
    story.done(attest(0, TODAY), attest(0, 20260602), by="bank-b")


def test_the_newest_days_are_remembered(story: Splitting) -> None:
    story.do(SuperviseMoney(BANK, 0))
    for number in range(CLOSINGS_MAX):
        story.wait(DAY_MS)
        story.paid(f"o{number}", by=PLATFORM, delivery=100)
    closings = custody(story).closings
    assert (len(closings), closings[0].day, closings[-1].balance_fen) == (CLOSINGS_MAX, 20260602, 100 * CLOSINGS_MAX)
    story.wait(DAY_MS)
    assert story.code(attest(0, TODAY), BANK) == "day_unknown"
    story.done(attest(100, 20260602), by=BANK)
    assert replace(attested(story, 20260602), statement=mac("")) == AttestedBody(BANK, 100, 100, mac(""))
