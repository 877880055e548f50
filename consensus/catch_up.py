"""Final blocks, whoever's certificate and view: rule 5; Status and fetching: rule 11; finding out who is ahead."""

from __future__ import annotations

from chain.validators import COMMIT, PREPARE, Certificate
from consensus import epochs, normal_case
from consensus.effects import Broadcast, Effect, FetchBlocks, Finalise, Send, SendBlocks
from consensus.events import BlockFetched
from consensus.model import BLOCKS_PER_FETCH_MAX, Fetch, Head, Message, Status
from consensus.state import Asked, Decided, ReplicaState, quorum_certificate
from consensus.wire import VIEW_MAX

STATUS_MS = 1_000
FETCH_RETRY_MS = 1_000  # without a block for so long: ask somebody else
CLAIM_PATIENCE_MS = 300  # a peer that is one block ahead may only be a moment ahead
BLOCKS_PUSH_MS = 1_000  # to one seat, at most so often
STATUS_ANSWERED_MS = 400  # one Status of a seat in so long is answered; an honest one sends one a second


def decide(state: ReplicaState, out: list[Effect]) -> bool:
    """Rule 5: a commit certificate for the slot, of any view, in any mode, and the block executed here."""
    if state.decided is None:
        state.decided = certificate_from_votes(state)
    decided = state.decided
    if decided is None:
        return False
    fetched = state.fetched.get(state.slot)
    if fetched is not None:
        state.learn(fetched.header, fetched.transactions)
    elif decided.digest not in state.known:
        learn_early(state, decided.digest)
    block = state.known.get(decided.digest)
    if block is None:
        return False  # `fetch` asks for it
    if block.header.parent != state.head.digest:
        state.halt(f"block {state.slot} is final and does not follow my block {state.height}", out)
        return True
    valid = state.checked.get(decided.digest)
    if valid is None:
        normal_case.ask_check(state, decided.digest, out)
        return False
    if not valid:
        state.halt(f"block {state.slot} is final, and is invalid here", out)
        return True
    out.append(Finalise(block.header, block.transactions, decided.certificate))
    state.head = Head(block.header.height, decided.digest, block.header.time_ms, decided.certificate)
    opened = state.next_epochs.get(decided.digest)
    state.leave_slot()
    beginning, state.upcoming = state.upcoming, opened
    if beginning is not None:
        epochs.enter(state, beginning, out)
        if state.has_left:
            return True
        out.append(Broadcast(status(state)))  # others of the new set may not know me yet
    else:
        view = decided.certificate.view
        if view > state.view or (view == state.view and not state.active):
            state.leave_view(view, active=True, base=state.height, obliged=None)
    following = state.fetched.get(state.slot)
    if following is not None:
        on_certificate(state, state.slot, following.header.digest(), following.certificate, out)
    return True


def learn_early(state: ReplicaState, digest: bytes) -> None:
    """A block of the slot whose proposal came while the slot before was open, in whatever view."""
    for (height, _), early in state.early.items():
        if height == state.slot and early.proposal.header.digest() == digest:
            state.learn(early.proposal.header, early.proposal.transactions)
            return


def certificate_from_votes(state: ReplicaState) -> Decided | None:
    """The commit certificate that the votes for the slot make, if they do."""
    slot, votes, quorum = state.slot, state.votes, state.quorum
    commits = [vote for seat in state.seats if (vote := votes.get((slot, COMMIT, seat))) is not None]
    if len(commits) < quorum:
        return None
    ballots: dict[tuple[int, bytes], dict[int, bytes]] = {}  # (view, digest) -> seat -> signature
    for vote in commits:
        ballots.setdefault((vote.view, vote.digest), {})[vote.seat] = vote.signature
    for (view, digest), signatures in ballots.items():
        if len(signatures) >= quorum:
            return Decided(digest, quorum_certificate(view, signatures, quorum))
    return None


def on_certificate(
    state: ReplicaState, height: int, digest: bytes, certificate: Certificate, out: list[Effect]
) -> None:
    """A commit certificate from a ViewChange or a fetched block. Two of them at one height: the ledger has forked."""
    if height == state.slot and state.decided is None:
        state.decided = Decided(digest, certificate)
    mine = state.head.digest if height == state.height else None
    if height == state.slot and state.decided is not None:
        mine = state.decided.digest
    if mine is not None and mine != digest:
        state.halt(f"two certificates at height {height}: {mine.hex()[:8]} and {digest.hex()[:8]}", out)


def on_block_fetched(state: ReplicaState, event: BlockFetched, out: list[Effect]) -> None:
    """Keep a certified block for its turn, at most BLOCKS_PER_FETCH_MAX ahead."""
    height = event.header.height
    if not state.slot <= height < state.slot + BLOCKS_PER_FETCH_MAX:
        return
    state.fetched.setdefault(height, event)
    if event.sender is not None:
        state.claim(event.sender, height)
    if state.asked is not None:
        state.asked = Asked(state.asked.seat, state.now_ms, answered=True)
    if height == state.slot:
        on_certificate(state, height, event.header.digest(), event.certificate, out)


def fetch(state: ReplicaState, out: list[Effect]) -> None:
    """Ask one peer that is ahead for what comes after the blocks that wait here; another one if it does not answer."""
    if state.slot in state.fetched:
        return  # first these
    asked = state.asked
    if asked is not None and not asked.answered and state.is_within(FETCH_RETRY_MS, asked.since_ms):
        return
    seats = [
        seat
        for seat, claim in sorted(state.claims.items())
        if seat not in state.unlinked
        and (
            claim.height > state.slot
            or (claim.height == state.slot and not state.is_within(CLAIM_PATIENCE_MS, claim.since_ms))
        )
    ]
    decided = state.decided
    if not seats and decided is not None and decided.digest not in state.known:
        seats = sorted({entry.seat for entry in decided.certificate.signatures} - {state.me} - state.unlinked)
    if not seats:
        return
    seat = min(seats, key=lambda candidate: (candidate - state.last_asked - 1) % state.n)
    state.asked, state.last_asked = Asked(seat, state.now_ms, answered=False), seat
    out.append(FetchBlocks(seat, state.slot, BLOCKS_PER_FETCH_MAX))


