"""Bills as others write them, turned into `chain.bill.BillRequest`: one file per format, each with a function `read`.

`read(path, as_cny=…, now=…, place_code=…)` yields (business number, request or why there is none) and never raises for
what a file holds: a damaged file is one refusal without a business number, and the next file goes on.
"""

from api.intake.document import Reader
from api.intake.errors import FormatRefused
from cli.formats import csv_rows, fhir, his

READERS: dict[str, Reader] = {
    "csv": csv_rows.read,
    "fhir": fhir.read,
    "his": his.read,
}  # name on the command line -> reader

__all__ = ["READERS", "FormatRefused", "Reader", "csv_rows", "fhir", "his"]
