"""Splits: sums are worked out anew by the ledger, a line once, in its window, all or nothing; the rest is a hospital's alone."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from chain import keyspace
from chain.codec import decode, encode
from chain.errors import Malformed
from chain.operation import (
    CaptureHold,
    CloseAccount,
    CloseOrder,
    HoldMoney,
    LineRule,
    OpenAccount,
    OrderPart,
    PublishSplitRules,
    SplitOrder,
    SuspendOrganisation,
    SuspendPayee,
    Transfer,
)
from chain.records import UNLIMITED, FinishedBody, SplitBody, SplitRulesBody
from chain.rules import money_places
from chain.rules.accounts import Books
from tests.chain.making import issue_bill, key_of, mac
from tests.chain.paying import DAY_MS, HOSPITAL, give_back, take
from tests.chain.splitting import (
    CONSULTATION,
    DELIVERY,
    DRUG,
    LATER_MS,
    NOTHING,
    PLATFORM,
    SHARES,
    Splitting,
    finish,
    own_of,
    part,
    platform_rules,
    remainder,
    returned,
    share,
    split,
    take_back,
)

MINE = mac("platform's own till")


@pytest.fixture
def story() -> Splitting:
    return Splitting()


@pytest.fixture
def hospital() -> Splitting:
    return Splitting(HOSPITAL)


# ── rules ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_rules_come_in_versions_that_stay(story: Splitting) -> None:
    """Their content is told in `test_rules_division.py`; it comes after the version, and the window after it."""
    first = platform_rules()
    assert story.refuse(first) == "already_recorded"
    assert story.refuse(platform_rules(1, latest_ms=DAY_MS)) == "version_moved"
    assert story.refuse(platform_rules(3)) == "version_moved"
    assert story.refuse(platform_rules(0)) == "version_moved"
    malformed = platform_rules(2, lines=[*first.lines, first.lines[0]], earliest_ms=0)
    assert story.refuse(malformed, "finance-city", key=key_of("finance-city/seal")) == "wrong_key"
    assert story.refuse(replace(malformed, version=3)) == "version_moved"
    assert story.refuse(malformed) == "rules_malformed"
    forbidden = [LineRule("drug", 100, [remainder("doctor")])]
    assert story.refuse(platform_rules(2, lines=forbidden, earliest_ms=0)) == "share_forbidden"
    above = [LineRule("drug", 100, [part("platform", 31, cap=30), remainder("supplier")])]
    assert story.refuse(platform_rules(2, lines=above, earliest_ms=0)) == "split_above_cap"
    unknown = [LineRule("drug", 100, [remainder("friend")])]
    assert story.refuse(platform_rules(2, lines=unknown, earliest_ms=0)) == "payee_kind_unknown"
    story.do(platform_rules(2, lines=first.lines[:1]))
    stored = story.chain.body(keyspace.split_rules(PLATFORM, "visit", 1), SplitRulesBody)
    assert stored == SplitRulesBody(first.lines, 30_000, 180 * DAY_MS)


def test_a_window_is_within_30_seconds_and_180_days(story: Splitting) -> None:
    for earliest_ms, latest_ms in ((29_999, DAY_MS), (30_000, 180 * DAY_MS + 1), (DAY_MS, DAY_MS - 1)):
        wrong = platform_rules(2, earliest_ms=earliest_ms, latest_ms=latest_ms)
        assert story.refuse(wrong) == "window_malformed"
    story.do(platform_rules(2, earliest_ms=DAY_MS, latest_ms=DAY_MS))


# ── splits ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_336_30_is_42_for_the_doctor_18_for_the_platform_264_30_for_the_supplier_12_for_the_courier(
    story: Splitting,
) -> None:
    """Row 89; row 94: each share names the payee's own paper."""
    story.paid_order("o")
    assert (story.at("collected", PLATFORM), story.free("o")) == (33_630, (33_630, 0))
    operation, time_ms = split("s", "o"), story.chain.time_ms
    story.do(operation)
    assert [story.has(payee) for payee in ("doctor", "platform", "supplier", "courier")] == [
        4_200,
        1_800,
        26_430,
        1_200,
    ]
    assert (story.at("collected", PLATFORM), story.at("own", PLATFORM), story.free("o")) == (0, 1_800, (0, 0))
    assert story.split_body("s") == SplitBody(mac("o"), "visit", 1, list(SHARES), [0, 0, 0, 0], time_ms)
    assert story.split_body("s").shares[1].paper == "26112000000012345678"
    assert story.became("o").lines == ["consultation", "delivery", "drug"]
    assert story.refuse(operation) == "already_recorded"
    assert story.refuse(split("s", "o", *SHARES[:2])) == "split_exists"


