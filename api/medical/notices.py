"""Notices of the vendor interface, as the ledger has them: a stamp that a bill went to its payer, and nothing about where to.

This node sends no message. Who does (the hospital's own gateway for text messages, its mail) has the link from the bill's issue; the phone number or
address in the request is not looked at, kept or logged. Source: DOMAIN section 2.2, notice service.
"""

from __future__ import annotations

import time
from typing import Any

from api.call import Call
from api.intake.document import Element
from api.intake.errors import FormatRefused
from api.medical.fields import read_key
from chain.operation import DeliverBill
from node.service import Reader, ServiceRefused

CHANNELS = {"1201": "sms", "1202": "mail"}


async def notice(call: Call, body: Element, reader: Reader) -> dict[str, Any]:
    """Stamp each channel once; what was stamped before stays as it was."""
    bill = read_key(body)
    # both spellings are in use
    entries = body.list_of("noticeList") or body.list_of("noticeInfo")
    if not entries:
        raise FormatRefused("member_missing", f"{body.pointer}/noticeList")
    operations = []
    for channel in dict.fromkeys(_channel(entry) for entry in entries):
        try:
            standing = await call.counter.move(DeliverBill(bill, channel, time.time_ns() // 1_000_000))
            operations.append(standing.operation)
        except ServiceRefused as refusal:
            if refusal.code != "already_delivered":
                raise
    return {"message": "stamped; nothing is sent from here", "operations": operations}


def _channel(entry: Element) -> str:
    code = entry.text_of("noticeType") or entry.text_of("code")
    if code not in CHANNELS:
        raise FormatRefused("field_refused", f"{entry.pointer}/noticeType", "1201 is a phone, 1202 an e-mail")
    return CHANNELS[code]
