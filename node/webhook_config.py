"""Whom a mirror tells of events by itself: the list `webhooks` of its node.yaml.

Set by the node's operator in a file, and by nobody over the network: whoever could name an address to a node could have it
ask around inside its own network. So private addresses are allowed here; redirects, which the receiver would choose, are not followed.
"""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

import msgspec

from chain.codec import Name
from node.config_file import Section

WEBHOOKS_MAX = 50  # of one node
URL_CHARACTERS_MAX = 500
HEIGHT_MAX = 10**15 - 1
FILE = r"[A-Za-z0-9_.-]{1,100}"
FILE_HINT = "the name of a file in config/"


class WebhookConfig(msgspec.Struct, frozen=True):
    """One receiver of one organisation's events."""

    name: Name  # its position is kept under this name
    organisation: Name  # whose events; it hears what its people would
    url: str  # https, or http on loopback
    secret_file: str  # in config/, mode 0600: see `webhook_signing.py`
    types: list[str]  # names of events, or words that they begin with; none: all
    ca_file: str  # in config/, whose certificates the receiver's is one of; the system's if empty
    from_height: int | None  # where a new one begins: after this block; the head if left out
    line: int = 0  # in node.yaml


def read_webhooks(root: Section) -> list[WebhookConfig]:
    """The list, with what is wrong added to the file's problems."""
    sections = list(root.read_sections("webhooks", is_required=False))
    if not sections:
        return []
    from node.ledger_events import EVENT_TYPES, choose_types  # much comes with it, and few nodes have receivers

    hooks: list[WebhookConfig] = []
    for section in sections:
        hook = WebhookConfig(
            name=section.read_name("name"),
            organisation=section.read_name("organisation"),
            url=section.read_text("url", None, rf".{{1,{URL_CHARACTERS_MAX}}}", "an address"),
            secret_file=section.read_text("secret_file", None, FILE, FILE_HINT),
            types=section.read_texts("types", r"[a-z_]+(\.[a-z_]+)?", "types of events", is_required=False),
            ca_file=section.read_text("ca_file", "", FILE, FILE_HINT),
            from_height=section.read_integer("from_height", 0, HEIGHT_MAX) if "from_height" in section else None,
            line=section.line,
        )
        section.finish()
        hooks.append(hook)
        if hook.url and (fault := url_fault(hook.url)):
            section.problems.add(section.line_of("url"), f"url: {fault}")
        for word in hook.types:
            if choose_types(word) is None:
                known = ", ".join(sorted(EVENT_TYPES.values()))
                section.problems.add(section.line_of("types"), f"types: no event is called '{word}'; there are {known}")
    names = [hook.name for hook in hooks if hook.name]
    for name in sorted({name for name in names if names.count(name) > 1}):
        root.problems.add(root.line_of("webhooks"), f"webhooks: '{name}' stands twice; rename one")
    if len(hooks) > WEBHOOKS_MAX:
        root.problems.add(root.line_of("webhooks"), f"webhooks: {len(hooks)}; at most {WEBHOOKS_MAX}")
    return hooks


def url_fault(url: str) -> str:
    """What is wrong with a receiver's address; empty if nothing is."""
    if not url.isascii() or any(character <= " " or character == "\x7f" for character in url):
        return "write it in ASCII, without spaces"
    try:
        parts = urlsplit(url)
        host, _port = parts.hostname, parts.port
    except ValueError:
        return "not an address"
    if parts.scheme not in ("https", "http") or not host:
        return "write https://HOST/PATH"
    if parts.username is not None or parts.password is not None or parts.fragment:
        return "neither a user nor a fragment belongs in it"
    if parts.scheme == "http" and not _is_loopback(host):
        return "bill numbers travel over https only; http is for a receiver on this machine"
    return ""


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
