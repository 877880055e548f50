"""Row 53: told at once when a bill in hand changes; by a stream or a webhook, with proof, from any place on, at any mirror."""

from __future__ import annotations

import base64
import os
import secrets
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from chain.operation import DecideClaim, LockClaim, PayClaim, ReleaseClaim
from tests.features.acting import act, agreed, clerk, post, sealed_bill, verified
from tests.features.listening import Listener, Receiver, pages
from tests.network.running import Network, free_listener, with_free_ports

pytestmark = pytest.mark.processes

AT_ONCE_S = 1.0
AUDIT_OFFICE = """\
  - name: audit-office
    title: Audit office of the province
    kind: audit
    region: "330000"
    level: province
"""
SECOND_MIRROR = """\
  - name: second
    kind: mirror
    organisation: audit-office
    peer_port: 7109
    api_port: 8109
    operations_port: 9109
"""
CASHIER = {"reason": "wrong payer", "operator": "收费员01"}


def with_two_mirrors(text: str) -> str:
    """network.yaml with an audit office that runs a mirror of its own."""
    for before, more in (
        ("\n# One process each.", AUDIT_OFFICE),
        ("  - name: hospital-a\n    kind: gateway\n", SECOND_MIRROR),
    ):
        assert text.count(before) == 1
        text = text.replace(before, more + before)
    return with_free_ports(text)


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    network = Network(tmp_path_factory.mktemp("events"), with_two_mirrors)
    try:
        network.up()
        yield network
    finally:
        network.down()


@pytest.fixture
def listener(network: Network) -> Iterator[Listener]:
    listener = Listener(network, "archive")
    listener.until(lambda: listener.last_id, "it is answered")
    yield listener
    listener.end()


