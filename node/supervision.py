"""Who supervises whom, as genesis says."""

from __future__ import annotations

from collections.abc import Iterator

from chain.genesis import Genesis


def supervisors_of(office: str, genesis: Genesis) -> Iterator[str]:
    """The office and who supervises it, up to the province."""
    above = {entry.id: entry.supervisor for entry in genesis.organisations}
    seen: set[str] = set()
    while office and office not in seen:
        seen.add(office)
        yield office
        office = above.get(office, "")
