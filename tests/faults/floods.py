"""Somebody who floods, and what it costs the others: `python -m tests.faults.floods --minutes 10`.

One validator does not run; whoever holds its keys floods the other three, and a hospital's program floods validators
and its gateway. Told are each node's memory after warm-up and at the end, and how long honest bills take meanwhile.
RELIABILITY 2.2 Y13, 7 G9.

Before it, honest bills fill what has a bound and takes its time to fill: above all the two write buffers of a state
database, 64 MiB. And the flooders have the lowest priority: in life they have machines of their own, and here they would
take the nodes' two cores by making garbage, not by what the garbage costs the nodes.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import os
import random
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import httpx2
from msgspec import structs

from chain import keyspace
from chain.block import Header
from chain.codec import encode
from chain.genesis import genesis_from_json
from chain.merkle import EMPTY_ROOT
from chain.operation import Renew
from chain.signature import ED25519, SigningKey
from chain.transaction import Entry, Transaction, key_id
from chain.validators import Certificate, SeatSignature
from consensus.model import Commit, Fetch, FetchBodies, PeerMessage, Prepare, Prepared, PrePrepare, Status, ViewChange
from consensus.wire import encode_message, view_change_message, vote_digest
from node.errors import PeerRefused
from node.frame import REQUEST, frame_head
from node.keystore import load_signing_key
from node.messages import BUNDLE, CONSENSUS, GetBlocks, GetMine, GetRecord, encode_bundle
from tests.faults.history import Load, Recorder, Verdict
from tests.faults.kills import spread
from tests.faults.machine import describe_machine, rss_mib
from tests.faults.wired import Wired
from tests.network.caller import Caller, tls_context
from tests.network.running import VALIDATORS, bill_request

FLOODER = "insurance"  # its process does not run, its keys do
CLIENT = "hospital-a-2"
HONEST = tuple(name for name in VALIDATORS if name != FLOODER)
WATCHED = (*HONEST, "archive", "hospital-a", "hospital-b")
GROWTH_MAX = 0.05
FRAMES_AT_ONCE = 50
FILL_BATCH = 200  # bills in one request


# ── what a flood consists of ─────────────────────────────────────────────────────────────────────────────────────────


class Arsenal:
    """Frames of one validator whose keys a flooder has: well-formed, most of them with a signature that does not hold."""

    def __init__(self, network: Wired) -> None:
        self.genesis = genesis_from_json((network.home / "genesis.json").read_bytes())
        self.chain = self.genesis.digest()
        self.members = self.genesis.validator_set()
        seat = self.members.seat_of(FLOODER)
        assert seat is not None
        self.seat = seat
        self.key: SigningKey = load_signing_key(network.node_home(FLOODER) / "config" / "vote.key")
        self.height = 1  # where the others stand, more or less

    def frames(self) -> dict[str, Callable[[], tuple[int, bytes]]]:
        """By name, each a fresh frame: (kind, payload)."""
        return {
            "garbage": lambda: (CONSENSUS, random.randbytes(2_000)),
            "votes with wrong signatures": lambda: self._message(self._vote(bytes(64))),
            "votes for other blocks": lambda: self._message(self._vote()),
            "huge ViewChanges": lambda: self._message(self._view_change(random.randbytes(64))),
            "ViewChanges for high views": lambda: self._message(self._view_change()),
            "proposals out of turn": lambda: self._message(self._proposal()),
            "Status storm": lambda: self._message(self._status()),
            "Fetch storm": lambda: self._message(Fetch(1, 16)),
            "FetchBodies storm": lambda: self._message(FetchBodies([random.randbytes(32) for _ in range(500)])),
            "bundles with wrong signatures": lambda: (BUNDLE, encode_bundle([self._transaction() for _ in range(50)])),
            "questions": lambda: (REQUEST, random.randbytes(4) + encode(GetBlocks(1, 64, 0))),
        }

    @staticmethod
    def _message(message: PeerMessage) -> tuple[int, bytes]:
        return CONSENSUS, encode_message(message)

    def _vote(self, signature: bytes | None = None) -> Prepare | Commit:
        kind = random.choice([Prepare, Commit])
        vote = kind(
            1, random.randrange(4), self.height + random.randrange(3), random.randbytes(32), self.seat, bytes(64)
        )
        return structs.replace(vote, signature=signature or self.key.sign(vote_digest(vote, self.chain)))

    def _view_change(self, signature: bytes | None = None) -> ViewChange:
        """With the largest certificates that there may be, every signature of them to be checked or refused."""
        signatures = [SeatSignature(seat, random.randbytes(64)) for seat in range(self.members.quorum)]
        certificate = Certificate(0, signatures)
        change = ViewChange(
            1, random.randrange(1, 2**31), self.seat, self.height, random.randbytes(32), certificate, None, bytes(64)
        )
        if signature is not None:
            digests = [random.randbytes(32) for _ in range(2_000)]
            change = structs.replace(change, prepared=Prepared(self._header(), digests, certificate))
        return structs.replace(change, signature=signature or self.key.sign(view_change_message(change, self.chain)))

    def _proposal(self) -> PrePrepare:
        digests = [random.randbytes(32) for _ in range(1_000)]
        return PrePrepare(1, 0, self.height + 1, self._header(), digests, random.randbytes(64))

    def _header(self) -> Header:
        some, members = random.randbytes(32), self.members.digest()
        return Header(
            1, self.chain, self.height + 1, some, 1, FLOODER, EMPTY_ROOT, EMPTY_ROOT, 0, some, 1, some, members, members
        )

    def _status(self) -> Status:
        votes = [self._vote() for _ in range(2 * self.members.n)]
        return Status(1, random.randrange(3), True, self.height, random.randbytes(32), votes, [0] * self.members.n)

    def _transaction(self) -> Transaction:
        """Whole but for its signature, by a name that the state knows."""
        agency = self.genesis.keys[0]
        entries = [Entry(False, Renew(random.randbytes(32)))]
        until = self.height + 100
        return Transaction(agency.organisation, key_id(agency.public), until, entries, ED25519, random.randbytes(64))


class Peer(threading.Thread):
    """The flooder's link to one validator: every kind of frame in turn, as fast as they are taken."""

    def __init__(self, network: Wired, arsenal: Arsenal, node: str, over: threading.Event) -> None:
        super().__init__(name=f"flood {node}", daemon=True)
        self._network, self._arsenal, self._node, self._over = network, arsenal, node, over
        self.sent = dict.fromkeys(arsenal.frames(), 0)
        self.connections = 0

    def run(self) -> None:
        _step_back()
        for name in itertools.cycle(self.sent):
            if self._over.is_set():
                return
            with contextlib.suppress(OSError, AssertionError, PeerRefused):
                self._flood(name)

    def _flood(self, name: str) -> None:
        """One kind for half a second, or until the node hangs up."""
        context = tls_context(self._network.node_home(FLOODER) / "config")
        make = self._arsenal.frames()[name]
        self.connections += 1
        with (
            Caller(self._network.nodes[self._node]["peer_port"])
            .shake_hands(context)
            .say_hello(self._network.chain_id) as caller
        ):
            caller.socket.settimeout(2.0)
            frames = [make() for _ in range(FRAMES_AT_ONCE)]
            until = time.monotonic() + 0.5
            while time.monotonic() < until and not self._over.is_set():
                for kind, payload in frames:
                    caller.socket.sendall(frame_head(kind, len(payload)) + payload)
                self.sent[name] += len(frames)


