"""Whether the parts of a network.yaml fit together. What one line says by itself is checked where it is read."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator

from chain.validators import VALIDATORS_MIN
from node.config_file import ConfigRefused, Problem, Section
from node.network_config import GATEWAY, MIRROR, SERIAL_MAX, VALIDATOR, NetworkConfig, NetworkNode, RangeConfig


def check_network(network: NetworkConfig, root: Section) -> None:
    """Report what does not fit to `root.problems`; the lists are walked in the order of the file."""
    for problem in (
        *_organisations(network),
        *_supervision(network),
        *_nodes(network),
        *_validators(network, root.line_of("nodes")),
        *_ports(network),
        *_ranges(network),
        *_windows(network, root),
    ):
        root.problems.add(problem.line, problem.text)


def _organisations(network: NetworkConfig) -> Iterator[Problem]:
    lines: dict[str, int] = {}
    for entry in network.organisations:
        if entry.name and entry.name in lines:
            yield Problem(entry.line, f"organisation '{entry.name}' is already on line {lines[entry.name]}; rename one")
        lines.setdefault(entry.name, entry.line)
        for place in {place for place in entry.places if entry.places.count(place) > 1}:
            yield Problem(entry.line, f"{entry.name}: place '{place}' stands twice; remove one")
        if entry.kind == "hospital" and not entry.places:
            yield Problem(entry.line, f"{entry.name}: a hospital issues bills at places; add 'places: [A01]'")
        if entry.kind != "hospital" and entry.places:
            yield Problem(entry.line, f"{entry.name}: only hospitals have places; remove them")


def _supervision(network: NetworkConfig) -> Iterator[Problem]:
    known = {entry.name: entry for entry in network.organisations}
    for entry in network.organisations:
        if entry.kind == "hospital" and not entry.supervisor:
            yield Problem(
                entry.line, f"{entry.name}: a hospital has a supervising finance office; add 'supervisor: NAME'"
            )
        if not entry.supervisor:
            continue
        above = known.get(entry.supervisor)
        if above is None:
            names = ", ".join(sorted(known))
            yield Problem(
                entry.line, f"{entry.name}: supervisor '{entry.supervisor}' is no organisation; name one of {names}"
            )
            continue
        if entry.kind == "hospital" and above.kind != "finance":
            yield Problem(
                entry.line, f"{entry.name}: its bills are sealed by a finance office; '{above.name}' is {above.kind}"
            )
        passed = [entry.name]
        while above is not None and above.name not in passed:
            passed.append(above.name)
            above = known.get(above.supervisor)
        if above is not None and above.name == entry.name:
            circle = " -> ".join([*passed, entry.name])
            yield Problem(entry.line, f"supervision goes in a circle: {circle}; leave one of them without a supervisor")


def _nodes(network: NetworkConfig) -> Iterator[Problem]:
    known = {entry.name: entry for entry in network.organisations}
    lines: dict[str, int] = {}
    mirrors: dict[str, str] = {}
    for node in network.nodes:
        if node.name and node.name in lines:
            yield Problem(node.line, f"node '{node.name}' is already on line {lines[node.name]}; rename one")
        lines.setdefault(node.name, node.line)
        owner = known.get(node.organisation)
        if owner is None:
            names = ", ".join(sorted(known))
            yield Problem(node.line, f"{node.name}: '{node.organisation}' is no organisation; name one of {names}")
        elif node.kind == GATEWAY and owner.kind != "hospital":
            yield Problem(node.line, f"{node.name}: a gateway issues a hospital's bills; {owner.name} is {owner.kind}")
        elif node.kind == VALIDATOR and owner.kind == "hospital":
            yield Problem(node.line, f"{node.name}: hospitals do not validate; make it a gateway")
        if node.kind == MIRROR and node.organisation in network.offices():
            if node.organisation in mirrors:
                other = mirrors[node.organisation]
                yield Problem(
                    node.line,
                    f"{node.name}: {other} is this office's mirror already, and only one may seal; remove one",
                )
            mirrors.setdefault(node.organisation, node.name)
    for node in network.nodes:
        owner = known.get(node.organisation)
        if node.kind == GATEWAY and owner is not None and owner.supervisor and owner.supervisor not in mirrors:
            yield Problem(
                node.line,
                f"{node.name}: its office '{owner.supervisor}' runs no mirror to seal its bills; add one under nodes",
            )


def _validators(network: NetworkConfig, line: int) -> Iterator[Problem]:
    seats: dict[str, str] = {}
    for node in network.nodes:
        if node.kind != VALIDATOR:
            continue
        if node.organisation in seats:
            first = seats[node.organisation]
            yield Problem(
                node.line, f"{node.name}: {node.organisation} votes by {first} already; an organisation has one vote"
            )
        seats.setdefault(node.organisation, node.name)
    if network.nodes and len(seats) < VALIDATORS_MIN:
        yield Problem(
            line,
            f"{len(seats)} validators of different organisations: at least {VALIDATORS_MIN}, because fewer could not agree "
            f"with one of them faulty (n >= 3f + 1); add {VALIDATORS_MIN - len(seats)} under nodes",
        )


def _ports(network: NetworkConfig) -> Iterator[Problem]:
    taken: dict[tuple[str, int], str] = {}
    for node in network.nodes:
        for port in node.ports():
            line = node.port_lines.get(port, node.line)
            other = taken.get((node.host, port))
            if other is not None:
                yield Problem(line, f"{node.name}: port {port} on {node.host} is {other}'s already; give it another")
            taken.setdefault((node.host, port), node.name)


def _ranges(network: NetworkConfig) -> Iterator[Problem]:
    known = {entry.name: entry for entry in network.organisations}
    if sum(entry.count for entry in network.ranges) > SERIAL_MAX:
        yield Problem(
            network.ranges[-1].line, f"numbers: together more than {SERIAL_MAX}, ten digits; lower the counts"
        )

    def walk(entry: RangeConfig, above: RangeConfig | None) -> Iterator[Problem]:
        holder = known.get(entry.holder)
        if holder is None:
            yield Problem(
                entry.line, f"numbers: '{entry.holder}' is no organisation; name one of {', '.join(sorted(known))}"
            )
        elif above is not None and holder.supervisor != above.holder:
            yield Problem(
                entry.line,
                f"numbers: {above.holder} allots to those it supervises; '{entry.holder}' has another supervisor",
            )
        elif above is None and (holder.kind != "finance" or holder.supervisor):
            yield Problem(
                entry.line, f"numbers: the outermost holder is the province's finance bureau, not '{entry.holder}'"
            )
        pieces = sum(piece.count for piece in entry.pieces)
        if pieces > entry.count:
            yield Problem(
                entry.line,
                f"numbers: the pieces of {entry.holder} are {pieces} numbers of {entry.count}; lower them or raise it",
            )
        for piece in entry.pieces:
            yield from walk(piece, entry)

    for entry in network.ranges:
        yield from walk(entry, None)


def _windows(network: NetworkConfig, root: Section) -> Iterator[Problem]:
    window, replay = network.gateways.transaction_window_blocks, network.parameters.replay_window
    if window > replay:
        yield Problem(
            root.line_of("gateways"), f"transaction_window_blocks: {window} is beyond replay_window, {replay}; lower it"
        )


# ── ports of this machine ────────────────────────────────────────────────────────────────────────────────────────────


def is_port_free(host: str, port: int) -> bool:
    """Whether a server could bind here now. A host that is not this machine's counts as free: another looks after it."""
    try:
        address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        with socket.socket(address[0], socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address[4])
            probe.listen(1)
    except OSError as error:
        return error.errno not in (errno.EADDRINUSE, errno.EACCES)
    return True


def verify_ports_free(nodes: list[NetworkNode], path: str) -> None:
    """Check that every port of the network can be bound. Raises ConfigRefused with the line of each that is taken."""
    problems = [
        Problem(
            node.port_lines.get(port, node.line),
            f"{node.name}: port {port} on {node.host} is taken by another program; stop that one or give another port",
        )
        for node in nodes
        for port in node.ports()
        if not is_port_free(node.host, port)
    ]
    if problems:
        raise ConfigRefused(path, sorted(problems, key=lambda problem: problem.line))
