"""A ledger of opaque transactions: a block is valid if its transactions are new and its state root follows from them."""

from __future__ import annotations

from hashlib import sha256

from chain.block import PROTOCOL_VERSION, Header, transactions_root
from chain.digest import EMPTY_DIGEST
from chain.validators import ValidatorSet
from consensus.model import Head

GENESIS_MS = 1_767_225_600_000  # 2026-01-01
CHAIN_ID = sha256(b"a simulated ledger").digest()


class Application:
    """What a node's blocks add up to."""

    def __init__(self, members: ValidatorSet) -> None:
        self.members = members.digest()
        self.state_root = EMPTY_DIGEST
        self.included: dict[bytes, int] = {}  # transaction -> height

    def build(self, head: Head, proposer: str, time_ms: int, transactions: list[bytes]) -> Header:
        return Header(
            PROTOCOL_VERSION,
            CHAIN_ID,
            head.height + 1,
            head.digest,
            time_ms,
            proposer,
            transactions_root(transactions),
            EMPTY_DIGEST,
            0,
            self.root_after(transactions),
            len(self.included) + len(transactions),
            EMPTY_DIGEST,
            self.members,
            self.members,
        )

    def root_after(self, transactions: list[bytes]) -> bytes:
        return sha256(self.state_root + b"".join(transactions)).digest()

    def is_valid(self, head: Head, header: Header, transactions: list[bytes]) -> bool:
        return (
            header.height == head.height + 1
            and header.parent == head.digest
            and header.time_ms > head.time_ms
            and header.state_root == self.root_after(transactions)
            and len(set(transactions)) == len(transactions)
            and not any(transaction in self.included for transaction in transactions)
        )

    def apply(self, header: Header, transactions: list[bytes]) -> None:
        self.state_root = header.state_root
        for transaction in transactions:
            self.included[transaction] = header.height
