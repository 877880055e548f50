"""`medbill split`: what is signed runs on a real ledger with a set clock; what people type wrong, and what the ledger refuses."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from chain import keyspace
from chain.codec import decode
from chain.operation import AccountRef
from chain.records import AttestedBody, OrderBody, PayeeBody
from chain.rules import money_places
from chain.rules.accounts import Books
from chain.rules.money_places import own_account
from chain.rules.supervision import difference_fen
from chain.transaction import Transaction
from cli.signing import keyed_name, organisation_key
from cli.split_ledger import is_conserved, page_of, rule_text
from cli.splitting import local_day
from node.network_file import load_network_file
from tests.chain.paying import Story
from tests.chain.splitting import BANK, NOTHING, PLATFORM, own_of
from tests.cli.conftest import Ran
from tests.cli.nodes import Asked, FakeNode, problem
from tests.house.project import ROOT

Medbill = Callable[..., Ran]
RULES = ROOT / "samples" / "splits" / "platform.json"
DAY_MS, WAIT_MS = 86_400_000, 30_000
LINES = ("--line", "consultation=60.00", "--line", "delivery=12.00", "--line", "drug=264.30")
SERVED = ("doctor=doctor-wang", "platform=clinic", "supplier=supplier-one", "courier=courier-one")
WHO = tuple(part for pair in SERVED for part in ("--payee", pair))
TOLD = {"doctor-wang": 4_200, "clinic": 1_800, "courier-one": 1_200, "supplier-one": 26_430}


class Told:
    """The command with a platform's and a bank's keys, and a mirror whose ledger runs what it is given."""

    def __init__(self, medbill: Medbill, home: Path, node: FakeNode) -> None:
        self.medbill, self.home, self.node = medbill, home, node
        self.story = Story()
        self.story.chain.time_ms = int(time.time() * 1000)
        for name, kind in ((PLATFORM, "platform"), (BANK, "bank")):
            made = medbill(
                *("organisation", "init", name, "--title", name, "--kind", kind, "--region", "331000", "--home", home)
            )
            assert made.code == 0, made.err
        self.paper = home / "paper.txt"
        self.paper.write_text("agreed\n")
        self.consent = ("--consent", self.paper)
        head = {"chain_id": load_network_file(home).chain_id, "head": {"height": 5}}
        node.answers["GET", "/v1/network"] = lambda asked: (200, head)
        node.answers["POST", "/v1/transactions"] = self._take

    def _take(self, asked: Asked) -> tuple[int, Any]:
        transaction = decode(asked.body, Transaction)
        operations = [entry.operation for entry in transaction.entries]
        codes = self.story.chain.run(transaction.organisation, *operations)
        rows = [
            {"index": place, "status": "recorded"}
            if code == "recorded"
            else {"index": place, "status": "refused", "code": code, "repeated": code == "already_recorded"}
            for place, code in enumerate(codes)
        ]
        return 200, {"outcomes": rows}

    def split(self, *arguments: object, by: str = PLATFORM) -> Ran:
        return self.medbill("split", *arguments, "--organisation", by, "--home", self.home, "--json")

    def done(self, *arguments: object, by: str = PLATFORM) -> Any:
        ran = self.split(*arguments, by=by)
        assert ran.code == 0, ran.out
        return ran.document

    def refused(self, *arguments: object, by: str = PLATFORM, exit_code: int = 6) -> str:
        ran = self.split(*arguments, by=by)
        assert ran.code == exit_code, (ran.code, ran.out)
        return str(ran.document["code"])

    def named(self, purpose: str, number: str) -> bytes:
        return keyed_name(organisation_key(self.home, PLATFORM), purpose, number)

    def payee(self, name: str) -> PayeeBody:
        return self.story.chain.body(keyspace.payee(PLATFORM, self.named("payee", name)), PayeeBody)

    def has(self, name: str) -> int:
        return self.story.balance(self.payee(name).account)

    def free_fen(self, order: str = "O-1") -> int:
        key = keyspace.order(PLATFORM, self.named("order", order))
        body: OrderBody = self.story.chain.body(key, OrderBody)
        return body.free_fen

    def page(self, order: str = "O-1") -> dict[str, Any]:
        """What `split show` makes of the ledger."""
        self.story.chain.ledger.flush()
        names = {self.named("payee", name): name for name in TOLD}
        return page_of(self.story.chain.ledger, PLATFORM, self.named("order", order), names)

    def bound(self) -> None:
        for pair in SERVED:
            kind, _separator, name = pair.partition("=")
            own = ("--account", "own") if kind == "platform" else ()
            self.done("bind", name, "--kind", kind, *self.consent, *own)

    def collected(self, order: str = "O-1", *lines: str) -> None:
        named = ("--channel", "alipay", "--payment", f"P-{order}", "--evidence", self.paper, "--patient", "N-1")
        said = self.done("collect", "--order", order, *(lines or LINES), *named)
        assert said["order"] == self.named("order", order).hex()

    def ready(self) -> None:
        """Payees, rules, and an order of 336.30 whose wait is over."""
        self.bound()
        self.done("rules", RULES)
        self.collected()
        self.story.chain.time_ms += WAIT_MS

    def divide(self, *more: object, order: str = "O-1") -> tuple[object, ...]:
        return ("divide", RULES, "--order", order, *LINES, *WHO, *more)


@pytest.fixture
def told(medbill: Medbill, home: Path, node: FakeNode) -> Told:
    return Told(medbill, home, node)


# ── what runs ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_order_is_divided_to_the_fen(told: Told) -> None:
    """Row 89: 336.30 → 42.00, 18.00, 12.00, 264.30; with the supplier's invoice on its share (row 94)."""
    told.ready()
    told.done(*told.divide("--paper", "supplier=INV-7"))
    assert {name: told.has(name) for name in TOLD} == TOLD
    assert told.free_fen() == 0
    page = told.page()
    assert {row["payee"]: row["amount_fen"] for row in page["shares"]} == TOLD
    assert [row["paper"] for row in page["shares"]] == ["", "", "", "INV-7"]
    assert page["balanced"]
    assert page["ledger_debits_fen"] == page["ledger_credits_fen"] > 0
    assert told.refused(*told.divide("--split", "another")) == "line_split"


