"""Whatever a file holds, a reader answers with bills and refusals, and raises nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chain.bill import BillRequest, verify_request
from cli.formats import READERS, FormatRefused
from tests.cli import test_fhir_format, test_his_format

NOW = "2026-11-21T10:00:00+08:00"

anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(
        ["", "-0", "1e400", "0.005", "CNY", "IMP", "submitted", "20261013081500123", "99999999999999", "\ud800"]
    ),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["reference", "code", "value", "coding", "amt", "std", "x"]), inner, max_size=3
        )
    ),
    max_leaves=6,
)


def good_document(folder: Path, format_name: str) -> Any:
    if format_name == "his":
        return [test_his_format.body()]
    line = test_fhir_format.line(encounter=True)
    path = test_fhir_format.bundle(folder, test_fhir_format.benefit("5", [line, test_fhir_format.line("2.5")]))
    return json.loads(path.read_text())


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths of every part of a document but the whole."""
    found = [path] if path else []
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return found + [place for key, entry in entries for place in places(entry, (*path, key))]


@pytest.mark.parametrize("format_name", sorted(READERS))
@given(data=st.data())
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_part_of_a_good_file_may_become_anything(tmp_path: Path, format_name: str, data: st.DataObject) -> None:
    """Up to three parts are replaced; what still becomes a bill keeps the rules of a bill."""
    document = good_document(tmp_path, format_name)
    for _ in range(data.draw(st.integers(1, 3))):
        parts = places(document)
        if not parts:
            break
        *parents, last = data.draw(st.sampled_from(parts))
        holder = document
        for key in parents:
            holder = holder[key]
        holder[last] = data.draw(anything)
    path = tmp_path / "hostile.json"
    path.write_text(json.dumps(document))
    for business_no, found in READERS[format_name](path, as_cny=True, now=NOW, place_code="A01"):
        assert isinstance(business_no, str)
        assert isinstance(found, BillRequest | FormatRefused)
        if isinstance(found, BillRequest):
            verify_request(found)
            assert found.business_no == business_no


@pytest.mark.parametrize("format_name", sorted(READERS))
@given(content=st.binary(max_size=200))
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_bytes_are_a_refusal(tmp_path: Path, format_name: str, content: bytes) -> None:
    """Nothing so short is a bill."""
    path = tmp_path / "bytes.json"
    path.write_bytes(content)
    for _, found in READERS[format_name](path, as_cny=True, now=NOW, place_code="A01"):
        assert isinstance(found, FormatRefused)
