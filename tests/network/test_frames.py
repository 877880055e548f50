"""Hostile peers at a running validator's port: each is refused and counted, and the node serves on."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import msgpack
import pytest

from chain import keyspace
from chain.codec import encode
from chain.operation import RangeRef
from consensus.model import Fetch
from consensus.wire import encode_message
from node.errors import PeerRefused
from node.frame import HELLO, REQUEST, VERSION, frame_head
from node.keystore import create_authority, issue_node_certificate, load_authority
from node.link import LinkLimits
from node.messages import (
    BUNDLE,
    BUNDLE_TRANSACTIONS_MAX,
    CONSENSUS,
    BlocksAnswer,
    DetailsKept,
    GetBlocks,
    GetMine,
    GetRecord,
    MineAnswer,
    PutDetails,
    RecordAnswer,
    encode_bundle,
)
from node.transport import HANDSHAKES_MAX
from tests.network.agencies import Agencies
from tests.network.caller import tls_context

pytestmark = pytest.mark.processes

NODE = "finance"
LIMITS = LinkLimits()


@pytest.fixture(autouse=True)
def serving_on(agencies: Agencies) -> Iterator[None]:
    """After every story: all four answer, blocks become final, and no log shows a fault of the program."""
    yield
    agencies.verify_serving()
    agencies.verify_quiet_logs()


def certificate(directory: Path, authority: object, node: str, organisation: str, days: int = 30) -> Path:
    """A directory with tls.key and tls.pem, as in a node's config."""
    directory.mkdir()
    key, pem = issue_node_certificate(authority, node, organisation, days=days)  # type: ignore[arg-type]
    (directory / "tls.key").write_bytes(key)
    (directory / "tls.key").chmod(0o600)
    (directory / "tls.pem").write_bytes(pem)
    return directory


# ── before a link is up ──────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "garbage",
    [
        b"GET / HTTP/1.1\r\nHost: ledger\r\n\r\n",
        b"\0" * 4096,
        bytes(range(256)) * 16,
        b"\x16\x03\x01\x02\x00" + b"\xff" * 512,
    ],
    ids=["http", "zeros", "counting", "half a hello"],
)
def test_garbage_before_the_handshake_is_refused(agencies: Agencies, garbage: bytes) -> None:
    """Issue, bad input: garbage before the handshake."""
    before = agencies.incidents("not_tls")
    with agencies.dial(NODE) as caller:
        caller.write(garbage)
        assert caller.is_hung_up()
    agencies.until_incident("not_tls", before)


def test_who_shows_no_certificate_is_refused(agencies: Agencies) -> None:
    """DESIGN 9: both sides are authenticated."""
    refused(agencies, tls_context(None), "no_certificate")


def test_an_older_tls_is_refused(agencies: Agencies) -> None:
    """DESIGN 9: TLS 1.3 and nothing older, even with a good certificate."""
    before = agencies.incidents("not_tls")
    with agencies.dial(NODE) as caller, pytest.raises(ssl.SSLError):
        caller.shake_hands(tls_context(agencies.config_of("hospital-a"), ssl.TLSVersion.TLSv1_2))
    agencies.until_incident("not_tls", before)


def test_a_certificate_that_genesis_does_not_know_is_refused(agencies: Agencies, tmp_path: Path) -> None:
    """Issue, bad input: an authority of the same name, made elsewhere."""
    foreign = create_authority("hospital-a")
    config = certificate(tmp_path / "foreign", foreign, "hospital-a", "hospital-a")
    refused(agencies, tls_context(config), "unknown_certificate")


def test_an_authority_speaks_for_its_own_organisation_only(agencies: Agencies, tmp_path: Path) -> None:
    """DESIGN 9: pinned by the organisation's key. Hospital A's authority cannot make a node of the health commission."""
    authority = load_authority(agencies.home / "organisations" / "hospital-a")
    for name in ("health", "hospital-b", "nobody"):
        config = certificate(tmp_path / name, authority, name, name)
        refused(agencies, tls_context(config), "unknown_certificate")


def refused(agencies: Agencies, context: ssl.SSLContext, reason: str) -> None:
    """In TLS 1.3 a client learns only when it reads that its certificate was not taken."""
    before = agencies.incidents(reason)
    with agencies.dial(NODE) as caller:
        caller.shake_hands(context)
        caller.send(HELLO, bytes([VERSION]) + agencies.chain)
        assert caller.is_hung_up()
    agencies.until_incident(reason, before)


