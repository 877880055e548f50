"""Who reads for whom: relations between people, sealed here; on the ledger they have pseudonyms and an end (FEATURES 28).

A relation is in force while the ledger has it, nobody ended it, and its moment lies ahead by block time and by this node's
clock: a quiet ledger's blocks may be ten minutes old. Names and documents lie here and nowhere else; rows are found by a
MAC of the person. Lies in the database of the details:
f/r/relation (64 hex digits) -> nonce ‖ box of Relation · f/p/mac/relation -> nothing, of the principal · f/a/mac/relation, of the agent
"""

from __future__ import annotations

import asyncio
import hmac
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from typing import Literal

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from chain import keyspace
from chain.codec import encode
from chain.errors import StorageDamaged, StorageFailed
from chain.ledger import Ledger
from chain.operation import GrantProxy
from chain.records import ProxyBody
from chain.rules.proxies import is_in_force
from chain.state import Store
from node.identity import Identity
from node.service import ServiceRefused
from node.thread_work import finished

LISTED_MAX = 200  # of one person on one side, ended ones among them: then those are forgotten
LIVING_MAX = 32  # of one principal at a time
LOOKED_AT_MAX = 1_000  # of one person, on one side, ended ones too
PRINCIPAL, AGENT = "p", "a"  # sides
NONCE_BYTES = 12

Relationship = Literal["child", "parent", "guardian", "other"]
State = Literal["queued", "in_force", "ended", "expired"]


class Relation(msgspec.Struct, frozen=True):
    """Personal data: sealed at rest, never logged."""

    relationship: (
        str  # of the agent to the principal: the agent's child, the agent's parent, under guardianship, another
    )
    principal: Identity
    agent: Identity
    until_ms: int
    registered_by: str  # `principal`, or the clerk at the counter as organisation/number
    evidence: str  # kind of document that the clerk saw; empty where the principal signed on
    evidence_number: str
    made_ms: int

    def __repr__(self) -> str:
        return "Relation(…)"


class Proxies:
    """On the ledger's loop; `key_for` gives keys that nobody else of the node has."""

    def __init__(
        self,
        office: str,
        ledger: Ledger,
        database: Store,
        thread: Executor,
        key_for: Callable[[bytes], bytes],
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self.now_ms = now_ms
        self._office, self._ledger = office, ledger
        self._database, self._thread = database, thread
        self._box = AESGCM(key_for(b"medbill/1/proxies"))
        self._person_key = key_for(b"medbill/1/proxy-person")  # finds rows here
        self._mac_key = key_for(b"medbill/1/proxy-mac")  # makes the ledger's pseudonyms
        self._keeping = asyncio.Lock()

    def time_ms(self) -> int:
        """Now, by whichever is later: the newest block's time or the clock."""
        return max(self._ledger.head.time_ms, self.now_ms())

    def state(self, name: bytes, until_ms: int) -> State:
        body = self._ledger.state.get(keyspace.proxy(self._office, name), ProxyBody)
        if body is not None and body.ended:
            return "ended"
        if until_ms <= self.time_ms():
            return "expired"
        return "queued" if body is None or not is_in_force(body, self.time_ms()) else "in_force"

    def get(self, name: bytes) -> Relation | None:
        """Raises StorageDamaged."""
        data = self._database.get(_row(name))
        if data is None:
            return None
        try:
            plain = self._box.decrypt(data[:NONCE_BYTES], data[NONCE_BYTES:], name)
            return msgspec.msgpack.decode(plain, type=Relation)
        except (InvalidTag, ValueError, msgspec.MsgspecError):
            raise StorageDamaged("a proxy", "altered, or of another storage key") from None

    def of(self, person: Identity, side: str) -> Iterator[tuple[bytes, Relation]]:
        """Relations that somebody is part of, on one side."""
        prefix = self._prefix(person, side)
        for key, _nothing in self._database.scan(prefix, limit=LOOKED_AT_MAX):
            name = bytes.fromhex(key[len(prefix) :].decode())
            relation = self.get(name)
            if relation is not None and person.spelt() == _side(relation, side).spelt():
                yield name, relation

    def in_force_for(self, agent: Identity) -> Iterator[tuple[bytes, Relation]]:
        """Under which somebody reads for another one now."""
        for name, relation in self.of(agent, AGENT):
            if self.state(name, relation.until_ms) == "in_force":
                yield name, relation

    async def _forget_ended(self, relation: Relation) -> None:
        """Nobody's list grows for ever by what has ended: the names of it are looked for no more, once there are many. What the
        log of accesses names under it is kept."""
        gone = []
        for person, side in ((relation.principal, PRINCIPAL), (relation.agent, AGENT)):
            rows = list(self.of(person, side))
            if len(rows) >= LISTED_MAX:
                ended = [name for name, one in rows if self.state(name, one.until_ms) in ("ended", "expired")]
                gone += [self._prefix(person, side) + name.hex().encode() for name in ended]
        if gone:
            loop = asyncio.get_running_loop()
            await finished(loop.run_in_executor(self._thread, self._database.write, {}, gone, True))

    async def keep(self, relation: Relation) -> GrantProxy:
        """On the disk before the ledger has it, so that a relation in force always has its names. The same one again, while it
        is in force or on its way, is the same. Raises ServiceRefused `too_many_proxies`, `storage_failed`."""
        async with self._keeping:
            generation = 0
            while True:
                name = self._mac(relation, b"name", generation)
                held = self.get(name)
                if held is None or self.state(name, held.until_ms) not in ("ended", "expired"):
                    break
                generation += 1
            if held is None:
                living = [
                    other
                    for other, one in self.of(relation.principal, PRINCIPAL)
                    if self.state(other, one.until_ms) in ("queued", "in_force")
                ]
                await self._forget_ended(relation)
                if len(living) >= LIVING_MAX:
                    raise ServiceRefused("too_many_proxies", f"at most {LIVING_MAX} of one person")
                await self._write(name, relation)
        marks = [self._mac(relation, side, generation) for side in (b"principal", b"agent")]
        return GrantProxy(name, marks[0], marks[1], relation.until_ms)

    async def _write(self, name: bytes, relation: Relation) -> None:
        nonce = os.urandom(NONCE_BYTES)
        puts = {
            _row(name): nonce + self._box.encrypt(nonce, msgspec.msgpack.encode(relation), name),
            self._prefix(relation.principal, PRINCIPAL) + name.hex().encode(): b"",
            self._prefix(relation.agent, AGENT) + name.hex().encode(): b"",
        }
        loop = asyncio.get_running_loop()
        try:
            await finished(loop.run_in_executor(self._thread, self._database.write, puts, [], True))
        except StorageFailed as error:
            raise ServiceRefused(error.code) from None

    def _prefix(self, person: Identity, side: str) -> bytes:
        return f"f/{side}/{hmac.digest(self._person_key, person.spelt(), 'sha256').hex()}/".encode()

    def _mac(self, relation: Relation, of: bytes, generation: int) -> bytes:
        """32 bytes: of the whole relation, so that one person has another pseudonym in each."""
        parts = [of, relation.principal.spelt(), relation.agent.spelt(), relation.until_ms, generation]
        return hmac.digest(self._mac_key, encode(parts), "sha256")


def _side(relation: Relation, side: str) -> Identity:
    return relation.principal if side == PRINCIPAL else relation.agent


def _row(name: bytes) -> bytes:
    return f"f/r/{name.hex()}".encode()
