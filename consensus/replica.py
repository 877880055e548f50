"""A replica: owns the state, takes one event at a time, answers with effects."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from chain.validators import ValidatorSet
from consensus.effects import Effect
from consensus.events import Event
from consensus.model import Head, JournalRecord

Sign = Callable[[bytes], bytes]  # message of 32 bytes -> Ed25519 signature by this validator's vote key


@dataclass(frozen=True, slots=True)
class Settings:
    """What a replica is told once; all of it from genesis and the chain but for `seat`, `sign` and `may_vote`."""

    chain_id: bytes
    members: ValidatorSet
    seat: int  # mine
    sign: Sign
    heartbeat_ms: int
    may_vote: bool = True  # False for a node without its journal: it may have forgotten votes (rule 14)


class Replica:
    @classmethod
    def restore(cls, settings: Settings, head: Head, records: Sequence[JournalRecord] = ()) -> Replica:
        """A replica as its disk remembers it. Raises JournalDamaged. The next event must be Started."""
        raise NotImplementedError

    def step(self, event: Event) -> list[Effect]:
        raise NotImplementedError

    def holders(self, digest: bytes) -> list[int]:
        """Seats that hold the bodies of a proposal: those whose vote for it is here."""
        raise NotImplementedError
