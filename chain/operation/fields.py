"""Kinds of fields that operations of several parts share."""

from __future__ import annotations

from typing import Annotated

import msgspec

from chain.codec import Digest

Kind = Annotated[int, msgspec.Meta(ge=1, le=99)]  # kind of bill: the digits 5 and 6 of its id
Mac = Digest  # HMAC-SHA-256 under a key that only the issuer has
Serial = Annotated[int, msgspec.Meta(ge=0, le=9_999_999_999)]  # the running number, 10 digits
Reason = Annotated[str, msgspec.Meta(pattern=r"\A[a-z][a-z0-9_]{0,47}\Z")]  # a code, never free text

# Who of the organisation asked for it and who agreed, ascending: a MAC of each under a key of the organisation's own, so that
# it can tell later, and nobody else can
Persons = Annotated[list[Mac], msgspec.Meta(max_length=2)]

Region = Annotated[str, msgspec.Meta(pattern=r"\A[0-9]{6}\Z")]  # GB/T 2260
Title = Annotated[str, msgspec.Meta(min_length=1, max_length=128)]
