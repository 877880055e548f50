"""Lines of a channel's file: bounded, counted from 1, decoded strictly, straight from the file or from inside a zip."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO, BinaryIO

from node.channels.errors import StatementMalformed, WrongForm

LINE_BYTES_MAX = 16_384  # UnionPay's have 600
MEMBERS_MAX = 100  # of a zip
UNPACKED_BYTES_MAX = 4 << 30


def read_lines(source: IO[bytes], encoding: str) -> Iterator[tuple[int, str]]:
    """(number, line without its end). Raises StatementMalformed: a line too long, a wrong character, a torn zip."""
    number = size = 0
    while True:
        number += 1
        with at_line(number):
            data = source.readline(LINE_BYTES_MAX + 1)
            size += len(data)
            if len(data) > LINE_BYTES_MAX or size > UNPACKED_BYTES_MAX:
                raise WrongForm("too long")
            if not data:
                return
            text = data.decode(encoding)
        yield number, text.rstrip("\r\n")


@contextmanager
def at_line(number: int) -> Iterator[None]:
    """What is wrong in here is wrong with that line."""
    try:
        yield
    except WrongForm as error:
        raise StatementMalformed(number, str(error)) from None
    except UnicodeError:
        raise StatementMalformed(number, "a character that the encoding has not") from None
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError) as error:
        raise StatementMalformed(number, f"cannot be unpacked: {type(error).__name__}") from None


@contextmanager
def zip_member(source: BinaryIO, is_wanted: Callable[[str], bool]) -> Iterator[tuple[str, IO[bytes]]]:
    """(name, content) of the only member that is wanted. Raises StatementMalformed. Names without the UTF-8 mark are GBK."""
    with at_line(0):
        archive = zipfile.ZipFile(source)
    with archive:
        infos = archive.infolist()
        if len(infos) > MEMBERS_MAX:
            raise StatementMalformed(0, "too many files in the zip")
        wanted = [(name, info) for info in infos if is_wanted(name := _name(info))]
        if len(wanted) != 1:
            raise StatementMalformed(0, f"{len(wanted)} files of the wanted kind in the zip")
        name, info = wanted[0]
        with at_line(0):
            member = archive.open(info)
        with member:
            yield name, member


def _name(info: zipfile.ZipInfo) -> str:
    if info.flag_bits & 0x800:
        return info.filename
    return info.filename.encode("cp437", "replace").decode("gbk", "replace")
