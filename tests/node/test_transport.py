"""Links over real sockets on loopback: who may speak, how much, and what hostile bytes cost (DESIGN 9).

Each story runs on asyncio's own loop and on uvloop.
"""

from __future__ import annotations

import asyncio
import gc
import random
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
import uvloop
from structlog.testing import capture_logs

from chain.genesis import BLOCK_TRANSACTIONS_LIMIT
from chain.validators import MEMBERS_MAX
from consensus.model import TRANSACTIONS_MAX
from consensus.wire import message_bytes_max
from node import keystore, transport
from node.errors import AddressTaken, LinkBusy, LinkClosed, PeerRefused, RequestTimedOut
from node.frame import HELLO, PING, REFUSAL, REQUEST, RESPONSE, exchange_hello, frame_head
from node.incidents import Incidents
from node.transport import Link, LinkLimits, PeerContexts, PeerIdentity, Transport
from node.work_share import Allowance

CHAIN = b"\x07" * 32
ALPHA, BETA = PeerIdentity("alpha-1", "alpha"), PeerIdentity("beta-1", "beta")
LONG_MS = 10_000


@dataclass
class Recorder:
    """A handler that keeps what it hears."""

    links: list[Link] = field(default_factory=list)
    messages: asyncio.Queue[tuple[int, bytes]] = field(default_factory=asyncio.Queue)
    down: asyncio.Queue[str | None] = field(default_factory=asyncio.Queue)
    up: asyncio.Queue[Link] = field(default_factory=asyncio.Queue)
    gate: asyncio.Event | None = None  # requests wait for it

    def on_link_up(self, link: Link) -> None:
        self.links.append(link)
        self.up.put_nowait(link)

    def on_link_down(self, link: Link) -> None:
        self.down.put_nowait(link.close_reason)

    async def on_message(self, link: Link, kind: int, payload: bytes) -> None:
        if payload == b"refuse me":
            raise PeerRefused("bad_message")
        if payload == b"break":
            raise KeyError("a mistake of ours")
        self.messages.put_nowait((kind, payload))

    async def on_request(self, link: Link, payload: bytes) -> bytes:
        if self.gate is not None:
            await self.gate.wait()
        if payload == b"refuse me":
            raise PeerRefused("not_yours")
        if payload == b"break":
            raise KeyError("a mistake of ours")
        return payload[::-1] if payload != b"much" else bytes(3_000_000)


@dataclass
class Province:
    """Organisations, their authorities, and node certificates on disk."""

    directory: Path
    authorities: dict[str, keystore.Authority]

    def contexts(
        self, node: str, organisation: str, issuer: str = "", days_old: int = 0, knows: str = "alpha beta"
    ) -> PeerContexts:
        """Files of a node whose certificate may come from another issuer, and what it knows of genesis."""
        name = f"{node}-{organisation}-{issuer}-{days_old}"
        certificate, key = self.directory / f"{name}.pem", self.directory / f"{name}.key"
        if not key.exists():
            issued = datetime.now(UTC) - timedelta(days=days_old)
            authority = self.authorities[issuer or organisation]
            pems = keystore.issue_node_certificate(authority, node, organisation, now=issued)
            keystore.save_tls_key(key, pems[0])
            keystore.save_certificate(certificate, pems[1])
        known = {organisation: self.authorities[organisation].der for organisation in knows.split()}
        return ForgivingContexts(certificate, key, known)


class ForgivingContexts(PeerContexts):
    """A liar does not look at its own certificate."""

    def identify(self, certificate: bytes | None) -> PeerIdentity:
        try:
            return super().identify(certificate)
        except Exception:
            if hasattr(self, "me"):
                raise
            return PeerIdentity("liar", "nobody")


@pytest.fixture(scope="module")
def province(tmp_path_factory: pytest.TempPathFactory) -> Province:
    names = ("alpha", "beta", "foreign")
    return Province(tmp_path_factory.mktemp("tls"), {name: keystore.create_authority(name) for name in names})


Story = Callable[[Province], Awaitable[None]]


def on_both_loops(story: Story) -> Any:
    """Run an async story on either loop; tasks left behind and errors past the links are failures."""

    @pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
    def test(province: Province, new_loop: Callable[[], asyncio.AbstractEventLoop]) -> None:
        async def told() -> None:
            raised: list[Any] = []
            asyncio.get_running_loop().set_exception_handler(lambda _loop, context: raised.append(context))
            await asyncio.wait_for(story(province), 30)
            left = asyncio.all_tasks() - {asyncio.current_task()}
            assert not left, left
            gc.collect()
            assert not raised, raised

        with asyncio.Runner(loop_factory=new_loop) as runner:
            runner.run(told())

    test.__name__, test.__doc__ = story.__name__, story.__doc__
    return test


