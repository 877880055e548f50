"""The result of a day's reconciliation of one channel, signed by the organisation whose money it is.

It proves who signed which figures over which files, and that nothing was changed since; not that the files were true. The rows
(every difference and every item in suspense) lie in a file beside it, whose digest is signed; the first of them are in the
result too, so that it can be read alone.

The check, in its order:
 1 form, ledger, validators   as of a bill's proof (`proof.py`)
 2 key                        the organisation's, for its unit's signatures: by its record under a final header that the file
                              holds, or else by genesis itself, which tells nothing of what became of the key since
 3 signature                  over everything that the statement says
 4 sums                       what is ours, what differs and what is theirs add up; bank and counts likewise
 5 trust, age                 if they are asked for
"""

from __future__ import annotations

from typing import Annotated

import msgspec

from chain import keyspace
from chain.certified import Checking, CurrentRecord, SetChange
from chain.codec import Count, Digest, Fen, LocalDate, Milliseconds, Name, PublicKey, Signature, Wire, decode
from chain.digest import RECONCILIATION, digest
from chain.errors import BadSignature, ProofMismatch, ProofRefused
from chain.genesis import Genesis
from chain.records import UNIT, KeyBody
from chain.signature import ED25519, SigningKey, verify_signature
from chain.transaction import key_id
from chain.verdict import Checkpoint, Wanted

RECONCILIATION_RESULT = 9  # the kind of file
ROWS_SHOWN_MAX = 200  # of the rows beside it
NUMBER = r"\A([A-Za-z0-9][A-Za-z0-9_.:|*@/-]{0,63})?\Z"

Number = Annotated[str, msgspec.Meta(pattern=NUMBER)]  # of an order, a trade, a refund, a bank's line; or empty
BillNumber = Annotated[str, msgspec.Meta(pattern=r"\A([0-9]{18})?\Z")]  # of a bill; or empty


class InputFile(Wire, frozen=True):
    """A file that was compared."""

    role: Name  # ours, statement, bank, carried
    format: Name
    bytes: Count
    lines: Count
    sha256: Digest


class Side(Wire, frozen=True):
    """What one side says of the day. Sums are of what succeeded, repeated lines too."""

    lines: Count
    payments: Count
    payments_fen: Fen
    refunds: Count
    refunds_fen: Fen

    def net_fen(self) -> int:
        return self.payments_fen - self.refunds_fen


class Suspended(Wire, frozen=True):
    """Items near midnight that only one side has; refunds count as less than nothing."""

    ours: Count
    ours_fen: Fen
    theirs: Count
    theirs_fen: Fen


class BankDay(Wire, frozen=True):
    """The bank's credit for the day. Expected: payments less refunds less fees of the channel's lines, each counted once."""

    lines: Count
    expected_fen: Fen
    credited_fen: Fen


class ClassTotal(Wire, frozen=True):
    """How many rows are of a class; `gap_fen` is what theirs (bills, bank) has more than ours (orders, channel) in them."""

    name: Name
    count: Count
    gap_fen: Fen


class ShownRow(Wire, frozen=True):
    """The head of a row of the file beside: enough to find it."""

    name: Name  # the class
    kind: Name  # payment, refund, bank
    order_no: Number
    refund_no: Number
    number: Number  # the channel's, of a bank's line the bank's
    ours_fen: list[Fen]  # one, or none where our side has nothing
    theirs_fen: list[Fen]  # the same of the other side: channel, bill or bank
    entry: Name  # what would put it right
    entry_fen: Fen


class ReconciliationStatement(Wire, frozen=True):
    """What is signed."""

    chain_id: Digest
    organisation: Name
    channel: Name
    day: LocalDate
    utc_offset_minutes: int  # of the day
    near_midnight_ms: Milliseconds  # so near to the day's end an item may be carried to the next
    made_ms: Milliseconds
    inputs: list[InputFile]  # by role
    ours: Side
    theirs: Side
    fees_fen: Fen  # what the channel kept, of lines counted once
    matched: Count  # pairs that agree in everything
    cleared: Count  # of these, with an item carried from the day before
    without_effect: Count  # lines of either side, and pairs, that moved no money
    opening: Suspended  # carried from the day before
    closing: Suspended  # carried to the next
    bills: Count  # orders looked at
    bank: list[BankDay]  # one, or none where no bank file was given
    classes: list[ClassTotal]  # those with rows, in their precedence
    rows: Count
    rows_sha256: Digest  # of the file beside
    shown: Annotated[list[ShownRow], msgspec.Meta(max_length=ROWS_SHOWN_MAX)]

    def digest(self) -> bytes:
        return digest(RECONCILIATION, self)


class ReconciliationResult(Wire, frozen=True):
    kind: Count
    set_changes: list[SetChange]
    statement: ReconciliationStatement
    public: PublicKey
    key: list[CurrentRecord]  # the key's record, or none: then genesis must name the key
    signature: Signature


LINE_CLASSES = (  # of ours against the channel's: their gaps lead from one side to the other
    "duplicate_ours", "duplicate_theirs", "suspense", "only_ours", "only_theirs",
    "status_differs", "amount_differs", "trade_differs",
)  # fmt: skip
BILL_CLASSES = ("bill_missing", "bill_differs")
BANK_CLASSES = ("duplicate_bank", "bank_missing", "bank_differs")
CLASS_NAMES = (*LINE_CLASSES, *BILL_CLASSES, *BANK_CLASSES)


