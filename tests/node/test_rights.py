"""Who may read what of a bill: the whole matrix of roles, organisations and ties to the bill."""

from __future__ import annotations

import itertools

import pytest

from api.auth import ROLES
from chain.details import FIELD_IDS
from node.rights import ALL_FIELDS, OPEN_FIELDS, SECRETS, About, Custody, possession, rights
from node.service import Reader

ISSUER, OTHER = "hospital-a", "hospital-b"
CUSTODY = Custody("finance-city", frozenset({"finance-city", "finance", "audit-office"}))
ORGANISATIONS = [ISSUER, OTHER, "finance-city", "finance", "audit-office", "health", "insurer-a"]
GRANTED = frozenset({"items", "check_code"})


def expected(role: str, organisation: str, is_holder: bool, is_granted: bool) -> tuple[bool, frozenset[str]]:
    """Said once more, as a table would say it: who reads the public part, and which fields."""
    table = {
        ("auditor", organisation): (True, OPEN_FIELDS if organisation in CUSTODY.supervising else frozenset()),
        ("finance_clerk", "finance-city"): (True, OPEN_FIELDS),
        ("cashier", ISSUER): (True, ALL_FIELDS),
        ("hospital_admin", ISSUER): (True, ALL_FIELDS),
    }
    if is_holder:
        table["patient", organisation] = (True, ALL_FIELDS)
    if is_granted:
        table["insurer_clerk", organisation] = table["employer_clerk", organisation] = (True, frozenset({"items"}))
    return table.get((role, organisation), (False, frozenset()))


@pytest.mark.parametrize("role", ROLES)
def test_the_whole_matrix(role: str) -> None:
    for organisation, is_holder, is_granted in itertools.product(ORGANISATIONS, (False, True), (False, True)):
        about = About(ISSUER, is_holder, GRANTED if is_granted else frozenset(), is_granted)
        right = rights(Reader("somebody", organisation, role), about, CUSTODY)
        assert (right.public, right.fields) == expected(role, organisation, is_holder, is_granted), (
            role,
            organisation,
            is_holder,
            is_granted,
        )


def test_secrets_are_for_who_has_the_bill() -> None:
    assert set(FIELD_IDS) > SECRETS
    everybody = [Reader("somebody", organisation, role) for role in ROLES for organisation in ORGANISATIONS]
    about = About(ISSUER, True, ALL_FIELDS, True)
    having = {(reader.role) for reader in everybody if rights(reader, about, CUSTODY).fields & SECRETS}
    assert having == {"cashier", "hospital_admin", "patient"}


def test_a_slip_opens_everything_until_somebody_has_claimed_the_bill() -> None:
    """FEATURES 29: afterwards a photograph of it shows what is public, and no more."""
    assert (possession(False).public, possession(False).fields) == (True, ALL_FIELDS)
    assert (possession(True).public, possession(True).fields) == (True, frozenset())
