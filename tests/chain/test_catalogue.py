"""Which version a bill goes by, and which bills the catalogues know."""

from __future__ import annotations

import pytest

from chain.bill import Charge, Item
from chain.catalogue import (
    NOTHING,
    CatalogueVersion,
    ChargeName,
    ChargesCatalogue,
    FacesCatalogue,
    FaceTitle,
    InForce,
    ItemPlace,
    ItemsCatalogue,
    VersionInForce,
    in_force,
    verify_mapped,
    version_at,
)
from chain.errors import ContentRefused
from tests.chain.making import request

OLD, NEW = 20260101, 20270101
VERSIONS = [CatalogueVersion(OLD, 1_000), CatalogueVersion(NEW, 2_000)]


@pytest.mark.parametrize(
    ("date", "time_ms", "number"),
    [
        (20251231, 9_000, 0),  # no version had begun
        (20260101, 9_000, 1),
        (20261231, 9_000, 1),
        (20270101, 9_000, 2),
        (20991231, 9_000, 2),
        (20270101, 1_999, 1),  # issued before the new one was published
        (20261231, 999, 0),
    ],
)
def test_a_bill_goes_by_the_last_version_that_had_begun_and_was_published(date: int, time_ms: int, number: int) -> None:
    assert version_at(VERSIONS, date, time_ms) == number


def test_a_correction_for_the_same_day_holds_for_bills_issued_afterwards() -> None:
    versions = [*VERSIONS, CatalogueVersion(NEW, 3_000)]
    assert version_at(versions, NEW, 2_999) == 2
    assert version_at(versions, NEW, 3_000) == 3
    assert version_at([], NEW, 3_000) == 0


def catalogues(*, charges: bool = True, items: bool = True) -> InForce:
    """Fiscal charges 0801 and 0802; the hospital calls them 01 and 02, and has items D-1 and D-2 under them."""
    parts = []
    if charges:
        rows = ChargesCatalogue([ChargeName("0801", "西药费"), ChargeName("0802", "诊查费")])
        parts.append((VersionInForce("Office", "charges", 1, OLD), rows))
    if items:
        places = [ItemPlace("01", "0801"), ItemPlace("02", "0802"), ItemPlace("D-1", "0802"), ItemPlace("D-2", "0801")]
        parts.append((VersionInForce("Hospital", "items", 1, OLD), ItemsCatalogue(places)))
    return in_force(parts)


def refused(found: InForce, **changes: object) -> tuple[str, str]:
    with pytest.raises(ContentRefused) as refusal:
        verify_mapped(request(**changes), found)
    return refusal.value.code, refusal.value.pointer


def test_a_bill_of_known_codes_passes() -> None:
    """`request`: charges 01 and 02, the item D-1 under 02."""
    verify_mapped(request(), catalogues())
    verify_mapped(request(), NOTHING)
    verify_mapped(request(), catalogues(charges=False))
    assert catalogues().name_of("01") == catalogues().name_of("0801") == "西药费"
    assert NOTHING.name_of("01") is None


def test_fiscal_codes_need_no_hospitals_catalogue() -> None:
    charges = [Charge("0801", "any name", 12_245), Charge("0802", "other", 100)]
    items = [Item("0802", "anything", "consultation", 1000, 10_000, 100)]
    verify_mapped(request(charges=charges, items=items), catalogues(items=False))
    assert refused(catalogues(items=False)) == ("item_not_mapped", "/charges/0/code")


def test_the_first_code_that_leads_nowhere_is_named() -> None:
    unknown = [Charge("01", "western medicine", 12_245), Charge("03", "other", 100)]
    items = [Item("03", "D-1", "consultation", 1000, 10_000, 100)]
    assert refused(catalogues(), charges=unknown, items=items) == ("item_not_mapped", "/charges/1/code")
    items = [
        Item("02", "D-1", "consultation", 500, 10_000, 50),
        Item("02", "D-9", "consultation", 500, 10_000, 50),
    ]
    assert refused(catalogues(), items=items) == ("item_not_mapped", "/items/1/code")
    assert refused(catalogues(charges=False), items=items) == ("item_not_mapped", "/items/1/code")


def test_an_item_stands_under_the_charge_that_it_belongs_to() -> None:
    items = [Item("02", "D-2", "a medicine", 1000, 10_000, 100)]
    assert refused(catalogues(), items=items) == ("item_mapped_elsewhere", "/items/0/charge_code")


def test_a_hospitals_code_that_leads_to_no_fiscal_charge_is_not_mapped() -> None:
    """Its own list may be older than the office's."""
    office = ChargesCatalogue([ChargeName("0801", "西药费")])
    places = ItemsCatalogue([ItemPlace("01", "0801"), ItemPlace("02", "0802"), ItemPlace("D-1", "0802")])
    found = in_force(
        [(VersionInForce("Office", "charges", 1, OLD), office), (VersionInForce("Hospital", "items", 1, OLD), places)]
    )
    assert refused(found) == ("item_not_mapped", "/charges/1/code")


def test_heads_come_with_their_titles() -> None:
    faces = FacesCatalogue([FaceTitle(1, "门诊收费票据", "门诊收费清单")], ["项目", "数量", "单位", "金额"], [])
    found = in_force([(VersionInForce("Office", "faces", 3, NEW), faces)])
    assert (found.titles[1].bill_title, found.charge_columns, found.item_columns) == (
        "门诊收费票据", ["项目", "数量", "单位", "金额"], [],
    )  # fmt: skip
    assert found.names is None
    assert found.places is None
