"""Proxies: somebody reads another one's bills under the own name, until a moment (FEATURES 28).

The office whose archive holds the bills has seen who both are; the ledger has a pseudonym of each, another one in every
relation, and the moment of its end. A proxy ends by block time, as if it had never been.
Codes in their order of precedence:
  grant    already_recorded, proxy_exists, wrong_key, no_archive, proxy_expired, proxy_too_long
  end      already_recorded, already_ended, wrong_key, proxy_unknown, proxy_expired
"""

from __future__ import annotations

from chain import keyspace
from chain.operation import EndProxy, GrantProxy
from chain.records import UNIT, ProxyBody, ProxyEndBody
from chain.rules.accesses import verify_archive
from chain.rules.context import Changes, Context, Refused, View, refuse_repeated

PROXY_MS_MAX = 20 * 366 * 86_400_000  # a child's, until it is grown up


def grant_proxy(view: View, operation: GrantProxy, context: Context) -> Changes:
    """From now on until its moment."""
    own = keyspace.proxy(context.organisation, operation.proxy)
    refuse_repeated(view, own, context, "proxy_exists")
    verify_archive(view, context)
    if operation.until_ms <= context.time_ms:
        raise Refused("proxy_expired")
    if operation.until_ms > context.time_ms + PROXY_MS_MAX:
        raise Refused("proxy_too_long")
    return {own: ProxyBody(operation.principal, operation.agent, operation.until_ms, False)}


def end_proxy(view: View, operation: EndProxy, context: Context) -> Changes:
    """For good: another one has another name."""
    step = keyspace.proxy_end(context.organisation, operation.proxy)
    refuse_repeated(view, step, context, "already_ended")
    if context.purpose != UNIT:
        raise Refused("wrong_key")
    own = keyspace.proxy(context.organisation, operation.proxy)
    body = view.get(own, ProxyBody)
    if body is None:
        raise Refused("proxy_unknown")
    if not is_in_force(body, context.time_ms):
        raise Refused("proxy_expired")
    return {
        own: ProxyBody(body.principal, body.agent, body.until_ms, True),
        step: ProxyEndBody(context.time_ms),
    }


def is_in_force(body: ProxyBody, time_ms: int) -> bool:
    return not body.ended and time_ms < body.until_ms
