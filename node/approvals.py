"""Steps that wait for a second person: kept, sealed with the node's storage key, until another one of the organisation agrees.

Which steps, genesis says (`two_persons`); the ledger refuses them without the marks of two people. Until the second one has
agreed nothing is spent or sent. One file each below `data/approvals`, written whole or not at all: a correction holds a
whole bill. They are no part of a backup: whoever asked asks again. Source: FEATURES 10 and 41.
"""

from __future__ import annotations

import asyncio
import hmac
import os
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import structlog
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from chain.details import expand
from chain.directory import flush_directory
from chain.operation import PERSONS_TAGS
from chain.records import ParametersBody
from node.service import ServiceRefused

DIRECTORY = "approvals"
WAITING_MAX = 1_000
BYTES_MAX = 64 << 20  # of what waits
KEPT_MS = 7 * 86_400_000  # then it is as if nobody had asked
ID_BYTES, NONCE_BYTES = 16, 12
UNFINISHED = ".new"
SOMEBODY = [bytes(32), b"\xff" * 32]  # marks of two persons, to see what else the rules have against a step

log = structlog.get_logger("approvals")


class Awaiting(msgspec.Struct, frozen=True):
    """A step that one person asked for."""

    id: str  # 32 hex digits; the same step is the same id
    kind: str  # of chain.operation.PERSONS_TAGS, or `correct_bill`
    target: str  # what the path named: a bill, an organisation, or nothing
    body: bytes  # the request, as JSON
    subject: str  # of who asked
    asked_ms: int


class Approvals:
    """On the node's loop; files are written in a thread."""

    def __init__(
        self,
        data: Path,
        key: bytes,
        parameters: ParametersBody,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        """`key` is the node's storage key. Files that do not open under it are left alone, and told."""
        self._directory, self._now_ms = data / DIRECTORY, now_ms
        self._box = AESGCM(expand(key, b"medbill/1/approvals", 32))
        self._name_key, self._person_key = (
            expand(key, use, 32) for use in (b"medbill/1/approval", b"medbill/1/person")
        )
        self._needed = frozenset(name for name, tag in PERSONS_TAGS.items() if tag in parameters.two_persons)
        self._waiting: dict[str, Awaiting] = {}
        self._agreeing: set[str] = set()
        self._writing = asyncio.Lock()
        self._load()

    def needs(self, kind: str) -> bool:
        """Whether one person alone may not do it."""
        return kind in self._needed

    def persons(self, asked: Awaiting, subject: str) -> list[bytes]:
        """The marks that the ledger gets: of who asked and who agrees. Each is a MAC of the step and the person, so two steps of
        one person look unlike; with this node's storage key and a list of its people the organisation can tell who they were."""
        step = f"{asked.kind}/{asked.target}/"
        return sorted(
            hmac.digest(self._person_key, (step + person).encode(), "sha256") for person in (asked.subject, subject)
        )

    def waiting(self) -> list[Awaiting]:
        """The oldest first."""
        oldest = self._now_ms() - KEPT_MS
        return sorted(
            (one for one in self._waiting.values() if one.asked_ms >= oldest), key=lambda one: (one.asked_ms, one.id)
        )

    async def ask(self, kind: str, target: str, body: bytes, subject: str) -> Awaiting:
        """Keep a step durably. The same step again, whoever asks, is the one that waits already.

        Raises ServiceRefused `approvals_full`, `unavailable` if the disk does not take it.
        """
        name = hmac.digest(self._name_key, b"\0".join((kind.encode(), target.encode(), body)), "sha256")
        key = name[:ID_BYTES].hex()
        async with self._writing:
            await self._forget_old()
            found = self._waiting.get(key)
            if found is not None:
                return found
            held = sum(len(one.body) for one in self._waiting.values())
            if len(self._waiting) >= WAITING_MAX or held + len(body) > BYTES_MAX:
                raise ServiceRefused("approvals_full", "too much waits for a second person")
            asked = Awaiting(key, kind, target, body, subject, self._now_ms())
            try:
                await asyncio.to_thread(self._write, asked)
            except OSError:
                raise ServiceRefused("unavailable", "the disk does not take it") from None
            self._waiting[key] = asked
            return asked

    def agree(self, key: str, subject: str) -> Awaiting:
        """The step that a second person agrees to; `agreed` or `not_agreed` is to follow.

        Raises ServiceRefused `approval_unknown`, `same_person`, `approval_under_way`.
        """
        asked = self.find(key)
        if asked.subject == subject:
            raise ServiceRefused("same_person", "the one who asked cannot be the one who agrees")
        if key in self._agreeing:
            raise ServiceRefused("approval_under_way")
        self._agreeing.add(key)
        return asked

    def find(self, key: str) -> Awaiting:
        """Raises ServiceRefused `approval_unknown`."""
        found = self._waiting.get(key)
        if found is None or found.asked_ms < self._now_ms() - KEPT_MS:
            raise ServiceRefused("approval_unknown")
        return found

    def not_agreed(self, key: str) -> None:
        """It could not be kept: it goes on waiting."""
        self._agreeing.discard(key)

    async def agreed(self, key: str) -> None:
        """It is done, or the ledger would refuse it: it waits no more."""
        try:
            await self._forget(key)
        finally:
            self._agreeing.discard(key)

    async def withdraw(self, key: str) -> None:
        """It waits no more, and nothing was done. Raises ServiceRefused `approval_under_way`."""
        if key in self._agreeing:
            raise ServiceRefused("approval_under_way")
        await self._forget(key)

    async def _forget(self, key: str) -> None:
        """After a crash in between it waits again, and agreeing says that it was done."""
        async with self._writing:
            if self._waiting.pop(key, None) is not None:
                await asyncio.to_thread(self._remove, key)

    # ── files ────────────────────────────────────────────────────────────────────────────────────────────────────────

    def _load(self) -> None:
        self._directory.mkdir(mode=0o700, exist_ok=True)
        for file in sorted(self._directory.iterdir()):
            if file.suffix == UNFINISHED:
                file.unlink()
                continue
            data = file.read_bytes()
            try:
                plain = self._box.decrypt(data[:NONCE_BYTES], data[NONCE_BYTES:], file.name.encode())
                asked = msgspec.msgpack.decode(plain, type=Awaiting)
            except (InvalidTag, ValueError, msgspec.MsgspecError):
                log.warning("approval_unreadable", file=file.name)
                continue
            self._waiting[asked.id] = asked

    def _write(self, asked: Awaiting) -> None:
        nonce = os.urandom(NONCE_BYTES)
        data = nonce + self._box.encrypt(nonce, msgspec.msgpack.encode(asked), asked.id.encode())
        unfinished = self._directory / f"{asked.id}{UNFINISHED}"
        with open(unfinished, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        unfinished.rename(self._directory / asked.id)
        flush_directory(self._directory)

    def _remove(self, key: str) -> None:
        (self._directory / key).unlink(missing_ok=True)
        flush_directory(self._directory)

    async def _forget_old(self) -> None:
        oldest = self._now_ms() - KEPT_MS
        for key in [key for key, one in self._waiting.items() if one.asked_ms < oldest and key not in self._agreeing]:
            del self._waiting[key]
            await asyncio.to_thread(self._remove, key)
