"""The four agencies alone, with someone who signs as a hospital would and reads from blocks what became of it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, cast

import httpx2

from chain import keyspace
from chain.genesis import genesis_from_json
from chain.operation import IssueBill, Operation, RangeRef, TakeLease
from chain.records import RangeBody
from chain.rules.bills import bill_code
from chain.rules.context import local_date
from chain.state import body_of
from chain.transaction import Entry, Transaction, receive_transaction, sign_transaction
from node.keystore import load_signing_key
from node.messages import BUNDLE, GetMine, GetRecord, MineAnswer, RecordAnswer, encode_bundle
from node.own_outcomes import outcomes_of
from tests.chain.making import issue_bill
from tests.network.caller import Caller, tls_context
from tests.network.running import VALIDATORS, Network, one_person

VALID_BLOCKS = 1_000
WAIT_MS = 2_000
DEADLINE_S = 30.0
PLACES = {"hospital-a": "A01", "hospital-b": "B01"}


class Agencies(Network):
    """Four validators, up; nobody else runs, so the names of gateways are free for whoever calls."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory, one_person)
        self.genesis = genesis_from_json((self.home / "genesis.json").read_bytes())
        self.chain = self.genesis.digest()
        now_ms = int(time.time() * 1000)
        self.today = local_date(now_ms, self.genesis.parameters.utc_offset_minutes)
        self.code = bill_code("33", "06", 1, self.today)
        self._signed = 0
        self._operations = httpx2.Client(timeout=5, trust_env=False)
        self.up(*VALIDATORS)

    # ── calling ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def config_of(self, node: str) -> Path:
        return self.node_home(node) / "config"

    def dial(self, node: str = "finance") -> Caller:
        """A bare connection."""
        return Caller(self.nodes[node]["peer_port"])

    def call(self, caller: str = "hospital-a", node: str = "finance") -> Caller:
        """A link, up, in the name of a node of the network that does not run."""
        return self.dial(node).shake_hands(tls_context(self.config_of(caller))).say_hello(self.chain_id)

    def ask(self, node: str, path: str) -> httpx2.Response:
        """A node's operations port."""
        return self._operations.get(f"http://127.0.0.1:{self.nodes[node]['operations_port']}{path}")

    def status(self, name: str) -> dict[str, Any] | None:
        try:
            return dict(self.ask(name, "/status").json())
        except httpx2.HTTPError:
            return None

    # ── what nodes count ─────────────────────────────────────────────────────────────────────────────────────────────

    def incidents(self, reason: str, node: str = "finance") -> int:
        return self.counted("medbill_peer_incidents_total", node).get(reason, 0)

    def rejected(self, code: str, node: str = "finance") -> int:
        return self.counted("medbill_mempool_rejected_total", node).get(code, 0)

    def until_incident(self, reason: str, before: int, node: str = "finance") -> None:
        """More than `before` of them."""
        self.until(lambda: self.incidents(reason, node) > before, f"{node} counts {reason}")

    def until_rejected(self, code: str, before: int, node: str = "finance") -> None:
        """One more than `before`."""
        self.until(lambda: self.rejected(code, node) == before + 1, f"{node} counts {code}")

    def height(self, node: str = "finance") -> int:
        status = self.status(node)
        assert status is not None, f"{node} does not answer"
        return int(status["height"])

    # ── transactions ─────────────────────────────────────────────────────────────────────────────────────────────────

    def sign(self, organisation: str, *operations: Operation, **changes: Any) -> Transaction:
        """By the organisation's unit key; `changes`: entries, valid_until, key."""
        self._signed += 1
        key = changes.get("key") or load_signing_key(self.home / "organisations" / organisation / "unit.key")
        entries = changes.get("entries") or [Entry(False, operation) for operation in operations]
        valid_until = changes.get("valid_until", self.height() + VALID_BLOCKS + self._signed % 200)
        return sign_transaction(changes.get("chain", self.chain), organisation, key, valid_until, entries)

    def submit(self, *transactions: Transaction, caller: str = "hospital-a", node: str = "finance") -> None:
        """As a gateway does, over its own link; returns when the node has read it."""
        with self.call(caller, node) as link:
            link.send(BUNDLE, encode_bundle(list(transactions)))
            link.ask(GetMine(2**50, 1, 0), MineAnswer)

    def outcomes(self, transaction: Transaction, caller: str = "hospital-a", node: str = "finance") -> list[str]:
        """Submit, and the codes of its operations in the block that it comes to stand in."""
        height = self.height(node)
        self.submit(transaction, caller=caller, node=node)
        return self.outcomes_since(height, transaction, caller, node)

    def outcomes_since(self, height: int, transaction: Transaction, caller: str, node: str) -> list[str]:
        wanted = receive_transaction(self.chain, transaction).digest
        deadline = time.monotonic() + DEADLINE_S
        with self.call(caller, node) as link:
            while time.monotonic() < deadline:
                answer = cast(MineAnswer, link.ask(GetMine(height + 1, 16, WAIT_MS), MineAnswer))
                for part in answer.parts:
                    height = part.header.height
                    for own in part.transactions:
                        received, outcomes = outcomes_of(own, self.chain)
                        if received.digest == wanted:
                            return [outcome.code for outcome in outcomes]
        raise AssertionError(f"not in a block within {DEADLINE_S} s")

    def next_lease(self, hospital: str = "hospital-a", count: int = 100, node: str = "finance") -> TakeLease:
        """The lease that the hospital may take now."""
        first = next(
            entry.first for entry in self.genesis.ranges if (entry.holder, entry.code) == (hospital, self.code)
        )
        ref = RangeRef(hospital, self.code, first)
        with self.call(hospital, node) as link:
            answer = cast(RecordAnswer, link.ask(GetRecord(keyspace.number_range(ref)), RecordAnswer))
        if answer.current is not None:
            first = body_of(answer.current.record, RangeBody).next
        return TakeLease(ref, first, count, hospital, PLACES[hospital])

    def take_lease(self, hospital: str = "hospital-a", count: int = 100) -> int:
        """First number of a new lease."""
        lease = self.next_lease(hospital, count)
        assert self.outcomes(self.sign(hospital, lease), hospital) == ["recorded"]
        return lease.first

    def issue(self, serial: int, lease_first: int, business_no: str, **changes: Any) -> IssueBill:
        """The public part of a bill of today under a number."""
        return issue_bill(
            business_no,
            serial=serial,
            code=self.code,
            lease_first=lease_first,
            **{"business_date": self.today, "issued_ms": int(time.time() * 1000), **changes},
        )

    # ── whole ────────────────────────────────────────────────────────────────────────────────────────────────────────

    def verify_serving(self, names: tuple[str, ...] = VALIDATORS) -> None:
        """They answer, a good transaction becomes final, all agree."""
        self.take_lease("hospital-b", 1)
        self.until(lambda: self.agreed(names), f"one height and root at {', '.join(names)}")

    def verify_quiet_logs(self) -> None:
        """No fault of this program in a log."""
        for name in VALIDATORS:
            text = (self.node_home(name) / "logs" / "node.log").read_text("utf-8")
            for word in ("Traceback", "handler_failed", "step_failed", "Exception"):
                assert word not in text, f"{name}: {word} in its log: {text[text.index(word) - 200 :][:2000]}"
