"""Who calls, when, and what it is told; and afterwards whether the chain agrees. RELIABILITY 5, "history".

The chain itself gives the order of what happened, so no search is needed: a model of a page, which shares no code with
the ledger, is led through the blocks as an archive shows them, and each call is looked up in what came out.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx2

from tests.network.running import Network, bill_request

WAIT_S = 20  # for a bill to be final, before a cashier goes on
CALL_TIMEOUT_S = 25.0
REVERSED_EVERY = 5
TOTAL_FEN = 10_000
PAGE = 200


@dataclass(slots=True)
class Call:
    """One operation of a client. What it has not heard it does not know: such an operation may be in or out."""

    organisation: str
    kind: str  # IssueBill, ReverseBill
    business_no: str
    total_fen: int
    called_ms: int
    called_height: int  # the highest that any client had been told of
    returned_ms: int = 0  # 0: it never did
    operation: str = ""  # its digest; empty: unknown
    bill: str = ""
    height: int = 0  # that it was told; 0: it was queued, or nothing was heard


class Recorder:
    """The calls of all clients of a network, the highest height that any of them was told of, and the blocks read."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.blocks: list[dict[str, Any]] = []
        self.height = 0
        self._lock = threading.Lock()

    def begin(self, organisation: str, kind: str, business_no: str, total_fen: int) -> Call:
        with self._lock:
            call = Call(organisation, kind, business_no, total_fen, _now_ms(), self.height)
            self.calls.append(call)
            return call

    def end(self, call: Call, answer: dict[str, Any]) -> None:
        with self._lock:
            call.returned_ms = _now_ms()
            call.operation, call.bill = answer["operation"], answer["bill_id"]
            call.height = answer.get("height") or 0
            self.height = max(self.height, call.height)


class Cashier(threading.Thread):
    """Issues bill after bill at one gateway, until it is `over`. One that waits goes on when a bill is final, and
    reverses some; one that does not goes on with the number alone, as a counter does that never waits for the province."""

    def __init__(
        self, network: Network, gateway: str, recorder: Recorder, number: int, pause_s: float = 0.0, waits: bool = True
    ) -> None:
        super().__init__(name=f"cashier {gateway} {number}", daemon=True)
        self._client = _client(network, gateway)
        self._organisation, self._recorder = network.nodes[gateway]["organisation"], recorder
        self._place = "B01" if gateway == "hospital-b" else "A01"
        self._prefix, self._pause_s = f"{gateway}-{number}-{_now_ms()}", pause_s
        self._headers = {"Prefer": f"wait={WAIT_S}"} if waits else {}
        self.over = threading.Event()
        self.refusals: list[str] = []  # codes: of a busy or cut-off gateway; at most one a call

    def run(self) -> None:
        done = 0
        while not self.over.is_set():
            done += 1
            bill = self._issue(f"{self._prefix}-{done}", TOTAL_FEN + done)
            if bill and self._headers and done % REVERSED_EVERY == 0:
                self._reverse(bill, TOTAL_FEN + done)
            self.over.wait(self._pause_s)
        self._client.close()

    def _issue(self, business_no: str, total_fen: int) -> str:
        call = self._recorder.begin(self._organisation, "IssueBill", business_no, total_fen)
        body = bill_request(business_no, total_fen, place_code=self._place)
        return self._carry_out(call, "/bills", body)

    def _reverse(self, bill: str, total_fen: int) -> None:
        call = self._recorder.begin(self._organisation, "ReverseBill", f"red {bill}", -total_fen)
        self._carry_out(call, f"/bills/{bill}/reversal", {"reason": "重复收费", "operator": "收费员01"})

    def _carry_out(self, call: Call, path: str, body: dict[str, Any]) -> str:
        try:
            answer = self._client.post(path, json=body, headers=self._headers)
        except httpx2.HTTPError as error:
            self.refusals.append(type(error).__name__)
            self.over.wait(0.2)
            return ""
        if answer.status_code not in (200, 201, 202):
            self.refusals.append(str(answer.json().get("code")))
            self.over.wait(0.2)
            return ""
        self._recorder.end(call, answer.json())
        return call.bill


