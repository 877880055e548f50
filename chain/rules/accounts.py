"""The one money ledger: accounts and transfers in fen. Credit, payments, splits, deposits and refunds are written on it.

A transfer adds one amount to the debits of one account and to the credits of another, for ever; so the debits of all accounts
are their credits, after every operation (`verify_conserved`, which execution itself asks). A hold keeps money back for a
transfer to come: it counts against the limit of either account at once, is captured once or released, and expires by block
time as if it had never been. Whose account it is decides whether others may pay in: a stranger cannot pay off a debt, nor
fill an account up; but what once left an account may always be given back to it. What was wrong is corrected by a further
transfer that goes the other way and names the first; all that are taken back of one are never more than it was. Several in
one linked chain hold or fall together.
Codes in their order of precedence:
  open      already_recorded, account_exists, then the signer's, limit_unknown, debt_open_to_others
  close     already_recorded, then the signer's, account_unknown, account_guarded, account_not_even
  transfer  already_recorded, transfer_exists, then the signer's, not_the_owner, account_guarded, then the money's, the correction's,
            the limits'
  hold      already_recorded, hold_exists, then the signer's, not_the_owner, account_guarded, then the money's, hold_too_long,
            the limits', too_many_holds
  capture   already_recorded, transfer_exists, then the signer's, hold_unknown, the hold's, account_guarded, amount_not_positive,
            amount_exceeds_hold, account_closed, account_full
  release   already_recorded, already_released, then the signer's, hold_unknown, already_captured, hold_expired, account_guarded
  the signer's      wrong_key, organisation_suspended, organisation_closed
  the money's       same_account, amount_not_positive, amount_too_large, debit_account_unknown, credit_account_unknown,
                    not_taken_from_others, account_closed, account_full
  the limits'       exceeds_credits, exceeds_debits
  the correction's  transfer_unknown, correction_differs, exceeds_transfer
  the hold's        already_captured, already_released, hold_expired
Source: TigerBeetle's account, transfer and pending transfer; DESIGN, "money".
"""

from __future__ import annotations

from msgspec.structs import replace

from chain import keyspace
from chain.codec import FEN_MAX, Wire
from chain.digest import ACCOUNT, TRANSFER, digest
from chain.operation import (
    AccountRef,
    CaptureHold,
    CloseAccount,
    HoldMoney,
    OpenAccount,
    ReleaseHold,
    Transfer,
    TransferRef,
)
from chain.records import (
    ACTIVE,
    CAPTURED,
    CLOSED,
    CREDITS_WITHIN_DEBITS,
    DEBITS_WITHIN_CREDITS,
    HELD,
    LET_GO,
    SUSPENDED,
    UNIT,
    UNLIMITED,
    AccountBody,
    HeldMoney,
    HoldBody,
    ReasonBody,
    TransferBody,
)
from chain.rules.context import DAY_MS, Changes, Context, Refused, View, organisation, refuse_repeated

LIMITS = (UNLIMITED, DEBITS_WITHIN_CREDITS, CREDITS_WITHIN_DEBITS)
HOLD_MS_MAX = 180 * DAY_MS
HOLDS_MAX = 64  # of one limited account at once
_OF_MONEY = (keyspace.ACCOUNTS, keyspace.TRANSFERS)
AMOUNT_FEN_MAX = 10**12  # of one transfer: nine thousand of them fill an account up


