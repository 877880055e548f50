"""Treatment on credit: products, lines, agreements, holds, statements."""

from __future__ import annotations

from chain.codec import Count, Digest, Fen, Milliseconds, Name, Wire
from chain.operation import AccountRef, CreditTerms, LineRef, Mac
from chain.records.record import State

# who bears the risk
LENDER = 1  # it pays the hospital at once
HOSPITAL_BEARS = 2  # it has a receivable until the patient pays

# a line, an agreement
IN_FORCE = 1
ENDED = 2


class ProductBody(Wire, frozen=True):
    terms: CreditTerms


class ProductVersions(Wire, frozen=True):
    newest: Count


class Due(Wire, frozen=True):
    """So much has to have come back by then."""

    due_ms: Milliseconds
    returned_fen: Fen  # of all that was ever used
    stated_ms: Milliseconds  # when it was said: what comes back of later charges does not count


class LineBody(Wire, frozen=True):
    product: Name
    version: Count
    until_ms: Milliseconds
    state: State
    reason: str  # why it has ended, or empty
    account: AccountRef
    emergency: AccountRef
    granted_fen: Fen  # by both
    dues: list[Due]  # by date, ascending: those that count
    hospital: list[Name]  # the one that bears its risk, once it has an agreement
    approval: Digest
    hospitals: list[Name]  # that may deduct from it


class AgreementBody(Wire, frozen=True):
    """A holder's newest agreement at a hospital."""

    number: Count
    line: LineRef
    cap_fen: Fen
    deposit: list[Digest]
    consent: Digest
    state: State
    reason: str


class CreditHoldBody(Wire, frozen=True):
    holder: Mac
    line: LineRef
    amount_fen: Fen
    visit: list[Digest]
    emergency: list[Mac]  # who declared it
    outcome: str  # of its review, or empty
    reviewer: list[Mac]


class VisitCreditBody(Wire, frozen=True):
    """What a holder's holds of a line take for one visit, emergencies apart; as of when the newest was made."""

    captured_fen: Fen  # of those that had ended by then
    holds: list[Digest]  # that ran, in the order of their making: at most rules.accounts.HOLDS_MAX, as of any account


class StatementBody(Wire, frozen=True):
    owed_fen: Fen
    due_ms: Milliseconds
    time_ms: Milliseconds


class RepaymentBody(Wire, frozen=True):
    line: LineRef
    channel: str
    amount_fen: Fen
    evidence: Digest
    time_ms: Milliseconds


class PaybackBody(Wire, frozen=True):
    line: LineRef
    channel: str
    amount_fen: Fen
    evidence: Digest
    time_ms: Milliseconds
