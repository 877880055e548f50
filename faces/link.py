"""The link of a bill's QR code: `/v/{18 digits}.{32 hex}?v=1#chain={64 hex}` at the node that serves the page.

The bill's number is in it, so no index from token to bill is needed. The token has 128 bits: who has not seen the face does
not find the bill. `v` says how to read the rest. The fragment stays on the phone: it pins the ledger, so that a node cannot
show another one.
"""

from __future__ import annotations

LINK_VERSION = 1


def page_link(bill_id: str, token: str, chain_id: str) -> str:
    """What stands behind the node's address. `token` has 32, `chain_id` 64 hex digits."""
    return f"/v/{bill_id}.{token}?v={LINK_VERSION}#chain={chain_id}"
