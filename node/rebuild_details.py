"""A mirror's details, mended: what reads and opens is kept, the rest comes again from the gateways that have it.

What is derived beside them (exceptions, releases, how far all is sealed) is dropped and made anew at the next start.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec

from chain import keyspace
from chain.database import Database
from chain.details import details_root
from chain.errors import ChainError, StorageDamaged
from chain.ledger import Ledger
from chain.records import BillBody, PayerBody
from node.admissions import supervised_by
from node.backup import MIRROR_ROWS
from node.backup_rows import readable_rows, salvaged
from node.config import NodeConfig
from node.details_store import DIRECTORY, ROOT_BYTES, DetailsStore
from node.home import NodeHome
from node.keystore import load_secret
from node.payer_store import payer_row
from node.restore import put_in_place
from node.sealed_box import DetailsBox, is_erased

BOXES = (b"d/", b"b/")  # details of bills; payers that were bound to them later
FOUND_BY = (b"g/", b"n/")  # made anew from the details; whose a bill is may have been said otherwise
LOST_SHOWN_MAX = 20  # bills that are named; the others are counted
OFFER = "'medbill node rebuild --offer-details' at each of the hospital's gateways brings what they have"


class MendedDetails(msgspec.Struct, frozen=True):
    damage: list[str]
    set_aside: list[str]
    lost: list[str]
    notes: list[str]


def rebuild_details(place: NodeHome, config: NodeConfig, ledger: Ledger, work: Path) -> MendedDetails:
    """`ledger` knows all bills. The damaged store is put aside once the new one is whole and flushed."""
    path = config.data_dir / DIRECTORY
    box = DetailsBox(load_secret(place.storage_key))
    issuers = supervised_by(ledger, config.organisation)
    damage: list[str] = []
    if _is_sound(path, box):
        database = Database.open(path)
        try:
            derived = [key for key, _value in database.scan(b"") if not key.startswith(MIRROR_ROWS)]
            database.write({}, derived, sync=True)
            lost = _lost(database, ledger, issuers)
        finally:
            database.close()
        return MendedDetails([], [], lost, [OFFER] if lost else [])
    rows: dict[bytes, bytes] = {}
    new = work / DIRECTORY
    database = Database.create(new)
    try:
        with ThreadPoolExecutor(1) as thread:
            store = DetailsStore(database, load_secret(place.storage_key), issuers, lambda bill: None, thread)
            try:
                with salvaged(path, work / "salvaged") as old:
                    for key, value in readable_rows(old, damage):
                        if key.startswith(MIRROR_ROWS) and not key.startswith(FOUND_BY):
                            rows.update(_kept(store, box, key, value, damage))
                        if len(rows) > 1_000:
                            database.write(rows, [], sync=False)
                            rows = {}
            except (StorageDamaged, OSError) as error:
                damage.append(str(error))
            database.write(rows, [], sync=True)
        lost = _lost(database, ledger, issuers)
    finally:
        database.close()
    return MendedDetails(damage, put_in_place(new, path), lost, [OFFER] if lost else [])


def _is_sound(path: Path, box: DetailsBox) -> bool:
    """Whether every row reads and every bill's details open."""
    try:
        database = Database.open(path)
    except StorageDamaged:
        return False
    try:
        for key, value in database.scan(b""):
            if key.startswith(BOXES) and not is_erased(value[ROOT_BYTES:]):
                box.open(value[ROOT_BYTES:], key.split(b"/")[2].decode())
    except ChainError:
        return False
    finally:
        database.close()
    return True


def _kept(store: DetailsStore, box: DetailsBox, key: bytes, value: bytes, damage: list[str]) -> dict[bytes, bytes]:
    """The rows that a row is kept as: details with the entries that they are found by, if they still open; payers too."""
    if not key.startswith(BOXES):
        return {key: value}
    _kind, issuer, bill = key.decode().split("/")[:3]
    try:
        if is_erased(value[ROOT_BYTES:]):
            return {key: value}
        details = box.open(value[ROOT_BYTES:], bill)
        if details_root(details) != value[:ROOT_BYTES]:
            raise StorageDamaged(f"details of {bill}", "another root than they had")
    except ChainError as error:
        damage.append(str(error))
        return {}
    return {key: value, **store.index_rows(issuer, details)}


def _lost(database: Database, ledger: Ledger, issuers: list[str]) -> list[str]:
    """Bills of the ledger whose details are not here, or are not the ones it commits to."""
    lost = []
    for issuer in issuers:
        missing, payers = [], []
        prefix = keyspace.stored_bills_of(issuer)
        ledger.flush()
        for key, _nothing in ledger.state.store.scan(prefix):
            bill = key.rpartition(b"/")[2].decode()
            body = ledger.state.get(keyspace.bill(bill), BillBody)
            held = database.get(f"d/{issuer}/{bill}".encode())
            if held is None or (body is not None and held[:ROOT_BYTES] != body.details_root):
                missing.append(bill)
            bound = ledger.state.get(keyspace.payer(bill), PayerBody)
            if bound is not None and database.get(payer_row(issuer, bill, bound.payer_root)) is None:
                payers.append(bill)
        for what, bills in (("details", missing), ("payers", payers)):
            if bills:
                named = ", ".join(bills[:LOST_SHOWN_MAX]) + (" …" if len(bills) > LOST_SHOWN_MAX else "")
                lost.append(f"{what} of {len(bills)} bills of {issuer}: {named}")
    return lost
