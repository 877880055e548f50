"""Catalogues: what a charge is called, where a hospital's items belong, how a face is headed. Each from a day on.

An office publishes `charges` (fiscal charge codes and their names) and `faces` (titles and column heads) for all hospitals below it; a
hospital publishes `items`, which leads codes of its own to fiscal charge codes. Every version stays, so a bill goes for ever by the
versions of its own day. Sources: Zhejiang medical e-bill measure of 2019 (the province settles the templates, year by year); hospitals'
charge categories and the codes of fiscal bills differ (DOMAIN 1.4).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Annotated

import msgspec

from chain.bill import BillRequest
from chain.codec import Count, LocalDate, Milliseconds, Wire, encode, verify_text
from chain.errors import ContentRefused, TextRefused

CHARGES, ITEMS, FACES = "charges", "items", "faces"
BYTES_MAX = 512 << 10  # of one version: some 30,000 items; the ledger keeps as much of 800 bills
ENTRIES_MAX = 50_000
CATALOGUE_VERSIONS_MAX = 1_000  # of one catalogue: each new one copies the list
CHARGE_COLUMNS, ITEM_COLUMNS = 4, 7  # heads of a bill's table, of a detail list's

EntryCode = Annotated[str, msgspec.Meta(min_length=1, max_length=32)]  # as long as a bill's own may be
EntryName = Annotated[str, msgspec.Meta(min_length=1, max_length=128)]
Title = Annotated[str, msgspec.Meta(min_length=1, max_length=20)]  # as much as stands in one line
ColumnHead = Annotated[str, msgspec.Meta(min_length=1, max_length=8)]


class ChargeName(Wire, frozen=True):
    """A charge category of fiscal bills."""

    code: EntryCode
    name: EntryName


class ItemPlace(Wire, frozen=True):
    """Under which charge a hospital's code belongs: of an item, or of a category of its own."""

    code: EntryCode
    charge: EntryCode


class FaceTitle(Wire, frozen=True):
    """What stands above a kind of bill."""

    kind: Annotated[int, msgspec.Meta(ge=1, le=99)]
    bill_title: Title
    list_title: Title


class ChargesCatalogue(Wire, frozen=True, tag=1):
    charges: Annotated[list[ChargeName], msgspec.Meta(max_length=ENTRIES_MAX)]  # by code, ascending


class ItemsCatalogue(Wire, frozen=True, tag=2):
    items: Annotated[list[ItemPlace], msgspec.Meta(max_length=ENTRIES_MAX)]  # by code, ascending


class FacesCatalogue(Wire, frozen=True, tag=3):
    """Empty lists of heads: as ever."""

    titles: Annotated[list[FaceTitle], msgspec.Meta(max_length=99)]  # by kind, ascending
    charge_columns: Annotated[list[ColumnHead], msgspec.Meta(max_length=CHARGE_COLUMNS)]
    item_columns: Annotated[list[ColumnHead], msgspec.Meta(max_length=ITEM_COLUMNS)]


Catalogue = ChargesCatalogue | ItemsCatalogue | FacesCatalogue
NAMES: dict[type, str] = {ChargesCatalogue: CHARGES, ItemsCatalogue: ITEMS, FacesCatalogue: FACES}


class CatalogueVersion(Wire, frozen=True):
    """One of a list; its number is its place, from 1 on."""

    from_date: LocalDate  # first business date that it is for
    published_ms: Milliseconds  # time of the block that recorded it


class VersionInForce(msgspec.Struct, frozen=True):
    """Whose version a bill goes by, as its face tells."""

    publisher: str  # as people write it
    catalogue: str
    version: Count
    from_date: LocalDate


class InForce(msgspec.Struct, frozen=True):
    """What holds for one hospital's bills of a day; all of it empty where nobody has published anything."""

    names: dict[str, str] | None = None  # fiscal charge code -> name; None: no catalogue of charges
    places: dict[str, str] | None = None  # hospital's code -> fiscal charge code; None: no catalogue of items
    titles: dict[int, FaceTitle] = {}
    charge_columns: list[str] = []
    item_columns: list[str] = []
    versions: list[VersionInForce] = []

    def charge_of(self, code: str) -> str:
        """The fiscal code of a bill's charge; its own where the hospital says nothing else."""
        return code if self.places is None else self.places.get(code, code)

    def name_of(self, code: str) -> str | None:
        """What a bill's charge is called."""
        return None if self.names is None else self.names.get(self.charge_of(code))


