"""What somebody reads for, as the request says: headers `Purpose` and `Case-Number`.

Whoever supervises or audits names a purpose (`node/purposes.py`); a case's number, an auditor's alone, keeps a reading from the
patient until the case's embargo is over. Both are shown to the patient.
"""

from __future__ import annotations

import re

import msgspec
from starlette.requests import Request

from api.call import Call
from api.errors import ApiRefused
from api.route import Parameter
from node.purposes import PURPOSES, purpose_of
from node.service import Reader

CASE_NUMBER = re.compile(r"[A-Za-z0-9][A-Za-z0-9./()_-]{0,63}", re.ASCII)

PURPOSE_HEADER = Parameter(
    "Purpose",
    "what it is read for: auditors and finance clerks have to say, and the patient is shown it",
    "audit",
    "header",
    schema={"type": "string", "enum": list(PURPOSES)},
)
CASE_HEADER = Parameter(
    "Case-Number", "of an auditor's case: the patient is told of the reading when its embargo is over", None, "header"
)
PURPOSE_HEADERS = (PURPOSE_HEADER, CASE_HEADER)
PURPOSE_PROBLEMS = ("purpose_missing", "purpose_invalid", "case_number_invalid")


def with_purpose(request: Request, reader: Reader | None) -> Reader | None:
    """The reader with what its headers say. Raises ApiRefused `purpose_invalid`, `case_number_invalid`."""
    if reader is None or request.method != "GET":
        return reader
    purpose, case_number = (request.headers.get(name, "").strip() for name in ("purpose", "case-number"))
    if not purpose and not case_number:
        return reader
    if purpose and purpose not in PURPOSES:
        raise ApiRefused("purpose_invalid", f"Purpose: {', '.join(PURPOSES)}")
    if case_number and (reader.role != "auditor" or not CASE_NUMBER.fullmatch(case_number)):
        raise ApiRefused("case_number_invalid", "an auditor's: at most 64 letters, digits and ./()_-")
    return msgspec.structs.replace(reader, purpose=purpose, case_number=case_number)


def verify_purpose(call: Call) -> None:
    """Raises ServiceRefused `purpose_missing` from whoever has to name one."""
    purpose_of(call.person)
