"""Draw the faces of the invented bills beside this file: python -m docs.faces [FOLDER-FOR-PDF-AND-OFD]"""

from __future__ import annotations

import sys
from pathlib import Path

from docs.faces.bills import BASE_URL, CHAIN_ID, samples
from faces.face import make_face
from faces.ofd import render_ofd
from faces.pdf import render_pdf, render_png

FOLDER = Path(__file__).parent
HALF_SHEET_PPI, SHEET_PPI = 100.0, 72.0  # pixels per inch
BYTES_MAX = 200_000  # of a picture


def main() -> None:
    """Pictures of the pages, at most two of a bill; and the files themselves where a folder is named for them."""
    files = Path(sys.argv[1]) if len(sys.argv) > 1 else None
    for name, source, form in samples():
        face = make_face(source, form, BASE_URL, CHAIN_ID)
        pages = render_png(face, SHEET_PPI if face.is_tall else HALF_SHEET_PPI)
        for number, page in enumerate(pages[:2], 1):
            path = FOLDER / (f"{name}-{number}.png" if len(pages) > 1 else f"{name}.png")
            assert len(page) <= BYTES_MAX, f"{path.name}: {len(page)} bytes"
            path.write_bytes(page)
        if files is not None:
            (files / f"{name}.pdf").write_bytes(render_pdf(face, source.proofs))
            (files / f"{name}.ofd").write_bytes(render_ofd(face, source.proofs))


if __name__ == "__main__":
    main()
