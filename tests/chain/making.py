"""What the stories of this folder are told with: a small province, a ledger in memory, and who signs for whom.

Everything is made from fixed seeds, so that a failure comes back. Nothing here is fast enough for a benchmark or slow
enough for a coffee: a block of one bill takes about two milliseconds.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta, timezone
from hashlib import sha256
from typing import Any, cast

from chain import keyspace
from chain.bill import BillRequest, Charge, Item, Payer, PaymentParts, Visit
from chain.block import Block, FinalBlock, Header
from chain.block_log import BlockLog
from chain.codec import encode
from chain.details import Details, business_mac, content_mac, details_of, details_root, open_fields, reversal_details
from chain.execute import Execution, execute_block
from chain.final_view import FinalView
from chain.genesis import Genesis, GenesisKey, GenesisOrganisation, GenesisRange
from chain.ledger import Ledger, signature_holds, start_store
from chain.operation import (
    ApproveChange,
    IssueBill,
    Operation,
    Payments,
    ProposeChange,
    RangeRef,
    ReverseBill,
    SealBills,
    SealException,
    SealSegment,
    SeatChange,
    TakeLease,
    operation_digest,
)
from chain.proof import CurrentRecord, Proof, SealProof
from chain.proving import recorded_at, set_changes
from chain.records import SEAL, UNIT, BillBody, DayBookBody, ParametersBody, RangeBody, WatermarkBody
from chain.signature import SigningKey
from chain.transaction import Entry, Transaction, receive_transaction, sign_transaction
from chain.validators import COMMIT, Certificate, Member, SeatSignature, ValidatorSet, vote_message

BEIJING = timezone(timedelta(hours=8))
NOON_MS = 1_780_286_400_000  # 2026-06-01 12:00:00 +08:00
TODAY = 20260601
MAC_KEYS = {"hospital-a": b"a" * 32, "hospital-b": b"b" * 32}
PLACES = {"hospital-a": ["A01", "A02"], "hospital-b": ["B01"]}
VALIDATORS = ("bigdata", "finance", "health", "insurance")
VOTE_KEYS_MAX = 50  # of an organisation, one after the other
CODE = "33060126"  # region 33, classification 06, kind 01, year 26


def key_of(name: str) -> SigningKey:
    """`finance/vote`, `hospital-a/unit`, `finance-city/seal`, or any other name: always the same key."""
    return SigningKey.from_seed(sha256(f"medbill tests {name}".encode()).digest())


def at(text: str) -> int:
    """Milliseconds of a moment in the ledger's own zone: `at("2026-12-31 23:59:59.999")`."""
    return round(datetime.fromisoformat(text).replace(tzinfo=BEIJING).timestamp() * 1000)


def parameters(**changes: Any) -> ParametersBody:
    fields: dict[str, Any] = {
        "utc_offset_minutes": 480,
        "region": "33",
        "classification": "06",
        "kinds": [1, 2, 3, 4],
        "heartbeat_ms": 600_000,
        "block_interval_min_ms": 0,
        "block_transactions_max": 50,
        "block_operations_max": 1_200,
        "block_bytes_max": 1 << 20,
        "replay_window": 300,
        "business_days_behind_max": 30,
        "business_ahead_max_ms": 300_000,
        "seal_entries_max": 5,
        "two_persons": [],
    }
    return ParametersBody(**{**fields, **changes})


