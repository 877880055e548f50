"""Mirrors and gateways over changes of the set (PROTOCOL 15 and 17): what a header names is proven, or not believed."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from chain.block import FinalBlock
from chain.codec import decode, encode
from chain.errors import CertificateRefused
from chain.genesis import genesis_to_json
from chain.operation import Renew
from chain.proof import Proof, check_proof
from node.feed import Feed
from node.follow import BlockFollower
from node.messages import BlocksAnswer, GetBlocks, MineAnswer, RecordAnswer
from node.verify import verify_home
from tests.chain.making import Chain, certify, changed, no_seat, seat
from tests.chain.moving_sets import BLOCKS, walk
from tests.node.following import FakeLink, FakePeers, drop_ledger, make_ledger, open_ledger, threads
from tests.node.gateway_province import PATIENCE_S, STAFF, Province, bill, sealed, until
from tests.node.test_follow import follow_up_to
from tests.node.test_mirror import AUDITOR, Archive
from tests.node.test_verify import GATEWAY_YAML

# ── mirrors ──────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_mirror_walks_over_all_changes_and_says_the_same(tmp_path: Path) -> None:
    """PROTOCOL 17, rule 5 without voting; stopped in the middle, once by a crash."""
    chain = Chain()
    walk(chain, BLOCKS)
    peers = FakePeers(FakeLink("finance", chain))
    ledger = make_ledger(tmp_path, chain.genesis)
    for stop in (4, 5, 21, BLOCKS):
        for link in peers.links:
            link.answer = lambda question, stop=stop: blocks_of(chain, question, stop)
        await follow_up_to(ledger, peers, stop)
        assert ledger.set_at(stop + 2) == chain.ledger.set_at(stop + 2)
        drop_ledger(ledger)
        ledger = open_ledger(tmp_path, chain.genesis)
    assert (ledger.head, ledger.sets()) == (chain.ledger.head, chain.ledger.sets())
    ledger.close()


def blocks_of(chain: Chain, question: GetBlocks, upto: int) -> BlocksAnswer:
    last = min(upto, question.from_height + question.count - 1)
    return BlocksAnswer([chain.ledger.log.read(height) for height in range(question.from_height, last + 1)])


@pytest.mark.parametrize("height", [4, 5, 7, 11, 12])
async def test_a_block_that_another_set_signed_is_a_lie(tmp_path: Path, height: int) -> None:
    """Former members keep their keys; what they sign after their epoch convinces nobody."""
    chain = Chain()
    walk(chain, 12)
    former = chain.ledger.sets()[[members.epoch for members in chain.ledger.sets()].index(height) - 1]
    final = decode(chain.ledger.log.read(height), FinalBlock)
    forged = encode(changed(final, certificate=certify(final.block.header, former)))

    def lie(question: GetBlocks) -> BlocksAnswer:
        answer = blocks_of(chain, question, height)
        is_last = question.from_height + len(answer.blocks) == height + 1
        return BlocksAnswer([*answer.blocks[:-1], forged] if is_last and answer.blocks else answer.blocks)

    liar, honest = FakeLink("finance", chain, lie), FakeLink("health", chain)
    ledger = make_ledger(tmp_path, chain.genesis)
    peers = FakePeers(liar)
    await follow_up_to(ledger, peers, height - 1)
    with pytest.raises(CertificateRefused):
        ledger.verify_final(final.block.header, decode(forged, FinalBlock).certificate)
    peers.links.append(honest)
    await follow_up_to(ledger, peers, chain.height)
    assert ledger.head == chain.ledger.head
    ledger.close()


async def test_a_follower_that_is_stopped_over_a_lie_stops(tmp_path: Path) -> None:
    """Found by the story above: the refusal of what was being worked out hid the cancelling, and nothing ever ended."""
    chain = Chain()
    walk(chain, 3)
    final = decode(chain.ledger.log.read(1), FinalBlock)
    forged = encode(changed(final, certificate=changed(final.certificate, signatures=[])))
    ledger = make_ledger(tmp_path, chain.genesis)
    asked = asyncio.Event()

    def lie(question: GetBlocks) -> BlocksAnswer:
        asked.set()
        return BlocksAnswer([forged])

    with threads() as (writer, pool):
        follower = BlockFollower(ledger, FakePeers(FakeLink("finance", chain, lie)), Feed(), writer=writer, pool=pool)
        held, verify = threading.Event(), ledger.verify_final

        def slow(*what: Any) -> None:
            held.wait(PATIENCE_S)
            verify(*what)

        with patch.object(ledger, "verify_final", slow):
            running = asyncio.create_task(follower.run())
            await asked.wait()
            for _ in range(5):  # it is in the thread now
                await asyncio.sleep(0)
            running.cancel()
            for _ in range(5):  # its parts have heard of that
                await asyncio.sleep(0)
            held.set()
            async with asyncio.timeout(PATIENCE_S):
                with pytest.raises(asyncio.CancelledError):
                    await running
    ledger.close()


async def test_a_mirror_s_pages_name_those_who_signed_each_block(tmp_path: Path) -> None:
    archive = Archive(tmp_path)
    archive.chain.change_set(seat("finance-city"))
    archive.chain.change_set(no_seat("bigdata"), no_seat("finance"), seat("hospital-a"))
    for _ in range(2):
        archive.chain.block()
    page = await archive.mirror.blocks(None, 20)
    rows = {row["height"]: row["signed_by"] for row in page.data}
    height = archive.chain.height
    assert rows[height - 2] == ["bigdata", "finance", "health"]
    assert rows[height - 1] == ["bigdata", "finance", "finance-city", "health"]
    assert rows[height] == ["finance-city", "health", "hospital-a"]
    for number, names in rows.items():
        shown = await archive.mirror.block(number, None)
        assert shown is not None
        assert [entry["organisation"] for entry in shown["certificate"]["signatures"]] == names
    network = archive.mirror.network()
    assert (network["epoch"], network["quorum"]) == (height, 3)
    assert network["validators"] == ["finance-city", "health", "hospital-a", "insurance"]
    archive.close()


async def test_a_mirror_s_proofs_hold_the_changes_up_to_their_head(tmp_path: Path) -> None:
    """The list grows with the chain; a change that no header names yet is in none."""
    archive = Archive(tmp_path)
    issued = await archive.issue(1)
    steps: list[Any] = [[seat("finance-city")], [], [], [no_seat("bigdata")], [seat("health", 2)], [], []]
    counts = []
    for changes in steps:
        if changes:
            archive.chain.change_set(*changes)
        else:
            archive.chain.block()
        data = await archive.mirror.proof(issued, AUDITOR, [], None)
        assert data is not None
        verdict = check_proof(data, archive.chain.genesis)
        assert verdict.valid, verdict.checks
        counts.append(len(decode(data, Proof).set_changes))
    assert counts == [0, 0, 1, 1, 1, 2, 3]
    archive.close()


# ── gateways ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
async def province(tmp_path: Path) -> AsyncIterator[Province]:
    province = Province(tmp_path)
    yield province
    await province.stop()


def change(province: Province, *changes: Any) -> None:
    assert set(province.chain.change_set(*changes)) == {"recorded"}
    province.feed.publish(province.chain.height)


async def test_a_gateway_follows_over_changes_and_proves_its_bills(province: Province) -> None:
    """PROTOCOL 17: headers and certificates only; the set comes with the header that names it."""
    gateway = await province.start()
    first = await gateway.issue(bill("B-1"))
    await gateway.wait(first, PATIENCE_S, "recorded")
    change(province, seat("finance-city"))
    change(province, seat("health", 2), no_seat("insurance"))
    change(province, seat("insurance", 2))
    province.run("bigdata", Renew(b"1" * 32))
    second = await gateway.issue(bill("B-2"))
    await sealed(province, gateway, second)
    await until(lambda: gateway.head().height == province.chain.height)

    for standing in (first, second):
        proof = await gateway.proof(str(standing.bill_id), STAFF, [], None)
        assert proof is not None
        verdict = check_proof(proof, province.chain.genesis)
        assert verdict.valid, verdict.checks
        assert "4 changes since genesis" in verdict.checks[2].detail
        assert verdict.bill["sealed"]
    members = province.chain.ledger.members
    network = gateway.network()
    assert (network["epoch"], network["quorum"]) == (members.epoch, members.quorum)
    assert network["validators"] == [member.organisation for member in members.members]
    for row in (await gateway.blocks(None, 100)).data:
        signers = province.chain.view(row["height"]).certificate.signatures
        named = province.chain.ledger.set_at(row["height"]).members
        assert row["signed_by"] == [named[entry.seat].organisation for entry in signers]
    assert gateway.figures()["refused_answers_total"] == 0


async def test_a_gateway_starts_again_between_changes(province: Province) -> None:
    gateway = await province.start()
    change(province, seat("finance-city"))
    change(province, no_seat("health"))
    for _ in range(2):
        await until(lambda: gateway.head().height == province.chain.height)  # noqa: B023 - waited for here
        gateway = await province.crash(gateway)
        gateway.begin()
        await until(lambda: not gateway.not_ready())  # noqa: B023 - waited for here
        change(province, seat("health", 2) if len(province.chain.ledger.following.members) == 4 else no_seat("bigdata"))
    standing = await gateway.issue(bill())
    assert (await gateway.wait(standing, PATIENCE_S, "recorded")).status == "recorded"
    assert gateway.network()["epoch"] == province.chain.ledger.members.epoch


def without_the_set(answer: Any) -> Any:
    return altered(answer, lambda part: changed(part, next_set=None))


def with_another_member(answer: Any) -> Any:
    def alter(part: Any) -> Any:
        if part.next_set is None:
            return part
        members = [*part.next_set.members[:-1], changed(part.next_set.members[-1], organisation="mallory")]
        return changed(part, next_set=changed(part.next_set, members=members))

    return altered(answer, alter)


def with_another_epoch(answer: Any) -> Any:
    return altered(
        answer,
        lambda part: changed(part, next_set=part.next_set and changed(part.next_set, epoch=part.next_set.epoch + 1)),
    )


def with_a_set_that_nobody_named(answer: Any) -> Any:
    return altered(answer, lambda part: changed(part, next_set=Chain().ledger.members))


def altered(answer: Any, alter: Any) -> Any:
    return MineAnswer([alter(part) for part in answer.parts]) if isinstance(answer, MineAnswer) else answer


@pytest.mark.parametrize(
    "tamper", [without_the_set, with_another_member, with_another_epoch, with_a_set_that_nobody_named]
)
async def test_a_validator_that_lies_about_the_next_set_is_left_alone(province: Province, tamper: Any) -> None:
    gateway = await province.start()
    peers = province.peers["hospital-a"]
    for link in peers.links[:3]:
        link.tamper = tamper
    change(province, seat("finance-city"))
    change(province, no_seat("health"))
    province.block()
    province.block()
    await until(lambda: gateway.head().height == province.chain.height)
    assert gateway.network()["validators"] == ["bigdata", "finance", "finance-city", "insurance"]
    assert 1 <= gateway.figures()["refused_answers_total"] <= 3


async def test_a_record_beyond_a_change_that_was_not_followed_is_no_lie(province: Province) -> None:
    """A validator may be ahead by a change of the set: its word waits until the headers came."""
    gateway = await province.start()
    standing = await gateway.issue(bill())
    await gateway.wait(standing, PATIENCE_S, "recorded")
    await until(lambda: gateway.head().height == province.chain.height)
    links = province.peers["hospital-a"].links
    records: list[RecordAnswer] = []

    def hold_back(answer: Any) -> Any:
        if isinstance(answer, RecordAnswer):
            records.append(answer)
        return MineAnswer([]) if isinstance(answer, MineAnswer) else answer

    for link in links:
        link.tamper = hold_back
    change(province, seat("finance-city"))
    for _ in range(3):
        province.block()
    behind = await gateway.proof(str(standing.bill_id), STAFF, [], None)
    assert behind is not None
    assert len(records) == len(links)  # each was asked, none was believed yet
    assert records[0].current is not None
    verdict = check_proof(behind, province.chain.genesis)
    assert verdict.valid
    assert "status" not in verdict.bill  # no current record in this file
    assert gateway.figures()["refused_answers_total"] == 0

    for link in links:
        link.tamper = lambda answer: answer
    await until(lambda: gateway.head().height == province.chain.height)
    now = await gateway.proof(str(standing.bill_id), STAFF, [], None)
    assert now is not None
    assert check_proof(now, province.chain.genesis).bill["status"] == "normal"


async def test_a_gateway_s_home_is_verified_over_its_changes(province: Province, tmp_path: Path) -> None:
    """`medbill node verify`: each header by the set of its height, out of the home alone."""
    gateway = await province.start()
    change(province, seat("finance-city"))
    change(province, no_seat("health"))
    standing = await gateway.issue(bill())
    await gateway.wait(standing, PATIENCE_S, "recorded")
    await until(lambda: gateway.head().height == province.chain.height)
    path = gateway.store.path
    await gateway.stop()
    province.running.remove(gateway)
    home = tmp_path / "home"
    (home / "config").mkdir(parents=True)
    (home / "data").mkdir()
    path.rename(home / "data" / "gateway")
    (home / "config" / "node.yaml").write_text(GATEWAY_YAML)
    (home / "config" / "genesis.json").write_text(genesis_to_json(province.chain.genesis))

    report = await asyncio.to_thread(verify_home, home)

    assert report.valid, report.checks
    assert "2 changes of the set" in next(check.detail for check in report.checks if check.name == "headers")
