"""Read a request's body: capped while it streams, then decoded strictly.

msgspec decodes straight into the struct. It takes the last of two equal keys, so a second look finds those. That look
costs 11 µs a bill of 1 kB (decoding it costs 12; `json.loads` with an `object_pairs_hook` would cost 31, all measured):
decode without a type, which drops duplicates, encode again, and compare the number of colons.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any, TypeVar

import msgspec
from starlette.requests import ClientDisconnect, Request

from api.errors import ApiRefused
from chain.codec import verify_text
from chain.errors import TextRefused

T = TypeVar("T")

JSON = ("application/json",)
BYTES = ("application/octet-stream", "application/msgpack")

_UNREADABLE = (msgspec.DecodeError, UnicodeError, RecursionError, ValueError)
_decoders: dict[Any, msgspec.json.Decoder[Any]] = {}  # type -> its decoder; bounded by the types in the program


async def read_body(request: Request, media_types: tuple[str, ...], bytes_max: int, timeout_s: float) -> bytes:
    """The body, at most `bytes_max` bytes however it is sent.

    Raises ApiRefused `media_type_unsupported`, `body_too_large` (as soon as it is known) or `body_too_slow`.
    """
    media_type, _, parameters = request.headers.get("content-type", "").partition(";")
    charset = parameters.strip().lower().replace('"', "")
    if media_type.strip().lower() not in media_types or charset not in ("", "charset=utf-8"):
        raise ApiRefused(
            "media_type_unsupported", f"send {' or '.join(media_types)}", headers={"Accept": ", ".join(media_types)}
        )
    return await read_bytes(request, bytes_max, timeout_s)


async def read_bytes(request: Request, bytes_max: int, timeout_s: float) -> bytes:
    """The same of any media type, where who sends it has a form of its own. Raises ApiRefused."""
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise ApiRefused("media_type_unsupported", "send the body without Content-Encoding")
    length = request.headers.get("content-length", "")
    if length.isascii() and length.isdigit() and (len(length) > 18 or int(length) > bytes_max):
        raise _too_large(bytes_max)
    chunks: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(timeout_s):
            async for chunk in request.stream():
                size += len(chunk)
                if size > bytes_max:
                    raise _too_large(bytes_max)
                chunks.append(chunk)
    except TimeoutError:
        raise ApiRefused("body_too_slow", f"send it within {timeout_s:g} s") from None
    except ClientDisconnect:
        raise ApiRefused("malformed", "the body ends early") from None
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def _too_large(bytes_max: int) -> ApiRefused:
    # the server reads on and drops what comes: a connection closed now would reset, and hide this answer from its sender
    return ApiRefused("body_too_large", f"at most {bytes_max} bytes")


def decode_json(data: bytes, kind: type[T], texts: bool = True) -> T:
    """Decode strictly: no unknown, missing or repeated fields, no float or text for an integer, nothing nested deeper
    than `kind`. With `texts`, every text must be storable (NFC, no control characters).

    Raises ApiRefused: `malformed_json` without a pointer; `unknown_field`, `missing_field`, `wrong_type`,
    `invalid_value`, `kind_unknown`, `duplicate_field`, `text_refused` with one.
    """
    value = decode_typed(data, kind)
    verify_no_duplicates(data)
    if texts:
        _verify_texts(value, "")
    return value


def decode_typed(data: bytes, kind: type[T]) -> T:
    """`decode_json` without its looks at duplicates and texts."""
    decoder = _decoders.get(kind)
    if decoder is None:
        decoder = _decoders[kind] = msgspec.json.Decoder(kind)
    try:
        value = decoder.decode(data)
    except msgspec.ValidationError as error:
        verify_readable(data)  # malformed goes before wrong
        raise field_refused(str(error)) from None
    except _UNREADABLE as error:
        raise _malformed(error) from None
    return value  # type: ignore[no-any-return]


class Opaque(msgspec.Struct, frozen=True, gc=False):
    """Any JSON object. Counts a list's entries in little memory before they are kept."""


