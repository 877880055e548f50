"""What is due and cannot be done now: why, told once; what nobody foresaw at one of them leaves the others their turn."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable

import structlog

from chain.errors import StorageDamaged, StorageFailed
from node.channels.errors import ChannelError
from node.service import ServiceRefused

TOLD_MAX = 500
UNFORESEEN = "internal_error"

log = structlog.get_logger("gateway")


class Waiting:
    def __init__(self, event: str) -> None:
        """`event`: what the log calls it."""
        self._event = event
        self.codes: dict[bytes, str] = {}  # name of what is due -> why it waits; at most TOLD_MAX

    async def attempt(self, name: bytes, step: Awaitable[None]) -> bool:
        """Whether the step was done. Raises StorageDamaged, StorageFailed: then the gateway has to stop."""
        try:
            await step
        except (ChannelError, ServiceRefused) as refused:
            self.tell(name, refused.code)
        except (StorageDamaged, StorageFailed):
            raise
        except Exception:  # a fault of the code at this one: people look, the next ones go on
            self.tell(name, UNFORESEEN, is_fault=True)
        else:
            return True
        return False

    def tell(self, name: bytes, code: str, is_fault: bool = False) -> None:
        """Once for each name and code, of TOLD_MAX at most: people have enough to look at then. `is_fault` with the trace of what
        is being handled."""
        if self.codes.get(name) == code or (name not in self.codes and len(self.codes) >= TOLD_MAX):
            return
        log.error(self._event, code=code, exc_info=is_fault)
        self.codes[name] = code

    def counts(self) -> dict[str, int]:
        """So many wait for each reason."""
        return dict(sorted(Counter(self.codes.values()).items()))

    def forget(self, name: bytes) -> None:
        """It is done, or waits no longer."""
        self.codes.pop(name, None)
