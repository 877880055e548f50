"""`medbill node doctor`: what an operator would look at, each with ok, warn or fail and what to do. It changes nothing.

It runs beside the node or on a stopped one; what only a running node knows it asks at the operations port. It does not
prove the data: `medbill node verify` does.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal
from urllib.error import URLError
from urllib.request import urlopen

import msgspec

from chain.errors import ChainError
from chain.genesis import genesis_from_json
from node.config import ConfigRefused, NodeConfig, load_node_config
from node.disk_space import free_bytes, reserve_of
from node.doctor_files import look_at_certificate, look_at_files, look_at_keys, look_at_stores
from node.errors import NodeError
from node.home import NodeHome
from node.restore import MARK as RESTORED
from node.unsafe_journal import RECORD, uses_of

State = Literal["ok", "warn", "fail"]
STATUS_TIMEOUT_S = 3.0
STATUS_BYTES_MAX = 1 << 20
CLOCK_WARN_MS = 2_000  # against the last block of others: a proposer's clock stands in it
CLOCK_FAIL_MS = 10_000  # from here on others hold back what this node proposes (PROTOCOL 2)
DISK_WARN_TIMES = 3  # the reserve
LEARNER_ADVICE = {
    "journal_missing": "'medbill node renew' once the node has caught up",
    "journal_copied": "'medbill node renew'; a journal is never copied, moved to another disk or restored",
    "journal_damaged": "'medbill node rebuild --set-journal-aside', then 'medbill node renew'",
    "journal_behind_block_log": "the journal was rolled back: put it aside, then 'medbill node renew'",
    "vote_forgotten": "peers hold votes of this node that it has forgotten: 'medbill node renew'",
    "vote_key_missing": "put the vote key of the seat into config/, mode 0600",
    "journal_of_another_key": "'medbill node renew'",
    "journal_of_former_renewal": "'medbill node renew'",
    "waits_for_renewal": "wait for two blocks, or run 'medbill node renew' again",
    "no_seat": "its organisation has no seat among the validators: it follows",
}


class Finding(msgspec.Struct, frozen=True):
    """One thing that was looked at. `advice` is empty where nothing is to be done."""

    name: str
    state: State
    detail: str
    advice: str = ""


def examine(home: Path, now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000) -> list[Finding]:
    """All findings, in the order in which an operator would look. Raises nothing for what lies in the home."""
    place = NodeHome(home)
    findings = []
    try:
        config = load_node_config(home)
        findings.append(Finding("configuration", "ok", f"{config.kind} {config.name} of {config.organisation}"))
        genesis = genesis_from_json(place.genesis.read_bytes())
        findings.append(Finding("genesis", "ok", f"{genesis.name}, {genesis.digest().hex()[:16]}"))
    except (ConfigRefused, ChainError, NodeError, OSError) as error:
        advice = "put the file of this node back from the directory that the home was made in"
        return [*findings, Finding("configuration", "fail", str(error)[:400], advice)]
    looks: list[Callable[[], Iterator[tuple[str, State, str, str]]]] = [
        lambda: look_at_files(place, config),
        lambda: look_at_keys(place, config),
        lambda: look_at_certificate(place, config.organisation, genesis, now_ms()),
        lambda: _look_at_disk(config),
        lambda: look_at_stores(config, genesis),
        lambda: _look_at_past(config),
        lambda: _look_at_running(config, now_ms()),
    ]
    for look in looks:
        try:
            findings += [Finding(*found) for found in look()]
        except (ChainError, NodeError, OSError, ValueError) as error:
            findings.append(Finding("home", "fail", f"{type(error).__name__}: {str(error)[:300]}"))
    return findings


def _look_at_disk(config: NodeConfig) -> Iterator[tuple[str, State, str, str]]:
    path = config.data_dir if config.data_dir.exists() else config.data_dir.parent
    free = free_bytes(path)
    reserve = reserve_of(path) if config.disk_reserve_mib is None else config.disk_reserve_mib << 20
    detail = f"{free >> 20} MiB free, the reserve is {reserve >> 20} MiB"
    if free < reserve:
        yield "disk room", "fail", detail, "make room: until then the node takes no new work (disk_nearly_full)"
    elif free < DISK_WARN_TIMES * reserve:
        yield "disk room", "warn", detail, "make room, or give the node a larger disk"
    else:
        yield "disk room", "ok", detail, ""


def _look_at_past(config: NodeConfig) -> Iterator[tuple[str, State, str, str]]:
    """What was done to this home, and stays worth knowing."""
    if (config.data_dir / RESTORED).exists():
        marked = msgspec.json.decode((config.data_dir / RESTORED).read_bytes())
        yield "restored", "ok", f"from a backup of {marked['node']} at block {marked['height']}", ""
    for use in uses_of(config.data_dir):
        detail = f"unsafe-new-journal was used at block {use.height} ({use.digest[:16]}), {use.at_ms} ms"
        yield RECORD, "warn", detail, "tell the auditors: from there on this node's votes rest on its operator's word"
    aside = sorted(path.name for path in config.data_dir.parent.glob("*.aside-*"))
    aside += sorted(path.name for path in config.data_dir.glob("*aside*"))
    if aside:
        yield "set aside", "warn", ", ".join(aside), "look into what was damaged, then delete it to gain room"


def _look_at_running(config: NodeConfig, now_ms: int) -> Iterator[tuple[str, State, str, str]]:
    said = _status(config)
    if said is None:
        yield "running", "warn", "it does not answer at its operations port", "'medbill node start'"
        return
    reasons = [str(reason) for reason in said.get("reasons", [])]
    if not reasons:
        yield "running", "ok", f"ready, at height {said.get('height')}", ""
    for reason in reasons:
        advice = next((text for code, text in LEARNER_ADVICE.items() if code in reason), "see the log of the node")
        yield "running", "warn" if "no_seat" in reason else "fail", reason, advice
    time_ms = said.get("time_ms")
    if isinstance(time_ms, int) and said.get("height"):
        behind = time_ms - now_ms  # a block cannot be of the future, whatever the time it was made
        if behind > CLOCK_FAIL_MS:
            yield (
                "clock",
                "fail",
                f"{behind} ms behind the last block's",
                "set the clock (NTP): proposals are held back",
            )
        elif behind > CLOCK_WARN_MS:
            yield "clock", "warn", f"{behind} ms behind the last block's", "set the clock (NTP)"
        else:
            yield "clock", "ok", f"the last block is {max(-behind, 0) // 1000} s old", ""
    evidence = said.get("evidence")
    if evidence:
        yield "evidence", "fail", f"{evidence} contradicting votes are kept", "'medbill evidence list' names the keys"
    else:
        yield "evidence", "ok", "no contradicting votes seen", ""


def _status(config: NodeConfig) -> dict[str, Any] | None:
    where = f"http://{config.operations.host}:{config.operations.port}/status"
    try:
        with urlopen(where, timeout=STATUS_TIMEOUT_S) as answer:
            said = msgspec.json.decode(answer.read(STATUS_BYTES_MAX))
    except (URLError, OSError, msgspec.MsgspecError):
        return None
    return said if isinstance(said, dict) and said.get("name") == config.name else None
