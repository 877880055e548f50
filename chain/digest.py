"""Digests with a tag per kind, so that no two kinds of thing ever share one.

digest = SHA-256(length of the tag as one byte ‖ tag ‖ canonical MessagePack array of the parts).
"""

from __future__ import annotations

from hashlib import sha256
from typing import Any

from chain.codec import Wire, encode

EMPTY_DIGEST = b"\0" * 32  # "no block before", "no former version"


def _prefix(kind: str) -> bytes:
    tag = f"medbill/1/{kind}".encode()
    return bytes([len(tag)]) + tag


OPERATION = _prefix("operation")
TRANSACTION = _prefix("transaction")
HEADER = _prefix("header")
VOTE = _prefix("vote")
VIEW_CHANGE = _prefix("view-change")
NEW_VIEW = _prefix("new-view")
VALIDATOR_SET = _prefix("validator-set")
GENESIS = _prefix("genesis")
KEY = _prefix("key")
RECORD = _prefix("record")
CONTENT = _prefix("content")
BUSINESS = _prefix("business")
ACCESS = _prefix("access")
MONEY = _prefix("money")  # names that an organisation gives: MACs under its own key
ACCOUNT = _prefix("account")  # names of accounts that rules open
TRANSFER = _prefix("transfer")  # names of transfers that rules make
VISIT_CREDIT = _prefix("visit-credit")  # what a line gives for a visit
VERIFICATION_ROWS = _prefix("verification-rows")
VERIFICATION_RESULTS = _prefix("verification-results")
VERIFICATION = _prefix("verification")
RECONCILIATION = _prefix("reconciliation")


def digest(prefix: bytes, parts: Wire | list[Any] | tuple[Any, ...]) -> bytes:
    """32 bytes. `prefix` is one of the constants above; `parts` is an array: a struct is one."""
    return sha256(prefix + encode(parts)).digest()
