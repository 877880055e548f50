"""What waits is bounded in bytes, and what is dealt with counts no more: the table in node/README, "What waits".

The disk's queue has its own page (test_saver), links have theirs (test_transport). The bounds are made small here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast

import pytest

from chain.transaction import ReceivedTransaction, Transaction, receive_transaction
from consensus.effects import CheckBlock
from consensus.model import Blocks, Bodies, FetchBodies
from consensus.wire import decode_message, encode_message
from node.admission import Admission
from node.answers import ANSWER_BYTES_MAX, Answers
from node.errors import PeerRefused
from node.feed import Feed
from node.link import Link
from node.mempool import CheckedSignatures, Mempool, PoolFull
from node.messages import CONSENSUS, GetBlocks, GetMine, encode_bundle
from node.proposals import Checked, Proposals
from node.work_share import Allowance
from tests.chain.making import VALIDATORS, Chain, issue_bill
from tests.node.asking import Asker
from tests.node.validating import Table, grow

# ── transactions that wait ───────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def chain() -> Chain:
    return Chain()


def some_of(chain: Chain, count: int, organisation: str) -> list[ReceivedTransaction]:
    signed = [chain.sign(organisation, issue_bill("B-1", serial=1), valid_until=10_000 + n) for n in range(count)]
    return [receive_transaction(chain.chain_id, transaction) for transaction in signed]


def full_at(pool: Mempool, received: list[ReceivedTransaction]) -> tuple[int, str]:
    """How many were taken, and the bound that the next one met."""
    for number, one in enumerate(received):
        try:
            pool.add(one, 0)
        except PoolFull as full:
            return number, full.limit
    return len(received), ""


def test_the_pool_and_the_share_of_one_organisation_are_bounded_in_bytes(
    chain: Chain, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half of it for one: a hospital that floods leaves room for the others. What left counts no more."""
    of_a, of_b, of_c = (some_of(chain, 6, name) for name in ("hospital-a", "hospital-b", "finance-city"))
    monkeypatch.setattr("node.mempool.POOL_BYTES_MAX", of_a[0].size_bytes * 8)
    pool = Mempool()
    assert full_at(pool, of_a) == (4, "organisation_share")
    assert full_at(pool, of_b) == (4, "pool")
    assert full_at(pool, of_c) == (0, "pool")
    pool.remove([one.digest for one in of_a[:2]])
    assert full_at(pool, of_c) == (1, "pool")  # of a longer name
    pool.remove([one.digest for one in (*of_b, *of_c)])
    assert full_at(pool, of_a[:2] + of_a[4:]) == (2, "organisation_share")


# ── bodies of proposals ──────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def proposals(chain: Chain) -> Iterator[Proposals]:
    parent, pool, checked = chain.ledger.parent, Mempool(), CheckedSignatures()
    with ThreadPoolExecutor(1) as threads:
        yield Proposals(
            chain.chain_id, parent, pool, checked, Admission(chain.chain_id, parent, pool, checked, threads)
        )


