"""The private part of a bill: salted fields under `details_root`, which alone is on the chain.

Thirty-two fixed slots; a slot's leaf is (schema, bill id, field id, index, salt, value), empty ones present. A list's
slot holds the root of its own tree, padded with salted blanks to the next power of two of at least 16, so that no path
tells how many lines there are. Salts of 128 bits come from a seed of 256 bits per bill by HKDF (RFC 5869): who has the
seed and the fields can make the tree again, who is shown one field learns nothing of the others.
"""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from hashlib import sha256
from struct import unpack
from typing import Annotated, Any

import msgspec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from chain.bill import BillRequest, Charge, Item, Payer, PaymentParts, Visit
from chain.codec import BillId, Digest, Wire, encode
from chain.digest import BUSINESS, CONTENT
from chain.errors import Malformed, ProofMismatch
from chain.merkle import LEAF, hash_leaf, paths_of_hashes, root_from_path, root_of_hashes

_SHA256 = SHA256()

SCHEMA = 1
SLOTS = 32
LIST_SLOTS_MIN = 16
SALT_BYTES = 16
SEED_BYTES = 32
ROWS_MAX = 2_000  # of a list; a request has at most 1,000 charges or items
ROW_VALUES_MAX = 16  # of a row; the longest, an item, has eight
CHECK_CODE_CHARACTERS = "0123456789abcdefghijklmnopqrstuvwxyz"

# field id -> name; ids are for ever, free ones are empty slots
FIELDS: dict[int, str] = {
    0: "business_no",
    1: "business_time",
    2: "payer_type",
    3: "payer_name",
    4: "payer_id_type",
    5: "payer_id_number",
    6: "charges",
    7: "items",
    8: "visit",
    9: "diagnosis",
    10: "cashier",
    11: "checker",
    12: "check_code",
    13: "token",
    14: "remark",
    15: "reason",
    16: "group",
}
FIELD_IDS = {name: number for number, name in FIELDS.items()}
LISTS = frozenset({"charges", "items", "visit"})
_LIST_FIELDS = frozenset(FIELD_IDS[name] for name in LISTS)
_TEXT_FIELDS = frozenset(range(SLOTS)) - _LIST_FIELDS

Salt = Annotated[bytes, msgspec.Meta(min_length=SALT_BYTES, max_length=SALT_BYTES)]


Row = Annotated[list[str | int], msgspec.Meta(max_length=ROW_VALUES_MAX)]
FieldValue = str | Annotated[list[Row], msgspec.Meta(max_length=ROWS_MAX)]  # text or rows: nothing lies deeper
Fields = Annotated[  # (field id, value), ascending, empty ones left out
    list[tuple[int, FieldValue]], msgspec.Meta(max_length=SLOTS)
]


class Details(Wire, frozen=True):
    """The fields of a bill and their seed: what issuer and office keep, and nobody else."""

    bill: BillId
    seed: Annotated[bytes, msgspec.Meta(min_length=SEED_BYTES, max_length=SEED_BYTES)]
    fields: Fields


class OpenedField(Wire, frozen=True):
    """A field that its holder shows: with it anyone can check that it belongs to the bill."""

    field: Annotated[int, msgspec.Meta(ge=0, lt=SLOTS)]
    value: Any  # text, or the list of rows
    salts: list[Salt]  # of the slot; for a list, then those of its padded rows
    path: list[Digest]  # from the slot's sibling upwards, five of them


def details_of(bill: str, seed: bytes, request: BillRequest) -> Details:
    """The private fields of a request. Check code and token are derived from the seed."""
    visit = [[name, getattr(request.visit, name)] for name in request.visit.__struct_fields__ if name != "diagnosis"]
    values: dict[str, Any] = {
        "business_no": request.business_no,
        "business_time": request.business_time,
        "payer_type": request.payer.type,
        "payer_name": request.payer.name,
        "payer_id_type": request.payer.id_type,
        "payer_id_number": request.payer.id_number,
        "charges": [list(msgspec.structs.astuple(charge)) for charge in request.charges],
        "items": [list(msgspec.structs.astuple(item)) for item in request.items],
        "visit": [row for row in visit if row[1]],
        "diagnosis": request.visit.diagnosis,
        "cashier": request.cashier,
        "checker": request.checker,
        "remark": request.remark,
        "group": request.group,
    }
    return _details(bill, seed, values)


def reversal_details(bill: str, seed: bytes, reason: str, operator: str, time: str) -> Details:
    """The private fields of a red bill: why, by whom, when."""
    return _details(bill, seed, {"reason": reason, "cashier": operator, "business_time": time})


PAYER_FIELDS = frozenset({"business_time", "payer_type", "payer_name", "payer_id_type", "payer_id_number", "cashier"})