@pytest.mark.parametrize(
    ("hello", "reason"),
    [
        (frame_head(HELLO, 33) + bytes([VERSION]) + bytes(32), "other_chain"),
        (frame_head(HELLO, 33) + bytes([VERSION + 1]) + bytes(32), "other_version"),
        (frame_head(HELLO, 1 << 20), "wrong_hello"),
        (frame_head(BUNDLE, 1) + b"\x90", "wrong_hello"),
    ],
    ids=["another ledger", "another version", "endless", "no hello"],
)
def test_a_wrong_hello_is_refused(agencies: Agencies, hello: bytes, reason: str) -> None:
    """A good certificate of this network, and a program that serves another ledger."""
    before = agencies.incidents(reason)
    with agencies.dial(NODE).shake_hands(tls_context(agencies.config_of("hospital-a"))) as caller:
        caller.write(hello)
        assert caller.is_hung_up()
    agencies.until_incident(reason, before)


def test_fifty_half_open_connections_do_not_stop_the_node(agencies: Agencies) -> None:
    """Handshakes in progress are bounded: those above are hung up on, and whoever has a link keeps it."""
    before = agencies.incidents("too_many_handshakes")
    with ExitStack() as open_sockets:
        for _ in range(50):
            open_sockets.enter_context(agencies.dial(NODE))
        agencies.until_incident("too_many_handshakes", before + 50 - HANDSHAKES_MAX - 1)
        lease = agencies.sign("hospital-b", agencies.next_lease("hospital-b", node="health"))
        assert agencies.outcomes(lease, "hospital-b", "health") == ["recorded"]
        agencies.until(agencies.agreed, "the node follows over the links that it has")
    agencies.call(node=NODE).close()  # and there is room again at once


# ── on a link ────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"\0\0\0\0" + bytes([BUNDLE]), "wrong_length"),
        ((LIMITS.frame_bytes_max + 1).to_bytes(4, "big") + bytes([BUNDLE]), "wrong_length"),
        (b"\xff\xff\xff\xff" + bytes([CONSENSUS]), "wrong_length"),
        (b"\0\0\0\x02" + bytes([BUNDLE]) + b"\x90" * 40, "wrong_length"),
        (frame_head(250, 1) + b"\0", "unknown_kind"),
        (frame_head(99, 1) + b"\0", "kind_unknown"),
        (frame_head(HELLO, 33) + bytes(33), "unknown_kind"),
        (frame_head(REQUEST, 2) + b"\0\0", "malformed_frame"),
        (frame_head(BUNDLE, 1) + b"\xc1", "malformed"),
        (frame_head(BUNDLE, 3) + b"\xdc\x00\x00", "not_canonical"),
        (frame_head(BUNDLE, 0), "malformed"),
        (frame_head(BUNDLE, 5) + b"\xdd\xff\xff\xff\xff", "malformed"),
        (frame_head(BUNDLE, 200_000) + b"\x91" * 200_000, "malformed"),
    ],
    ids=[
        "no length", "oversized", "endless", "too short", "no kind of the link", "no kind of the node", "second hello",
        "half a number", "no MessagePack", "another spelling", "nothing", "four thousand million entries", "deep",
    ],
)  # fmt: skip
def test_a_wrong_frame_ends_its_link_and_is_counted(agencies: Agencies, data: bytes, reason: str) -> None:
    """Issue, bad input: frames of wrong length and kind, MessagePack that is not canonical; from a known hospital."""
    before = agencies.incidents(reason)
    with agencies.call(node=NODE) as link:
        link.write(data)
        assert link.is_hung_up()
    agencies.until_incident(reason, before)


def test_half_a_frame_is_counted_when_its_peer_leaves(agencies: Agencies) -> None:
    before = agencies.incidents("cut_off")
    with agencies.call(node=NODE) as link:
        link.write(frame_head(BUNDLE, 1000) + b"\x91" * 10)
    agencies.until_incident("cut_off", before)


def test_a_bundle_of_too_many_transactions_is_refused(agencies: Agencies) -> None:
    before = agencies.incidents("malformed")
    transaction = agencies.sign("hospital-a", agencies.next_lease())
    with agencies.call(node=NODE) as link:
        link.send(BUNDLE, encode_bundle([transaction] * (BUNDLE_TRANSACTIONS_MAX + 1)))
        assert link.is_hung_up()
    agencies.until_incident("malformed", before)


def test_the_same_values_in_a_longer_spelling_are_refused(agencies: Agencies) -> None:
    """DESIGN 4: a transaction that reads well and is not the one spelling that counts."""
    transaction = agencies.sign("hospital-a", agencies.next_lease())
    values = msgpack.unpackb(encode([transaction]), use_list=True)
    plain = msgpack.packb(values)
    assert plain == encode([transaction])
    longer = b"\xdc\x00\x01" + plain[1:]
    before = agencies.incidents("not_canonical"), agencies.height()
    with agencies.call(node=NODE) as link:
        link.send(BUNDLE, longer)
        assert link.is_hung_up()
    agencies.until_incident("not_canonical", before[0])
    assert agencies.height() == before[1]


def test_votes_of_one_who_has_no_vote_end_his_link(agencies: Agencies) -> None:
    """Consensus is between the seats of the validator set."""
    before = agencies.incidents("kind_unknown")
    for payload in (encode_message(Fetch(1, 1)), b"\x90", b""):
        with agencies.call(node=NODE) as link:
            link.send(CONSENSUS, payload)
            assert link.is_hung_up()
    agencies.until_incident("kind_unknown", before + 2)


