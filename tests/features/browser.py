"""The browser of the demo's phone scene, for tests: where there is none, they are skipped."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest

from cli.demo import browser
from cli.demo.browser import NoBrowser, Phone, phone

__all__ = ["Phone", "chromium", "phone"]


@contextmanager
def chromium() -> Iterator[Any]:
    """A running browser. Skips with the reason where there is none."""
    with ExitStack() as held:
        try:
            running = held.enter_context(browser.chromium())
        except NoBrowser as reason:
            if reason.is_broken:
                raise
            pytest.skip(str(reason))
        yield running
