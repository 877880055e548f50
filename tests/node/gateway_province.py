"""What the gateway's stories are told with: a real ledger behind validators that answer, and an archive; no sockets.

Blocks are made as soon as a bundle arrives, unless the story says `hold`. A validator may be made to lie by `tamper`.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from chain.bill import BillRequest
from chain.codec import encode
from chain.database import Database
from chain.details import Details, field_values
from chain.errors import BlockInvalid
from chain.execute import verify_transaction
from chain.ledger import signature_holds
from chain.operation import IssueBill, ReverseBill
from chain.transaction import Transaction, receive_transaction
from node.answers import Answers
from node.channels.channel import Channel
from node.config import Address, NodeConfig, Office
from node.errors import LinkClosed, RequestTimedOut
from node.feed import Feed
from node.gateway import Gateway
from node.messages import (
    BillsAnswer,
    DetailsAnswer,
    DetailsKept,
    FindBills,
    GetDetails,
    GetMine,
    GetPayers,
    GetRecord,
    PayersAnswer,
    PayersKept,
    PutDetails,
    PutPayers,
    decode_bundle,
    decode_question,
)
from node.peers import PeerLink
from node.service import Reader, Standing
from tests.chain.making import MAC_KEYS, NOON_MS, PLACES, VALIDATORS, Chain, genesis, key_of, request
from tests.node.asking import Asker

STAFF = Reader("cashier-1", "hospital-a", "cashier")
STORAGE_KEY = b"s" * 32
PATIENCE_S = 20.0


class FakeValidator:
    """A link to a validator, as one gateway sees it."""

    def __init__(self, province: Province, node: str, asker: str) -> None:
        self.province, self.node, self.organisation, self.asker = province, node, node, asker
        self.tamper: Callable[[Any], Any] = lambda answer: answer
        self.is_silent = False
        self.bundles: list[list[Transaction]] = []
        self.questions: list[Any] = []

    async def request(self, payload: bytes, timeout_s: float) -> bytes:
        if self.is_silent:
            raise RequestTimedOut(self.node)
        question = decode_question(payload)
        self.questions.append(question)
        if isinstance(question, GetMine):
            answer: Any = await self.province.answers.mine(question, self.asker, Asker(self.asker))
        else:
            assert isinstance(question, GetRecord)
            answer = await self.province.answers.record(question, self.asker)
        return encode(self.tamper(answer))

    def send(self, kind: int, payload: bytes, *, urgent: bool = False) -> bool:
        transactions = decode_bundle(payload)
        self.bundles.append(transactions)
        if not self.is_silent:
            self.province.receive(transactions)
        return True


class FakeArchive:
    """The mirror of finance-city, as far as details go."""

    node, organisation = "archive", "finance-city"

    def __init__(self) -> None:
        self.kept: dict[str, Details] = {}
        self.payers: dict[str, list[Details]] = {}  # of two that bound at once both came
        self.unheard: set[str] = set()  # bills whose payers it does not take
        self.is_away = False
        self.puts = 0

    async def request(self, payload: bytes, timeout_s: float) -> bytes:
        if self.is_away:
            raise LinkClosed("archive")
        question = decode_question(payload)
        if isinstance(question, PutDetails):
            self.puts += 1
            self.kept.update({details.bill: details for details in question.details})
            return encode(DetailsKept([details.bill for details in question.details]))
        if isinstance(question, PutPayers):
            taken = [payer for payer in question.payers if payer.bill not in self.unheard]
            for payer in taken:
                self.payers.setdefault(payer.bill, []).append(payer)
            return encode(PayersKept([payer.bill for payer in taken]))
        if isinstance(question, GetPayers):
            return encode(PayersAnswer([payer for bill in question.bills for payer in self.payers.get(bill, [])]))
        if isinstance(question, FindBills):
            named = [bill for bill, kept in self.kept.items() if field_values(kept).get("group") == question.group]
            return encode(BillsAnswer(sorted(bill for bill in named if bill > question.after)[: question.count]))
        assert isinstance(question, GetDetails)
        return encode(DetailsAnswer([self.kept[bill] for bill in question.bills if bill in self.kept]))

    def send(self, kind: int, payload: bytes, *, urgent: bool = False) -> bool:
        return True


class FakePeers:
    def __init__(self, validators: list[FakeValidator], archive: FakeArchive) -> None:
        self.links, self.archive = validators, archive
        self.is_cut = False

    def validators(self) -> list[PeerLink]:
        return [] if self.is_cut else list(self.links)

    def node(self, name: str) -> PeerLink | None:
        return self.archive if name == "archive" and not self.archive.is_away else None


class Province:
    """One ledger for all validators; gateways of a story below `path`."""

    def __init__(self, path: Path, **changes: Any) -> None:
        """`changes` are fields of genesis or of its parameters."""
        self.path = path
        bounds = {"block_transactions_max": 500, "block_operations_max": 20_000, "block_bytes_max": 16 << 20}
        self.chain = Chain(genesis(**bounds, **changes))
        self.feed = Feed()
        self.answers = Answers(self.chain.ledger, self.feed)
        self.archive = FakeArchive()
        self.pool: dict[bytes, Transaction] = {}
        self.is_held = False  # no quorum: bundles are taken and nothing happens
        self.running: list[Gateway] = []
        self.peers: dict[str, FakePeers] = {}
        self.now_ms = NOON_MS
        self.channels: dict[str, Channel] = {}  # of gateways that are opened from now on
        self._homes = 0

    # ── the ledger ───────────────────────────────────────────────────────────────────────────────────────────────────

    def receive(self, transactions: list[Transaction]) -> None:
        for transaction in transactions:
            self.pool[transaction.head(self.chain.chain_id).digest()] = transaction
        if not self.is_held:
            asyncio.get_running_loop().call_soon(self.make_block)

    def make_block(self) -> None:
        """A block of what may run, if there is any."""
        parent, chosen = self.chain.ledger.parent(), []
        for transaction in self.pool.values():
            try:
                verify_transaction(parent, receive_transaction(self.chain.chain_id, transaction), signature_holds)
                chosen.append(transaction)
            except BlockInvalid:
                continue
        self.pool.clear()
        if chosen:
            self.block(chosen)

    def block(self, transactions: list[Transaction] | None = None) -> None:
        self.chain.block(transactions or [])
        self.feed.publish(self.chain.height)

    def run(self, organisation: str, *operations: Any, **how: Any) -> list[str]:
        codes = self.chain.run(organisation, *operations, **how)
        self.feed.publish(self.chain.height)
        return codes

    def seal(self, **how: Any) -> None:
        assert self.chain.run_seal(self.chain.seal(**how)) == "recorded"
        self.feed.publish(self.chain.height)

    def hold(self) -> None:
        self.is_held = True

    def go_on(self) -> None:
        self.is_held = False
        self.make_block()

    def recorded_bills(self) -> list[IssueBill | ReverseBill]:
        found = []
        for height in range(1, self.chain.height + 1):
            view = self.chain.view(height)
            operations = [entry.operation for own in view.received for entry in own.transaction.entries]
            found += [
                operation
                for operation, outcome in zip(operations, view.outcomes, strict=True)
                if outcome.code == "recorded" and isinstance(operation, IssueBill | ReverseBill)
            ]
        return found

    def codes(self) -> list[str]:
        return [
            outcome.code for height in range(1, self.chain.height + 1) for outcome in self.chain.view(height).outcomes
        ]

    # ── gateways ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def open(self, name: str = "hospital-a", copy_of: Path | None = None, **changes: Any) -> Gateway:
        """A gateway, not yet begun. `copy_of`: its data are a copy, as a crash leaves them."""
        organisation = name.removesuffix("-2")
        self._homes += 1
        home = self.path / f"{name}-{self._homes}"
        if copy_of is not None:
            shutil.copytree(copy_of, home / "gateway", ignore=shutil.ignore_patterns("LOCK"))
        else:
            Database.create(home / "gateway").close()
        fields: dict[str, Any] = {
            "name": name,
            "kind": "gateway",
            "organisation": organisation,
            "listen": None,
            "api": None,
            "api_tls": False,
            "operations": Address("127.0.0.1", 1),
            "peers": [],
            "data_dir": home,
            "places": PLACES.get(organisation, []),
            "lease_count": 1000,
            "lease_threshold": 10,
            "transaction_window_blocks": 100,
            "office": Office("archive", "finance-city"),
        }
        validators = [FakeValidator(self, node, organisation) for node in VALIDATORS]
        peers = FakePeers(validators, self.archive)
        gateway = Gateway(
            NodeConfig(**{**fields, **changes}),
            self.chain.genesis,
            unit_key=key_of(f"{organisation}/unit"),
            mac_key=MAC_KEYS.get(organisation, b"m" * 32),
            storage_key=STORAGE_KEY,
            peers=peers,
            now_ms=lambda: self.now_ms,
            channels=self.channels,
        )
        self.running.append(gateway)
        self.peers[name] = peers
        return gateway

    async def start(self, name: str = "hospital-a", **changes: Any) -> Gateway:
        """A gateway that has its leases."""
        gateway = self.open(name, **changes)
        gateway.begin()
        if not self.peers[name].is_cut and not self.is_held:
            await until(lambda: not gateway.not_ready())
        return gateway

    async def crash(self, gateway: Gateway, **changes: Any) -> Gateway:
        """What is on the disk now, opened by a new process; the old one is gone."""
        self.running.remove(gateway)
        path = gateway.store.path
        copy = self.path / f"crashed-{self._homes}"
        await gateway.store.between_writes(lambda: copy_still(path, copy))
        await gateway.stop()
        return self.open(gateway.name, copy_of=copy, **changes)

    async def stop(self) -> None:
        for gateway in self.running:
            await gateway.stop()


def copy_still(path: Path, copy: Path) -> None:
    """The files of one moment: again if LevelDB tidied up meanwhile."""
    for _ in range(100):
        before = sorted(path.iterdir())
        with contextlib.suppress(shutil.Error):
            shutil.copytree(path, copy, ignore=shutil.ignore_patterns("LOCK"))
            if sorted(path.iterdir()) == before:
                return
        shutil.rmtree(copy)
    raise AssertionError("never still")


async def until(condition: Callable[[], bool]) -> None:
    """Let the loop go on until something is so."""
    async with asyncio.timeout(PATIENCE_S):
        while not condition():  # noqa: ASYNC110 - what is waited for is told to nobody
            await asyncio.sleep(0.002)


async def sealed(province: Province, gateway: Gateway, standing: Standing) -> Standing:
    """The standing after the office sealed all."""
    recorded = await gateway.wait(standing, PATIENCE_S, "recorded")
    province.seal()
    assert recorded.status in ("recorded", "sealed")
    return await gateway.wait(standing, PATIENCE_S)


def bill(business_no: str = "B-1", total_fen: int = 12_345, **changes: Any) -> BillRequest:
    return request(business_no, total_fen, **changes)
