"""What a run is like: a record of named chances, drawn from the seed. Times are milliseconds of simulated time.

The ids N, P, D and Y are those of the catalogue in this folder's README.
"""

from __future__ import annotations

import random
from dataclasses import asdict, dataclass, replace

SIZES = (4, 5, 6, 7, 10)


@dataclass(frozen=True)
class Options:
    seed: int
    n: int  # members of the first set
    liars: tuple[int, ...]  # organisations; with the forgetful ones at most f, but for `too_many`
    lies: tuple[str, ...]  # names of LIES that they tell
    forgetful: tuple[int, ...]  # organisations that lose their journal in some way
    losses: tuple[str, ...]  # which way, one of LOSSES each
    is_too_many: bool  # more than f liars: only detection is demanded (I8)
    is_real_crypto: bool  # Ed25519; else hashes under a key that only the signer has
    is_bytes_on_wire: bool  # messages travel encoded
    is_executed_everywhere: bool  # each node executes each block itself
    fault_ms: int  # how long faults go on; then everything heals
    loss: float  # N1: chance per message
    kind_loss: float  # N1: chance more for one kind of message at a time
    is_hunted: bool  # Commits reach one member only; once it has a final block, it is cut off from honest ones
    duplicate: float  # N2
    replay: float  # N5: chance that a message comes once more, seconds later
    late_replay: float  # N5: chance that a message comes once more after a third of the run, whatever epoch it is then
    delay_ms: int  # N3, N4: mean, exponential
    heavy_tail: float  # N4: chance of a delay fifty times the mean
    clog_every_ms: int  # N6, N12: a path swallows nothing and delivers nothing for a while; 0 never
    queue_max: int  # N7: messages under way on one path, beyond which it drops; 0 no bound
    drip: float  # N13: chance that a clogged path is half-open: what went into it is lost
    partition_every_ms: int  # N8 - N11: mean; 0 never
    partition_ms: int  # mean
    crash_every_ms: int  # P1, P2: mean over the cluster; 0 never
    crash_all: float  # P3: chance that a crash takes all
    storm: float  # P5: chance that a crash comes again right after the restart
    down_ms: int  # mean
    pause_every_ms: int  # P4: SIGSTOP, longer than the view timeout; 0 never
    slow: int  # P6: one node is so many times slower; 1 none
    skew_ms: int  # P7: clocks differ by at most this, and are set now and then
    clock_jump: float  # P7: chance that setting a clock is a jump of a day
    drift: float  # P7: one clock runs faster by this
    flush_ms: int  # mean time of the writer to take its next batch
    slow_disk: float  # D11: chance that a batch takes a second
    flush_error: float  # D4, D9: chance that a write or flush fails: the node stops
    damage: float  # D5 - D8: chance that a crash leaves a damaged block or state, found by its checksum
    full_after: int  # D9: the disk of one node is full after so many writes; 0 never
    execute_ms: int  # mean time to execute a block
    submit_every_ms: int  # mean
    heartbeat_ms: int
    change_every_ms: int  # P9: proposals to change the set; 0 never

    @classmethod
    def from_seed(cls, seed: int) -> Options:
        draw = random.Random(f"options 2 {seed}")
        n = draw.choices(SIZES, [64, 12, 10, 9, 5])[0]
        f = (n - 1) // 3
        faulty = draw.sample(range(n), f)
        kind = draw.choice(["liars", "liars", "some of both", "forgetful", "damage"])
        liars = sorted(faulty[: {"liars": f, "some of both": f // 2}.get(kind, 0)])
        forgetful = [
            number for number in sorted(faulty) if number not in liars and kind in ("some of both", "forgetful")
        ]
        lies = sorted(draw.sample(LIES, draw.randint(1, len(LIES)))) if liars else []
        if liars and draw.random() < 0.1:
            lies = ["dead"]
        options = cls(
            seed=seed,
            n=n,
            liars=tuple(liars),
            lies=tuple(lies),
            forgetful=tuple(forgetful),
            losses=tuple(draw.choice(LOSSES) for _ in forgetful),
            is_too_many=False,
            is_real_crypto=seed % 50 == 49,
            is_bytes_on_wire=seed % 10 == 0,
            is_executed_everywhere=seed % 10 == 5,
            fault_ms=draw.choice([3_000, 6_000, 10_000]),
            loss=draw.choice([0.0, 0.0, 0.01, 0.05, 0.2, 0.3]),
            kind_loss=draw.choice([0.0, 0.0, 0.0, 0.5, 0.8, 0.95]),
            is_hunted=draw.random() < 0.3,
            duplicate=draw.choice([0.0, 0.0, 0.05, 0.5]),
            replay=draw.choice([0.0, 0.0, 0.02]),
            late_replay=draw.choice([0.0, 0.0, 0.01]),
            delay_ms=draw.choice([1, 5, 30, 150, 400]),
            heavy_tail=draw.choice([0.0, 0.0, 0.01, 0.05]),
            clog_every_ms=draw.choice([0, 0, 500, 3_000]),
            queue_max=draw.choice([0, 0, 20]),
            drip=draw.choice([0.0, 0.5]),
            partition_every_ms=draw.choice([0, 1_000, 4_000]),
            partition_ms=draw.choice([300, 1_500, 4_000]),
            crash_every_ms=draw.choice([500, 2_000] if kind == "damage" else [0, 500, 2_000, 5_000]),
            crash_all=draw.choice([0.0, 0.0, 0.2]),
            storm=draw.choice([0.0, 0.0, 0.5]),
            down_ms=draw.choice([50, 500, 3_000]),
            pause_every_ms=draw.choice([0, 0, 3_000]),
            slow=draw.choice([1, 1, 1, 10, 100]),
            skew_ms=draw.choice([0, 0, 200, 4_000]),
            clock_jump=draw.choice([0.0, 0.0, 0.3]),
            drift=draw.choice([0.0, 0.0, 0.01, 0.2]),
            flush_ms=draw.choice([1, 1, 5, 50]),
            slow_disk=draw.choice([0.0, 0.0, 0.05]),
            flush_error=draw.choice([0.0, 0.0, 0.001]),
            damage=0.5 if kind == "damage" else draw.choice([0.0, 0.2]),
            full_after=draw.choice([0, 0, 0, 20, 100]),
            execute_ms=draw.choice([1, 1, 10, 100]),
            submit_every_ms=draw.choice([50, 150, 300]),
            heartbeat_ms=draw.choice([4_000, 20_000, 600_000]),
            change_every_ms=draw.choice([0, 0, 1_500, 4_000]),
        )
        what = draw.random()
        if what < 0.70:
            return options
        if what < 0.97:  # a quiet network, so that a hunt and a liar that works with it get far
            liars = sorted(draw.sample(range(n), f))
            return _quiet(options, draw, liars)
        # Two honest ones can differ, and the first primary is a liar.
        liars = [0, *sorted(draw.sample(range(1, n), draw.choice([f, max(f, 2 * f - 1)])))]
        quiet = _quiet(options, draw, liars)
        lies = draw.choice(
            [("twins", "two", "yes"), ("hide", "twins", "views", "yes"), ("twins", "two", "views", "yes")]
        )
        return replace(
            quiet,
            is_too_many=True,
            is_hunted=False,
            lies=lies,
            partition_every_ms=draw.choice([0, 1_000]),
            partition_ms=1_500,
            change_every_ms=0,
            crash_every_ms=0,
        )

    def printed(self) -> str:
        return " ".join(f"{name}={value}" for name, value in asdict(self).items())


def _quiet(options: Options, draw: random.Random, liars: list[int]) -> Options:
    return replace(
        options,
        liars=tuple(liars),
        lies=tuple(sorted(draw.sample(["hide", "twins", "views", "yes"], draw.randint(2, 4)))),
        forgetful=(),
        losses=(),
        is_hunted=True,
        fault_ms=10_000,
        **QUIET,
        crash_every_ms=draw.choice([0, 3_000]),
        submit_every_ms=200,
        change_every_ms=draw.choice([0, 0, 3_000]),
    )


QUIET: dict[str, float] = {
    "loss": 0.0,
    "kind_loss": 0.0,
    "duplicate": 0.0,
    "replay": 0.0,
    "late_replay": 0.0,
    "delay_ms": 5,
    "heavy_tail": 0.0,
    "clog_every_ms": 0,
    "queue_max": 0,
    "partition_every_ms": 0,
    "pause_every_ms": 0,
    "slow": 1,
    "skew_ms": 0,
    "clock_jump": 0.0,
    "drift": 0.0,
    "flush_ms": 1,
    "slow_disk": 0.0,
    "flush_error": 0.0,
    "damage": 0.0,
    "full_after": 0,
    "execute_ms": 1,
}

LIES = (
    "twins",  # Y1: two honest brains with one key, each speaking to a part of the others
    "two",  # Y2: as primary, another valid block for each half of the others
    "yes",  # Y3: signs Prepare and Commit for whatever it sees, to some
    "hide",  # Y4, Y10: ViewChanges without what was prepared, or from genesis
    "views",  # Y5: NewViews of its own making, different ones to different members
    "mute",  # Y6: says nothing to some members for a while
    "late",  # Y6: says everything just before the others lose their patience
    "censor",  # Y6: as primary it leaves out what some organisations sign
    "wrong",  # Y7: proposes blocks with a wrong root, time or list
    "bend",  # Y8: changes one field of what it says
    "again",  # Y9: says once more what it heard from others long ago
    "false",  # Y11: as server of blocks: none, too few, or with bent certificates
    "far",  # Y4, Y12: announces huge views and heights
    "flood",  # Y13: votes for far slots, and everything many times
    "edge",  # Y15: signatures of the edge cases of Ed25519
)  # or "dead" alone: never says a word; or "split", with "yes": as forks.py has it

LOSSES = (
    "wiped",  # D14: an empty disk, the key kept
    "restored",  # D12: an older copy of all files put back
    "cloned",  # D13: a copy of the files runs beside the original
    "journal gone",  # D8
    "journal damaged",  # D5
    "journal rolled back",  # D14: an older copy of the journal beside the blocks of today
)