def genesis(**changes: Any) -> Genesis:
    """Four validators, an office, two hospitals; ranges of all kinds for 2026 and 2027.

    `changes` are fields of Genesis, or of its parameters.
    """
    settled = {name: changes.pop(name) for name in list(changes) if name in ParametersBody.__struct_fields__}
    level = {"finance-city": 2, "hospital-a": 4, "hospital-b": 4}
    supervisor = {"finance-city": "finance", "hospital-a": "finance-city", "hospital-b": "finance-city"}
    kind = {"finance-city": "finance", "hospital-a": "hospital", "hospital-b": "hospital"}
    names = sorted([*VALIDATORS, "finance-city", "hospital-a", "hospital-b"])
    ranges = []
    for year in (26, 27):
        for number in (1, 2, 3, 4):
            code = f"3306{number:02d}{year}"
            ranges += [
                GenesisRange("finance", code, 1, 1_000_000, []),
                GenesisRange("finance-city", code, 1, 400_000, [RangeRef("finance", code, 1)]),
                GenesisRange("hospital-a", code, 1, 100_000, [RangeRef("finance-city", code, 1)]),
                GenesisRange("hospital-b", code, 100_001, 100_000, [RangeRef("finance-city", code, 1)]),
            ]
    fields: dict[str, Any] = {
        "version": 1,
        "name": "small province",
        "created_ms": NOON_MS - 60_000,
        "parameters": parameters(**settled),
        "organisations": [
            GenesisOrganisation(
                name,
                f"Organisation {name}",
                kind.get(name, name),
                "330000" if name in VALIDATORS else "330600",
                level.get(name, 1),
                supervisor.get(name, ""),
                PLACES.get(name, []),
                b"",
            )
            for name in names
        ],
        "keys": [
            *(GenesisKey(name, UNIT, key_of(f"{name}/unit").public) for name in names),
            *(GenesisKey(name, SEAL, key_of(f"{name}/seal").public) for name in ("finance", "finance-city")),
        ],
        "validators": [Member(name, key_of(f"{name}/vote").public) for name in VALIDATORS],
        "ranges": ranges,
    }
    return Genesis(**{**fields, **changes})


def genesis_with(**kinds: str) -> Genesis:
    """The same with organisations more: `insurer_a="insurer"` is `insurer-a`, with a unit key."""
    before = genesis()
    others = {name.replace("_", "-"): kind for name, kind in kinds.items()}
    made = [
        GenesisOrganisation(name, f"Organisation {name}", kind, "330600", 4, "", [], b"")
        for name, kind in others.items()
    ]
    keys = [GenesisKey(name, UNIT, key_of(f"{name}/unit").public) for name in others]
    organisations = sorted([*before.organisations, *made], key=lambda entry: entry.id)
    return genesis(organisations=organisations, keys=[*before.keys, *keys])


def bill_id(serial: int, code: str = CODE) -> str:
    return f"{code}{serial:010d}"


# ── a bill ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def request(business_no: str = "B-1", total_fen: int = 12_345, **changes: Any) -> BillRequest:
    """A bill that its hospital states: half paid by the fund, half in cash."""
    fund = total_fen // 2
    fields: dict[str, Any] = {
        "kind": "outpatient",
        "business_no": business_no,
        "business_time": "2026-06-01T12:00:00+08:00",
        "place_code": "A01",
        "payer": Payer("Synthetic Person", "person", "test", "TEST-000001"),
        "total_fen": total_fen,
        "payments": PaymentParts(insurance_fund_fen=fund, cash_fen=total_fen - fund),
        "charges": [Charge("01", "western medicine", total_fen - 100), Charge("02", "diagnosis", 100)],
        "cashier": "cashier one",
        "items": [Item("02", "D-1", "consultation", 1000, 10_000, 100)],
        "visit": Visit(department="internal medicine", diagnosis="none, this is a test"),
        "checker": "checker two",
    }
    return BillRequest(**{**fields, **changes})


def details(number: str, **changes: Any) -> Details:
    """The private part of `request(**changes)` under a seed that follows from the number."""
    return details_of(number, sha256(number.encode()).digest(), request(**changes))


def issue_bill(
    business_no: str = "B-1",
    *,
    serial: int = 1,
    code: str = CODE,
    issuer: str = "hospital-a",
    total_fen: int = 12_345,
    lease_first: int = 1,
    **changes: Any,
) -> IssueBill:
    """The operation for `request(business_no, total_fen)` under a number. `changes` are fields of IssueBill."""
    number = bill_id(serial, code)
    stated = request(business_no, total_fen)
    fund = total_fen // 2
    fields: dict[str, Any] = {
        "bill": number,
        "kind": int(code[4:6]),
        "place": PLACES.get(issuer, ["A01"])[0],
        "business_date": TODAY,
        "issued_ms": NOON_MS,
        "total_fen": total_fen,
        "payments": Payments(fund, 0, 0, total_fen - fund),
        "self_paid_fen": 10,
        "self_funded_fen": 20,
        "lease_first": lease_first,
        "business_mac": business_mac(MAC_KEYS.get(issuer, b"?" * 32), business_no),
        "content_mac": content_mac(MAC_KEYS.get(issuer, b"?" * 32), stated),
        "details_root": details_root(details(number, business_no=business_no, total_fen=total_fen)),
    }
    return IssueBill(**{**fields, **changes})


