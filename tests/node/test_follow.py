"""Keeping up, whole (PROTOCOL 5 and 17): blocks of any validator, trusted by nobody's word."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from chain.block import FinalBlock
from chain.codec import decode, encode
from chain.errors import StorageDamaged, StorageFailed
from chain.final_view import FinalView
from chain.ledger import Ledger
from node import follow
from node.errors import RequestTimedOut
from node.feed import Feed
from node.follow import BlockFollower
from node.messages import BlocksAnswer, GetBlocks
from tests.chain.making import Chain, certify, changed, issue_bill
from tests.node.following import FakeLink, FakePeers, drop_ledger, make_ledger, open_ledger, silent, threads


def grown_chain(bills: int = 5) -> Chain:
    chain = Chain()
    chain.lease()
    for serial in range(1, bills + 1):
        assert chain.run("hospital-a", issue_bill(f"B-{serial}", serial=serial)) == ["recorded"]
    return chain


class Clock:
    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s

    async def pause(self, seconds: float) -> None:
        self.now_s += seconds
        await asyncio.sleep(0)


async def follow_up_to(
    ledger: Ledger,
    peers: FakePeers,
    height: int,
    during: Callable[[BlockFollower], None] = lambda follower: None,
) -> BlockFollower:
    """Run a follower until it has that block."""
    clock = Clock()
    with threads() as (writer, pool):
        feed = Feed(ledger.head.height)
        follower = BlockFollower(ledger, peers, feed, writer=writer, pool=pool, now_s=clock, pause=clock.pause)
        running = asyncio.create_task(follower.run())
        waiting = asyncio.create_task(feed.above(height - 1, 60))
        during(follower)
        await asyncio.wait([running, waiting], return_when=asyncio.FIRST_COMPLETED)
        running.cancel()
        waiting.cancel()
        (end, _) = await asyncio.gather(running, waiting, return_exceptions=True)
        if isinstance(end, Exception):
            raise end
    return follower


async def test_a_mirror_comes_to_the_same_state_as_the_validators(tmp_path: Path) -> None:
    """PROTOCOL 17: rule 5 without voting; equal heights, equal roots."""
    chain = grown_chain()
    ledger = make_ledger(tmp_path, chain.genesis)
    seen: list[FinalView] = []

    await follow_up_to(
        ledger,
        FakePeers(FakeLink("finance", chain)),
        chain.height,
        lambda follower: follower.on_final.append(seen.append),
    )

    assert ledger.head == chain.ledger.head
    assert [view.header.height for view in seen] == list(range(1, chain.height + 1))
    ledger.close()


async def test_a_new_block_is_asked_for_before_it_exists(tmp_path: Path) -> None:
    """PROTOCOL 17: nobody polls; the question waits at the server."""
    chain = grown_chain(1)
    ledger = make_ledger(tmp_path, chain.genesis)
    link = FakeLink("finance", chain)
    peers = FakePeers(link)
    await follow_up_to(ledger, peers, chain.height)

    def grow(_follower: BlockFollower) -> None:
        asyncio.get_running_loop().call_soon(chain.run, "hospital-a", issue_bill("B-9", serial=9))
        asyncio.get_running_loop().call_soon(peers.grow)

    await follow_up_to(ledger, peers, chain.height + 1, grow)

    assert link.asked[-1].from_height == chain.height + 1  # the next one is asked for already
    ledger.close()


def other_vote(final: FinalBlock) -> FinalBlock:
    signatures = final.certificate.signatures
    broken = changed(signatures[0], signature=signatures[0].signature[:-1] + b"\0")
    return changed(final, certificate=changed(final.certificate, signatures=[broken, *signatures[1:]]))


def too_few_votes(final: FinalBlock) -> FinalBlock:
    return changed(final, certificate=changed(final.certificate, signatures=final.certificate.signatures[:2]))


def other_signature(final: FinalBlock) -> FinalBlock:
    transactions = [changed(entry, signature=bytes(64)) for entry in final.block.transactions]
    return changed(final, block=changed(final.block, transactions=transactions))


def no_transactions(final: FinalBlock) -> FinalBlock:
    return changed(final, block=changed(final.block, transactions=[]))


def other_header(final: FinalBlock) -> FinalBlock:
    return changed(final, block=changed(final.block, header=changed(final.block.header, state_root=bytes(32))))


LIES = {
    "vote": other_vote,
    "too few votes": too_few_votes,
    "signature": other_signature,
    "bodies": no_transactions,
    "header": other_header,
}


@pytest.mark.parametrize("small_block", [0, 20])
@pytest.mark.parametrize("lie", LIES)
async def test_a_liar_is_left_for_an_honest_server(
    tmp_path: Path, lie: str, small_block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PROTOCOL 5: a block counts with its certificate only; signatures are no part of digests, so they are checked.

    Large blocks are worked out in several steps, small ones in one.
    """
    monkeypatch.setattr(follow, "SMALL_BLOCK", small_block)
    chain = grown_chain(2)
    ledger = make_ledger(tmp_path, chain.genesis)

    def lies(question: GetBlocks) -> BlocksAnswer:
        final = decode(chain.ledger.log.read(question.from_height), FinalBlock)
        return BlocksAnswer([encode(LIES[lie](final))])

    liar = FakeLink("bigdata", chain, lies)
    only_the_liar = FakePeers(liar)

    def later(follower: BlockFollower) -> None:
        assert follower.counts["lies"] == 0
        only_the_liar.links.append(FakeLink("finance", chain))

    follower = await follow_up_to(ledger, only_the_liar, chain.height, later)

    assert ledger.head == chain.ledger.head
    assert follower.counts["blocks"] == chain.height
    ledger.close()


