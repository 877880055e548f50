"""A proof shown to somebody who may see only some of it: a holder keeps the opened fields that he chose, and nothing else.

What the bill's operation says in the open stands on the chain and stays in every file; its names are taken, so that one may
ask for `total,date,issuer`. The details stand in the file only where they were opened; the others are behind leaves with
128-bit salts that the file does not hold, so that nobody finds a value by trying all of them. Source: DESIGN section 6.
"""

from __future__ import annotations

from collections.abc import Sequence

from chain.codec import decode, encode
from chain.details import FIELD_IDS, FIELDS
from chain.errors import FieldRefused, Malformed, ProofRefused
from chain.proof import Proof

# names that people ask for -> what the check of the file calls them: on the chain, and in every proof
OPEN_TO_ALL: dict[str, str] = {
    "bill_id": "bill_id",
    "number": "bill_id",
    "issuer": "issuer",
    "place": "place_code",
    "place_code": "place_code",
    "date": "business_date",
    "business_date": "business_date",
    "total": "total_fen",
    "total_fen": "total_fen",
    "status": "status",
}


def details_among(names: Sequence[str]) -> list[str]:
    """Those of `names` that are fields of the details. Raises FieldRefused `field_unknown`."""
    for name in names:
        if name not in FIELD_IDS and name not in OPEN_TO_ALL:
            raise FieldRefused("field_unknown", name[:48], "no bill has such a field")
    return [name for name in names if name in FIELD_IDS]


def presented(data: bytes, names: Sequence[str]) -> bytes:
    """The same proof with the fields `names` opened and no other. Looks at the form only: whoever gets it checks it.

    Raises ProofRefused if `data` is not a bill's proof, FieldRefused.
    """
    chosen = {FIELD_IDS[name] for name in details_among(names)}
    try:
        proof = decode(data, Proof)
    except Malformed as error:
        raise ProofRefused(f"not a bill's proof: {error}"[:200]) from None
    missing = chosen - {opened.field for opened in proof.opened}
    if missing:
        raise FieldRefused("field_not_opened", FIELDS[min(missing)], "the file does not show it")
    opened = [field for field in proof.opened if field.field in chosen]
    return encode(Proof(proof.version, proof.set_changes, proof.bill, proof.seal, proof.current, opened))