def split_list(data: bytes, kind: type[Any], name: str, most: int) -> list[bytes]:
    """The bytes of each entry of the only field of `data`, 1 to `most` of them, so that each is decoded by itself.

    `kind` is a struct with that field as `msgspec.Raw`. Raises ApiRefused for what is wrong with the list itself.
    """
    raw = bytes(getattr(decode_typed(data, kind), name))
    try:
        shape = decode_typed(raw, list[Opaque])
    except ApiRefused as refusal:
        pointer = None if refusal.pointer is None else f"/{name}{refusal.pointer}"
        raise ApiRefused(refusal.code, refusal.detail, pointer) from None
    begin = data.find(b"[")
    if data[begin : begin + len(raw)] != raw or data[begin + len(raw) :].strip() != b"}":
        raise ApiRefused("duplicate_field", f"{name} stands twice in one object", f"/{name}")
    if not 1 <= len(shape) <= most:
        raise ApiRefused("invalid_value", f"1 to {most} {name}", f"/{name}")
    return [bytes(entry) for entry in decode_typed(raw, list[msgspec.Raw])]


def verify_readable(data: bytes) -> None:
    """Check that the whole is JSON, without building anything of it. Raises ApiRefused `malformed_json`."""
    try:
        msgspec.json.decode(data, type=msgspec.Raw)
    except _UNREADABLE as error:
        raise _malformed(error) from None


def _malformed(error: Exception) -> ApiRefused:
    if isinstance(error, RecursionError):
        return ApiRefused("malformed_json", "nested too deeply")
    if isinstance(error, UnicodeError):
        return ApiRefused("malformed_json", "not UTF-8")
    return ApiRefused("malformed_json", str(error)[:200])


def field_refused(message: str) -> ApiRefused:
    """From msgspec's message, such as "Expected `int`, got `float` - at `$.charges[2].amount_fen`".

    Only its fixed words are kept: it may quote what was sent.
    """
    what, separator, path = message.rpartition(" - at `$")
    if not separator:
        what, path = message, ""
    pointer = _pointer(path.removesuffix("`"))
    if what.startswith("Object contains unknown field `"):
        name = what[len("Object contains unknown field `") :].removesuffix("`")[:64]
        return ApiRefused("unknown_field", "there is no such field", f"{pointer}/{_escape(name)}")
    if what.startswith("Object missing required field `"):
        name = what[len("Object missing required field `") :].removesuffix("`")
        return ApiRefused("missing_field", "this field is needed", f"{pointer}/{name}")
    if what.startswith("Invalid enum value"):
        code = "kind_unknown" if pointer.endswith("/kind") else "invalid_value"
        return ApiRefused(code, "not one of the values that there are", pointer)
    if ", got `" in what:
        return ApiRefused("wrong_type", what.replace("`", ""), pointer)
    return ApiRefused("invalid_value", what.replace("`", "")[:200], pointer)


def _pointer(path: str) -> str:
    """`.charges[2].amount_fen` as `/charges/2/amount_fen`. The names are those of our structs."""
    return path.replace("[", ".").replace("]", "").replace(".", "/")


def _escape(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")


def verify_no_duplicates(data: bytes) -> None:
    """Check that no object of well-formed `data` has a key twice. Raises ApiRefused `duplicate_field`.

    Dropped keys take their colons with them. An escaped colon could stand in for one, so such texts are looked at
    slowly, like everything whose count differs.
    """
    again = msgspec.json.encode(msgspec.json.decode(data))
    if again.count(b":") == data.count(b":") and b"\\u003a" not in data and b"\\u003A" not in data:
        return
    name = _find_duplicate(data)
    if name is not None:
        raise ApiRefused("duplicate_field", f"{name[:64]} stands twice in one object")


def _find_duplicate(data: bytes) -> str | None:
    found: list[str] = []

    def look(pairs: list[tuple[str, Any]]) -> None:
        seen: set[str] = set()
        for key, _value in pairs:
            if key in seen:
                found.append(key)
            seen.add(key)

    json.loads(data, object_pairs_hook=look)
    return found[0] if found else None


def _verify_texts(value: Any, pointer: str) -> None:
    if isinstance(value, str):
        try:
            verify_text(value)
        except TextRefused as refusal:
            raise ApiRefused("text_refused", str(refusal), pointer) from None
    elif isinstance(value, msgspec.Struct):
        for name in value.__struct_fields__:
            _verify_texts(getattr(value, name), f"{pointer}/{name}")
