"""Evidence that validators keep and show: it names the liar, after a restart too, and never an honest key.

Source: PROTOCOL rule 16; RELIABILITY 1.2 row 17, Y3, Y14.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from msgspec import structs

from chain.codec import decode, encode
from chain.operation import Renew
from consensus.errors import ConsensusError
from consensus.evidence import Evidence, check_evidence, encode_evidence
from consensus.model import Commit, Prepare, Vote
from consensus.wire import encode_message, vote_digest
from node.errors import PeerRefused
from node.evidence_store import EVIDENCE_MAX, PER_MEMBER_MAX, EvidenceStore
from node.evidence_watch import EvidenceWatch
from node.link import Link
from node.messages import CONSENSUS, EVIDENCE_PER_ANSWER_MAX, EvidenceAnswer, GetEvidence, decode_answer
from node.peer_certificate import PeerIdentity
from node.peers import PeerLink
from tests.chain.making import VALIDATORS, genesis, key_of
from tests.node.validating import Table, grow

LIAR = VALIDATORS[3]
HONEST = VALIDATORS[:3]
GENESIS = genesis()
CHAIN_ID = GENESIS.digest()


def signed(vote: Vote, organisation: str = LIAR, chain_id: bytes = CHAIN_ID) -> Vote:
    signature = key_of(f"{organisation}/vote").sign(vote_digest(vote, chain_id))
    return structs.replace(vote, signature=signature)


def vote(text: str, kind: type[Prepare] | type[Commit] = Prepare, height: int = 1, **fields: int) -> Vote:
    """By the liar, signed."""
    made = {"epoch": 1, "view": 0, "seat": 3} | fields
    digest = sha256(text.encode()).digest()
    return signed(kind(made["epoch"], made["view"], height, digest, made["seat"], bytes(64)))


def evidence(height: int = 1, kind: type[Prepare] | type[Commit] = Prepare) -> bytes:
    return encode_evidence(CHAIN_ID, [], vote("one", kind, height), vote("two", kind, height))


# ── what convicts, and what does not ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("kind", [Prepare, Commit])
def test_two_votes_in_one_slot_convict_their_key(kind: type[Prepare] | type[Commit]) -> None:
    conviction = check_evidence(evidence(kind=kind), GENESIS)
    assert conviction.organisation == LIAR
    assert conviction.key == key_of(f"{LIAR}/vote").public
    assert conviction.kind == kind.__name__


@pytest.mark.parametrize(
    ("first", "second"),
    [
        pytest.param(vote("one"), vote("one"), id="a vote repeated"),
        pytest.param(vote("one"), vote("two", view=1), id="another view"),
        pytest.param(vote("one"), vote("two", height=2), id="another height"),
        pytest.param(vote("one"), vote("two", Commit), id="another kind"),
        pytest.param(vote("one"), structs.replace(vote("two"), signature=bytes(64)), id="half forged"),
        pytest.param(vote("one"), signed(vote("two"), HONEST[0]), id="signed by another"),
        pytest.param(
            signed(vote("one"), chain_id=bytes(32)), signed(vote("two"), chain_id=bytes(32)), id="another chain"
        ),
        pytest.param(vote("one", epoch=2), vote("two", epoch=2), id="another epoch"),
        pytest.param(vote("one", seat=0), vote("two", seat=0), id="an honest member's seat"),
        pytest.param(vote("one", seat=9), vote("two", seat=9), id="a seat that is none"),
    ],
)
def test_an_honest_key_is_never_convicted(first: Vote, second: Vote, tmp_path: Path) -> None:
    """Y14: forged, repeated, half-forged pairs, pairs from elsewhere; and nothing of them is kept."""
    data = encode_evidence(CHAIN_ID, [], first, second)
    store = EvidenceStore.open(tmp_path, GENESIS)
    with pytest.raises(ConsensusError):
        store.add(data)
    assert not store.pieces
    assert not store.path.exists()


def test_evidence_has_one_spelling() -> None:
    """RELIABILITY 1.2, row 17: all that see the two votes find the same bytes."""
    assert encode_evidence(CHAIN_ID, [], vote("one"), vote("two")) == encode_evidence(
        CHAIN_ID, [], vote("two"), vote("one")
    )
    right = decode(evidence(), Evidence)
    with pytest.raises(ConsensusError):
        check_evidence(encode(structs.replace(right, first=right.second, second=right.first)), GENESIS)


def test_evidence_of_another_ledger_is_refused() -> None:
    with pytest.raises(ConsensusError):
        check_evidence(evidence(), genesis(created_ms=GENESIS.created_ms + 1))


# ── on the disk ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_what_was_kept_is_there_after_a_restart_and_counts_once(tmp_path: Path) -> None:
    store = EvidenceStore.open(tmp_path, GENESIS)
    assert store.add(evidence(1)) is not None
    assert store.add(evidence(1)) is None
    assert store.add(evidence(2)) is not None
    again = EvidenceStore.open(tmp_path, GENESIS)
    assert [piece.data for piece in again.pieces] == [evidence(1), evidence(2)]
    assert again.add(evidence(2)) is None
    assert again.page() == store.page()


def test_a_full_file_keeps_the_first_ones(tmp_path: Path) -> None:
    store = EvidenceStore.open(tmp_path, GENESIS)
    for height in range(1, PER_MEMBER_MAX + 1):
        assert store.add(evidence(height)) is not None
    size = store.path.stat().st_size
    assert store.add(evidence(PER_MEMBER_MAX + 1)) is None
    assert store.path.stat().st_size == size
    kept = EvidenceStore.open(tmp_path, GENESIS).pieces
    assert [piece.conviction.height for piece in kept] == list(range(1, PER_MEMBER_MAX + 1))


def test_an_end_that_was_never_flushed_is_cut(tmp_path: Path) -> None:
    store = EvidenceStore.open(tmp_path, GENESIS)
    store.add(evidence(1))
    whole = store.path.read_bytes()
    store.add(evidence(2))
    longer = store.path.read_bytes()
    for size in range(len(whole), len(longer)):
        store.path.write_bytes(longer[:size])
        again = EvidenceStore.open(tmp_path, GENESIS)
        assert len(again.pieces) == 1
        assert again.add(evidence(3)) is not None
        assert [piece.conviction.height for piece in EvidenceStore.open(tmp_path, GENESIS).pieces] == [1, 3]
    assert not list(tmp_path.glob("*aside*"))


def test_a_flipped_bit_costs_one_piece_at_most_and_is_named(tmp_path: Path) -> None:
    """Each piece proves itself: a damaged file is put aside, and what still proves something stays."""
    store = EvidenceStore.open(tmp_path, GENESIS)
    for height in (1, 2, 3):
        store.add(evidence(height))
    whole = store.path.read_bytes()
    first_bytes = len(whole) // 3
    for place in range(first_bytes, 2 * first_bytes, 7):
        damaged = bytearray(whole)
        damaged[place] ^= 1
        store.path.write_bytes(damaged)
        assert EvidenceStore.read(tmp_path, GENESIS).is_damaged
        again = EvidenceStore.open(tmp_path, GENESIS)
        heights = [piece.conviction.height for piece in again.pieces]
        assert heights[0] == 1
        assert 2 not in heights
        (aside,) = tmp_path.glob("*.aside-*")
        assert aside.read_bytes() == damaged
        aside.unlink()
        assert not EvidenceStore.read(tmp_path, GENESIS).is_damaged
        assert again.add(evidence(2)) is not None


# ── four validators, one of them a liar ──────────────────────────────────────────────────────────────────────────────


async def hear(table: Table, target: str, message: Vote) -> None:
    """What the liar says over its own link."""
    link = SimpleNamespace(
        peer=PeerIdentity(LIAR, LIAR), node=LIAR, organisation=LIAR, is_closed=False, waiting_bytes=0
    )
    link.send, link.spend = (lambda *_, **__: True), (lambda _: None)
    await table.nodes[target].on_message(cast(Link, link), CONSENSUS, encode_message(message))


def lies(table: Table, kind: type[Prepare] | type[Commit] = Commit, epoch: int = 1) -> tuple[Vote, Vote]:
    """Two votes by the liar's key in the next slot."""
    height = table.highest() + 1
    first, second = (
        signed(kind(epoch, 0, height, sha256(text).digest(), 3, bytes(64)), chain_id=table.chain_id)
        for text in (b"one", b"two")
    )
    return first, second


