"""Canonical MessagePack: one spelling for everything that is hashed or signed.

MessagePack itself allows several spellings of one value (the integer 1 in five ways), so `decode` encodes again and
compares. Source: the MessagePack specification; DESIGN section 4.
"""

from __future__ import annotations

import unicodedata
from typing import Annotated, Any, TypeVar, overload

import msgspec

from chain.errors import Malformed, NotCanonical, TextRefused

T = TypeVar("T")


class Wire(msgspec.Struct, array_like=True, frozen=True, forbid_unknown_fields=True, gc=False):
    """Base of whatever is hashed, signed, stored or sent: an array of its fields in their order, no defaults."""


Digest = Annotated[bytes, msgspec.Meta(min_length=32, max_length=32)]  # SHA-256
PublicKey = Annotated[bytes, msgspec.Meta(min_length=32, max_length=32)]  # Ed25519
Signature = Annotated[bytes, msgspec.Meta(min_length=64, max_length=64)]  # Ed25519
Name = Annotated[str, msgspec.Meta(pattern=r"\A[a-z0-9][a-z0-9_.-]{0,31}\Z")]  # organisations, nodes, reasons
PlaceCode = Annotated[str, msgspec.Meta(pattern=r"\A[A-Za-z0-9_-]{1,16}\Z")]  # an issuing point
BillId = Annotated[str, msgspec.Meta(pattern=r"\A[0-9]{18}\Z")]
BillCode = Annotated[str, msgspec.Meta(pattern=r"\A[0-9]{8}\Z")]  # region 2, classification 2, kind 2, year 2
Height = Annotated[int, msgspec.Meta(ge=0, le=2**53)]
Count = Annotated[int, msgspec.Meta(ge=0, le=2**53)]
FEN_MAX = 2**53
Fen = Annotated[int, msgspec.Meta(ge=-FEN_MAX, le=FEN_MAX)]  # CNY 0.01
Milliseconds = Annotated[int, msgspec.Meta(ge=0, le=2**53)]  # since the epoch, UTC
LocalDate = Annotated[int, msgspec.Meta(ge=20000101, le=99991231)]  # yyyymmdd in the ledger's own time zone

# They make a face show its letters in another order than the one that was signed.
_TURNING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")

_encoder = msgspec.msgpack.Encoder()
_decoders: dict[Any, msgspec.msgpack.Decoder[Any]] = {}  # type -> its decoder; bounded by the types in the program


def encode(value: Any) -> bytes:
    """Canonical bytes of a `Wire` struct or of a list, integer, text, bytes or None.

    Raises Malformed for what has no canonical form (lone surrogates, integers beyond 64 bits).
    """
    try:
        return _encoder.encode(value)
    except (UnicodeError, OverflowError, TypeError, RecursionError, msgspec.MsgspecError) as error:
        raise Malformed(f"no canonical form: {type(error).__name__}") from None


@overload
def decode(data: bytes, kind: type[T]) -> T: ...
@overload
def decode(data: bytes, kind: Any) -> Any: ...
def decode(data: bytes, kind: Any) -> Any:
    """The value of `kind` that `data` spells canonically.

    Raises Malformed if the bytes are not such a value and NotCanonical if they are, but spelt in another way; nothing
    else, whatever the bytes.
    """
    try:
        value = _decoder(kind).decode(data)
        again = _encoder.encode(value)
    except (msgspec.MsgspecError, UnicodeError, RecursionError, OverflowError, ValueError, MemoryError) as error:
        said = str(getattr(kind, "__name__", kind))[:60]  # a union names all that it holds
        raise Malformed(f"{said}: {error}"[:200]) from None
    if again != data:
        raise NotCanonical(f"{getattr(kind, '__name__', kind)}: not the canonical spelling")
    return value


def decode_stored(data: bytes, kind: type[T]) -> T:
    """The same of bytes that this node spelt itself and that a checksum covers. Raises Malformed."""
    try:
        return _decoder(kind).decode(data)  # type: ignore[no-any-return]
    except (msgspec.MsgspecError, UnicodeError, RecursionError, ValueError) as error:
        raise Malformed(f"{kind.__name__}: {error}"[:200]) from None


def _decoder(kind: Any) -> msgspec.msgpack.Decoder[Any]:
    decoder = _decoders.get(kind)
    if decoder is None:
        decoder = _decoders[kind] = msgspec.msgpack.Decoder(kind)
    return decoder


def verify_text(text: str) -> None:
    """Check that a text may be stored: NFC, no control characters, none that turn the direction, no lone surrogates.

    Raises TextRefused. Line breaks count as control characters: fields are single lines.
    """
    if text.isascii():
        if not text.isprintable():
            raise TextRefused("control character")
        return
    for character in text if not text.isprintable() else "":  # what is printable holds none of them
        if unicodedata.category(character) in {"Cc", "Cs", "Cn", "Zl", "Zp"} or character in _TURNING:
            raise TextRefused(f"character U+{ord(character):04X}")
    if not unicodedata.is_normalized("NFC", text):
        raise TextRefused("not in Unicode normal form C")


def plain(value: Any) -> Any:
    """A struct as an object with its field names, bytes as hex: for people, never for a hash."""
    if isinstance(value, Wire):
        return {name: plain(getattr(value, name)) for name in value.__struct_fields__}
    if isinstance(value, list):
        return [plain(entry) for entry in value]
    return value.hex() if isinstance(value, bytes) else value
