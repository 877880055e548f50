"""Credit at a mirror: products as they are published, lines for their lender, their bearer and auditors."""

from __future__ import annotations

from starlette.responses import Response

from api.call import Call
from api.errors import ApiRefused
from api.rendering import found, render, render_page
from api.route import MIRROR, Given, Parameter, Route
from api.routes.audit import CURSOR, IN_PARAMETERS, parse_limit
from api.routes.files import digest_parameter, hexadecimal
from api.schemas import lending_examples as examples
from api.schemas.answers import Rows

TAG = "credit"
ROWS_MAX = 1_000
VERSION_MAX = 999_999


async def show_product(call: Call) -> Response:
    path, version = call.request.path_params, call.parameters("version").get("version")
    if version is not None and not (
        version.isascii() and version.isdigit() and len(version) <= 6 and 1 <= int(version) <= VERSION_MAX
    ):
        raise ApiRefused("parameter_invalid", f"version: 1 to {VERSION_MAX}")
    number = None if version is None else int(version)
    return render(call, found(call.archive.lending.product(path["lender"], path["product"], number), "product_unknown"))


async def show_line(call: Call) -> Response:
    line = hexadecimal(call.request.path_params["line"], "line_unknown")
    lender = call.parameters("lender").get("lender", call.person.organisation)
    return render(call, found(call.archive.lending.line(lender, line, call.person), "line_unknown"))


async def list_lines(call: Call) -> Response:
    parameters = call.parameters("lender", "owing", "cursor", "limit")
    lender, owing = parameters.get("lender", call.person.organisation), parameters.get("owing", "false")
    if owing not in ("true", "false"):
        raise ApiRefused("parameter_invalid", "owing: true or false")
    limit = parse_limit(parameters.get("limit"), ROWS_MAX)
    scope = f"/v1/credit-lines {lender} {owing}"
    after = call.open_cursor(scope, parameters["cursor"]) if "cursor" in parameters else None
    return render_page(
        call, call.archive.lending.lines(lender, owing == "true", after, limit, call.person), scope, limit
    )


LENDER_PARAMETER = Parameter("lender", "whose lines; the reader's own organisation without it", "lender-a")
LIMIT = Parameter("limit", "rows in one part", 20, schema={"type": "integer", "minimum": 1, "maximum": ROWS_MAX})

ROUTES = (
    Route(
        "GET",
        "/v1/credit-products/{lender}/{product}",
        "showCreditProduct",
        TAG,
        "A lender's product: least score, line, caps, who bears the risk; the newest version if none is named",
        show_product,
        {200: Given("The product", examples.PRODUCT, dict)},
        (MIRROR,),
        None,
        (
            Parameter("lender", "whose", "lender-a", "path", True),
            Parameter("product", "its name", "anxin", "path", True),
            Parameter("version", "one of its versions", 1, schema={"type": "integer", "minimum": 1}),
        ),
        ("product_unknown", *IN_PARAMETERS),
    ),
    Route(
        "GET",
        "/v1/credit-lines",
        "listCreditLines",
        TAG,
        "A lender's lines by name, or those on which something is owed; whose they are, the ledger does not know",
        list_lines,
        {200: Given("The lines", {"data": [examples.LINE], "has_more": False, "next": None}, Rows)},
        (MIRROR,),
        None,
        (
            LENDER_PARAMETER,
            Parameter("owing", "only those on which something is owed", "true", schema={"enum": ["true", "false"]}),
            LIMIT,
            CURSOR,
        ),
        (*IN_PARAMETERS, "cursor_invalid"),
    ),
    Route(
        "GET",
        "/v1/credit-lines/{line}",
        "showCreditLine",
        TAG,
        "One line, by its name on the ledger: what is left, what is owed, by when",
        show_line,
        {200: Given("The line", examples.LINE, dict)},
        (MIRROR,),
        None,
        (digest_parameter("line"), LENDER_PARAMETER),
        ("line_unknown", *IN_PARAMETERS),
    ),
)