NOTHING = InForce()


def version_at(versions: Sequence[CatalogueVersion], date: int, time_ms: int) -> int:
    """The number of the version that a bill goes by which has this business date (yyyymmdd) and was issued at that moment.

    It is the last one that had begun and was published: what is published later changes no bill that was issued. 0: none.
    """
    for number in range(len(versions), 0, -1):
        version = versions[number - 1]
        if version.from_date <= date and version.published_ms <= time_ms:
            return number
    return 0


def in_force(parts: Iterable[tuple[VersionInForce, Catalogue]]) -> InForce:
    """Catalogues of different names, joined for looking up."""
    found: dict[str, object] = {}
    versions = []
    for version, content in parts:
        versions.append(version)
        match content:
            case ChargesCatalogue():
                found["names"] = {entry.code: entry.name for entry in content.charges}
            case ItemsCatalogue():
                found["places"] = {entry.code: entry.charge for entry in content.items}
            case FacesCatalogue():
                found["titles"] = {title.kind: title for title in content.titles}
                found["charge_columns"], found["item_columns"] = content.charge_columns, content.item_columns
    return InForce(versions=versions, **found)  # type: ignore[arg-type]


def verify_mapped(request: BillRequest, catalogues: InForce) -> None:
    """Check that every code of a bill leads to a charge that has a name, its items to the charges that they stand under.

    A charge's code is looked up as the hospital's own first, then as a fiscal one. Raises ContentRefused `item_not_mapped`,
    `item_mapped_elsewhere` with a JSON pointer.
    """
    names, places = catalogues.names, catalogues.places
    fiscal: dict[str, str] = {}
    for index, charge in enumerate(request.charges):
        code = fiscal[charge.code] = catalogues.charge_of(charge.code)
        if names is not None and code not in names:
            raise ContentRefused("item_not_mapped", f"/charges/{index}/code", "no catalogue in force has this charge")
    if places is None:
        return
    for index, item in enumerate(request.items):
        place = places.get(item.code)
        if place is None:
            raise ContentRefused("item_not_mapped", f"/items/{index}/code", "the hospital's catalogue lacks this item")
        if place != fiscal[item.charge_code]:
            raise ContentRefused("item_mapped_elsewhere", f"/items/{index}/charge_code", f"it belongs under {place}")


def verify_catalogue(content: Catalogue) -> None:
    """Check that a catalogue can be published. Raises ContentRefused `catalogue_malformed` with a JSON pointer.

    1. it fits; 2. it has entries, each code or kind once, ascending; 3. heads are as many as there are columns; 4. texts
    may be stored.
    """
    if len(encode(content)) > BYTES_MAX:  # 1
        raise _malformed("", f"more than {BYTES_MAX} bytes")
    match content:
        case ChargesCatalogue():
            _verify_order("/charges", [entry.code for entry in content.charges])  # 2
            _verify_texts("/charges", [(entry.code, entry.name) for entry in content.charges])  # 4
        case ItemsCatalogue():
            _verify_order("/items", [entry.code for entry in content.items])
            _verify_texts("/items", [(entry.code, entry.charge) for entry in content.items])
        case FacesCatalogue():
            _verify_order("/titles", [f"{title.kind:02d}" for title in content.titles])
            _verify_texts("/titles", [(title.bill_title, title.list_title) for title in content.titles])
            for name, heads, count in (
                ("/charge_columns", content.charge_columns, CHARGE_COLUMNS),
                ("/item_columns", content.item_columns, ITEM_COLUMNS),
            ):
                if len(heads) not in (0, count):  # 3
                    raise _malformed(name, f"{count} heads, or none")
                _verify_texts(name, [(head,) for head in heads])


def _verify_order(pointer: str, codes: Sequence[str]) -> None:
    if not codes:
        raise _malformed(pointer, "it has no entries")
    for index in range(1, len(codes)):
        if codes[index - 1] >= codes[index]:
            raise _malformed(f"{pointer}/{index}", "each code once, ascending")


def _verify_texts(pointer: str, rows: Iterable[tuple[str, ...]]) -> None:
    for index, row in enumerate(rows):
        for text in row:
            try:
                verify_text(text)
            except TextRefused as refusal:
                raise _malformed(f"{pointer}/{index}", str(refusal)) from None


def _malformed(pointer: str, detail: str) -> ContentRefused:
    return ContentRefused("catalogue_malformed", pointer, detail)
