"""One function per kind of bytes that comes from outside: it raises our own refusals only, or finds nothing wrong.

`TARGETS` is what both drivers run: hypothesis in the suite, and `python -m tests.fuzz.atheris_run` where that library is
installed. A target takes any bytes, returns nothing, and lets through every exception that is not a refusal.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Callable, Iterator

import chain
import consensus
import node
from chain.block import FinalBlock
from chain.codec import Wire, decode, encode
from chain.errors import ChainError
from chain.genesis import genesis_from_json
from chain.proof_kinds import check_any
from consensus.errors import ConsensusError
from consensus.evidence import check_evidence
from consensus.model import PeerMessage
from consensus.wire import decode_message, decode_record, verify_final_block, verify_message
from node.messages import decode_answer, decode_bundle, decode_question
from node.saver import SavedEntry
from tests.chain.making import genesis

GENESIS = genesis()
CHAIN_ID, MEMBERS = GENESIS.digest(), GENESIS.validator_set()
REFUSALS = (ChainError, ConsensusError)

Target = Callable[[bytes], None]


def wire_structs() -> Iterator[type[Wire]]:
    """Every struct of the project that is hashed, signed, stored or sent."""
    for package in (chain, consensus, node):
        for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            importlib.import_module(found.name)
    waiting, seen = [Wire], set()
    while waiting:
        for kind in waiting.pop().__subclasses__():
            if kind.__module__.split(".")[0] in ("chain", "consensus", "node") and kind not in seen:
                seen.add(kind)
                waiting.append(kind)
    yield from sorted((kind for kind in seen if not inspect.isabstract(kind)), key=lambda kind: kind.__qualname__)


STRUCTS = list(wire_structs())


def decode_any(data: bytes) -> None:
    """The first byte chooses the struct; what decodes has one spelling."""
    if not data:
        return
    try:
        value = decode(data[1:], STRUCTS[data[0] % len(STRUCTS)])
    except ChainError:
        return
    if encode(value) != data[1:]:
        raise AssertionError("two spellings of one value")


def take_message(data: bytes) -> None:
    try:
        message: PeerMessage = decode_message(data)
        verify_message(message, MEMBERS, CHAIN_ID)
    except REFUSALS:
        return


def take_block(data: bytes) -> None:
    try:
        verify_final_block(decode(data, FinalBlock), MEMBERS, CHAIN_ID)
    except REFUSALS:
        return


def take_question(data: bytes) -> None:
    for read in (decode_question, decode_bundle, lambda some: decode_answer(some, object)):
        try:
            read(data)
        except REFUSALS:
            continue


def take_record(data: bytes) -> None:
    """A journal's entry: its bodies and the core's record in it."""
    try:
        decode_record(decode(data, SavedEntry).record)
    except REFUSALS:
        return


def take_evidence(data: bytes) -> None:
    try:
        check_evidence(data, GENESIS)
    except ConsensusError:
        return


def take_proof(data: bytes) -> None:
    check_any(data, GENESIS)  # a verdict, whatever the bytes


def take_genesis(data: bytes) -> None:
    try:
        genesis_from_json(data)
    except REFUSALS:
        return


TARGETS: dict[str, Target] = {
    "decode": decode_any,
    "message": take_message,
    "block": take_block,
    "question": take_question,
    "record": take_record,
    "evidence": take_evidence,
    "proof": take_proof,
    "genesis": take_genesis,
}

__all__ = ["STRUCTS", "TARGETS", "wire_structs"]