def test_a_flood_of_questions_ends_its_link(agencies: Agencies) -> None:
    """Questions whose answer waits are bounded."""
    before = agencies.incidents("too_many_requests")
    with agencies.call(node=NODE) as link:
        for number in range(LIMITS.requests_served_max + 2):
            link.send(REQUEST, number.to_bytes(4, "big") + encode(GetMine(2**50, 1, 20_000)))
        assert link.is_hung_up()
    agencies.until_incident("too_many_requests", before)


def test_another_node_of_an_agency_does_not_push_its_validator_aside(agencies: Agencies, tmp_path: Path) -> None:
    """DESIGN 2: a bureau may run a mirror beside its validator. It comes second here, stays, and is first later."""
    authority = load_authority(agencies.home / "organisations" / "insurance")
    context = tls_context(certificate(tmp_path / "mirror", authority, "insurance-mirror", "insurance"))
    others = ("finance", "health", "bigdata")
    with ExitStack() as links:
        for name in others:
            links.enter_context(agencies.dial(name).shake_hands(context).say_hello(agencies.chain_id))
        agencies.verify_serving()
    agencies.verify_serving()
    agencies.stop("insurance")
    with ExitStack() as links:
        for name in others:
            links.enter_context(agencies.dial(name).shake_hands(context).say_hello(agencies.chain_id))
        agencies.up("insurance")
        agencies.verify_serving()
    agencies.verify_serving()


# ── questions ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_hospital_reads_its_own_records_only(agencies: Agencies) -> None:
    """DESIGN 2: a gateway stores its own organisation's operations, never another hospital's. Absent and forbidden look alike."""
    agencies.take_lease("hospital-a")
    agencies.take_lease("hospital-b")
    ranges = {
        name: RangeRef(name, agencies.code, entry.first)
        for name in ("hospital-a", "hospital-b")
        for entry in agencies.genesis.ranges
        if (entry.holder, entry.code) == (name, agencies.code)
    }
    keys = {
        name: [
            keyspace.number_range(ref),
            keyspace.leases(name, name, agencies.code),
            keyspace.lease(name, agencies.code, ref.first),
            keyspace.organisation(name),
        ]
        for name, ref in ranges.items()
    }
    with agencies.call("hospital-a", NODE) as link:

        def is_there(key: bytes) -> bool:
            answer = link.ask(GetRecord(key), RecordAnswer)
            assert isinstance(answer, RecordAnswer)
            return answer.current is not None

        assert [is_there(key) for key in keys["hospital-a"]] == [True] * 4
        assert [is_there(key) for key in keys["hospital-b"]] == [False, False, False, True]  # who takes part is public
        for key in (
            b"",
            b"/",
            b"lease",
            b"bill/",
            b"\xff" * 200,
            b"watermark/finance-city/hospital-b",
            b"parameters/x",
        ):
            assert not is_there(key)


def test_a_hospital_gets_no_block_whole(agencies: Agencies) -> None:
    """Only its own part: no other hospital's transaction stands in any answer, and the refusal names nothing."""
    height = agencies.height()
    agencies.take_lease("hospital-b")
    agencies.take_lease("hospital-a")
    with agencies.call("hospital-a", NODE) as link:
        with pytest.raises(PeerRefused, match="forbidden"):
            link.ask(GetBlocks(1, 1, 0), BlocksAnswer)
        answer = link.ask(GetMine(height + 1, 16, 0), MineAnswer)
        assert isinstance(answer, MineAnswer)
        organisations = {own.transaction.organisation for part in answer.parts for own in part.transactions}
        assert organisations == {"hospital-a"}
    with agencies.call("archive", NODE) as link:
        blocks = link.ask(GetBlocks(1, 1, 0), BlocksAnswer)
        assert isinstance(blocks, BlocksAnswer)
        assert len(blocks.blocks) == 1


def test_questions_that_do_not_read_are_refused_and_the_link_lives(agencies: Agencies) -> None:
    """A refusal carries its code; the next question has its answer."""
    with agencies.call("hospital-a", NODE) as link:
        for question, code in (
            (b"", "malformed"),
            (b"\xc1", "malformed"),
            (b"\x93\x09\x01\x01", "malformed"),
            (encode([2, 0, 0, 0]), "malformed"),
            (encode([2, 0, 1, 20_001]), "malformed"),
            (b"\x94\x02\xcd\x00\x01\x01\x00", "not_canonical"),
            (encode([3, bytes(201)]), "malformed"),
            (PutDetails([]), "not_served_here"),
        ):
            with pytest.raises(PeerRefused, match=code):
                link.ask(question, DetailsKept)
        assert isinstance(link.ask(GetMine(1, 1, 0), MineAnswer), MineAnswer)
