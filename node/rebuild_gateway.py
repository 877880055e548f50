"""A gateway's store, mended: what only this store has is kept as far as it reads; the rest comes again from the ledger.

Kept: outbox, details, payers that were bound, settlements, what is due to the archive, look-ups, bills that are queued, refused or
superseded with their business numbers. Dropped, because following from genesis makes it anew: headers, parts, history,
seals, recorded bills. Closed: all leases, since a row that reads may be an older one, and a number is never given twice.
A queued bill whose outbox entry is gone is queued again: its row holds the operation.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import msgspec

from chain.block import RECORDED
from chain.codec import decode, encode
from chain.database import Database
from chain.details import details_root
from chain.errors import ChainError, StorageDamaged
from chain.genesis import Genesis
from chain.operation import BindPayer, IssueBill, ReverseBill, TakeLease, operation_digest
from chain.records import CatalogueBody
from node.backup import silent
from node.backup_rows import fill, readable_rows, salvaged
from node.config import NodeConfig
from node.gateway_store import (
    POSITION_KEY,
    BillRow,
    BusinessRow,
    LeaseRow,
    OperationRow,
    OutboxItem,
    PayerRow,
    Position,
    bill_key,
    details_due_key,
    details_key,
    operation_key,
    outbox_key,
    payer_due_key,
    payer_key,
)
from node.home import NodeHome
from node.keystore import load_secret
from node.messages import DETAILS_MAX
from node.part_check import Ledger
from node.rebuild_peers import PeerBlocks
from node.restore import put_in_place
from node.sealed_box import DetailsBox
from node.verify_gateway import DIRECTORY, verify_parts

SHOWN_MAX = 20  # bills that are named; the others are counted
WORK = "rebuild"


class MendedGateway(msgspec.Struct, frozen=True):
    height: int  # to which the damaged store had followed, as far as it says
    damage: list[str]
    set_aside: list[str]
    lost: list[str]
    notes: list[str]


def is_sound(path: Path, config: NodeConfig, genesis: Genesis) -> bool:
    """Whether every row reads and all that was followed holds."""
    ledger = Ledger.of(genesis, config.organisation, config.office_name)
    try:
        database = Database.open(path)
    except StorageDamaged:
        return False
    try:
        for _row in database.scan(b""):
            pass
        value = database.get(POSITION_KEY)
        position = decode(value, Position) if value is not None else None
        parts = verify_parts(database, ledger, position, silent) if position is not None else iter(())
        return all(ok is not False for _name, ok, _detail in parts)
    except ChainError:
        return False
    finally:
        database.close()


def _offered(path: Path) -> MendedGateway:
    """Of a sound store: nothing changes but what is due."""
    database = Database.open(path)
    try:
        bills = [key[1:].decode() for key, _box in database.scan(b"d")]
        fill(database, ((details_due_key(bill), b"") for bill in bills))
        payers = [key[1:].decode() for key, _box in database.scan(b"r")]
        fill(database, ((payer_due_key(bill), b"") for bill in payers))
        value = database.get(POSITION_KEY)
        height = decode(value, Position).height if value is not None else 0
    finally:
        database.close()
    return MendedGateway(
        height, [], [], [], [f"details of {len(bills)} bills are sent to the archive at the next start"]
    )


class _Rows:
    """What was read, by kind. A hospital's store fits into memory: details stay where they are until they are copied."""

    def __init__(self) -> None:
        self.kept: dict[bytes, bytes] = {}
        self.outbox: dict[bytes, OutboxItem] = {}  # operation digest -> item
        self.bills: dict[str, BillRow] = {}
        self.business: dict[bytes, BusinessRow] = {}
        self.leases: list[LeaseRow] = []
        self.boxes: set[str] = set()  # bills whose details open
        self.payers: dict[str, PayerRow] = {}  # queued ones: following makes those that are recorded anew
        self.payer_boxes: set[str] = set()  # bills whose bound payer opens
        self.height = 0