def reverse_bill(original: IssueBill, /, *, serial: int, code: str | None = None, **changes: Any) -> ReverseBill:
    """The red bill that takes `original` back, under a number of its own."""
    number = bill_id(serial, code or original.bill[:8])
    parts = original.payments
    private = reversal_details(number, sha256(number.encode()).digest(), "wrong payer", "cashier one", "now")
    fields: dict[str, Any] = {
        "bill": number,
        "original": original.bill,
        "place": original.place,
        "business_date": original.business_date,
        "issued_ms": original.issued_ms,
        "total_fen": -original.total_fen,
        "payments": Payments(-parts.insurance_fund_fen, -parts.personal_account_fen, -parts.other_fen, -parts.cash_fen),
        "self_paid_fen": -original.self_paid_fen,
        "self_funded_fen": -original.self_funded_fen,
        "lease_first": original.lease_first,
        "details_root": details_root(private),
        "persons": [],
    }
    return ReverseBill(**{**fields, **changes})


def linked(*operations: Operation) -> list[Entry]:
    """Entries of which all but the last are joined to the next one."""
    return [Entry(place < len(operations) - 1, operation) for place, operation in enumerate(operations)]


# ── stores in memory ─────────────────────────────────────────────────────────────────────────────────────────────────


class MemoryStore:
    """A `Store` in a dictionary. `lose()` gives what a power cut leaves of it: everything, for all writes are synced."""

    def __init__(self, values: Mapping[bytes, bytes] | None = None) -> None:
        self.values = dict(values or {})

    def get(self, key: bytes) -> bytes | None:
        return self.values.get(key)

    def write(self, puts: Mapping[bytes, bytes], deletes: Iterable[bytes] = (), sync: bool = True) -> None:
        for key in deletes:
            self.values.pop(key, None)
        self.values.update(puts)

    def scan(
        self, prefix: bytes, start: bytes | None = None, limit: int | None = None, reverse: bool = False
    ) -> Iterator[tuple[bytes, bytes]]:
        found = sorted(item for item in self.values.items() if item[0].startswith(prefix))
        if start is not None:
            found = [item for item in found if (item[0] <= start if reverse else item[0] >= start)]
        if reverse:
            found.reverse()
        yield from found[:limit]

    def keys(self, prefix: bytes, start: bytes, limit: int) -> list[bytes]:
        return sorted(key for key in self.values if key.startswith(prefix) and key >= start)[:limit]

    def close(self) -> None:
        pass


class MemoryLog:
    """The part of a block log that a ledger reads."""

    def __init__(self) -> None:
        self.blocks: list[bytes] = []

    @property
    def height(self) -> int:
        return len(self.blocks)

    def read(self, height: int) -> bytes:
        if not 1 <= height <= len(self.blocks):
            raise KeyError(height)
        return self.blocks[height - 1]

    def append(self, height: int, block: bytes, journal_sequence: int) -> None:
        assert height == len(self.blocks) + 1
        self.blocks.append(block)

    def flush(self) -> None:
        pass

    def close(self) -> None:
        pass


# ── a chain ──────────────────────────────────────────────────────────────────────────────────────────────────────────


