"""Which versions of the catalogues hold for a hospital's bill, and what has been published: read from records, wherever they lie."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from chain.bill import KIND_NAMES
from chain.catalogue import (
    CHARGES,
    FACES,
    ITEMS,
    NOTHING,
    Catalogue,
    ChargesCatalogue,
    FacesCatalogue,
    InForce,
    ItemsCatalogue,
    VersionInForce,
    in_force,
    version_at,
)
from chain.records import CatalogueBody, CataloguesBody
from node.ledger_pages import utc_text
from node.verification import iso_date

READY_MAX = 8  # catalogues ready for looking up: of this year and the last, a few hospitals at a mirror

Chosen = tuple[tuple[str, str, int], ...]  # (publisher, catalogue, version) of each


class CatalogueBook:
    def __init__(
        self,
        publishers: Callable[[], Sequence[str]],
        offices_of: Callable[[str], Sequence[str]],
        title_of: Callable[[str], str],
        directory: Callable[[str], CataloguesBody | None],
        body: Callable[[str, str, int], CatalogueBody | None],
    ) -> None:
        """`publishers`: all whose catalogues are known here; `offices_of`: whose a hospital goes by, the nearest first; `title_of`: an
        organisation as people write it; `directory`: what it has published; `body`: one version of it."""
        self._publishers, self._offices_of, self._title_of = publishers, offices_of, title_of
        self._directory, self._body = directory, body
        self._ready: dict[Chosen, InForce] = {}  # at most READY_MAX

    def in_force(self, hospital: str, date: int, time_ms: int) -> InForce:
        """For a bill of that business date (yyyymmdd), issued at that moment. Of several offices above the hospital, the nearest
        that has a version counts."""
        offices = self._offices_of(hospital)
        chosen: list[tuple[str, str, int]] = []
        for name, publishers in ((CHARGES, offices), (ITEMS, [hospital]), (FACES, offices)):
            for publisher in publishers:
                directory = self._directory(publisher)
                number = version_at(directory.versions(name), date, time_ms) if directory is not None else 0
                if number:
                    chosen.append((publisher, name, number))
                    break
        return self._joined(tuple(chosen)) if chosen else NOTHING

    def _joined(self, chosen: Chosen) -> InForce:
        ready = self._ready.get(chosen)
        if ready is None:
            parts: list[tuple[VersionInForce, Catalogue]] = []
            for publisher, name, number in chosen:
                body = self._body(publisher, name, number)
                assert body is not None  # a directory names what is there
                version = VersionInForce(self._title_of(publisher), name, number, body.from_date)
                parts.append((version, body.content))
            ready = in_force(parts)
            while len(self._ready) >= READY_MAX:
                del self._ready[next(iter(self._ready))]
            self._ready[chosen] = ready
        return ready

    # ── for people ───────────────────────────────────────────────────────────────────────────────────────────────────

    def rows(self, publisher: str | None) -> list[dict[str, Any]]:
        """{organisation, catalogue, version, from_date, published_at}, the newest version of each first."""
        rows = []
        for name in self._publishers():
            directory = self._directory(name) if publisher in (None, name) else None
            for entry in directory.catalogues if directory is not None else []:
                for number in range(len(entry.versions), 0, -1):
                    version = entry.versions[number - 1]
                    rows.append(_row(name, entry.catalogue, number, version.from_date, version.published_ms))
        return rows

    def page(self, catalogue: str, version: int, publisher: str | None) -> dict[str, Any] | None:
        """A row with the catalogue's content, in the words of the request that published it; of the first organisation that has
        such a version if none is named."""
        for name in self._publishers():
            directory = self._directory(name) if publisher in (None, name) else None
            if directory is None or not 1 <= version <= len(directory.versions(catalogue)):
                continue
            body = self._body(name, catalogue, version)
            assert body is not None  # a directory names what is there
            row = _row(name, catalogue, version, body.from_date, body.published_ms)
            return row | _content(body.content)
        return None


def _row(publisher: str, catalogue: str, version: int, from_date: int, published_ms: int) -> dict[str, Any]:
    return {
        "organisation": publisher,
        "catalogue": catalogue,
        "version": version,
        "from_date": iso_date(from_date),
        "published_at": utc_text(published_ms),
    }


def _content(content: Catalogue) -> dict[str, Any]:
    match content:
        case ChargesCatalogue():
            return {"charges": [{"code": entry.code, "name": entry.name} for entry in content.charges]}
        case ItemsCatalogue():
            return {"items": [{"code": entry.code, "charge": entry.charge} for entry in content.items]}
        case FacesCatalogue():
            titles = [
                {
                    "kind": KIND_NAMES.get(title.kind, str(title.kind)),
                    "bill_title": title.bill_title,
                    "list_title": title.list_title,
                }
                for title in content.titles
            ]
            heads = {"charge_columns": content.charge_columns, "item_columns": content.item_columns}
            return {"titles": titles, **heads}
