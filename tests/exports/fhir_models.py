"""The FHIR models of fhir-resources as a validator: structure by the models, and the codes that they name but do not insist on."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

from fhir.resources.R4B import get_fhir_model_class
from pydantic import BaseModel


def validated(bundle: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """Check a bundle, and each of its resources by its own model. Resource type -> resources. Raises ValueError."""
    _check(bundle)
    found: dict[str, list[dict[str, Any]]] = {}
    for entry in bundle["entry"]:
        _check(entry["resource"])
        found.setdefault(entry["resource"]["resourceType"], []).append(entry["resource"])
    return found


def read_bundle(text: str) -> dict[str, Any]:
    """JSON with its numbers as they are written."""
    return dict(json.loads(text, parse_float=Decimal))


def _check(resource: dict[str, Any]) -> None:
    model = get_fhir_model_class(resource["resourceType"])
    _check_codes(model.model_validate_json(json.dumps(resource, default=float)), resource["resourceType"])


def _check_codes(value: Any, place: str) -> None:
    if isinstance(value, list):
        for entry in value:
            _check_codes(entry, place)
    elif isinstance(value, BaseModel):
        for name, field in type(value).model_fields.items():
            part = getattr(value, name)
            extra = field.json_schema_extra
            allowed = extra.get("enum_values") if isinstance(extra, dict) else None
            if isinstance(allowed, list) and part is not None and part not in allowed:
                raise ValueError(f"{place}.{name}: {part} is no code of it")
            _check_codes(part, f"{place}.{name}")