@pytest.mark.parametrize(
    "answer",
    [
        silent,
        lambda question: b"\xc1 garbage",
        lambda question: BlocksAnswer([b"garbage"]),
        lambda question: BlocksAnswer([]),
    ],
)
async def test_silent_and_babbling_servers_do_not_stop_a_mirror(
    tmp_path: Path, answer: Callable[[GetBlocks], BlocksAnswer | bytes | Exception]
) -> None:
    """Each failure is counted, and another server is asked; the failed one is tried again later."""
    chain = grown_chain(1)
    ledger = make_ledger(tmp_path, chain.genesis)
    peers = FakePeers()

    def failing(question: GetBlocks) -> BlocksAnswer | bytes | Exception:
        if len(bad.asked) >= 6 and len(peers.links) == 1:
            peers.links.append(FakeLink("finance", chain))
        return answer(question)

    bad = FakeLink("bigdata", chain, failing)
    peers.links.append(bad)
    follower = await follow_up_to(ledger, peers, chain.height)

    assert ledger.head == chain.ledger.head
    assert follower.counts["lies"] + follower.counts["silences"] + follower.counts["empty"] >= 3
    ledger.close()


class SlowLink(FakeLink):
    """Time passes while it is asked: for nothing at all, or until it says that there is nothing new."""

    def __init__(self, node: str, chain: Chain, clock: Clock, is_honest: bool) -> None:
        super().__init__(node, chain)
        self.clock, self.is_honest = clock, is_honest
        self.took_s: list[float] = []

    async def request(self, payload: bytes, timeout_s: float) -> bytes:
        self.took_s.append(follow.WAIT_MS / 1000 if self.is_honest else timeout_s)
        await self.clock.pause(self.took_s[-1])
        if self.is_honest:
            return encode(BlocksAnswer([]))
        raise RequestTimedOut(self.node)


async def ask_for(ledger: Ledger, seconds: float, *links: SlowLink) -> None:
    clock = links[0].clock
    with threads() as (writer, pool):
        follower = BlockFollower(
            ledger, FakePeers(*links), Feed(0), writer=writer, pool=pool, now_s=clock, pause=clock.pause
        )
        running = asyncio.create_task(follower.run())
        while clock.now_s < seconds:  # noqa: ASYNC110
            await asyncio.sleep(0)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_a_server_that_withholds_blocks_costs_a_tenth_of_the_time(tmp_path: Path) -> None:
    """RELIABILITY Y11: it is waited for shortly at first, and left alone ten times as long."""
    chain, clock = grown_chain(1), Clock()
    ledger = make_ledger(tmp_path, chain.genesis)
    silent, honest = SlowLink("bigdata", chain, clock, False), SlowLink("finance", chain, clock, True)

    await ask_for(ledger, 5_000, silent, honest)

    assert silent.took_s[0] == follow.WAIT_MS / 1000 + follow.ANSWER_FIRST_S
    assert 0 < sum(silent.took_s) < 5_000 / follow.SHUN
    ledger.close()


