"""What a run is like: a record of named chances, drawn from the seed. Times are milliseconds of simulated time."""

from __future__ import annotations

import random
from dataclasses import asdict, dataclass, replace


@dataclass(frozen=True)
class Options:
    seed: int
    n: int
    liars: tuple[int, ...]  # seats, at most f
    lies: tuple[str, ...]  # names of liar.LIES that they tell
    is_real_crypto: bool  # Ed25519; else hashes under a key that only the signer has
    is_bytes_on_wire: bool  # messages travel encoded
    fault_ms: int  # how long faults go on; then everything heals
    loss: float  # chance per message
    kind_loss: float  # chance more for one kind of message at a time
    is_hunted: bool  # Commits reach one member only; once it has a final block, it is cut off from honest ones
    duplicate: float
    replay: float  # chance that a message comes once more, seconds later
    delay_ms: int  # mean, exponential
    flush_ms: int  # mean time of the writer to take its next batch
    execute_ms: int  # mean time to execute a block
    crash_every_ms: int  # mean over the cluster; 0 never
    down_ms: int  # mean
    partition_every_ms: int  # mean; 0 never
    partition_ms: int  # mean
    submit_every_ms: int  # mean
    heartbeat_ms: int
    skew_ms: int  # clocks differ by at most this

    @classmethod
    def from_seed(cls, seed: int) -> Options:
        draw = random.Random(f"options {seed}")
        n = draw.choices([4, 5, 6, 7], [70, 10, 10, 10])[0]
        f = (n - 1) // 3
        liars = sorted(draw.sample(range(n), draw.choice([0, f, f, f])))
        lies = sorted(draw.sample(LIES, draw.randint(1, len(LIES)))) if liars else []
        if liars and draw.random() < 0.15:
            lies = ["dead"]
        is_hunted = draw.random() < 0.4
        options = cls(
            seed=seed,
            n=n,
            liars=tuple(liars),
            lies=tuple(lies),
            is_real_crypto=seed % 50 == 49,
            is_bytes_on_wire=seed % 10 == 0,
            fault_ms=draw.choice([3_000, 6_000, 10_000, 15_000]),
            loss=draw.choice([0.0, 0.01, 0.05, 0.2, 0.35]),
            kind_loss=draw.choice([0.0, 0.0, 0.5, 0.8, 0.95]),
            is_hunted=is_hunted,
            duplicate=draw.choice([0.0, 0.0, 0.05, 0.3]),
            replay=draw.choice([0.0, 0.0, 0.02]),
            delay_ms=draw.choice([1, 5, 30, 150, 400]),
            flush_ms=draw.choice([1, 5, 50]),
            execute_ms=draw.choice([1, 10, 100]),
            crash_every_ms=draw.choice([0, 500, 2_000, 5_000]),
            down_ms=draw.choice([50, 500, 3_000]),
            partition_every_ms=draw.choice([0, 1_000, 4_000]),
            partition_ms=draw.choice([300, 1_500, 4_000]),
            submit_every_ms=draw.choice([50, 300, 1_500]),
            heartbeat_ms=draw.choice([4_000, 20_000, 600_000]),
            skew_ms=draw.choice([0, 0, 200, 4_000]),
        )
        if draw.random() < 0.75:
            return options
        # A quiet network, so that a hunt and a liar that works with it get far.
        return replace(
            options,
            liars=tuple(sorted(draw.sample(range(n), f))),
            lies=tuple(sorted(draw.sample(["hide", "twins", "views", "yes"], draw.randint(2, 4)))),
            is_hunted=True,
            fault_ms=15_000,
            loss=0.0,
            kind_loss=0.0,
            delay_ms=5,
            crash_every_ms=draw.choice([0, 3_000]),
            partition_every_ms=0,
            submit_every_ms=300,
        )

    def printed(self) -> str:
        return " ".join(f"{name}={value}" for name, value in asdict(self).items())


LIES = (
    "twins",  # two honest brains with one key, each speaking to a part of the others
    "yes",  # signs Prepare and Commit for whatever it sees
    "hide",  # ViewChanges without what was prepared, or from genesis
    "views",  # NewViews of its own making, different ones to different members
    "mute",  # says nothing to some members for a while
    "far",  # announces huge views and heights
    "wrong",  # proposes blocks with a wrong state root
)  # or "dead" alone: never says a word
