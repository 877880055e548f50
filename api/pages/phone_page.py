"""The phone page `/v/{bill}.{token}`: what a bill's QR code opens. Static files; the phone itself checks the proof.

Every link gets the same page: neither number nor token is looked at here, so nothing about a bill can be learnt from it.
The page then asks `/v1/genesis` and the bill's proof, and shows the token in a header (`phone/asking.js`).
"""

from __future__ import annotations

from pathlib import Path

from starlette.responses import Response

from api.call import Call
from api.errors import ApiRefused
from api.rendering import REVALIDATE, render_bytes

FOLDER = Path(__file__).parent / "phone"
PAGE = "index.html"
MEDIA_TYPES = {
    ".css": "text/css",
    ".html": "text/html",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
    ".txt": "text/plain",
}
# name -> bytes: read once, and nothing else of the disk can be asked for
FILES = {path.name: path.read_bytes() for path in sorted(FOLDER.iterdir()) if path.suffix in MEDIA_TYPES}

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}


async def show_page(call: Call) -> Response:
    return _render(call, PAGE)


async def show_asset(call: Call) -> Response:
    name = call.request.path_params["name"]
    if name not in FILES or name == PAGE:
        raise ApiRefused("not_found")
    return _render(call, name)


def _render(call: Call, name: str) -> Response:
    media_type = MEDIA_TYPES[Path(name).suffix]
    headers = {**HEADERS, "Content-Type": f"{media_type}; charset=utf-8"}
    return render_bytes(call, FILES[name], media_type, cache=REVALIDATE, headers=headers)


# path -> handler: public, and not part of the REST interface
PATHS = {"/v/{link}": show_page, "/v/assets/{name}": show_asset}
