"""Admission: an office takes in an organisation that genesis does not know, below itself, with its first key.

Hospitals, units that pay or refund bills, and those that money goes through (banks, lenders, platforms, channels) come this
way; agencies stand in genesis, since whoever may vote is agreed on by the members alone. What nodes need to know a new
organisation's links, the certificate that its own nodes are issued under, is kept as it came: the ledger does not read it,
nodes do (`node/admissions.py`).

Codes in their order of precedence: already_recorded, organisation_known, wrong_key, second_person_missing, persons_malformed,
same_person, not_a_finance_office, kind_not_admissible, region_foreign, places_malformed,
text_refused, key_refused, key_used, directory_full.
"""

from __future__ import annotations

from chain import keyspace
from chain.codec import verify_text
from chain.errors import KeyRefused, TextRefused
from chain.operation import AdmitOrganisation
from chain.records import (
    ACTIVE,
    FOR_EVER,
    UNIT,
    AdmittedBody,
    AuthorityBody,
    HolderBody,
    KeyBody,
    KeysBody,
    OrganisationBody,
    SupervisedBody,
)
from chain.rules.context import HOSPITAL, Changes, Context, Refused, View, organisation, refuse_repeated
from chain.rules.keys import FINANCE
from chain.rules.second_person import verify_persons
from chain.signature import ED25519, verify_public_key
from chain.transaction import key_id

KINDS = (HOSPITAL, "insurer", "employer", "bank", "lender", "platform", "channel")
INSTITUTION_LEVEL = 4
ADMITTED_MAX = 10_000  # organisations of one ledger that came after genesis: each admission walks the list
REGION_DIGITS_BY_LEVEL = {1: 2, 2: 4, 3: 6}  # of GB/T 2260: what an office's level shares with all below it


def admit_organisation(view: View, operation: AdmitOrganisation, context: Context) -> Changes:
    """From the next block on its key signs; an office still has to give it numbers."""
    own = keyspace.organisation(operation.organisation)
    refuse_repeated(view, own, context, "organisation_known")
    if context.purpose != UNIT:
        raise Refused("wrong_key")
    verify_persons(operation, context)
    office = organisation(view, context.organisation)
    if office.kind != FINANCE or office.state != ACTIVE:
        raise Refused("not_a_finance_office")
    if operation.kind not in KINDS:
        raise Refused("kind_not_admissible")
    shared = REGION_DIGITS_BY_LEVEL.get(office.level, 6)
    if operation.region[:shared] != office.region[:shared]:
        raise Refused("region_foreign")
    places = operation.places
    if places != sorted(set(places)) or bool(places) != (operation.kind == HOSPITAL):
        raise Refused("places_malformed")
    try:
        verify_text(operation.name)
    except TextRefused:
        raise Refused("text_refused") from None
    try:
        verify_public_key(operation.key)
    except KeyRefused:
        raise Refused("key_refused") from None
    name = key_id(operation.key)
    if view.get(keyspace.holder(name), HolderBody) is not None:
        raise Refused("key_used")
    admitted = view.get(keyspace.ADMITTED, AdmittedBody)
    before = admitted.organisations if admitted else []
    if len(before) >= ADMITTED_MAX:
        raise Refused("directory_full")
    below = view.get(keyspace.supervised(context.organisation), SupervisedBody)
    supervised = [*(below.organisations if below else []), operation.organisation]
    return {
        own: OrganisationBody(
            operation.name,
            operation.kind,
            operation.region,
            INSTITUTION_LEVEL,
            context.organisation,
            places,
            ACTIVE,
            "",
            0,
        ),
        keyspace.key(operation.organisation, name): KeyBody(operation.key, UNIT, ED25519, context.height + 1, FOR_EVER),
        keyspace.holder(name): HolderBody(operation.organisation),
        keyspace.keys(operation.organisation): KeysBody([name]),
        keyspace.supervised(context.organisation): SupervisedBody(sorted(supervised)),
        keyspace.authority(operation.organisation): AuthorityBody(operation.authority),
        keyspace.ADMITTED: AdmittedBody(sorted([*before, operation.organisation])),
    }