class Client(threading.Thread):
    """A hospital's program: questions to a validator, and requests to its gateway, as fast as they are taken."""

    def __init__(self, network: Wired, over: threading.Event) -> None:
        super().__init__(name="flood of a client", daemon=True)
        self._network, self._over = network, over
        self.asked = self.answered = 0

    def run(self) -> None:
        _step_back()
        shared = self._network.api("hospital-a")
        http = httpx2.Client(base_url=shared.base_url, headers=shared.headers, timeout=20, trust_env=False)
        while not self._over.is_set():
            with contextlib.suppress(OSError, AssertionError, PeerRefused, httpx2.HTTPError):
                self._ask()
                self._call(http)
        http.close()

    def _ask(self) -> None:
        context = tls_context(self._network.node_home(CLIENT) / "config")
        port = self._network.nodes[random.choice(HONEST)]["peer_port"]
        with Caller(port).shake_hands(context).say_hello(self._network.chain_id) as caller:
            for number in range(60):  # one more than a link may ask at once is hung up on
                question = GetMine(1, 256, 0) if number % 2 else GetRecord(keyspace.organisation("hospital-a"))
                caller.send(REQUEST, number.to_bytes(4, "big") + encode(question))
                self.asked += 1
            caller.socket.settimeout(1.0)
            while caller.socket.recv(65_536):
                self.answered += 1

    def _call(self, http: httpx2.Client) -> None:
        http.get("/blocks", params={"limit": 100})
        http.post("/bills", json=bill_request("flood", -1))
        http.post("/bills", content=b"[" * 50_000, headers={"content-type": "application/json"})
        http.get(f"/bills/{random.randrange(10**17, 10**18)}")


def _step_back() -> None:
    """This thread takes what the nodes leave of the processor."""
    os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 19)