def rebuild_gateway(
    place: NodeHome, config: NodeConfig, genesis: Genesis, *, from_peers: bool, offer_details: bool
) -> MendedGateway:
    """The damaged store is put aside once the new one is whole and flushed. With `from_peers`, details that do not read
    here are fetched from the office's archive; with `offer_details` all are sent there again at the next start."""
    path, work = config.data_dir / DIRECTORY, config.data_dir.parent / WORK
    box = DetailsBox(load_secret(place.storage_key))
    damage: list[str] = []
    rows = _Rows()
    if offer_details and not from_peers and is_sound(path, config, genesis):
        return _offered(path)
    work.mkdir(exist_ok=True, mode=0o700)
    try:
        with salvaged(path, work / "salvaged") as old:
            for key, value in readable_rows(old, damage):
                _read(rows, box, key, value, damage)
    except (StorageDamaged, OSError) as error:
        damage.append(str(error))
    notes = [f"headers, parts and recorded bills come again by following, from genesis ({rows.height} blocks or more)"]
    lost = _lost_numbers(rows)
    _queue_again(rows, notes)
    _keep_bills(rows)
    missing = sorted(bill for bill in rows.bills if bill not in rows.boxes)
    if from_peers and missing:
        fetched = _fetch_details(place, config, genesis, box, rows, missing)
        notes.append(f"details of {fetched} bills fetched from the archive")
        missing = [bill for bill in missing if bill not in rows.boxes]
    if missing:
        whose = "neither here nor at the archive" if from_peers else "not here; '--from-peers' asks the archive"
        lost.append(f"details of {len(missing)} bills, {whose}: {_named(missing)}")
    open_leases = [row for row in rows.leases if row.next < row.first + row.count]
    if open_leases:
        numbers = sum(row.first + row.count - row.next for row in open_leases)
        notes.append(f"{len(open_leases)} leases closed, {numbers} numbers of them are never given; new ones are taken")
    if offer_details:
        rows.kept.update((details_due_key(bill), b"") for bill in rows.boxes)
        rows.kept.update((payer_due_key(bill), b"") for bill in rows.payer_boxes)
        notes.append(f"details of {len(rows.boxes)} bills are sent to the archive again at the next start")
    put_aside = _replace(path, work, rows)
    return MendedGateway(rows.height, damage, put_aside, lost, notes)


def _read(rows: _Rows, box: DetailsBox, key: bytes, value: bytes, damage: list[str]) -> None:
    try:
        match key[:1]:
            case b"o":
                item = decode(value, OutboxItem)
                if not isinstance(item.operation, TakeLease):
                    rows.outbox[operation_digest(item.operation)] = item
            case b"b":
                rows.bills[key[1:].decode()] = decode(value, BillRow)
            case b"n":
                rows.business[key] = decode(value, BusinessRow)
            case b"l":
                rows.leases.append(decode(value, LeaseRow))
            case b"p":
                if decode(value, OperationRow).code not in ("", RECORDED):
                    rows.kept[key] = value
            case b"d":
                bill = key[1:].decode()
                box.open(value, bill)
                rows.boxes.add(bill)
                rows.kept[key] = value
            case b"m":
                payer = decode(value, PayerRow)
                if not payer.code:
                    rows.payers[key[1:].decode()] = payer
            case b"r":
                box.open(value, key[1:].decode())
                rows.payer_boxes.add(key[1:].decode())
                rows.kept[key] = value
            case b"x" | b"y" | b"s" | b"u" | b"a" | b"A":
                rows.kept[key] = value
            case b"g":
                decode(value, CatalogueBody)
                rows.kept[key] = value  # asked for again is only the list that names it
            case b"f":
                rows.height = decode(value, Position).height
    except ChainError as error:
        damage.append(f"gateway key {key[:1]!r}: {error}")


def _lost_numbers(rows: _Rows) -> list[str]:
    """Numbers that were given, as the leases tell, and of whose bill nothing reads."""
    gone = [
        f"{row.code}{number:010d}"
        for row in rows.leases
        for number in range(row.first, row.next)
        if f"{row.code}{number:010d}" not in rows.bills
    ]
    if not gone:
        return []
    return [
        f"{len(gone)} bills were given here and do not read any more; those that reached the ledger come back, "
        f"the others are lost: {_named(gone)}"
    ]


