"""A catalogue as it is asked for, on its way to an operation: what the REST layer and the command share."""

from __future__ import annotations

from api.errors import ApiRefused
from api.schemas.requests import CatalogueRequest
from chain.bill import KINDS
from chain.catalogue import (
    CHARGES,
    ITEMS,
    Catalogue,
    ChargeName,
    ChargesCatalogue,
    FacesCatalogue,
    FaceTitle,
    ItemPlace,
    ItemsCatalogue,
    verify_catalogue,
)
from chain.codec import decode, encode
from chain.errors import ContentRefused, Malformed
from chain.operation import PublishCatalogue

PARTS = {"charges": ("charges",), "items": ("items",), "faces": ("titles", "charge_columns", "item_columns")}


def operation_of(request: CatalogueRequest) -> PublishCatalogue:
    """What is asked of the ledger, without its persons.

    Raises ApiRefused with a pointer: `invalid_value` for a part of another catalogue, `catalogue_malformed`, `date_unknown`.
    """
    for name, parts in PARTS.items():
        for part in parts:
            if name != request.catalogue and getattr(request, part):
                raise ApiRefused("invalid_value", f"not of the catalogue {request.catalogue}", f"/{part}")
    content = _content(request)
    try:
        verify_catalogue(content)
    except ContentRefused as refusal:
        raise ApiRefused(refusal.code, refusal.detail, refusal.pointer) from None
    operation = PublishCatalogue(request.version, int(request.from_date.replace("-", "")), content, [])
    try:
        decode(encode(operation), PublishCatalogue)
    except Malformed:
        raise ApiRefused("date_unknown", "not a day that a bill could have", "/from_date") from None
    return operation


def _content(request: CatalogueRequest) -> Catalogue:
    if request.catalogue == CHARGES:
        return ChargesCatalogue([ChargeName(row.code, row.name) for row in request.charges])
    if request.catalogue == ITEMS:
        return ItemsCatalogue([ItemPlace(row.code, row.charge) for row in request.items])
    titles = [FaceTitle(KINDS[row.kind], row.bill_title, row.list_title) for row in request.titles]
    return FacesCatalogue(titles, request.charge_columns, request.item_columns)
