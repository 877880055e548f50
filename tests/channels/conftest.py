"""The counter that the stories use."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from node.channels.simulators import keys
from tests.channels.counter import Counter, open_counter

make_key = keys.make_key
KEYS: list[RSAPrivateKey] = []  # made once: finding primes would take most of the stories' time


@pytest.fixture(autouse=True)
def kept_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """Within a story every key is another one; the next story has the same ones again."""
    given = iter(range(1_000))

    def next_key() -> RSAPrivateKey:
        place = next(given)
        while len(KEYS) <= place:
            KEYS.append(make_key())
        return KEYS[place]

    monkeypatch.setattr(keys, "make_key", next_key)


@pytest.fixture
async def counter(tmp_path: Path) -> AsyncIterator[Counter]:
    async with open_counter(tmp_path) as opened:
        yield opened
