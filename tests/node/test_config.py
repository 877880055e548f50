"""What network.yaml and node.yaml may say; every refusal names its line and what to do. DESIGN 2, STYLE 8."""

from __future__ import annotations

import random
import re
import socket
from pathlib import Path

import pytest

from node.config import (
    Address,
    ConfigRefused,
    NetworkConfig,
    Office,
    load_network_config,
    load_node_config,
    parse_network_config,
    parse_node_config,
)
from node.network_checks import verify_ports_free
from node.network_config import PARAMETERS

EXAMPLE = Path(__file__).parents[2] / "network.yaml"
TEXT = EXAMPLE.read_text()

GATEWAY_YAML = """\
name: hospital-a
kind: gateway
organisation: hospital-a
api: {host: 127.0.0.1, port: 8102}
operations: {host: 127.0.0.1, port: 9106}
peers:
  - {name: finance, organisation: finance, kind: validator, host: 127.0.0.1, port: 7101}
  - {name: archive, organisation: finance-city, kind: mirror, host: 127.0.0.1, port: 7105}
places: [A01, A02]
lease_count: 10000
lease_threshold: 5000
transaction_window_blocks: 2000
office: {name: archive, organisation: finance-city}
"""


def refusals(text: str | bytes) -> list[tuple[int, str]]:
    data = text.encode() if isinstance(text, str) else text
    with pytest.raises(ConfigRefused) as caught:
        parse_network_config(data)
    assert all(line.startswith("network.yaml:") for line in str(caught.value).splitlines())
    return [(problem.line, problem.text) for problem in caught.value.problems]


def line_of(text: str, fragment: str, nth: int = 1) -> int:
    found = [number for number, line in enumerate(text.splitlines(), 1) if fragment in line]
    return found[nth - 1]


def without(text: str, *names: str) -> str:
    """The example without some nodes."""
    for name in names:
        text = re.sub(rf"  - name: {name}\n    kind: (validator|mirror|gateway)\n(    .*\n)+", "", text)
    return text


def test_the_example_network_is_four_agencies_one_office_and_two_hospitals() -> None:
    """DESIGN 2: the table of who takes part."""
    network = load_network_config(EXAMPLE)

    assert isinstance(network, NetworkConfig)
    assert [node.name for node in network.nodes_of("validator")] == ["bigdata", "finance", "health", "insurance"]
    assert [node.name for node in network.nodes_of("gateway")] == ["hospital-a", "hospital-a-2", "hospital-b"]
    assert network.office_mirror("hospital-b").name == "archive"
    assert network.offices() == {"finance-city"}
    assert network.parameters.kinds == [1, 2, 3, 4]


def test_every_value_of_the_example_has_its_reason_above_it() -> None:
    """STYLE 8: the line above gives the reason. Entries of lists have theirs above the list."""
    lines = TEXT.splitlines()
    for section in ("parameters:", "gateways:", "bills:"):
        start = lines.index(section)
        for above, line in zip(lines[start:], lines[start + 1 :], strict=False):
            if line and not line.startswith(" "):
                break
            if line.strip() and not line.strip().startswith("#"):
                assert above.strip().startswith("#"), line


def test_parameters_left_out_have_the_defaults_that_the_example_spells_out() -> None:
    head, tail = TEXT.split("parameters:\n", 1)
    _, rest = tail.split("\n# What each gateway", 1)
    shorter = parse_network_config((head + "parameters: {}\n\n# What each gateway" + rest).encode())

    assert shorter.parameters == load_network_config(EXAMPLE).parameters


def test_three_validators_are_refused_with_the_reason() -> None:
    """PROTOCOL: n >= 4; with three, one faulty stops or forks the ledger."""
    text = without(TEXT, "bigdata")
    [(line, problem)] = refusals(text)

    assert line == line_of(text, "nodes:")
    assert "at least 4, because" in problem
    assert "add 1 under nodes" in problem


def test_a_name_given_twice_is_refused_with_both_lines() -> None:
    text = TEXT.replace("  - name: hospital-a-2\n", "  - name: hospital-b\n")
    [(line, problem)] = refusals(text)

    assert line == line_of(text, "- name: hospital-b", 3)
    assert f"already on line {line_of(text, '- name: hospital-b', 2)}; rename one" in problem


def test_a_port_given_twice_is_refused_naming_its_holder() -> None:
    text = TEXT.replace("api_port: 8103", "api_port: 8102")
    [(line, problem)] = refusals(text)

    assert line == line_of(text, "api_port: 8102", 2)
    assert problem == "hospital-a-2: port 8102 on 127.0.0.1 is hospital-a's already; give it another"