def test_lines_are_split_one_after_the_other_each_once(story: Splitting) -> None:
    story.paid_order("o")
    story.do(split("s1", "o", *SHARES[:2]))
    assert story.refuse(split("s2", "o")) == "line_split"
    assert story.refuse(split("s2", "o", *SHARES[:2])) == "line_split"
    story.do(split("s2", "o", *SHARES[2:]))
    assert story.free("o") == (0, 0)
    story.paid_order("p")  # the next order has lines of its own
    story.do(split("s3", "p"))


def test_an_orders_lines_are_those_of_all_its_notices(story: Splitting) -> None:
    story.done(story.notice("n1", consultation=4_000, drug=26_430), by=PLATFORM)
    story.done(story.notice("n2", consultation=2_000, delivery=1_200), by=PLATFORM)
    story.do(story.order("o", "n1", "n2", alipay=33_630), take("p", "o", 0, 33_630))
    story.wait(LATER_MS)
    story.do(split("s", "o"))


def test_the_ledger_works_out_every_sum_anew(story: Splitting) -> None:
    """All or nothing: what is refused moves nothing."""
    story.paid_order("o")
    doctor, platform, courier, supplier = SHARES
    for wrong in (
        [replace(doctor, amount_fen=4_201), replace(platform, amount_fen=1_799), courier, supplier],
        [replace(doctor, amount_fen=4_200), replace(platform, amount_fen=1_799), courier, supplier],  # a fen is missing
        [doctor, platform, courier, replace(supplier, amount_fen=26_431)],  # a fen of nobody's
        [doctor, platform, replace(courier, amount_fen=1_199), replace(supplier, amount_fen=26_431)],
    ):
        assert story.refuse(split("s", "o", *wrong)) == "split_differs"
    assert story.refuse(split("s", "o", replace(doctor, amount_fen=4_199), replace(platform, amount_fen=1_801))) == (
        "split_above_cap"  # comes first: 30 % of 60.00 are 18.00
    )
    assert (story.at("collected", PLATFORM), story.has("doctor")) == (33_630, 0)
    story.do(split("s", "o"))


def test_a_doctors_share_of_a_drug_is_forbidden_whatever_the_rules_say_of_it(story: Splitting) -> None:
    """Row 89."""
    story.paid_order("o")
    assert story.refuse(split("s", "o", replace(SHARES[3], payee=mac("doctor")))) == "share_forbidden"


def test_a_split_to_who_is_not_bound_or_is_suspended_or_of_another_kind_is_refused(story: Splitting) -> None:
    """Row 88, in the order of the codes: the first share that is at fault tells."""
    story.paid_order("o")
    doctor, platform, courier, supplier = SHARES
    story.do(SuspendPayee(mac("doctor"), "licence_ended", 0))
    stranger = replace(courier, payee=mac("stranger"))
    assert story.refuse(split("s", "o", doctor, platform, stranger, supplier)) == "payee_suspended"
    assert story.refuse(split("s", "o", stranger, supplier)) == "payee_not_bound"
    drug_for_him = replace(supplier, payee=mac("doctor"))  # suspended, of another kind, and forbidden
    assert story.refuse(split("s", "o", drug_for_him)) == "share_forbidden"
    to_him = replace(courier, payee=mac("supplier"), amount_fen=1)
    assert story.refuse(split("s", "o", to_him, supplier)) == "payee_kind_differs"
    swapped = [replace(doctor, payee=mac("courier"), amount_fen=0), replace(platform, amount_fen=6_000)]
    assert story.refuse(split("s", "o", *swapped)) == "payee_kind_differs"
    story.do(split("s", "o", courier, supplier))