class Load:
    """Cashiers at work; at each gateway the first waits for its bills, the second does not, and so on.

    `with Load(network, ["hospital-a"]) as load: …`, then `load.verify()`.

    `recorder`: of the network, if others worked there before.
    """

    def __init__(
        self,
        network: Network,
        gateways: Sequence[str],
        cashiers: int = 2,
        pause_s: float = 0.02,
        recorder: Recorder | None = None,
    ) -> None:
        self.network, self.recorder = network, recorder or Recorder()
        self._began = len(self.recorder.calls)
        self.cashiers = [
            Cashier(network, gateway, self.recorder, number, *((0.1, False) if number % 2 else (pause_s, True)))
            for gateway in gateways
            for number in range(cashiers)
        ]

    @property
    def calls(self) -> list[Call]:
        """Those of this load."""
        return self.recorder.calls[self._began :]

    @property
    def recorded(self) -> list[Call]:
        """Those of this load that were told their block."""
        return [call for call in self.calls if call.height]

    def __enter__(self) -> Load:
        for cashier in self.cashiers:
            cashier.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.leave()

    def leave(self) -> None:
        for cashier in self.cashiers:
            cashier.over.set()
        for cashier in self.cashiers:
            cashier.join(CALL_TIMEOUT_S + 5)

    def verify(self) -> Verdict:
        """What was promised is there, once. Raises AssertionError naming what is not."""
        self.leave()
        blocks = self.recorder.blocks
        wanted = {call.operation for call in self.recorder.calls if call.operation}
        wanted -= {entry["operation"] for block in blocks for entry in operations_of(block)}

        def all_there() -> bool:
            for block in read_blocks(self.network, len(blocks)):
                blocks.append(block)
                wanted.difference_update(entry["operation"] for entry in operations_of(block))
            return not wanted

        self.network.until(all_there, "all that was promised is in a block", 60)
        return verify_history(self.recorder.calls, blocks)


# ── the chain, as an archive shows it ────────────────────────────────────────────────────────────────────────────────


def read_blocks(network: Network, above: int, archive: str = "archive") -> Iterator[dict[str, Any]]:
    """Every block above a height, in order, with its transactions and what became of each."""
    auditor = network.api(archive, "auditor")
    top = auditor.get("/blocks", params={"limit": 1}).json()["data"]
    for height in range(above + 1, (top[0]["height"] if top else 0) + 1):
        answer = auditor.get(f"/blocks/{height}")
        assert answer.status_code == 200, answer.text
        yield answer.json()


