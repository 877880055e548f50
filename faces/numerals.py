"""Amounts in capital numerals, as they stand on bills: 壹佰贰拾叁元肆角伍分.

Source: the rules of the People's Bank for filling in bills (正确填写票据和结算凭证的基本规定): 零 for zeros within a number,
once for a row of them; 整 after 元 and 角 where nothing follows. Where the rules leave 零 before 角 free, it is left out.
"""

from __future__ import annotations

DIGITS = "零壹贰叁肆伍陆柒捌玖"
UNITS = ("", "拾", "佰", "仟")
WAN, YI = 10**4, 10**8


def capital_numerals(fen: int) -> str:
    """An amount in fen of any size and sign; a negative one begins with 负."""
    if fen < 0:
        return "负" + capital_numerals(-fen)
    yuan, rest = divmod(fen, 100)
    jiao, cents = divmod(rest, 10)
    if not rest:
        return f"{_spelt(yuan) or DIGITS[0]}元整"
    parts = [f"{_spelt(yuan)}元"] if yuan else []
    if jiao:
        parts.append(f"{DIGITS[jiao]}角")
    elif yuan:
        parts.append(DIGITS[0])
    parts.append(f"{DIGITS[cents]}分" if cents else "整")
    return "".join(parts)


def _spelt(number: int) -> str:
    """A whole number; nothing for 0."""
    for size, name in ((YI, "亿"), (WAN, "万")):
        if number >= size:
            high, low = divmod(number, size)
            gap = DIGITS[0] if 0 < low < size // 10 else ""
            return f"{_spelt(high)}{name}{gap}{_spelt(low)}"
    spelt, is_gap = "", False
    for place in (3, 2, 1, 0):
        digit = number // 10**place % 10
        if not digit:
            is_gap = bool(spelt)
            continue
        spelt += (DIGITS[0] if is_gap else "") + DIGITS[digit] + UNITS[place]
        is_gap = False
    return spelt
