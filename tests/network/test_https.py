"""REST over TLS: `api_tls: true` in network.yaml, with the certificates that `network init` makes."""

from __future__ import annotations

import json
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.network.running import VALIDATORS, Network, bill_request

pytestmark = pytest.mark.processes

SERVERS = ("archive", "hospital-a")


def with_tls(text: str) -> str:
    """network.yaml where the mirror and one gateway serve HTTPS."""
    for heading in ("  - name: archive\n", "  - name: hospital-a\n    kind: gateway\n"):
        assert text.count(heading) == 1
        text = text.replace(heading, f"{heading}    api_tls: true\n")
    return text


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    network = Network(tmp_path_factory.mktemp("https"), with_tls)
    try:
        network.up(*VALIDATORS, *SERVERS)
        yield network
    finally:
        network.down()


def trusting(network: Network, organisation: str) -> ssl.SSLContext:
    """A client that knows one organisation's authority and looks at names."""
    return ssl.create_default_context(cafile=str(network.home / "organisations" / organisation / "ca.pem"))


def get(network: Network, node: str, verify: Any, host: str = "127.0.0.1") -> httpx2.Response:
    address = f"https://{host}:{network.nodes[node]['api_port']}/v1/network"
    return httpx2.get(address, verify=verify, trust_env=False, timeout=20)


def test_a_bill_is_issued_and_audited_over_tls(network: Network, tmp_path: Path) -> None:
    """The command line learns from network.json that it is HTTPS and whose authority speaks for the node."""
    bill = tmp_path / "bill.json"
    bill.write_text(json.dumps(bill_request("OP-TLS-1")), "utf-8")
    home = ("--home", str(network.home))
    issued = network.json("bill", "issue", str(bill), *home, "--via", "hospital-a", "--wait", "20")
    assert issued["status"] in ("recorded", "sealed")
    assert network.json("bill", "show", issued["bill_id"], *home, "--via", "hospital-a")["business_no"] == "OP-TLS-1"

    def at_the_archive() -> list[str]:
        rows = network.json("audit", "bills", "--issuer", "hospital-a", *home)
        return [row["bill_id"] for row in rows["data"]]

    network.until(lambda: at_the_archive() == [issued["bill_id"]], "the auditor sees it")


@pytest.mark.parametrize("node", SERVERS)
def test_the_certificate_is_the_nodes_own(network: Network, node: str) -> None:
    """Issued by its organisation for the host of network.yaml; whoever trusts another authority refuses it."""
    organisation = network.nodes[node]["organisation"]
    for host in ("127.0.0.1", "localhost"):
        assert get(network, node, trusting(network, organisation), host).status_code == 200
    for stranger in (trusting(network, "hospital-b"), ssl.create_default_context()):
        with pytest.raises(httpx2.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
            get(network, node, stranger)


@pytest.mark.parametrize("node", SERVERS)
def test_plain_http_gets_no_answer_there(network: Network, node: str) -> None:
    """Neither a token nor a bill goes in clear by mistake and seems to arrive; TLS goes on beside it."""
    with socket.create_connection(("127.0.0.1", network.nodes[node]["api_port"]), timeout=20) as connection:
        connection.sendall(b"GET /v1/network HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
        said = b""
        try:
            while piece := connection.recv(65_536):
                said += piece
        except ConnectionResetError:
            pass
    assert said[:1] in (b"", b"\x15"), said  # nothing, or a TLS alert (RFC 8446, 5.1)
    assert b"HTTP" not in said
    assert get(network, node, trusting(network, network.nodes[node]["organisation"])).status_code == 200


def test_where_nothing_is_said_of_tls_there_is_none(network: Network) -> None:
    """Only nodes that have `api_tls` in network.yaml have it in node.yaml."""
    configured = {
        name: "api_tls: true" in (network.node_home(name) / "config" / "node.yaml").read_text("utf-8")
        for name in network.nodes
    }
    assert {name for name, has_tls in configured.items() if has_tls} == set(SERVERS)