def test_an_order_is_split_when_it_is_paid_and_within_its_window(story: Splitting) -> None:
    assert story.refuse(split("s", "o", version=2)) == "order_unknown"
    story.do(story.notice("n", consultation=6_000), story.order("o", "n", alipay=5_000, cash=1_000))
    assert story.refuse(split("s", "o", *SHARES[:2], version=2)) == "order_open"
    story.do(CloseOrder(mac("o"), "gone"))
    assert story.refuse(split("s", "o", *SHARES[:2], version=2)) == "order_closed"
    story.paid("p", by=PLATFORM, consultation=6_000)
    paid_ms = story.order_body("p", PLATFORM).paid_ms
    lone = split("s", "p", *SHARES[:2])
    assert story.refuse(replace(lone, version=2)) == "rules_unknown"
    assert story.refuse(replace(lone, rules="others")) == "rules_unknown"
    story.chain.time_ms = paid_ms + 29_999
    assert story.refuse(lone) == "split_too_early"
    story.chain.time_ms = paid_ms + 180 * DAY_MS + 1
    assert story.refuse(replace(lone, shares=[share("water", 0, "doctor", 1)])) == "split_too_late"
    assert story.refuse(lone) == "split_too_late"


@pytest.mark.parametrize("after_ms", [30_000, 180 * DAY_MS])
def test_the_first_and_the_last_moment_of_a_window_are_in_it(story: Splitting, after_ms: int) -> None:
    story.paid("p", by=PLATFORM, consultation=6_000)
    story.chain.time_ms = story.order_body("p", PLATFORM).paid_ms + after_ms
    story.do(split("s", "p", *SHARES[:2]))


def test_shares_are_of_lines_that_are_there_by_rules_that_are_there(story: Splitting) -> None:
    story.paid_order("o", consultation=6_000, test=500)
    doctor, platform, courier, _ = SHARES
    assert story.refuse(split("s", "o", doctor, courier, platform)) == "line_not_in_order"
    assert story.refuse(split("s", "o", platform, share("test", 0, "stranger", 500))) == "line_without_rule"
    for wrong in (
        [platform, doctor],
        [doctor],
        [doctor, doctor, platform],
        [doctor, platform, share("consultation", 2, "courier", 0)],
        [replace(doctor, amount_fen=6_001), replace(platform, amount_fen=-1)],
        [replace(doctor, amount_fen=0), replace(platform, amount_fen=0, payee=mac("stranger"))],
    ):
        assert story.refuse(split("s", "o", *wrong)) == "shares_malformed"
    story.do(split("s", "o", doctor, platform))


def test_fixed_sums_that_a_line_does_not_hold_split_nothing(story: Splitting) -> None:
    fees = LineRule("drug", 100, [replace(part("platform", 0), way=2, amount_fen=500), remainder("supplier")])
    story.do(platform_rules(2, lines=[fees]))
    story.paid_order("o", drug=499)
    shares = [share("drug", 0, "platform", 499), share("drug", 1, "supplier", 0)]
    assert story.refuse(split("s", "o", *shares, version=2)) == "line_too_small"
    story.paid_order("p", drug=500)
    story.do(split("s", "p", share("drug", 0, "platform", 500), share("drug", 1, "supplier", 0), version=2))
    assert (story.has("platform"), story.has("supplier")) == (500, 0)  # a share of nothing moves nothing


def test_the_signers_standing_comes_before_all_of_it(story: Splitting) -> None:
    assert story.refuse(split("s", "o"), "finance-city", key=key_of("finance-city/seal")) == "wrong_key"
    assert story.refuse(finish("o"), "finance-city", key=key_of("finance-city/seal")) == "wrong_key"
    hospital = Splitting(HOSPITAL)
    hospital.paid_order("o", drug=100)
    hospital.done(SuspendOrganisation(HOSPITAL, "audit", 0, []), by="finance-city")
    for operation in (split("s", "none"), finish("none"), platform_rules(5)):
        assert hospital.refuse(operation) == "organisation_suspended"


