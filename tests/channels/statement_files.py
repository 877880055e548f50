"""Statement files of any length, written line by line: what a channel with many customers sends."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Iterator
from datetime import date
from pathlib import Path

from node.channels.simulators import alipay, insurance, wechat
from node.channels.simulators.keys import make_key
from node.channels.simulators.till import Row, Till, local
from node.channels.simulators.unionpay import UnionPaySimulator
from tests.channels.counter import START_MS

DAY = date(2026, 11, 18)


def rows(count: int) -> Iterator[Row]:
    """Every tenth is a refund of the one before."""
    for number in range(count):
        paid = number - 1 if number % 10 == 9 else number
        yield Row(
            f"ORDER{paid:010d}", f"4200{paid:024d}"[:21], f"REFUND{number:010d}" if paid != number else "", 100 + paid % 9_000,
            START_MS - number % 60_000 // 10 * 1_000, "门诊缴费",
        )  # fmt: skip


class ManyRows(Till):
    """A till that makes its lines when they are asked for."""

    def __init__(self, count: int) -> None:
        super().__init__(lambda: START_MS)
        self._count = count

    def rows(self, day: date) -> Iterator[Row]:
        return rows(self._count)


def write(name: str, path: Path, count: int) -> None:
    """A file of `count` lines in the way of `name`, by the simulator's own hand."""
    key = make_key()
    match name:
        case "alipay":
            alipay_side = alipay.AlipaySimulator.__new__(alipay.AlipaySimulator)
            alipay_side.till, alipay_side.seller_id = ManyRows(count), "2088000000000001"
            path.write_bytes(alipay_side.statement(DAY))
        case "wechat":
            wechat_side = wechat.WeChatSimulator.__new__(wechat.WeChatSimulator)
            wechat_side.till, wechat_side.app_id, wechat_side.merchant_no = ManyRows(count), "wx1", "1900000001"
            path.write_bytes(wechat_side.statement(DAY))
        case "quickpass" | "card":
            union = UnionPaySimulator(key.public_key(), clock_ms=lambda: START_MS)
            union.till = ManyRows(count)
            path.write_bytes(union.statement(DAY, "000000"))
        case _:
            with path.open("w", encoding="utf-8") as stream:
                stream.write(insurance.HEADER + "\n")
                for row in rows(count):
                    sign, flag = ("-", "1") if row.refund_no else ("", "0")
                    amount = f"{sign}{row.amount_fen // 100}.{row.amount_fen % 100:02d}"
                    at = f"{local(row.time_ms):%Y-%m-%d %H:%M:%S}"
                    cells = [
                        "p",
                        "v",
                        row.trade_no,
                        "m",
                        "0",
                        flag,
                        "",
                        amount,
                        amount,
                        amount,
                        at,
                        row.order_no,
                        row.refund_no,
                    ]
                    stream.write("\t".join(cells) + "\n")
                stream.write(f"#count\t{count}\n")


def zipped(name: str, text: str, encoding: str) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, text.encode(encoding))
    return packed.getvalue()


def stored_zip(name: bytes, content: bytes) -> bytes:
    """A stored zip by hand (APPNOTE.TXT 4.3.7, 4.3.12, 4.3.16), with a name in any bytes and no mark."""
    check, size = zlib.crc32(content), len(content)
    shared = struct.pack("<HHHHHIIIHH", 20, 0, 0, 0, 0, check, size, size, len(name), 0)
    local_part = b"PK\x03\x04" + shared + name + content
    central = b"PK\x01\x02" + struct.pack("<H", 20) + shared + struct.pack("<HHHII", 0, 0, 0, 0, 0) + name
    end = struct.pack("<HHHHIIH", 0, 0, 1, 1, len(central), len(local_part), 0)
    return local_part + central + b"PK\x05\x06" + end
