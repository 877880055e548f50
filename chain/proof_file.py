"""Files around a proof: the proof itself, the genesis that it is checked against, and what its holder trusts already.

A trust file is JSON: `{"checkpoints": [{"chain_id": 64 hex digits, "height": 12, "digest": 64 hex digits}, …]}`, by
ledger and height, ascending; no other field. Whoever checks proofs with one and keeps `trusted_with` afterwards is told
when two proofs show two different blocks of one height: then validators signed both, and the files are the evidence.
"""

from __future__ import annotations

import functools
import json
from typing import Annotated

import msgspec

from chain.errors import TrustRefused
from chain.genesis import Genesis, genesis_from_json
from chain.proof_kinds import check_any
from chain.verdict import Check, Checkpoint, Verdict, Wanted

PROOF_BYTES_MAX = 2 << 20  # a proof has some 5 kB, 1 kB more per change of the set; decoded it may take 70 times that
GENESES_MAX = 4  # kept parsed
CHECKPOINTS_MAX = 10_000  # in a trust file

_Hex = Annotated[str, msgspec.Meta(pattern=r"\A[0-9a-f]{64}\Z")]


class _Point(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    chain_id: _Hex
    height: Annotated[int, msgspec.Meta(ge=0, le=2**53)]
    digest: _Hex


class _TrustFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    checkpoints: Annotated[list[_Point], msgspec.Meta(max_length=CHECKPOINTS_MAX)]


def check_file(
    data: bytes,
    genesis_json: bytes,
    trusted_json: bytes | None = None,
    max_age_ms: int | None = None,
    now_ms: int | None = None,
    at_height: int | None = None,
    at_ms: int | None = None,
) -> Verdict:
    """Check a proof file's bytes, of whatever kind, against a genesis file's, and against a trust file's if there is one.

    `at_height`, or `at_ms`: as of when it has to speak. Whatever the proof's bytes, it returns a verdict. Raises GenesisRefused for a genesis file that does not read,
    TrustRefused for such a trust file; ValueError if only one of `max_age_ms` and `now_ms` is given.
    """
    genesis = _parsed(genesis_json)
    trusted = read_trusted(trusted_json) if trusted_json is not None else []
    if len(data) > PROOF_BYTES_MAX:
        refusal = f"{len(data)} bytes, a proof has at most {PROOF_BYTES_MAX}"
        return Verdict(False, [Check("form", False, refusal)], {}, None)
    return check_any(data, genesis, Wanted(trusted, max_age_ms, now_ms, at_height, at_ms))


@functools.lru_cache(maxsize=GENESES_MAX)
def _parsed(genesis_json: bytes) -> Genesis:
    """Its keys are checked one by one, which takes longer than a proof: once for many proofs."""
    return genesis_from_json(genesis_json)


def read_trusted(trusted_json: bytes) -> list[Checkpoint]:
    """The checkpoints of a trust file. Raises TrustRefused."""
    try:
        points = msgspec.json.decode(trusted_json, type=_TrustFile).checkpoints
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise TrustRefused(f"not a trust file: {error}"[:200]) from None
    found: dict[tuple[str, int], Checkpoint] = {}
    for point in points:
        checkpoint = Checkpoint(point.chain_id, point.height, point.digest)
        if found.setdefault((point.chain_id, point.height), checkpoint) != checkpoint:
            raise TrustRefused(f"two different blocks {point.height}: the ledger forked, keep this file")
    return list(found.values())


def trusted_with(trusted_json: bytes | None, newest: Checkpoint) -> bytes:
    """A trust file's new content, after a valid verdict: with `newest` added.

    None begins a new file. Of more than CHECKPOINTS_MAX the oldest heights go. Raises TrustRefused for a file that does
    not read or that knows another block of that height.
    """
    points = [*(read_trusted(trusted_json) if trusted_json is not None else []), newest]
    kept = sorted({(point.chain_id, point.height, point.digest) for point in points})
    if len({(chain_id, height) for chain_id, height, _digest in kept}) != len(kept):
        raise TrustRefused(f"two different blocks {newest.height}: the ledger forked, keep both files")
    youngest = sorted(kept, key=lambda point: point[1])[-CHECKPOINTS_MAX:]
    view = [{"chain_id": chain_id, "height": height, "digest": digest} for chain_id, height, digest in sorted(youngest)]
    return (json.dumps({"checkpoints": view}, indent=1) + "\n").encode()


__all__ = ["check_file", "read_trusted", "trusted_with"]