class Chain:
    """A ledger that grows as the story says: it executes, certifies with three of four votes, logs and adopts."""

    def __init__(self, start: Genesis | None = None, *, indexes: bool = True, ledger: Ledger | None = None) -> None:
        self.genesis = start or genesis()
        if ledger is None:
            store = MemoryStore()
            start_store(store, self.genesis)
            ledger = Ledger(self.genesis, store, cast(BlockLog, MemoryLog()), indexes)
            ledger.load()
        self.ledger = ledger
        self.time_ms = max(NOON_MS, ledger.head.time_ms + 1)
        self._signed = 0  # transactions: no two of them are the same

    @property
    def chain_id(self) -> bytes:
        return self.genesis.digest()

    @property
    def height(self) -> int:
        return self.ledger.head.height

    @property
    def roots(self) -> tuple[int, bytes, bytes]:
        head = self.ledger.head
        return head.height, head.digest, head.state_root

    def sign(
        self,
        organisation: str,
        *operations: Operation,
        entries: list[Entry] | None = None,
        key: SigningKey | None = None,
        valid_until: int | None = None,
    ) -> Transaction:
        """A transaction of `operations` (or of `entries`), by the unit's key unless another is named."""
        self._signed += 1
        until = self.height + 1 + self._signed % 200 if valid_until is None else valid_until
        what = [Entry(False, operation) for operation in operations] if entries is None else entries
        return sign_transaction(self.chain_id, organisation, key or key_of(f"{organisation}/unit"), until, what)

    def execute(self, transactions: Sequence[Transaction], time_ms: int | None = None) -> Execution:
        """The next block worked out, and nothing done with it."""
        received = [receive_transaction(self.chain_id, transaction) for transaction in transactions]
        when = self.time_ms if time_ms is None else time_ms
        return execute_block(self.ledger.parent(), when, "finance", received, signature_holds)

    def block(self, transactions: Sequence[Transaction] = (), time_ms: int | None = None) -> FinalView:
        """The next block, made final."""
        execution = self.execute(transactions, time_ms)
        certificate = certify(execution.header, self.ledger.members)
        view = self.adopt(execution, certificate)
        self.time_ms = execution.header.time_ms + 1000
        return view

    def adopt(self, execution: Execution, certificate: Certificate) -> FinalView:
        block = [received.transaction for received in execution.transactions]
        record = encode(FinalBlock(Block(execution.header, block), certificate))
        self.ledger.log.append(execution.header.height, record, 0)
        self.ledger.log.flush()
        return self.ledger.adopt(execution, certificate)

    def run(self, organisation: str, *operations: Operation, **how: Any) -> list[str]:
        """The outcome codes of one transaction in a block of its own."""
        time_ms = how.pop("time_ms", None)
        return [outcome.code for outcome in self.block([self.sign(organisation, *operations, **how)], time_ms).outcomes]

    def run_linked(self, organisation: str, *operations: Operation) -> list[str]:
        """The same of one chain that holds or falls together."""
        last = len(operations) - 1
        entries = [Entry(number < last, operation) for number, operation in enumerate(operations)]
        return self.run(organisation, entries=entries)

    def lease(
        self,
        issuer: str = "hospital-a",
        count: int = 1000,
        *,
        code: str = CODE,
        place: str | None = None,
        gateway: str | None = None,
    ) -> int:
        """Take the next lease of a hospital's first range; its first number."""
        ref = self.range_of(issuer, code)
        first = self.body(keyspace.number_range(ref), RangeBody).next
        lease = TakeLease(ref, first, count, gateway or issuer, place or PLACES[issuer][0])
        assert self.run(issuer, lease) == ["recorded"]
        return int(first)

    def range_of(self, issuer: str, code: str = CODE) -> RangeRef:
        return RangeRef(issuer, code, 100_001 if issuer == "hospital-b" else 1)

    def seal(
        self,
        issuers: Sequence[str] = ("hospital-a",),
        *,
        office: str = "finance-city",
        upto: int | None = None,
        excepted: Sequence[str] = (),
        released: Sequence[str] = (),
    ) -> SealBills:
        """The seal that the office's sealer would sign now."""
        highest = self.height if upto is None else upto
        segments = []
        for issuer in sorted(issuers):
            mark = self.ledger.state.get(keyspace.watermark(office, issuer), WatermarkBody)
            segments.append(SealSegment(issuer, mark.upto if mark else 0, highest))
        digest = self.ledger.block_digest(highest) if segments else bytes(32)
        exceptions = [SealException(number, "details_missing") for number in sorted(excepted)]
        return SealBills(segments, digest or bytes(32), exceptions, sorted(released))

    def run_seal(self, seal: SealBills, office: str = "finance-city") -> str:
        (code,) = self.run(office, seal, key=key_of(f"{office}/seal"))
        return code

    def change_set(self, *changes: SeatChange, also: Sequence[Transaction] = ()) -> list[str]:
        """Propose a change and let a quorum approve it, all in the next block, after `also`; the outcome codes."""
        newest = self.ledger.following
        asked = sorted(changes, key=lambda change: change.organisation)
        proposal = ProposeChange(newest.epoch, asked, self.height + 100)
        approval = ApproveChange(operation_digest(proposal))
        first, *others = [member.organisation for member in newest.members][: newest.quorum]
        transactions = [*also, self.sign(first, proposal), *(self.sign(name, approval) for name in others)]
        return [outcome.code for outcome in self.block(transactions).outcomes]

    def body(self, key: bytes, kind: Any) -> Any:
        """The body of a record that is there."""
        body = self.ledger.state.get(key, kind)
        assert body is not None, key
        return body

    def bill(self, number: str) -> BillBody:
        return cast(BillBody, self.body(keyspace.bill(number), BillBody))

    def day_book(self, issuer: str = "hospital-a", place: str = "A01", date: int = TODAY) -> DayBookBody:
        return cast(DayBookBody, self.body(keyspace.day_book(issuer, place, date), DayBookBody))

    # ── proofs ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def view(self, height: int) -> FinalView:
        view = self.ledger.final(height)
        assert view is not None
        return view

    def find(self, operation: bytes) -> tuple[FinalView, Header | None, int, int]:
        """(block, header before it, transaction, entry) of an operation that was recorded."""
        place = self.ledger.locate(operation)
        assert place is not None
        height, transaction, index = place
        return self.view(height), self.view(height - 1).header if height > 1 else None, transaction, index

    def proof(
        self, number: str, *, seal: bytes | None = None, current: bool = True, opened: Details | None = None, **how: Any
    ) -> Proof:
        """What a holder gets of a bill. `seal` is the digest of the sealing operation; `how["fields"]` are shown."""
        record = self.ledger.state.record(keyspace.bill(number))
        assert record is not None
        view, parent, place, index = self.find(record.origin)
        (bill,) = recorded_at(view, parent, place, [index])
        return Proof(
            version=1,
            set_changes=set_changes(self.ledger.sets(), self.certified, self.height),
            bill=bill,
            seal=self.seal_proof(seal, number, view.header) if seal else None,
            current=self.current(number) if current else None,
            opened=open_fields(opened, how["fields"]) if opened else [],
        )

    def certified(self, height: int) -> tuple[Header, Certificate]:
        view = self.view(height)
        return view.header, view.certificate

    def seal_proof(self, operation: bytes, number: str, covered: Header) -> SealProof:
        view, parent, place, index = self.find(operation)
        (recorded,) = recorded_at(view, parent, place, [index])
        seal = recorded.entry.operation
        assert isinstance(seal, SealBills)
        if number in seal.released or seal.header == covered.digest():
            return SealProof(recorded, None, [])
        highest = max(segment.upto for segment in seal.segments)
        return SealProof(recorded, self.view(highest).header, self.ledger.history_path(covered.height, highest))

    def current(self, number: str) -> CurrentRecord:
        """The bill's record under the newest header."""
        key = keyspace.bill(number)
        entry, record = self.ledger.state.entry(key), self.ledger.state.record(key)
        assert entry is not None
        assert record is not None
        newest = self.view(self.height)
        return CurrentRecord(entry[0], record, self.ledger.state.path(entry[0]), newest.header, newest.certificate)


