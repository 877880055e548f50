"""Fields of the vendor interface that several services read or write. Source: DOMAIN sections 2.2 and 2.3."""

from __future__ import annotations

import asyncio
import base64
import re
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from api.call import Call
from api.intake.document import Element
from api.intake.errors import FormatRefused
from api.intake.his_body import CHINA
from api.medical.envelope import NOT_FOUND, MedicalRefused
from node.service import Reader

FORM = re.compile(r"[0-9A-Z]{4,32}", re.ASCII)
DAY = re.compile(
    r"([0-9]{4})-?([0-9]{2})-?([0-9]{2})([ T]?[0-9:.]{0,12})", re.ASCII
)  # a time behind it is not looked at


def key_of(bill: str) -> dict[str, str]:
    """A bill's number as the vendor's clients hold it."""
    return {"billBatchCode": bill[:8], "billNo": bill[8:]}


def read_key(body: Element) -> str:
    """The bill that a request names. Raises MedicalRefused for what no bill is called."""
    bill = body.need("billBatchCode").text() + body.need("billNo").text()
    if len(bill) != 18 or not (bill.isascii() and bill.isdigit()):
        raise MedicalRefused(NOT_FOUND, "bill_unknown")
    return bill


def read_form(body: Element) -> str:
    """The paper form that a request names: code and running number joined."""
    return verified_form(body.need("pBillBatchCode").text() + body.need("pBillNo").text())


def verified_form(paper: str) -> str:
    """Raises FormatRefused."""
    if not FORM.fullmatch(paper):
        raise FormatRefused("field_refused", "/pBillNo", "a form is 4 to 32 digits and capital letters")
    return paper


def read_day(place: Element) -> date:
    """A business date in each of the dialects: yyyyMMdd, yyyy-MM-dd, with or without a time. Raises FormatRefused."""
    found = DAY.fullmatch(place.text())
    try:
        if found is None:
            raise ValueError
        return date(int(found[1]), int(found[2]), int(found[3]))
    except ValueError:
        raise FormatRefused("time_malformed", place.pointer, "yyyyMMdd or yyyy-MM-dd belongs here") from None


def read_count(body: Element, name: str, otherwise: int, most: int) -> int:
    """A whole number from 1 on, as a number or in quotes. Raises FormatRefused."""
    found = body.find(name)
    if found is None:
        return otherwise
    text = str(found.value)
    if isinstance(found.value, bool) or not re.fullmatch(r"[0-9]{1,9}", text, re.ASCII) or not 1 <= int(text) <= most:
        raise FormatRefused("field_refused", found.pointer, f"a number from 1 to {most:,}")
    return int(text)


def yuan(fen: int) -> str:
    """An amount in quotes, with two decimals: no client rounds it on its way."""
    return f"{Decimal(fen).scaleb(-2):.2f}"


def time_of(moment: datetime) -> str:
    """yyyyMMddHHmmssSSS in China's time."""
    local = moment.astimezone(CHINA)
    return local.strftime("%Y%m%d%H%M%S") + f"{local.microsecond // 1000:03d}"


def now() -> str:
    return time_of(datetime.now(UTC))


async def links(call: Call, bill: str, reader: Reader) -> dict[str, Any]:
    """The bill's QR code as a PNG in base64, and the page that it leads to. Empty while its details are out of reach.

    `pictureUrl` is for the hospital's own network and `pictureNetUrl` for the world outside: one page serves both.
    """
    link = await call.counter.link(bill, reader) if bill else None
    if link is None:
        return {"billQRCode": "", "pictureUrl": "", "pictureNetUrl": ""}
    from faces.qr import qr_png  # a node that nobody asks for one does not load it

    address = call.settings.public_url + link
    picture = await asyncio.to_thread(qr_png, address)  # the loop goes on
    return {"billQRCode": base64.b64encode(picture).decode(), "pictureUrl": address, "pictureNetUrl": address}
