"""DA/T 95-2022, table B.10: the schema follows from the table, and what is written fits the schema."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest
import xmlschema

from exports.dat95 import schema
from exports.dat95.document import xml_of
from exports.dat95.table import ROOT, Element
from exports.proven_bill import ProvenBill
from tests.exports.bills import inpatient, normal, red, reversed_one, unit_paid, void

XSD = "http://www.w3.org/2001/XMLSchema"


@pytest.fixture(scope="module")
def rules() -> xmlschema.XMLSchema:
    return xmlschema.XMLSchema(str(schema.FILE))


def test_the_committed_schema_is_the_tables() -> None:
    """`python -m exports.dat95.schema` changes nothing."""
    assert schema.FILE.read_text("utf-8") == schema.schema()


def test_the_table_is_the_standards() -> None:
    """Counts and the two elements that have to be there, as read in the standard."""
    flat = [part for part in ROOT.parts if not part.parts]
    containers = {part.name: [inner.name for inner in part.parts] for part in ROOT.parts if part.parts}
    assert len(flat) == 18
    assert [part.name for part in flat if part.required] == ["TotalAmount", "AgencyName"]
    assert {name: len(parts) for name, parts in containers.items()} == {
        "Items": 7,
        "AuxItems": 9,
        "FinanceCheck": 10,
        "Attachments": 3,
    }


@pytest.mark.parametrize(
    "bill", [normal(), red(), reversed_one(), void(), inpatient(), unit_paid()], ids=lambda b: b.bill_id
)
def test_a_bill_fits_the_schema(rules: xmlschema.XMLSchema, bill: ProvenBill) -> None:
    rules.validate(xml_of(bill).decode())


def test_the_schema_refuses_what_the_table_does_not_have(rules: xmlschema.XMLSchema) -> None:
    """Else it would fit anything."""
    good = xml_of(normal()).decode()
    for before, after in (
        ("<TotalAmount>123.45</TotalAmount>", ""),
        ("<TotalAmount>123.45</TotalAmount>", "<TotalAmount>123.4</TotalAmount>"),
        ("<EinvoiceCode>33060126</EinvoiceCode>", "<EinvoiceCode>3306012</EinvoiceCode>"),
        ("<IssueDate>2026-06-01</IssueDate>", "<IssueDate>2026-06-31</IssueDate>"),
        ("<IsReversal>否</IsReversal>", "<IsReversal>no</IsReversal>"),
        ("<AgencyCode>", "<Agency/><AgencyCode>"),
        ("<MedicalBills>", "<MedicalBills><Remark>x</Remark>"),
    ):
        assert before in good
        assert not rules.is_valid(good.replace(before, after, 1)), after


def test_amounts_numbers_and_lines_are_those_of_the_bill() -> None:
    """Read with another parser's eyes than the writer's."""
    document = ElementTree.fromstring(xml_of(normal()))
    said = {part.tag: part.text for part in document if len(part) == 0}
    assert said["EinvoiceCode"] + said["EinvoiceNumber"] == normal().bill_id  # type: ignore[operator]
    assert (said["TotalAmount"], said["IssueDate"], said["IssueTime"]) == ("123.45", "2026-06-01", "12:00:00")
    assert said["AgencyName"] == "Organisation hospital-a"
    assert "RandomNumber" not in said
    items = [{part.tag: part.text for part in row} for row in document.findall("Items")]
    assert [(row["ItemCode"], row["ItemAmount"]) for row in items] == [("01", "122.45"), ("02", "1.00")]
    (aux,) = ({part.tag: part.text for part in row} for row in document.findall("AuxItems"))
    assert (aux["AuxItemRelatedCode"], aux["AuxItemStd"], aux["AuxItemQuantity"]) == ("02", "1.0000", "1.000")


def test_where_a_bill_stands() -> None:
    assert b"<IsReversal>" + "是".encode() in xml_of(reversed_one())
    assert f"<ReversalInvoiceNumber>{reversed_one().related[8:]}<".encode() in xml_of(reversed_one())
    assert f"<RelatedInvoiceNumber>{red().original[8:]}<".encode() in xml_of(red())
    assert b"<TotalAmount>-123.45<" in xml_of(red())
    assert "已作废".encode() in xml_of(void())
    assert "医疗住院收费票据（电子）".encode() in xml_of(inpatient())


def test_texts_are_escaped() -> None:
    bill = normal(payer_name="A & B <C>", remark='"x" > y')
    document = ElementTree.fromstring(xml_of(bill))
    assert (document.findtext("PayerName"), document.findtext("Remark")) == ("A & B <C>", '"x" > y')


def test_every_element_of_the_table_is_in_the_schema() -> None:
    tree = ElementTree.fromstring(schema.schema().encode())
    found = [(element.get("name"), element.get("minOccurs", "1")) for element in tree.iter(f"{{{XSD}}}element")]

    def walk(element: Element) -> list[tuple[str, str]]:
        own = (element.name, "1" if element.required or element is ROOT else "0")
        return [own, *(entry for part in element.parts for entry in walk(part))]

    assert found == walk(ROOT)
