"""Load as gateways make it, straight to validators' peer ports: signed bills out, final blocks back.

Everything is signed beforehand, as each hospital's own machine does it; sending, TLS and reading every block are part of
what is measured. A bill counts when the client holds the final block with it.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle, islice

import msgspec

from bench.bills import Counter
from bench.calibration import Milliseconds
from bench.paid_orders import Cashier
from bench.transfers import Till
from chain import keyspace
from chain.block import FinalBlock
from chain.codec import encode
from chain.genesis import Genesis, genesis_from_json
from chain.operation import CaptureHold, IssueBill, RangeRef, TakePayment, Transfer
from chain.records import RangeBody, RangesBody, Record
from chain.state import body_of
from chain.transaction import Transaction
from node.errors import PeerError
from node.home import NetworkHome
from node.keystore import load_signing_key
from node.link import Link
from node.messages import (
    BLOCKS_MAX,
    BUNDLE,
    BlocksAnswer,
    GetBlocks,
    GetRecord,
    RecordAnswer,
    decode_answer,
    encode_bundles,
)
from node.peer_certificate import PeerContexts, PeerIdentity
from node.sealer import DETAILS_WAIT_MS
from node.transport import Transport

GATEWAY = "hospital-a-2"  # whose place the client takes; the gateway itself is not up
HOSPITAL, PLACE = "hospital-a", "A02"
HOSPITALS = ("hospital-a", "hospital-b")
OBSERVER = "observer"  # a mirror that is not up: whose blocks the client reads
LEASE = 6_000_000  # numbers: more than one client makes, and room for three in the range of the example
WAIT_MS = 2_000
ANSWER_MS = 20_000
PAUSE_S = 0.001
AGAIN_S = 5.0
PATIENCE_S = 60.0
DAY_MS = 86_400_000
LOOKED_FOR = 20

_final_blocks = msgspec.msgpack.Decoder(FinalBlock)


class LoadFailed(Exception):
    """The network did not do what the load needs."""


@dataclass(frozen=True, slots=True)
class Bundle:
    """What one frame carries."""

    payload: bytes
    signatures: list[bytes]  # of its transactions: by them they are found again
    bills: int
    looked_for: bytes  # key of the record that its first transaction makes last; empty for a lease


class Measured(msgspec.Struct, frozen=True):
    bills: int
    seconds: float
    latency_ms: Milliseconds  # from sending to holding the final block

    @property
    def per_s(self) -> float:
        return self.bills / self.seconds


class Speechless:
    """A link's handler that has nothing to say: the client only asks."""

    def on_link_up(self, link: Link) -> None: ...

    def on_link_down(self, link: Link) -> None: ...

    async def on_message(self, link: Link, kind: int, payload: bytes) -> None: ...

    async def on_request(self, link: Link, payload: bytes) -> bytes:
        return b""


