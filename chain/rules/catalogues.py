"""Catalogues: published version by version, each from a business date on, and never changed.

Charges and faces are an office's, for all hospitals below it; items are a hospital's own. A version cannot begin in the past, so
no day that is over gets other names; one that begins on the same day as the former corrects it, for bills issued from then on.

Codes in their order of precedence: already_recorded, version_moved, wrong_key, second_person_missing, persons_malformed,
same_person, organisation_unknown, publisher_not_entitled, organisation_suspended or organisation_closed, catalogue_malformed,
date_unknown, version_moved, date_passed, date_too_far, date_before_former, directory_full. version_moved is first given for another
operation's record under the same key.
"""

from __future__ import annotations

from chain import keyspace
from chain.catalogue import CATALOGUE_VERSIONS_MAX, CHARGES, FACES, ITEMS, NAMES, CatalogueVersion, verify_catalogue
from chain.errors import ContentRefused
from chain.operation import PublishCatalogue
from chain.records import ACTIVE, SUSPENDED, UNIT, CatalogueBody, CataloguesBody, CatalogueVersions
from chain.rules.context import (
    HOSPITAL,
    Changes,
    Context,
    Refused,
    View,
    days_between,
    local_date,
    organisation,
    refuse_repeated,
)
from chain.rules.second_person import verify_persons

OFFICE = "finance"
PUBLISHERS = {CHARGES: OFFICE, FACES: OFFICE, ITEMS: HOSPITAL}  # catalogue -> kind of organisation
AHEAD_DAYS_MAX = 400  # next year's, from the beginning of this one


def publish_catalogue(view: View, operation: PublishCatalogue, context: Context) -> Changes:
    """Keep a version, and name it in its publisher's list."""
    name, publisher = NAMES[type(operation.content)], context.organisation
    own = keyspace.catalogue(publisher, name, operation.version)
    refuse_repeated(view, own, context, "version_moved")
    if context.purpose != UNIT:
        raise Refused("wrong_key")
    verify_persons(operation, context)
    body = organisation(view, publisher)
    if body.kind != PUBLISHERS[name]:
        raise Refused("publisher_not_entitled")
    if body.state != ACTIVE:
        raise Refused("organisation_suspended" if body.state == SUSPENDED else "organisation_closed")
    try:
        verify_catalogue(operation.content)
    except ContentRefused:
        raise Refused("catalogue_malformed") from None
    today = local_date(context.time_ms, context.parameters.utc_offset_minutes)
    ahead = days_between(today, operation.from_date)
    directory = view.get(keyspace.catalogues(publisher), CataloguesBody) or CataloguesBody([])
    versions = directory.versions(name)
    if operation.version != len(versions) + 1:
        raise Refused("version_moved")
    if ahead < 0:
        raise Refused("date_passed")
    if ahead > AHEAD_DAYS_MAX:  # no later version may begin before it: a mistyped year would close the catalogue
        raise Refused("date_too_far")
    if versions and operation.from_date < versions[-1].from_date:
        raise Refused("date_before_former")
    if len(versions) >= CATALOGUE_VERSIONS_MAX:
        raise Refused("directory_full")
    published = CatalogueVersion(operation.from_date, context.time_ms)
    others = [entry for entry in directory.catalogues if entry.catalogue != name]
    listed = sorted([*others, CatalogueVersions(name, [*versions, published])], key=lambda entry: entry.catalogue)
    return {
        own: CatalogueBody(operation.from_date, context.time_ms, operation.content),
        keyspace.catalogues(publisher): CataloguesBody(listed),
    }