async def test_where_all_are_slow_they_are_waited_for_longer(tmp_path: Path) -> None:
    """A mirror behind a slow line: nobody is left alone for long, and an answer has its time after three questions."""
    chain, clock = grown_chain(1), Clock()
    ledger = make_ledger(tmp_path, chain.genesis)
    links = [SlowLink(name, chain, clock, False) for name in ("bigdata", "finance")]

    await ask_for(ledger, 200, *links)

    longest = follow.WAIT_MS / 1000 + follow.ANSWER_MAX_S
    assert all(link.took_s[:4] == [5.0, 8.0, 14.0, longest] for link in links)
    assert sum(sum(link.took_s) for link in links) > 150
    ledger.close()


async def test_a_block_of_another_place_is_a_lie(tmp_path: Path) -> None:
    """A certified block that is not the next one."""
    chain = grown_chain(3)
    ledger = make_ledger(tmp_path, chain.genesis)
    skipping = FakeLink("bigdata", chain, lambda _question: BlocksAnswer([chain.ledger.log.read(3)]))

    peers = FakePeers(skipping)
    follower = await follow_up_to(
        ledger, peers, chain.height, lambda _follower: peers.links.append(FakeLink("finance", chain))
    )

    assert follower.ledger.head == chain.ledger.head
    ledger.close()


async def test_what_a_quorum_certified_and_we_cannot_follow_stops_the_node(tmp_path: Path) -> None:
    """PROTOCOL 5: roots differ -> stop the node."""
    chain = grown_chain(1)
    ledger = make_ledger(tmp_path, chain.genesis)
    final = decode(chain.ledger.log.read(1), FinalBlock)
    header = changed(final.block.header, state_root=bytes(32))
    forked = encode(FinalBlock(changed(final.block, header=header), certify(header, chain.ledger.members)))

    with pytest.raises(StorageDamaged, match="state_root"):
        await follow_up_to(ledger, FakePeers(FakeLink("finance", chain, lambda _: BlocksAnswer([forked]))), 1)
    assert ledger.head.height == 0
    ledger.close()


async def test_a_disk_that_takes_nothing_stops_the_node(tmp_path: Path) -> None:
    """DESIGN 8: any write error stops the node; nobody heard of the block."""
    chain = grown_chain(1)
    ledger = make_ledger(tmp_path, chain.genesis)
    ledger.log._failed = "the disk is full"

    with pytest.raises(StorageFailed):
        await follow_up_to(ledger, FakePeers(FakeLink("finance", chain)), 1)
    assert ledger.head.height == 0
    drop_ledger(ledger)


async def test_a_mirror_killed_in_the_middle_goes_on_where_its_log_ends(tmp_path: Path) -> None:
    """DESIGN 8: the log is the only truth; the state is replayed from it."""
    chain = grown_chain(6)
    ledger = make_ledger(tmp_path, chain.genesis)
    half = FakeLink("finance", chain, lambda question: BlocksAnswer([chain.ledger.log.read(question.from_height)]))
    await follow_up_to(ledger, FakePeers(half), 3)
    reached = ledger.head.height
    drop_ledger(ledger)

    again = open_ledger(tmp_path, chain.genesis)
    assert again.head.height == reached
    link = FakeLink("health", chain)
    await follow_up_to(again, FakePeers(link), chain.height)

    assert link.asked[0].from_height == reached + 1
    assert again.head == chain.ledger.head
    again.close()


async def test_work_that_may_wait_steps_back_while_a_mirror_catches_up(tmp_path: Path) -> None:
    """Details of 30,000 bills took the processor from the blocks of an archive that had been away for a minute."""
    chain = grown_chain(bills=20)
    ledger = make_ledger(tmp_path, chain.genesis)
    waited: list[tuple[str, int]] = []

    async def step_back(patience_s: float, name: str) -> None:
        await follower.level(patience_s)
        waited.append((name, ledger.head.height))

    with threads() as (writer, pool):
        peers, feed = FakePeers(FakeLink("finance", chain)), Feed(0)
        follower = BlockFollower(ledger, peers, feed, writer=writer, pool=pool)
        await step_back(60, "before it has asked anybody")
        running = asyncio.create_task(follower.run())
        await feed.above(0, 60)
        await step_back(0.0, "who has no patience")
        await step_back(60, "who has")
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    drop_ledger(ledger)
    assert [name for name, _height in waited] == ["before it has asked anybody", "who has no patience", "who has"]
    assert waited[0][1] < waited[1][1] < waited[2][1] == chain.height
