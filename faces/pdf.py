"""A face as PDF/A-3b, typeset by typst, with its proofs as attachments. The same face gives the same bytes.

All that the typesetter sees are the files given here, which have to be text, so that attachments are JSON too: nothing of a bill lies on the disk meanwhile.
Its own fonts and the machine's are switched off, and texts reach a template as JSON: nothing in a bill is ever read as markup.
"""

from __future__ import annotations

from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import typst

from faces.errors import RenderingFailed
from faces.face import Face
from faces.glyphs import FONT_FOLDER, FONT_NAME, with_replacements
from faces.qr import qr_svg
from faces.source import Attachment

MEDIA_TYPE = "application/pdf"
STANDARD = "a-3b"  # PDF/A-3 allows attachments of any kind
QR_INK = "#1a1a1a"
TEMPLATES = Path(__file__).parent / "templates"


def render_pdf(face: Face, attachments: list[Attachment]) -> bytes:
    """Takes some ten to hundred milliseconds of a thread. Raises RenderingFailed, FontDamaged."""
    return _compile(face, attachments, format="pdf", pdf_standards=STANDARD)


def render_png(face: Face, pixels_per_inch: float) -> list[bytes]:
    """The pages as pictures, for people who look at a change."""
    pages: Any = _compile(face, [], format="png", ppi=pixels_per_inch)
    return [pages] if isinstance(pages, bytes) else list(pages)


def _compile(face: Face, attachments: list[Attachment], **options: Any) -> bytes:
    printed = with_replacements(face)
    document = {
        **msgspec.to_builtins(printed),
        "font": FONT_NAME,
        "attachments": [
            {"name": one.name, "description": one.description, "data": list(one.data)} for one in attachments
        ],
    }
    given = {**_templates(), "face.json": msgspec.json.encode(document)}
    if face.url:
        given["qr.svg"] = qr_svg(face.url, QR_INK)
    try:
        result: Any = typst.compile(
            given,
            font_paths=_fonts(),
            timestamp=datetime.fromisoformat(face.dated),
            **options,
        )
    except typst.TypstError as error:  # its text may quote what it was given
        raise RenderingFailed(f"typst refuses {type(error).__name__} of a {face.form}") from None
    return result  # type: ignore[no-any-return]


@cache
def _templates() -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(TEMPLATES.glob("*.typ"))}


@cache
def _fonts() -> Any:
    """Read once. The shipped font and no other."""
    return typst.Fonts(include_system_fonts=False, include_embedded_fonts=False, font_paths=[str(FONT_FOLDER)])
