"""An insurer's service: people claim several of their bills at once, and small claims are decided while they wait.

Whose a bill is, the insurer learns from the bill itself: its holder grants the insurer the payer's document, the archive opens it
under that grant, and it has to be the document that the bureau's sign-on has seen of whoever asks. What has no such grant, belongs
to somebody else, or does not exist is all answered alike: `not_granted`. What would refuse a claim, the mirror says by the rules
themselves (`node/claim_desk.py`); the decision of a small claim stands in one linked chain with its lock, so a claim is never
locked by a request that was to decide it. Nothing is kept here: a claim's number is made from the bill and the person under the
insurer's key, so the same request finds the same claim on the ledger. Source: FEATURES 36.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import msgspec

from chain.operation import DecideClaim, LockClaim
from chain.signature import SigningKey
from chain.transaction import Entry
from node.grant_desk import identified
from node.identity import Identity
from node.service import Head, Reader, ServiceRefused
from node.services.desks import BILLS_MAX, ClaimStanding, ClaimStatus, ClaimWish
from node.services.mirror_link import MirrorLink, Outcome, OutcomeUnknown
from node.services.names import keyed_name

CLERK = "insurer_clerk"  # role in which bills are read: what holders have granted the insurer
FIELDS = ("payer_id_number", "payer_id_type")  # what a grant has to open, so that a bill shows whose it is
PURPOSE = "reimbursement"
ATTEMPTS_MAX = 8  # claims of one person on one bill here, all but the last one ended without a decision
READ_AT_ONCE = 8  # bills that one request reads from the mirror at a time
WAIT_S = 8  # for the ledger's word on a batch
ENDED = "released"  # by the insurer, or its lock ran out: the bill may be claimed anew
THERE_ALREADY = ("claim_exists", "already_recorded")  # the same request ran beside this one
LINKED = "linked_failed"  # the other one of the chain says why
STATES: dict[str, ClaimStatus] = {"locked": "locked", "approved": "approved", "rejected": "rejected", "paid": "paid"}


class InsurerTerms(msgspec.Struct, frozen=True, kw_only=True):
    """What an insurer has settled for itself."""

    small_claim_fen: int  # up to so much is granted in full without a person; 0: nothing is
    lock_ms: int  # how long a lock waits for a person; at most chain.rules.claims.LOCK_MS_MAX


class _Bill(msgspec.Struct, frozen=True):
    """A bill of the asking person's, and the claim on it that would be made."""

    bill_id: str
    amount_fen: int
    number: str  # of the claim


