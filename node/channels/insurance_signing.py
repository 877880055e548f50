"""How an insurance bureau's gateway and a hospital know each other.

The headers `x-tif-…` are those of the bureaus' gateways as public code has them: SHA-256 over timestamp, token, nonce, timestamp.
They say who asks, but cover no content. The interface's own signature fields (`cainfo`, `signtype`, "SM2 or SM3 recommended") are
agreed upon bureau by bureau, and no public text defines them. So the content is covered in a way of ours, named as such:
`x-signature` is HMAC-SHA-256 in hexadecimal over direction, message number and body, under a secret of 32 bytes. A real bureau's
way takes the place of this file.
"""

from __future__ import annotations

import hmac
import secrets
from hashlib import sha256

from node.channels.errors import WrongSignature

REQUEST, REPLY = b"request", b"reply"  # so that no question can be sent back as its answer


def caller_headers(paas_id: str, token: str, now_ms: int) -> dict[str, str]:
    """`x-tif-…` of one question."""
    timestamp, nonce = str(now_ms // 1000), secrets.token_hex(16)
    return {
        "x-tif-paasid": paas_id,
        "x-tif-timestamp": timestamp,
        "x-tif-nonce": nonce,
        "x-tif-signature": sha256(f"{timestamp}{token}{nonce}{timestamp}".encode()).hexdigest(),
    }


def body_code(secret: bytes, direction: bytes, message_no: str) -> hmac.HMAC:
    """To be fed with the body; its `hexdigest` is `x-signature`."""
    return hmac.new(secret, direction + b"\n" + message_no.encode() + b"\n", "sha256")


def verify_code(code: hmac.HMAC, signature: str) -> None:
    """Raises WrongSignature."""
    if not hmac.compare_digest(code.hexdigest().encode(), signature.encode("utf-8", "replace")):
        raise WrongSignature("the signature does not hold")
