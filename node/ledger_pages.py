"""Blocks, transactions and bills of a whole ledger as JSON objects: what a mirror shows of the records it holds."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from chain.bill import KIND_NAMES, Charge, Item
from chain.block import FinalBlock
from chain.codec import plain
from chain.details import Details, check_code, field_values
from chain.final_view import FinalView
from chain.genesis import Genesis
from chain.operation import IssueBill, Operation, ReverseBill
from chain.records import COVERED, RED, BillBody, OrganisationBody
from chain.rules.moves import AXES
from chain.validators import Certificate, ValidatorSet
from node.business_time import local_text
from node.rights import ALL_FIELDS, OPEN_FIELDS, SECRETS
from node.verification import iso_date

VALIDITIES = AXES["validity"].states
_CHARGE, _ITEM = Charge.__struct_fields__, Item.__struct_fields__
_ROWS = {"charges": _CHARGE, "items": _ITEM}


def utc_text(time_ms: int) -> str:
    """RFC 3339 in UTC, to the millisecond."""
    moment = datetime.fromtimestamp(time_ms // 1000, UTC).replace(tzinfo=None)
    return f"{moment.isoformat()}.{time_ms % 1000:03d}Z"


def network_page(
    genesis: Genesis, members: ValidatorSet, node: dict[str, Any], head: tuple[int, bytes, int], links: list[str]
) -> dict[str, Any]:
    """Organisations, validators and parameters, and where the node stands. `head` is height, digest, time in ms;
    `members` vote on the block after it."""
    height, digest, time_ms = head
    return {
        "chain_id": genesis.digest().hex(),
        "name": genesis.name,
        "node": node,
        "head": {"height": height, "digest": digest.hex(), "time_ms": time_ms},
        "peers": links,
        "organisations": [
            {
                "name": entry.id,
                "title": entry.name,
                "kind": entry.kind,
                "region": entry.region,
                "level": entry.level,
                "supervisor": entry.supervisor,
                "places": entry.places,
            }
            for entry in genesis.organisations
        ],
        "epoch": members.epoch,
        "validators": [member.organisation for member in members.members],
        "quorum": members.quorum,
        "parameters": plain(genesis.parameters),
    }


def organisation_page(name: str, body: OrganisationBody) -> dict[str, Any]:
    """One that came after genesis, in the same words."""
    return {
        "name": name,
        "title": body.name,
        "kind": body.kind,
        "region": body.region,
        "level": body.level,
        "supervisor": body.supervisor,
        "places": body.places,
    }


def block_row(final: FinalBlock, members: ValidatorSet, digest: bytes) -> dict[str, Any]:
    """Header and counts in short."""
    header = final.block.header
    signers = [members.members[entry.seat].organisation for entry in final.certificate.signatures]
    return {
        "height": header.height,
        "digest": digest.hex(),
        "time": utc_text(header.time_ms),
        "time_ms": header.time_ms,
        "proposer": header.proposer,
        "transactions": len(final.block.transactions),
        "operations": header.outcomes_count,
        "signed_by": signers,
    }


def block_page(view: FinalView, members: ValidatorSet) -> dict[str, Any]:
    """The same whole: the header, the certificate, and how many operations had which outcome."""
    codes: dict[str, int] = {}
    for outcome in view.outcomes:
        codes[outcome.code] = codes.get(outcome.code, 0) + 1
    return {
        **block_row(FinalBlock(view.block, view.certificate), members, view.digest),
        "outcomes": codes,
        "header": plain(view.header),
        "certificate": certificate_page(view.certificate, members),
    }


def certificate_page(certificate: Certificate, members: ValidatorSet) -> dict[str, Any]:
    return {
        "view": certificate.view,
        "signatures": [
            {"organisation": members.members[entry.seat].organisation, "signature": entry.signature.hex()}
            for entry in certificate.signatures
        ],
    }


def transaction_pages(view: FinalView, organisation: str | None) -> list[dict[str, Any]]:
    """The block's transactions with what became of each operation; of one organisation, or of all."""
    pages: list[dict[str, Any]] = []
    number = 0
    for received in view.received:
        transaction = received.transaction
        first, number = number, number + len(transaction.entries)
        if organisation is not None and transaction.organisation != organisation:
            continue
        pages.append(
            {
                "transaction": received.digest.hex(),
                "organisation": transaction.organisation,
                "key_id": transaction.key_id.hex(),
                "valid_until_height": transaction.valid_until_height,
                "operations": [
                    {
                        "operation": view.outcomes[first + index].operation.hex(),
                        "type": type(entry.operation).__name__,
                        "linked": entry.linked,
                        "code": view.outcomes[first + index].code,
                        "content": plain(entry.operation),
                    }
                    for index, entry in enumerate(transaction.entries)
                ],
            }
        )
    return pages


