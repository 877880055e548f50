"""Who reads for whom, by the rules: in pseudonyms, until a moment, ended once (FEATURES 28)."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

import pytest

from chain import keyspace
from chain.operation import EndProxy, GrantProxy, Operation
from chain.records import ProxyBody, ProxyEndBody
from chain.rules.proxies import PROXY_MS_MAX, is_in_force
from tests.chain.making import Chain, key_of

OFFICE = "finance-city"
HOUR_MS = 3_600_000


def mac(text: str) -> bytes:
    return sha256(text.encode()).digest()


@pytest.fixture
def chain() -> Chain:
    return Chain()


def code(chain: Chain, operation: Operation, organisation: str = OFFICE, **how: Any) -> str:
    (found,) = chain.run(organisation, operation, **how)
    return found


def proxy(chain: Chain, name: str = "p1", lasts_ms: int = HOUR_MS) -> GrantProxy:
    return GrantProxy(mac(name), mac(f"{name} principal"), mac(f"{name} agent"), chain.time_ms + lasts_ms)


def test_a_proxy_stands_until_its_moment_by_block_time(chain: Chain) -> None:
    granted = proxy(chain)
    assert code(chain, granted) == "recorded"
    body = chain.body(keyspace.proxy(OFFICE, mac("p1")), ProxyBody)
    assert body == ProxyBody(granted.principal, granted.agent, granted.until_ms, False)
    assert is_in_force(body, granted.until_ms - 1)
    assert not is_in_force(body, granted.until_ms)


def test_the_same_again_is_told_from_another_under_its_name(chain: Chain) -> None:
    granted = proxy(chain)
    assert code(chain, granted) == "recorded"
    assert code(chain, granted) == "already_recorded"
    assert code(chain, GrantProxy(granted.proxy, granted.principal, mac("x"), granted.until_ms)) == "proxy_exists"
    # what was refused before does not hide it: the name comes first
    assert (
        code(chain, GrantProxy(granted.proxy, mac("x"), mac("y"), 1), key=key_of("finance-city/seal")) == "proxy_exists"
    )


def test_an_end_is_for_good(chain: Chain) -> None:
    granted, end = proxy(chain), EndProxy(mac("p1"))
    assert code(chain, end) == "proxy_unknown"
    assert code(chain, granted) == "recorded"
    assert code(chain, end, key=key_of("finance-city/seal")) == "wrong_key"
    when = chain.time_ms
    assert code(chain, end, time_ms=when) == "recorded"
    body = chain.body(keyspace.proxy(OFFICE, mac("p1")), ProxyBody)
    assert body.ended
    assert not is_in_force(body, when)
    assert chain.body(keyspace.proxy_end(OFFICE, mac("p1")), ProxyEndBody) == ProxyEndBody(when)
    assert code(chain, end) == "already_recorded"
    assert code(chain, granted) == "already_recorded"  # which ends nothing of the end
    assert chain.body(keyspace.proxy(OFFICE, mac("p1")), ProxyBody).ended


def test_what_has_run_out_cannot_be_ended(chain: Chain) -> None:
    granted = proxy(chain, lasts_ms=10_000)
    assert code(chain, granted) == "recorded"
    assert code(chain, EndProxy(mac("p1")), time_ms=granted.until_ms) == "proxy_expired"


def test_every_refusal_of_a_grant(chain: Chain) -> None:
    granted = proxy(chain)
    assert code(chain, granted, key=key_of("finance-city/seal")) == "wrong_key"
    for organisation in ("hospital-a", "health"):
        assert code(chain, granted, organisation) == "no_archive"
    for lasts_ms, expected in (
        (0, "proxy_expired"),
        (-chain.time_ms, "proxy_expired"),
        (PROXY_MS_MAX + 1, "proxy_too_long"),
        (PROXY_MS_MAX, "recorded"),
    ):
        until_ms = max(0, chain.time_ms + lasts_ms)
        assert code(chain, GrantProxy(mac("p9"), mac("a"), mac("b"), until_ms)) == expected
    # entitlement comes before the moment
    assert code(chain, GrantProxy(mac("p8"), mac("a"), mac("b"), 0), "hospital-a") == "no_archive"


def test_another_offices_proxy_is_another_one(chain: Chain) -> None:
    granted = proxy(chain)
    assert code(chain, granted) == "recorded"
    assert code(chain, EndProxy(mac("p1")), "finance") == "proxy_unknown"
    assert code(chain, granted, "finance") == "recorded"


def test_a_transaction_of_it_runs_once(chain: Chain) -> None:
    transaction = chain.sign(OFFICE, proxy(chain), valid_until=chain.height + 50)
    assert [outcome.code for outcome in chain.block([transaction]).outcomes] == ["recorded"]
    with pytest.raises(Exception, match="transaction_repeated"):
        chain.block([transaction])
