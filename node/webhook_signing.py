"""Signatures of webhooks after Standard Webhooks 1.0: HMAC-SHA-256 over `id.timestamp.body`.

The secret lies in a file of mode 0600, as the specification writes it: `whsec_` and base64 of 24 to 64 random bytes. While it
is exchanged the file has two lines; each message then carries both signatures, and the receiver takes either.
Source: standardwebhooks.com, specification 1.0.0, "Signature scheme" and "Webhook headers".
"""

from __future__ import annotations

import base64
import hmac
from pathlib import Path

from node.errors import KeyFileRefused
from node.keystore import read_private

PREFIX = "whsec_"
SECRET_BYTES_MIN, SECRET_BYTES_MAX = 24, 64
SECRETS_MAX = 2  # the one in use and the one before


def load_secrets(path: Path) -> list[bytes]:
    """The keys in a file, the newest first. Raises KeyFileRefused."""
    lines = read_private(path).decode("ascii", "replace").split()
    if not 1 <= len(lines) <= SECRETS_MAX:
        raise KeyFileRefused(path, f"one secret a line belongs here, or {SECRETS_MAX} while they are exchanged")
    secrets = []
    for line in lines:
        try:
            secret = base64.b64decode(line.removeprefix(PREFIX), validate=True)
        except ValueError:
            secret = b""
        if not line.startswith(PREFIX) or not SECRET_BYTES_MIN <= len(secret) <= SECRET_BYTES_MAX:
            size = f"{SECRET_BYTES_MIN} to {SECRET_BYTES_MAX}"
            raise KeyFileRefused(
                path, f"not {PREFIX} and base64 of {size} bytes, as 'openssl rand -base64 32' makes them"
            )
        secrets.append(secret)
    return secrets


def signed_headers(secrets: list[bytes], message_id: str, timestamp_s: int, body: bytes) -> dict[str, str]:
    """What goes with a message. `message_id` holds no full stop."""
    content = f"{message_id}.{timestamp_s}.".encode() + body
    signatures = [base64.b64encode(hmac.digest(secret, content, "sha256")).decode("ascii") for secret in secrets]
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp_s),
        "webhook-signature": " ".join(f"v1,{signature}" for signature in signatures),
    }
