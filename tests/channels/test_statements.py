"""Statement files: as the channels' samples have them, torn and forged ones, and very long ones in little memory."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.channels import PAYMENT, REFUND, StatementDigestDiffers, StatementLine, StatementMalformed
from node.channels.alipay_statement import read_alipay_statement
from node.channels.insurance_statement import COLUMNS, read_insurance_statement
from node.channels.unionpay_statement import STARTS, WIDTHS, read_unionpay_statement
from node.channels.wechat_statement import read_wechat_statement
from tests.channels import statement_files
from tests.channels.counter import DAY, HOUR_MS, Counter
from tests.house.project import ROOT

LINES = 200_000
GROWTH_KIB_MAX = 8_192  # of the reading process's memory; the longest file has 150 MB unpacked
NOON_MS = 1_794_974_400_000  # 2026-11-18, 12:00:00 in China

WECHAT = (
    "\ufeff交易时间,公众账号ID,商户号,特约商户号,设备号,微信订单号,商户订单号,用户标识,交易类型,交易状态,付款银行,货币种类,应结订单金额,"
    "代金券金额,微信退款单号,商户退款单号,退款金额,充值券退款金额,退款类型,退款状态,商品名称,商户数据包,手续费,费率,订单金额,"
    "申请退款金额,费率备注\r\n"
    "`2026-11-18 12:00:00,`wx1,`190,`0,`,`4200000001,`ORDER0000000001,`o1,`NATIVE,`SUCCESS,`OTHERS,`CNY,`32.50,`0.00,`0,`0,`0.00,"
    "`0.00,`,`,`挂号,门诊,`,`0.20000,`0.60%,`32.50,`0.00,`\r\n"
    "`2026-11-18 12:00:01,`wx1,`190,`0,`,`4200000001,`ORDER0000000001,`o1,`NATIVE,`REFUND,`OTHERS,`CNY,`0.00,`0.00,`5030,`REFUND01,"
    "`2.50,`0.00,`ORIGINAL,`PROCESSING,`挂号,`,`-0.01500,`0.60%,`0.00,`2.50,`\r\n"
    "总交易单数,应结订单总金额,退款总金额,充值券退款总金额,手续费总金额,订单总金额,申请退款总金额\r\n"
    "`2,`32.50,`2.50,`0.00,`0.18500,`32.50,`2.50\r\n"
)
ALIPAY = (
    "#支付宝业务明细查询\r\n#账号：[20880000000000010156]\r\n#起始日期：[2026年11月18日 00:00:00]   终止日期：[2026年11月19日 00:00:00]\r\n"
    "#-----------------------------------------业务明细列表----------------------------------------\r\n"
    "支付宝交易号,商户订单号,业务类型,商品名称,创建时间,完成时间,门店编号,门店名称,操作员,终端号,对方账户,订单金额（元）,商家实收（元）,"
    "支付宝红包（元）,集分宝（元）,支付宝优惠（元）,商家优惠（元）,券核销金额（元）,券名称,商家红包消费金额（元）,卡消费金额（元）,"
    "退款批次号/请求号,服务费（元）,分润（元）,备注\r\n"
    '2026111822001419931441931972\t,ORDER0000000001\t,交易\t,"挂号,㐂",2026-11-18 11:59:00,2026-11-18 12:00:00,\t,\t,\t,\t,**(156******89)\t,'
    "32.50,32.50,0.00,0.00,0.00,0.00,0.00,,0.00\t,0.00,\t,-0.20,0.00,\r\n"
    "2026111822001419931441931972\t,ORDER0000000001\t,退款\t,挂号,2026-11-18 11:59:00,2026-11-18 12:00:01,\t,\t,\t,\t,**(156******89)\t,"
    "-2.50,-2.50,0.00,0.00,0.00,0.00,0.00,,0.00\t,0.00,REFUND01\t,0.02,0.00,\r\n"
    "#-----------------------------------------业务明细列表结束------------------------------------\r\n"
    "#交易合计：1笔，商家实收共32.50元，商家优惠共0.00元\r\n#退款合计：1笔，商家实收退款共-2.50元，商家优惠退款共0.00元\r\n"
    "#导出时间：[2026年11月19日 09:00:00]\r\n"
)
INSURANCE = "\t".join(COLUMNS) + (
    "\nP1\tV1\tS1\tM1\t0\t0\t\t200.00\t32.50\t0.00\t2026-11-18 12:00:00\tORDER0000000001\t"
    "\nP1\tV1\tS1\tM2\t0\t1\t\t-200.00\t-32.50\t-0.00\t2026-11-18 12:00:01\tORDER0000000001\tREFUND01\n#count\t2\n"
)


def alipay(text: str) -> list[StatementLine]:
    data = statement_files.stored_zip("2088_20261118_业务明细.csv".encode("gbk"), text.encode("gb18030"))
    return list(read_alipay_statement(io.BytesIO(data)))


def wechat(text: str) -> list[StatementLine]:
    return list(read_wechat_statement(io.BytesIO(text.encode())))


def fund(text: str) -> list[StatementLine]:
    return list(read_insurance_statement("fund", "fund_pay_sumamt", io.BytesIO(text.encode())))


READERS: dict[str, tuple[Callable[[str], list[StatementLine]], str]] = {
    "alipay": (alipay, ALIPAY),
    "wechat": (wechat, WECHAT),
    "fund": (fund, INSURANCE),
}


def test_alipays_sample() -> None:
    """A name in GBK without the mark of UTF-8, a subject with a comma, tabs, a character that GBK lacks; fees the other way round."""
    number = "2026111822001419931441931972"
    assert alipay(ALIPAY) == [
        StatementLine("alipay", PAYMENT, "ORDER0000000001", number, "", 3_250, 20, "success", NOON_MS),
        StatementLine("alipay", REFUND, "ORDER0000000001", number, "REFUND01", 250, -2, "success", NOON_MS + 1_000),
    ]


def test_wechats_sample() -> None:
    """A mark of byte order, a subject with a comma, a refund under way, half a fen of a fee given back."""
    assert wechat(WECHAT) == [
        StatementLine("wechat", PAYMENT, "ORDER0000000001", "4200000001", "", 3_250, 20, "success", NOON_MS),
        StatementLine(
            "wechat", REFUND, "ORDER0000000001", "4200000001", "REFUND01", 250, -2, "pending", NOON_MS + 1_000
        ),
    ]


def test_a_bureaus_file() -> None:
    assert fund(INSURANCE) == [
        StatementLine("fund", PAYMENT, "ORDER0000000001", "S1", "", 3_250, 0, "success", NOON_MS),
        StatementLine("fund", REFUND, "ORDER0000000001", "S1", "REFUND01", 3_250, 0, "success", NOON_MS + 1_000),
    ]


def test_unionpays_columns() -> None:
    """FEATURES 86: 42 columns, 42 widths and a byte between them."""
    assert (len(WIDTHS), STARTS[-1] + WIDTHS[-1]) == (42, sum(WIDTHS) + 41)
    assert STARTS[:4] == (0, 4, 16, 28)


def unionpay(line: str, name: str = "INN26111888ZM_777290000000001") -> list[StatementLine]:
    return list(read_unionpay_statement("card", io.BytesIO(statement_files.zipped(name, line, "gbk"))))


def unionpay_line(**columns: str) -> str:
    """A line with all columns, `c4="…"` in the place of the fifth."""
    cells = [" " * width for width in WIDTHS]
    given = {
        "c0": "S22",
        "c4": "1118120000",
        "c6": "000000003250",
        "c9": "9" * 21,
        "c11": "ORDER0000000001",
        "c15": "D000000000020",
    }
    for key, value in (given | columns).items():
        cells[int(key[1:])] = value.encode("gbk").decode("latin-1").ljust(WIDTHS[int(key[1:])])
    return " ".join(cells).encode("latin-1").decode("gbk") + "\r\n"


def test_unionpays_lines() -> None:
    """Chinese in a column that is not read takes two bytes a character; a refund tells the payment's numbers."""
    back = {
        "c0": "S30",
        "c11": "REFUND01",
        "c26": "9" * 21,
        "c34": "ORDER0000000001",
        "c15": "C000000000002",
        "c6": "000000000250",
    }
    assert unionpay(unionpay_line(c30="省立医院") + unionpay_line(**back)) == [
        StatementLine("card", PAYMENT, "ORDER0000000001", "9" * 21, "", 3_250, 20, "success", NOON_MS),
        StatementLine("card", REFUND, "ORDER0000000001", "9" * 21, "REFUND01", 250, -2, "success", NOON_MS),
    ]
    strange = unionpay(unionpay_line(**back | {"c34": "省立"}))
    assert strange[0].order_no == ""  # a refund that somebody made by hand: the payment's number tells


