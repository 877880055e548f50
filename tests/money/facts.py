"""What a model remembers: facts that are only added, places between which money was moved. A trial of some steps can be dropped."""

from __future__ import annotations

from collections import ChainMap
from typing import Any

Place = tuple[str, str, bytes]  # whose, what, which
Named = tuple[str, bytes]  # who signed, name


class Facts:
    """All dictionaries of a model. Nothing is taken out of one, so a trial lies on top of them and is kept or dropped."""

    def begin(self) -> None:
        for name, value in vars(self).items():
            if isinstance(value, dict):
                setattr(self, name, ChainMap[Any, Any]({}, value))

    def end(self, is_kept: bool) -> None:
        for name, value in vars(self).items():
            if isinstance(value, ChainMap):
                tried, before = value.maps
                if is_kept:
                    before.update(tried)
                setattr(self, name, before)


class Moves(Facts):
    """Every fen that was moved, by where it left and where it came to."""

    def __init__(self) -> None:
        self.went: dict[Place, int] = {}
        self.came: dict[Place, int] = {}

    def move(self, source: Place, target: Place, amount: int) -> None:
        self.went[source] = self.went.get(source, 0) + amount
        self.came[target] = self.came.get(target, 0) + amount

    def at(self, place: Place) -> int:
        return self.came.get(place, 0) - self.went.get(place, 0)

    def places(self) -> set[Place]:
        return {*self.went, *self.came}