def bill_page(
    bill: str, body: BillBody, operation: bytes, sealed_height: int | None, utc_offset_minutes: int
) -> dict[str, Any]:
    """A bill's public part; `sealed_height` is None while it is not sealed."""
    page: dict[str, Any] = {
        "bill_id": bill,
        "kind": KIND_NAMES.get(body.kind, str(body.kind)),
        "issuer": body.issuer,
        "place_code": body.place,
        "business_date": iso_date(body.business_date),
        "issued_at": local_text(body.issued_ms, utc_offset_minutes),
        "total_fen": body.total_fen,
        "payments": plain(body.payments),
        "self_paid_fen": body.self_paid_fen,
        "self_funded_fen": body.self_funded_fen,
        "status": "recorded" if sealed_height is None else "sealed",
        "validity": VALIDITIES[body.validity],
        "related": body.related[0] if body.related else None,
        "operation": operation.hex(),
        "height": body.height,
        "sealed": sealed_height is not None,
        "sealed_height": sealed_height,
    }
    if body.seal != COVERED:
        page["seal_withheld"] = body.withheld
    return page


def details_page(body: BillBody, details: Details, fields: frozenset[str] = ALL_FIELDS) -> dict[str, Any]:
    """A bill's private part, in the words of the request it was issued by. With less than all `fields` it has what is
    open and nothing else: what is not shown is not there, and not there as an empty text either."""
    values = {name: value for name, value in field_values(details).items() if name in fields}
    page: dict[str, Any] = {"check_code": check_code(details.seed, details.bill)} if "check_code" in fields else {}
    if fields < OPEN_FIELDS:
        return page | _opened_part(values)
    page["business_time"] = values.get("business_time", "")
    if body.validity == RED:
        return page | {"reason": values.get("reason", ""), "operator": values.get("cashier", "")}
    visit = {row[0]: row[1] for row in values.get("visit", []) if len(row) == 2}
    if values.get("diagnosis"):
        visit["diagnosis"] = values["diagnosis"]
    payer = {name: values.get(f"payer_{name}", "") for name in ("type", "name", "id_type", "id_number")}
    if values.get("group"):
        page["group"] = values["group"]
    return page | {
        "business_no": values.get("business_no", ""),
        "payer": payer,
        "charges": [dict(zip(_CHARGE, row, strict=False)) for row in values.get("charges", [])],
        "items": [dict(zip(_ITEM, row, strict=False)) for row in values.get("items", [])],
        "visit": visit,
        "cashier": values.get("cashier", ""),
        "checker": values.get("checker", ""),
        "remark": values.get("remark", ""),
    }


def _opened_part(values: dict[str, Any]) -> dict[str, Any]:
    """Some fields of a bill, by the names of the request, payer and visit inside their blocks."""
    page: dict[str, Any] = {}
    for name, value in values.items():
        if name.startswith("payer_"):
            page.setdefault("payer", {})[name.removeprefix("payer_")] = value
        elif name == "diagnosis":
            page.setdefault("visit", {})[name] = value
        elif name == "visit":
            page.setdefault("visit", {}).update({row[0]: row[1] for row in value if len(row) == 2})
        elif name in _ROWS:
            page[name] = [dict(zip(_ROWS[name], row, strict=False)) for row in value]
        elif name not in SECRETS:
            page[name] = value
    return page


def bill_of(operation: Operation) -> str | None:
    """The bill that an operation is about, if it makes one."""
    return operation.bill if isinstance(operation, IssueBill | ReverseBill) else None
