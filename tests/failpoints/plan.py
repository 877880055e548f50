"""Which failpoint is struck at which node, how, at which passing, and what it takes to get there."""

from __future__ import annotations

from dataclasses import dataclass

from chain.failpoint import KILL, TORN
from chain.failpoint_table import FORCED, POINTS, WRITES

VALIDATOR, MIRROR, GATEWAY, INIT = "validator", "mirror", "gateway", "init"

# What has to be done while the armed node runs, so that it gets there.
PRIMARY = "primary"  # the primary stands still: the armed one is next
OUTAGE = "outage"  # two other validators stand still: what is sent goes round again
ALLOT = "allot"  # a clerk allots numbers at the archive
STOP = "stop"  # an operator stops the node

LOWEST = "lowest"  # by name: it dials all others
BACKUP = "backup"  # a primary has executed its block before it is asked for a verdict


@dataclass(frozen=True, slots=True)
class Case:
    """One run. `more` are failpoints armed beside it, which force what is rare; `torn` names a file of the node's data
    that ends in half a record when it starts; `goes_on`: the node has to survive the error."""

    name: str
    node: str
    action: str
    at: int = 3
    more: str = ""
    trigger: str = ""
    torn: str = ""
    goes_on: bool = False
    who: str = ""  # of the validators: LOWEST or BACKUP; any, if empty

    @property
    def label(self) -> str:
        return f"{self.name}/{self.node}/{self.action}"

    @property
    def spec(self) -> str:
        """For the environment."""
        return ";".join(part for part in (self.more, f"{self.name}={self.action}@{self.at}") if part)


@dataclass(frozen=True, slots=True)
class _Way:
    """How a point is reached; `nodes` that pass it."""

    nodes: tuple[str, ...]
    at: int = 3
    more: str = ""
    trigger: str = ""
    torn: str = ""
    goes_on: bool = False
    who: str = ""


_LOG = (VALIDATOR, MIRROR)
_PRUNE = "journal.prune=force@3"
_ROLL = "block_log.roll=force@3"
_STATE_LOST = "state.open=EIO@1"
WAYS: dict[str, _Way] = {
    "segment.cut": _Way(_LOG, 1, torn="blocks"),
    "segment.cut_flush": _Way(_LOG, 1, torn="blocks"),
    "block_log.new_segment": _Way(_LOG, 1, _ROLL),
    "block_log.segment_made": _Way(_LOG, 1, _ROLL),
    "block_log.segment_flushed": _Way(_LOG, 1, _ROLL),
    "directory.flush": _Way((VALIDATOR,), 1, _PRUNE),
    "directory.flushed": _Way((MIRROR,), 1, _ROLL),
    "state.open": _Way(_LOG, 1, goes_on=True),
    "state.before_write": _Way(_LOG, 1),
    "state.after_write": _Way(_LOG, 1),
    "details.open": _Way((MIRROR,), 1),
    "details.before_unsynced_write": _Way((MIRROR,), 1, trigger=STOP),
    "gateway.open": _Way((GATEWAY,), 1),
    "database.made": _Way((VALIDATOR,), 1, _STATE_LOST),
    "database.marked": _Way((MIRROR,), 1, _STATE_LOST),
    "ledger.state_dropped": _Way((MIRROR,), 1, _STATE_LOST),
    "ledger.state_made": _Way((VALIDATOR,), 1, _STATE_LOST),
    "ledger.replayed": _Way(_LOG, 2, _STATE_LOST),
    "journal.rewrite": _Way((VALIDATOR,), 1, _PRUNE),
    "journal.rewrite_flush": _Way((VALIDATOR,), 1, _PRUNE),
    "journal.rename": _Way((VALIDATOR,), 1, _PRUNE),
    "journal.renamed": _Way((VALIDATOR,), 1, _PRUNE),
    "journal.rewritten": _Way((VALIDATOR,), 1, _PRUNE),
    "journal.cut": _Way((VALIDATOR,), 1, torn="journal"),
    "journal.cut_flush": _Way((VALIDATOR,), 1, torn="journal"),
    "saver.state_written": _Way((VALIDATOR,), 1),
    "effects.proposing": _Way((VALIDATOR,), 1, trigger=PRIMARY),
    "effects.checked": _Way((VALIDATOR,), who=BACKUP),
    "intake.bundle_admitted": _Way((VALIDATOR,), 1, trigger=OUTAGE),
    "transport.dial": _Way((VALIDATOR, GATEWAY), 2, goes_on=True, who=LOWEST),
    "transport.accept": _Way((VALIDATOR, MIRROR), 2, goes_on=True),
    "transport.hello": _Way((VALIDATOR, GATEWAY), 2, goes_on=True),
    "link.write": _Way((VALIDATOR, MIRROR, GATEWAY), 20, goes_on=True),
    "link.written": _Way((VALIDATOR, GATEWAY), 20, goes_on=True),
    "link.read": _Way((VALIDATOR, MIRROR, GATEWAY), 20, goes_on=True),
    "follow.state_written": _Way((MIRROR,), 1),
    "seal_index.saved": _Way((MIRROR,), 1, trigger=STOP),
    "submissions.keeping": _Way((MIRROR,), 1, trigger=ALLOT),
    "submissions.kept": _Way((MIRROR,), 1, trigger=ALLOT),
    "lease_book.asked": _Way((GATEWAY,), 1),
    "lease_book.recorded": _Way((GATEWAY,), 1),
    "sender.again": _Way((GATEWAY,), 1, trigger=OUTAGE),
    "settling.sealed": _Way((GATEWAY,), 1),
}
_BY_GROUP = {
    "segment": _Way(_LOG),
    "state": _Way(_LOG),
    "details": _Way((MIRROR,)),
    "gateway": _Way((GATEWAY,)),
    "journal": _Way((VALIDATOR,)),
    "saver": _Way((VALIDATOR,)),
    "effects": _Way((VALIDATOR,)),
    "intake": _Way((VALIDATOR,)),
    "follow": _Way((MIRROR,)),
    "details_store": _Way((MIRROR,)),
    "mirror": _Way((MIRROR,)),
    "sealer": _Way((MIRROR,)),
    "keystore": _Way((INIT,)),
    "provision": _Way((INIT,), 1),
}


def cases() -> list[Case]:
    """All runs: at each point a kill, and each error that the system may give there; where bytes are written, a half.

    First those that build a state anew, while the chain is short.
    """
    found: list[Case] = []
    for name, point in POINTS.items():
        if name in FORCED:  # a helper of others, no place to die
            continue
        way = WAYS.get(name) or _BY_GROUP.get(name.partition(".")[0]) or _Way((GATEWAY,))
        for number, node in enumerate(way.nodes):
            torn = [TORN] if name in WRITES else []
            errors = point.errors if number == 0 or name.startswith(("segment", "block_log", "state")) else ()
            for action in [KILL, *torn, *errors]:
                goes_on = way.goes_on and action != KILL
                found.append(Case(name, node, action, way.at, way.more, way.trigger, way.torn, goes_on, way.who))
    return sorted(found, key=lambda case: case.name != "state.open" and case.more != _STATE_LOST)


# Few, for every `make test`: each of another kind of store or step, each where a mistake loses a bill or a vote.
SHORT = (
    Case("saver.blocks_flushed", VALIDATOR, KILL),
    Case("journal.renamed", VALIDATOR, KILL, 1, _PRUNE),
    Case("segment.flush", VALIDATOR, "EIO"),
    Case("follow.flushed", MIRROR, KILL),
    Case("details.before_write", MIRROR, "ENOSPC"),
    Case("gateway_store.batch_written", GATEWAY, KILL),
)
