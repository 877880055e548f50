"""Blocks that come while a transaction's signature is checked: what cannot run any more never gets into the pool.

Rule 10: after each block what waits and cannot run is dropped. What came in afterwards would wait for nothing, and a timer
with it, against an honest primary.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

from chain.operation import AddKey, EndKey
from chain.records import UNIT
from chain.transaction import key_id
from node.admission import INLINE_SIGNATURES_MAX, Admission
from node.mempool import CheckedSignatures, Mempool
from tests.chain.making import Chain, issue_bill, key_of

MANY = INLINE_SIGNATURES_MAX + 1  # so many are checked off the loop


class SlowThreads(ThreadPoolExecutor):
    """Blocks come while it works."""

    def __init__(self, meanwhile: Callable[[], object]) -> None:
        super().__init__(1)
        self._meanwhile = meanwhile

    def submit(self, work: Callable[..., Any], /, *given: Any, **named: Any) -> Future[Any]:
        self._meanwhile()
        return super().submit(work, *given, **named)


async def admitted(
    chain: Chain, meanwhile: Callable[[], object], valid_until: int = 100
) -> tuple[list[str], Mempool, Admission]:
    """The codes of some transactions that could run before `meanwhile`."""
    pool = Mempool()
    signed = [
        chain.sign("hospital-a", issue_bill("B-1", serial=n), valid_until=valid_until) for n in range(1, MANY + 1)
    ]
    with SlowThreads(meanwhile) as threads:
        admission = Admission(chain.chain_id, chain.ledger.parent, pool, CheckedSignatures(), threads)
        new, codes = await admission.admit(signed)
    assert len(new) == len(pool) == codes.count("")
    return codes, pool, admission


@pytest.fixture
def chain() -> Chain:
    return Chain()


async def test_what_can_still_run_is_taken(chain: Chain) -> None:
    codes, _pool, _admission = await admitted(chain, chain.block, valid_until=chain.height + 2)
    assert codes == [""] * MANY


async def test_what_expired_meanwhile_is_refused(chain: Chain) -> None:
    codes, _pool, admission = await admitted(chain, chain.block, valid_until=chain.height + 1)
    assert codes == ["transaction_expired"] * MANY
    assert admission.refused == {"transaction_expired": MANY}


async def test_what_ran_meanwhile_is_refused(chain: Chain) -> None:
    first = chain.sign("hospital-a", issue_bill("B-1", serial=1), valid_until=100)
    codes, _pool, _admission = await admitted(chain, lambda: chain.block([first]))
    assert codes == ["transaction_repeated"] + [""] * (MANY - 1)


async def test_whose_key_was_ended_meanwhile_is_refused(chain: Chain) -> None:
    other = key_of("hospital-a/another")
    chain.run("hospital-a", AddKey(other.public, UNIT, 1, chain.height + 2))

    def end_key() -> None:
        chain.run("hospital-a", EndKey(key_id(key_of("hospital-a/unit").public), chain.height + 2))
        chain.block()

    codes, _pool, _admission = await admitted(chain, end_key)
    assert codes == ["key_not_in_force"] * MANY
