"""What must hold in every run (I1 - I13 of the catalogue). Nothing here uses the core: messages and blocks are looked at
as anybody could, over all lives of all honest nodes. Raises Broken.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chain import keyspace
from chain.block import RECORDED, Header
from chain.codec import encode
from chain.execute import Execution
from chain.operation import (
    CaptureCredit,
    CaptureHold,
    HoldCredit,
    PayBackLine,
    PayFromDeposit,
    PlaceOrder,
    RefundPayment,
    RepayLine,
    TakePayment,
    Transfer,
)
from chain.records import AccountBody, DayBookBody
from chain.validators import COMMIT, Certificate, vote_message
from consensus.model import (
    Commit,
    JournalRecord,
    Message,
    NewView,
    Prepare,
    PreparedSaved,
    PrePrepare,
    ProposalSaved,
    Status,
    ViewChange,
    ViewChangeSaved,
    Vote,
)
from tests.money.places import place_ref
from tests.money.steps import ref_of
from tests.simulator.disk import StoredBlock
from tests.simulator.province import BASE, HOSPITALS, PLACES, TODAY, first_store, member_name
from tests.simulator.reference import Contradiction, Reference

if TYPE_CHECKING:
    from tests.simulator.node import Node
    from tests.simulator.world import World

# I9: what a replica may hold, by n
VOTES_PER_MEMBER = 4
EARLY_PER_MEMBER = 2
KNOWN_MAX = 16
FETCHED_MAX = 256
EARLY_EPOCH_PER_MEMBER = 6

WISHED = (PlaceOrder, TakePayment, PayFromDeposit, RefundPayment, HoldCredit, CaptureCredit, RepayLine, PayBackLine)
MONEY_REFUSED = ("hold_expired", "exceeds_credits", "exceeds_debits", "exceeds_transfer")


class Broken(Exception):
    """An invariant does not hold. `verdict` is DIVERGED for a fork, else BROKEN."""

    def __init__(self, verdict: str, detail: str) -> None:
        super().__init__(f"{verdict}: {detail}")
        self.verdict = verdict


class Checks:
    def __init__(self, world: World) -> None:
        self.world = world
        genesis = world.genesis
        self.final: dict[int, bytes] = {0: world.chain_id}  # height -> digest, on a disk of an honest node
        self.unflushed: dict[int, list[tuple[Header, Certificate, Execution]]] = {}  # number -> finalised, in order
        self.acknowledged: dict[int, bytes] = {}  # height -> digest: flushed at an honest node, so it may be spoken of
        self.votes: dict[tuple[int, int, int, int, str], bytes] = {}  # (number, epoch, view, height, kind) -> digest
        self.view_changes: dict[tuple[int, int, int], ViewChange] = {}  # (number, epoch, view) -> what was sent
        self.left: dict[tuple[int, int], int] = {}  # (number, epoch) -> highest view of a ViewChange it sent
        self.reference = Reference(
            sets=[(1, {member.organisation: member.key for member in genesis.validators})],
            range_next=dict(BASE),
            digests={0: world.chain_id},
            time_ms=genesis.created_ms,
            keys={entry.public for entry in genesis.keys} | {member.key for member in genesis.validators},
        )
        self.halted: set[str] = set()

    # -- blocks --------------------------------------------------------------------------------------------------------

    def on_start(self, node: Node) -> None:
        """I1 over restarts: what lies on its disk is what was final."""
        if not node.is_honest:
            return
        for stored in node.disk.blocks[-3:]:
            if self.final.get(stored.header.height) != stored.digest:
                raise Broken("DIVERGED", f"{node.organisation} starts with another block {stored.header.height}")

    def on_finalise(self, node: Node, header: Header, certificate: Certificate, execution: Execution) -> None:
        """I2: contiguous heights. The rest is asked once it is on the disk: nothing that follows from a block leaves
        before, and one that a crash takes with the Commit that made it final was final nowhere."""
        if header.height != node.height + 1:
            raise Broken("BROKEN", f"{node.organisation} went from height {node.height} to {header.height}")
        self.unflushed.setdefault(node.number, []).append((header, certificate, execution))

    def _settle(self, node: Node) -> None:
        """Of what was finalised, what the disk holds."""
        waiting = self.unflushed.get(node.number, [])
        blocks = node.disk.blocks
        while waiting and waiting[0][0].height <= len(blocks):
            header, certificate, execution = waiting.pop(0)
            if blocks[header.height - 1].digest == header.digest():
                self._take(node.organisation, header, certificate, execution)

    def on_crash(self, node: Node) -> None:
        """What was not flushed is on the disk in part, or gone."""
        self._settle(node)
        self.unflushed.pop(node.number, None)

    def _take(self, name: str, header: Header, certificate: Certificate, execution: Execution) -> None:
        """I1, I13: agreement, links, a certificate that anybody can check, allowed content."""
        digest, height = header.digest(), header.height
        if header.parent != self.final.get(height - 1):
            raise Broken("DIVERGED", f"{name}: block {height} does not follow the final block before it")
        is_first = height not in self.final
        other = self.final.setdefault(height, digest)
        if other != digest:
            raise Broken("DIVERGED", f"height {height}: {other.hex()[:8]} and, at {name}, {digest.hex()[:8]}")
        self.check_certificate(name, height, digest, certificate)
        if is_first:
            try:
                self.reference.take(
                    height,
                    header.time_ms,
                    digest,
                    execution.transactions,
                    execution.outcomes,
                    self.world.clients.asked,
                )
            except Contradiction as contradiction:
                raise Broken("BROKEN", str(contradiction)) from None
            self._count_money(execution)

    def _count_money(self, execution: Execution) -> None:
        """L5: what became of operations on money."""
        outcomes = iter(execution.outcomes)
        for received in execution.transactions:
            for entry, outcome in zip(received.transaction.entries, outcomes, strict=False):
                if isinstance(entry.operation, CaptureHold) and outcome.code == RECORDED:
                    self.world.sometimes["L5 a hold is captured"] += 1
                elif isinstance(entry.operation, Transfer) and entry.operation.corrects and outcome.code == RECORDED:
                    self.world.sometimes["L5 money is taken back"] += 1
                elif isinstance(entry.operation, WISHED) and outcome.code == RECORDED:
                    self.world.sometimes[f"L5 {type(entry.operation).__name__} is recorded"] += 1
                elif outcome.code in MONEY_REFUSED:
                    self.world.sometimes[f"L5 refused: {outcome.code}"] += 1

    def check_certificate(self, name: str, height: int, digest: bytes, certificate: Certificate) -> None:
        """I13: exactly a quorum of distinct members of the height's set, every signature true."""
        epoch, members = self.reference.set_at(height)
        keys = [key for _organisation, key in sorted(members.items())]
        n = len(keys)
        signers = {entry.seat for entry in certificate.signatures}
        if len(signers) != n - (n - 1) // 3 or len(certificate.signatures) != len(signers):
            raise Broken("BROKEN", f"{name}: {len(signers)} signers of {n} make block {height} final")
        message = vote_message(self.world.chain_id, epoch, COMMIT, certificate.view, height, digest)
        for entry in certificate.signatures:
            if not self.world.signers.verify(keys[entry.seat], message, entry.signature):
                raise Broken("BROKEN", f"{name}: a signature under block {height} does not hold")

    def on_flushed(self, node: Node) -> None:
        """I3: from here on a client may have been told."""
        self._settle(node)
        if node.is_honest:
            for stored in node.disk.blocks[-4:]:
                self.acknowledged.setdefault(stored.header.height, stored.digest)

    # -- words ---------------------------------------------------------------------------------------------------------

    def on_persist(self, node: Node, record: JournalRecord) -> None:
        """A new vote is never for a view that was left."""
        match record:
            case ProposalSaved(_, vote) | PreparedSaved(_, vote):
                if vote.view < self.left.get((node.number, vote.epoch), 0):
                    raise Broken("BROKEN", f"{node.organisation} votes in view {vote.view}, which it has left")

    def on_send(self, node: Node, message: Message) -> None:
        """I7: one vote per slot and one ViewChange per view, for ever; each of them is on disk before it leaves."""
        match message:
            case PrePrepare():
                digest = message.header.digest()
                self._vote(node, message.epoch, message.view, message.height, "prepare", digest)
            case Prepare() | Commit():
                if self._is_mine(node, message):
                    kind = type(message).__name__.lower()
                    self._vote(node, message.epoch, message.view, message.height, kind, message.digest)
            case Status():
                for given in message.votes:
                    self.on_send(node, given)
            case ViewChange():
                if self._name(message.epoch, message.seat) == node.organisation:
                    self._view_change(node, message)
            case NewView():
                seats = len(self._members(message.epoch))
                is_mine = self._name(message.epoch, message.view % seats) == node.organisation
                if is_mine and message.prepare is not None:
                    base = max(change.height for change in message.view_changes)
                    prepared = [change.prepared for change in message.view_changes if change.prepared is not None]
                    above = [entry for entry in prepared if entry.header.height == base + 1]
                    highest = max(above, key=lambda entry: entry.certificate.view)
                    digest = highest.header.digest()
                    self._vote(node, message.epoch, message.view, base + 1, "prepare", digest)

    def _members(self, epoch: int) -> list[str]:
        return sorted(next(members for start, members in self.reference.sets if start == epoch))

    def _name(self, epoch: int, seat: int) -> str:
        return self._members(epoch)[seat]

    def _is_mine(self, node: Node, vote: Vote) -> bool:
        return self._name(vote.epoch, vote.seat) == node.organisation

    def _vote(self, node: Node, epoch: int, view: int, height: int, kind: str, digest: bytes) -> None:
        name = node.organisation
        earlier = self.votes.setdefault((node.number, epoch, view, height, kind), digest)
        if earlier != digest and node.number not in self.world.set_back:
            raise Broken("BROKEN", f"{name} signed two digests: {kind}, view {view}, height {height}")
        if height <= len(node.disk.blocks):
            return
        wanted = ProposalSaved if kind == "prepare" else PreparedSaved
        for entry in reversed(node.disk.journal.entries):
            record = entry.record
            if isinstance(record, wanted):
                saved = record.prepare if isinstance(record, ProposalSaved) else record.commit  # type: ignore[union-attr]
                if (saved.view, saved.height, saved.digest) == (view, height, digest):
                    return
        raise Broken("BROKEN", f"{name} said before it saved: {kind}, view {view}, height {height}")

    def _view_change(self, node: Node, message: ViewChange) -> None:
        name, slot = node.organisation, (node.number, message.epoch, message.view)
        earlier = self.view_changes.setdefault(slot, message)
        if earlier != message and node.number not in self.world.set_back:
            raise Broken("BROKEN", f"{name} sent two ViewChanges to view {message.view}")
        entries = node.disk.journal.entries
        saved = [entry.record for entry in entries if isinstance(entry.record, ViewChangeSaved)]
        if not any(record.view_change == message for record in saved):
            raise Broken("BROKEN", f"{name} said before it saved: ViewChange to view {message.view}")
        place = (node.number, message.epoch)
        self.left[place] = max(self.left.get(place, 0), message.view)

    def on_accuse(self, node: Node, first: Vote, second: Vote) -> None:
        """I8: evidence is two votes of one key in one slot, and never against an honest one."""
        if not node.is_honest:
            return
        name = self._name(first.epoch, first.seat)
        if int(name[-2:]) not in {*self.world.options.liars, *self.world.set_back}:
            raise Broken("BROKEN", f"{node.organisation} accuses the honest {name}")
        if encode(first) == encode(second) or first.digest == second.digest:
            raise Broken("BROKEN", f"{node.organisation} keeps evidence that proves nothing")
        self.world.sometimes["I8 evidence"] += 1

    def on_halt(self, node: Node, reason: str) -> None:
        """I11, in runs with too many liars: who meets a fork stops and says why."""
        if node.is_honest:
            self.halted.add(reason.split(":")[0])
            node.shut_down(reason)

    # -- now and then, and at the end ------------------------------------------------------------------------------

    def check_bounds(self, node: Node) -> None:
        """I9: every buffer of the core stays within its formula."""
        if node.replica is None:
            return
        state = node.replica._state
        n = state.n
        bounds = {
            "votes": (len(state.votes), VOTES_PER_MEMBER * n),
            "early": (len(state.early), EARLY_PER_MEMBER * n),
            "known": (len(state.known), KNOWN_MAX),
            "checked": (len(state.checked), KNOWN_MAX),
            "view changes": (len(state.view_changes), n),
            "claims": (len(state.claims), n),
            "fetched": (len(state.fetched), FETCHED_MAX),
            "early epoch": (len(state.early_epoch), EARLY_EPOCH_PER_MEMBER * (n + 2)),
            "accused": (len(state.accused), 16 * n),
            "past heights": (len(state.past), 66),
            "past votes": (sum(len(views) for at in state.past.values() for views in at.values()), 66 * 2 * n * 6),
        }
        for name, (size, bound) in bounds.items():
            if size > bound:
                raise Broken("BROKEN", f"{node.organisation} holds {size} {name}, at most {bound} are allowed")

    def check_end(self, honest: list[Node]) -> None:
        """I1, I3, I5, I6, I12, I13 on every honest node, after all has healed."""
        height = max(self.final)
        chain = dict(self.final)  # and what is not flushed anywhere yet
        for node in honest:
            on_the_way = [*node.disk.blocks, *node.disk.unflushed, *node.saver.jobs]
            digests = [item.digest for item in on_the_way if isinstance(item, StoredBlock)]
            if any(chain.setdefault(number, digest) != digest for number, digest in enumerate(digests, 1)):
                raise Broken("DIVERGED", f"{node.organisation} ends with another chain")
            for number, digest in self.acknowledged.items():
                if number > len(digests) or digests[number - 1] != digest:
                    raise Broken("BROKEN", f"{node.organisation} has lost the acknowledged block {number}")
            self._check_books(node)
            self._check_money(node)
            seated = member_name(node.number) in self.reference.set_at(height + 1)[1]
            if seated and (node.replica is None or not node.replica.may_vote):
                raise Broken("STALLED", f"{node.organisation} does not vote again: {node.where()}")
        self._check_certificates(honest[0])
        if self.world.options.is_executed_everywhere or self.world.options.seed % 10 == 0:
            self._check_state(honest)

    def _check_books(self, node: Node) -> None:
        """I5: the day books say what the model adds up; issued = open + reversed, per hospital and in all."""
        assert node.ledger is not None
        for hospital in HOSPITALS:
            count, total, red_count, red_total = self.reference.books[hospital]
            reversed_fen = -red_total
            if total != self.reference.open_fen(hospital) + reversed_fen:
                raise Broken("BROKEN", f"{hospital}: {total} fen issued, but not open or reversed")
            body = node.ledger.state.get(keyspace.day_book(hospital, PLACES[hospital], TODAY), DayBookBody)
            found = body.kinds[0] if body is not None else None
            said = (found.count, found.sum_fen, found.red_count, found.red_sum_fen) if found else (0, 0, 0, 0)
            if said != (count, total, red_count, red_total):
                raise Broken("BROKEN", f"{node.organisation}: the day book of {hospital} says {said}")
            parts = found.payments if found else None
            if parts is not None and total + red_total != parts.insurance_fund_fen + parts.cash_fen:
                raise Broken("BROKEN", f"{hospital}: the payment parts do not add up")

    def _check_money(self, node: Node) -> None:
        """I5: every account has what the model says; all debits are all credits."""
        assert node.ledger is not None
        state, model = node.ledger.state, self.reference.money
        prefix = keyspace.stored_record(keyspace.ACCOUNTS)
        keys = [stored[len(prefix) - len(keyspace.ACCOUNTS) :] for stored, _entry in state.scan(prefix)]
        bodies = {key: state.get(key, AccountBody) for key in keys}
        said = {key: (body.debits_fen, body.credits_fen) for key, body in bodies.items() if body is not None}
        accounts = model.accounts
        wanted = {
            keyspace.account(ref_of(name)): (accounts.went[name], accounts.came[name]) for name in accounts.limits
        }
        free = {key: sums for key, sums in said.items() if key in wanted}
        if free != wanted:
            raise Broken("BROKEN", f"{node.organisation}: accounts say {free.items() ^ wanted.items()}")
        guarded = {key: credits - debits for key, (debits, credits) in said.items() if key not in wanted}
        places = {keyspace.account(place_ref(place)): fen for place, fen in model.balances().items()}
        if any(guarded.get(key, 0) != places.get(key, 0) for key in guarded.keys() | places.keys()):
            raise Broken(
                "BROKEN", f"{node.organisation}: orders, deposits or lines say {guarded.items() ^ places.items()}"
            )
        try:
            model.verify_sums()
        except AssertionError as error:
            raise Broken("BROKEN", f"{node.organisation}: what is paid does not add up: {error}") from None
        if sum(debits - credits for debits, credits in said.values()):
            raise Broken("BROKEN", f"{node.organisation}: debits are not credits")

    def _check_certificates(self, node: Node) -> None:
        """I13: the whole chain of a node, from genesis."""
        for stored in node.disk.blocks:
            self.check_certificate(node.organisation, stored.header.height, stored.digest, stored.certificate)

    def _check_state(self, honest: list[Node]) -> None:
        """I6: all records equal on all nodes, and what a replay from genesis gives."""
        from tests.simulator.ledger import SimulatedLedger

        found: dict[int, dict[bytes, bytes]] = {}
        nodes = [(node.organisation, node.ledger) for node in honest if node.ledger is not None]
        fresh = honest[0].disk.copied()
        fresh.store = first_store(self.world.options.n, self.world.options.heartbeat_ms)
        nodes.append(("a replay", SimulatedLedger.opened(self.world, fresh)))
        for name, ledger in nodes:
            assert ledger is not None
            records = dict(ledger.state.store.scan(b"r"))
            for key, value in ledger.state.pending.items():
                if key.startswith(b"r") and value is not None:
                    records[key] = value
            if found.setdefault(ledger.head.height, records) != records:
                raise Broken("DIVERGED", f"{name}: other records at height {ledger.head.height}")