async def test_all_honest_validators_keep_and_show_who_voted_twice(table: Table) -> None:
    """Rule 16: the key named is the liar's, and it is known after a restart."""
    table.start(*HONEST)
    await grow(table, 2)
    first, second = lies(table)
    for name in HONEST:
        for message in (first, second, second, first):
            await hear(table, name, message)
    await table.until(lambda: all(node.status()["evidence"] == 1 for node in table.nodes.values()))
    pages = [node.parts.evidence.page() for node in table.nodes.values()]
    assert pages[0] == pages[1] == pages[2]
    assert pages[0][0]["organisation"] == LIAR
    assert pages[0][0]["key"] == key_of(f"{LIAR}/vote").public.hex()
    for name in HONEST:
        await table.kill(name)
    table.start(*HONEST)
    assert all(node.status()["evidence_against"] == [LIAR] for node in table.nodes.values())
    for node in table.nodes.values():
        (piece,) = node.parts.evidence.pieces
        assert check_evidence(piece.data, table.genesis).digests == (first.digest, second.digest) or (
            check_evidence(piece.data, table.genesis).digests == (second.digest, first.digest)
        )
    await grow(table, 1)


async def test_evidence_after_a_change_of_set_is_checked_from_genesis_alone(table: Table) -> None:
    """Rules 15, 16: the file carries what leads to the set of the votes, and without it nothing is proven."""
    table.start()
    await grow(table, 1)
    await table.carry_out(HONEST[0], table.by(LIAR, Renew(bytes([7]) * 32)))
    await grow(table, 2)
    epoch = await table.switched()
    assert epoch > 1
    for message in lies(table, epoch=epoch):
        await hear(table, HONEST[0], message)
    await table.until(lambda: table.nodes[HONEST[0]].status()["evidence"] == 1)
    (piece,) = table.nodes[HONEST[0]].parts.evidence.pieces
    assert check_evidence(piece.data, table.genesis).epoch == epoch
    right = decode(piece.data, Evidence)
    assert right.set_changes
    with pytest.raises(ConsensusError):
        check_evidence(encode(structs.replace(right, set_changes=[])), table.genesis)
    change = right.set_changes[0]
    fewer = structs.replace(change.certificate, signatures=change.certificate.signatures[:-1])
    with pytest.raises(ConsensusError):
        check_evidence(
            encode(structs.replace(right, set_changes=[structs.replace(change, certificate=fewer)])), table.genesis
        )