class Books:
    """Accounts as one operation changes them, one step on the other; `changes` is what it comes to. Knows nothing of who may."""

    def __init__(self, view: View, context: Context) -> None:
        self._view, self._context = view, context
        self._posted = 0
        self.changes: Changes = {}

    def own(self, owner: str, part: str, purpose: str, limit: int, about: bytes = b"") -> AccountRef:
        """An account that a part of the rules alone moves, opened when it is first asked for.

        Its name follows from what it is. Raises Refused `account_guarded` where its owner has another one by that name.
        """
        ref = part_account(owner, part, purpose, about)
        key = keyspace.account(ref)
        body = self.changes.get(key) or self._view.get(key, AccountBody)
        if body is None:
            self.changes[key] = AccountBody(purpose, limit, False, 0, 0, [], False, part)
        elif not isinstance(body, AccountBody) or (body.part, body.limit) != (part, limit):
            raise Refused("account_guarded")
        return ref

    def open(self, ref: AccountRef, purpose: str, limit: int, takes_from_others: bool) -> None:
        """Raises Refused `account_exists`, `limit_unknown`, `debt_open_to_others`."""
        key = keyspace.account(ref)
        self._verify_new(key, AccountBody, "account_exists")
        if limit not in LIMITS:
            raise Refused("limit_unknown")
        if limit == CREDITS_WITHIN_DEBITS and takes_from_others:
            raise Refused("debt_open_to_others")
        self.changes[key] = AccountBody(purpose, limit, takes_from_others, 0, 0, [], False, "")

    def account(self, ref: AccountRef, unknown: str = "account_unknown") -> AccountBody:
        """With the holds that still run. Raises Refused `unknown`."""
        key = keyspace.account(ref)
        body = self.changes.get(key) or self._view.get(key, AccountBody)
        if not isinstance(body, AccountBody):
            raise Refused(unknown)
        time_ms = self._context.time_ms
        if all(hold.until_ms > time_ms for hold in body.holds):
            return body
        return replace(body, holds=[hold for hold in body.holds if hold.until_ms > time_ms])

    def post(self, debit: AccountRef, credit: AccountRef, amount_fen: int, code: str, about: bytes) -> None:
        """A transfer whose name follows from the operation. Raises as `transfer` does."""
        name = TransferRef(self._context.organisation, digest(TRANSFER, [self._context.operation, self._posted]))
        self._posted += 1
        self.transfer(name, debit, credit, amount_fen, code, [about], [])

    def transfer(
        self,
        name: TransferRef,
        debit: AccountRef,
        credit: AccountRef,
        amount_fen: int,
        code: str,
        about: list[bytes],
        corrects: list[TransferRef],
    ) -> None:
        """Raises Refused `transfer_exists`, then as `transfer` does, from the money's codes on."""
        key = keyspace.transfer(name.organisation, name.transfer)
        self._verify_new(key, TransferBody, "transfer_exists")
        source, target = self._both(debit, credit, amount_fen, is_given_back=bool(corrects))
        for ref in corrects:
            self._take_back(ref, debit, credit, amount_fen)
        self._move(debit, source, credit, target, amount_fen)
        self.changes[key] = TransferBody(debit, credit, amount_fen, code, about, corrects, 0, self._context.time_ms)

    def hold(self, name: bytes, operation: HoldMoney) -> None:
        """Raises Refused `hold_exists`, then as `hold` does, from the money's codes on."""
        self._verify_new(keyspace.held(self._context.organisation, name), HoldBody, "hold_exists")
        source, target = self._both(operation.debit, operation.credit, operation.amount_fen)
        now_ms = self._context.time_ms
        if not now_ms < operation.until_ms <= now_ms + HOLD_MS_MAX:
            raise Refused("hold_too_long")
        _verify_room(source, target, operation.amount_fen)
        self._keep(name, operation.debit, operation.credit, operation.amount_fen, operation.until_ms)
        self.changes[keyspace.held(self._context.organisation, name)] = HoldBody(
            operation.debit,
            operation.credit,
            operation.amount_fen,
            operation.until_ms,
            operation.code,
            operation.about,
            HELD,
            0,
        )

    def held(self, name: bytes) -> HoldBody:
        """A hold of the signer's that may still be captured or released. Raises Refused `hold_unknown`, the hold's codes."""
        key = keyspace.held(self._context.organisation, name)
        body = self.changes.get(key) or self._view.get(key, HoldBody)
        if not isinstance(body, HoldBody):
            raise Refused("hold_unknown")
        if body.state == CAPTURED:
            raise Refused("already_captured")
        if body.state == LET_GO:
            raise Refused("already_released")
        if body.until_ms <= self._context.time_ms:
            raise Refused("hold_expired")
        return body

    def capture(self, name: bytes, transfer: TransferRef, amount_fen: int) -> None:
        """Raises Refused as `capture` does, from `hold_unknown` on."""
        held = self.held(name)
        if amount_fen <= 0:
            raise Refused("amount_not_positive")
        if amount_fen > held.amount_fen:
            raise Refused("amount_exceeds_hold")
        self._let_go(name, held)
        self.transfer(transfer, held.debit, held.credit, amount_fen, held.code, held.about, [])
        self.changes[keyspace.held(self._context.organisation, name)] = replace(
            held, state=CAPTURED, captured_fen=amount_fen
        )

    def draw(self, name: bytes, credit: AccountRef, amount_fen: int, code: str, about: bytes) -> None:
        """A part of a hold is captured, for any account; the rest stays held. Raises Refused as `capture` does, from `hold_unknown` on."""
        held = self.held(name)
        if amount_fen <= 0:
            raise Refused("amount_not_positive")
        rest_fen = held.amount_fen - held.captured_fen - amount_fen
        if rest_fen < 0:
            raise Refused("amount_exceeds_hold")
        self._let_go(name, held)
        self.post(held.debit, credit, amount_fen, code, about)
        if rest_fen:
            self._keep(name, held.debit, held.credit, rest_fen, held.until_ms)
        self.changes[keyspace.held(self._context.organisation, name)] = replace(
            held, state=HELD if rest_fen else CAPTURED, captured_fen=held.captured_fen + amount_fen
        )

    def release(self, name: bytes) -> None:
        """Raises Refused as `release` does, from `hold_unknown` on."""
        held = self.held(name)
        self._let_go(name, held)
        self.changes[keyspace.held(self._context.organisation, name)] = replace(held, state=LET_GO)

    def _keep(self, name: bytes, debit: AccountRef, credit: AccountRef, amount_fen: int, until_ms: int) -> None:
        """It counts on the limited ones of both accounts. Raises Refused `too_many_holds`."""
        held = HeldMoney(self._context.organisation, name, amount_fen, until_ms)
        for ref, limit in ((debit, DEBITS_WITHIN_CREDITS), (credit, CREDITS_WITHIN_DEBITS)):
            account = self.account(ref)
            if account.limit == limit:
                if len(account.holds) >= HOLDS_MAX:
                    raise Refused("too_many_holds")
                self.changes[keyspace.account(ref)] = replace(account, holds=[*account.holds, held])

    def _let_go(self, name: bytes, held: HoldBody) -> None:
        """It counts on neither account any more."""
        for ref in (held.debit, held.credit):
            account = self.account(ref)
            others = [
                hold for hold in account.holds if (hold.organisation, hold.hold) != (self._context.organisation, name)
            ]
            if len(others) != len(account.holds):
                self.changes[keyspace.account(ref)] = replace(account, holds=others)

    def _both(
        self, debit: AccountRef, credit: AccountRef, amount_fen: int, is_given_back: bool = False
    ) -> tuple[AccountBody, AccountBody]:
        """The money's codes."""
        if debit == credit:
            raise Refused("same_account")
        if amount_fen <= 0:
            raise Refused("amount_not_positive")
        if amount_fen > AMOUNT_FEN_MAX:
            raise Refused("amount_too_large")
        source, target = self.account(debit, "debit_account_unknown"), self.account(credit, "credit_account_unknown")
        takes = target.takes_from_others or target.part or credit.owner == debit.owner or is_given_back
        if not takes:
            raise Refused("not_taken_from_others")
        if source.closed or target.closed or self._is_gone(credit.owner):
            raise Refused("account_closed")
        if max(source.debits_fen, target.credits_fen) + amount_fen > FEN_MAX:
            raise Refused("account_full")
        return source, target

    def _is_gone(self, owner: str) -> bool:
        """What it were paid nobody could pay on."""
        return owner != self._context.organisation and organisation(self._view, owner).state == CLOSED

    def _verify_new(self, key: bytes, kind: type[Wire], code: str) -> None:
        if key in self.changes or self._view.get(key, kind) is not None:
            raise Refused(code)

    def _take_back(self, ref: TransferRef, debit: AccountRef, credit: AccountRef, amount_fen: int) -> None:
        """The correction's codes. What is taken back is counted on the transfer that it corrects."""
        key = keyspace.transfer(ref.organisation, ref.transfer)
        former = self.changes.get(key) or self._view.get(key, TransferBody)
        if not isinstance(former, TransferBody):
            raise Refused("transfer_unknown")
        if (former.debit, former.credit) != (credit, debit):
            raise Refused("correction_differs")
        if former.corrected_fen + amount_fen > former.amount_fen:
            raise Refused("exceeds_transfer")
        self.changes[key] = replace(former, corrected_fen=former.corrected_fen + amount_fen)

    def _move(
        self, debit: AccountRef, source: AccountBody, credit: AccountRef, target: AccountBody, amount_fen: int
    ) -> None:
        _verify_room(source, target, amount_fen)
        self.changes[keyspace.account(debit)] = replace(source, debits_fen=source.debits_fen + amount_fen)
        self.changes[keyspace.account(credit)] = replace(target, credits_fen=target.credits_fen + amount_fen)