@asynccontextmanager
async def node(contexts: PeerContexts, *, chain_id: bytes = CHAIN, **limits: Any) -> Any:
    """A transport with a recorder, closed at the end."""
    handler = Recorder()
    made = Transport(contexts, chain_id, handler, LinkLimits(**limits), redial_max_seconds=0.1)
    try:
        yield made, handler
    finally:
        await made.close()


@asynccontextmanager
async def joined(province: Province, alpha: dict[str, Any] | None = None, beta: dict[str, Any] | None = None) -> Any:
    """alpha-1 has dialled beta-1; gives both handlers, alpha's link and beta's transport."""
    async with (
        node(province.contexts("beta-1", "beta"), **(beta or {})) as (server, heard),
        node(province.contexts("alpha-1", "alpha"), **(alpha or {})) as (client, asked),
    ):
        client.dial(BETA, "127.0.0.1", server.listen("127.0.0.1", 0))
        link = await asked.up.get()
        await heard.up.get()
        yield link, asked, server, heard


async def raw_peer(contexts: PeerContexts, port: int, hello: bool = True) -> tuple[Any, Any]:
    """A peer with a good certificate that speaks bytes of its own choice after the hello."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=contexts.client, server_hostname="")
    if hello:
        await exchange_hello(reader, writer, CHAIN)
    return reader, writer


async def read_frame(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """Kind and payload."""
    head = await reader.readexactly(5)
    return head[4], await reader.readexactly(int.from_bytes(head[:4], "big") - 1)


async def until(condition: Callable[[], object]) -> None:
    """Wait for what no event announces."""
    async with asyncio.timeout(LONG_MS / 1000):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.002)


async def counted(server: Transport, reason: str) -> None:
    await until(lambda: server.incidents[reason])


async def closed_without_a_word(reader: asyncio.StreamReader) -> None:
    """The other side ends the connection and sends nothing more, except perhaps a TLS alert."""
    with suppress(OSError):
        assert len(await reader.read(1 << 16)) < 16


async def good_link_still_works(province: Province, server: Transport, heard: Recorder, port: int) -> None:
    async with node(province.contexts("alpha-1", "alpha")) as (client, asked):
        client.dial(BETA, "127.0.0.1", port)
        link = await asked.up.get()
        assert await link.request(b"abc", LONG_MS) == b"cba"


@on_both_loops
async def test_both_ends_know_each_other(province: Province) -> None:
    async with joined(province) as (link, _asked, server, heard):
        assert link.peer == BETA
        assert (link.node, link.organisation, link.is_dialled) == ("beta-1", "beta", True)
        assert heard.links[0].peer == ALPHA
        assert server.link_to("alpha-1") is heard.links[0]
        assert server.link_to("alpha-2") is None
        assert not server.incidents


@on_both_loops
async def test_messages_arrive_whole_and_in_order(province: Province) -> None:
    async with joined(province) as (link, asked, _server, heard):
        sent = [bytes([number % 256]) * (number * 131 % 5_000) for number in range(300)] + [bytes(1_000_000), b""]
        for payload in sent:
            assert link.send(9, payload)
        assert [await heard.messages.get() for _ in sent] == [(9, payload) for payload in sent]
        assert heard.links[0].send(0, b"back", urgent=True)
        assert await asked.messages.get() == (0, b"back")


@on_both_loops
async def test_urgent_messages_go_ahead_of_gossip(province: Province) -> None:
    """DESIGN 9: consensus messages go ahead of gossip."""
    async with joined(province) as (link, _asked, _server, heard):
        for number in range(100):
            link.send(2, b"gossip %d" % number)
        link.send(1, b"vote", urgent=True)
        assert await heard.messages.get() == (1, b"vote")
        assert [await heard.messages.get() for _ in range(100)] == [(2, b"gossip %d" % n) for n in range(100)]


@on_both_loops
async def test_each_question_has_its_answer(province: Province) -> None:
    async with joined(province) as (link, _asked, _server, heard):
        answers = await asyncio.gather(*(link.request(b"%d" % n, LONG_MS) for n in range(30)))
        assert answers == [(b"%d" % n)[::-1] for n in range(30)]
        assert len(await link.request(b"much", LONG_MS)) == 3_000_000
        with pytest.raises(PeerRefused) as refused:
            await link.request(b"refuse me", LONG_MS)
        assert refused.value.code == "not_yours"
        with pytest.raises(PeerRefused, match="internal"):
            await link.request(b"break", LONG_MS)
        assert await heard.links[0].request(b"abc", LONG_MS) == b"cba"


@on_both_loops
async def test_a_question_ends_with_its_time_or_with_the_link(province: Province) -> None:
    async with joined(province, alpha={"requests_asked_max": 3}) as (link, _asked, _server, heard):
        heard.gate = asyncio.Event()
        with pytest.raises(RequestTimedOut):
            await link.request(b"abc", 10)
        waiting = [asyncio.ensure_future(link.request(b"abc", LONG_MS)) for _ in range(3)]
        await asyncio.sleep(0)
        with pytest.raises(LinkBusy, match="3 requests unanswered"):
            await link.request(b"abc", LONG_MS)
        heard.links[0].close()
        for answer in waiting:
            with pytest.raises(LinkClosed):
                await answer
        with pytest.raises(LinkClosed):
            await link.request(b"abc", LONG_MS)
        assert not link.send(1, b"x")


@on_both_loops
async def test_a_late_answer_is_dropped_and_the_link_lives(province: Province) -> None:
    async with joined(province) as (link, _asked, _server, heard):
        heard.gate = asyncio.Event()
        with pytest.raises(RequestTimedOut):
            await link.request(b"abc", 10)
        heard.gate.set()
        assert await link.request(b"xyz", LONG_MS) == b"zyx"
        assert link._incidents["late_answer"] == 1


@on_both_loops
async def test_a_lost_link_is_dialled_again(province: Province) -> None:
    async with joined(province) as (link, asked, _server, heard):
        heard.links[0].close("test")
        assert await heard.down.get() == "test"
        assert await asked.down.get() == "closed_by_peer"
        again = await asked.up.get()
        assert again is not link
        assert await again.request(b"abc", LONG_MS) == b"cba"


@on_both_loops
async def test_a_peer_that_is_not_there_yet_is_dialled_until_it_is(province: Province) -> None:
    async with (
        node(province.contexts("beta-1", "beta")) as (server, _heard),
        node(province.contexts("alpha-1", "alpha")) as (client, asked),
    ):
        with socket.socket() as reserved:
            reserved.bind(("127.0.0.1", 0))
            port = reserved.getsockname()[1]
        client.dial(BETA, "127.0.0.1", port)
        await counted(client, "unreachable")
        server.listen("127.0.0.1", port)
        assert (await asked.up.get()).peer == BETA


@on_both_loops
async def test_a_machine_that_does_not_answer_is_asked_anew(province: Province) -> None:
    """The kernel would ask it after 1, 3 and 7 seconds: who comes back meanwhile would wait for that."""
    async with node(province.contexts("alpha-1", "alpha")) as (client, _asked):
        with socket.create_server(("127.0.0.1", 0), backlog=0) as deaf, ExitStack() as waiting:
            for _ in range(8):  # its queue is full then, and what else comes gets no answer
                caller = waiting.enter_context(socket.socket())
                caller.setblocking(False)
                caller.connect_ex(deaf.getsockname())
            with pytest.MonkeyPatch.context() as patched:
                patched.setattr(transport, "CONNECT_SECONDS", 0.2)
                client.dial(BETA, *deaf.getsockname())
                await until(lambda: client.incidents["unreachable"] >= 2)


@on_both_loops
async def test_who_refuses_us_is_asked_less_and_less_often(province: Province) -> None:
    """A handshake costs both sides; somebody whose certificate is refused comes for ever."""
    async with (
        node(province.contexts("beta-1", "beta", knows="beta")) as (server, _heard),
        node(province.contexts("alpha-1", "alpha")) as (client, _asked),
    ):
        client.dial(BETA, "127.0.0.1", server.listen("127.0.0.1", 0))
        await asyncio.sleep(1.5)
        assert 2 <= sum(server.incidents.values()) <= 5  # after 0.1, 0.2, 0.4, 0.8 s at most: not every 0.1 s


@on_both_loops
async def test_a_taken_port_is_named(province: Province) -> None:
    async with node(province.contexts("beta-1", "beta")) as (server, _heard):
        port = server.listen("127.0.0.1", 0)
        with pytest.raises(AddressTaken, match=f"127.0.0.1 port {port}"):
            server.listen("127.0.0.1", port)


@on_both_loops
async def test_of_two_links_that_met_halfway_one_is_left(province: Province) -> None:
    """Both sides keep the one that the lower name dialled."""
    async with (
        node(province.contexts("beta-1", "beta")) as (server, _heard),
        node(province.contexts("alpha-1", "alpha")) as (client, _asked),
    ):
        server.dial(ALPHA, "127.0.0.1", client.listen("127.0.0.1", 0))
        client.dial(BETA, "127.0.0.1", server.listen("127.0.0.1", 0))
        await until(lambda: client.links and server.links)
        await asyncio.sleep(0.05)
        assert len(client.links) == len(server.links) == 1
        assert await client.links[BETA].request(b"abc", LONG_MS) == b"cba"
        assert client.links[BETA].is_dialled != server.links[ALPHA].is_dialled


@on_both_loops
async def test_a_second_link_in_the_same_direction_replaces_the_first(province: Province) -> None:
    """The first is half-open: nobody dials twice while he holds a link."""
    async with joined(province) as (_link, _asked, server, heard):
        port = server.listen("127.0.0.1", 0)
        async with node(province.contexts("alpha-1", "alpha")) as (_client, asked):
            _client.dial(BETA, "127.0.0.1", port)
            await asked.up.get()
            assert await heard.down.get() == "replaced"
            assert len(server.links) == 1


@on_both_loops
async def test_a_certificate_of_a_foreign_authority_is_refused(province: Province) -> None:
    """DESIGN 9: pinned by the organisation's key."""
    for contexts, reason in (
        (province.contexts("alpha-1", "alpha", issuer="foreign"), "unknown_certificate"),
        (province.contexts("alpha-1", "foreign"), "unknown_certificate"),
        (province.contexts("alpha-1", "alpha", issuer="beta"), "unknown_certificate"),  # known, but not alpha's
        (province.contexts("alpha-1", "alpha", days_old=800), "expired_certificate"),
        (province.contexts("Not A Name", "alpha"), "unknown_certificate"),
        (province.contexts("beta-1", "beta"), "own_name"),
    ):
        async with (
            node(province.contexts("beta-1", "beta")) as (server, heard),
            node(contexts) as (client, _asked),
        ):
            port = server.listen("127.0.0.1", 0)
            client.dial(BETA, "127.0.0.1", port)
            await counted(server, reason)
            await client.close()
            assert not heard.links
            await good_link_still_works(province, server, heard, port)


