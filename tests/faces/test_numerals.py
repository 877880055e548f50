"""Amounts in capital numerals, by table: the examples of the People's Bank's rules among them."""

from __future__ import annotations

import pytest

from faces.figures import day, quantity, unit_price, yuan
from faces.numerals import capital_numerals


@pytest.mark.parametrize(
    ("fen", "spelt"),
    [
        (0, "零元整"),
        (1, "壹分"),
        (10, "壹角整"),
        (11, "壹角壹分"),
        (100, "壹元整"),
        (105, "壹元零伍分"),
        (150, "壹元伍角整"),
        (1_000, "壹拾元整"),
        (10_100, "壹佰零壹元整"),
        (11_000, "壹佰壹拾元整"),
        (12_345, "壹佰贰拾叁元肆角伍分"),
        (32_504, "叁佰贰拾伍元零肆分"),
        (140_950, "壹仟肆佰零玖元伍角整"),
        (168_032, "壹仟陆佰捌拾元叁角贰分"),
        (600_714, "陆仟零柒元壹角肆分"),
        (1_000_000, "壹万元整"),
        (1_000_100, "壹万零壹元整"),
        (1_010_000, "壹万零壹佰元整"),
        (1_640_902, "壹万陆仟肆佰零玖元零贰分"),
        (10_700_053, "壹拾万柒仟元伍角叁分"),
        (100_000_000, "壹佰万元整"),
        (100_100_000, "壹佰万壹仟元整"),
        (10_000_000_000, "壹亿元整"),
        (10_000_000_100, "壹亿零壹元整"),
        (10_001_000_000, "壹亿零壹万元整"),
        (10_010_000_100, "壹亿零壹拾万零壹元整"),
        (1_000_000_000_000, "壹佰亿元整"),
        (10**15, "壹拾万亿元整"),
        (-12_345, "负壹佰贰拾叁元肆角伍分"),
    ],
)
def test_capital_numerals(fen: int, spelt: str) -> None:
    assert capital_numerals(fen) == spelt


def test_no_two_amounts_are_spelt_alike() -> None:
    """An amount that could be read as another would be worse than figures alone."""
    amounts = [*range(0, 20_000), *(base * 10**power for base in (1, 7, 101, 1001, 10_001) for power in range(5, 11))]
    spelt = {capital_numerals(fen) for fen in dict.fromkeys(amounts)}
    assert len(spelt) == len(set(amounts))


def test_figures() -> None:
    assert [yuan(fen) for fen in (0, 5, 12_345, -12_345, -5)] == ["0.00", "0.05", "123.45", "-123.45", "-0.05"]
    assert [unit_price(price) for price in (0, 211_500, 12_345, -10_050)] == ["0.00", "21.15", "1.2345", "-1.005"]
    assert [quantity(milli) for milli in (0, 1_000, 1_500, 333, -2_000)] == ["0", "1", "1.5", "0.333", "-2"]
    assert day(20260301) == "2026年03月01日"