def lock(bill: str, amount_fen: int = 100) -> LockClaim:
    return LockClaim(secrets.token_bytes(32), bill, amount_fen, time.time_ns() // 1_000_000 + 600_000)


def heads_agree(network: Network) -> bool:
    archive, second = network.status("archive"), network.status("second")
    return archive is not None and second is not None and archive["height"] == second["height"]


def test_53_an_insurer_hears_at_once_of_its_claims_and_of_the_reversal_and_proves_each(
    network: Network, listener: Listener, tmp_path: Path
) -> None:
    """A paid bill is not reversed behind the insurer's back; when it lets the bill go, it hears of the reversal too."""
    bill = sealed_bill(network, own_fen=100)
    claim = lock(bill)
    story: list[tuple[Any, str]] = [
        (claim, "claim.locked"),
        (DecideClaim(claim.claim, 100), "claim.decided"),
        (PayClaim(claim.claim, secrets.token_bytes(32)), "claim.paid"),
        (ReleaseClaim(claim.claim, "paid_back"), "claim.released"),
    ]

    def heard_in_time(number: int, kind: str, answered_s: float) -> dict[str, Any]:
        listener.until(lambda: len(listener.heard) == number, kind)
        row = listener.heard[-1]
        assert (row["type"], row["bill_id"], row["issuer"]) == (kind, bill, "hospital-a")
        assert listener.heard_s[-1] - answered_s < AT_ONCE_S
        return row

    for number, (operation, kind) in enumerate(story):
        if isinstance(operation, ReleaseClaim):
            status, answer = post(network, f"/bills/{bill}/reversal", CASHIER)
            assert (status, answer["code"]) == (409, "claim_paid")
        assert act(network, "insurer-a", operation) == ["recorded"]
        row = heard_in_time(number + 1, kind, time.monotonic())
        assert row["claim"] == claim.claim.hex()
    status, answer = agreed(network, post(network, f"/bills/{bill}/reversal", CASHIER)[1])
    assert status == 201, answer
    row = heard_in_time(5, "bill.reversed", time.monotonic())
    assert (row["organisation"], row["red_bill_id"]) == ("hospital-a", answer["bill_id"])

    # each with its proof, which needs nobody any more
    client, genesis = clerk(network, "archive"), str(network.home / "genesis.json")
    for row in listener.heard:
        data = client.get(row["links"]["proof"].removeprefix("/v1")).content
        facts = verified(network, data)
        assert (facts["operation"], facts["height"], facts["organisation"]) == (
            row["operation"],
            row["height"],
            row["organisation"],
        )
    assert (facts["type"], facts["content"]["original"], facts["content"]["bill"]) == (
        "ReverseBill",
        bill,
        row["red_bill_id"],
    )
    file = tmp_path / "reversal.proof"
    file.write_bytes(data)
    network.medbill("proof", "verify", str(file), "--genesis", genesis)
    file.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    network.medbill("proof", "verify", str(file), "--genesis", genesis, expect=3)
    inline = client.get("/events", params={"bill_id": bill, "types": "bill.reversed", "proofs": "inline"}).json()[
        "data"
    ]
    assert [base64.b64decode(one["proof"]) for one in inline] == [data]

    # and who has nothing to do with the bill hears nothing of it, nor has the proof
    for organisation, role in (("insurer-b", "insurer_clerk"), ("employer-a", "employer_clerk")):
        other = clerk(network, "archive", organisation, role)
        assert other.get("/events", params={"bill_id": bill}).json()["data"] == []
        assert other.get(row["links"]["proof"].removeprefix("/v1")).status_code == 404
    hospital = network.api("archive", "cashier", "hospital-a").get("/events", params={"bill_id": bill}).json()["data"]
    assert [one["type"] for one in hospital] == [
        "bill.issued",
        "bills.sealed",
        *(kind for _, kind in story),
        "bill.reversed",
    ]


def test_53_whoever_lost_the_connection_goes_on_at_another_mirror(network: Network, listener: Listener) -> None:
    """The first mirror is killed, the second one stopped: nothing is lost, nothing told twice, and both tell the same."""
    start = listener.last_id
    bills = [sealed_bill(network, own_fen=100) for _ in range(6)]
    network.until(lambda: heads_agree(network), "the second mirror has the bills")
    for bill in bills[:2]:
        assert act(network, "insurer-a", lock(bill)) == ["recorded"]
    listener.until(lambda: len(listener.heard) == 2, "the first two")

    listener.node = "second"
    network.kill("archive")
    for bill in bills[2:4]:
        assert act(network, "insurer-a", lock(bill), via="second") == ["recorded"]
    listener.until(lambda: len(listener.heard) == 4, "two more, at the second mirror")

    network.up("archive")
    network.until(lambda: heads_agree(network), "the first mirror is level")
    listener.node = "archive"
    begun_s = time.monotonic()
    network.stop("second")  # with a stream open
    assert time.monotonic() - begun_s < 8
    for bill in bills[4:]:
        assert act(network, "insurer-a", lock(bill)) == ["recorded"]
    listener.until(lambda: len(listener.heard) == 6, "the last two, at the first mirror again")
    network.up("second")
    network.until(lambda: heads_agree(network), "the second mirror is level")

    assert [row["bill_id"] for row in listener.heard] == bills
    assert listener.heard == pages(network, "archive", start) == pages(network, "second", start)
    assert list(dict.fromkeys(listener.places)) == ["archive", "second"]
    assert listener.places[-1] == "archive"
    for place, row in enumerate(listener.heard):  # from anywhere on, at any mirror
        assert pages(network, "second", row["id"]) == listener.heard[place + 1 :]


def test_53_a_receiver_that_was_away_is_told_all_of_it_in_order(network: Network) -> None:
    """Signed, with the proof inside; the mirror is killed after the receiver has an event and before it knows that."""
    home, secret = network.node_home("archive"), secrets.token_bytes(32)
    with free_listener() as held:
        port = held.getsockname()[1]
    network.stop("archive")
    config = home / "config"
    (config / "insurer-a.webhook").write_text(f"whsec_{base64.b64encode(secret).decode()}\n")
    (config / "insurer-a.webhook").chmod(0o600)
    authority = network.home / "organisations" / network.nodes["archive"]["organisation"] / "ca.pem"
    (config / "receivers.pem").write_bytes(authority.read_bytes())
    hook = {
        "name": "insurer-a",
        "organisation": "insurer-a",
        "url": f"https://127.0.0.1:{port}/medbill",
        "secret_file": "insurer-a.webhook",
        "ca_file": "receivers.pem",
    }
    settings = yaml.safe_load((config / "node.yaml").read_text("utf-8"))
    (config / "node.yaml").write_text(yaml.safe_dump({**settings, "webhooks": [hook]}, allow_unicode=True), "utf-8")
    network.up("archive")

    def standing() -> dict[str, Any]:
        return dict((network.status("archive") or {"webhooks": {}})["webhooks"].get("insurer-a", {}))

    start = network.until(lambda: standing().get("position"), "it has begun")
    bills = [sealed_bill(network, own_fen=100) for _ in range(2)]
    receiver = Receiver(port, home, secret)
    messages = receiver.messages
    first = lock(bills[0])
    assert act(network, "insurer-a", first) == ["recorded"]
    answered_s = time.monotonic()
    network.until(lambda: len(messages) == 1, "it is told")
    assert time.monotonic() - answered_s < AT_ONCE_S

    receiver.close()
    assert (
        act(network, "insurer-a", DecideClaim(first.claim, 100), PayClaim(first.claim, secrets.token_bytes(32)))
        == ["recorded"] * 2
    )
    network.until(lambda: standing().get("failures", 0) >= 2, "the receiver is away")
    receiver = Receiver(port, home, secret)
    receiver.messages = messages
    network.until(lambda: len(messages) == 3, "it is told what it missed")
    assert standing()["failures"] == 0

    killed: list[str] = []

    def kill(name: str) -> None:
        if not killed:
            killed.append(name)
            os.kill(network.pid("archive"), signal.SIGKILL)

    network.until(lambda: heads_agree(network), "the second mirror is level")
    receiver.before_answer = kill
    assert act(network, "insurer-a", ReleaseClaim(first.claim, "paid_back"), via="second") == ["recorded"]
    network.until(lambda: killed and network.status("archive") is None, "the mirror is killed")
    assert act(network, "insurer-a", lock(bills[1]), via="second") == ["recorded"]
    network.up("archive")
    network.until(lambda: len(messages) == 6, "it goes on")

    told = pages(network, "second", start)
    assert [row["type"] for row in told] == [
        "claim.locked",
        "claim.decided",
        "claim.paid",
        "claim.released",
        "claim.locked",
    ]
    expected = [row["id"] for row in told]
    assert receiver.ids == [*expected[:4], *expected[3:]]  # the one of the kill twice, under one id
    assert killed == [expected[3]]
    for message in messages:
        data = message["data"]
        facts = verified(network, base64.b64decode(data.pop("proof")))
        assert (facts["operation"], facts["organisation"]) == (data["operation"], "insurer-a")
        assert data == next(row for row in told if row["id"] == data["id"])
        assert (message["type"], message["timestamp"]) == (data["type"], data["time"])
    receiver.close()