class InsurerDesk:
    kind = "insurer"

    def __init__(self, mirror: MirrorLink, key: SigningKey, terms: InsurerTerms, now_ms: Callable[[], int]) -> None:
        self.name = self.organisation = mirror.organisation
        self.chain_id = mirror.chain_id
        self._mirror, self._key, self._terms, self._now_ms = mirror, key, terms, now_ms

    def head(self) -> Head:
        return self._mirror.head()

    def parts(self) -> dict[str, Callable[[], Coroutine[Any, Any, None]]]:
        return {}

    def terms(self) -> dict[str, Any]:
        return {
            "organisation": self.organisation,
            "fields": list(FIELDS),
            "purpose": PURPOSE,
            "small_claim_fen": self._terms.small_claim_fen,
            "bills_max": BILLS_MAX,
        }

    # ── beforehand ───────────────────────────────────────────────────────────────────────────────────────────────────

    async def check(self, reader: Reader, wishes: Sequence[ClaimWish]) -> list[ClaimStanding]:
        return [
            found if isinstance(found, ClaimStanding) else self._would(found)
            for found in await self._look(reader, wishes)
        ]

    def _would(self, bill: _Bill) -> ClaimStanding:
        """What becomes of a claim that nothing refuses."""
        is_small = self._is_small(bill)
        approved_fen = bill.amount_fen if is_small else 0
        return self._standing(bill, "approved" if is_small else "locked", approved_fen=approved_fen)

    # ── claim ────────────────────────────────────────────────────────────────────────────────────────────────────────

    async def claim(self, reader: Reader, wishes: Sequence[ClaimWish]) -> list[ClaimStanding]:
        found = await self._look(reader, wishes)
        new = [bill for bill in found if isinstance(bill, _Bill)]
        made = iter(await self._make(new) if new else [])
        return [next(made) if isinstance(bill, _Bill) else bill for bill in found]

    async def _make(self, bills: Sequence[_Bill]) -> list[ClaimStanding]:
        """Lock them and decide the small ones, as one transaction; each bill stands for itself."""
        until_ms = self._now_ms() + self._terms.lock_ms
        entries: list[Entry] = []
        for bill in bills:
            is_small, name = self._is_small(bill), self._name(bill.number)
            entries.append(Entry(is_small, LockClaim(name, bill.bill_id, bill.amount_fen, until_ms)))
            if is_small:
                entries.append(Entry(False, DecideClaim(name, bill.amount_fen)))
        try:
            outcomes = iter(await self._mirror.act(entries, WAIT_S))
        except OutcomeUnknown:
            return [self._standing(bill, "queued") for bill in bills]
        own = [[next(outcomes) for _ in range(1 + self._is_small(bill))] for bill in bills]
        return [await self._became(bill, said) for bill, said in zip(bills, own, strict=True)]

    async def _became(self, bill: _Bill, outcomes: Sequence[Outcome]) -> ClaimStanding:
        """What a lock, and the decision that is linked to it, came to."""
        refused = [outcome.code for outcome in outcomes if outcome.status == "refused" and outcome.code != LINKED]
        if refused and refused[0] in THERE_ALREADY:
            claim = await self._claim_page(bill.number)
            if claim is not None:
                return _stands(bill.number, claim)
        if refused:
            return self._standing(bill, "refused", code=refused[0])
        if not all(outcome.is_recorded for outcome in outcomes):
            return self._standing(bill, "queued")
        would = self._would(bill)
        return msgspec.structs.replace(would, height=outcomes[0].height)

    # ── whose bills, and how they stand ──────────────────────────────────────────────────────────────────────────────

    async def _look(self, reader: Reader, wishes: Sequence[ClaimWish]) -> list[_Bill | ClaimStanding]:
        """For each wish a bill that nothing refuses to claim, or what stands or is refused. Raises ServiceRefused."""
        identity = identified(reader)
        for place, wish in enumerate(wishes):
            if any(wish.bill_id == other.bill_id for other in wishes[:place]):
                raise ServiceRefused("invalid_value", "this bill stands twice", f"/bills/{place}/bill_id")
        turn = asyncio.Semaphore(READ_AT_ONCE)

        async def shown(wish: ClaimWish) -> _Bill | ClaimStanding:
            async with turn:
                return await self._shown(wish, identity)

        found = await asyncio.gather(*(shown(wish) for wish in wishes))
        asked = [bill for bill in found if isinstance(bill, _Bill)]
        codes = iter(await self._foreseen(asked) if asked else [])
        return [self._refused(bill, next(codes)) if isinstance(bill, _Bill) else bill for bill in found]

    async def _shown(self, wish: ClaimWish, identity: Identity) -> _Bill | ClaimStanding:
        """The bill, if it is granted, and names the person's document; the claim, if there is one already."""
        page = await self._mirror.get(f"/v1/bills/{wish.bill_id}", CLERK)
        payer = page.get("payer", {}) if page is not None else {}
        if page is None or not identity.is_on(payer.get("id_type", ""), payer.get("id_number", "")):
            return ClaimStanding(wish.bill_id, "refused", "not_granted")
        own_part_fen = page["self_paid_fen"] + page["self_funded_fen"]
        for attempt in range(ATTEMPTS_MAX):
            number = self._number(wish.bill_id, identity, attempt)
            claim = await self._claim_page(number)
            if claim is None:
                amount_fen = own_part_fen if wish.amount_fen is None else wish.amount_fen
                return _Bill(wish.bill_id, amount_fen, number)
            if claim["state"] != ENDED:
                return _stands(number, claim)
        return ClaimStanding(wish.bill_id, "refused", "too_many_claims")

    def _refused(self, bill: _Bill, code: str | None) -> _Bill | ClaimStanding:
        if code is None:
            return bill
        if bill.amount_fen == 0 and code == "amount_not_positive":
            code = "nothing_to_reimburse"
        return self._standing(bill, "refused", code=code)

    async def _foreseen(self, bills: Sequence[_Bill]) -> list[str | None]:
        """The rules' code for each, or None. Raises ServiceRefused."""
        wanted = [{"bill_id": bill.bill_id, "amount_fen": bill.amount_fen} for bill in bills]
        answer = await self._mirror.post("/v1/claims:foresee", CLERK, {"claims": wanted})
        if answer is None:
            raise ServiceRefused("unavailable", "this mirror foresees no claims")
        return [row["code"] for row in answer["claims"]]

    async def _claim_page(self, number: str) -> Any:
        """A claim of this insurer's as the ledger has it, or None."""
        return await self._mirror.get(f"/v1/claims/{self._name(number).hex()}", CLERK)

    # ── names ────────────────────────────────────────────────────────────────────────────────────────────────────────

    def _number(self, bill_id: str, identity: Identity, attempt: int) -> str:
        """The insurer's own number of a claim: it names the bill, and the person for nobody but the insurer."""
        person = keyed_name(self._key, "insured", f"{bill_id}/{identity.spelt().hex()}")
        return f"{bill_id}-{person.hex()[:16]}-{attempt}"

    def _name(self, number: str) -> bytes:
        return keyed_name(self._key, "claim", number)

    def _is_small(self, bill: _Bill) -> bool:
        return bill.amount_fen <= self._terms.small_claim_fen

    def _standing(self, bill: _Bill, status: ClaimStatus, **more: Any) -> ClaimStanding:
        """Of a claim that is made, or would be; one that is refused has no name."""
        is_made = status != "refused"
        return ClaimStanding(
            bill_id=bill.bill_id,
            status=status,
            claim=self._name(bill.number).hex() if is_made else None,
            number=bill.number if is_made else None,
            amount_fen=bill.amount_fen,
            **more,
        )


def _stands(number: str, claim: dict[str, Any]) -> ClaimStanding:
    """A claim that was made before, as the ledger has it."""
    return ClaimStanding(
        claim["bill_id"],
        STATES[claim["state"]],
        claim=claim["claim"],
        number=number,
        amount_fen=claim["locked_fen"],
        approved_fen=claim["approved_fen"],
        height=claim["height"],
    )
