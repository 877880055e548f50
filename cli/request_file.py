"""What somebody asks for, from a file or stdin: names of patients and what they were treated for stand in no list of processes."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import msgspec

from cli.failures import CommandFailed

REQUEST_BYTES_MAX = 8 << 20
SECRET_BYTES_MAX = 8192
TOKEN = re.compile(r"[A-Za-z0-9._~+/-]+=*", re.ASCII)  # RFC 6750, 2.1; a compact JWS is one too


def read_request(name: str) -> bytes:
    """The bytes of a file, of stdin for `-`. Raises CommandFailed `argument_refused` for one that is too long, OSError."""
    if name == "-":
        data = sys.stdin.buffer.read(REQUEST_BYTES_MAX + 1)
    else:
        with Path(name).open("rb") as stream:
            data = stream.read(REQUEST_BYTES_MAX + 1)
    if len(data) > REQUEST_BYTES_MAX:
        raise CommandFailed("argument_refused", f"{name}: longer than {REQUEST_BYTES_MAX} bytes; this is no request")
    return data


def read_object(name: str) -> dict[str, Any]:
    """One JSON object of a file, of stdin for `-`. Raises CommandFailed `argument_refused`, OSError."""
    try:
        document = msgspec.json.decode(read_request(name))
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        raise CommandFailed("argument_refused", f"{name}: this is not JSON") from None
    if not isinstance(document, dict):
        raise CommandFailed("argument_refused", f"{name}: not a JSON object")
    return document


def read_secret(path: Path) -> str:
    """What a small file says, without the end of its line. Raises CommandFailed; nothing of it is repeated."""
    try:
        with path.open("rb") as file:
            data = file.read(SECRET_BYTES_MAX + 1)
        text = data.decode("ascii").strip()
    except OSError as error:
        raise CommandFailed("file_unreadable", f"{path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise CommandFailed("file_unreadable", f"{path}: not a token") from None
    if len(data) > SECRET_BYTES_MAX or not TOKEN.fullmatch(text):  # another file's content goes nowhere by mistake
        raise CommandFailed("file_unreadable", f"{path}: not a token")
    return text