def room_fen(account: AccountBody) -> int:
    """What a limited account may still give, or take; its `holds` are those that run."""
    balance = account.credits_fen - account.debits_fen
    if account.limit == CREDITS_WITHIN_DEBITS:
        balance = -balance
    return balance - sum(hold.amount_fen for hold in account.holds)


def _verify_room(source: AccountBody, target: AccountBody, amount_fen: int) -> None:
    """The limits' codes."""
    if source.limit == DEBITS_WITHIN_CREDITS and amount_fen > room_fen(source):
        raise Refused("exceeds_credits")
    if target.limit == CREDITS_WITHIN_DEBITS and amount_fen > room_fen(target):
        raise Refused("exceeds_debits")


def verify_conserved(view: View, changes: Changes) -> None:
    """An operation adds to debits, and to credits, what its new transfers come to; no sum falls, no account goes or changes its kind.

    Raises Refused `money_not_conserved`: a fault of the rules, which changes nothing then.
    """
    debits = credits = moved = 0
    for key, body in changes.items():
        if not key.startswith(_OF_MONEY):  # nearly all keys of a ledger
            continue
        if isinstance(body, TransferBody):
            moved += body.amount_fen if view.get(key, TransferBody) is None else 0
        elif isinstance(body, AccountBody):
            former = view.get(key, AccountBody) or replace(body, debits_fen=0, credits_fen=0)
            debited, credited = body.debits_fen - former.debits_fen, body.credits_fen - former.credits_fen
            kept = (body.purpose, body.limit, body.part) == (former.purpose, former.limit, former.part)
            if min(debited, credited) < 0 or not kept:
                raise Refused("money_not_conserved")
            debits += debited
            credits += credited
        else:
            raise Refused("money_not_conserved")
    if not debits == credits == moved:
        raise Refused("money_not_conserved")