def sign_result(
    statement: ReconciliationStatement, key: SigningKey, record: list[CurrentRecord], set_changes: list[SetChange]
) -> ReconciliationResult:
    signature = key.sign(statement.digest())
    return ReconciliationResult(RECONCILIATION_RESULT, set_changes, statement, key.public, record, signature)


def is_genesis_key(genesis: Genesis, organisation: str, public: bytes) -> bool:
    """Whether genesis names it as the organisation's, for its unit's signatures."""
    return any(
        (entry.organisation, entry.purpose, entry.public) == (organisation, UNIT, public) for entry in genesis.keys
    )


def verify_sums(statement: ReconciliationStatement) -> str:
    """Check that the figures agree among themselves. Raises ProofMismatch.

    ours + opening of ours + every gap = theirs + opening of theirs, in fen; what is carried has its gap in class `suspense`.
    """
    gaps = {total.name: total.gap_fen for total in statement.classes}
    names = [total.name for total in statement.classes]
    if names != [name for name in CLASS_NAMES if name in gaps]:
        raise ProofMismatch("classes that are unknown, repeated or out of order")
    if sum(total.count for total in statement.classes) != statement.rows:
        raise ProofMismatch("the classes have another number of rows")
    if len(statement.shown) != min(statement.rows, ROWS_SHOWN_MAX):
        raise ProofMismatch("another number of rows is shown")
    ours = statement.ours.net_fen() + statement.opening.ours_fen
    theirs = statement.theirs.net_fen() + statement.opening.theirs_fen
    if ours + sum(gaps.get(name, 0) for name in LINE_CLASSES) != theirs:
        raise ProofMismatch("ours, the gaps and theirs do not add up")
    closing = statement.closing
    if gaps.get("suspense", 0) != closing.theirs_fen - closing.ours_fen:
        raise ProofMismatch("the items carried on add up to something else")
    for bank in statement.bank:
        gap = gaps.get("bank_missing", 0) + gaps.get("bank_differs", 0)
        if bank.expected_fen + gap != bank.credited_fen:
            raise ProofMismatch("channel, gap and bank do not add up")
    return f"{statement.matched} matched, {statement.rows} rows; ours, gaps and theirs add up to {theirs} fen"


class ReconciliationChecking(Checking):
    def run(self, wanted: Wanted) -> Checkpoint:
        result = self.form(ReconciliationResult, RECONCILIATION_RESULT, "a reconciliation's result")
        statement = result.statement
        self.step("ledger", lambda: self._ledger(statement))
        self.step("validators", lambda: self.walk(result.set_changes))
        self.step("key", lambda: self._key(result))
        self.step("signature", lambda: self._signature(result))
        self.step("sums", lambda: verify_sums(statement))
        if wanted.at_height is not None or wanted.at_ms is not None:
            self.step("in force", _no_moment)
        self._facts(result)
        if result.key:
            header = result.key[0].header
            headers = [header, *(change.header for change in result.set_changes)]
            return self.finish(headers, header, header, wanted)
        if wanted.max_age_ms is not None:
            self.step("age", _no_age)
        self.facts["as_of"] = {"height": 0, "time_ms": self.genesis.created_ms}
        return Checkpoint(self.chain_id.hex(), 0, self.chain_id.hex())

    def _ledger(self, statement: ReconciliationStatement) -> str:
        if statement.chain_id != self.chain_id:
            raise ProofMismatch(f"of ledger {statement.chain_id.hex()[:16]}, not {self.chain_id.hex()[:16]}")
        return f"{self.genesis.name}, {self.chain_id.hex()[:16]}"

    def _key(self, result: ReconciliationResult) -> str:
        organisation, name = result.statement.organisation, key_id(result.public)
        if len(result.key) > 1 or (result.set_changes and not result.key):
            raise ProofMismatch("one record of a key at most, and changes of the set for nothing else")
        for current in result.key:
            said = self.record(keyspace.key(organisation, name), current)
            body = decode(current.record.body, KeyBody)
            if body.public != result.public or body.purpose != UNIT or body.suite != ED25519:
                raise BadSignature("not a key for its unit's signatures")
            if not body.from_height <= current.header.height < body.until_height:
                raise BadSignature("the key was not in force")
            return f"{organisation}, key {name.hex()[:16]}; {said}"
        if not is_genesis_key(self.genesis, organisation, result.public):
            raise BadSignature(f"genesis names no such unit key of {organisation}, and the file proves none")
        return f"{organisation}, key {name.hex()[:16]} of genesis; what became of it since, the file does not show"

    def _signature(self, result: ReconciliationResult) -> str:
        verify_signature(result.public, result.statement.digest(), result.signature)
        return f"{result.statement.organisation} signed {result.statement.channel} of {result.statement.day}"

    def _facts(self, result: ReconciliationResult) -> None:
        statement = result.statement
        names = {entry.id: entry.name for entry in self.genesis.organisations}
        self.facts.update(
            organisation=statement.organisation,
            organisation_name=names.get(statement.organisation, ""),
            key_id=key_id(result.public).hex(),
            channel=statement.channel,
            day=statement.day,
            matched=statement.matched,
            rows=statement.rows,
            rows_sha256=statement.rows_sha256.hex(),
            classes={total.name: total.count for total in statement.classes},
        )


def _no_moment() -> str:
    raise ProofRefused("a day's reconciliation speaks as of no block")


def _no_age() -> str:
    raise ProofRefused("stale: the file holds no current record")