def payer_details(bill: str, seed: bytes, payer: Payer, operator: str, time: str) -> Details:
    """Who pays a bill whose payer was unknown: bound later, by whom, when. It has a seed of its own, and a root of its own
    on the chain (`operation.BindPayer`)."""
    values = {
        "business_time": time,
        "payer_type": payer.type,
        "payer_name": payer.name,
        "payer_id_type": payer.id_type,
        "payer_id_number": payer.id_number,
        "cashier": operator,
    }
    return Details(bill, seed, _fields(values))


def _details(bill: str, seed: bytes, values: dict[str, Any]) -> Details:
    values["check_code"], values["token"] = check_code(seed, bill), token(seed, bill)
    return Details(bill, seed, _fields(values))


def _fields(values: dict[str, Any]) -> Fields:
    fields = [(FIELD_IDS[name], value) for name, value in values.items() if value]
    return sorted(fields, key=lambda entry: entry[0])


def field_values(details: Details) -> dict[str, Any]:
    """Field name -> value, as they were given."""
    return {FIELDS[number]: value for number, value in details.fields if number in FIELDS}


def request_of(details: Details, public: PublicPart) -> BillRequest:
    """The request that a bill's details and public part came from, to add it up again. Raises Malformed."""
    values = field_values(details)
    try:
        visit = {**dict(values.get("visit", [])), "diagnosis": values.get("diagnosis", "")}
        request = BillRequest(
            kind=public.kind,  # type: ignore[arg-type]
            business_no=values["business_no"],
            business_time=values["business_time"],
            place_code=public.place_code,
            payer=Payer(
                values["payer_name"],
                values.get("payer_type", "person"),
                values.get("payer_id_type", ""),
                values.get("payer_id_number", ""),
            ),
            total_fen=public.total_fen,
            payments=public.payments,
            charges=[msgspec.convert(dict(zip(_CHARGE, row, strict=True)), Charge) for row in values["charges"]],
            cashier=values["cashier"],
            items=[msgspec.convert(dict(zip(_ITEM, row, strict=True)), Item) for row in values.get("items", [])],
            self_paid_fen=public.self_paid_fen,
            self_funded_fen=public.self_funded_fen,
            visit=msgspec.convert(visit, Visit),
            checker=values.get("checker", ""),
            remark=values.get("remark", ""),
            group=values.get("group", ""),
        )
        return msgspec.convert(msgspec.to_builtins(request), BillRequest)  # constructors check no types
    except (KeyError, ValueError, TypeError, msgspec.ValidationError) as error:
        raise Malformed(f"details: {type(error).__name__}") from None


class PublicPart(msgspec.Struct, frozen=True):
    """What a bill's operation says in the open, in the words of the request."""

    kind: str
    place_code: str
    total_fen: int
    payments: PaymentParts
    self_paid_fen: int
    self_funded_fen: int


_CHARGE = Charge.__struct_fields__
_ITEM = Item.__struct_fields__


# ── secrets from the seed ────────────────────────────────────────────────────────────────────────────────────────────


def expand(seed: bytes, info: bytes, length: int) -> bytes:
    """HKDF-Expand with SHA-256 (RFC 5869, 2.3); the seed is uniform, so it serves as the pseudorandom key.

    `length` is at most 8,160 bytes.
    """
    return HKDFExpand(_SHA256, length, info).derive(seed)


def check_code(seed: bytes, bill: str) -> str:
    """Six characters that stand on the bill's face beside its number."""
    number = int.from_bytes(expand(seed, f"medbill/1/check-code/{bill}".encode(), 16), "big")
    characters = []
    for _ in range(6):
        number, place = divmod(number, len(CHECK_CODE_CHARACTERS))
        characters.append(CHECK_CODE_CHARACTERS[place])
    return "".join(characters)


def token(seed: bytes, bill: str) -> str:
    """128 bits as hex: what the QR code carries."""
    return expand(seed, f"medbill/1/token/{bill}".encode(), 16).hex()


