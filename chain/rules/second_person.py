"""Two persons: what genesis names needs the marks of two different people of the organisation that signs.

The ledger knows no people. An operation carries a MAC of each, under a key of the organisation's own: so the rule can tell
that there are two, the organisation can tell later who they were, and nobody else learns anything.
Codes in their order of precedence: second_person_missing, persons_malformed, same_person.
"""

from __future__ import annotations

from chain.operation import (
    AdmitOrganisation,
    AllotRange,
    CloseOrganisation,
    PublishCatalogue,
    ResumeOrganisation,
    ReverseBill,
    SuspendOrganisation,
)
from chain.rules.context import Context, Refused

WithPersons = (
    AdmitOrganisation
    | AllotRange
    | CloseOrganisation
    | PublishCatalogue
    | ResumeOrganisation
    | ReverseBill
    | SuspendOrganisation
)


def verify_persons(operation: WithPersons, context: Context) -> None:
    """Raises Refused unless the persons of an operation are as many as genesis asks for, and different ones."""
    persons = operation.persons
    tag = operation.__struct_config__.tag
    if len(persons) < 2 and tag in context.parameters.two_persons:
        raise Refused("second_person_missing")
    if persons != sorted(persons):
        raise Refused("persons_malformed")
    if len(set(persons)) != len(persons):
        raise Refused("same_person")
