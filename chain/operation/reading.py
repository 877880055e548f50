"""9xx: who may read a bill, whose it is, what is disputed, who read it."""

from __future__ import annotations

from typing import Annotated

import msgspec

from chain.codec import BillId, Count, Digest, Milliseconds, Name, Wire
from chain.operation.fields import Mac, Reason

FieldId = Annotated[int, msgspec.Meta(ge=0, lt=32)]  # of a bill's details: chain/details.py


class GrantRead(Wire, frozen=True, tag=900):
    """A patient lets an organisation read a bill, field by field, until a moment. Signed by who keeps the bill's details and
    has seen who the patient is."""

    grant: Digest  # the grant's name: random, or a MAC of what is granted
    bill: BillId
    to: Name  # the organisation that may read
    fields: Annotated[
        list[FieldId], msgspec.Meta(max_length=32)
    ]  # of the details, ascending; none: the public part alone
    purpose: Reason
    until_ms: Milliseconds  # by block time; then the grant is as if it had been revoked
    holder: Mac  # stands for the patient, another one to each organisation: under a key of the signer's own


class RevokeGrant(Wire, frozen=True, tag=901):
    """The patient takes a grant back, at whoever gave it or keeps the bill's details."""

    granter: Name  # who signed the grant
    grant: Digest
    reason: Reason


class BindHolder(Wire, frozen=True, tag=910):
    """A bill that names no document, as one paid in cash, becomes the bill of the person who showed its slip first."""

    bill: BillId
    holder: Mac  # of the bill and the person's document, under a key of the node that saw both


class DisputeBill(Wire, frozen=True, tag=930):
    """Whoever the bill names says that it is not theirs: nobody reimburses it until its office has looked."""

    bill: BillId
    holder: Mac  # as in BindHolder
    reason: Reason
    number: Count  # of the bill's disputes, from 1: what was said of an earlier one does not count for this one


class SettleDispute(Wire, frozen=True, tag=931):
    """The office has looked into it."""

    bill: BillId
    outcome: Reason  # upheld, dismissed …
    number: Count  # of the dispute


class GrantProxy(Wire, frozen=True, tag=902):
    """Somebody may read another one's bills under the own name until a moment. The office has seen who both are: the ledger
    knows neither, and no two relations show that they are of one person."""

    proxy: Digest  # the relation's name: a MAC under a key of the office's archive
    principal: Mac  # whose bills
    agent: Mac  # who reads them; of the relation and the person, under the same archive's key
    until_ms: Milliseconds  # by block time; then it is as if it had never been


class EndProxy(Wire, frozen=True, tag=903):
    """It ends before its time: either of the two wants it so, or the office."""

    proxy: Digest


class AnchorAccesses(Wire, frozen=True, tag=920):
    """An archive's log of who read which details, as far as it goes: nothing of it can be taken out or changed any more."""

    first: Annotated[int, msgspec.Meta(ge=1, le=2**53)]  # number of the first entry since the anchor before
    last: Annotated[int, msgspec.Meta(ge=1, le=2**53)]
    head: Digest  # of the last entry, which names the one before it, and so on