async def test_forged_votes_leave_nothing_behind(table: Table) -> None:
    """Y14: a pair of which one is not signed is refused on arrival, and blocks go on."""
    table.start(*HONEST)
    await grow(table, 1)
    first, second = lies(table)
    for name in HONEST:
        await hear(table, name, first)
        await hear(table, name, structs.replace(second, signature=bytes(64)))
    await grow(table, 1)
    assert all(node.status()["evidence"] == 0 for node in table.nodes.values())
    assert all(node.figures()["equivocation_total"] == 0 for node in table.nodes.values())


async def test_an_archive_asks_for_evidence_and_keeps_what_convicts(table: Table, tmp_path: Path) -> None:
    table.start(*HONEST)
    await grow(table, 1)
    for message in lies(table):
        await hear(table, HONEST[0], message)
    node = table.nodes[HONEST[0]]
    await table.until(lambda: node.status()["evidence"] == 1)

    class Peer:
        """A link to the validator, by an organisation of the test's choice."""

        node = HONEST[0]
        organisation = HONEST[0]

        def __init__(self, asker: str, change: Callable[[bytes], bytes] = lambda answer: answer) -> None:
            self.asker, self.change = asker, change

        async def request(self, payload: bytes, timeout_s: float) -> bytes:
            link = SimpleNamespace(peer=PeerIdentity(self.asker, self.asker), organisation=self.asker)
            return self.change(await table.nodes[HONEST[0]].on_request(cast(Link, link), payload))

    with pytest.raises(PeerRefused):
        await Peer("hospital-a").request(encode(GetEvidence(0)), 1.0)

    def spoilt(answer: bytes) -> bytes:
        pieces = [bytes([*piece[:-1], piece[-1] ^ 1]) for piece in decode_answer(answer, EvidenceAnswer).pieces]  # type: ignore[union-attr]
        return encode(EvidenceAnswer(1, pieces))

    (tmp_path / "archive").mkdir()
    store = EvidenceStore.open(tmp_path / "archive", table.genesis)
    for lie in (spoilt, lambda _answer: b"\xc1"):
        watch = EvidenceWatch(store, SimpleNamespace(), None)  # type: ignore[arg-type]
        await watch.ask(cast(PeerLink, Peer(HONEST[1], lie)))
        assert sum(watch.counts.values()) == 1
        assert not store.pieces
    watch = EvidenceWatch(store, SimpleNamespace(), None)  # type: ignore[arg-type]
    await watch.ask(cast(PeerLink, Peer(HONEST[1])))
    await watch.ask(cast(PeerLink, Peer(HONEST[1])))
    assert store.page() == node.parts.evidence.page()


async def test_a_validator_that_never_ends_its_list_does_not_keep_an_archive_from_asking_others(tmp_path: Path) -> None:
    """Whoever is to be convicted must not be able to hold up the word of the others: with lies, or with what is known."""

    class Endless:
        """Its list has no end."""

        node = organisation = LIAR

        def __init__(self, piece: bytes) -> None:
            self.piece, self.asked = piece, 0

        async def request(self, payload: bytes, timeout_s: float) -> bytes:
            self.asked += 1
            assert self.asked <= EVIDENCE_MAX, "and so on"
            return encode(EvidenceAnswer(2**32, [self.piece] * EVIDENCE_PER_ANSWER_MAX))

    store = EvidenceStore.open(tmp_path, GENESIS)
    watch = EvidenceWatch(store, SimpleNamespace(), None)  # type: ignore[arg-type]
    lies = Endless(b"?")
    await watch.ask(cast(PeerLink, lies))
    assert lies.asked == 1
    knows = Endless(evidence())
    await watch.ask(cast(PeerLink, knows))
    await watch.ask(cast(PeerLink, knows))
    assert len(store.pieces) == 1
