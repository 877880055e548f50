"""Webhooks (node/webhooks.py): in order, at least once, signed, for as long as a receiver takes to come back."""

from __future__ import annotations

import asyncio
import base64
import hmac
import json
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from chain.errors import StorageFailed
from node import webhooks
from node.config import ConfigRefused, parse_node_config
from node.errors import KeyFileRefused
from node.home import NodeHome
from node.ledger_events import Position, choose_types, parse_position
from node.service import EventPage, EventQuery, Reader
from node.webhook_config import WEBHOOKS_MAX, url_fault
from node.webhook_signing import load_secrets, signed_headers
from node.webhooks import AGAIN_FIRST_S, AGAIN_MAX_S, HttpPost, Webhook, Webhooks, open_webhooks
from tests.chain.making import MemoryStore

KINDS = {"insurer-a": "insurer", "hospital-a": "hospital", "bank": "bank"}
SECRET = b"s" * 32


class FakeEvents:
    """A ledger of `count` blocks with an event each, where the heights in `quiet` have none."""

    def __init__(self, count: int = 0, quiet: frozenset[int] = frozenset()) -> None:
        self.height, self.quiet = count, quiet
        self.grown = asyncio.Event()
        self.asked: list[str | None] = []
        self.readers: list[Reader] = []

    def grow(self, count: int = 1) -> None:
        self.height += count
        self.grown.set()

    async def page(self, query: EventQuery, after: str | None, limit: int) -> EventPage:
        self.asked.append(after)
        self.readers.append(query.reader)
        begin = parse_position(str(self.height) if after is None else after)
        assert begin is not None
        heights = [height for height in range(1, self.height + 1) if Position(height, 0, 0) > begin]
        rows = [
            {"id": f"{height}-0-0", "type": "claim.paid", "time": "t"} for height in heights if height not in self.quiet
        ]
        if len(rows) >= limit:
            return EventPage(rows[:limit], rows[limit - 1]["id"], True, self.height)
        return EventPage(rows, str(max(begin, Position(self.height))), False, self.height)

    async def above(self, height: int, seconds: float) -> bool:
        while self.height <= height:
            self.grown.clear()
            await self.grown.wait()
        return True


class FakePost:
    """A receiver; `answer` says what it answers to the next message: a status, status and seconds, or what is raised."""

    def __init__(self) -> None:
        self.taken: list[str] = []
        self.sent: list[tuple[Mapping[str, str], bytes]] = []
        self.answer: Callable[[str], Any] = lambda _id: 200
        self.is_closed = False

    async def send(self, headers: Mapping[str, str], body: bytes) -> tuple[int, float | None]:
        await asyncio.sleep(0)
        self.sent.append((headers, body))
        answer = self.answer(headers["webhook-id"])
        if isinstance(answer, BaseException):
            raise answer
        status, seconds = answer if isinstance(answer, tuple) else (answer, None)
        if 200 <= status < 300:
            self.taken.append(headers["webhook-id"])
        return status, seconds

    async def close(self) -> None:
        self.is_closed = True


def hook(name: str = "main", from_height: int | None = None) -> Webhook:
    return Webhook(name, "insurer-a", "https://x.example/", None, [SECRET], from_height, ssl.create_default_context())