def _salts(seed: bytes, bill: str, name: str, count: int) -> list[bytes]:
    salts: list[bytes] = []
    part = 0
    while len(salts) < count:
        size = min(count - len(salts), 8160 // SALT_BYTES)
        stream = expand(seed, f"medbill/1/salt/{bill}/{name}/{part}".encode(), size * SALT_BYTES)
        salts += unpack(f"{SALT_BYTES}s" * size, stream)
        part += 1
    return salts


# ── the tree ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def _leaf_hash(bill: str, field: int, index: int, salt: bytes, value: Any) -> bytes:
    return hash_leaf(encode([SCHEMA, bill, field, index, salt, value]))


# A tree has some eighty leaves, most of them blank: their canonical arrays are put together from parts encoded before.
_ARRAY_OF_SIX = encode([None] * 6)[:1]
_INTEGERS = [encode(number) for number in range(SLOTS)]
_SALT_HEAD = encode(bytes(SALT_BYTES))[:-SALT_BYTES]
_BLANK = encode(None)


def _middle(index: int) -> bytes:
    """What stands between a leaf's field and its salt."""
    return encode(index) + _SALT_HEAD


_ROW_MIDDLES = [_middle(index) for index in range(1, LIST_SLOTS_MIN + 1)]  # of lists as nearly all bills have them
_SLOT_MIDDLES = [_INTEGERS[field] + _middle(0) for field in range(SLOTS)]


def _leaf_head(bill: str) -> bytes:
    """What every leaf of a bill begins with, the mark of a leaf included."""
    return LEAF + _ARRAY_OF_SIX + encode(SCHEMA) + encode(bill)


def _list_slots(rows: int) -> int:
    return max(LIST_SLOTS_MIN, 1 << max(rows - 1, 0).bit_length())


def _list_root(bill_head: bytes, field: int, salts: Sequence[bytes], rows: Sequence[Any]) -> bytes:
    head = bill_head + _INTEGERS[field]
    many = len(salts)
    middles = _ROW_MIDDLES if many == LIST_SLOTS_MIN else [_middle(index) for index in range(1, many + 1)]
    spelt = [encode(row) for row in rows]
    spelt += [_BLANK] * (many - len(rows))
    return root_of_hashes(
        [sha256(head + middle + salt + row).digest() for middle, salt, row in zip(middles, salts, spelt, strict=True)]
    )


def _slot_hashes(details: Details) -> list[bytes]:
    head = _leaf_head(details.bill)
    values = dict(details.fields)
    spelt = [_BLANK] * SLOTS
    for field in values.keys() & _TEXT_FIELDS:
        spelt[field] = encode(values[field])
    for field in _LIST_FIELDS:
        rows = values.get(field) or []
        spelt[field] = encode(_list_root(head, field, _row_salts(details, field, len(rows)), rows))
    salts = _salts(details.seed, details.bill, "slots", SLOTS)
    return [
        sha256(head + middle + salt + value).digest()
        for middle, salt, value in zip(_SLOT_MIDDLES, salts, spelt, strict=True)
    ]


def _row_salts(details: Details, field: int, rows: int) -> list[bytes]:
    return _salts(details.seed, details.bill, str(field), _list_slots(rows))


def details_root(details: Details) -> bytes:
    """The commitment that goes on the chain."""
    return root_of_hashes(_slot_hashes(details))


def open_fields(details: Details, names: Sequence[str]) -> list[OpenedField]:
    """Show the fields `names` and nothing else. Raises KeyError for a name that no field has."""
    numbers = sorted({FIELD_IDS[name] for name in names})
    hashes = _slot_hashes(details)
    salts = _salts(details.seed, details.bill, "slots", SLOTS)
    values = dict(details.fields)
    opened = []
    for number, path in zip(numbers, paths_of_hashes(hashes, numbers), strict=True):
        value = values.get(number)
        shown = [salts[number]]
        if FIELDS[number] in LISTS:
            value = value or []
            shown += _row_salts(details, number, len(value))
        opened.append(OpenedField(number, value, shown, path))
    return opened


def verify_opened(opened: OpenedField, bill: str, root: bytes) -> None:
    """Check that a shown field belongs to the bill. Raises ProofMismatch, ProofMalformed or Malformed."""
    value, name = opened.value, FIELDS.get(opened.field)
    if name in LISTS:
        if not isinstance(value, list) or len(opened.salts) != 1 + _list_slots(len(value)):
            raise ProofMismatch("a list with other salts than its rows need")
        if None in value:  # that is how padding is spelt: else a list could be shown with more lines than it has
            raise ProofMismatch("a blank among the rows")
        value = _list_root(_leaf_head(bill), opened.field, opened.salts[1:], value)
    elif len(opened.salts) != 1:
        raise ProofMismatch("one salt per field")
    leaf = _leaf_hash(bill, opened.field, 0, opened.salts[0], value)
    if root_from_path(leaf, opened.field, SLOTS, opened.path) != root:
        raise ProofMismatch(f"field {name} leads to another root")


# ── sameness ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def business_mac(mac_key: bytes, business_no: str) -> bytes:
    """What the chain knows a business number by: HMAC under the issuer's own key."""
    return hmac.digest(mac_key, BUSINESS + encode([business_no]), "sha256")


def content_mac(mac_key: bytes, request: BillRequest) -> bytes:
    """Tells whether two requests are the same bill: all of it but the operators (cashier, checker) and the time."""
    content = [
        request.kind,
        request.business_no,
        request.place_code,
        list(msgspec.structs.astuple(request.payer)),
        request.total_fen,
        list(msgspec.structs.astuple(request.payments)),
        request.self_paid_fen,
        request.self_funded_fen,
        [list(msgspec.structs.astuple(charge)) for charge in request.charges],
        [list(msgspec.structs.astuple(item)) for item in request.items],
        list(msgspec.structs.astuple(request.visit)),
        request.remark,
    ]
    if request.group:  # one that belongs to none has the MAC that it had before there were groups
        content.append(request.group)
    return hmac.digest(mac_key, CONTENT + encode(content), "sha256")