@pytest.mark.parametrize(
    "columns",
    [
        {"c0": "S99"}, {"c6": "0000000032.5"}, {"c6": "000000000000"}, {"c6": "-00000003250"}, {"c6": "           "},
        {"c4": "1318120000"}, {"c4": "11181200"}, {"c15": "0000000000020"}, {"c15": "X000000000020"},
    ],
    ids=str,
)  # fmt: skip
def test_a_line_of_unionpay_that_is_none(columns: dict[str, str]) -> None:
    with pytest.raises(StatementMalformed) as refused:
        unionpay(unionpay_line() + unionpay_line(**columns))
    assert refused.value.line == 2


def test_a_file_of_unionpay_that_is_none() -> None:
    for name in ("INN26111888ZME_777", "INN26139988ZM_777290000000001", "other"):
        with pytest.raises(StatementMalformed) as refused:
            unionpay(unionpay_line(), name)
        assert refused.value.line == 0
    with pytest.raises(StatementMalformed):
        unionpay(unionpay_line()[:300])


@pytest.mark.parametrize("name", READERS)
def test_a_file_that_ends_too_early_is_found(name: str) -> None:
    """Wherever it is cut; only the end of what follows the last count may lack."""
    read, text = READERS[name]
    whole = read(text)
    for cut in range(0, len(text.rstrip()) - 1, 7):
        try:
            found = read(text[:cut])
        except StatementMalformed:
            continue
        assert found == whole, cut


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize("amount", ["1e3", "1.234", "NaN", "３2.50", "32,50", "", "0.00", "+32.50", "32.50元"])
def test_an_amount_in_a_file_that_is_none(name: str, amount: str) -> None:
    read, text = READERS[name]
    with pytest.raises(StatementMalformed) as refused:
        read(text.replace("32.50", amount))
    assert refused.value.line in (2, 6)
    assert "ORDER" not in str(refused.value)


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("alipay", "交易\t,", "转账\t,"),
        ("alipay", "交易合计：1笔", "交易合计：2笔"),
        ("alipay", "退款合计：1笔", "退款合计：0笔"),
        ("alipay", "服务费（元）", "费（元）"),
        ("alipay", "2026-11-18 12:00:00", "2026-11-18"),
        ("alipay", "#交易合计", "1\t,2\t\r\n#交易合计"),
        ("wechat", "`SUCCESS,`OTHERS", "`WON,`OTHERS"),
        ("wechat", "`PROCESSING", "`WON"),
        ("wechat", "`2,`32.50", "`3,`32.50"),
        ("wechat", "手续费", "费"),
        ("wechat", "`wx1,", ""),
        ("wechat", "`0.20000", "`0.2000000"),
        ("fund", "#count\t2", "#count\t1"),
        ("fund", "\t0\t0\t\t", "\t0\t2\t\t"),
        ("fund", "\t0\t1\t\t", "\t0\t0\t\t"),
        ("fund", "setl_time", "time"),
        ("fund", "#count\t2\n", "#count\t2\nP1\n"),
    ],
)
def test_a_file_that_contradicts_itself(name: str, old: str, new: str) -> None:
    """Other counts than lines, columns that are not there, states and kinds that nobody knows."""
    read, text = READERS[name]
    assert old in text
    with pytest.raises(StatementMalformed):
        read(text.replace(old, new))


