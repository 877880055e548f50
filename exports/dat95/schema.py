"""`archives/dat95-b10.xsd`, the schema of B.10, from the table: python -m exports.dat95.schema

The standard has a table and no schema. What follows from the table: the elements, their order, which hold others, which have
to be there. What is ours: the forms of values, and that elements carry no namespace.
"""

from __future__ import annotations

from pathlib import Path
from xml.sax.saxutils import escape

from exports.dat95.table import (
    AMOUNT,
    BASE64,
    CHECKED,
    CODE,
    DATE,
    LOOKED_AT,
    NO,
    NOT_LOOKED_AT,
    NUMBER,
    ROOT,
    SERIAL,
    TEXT,
    TIME,
    YES,
    YES_NO,
    Element,
)

FILE = Path(__file__).parents[2] / "archives" / "dat95-b10.xsd"

PATTERNS = {  # form -> (base type, pattern)
    AMOUNT: ("xs:decimal", r"-?[0-9]+\.[0-9]{2}"),
    NUMBER: ("xs:decimal", r"-?[0-9]+(\.[0-9]+)?"),
    CODE: ("xs:string", "[0-9]{8}"),
    SERIAL: ("xs:string", "[0-9]{10}"),
}
CHOICES = {YES_NO: (YES, NO), CHECKED: (LOOKED_AT, NOT_LOOKED_AT)}
BUILT_IN = {DATE: "xs:date", TIME: "xs:time", BASE64: "xs:base64Binary"}


def schema() -> str:
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        "<!-- DA/T 95-2022, 表 B.10 医疗费票据: made by python -m exports.dat95.schema; a test compares -->",
        '<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" elementFormDefault="unqualified">',
        *_types(),
        *_element(ROOT, "  ", is_root=True),
        "</xs:schema>",
    ]
    return "\n".join([*lines, ""])


def _types() -> list[str]:
    lines = [*_restriction(TEXT, "xs:string", ['<xs:minLength value="1"/>'])]
    for form, (base, pattern) in PATTERNS.items():
        lines += _restriction(form, base, [f'<xs:pattern value="{pattern}"/>'])
    for form, values in CHOICES.items():
        lines += _restriction(form, "xs:string", [f'<xs:enumeration value="{value}"/>' for value in values])
    return lines


def _restriction(form: str, base: str, facets: list[str]) -> list[str]:
    return [
        f'  <xs:simpleType name="{form}">',
        f'    <xs:restriction base="{base}">',
        *(f"      {facet}" for facet in facets),
        "    </xs:restriction>",
        "  </xs:simpleType>",
    ]


def _element(element: Element, indent: str, is_root: bool = False) -> list[str]:
    occurs = "" if is_root or element.required else ' minOccurs="0"'
    occurs += ' maxOccurs="unbounded"' if element.many else ""
    label = f"<xs:annotation><xs:documentation>{escape(element.label)}</xs:documentation></xs:annotation>"
    if not element.parts:
        kind = BUILT_IN.get(element.form, element.form)
        return [f'{indent}<xs:element name="{element.name}" type="{kind}"{occurs}>{label}</xs:element>']
    return [
        f'{indent}<xs:element name="{element.name}"{occurs}>',
        f"{indent}  {label}",
        f"{indent}  <xs:complexType>",
        f"{indent}    <xs:sequence>",
        *(line for part in element.parts for line in _element(part, indent + "      ")),
        f"{indent}    </xs:sequence>",
        f"{indent}  </xs:complexType>",
        f"{indent}</xs:element>",
    ]


def main() -> None:
    FILE.write_text(schema(), "utf-8")


if __name__ == "__main__":
    main()