def fill(network: Wired, recorder: Recorder, bills: int) -> None:
    """So many honest bills, as fast as two gateways take them, until all are final."""
    clients = {}
    for gateway in ("hospital-a", "hospital-b"):
        shared = network.api(gateway)
        clients[gateway] = httpx2.Client(
            base_url=shared.base_url, headers=shared.headers | {"Prefer": "wait=20"}, timeout=40, trust_env=False
        )
    left = bills
    while left > 0:
        gateway = random.choice(list(clients))
        place = "B01" if gateway == "hospital-b" else "A01"
        batch = [
            bill_request(f"fill-{left - number}", 10_000 + left - number, place_code=place)
            for number in range(FILL_BATCH)
        ]
        organisation = network.nodes[gateway]["organisation"]
        calls = [recorder.begin(organisation, "IssueBill", bill["business_no"], bill["total_fen"]) for bill in batch]
        answer = clients[gateway].post("/bills:batch", json={"bills": batch})
        answer.raise_for_status()
        for call, outcome in zip(calls, answer.json()["outcomes"], strict=True):
            recorder.end(call, outcome)
        left -= FILL_BATCH
        print(f"{max(left, 0)} bills to go before the flood ", end="\r", file=sys.stderr)
    for client in clients.values():
        client.close()


# ── what it costs ────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Cost:
    """Memory in MiB by node; latency in seconds of bills whose cashier waited until they were final."""

    warm: dict[str, float]
    end: dict[str, float]
    before: list[float]
    during: list[float]
    sent: dict[str, int]
    asked: int
    connections: int
    verdict: Verdict

    def growth(self, node: str) -> float:
        return self.end[node] / self.warm[node] - 1


def flood(
    network: Wired, recorder: Recorder, quiet_s: float, warm_s: float, flood_s: float, bills_min: int = 3
) -> Cost:
    """Honest work alone, then under a flood, until so many of its bills are final too; FLOODER does not run."""
    arsenal, over = Arsenal(network), threading.Event()
    peers = [Peer(network, arsenal, node, over) for node in HONEST]
    client = Client(network, over)
    with Load(network, ["hospital-a", "hospital-b"], recorder=recorder) as load:
        _pass(network, quiet_s)
        before = _latencies(load)
        for thread in (*peers, client):
            thread.start()
        try:
            _pass(network, warm_s, arsenal)
            warm, done = _memory(network), len(load.calls)
            _pass(network, flood_s, arsenal)
            network.until(lambda: len(_latencies(load, done)) >= bills_min, "honest bills under the flood", 60)
            end, during = _memory(network), _latencies(load, done)
        finally:
            over.set()
            for thread in (*peers, client):
                thread.join(30)
        verdict = load.verify()
    sent = {name: sum(peer.sent[name] for peer in peers) for name in peers[0].sent}
    return Cost(warm, end, before, during, sent, client.asked, sum(peer.connections for peer in peers), verdict)


def _pass(network: Wired, seconds: float, arsenal: Arsenal | None = None) -> None:
    until = time.monotonic() + seconds

    def is_over() -> bool:
        if arsenal is not None:
            arsenal.height = max(arsenal.height, network.height(HONEST[:1]))
        return time.monotonic() > until

    network.until(is_over, "time passes", seconds + 60)


def _memory(network: Wired) -> dict[str, float]:
    return {name: rss_mib(network.pid(name)) for name in WATCHED}


def _latencies(load: Load, since: int = 0) -> list[float]:
    """Of bills that were told their block."""
    return [(call.returned_ms - call.called_ms) / 1000 for call in load.calls[since:] if call.height]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.faults.floods")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--warm-up", type=float, default=60.0, metavar="SECONDS")
    parser.add_argument("--bills-before", type=int, default=30_000)
    options = parser.parse_args()
    print(
        f"python -m tests.faults.floods --minutes {options.minutes:g} --warm-up {options.warm_up:g} "
        f"--bills-before {options.bills_before}"
    )
    print(describe_machine())
    with tempfile.TemporaryDirectory() as place:
        network = Wired(Path(place))
        try:
            network.start(WATCHED)
            recorder = Recorder()
            fill(network, recorder, options.bills_before)
            cost = flood(network, recorder, 10.0, options.warm_up, options.minutes * 60)
        finally:
            network.down()
    for name in WATCHED:
        print(
            f"{name:12} {cost.warm[name]:7.1f} MiB warm {cost.end[name]:7.1f} MiB at the end {cost.growth(name):+.1%}"
        )
    print(f"honest bills before: {spread(cost.before)}")
    print(f"honest bills during: {spread(cost.during)}")
    print(f"flooded over {cost.connections} links: {cost.sent}; questions of a client: {cost.asked}")
    print(f"acknowledged {cost.verdict.acknowledged}, lost 0, twice 0")
    if max(cost.growth(name) for name in WATCHED) > GROWTH_MAX:
        sys.exit(f"memory grew by more than {GROWTH_MAX:.0%}")


if __name__ == "__main__":
    main()
