"""What a validator knows of its own votes, and whether it may vote: journal, keys, and what the chain says of both.

A journal answers for the votes of its node by a key that was made together with it, or came to it before any set had
that key; and, after a renewal, for the epoch that this very renewal opened and all later ones. Everything else leaves a
learner, with a reason that is stable:

  no_seat                    its organisation has no seat in the set: it follows
  journal_missing            no journal lies here
  journal_copied             it is a copy, restored or moved
  journal_damaged            it does not read, or contradicts the block log
  journal_behind_block_log   it lacks entries that the last block names
  vote_forgotten             a peer showed a vote or ViewChange of ours that it lacks
  vote_key_missing           the key of the seat is not in this home
  journal_of_another_key     the key of the seat came here after it had begun to vote
  journal_of_former_renewal  the organisation has renewed since, with another number
  waits_for_renewal          the operation with its number is not recorded, or its epoch has not begun

Source: PROTOCOL rules 13 to 15.
"""

from __future__ import annotations

from pathlib import Path

import structlog

from chain import keyspace
from chain.codec import decode
from chain.directory import flush_directory
from chain.errors import ChainError, StorageDamaged, StorageFailed, StorageLocked
from chain.execute import Execution
from chain.ledger import Ledger
from chain.records import KeyBody, RenewalBody
from chain.rules.context import Body
from chain.state import body_of, record_of
from chain.transaction import key_id
from chain.validators import ValidatorSet
from consensus.events import NextEpoch, Voting
from consensus.model import JournalRecord
from consensus.wire import decode_record
from node.errors import JournalCopied, JournalMissing
from node.journal import FIRST_RENEWAL, Journal
from node.saver import SavedEntry
from node.vote_keys import Sign, VoteKeys, forget_note, noted_keys

NO_SEAT = "no_seat"
JOURNAL_MISSING, JOURNAL_COPIED, JOURNAL_DAMAGED = "journal_missing", "journal_copied", "journal_damaged"
JOURNAL_BEHIND, VOTE_FORGOTTEN = "journal_behind_block_log", "vote_forgotten"
VOTE_KEY_MISSING, JOURNAL_OF_ANOTHER_KEY = "vote_key_missing", "journal_of_another_key"
JOURNAL_OF_FORMER_RENEWAL, WAITS_FOR_RENEWAL = "journal_of_former_renewal", "waits_for_renewal"
GIVEN_UP = (JOURNAL_BEHIND, JOURNAL_DAMAGED, VOTE_FORGOTTEN, JOURNAL_OF_ANOTHER_KEY, JOURNAL_OF_FORMER_RENEWAL)
MARK = "unusable"  # beside a journal that was found wanting; holds the reason

log = structlog.get_logger()