async def test_bodies_from_peers_are_bounded_in_bytes_at_each_height(
    chain: Chain, proposals: Proposals, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A liar proposes more than memory holds, and sends it. What a later height needs is not counted with it."""
    execution = chain.execute([chain.sign("hospital-a", issue_bill("B-1", serial=serial)) for serial in (1, 2, 3)])
    bodies = list(execution.transactions)
    digests = [one.digest for one in bodies]
    monkeypatch.setattr("node.proposals.BODIES_BYTES_MAX", sum(one.size_bytes for one in bodies[:2]))
    asked: list[list[bytes]] = []

    def ask(_turn: int, _seat: int, missing: list[bytes]) -> None:
        asked.append(missing)
        if len(asked) == 1:
            proposals.offer(one.transaction for one in bodies)
        else:
            waits.set()

    waits = asyncio.Event()
    effect = CheckBlock(execution.header, digests, 0, [])
    check = asyncio.ensure_future(proposals.check(effect, ask, lambda _digest: [], [0]))
    await asyncio.wait_for(waits.wait(), 10)
    assert asked[:2] == [digests, digests[2:]]
    assert [proposals.body(digest) is not None for digest in digests] == [True, True, False]

    proposals.decided()
    assert [proposals.body(digest) for digest in digests] == [None, None, None]
    proposals.offer([bodies[2].transaction])  # it fits now
    assert await asyncio.wait_for(_next_ask(asked, digests[:2]), 10)
    proposals.offer([bodies[0].transaction])
    await asyncio.wait_for(_next_ask(asked, digests[1:2]), 10)
    monkeypatch.undo()
    proposals.offer([bodies[1].transaction])
    assert await asyncio.wait_for(check, 10) == Checked(execution.digest, True, "")


async def _next_ask(asked: list[list[bytes]], missing: list[bytes]) -> bool:
    while asked[-1] != missing:  # noqa: ASYNC110
        await asyncio.sleep(0.002)
    return True


def test_bodies_are_served_up_to_so_many_bytes_but_one_at_least(chain: Chain, proposals: Proposals) -> None:
    """Who needs more asks again; who needs one that is larger than an answer gets it all the same."""
    signed = [chain.sign("hospital-a", issue_bill("B-1", serial=serial), valid_until=9) for serial in (1, 2, 3)]
    proposals.keep(signed)
    received = [receive_transaction(chain.chain_id, transaction) for transaction in signed]
    digests = [one.digest for one in received]
    two = received[0].size_bytes + received[1].size_bytes
    assert proposals.bodies_within(digests, two) == signed[:2]
    assert proposals.bodies_within(digests, two - 1) == signed[:1]
    assert proposals.bodies_within(digests, 1) == signed[:1]


# ── answers ──────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_an_answer_with_blocks_is_bounded_in_bytes(chain: Chain, monkeypatch: pytest.MonkeyPatch) -> None:
    """One block at least, however large: else who asks would never get on."""
    for _ in range(5):
        chain.block()
    answers = Answers(chain.ledger, Feed(chain.height))
    sizes = [len(chain.ledger.log.read(height)) for height in range(1, 6)]
    for bytes_max, count in ((sum(sizes[:3]), 3), (sum(sizes[:3]) - 1, 2), (1, 1)):
        monkeypatch.setattr("node.answers.ANSWER_BYTES_MAX", bytes_max)
        assert len((await answers.blocks(GetBlocks(1, 5, 0), Asker(VALIDATORS[0]))).blocks) == count


async def test_an_answer_with_an_organisations_own_part_is_bounded_in_bytes(
    chain: Chain, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Estimated: a header with its certificate is about 1,000 bytes, beside what the transactions take."""
    for _ in range(2):
        chain.block()
    chain.block([chain.sign("hospital-a", *(issue_bill(f"B-{serial}", serial=serial) for serial in range(1, 11)))])
    chain.block()
    answers = Answers(chain.ledger, Feed(chain.height))
    bills = len(chain.ledger.log.read(3)) - len(chain.ledger.log.read(2))  # what ten of them take beside the header
    assert 1_000 < bills < 10_000
    for bytes_max, count in ((4_200 + bills, 4), (3_500 + bills, 3), (2_999, 2), (1, 1)):
        monkeypatch.setattr("node.answers.PARTS_BYTES_MAX", bytes_max)
        assert len((await answers.mine(GetMine(1, 4, 0), "hospital-a", Asker("hospital-a"))).parts) == count
    assert len((await answers.mine(GetMine(3, 1, 0), "hospital-a", Asker("hospital-a"))).parts) == 1


async def test_many_questions_at_once_draw_no_more_than_the_asker_takes(chain: Chain) -> None:
    """Each is looked at in its turn, when the answers before it wait on the link already; and nothing is read for it."""
    for _ in range(3):
        chain.block()
    answers = Answers(chain.ledger, Feed(chain.height))
    asker = Asker(VALIDATORS[0])

    async def asked(question: GetBlocks | GetMine) -> str:
        try:
            await answers.answer(question, VALIDATORS[0], asker)
        except PeerRefused as refused:
            return refused.code
        asker.waiting_bytes += ANSWER_BYTES_MAX
        return "answered"

    for question in (GetBlocks(1, 3, 0), GetMine(1, 3, 0)):
        asker.waiting_bytes = 1
        codes = await asyncio.gather(*(asked(question) for _ in range(8)))
        assert sorted(codes) == ["answered"] + 7 * ["busy"]
        asker.waiting_bytes = 0
        assert [await asked(question) for _ in range(3)] == ["answered", "answered", "busy"]


class Taker:
    """The link of one that asks, with so many bytes that it has not taken yet."""

    def __init__(self, waiting_bytes: int = 0, organisation: str = VALIDATORS[1], is_closed: bool = True) -> None:
        """`is_closed`: so nobody makes it the link of that seat."""
        self.waiting_bytes, self.is_closed = waiting_bytes, is_closed
        self.node = self.organisation = organisation
        self.sent: list[Any] = []

    def send(self, kind: int, payload: bytes, *, urgent: bool = False) -> bool:
        assert kind == CONSENSUS
        self.sent.append(decode_message(payload))
        return True

    def spend(self, seconds: float) -> None: ...


async def test_a_validator_serves_another_within_the_bytes_of_an_answer(
    table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Blocks and bodies: and nothing at all to one that has not taken the answer before."""
    table.start()
    await grow(table, 4)
    node = table.nodes[VALIDATORS[0]]
    await table.until(lambda: node.feed.height >= 4)
    sizes = [len(node.ledger.log.read(height)) for height in range(1, 5)]
    transactions = [table.transaction(valid_until=240) for _ in range(3)]
    node.parts.proposals.keep(transactions)
    received = [receive_transaction(table.chain_id, transaction) for transaction in transactions]
    wanted = encode_message(FetchBodies([one.digest for one in received]))

    async def served(waiting_bytes: int, bytes_max: int) -> list[Any]:
        for module in ("answers", "validator_effects", "validator_intake"):
            monkeypatch.setattr(f"node.{module}.ANSWER_BYTES_MAX", bytes_max)
        taker = Taker(waiting_bytes)
        node.effects.serve_blocks(cast(Link, taker), 1, 4)
        node.parts.proposals.keep(transactions)  # a block may have come
        await node.intake.on_consensus(cast(Link, taker), wanted)
        return taker.sent

    blocks, _bodies = await served(0, sizes[0] + sizes[1])
    assert isinstance(blocks, Blocks)
    assert len(blocks.blocks) == 2
    _blocks, bodies = await served(0, received[0].size_bytes + received[1].size_bytes)
    assert isinstance(bodies, Bodies)
    assert len(bodies.transactions) == 2
    assert await served(1_001, 1_000) == []
    assert len(await served(1_000, 1_000)) == 2


# ── bundles ──────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_bundles_of_validators_wait_within_bytes_and_are_dropped_beyond(
    table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Votes come over the same link, so it is read on; the sender repeats what stays unrecorded."""
    table.start()
    node = table.nodes[VALIDATORS[0]]
    link = cast(Link, table.links[VALIDATORS[0], VALIDATORS[1]])
    bundles = [[table.transaction(), table.transaction()] for _ in range(3)]
    payloads = [encode_bundle(bundle) for bundle in bundles]
    monkeypatch.setattr("node.bundle_queue.BUNDLES_BYTES_MAX", len(payloads[0]) + len(payloads[1]))
    for payload in payloads:  # nothing else has its turn in between
        await node.intake.on_bundle(link, payload, from_validator=True)
    assert node.parts.admission.refused["bundles_full"] == 2

    def is_known(transaction: Transaction) -> bool:
        digest = receive_transaction(table.chain_id, transaction).digest
        return digest in node.pool or node.ledger.parent().is_remembered(digest)

    await table.until(lambda: all(is_known(one) for bundle in bundles[:2] for one in bundle))
    assert not any(is_known(one) for one in bundles[2])
    for payload in (payloads[2], payloads[1]):  # what was looked at counts no more
        await node.intake.on_bundle(link, payload, from_validator=True)
    await table.until(lambda: all(is_known(one) for one in bundles[2]))
    assert node.parts.admission.refused["bundles_full"] == 2


async def test_of_an_organisation_that_has_enough_waiting_no_more_is_heard_until_some_is_worked_off(
    table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its signatures would be checked for nothing, while the others' consensus waits. What validators pass on is heard:
    so their pools hold the same, and a proposal finds its bodies."""
    monkeypatch.setattr("node.block_pace.LEAST", 1.0)
    monkeypatch.setattr("node.block_pace.BACKLOG_BLOCKS", 4)
    table.start(VALIDATORS[0])  # alone: nothing is decided
    node = table.nodes[VALIDATORS[0]]
    node.parts.proposals.pace.most = 3.0  # a transaction of one operation
    refused, pool = node.parts.admission.refused, node.pool

    monkeypatch.setattr("node.validator_intake.ROOM_WAIT_S", 0.1)
    monkeypatch.setattr("node.validator_intake.HELD_MAX", 1)
    links = {name: Taker(0, name, is_closed=False) for name in ("hospital-a", "hospital-b", VALIDATORS[1])}

    async def heard(sender: str, organisation: str, count: int) -> int:
        before, from_validator = len(pool), sender in VALIDATORS
        payload = encode_bundle([table.transaction(organisation=organisation) for _ in range(count)])
        await node.intake.on_bundle(cast(Link, links[sender]), payload, from_validator)
        if from_validator:
            await table.until(lambda: len(pool) == before + count)
        return len(pool) - before

    assert await heard("hospital-a", "hospital-a", 5) == 5  # one bundle may go beyond: 15 of 12
    await node.intake.on_bundle(cast(Link, links["hospital-a"]), bytes(3 << 20), from_validator=False)
    assert refused.pop("bundle_unread") == 1  # undecoded: what waits is bounded in bytes
    assert await heard("hospital-a", "hospital-a", 5) == 0  # waits for room, and nothing behind it waits for it
    assert await heard("hospital-a", "hospital-a", 5) == 0
    assert refused["bundle_unread"] == 1
    await table.until(lambda: refused["bundle_unread"] == 2)  # its time was over
    await asyncio.sleep(0.05)
    assert await heard("hospital-b", "hospital-a", 5) == 0  # another's link does not help
    assert refused["backlog_full"] == 5
    assert await heard("hospital-b", "hospital-b", 5) == 5
    assert await heard(VALIDATORS[1], "hospital-a", 5) == 5

    def work_off(organisation: str, count: int) -> None:
        waiting = [entry for entry in pool.all(100) if entry.transaction.organisation == organisation]
        pool.remove([entry.digest for entry in waiting[:count]])

    monkeypatch.setattr("node.validator_intake.ROOM_WAIT_S", 60.0)
    assert await heard("hospital-a", "hospital-a", 1) == 0
    work_off("hospital-a", 6)
    await table.until(lambda: pool.weight_of("hospital-a") == 15)  # the one that waited is in
    work_off("hospital-a", 100)
    work_off("hospital-b", 100)
    assert pool.weight_of("hospital-a") == pool.weight_of("hospital-b") == 0


# ── large frames ─────────────────────────────────────────────────────────────────────────────────────────────────────


def taking(allowance: Allowance, size: int) -> asyncio.Task[None]:
    return asyncio.get_running_loop().create_task(allowance.take(size))


async def turn() -> None:
    for _ in range(3):
        await asyncio.sleep(0)


async def test_an_allowance_is_given_in_the_order_of_asking() -> None:
    """A small frame does not overtake a large one: else that would wait for ever."""
    allowance = Allowance(100)
    first, large, small = taking(allowance, 60), taking(allowance, 100), taking(allowance, 10)
    await turn()
    assert [first.done(), large.done(), small.done()] == [True, False, False]
    allowance.give(60)
    await turn()
    assert [large.done(), small.done()] == [True, False]
    allowance.give(100)
    await turn()
    assert small.done()


async def test_who_leaves_while_waiting_gives_its_turn_and_its_bytes_back() -> None:
    """A link is cut in the middle: before its turn, and in the moment when it has come."""
    allowance = Allowance(100)
    await allowance.take(100)
    waits, after = taking(allowance, 100), taking(allowance, 50)
    await turn()
    waits.cancel()
    allowance.give(50)
    await turn()
    assert (waits.cancelled(), after.done()) == (True, True)
    waits, after = taking(allowance, 50), taking(allowance, 50)
    await turn()
    allowance.give(50)  # the turn of the first has come, and it is cancelled before it knows
    waits.cancel()
    await turn()
    assert (waits.cancelled(), after.done()) == (True, True)
    allowance.give(100)
    await asyncio.wait_for(allowance.take(100), 1)
