"""A kind of charge divided among payees: to the fen, all of it, nobody above a cap, and no doctor in drugs or tests."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from chain.operation import LineRule, ShareRule
from chain.records import FIXED, REMAINDER, SHARE
from chain.rules.context import Refused
from chain.rules.division import DOCTORS_LINES, PAYEE_KINDS, divide, verify_lines
from tests.chain.splitting import fixed, part, remainder

LINES = ("consultation", "delivery", "drug", "examination", "material", "registration", "test")


def line(kind: str, whole: int, *shares: ShareRule) -> LineRule:
    return LineRule(kind, whole, list(shares))


def refused(*lines: LineRule) -> str:
    with pytest.raises(Refused) as refusal:
        verify_lines(list(lines))
    return refusal.value.code


def not_divided(rule: LineRule, amount_fen: int) -> str:
    with pytest.raises(Refused) as refusal:
        divide(rule, amount_fen)
    return refusal.value.code


# ── stories ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_one_yuan_in_thirds_is_34_33_33() -> None:
    """Row 89. Of equal fractions the earlier rule gets the fen that is left."""
    thirds = line("delivery", 3, *[part("courier", 1, cap=3)] * 3)
    assert divide(thirds, 100) == [34, 33, 33]
    assert divide(thirds, 101) == [34, 34, 33]
    assert divide(thirds, 1) == [1, 0, 0]


def test_the_largest_fraction_gets_the_fen_that_is_left() -> None:
    shares = line("delivery", 100, part("courier", 15, cap=100), part("platform", 23, cap=100), part("supplier", 62))
    assert divide(shares, 10) == [2, 2, 6]  # 1.5, 2.3, 6.2
    assert divide(shares, 7) == [1, 2, 4]  # 1.05, 1.61, 4.34


def test_a_consultation_of_60_yuan_is_42_for_the_doctor_and_18_for_the_platform() -> None:
    rule = line("consultation", 100, remainder("doctor"), part("platform", 30, cap=30))
    assert divide(rule, 6_000) == [4_200, 1_800]
    assert divide(rule, 6_001) == [4_201, 1_800]  # the fraction of a fen is the remainder's


def test_fixed_sums_come_before_the_remainder_and_never_from_nothing() -> None:
    rule = line("drug", 100, fixed("platform", 500), part("courier", 10), remainder("supplier"))
    assert divide(rule, 10_000) == [500, 1_000, 8_500]
    assert divide(rule, 556) == [500, 55, 1]
    assert divide(rule, 555) == [500, 55, 0]
    assert not_divided(rule, 554) == "line_too_small"


def test_nobody_gets_more_than_the_cap_by_whatever_way() -> None:
    """Row 89. Fixed sums and remainders meet it when an order is divided; a share that says so itself, when it is published."""
    assert refused(line("drug", 10, part("platform", 4, cap=3), remainder("supplier", cap=10))) == "split_above_cap"
    capped = line("drug", 100, fixed("platform", 300, cap=30), remainder("supplier"))
    assert divide(capped, 1_000) == [300, 700]
    assert not_divided(capped, 999) == "split_above_cap"  # 30 % of 9.99 is less than 3.00
    rest = line("drug", 100, part("supplier", 69), remainder("platform", cap=30))
    assert not_divided(rest, 1_000) == "split_above_cap"


def test_a_fen_that_would_lift_one_above_the_cap_goes_to_the_next() -> None:
    """30 % and 70 % of 60.05 have equal fractions; the earlier one is at its cap."""
    shares = line("consultation", 100, part("platform", 30, cap=30), part("doctor", 70))
    assert divide(shares, 6_005) == [1_801, 4_204]
    nobody = line("delivery", 3, *[part("courier", 1, cap=1)] * 3)
    assert divide(nobody, 99) == [33, 33, 33]
    assert not_divided(nobody, 100) == "split_above_cap"


@pytest.mark.parametrize("way", [part("doctor", 1), fixed("doctor", 1), remainder("doctor")])
def test_a_doctor_never_shares_in_drugs_or_tests(way: ShareRule) -> None:
    """Row 89: forbidden commission, by whatever way. A kind of charge that nobody has thought of is none of his either."""
    rest = [] if way.way == REMAINDER else [remainder("supplier")]
    for kind in ("drug", "test", "examination", "material", "delivery", "something_new"):
        assert refused(line(kind, 100, way, *rest)) == "share_forbidden"
    for kind in DOCTORS_LINES:
        verify_lines([line(kind, 100, way, *rest)])


def test_rules_divide_all_of_each_line_in_one_way() -> None:
    good = line("drug", 100, part("platform", 30), remainder("supplier"))
    verify_lines([good, replace(good, kind="test")])
    for wrong in (
        [replace(good, kind="test"), good],
        [good, good],
        [line("drug", 100, part("platform", 30))],  # 70 % of it are nobody's
        [line("drug", 100, part("platform", 30), part("supplier", 71))],
        [line("drug", 100, part("platform", 101, cap=100), remainder("supplier"))],
        [line("drug", 100, remainder("platform"), remainder("supplier"))],
        [line("drug", 100, part("supplier", 100), fixed("platform", 1))],  # who would pay it
        [line("drug", 100, part("platform", 0), remainder("supplier"))],
        [line("drug", 100, fixed("platform", 0), remainder("supplier"))],
        [line("drug", 100, fixed("platform", -1), remainder("supplier"))],
        [line("drug", 100, part("platform", 1, cap=0), remainder("supplier"))],
        [line("drug", 100, part("platform", 1, cap=101), remainder("supplier"))],
        [line("drug", 100, ShareRule("platform", SHARE, 1, 1, 100), remainder("supplier"))],
        [line("drug", 100, ShareRule("platform", FIXED, 1, 1, 100), remainder("supplier"))],
        [line("drug", 100, ShareRule("supplier", REMAINDER, 1, 0, 100))],
        [line("drug", 100, ShareRule("supplier", REMAINDER, 0, 1, 100))],
    ):
        assert refused(*wrong) == "rules_malformed"


def test_codes_of_rules_in_their_order() -> None:
    """Malformed anywhere comes before an unknown kind anywhere, and that before a forbidden share, and that before a cap."""
    above = line("consultation", 100, part("platform", 31, cap=30), remainder("hospital"))
    forbidden = line("drug", 100, remainder("doctor"))
    unknown = line("test", 100, remainder("friend"))
    malformed = line("water", 100, part("supplier", 99))
    assert refused(above, forbidden, unknown, malformed) == "rules_malformed"
    assert refused(above, forbidden, unknown) == "payee_kind_unknown"
    assert refused(above, forbidden) == "share_forbidden"
    assert refused(above) == "split_above_cap"


# ── any rules, any line ──────────────────────────────────────────────────────────────────────────────────────────────


@st.composite
def rules(draw: st.DrawFn) -> LineRule:
    """Well-formed ones; caps are such that they bite."""
    whole = draw(st.integers(1, 10_000))
    count = draw(st.integers(1, 6))
    cuts = sorted(draw(st.lists(st.integers(0, whole), min_size=count, max_size=count)))
    parts = [later - earlier for earlier, later in zip([0, *cuts], cuts, strict=False)]
    kinds = st.sampled_from(sorted(PAYEE_KINDS))
    shares = [part(draw(kinds), number, cap=draw(st.integers(number, whole))) for number in parts if number > 0]
    if draw(st.booleans()) or sum(share.parts for share in shares) < whole:
        shares += [
            fixed(draw(kinds), draw(st.integers(1, 2_000)), cap=draw(st.integers(1, whole)))
            for _ in range(draw(st.integers(0, 3)))
        ]
        shares.append(remainder(draw(kinds), cap=draw(st.one_of(st.just(whole), st.integers(1, whole)))))
    return LineRule("consultation", whole, draw(st.permutations(shares)))


@given(rules(), st.integers(1, 10**7))
@settings(max_examples=1_000, deadline=None)
def test_any_rules_divide_any_line_to_the_fen_or_say_why_not(rule: LineRule, amount_fen: int) -> None:
    """All of it, nobody above the cap, fixed sums as they are, each share within a fen of its fraction."""
    verify_lines([rule])
    shared = outcome(rule, amount_fen)
    if isinstance(shared, str):
        assert shared == why_not(rule, amount_fen)
        return
    assert sum(shared) == amount_fen
    assert shared == divide(rule, amount_fen)
    for share, fen in zip(rule.shares, shared, strict=True):
        assert Fraction(fen) <= Fraction(amount_fen * share.cap_parts, rule.whole)
        if share.way == FIXED:
            assert fen == share.amount_fen
        if share.way == SHARE:
            assert abs(Fraction(amount_fen * share.parts, rule.whole) - fen) < 1
        assert fen >= 0


@given(rules(), st.integers(1, 10**7), st.randoms(use_true_random=False))
@settings(max_examples=300, deadline=None)
def test_the_order_in_which_different_rules_stand_changes_nobodys_share(
    rule: LineRule, amount_fen: int, draw: object
) -> None:
    """But for equal fractions, of which the earlier has the fen: so these are left out."""
    fractions = [amount_fen * share.parts % rule.whole for share in rule.shares if share.way == SHARE]
    if len(set(fractions)) < len(fractions):
        return
    places = list(range(len(rule.shares)))
    draw.shuffle(places)  # type: ignore[attr-defined]
    turned = replace(rule, shares=[rule.shares[place] for place in places])
    assert outcome(turned, amount_fen) == (
        [shared[place] for place in places] if isinstance(shared := outcome(rule, amount_fen), list) else shared
    )


def outcome(rule: LineRule, amount_fen: int) -> list[int] | str:
    try:
        return divide(rule, amount_fen)
    except Refused as refusal:
        return refusal.code


def why_not(rule: LineRule, amount_fen: int) -> str:
    """Worked out with fractions: the sums that are promised first, then whether the caps leave room for all of the line."""
    floors = [amount_fen * share.parts // rule.whole for share in rule.shares]
    promised = sum(floors) + sum(share.amount_fen for share in rule.shares)
    return "line_too_small" if promised > amount_fen else "split_above_cap"
