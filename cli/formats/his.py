"""Bill bodies as hospital systems send them to the Bosssoft medical interface, one JSON list of bodies per file.

What a body says and how it becomes a bill: `api/intake/his_body.py`.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

from api.intake.document import Read, load
from api.intake.errors import FormatRefused
from api.intake.his_body import CHINA, bill_of

DAYS_BEHIND_MAX = 3  # a business date further behind the import is not claimed; keep it within genesis' own bound


def read(path: Path, *, as_cny: bool, now: str, place_code: str, days_behind_max: int = DAYS_BEHIND_MAX) -> Read:
    """The bills of a file. `place_code` serves bodies that name none; the figures are yuan whatever `as_cny` says."""
    try:
        document = load(path)
        if not isinstance(document.value, list):
            raise FormatRefused("not_a_list", "", f"{path.name}: a list of bill bodies belongs here")
        oldest = datetime.fromisoformat(now).astimezone(CHINA).date() - timedelta(days=days_behind_max)
    except FormatRefused as refusal:
        yield "", refusal
        return
    for body in document.entries():
        business_no = ""
        try:
            business_no = body.need("busNo").text()
            yield business_no, bill_of(body, business_no, now, oldest.isoformat(), place_code)
        except FormatRefused as refusal:
            yield business_no, refusal