class VoteMemory:
    """`journal` is None where there is none that may be used; `trouble` says why then.

    Used on the loop; what changes the journal's file while the node runs is done by the one writer.
    """

    def __init__(self, organisation: str, directory: Path, keys: VoteKeys) -> None:
        """Open the journal in `directory`. Raises StorageLocked: another process uses it."""
        self._organisation, self._directory, self._keys = organisation, directory, keys
        self.journal: Journal | None = None
        self.trouble = ""
        self._known: list[bytes] = []  # keys that the journal answers for, those included that it is about to take
        self._open()
        for public in self.noted_keys():
            self.take_key(public)

    def _open(self) -> None:
        try:
            journal = Journal.open(self._directory)
        except (JournalMissing, JournalCopied, StorageDamaged) as error:
            self.trouble = JOURNAL_DAMAGED if isinstance(error, StorageDamaged) else error.code
            log.error("journal_unusable", reason=self.trouble, detail=str(error))
            return
        mark = self._directory / MARK
        if mark.exists():
            self.trouble = JOURNAL_DAMAGED if mark.read_bytes() == JOURNAL_DAMAGED.encode() else VOTE_FORGOTTEN
            log.error("journal_unusable", reason=self.trouble, detail=f"{mark}: found out in an earlier life")
            journal.close()
            return
        self.journal, self.trouble, self._known = journal, "", list(journal.keys)

    def look_again(self) -> None:
        """A fresh journal may lie where none could be used before."""
        if self.journal is None:
            try:
                self._open()
            except StorageLocked:
                log.warning("journal_in_use", directory=str(self._directory))

    def noted_keys(self) -> list[bytes]:
        """Keys made here since, which the journal is to take; counted as its own from now on."""
        if self.journal is None:
            return []
        noted = noted_keys(self._directory)
        self._known += [public for public in noted if public not in self._known]
        return noted

    def take_key(self, public: bytes) -> None:
        """In the writer's thread, or before it runs."""
        if self.journal is not None:
            self.journal.take_key(public)
            forget_note(self._directory, public)

    def give_up(self, trouble: str) -> None:
        """The journal cannot be relied on; the writer closes it."""
        log.error("journal_unusable", reason=trouble)
        self.journal, self.trouble = None, trouble

    def mark(self) -> None:
        """Have it said at every start that this journal is not to be relied on. In the writer's thread. Raises
        StorageFailed: a mark that may be lost is none, and the node may not go on."""
        try:
            (self._directory / MARK).write_bytes(self.trouble.encode())
            flush_directory(self._directory)
        except OSError as error:
            raise StorageFailed(str(self._directory / MARK), str(error)) from None

    def sign_in(self, members: ValidatorSet) -> Sign:
        """What signs for the seat in a set; without the key of the seat, what must never be called."""
        public = key_in(members, self._organisation)
        sign = self._keys.sign_with(public) if public is not None else None
        return sign or _sign_nothing

    def records(self) -> list[tuple[JournalRecord, SavedEntry, bytes]]:
        """What the journal holds, oldest first, each with its payload. Raises StorageDamaged."""
        found = []
        for entry in self.journal.records() if self.journal else ():
            try:
                saved = decode(entry.payload, SavedEntry)
                found.append((decode_record(saved.record), saved, entry.payload))
            except ChainError as error:
                raise StorageDamaged(f"journal, entry {entry.sequence}", str(error)) from None
        return found

    @property
    def waits_for(self) -> str | None:
        """The number of the journal's renewal, in hexadecimal digits, if it was made for one."""
        journal = self.journal
        return journal.renewal.hex() if journal is not None and journal.renewal != FIRST_RENEWAL else None

    # ── whether it may vote ──────────────────────────────────────────────────────────────────────────────────────────

    def why_not(self, members: ValidatorSet, ledger: Ledger) -> str:
        """Why this node may not vote in the current set; empty if it may."""
        public = key_in(members, self._organisation)
        if public is None:
            return NO_SEAT
        if self.journal is None:
            return self.trouble
        if self._keys.sign_with(public) is None:
            return VOTE_KEY_MISSING
        since = key_since(ledger, self._organisation, public)
        renewal = ledger.renewal_of(self._organisation)
        opened = self._opened_at(public, since, renewal)
        if opened is not None and opened <= members.epoch:
            return ""
        if opened is not None:
            return WAITS_FOR_RENEWAL
        if self.journal.renewal != FIRST_RENEWAL and not is_renewal_recorded(
            ledger, self._organisation, self.journal.renewal
        ):
            return WAITS_FOR_RENEWAL
        if renewal is not None and renewal.epoch >= since:
            return JOURNAL_OF_FORMER_RENEWAL
        return JOURNAL_OF_ANOTHER_KEY

    def opening(self, ledger: Ledger, following: ValidatorSet, execution: Execution | None = None) -> NextEpoch:
        """What this node does in the epoch of a set that comes; `execution` is the block that makes it, if that is not
        final yet."""
        public = key_in(following, self._organisation)
        sign = self._keys.sign_with(public) if public is not None else None
        if public is None or sign is None or self.journal is None:
            return NextEpoch(following, Voting.BARRED, sign)
        since = key_since(ledger, self._organisation, public, execution)
        renewal = _read(ledger, execution, keyspace.renewal(self._organisation), RenewalBody)
        opened = self._opened_at(public, since, renewal)
        if opened is None:
            return NextEpoch(following, Voting.BARRED, sign)
        return NextEpoch(following, Voting.FREED if opened == following.epoch else Voting.AS_BEFORE, sign)

    def _opened_at(self, public: bytes, since: int, renewal: RenewalBody | None) -> int | None:
        """The first epoch from which on the journal answers for all votes by the key; None if it does for none.

        `since` is the key's first epoch, `renewal` the organisation's newest one.
        """
        journal = self.journal
        if journal is None:
            return None
        if renewal is not None and renewal.number == journal.renewal and since <= renewal.epoch:
            return renewal.epoch
        if public in self._known and (renewal is None or renewal.epoch < since):
            return since
        return None


def key_in(members: ValidatorSet, organisation: str) -> bytes | None:
    """An organisation's vote key in a set."""
    seat = members.seat_of(organisation)
    return None if seat is None else members.members[seat].key


def key_since(ledger: Ledger, organisation: str, public: bytes, execution: Execution | None = None) -> int:
    """The epoch of the first set that has a vote key: a key has a seat once, and never again."""
    body = _read(ledger, execution, keyspace.key(organisation, key_id(public)), KeyBody)
    if body is None:
        raise StorageDamaged("state", "a vote key without a record")
    return body.from_height


def is_renewal_recorded(ledger: Ledger, organisation: str, number: bytes) -> bool:
    return ledger.state.get(keyspace.renewal_number(organisation, number), RenewalBody) is not None


def _read(ledger: Ledger, execution: Execution | None, key: bytes, kind: type[Body]) -> Body | None:
    """A record after a block that is not final, or after the head."""
    entry = execution.change.records.get(key) if execution is not None else None
    return ledger.state.get(key, kind) if entry is None else body_of(record_of(entry[1]), kind)


def _sign_nothing(message: bytes) -> bytes:
    raise RuntimeError("the key of the seat is not here")