def test_a_payee_is_paid_out_what_it_has_and_no_more(told: Told) -> None:
    told.ready()
    told.done(*told.divide())
    out = ("pay-out", "doctor-wang", "--payment", "B-1", "--payout")
    assert told.refused(*out, "1", "--amount-fen", "4201") == "exceeds_credits"
    told.done(*out, "1", "--amount-fen", "4200")
    assert told.refused(*out, "2", "--amount-fen", "1") == "exceeds_credits"
    assert (
        told.refused("pay-out", "nobody", "--payment", "B-2", "--payout", "3", "--amount-fen", "1") == "payee_not_bound"
    )


def test_what_was_given_is_taken_back_and_a_shortfall_is_owed_by_name(told: Told) -> None:
    """Row 90: never more than was given, and nothing below zero."""
    told.ready()
    told.done(*told.divide())
    told.done("pay-out", "doctor-wang", "--amount-fen", "4000", "--payout", "1", "--payment", "B-1")
    back = ("take-back", "--split", "O-1", "--share", "0", "--back")
    assert told.refused(*back, "1", "--amount-fen", "4201") == "exceeds_share"
    told.done(*back, "1", "--amount-fen", "1000")
    assert (told.has("doctor-wang"), told.free_fen()) == (0, 200)
    assert sum(debt.amount_fen for debt in told.payee("doctor-wang").owed) == 800
    page = told.page()
    assert (page["balanced"], page["owed_fen"], page["taken_back_fen"], page["free_fen"]) == (True, 800, 1_000, 200)
    assert [row["owed_fen"] for row in page["shares"] if row["payee"] == "doctor-wang"] == [800]
    told.done("return", "--order", "O-1", "--amount-fen", "800", "--back", "2")
    page = told.page()
    assert (page["balanced"], page["advanced_fen"], page["free_fen"]) == (True, 800, 1_000)
    assert (told.free_fen(), told.has("clinic")) == (1_000, 1_000)
    assert told.refused("return", "--order", "O-1", "--amount-fen", "1", "--back", "3") == "exceeds_order"
    assert (
        told.refused("take-back", "--split", "O-9", "--share", "0", "--amount-fen", "1", "--back", "4")
        == "split_unknown"
    )