class Story:
    def __init__(self) -> None:
        self.events, self.store, self.post = FakeEvents(), MemoryStore(), FakePost()
        self.pauses: list[float] = []

    async def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        await asyncio.sleep(0)

    @asynccontextmanager
    async def running(self, *hooks: Webhook) -> AsyncIterator[Webhooks]:
        with ThreadPoolExecutor(1) as thread:
            told = Webhooks(
                hooks or (hook(),), self.events, self.store, thread, KINDS.get, lambda _hook: self.post, lambda: 1_700_000_000.7, self.pause
            )  # fmt: skip
            task = asyncio.create_task(told.run())
            try:
                yield told
            finally:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)

    async def until(self, reached: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not reached():  # noqa: ASYNC110 - what is waited for tells nobody
                await asyncio.sleep(0.001)

    def kept(self, name: str = "main") -> str:
        return self.store.values.get(b"z/" + name.encode(), b"").decode()


@pytest.fixture
def story() -> Story:
    return Story()


def ids(first: int, last: int) -> list[str]:
    return [f"{height}-0-0" for height in range(first, last + 1)]


def test_signatures_are_those_of_the_specification() -> None:
    """The test vector that the libraries of Standard Webhooks share."""
    secret = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    assert signed_headers([secret], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}') == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }
    both = signed_headers([secret, b"o" * 32], "a", 1, b"")["webhook-signature"].split(" ")
    assert both[0] == signed_headers([secret], "a", 1, b"")["webhook-signature"]
    assert both[1] == signed_headers([b"o" * 32], "a", 1, b"")["webhook-signature"]


def test_a_secret_that_is_none_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "insurer-a.webhook"

    def write(text: str, mode: int = 0o600) -> None:
        path.write_text(text)
        path.chmod(mode)

    write("whsec_" + base64.b64encode(SECRET).decode() + "\n")
    assert load_secrets(path) == [SECRET]
    good = path.read_text()
    write(good + "whsec_" + base64.b64encode(b"o" * 24).decode())
    assert load_secrets(path) == [SECRET, b"o" * 24]
    short = "whsec_" + base64.b64encode(b"x" * 23).decode()
    for text in ("", "\n", "secret", good.removeprefix("whsec_"), "whsec_", "whsec_???", short, good * 3, "\xff"):
        write(text)
        with pytest.raises(KeyFileRefused):
            load_secrets(path)
    write(good, 0o644)
    with pytest.raises(KeyFileRefused, match="chmod 600"):
        load_secrets(path)


async def test_events_arrive_in_order_each_signed_and_the_place_is_kept_after_each(story: Story) -> None:
    """Standard Webhooks: type, timestamp, data in the body; the header's time is the attempt's."""
    story.events.grow(2)
    async with story.running() as told:
        await story.until(lambda: b"z/main" in story.store.values)
        assert (story.kept(), story.post.taken) == ("2", [])  # a new receiver begins with what comes next
        story.events.grow(45)
        await story.until(lambda: len(story.post.taken) == 45)
        await story.until(lambda: story.kept() == "47-0-0")
        assert story.post.taken == ids(3, 47)
        assert (told.counts["delivered"], told.failing) == (45, 0)
        assert told.status()["main"]["last"] == "delivered"
    assert story.post.is_closed
    for headers, body in story.post.sent:
        content = f"{headers['webhook-id']}.1700000000.".encode() + body
        expected = base64.b64encode(hmac.digest(SECRET, content, "sha256")).decode()
        assert headers["webhook-signature"] == f"v1,{expected}"
        message = json.loads(body)
        assert set(message) == {"type", "timestamp", "data"}
        assert message["data"]["id"] == headers["webhook-id"]


async def test_what_a_receiver_does_not_take_it_is_told_again_and_nothing_overtakes_it(story: Story) -> None:
    """Refused, redirected, too slow, away: doubled pauses up to the cap, and each attempt under the same id."""
    answers: list[Any] = [500, 302, 410, 429, OSError(), TimeoutError(), *[503] * 10, 204]
    story.post.answer = lambda name: answers.pop(0) if name == "2-0-0" else 200
    async with story.running(hook(from_height=0)) as told:
        story.events.grow(3)
        await story.until(lambda: len(story.post.taken) == 3)
        assert story.post.taken == ids(1, 3)
        sent = [headers["webhook-id"] for headers, _ in story.post.sent]
        assert sent == ["1-0-0", *["2-0-0"] * 17, "3-0-0"]
        assert len({body for headers, body in story.post.sent if headers["webhook-id"] == "2-0-0"}) == 1
        assert told.counts == {"delivered": 3, "refused": 14, "unreached": 1, "too_slow": 1}
    waited = [seconds for seconds in story.pauses if seconds > webhooks.GATHER_S]
    assert len(waited) == 16
    for number, seconds in enumerate(waited):
        ideal = min(AGAIN_FIRST_S * 2**number, AGAIN_MAX_S)
        assert 0.79 * ideal <= seconds <= 1.21 * ideal


async def test_a_receiver_may_ask_for_a_pause_but_not_for_ever(story: Story) -> None:
    answers: list[Any] = [(503, 40.0), (429, 10.0**6), 200]
    story.post.answer = lambda _name: answers.pop(0)
    async with story.running(hook(from_height=0)):
        story.events.grow()
        await story.until(lambda: len(story.post.taken) == 1)
    assert [seconds for seconds in story.pauses if seconds > 5] == [40.0, AGAIN_MAX_S]


async def test_after_a_crash_it_goes_on_and_repeats_at_most_the_last_one(story: Story) -> None:
    """kill -9 between the receiver's answer and the flush: the same event again, under the same id; never one less."""
    story.events.grow(5)
    write = story.store.write

    def fail(puts: Mapping[bytes, bytes], *_rest: Any, **_more: Any) -> None:
        if puts.get(b"z/main") == b"3-0-0":
            raise StorageFailed("details", "no power")
        write(puts)

    story.store.write = fail  # type: ignore[method-assign]
    with ThreadPoolExecutor(1) as thread:
        told = Webhooks(
            [hook(from_height=0)], story.events, story.store, thread, KINDS.get, lambda _: story.post, pause=story.pause
        )
        with pytest.raises(StorageFailed):
            await told.run()
    assert (story.post.taken, story.kept()) == (ids(1, 3), "2-0-0")
    story.store.write = write  # type: ignore[method-assign]
    async with story.running(hook(from_height=0)):
        await story.until(lambda: len(story.post.taken) == 6)
    assert story.post.taken == [*ids(1, 3), *ids(3, 5)]


async def test_a_receiver_that_is_away_holds_up_no_other(story: Story) -> None:
    class Away(FakePost):
        async def send(self, headers: Mapping[str, str], body: bytes) -> tuple[int, float | None]:
            await asyncio.sleep(0)
            raise OSError("refused")

    story.events.grow(3)
    posts = {"away": Away(), "main": story.post}
    with ThreadPoolExecutor(1) as thread:
        hooks = [hook("away", 0), hook("main", 0)]
        told = Webhooks(
            hooks, story.events, story.store, thread, KINDS.get, lambda one: posts[one.name], pause=story.pause
        )
        task = asyncio.create_task(told.run())
        await story.until(lambda: len(story.post.taken) == 3)
        assert (told.failing, story.kept("away"), told.status()["away"]["last"]) == (1, "0", "unreached")
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_receiver_hears_as_its_organisations_people_from_when_it_is_known(story: Story) -> None:
    """An organisation may be admitted on the running ledger; until then, and for a misspelt one, it waits and says why."""
    kinds: dict[str, str] = {}
    with ThreadPoolExecutor(1) as thread:
        told = Webhooks([hook()], story.events, story.store, thread, kinds.get, lambda _: story.post, pause=story.pause)
        task = asyncio.create_task(told.run())
        await story.until(lambda: told.status()["main"]["last"] == "organisation_unknown")
        assert story.events.asked == []
        kinds["insurer-a"] = "insurer"
        await story.until(lambda: bool(story.events.readers))
        assert {(reader.organisation, reader.role) for reader in story.events.readers} == {
            ("insurer-a", "insurer_clerk")
        }
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_place_moves_on_over_what_concerns_others(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    """So a restart does not search again what was searched."""
    monkeypatch.setattr(webhooks, "KEEP_S", 0.0)
    story.events.quiet = frozenset(range(1, 100))
    async with story.running(hook(from_height=0)):
        story.events.grow(50)
        await story.until(lambda: story.kept() == "50")
        assert story.post.taken == []


async def test_the_real_way_follows_no_redirect_and_reads_no_answer(story: Story) -> None:
    """Over a socket: what a receiver answers beyond its status costs the node nothing; a slow one is left."""
    asked: list[bytes] = []

    async def receive(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        asked.append(head.split(b" ")[1])
        if b"/away" in head:
            writer.write(b"HTTP/1.1 302 Found\r\nLocation: /there\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n")
        else:
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n" + b"x" * 1000)
        await writer.drain()

    server = await asyncio.start_server(receive, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    for path, expected in (("away", (302, 7.0)), ("here", (200, None))):
        one = Webhook(
            "main", "insurer-a", f"http://127.0.0.1:{port}/{path}", None, [SECRET], None, ssl.create_default_context()
        )
        post = HttpPost(one)
        async with asyncio.timeout(5):
            assert await post.send({"webhook-id": "1"}, b"{}") == expected
            await post.close()
    assert asked == [b"/away", b"/here"]
    server.close()
    post = HttpPost(one)
    with pytest.raises(OSError, match="ConnectError"):
        await post.send({}, b"")
    await post.close()


# ── configuration ────────────────────────────────────────────────────────────────────────────────────────────────────

MIRROR_YAML = """\
name: archive
kind: mirror
organisation: finance-city
listen: {host: 127.0.0.1, port: 7105}
api: {host: 127.0.0.1, port: 8101}
operations: {host: 127.0.0.1, port: 9105}
peers: []
"""
HOOK_YAML = """\
webhooks:
  - name: insurer-a
    organisation: insurer-a
    url: https://claims.example.cn/medbill
    secret_file: insurer-a.webhook
    types: [claim, bill.reversed]
"""


def test_receivers_are_named_in_the_nodes_own_file(tmp_path: Path) -> None:
    config = parse_node_config((MIRROR_YAML + HOOK_YAML).encode(), tmp_path)
    (entry,) = config.webhooks
    assert (entry.name, entry.organisation, entry.from_height) == ("insurer-a", "insurer-a", None)
    (tmp_path / "config").mkdir()
    secret = tmp_path / "config" / "insurer-a.webhook"
    secret.write_text("whsec_" + base64.b64encode(SECRET).decode())
    secret.chmod(0o600)
    (opened,) = open_webhooks(NodeHome(tmp_path), config.webhooks)
    assert (opened.organisation, opened.secrets, opened.types) == (
        "insurer-a",
        [SECRET],
        choose_types("claim,bill.reversed"),
    )
    assert parse_node_config(MIRROR_YAML.encode(), tmp_path).webhooks == []


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("https://claims", "http://claims", "over https only"),
        ("https://claims.example.cn", "http://10.0.0.7", "over https only"),
        ("https://claims", "ftp://claims", "write https://HOST/PATH"),
        ("https://claims", "https://user:secret@claims", "neither a user nor a fragment"),
        ("medbill", "medbill#x", "neither a user nor a fragment"),
        ("claims.example.cn", "claims.example.cn:999999", "not an address"),
        ("claims.example", "例.example", "in ASCII"),
        ("types: [claim,", "types: [claims,", "no event is called 'claims'"),
        ("secret_file: insurer-a.webhook", "secret_file: ../../x", "the name of a file in config/"),
        ("secret_file: insurer-a.webhook", "secret: whsec_x", "unknown key 'secret'"),
        ("kind: mirror", "kind: gateway", "only mirrors tell of events"),
        ("    types:", "    from_height: soon\n    types:", "a whole number"),
        ("webhooks:\n", "webhooks:\n  - {name: insurer-a, organisation: x, url: 'https://x', secret_file: x}\n", "stands twice"),
    ],
)  # fmt: skip
def test_a_receiver_that_cannot_be_right_is_refused_with_its_line(
    old: str, new: str, words: str, tmp_path: Path
) -> None:
    text = MIRROR_YAML + HOOK_YAML
    assert old in text
    with pytest.raises(ConfigRefused) as refused:
        parse_node_config(text.replace(old, new, 1).encode(), tmp_path)
    assert words in str(refused.value)


def test_receivers_are_few(tmp_path: Path) -> None:
    entry = "  - {{name: w{0}, organisation: insurer-a, url: 'https://x.example', secret_file: x}}\n"
    text = MIRROR_YAML + "webhooks:\n" + "".join(entry.format(number) for number in range(WEBHOOKS_MAX + 1))
    with pytest.raises(ConfigRefused, match=f"at most {WEBHOOKS_MAX}"):
        parse_node_config(text.encode(), tmp_path)


def test_plain_http_is_for_receivers_on_this_machine() -> None:
    for url in ("http://127.0.0.1:9/x", "http://[::1]/", "http://localhost/", "https://10.1.2.3/x"):
        assert url_fault(url) == ""
    for url in (
        "http://127.0.0.1.example/",
        "http://0.0.0.0/",
        "http://[::ffff:10.0.0.1]/",
        "https:///x",
        "https://a b/",
    ):
        assert url_fault(url)
