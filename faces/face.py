"""What stands on a face, as text: one plain value that PDF and OFD are both drawn from.

Whatever a face shows of the private details, its proof opens, and nothing else (`opened_fields`): so a face that was mailed can be held against its own
attachment. A red bill has few details of its own; payer, visit and lines are its original's, negated, and its original's proof opens those.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from chain.bill import Charge, Item
from chain.catalogue import InForce
from chain.details import Details, field_values
from chain.records import COVERED, RED, REVERSED, VOID
from faces import wording
from faces.figures import day, moment, quantity, unit_price, yuan
from faces.link import page_link
from faces.numerals import capital_numerals
from faces.source import FaceSource, Form

_SECRETS = ("check_code", "token")
_PERSON = ("payer_type", "payer_name", "payer_id_number")
_SHOWN: dict[Form, tuple[str, ...]] = {
    "face": (*_PERSON, "business_no", "charges", "visit", "cashier", "checker", "remark", *_SECRETS),
    "list": (*_PERSON, "charges", "items", *_SECRETS),
}
_SHOWN_OF_RED: dict[Form, tuple[str, ...]] = {"face": ("reason", "cashier", *_SECRETS), "list": _SECRETS}
_SHOWN_OF_ORIGINAL: dict[Form, tuple[str, ...]] = {
    "face": (*_PERSON, "business_no", "charges", "visit"),
    "list": (*_PERSON, "charges", "items"),
}
_CHARGE, _ITEM = Charge.__struct_fields__, Item.__struct_fields__
LINES_ON_HALF = 16  # charges, in two columns, that half a sheet holds with all that is below them


class Entry(msgspec.Struct, frozen=True):
    """A labelled value."""

    label: str
    value: str


class Line(msgspec.Struct, frozen=True):
    """A charge category, or an item of the list; empty where a line has no such figure."""

    code: str
    name: str
    specification: str
    quantity: str
    unit: str
    price: str
    amount: str


class Group(msgspec.Struct, frozen=True):
    """The items of one charge."""

    title: str
    lines: list[Line]
    amount: str


class Mark(msgspec.Struct, frozen=True):
    """What is stamped across: 已作废, and of what kind."""

    text: str
    detail: str


class Face(msgspec.Struct, frozen=True):
    bill: str
    form: Form
    title: str
    is_tall: bool  # a whole sheet; others take half of one
    is_red: bool
    heads: list[Entry]  # above the lines
    columns: list[str]  # heads of the lines, or of the detail list
    lines: list[Line]
    groups: list[Group]  # of the detail list
    capitals: str
    total: str
    others: list[Entry]  # below the lines
    feet: list[Entry]
    notices: list[str]  # what a reader must know
    marks: list[Mark]
    small_print: list[str]
    url: str  # of the QR code; empty: none is printed
    dated: str  # RFC 3339, when the bill was issued: the document's own date


def opened_fields(details: Details, form: Form, *, is_red: bool, with_secrets: bool) -> list[str]:
    """The details of the bill itself that its face shows: what its proof is to open."""
    return _present(details, (_SHOWN_OF_RED if is_red else _SHOWN)[form], with_secrets)


def opened_of_original(details: Details, form: Form) -> list[str]:
    """The details of a red bill's original that the red face shows."""
    return _present(details, _SHOWN_OF_ORIGINAL[form], False)


def opened_of_payer(details: Details) -> list[str]:
    """The details of a payer who was bound later that the face shows."""
    return _present(details, _PERSON, False)


def _present(details: Details, names: tuple[str, ...], with_secrets: bool) -> list[str]:
    values = field_values(details)
    return [name for name in names if name in values and (with_secrets or name not in _SECRETS)]