def test_shares_of_another_organisations_doctor_go_into_its_account(told: Told) -> None:
    account = told.done("account", "guests", by="hospital-a")["account"]
    told.done("bind", "doctor-chen", "--kind", "doctor", *told.consent, "--account", account)
    owner, _separator, number = account.partition("/")
    assert told.payee("doctor-chen").account == AccountRef(owner, bytes.fromhex(number))
    mine = told.done("account", "till")["account"]
    friend = ("bind", "friend", "--kind", "doctor", *told.consent, "--account")
    assert told.refused(*friend, mine) == "account_not_the_payees"
    assert told.refused(*friend, f"hospital-b/{'0' * 64}") == "account_unknown"


def test_the_banks_word_stays_beside_the_ledgers(told: Told) -> None:
    """Row 91: off by one fen is recorded, and is the finding."""
    told.collected()
    told.done("supervise", "--bank", BANK)
    assert told.refused("supervise", "--bank", "hospital-a", "--number", "1") == "bank_not_entitled"
    today = time.strftime("%Y-%m-%d", time.gmtime(told.story.chain.time_ms / 1000 + 8 * 3600))
    word = ("attest", "--of", PLATFORM, "--day", today, "--statement", told.paper, "--balance-fen")
    assert told.refused(*word, 33_631, by=BANK) == "day_not_over"
    told.story.chain.time_ms += DAY_MS
    assert told.refused(*word, 33_630) == "not_the_bank"
    told.done(*word, 33_631, by=BANK)
    found: AttestedBody = told.story.chain.body(keyspace.attested(PLATFORM, local_day(today)), AttestedBody)
    assert difference_fen(found) == 1
    assert told.refused(*word, 33_630, by=BANK) == "already_attested"
    (finding,) = told.page()["findings"]
    assert (finding["code"], finding["difference_fen"]) == ("supervised_balance_mismatch", 1)


# ── what is refused ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_nothing_is_split_to_whom_nobody_bound_or_who_is_suspended(told: Told) -> None:
    """Row 88."""
    told.ready()
    others = tuple(part for pair in SERVED[:3] for part in ("--payee", pair))
    unbound = ("divide", RULES, "--order", "O-1", *LINES, *others, "--payee", "courier=stranger")
    assert told.refused(*unbound) == "payee_not_bound"
    assert told.refused("divide", RULES, "--order", "O-1", *LINES, *others) == "payee_not_bound"  # said by nobody
    told.done("suspend", "courier-one", "--reason", "licence_ended")
    assert told.refused("suspend", "courier-one", "--reason", "licence_ended") == "standing_moved"
    assert told.refused(*told.divide()) == "payee_suspended"
    told.done("resume", "courier-one")
    told.done(*told.divide())


def test_a_commission_on_drugs_and_more_than_the_cap_are_refused(told: Told, tmp_path: Path) -> None:
    """Row 89."""

    def rules(kind: str, entry: dict[str, str]) -> Path:
        document = json.loads(RULES.read_text("utf-8"))
        document["lines"][kind].append(entry)
        file = tmp_path / "rules.json"
        file.write_text(json.dumps(document), "utf-8")
        return file

    asked = len(told.node.asked)
    assert told.refused("rules", rules("drug", {"to": "doctor", "share": "5 %"})) == "share_forbidden"
    assert told.refused("rules", rules("delivery", {"to": "platform", "share": "31 %"})) == "split_above_cap"
    assert len(told.node.asked) == asked  # nothing was sent


