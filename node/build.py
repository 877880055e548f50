"""Join the parts of a node and run it until a signal, or until it must stop.

`node` takes the REST app as a factory and knows nothing of it; the operations port is its own.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import structlog
import uvloop

from chain import keyspace
from chain.block import FinalBlock
from chain.block_log import BlockLog
from chain.codec import decode
from chain.failpoint import arm_from_environment
from chain.genesis import Genesis, genesis_from_json
from chain.ledger import Ledger
from chain.records import HolderBody
from chain.signature import verify_library
from chain.transaction import key_id
from node.admissions import authorities_of, trust_admitted
from node.allocator import bound_allocator, give_back_regularly
from node.collector import tame_collector
from node.config import GATEWAY, MIRROR, VALIDATOR, NodeConfig, load_node_config
from node.disk_space import DiskSpace
from node.errors import KeyFileRefused
from node.home import NodeHome
from node.keystore import load_secret, load_signing_key
from node.link import LinkHandler
from node.operations import Operated, build_operations_app
from node.peer_certificate import PeerContexts, PeerIdentity
from node.peers import LivePeers
from node.scheduling import take_long_turns
from node.service import Desk
from node.transport import Transport
from node.web import App, WebServer

if TYPE_CHECKING:  # a node loads the parts of its own kind only: eight processes start on one machine
    from node.gateway_node import GatewayNode
    from node.mirror_node import MirrorNode
    from node.validator import Validator

STOP_SECONDS = 10  # then the process ends whatever still hangs

AppFactory = Callable[[Desk, NodeConfig], App]

log = structlog.get_logger()


class Part(Operated, LinkHandler, Protocol):
    """A node of any kind, opened and ready to start."""

    def start(self, transport: Transport) -> None: ...

    async def stop(self) -> None: ...


class Stop:
    """Why the node ends: a signal, or something that it must not survive."""

    def __init__(self) -> None:
        self._asked = asyncio.Event()
        self.reason = ""

    def ask(self, reason: str = "") -> None:
        self.reason = self.reason or reason
        self._asked.set()

    async def wait(self) -> None:
        await self._asked.wait()


def run(home: Path, app_factory: AppFactory | None) -> int:
    """Run the node of `home`; returns the exit code: 0 after a signal, 1 if it had to stop.

    Raises ConfigRefused, GenesisRefused, KeyFileRefused, StorageDamaged, StorageLocked, AddressTaken before it serves.
    """
    os.umask(0o077)
    take_long_turns()
    bound_allocator()
    configure_logs()
    arm_from_environment()
    verify_library()
    config = load_node_config(home)
    genesis = genesis_from_json(NodeHome(home).genesis.read_bytes())
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_main(home, config, genesis, app_factory))


async def _main(home: Path, config: NodeConfig, genesis: Genesis, app_factory: AppFactory | None) -> int:
    place, stop, loop = NodeHome(home), Stop(), asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.ask)
    contexts = PeerContexts(place.tls_certificate, place.tls_key, authorities_of(place, config.organisation, genesis))
    if contexts.me != PeerIdentity(config.name, config.organisation):
        named = f"{contexts.me.node} of {contexts.me.organisation}"
        raise KeyFileRefused(
            place.tls_certificate, f"of {named}, and node.yaml says {config.name} of {config.organisation}"
        )
    part, desk = _open(place, config, genesis, contexts, stop)
    tame_collector()
    servers: list[WebServer] = []
    transport = Transport(contexts, genesis.digest(), part)
    try:
        operations = build_operations_app(part, genesis.digest().hex())
        servers.append(WebServer(operations, config.operations.host, config.operations.port))
        if config.listen is not None:
            transport.listen(config.listen.host, config.listen.port)
        part.start(transport)
        for peer in config.peers:
            transport.dial(PeerIdentity(peer.name, peer.organisation), peer.host, peer.port)
        if config.api is not None and desk is not None and app_factory is not None:
            tls = (place.tls_certificate, place.tls_key) if config.api_tls else (None, None)
            servers.append(WebServer(app_factory(desk, config), config.api.host, config.api.port, *tls))
        log.info("started", node=config.name, kind=config.kind)
        giving_back = asyncio.create_task(give_back_regularly())
        await stop.wait()
        giving_back.cancel()
    finally:
        await _end(part, transport, servers)
    if stop.reason:
        log.critical("stopped", reason=stop.reason)
        return 1
    log.info("stopped", reason="signal")
    return 0


async def _end(part: Part, transport: Transport, servers: list[WebServer]) -> None:
    try:
        async with asyncio.timeout(STOP_SECONDS):
            for server in reversed(servers):
                await server.stop()
            await transport.close()
            await part.stop()
    except TimeoutError:
        log.error("stop_took_too_long", seconds=STOP_SECONDS)


def _open(
    place: NodeHome, config: NodeConfig, genesis: Genesis, contexts: PeerContexts, stop: Stop
) -> tuple[Part, Desk | None]:
    if config.kind == VALIDATOR:
        return _open_validator(place, config, genesis, contexts, stop), None
    if config.kind == GATEWAY:
        gateway = _open_gateway(place, config, genesis, stop)
        return gateway, gateway.gateway
    mirror = _open_mirror(place, config, genesis, contexts, stop)
    return mirror, mirror.desk


def _open_mirror(
    place: NodeHome, config: NodeConfig, genesis: Genesis, contexts: PeerContexts, stop: Stop
) -> MirrorNode:
    from node.mirror_node import MirrorNode
    from node.webhooks import open_webhooks

    webhooks = open_webhooks(place, config.webhooks)
    data = config.data_dir
    ledger = _open_ledger(config, genesis, contexts, BlockLog.open(data / "blocks"))
    return MirrorNode(
        config.name,
        config.organisation,
        data,
        ledger,
        _peers(config),
        storage_key=load_secret(place.storage_key),
        unit_key=load_signing_key(place.unit_key) if place.unit_key.exists() else None,
        seal_key=load_signing_key(place.seal_key) if place.seal_key.exists() else None,
        on_halt=stop.ask,
        space=_space(config),
        verify_workers=config.verify_workers,
        embargo_days=config.access_embargo_days,
        webhooks=webhooks,
    )


def _open_gateway(place: NodeHome, config: NodeConfig, genesis: Genesis, stop: Stop) -> GatewayNode:
    from node.channels.opening import open_channels
    from node.gateway import Gateway
    from node.gateway_node import GatewayNode
    from node.paper_stock import read_paper_forms

    read_paper_forms(place.paper_forms)  # a file that cannot be used is told now, not at the counter
    peers = _peers(config)
    gateway = Gateway(
        config,
        genesis,
        unit_key=load_signing_key(place.unit_key),
        mac_key=load_secret(place.mac_key),
        storage_key=load_secret(place.storage_key),
        peers=peers,
        on_failure=stop.ask,
        space=_space(config),
        channels=open_channels(config.channels, place.channel_keys, config.data_dir / "channel_books"),
    )
    return GatewayNode(gateway, peers)


def _space(config: NodeConfig) -> DiskSpace:
    reserve = config.disk_reserve_mib
    return DiskSpace(config.data_dir, None if reserve is None else reserve << 20)


def _peers(config: NodeConfig) -> LivePeers:
    return LivePeers({peer.name for peer in config.peers if peer.kind == VALIDATOR})


def _open_validator(
    place: NodeHome, config: NodeConfig, genesis: Genesis, contexts: PeerContexts, stop: Stop
) -> Validator:
    from node.validator import Validator
    from node.vote_keys import VoteKeys
    from node.vote_memory import VoteMemory

    data, keys = config.data_dir, VoteKeys(place.config_dir)
    memory = VoteMemory(config.organisation, data / "journal", keys)
    journal = memory.journal
    block_log = BlockLog.open(
        data / "blocks",
        journal_has_votes_above=journal.has_records_above if journal else False,
        floor=journal.floor if journal else None,
        digest_of=lambda record: decode(record, FinalBlock).block.header.digest(),
    )
    ledger = _open_ledger(config, genesis, contexts, block_log)
    for public in keys.publics:  # all others would refuse what it signs, and its owner would be accused
        holder = ledger.state.get(keyspace.holder(key_id(public)), HolderBody)
        if holder is not None and holder.organisation != config.organisation:
            detail = f"not a key of {config.organisation} but of {holder.organisation}; put the right file in its place"
            raise KeyFileRefused(place.vote_key, detail)
    return Validator(config.name, config.organisation, ledger, memory, stop.ask, _space(config), config.verify_workers)


def _open_ledger(config: NodeConfig, genesis: Genesis, contexts: PeerContexts, block_log: BlockLog) -> Ledger:
    """Replay the log, tell what was cut of it and why a state was not taken over, and believe whom it admits."""
    if block_log.cut_place:
        log.warning("torn_end_cut", place=block_log.cut_place, bytes=block_log.torn_bytes, height=block_log.height)
    is_mirror = config.kind == MIRROR
    ledger = Ledger.open(config.data_dir, genesis, log=block_log, indexes=is_mirror, progress=_log_replay)
    if ledger.dropped:
        log.warning("state_built_again", reason=ledger.dropped)
    trust_admitted(ledger, contexts)
    return ledger


def _log_replay(done: int, total: int) -> None:
    if done % 1_000 == 0 or done == total:
        log.info("replaying", height=done, of=total)


def configure_logs() -> None:
    """JSON lines on stderr; event names are constants, nothing personal ever stands in one."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