@given(st.binary(max_size=300))
def test_any_bytes_are_a_file_or_refused(data: bytes) -> None:
    for read in (read_wechat_statement, read_alipay_statement):
        with pytest.raises(StatementMalformed):
            list(read(io.BytesIO(data)))
    for channel in ("quickpass", "card"):
        with pytest.raises(StatementMalformed):
            list(read_unionpay_statement(channel, io.BytesIO(data)))


def test_a_line_without_end_is_refused_before_it_fills_the_memory() -> None:
    with pytest.raises(StatementMalformed) as refused:
        list(read_wechat_statement(io.BytesIO(b"x" * 20_000)))
    assert (refused.value.line, refused.value.detail) == (1, "too long")


async def test_a_download_that_is_not_what_was_announced(counter: Counter, monkeypatch: pytest.MonkeyPatch) -> None:
    """WeChat Pay's SHA-1: the file changed between the announcement and the download."""
    counter.clock.forward(24 * HOUR_MS)
    contents = iter([b"announced", b"something else"])
    monkeypatch.setattr(counter.sides.wechat, "statement", lambda _day: next(contents))
    with pytest.raises(StatementDigestDiffers):
        await counter.channels["wechat"].statement(DAY, io.BytesIO())


@pytest.mark.parametrize("name", ["alipay", "wechat", "quickpass", "fund"])
def test_a_long_file_is_read_in_little_memory(tmp_path: Path, name: str) -> None:
    """200,000 lines in a process of its own: all there, their sum right, and its memory at most 8 MiB larger than before."""
    path = tmp_path / "statement"
    statement_files.write(name, path, LINES)
    script = (
        "import sys\n"
        "from pathlib import Path\n"
        "from tests.channels import statement_reading\n"
        "print(*statement_reading.read(sys.argv[1], Path(sys.argv[2])))\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", script, name, str(path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=200,
        check=True,
    )
    count, amount_fen, refunds, growth_kib = (int(part) for part in ran.stdout.split())
    expected = sum(row.amount_fen for row in statement_files.rows(LINES))
    assert (count, amount_fen, refunds) == (LINES, expected, LINES // 10)
    assert growth_kib <= GROWTH_KIB_MAX
