"""Catalogues: what charges are called, where items belong, how faces are headed; published version by version."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.responses import Response

from api.call import Call
from api.errors import ApiRefused
from api.intake.catalogue import operation_of
from api.rendering import render
from api.route import BOTH, Given, Parameter, Route, Sent
from api.routes.bills import PREFER
from api.schemas import examples
from api.schemas.answers import Answer, Rows
from api.schemas.requests import CatalogueRequest
from api.second_person import perform_or_ask
from api.standing import answer_standing


async def publish_catalogue(call: Call) -> Response:
    request = await call.read_json(CatalogueRequest)
    return await perform_or_ask(call, "publish_catalogue", "", request, perform_publication)


async def perform_publication(
    call: Call, _target: str, request: CatalogueRequest, persons: Sequence[bytes]
) -> Response:
    return await answer_standing(call, await call.desk.publish(operation_of(request), persons))


async def list_catalogues(call: Call) -> Response:
    publisher = call.parameters("organisation").get("organisation")
    return render(call, Rows(call.desk.catalogues(publisher), False, None))


async def show_catalogue(call: Call) -> Response:
    publisher = call.parameters("organisation").get("organisation")
    name, text = (str(call.request.path_params[part]) for part in ("catalogue", "version"))
    is_number = text.isascii() and text.isdigit() and len(text) <= 6
    page = call.desk.catalogue(name, int(text), publisher) if is_number else None
    if page is None:
        raise ApiRefused("catalogue_unknown")
    return render(call, page)


# kind -> (what its request is, what is done, the path whose policy says who may)
STEPS = {"publish_catalogue": (CatalogueRequest, perform_publication, "/v1/catalogues")}

PUBLISHER = Parameter("organisation", "who published it; all if left out", "finance-city")

ROUTES = (
    Route(
        "POST",
        "/v1/catalogues",
        "publishCatalogue",
        "catalogues",
        "Publish the next version of a catalogue: an office charges and faces, a hospital its items",
        publish_catalogue,
        {
            202: Given("Waits for a second person, or on its way to the ledger", examples.LIFE_QUEUED, dict),
            201: Given("Recorded within the preferred wait", examples.LIFE_RECORDED, Answer),
            200: Given("It was published before", examples.LIFE_RECORDED, Answer),
        },
        BOTH,
        Sent(examples.CATALOGUE_REQUEST, CatalogueRequest),
        (PREFER,),
        (
            "catalogue_malformed",
            "publisher_not_entitled",
            "organisation_suspended",
            "date_unknown",
            "date_passed",
            "date_too_far",
            "date_before_former",
            "version_moved",
            "directory_full",
            "approvals_full",
            "outbox_full",
            "disk_nearly_full",
            "unavailable",
        ),
    ),
    Route(
        "GET",
        "/v1/catalogues",
        "listCatalogues",
        "catalogues",
        "What has been published, the newest version first; at a gateway, of what its hospital goes by",
        list_catalogues,
        {200: Given("The versions", {"data": [examples.CATALOGUE_ROW], "has_more": False, "next": None}, Rows)},
        BOTH,
        None,
        (PUBLISHER,),
        ("parameter_unknown",),
    ),
    Route(
        "GET",
        "/v1/catalogues/{catalogue}/{version}",
        "showCatalogue",
        "catalogues",
        "One version with its content",
        show_catalogue,
        {200: Given("The version", examples.CATALOGUE, dict)},
        BOTH,
        None,
        (
            Parameter("catalogue", "`charges`, `items` or `faces`", "charges", "path", True),
            Parameter("version", "its number, from 1 on", "2", "path", True),
            Parameter("organisation", "who published it; the first that has it if left out", "finance-city"),
        ),
        ("catalogue_unknown", "parameter_unknown"),
    ),
)