@on_both_loops
async def test_the_dialling_side_looks_as_closely(province: Province) -> None:
    for contexts, reason in (
        (province.contexts("beta-1", "beta", issuer="foreign"), "unknown_certificate"),
        (province.contexts("beta-1", "beta", issuer="alpha"), "unknown_certificate"),
        (province.contexts("beta-1", "beta", days_old=800), "expired_certificate"),
        (province.contexts("beta-2", "beta"), "wrong_peer"),
        (province.contexts("alpha-2", "alpha"), "wrong_peer"),
    ):
        async with (
            node(contexts) as (server, _heard),
            node(province.contexts("alpha-1", "alpha")) as (client, asked),
        ):
            client.dial(BETA, "127.0.0.1", server.listen("127.0.0.1", 0))
            await counted(client, reason)
            assert not asked.links


@on_both_loops
async def test_a_node_of_another_ledger_is_refused(province: Province) -> None:
    async with (
        node(province.contexts("beta-1", "beta")) as (server, heard),
        node(province.contexts("alpha-1", "alpha"), chain_id=b"\x08" * 32) as (client, asked),
    ):
        client.dial(BETA, "127.0.0.1", server.listen("127.0.0.1", 0))
        await counted(client, "other_chain")
        await counted(server, "other_chain")
        assert not heard.links
        assert not asked.links


