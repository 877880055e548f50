"""Rule 13 read twice: what `restored_state` makes of random journals, and the rule's own sentences."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

import pytest

from chain.codec import encode
from chain.validators import COMMIT, PREPARE, Certificate
from consensus.errors import JournalDamaged
from consensus.model import (
    Commit,
    Head,
    JournalRecord,
    Prepare,
    PreparedSaved,
    PrePrepare,
    ProposalSaved,
    ViewChange,
    ViewChangeSaved,
    Vote,
)
from consensus.restart import restored_state
from consensus.wire import decode_record, encode_record
from tests.consensus.midway import EPOCH, Midway, replaced

ME = 2
VIEWS = (0, 300, 301, 302)


@dataclass
class Memory:
    """What the rule says about a life that begins."""

    view: int
    active: bool
    base: int
    votes: dict[str, Vote]  # by kind
    promise: ViewChange | None
    prepared: tuple[int, bytes] | None  # view, digest
    at_hand: PrePrepare | None
    blocks: set[bytes]


def rule_13(epoch: int, head: Head, records: list[JournalRecord]) -> Memory:
    """Votes and ViewChanges stand for ever. view = the highest in them or in the last certificate; active if I voted in
    it, or the last certificate is of it, or it is 0 and I sent no ViewChange in this epoch."""
    slot = (epoch, head.height + 1)
    proposals = [r for r in records if isinstance(r, ProposalSaved) and (r.prepare.epoch, r.prepare.height) == slot]
    prepared = [r for r in records if isinstance(r, PreparedSaved) and (r.commit.epoch, r.commit.height) == slot]
    changes = [r.view_change for r in records if isinstance(r, ViewChangeSaved) and r.view_change.epoch == epoch]
    votes: list[Vote] = [*(r.prepare for r in proposals), *(r.commit for r in prepared)]
    in_votes = {vote.view for vote in votes}
    in_certificate = {head.certificate.view} if head.certificate and head.height >= epoch else set()
    view = max({0} | in_votes | in_certificate | {change.view for change in changes})
    active = view in in_votes or view in in_certificate or (view == 0 and not changes)
    newest = {}
    for vote in sorted(votes, key=lambda vote: vote.view):
        newest[type(vote).__name__] = vote
    last = max(prepared, key=lambda r: r.certificate.view, default=None)
    return Memory(
        view,
        active,
        base=head.height if active else 0,  # in that view it votes above H, as it did
        votes=newest,
        promise=max(changes, key=lambda change: change.view, default=None),
        prepared=(last.certificate.view, last.commit.digest) if last else None,
        at_hand=next((r.proposal for r in proposals if r.proposal.view == view), None),
        blocks={r.prepare.digest for r in proposals},
    )


def random_journal(random: Random, ledger: Midway, epoch: int, height: int) -> list[JournalRecord]:
    """Of an honest member: one digest in each (epoch, kind, view, height), each certificate after its proposal. What is
    decided or void may lie there too, and the order says nothing more."""
    records: list[JournalRecord] = []
    certificates: list[tuple[ProposalSaved, PreparedSaved]] = []
    for era in {max(epoch - 1, 0), epoch, epoch + 1}:
        for view in VIEWS:
            if era <= epoch and random.random() < 0.25:
                change = ViewChange(era, max(view, 1), ME, 0, bytes(32), None, None, bytes(64))
                records.append(ViewChangeSaved(change))
            for above in (-1, 0, 1):
                if height + above < 1 or random.random() < 0.6:
                    continue
                header = ledger.header(height + above, name=random.randrange(2))
                digest = header.digest()
                proposal = PrePrepare(era, view, header.height, header, [], bytes(64))
                saved = ProposalSaved(proposal, Prepare(era, view, header.height, digest, ME, bytes(64)))
                records.append(saved)
                if random.random() < 0.5:
                    commit = Commit(era, view, header.height, digest, ME, bytes(64))
                    certificates.append((saved, PreparedSaved(Certificate(view, []), commit)))
    random.shuffle(records)
    random.shuffle(certificates)
    for saved, certificate in certificates:
        records.insert(random.randint(records.index(saved) + 1, len(records)), certificate)
    return [decode_record(encode_record(record)) for record in records]


@pytest.mark.parametrize("epoch", [1, EPOCH])
def test_a_restarted_member_is_what_its_journal_and_its_last_block_say(epoch: int) -> None:
    """Rule 13: journals with records of several heights, views and epochs in any order; last blocks of this epoch, of the
    one before, and none at all."""
    ledger, random = Midway(epoch=epoch), Random(epoch)
    actives = set()
    for _ in range(120):
        height = epoch - 1 + random.choice([0, 0, 1, 2, 300])
        head = ledger.head(height, random.choice([0, 300, 301, 303]))
        records = random_journal(random, ledger, epoch, height)
        expected = rule_13(epoch, head, records)
        state = restored_state(ledger.settings(ME), head, records)
        found = Memory(
            state.view,
            state.active,
            state.base,
            {type(vote).__name__: vote for vote in state.votes.values()},
            state.view_changes.get(ME),
            (state.prepared.certificate.view, state.prepared.header.digest()) if state.prepared else None,
            state.current,
            set(state.known),
        )
        assert found == expected
        assert set(state.votes) <= {(height + 1, kind, ME) for kind in (PREPARE, COMMIT)}
        assert state.obliged is None
        actives.add((found.active, found.view > 0, found.promise is not None, found.at_hand is not None))
    assert len(actives) >= 6  # the journals are not all alike


def test_a_learner_takes_nothing_from_a_journal() -> None:
    """Rule 14: what lies there may be of before something was forgotten."""
    ledger = Midway()
    records = random_journal(Random(5), ledger, EPOCH, EPOCH)
    state = restored_state(ledger.settings(ME, may_vote=False), ledger.head(EPOCH), records)
    assert (state.may_vote, state.active, state.view) == (False, False, 0)
    assert not state.votes
    assert not state.view_changes


def damaged(records: list[JournalRecord], epoch: int = EPOCH, height: int = EPOCH + 300) -> str:
    """Why a member at the height does not start."""
    ledger = Midway(epoch=epoch)
    with pytest.raises(JournalDamaged) as caught:
        restored_state(ledger.settings(ME), ledger.head(height), [decode_record(encode(r)) for r in records])
    return str(caught.value)


def test_a_journal_that_contradicts_itself_or_the_blocks_stops_the_node() -> None:
    """Rule 13: it has lost something, so this member might sign twice. One step nearer and all is well."""
    ledger, height = Midway(), EPOCH + 300
    header, other = ledger.header(height + 1), ledger.header(height + 1, name="other")
    proposal = PrePrepare(EPOCH, 300, height + 1, header, [], bytes(64))
    prepare = Prepare(EPOCH, 300, height + 1, header.digest(), ME, bytes(64))
    commit = Commit(EPOCH, 300, height + 1, header.digest(), ME, bytes(64))
    saved, certified = ProposalSaved(proposal, prepare), PreparedSaved(Certificate(300, []), commit)
    change = ViewChange(EPOCH + 1, 300, ME, 0, bytes(32), None, None, bytes(64))

    assert "certificate without its proposal" in damaged([certified])
    assert "certificate without its proposal" in damaged([certified, saved])
    assert "the last block is 1299" in damaged([saved], height=height - 1)
    for second in (
        ProposalSaved(replaced(proposal, header=other), replaced(prepare, digest=other.digest())),
        PreparedSaved(Certificate(300, []), replaced(commit, digest=other.digest())),
    ):
        assert "two votes" in damaged([saved, certified, second])
    assert "epoch 1001" in damaged([ViewChangeSaved(change)])

    for epoch in (EPOCH, EPOCH - 1):  # an earlier one is void
        records = [saved, certified, ViewChangeSaved(replaced(change, epoch=epoch))]
        restored_state(ledger.settings(ME), ledger.head(height), records)