def test_supervision_in_a_circle_is_refused() -> None:
    text = TEXT.replace(
        "    level: province\n  - name: health", "    level: province\n    supervisor: finance-city\n  - name: health"
    )
    problems = refusals(text)

    assert (line_of(text, "- name: finance"), problems[0][1]) == problems[0]
    assert "finance -> finance-city -> finance" in problems[0][1]


def test_pieces_longer_than_their_range_are_refused() -> None:
    """DESIGN 6: ranges nest."""
    text = TEXT.replace("count: 500000000", "count: 30000000")
    [(line, problem)] = refusals(text)

    assert line == line_of(text, "- holder: finance-city")
    assert "40000000 numbers of 30000000" in problem


@pytest.mark.parametrize(
    ("old", "new", "fragment", "words"),
    [
        ("    kind: mirror", "    kind: mirrors", "kind: mirrors", "one of validator, mirror, gateway"),
        ("places: [B01]", "places: [B 01]", "B 01", "issuing points"),
        ("places: [B01]", "places: []", "- name: hospital-b", "add 'places: [A01]'"),
        ("heartbeat_ms: 600000", "heartbeat_ms: 10m", "heartbeat_ms", "a whole number from 1000"),
        ("heartbeat_ms: 600000", "heartbeat_ms: 0600000", "heartbeat_ms", "a whole number from 1000"),
        ("heartbeat_ms: 600000", "heartbeat_ms: 600000.0", "heartbeat_ms", "a whole number"),
        ("heartbeat_ms: 600000", "heartbeat_s: 600", "heartbeat_s:", "unknown key 'heartbeat_s'"),
        ('region: "33"', "region: 33", "region: 33", "in quotes"),
        ("name: Example province", "name: Example province\nname: Other", "name: Other", "stands twice"),
        ("peer_port: 7101", "peer_port: 71010", "71010", "from 1 to 65535"),
        (
            "operations_port: 9101",
            "api_port: 8109\n    operations_port: 9101",
            "8109",
            "a validator and serves nobody but nodes",
        ),
        (
            "supervisor: finance-city\n    places: [B01]",
            "places: [B01]",
            "- name: hospital-b",
            "supervising finance office",
        ),
        (
            "supervisor: finance-city\n    places: [B01]",
            "supervisor: health\n    places: [B01]",
            "- name: hospital-b",
            "sealed by a finance",
        ),
        ("organisation: bigdata", "organisation: nobody", "- name: bigdata", "'nobody' is no organisation"),
        ("organisation: bigdata", "organisation: hospital-b", "- name: bigdata", "hospitals do not validate"),
        ("lease_threshold: 5000", "lease_threshold: 10000", "lease_threshold", "below lease_count"),
        ("window_blocks: 2000", "window_blocks: 20000", "gateways:", "beyond replay_window"),
        ("- holder: hospital-b", "- holder: health", "- holder: health", "another supervisor"),
        ("api_port: 8101", "api_port: 8101\n    api_tls: yes", "api_tls: yes", "true or false"),
        ("host: 127.0.0.1", "host: &here 127.0.0.1", "&here", "write the value out"),
        ("kinds: [outpatient", "kinds: [outpatients", "outpatients", "kinds of bill"),
        ("bills:\n", "bills: [\n", "# Units", "not YAML"),
    ],
)
def test_each_thing_wrong_is_named_by_its_line(old: str, new: str, fragment: str, words: str) -> None:
    """STYLE 8 and issue 2, bad input: the line and what to do."""
    assert old in TEXT
    text = TEXT.replace(old, new, 1)
    problems = refusals(text)

    assert any(words in problem for _, problem in problems), problems
    if "not YAML" not in words:
        lines = [line for line, problem in problems if words in problem]
        assert lines[0] in [n for n, line in enumerate(text.splitlines(), 1) if fragment in line], problems


def test_all_problems_come_at_once_in_the_order_of_the_file() -> None:
    text = (
        without(TEXT, "bigdata")
        .replace("heartbeat_ms: 600000", "heartbeat_ms: soon")
        .replace("api_port: 8103", "api_port: 8102")
    )
    problems = refusals(text)

    assert len(problems) == 3
    assert [line for line, _ in problems] == sorted(line for line, _ in problems)