def certify(header: Header, members: ValidatorSet, view: int = 0, seats: Sequence[int] | None = None) -> Certificate:
    """Commit votes of `seats` for a header; of the first ones that make a quorum, unless others are named."""
    message = vote_message(header.chain_id, members.epoch, COMMIT, view, header.height, header.digest())
    voting = range(members.quorum) if seats is None else seats
    return Certificate(view, [SeatSignature(seat, vote_key(members.members[seat]).sign(message)) for seat in voting])


def seat(organisation: str, number: int = 1) -> SeatChange:
    """It joins, or votes with another key: its `number`-th."""
    return SeatChange(organisation, [vote_key_of(organisation, number).public])


def no_seat(organisation: str) -> SeatChange:
    return SeatChange(organisation, [])


def vote_key_of(organisation: str, number: int = 1) -> SigningKey:
    return key_of(f"{organisation}/vote" + (f"-{number}" if number > 1 else ""))


def vote_key(member: Member) -> SigningKey:
    """The key of a seat: `health/vote`, or `health/vote-2` and so on after it was changed."""
    for number in range(1, VOTE_KEYS_MAX):
        key = vote_key_of(member.organisation, number)
        if key.public == member.key:
            return key
    raise KeyError(member)


def changed(struct: Any, **fields: Any) -> Any:
    """A copy of a struct with some fields changed."""
    return type(struct)(**{**{name: getattr(struct, name) for name in struct.__struct_fields__}, **fields})


def mac(text: str) -> bytes:
    """32 bytes that stand for some MAC."""
    return hmac.digest(b"any", text.encode(), "sha256")