@on_both_loops
async def test_no_certificate_and_an_older_tls_are_refused(province: Province) -> None:
    async with node(province.contexts("beta-1", "beta")) as (server, heard):
        port = server.listen("127.0.0.1", 0)
        bare = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        bare.check_hostname, bare.verify_mode = False, ssl.CERT_NONE
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=bare, server_hostname="")
        with pytest.raises((OSError, asyncio.IncompleteReadError)):
            await reader.readexactly(1)
        writer.transport.abort()
        await counted(server, "no_certificate")
        bare.maximum_version = ssl.TLSVersion.TLSv1_2
        with suppress(OSError):
            reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=bare, server_hostname="")
            pytest.fail("TLS 1.2 was taken")
        await counted(server, "not_tls")
        await good_link_still_works(province, server, heard, port)


@on_both_loops
async def test_garbage_before_the_handshake_closes_that_connection_alone(province: Province) -> None:
    async with node(province.contexts("beta-1", "beta"), handshake_timeout_ms=200) as (server, heard):
        port = server.listen("127.0.0.1", 0)
        for garbage in (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", bytes(2_000), b"\xff" * 70_000, b"\x16\x03\x01\xff\xff"):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(garbage)
            await closed_without_a_word(reader)
            writer.transport.abort()
        assert server.incidents["not_tls"] >= 3
        assert server._handshakes == 0
        await good_link_still_works(province, server, heard, port)


@on_both_loops
async def test_a_handshake_that_never_ends_is_ended(province: Province) -> None:
    """RELIABILITY N13; and one that ends in TLS, but never says hello."""
    async with node(province.contexts("beta-1", "beta"), handshake_timeout_ms=100) as (server, heard):
        port = server.listen("127.0.0.1", 0)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        assert await reader.read() == b""
        writer.close()
        assert server.incidents["handshake_timeout"] == 1
        reader, writer = await raw_peer(province.contexts("alpha-1", "alpha"), port, hello=False)
        await reader.readexactly(38)  # its hello
        with pytest.raises((OSError, asyncio.IncompleteReadError)):
            await reader.readexactly(1)
        writer.transport.abort()
        assert server.incidents["handshake_timeout"] == 2
        await good_link_still_works(province, server, heard, port)


@on_both_loops
async def test_handshakes_in_progress_are_few(province: Province) -> None:
    async with node(province.contexts("beta-1", "beta")) as (server, _heard):
        port = server.listen("127.0.0.1", 0)
        held = [await asyncio.open_connection("127.0.0.1", port) for _ in range(transport.HANDSHAKES_MAX)]
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        assert await reader.read() == b""
        assert server.incidents["too_many_handshakes"] == 1
        for _reader, each in [*held, (reader, writer)]:
            each.transport.abort()
        await counted(server, "handshake_aborted")
        await until(lambda: not server._handshakes)


@on_both_loops
async def test_an_organisation_has_a_bounded_number_of_links(province: Province) -> None:
    async with node(province.contexts("beta-1", "beta")) as (server, _heard):
        port = server.listen("127.0.0.1", 0)
        peers = []
        for number in range(transport.LINKS_PER_ORGANISATION_MAX + 1):
            peers.append(await raw_peer(province.contexts(f"alpha-{number}", "alpha"), port))
        await counted(server, "too_many_links")
        assert len(server.links) == transport.LINKS_PER_ORGANISATION_MAX
        for _reader, writer in peers:
            writer.transport.abort()


HOSTILE = {
    "wrong_length": (0).to_bytes(4, "big") + b"\x01",
    "wrong_length ": (2**20 + 1).to_bytes(4, "big") + b"\x01",
    "wrong_length  ": b"\xff\xff\xff\xff\xff",
    "unknown_kind": frame_head(255, 3) + b"abc",
    "unknown_kind ": frame_head(HELLO, 3) + b"abc",
    "unknown_kind  ": frame_head(243, 5) + b"0000x",  # once a question whose answer went ahead of all bounds
    "malformed_frame": frame_head(REQUEST, 3) + b"abc",
    "malformed_frame ": frame_head(RESPONSE, 0),
    "malformed_frame  ": frame_head(REFUSAL, 13) + b"\0\0\0\0Not A Cod",
    "bad_message": frame_head(1, 9) + b"refuse me",
    "handler_failed": frame_head(1, 5) + b"break",
}


@on_both_loops
async def test_hostile_frames_close_their_link_and_are_counted(province: Province) -> None:
    """The length is believed only up to the cap, before anything is read (RELIABILITY 1.2, 18)."""
    async with node(province.contexts("beta-1", "beta"), frame_bytes_max=2**20) as (server, heard):
        port = server.listen("127.0.0.1", 0)
        for reason, data in HOSTILE.items():
            before = server.incidents[reason.strip()]
            reader, writer = await raw_peer(province.contexts("alpha-2", "alpha"), port)
            writer.write(data)
            assert await heard.down.get() == reason.strip()
            assert server.incidents[reason.strip()] == before + 1
            with pytest.raises((OSError, asyncio.IncompleteReadError)):
                await reader.readexactly(1)
            writer.transport.abort()
        await good_link_still_works(province, server, heard, port)


@on_both_loops
async def test_random_bytes_from_a_known_peer_never_raise(province: Province) -> None:
    """An authenticated peer may be Byzantine: frames of random kinds, lengths and order, cut anywhere."""
    async with node(province.contexts("beta-1", "beta"), frame_bytes_max=5_000) as (server, heard):
        port = server.listen("127.0.0.1", 0)
        for seed in range(25):
            chance = random.Random(seed)
            data = b"".join(
                frame_head(chance.choice([1, *range(238, 248)]), length + chance.choice([0] * 9 + [1]))
                + chance.choice([bytes(length), chance.randbytes(length)])
                for length in (chance.choice([0, 3, 4, 5, 40, 4_000]) for _ in range(20))
            )
            _reader, writer = await raw_peer(province.contexts("alpha-2", "alpha"), port)
            writer.write(data[: chance.randrange(len(data))])
            with suppress(OSError):
                await writer.drain()
            writer.close()
            assert await heard.down.get() in {
                *("closed_by_peer", "cut_off", "wrong_length", "unknown_kind", "malformed_frame", "too_many_requests")
            }
        await good_link_still_works(province, server, heard, port)


@on_both_loops
async def test_a_wrong_hello_is_refused(province: Province) -> None:
    async with node(province.contexts("beta-1", "beta")) as (server, heard):
        port = server.listen("127.0.0.1", 0)
        for data, reason in (
            (b"\xff\xff\xff\xff\xff", "wrong_hello"),
            (frame_head(PING, 0), "wrong_hello"),
            (frame_head(HELLO, 33) + b"\x02" + CHAIN, "other_version"),
            (frame_head(HELLO, 0), "other_version"),
        ):
            before = server.incidents[reason]
            reader, writer = await raw_peer(province.contexts("alpha-2", "alpha"), port, hello=False)
            writer.write(data)
            await reader.readexactly(38)
            with pytest.raises((OSError, asyncio.IncompleteReadError)):
                await reader.readexactly(1)
            writer.transport.abort()
            assert server.incidents[reason] == before + 1
        assert not heard.links


@on_both_loops
async def test_a_silent_a_dripping_and_a_vanished_peer_are_let_go(province: Province) -> None:
    times: dict[str, Any] = {"ping_interval_ms": 20, "idle_timeout_ms": 100, "frame_timeout_ms": 100}
    async with node(province.contexts("beta-1", "beta"), **times) as (server, heard):
        port = server.listen("127.0.0.1", 0)
        for data, reason in (
            (b"", "silent"),
            (frame_head(1, 100) + b"half", "half_a_frame"),
            (b"\0\0", "half_a_frame"),
        ):
            _reader, writer = await raw_peer(province.contexts("alpha-2", "alpha"), port)
            writer.write(data)
            assert await heard.down.get() == reason
            writer.transport.abort()
        _reader, writer = await raw_peer(province.contexts("alpha-2", "alpha"), port)
        await heard.up.get()
        writer.write(frame_head(1, 100) + b"half")
        await writer.drain()
        writer.close()
        assert await heard.down.get() in ("cut_off", "closed_by_peer")


@on_both_loops
async def test_pings_keep_a_quiet_link(province: Province) -> None:
    times: dict[str, Any] = {"ping_interval_ms": 20, "idle_timeout_ms": 500}
    async with joined(province, alpha=times, beta=times) as (link, _asked, _server, _heard):
        await asyncio.sleep(0.8)
        assert await link.request(b"abc", LONG_MS) == b"cba"


@on_both_loops
async def test_gossip_to_a_slow_peer_is_dropped_and_counted(province: Province) -> None:
    async with node(province.contexts("beta-1", "beta"), gossip_frames_max=10, gossip_bytes_max=10_000) as (
        server,
        heard,
    ):
        _reader, writer = await raw_peer(province.contexts("alpha-2", "alpha"), server.listen("127.0.0.1", 0))
        link = await heard.up.get()
        taken = [link.send(2, b"x") for _ in range(12)]
        assert taken == [True] * 10 + [False] * 2
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert [link.send(2, bytes(6_000)), link.send(2, bytes(6_000))] == [True, False]
        assert (link.gossip_dropped, server.incidents["gossip_dropped"]) == (3, 3)
        assert link.send(1, b"vote", urgent=True)
        assert not link.is_closed
        writer.transport.abort()


@on_both_loops
async def test_a_peer_too_slow_for_consensus_is_cut_off(province: Province) -> None:
    """It catches up by blocks when it dials again."""
    async with node(province.contexts("beta-1", "beta"), urgent_frames_max=10) as (server, heard):
        _reader, writer = await raw_peer(province.contexts("alpha-2", "alpha"), server.listen("127.0.0.1", 0))
        link = await heard.up.get()
        taken = [link.send(1, b"x", urgent=True) for _ in range(12)]
        assert taken == [True] * 10 + [False] * 2
        assert await heard.down.get() == "too_slow"
        writer.transport.abort()


@on_both_loops
async def test_a_peer_too_slow_for_the_bytes_of_consensus_is_cut_off(province: Province) -> None:
    """Few messages may be large: a NewView with its certificates. What was written counts no more."""
    async with node(province.contexts("beta-1", "beta"), urgent_bytes_max=10_000) as (server, heard):
        _reader, writer = await raw_peer(province.contexts("alpha-2", "alpha"), server.listen("127.0.0.1", 0))
        link = await heard.up.get()
        for _ in range(5):
            assert link.send(1, bytes(10_000), urgent=True)
            await until(lambda: not link._urgent)
        assert [link.send(1, bytes(5_000), urgent=True) for _ in range(3)] == [True, True, False]
        assert await heard.down.get() == "too_slow"
        writer.transport.abort()


@on_both_loops
async def test_large_frames_of_one_organisation_share_its_allowance(province: Province) -> None:
    """Else a liar with many links fills the memory; small frames and other organisations never wait for it."""
    large, goes_on = frame_head(2, 300_000) + bytes(300_000), asyncio.Event()
    taken: list[str] = []

    async def on_message(link: Link, _kind: int, payload: bytes) -> None:
        taken.append(link.node)
        if len(payload) > 1:
            await goes_on.wait()

    with patch.object(transport, "Allowance", lambda: Allowance(500_000)):
        async with node(province.contexts("beta-1", "beta")) as (server, heard):
            heard.on_message = on_message
            port = server.listen("127.0.0.1", 0)
            names = ("alpha-2", "alpha-3", "alpha-4", "beta-2")
            peers = {name: (await raw_peer(province.contexts(name, name[:-2]), port))[1] for name in names}
            peers["alpha-2"].write(large)
            await until(lambda: taken == ["alpha-2"])
            peers["alpha-3"].write(large)
            await until(lambda: server._allowances["alpha"]._waiting)
            peers["alpha-4"].write(frame_head(2, 1) + b"x")
            await until(lambda: "alpha-4" in taken)
            peers["beta-2"].write(large)
            await until(lambda: "beta-2" in taken)
            assert "alpha-3" not in taken
            goes_on.set()
            await until(lambda: "alpha-3" in taken)
            peers["alpha-2"].write(large)
            await until(lambda: taken.count("alpha-2") == 2)
            for writer in peers.values():
                writer.transport.abort()


@on_both_loops
async def test_a_large_question_counts_until_it_is_answered(province: Province) -> None:
    """What it says lies in memory as long."""
    async with node(province.contexts("beta-1", "beta")) as (server, heard):
        heard.gate = asyncio.Event()
        _reader, writer = await raw_peer(province.contexts("alpha-2", "alpha"), server.listen("127.0.0.1", 0))
        link = await heard.up.get()
        allowance = server._allowances["alpha"]
        whole = allowance._left
        writer.write(frame_head(REQUEST, 300_000) + bytes(300_000))
        await until(lambda: link._answers)
        assert allowance._left == whole - 300_000
        heard.gate.set()
        await until(lambda: allowance._left == whole)
        writer.transport.abort()


@on_both_loops
async def test_a_large_frame_is_written_in_pieces_and_arrives_whole(province: Province) -> None:
    """TLS and the transport each keep a copy of what they are given at once."""
    async with node(province.contexts("beta-1", "beta"), write_bytes=4_096) as (server, heard):
        reader, writer = await raw_peer(province.contexts("alpha-2", "alpha"), server.listen("127.0.0.1", 0))
        link = await heard.up.get()
        payload, pieces = random.Random(1).randbytes(1_000_001), []
        write = link._writer.write
        with patch.object(link._writer, "write", lambda piece: (pieces.append(len(piece)), write(piece))):
            link.send(2, b"before")
            link.send(2, payload)
            link.send(2, b"after")
            got = [await read_frame(reader) for _ in range(3)]
        assert got == [(2, b"before"), (2, payload), (2, b"after")]
        assert max(pieces) <= 2 * 4_096
        writer.transport.abort()


@on_both_loops
async def test_whoever_takes_a_frame_drop_by_drop_is_cut_off(province: Province) -> None:
    """Each piece in time, and the whole not."""
    times: dict[str, Any] = {"ping_interval_ms": 30, "write_timeout_ms": 5_000, "frame_timeout_ms": 300}
    async with node(province.contexts("beta-1", "beta"), **times, write_bytes=4_096) as (server, heard):
        reader, writer = await raw_peer(province.contexts("alpha-2", "alpha"), server.listen("127.0.0.1", 0))
        link = await heard.up.get()
        link.send(2, bytes(30_000_000))
        with suppress(OSError):
            while await reader.read(20_000):  # noqa: ASYNC110 (it drips)
                await asyncio.sleep(0.01)
        assert await heard.down.get() == "does_not_read"
        writer.transport.abort()


@on_both_loops
async def test_what_is_larger_than_the_bound_of_a_link_is_sent_alone(province: Province) -> None:
    """A block may be: else whoever needs it would never get it."""
    async with node(province.contexts("beta-1", "beta"), gossip_bytes_max=1_000_000) as (server, heard):
        reader, writer = await raw_peer(province.contexts("alpha-2", "alpha"), server.listen("127.0.0.1", 0))
        link = await heard.up.get()
        assert [link.send(2, bytes(2_000_000)), link.send(2, b"x")] == [True, False]
        assert await read_frame(reader) == (2, bytes(2_000_000))
        writer.write(frame_head(REQUEST, 8) + bytes(4) + b"much")
        kind, answer = await read_frame(reader)
        assert (kind, len(answer)) == (RESPONSE, 3_000_004)
        writer.transport.abort()


@on_both_loops
async def test_a_peer_that_does_not_read_is_cut_off_and_others_are_served(province: Province) -> None:
    times: dict[str, Any] = {"ping_interval_ms": 30, "write_timeout_ms": 150, "write_bytes": 4_096}
    async with node(province.contexts("beta-1", "beta"), **times) as (server, heard):
        port = server.listen("127.0.0.1", 0)
        _reader, writer = await raw_peer(province.contexts("alpha-2", "alpha"), port)
        writer.transport.pause_reading()
        link = await heard.up.get()
        for _ in range(60):
            link.send(2, bytes(500_000))
        await good_link_still_works(province, server, heard, port)
        reasons = {await heard.down.get(), await heard.down.get()}
        assert "does_not_read" in reasons
        writer.transport.abort()


@on_both_loops
async def test_a_flood_of_questions_is_cut_off(province: Province) -> None:
    async with node(province.contexts("beta-1", "beta"), requests_served_max=8) as (server, heard):
        heard.gate = asyncio.Event()
        _reader, writer = await raw_peer(province.contexts("alpha-2", "alpha"), server.listen("127.0.0.1", 0))
        link = await heard.up.get()
        writer.write(b"".join(frame_head(REQUEST, 4) + number.to_bytes(4, "big") for number in range(9)))
        assert await heard.down.get() == "too_many_requests"
        assert not link._answers
        writer.transport.abort()


@on_both_loops
async def test_questions_beside_unread_answers_are_refused_as_busy(province: Province) -> None:
    """Two answers may wait beside the one that is being written; asked all at once or one after the other."""
    for at_once in (True, False):
        async with node(province.contexts("beta-1", "beta"), gossip_bytes_max=7_000_000, write_bytes=4_096) as (
            server,
            heard,
        ):
            reader, writer = await raw_peer(province.contexts("alpha-2", "alpha"), server.listen("127.0.0.1", 0))
            link = await heard.up.get()
            writer.transport.pause_reading()
            most = 0
            for number in range(10):
                writer.write(frame_head(REQUEST, 8) + number.to_bytes(4, "big") + b"much")
                if not at_once:
                    await asyncio.sleep(0.01)
                most = max(most, link.waiting_bytes)
            for _ in range(20):
                await asyncio.sleep(0.01)
                most = max(most, link.waiting_bytes)
            assert most <= 7_000_000
            writer.transport.resume_reading()
            answers: dict[int, int] = {}  # number -> bytes of its answer
            while len(answers) < 10:
                kind, payload = await read_frame(reader)
                if kind != PING:
                    assert kind == (RESPONSE if len(payload) > 100 else REFUSAL)
                    assert kind == RESPONSE or payload[4:] == b"busy"
                    answers[int.from_bytes(payload[:4], "big")] = len(payload) - 4
            answered = list(answers.values()).count(3_000_000)
            assert answered == 2 if at_once else 2 < answered < 10  # sockets hold some too
            writer.write(frame_head(REQUEST, 8) + (99).to_bytes(4, "big") + b"much")
            while (frame := await read_frame(reader))[0] == PING:
                pass
            assert (frame[0], frame[1][:4], len(frame[1])) == (RESPONSE, (99).to_bytes(4, "big"), 3_000_004)
            writer.transport.abort()


@on_both_loops
async def test_closing_a_transport_ends_everything_at_once(province: Province) -> None:
    async with joined(province) as (_link, asked, server, heard):
        await server.close()
        assert await heard.down.get() == "shutdown"
        assert await asked.down.get() == "closed_by_peer"
        assert server.links == {}


def test_the_largest_message_of_consensus_fits_one_frame() -> None:
    """Whatever a genesis allows: a list that no peer decodes would be proposed for ever, and a larger frame stops the
    node that is to send it."""
    assert BLOCK_TRANSACTIONS_LIMIT <= TRANSACTIONS_MAX
    assert message_bytes_max(MEMBERS_MAX, BLOCK_TRANSACTIONS_LIMIT) < LinkLimits().frame_bytes_max


def test_incidents_are_logged_once_a_minute_each() -> None:
    """A flood must not fill the disk; the next line says how many were left out."""
    now = [0.0]
    incidents = Incidents(clock=lambda: now[0])
    with capture_logs() as lines:
        for _ in range(100):
            incidents.record("not_tls", address="127.0.0.1")
        incidents.record("silent", peer="alpha-1")
        now[0] = 60.0
        incidents.record("not_tls", address="127.0.0.1")
    assert incidents == {"not_tls": 101, "silent": 1}
    assert [(line["reason"], line["left_out"]) for line in lines] == [("not_tls", 0), ("silent", 0), ("not_tls", 99)]


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    with capture_logs():
        yield