# ── refunds before a split ───────────────────────────────────────────────────────────────────────────────────────────


def test_what_was_refunded_before_is_divided_no_more(story: Splitting) -> None:
    """100.00 of the drugs went back: 164.30 are left of that line, and the others are whole."""
    story.paid_order("o")
    story.do(give_back("r", "o paid", 10_000, "o"))
    doctor, platform, courier, supplier = SHARES
    assert story.refuse(split("s", "o")) == "exceeds_order"
    less = replace(supplier, amount_fen=16_430)
    assert story.refuse(split("s", "o", doctor, platform, courier, replace(supplier, amount_fen=16_429))) == (
        "split_differs"  # a fen would be nobody's
    )
    story.do(split("s", "o", doctor, platform, courier, less))
    assert (story.has("supplier"), story.free("o")) == (16_430, (0, 0))


def test_lines_are_short_of_no_more_than_the_orders_money_is(story: Splitting) -> None:
    story.paid_order("o")
    story.do(give_back("r", "o paid", 10_000, "o"))
    story.do(split("s1", "o", *SHARES[:2]), split("s2", "o", SHARES[2]))
    assert story.refuse(split("s3", "o", replace(SHARES[3], amount_fen=16_429))) == "split_differs"
    assert story.refuse(split("s3", "o", replace(SHARES[3], amount_fen=16_431))) == "exceeds_order"
    story.do(split("s3", "o", replace(SHARES[3], amount_fen=16_430)))


def test_shares_of_a_line_that_is_less_are_those_of_the_less(story: Splitting) -> None:
    """10.00 of the consultation went back: 35.00 and 15.00, the cap too is of what is left."""
    story.paid_order("o", consultation=6_000)
    story.do(give_back("r", "o paid", 1_000, "o"))
    doctor, platform = replace(SHARES[0], amount_fen=3_200), replace(SHARES[1], amount_fen=1_800)
    assert story.refuse(split("s", "o", doctor, platform)) == "split_above_cap"
    story.do(split("s", "o", replace(doctor, amount_fen=3_500), replace(platform, amount_fen=1_500)))


# ── finishing ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_rest_of_a_hospitals_order_is_its_own_also_after_the_window(hospital: Splitting) -> None:
    hospital.paid_order("o", delivery=1_200, drug=26_430, test=500)
    hospital.do(split("s", "o", SHARES[2]))
    hospital.wait(200 * DAY_MS)
    operation = finish("o")
    hospital.do(operation)
    assert (hospital.at("collected"), hospital.at("own"), hospital.has("courier")) == (0, 26_930, 1_200)
    assert hospital.chain.body(keyspace.order_step(HOSPITAL, mac("o"), "finished"), FinishedBody) == FinishedBody(
        26_930
    )
    assert hospital.order_body("o").finished
    assert hospital.refuse(operation) == "already_recorded"
    hospital.paid_order("p", drug=26_430)
    hospital.do(finish("p"))
    assert hospital.refuse(split("s2", "p", SHARES[3])) == "order_finished"


def test_what_is_finished_is_known_and_paid(hospital: Splitting) -> None:
    assert hospital.refuse(finish("o")) == "order_unknown"
    hospital.do(hospital.notice("n", drug=100), hospital.order("o", "n", alipay=100))
    assert hospital.refuse(finish("o")) == "order_open"
    hospital.do(CloseOrder(mac("o"), "gone"))
    assert hospital.refuse(finish("o")) == "order_closed"


def test_a_platform_finishes_an_order_when_nothing_is_left_of_it(story: Splitting) -> None:
    story.paid_order("o")
    story.do(split("s1", "o", *SHARES[:2]))
    assert story.refuse(finish("o")) == "rest_not_yours"
    story.do(split("s2", "o", *SHARES[2:]), take_back("b", "s1", 0, 4_200), finish("o"))
    assert story.free("o") == (4_200, 4_200)  # what came back is the patient's, and no rest
    assert story.at("own", PLATFORM) == 1_800


