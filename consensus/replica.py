"""A replica: owns the state, takes one event at a time, answers with effects.

    event -> note what it says -> apply every rule that now applies, until none does -> adjust timers -> effects

So a rule is looked at whenever anything changed, and no order of messages can leave it behind.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import assert_never

from chain.validators import ValidatorSet
from consensus import catch_up, epochs, normal_case, restart, timers, view_change
from consensus.effects import Effect, PassOn, Send
from consensus.events import (
    BlockChecked,
    BlockFetched,
    Event,
    MessageReceived,
    PassedOver,
    PeerConnected,
    PeerUnreachable,
    ProposalReady,
    Started,
    Timer,
    TimerExpired,
    WorkChanged,
)
from consensus.model import (
    Commit,
    Fetch,
    Head,
    JournalRecord,
    NewView,
    Prepare,
    PrePrepare,
    Status,
    ViewChange,
)
from consensus.state import ReplicaState, Rule, Settings

__all__ = ["Replica", "Settings"]

RULES: tuple[Rule, ...] = (
    catch_up.decide,  # 5
    view_change.join,  # 6
    view_change.accompany,  # 6
    view_change.open_view,  # 8
    normal_case.take_proposal,  # 2
    normal_case.prepare,  # 3
    normal_case.commit,  # 4
    normal_case.propose,  # 1, 2
)
APPLICATIONS_MAX = 1_000  # of rules in one step; more than that is a loop of ours


class Replica:
    """One member's part in the protocol. Pure: equal events give equal effects."""

    def __init__(self, state: ReplicaState) -> None:
        self._state = state

    @classmethod
    def restore(cls, settings: Settings, head: Head, records: Sequence[JournalRecord] = ()) -> Replica:
        """A replica as its disk remembers it (rule 13). Raises JournalDamaged. The next event must be Started.

        `head` is the last block of the log, or `restart.genesis_head`; `records` is the journal, oldest first.
        """
        return cls(restart.restored_state(settings, head, records))

    def step(self, event: Event) -> list[Effect]:
        """What to do about an event. After a Halt or LeaveSet there are no more effects."""
        state, out = self._state, list[Effect]()
        if state.halted or state.has_left:
            return out
        state.now_ms = event.now_ms
        if state.must_hear and state.has_heard:
            state.must_hear = False  # for this life; every rule asks
        self._note(event, out)
        for _ in range(APPLICATIONS_MAX):
            if state.halted or state.has_left or not self._apply_one(out):
                break
        else:
            state.halt("the rules go round in circles", out)
        if state.halted or state.has_left:
            return out
        catch_up.fetch(state, out)
        timers.adjust(state, out)
        return out

    def _apply_one(self, out: list[Effect]) -> bool:
        """What came early for an epoch that has begun, or the first rule that applies; says whether there was one."""
        state = self._state
        if state.inbox:
            self._on_message(state.inbox.pop(0), out)
            return True
        for rule in RULES:  # noqa: SIM110 (a generator costs more than the rules)
            if rule(state, out):
                return True
        return False

    def _note(self, event: Event, out: list[Effect]) -> None:
        state = self._state
        match event:
            case Started():
                state.started_ms = state.now_ms
                catch_up.tell_where_i_stand(state, out)
                timers.start(state, Timer.STATUS, catch_up.STATUS_MS, (), out)
            case MessageReceived():
                self._on_message(event, out)
            case TimerExpired():
                self._on_timer(event, out)
            case BlockChecked():
                normal_case.on_block_checked(state, event, out)
            case ProposalReady():
                normal_case.on_proposal_ready(state, event)
            case WorkChanged():
                state.work_waits = event.waiting
                state.nothing_to_propose = False
            case PassedOver():
                if state.active and not state.is_fetching and not state.is_left_behind:  # as of the timer (rule 10)
                    view_change.leave(state, state.view + 1, out)
            case BlockFetched():
                catch_up.on_block_fetched(state, event, out)
            case PeerConnected():
                state.unlinked.discard(event.seat)
                out.append(Send(event.seat, catch_up.status(state)))
            case PeerUnreachable():
                catch_up.on_unreachable(state, event.seat)
            case _:
                assert_never(event)

    def _on_message(self, event: MessageReceived, out: list[Effect]) -> None:
        state, sender, message = self._state, event.sender, event.message
        if not isinstance(message, Fetch) and message.epoch != state.epoch:
            epochs.on_foreign(state, event)
            return
        match message:
            case PrePrepare():
                normal_case.on_pre_prepare(state, message, out)
            case Prepare() | Commit():
                normal_case.on_vote(state, message, out)
            case ViewChange():
                view_change.on_view_change(state, sender, message, out)
            case NewView():
                view_change.on_new_view(state, message, out)
            case Status():
                catch_up.on_status(state, sender, message, out)
            case Fetch():
                catch_up.on_fetch(state, sender, message, out)
            case _:
                assert_never(message)

    def _on_timer(self, event: TimerExpired, out: list[Effect]) -> None:
        state = self._state
        running = state.timers.get(event.timer)
        if running is None or running.number != event.number:
            return  # stopped or replaced while it ended
        match event.timer:
            case Timer.VIEW:
                del state.timers[Timer.VIEW]
                view_change.leave(state, state.view + 1, out)
            case Timer.PASS_ON:
                out.append(PassOn(state.primary))
            case Timer.STATUS:
                state.nothing_to_propose = False
                state.unlinked.clear()  # a seat's number may have gone to another member since it was said
                catch_up.tell_where_i_stand(state, out)
                timers.start(state, Timer.STATUS, catch_up.STATUS_MS, (), out)
            case Timer.HEARTBEAT | Timer.HELD:
                del state.timers[event.timer]  # the rules look at the clock
            case _:
                assert_never(event.timer)

    # -- what others may ask -----------------------------------------------------------------------------------------

    def holders(self, digest: bytes) -> list[int]:
        """Seats that hold the bodies of a proposal: those whose vote for it is here."""
        return normal_case.holders(self._state, digest)

    @property
    def height(self) -> int:
        return self._state.height

    @property
    def view(self) -> int:
        return self._state.view

    @property
    def primary(self) -> int:
        return self._state.primary

    @property
    def is_active(self) -> bool:
        """Whether it takes part in its view; if not, it waits for a NewView."""
        return self._state.active

    @property
    def may_vote(self) -> bool:
        """False for a learner (rule 14)."""
        return self._state.may_vote

    @property
    def waits_to_hear(self) -> bool:
        """Whether it signs nothing yet, since too few others have said what they hold of its votes (rule 14)."""
        return self._state.may_vote and not self._state.may_sign

    @property
    def members(self) -> ValidatorSet:
        """Who votes on the next block."""
        return self._state.members

    @property
    def upcoming(self) -> ValidatorSet | None:
        """Who votes on the block after the next, if that is another set: messages of its epoch are taken already."""
        upcoming = self._state.upcoming
        return upcoming.members if upcoming is not None else None

    @property
    def seat(self) -> int:
        return self._state.me

    @property
    def is_fetching(self) -> bool:
        """Whether it knows of certified blocks that it has not executed."""
        return self._state.is_fetching

    @property
    def blocks_fetched(self) -> int:
        """How many certified blocks wait here for their turn."""
        return len(self._state.fetched)
