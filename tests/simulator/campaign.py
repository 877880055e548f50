"""Summaries of ranges of seeds, that add up: one JSON line each, so that a campaign can stop and go on."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from tests.simulator.world import Verdict

# Rare events that a campaign must have met (I15); those without a hit are printed with 0.
EXPECTED = (
    "D1 crash that loses unflushed writes",
    "D4 a flush fails: the node stops",
    "D5 a block is damaged: fetched again from others",
    "D5 the state is damaged: dropped and built again",
    "D9 the disk is full: the node stops",
    "D11 slow disk",
    "D12-D14 wiped",
    "D12-D14 restored",
    "D12-D14 cloned",
    "D12-D14 journal gone",
    "D12-D14 journal damaged",
    "D12-D14 journal rolled back",
    "I8 evidence",
    "L1 the same transaction again, through another node",
    "L3 one business number twice at once",
    "L5 a hold is captured",
    "L5 CaptureCredit is recorded",
    "L5 HoldCredit is recorded",
    "L5 PlaceOrder is recorded",
    "L5 RefundPayment is recorded",
    "L5 TakePayment is recorded",
    "L5 money is taken back",
    "L5 refused: exceeds_credits",
    "L5 refused: exceeds_debits",
    "L5 refused: exceeds_transfer",
    "L5 refused: hold_expired",
    "N4 a very late message",
    "N5 replayed much later",
    "N6 clogged path",
    "N7 a full queue drops",
    "N13 half-open path",
    "NewView with an obligation",
    "P1 restart with votes in the journal",
    "P3 all crash",
    "P4 paused, longer than a timeout",
    "P5 restart storm",
    "P6 a slow node",
    "P7 a clock drifts",
    "P7 a clock jumps by a day",
    "P9 a change is proposed: add",
    "P9 a change is proposed: remove",
    "P9 a change is proposed: replace",
    "P9 a change is proposed: rotate",
    "P9 a seat is gained while following",
    "P9 a seat is left",
    "P9 a unit key changes",
    "P9 an epoch begins",
    "hunt: final at one, which is then cut off",
    "rule 14 a learner asks for renewal",
    "rule 6 followed one who left alone",
    "rule 15 led back who has no seat here",
    "view left with a prepared block",
)


@dataclass
class Summary:
    """Of the seeds `ranges`; `digest` is the sum of the runs' digests, so that order does not matter."""

    ranges: list[list[int]] = field(default_factory=list)  # [first, count]
    verdicts: Counter[str] = field(default_factory=Counter)
    sometimes: Counter[str] = field(default_factory=Counter)  # event -> seeds that met it
    blocks: int = 0
    blocks_min: int = 1 << 30
    simulated_ms: int = 0
    took_s: float = 0.0
    slowest_ms: int = 0
    slowest_seed: int = 0
    digest: int = 0

    def add(self, verdict: Verdict) -> None:
        self.verdicts[verdict.result] += 1
        for name in verdict.sometimes:
            self.sometimes[name] += 1
        self.blocks += verdict.heights
        if not verdict.is_too_many:
            self.blocks_min = min(self.blocks_min, verdict.heights)
        self.simulated_ms += verdict.simulated_ms
        if verdict.heal_ms > self.slowest_ms:
            self.slowest_ms, self.slowest_seed = verdict.heal_ms, verdict.seed
        own = sha256(f"{verdict.seed} {verdict.result} {verdict.digest}".encode()).digest()
        self.digest = (self.digest + int.from_bytes(own, "big")) % (1 << 256)

    def merge(self, other: Summary) -> None:
        self.ranges += other.ranges
        self.verdicts.update(other.verdicts)
        self.sometimes.update(other.sometimes)
        self.blocks += other.blocks
        self.blocks_min = min(self.blocks_min, other.blocks_min)
        self.simulated_ms += other.simulated_ms
        self.took_s += other.took_s
        if other.slowest_ms > self.slowest_ms:
            self.slowest_ms, self.slowest_seed = other.slowest_ms, other.slowest_seed
        self.digest = (self.digest + other.digest) % (1 << 256)

    @property
    def seeds(self) -> int:
        return sum(self.verdicts.values())

    def printed(self) -> str:
        seeds, took = self.seeds, max(self.took_s, 0.001)
        lines = [
            f"{seeds} seeds in {self.took_s:.1f} s ({seeds / took:.1f}/s), {self.blocks} blocks, "
            f"at least {self.blocks_min} a seed, simulated / real time {self.simulated_ms / 1000 / took:.0f} : 1",
            f"slowest recovery {self.slowest_ms / 1000:.1f} s (seed {self.slowest_seed}); "
            f"digest of all runs {self.digest:064x}",
            "sometimes, in how many seeds:",
        ]
        names = sorted({*self.sometimes, *EXPECTED})
        lines += [f"  {self.sometimes[name]:>7}  {name}" for name in names]
        lines.append(", ".join(f"{name} {number}" for name, number in sorted(self.verdicts.items())))
        return "\n".join(lines)

    def to_json(self) -> str:
        fields = {**self.__dict__, "digest": f"{self.digest:064x}"}
        return json.dumps(fields, sort_keys=True)

    @classmethod
    def from_json(cls, line: str) -> Summary:
        fields = json.loads(line)
        fields["digest"] = int(fields["digest"], 16)
        fields["verdicts"], fields["sometimes"] = Counter(fields["verdicts"]), Counter(fields["sometimes"])
        return cls(**fields)


def load(path: Path) -> list[Summary]:
    """What a campaign has done so far; none if the file does not exist."""
    if not path.exists():
        return []
    return [Summary.from_json(line) for line in path.read_text("utf-8").splitlines() if line]


def merged(summaries: list[Summary]) -> Summary:
    """All together. Raises ValueError if a seed was counted twice."""
    total, taken = Summary(), set[int]()
    for summary in summaries:
        for first, count in summary.ranges:
            seeds = range(first, first + count)
            if taken.intersection(seeds):
                raise ValueError(f"seeds {first} to {first + count - 1} stand twice in the campaign")
            taken.update(seeds)
        total.merge(summary)
    return total