# ── operations ───────────────────────────────────────────────────────────────────────────────────────────────────────


def open_account(view: View, operation: OpenAccount, context: Context) -> Changes:
    """An organisation begins an account of its own."""
    ref = AccountRef(context.organisation, operation.account)
    refuse_repeated(view, keyspace.account(ref), context, "account_exists")
    verify_signer(view, context)
    books = Books(view, context)
    books.open(ref, operation.purpose, operation.limit, operation.takes_from_others)
    return books.changes


def close_account(view: View, operation: CloseAccount, context: Context) -> Changes:
    """Its account is done with: what went out came in, so nothing is held of it. What others hold for it can be released only."""
    ref = AccountRef(context.organisation, operation.account)
    end = keyspace.account_end(ref)
    refuse_repeated(view, end, context, "account_closed")
    verify_signer(view, context)
    account = Books(view, context).account(ref)
    verify_free(view, ref)
    if account.debits_fen != account.credits_fen:
        raise Refused("account_not_even")
    return {keyspace.account(ref): replace(account, closed=True), end: ReasonBody("")}


def transfer(view: View, operation: Transfer, context: Context) -> Changes:
    """Money leaves an account of the signer's."""
    name = TransferRef(context.organisation, operation.transfer)
    refuse_repeated(view, keyspace.transfer(name.organisation, name.transfer), context, "transfer_exists")
    verify_signer(view, context)
    _verify_owner(operation.debit, context)
    verify_free(view, operation.debit, operation.credit)
    books = Books(view, context)
    books.transfer(
        name,
        operation.debit,
        operation.credit,
        operation.amount_fen,
        operation.code,
        operation.about,
        operation.corrects,
    )
    return books.changes


def hold_money(view: View, operation: HoldMoney, context: Context) -> Changes:
    """Money of an account of the signer's is kept back."""
    refuse_repeated(view, keyspace.held(context.organisation, operation.hold), context, "hold_exists")
    verify_signer(view, context)
    _verify_owner(operation.debit, context)
    verify_free(view, operation.debit, operation.credit)
    books = Books(view, context)
    books.hold(operation.hold, operation)
    return books.changes


def capture_hold(view: View, operation: CaptureHold, context: Context) -> Changes:
    """A hold of the signer's becomes a transfer."""
    name = TransferRef(context.organisation, operation.transfer)
    refuse_repeated(view, keyspace.transfer(name.organisation, name.transfer), context, "transfer_exists")
    verify_signer(view, context)
    books = Books(view, context)
    held = books.held(operation.hold)
    verify_free(view, held.debit, held.credit)
    books.capture(operation.hold, name, operation.amount_fen)
    return books.changes


def release_hold(view: View, operation: ReleaseHold, context: Context) -> Changes:
    """Nothing comes of a hold of the signer's."""
    step = keyspace.let_go(context.organisation, operation.hold)
    refuse_repeated(view, step, context, "already_released")
    verify_signer(view, context)
    books = Books(view, context)
    held = books.held(operation.hold)
    verify_free(view, held.debit, held.credit)
    books.release(operation.hold)
    return books.changes | {step: ReasonBody(operation.reason)}


def verify_signer(view: View, context: Context) -> None:
    """The signer's codes."""
    if context.purpose != UNIT:
        raise Refused("wrong_key")
    body = organisation(view, context.organisation)
    if body.state != ACTIVE:
        raise Refused("organisation_suspended" if body.state == SUSPENDED else "organisation_closed")


def part_account(owner: str, part: str, purpose: str, about: bytes = b"") -> AccountRef:
    """What an account of a part of the rules is called, whether it is open or not."""
    return AccountRef(owner, digest(ACCOUNT, [part, purpose, about]))


def verify_free(view: View, *refs: AccountRef) -> None:
    """What credit, payments, splits or deposits keep is moved by their own operations alone: no withdrawal passes by them."""
    for ref in refs:
        body = view.get(keyspace.account(ref), AccountBody)
        if body is not None and body.part:
            raise Refused("account_guarded")


def _verify_owner(ref: AccountRef, context: Context) -> None:
    if ref.owner != context.organisation:
        raise Refused("not_the_owner")
