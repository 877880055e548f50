"""Blocks and the network as a gateway shows them: headers, certificates, and its own organisation's part."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec

from chain.genesis import Genesis
from chain.operation import operation_digest
from node.gateway_follow import GatewayFollow
from node.gateway_store import CertifiedHeader, GatewayStore
from node.messages import OwnTransaction
from node.part_check import Ledger
from node.service import Page


class BlockPages:
    def __init__(self, genesis: Genesis, ledger: Ledger, store: GatewayStore, follow: GatewayFollow) -> None:
        self._genesis, self._ledger, self._store, self._follow = genesis, ledger, store, follow

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
            found["own_transactions"] = [_transaction(own) for own in part.transactions] if part else []
        return found

    def _header(self, kept: CertifiedHeader) -> dict[str, Any]:
        header, certificate = kept.header, kept.certificate
        members = self._ledger.members.members
        return {
            "height": header.height,
            "digest": header.digest().hex(),
            "parent": header.parent.hex(),
            "time": iso_time(header.time_ms),
            "time_ms": header.time_ms,
            "proposer": header.proposer,
            "operations": header.outcomes_count,
            "transactions_root": header.transactions_root.hex(),
            "outcomes_root": header.outcomes_root.hex(),
            "state_root": header.state_root.hex(),
            "history_root": header.history_root.hex(),
            "certificate": {
                "view": certificate.view,
                "signatures": [
                    {"organisation": members[entry.seat].organisation, "signature": entry.signature.hex()}
                    for entry in certificate.signatures
                ],
            },
        }

    def network(self, node: dict[str, Any], links: list[str]) -> dict[str, Any]:
        genesis, before = self._genesis, self._follow.before
        return {
            "chain_id": self._ledger.chain_id.hex(),
            "name": genesis.name,
            "node": node,
            "head": {"height": before.height, "digest": before.digest.hex(), "time_ms": before.time_ms},
            "peers": links,
            "organisations": [
                {
                    "id": entry.id,
                    "name": entry.name,
                    "kind": entry.kind,
                    "region": entry.region,
                    "supervisor": entry.supervisor,
                    "places": entry.places,
                }
                for entry in genesis.organisations
            ],
            "validators": [member.organisation for member in genesis.validators],
            "parameters": msgspec.structs.asdict(genesis.parameters),
        }


def iso_time(time_ms: int) -> str:
    """RFC 3339 in UTC, to the millisecond."""
    moment = datetime.fromtimestamp(time_ms // 1000, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{time_ms % 1000:03d}Z"


def _transaction(own: OwnTransaction) -> dict[str, Any]:
    return {
        "transaction": own.head.digest().hex(),
        "operations": [
            {
                "operation": operation_digest(entry.operation).hex(),
                "type": type(entry.operation).__name__,
                "code": outcome.code,
                **({"bill_id": entry.operation.bill} if hasattr(entry.operation, "bill") else {}),
            }
            for entry, outcome in zip(own.entries, own.outcomes, strict=True)
        ],
    }
