"""The payer of a bill that was issued for an unknown one: who was bound to it later, and how that is shown."""

from __future__ import annotations

from typing import Any

import msgspec

from chain.details import FIELD_IDS, PAYER_FIELDS, Details, details_root, field_values
from chain.errors import ChainError, Malformed

ALL_FIELDS = frozenset(FIELD_IDS)
KNOWN_TYPES = ("person", "unit")
PAYER_NAMES = ("payer_type", "payer_name", "payer_id_type", "payer_id_number")  # fields that say who it is
PARTS = tuple(name.removeprefix("payer_") for name in PAYER_NAMES)


class BoundPayer(msgspec.Struct, frozen=True):
    operation: bytes  # digest of the BindPayer
    height: int  # of the block that recorded it; 0 while it is queued
    details: Details | None  # None where they are neither here nor to be had now


def is_unknown(details: Details) -> bool:
    """Whether a bill was issued for a payer whom nobody knew. What is bound to any other bill counts for nothing."""
    return field_values(details).get("payer_type") == "unknown"


def payer_root(details: Details) -> bytes:
    """Of a payer that came from elsewhere, after a look at its form. Raises Malformed."""
    values = field_values(details)
    numbers = [number for number, _value in details.fields]
    is_formed = len(values) == len(numbers) and numbers == sorted(set(numbers)) and set(values) <= PAYER_FIELDS
    if not is_formed or not all(isinstance(value, str) for value in values.values()):
        raise Malformed("payer: fields that no payer has, twice, or out of order")
    if values.get("payer_type") not in KNOWN_TYPES or not values.get("payer_name"):
        raise Malformed("payer: nobody is named")
    return details_root(details)


def has_root(details: Details, root: bytes) -> bool:
    try:
        return payer_root(details) == root
    except (ChainError, TypeError, ValueError):  # fields of another shape than ours have
        return False


def payer_page(bound: BoundPayer, at_issue: dict[str, Any], fields: frozenset[str] = ALL_FIELDS) -> dict[str, Any]:
    """The `payer` of a bill's page: as bound, since when, and who stood there when it was issued; as far as `fields` lie open."""
    about: dict[str, Any] = {"height": bound.height or None, "operation": bound.operation.hex()}
    if bound.details is None:
        return {**at_issue, "bound": about}
    values = field_values(bound.details)
    told = (("at", "business_time"), ("by", "cashier"))
    about |= {name: values.get(field, "") for name, field in told if field in fields}
    now = {name: values.get(f"payer_{name}", "") for name in PARTS if f"payer_{name}" in fields}
    return {**now, "bound": about, "at_issue": at_issue}
