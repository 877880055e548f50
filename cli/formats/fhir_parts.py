"""What an ExplanationOfBenefit and an Invoice are read with alike: references, money of one currency, who pays."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from api.intake.document import Element
from api.intake.errors import FormatRefused

CONSULTATION = ("02", "诊察费")
MEDICINE = ("09", "西药费")
OTHER = ("14", "其他费")
CASHIER = "import"

# codes of identifier types (HL7 v2 table 0203), the most telling first -> our name
IDENTIFIERS = {
    "NI": "national_identity_number",
    "SS": "social_security_number",
    "PPN": "passport",
    "DL": "driver_licence",
    "MR": "medical_record_number",
}


def resolve(reference: Element, index: dict[str, Element], kind: str) -> Element:
    found = index.get(reference.need("reference").text())
    if found is None or found.value.get("resourceType") != kind:
        raise FormatRefused("reference_unknown", reference.pointer, f"the bundle has no such {kind}")
    return found


class Money:
    """Reads amounts of one bill and sees to it that they are of one currency."""

    def __init__(self, as_cny: bool) -> None:
        self.as_cny, self.currency = as_cny, ""

    def read(self, amount: Element) -> Decimal:
        """Raises FormatRefused (currency_not_cny, currency_mixed and those of `Element.decimal`)."""
        currency = amount.text_of("currency")
        if currency != "CNY" and not self.as_cny:
            raise FormatRefused("currency_not_cny", f"{amount.pointer}/currency", "--as-cny reads the figures as yuan")
        if currency:
            if self.currency not in ("", currency):
                raise FormatRefused("currency_mixed", f"{amount.pointer}/currency")
            self.currency = currency
        return amount.need("value").decimal()


def payer_of(patient: Element) -> dict[str, Any]:
    names = patient.list_of("name")
    if not names:
        raise FormatRefused("member_missing", f"{patient.pointer}/name")
    name = next((entry for entry in names if entry.text_of("use") == "official"), names[0])
    given = [part.text() for part in name.list_of("given")]
    payer = {"type": "person", "name": name.text_of("text") or " ".join([*given, name.text_of("family")]).strip()}
    numbers = identifiers_of(patient)
    for code, kind in IDENTIFIERS.items():
        if code in numbers:
            return payer | {"id_type": kind, "id_number": numbers[code]}
    return payer


def identifiers_of(patient: Element) -> dict[str, str]:
    numbers: dict[str, str] = {}
    for identifier in patient.list_of("identifier"):
        kind = identifier.find("type")
        for coding in kind.list_of("coding") if kind is not None else []:
            numbers.setdefault(coding.text_of("code"), identifier.text_of("value"))
    return numbers
