"""Who asks something of the ledger: gateways that issue and reverse, the office that seals, members that change the set.

L1 - L4 of the catalogue: the same again, through another node, one business number twice, contradictory operations under
way together, transactions that are invalid or far too large. And L5: money, right and wrong (`tests/money/draws.py`, `wishes.py`). What was
asked is kept, for the checkers.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from functools import partial
from hashlib import sha256
from typing import TYPE_CHECKING

from chain import keyspace
from chain.operation import (
    AccountRef,
    AddKey,
    ApproveChange,
    EndKey,
    IssueBill,
    Operation,
    Payments,
    ProposeChange,
    RangeRef,
    Renew,
    ReportUnused,
    ReverseBill,
    SealBills,
    SealSegment,
    SeatChange,
    TakeLease,
    operation_digest,
)
from chain.records import UNIT, ChangeBody, WatermarkBody
from chain.signature import ED25519
from chain.transaction import Entry, ReceivedTransaction, Transaction, key_id, receive_transaction
from chain.validators import max_faulty
from tests.money.draws import Draws
from tests.simulator.province import (
    BASE,
    CODE,
    GENESIS_MS,
    HOSPITALS,
    OFFICE,
    PLACES,
    SPARES,
    TODAY,
    member_name,
    vote_key,
)
from tests.simulator.wishes import Wishes

if TYPE_CHECKING:
    from tests.simulator.world import World

LEASE_COUNT = 100_000
LOOK_AGAIN_MS = 700
MONEY_RARER = 6  # than bills: a slow network gets a few transactions a second done
MONEY_AT_ONCE = 6
WISHES_AT_ONCE = 6
ATTEMPTS_MAX = 12  # at a change or renewal


class Clients:
    def __init__(self, world: World) -> None:
        self.world, self.draw = world, world.draw
        self.asked: dict[bytes, ReceivedTransaction] = {}  # digest -> every transaction that anybody signed rightly
        self.next = {hospital: BASE[hospital] for hospital in HOSPITALS}
        self.issued: dict[str, list[IssueBill]] = {hospital: [] for hospital in HOSPITALS}
        self.business = 0
        self.nonce = 0
        self.generation: dict[int, int] = {}  # member -> of its newest vote key
        self.unit_keys: dict[str, list[str]] = {}  # organisation -> names of its unit keys, the one in use last
        self.money = Draws(random.Random(world.options.seed), HOSPITALS)
        self.wishes = Wishes(world.options.seed, world.checks.reference.money, HOSPITALS)

    # ── signing and sending ──────────────────────────────────────────────────────────────────────────────────────────

    def transaction(self, organisation: str, *entries: Entry, key: str = "") -> ReceivedTransaction:
        world = self.world
        self.nonce += 1
        name = key or self.unit_keys.get(organisation, [f"{organisation}/unit"])[-1]
        until = world.best_height() + 100 + self.nonce % 150
        public = world.signers.public(name)
        unsigned = Transaction(organisation, key_id(public), until, list(entries), ED25519, bytes(64))
        message = unsigned.head(world.chain_id).digest()
        signed = Transaction(
            organisation, key_id(public), until, list(entries), ED25519, world.signers.sign(name)(message)
        )
        received = receive_transaction(world.chain_id, signed)
        self.asked[received.digest] = received
        return received

    def ask(self, organisation: str, *operations: Operation, key: str = "") -> ReceivedTransaction:
        """Sign operations and hand them to a node or two."""
        received = self.transaction(organisation, *(Entry(False, operation) for operation in operations), key=key)
        self.send(received)
        return received

    def send(self, received: ReceivedTransaction) -> None:
        nodes = self.world.running()
        if nodes:
            for node in self.draw.sample(nodes, min(len(nodes), self.draw.choice([1, 1, 2]))):
                node.submit(received)

    # ── hospitals and their office ───────────────────────────────────────────────────────────────────────────────────

    def begin(self) -> None:
        for hospital in HOSPITALS:
            ref = RangeRef(hospital, CODE, BASE[hospital])
            lease = TakeLease(ref, BASE[hospital], LEASE_COUNT, hospital, PLACES[hospital])
            self._until_recorded(hospital, [lease], keyspace.lease(hospital, CODE, BASE[hospital]), 0)
            accounts = self.money.opening()
            last = keyspace.account(AccountRef(hospital, accounts[-1].account))
            self._until_recorded(hospital, accounts, last, 0)
            lending, hold = self.wishes.lending_of(hospital, GENESIS_MS)
            self._until_recorded(hospital, lending, keyspace.credit_hold(hospital, hold), 0)
        self._seal_later()
        if self.world.options.change_every_ms:
            self.world.after(self.world.spread(self.world.options.change_every_ms), self._change_something)
        self.work()
        self.move_money()

    def _until_recorded(self, organisation: str, operations: Sequence[Operation], key: bytes, attempt: int) -> None:
        ledger = self.world.best_ledger()
        if attempt >= ATTEMPTS_MAX or (ledger is not None and ledger.state.entry(key) is not None):
            return
        self.ask(organisation, *operations)
        self.world.after(LOOK_AGAIN_MS, partial(self._until_recorded, organisation, operations, key, attempt + 1))

    def work(self) -> None:
        if self.world.is_healed:
            return
        self.one()
        self.world.after(self.world.spread(self.world.options.submit_every_ms), self.work)

    def move_money(self) -> None:
        """Transfers, holds, captures and what goes wrong with them, several under a signature; one in ten is asked twice."""
        if self.world.is_healed:
            return
        ledger = self.world.best_ledger()
        if ledger is not None:
            drawn = [self.money.operation(ledger.head.time_ms) for _ in range(MONEY_AT_ONCE)]
            drawn += [self.wishes.wish() for _ in range(WISHES_AT_ONCE)]
            drawn += self.wishes.visit()
            for hospital in HOSPITALS:
                operations = [operation for signer, operation in drawn if signer == hospital]
                for _ in range(self.draw.choice([1] * 9 + [2]) if operations else 0):
                    self.ask(hospital, *operations)
        self.world.after(self.world.spread(MONEY_RARER * self.world.options.submit_every_ms), self.move_money)

    def one(self) -> None:
        """One thing that a hospital does, right or wrong."""
        draw, world = self.draw, self.world
        hospital = draw.choice(HOSPITALS)
        what = draw.random()
        if what < 0.55 or not self.issued[hospital]:
            self.ask(hospital, *(self.bill(hospital) for _ in range(draw.choice([1, 1, 1, 2, 5]))))
        elif what < 0.63 and self.asked:  # L1, L2
            self.send(self.asked[draw.choice(list(self.asked)[-20:])])
            world.sometimes["L1 the same transaction again, through another node"] += 1
        elif what < 0.70:  # L2: the same operation under another signature
            self.ask(hospital, draw.choice(self.issued[hospital][-8:]))
        elif what < 0.78:  # L3: one business number, two bills
            bill = self.bill(hospital)
            twin = self.bill(hospital, business=bill.business_mac)
            self.ask(hospital, bill)
            self.ask(hospital, twin)
            world.sometimes["L3 one business number twice at once"] += 1
        elif what < 0.88:  # L4: a reversal, and often a second one of the same bill at the same time
            original = draw.choice(self.issued[hospital][-8:])
            for _ in range(draw.choice([1, 2])):
                self.ask(hospital, self.reversal(hospital, original))
        elif what < 0.92:
            number = self._number(hospital)
            self.ask(hospital, ReportUnused(number, BASE[hospital], "lost"))
        elif what < 0.96:
            self._linked(hospital)
        else:
            self._nonsense(hospital)

    def bill(self, hospital: str, business: bytes | None = None) -> IssueBill:
        self.business += 1
        total = self.draw.randint(1, 50_000)
        fund = self.draw.randint(0, total)
        operation = IssueBill(
            bill=self._number(hospital),
            kind=1,
            place=PLACES[hospital],
            business_date=TODAY,
            issued_ms=GENESIS_MS,
            total_fen=total,
            payments=Payments(fund, 0, 0, total - fund),
            self_paid_fen=0,
            self_funded_fen=0,
            lease_first=BASE[hospital],
            business_mac=business or sha256(b"business %d" % self.business).digest(),
            content_mac=sha256(b"content %d" % self.business).digest(),
            details_root=sha256(b"details %d" % self.business).digest(),
        )
        self.issued[hospital].append(operation)
        return operation

    def reversal(self, hospital: str, original: IssueBill) -> ReverseBill:
        parts = original.payments
        return ReverseBill(
            bill=self._number(hospital),
            original=original.bill,
            place=original.place,
            business_date=TODAY,
            issued_ms=GENESIS_MS,
            total_fen=-original.total_fen,
            payments=Payments(-parts.insurance_fund_fen, 0, 0, -parts.cash_fen),
            self_paid_fen=0,
            self_funded_fen=0,
            lease_first=BASE[hospital],
            details_root=sha256(b"reversal %d" % self.business).digest(),
            persons=[],
        )

    def _number(self, hospital: str) -> str:
        serial = self.next[hospital]
        self.next[hospital] += 1
        return f"{CODE}{serial:010d}"

    def _linked(self, hospital: str) -> None:
        """Two operations that hold or fall together."""
        original = self.draw.choice(self.issued[hospital][-8:])
        entries = [Entry(True, self.reversal(hospital, original)), Entry(False, self.bill(hospital))]
        self.send(self.transaction(hospital, *entries))

    def _nonsense(self, hospital: str) -> None:
        """What no honest node takes in: another's signature, a spoiled one, an expired one."""
        world = self.world
        good = self.transaction(hospital, Entry(False, self.bill(hospital)))
        del self.asked[good.digest]
        transaction = good.transaction
        kind = self.draw.choice(["signature", "key", "expired", "large"])
        if kind == "signature":
            bad = Transaction(hospital, transaction.key_id, 200, transaction.entries, ED25519, bytes(64))
        elif kind == "key":
            other = key_id(world.signers.public(f"{OFFICE}/unit"))
            bad = Transaction(hospital, other, 200, transaction.entries, ED25519, transaction.signature)
        elif kind == "expired":
            bad = Transaction(hospital, transaction.key_id, 0, transaction.entries, ED25519, transaction.signature)
        else:
            entries = transaction.entries * 100
            bad = Transaction(hospital, transaction.key_id, 200, entries, ED25519, transaction.signature)
        self.send(receive_transaction(world.chain_id, bad))
        world.sometimes[f"L4 nonsense: {kind}"] += 1

    def _seal_later(self) -> None:
        if not self.world.is_healed:
            self.world.after(self.world.spread(1_500), self._seal)

    def _seal(self) -> None:
        ledger = self.world.best_ledger()
        if ledger is not None and ledger.head.height > 1:
            upto = ledger.head.height
            marks = [ledger.state.get(keyspace.watermark(OFFICE, hospital), WatermarkBody) for hospital in HOSPITALS]
            segments = [
                SealSegment(hospital, mark.upto if mark else 0, upto)
                for hospital, mark in zip(HOSPITALS, marks, strict=True)
                if (mark.upto if mark else 0) < upto
            ]
            if segments:
                header = ledger.head.digest
                self.ask(OFFICE, SealBills(segments, header, [], []), key=f"{OFFICE}/seal")
        self._seal_later()

    # ── keys and members ─────────────────────────────────────────────────────────────────────────────────────────────

    def _change_something(self) -> None:
        if self.world.is_healed:
            return
        if self.draw.random() < 0.25:
            self._rotate_unit_key()
        else:
            self._change_set()
        self.world.after(self.world.spread(self.world.options.change_every_ms), self._change_something)

    def _rotate_unit_key(self) -> None:
        """The next key is added; the former one ends a little later."""
        organisation = self.draw.choice([*HOSPITALS, OFFICE])
        names = self.unit_keys.setdefault(organisation, [f"{organisation}/unit"])
        former, name = names[-1], f"{organisation}/unit-{len(names)}"
        height = self.world.best_height()
        add = AddKey(self.world.signers.public(name), UNIT, ED25519, height + 3)
        received = self.ask(organisation, add)
        self.world.after(LOOK_AGAIN_MS, partial(self._end_former_key, organisation, former, name, 0))
        assert received.transaction.organisation == organisation

    def _end_former_key(self, organisation: str, former: str, name: str, attempt: int) -> None:
        ledger = self.world.best_ledger()
        public = self.world.signers.public(name)
        if ledger is None or ledger.state.entry(keyspace.key(organisation, key_id(public))) is None:
            if attempt < ATTEMPTS_MAX and not self.world.is_healed:
                self.world.after(LOOK_AGAIN_MS, partial(self._end_former_key, organisation, former, name, attempt + 1))
            return
        self.world.sometimes["P9 a unit key changes"] += 1
        height = ledger.head.height
        self.ask(organisation, EndKey(key_id(self.world.signers.public(former)), height + 8), key=former)
        self.world.after(2_000, partial(self.unit_keys[organisation].append, name))

    def _change_set(self) -> None:
        """Propose another set; at any time no more than f of it are liars, forgetful or away."""
        world, draw = self.world, self.draw
        ledger = world.best_ledger()
        if ledger is None:
            return
        newest = ledger.following
        seated = [int(member.organisation[-2:]) for member in newest.members]
        everybody = range(world.options.n + SPARES)
        outside = [number for number in everybody if number not in seated]
        changes: dict[int, list[bytes]] = {}
        kind = draw.choice(["add", "remove", "replace", "rotate"])
        if kind in ("add", "replace") and outside:
            changes[draw.choice(outside)] = []
        if kind == "rotate" or not changes:
            changes[draw.choice(seated)] = []
        for number in changes:
            self.generation[number] = self.generation.get(number, 0) + 1
            changes[number] = [world.signers.public(vote_key(number, self.generation[number]))]
        if kind in ("remove", "replace"):
            gone = draw.choice([number for number in seated if number not in changes] or seated)
            changes[gone] = []
        after = {number for number in {*seated, *changes} if changes.get(number, [b""])}
        faulty = [number for number in after if number in world.faulty]
        if len(after) < 4 or len(faulty) > max_faulty(len(after)):
            return
        for number, public in changes.items():
            if public:
                world.note_key(number, public[0])
        seats = [SeatChange(member_name(number), changes[number]) for number in sorted(changes)]
        operation = ProposeChange(newest.epoch, seats, ledger.head.height + 100)
        proposer = draw.choice([number for number in seated if number not in world.options.liars])
        self.ask(member_name(proposer), operation)
        world.sometimes[f"P9 a change is proposed: {kind}"] += 1
        approvers = [number for number in seated if number != proposer]
        world.after(LOOK_AGAIN_MS, partial(self._approve, operation_digest(operation), approvers, 0))

    def _approve(self, change: bytes, approvers: list[int], attempt: int) -> None:
        ledger = self.world.best_ledger()
        if attempt >= ATTEMPTS_MAX or ledger is None:
            return
        body = ledger.state.get(keyspace.change(change), ChangeBody)
        if body is not None and body.epoch:
            return
        if body is not None:
            for number in approvers:
                if member_name(number) not in body.approvals:
                    self.ask(member_name(number), ApproveChange(change))
        self.world.after(LOOK_AGAIN_MS, partial(self._approve, change, approvers, attempt + 1))

    def renew(self, number: int, renewal: bytes) -> None:
        """The organisation of a learner sends its renewal until it is recorded."""
        key = keyspace.renewal_number(member_name(number), renewal)
        self._until_recorded(member_name(number), [Renew(renewal)], key, 0)
