"""Many verifications at once, for institutions that show who they are: no lock-out, a count for metrics, a signed manifest.

Rows are looked at one after the other; after SLICE_S the node's loop has a turn, so that bills go on meanwhile.
"""

from __future__ import annotations

import asyncio
import base64
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from chain.certified import CurrentRecord, SetChange
from chain.codec import encode
from chain.signature import SigningKey
from chain.transaction import key_id
from chain.verification_manifest import (
    Question,
    Result,
    Statement,
    questions_digest,
    results_digest,
    sign_statement,
)
from node.service import Claimed, Head, ServiceRefused

SLICE_S = 0.005  # of rows in a row
BATCHES_AT_ONCE_MAX = 2  # of one node; others wait their turn

Compare = Callable[[Claimed], Awaitable[dict[str, Any]]]  # {verdict, status?, reversed_by?, reverses?}
ProveKey = Callable[[bytes], Awaitable[tuple[CurrentRecord, list[SetChange]] | None]]  # key id -> its record, proven


class BatchVerification:
    """`key` is the unit key of the node's own organisation, None where the node does not hold it."""

    def __init__(
        self, chain_id: bytes, organisation: str, key: SigningKey | None, compare: Compare, prove_key: ProveKey
    ) -> None:
        self.counts: Counter[str] = Counter()  # verdict -> rows, for metrics
        self._chain_id, self._organisation, self._key = chain_id, organisation, key
        self._compare, self._prove_key = compare, prove_key
        self._turns = asyncio.Semaphore(BATCHES_AT_ONCE_MAX)

    async def verify(self, claims: Sequence[Claimed], head: Callable[[], Head]) -> dict[str, Any]:
        """{counts, results, manifest}: results in the order of the claims. Raises ServiceRefused `unavailable`."""
        async with self._turns:
            return await self._verify(claims, head())

    async def _verify(self, claims: Sequence[Claimed], as_of: Head) -> dict[str, Any]:
        key = self._key
        if key is None:
            raise ServiceRefused("unavailable", "this node does not hold its organisation's key")
        name = key_id(key.public)
        proven = await self._prove_key(name)
        if proven is None:
            raise ServiceRefused("unavailable", "nobody proves this organisation's key now")
        answers: list[dict[str, Any]] = []
        begun = time.perf_counter()
        for claimed in claims:
            answers.append(await self._compare(claimed))
            if time.perf_counter() - begun > SLICE_S:
                await asyncio.sleep(0)
                begun = time.perf_counter()
        counts = Counter(answer["verdict"] for answer in answers)
        self.counts.update(counts)
        questions = questions_digest(map(question_of, claims))  # of 10,000 rows: some 9 ms each
        await asyncio.sleep(0)
        results = results_digest(map(result_of, answers))
        await asyncio.sleep(0)
        statement = Statement(
            chain_id=self._chain_id,
            organisation=self._organisation,
            rows=len(claims),
            questions=questions,
            results=results,
            height=as_of.height,
            time_ms=as_of.time_ms,
        )
        manifest = sign_statement(statement, key, *proven)
        return {
            "counts": dict(sorted(counts.items())),
            "results": answers,
            "manifest": {
                "rows": statement.rows,
                "questions": statement.questions.hex(),
                "results": statement.results.hex(),
                "as_of": {"height": statement.height, "time_ms": statement.time_ms},
                "organisation": statement.organisation,
                "key_id": name.hex(),
                "signature": manifest.signature.hex(),
                "file": base64.b64encode(encode(manifest)).decode(),
            },
        }


def question_of(claimed: Claimed) -> Question:
    total = [] if claimed.total_fen is None else [claimed.total_fen]
    return Question(claimed.bill_id, claimed.check_code, claimed.business_date or "", total)


def result_of(answer: dict[str, Any]) -> Result:
    return Result(*(str(answer.get(name) or "") for name in Result.__struct_fields__))