def make_face(source: FaceSource, form: Form, base_url: str, chain_id: str) -> Face:
    """`base_url` is where the QR code leads, without a slash at its end; `chain_id` (hex) pins the ledger there."""
    body, own = source.body, field_values(source.details)
    is_red = body.validity == RED
    shown = field_values(source.original) if source.original is not None else own
    sign = -1 if is_red else 1
    is_face = form == "face"
    catalogues = source.catalogues
    lines = _charges(shown, sign, catalogues)
    return Face(
        bill=source.bill,
        form=form,
        title=_title(source, form),
        is_tall=not is_face or len(lines) > LINES_ON_HALF,
        is_red=is_red,
        heads=_heads(source, own, shown),
        columns=_columns(form, catalogues),
        lines=lines if is_face else [],
        groups=[] if is_face else _groups(shown, sign, catalogues),
        capitals=capital_numerals(body.total_fen),
        total=yuan(body.total_fen),
        others=_others(source, own, shown) if is_face else [],
        feet=_feet(source, own) if is_face else [Entry("收款单位", source.issuer)],
        notices=_notices(source),
        marks=_marks(source),
        small_print=_small_print(source),
        url=base_url + page_link(source.bill, own["token"], chain_id) if source.with_secrets else "",
        dated=moment(body.issued_ms, source.utc_offset_minutes).isoformat(),
    )


def _title(source: FaceSource, form: Form) -> str:
    settled = source.catalogues.titles.get(source.body.kind)
    if settled is not None:
        return settled.bill_title if form == "face" else settled.list_title
    name = wording.PROVINCES.get(source.bill[:2], "") + wording.KINDS.get(source.body.kind, wording.OTHER_KIND)
    return name + (wording.BILL_TITLE if form == "face" else wording.LIST_TITLE)


def _columns(form: Form, catalogues: InForce) -> list[str]:
    if form == "face":
        return catalogues.charge_columns or wording.CHARGE_COLUMNS
    return catalogues.item_columns or wording.ITEM_COLUMNS


def _heads(source: FaceSource, own: dict[str, Any], shown: dict[str, Any]) -> list[Entry]:
    name, number, is_unit = _payer(source, shown)
    return [
        Entry("票据代码", source.bill[:8]),
        Entry("票据号码", source.bill[8:]),
        Entry("交款人", name),
        Entry("校验码", own["check_code"] if source.with_secrets else wording.HIDDEN),
        Entry("统一社会信用代码" if is_unit else "交款人证件号", number),
        Entry("开票日期", day(source.body.business_date)),
    ]


def _payer(source: FaceSource, shown: dict[str, Any]) -> tuple[str, str, bool]:
    """Name, number, whether it is a unit; of one who was bound later, with the mark that says so."""
    payer = shown if source.payer is None else field_values(source.payer)
    name = payer.get("payer_name") or wording.UNNAMED
    if source.payer is not None:
        name += wording.BOUND_LATER
    elif payer.get("payer_type") == "unknown":
        name += wording.UNKNOWN_PAYER
    return name, payer.get("payer_id_number") or wording.UNNAMED, payer.get("payer_type") == "unit"


def _charges(shown: dict[str, Any], sign: int, catalogues: InForce) -> list[Line]:
    """With the names of the catalogue of their day; what it does not know has the name that the hospital gave."""
    charges = (dict(zip(_CHARGE, row, strict=True)) for row in shown.get("charges", []))
    return [
        Line(
            code=charge["code"],
            name=catalogues.name_of(charge["code"]) or charge["name"],
            specification="",
            quantity=quantity(sign * charge["quantity_milli"]),
            unit=charge["unit"],
            price="",
            amount=yuan(sign * charge["amount_fen"]),
        )
        for charge in charges
    ]


def _groups(shown: dict[str, Any], sign: int, catalogues: InForce) -> list[Group]:
    """Items under their charges, in the order of both; a charge without items is a group of its own all the same."""
    items: dict[str, list[Line]] = {}
    for row in shown.get("items", []):
        item = dict(zip(_ITEM, row, strict=True))
        line = Line(
            code=item["code"],
            name=item["name"],
            specification=item["specification"],
            quantity=quantity(sign * item["quantity_milli"]),
            unit=item["unit"],
            price=unit_price(item["unit_price_e4"]),
            amount=yuan(sign * item["amount_fen"]),
        )
        items.setdefault(item["charge_code"], []).append(line)
    return [Group(line.name, items.get(line.code, []), line.amount) for line in _charges(shown, sign, catalogues)]


