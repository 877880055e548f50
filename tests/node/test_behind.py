"""A validator that has many certified blocks to work out does that first: signatures of many blocks in one hand-over,
and nothing for what those blocks will tell it anyway. PROTOCOL rules 10 to 12, 17."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest
from msgspec.structs import replace

from chain.block import FinalBlock
from chain.transaction import Transaction
from consensus.model import Blocks, Commit, Fetch, FetchBodies, Prepare, PrePrepare
from consensus.wire import decode_message, encode_message
from node.link import Link
from node.messages import BUNDLE, CONSENSUS, encode_bundle
from node.validator import Validator
from node.validator_intake import BEHIND_BLOCKS
from tests.chain.making import VALIDATORS
from tests.node.validating import Table, all_recorded, grow

BEHIND = VALIDATORS[3]
BLOCKS = 60
UNSIGNED = bytes(64)


class Gate:
    """Of a node's admission: what its signatures cost, and whether they are checked yet."""

    def __init__(self, node: Validator) -> None:
        self.node = node
        self.handed_over: list[int] = []
        self.opened = asyncio.Event()
        self._check = node.parts.admission.check_signatures
        node.parts.admission.check_signatures = self.check  # type: ignore[method-assign]

    async def check(self, wanted: Any) -> list[bool]:
        await self.opened.wait()
        self.handed_over.append(len(wanted))
        return await self._check(wanted)


async def behind(table: Table, blocks: int = BLOCKS) -> Gate:
    """Three went on without it; the blocks are there, and it has not worked out any."""
    table.start(*VALIDATORS[:3])
    await grow(table, blocks)
    table.start(BEHIND)
    gate = Gate(table.nodes[BEHIND])
    await table.until(lambda: gate.node.runtime.replica.blocks_fetched >= BEHIND_BLOCKS)
    return gate


async def test_signatures_of_many_blocks_are_checked_in_one_go(table: Table) -> None:
    gate = await behind(table)
    gate.opened.set()
    await table.height(BLOCKS)
    table.verify_same()
    assert sum(gate.handed_over) == BLOCKS
    assert len(gate.handed_over) <= 3  # the first block may come alone


async def test_so_many_that_votes_wait_only_a_moment(table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("node.proposals.OPERATIONS_IN_A_ROW", 9)
    gate = await behind(table)
    gate.opened.set()
    await table.height(BLOCKS)
    table.verify_same()
    assert sum(gate.handed_over) == BLOCKS
    assert max(gate.handed_over) == 10  # the block at hand and nine


async def refused(table: Table, message: Prepare | Commit | PrePrepare) -> bool:
    """Whether the one behind looked at the signature."""
    node, link = table.nodes[BEHIND], table.links[BEHIND, VALIDATORS[0]]
    before = node.parts.refusals["SignatureRefused"]
    await node.on_message(cast(Link, link), CONSENSUS, encode_message(message))
    return node.parts.refusals["SignatureRefused"] > before


async def test_votes_far_above_cost_no_signature(table: Table) -> None:
    """Votes that count, or may soon, are looked at; so are those in its own name, which it may have forgotten."""
    gate = await behind(table)
    height, seat = gate.node.ledger.head.height, gate.node.runtime.replica.seat
    for far in (3, 50):
        assert not await refused(table, Prepare(1, 0, height + far, bytes(32), 0, UNSIGNED))
        assert not await refused(table, Commit(1, 0, height + far, bytes(32), 0, UNSIGNED))
        assert await refused(table, Commit(1, 0, height + far, bytes(32), seat, UNSIGNED))
    for near in (1, 2):
        assert await refused(table, Prepare(1, 0, height + near, bytes(32), 0, UNSIGNED))
        assert await refused(table, Commit(1, 0, height + near, bytes(32), 0, UNSIGNED))
    gate.opened.set()
    await table.height(BLOCKS)
    assert await refused(table, Commit(1, 0, gate.node.ledger.head.height + 50, bytes(32), 0, UNSIGNED))


async def test_gossip_is_for_those_that_are_level(table: Table) -> None:
    """What others pass on stands in the blocks that come, or is passed on again; a client is heard as always."""
    gate = await behind(table)
    node, link = gate.node, table.links[BEHIND, VALIDATORS[0]]
    gossip, own = table.transaction(), table.transaction()
    await node.on_message(cast(Link, link), BUNDLE, encode_bundle([gossip]))
    assert node.parts.admission.refused["behind"] == 1
    submitting = asyncio.ensure_future(table.submit(BEHIND, own))
    gate.opened.set()
    await submitting
    await all_recorded(table, own)
    table.verify_same()
    await node.on_message(cast(Link, link), BUNDLE, encode_bundle([gossip]))
    await all_recorded(table, gossip)


async def test_one_good_copy_mends_all_that_a_liar_sent(table: Table) -> None:
    """A certificate does not cover signatures of transactions. Spoilt ones cost one round of questions, not one a block."""
    liar = VALIDATORS[0]
    table.start(*VALIDATORS[:3])
    await grow(table, BLOCKS)
    told = [0]
    asked: list[int] = []

    def spoil(sender: str, target: str, kind: int, payload: bytes) -> bool:
        if kind != CONSENSUS:
            return False
        message = decode_message(payload)
        if sender == BEHIND and isinstance(message, Fetch | FetchBodies):
            asked.append(1)
        if (sender, target) != (liar, BEHIND) or not isinstance(message, Blocks):
            return False
        told[0] += len(message.blocks)
        spoilt = [replace(final, block=replace(final.block, transactions=unsigned(final))) for final in message.blocks]
        table.links[sender, target]._queue.put_nowait((CONSENSUS, encode_message(Blocks(spoilt))))
        return True

    table.lost = spoil
    table.start(BEHIND)
    table.nodes[BEHIND].runtime.replica._state.last_asked = 3  # the liar is next
    await table.height(BLOCKS)
    table.verify_same()
    assert told[0] >= BLOCKS
    assert len(asked) < 12  # with a round for each block it were a hundred and twenty


def unsigned(final: FinalBlock) -> list[Transaction]:
    return [replace(entry, signature=UNSIGNED) for entry in final.block.transactions]