def test_what_came_back_is_no_rest_and_is_not_split_again(hospital: Splitting) -> None:
    hospital.paid_order("o", delivery=1_200, drug=26_430)
    hospital.do(split("s", "o", SHARES[2]), take_back("b", "s", 0, 1_200))
    assert hospital.free("o") == (27_630, 1_200)
    assert hospital.refuse(split("s2", "o", replace(SHARES[3], amount_fen=26_431))) == "split_differs"
    hospital.do(finish("o"))
    assert (hospital.free("o"), hospital.at("own")) == ((1_200, 1_200), 26_430)
    hospital.do(give_back("r", "o paid", 1_200, "o"))
    assert hospital.free("o") == (0, 0)


# ── nothing passes by a split ────────────────────────────────────────────────────────────────────────────────────────


def test_a_platform_has_no_operation_that_moves_the_money_of_orders_to_itself(story: Splitting) -> None:
    """Row 91: every way that the ledger has is tried with money that is not split, and with money of others."""
    story.paid_order("o")
    story.paid_order("p")
    story.do(split("s", "o"), OpenAccount(MINE, "own", UNLIMITED, True))
    till = replace(own_of(PLATFORM), account=MINE)
    books = Books(NOTHING, None)  # type: ignore[arg-type]
    collected = money_places.collected(books, PLATFORM)
    until_ms = story.in_ms(DAY_MS)
    for number, source in enumerate((collected, story.payee_body("doctor").account, own_of(PLATFORM))):
        for name, target in (("till", till), ("own", own_of(PLATFORM)), ("bank", money_places.bank(books, PLATFORM))):
            if source == target:
                continue
            what = mac(f"{name} {number}")
            assert story.refuse(Transfer(what, source, target, 1, "fee", [], [])) == "account_guarded"
            assert story.refuse(HoldMoney(what, source, target, 1, until_ms, "fee", [])) == "account_guarded"
            assert story.refuse(CaptureHold(what, what, 1)) == "hold_unknown"
        assert story.refuse(CloseAccount(source.account)) == "account_guarded"
    assert story.refuse(finish("p")) == "rest_not_yours"
    assert story.refuse(returned("b", "p", collected, 1)) == "source_not_own"
    assert story.refuse(returned("b", "p", own_of(PLATFORM), 1)) == "exceeds_order"
    mine = [LineRule("drug", 100, [remainder("platform", cap=30)])]
    story.do(platform_rules(2, lines=mine))  # it may write such rules, and they divide nothing
    assert story.refuse(split("s2", "p", share("drug", 0, "platform", DRUG), version=2)) == "split_above_cap"
    assert story.at("collected", PLATFORM) == CONSULTATION + DRUG + DELIVERY
    assert (story.at("own", PLATFORM), story.balance(till)) == (1_800, 0)


def test_a_platform_issues_no_fiscal_bill() -> None:
    """Row 94."""
    story = Splitting()
    assert story.refuse(issue_bill("B-1", issuer=PLATFORM)) == "issuer_not_entitled"


def test_a_payees_paper_is_a_number_and_nothing_else() -> None:
    """So no name stands in a share."""
    assert decode(encode(split("s", "o")), SplitOrder) == split("s", "o")
    with pytest.raises(Malformed):
        decode(encode(split("s", "o", replace(SHARES[0], paper="张三"))), SplitOrder)


def test_an_order_over_several_channels_is_split_as_one(story: Splitting) -> None:
    story.do(story.notice("n", consultation=6_000))
    order = replace(story.order("o", "n", alipay=6_000), parts=[OrderPart("alipay", 5_000), OrderPart("wechat", 1_000)])
    story.do(order, take("p1", "o", 0, 5_000), take("p2", "o", 1, 1_000))
    story.wait(LATER_MS)
    story.do(split("s", "o", *SHARES[:2]))


def test_rules_of_another_organisation_are_nobody_elses(story: Splitting) -> None:
    story.done(PublishSplitRules("visit", 1, platform_rules().lines, 30_000, DAY_MS))
    story.paid("o", consultation=6_000)
    story.wait(LATER_MS)
    assert story.code(split("s", "o", *SHARES[:2])) == "payee_not_bound"