def _others(source: FaceSource, own: dict[str, Any], shown: dict[str, Any]) -> list[Entry]:
    body, visit = source.body, {row[0]: row[1] for row in shown.get("visit", [])}
    entries = [Entry("业务流水号", shown.get("business_no", ""))]
    entries += [Entry(label, _visit_text(name, visit[name])) for name, label in wording.VISIT.items() if name in visit]
    entries += [Entry(label, yuan(getattr(body.payments, name))) for name, label in wording.PAYMENTS.items()]
    entries += [
        Entry(wording.SELF_PAID, yuan(body.self_paid_fen)),
        Entry(wording.SELF_FUNDED, yuan(body.self_funded_fen)),
    ]
    for label, text in (("备注", own.get("remark")), ("冲红原因", own.get("reason"))):
        entries += [Entry(label, text)] if text else []
    return entries


def _visit_text(name: str, value: str | int) -> str:
    if name.endswith("_fen"):
        return yuan(int(value))
    return wording.SEXES.get(str(value), str(value)) if name == "sex" else str(value)


def _feet(source: FaceSource, own: dict[str, Any]) -> list[Entry]:
    people = (("复核人", own.get("checker")), ("收款人", own.get("cashier")))
    return [Entry("收款单位（章）", source.issuer), *(Entry(label, name) for label, name in people if name)]


def _notices(source: FaceSource) -> list[str]:
    body = source.body
    if source.status == "queued":
        notices = ["本票据尚未上链，也未加盖财政部门监管签章"]
    elif body.seal != COVERED:
        notices = [f"财政部门暂缓签章：{body.withheld}"]
    elif source.status == "recorded":
        notices = ["本票据已上链，尚未加盖财政部门监管签章"]
    else:
        notices = []
    if body.validity == RED:
        notices.append(f"本票据为红字票据，冲销票据 {_spelt_number(body.related[0])}")
    if source.payer is not None:
        stated = field_values(source.original or source.details).get("payer_name", "")
        notices.append(f"交款人为开票后补登（区块 {source.payer_height}），开票时登记为：{stated}")
    elif source.payer_height:
        notices.append(f"交款人已于开票后补登（区块 {source.payer_height}），登记内容暂不可得")
    if source.paper is None:
        notices.append("未能核实是否已换开纸质票据")
    return notices


def _marks(source: FaceSource) -> list[Mark]:
    body = source.body
    marks: list[Mark] = []
    if body.validity == VOID:
        marks.append(Mark(wording.VOID, "本票据已由开票单位作废"))
    if body.validity == REVERSED:
        marks.append(Mark(wording.REVERSED, f"红字票据 {_spelt_number(body.related[0])}"))
    if source.paper:
        marks.append(Mark(wording.ON_PAPER, f"纸质票据 {source.paper}"))
    return marks


def _small_print(source: FaceSource) -> list[str]:
    as_of = moment(source.as_of_ms, source.utc_offset_minutes).strftime("%Y-%m-%d %H:%M:%S")
    seal = "，已加盖监管签章" if source.status == "sealed" else ""
    lines = [f"财政监管：{source.office}{seal}。票据状态截至区块 {source.as_of_height}（{as_of}）。"]
    if source.catalogues.versions:
        told = "；".join(
            f"{one.publisher}{wording.CATALOGUES[one.catalogue]}第 {one.version} 版（自 {day(one.from_date)}起）"
            for one in source.catalogues.versions
        )
        lines.append(f"项目名称与票样依据：{told}。")
    if source.proofs:
        names = "、".join(proof.name for proof in source.proofs)
        lines.append(f"本文件附带证明 {names}，可离线核验：medbill proof verify。")
    return lines


def _spelt_number(bill: str) -> str:
    return f"{bill[:8]} {bill[8:]}"


def with_texts(face: Face, change: Callable[[str], str]) -> Face:
    """The same face with every printed text changed; texts come in the order in which they are read."""
    kept = {"bill", "form", "url", "dated"}

    def changed(value: Any) -> Any:
        if isinstance(value, str):
            return change(value)
        if isinstance(value, list):
            return [changed(entry) for entry in value]
        if isinstance(value, dict):
            return {name: changed(entry) for name, entry in value.items()}
        return value

    plain = msgspec.to_builtins(face)
    return msgspec.convert({name: value if name in kept else changed(value) for name, value in plain.items()}, Face)
