"""The vendor's envelope: base64 around JSON, and an MD5 over it with a shared key.

MD5 keeps nobody out who hears the key; so a node serves this over TLS alone, and only with the apps that its hospital
named. Source: DOMAIN section 2.1.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from typing import Any

import msgspec

from api.intake.document import Element, parse
from api.intake.errors import FormatRefused

VERSION = "1.0"
SUCCESS = "S0000"

# our own codes beside the vendor's S0000, which is the only one that is public
MALFORMED, APP_UNKNOWN, SIGN_WRONG, SERVICE_UNKNOWN = "E1001", "E1002", "E1003", "E1004"
CONTENT_REFUSED, STATE_REFUSED, NOT_FOUND, NOTHING_KEPT = "E2001", "E3001", "E4001", "E5001"


class MedicalRefused(Exception):
    """An answer that is not S0000; `text` begins with the code that the rest of the interface knows it by."""

    def __init__(self, result: str, text: str) -> None:
        super().__init__(f"{result}: {text}")
        self.result, self.text = result, text


class Envelope(msgspec.Struct, frozen=True):
    """A request, and an answer. `sign` covers the other four and the key."""

    appid: str
    data: str
    noise: str
    version: str
    sign: str


class Answer(msgspec.Struct, frozen=True):
    data: str
    noise: str
    sign: str


def sign_of(appid: str, data: str, noise: str, key: str, version: str = VERSION) -> str:
    """Upper-case MD5 in the vendor's fixed order."""
    text = f"appid={appid}&data={data}&noise={noise}&key={key}&version={version}"
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest().upper()


def open_envelope(content: bytes, apps: dict[str, str]) -> tuple[Envelope, Element]:
    """What a request says, once its sign holds. `apps`: appid -> key. Raises MedicalRefused."""
    try:
        envelope = msgspec.json.decode(content, type=Envelope)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        raise MedicalRefused(MALFORMED, "malformed_json: appid, data, noise, version, sign") from None
    key = apps.get(envelope.appid)
    if key is None:
        raise MedicalRefused(APP_UNKNOWN, "app_unknown")
    expected = sign_of(envelope.appid, envelope.data, envelope.noise, key, envelope.version)
    if not hmac.compare_digest(expected.encode(), envelope.sign.upper().encode()):
        raise MedicalRefused(SIGN_WRONG, "bad_signature")
    if envelope.version != VERSION:
        raise MedicalRefused(MALFORMED, "version_unknown: 1.0 is served")
    try:
        return envelope, parse(base64.b64decode(envelope.data, validate=True), "data")
    except (binascii.Error, ValueError):
        raise MedicalRefused(MALFORMED, "malformed: data is not base64") from None
    except FormatRefused as refusal:
        raise MedicalRefused(MALFORMED, f"{refusal.code}: {refusal.detail}") from None


def seal_envelope(appid: str, key: str, noise: str, result: str, message: dict[str, Any] | str) -> Answer:
    """An answer: {result, message}, the message in base64 once more."""
    inner = message if isinstance(message, str) else json.dumps(message, ensure_ascii=False)
    said = {"result": result, "message": base64.b64encode(inner.encode()).decode()}
    data = base64.b64encode(json.dumps(said).encode()).decode()
    return Answer(data, noise, sign_of(appid, data, noise, key))