def operations_of(block: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for transaction in block["body"]:
        for entry in transaction["operations"]:
            yield {**entry, "organisation": transaction["organisation"]}


# ── the model ────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(slots=True)
class Done:
    """An operation that took effect."""

    height: int
    time_ms: int
    organisation: str
    kind: str
    bill: str
    total_fen: int


@dataclass(slots=True)
class Model:
    """What hospitals did, by the rules of DOMAIN and nothing of the ledger's code."""

    height: int = 0
    digest: str = ""
    time_ms: int = 0
    done: dict[str, Done] = field(default_factory=dict)  # operation -> what it did
    bills: dict[str, tuple[str, int]] = field(default_factory=dict)  # bill -> (issuer, total)
    reversed: set[str] = field(default_factory=set)
    businesses: set[tuple[str, str]] = field(default_factory=set)  # (issuer, MAC of the hospital's number)
    leases: list[tuple[str, str, str, int, int]] = field(default_factory=list)  # issuer, place, code, first, count

    def follow(self, block: dict[str, Any]) -> None:
        """The next block. Raises AssertionError for whatever no ledger may do."""
        height = block["height"]
        assert height == self.height + 1, f"block {height} after {self.height}"
        assert not self.digest or block["header"]["parent"] == self.digest, f"block {height} follows another one"
        assert block["time_ms"] > self.time_ms, f"block {height}: its time does not grow"
        assert len(set(block["signed_by"])) == 3, f"block {height} is signed by {block['signed_by']}"
        self.height, self.digest, self.time_ms = height, block["digest"], block["time_ms"]
        for entry in operations_of(block):
            if entry["code"] == "recorded":
                self._take(entry)

    def _take(self, entry: dict[str, Any]) -> None:
        organisation, kind, content = entry["organisation"], entry["type"], entry["content"]
        assert entry["operation"] not in self.done, f"{kind} {entry['operation']} took effect twice"
        if kind == "TakeLease":
            first, count = content["first"], content["count"]
            code, place = content["range"]["code"], content["place"]
            assert not any(
                other == code and first < start + size and start < first + count
                for _issuer, _place, other, start, size in self.leases
            ), f"numbers from {first} on are leased twice"
            self.leases.append((organisation, place, code, first, count))
        elif kind in ("IssueBill", "ReverseBill"):
            self._take_bill(organisation, kind, content)
        bill, total = content.get("bill", ""), content.get("total_fen", 0)
        self.done[entry["operation"]] = Done(self.height, self.time_ms, organisation, kind, bill, total)

    def _take_bill(self, organisation: str, kind: str, content: dict[str, Any]) -> None:
        bill, code, number = content["bill"], content["bill"][:8], int(content["bill"][8:])
        assert bill not in self.bills, f"number {bill} serves two bills"
        assert any(
            (issuer, place, kind_code) == (organisation, content["place"], code) and first <= number < first + count
            for issuer, place, kind_code, first, count in self.leases
        ), f"{bill} lies in no lease of {organisation}"
        if kind == "IssueBill":
            business = (organisation, content["business_mac"])
            assert business not in self.businesses, f"{bill} is a second bill for one business"
            self.businesses.add(business)
        else:
            original = content["original"]
            assert original in self.bills, f"{bill} reverses {original}, which there is not"
            assert original not in self.reversed, f"{original} is reversed twice"
            assert self.bills[original] == (organisation, -content["total_fen"]), f"{bill} reverses another sum"
            self.reversed.add(original)
        self.bills[bill] = (organisation, content["total_fen"])


@dataclass(frozen=True, slots=True)
class Verdict:
    """Counts of a history that holds."""

    blocks: int
    acknowledged: int  # recorded as final, or kept by a gateway
    unknown: int  # never answered
    unknown_in: int  # of those, how many took effect


def verify_history(calls: Sequence[Call], blocks: Sequence[dict[str, Any]]) -> Verdict:
    """Each acknowledged operation took effect once, between call and return; nothing else did.

    Raises AssertionError. Blocks come from height 1 on.
    """
    model = Model()
    for block in blocks:
        model.follow(block)
    claimed = set()
    for call in calls:
        if not call.operation:
            continue
        done = model.done.get(call.operation)
        assert done is not None, f"lost: {call}"
        assert (done.organisation, done.kind, done.bill, done.total_fen) == (
            call.organisation,
            call.kind,
            call.bill,
            call.total_fen,
        ), f"{call} became {done}"
        assert call.operation not in claimed, f"two calls were promised one operation: {call}"
        claimed.add(call.operation)
        assert call.called_height < done.height, f"in a block that was final before the call: {call}, {done}"
        assert call.called_ms <= done.time_ms, f"in a block older than the call: {call}, {done}"
        if call.height:
            assert call.height == done.height, f"told another block: {call}, {done}"
            assert done.time_ms <= call.returned_ms, f"acknowledged before its block: {call}, {done}"
    unknown = [call for call in calls if not call.operation]
    strange = [
        done
        for operation, done in model.done.items()
        if done.kind in ("IssueBill", "ReverseBill") and operation not in claimed
    ]
    wished = [(call.organisation, call.kind, call.total_fen) for call in unknown]
    for done in strange:
        wish = (done.organisation, done.kind, done.total_fen)
        assert wish in wished, f"nobody asked for {done}"
        wished.remove(wish)
    return Verdict(len(blocks), len(claimed), len(unknown), len(strange))


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _client(network: Network, gateway: str) -> httpx2.Client:
    shared = network.api(gateway)
    return httpx2.Client(base_url=shared.base_url, headers=shared.headers, timeout=CALL_TIMEOUT_S, trust_env=False)
