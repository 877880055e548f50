"""Which set of validators votes at which height: all sets that a chain ever had, by epoch.

Epochs are few (a change of members, or a renewal) and stay in memory as numbers; the sets lie where the owner keeps
them. A height belongs to the newest epoch that is not above it, and that is settled two blocks before.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Callable, Iterable

from chain.validators import ValidatorSet

SETS_KEPT_MAX = 64  # decoded


class SetHistory:
    """`load` gives the set of an epoch that was added."""

    def __init__(self, load: Callable[[int], ValidatorSet], epochs: Iterable[int]) -> None:
        self._load = load
        self._epochs = sorted(epochs)  # eight bytes and an int for each set of the chain
        self._kept: OrderedDict[int, ValidatorSet] = OrderedDict()  # epoch -> set, at most SETS_KEPT_MAX

    def add(self, members: ValidatorSet) -> None:
        """A set that is newer than all others; the owner has stored it."""
        if self._epochs and members.epoch <= self._epochs[-1]:
            raise RuntimeError(f"a set of epoch {members.epoch} after {self._epochs[-1]}")
        self._epochs.append(members.epoch)

    def at(self, height: int) -> ValidatorSet:
        """The set that votes at a height, of those that were added. Raises LookupError below the first epoch."""
        place = bisect_right(self._epochs, height)
        if place == 0:
            raise LookupError(f"nobody votes at height {height}")
        return self._at(self._epochs[place - 1])

    def before(self, epoch: int) -> ValidatorSet | None:
        """The set of the epoch before one, None before the first."""
        return self.at(epoch - 1) if self._epochs and epoch > self._epochs[0] else None

    def since(self, epoch: int) -> list[ValidatorSet]:
        """The sets from `epoch` on, ascending."""
        return [self._at(number) for number in self._epochs[bisect_right(self._epochs, epoch - 1) :]]

    def _at(self, epoch: int) -> ValidatorSet:
        found = self._kept.get(epoch)
        if found is None:
            found = self._kept[epoch] = self._load(epoch)
            if len(self._kept) > SETS_KEPT_MAX:
                self._kept.popitem(last=False)
        return found
