"""What an archive does about proxies for people: register, list, end (FEATURES 28).

A person that signs on grants a proxy to whomever it likes. Of a child, or of somebody under guardianship, nobody signs on: such a
relation is registered at the office's counter by a clerk, who sees a document of it and notes its kind and number. A hospital's
people register none: they would open the bills of other hospitals to themselves.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from chain.operation import EndProxy, GrantProxy
from chain.rules.proxies import PROXY_MS_MAX
from node.identity import Identity
from node.ledger_pages import utc_text
from node.proxies import AGENT, PRINCIPAL, Proxies, Relation
from node.service import ProxyAsked, Reader, ServiceRefused, Standing

AT_THE_COUNTER = frozenset({"child", "guardian"})  # relationships whose principal cannot sign on

Send = Callable[[GrantProxy | EndProxy], Awaitable[Standing]]  # signs for the office; raises ServiceRefused


class ProxyDesk:
    def __init__(self, proxies: Proxies, send: Send) -> None:
        self._proxies, self._send = proxies, send

    async def grant(self, reader: Reader, asked: ProxyAsked) -> Standing:
        """`asked` without a principal is the asking person's own. Raises ServiceRefused `identity_missing`, `counter_only`,
        `same_person`, and what the rules refuse."""
        principal = asked.principal
        if principal is None:
            if reader.identity is None:
                raise ServiceRefused("identity_missing", "the token does not say who grants it")
            if asked.relationship in AT_THE_COUNTER:
                raise ServiceRefused("counter_only", "a finance clerk registers it, who sees a document of it")
            principal = reader.identity
        if principal.spelt() == asked.agent.spelt():
            raise ServiceRefused("same_person", "nobody is the own proxy", "/agent")
        relation = Relation(
            relationship=asked.relationship,
            principal=principal,
            agent=asked.agent,
            until_ms=asked.until_ms,
            registered_by="principal" if asked.principal is None else f"{reader.organisation}/{reader.subject}",
            evidence=asked.evidence,
            evidence_number=asked.evidence_number,
            made_ms=self._proxies.now_ms(),
        )
        if asked.until_ms <= self._proxies.time_ms():
            raise ServiceRefused("proxy_expired", "its end has passed", "/until")
        if asked.until_ms > self._proxies.time_ms() + PROXY_MS_MAX:  # before anything of it is kept
            raise ServiceRefused("proxy_too_long", "", "/until")
        operation = await self._proxies.keep(relation)
        return msgspec.structs.replace(await self._send(operation), proxy=operation.proxy.hex())

    async def end(self, reader: Reader, name: str) -> Standing:
        """Either of the two, or a clerk. Raises ServiceRefused `proxy_unknown`, also for whom it does not concern."""
        relation = self._proxies.get(bytes.fromhex(name))
        if relation is None or not (reader.role == "finance_clerk" or _is_part(reader.identity, relation)):
            raise ServiceRefused("proxy_unknown")
        if self._proxies.state(bytes.fromhex(name), relation.until_ms) == "queued":
            raise ServiceRefused("proxy_queued", "it is on its way to the ledger: end it once it is there")
        return await self._send(EndProxy(bytes.fromhex(name)))

    def mine(self, reader: Reader) -> list[dict[str, Any]]:
        """The relations that the person is part of, on either side. Raises ServiceRefused `identity_missing`."""
        person = reader.identity
        if person is None:
            raise ServiceRefused("identity_missing", "the token does not say whose proxies are asked for")
        sides = {PRINCIPAL: "principal", AGENT: "agent"}
        return [
            self._row(name, relation, said)
            for side, said in sides.items()
            for name, relation in self._proxies.of(person, side)
        ]

    def principal_of(self, reader: Reader, name: str) -> Identity:
        """For whom a person reads under a relation now. Raises ServiceRefused `proxy_unknown`: not in force, or not theirs."""
        if reader.identity is not None:
            for found, relation in self._proxies.in_force_for(reader.identity):
                if found.hex() == name:
                    return relation.principal
        raise ServiceRefused("proxy_unknown")

    def _row(self, name: bytes, relation: Relation, side: str) -> dict[str, Any]:
        return {
            "proxy": name.hex(),
            "as": side,
            "principal": relation.principal.name,
            "agent": relation.agent.name,
            "relationship": relation.relationship,
            "until": utc_text(relation.until_ms),
            "state": self._proxies.state(name, relation.until_ms),
            "registered_by": relation.registered_by,
            "evidence": relation.evidence or None,
        }


def _is_part(person: Identity | None, relation: Relation) -> bool:
    return person is not None and person.spelt() in (relation.principal.spelt(), relation.agent.spelt())
