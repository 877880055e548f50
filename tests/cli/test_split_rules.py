"""Rules of splitting in a file: the three samples balance on the ledger to the fen, and what a file says wrong is named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from api.intake.errors import FormatRefused
from chain.operation import AccountRef, OpenAccount, Share, SplitOrder
from chain.records import UNLIMITED
from cli.formats.split_rules import SplitModel, read
from tests.chain.making import mac
from tests.chain.paying import Story
from tests.chain.splitting import bind, kept_of, own_of
from tests.house.project import ROOT

SAMPLES = ROOT / "samples" / "splits"
SIGNERS = {"hospital": "hospital-a", "platform": "platform-a"}


def sample(name: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((SAMPLES / f"{name}.json").read_text("utf-8"))
    return document


def refused(tmp_path: Path, document: Any) -> tuple[str, str]:
    path = tmp_path / "rules.json"
    path.write_text(json.dumps(document), "utf-8")
    with pytest.raises(FormatRefused) as refusal:
        read(path)
    return refusal.value.code, refusal.value.pointer


class Played(Story):
    """A sample's organisation on a ledger: accounts of others opened, payees bound, rules published."""

    def __init__(self, model: SplitModel) -> None:
        super().__init__()
        self.model, self.by = model, SIGNERS[model.signed_by]
        self.accounts = {payee.name: self._account(payee.account) for payee in model.payees}
        self.done(
            *(bind(payee.name, payee.kind, self.accounts[payee.name]) for payee in model.payees),
            model.rules,
            by=self.by,
        )

    def _account(self, account: str) -> AccountRef | None:
        if account in ("", "own"):
            return own_of(self.by) if account else None
        if self.code(OpenAccount(mac("shares"), "shares", UNLIMITED, True), account) not in (
            "recorded",
            "already_recorded",
        ):
            raise AssertionError(account)
        return AccountRef(account, mac("shares"))

    def balances(self) -> dict[str, int]:
        return {name: self.balance(ref or kept_of(self.by, name)) for name, ref in self.accounts.items()}


@pytest.mark.parametrize("name", ["hospital", "region", "platform"])
def test_each_model_balances_on_its_sample_orders(name: str) -> None:
    """Row 93: all of an order's money, to the fen, to whom the sample says; nothing is left where the bank keeps it."""
    model = read(SAMPLES / f"{name}.json")
    played = Played(model)
    before = played.balances()
    assert len(model.orders) >= 2
    for order in model.orders:
        played.paid(order.name, by=played.by, **order.lines)
        played.chain.time_ms += model.rules.earliest_ms
        portions = model.portions(order.lines, order.payees)
        shares = [Share(part.line, part.rule, mac(part.payee), part.amount_fen, "") for part in portions]
        played.done(SplitOrder(mac(order.name), mac(order.name), model.rules.rules, 1, shares), by=played.by)
        after = played.balances()
        assert {who: fen - before[who] for who, fen in after.items() if fen != before[who]} == order.given
        assert sum(order.given.values()) == sum(order.lines.values())
        assert played.at("collected", played.by) == 0
        before = after


def test_where_no_cap_is_said_it_is_30_percent() -> None:
    model = read(SAMPLES / "platform.json")
    consultation = model.rules.lines[0]
    assert [(share.cap_parts, consultation.whole) for share in consultation.shares] == [(10, 10), (3, 10)]


def test_who_is_to_have_more_is_said_to(tmp_path: Path) -> None:
    document = sample("platform")
    del document["lines"]["drug"][0]["cap"]
    path = tmp_path / "rules.json"
    path.write_text(json.dumps(document), "utf-8")
    model = read(path)
    with pytest.raises(FormatRefused, match="split_above_cap"):
        model.portions({"drug": 26_430}, {"supplier": "supplier-one"})
    document["lines"]["consultation"][1]["share"] = "30.01 %"
    assert refused(tmp_path, document) == ("split_above_cap", "/lines")


def test_what_a_file_says_wrong_is_named(tmp_path: Path) -> None:
    def changed(path: tuple[Any, ...], value: Any) -> dict[str, Any]:
        document = sample("region")
        place: Any = document
        for step in path[:-1]:
            place = place[step]
        place[path[-1]] = value
        return document

    for path, value, code, pointer in (
        (("lines", "drug", 1, "to"), "doctor", "share_forbidden", "/lines"),
        (("lines", "drug", 1, "to"), "friend", "payee_kind_unknown", "/lines"),
        (("lines", "test", 1, "share"), "1/3", "rules_malformed", "/lines"),
        (("lines", "test", 1, "share"), "a third", "field_refused", "/lines/test/1/share"),
        (("lines", "test", 1, "share"), 0.3, "wrong_type", "/lines/test/1/share"),
        (("lines", "test", 1, "cap"), "0 %", "field_refused", "/lines/test/1/cap"),
        (("lines", "test", 1, "cap"), "101 %", "field_refused", "/lines/test/1/cap"),
        (("lines", "test", 1, "cap"), "1/999999", "field_refused", "/lines/test"),
        (("lines", "test", 1, "rest"), True, "field_refused", "/lines/test/1"),
        (("lines", "drug", 1, "rest"), 1, "field_refused", "/lines/drug/1/rest"),
        (("lines", "drug", 0, "fixed"), "0.605", "field_refused", "/lines/drug/0/fixed"),
        (("lines", "drug", 0, "fixed"), "0.00", "field_refused", "/lines/drug/0/fixed"),
        (("lines", "drug", 0), {"fixed": "1.00"}, "member_missing", "/lines/drug/0/to"),
        (("lines", "drug"), [], "field_refused", "/lines/drug"),
        (("lines",), [], "wrong_type", "/lines"),
        (("earliest",), "soon", "field_refused", "/earliest"),
        (("orders", 0, "lines", "drug"), "-1", "field_refused", "/orders/0/lines/drug"),
        (("orders", 0, "payees"), None, "member_missing", "/orders/0/payees"),
    ):
        assert refused(tmp_path, changed(path, value)) == (code, pointer), path
    assert refused(tmp_path, []) == ("wrong_type", "")


def test_portions_name_who_is_missing() -> None:
    model = read(SAMPLES / "platform.json")
    for lines, payees, code in (
        ({"water": 100}, {}, "line_without_rule"),
        ({"drug": 100}, {}, "payee_not_bound"),
    ):
        with pytest.raises(FormatRefused, match=code):
            model.portions(lines, payees)