def _queue_again(rows: _Rows, notes: list[str]) -> None:
    sequence = max((item.sequence for item in rows.outbox.values()), default=0)
    again = 0
    pairs = {row.with_red: bill for bill, row in rows.bills.items() if row.with_red}  # red bill -> what goes with it
    for bill, row in sorted(rows.bills.items()):
        group = [bill, *([pairs[bill]] if bill in pairs else [])]
        if row.with_red and row.with_red not in rows.bills and not row.code:
            notes.append(f"bill {bill} was to take another's place, and its red bill does not read: it is held back")
            rows.outbox.pop(row.digest, None)
            continue
        if row.code or row.with_red in rows.bills or all(rows.bills[one].digest in rows.outbox for one in group):
            continue  # what goes with a red bill goes right behind it
        for number in group:
            one = rows.bills[number]
            red = rows.bills[bill].operation
            original = rows.bills.get(red.original) if isinstance(red, ReverseBill) else None
            after = original.operation.bill if original is not None and not original.code else ""
            rows.outbox.pop(one.digest, None)
            sequence, again = sequence + 1, again + 1
            rows.outbox[one.digest] = OutboxItem(sequence, one.operation, after, number == bill and bill in pairs)
    _queue_payers(rows, sequence, notes)
    for digest, item in rows.outbox.items():
        rows.kept[outbox_key(item.sequence)] = encode(item)
        bill = item.operation.bill if isinstance(item.operation, IssueBill | ReverseBill) else ""
        rows.kept[operation_key(digest)] = encode(OperationRow(bill, "", 0))
    if again:
        notes.append(f"{again} queued bills whose outbox entry did not read are queued again")


def _queue_payers(rows: _Rows, sequence: int, notes: list[str]) -> None:
    """Payers that were to be bound: the outbox entry, the row and the box make one thing."""
    for digest, item in list(rows.outbox.items()):
        if isinstance(item.operation, BindPayer):
            rows.payers.setdefault(item.operation.bill, PayerRow(item.operation, digest, "", 0))
    for bill, payer in sorted(rows.payers.items()):
        if bill not in rows.payer_boxes:
            rows.outbox.pop(payer.digest, None)
            notes.append(f"the payer that was to be bound to bill {bill} does not read: bind it again")
            continue
        rows.kept[payer_key(bill)] = encode(payer)
        if payer.digest not in rows.outbox:
            sequence += 1
            held = rows.bills.get(bill)
            after = bill if held is not None and not held.code else ""
            rows.outbox[payer.digest] = OutboxItem(sequence, payer.operation, after, False)


def _keep_bills(rows: _Rows) -> None:
    """Bills that following does not make anew; and of those that it does, what it cannot know: a reversal under way."""
    for bill, row in rows.bills.items():
        if row.code != RECORDED:
            rows.kept[bill_key(bill)] = encode(row)
        elif row.reversed_by and (red := rows.bills.get(row.reversed_by)) is not None and not red.code:
            waiting = msgspec.structs.replace(row, code="", height=0)
            rows.kept[bill_key(bill)] = encode(waiting)
    for key, business in rows.business.items():
        held = rows.bills.get(business.bill)
        if held is not None and held.code != RECORDED:
            rows.kept[key] = encode(business)


def _fetch_details(
    place: NodeHome, config: NodeConfig, genesis: Genesis, box: DetailsBox, rows: _Rows, missing: list[str]
) -> int:
    fetched = 0
    with PeerBlocks(place, config, genesis) as peers:
        wanted = list(missing)
        while wanted:
            answer = peers.details(wanted[:DETAILS_MAX])
            if answer is None:
                break
            came = set()
            for details in answer.details:
                row = rows.bills.get(details.bill)
                if row is not None and details_root(details) == row.operation.details_root:
                    rows.kept[details_key(details.bill)] = box.seal(details)
                    rows.boxes.add(details.bill)
                    came.add(details.bill)
            fetched += len(came)
            wanted = [bill for bill in wanted if bill not in came] if came else wanted[DETAILS_MAX:]
    return fetched


def _replace(path: Path, work: Path, rows: _Rows) -> list[str]:
    new = work / DIRECTORY
    shutil.rmtree(new, ignore_errors=True)
    database = Database.create(new)
    try:
        fill(database, iter(sorted(rows.kept.items())))
    finally:
        database.close()
    put_aside = put_in_place(new, path)
    shutil.rmtree(work, ignore_errors=True)
    return put_aside


def _named(bills: list[str]) -> str:
    return ", ".join(bills[:SHOWN_MAX]) + (" …" if len(bills) > SHOWN_MAX else "")
