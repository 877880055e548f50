"""Writes consensus.json: bytes and digests of consensus messages, made with `msgpack` and `hashlib` alone.

The only thing taken from elsewhere are Ed25519 signatures, by `cryptography`, which is not the library that the ledger
verifies with. Run: python -m tests.vectors.make_consensus
"""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgpack
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

PREPARE, COMMIT = 1, 2
TAG_PRE_PREPARE, TAG_PREPARE, TAG_COMMIT, TAG_VIEW_CHANGE, TAG_NEW_VIEW, TAG_STATUS, TAG_FETCH = range(1, 8)
CHAIN_ID = sha256(b"vector chain").digest()
SECRETS = [sha256(b"vector key %d" % seat).digest() for seat in range(4)]
KEYS = [Ed25519PrivateKey.from_private_bytes(secret) for secret in SECRETS]


def pack(value: Any) -> bytes:
    return msgpack.packb(value, use_bin_type=True)


def tagged(kind: str, value: Any) -> bytes:
    tag = f"medbill/1/{kind}".encode()
    return sha256(bytes([len(tag)]) + tag + pack(value)).digest()


def leaf_root(entries: list[bytes]) -> bytes:
    """RFC 6962 over one or two leaves."""
    leaves = [sha256(b"\x00" + pack([entry])).digest() for entry in entries]
    return leaves[0] if len(leaves) == 1 else sha256(b"\x01" + leaves[0] + leaves[1]).digest()


def vote_message(kind: int, view: int, height: int, block: bytes) -> bytes:
    return tagged("vote", [CHAIN_ID, 1, kind, view, height, block])


def certificate(kind: int, view: int, height: int, block: bytes, seats: list[int]) -> list[Any]:
    message = vote_message(kind, view, height, block)
    return [view, [[seat, KEYS[seat].sign(message)] for seat in seats]]


def header(height: int, parent: bytes, transactions: list[bytes]) -> list[Any]:
    fill = sha256(b"fill").digest()
    root = leaf_root(transactions)
    time_ms = 1_767_225_600_000 + height
    return [1, CHAIN_ID, height, parent, time_ms, "member-0", root, fill, 2, fill, 3, fill, fill, fill]


def main() -> None:
    transactions = [sha256(b"one").digest(), sha256(b"two").digest()]
    parent = sha256(b"block 6").digest()
    block = header(7, parent, transactions)
    digest = tagged("header", block)
    prepare_message = vote_message(PREPARE, 2, 7, digest)
    commit_message = vote_message(COMMIT, 2, 7, digest)
    pre_prepare = [TAG_PRE_PREPARE, 1, 2, 7, block, transactions, KEYS[2].sign(prepare_message)]
    prepare = [TAG_PREPARE, 1, 2, 7, digest, 3, KEYS[3].sign(prepare_message)]
    commit = [TAG_COMMIT, 1, 2, 7, digest, 3, KEYS[3].sign(commit_message)]

    prepared = [block, transactions, certificate(PREPARE, 2, 7, digest, [0, 2, 3])]
    final = certificate(COMMIT, 1, 6, parent, [0, 1, 2])
    changes = []
    for seat, carried in ((0, None), (1, None), (3, prepared)):
        fields = [1, 5, seat, 6, parent, final, carried]
        message = tagged("view-change", [CHAIN_ID, *fields])
        changes.append(([TAG_VIEW_CHANGE, *fields, KEYS[seat].sign(message)], message))
    new_prepare = KEYS[1].sign(vote_message(PREPARE, 5, 7, digest))
    fields = [1, 5, [change for change, _ in changes], new_prepare]
    new_view_message = tagged("new-view", [CHAIN_ID, *fields])
    new_view = [TAG_NEW_VIEW, *fields, KEYS[1].sign(new_view_message)]
    status = [TAG_STATUS, 1, 5, True, 6, parent, [prepare, commit], [5, 0, 5, 4]]
    fetch = [TAG_FETCH, 7, 64]

    vectors = {
        "made by": "tests/vectors/make_consensus.py",
        "chain_id": CHAIN_ID.hex(),
        "secrets": [secret.hex() for secret in SECRETS],
        "header_digest": digest.hex(),
        "signed": {
            "Prepare": prepare_message.hex(),
            "Commit": commit_message.hex(),
            "ViewChange": changes[2][1].hex(),
            "NewView": new_view_message.hex(),
        },
        "messages": {
            "PrePrepare": pack(pre_prepare).hex(),
            "Prepare": pack(prepare).hex(),
            "Commit": pack(commit).hex(),
            "ViewChange": pack(changes[2][0]).hex(),
            "NewView": pack(new_view).hex(),
            "Status": pack(status).hex(),
            "Fetch": pack(fetch).hex(),
        },
    }
    path = Path(__file__).with_name("consensus.json")
    path.write_text(json.dumps(vectors, indent=1) + "\n")


if __name__ == "__main__":
    main()
