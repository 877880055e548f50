"""A face as OFD (GB/T 33190-2016): a ZIP of XML, with its proofs as attachments. The same face gives the same bytes.

Not in it: an embedded font (text is set for 宋体, which readers have), and an electronic seal after GB/T 38540: what proves the bill is the attachment.
"""

from __future__ import annotations

import hashlib
import io
import itertools
import zipfile
from xml.sax.saxutils import escape, quoteattr

import msgspec

from faces.face import Face
from faces.glyphs import with_replacements
from faces.ofd_layout import lay_out
from faces.ofd_page import FONT_ID, NAMESPACE, number
from faces.source import Attachment

MEDIA_TYPE = "application/ofd"
FONT_FAMILY = "宋体"
_HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n'
_ZIP_DATE = (1980, 1, 1, 0, 0, 0)  # the bytes depend on the bill alone


def render_ofd(face: Face, attachments: list[Attachment]) -> bytes:
    """Takes some ten milliseconds of a thread. Raises FontDamaged."""
    printed = with_replacements(face)
    ids = itertools.count(FONT_ID + 1)
    pages = lay_out(printed, ids)
    layers, places = [next(ids) for _ in pages], [next(ids) for _ in pages]
    files = {
        "OFD.xml": _entrance(printed),
        "Doc_0/Document.xml": _document(pages[0].wide, pages[0].tall, places, next(ids), bool(attachments)),
        "Doc_0/PublicRes.xml": (
            f'{_HEAD}<ofd:Res {NAMESPACE} BaseLoc="Res"><ofd:Fonts><ofd:Font ID="{FONT_ID}" FontName="{FONT_FAMILY}" '
            f'FamilyName="{FONT_FAMILY}"/></ofd:Fonts></ofd:Res>\n'
        ),
    }
    for place, (page, layer) in enumerate(zip(pages, layers, strict=True)):
        files[f"Doc_0/Pages/Page_{place}/Content.xml"] = page.xml(layer)
    packed = {name: text.encode() for name, text in files.items()}
    if attachments:
        packed["Doc_0/Attachments/Attachments.xml"] = _attachments(printed, attachments).encode()
        packed |= {f"Doc_0/Attachments/{one.name}": one.data for one in attachments}
    return _packed(packed)


def _entrance(face: Face) -> str:
    customs = [("票据", face.bill), *((entry.label, entry.value) for entry in face.heads), ("金额合计", face.total)]
    spelt = "".join(
        f"<ofd:CustomData Name={quoteattr(name)}>{escape(value)}</ofd:CustomData>" for name, value in customs
    )
    name = hashlib.sha256(msgspec.json.encode(face)).hexdigest()[:32]
    return (
        f'{_HEAD}<ofd:OFD {NAMESPACE} Version="1.1" DocType="OFD"><ofd:DocBody><ofd:DocInfo><ofd:DocID>{name}</ofd:DocID>'
        f"<ofd:Title>{escape(face.title)} {face.bill}</ofd:Title><ofd:Author>{escape(face.feet[0].value)}</ofd:Author>"
        f"<ofd:CreationDate>{face.dated[:10]}</ofd:CreationDate><ofd:Creator>medbill</ofd:Creator>"
        f"<ofd:CustomDatas>{spelt}</ofd:CustomDatas></ofd:DocInfo>"
        f"<ofd:DocRoot>Doc_0/Document.xml</ofd:DocRoot></ofd:DocBody></ofd:OFD>\n"
    )


def _document(wide: float, tall: float, pages: list[int], id_max: int, has_attachments: bool) -> str:
    listed = "".join(
        f'<ofd:Page ID="{page}" BaseLoc="Pages/Page_{place}/Content.xml"/>' for place, page in enumerate(pages)
    )
    attached = "<ofd:Attachments>Attachments/Attachments.xml</ofd:Attachments>" if has_attachments else ""
    return (
        f"{_HEAD}<ofd:Document {NAMESPACE}><ofd:CommonData><ofd:MaxUnitID>{id_max}</ofd:MaxUnitID><ofd:PageArea>"
        f"<ofd:PhysicalBox>0 0 {number(wide)} {number(tall)}</ofd:PhysicalBox></ofd:PageArea>"
        f"<ofd:PublicRes>PublicRes.xml</ofd:PublicRes></ofd:CommonData><ofd:Pages>{listed}</ofd:Pages>{attached}</ofd:Document>\n"
    )


def _attachments(face: Face, attachments: list[Attachment]) -> str:
    listed = "".join(
        f'<ofd:Attachment ID="proof-{place}" Name={quoteattr(one.name)} Format="proof" CreationDate="{face.dated[:19]}" '
        f'Size="{len(one.data) / 1024:.3f}" Visible="true"><ofd:FileLoc>{escape(one.name)}</ofd:FileLoc></ofd:Attachment>'
        for place, one in enumerate(attachments, 1)
    )
    return f"{_HEAD}<ofd:Attachments {NAMESPACE}>{listed}</ofd:Attachments>\n"


def _packed(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            entry = zipfile.ZipInfo(name, _ZIP_DATE)
            entry.compress_type, entry.create_system = zipfile.ZIP_DEFLATED, 3
            archive.writestr(entry, data)
    return buffer.getvalue()