class LoadClient:
    """`validators` are (name, organisation, host, peer port). Used as `async with`."""

    def __init__(self, home: NetworkHome, validators: Sequence[tuple[str, str, str, int]], height: int = 0) -> None:
        """`height` is where the network stands."""
        self._home, self._validators = home, validators
        self.genesis: Genesis = genesis_from_json(home.node(GATEWAY).genesis.read_bytes())
        key = load_signing_key(home.organisation(HOSPITAL).unit_key)
        self.counter = Counter(self.genesis.digest(), HOSPITAL, key, PLACE, GATEWAY)
        self._till = Till(self.genesis.digest(), HOSPITAL, key)
        self._cashier = Cashier(self.genesis.digest(), HOSPITAL, key)
        self.height = height
        self.busy_s = time.perf_counter()  # when the last block came that held anything
        self.blocks = 0  # read since the start
        self.final_s: dict[bytes, float] = {}  # signature -> when its block was held
        self.entries: list[tuple[float, int]] = []  # per block: (when, operations of hospitals)
        self._changed = asyncio.Event()
        self._sent: dict[bytes, tuple[Bundle, Link, float]] = {}  # first signature -> what is not final yet

    async def __aenter__(self) -> LoadClient:
        self._sending = self._dial(GATEWAY)
        self._reading = self._dial(OBSERVER)
        async with asyncio.timeout(PATIENCE_S):
            while min(len(self._sending.links), len(self._reading.links)) < len(self._validators):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        loop = asyncio.get_running_loop()
        self._tasks = [loop.create_task(self._follow()), loop.create_task(self._send_again())]
        await self._lease(LEASE)
        return self

    async def __aexit__(self, *_error: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._sending.close()
        await self._reading.close()

    def _dial(self, node: str) -> Transport:
        home = self._home.node(node)
        contexts = PeerContexts(home.tls_certificate, home.tls_key, self.genesis.authorities())
        transport = Transport(contexts, self.genesis.digest(), Speechless())
        for name, organisation, host, port in self._validators:
            transport.dial(PeerIdentity(name, organisation), host, port)
        return transport

    # ── blocks ───────────────────────────────────────────────────────────────────────────────────────────────────────

    async def _follow(self) -> None:
        while True:
            for link in list(self._reading.links.values()):
                with contextlib.suppress(PeerError):
                    await self._read(link)
            await asyncio.sleep(PAUSE_S)

    async def _read(self, link: Link) -> None:
        """From one validator, as long as it answers with something."""
        while True:
            question = encode(GetBlocks(self.height + 1, BLOCKS_MAX, WAIT_MS if self.height else 0))
            answer = decode_answer(await link.request(question, ANSWER_MS), BlocksAnswer)
            assert isinstance(answer, BlocksAnswer)
            if not answer.blocks:
                return
            now = time.perf_counter()
            for data in answer.blocks:
                final = _final_blocks.decode(data)
                self.height = final.block.header.height
                operations = 0
                for transaction in final.block.transactions:
                    self.final_s[transaction.signature] = now
                    if transaction.organisation in HOSPITALS:
                        operations += len(transaction.entries)
                self.entries.append((now, operations))
                if final.block.transactions:
                    self.busy_s = now
            self.blocks += len(answer.blocks)
            self._changed.set()

    async def _changes(self) -> None:
        self._changed.clear()
        try:
            async with asyncio.timeout(PATIENCE_S):
                await self._changed.wait()
        except TimeoutError:
            raise LoadFailed(f"no block for {PATIENCE_S:.0f} s above {self.height}") from None

    # ── bills ────────────────────────────────────────────────────────────────────────────────────────────────────────

    async def _lease(self, count: int) -> None:
        """Numbers for all that follows; one tries again where another gateway's lease came first."""
        reference = RangeRef(HOSPITAL, self.counter.code, await self._range_first())
        for _ in range(10):
            body = await self._range(reference)
            lease = self.counter.lease(reference.first, body.next, count, self.height + 1_000)
            await self._send_whole([lease])
            if (await self._range(reference)).next == body.next + count:
                return
        raise LoadFailed("no lease")

    async def _range_first(self) -> int:
        answer = await self._record(keyspace.number_ranges(HOSPITAL, self.counter.code))
        return body_of(answer, RangesBody).firsts[0]

    async def _range(self, reference: RangeRef) -> RangeBody:
        return body_of(await self._record(keyspace.number_range(reference)), RangeBody)

    async def _record(self, key: bytes) -> Record:
        link = next(iter(self._sending.links.values()))
        answer = decode_answer(await link.request(encode(GetRecord(key)), ANSWER_MS), RecordAnswer)
        assert isinstance(answer, RecordAnswer)
        if answer.current is None:
            raise LoadFailed(f"no record {key!r}")
        return answer.current.record

    async def _send_whole(self, transactions: Sequence[Transaction]) -> None:
        """And wait until they are final."""
        bundles = list(bundled(transactions, len(transactions)))
        for bundle in bundles:
            self._send(bundle, next(iter(self._sending.links.values())))
        while not all(signature in self.final_s for bundle in bundles for signature in bundle.signatures):
            await self._changes()

    async def prepare(self, transactions: int, bills_each: int, per_bundle: int) -> list[Bundle]:
        """Signed and encoded, with numbers that nobody else uses. Links live on meanwhile."""
        valid_until = self.height + self.genesis.parameters.replay_window - 500
        made = self.counter.transactions(transactions, bills_each, valid_until)
        return await asyncio.to_thread(lambda: list(bundled(made, per_bundle)))

    async def prepare_transfers(self, transactions: int, transfers_each: int) -> list[Bundle]:
        """The same of transfers; their accounts are opened and have money when this returns."""
        valid_until = self.height + self.genesis.parameters.replay_window - 500
        for opening in self._till.opening(valid_until):
            await self._send_whole([opening])
        made = self._till.transactions(transactions, transfers_each, valid_until)
        return await asyncio.to_thread(lambda: list(bundled(made, 1)))

    async def prepare_captures(self, transactions: int, holds_each: int) -> list[Bundle]:
        """Holds and what is captured of them, among the accounts that `prepare_transfers` opened."""
        valid_until = self.height + self.genesis.parameters.replay_window - 500
        made = self._till.captures(transactions, holds_each, _tomorrow_ms(), valid_until)
        return await asyncio.to_thread(lambda: list(bundled(made, 1)))

    async def prepare_orders(self, transactions: int, orders_each: int) -> list[Bundle]:
        """Notices, orders, payments."""
        valid_until = self.height + self.genesis.parameters.replay_window - 500
        made = self._cashier.transactions(transactions, orders_each, _tomorrow_ms(), valid_until)
        return await asyncio.to_thread(lambda: list(bundled(made, 1)))

    def _send(self, bundle: Bundle, link: Link) -> None:
        self._sent[bundle.signatures[0]] = bundle, link, time.perf_counter()
        link.send(BUNDLE, bundle.payload)

    async def _send_again(self) -> None:
        """As gateways do: to another validator, when the first one is gone or is silent for long."""
        while True:
            await asyncio.sleep(AGAIN_S / 10)
            links, now = list(self._sending.links.values()), time.perf_counter()
            for first, (bundle, link, sent_s) in list(self._sent.items()):
                if first in self.final_s:
                    del self._sent[first]
                elif links and (link.is_closed or now - sent_s > AGAIN_S):
                    self._send(bundle, links[bundle.bills % len(links)])

    async def saturate(self, bundles: Sequence[Bundle], window_bills: int, warm_s: float, seconds: float) -> Measured:
        """Keep so many bills under way until time is up or bundles are; what became final between counts."""
        links = cycle(list(self._sending.links.values()))  # one that goes is noticed by _send_again
        sent_s: dict[bytes, float] = {}
        waiting: dict[bytes, int] = {}  # signature -> bills
        under_way, place = 0, 0
        began = time.perf_counter()
        final: list[tuple[float, float, int]] = []  # (when, latency, bills)
        while (now := time.perf_counter() - began) < warm_s + seconds and place < len(bundles):
            while under_way < window_bills and place < len(bundles):
                bundle = bundles[place]
                place += 1
                self._send(bundle, next(links))
                at = time.perf_counter()
                each = bundle.bills // len(bundle.signatures)
                for signature in bundle.signatures:
                    sent_s[signature], waiting[signature] = at, each
                under_way += bundle.bills
                await asyncio.sleep(0)
            await self._changes()
            for signature in [signature for signature in waiting if signature in self.final_s]:
                bills, when = waiting.pop(signature), self.final_s[signature]
                under_way -= bills
                final.append((when - began, when - sent_s[signature], bills))
        if place == len(bundles) and now < warm_s + seconds:
            raise LoadFailed(f"{len(bundles)} bundles were sent in {now:.1f} s: prepare more")
        await self._settle(waiting)
        await self._verify_recorded(bundles[:place])
        return measured(final, warm_s, now)

    async def pace(self, bundles: Sequence[Bundle], bills_per_s: float, seconds: float) -> Measured:
        """So many a second, whatever comes back."""
        links = cycle(list(self._sending.links.values()))
        sent_s: dict[bytes, float] = {}
        waiting: dict[bytes, int] = {}
        began = time.perf_counter()
        due = 0.0
        for bundle in bundles:
            due += bundle.bills / bills_per_s
            if due > seconds:
                break
            wait = began + due - time.perf_counter()
            await asyncio.sleep(max(0.0, wait))
            self._send(bundle, next(links))
            at = time.perf_counter()
            for signature in bundle.signatures:
                sent_s[signature], waiting[signature] = at, bundle.bills // len(bundle.signatures)
        else:
            raise LoadFailed(f"{len(bundles)} bundles were sent in {due:.1f} s: prepare more")
        ended = time.perf_counter() - began
        bills = dict(waiting)
        await self._settle(waiting)
        final = [
            (self.final_s[signature] - began, self.final_s[signature] - sent_s[signature], bills[signature])
            for signature in sent_s
        ]
        return measured(final, 0.0, ended)

    async def quiet(self) -> None:
        """Until the office has done with the bills before. Their details are at no archive: after some seconds each becomes
        an exception of a seal, which all nodes work on."""
        while time.perf_counter() - self.busy_s < DETAILS_WAIT_MS / 1000 + 1.0:  # noqa: ASYNC110
            await asyncio.sleep(0.1)

    async def wait_for_operations(self, since_s: float, count: int) -> None:
        """Until so many operations of hospitals became final since then."""
        while sum(operations for when, operations in self.entries if when > since_s) < count:
            await self._changes()

    async def flood(self, bundles: Sequence[Bundle], bills_per_s: float, warm_s: float) -> float:
        """Send so many a second, whether they are taken or not; bills final a second meanwhile, once the first blocks have
        had their time, as in `saturate`. What the links have not taken by then goes with them: the flood is over."""
        began, sent, place = time.perf_counter(), 0.0, 0
        while place < len(bundles):
            while place < len(bundles) and sent < (time.perf_counter() - began) * bills_per_s:
                links = list(self._sending.links.values())
                links[place % len(links)].send(BUNDLE, bundles[place].payload)  # and never again
                sent += bundles[place].bills
                place += 1
            await asyncio.sleep(0.005)
        final = sum(count for when, count in self.entries if when > began + warm_s)
        seconds = time.perf_counter() - began - warm_s
        await self._sending.close()
        self._sending = self._dial(GATEWAY)
        return final / seconds

    async def _verify_recorded(self, bundles: Sequence[Bundle]) -> None:
        """What stands in a block may have been refused there: a few are looked for. Raises LoadFailed."""
        for bundle in random.sample(bundles, min(LOOKED_FOR, len(bundles))):
            await self._record(bundle.looked_for)

    async def _settle(self, waiting: dict[bytes, int]) -> None:
        while not all(signature in self.final_s for signature in waiting):
            await self._changes()


def bundled(transactions: Iterator[Transaction] | Sequence[Transaction], per_bundle: int) -> Iterator[Bundle]:
    rest = iter(transactions)
    while some := list(islice(rest, per_bundle)):
        for payload in encode_bundles(some):
            signatures, bills = [entry.signature for entry in some], sum(len(entry.entries) for entry in some)
            yield Bundle(payload, signatures, bills, _made_by(some[0]))


def _tomorrow_ms() -> int:
    return time.time_ns() // 1_000_000 + DAY_MS


def _made_by(transaction: Transaction) -> bytes:
    """By its last operation: in a chain, that is refused when any before it was."""
    match transaction.entries[-1].operation:
        case IssueBill(bill=bill):
            return keyspace.bill(bill)
        case Transfer(transfer=name):
            return keyspace.transfer(transaction.organisation, name)
        case CaptureHold(transfer=name):
            return keyspace.transfer(transaction.organisation, name)
        case TakePayment(payment=name):
            return keyspace.payment(transaction.organisation, name)
        case _:
            return b""


def measured(final: list[tuple[float, float, int]], from_s: float, to_s: float) -> Measured:
    counted = [entry for entry in final if from_s < entry[0] <= to_s]
    if not counted:
        raise LoadFailed("nothing became final while it was measured")
    return Measured(
        sum(bills for _when, _latency, bills in counted),
        round(to_s - from_s, 3),
        Milliseconds.of([latency for _when, latency, _bills in counted]),
    )
