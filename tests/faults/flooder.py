"""Whoever floods, as a process of its own: `python -m tests.faults.flooder`, told by one line of JSON what it attacks.

It holds the keys of a validator that does not run, and those of a hospital's gateway. It goes on until its standard input
ends, and says then what it did. With `--steps-back` it has the lowest priority: in life it has a machine of its own, and
here it would take the nodes' two cores by making garbage, not by what the garbage costs the nodes.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

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
from tests.network.caller import Caller, tls_context
from tests.network.running import ROOT, VALIDATORS, Network, bill_request

FLOODER = "insurance"  # its process does not run, its keys do
CLIENT = "hospital-a-2"
HONEST = tuple(name for name in VALIDATORS if name != FLOODER)
FRAMES_AT_ONCE = 50
HEIGHT_EVERY_S = 1.0


@dataclass(frozen=True, slots=True)
class Target:
    """What is flooded."""

    home: str
    chain_id: str
    peer_ports: dict[str, int]
    operations_port: int  # of one validator: where the others stand
    api: str
    authorization: str

    def node_home(self, name: str) -> Path:
        return Path(self.home) / "nodes" / name


def target_of(network: Network) -> Target:
    shared = network.api("hospital-a")
    return Target(
        str(network.home),
        network.chain_id,
        {name: node["peer_port"] for name, node in network.nodes.items()},
        network.nodes[HONEST[0]]["operations_port"],
        str(shared.base_url),
        shared.headers["authorization"],
    )


@dataclass(frozen=True, slots=True)
class Done:
    """What a flood did: frames by kind, questions, connections."""

    sent: dict[str, int]
    asked: int
    connections: int


class Flood:
    """A flood of a network while the `with` lasts; `done` afterwards."""

    def __init__(self, network: Network, steps_back: bool) -> None:
        way = ["--steps-back"] if steps_back else []
        self._target, self._process = target_of(network), subprocess.Popen(
            [sys.executable, "-m", "tests.faults.flooder", *way],
            cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True,
        )  # fmt: skip
        self.done: Done | None = None

    def __enter__(self) -> Flood:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(asdict(self._target)) + "\n")
        self._process.stdin.flush()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _at: TracebackType | None
    ) -> None:
        try:
            said, _ = self._process.communicate(timeout=60)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.communicate()
            raise
        if error is None:
            self.done = Done(**json.loads(said))


# ── what a flood consists of ─────────────────────────────────────────────────────────────────────────────────────────


class Arsenal:
    """Frames of one validator whose keys a flooder has: well-formed, most of them with a signature that does not hold."""

    def __init__(self, target: Target) -> None:
        self.genesis = genesis_from_json((Path(target.home) / "genesis.json").read_bytes())
        self.chain = self.genesis.digest()
        self.members = self.genesis.validator_set()
        seat = self.members.seat_of(FLOODER)
        assert seat is not None
        self.seat = seat
        self.key: SigningKey = load_signing_key(target.node_home(FLOODER) / "config" / "vote.key")
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

    def __init__(self, target: Target, arsenal: Arsenal, node: str, over: threading.Event) -> None:
        super().__init__(name=f"flood {node}", daemon=True)
        self._target, self._arsenal, self._node, self._over = target, arsenal, node, over
        self.sent = dict.fromkeys(arsenal.frames(), 0)
        self.connections = 0

    def run(self) -> None:
        for name in itertools.cycle(self.sent):
            if self._over.is_set():
                return
            with contextlib.suppress(OSError, AssertionError, PeerRefused):
                self._flood(name)

    def _flood(self, name: str) -> None:
        """One kind for half a second, or until the node hangs up."""
        context = tls_context(self._target.node_home(FLOODER) / "config")
        make = self._arsenal.frames()[name]
        self.connections += 1
        with (
            Caller(self._target.peer_ports[self._node]).shake_hands(context).say_hello(self._target.chain_id) as caller
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

    def __init__(self, target: Target, over: threading.Event) -> None:
        super().__init__(name="flood of a client", daemon=True)
        self._target, self._over = target, over
        self.asked = self.answered = 0

    def run(self) -> None:
        headers = {"Authorization": self._target.authorization}
        http = httpx2.Client(base_url=self._target.api, headers=headers, timeout=20, trust_env=False)
        while not self._over.is_set():
            with contextlib.suppress(OSError, AssertionError, PeerRefused, httpx2.HTTPError):
                self._ask()
                self._call(http)
        http.close()

    def _ask(self) -> None:
        context = tls_context(self._target.node_home(CLIENT) / "config")
        port = self._target.peer_ports[random.choice(HONEST)]
        with Caller(port).shake_hands(context).say_hello(self._target.chain_id) as caller:
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


# ── the process ──────────────────────────────────────────────────────────────────────────────────────────────────────


def step_back() -> None:
    """Take what others leave of the processor, also where the kernel weighs sessions and not processes."""
    os.nice(19)
    with contextlib.suppress(OSError):  # a kernel without such groups weighs processes
        Path("/proc/self/autogroup").write_text("19")


def main() -> None:
    if "--steps-back" in sys.argv:
        step_back()
    target, over = Target(**json.loads(sys.stdin.readline())), threading.Event()
    arsenal = Arsenal(target)
    peers = [Peer(target, arsenal, node, over) for node in HONEST]
    client = Client(target, over)

    def follow() -> None:
        while not over.wait(HEIGHT_EVERY_S):
            with contextlib.suppress(httpx2.HTTPError):
                status: dict[str, Any] = httpx2.get(
                    f"http://127.0.0.1:{target.operations_port}/status", timeout=2
                ).json()
                arsenal.height = max(arsenal.height, status["height"])

    threads = [*peers, client, threading.Thread(target=follow, daemon=True)]
    for thread in threads:
        thread.start()
    sys.stdin.read()  # until it ends
    over.set()
    for thread in threads:
        thread.join(30)
    sent = {name: sum(peer.sent[name] for peer in peers) for name in peers[0].sent}
    print(json.dumps(asdict(Done(sent, client.asked, sum(peer.connections for peer in peers)))))


if __name__ == "__main__":
    main()
