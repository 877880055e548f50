"""Blocks and the network as a gateway shows them: headers, certificates, and its own organisation's part."""

from __future__ import annotations

from typing import Any

from chain.codec import plain
from chain.genesis import Genesis
from node.gateway_follow import GatewayFollow
from node.gateway_store import CertifiedHeader, GatewayStore
from node.ledger_pages import certificate_page, network_page, utc_text
from node.messages import OwnTransaction
from node.own_outcomes import outcomes_of
from node.service import Page


class BlockPages:
    def __init__(self, genesis: Genesis, store: GatewayStore, follow: GatewayFollow) -> None:
        self._genesis, self._store, self._follow = genesis, store, follow

    def page(self, before: int | None, limit: int) -> Page:
        """Newest first; `next` is the height below which to go on."""
        top = self._follow.height if before is None else min(before - 1, self._follow.height)
        rows = [row for height in range(top, max(top - limit, 0), -1) if (row := self.block(height)) is not None]
        last = top - len(rows)
        return Page(rows, str(last + 1) if rows and last >= 1 else None)

    def block(self, height: int, with_own_part: bool = False) -> dict[str, Any] | None:
        kept = self._store.header(height) if height >= 1 else None
        if kept is None:
            return None
        found = self._header(kept)
        if with_own_part:
            part = self._store.part(height)
            found["body"] = [_transaction(own, kept.header.chain_id) for own in part.transactions] if part else []
        return found

    def _header(self, kept: CertifiedHeader) -> dict[str, Any]:
        header, members = kept.header, self._follow.sets.at(kept.header.height)
        return {
            "height": header.height,
            "digest": header.digest().hex(),
            "time": utc_text(header.time_ms),
            "time_ms": header.time_ms,
            "proposer": header.proposer,
            "operations": header.outcomes_count,
            "signed_by": [members.members[entry.seat].organisation for entry in kept.certificate.signatures],
            "header": plain(header),
            "certificate": certificate_page(kept.certificate, members),
        }

    def network(self, node: dict[str, Any], links: list[str]) -> dict[str, Any]:
        before = self._follow.before
        head = (before.height, before.digest, before.time_ms)
        return network_page(self._genesis, before.voters, node, head, links)


def _transaction(own: OwnTransaction, chain_id: bytes) -> dict[str, Any]:
    transaction = own.transaction
    received, outcomes = outcomes_of(own, chain_id)
    return {
        "transaction": received.digest.hex(),
        "organisation": transaction.organisation,
        "key_id": transaction.key_id.hex(),
        "valid_until_height": transaction.valid_until_height,
        "operations": [
            {
                "operation": outcome.operation.hex(),
                "type": type(entry.operation).__name__,
                "linked": entry.linked,
                "code": outcome.code,
                "content": plain(entry.operation),
            }
            for entry, outcome in zip(transaction.entries, outcomes, strict=True)
        ],
    }