def on_unreachable(state: ReplicaState, seat: int) -> None:
    """Nobody was asked: a vote of that seat came by way of others, or its link is down. The next one is asked."""
    state.unlinked.add(seat)
    if state.asked is not None and state.asked.seat == seat:
        state.asked = None


def status(state: ReplicaState) -> Status:
    """Where I stand, with all votes for the slot that I hold, so that who forgot one learns of it (rule 14)."""
    slot, seats = state.slot, state.seats
    held = [state.votes.get((slot, kind, seat)) for kind in (PREPARE, COMMIT) for seat in seats]
    votes = [vote for vote in held if vote is not None]
    views = [change.view if (change := state.view_changes.get(seat)) is not None else 0 for seat in seats]
    active = state.active
    if not state.may_vote:  # a learner wants no NewView and none of its own ViewChanges: it says that it has them
        active, views[state.me] = True, VIEW_MAX
    return Status(state.epoch, state.view, active, state.height, state.head.digest, votes, views)


def tell_where_i_stand(state: ReplicaState, out: list[Effect]) -> None:
    """Rule 11, every second; and rule 6: a ViewChange is repeated while I wait."""
    out.append(Broadcast(status(state)))
    mine = state.view_changes.get(state.me)
    if mine is not None and mine.view == state.view and not state.active and state.may_vote:
        out.append(Broadcast(mine))


def on_fetch(state: ReplicaState, sender: int, message: Fetch, out: list[Effect]) -> None:
    """Blocks that I have; nothing if there are none."""
    if 1 <= message.from_height <= state.height:
        out.append(SendBlocks(sender, message.from_height, message.count))


def push_blocks(state: ReplicaState, seat: int, from_height: int, out: list[Effect]) -> None:
    """Blocks for a member that shows to be behind, not too often (rule 11)."""
    last_ms = state.blocks_sent_ms.get(seat)
    if from_height <= state.height and (last_ms is None or not state.is_within(BLOCKS_PUSH_MS, last_ms)):
        state.blocks_sent_ms[seat] = state.now_ms
        out.append(SendBlocks(seat, from_height, BLOCKS_PER_FETCH_MAX))


def on_status(state: ReplicaState, sender: int, message: Status, out: list[Effect]) -> None:
    """Rule 11: take what the peer knows, send what it lacks. Who is behind asks for blocks itself, on my Status."""
    state.claim(sender, message.height)
    for vote in message.votes:
        normal_case.on_vote(state, vote, out)
    hear(state, sender, message)
    note_alone(state, sender, message)
    kept = state.view_changes.get(sender)
    if kept is not None and message.views[sender] < kept.view:
        out.append(Send(sender, kept))  # it has forgotten a promise
    if message.height != state.height or not state.active or not may_answer(state, sender):
        return
    if message.view < state.view or (message.view == state.view and not message.active):
        if state.new_view is not None:
            out.append(Send(sender, state.new_view))
        return
    if message.view == state.view:
        out.extend(Send(sender, missing) for missing in what_it_lacks(state, sender, message))


def note_alone(state: ReplicaState, sender: int, message: Status) -> None:
    """Whether this peer, level with me, waits in the view after mine."""
    if message.view == state.view + 1 and not message.active and message.height + 1 >= state.height:
        since_ms, _ = state.alone.get(sender, (state.now_ms, 0))
        state.alone[sender] = since_ms, state.now_ms
    else:
        state.alone.pop(sender, None)


def may_answer(state: ReplicaState, sender: int) -> bool:
    """A Status has fifty bytes, and may draw a proposal or a NewView: not as often as its sender likes."""
    last_ms = state.answered_ms.get(sender)
    if last_ms is not None and state.is_within(STATUS_ANSWERED_MS, last_ms):
        return False
    state.answered_ms[sender] = state.now_ms
    return True


def hear(state: ReplicaState, sender: int, message: Status) -> None:
    """Rule 14: this peer, not behind me, holds nothing of mine that I lack. What it does hold comes as proof: votes in
    the Status itself, a ViewChange after it; its mere word makes nobody a learner, and does not count as heard. If it
    is ahead, its word counts when I am where it was: of lower heights it shows no votes any more."""
    mine = state.view_changes.get(state.me)
    promised = mine.view if mine is not None else 0
    if state.must_hear and message.height >= state.height and message.views[state.me] <= promised:
        state.heard.setdefault(sender, message.height)


def what_it_lacks(state: ReplicaState, sender: int, message: Status) -> list[Message]:
    """My messages in (view, slot) that an active peer there does not show to have."""
    shown = {(type(vote), vote.seat) for vote in message.votes if vote.view == state.view}
    found: list[Message] = []
    for kind in (PREPARE, COMMIT):
        mine = state.own_vote(kind)
        if mine is None:
            continue
        if kind == PREPARE and state.primary == state.me:
            # Not the vote alone: without a vote of its own the peer may lack the proposal.
            its_own = any(vote.seat == sender and vote.view == state.view for vote in message.votes)
            if state.current is not None and not its_own:
                found.append(state.current)
                continue
        if (type(mine), state.me) not in shown:
            found.append(mine)
    return found
