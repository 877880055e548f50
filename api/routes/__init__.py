"""All routes, the busiest first: the router looks at them in this order."""

from __future__ import annotations

from api.route import Route
from api.routes import (
    accesses,
    approvals,
    audit,
    bills,
    catalogues,
    disputes,
    faces,
    fhir,
    files,
    finding,
    grants,
    institutions,
    ledger,
    life,
    lookups,
    me,
    numbers,
    organisations,
    payers,
    proxies,
    public,
    settlements,
)

ROUTES: tuple[Route, ...] = (
    *bills.ROUTES,
    *finding.ROUTES,
    *public.ROUTES,
    *faces.ROUTES,
    *life.ROUTES,
    *me.ROUTES,
    *payers.ROUTES,
    *lookups.ROUTES,
    *disputes.ROUTES,
    *grants.ROUTES,
    *proxies.ROUTES,
    *fhir.ROUTES,
    *numbers.ROUTES,
    *organisations.ROUTES,
    *catalogues.ROUTES,
    *approvals.ROUTES,
    *audit.ROUTES,
    *settlements.ROUTES,
    *accesses.ROUTES,
    *ledger.ROUTES,
    *institutions.ROUTES,
    *files.ROUTES,
)
