"""`network.yaml`: the network that `medbill network init` makes. Read once, then genesis and the nodes' homes hold.

The file's own comments give the reason for each value. Defaults of parameters are here, and nowhere else.
"""

from __future__ import annotations

import msgspec

from chain.bill import KINDS
from chain.genesis import BLOCK_BYTES_LIMIT, BLOCK_TRANSACTIONS_LIMIT
from chain.operation import PERSONS_TAGS
from chain.records import ParametersBody
from node.config_file import Section

ORGANISATION_KINDS = (
    "finance", "health", "insurance", "bigdata", "hospital",
    "insurer", "employer", "channel", "bank", "lender", "platform", "audit",
)  # fmt: skip
LEVELS = {"province": 1, "city": 2, "county": 3, "institution": 4}
VALIDATOR, MIRROR, GATEWAY = "validator", "mirror", "gateway"
NODE_KINDS = (VALIDATOR, MIRROR, GATEWAY)
SERIAL_MAX = 9_999_999_999  # ten digits: per kind of bill and year
PORT_MAX = 65_535
COUNT_MAX = 2**53
PLACE = r"[A-Za-z0-9_-]{1,16}"  # chain.codec.PlaceCode

# name -> (default, least, most); what each is for stands in chain.records.ParametersBody and in network.yaml
PARAMETERS: dict[str, tuple[int, int, int]] = {
    "utc_offset_minutes": (480, -720, 840),
    "heartbeat_ms": (600_000, 1_000, 86_400_000),
    "block_interval_min_ms": (20, 0, 3_600_000),
    "block_transactions_max": (5_000, 1, BLOCK_TRANSACTIONS_LIMIT),
    "block_operations_max": (20_000, 500, 1_000_000),
    "block_bytes_max": (16_777_216, 1_048_576, BLOCK_BYTES_LIMIT),
    "replay_window": (10_000, 100, 1_000_000),
    "business_days_behind_max": (7, 0, 366),
    "business_ahead_max_ms": (600_000, 0, 86_400_000),
    "seal_entries_max": (1_000, 1, 1_000),
}


class GatewaySettings(msgspec.Struct, frozen=True):
    """What every gateway starts with; kept in its own node.yaml, since nobody else depends on it."""

    lease_count: int  # numbers taken at a time, per kind of bill and issuing point
    lease_threshold: int  # below so many left, the next lease is taken
    transaction_window_blocks: int  # a signed transaction may still run so many blocks later


class OrganisationConfig(msgspec.Struct, frozen=True):
    name: str
    title: str  # as people write it
    kind: str
    region: str  # GB/T 2260
    level: int
    supervisor: str  # organisation, or empty
    places: list[str]
    line: int


class NetworkNode(msgspec.Struct, frozen=True):
    """One node of the network to be made."""

    name: str
    kind: str
    organisation: str
    host: str
    peer_port: int | None  # None: a gateway dials and is never dialled
    api_port: int | None  # None: serves no REST
    api_tls: bool
    operations_port: int
    line: int
    port_lines: dict[int, int]  # port -> line, for messages

    def ports(self) -> list[int]:
        return [port for port in (self.peer_port, self.api_port, self.operations_port) if port is not None]


class RangeConfig(msgspec.Struct, frozen=True):
    """`count` numbers of each kind and year for `holder`, and the pieces cut from their front."""

    holder: str
    count: int
    pieces: list[RangeConfig]
    line: int


class NetworkConfig(msgspec.Struct, frozen=True):
    """A whole, checked network.yaml."""

    name: str
    parameters: ParametersBody
    gateways: GatewaySettings
    organisations: list[OrganisationConfig]
    nodes: list[NetworkNode]
    ranges: list[RangeConfig]

    def organisation(self, name: str) -> OrganisationConfig:
        return next(entry for entry in self.organisations if entry.name == name)

    def nodes_of(self, kind: str) -> list[NetworkNode]:
        """By name."""
        return sorted((node for node in self.nodes if node.kind == kind), key=lambda node: node.name)

    def offices(self) -> set[str]:
        """Finance offices that supervise a hospital: they seal."""
        return {entry.supervisor for entry in self.organisations if entry.kind == "hospital"}

    def office_mirror(self, hospital: str) -> NetworkNode:
        """The mirror of a hospital's office, where its gateways send details."""
        office = self.organisation(hospital).supervisor
        return next(node for node in self.nodes if node.kind == MIRROR and node.organisation == office)


def read_network(root: Section) -> NetworkConfig:
    """What the file says, entry by entry; whether it fits together is `network_checks`' question. Reports to `root.problems`."""
    network = NetworkConfig(
        name=root.read_text("name", hint="what people call this network"),
        parameters=_parameters(root),
        gateways=_gateways(root),
        organisations=[_organisation(section) for section in root.read_sections("organisations")],
        nodes=_nodes(root),
        ranges=[_range(section) for section in root.read_sections("numbers", is_required=False)],
    )
    root.finish()
    return network


