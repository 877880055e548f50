"""Who may read what of a bill: the one function that decides it, for pages, proofs, faces, histories and lists.

A bill has a public part, which stands on the ledger, and private fields (`chain/details.py`). Whoever may not even read
the public part is answered as if there were no such bill. Source: DESIGN sections 6 and 10.
"""

from __future__ import annotations

import msgspec

from chain.details import FIELD_IDS
from node.service import Reader

STAFF = frozenset({"cashier", "hospital_admin"})  # of a hospital
PAYING_CLERKS = frozenset({"insurer_clerk", "employer_clerk"})  # read what a holder has granted their organisation
SECRETS = frozenset({"check_code", "token"})  # prove possession: for who has the bill already
ALL_FIELDS = frozenset(FIELD_IDS)
OPEN_FIELDS = ALL_FIELDS - SECRETS
NO_FIELDS: frozenset[str] = frozenset()


class Custody(msgspec.Struct, frozen=True):
    """Whose archive answers: it is the office's, and holds what the office's hospitals delivered."""

    office: str
    supervising: frozenset[str]  # the office, who supervises it, and audit offices: their auditors read details


class About(msgspec.Struct, frozen=True):
    """A bill as far as rights go."""

    issuer: str
    is_holder: bool = False  # the reader is the patient whose bill it is, or acts for that patient
    granted: frozenset[str] = NO_FIELDS  # fields that a grant in force opens to the reader's organisation
    is_granted: bool = False  # there is a grant in force, be it of the public part alone


class Right(msgspec.Struct, frozen=True):
    """`public`: the bill exists for the reader. `fields`: names of private fields that lie open."""

    public: bool
    fields: frozenset[str]


NOTHING = Right(False, NO_FIELDS)


def rights(reader: Reader, about: About, custody: Custody) -> Right:
    """What a reader may see of a bill at an archive."""
    match reader.role:
        case "auditor":
            return Right(True, OPEN_FIELDS if reader.organisation in custody.supervising else NO_FIELDS)
        case "finance_clerk" if reader.organisation == custody.office:
            return Right(True, OPEN_FIELDS)
        case "cashier" | "hospital_admin" if reader.organisation == about.issuer:
            return Right(True, ALL_FIELDS)
        case "patient" if about.is_holder:
            return Right(True, ALL_FIELDS)
        case "insurer_clerk" | "employer_clerk" if about.is_granted:
            return Right(True, about.granted - SECRETS)
    return NOTHING


def possession(is_bound: bool) -> Right:
    """What a bill's token or check code opens to whoever shows it: all of it, until a person has claimed the bill."""
    return Right(True, NO_FIELDS if is_bound else ALL_FIELDS)


def sees_grants_to(organisation: str, reader: Reader, right: Right) -> bool:
    """Whether a reader of a bill is shown what its holder grants an organisation: the issuer's people are not, for whom a
    patient lets read is not their affair."""
    if not right.public:
        return False
    return reader.role in ("auditor", "finance_clerk", "patient") or reader.organisation == organisation
