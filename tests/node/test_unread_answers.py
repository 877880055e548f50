"""Who asks and does not read gets no more, from a validator and from an archive; what is not worked out takes no memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import cast

import pytest

from chain.bill import Payer
from chain.codec import decode, encode
from chain.details import payer_details
from node.answers import ANSWER_BYTES_MAX
from node.details_store import DetailsStore
from node.errors import PeerRefused
from node.link import Link
from node.messages import (
    QUESTION_BYTES_MAX,
    BillsAnswer,
    DetailsAnswer,
    DetailsKept,
    FindBills,
    GetBlocks,
    GetDetails,
    GetMine,
    GetPayers,
    PayersKept,
    PutDetails,
    PutPayers,
    Question,
)
from node.mirror_node import MirrorNode
from node.peers import LivePeers
from tests.chain.making import VALIDATORS, details, genesis, key_of
from tests.node.asking import Asker
from tests.node.following import make_ledger
from tests.node.validating import Table, grow

HOSPITAL = "hospital-a"


async def code_of(node: object, asker: Asker, question: Question) -> str:
    """Of the refusal; empty if it is answered."""
    try:
        await node.on_request(cast(Link, asker), encode(question))  # type: ignore[attr-defined]
    except PeerRefused as refused:
        return refused.code
    return ""


async def test_a_validator_waits_for_what_was_answered_to_be_taken(table: Table) -> None:
    table.start()
    await grow(table, 2)
    node = table.nodes[VALIDATORS[0]]
    for asker, question in ((VALIDATORS[1], GetBlocks(1, 2, 0)), (HOSPITAL, GetMine(1, 2, 0))):
        assert await code_of(node, Asker(asker, ANSWER_BYTES_MAX), question) == ""
        assert await code_of(node, Asker(asker, ANSWER_BYTES_MAX + 1), question) == "busy"


@pytest.fixture
async def archive(tmp_path: Path) -> AsyncIterator[MirrorNode]:
    """Not started: it has no links."""
    ledger = make_ledger(tmp_path, genesis())
    DetailsStore.create(tmp_path)
    node = MirrorNode(
        "archive", "finance-city", tmp_path, ledger, LivePeers([]),
        storage_key=bytes(32), unit_key=key_of("finance-city/unit"), seal_key=None, on_halt=pytest.fail,
    )  # fmt: skip
    node.follower._level.set()
    yield node
    await node.stop()


async def test_an_archive_waits_for_what_was_answered_to_be_taken(archive: MirrorNode) -> None:
    bill = "330601260000000001"
    for asker, question in (
        (VALIDATORS[1], GetBlocks(1, 1, 0)),
        (HOSPITAL, GetMine(1, 1, 0)),
        (HOSPITAL, GetDetails([bill])),
        (HOSPITAL, GetPayers([bill])),
    ):
        assert await code_of(archive, Asker(asker, ANSWER_BYTES_MAX), question) == ""
        assert await code_of(archive, Asker(asker, ANSWER_BYTES_MAX + 1), question) == "busy"


async def test_many_details_are_read_one_question_after_the_other(archive: MirrorNode) -> None:
    """Read, they take ten times their bytes; few of them wait for nobody."""
    bills = [details(f"33060126{serial:010d}", business_no=f"No. {serial}", total_fen=100) for serial in range(1, 201)]
    asker = Asker(HOSPITAL)
    many, few = PutDetails(bills), PutDetails(bills[:1])
    assert len(encode(many)) > QUESTION_BYTES_MAX > len(encode(few))
    await asker.answering.acquire()
    waiting = asyncio.ensure_future(archive.on_request(cast(Link, asker), encode(many)))
    assert len(decode(await archive.on_request(cast(Link, asker), encode(few)), DetailsKept | DetailsAnswer).bills) == 1
    await asyncio.sleep(0.05)
    assert not waiting.done()
    asker.answering.release()
    assert len(decode(await waiting, DetailsKept | DetailsAnswer).bills) == 200


async def test_a_hospital_asks_for_its_own_payers_and_settlements_alone(archive: MirrorNode) -> None:
    """Nobody whose hospital it is not is answered, a validator neither."""
    bill = details("330601260000000001", business_no="B-1", group="G-1")
    asker = cast(Link, Asker(HOSPITAL))
    await archive.on_request(asker, encode(PutDetails([bill])))
    found = decode(await archive.on_request(asker, encode(FindBills("G-1", "", 10))), BillsAnswer | PayersKept)
    assert found == BillsAnswer([bill.bill])
    assert decode(
        await archive.on_request(asker, encode(FindBills("G-1", bill.bill, 10))), BillsAnswer | PayersKept
    ) == (BillsAnswer([]))
    payer = payer_details(bill.bill, b"p" * 32, Payer("Found Person"), "cashier", "2026-06-02T09:00:00+08:00")
    kept = decode(await archive.on_request(asker, encode(PutPayers([payer]))), BillsAnswer | PayersKept)
    assert kept == PayersKept([bill.bill])  # it waits for its block
    assert await code_of(archive, Asker(HOSPITAL), PutPayers([bill])) == "malformed"
    for question in (FindBills("G-1", "", 10), GetPayers([bill.bill]), PutPayers([payer])):
        for stranger in ("hospital-z", VALIDATORS[1]):
            assert await code_of(archive, Asker(stranger), question) == "not_supervised"