def _parameters(root: Section) -> ParametersBody:
    bills = root.read_section("bills")
    region = bills.read_text("region", pattern="[0-9]{2}", hint='two digits in quotes, as in "33"')
    classification = bills.read_text("classification", pattern="[0-9]{2}", hint='two digits in quotes, as in "06"')
    names = bills.read_texts("kinds", "|".join(KINDS), f"kinds of bill, from {', '.join(KINDS)}")
    if not names and "kinds" in bills:
        bills.problems.add(bills.line_of("kinds"), f"kinds: none given; name some of {', '.join(KINDS)}")
    for name in {name for name in names if names.count(name) > 1}:
        bills.problems.add(bills.line_of("kinds"), f"kinds: '{name}' stands twice; remove one")
    bills.finish()
    section = root.read_section("parameters")
    values = {
        key: section.read_integer(key, least, most, default) for key, (default, least, most) in PARAMETERS.items()
    }
    is_settled = "two_persons" in section  # left out: all that can be
    two = section.read_texts(
        "two_persons", "|".join(PERSONS_TAGS), f"operations, from {', '.join(PERSONS_TAGS)}", is_required=False
    )
    section.finish()
    kinds = sorted({KINDS[name] for name in names if name in KINDS})
    tags = sorted({PERSONS_TAGS[name] for name in (two if is_settled else PERSONS_TAGS) if name in PERSONS_TAGS})
    return ParametersBody(region=region, classification=classification, kinds=kinds, two_persons=tags, **values)


def _gateways(root: Section) -> GatewaySettings:
    section = root.read_section("gateways")
    settings = GatewaySettings(
        lease_count=section.read_integer("lease_count", 1, SERIAL_MAX),
        lease_threshold=section.read_integer("lease_threshold", 0, SERIAL_MAX),
        transaction_window_blocks=section.read_integer("transaction_window_blocks", 1, PARAMETERS["replay_window"][2]),
    )
    section.finish()
    if settings.lease_threshold >= settings.lease_count > 1:
        line = section.line_of("lease_threshold")
        section.problems.add(line, "lease_threshold: must be below lease_count, or every bill would take a lease")
    return settings


def _organisation(section: Section) -> OrganisationConfig:
    entry = OrganisationConfig(
        name=section.read_name("name"),
        title=section.read_text("title", hint="the organisation's full name"),
        kind=section.read_choice("kind", ORGANISATION_KINDS),
        region=section.read_text("region", pattern="[0-9]{6}", hint='six digits in quotes, GB/T 2260, as in "330100"'),
        level=LEVELS.get(section.read_choice("level", tuple(LEVELS)), 1),
        supervisor=section.read_name("supervisor", default=""),
        places=section.read_texts(
            "places", PLACE, "issuing points: letters, digits, '_', '-', at most 16", is_required=False
        ),
        line=section.line_of("name"),
    )
    section.finish()
    return entry


def _nodes(root: Section) -> list[NetworkNode]:
    host = root.read_text("host", "127.0.0.1", r"[A-Za-z0-9_.:-]{1,253}", "a host name or address")
    return [_node(section, host) for section in root.read_sections("nodes")]


def _node(section: Section, host: str) -> NetworkNode:
    kind = section.read_choice("kind", NODE_KINDS)
    name = section.read_name("name")
    ports: dict[str, int | None] = {}
    for key, is_required in (("peer_port", kind != GATEWAY), ("api_port", False), ("operations_port", True)):
        ports[key] = section.read_integer(key, 1, PORT_MAX) if key in section or is_required else None
    if kind == VALIDATOR and ports["api_port"] is not None:
        section.problems.add(
            section.line_of("api_port"),
            f"api_port: {name} is a validator and serves nobody but nodes; give it to a mirror",
        )
    node = NetworkNode(
        name=name,
        kind=kind,
        organisation=section.read_name("organisation"),
        host=section.read_text("host", host, r"[A-Za-z0-9_.:-]{1,253}", "a host name or address"),
        peer_port=ports["peer_port"],
        api_port=ports["api_port"],
        api_tls=section.read_boolean("api_tls", default=False),
        operations_port=ports["operations_port"] or 1,
        line=section.line_of("name"),
        port_lines={port: section.line_of(key) for key, port in ports.items() if port is not None and key in section},
    )
    section.finish()
    return node


def _range(section: Section) -> RangeConfig:
    entry = RangeConfig(
        holder=section.read_name("holder"),
        count=section.read_integer("count", 1, SERIAL_MAX),
        pieces=[_range(piece) for piece in section.read_sections("pieces", is_required=False)],
        line=section.line_of("holder"),
    )
    section.finish()
    return entry
