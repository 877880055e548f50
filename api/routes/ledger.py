"""The ledger itself: blocks, the network, what became of an operation, signed transactions."""

from __future__ import annotations

from starlette.responses import Response

from api.call import Call
from api.errors import ApiRefused
from api.rendering import IMMUTABLE, PERSONAL, REVALIDATE, found, render, render_bytes, render_page
from api.route import BOTH, MIRROR, Given, Parameter, Route, Sent
from api.routes.audit import CURSOR, IN_PARAMETERS, parse_limit
from api.routes.bills import PREFER
from api.schemas import examples
from api.schemas.answers import Answer, Outcomes, Rows
from api.standing import build_answer, build_outcome, preferred_wait_s, wait_for

BLOCKS_LIMIT_MAX = 100
HEIGHT_DIGITS_MAX = 15


async def list_blocks(call: Call) -> Response:
    parameters = call.parameters("cursor", "limit", "before")
    limit = parse_limit(parameters.get("limit"), BLOCKS_LIMIT_MAX)
    before = None
    if "cursor" in parameters:
        before = int(call.open_cursor("blocks", parameters["cursor"]))
    elif "before" in parameters:
        if not _is_height(parameters["before"]):
            raise ApiRefused("parameter_invalid", "before: a height")
        before = int(parameters["before"])
    return render_page(call, await call.desk.blocks(before, limit), "blocks", limit, cache=REVALIDATE)


async def show_block(call: Call) -> Response:
    text = call.request.path_params["height"]
    if not _is_height(text):
        raise ApiRefused("block_unknown")
    block = found(await call.desk.block(int(text), call.reader), "block_unknown")
    return render(call, block, cache=IMMUTABLE if call.reader is None else PERSONAL, headers={"Vary": "Authorization"})


def _is_height(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= HEIGHT_DIGITS_MAX


async def show_network(call: Call) -> Response:
    return render(call, call.desk.network(), cache=REVALIDATE)


async def show_genesis(call: Call) -> Response:
    return render_bytes(call, call.desk.genesis_file(), "application/json", cache=REVALIDATE)


async def list_keys(call: Call) -> Response:
    organisation = call.parameters("organisation").get("organisation")
    return render(call, Rows(call.archive.keys(organisation), False, None))


async def show_operation(call: Call) -> Response:
    digest = call.request.path_params["digest"]
    if len(digest) != 64 or any(character not in "0123456789abcdef" for character in digest):
        raise ApiRefused("operation_unknown")
    return render(call, build_answer(found(await call.desk.operation(digest, call.person), "operation_unknown")))


async def submit_transaction(call: Call) -> Response:
    standings = await call.desk.submit(await call.read_raw())
    headers: dict[str, str] = {}
    waited_s = preferred_wait_s(call)
    if waited_s is not None and (reached := await wait_for(call, standings, waited_s)) is not None:
        standings, headers = reached, {"Preference-Applied": f"wait={waited_s}"}
    outcomes = [build_outcome(index, standing) for index, standing in enumerate(standings)]
    status = 202 if any(outcome.status == "queued" for outcome in outcomes) else 200
    return render(call, Outcomes(outcomes), status, headers=headers)


ROUTES = (
    Route(
        "GET",
        "/v1/blocks",
        "listBlocks",
        "ledger",
        "Blocks, newest first: header, certificate and counts",
        list_blocks,
        {200: Given("Part of the list", {"data": [examples.BLOCK], "has_more": True, "next": "b3BhcXVl"}, Rows)},
        BOTH,
        None,
        (
            Parameter("before", "begin below this height", 1043, schema={"type": "integer", "minimum": 0}),
            Parameter(
                "limit", "rows in one part", 20, schema={"type": "integer", "minimum": 1, "maximum": BLOCKS_LIMIT_MAX}
            ),
            CURSOR,
        ),
        (*IN_PARAMETERS, "cursor_invalid"),
    ),
    Route(
        "GET",
        "/v1/blocks/{height}",
        "showBlock",
        "ledger",
        "A block; its body for auditors, and an issuer's own part for its people",
        show_block,
        {200: Given("The block", examples.BLOCK, dict)},
        BOTH,
        None,
        (Parameter("height", "from 1", 1042, "path", True, {"type": "integer", "minimum": 0}),),
        ("block_unknown",),
    ),
    Route(
        "GET",
        "/v1/network",
        "showNetwork",
        "ledger",
        "Organisations, validators, parameters, this node and its peers",
        show_network,
        {200: Given("The network", examples.NETWORK, dict)},
    ),
    Route(
        "GET",
        "/v1/genesis",
        "showGenesis",
        "ledger",
        "The genesis file, whose digest is the chain id: what proofs are checked against",
        show_genesis,
        {200: Given("genesis.json; compare its digest with what you know from elsewhere", examples.GENESIS, dict)},
    ),
    Route(
        "GET",
        "/v1/keys",
        "listKeys",
        "ledger",
        "Keys that have not ended, of one organisation or of all, and from and until which block they sign",
        list_keys,
        {200: Given("The keys", {"data": [examples.KEY], "has_more": False, "next": None}, Rows)},
        (MIRROR,),
        None,
        (Parameter("organisation", "organisation id", "hospital-a"),),
        ("parameter_unknown",),
    ),
    Route(
        "GET",
        "/v1/operations/{digest}",
        "showOperation",
        "ledger",
        "What has become of an operation",
        show_operation,
        {200: Given("Its standing", examples.SEALED, Answer)},
        BOTH,
        None,
        (
            Parameter(
                "digest",
                "64 hexadecimal digits",
                examples.DIGEST,
                "path",
                True,
                {"type": "string", "pattern": "^[0-9a-f]{64}$"},
            ),
        ),
        ("operation_unknown",),
    ),
    Route(
        "POST",
        "/v1/transactions",
        "submitTransaction",
        "ledger",
        "Send a transaction that an organisation has signed, in canonical bytes",
        submit_transaction,
        {
            202: Given(
                "Taken; an outcome for each operation",
                {"outcomes": [{"index": 0, **examples.OPERATION_QUEUED}]},
                Outcomes,
            ),
            200: Given(
                "Nothing is left to wait for",
                {"outcomes": [{"index": 0, **examples.OPERATION_QUEUED, "status": "recorded"}]},
                Outcomes,
            ),
        },
        BOTH,
        Sent(examples.TRANSACTION_HEX, None, ("application/octet-stream", "application/msgpack")),
        (PREFER,),
        (
            "malformed",
            "not_canonical",
            "transaction_malformed",
            "transaction_too_large",
            "transaction_expired",
            "transaction_repeated",
            "transaction_too_early",
            "bad_signature",
            "key_refused",
            "key_unknown",
            "key_not_in_force",
            "suite_unknown",
            "mempool_full",
            "unavailable",
        ),
    ),
)
