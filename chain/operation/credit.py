"""14xx: treatment on credit: products, lines, agreements, holds and captures, statements, repayment and what is repaid too much."""

from __future__ import annotations

from typing import Annotated

import msgspec

from chain.codec import Count, Digest, Fen, Milliseconds, Name, Wire
from chain.operation.fields import Mac, Reason

INSTALMENTS_MAX = 24
HOSPITALS_MAX = 16  # of one line


class CreditTerms(Wire, frozen=True):
    """What a lender offers."""

    score_min: Count  # the least score that is eligible; no score is ever on the ledger
    line_fen: Fen
    visit_cap_fen: Fen  # at most so much for one visit, all its holds together
    emergency_fen: Fen  # a line of its own, for emergencies alone
    bearer: Annotated[int, msgspec.Meta(ge=1, le=2)]  # of the risk: records.LENDER or records.HOSPITAL_BEARS
    identity_level: Count  # at least, of the sign-on that enrols
    statement_day: Annotated[int, msgspec.Meta(ge=0, le=28)]  # of the month; 0: every day
    statement_minute: Annotated[int, msgspec.Meta(ge=0, le=1439)]  # of the local day
    due_days: Annotated[int, msgspec.Meta(ge=1, le=366)]  # after the statement
    instalments_max: Annotated[int, msgspec.Meta(ge=0, le=INSTALMENTS_MAX)]
    hold_ms_max: Milliseconds


class PublishProduct(Wire, frozen=True, tag=1400):
    """The next version of a credit product; lines stay with the version that they were opened under."""

    product: Name
    version: Count
    terms: CreditTerms


class LineRef(Wire, frozen=True):
    """Names a line: who lends, and under which name."""

    lender: Name
    line: Digest


class OpenLine(Wire, frozen=True, tag=1410):
    """A lender's yes: this patient has a line."""

    line: Digest  # random: it tells nobody whose it is
    product: Name
    version: Count
    until_ms: Milliseconds  # nothing new after that
    approval: Digest  # of what the lender keeps of its decision
    hospitals: Annotated[
        list[Name], msgspec.Meta(min_length=1, max_length=HOSPITALS_MAX)
    ]  # where it may be used; ascending


class EndLine(Wire, frozen=True, tag=1411):
    """Nothing new on a line. What is owed stays owed."""

    line: Digest
    reason: Reason


class NameHospitals(Wire, frozen=True, tag=1412):
    """A line may be used at further hospitals."""

    line: Digest
    number: Count  # so many are named already
    hospitals: Annotated[list[Name], msgspec.Meta(min_length=1, max_length=HOSPITALS_MAX)]  # ascending


class SignAgreement(Wire, frozen=True, tag=1420):
    """A patient lets a hospital deduct from a line, step by step, without being asked each time."""

    holder: Mac  # as the hospital knows the patient
    number: Count  # of the holder's agreements there, from 1
    line: LineRef
    cap_fen: Fen  # the patient's own for one visit
    deposit: Annotated[list[Digest], msgspec.Meta(max_length=1)]  # the balance that is used before the line is
    consent: Digest  # of what the patient signed


class EndAgreement(Wire, frozen=True, tag=1421):
    """The patient takes it back, or the hospital does."""

    holder: Mac
    number: Count
    reason: Reason


class HoldCredit(Wire, frozen=True, tag=1430):
    """At check-in: so much of the line is kept for this visit, within the cap that all its holds share."""

    hold: Digest
    holder: Mac
    line: LineRef  # that the holder's agreement names
    amount_fen: Fen
    until_ms: Milliseconds
    visit: Annotated[list[Digest], msgspec.Meta(max_length=1)]
    emergency: Annotated[list[Mac], msgspec.Meta(max_length=1)]  # who declared it; then the emergency line pays


class CaptureCredit(Wire, frozen=True, tag=1431):
    """The line pays a part of an order out of what is held; the rest stays held."""

    hold: Digest
    lender: Name  # whose line it is
    payment: Digest
    order: Digest
    part: Count


class ReleaseCredit(Wire, frozen=True, tag=1432):
    """The visit needs no more of it."""

    hold: Digest
    lender: Name
    reason: Reason


class ReviewEmergency(Wire, frozen=True, tag=1433):
    """Somebody else has looked at a declared emergency."""

    hold: Digest
    outcome: Reason  # upheld, dismissed
    reviewer: Mac


class StateLine(Wire, frozen=True, tag=1440):
    """A statement: what is owed now, and until when it is to be repaid. Signed by who bears the risk."""

    line: LineRef
    statement: Digest
    owed_fen: Fen  # as the ledger has it
    due_ms: Milliseconds


class RepayLine(Wire, frozen=True, tag=1441):
    """Money came for what is owed. Signed by who bears the risk."""

    line: LineRef
    repayment: Digest
    channel: Reason
    amount_fen: Fen
    evidence: Digest


class Instalment(Wire, frozen=True):
    due_ms: Milliseconds
    amount_fen: Fen


class AgreeInstalments(Wire, frozen=True, tag=1442):
    """What is owed is repaid piece by piece, instead of at the dates before. Signed by who bears the risk."""

    line: LineRef
    plan: Digest
    instalments: Annotated[list[Instalment], msgspec.Meta(min_length=1, max_length=INSTALMENTS_MAX)]  # by date


class PayBackLine(Wire, frozen=True, tag=1443):
    """What a line has above what it was granted is the patient's: it leaves by a channel. Signed by who bears the risk."""

    line: LineRef
    payback: Digest
    channel: Reason
    amount_fen: Fen
    evidence: Digest