@pytest.mark.parametrize(
    "data",
    [b"", b"\xff\xfe\x00", b"a: b: c", b"[" * 5000, b"- 1", b"just text", b"a: !!python/object:os.system x", b"\x00"],
)
def test_bytes_that_are_no_configuration_are_refused_without_a_traceback(data: bytes) -> None:
    assert refusals(data)


def test_a_file_cut_or_changed_anywhere_is_read_or_refused_and_nothing_else() -> None:
    """Hostile input raises our classes only; seed 7."""
    chance = random.Random(7)
    data = TEXT.encode()
    for _ in range(60):
        at = chance.randrange(len(data))
        torn = data[:at] if chance.random() < 0.3 else data[:at] + bytes([chance.randrange(256)]) + data[at + 1 :]
        try:
            parse_network_config(torn)
        except ConfigRefused:
            continue


def test_a_taken_port_is_named_with_its_line_and_node(unused_ports: list[int]) -> None:
    """Issue 2, bad input: a taken port."""
    taken, *free = unused_ports
    text = TEXT
    for number, old in enumerate(sorted(set(re.findall(r"port: (\d{4})", TEXT)))):
        text = text.replace(f"port: {old}", f"port: {([taken, *free])[number]}")
    network = parse_network_config(text.encode())
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", taken))
        holder.listen(1)
        with pytest.raises(ConfigRefused) as caught:
            verify_ports_free(network.nodes, "network.yaml")
    [problem] = caught.value.problems
    assert problem.line == line_of(text, f"port: {taken}")
    assert (
        f": port {taken} on 127.0.0.1 is taken by another program; stop that one or give another port" in problem.text
    )
    verify_ports_free(network.nodes, "network.yaml")


@pytest.fixture
def unused_ports() -> list[int]:
    held = [socket.socket() for _ in range(20)]
    for one in held:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in held]
    for one in held:
        one.close()
    return ports


def test_a_gateways_own_file_says_where_it_listens_and_whom_it_dials(tmp_path: Path) -> None:
    config = parse_node_config(GATEWAY_YAML.encode(), tmp_path)

    assert config.listen is None
    assert config.api == Address("127.0.0.1", 8102)
    assert config.office == Office("archive", "finance-city")
    assert config.data_dir == tmp_path / "data"
    assert [peer.name for peer in config.peers] == ["finance", "archive"]
    assert config.public_url == "http://127.0.0.1:8102"


def test_the_qr_codes_of_faces_lead_where_the_file_says(tmp_path: Path) -> None:
    config = parse_node_config((GATEWAY_YAML + "public_url: https://bills.example.cn/\n").encode(), tmp_path)
    assert config.public_url == "https://bills.example.cn"


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("kind: gateway\n", "kind: validator\n", "only gateways have it"),
        ("lease_count: 10000", "lease_size: 10000", "'lease_count' is missing"),
        ("port: 8102", "port: eight", "a whole number"),
        ("office: {name: archive", "office: {name: archives", "not among the peers"),
        ("{name: finance,", "{name: hospital-a,", "does not dial itself"),
        ("{name: finance,", "{name: archive,", "stands twice"),
        ("lease_count: 10000", "lease_count: 10000\nverify_workers: 4", "checks few signatures"),
        ("lease_count: 10000", "lease_count: 10000\nverify_workers: 0", "from 1 to 64"),
        ("lease_count: 10000", "lease_count: 10000\npublic_url: bills.example.cn", "an address such as"),
        ("lease_count: 10000", "lease_count: 10000\npublic_url: https://bills.example.cn/?a=1", "without query"),
        ("heartbeat_ms", "heartbeat_ms", ""),
    ],
)
def test_a_nodes_own_file_is_read_as_strictly(old: str, new: str, words: str, tmp_path: Path) -> None:
    text = GATEWAY_YAML.replace(old, new, 1)
    if not words:
        text, words = text + "heartbeat_ms: 1\n", "unknown key 'heartbeat_ms'"  # parameters live in genesis only
    with pytest.raises(ConfigRefused) as caught:
        parse_node_config(text.encode(), tmp_path)
    assert words in str(caught.value)


def test_a_home_without_its_file_says_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigRefused, match="name an existing file"):
        load_node_config(tmp_path)


def test_the_example_names_every_parameter_and_its_default() -> None:
    """STYLE 7: the keys of network.yaml are compared with what the program really does."""
    section = TEXT.split("parameters:\n", 1)[1].split("\n\n", 1)[0]
    written = {key: int(value) for key, value in re.findall(r"^  (\w+): (-?\d+)$", section, re.MULTILINE)}

    assert written == {key: default for key, (default, _, _) in PARAMETERS.items()}