def test_a_platform_has_no_way_to_the_rest_and_none_before_the_wait_is_over(told: Told) -> None:
    """Row 91; a hospital's rest is its own."""
    told.bound()
    told.done("rules", RULES)
    assert told.done("rules", RULES)["repeated"]  # the same again changes nothing
    assert told.refused("rules", RULES, "--earliest", "31s") == "version_moved"
    told.done("rules", RULES, "--version", "2", "--earliest", "31s")
    told.collected()
    assert told.refused(*told.divide()) == "split_too_early"
    assert told.refused("finish", "--order", "O-1") == "rest_not_yours"
    assert told.refused("finish", "--order", "O-2") == "order_unknown"
    told.story.chain.time_ms += WAIT_MS
    assert told.refused(*told.divide("--version", "3")) == "rules_unknown"
    told.done(*told.divide())


def test_a_number_is_collected_once(told: Told) -> None:
    told.collected()
    named = ("--channel", "alipay", "--payment", "P-2", "--evidence", told.paper, "--patient", "N-1")
    assert told.refused("collect", "--order", "O-1", "--line", "drug=1.00", *named) == "notice_exists"
    assert told.free_fen() == 33_630


def test_what_is_typed_wrong_ends_with_2_and_is_not_sent(told: Told) -> None:
    asked = len(told.node.asked)
    bind = ("bind", "x", "--kind", "doctor", "--consent")
    collect = (
        "collect",
        "--order",
        "O",
        "--channel",
        "cash",
        "--payment",
        "P",
        "--evidence",
        told.paper,
        "--patient",
        "N",
    )
    empty = told.home / "empty"
    empty.touch()
    for arguments, code in (
        ((*bind, told.home / "none"), "file_unreadable"),
        ((*bind, empty), "file_unreadable"),
        ((*bind, told.paper, "--account", "hospital-a"), "argument_refused"),
        ((*collect, "--line", "drug"), "argument_refused"),
        ((*collect, "--line", "drug=0.00"), "argument_refused"),
        ((*collect, "--line", "drug=1.005"), "argument_refused"),
        ((*collect, "--line", "drug=1.00", "--line", "drug=2.00"), "argument_refused"),
        (("rules", told.paper), "file_damaged"),
        (("rules", RULES, "--earliest", "soon"), "argument_refused"),
        (
            ("attest", "--of", "x", "--day", "20260301", "--balance-fen", 1, "--statement", told.paper),
            "argument_refused",
        ),
        (("show", "--order", "O", "--via", "hospital-b"), "argument_refused"),  # a gateway has no blocks
    ):
        assert told.refused(*arguments, exit_code=2) == code, arguments
    assert told.medbill("split", "finish", "--home", told.home).code == 2
    assert len(told.node.asked) == asked


def test_a_node_that_is_silent_or_slow_ends_with_5(told: Told) -> None:
    told.node.answers["POST", "/v1/transactions"] = lambda asked: (503, problem("unavailable", 503))
    assert told.refused("finish", "--order", "O-1", exit_code=5) == "unavailable"
    queued = {"outcomes": [{"index": 0, "status": "queued"}]}
    told.node.answers["POST", "/v1/transactions"] = lambda asked: (202, queued)
    assert told.split("finish", "--order", "O-1").code == 5


@pytest.mark.parametrize("place", ["split_fen", "free_fen", "paid_fen", "owed_fen", "refunded_fen", "rest_fen"])
def test_a_fen_astray_is_no_balance(told: Told, place: str) -> None:
    told.ready()
    told.done(*told.divide())
    page = told.page()
    assert is_conserved(page)
    assert not is_conserved(page | {place: page[place] + 1})


# ── small things ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_organisations_own_money_is_where_the_rules_keep_it() -> None:
    assert own_account(PLATFORM) == own_of(PLATFORM)
    assert own_account("x") == money_places.own(Books(NOTHING, None), "x")  # type: ignore[arg-type]


def test_rules_are_said_as_people_write_them() -> None:
    from cli.formats.split_rules import read

    texts = {
        (line.kind, share.payee_kind): rule_text(share, line.whole)
        for line in read(RULES.with_name("region.json")).rules.lines
        for share in line.shares
    }
    assert texts["consultation", "doctor"] == "45 %"
    assert texts["test", "laboratory"] == "2/3"
    assert (texts["drug", "platform"], texts["drug", "pharmacy"]) == ("0.60", "rest")
