"""All routes, the busiest first: the router looks at them in this order."""

from __future__ import annotations

from api.route import Route
from api.routes import audit, bills, faces, ledger, life, numbers, public

ROUTES: tuple[Route, ...] = (
    *bills.ROUTES,
    *public.ROUTES,
    *faces.ROUTES,
    *life.ROUTES,
    *numbers.ROUTES,
    *audit.ROUTES,
    *ledger.ROUTES,
)
