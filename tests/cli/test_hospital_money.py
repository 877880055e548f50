"""`medbill notice`, `order`, `deposit`, `schedule`, `appointment`, `visit`, `credit agreement` and `hold`, `payee`, `division`: every path of the
gateway's money and visits has its verb; what it sends is what the path takes, as whoever may ask; what it shows is in yuan."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from api.policy import POLICIES
from api.routes import appointments, channels, credit, payees, payments, splits, visits
from api.schemas import credit_examples, money_examples, split_examples, visit_examples
from cli.amounts import format_yuan, parse_amount_fen, parse_part
from cli.failures import CommandFailed
from tests.cli.conftest import Ran
from tests.cli.nodes import Asked, FakeNode, problem
from tests.house.project import ROOT

Medbill = Callable[..., Ran]
NAME, OTHER = money_examples.NAME, money_examples.ORDER
PAYER, RED = money_examples.PAYER, money_examples.RED_ID
ROUTES = {
    (route.method, route.path): route
    for group in (payments, channels, appointments, visits, credit, payees, splits)
    for route in group.ROUTES
    if not route.path.startswith("/v1/channel")
}
AT = "2026-03-02T08:10:00+08:00"

# words of a command (@x: the example x in a file) -> the path it posts to, what it sends beside the file
WRITES: list[tuple[str, str, dict[str, Any]]] = [
    ("notice issue @notice", "/v1/fee-notices", {}),
    (f"notice withdraw {NAME} --reason mistyped", "/v1/fee-notices/{name}/withdrawal", {"reason": "mistyped"}),
    (
        f"notice refund {NAME} --number R-1 --amount 50.00",
        "/v1/fee-notices/{name}/refund",
        {"refund_no": "R-1", "policy": "proportional", "amount_fen": 5_000},
    ),
    (
        f"order place --number Z-1 --notice {NAME} --notice {OTHER} --part cash=1,228.50 --part fund=80.00",
        "/v1/payment-orders",
        {
            "order_no": "Z-1",
            "notices": [NAME, OTHER],
            "parts": [{"channel": "cash", "amount_fen": 122_850}, {"channel": "fund", "amount_fen": 8_000}],
            "minutes": 30,
        },
    ),
    (
        f"order pay {NAME} --part 2 --receipt S-1 --amount 80.05",
        "/v1/payment-orders/{name}/payments",
        {"part": 2, "channel_no": "S-1", "amount_fen": 8_005},
    ),
    (f"order invite {NAME} --part 1", "/v1/payment-orders/{name}/invitations", {"part": 1}),
    (
        f"order invite {NAME} --part 0 --detail psn_no=330100000000001 --detail mdtrt_id=V2026=1",
        "/v1/payment-orders/{name}/invitations",
        {"part": 0, "details": {"psn_no": "330100000000001", "mdtrt_id": "V2026=1"}},
    ),
    (f"order close {NAME} --reason unpaid", "/v1/payment-orders/{name}/closure", {"reason": "unpaid"}),
    (
        f"order place --number 1 --notice {NAME} --part alipay=18.50 --token @token",
        "/v1/payment-orders",
        {
            "order_no": "1",
            "notices": [NAME],
            "parts": [{"channel": "alipay", "amount_fen": 1_850}],
            "minutes": 30,
        },
    ),
    (f"order invite {NAME} --part 0 --token @token", "/v1/payment-orders/{name}/invitations", {"part": 0}),
    (
        f"order close {NAME} --reason changed --token @token",
        "/v1/payment-orders/{name}/closure",
        {"reason": "changed"},
    ),
    (f"order refund {RED}", "/v1/bills/{bill_id}/refund", {"policy": "proportional"}),
    (
        f"order refund {RED} --amount 50.00 --policy last_first",
        "/v1/bills/{bill_id}/refund",
        {"policy": "last_first", "amount_fen": 5_000},
    ),
    (
        "deposit open --number D-1 --payer @payer",
        "/v1/deposits",
        {"deposit_no": "D-1", "payer": PAYER, "kind": "inpatient"},
    ),
    (
        f"deposit pay {NAME} --channel cash --receipt S-2 --amount 5,000.00",
        "/v1/deposits/{name}/payments",
        {"channel": "cash", "channel_no": "S-2", "amount_fen": 500_000},
    ),
    (
        f"deposit invite {NAME} --number T-1 --channel alipay --amount 1,000.00 --token @token",
        "/v1/deposits/{name}/invitations",
        {"top_up_no": "T-1", "channel": "alipay", "amount_fen": 100_000},
    ),
    (f"deposit use {NAME} --order {OTHER} --part 0", "/v1/deposits/{name}/use", {"order": OTHER, "part": 0}),
    (f"deposit settle {NAME}", "/v1/deposits/{name}/settlement", {}),
    ("schedule publish @schedule", "/v1/schedules", {}),
    (f"schedule stop {NAME} --reason ill", "/v1/schedules/{name}/stop", {"reason": "ill"}),
    (f"schedule substitute {NAME} --staff doctor-9", "/v1/schedules/{name}/substitution", {"staff": "doctor-9"}),
    (
        f"appointment book --number A-1 --schedule {NAME} --channel window --payer @payer",
        "/v1/appointments",
        {"appointment_no": "A-1", "schedule": NAME, "channel": "window", "payer": PAYER},
    ),
    (
        f"appointment book --number A-1 --schedule {NAME} --channel app --token @token",
        "/v1/appointments",
        {"appointment_no": "A-1", "schedule": NAME, "channel": "app"},
    ),
    (
        f"appointment fee {NAME} --part card=50.00 --token @token",
        "/v1/appointments/{name}/fee",
        {"parts": [{"channel": "card", "amount_fen": 5_000}]},
    ),
    (f"appointment confirm {NAME}", "/v1/appointments/{name}/confirmation", {}),
    (f"appointment confirm {NAME} --order {OTHER}", "/v1/appointments/{name}/confirmation", {"order": OTHER}),
    (
        f"appointment cancel {NAME} --token @token",
        "/v1/appointments/{name}/cancellation",
        {"reason": "patient_asked"},
    ),
    (f"appointment check-in {NAME}", "/v1/appointments/{name}/check-in", {}),
    (f"appointment miss {NAME}", "/v1/appointments/{name}/miss", {}),
    (
        f"visit open --number V-1 --kind outpatient --payer @payer --cap 600.00 --appointment {NAME} --agreement {OTHER}",
        "/v1/visits",
        {
            "visit_no": "V-1",
            "kind": "outpatient",
            "payer": PAYER,
            "cap_fen": 60_000,
            "hours": 24,
            "appointment": NAME,
            "agreement": OTHER,
        },
    ),
    (
        f"visit stamp {NAME} --step called --at {AT} --place 2",
        "/v1/visits/{name}/stamps",
        {"step": "called", "at": AT, "number": 2},
    ),
    (f"visit charge {NAME} @charge", "/v1/visits/{name}/charges", {}),
    (f"visit close {NAME} --bill @bill", "/v1/visits/{name}/close", {"bill": visit_examples.CLOSE_WISH["bill"]}),
    (
        f"credit agreement sign --number X-1 --payer @payer --lender lender-a --line {NAME} --cap 1,000.00 --consent C-1",
        "/v1/credit-agreements",
        {
            "agreement_no": "X-1",
            "payer": PAYER,
            "lender": "lender-a",
            "line": NAME,
            "cap_fen": 100_000,
            "consent": "C-1",
        },
    ),
    (f"credit agreement end {NAME}", "/v1/credit-agreements/{name}/end", {"reason": "patient_asked"}),
    (
        f"credit agreement repay {NAME} --number H-1 --channel cash --amount 100.00",
        "/v1/credit-agreements/{name}/repayments",
        {"repayment_no": "H-1", "channel": "cash", "amount_fen": 10_000},
    ),
    (
        f"credit agreement payback {NAME} --number T-1 --channel cash --amount 12.50",
        "/v1/credit-agreements/{name}/paybacks",
        {"payback_no": "T-1", "channel": "cash", "amount_fen": 1_250},
    ),
    (f"credit agreement state {NAME}", "/v1/credit-agreements/{name}/statements", {}),
    (
        f"credit agreement instalments {NAME} --number P-1 --instalment 2026-05-01=100.00 --instalment 2026-06-01=94.30",
        "/v1/credit-agreements/{name}/instalments",
        {
            "plan_no": "P-1",
            "instalments": [{"due": "2026-05-01", "amount_fen": 10_000}, {"due": "2026-06-01", "amount_fen": 9_430}],
        },
    ),
    (
        f"credit hold place --number H-1 --agreement {NAME} --amount 300.00 --declared-by doctor-1",
        "/v1/credit-holds",
        {"hold_no": "H-1", "agreement": NAME, "amount_fen": 30_000, "hours": 24, "declared_by": "doctor-1"},
    ),
    (
        f"payee bind --number P-1 --kind doctor --consent C-1 --title 示例医生 --account hospital-b/{OTHER}",
        "/v1/payees",
        {
            "payee_no": "P-1",
            "kind": "doctor",
            "consent": "C-1",
            "title": "示例医生",
            "account": {"organisation": "hospital-b", "account": OTHER},
        },
    ),
    (
        "payee bind --number P-2 --kind hospital --consent C-2 --own",
        "/v1/payees",
        {"payee_no": "P-2", "kind": "hospital", "consent": "C-2", "is_signer": True},
    ),
    (f"payee suspend {NAME} --reason licence_ended", "/v1/payees/{name}/suspension", {"reason": "licence_ended"}),
    (f"payee resume {NAME}", "/v1/payees/{name}/resumption", {}),
    (
        f"payee pay-out {NAME} --number O-1 --amount 40.00 --bank-no B-1",
        "/v1/payees/{name}/payouts",
        {"payout_no": "O-1", "amount_fen": 4_000, "bank_no": "B-1"},
    ),
    (
        f"payee pay-debt {NAME} --number D-1 --amount 8.00",
        "/v1/payees/{name}/debt-payments",
        {"repayment_no": "D-1", "amount_fen": 800},
    ),
    (
        "division publish @rules --version 2",
        "/v1/split-rules",
        {
            "rules": "visit",
            "version": 2,
            "lines": [
                {
                    "kind": "consultation",
                    "whole": 10,
                    "shares": [
                        {"to": "doctor", "cap_parts": 10, "rest": True},
                        {"to": "platform", "cap_parts": 3, "parts": 3},
                    ],
                },
                {"kind": "delivery", "whole": 1, "shares": [{"to": "courier", "cap_parts": 1, "rest": True}]},
                {"kind": "drug", "whole": 1, "shares": [{"to": "supplier", "cap_parts": 1, "rest": True}]},
            ],
            "earliest_seconds": 30,
            "latest_seconds": 15_552_000,
        },
    ),
    (
        f"division make --number S-1 --order {OTHER} --rules visit/2 --payee {NAME}=2611 --line drug --line test=10.00",
        "/v1/splits",
        {
            "split_no": "S-1",
            "order": OTHER,
            "rules": "visit",
            "version": 2,
            "payees": [{"payee": NAME, "paper": "2611"}],
            "lines": [{"kind": "drug"}, {"kind": "test", "amount_fen": 1_000}],
        },
    ),
    (
        f"division take-back {NAME} --number R-2 --share 1 --amount 10.00",
        "/v1/splits/{name}/returns",
        {"return_no": "R-2", "share": 1, "amount_fen": 1_000},
    ),
    (f"division finish {NAME}", "/v1/payment-orders/{name}/finish", {}),
    (
        f"division give-back {NAME} --number R-3 --amount 8.00",
        "/v1/payment-orders/{name}/returns",
        {"return_no": "R-3", "amount_fen": 800},
    ),
    ("custody supervise --bank bank-a", "/v1/supervised-account", {"bank": "bank-a"}),
    (f"credit hold charge {NAME} @held", "/v1/credit-holds/{name}/charges", {}),
    (f"credit hold release {NAME}", "/v1/credit-holds/{name}/release", {"reason": "done"}),
    (
        f"credit hold review {NAME} --outcome upheld --person chief-1",
        "/v1/credit-holds/{name}/review",
        {"outcome": "upheld"},
    ),
]
PAGES = money_examples.PAGES | visit_examples.PAGES | credit_examples.PAGES | split_examples.PAGES
# words -> the path it reads, what stands there, what people are shown of it
READS: list[tuple[str, str, str, str]] = [
    (f"notice show {NAME}", "/v1/fee-notices/{name}", "notice", "128.50"),
    (f"order show {NAME}", "/v1/payment-orders/{name}", "order", "18.50"),
    (f"order show {NAME} --token @token", "/v1/payment-orders/{name}", "order", "18.50"),
    (f"order show-refund {RED}", "/v1/bills/{bill_id}/refund", "refund", "30.00"),
    (f"deposit show {NAME}", "/v1/deposits/{name}", "deposit", "5,000.00"),
    (f"schedule show {NAME}", "/v1/schedules/{name}", "schedule", "12, 13, 15"),
    (f"appointment show {NAME}", "/v1/appointments/{name}", "appointment", "50.00"),
    (f"visit show {NAME}", "/v1/visits/{name}", "visit", "540.00"),
    (f"visit timeline {NAME}", "/v1/visits/{name}/timeline", "timeline", "treated"),
    (f"credit agreement show {NAME} --token @token", "/v1/credit-agreements/{name}", "agreement", "494.30"),
    (f"credit hold show {NAME}", "/v1/credit-holds/{name}", "hold", "505.70"),
    (f"payee show {NAME}", "/v1/payees/{name}", "payee", "2.00"),
    (f"payee history {NAME}", "/v1/payees/{name}/history", "payee_history", "40.00"),
    ("division rules visit 1", "/v1/split-rules/{rules}/{version}", "split_rules", "30/100"),
    (f"division show {NAME}", "/v1/splits/{name}", "split", "264.30"),
    (f"division history {NAME}", "/v1/splits/{name}/history", "split_history", "taken_back"),
    (f"division order {NAME}", "/v1/payment-orders/{name}/division", "division", "336.30"),
    ("custody show", "/v1/supervised-account", "custody", "supervised_balance_mismatch"),
]
LISTS: list[tuple[str, str, str, str]] = [
    ("notice list --token @token", "/v1/me/fee-notices", "notice", "128.50"),
    ("deposit list --token @token", "/v1/me/deposits", "deposit", "5,000.00"),
    ("appointment list --token @token", "/v1/me/appointments", "appointment", "held"),
    ("payee list", "/v1/payees", "payee", "2.00"),
    ("visit list --token @token", "/v1/me/visits", "visit", "540.00"),
    ("credit agreement list --token @token", "/v1/me/credit-accounts", "agreement", "494.30"),
    ("schedule list --date 2026-03-02 --department cardiology", "/v1/schedules", "schedule", "12, 13, 15"),
]


@pytest.fixture
def run(medbill: Medbill, home: Path, tmp_path: Path) -> Callable[..., Ran]:
    """A command at hospital-a's gateway; `@x` in it is a file that holds the example x."""
    files = {
        "notice": money_examples.NOTICE_WISH,
        "payer": PAYER,
        "schedule": visit_examples.SCHEDULE_WISH,
        "charge": visit_examples.VISIT_CHARGE_WISH,
        "held": credit_examples.CHARGE_WISH,
        "bill": visit_examples.CLOSE_WISH["bill"],
        "rules": json.loads((ROOT / "samples" / "splits" / "platform.json").read_text("utf-8")),
    }
    for name, document in files.items():
        (tmp_path / name).write_text(json.dumps(document), "utf-8")
    made = medbill(
        *("token", "issue", "--organisation", "finance-city", "--role", "patient", "--subject", "pseudonym-1"),
        *("--id-number", "SYNTHETIC-1", "--name", "Somebody", "--home", home, "--json"),
    )
    (tmp_path / "token").write_text(made.document["token"])

    def asked(words: str, *more: object) -> Ran:
        named = [str(tmp_path / word[1:]) if word.startswith("@") else word for word in words.split()]
        return medbill(*named, "--home", home, "--via", "hospital-a", *more)

    return asked


def filled(path: str) -> str:
    for key, value in (("name", NAME), ("bill_id", RED), ("rules", "visit"), ("version", "1")):
        path = path.replace(f"{{{key}}}", value)
    return path


# ── asking ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("words", "path", "sent"), WRITES)
def test_a_command_sends_what_the_path_takes_as_one_who_may(
    words: str, path: str, sent: dict[str, Any], run: Callable[..., Ran], node: FakeNode
) -> None:
    node.answers["POST", filled(path)] = lambda asked: (201, money_examples.RECORDED)
    ran = run(words, "--json")
    assert (ran.code, ran.document) == (0, money_examples.RECORDED), ran.err
    [asked] = node.asked
    wanted = ROUTES["POST", path].body
    assert wanted is not None
    assert wanted.kind is not None
    msgspec.convert(asked.body, wanted.kind)  # the gateway's own form: unknown and missing members are refused
    assert asked.body == (sent or wanted.example)
    assert asked.reader is not None
    assert POLICIES["POST", path].admit(asked.reader, "hospital-a")
    assert (asked.reader.role == "patient") is ("@token" in words)
    assert ("prefer" in asked.headers) is not path.endswith("/invitations")


def test_every_path_of_money_and_visits_has_its_verb() -> None:
    """DESIGN 10, 11: REST paths and nouns of the command for all of it."""
    asked = {("POST", path) for _words, path, _sent in WRITES}
    asked |= {("GET", path) for _words, path, _kind, _shown in READS + LISTS}
    assert asked | {("GET", "/v1/splits/{name}/proof")} == set(ROUTES)


def test_the_proof_of_a_split_is_a_file(run: Callable[..., Ran], node: FakeNode, tmp_path: Path) -> None:
    node.answers["GET", f"/v1/splits/{NAME}/proof"] = lambda asked: (200, {"as": "it came"})
    out = tmp_path / "split.proof"
    assert run(f"division proof {NAME} --out {out}", "--json").document["bytes"] == len(out.read_bytes())
    assert json.loads(out.read_bytes()) == {"as": "it came"}
    assert run(f"division proof {OTHER} --out {out}").code == 4


def test_an_emergency_is_reviewed_by_whom_the_command_names(run: Callable[..., Ran], node: FakeNode) -> None:
    node.answers["POST", f"/v1/credit-holds/{NAME}/review"] = lambda asked: (409, problem("same_person", 409))
    ran = run(f"credit hold review {NAME} --outcome dismissed --person chief-1", "--json")
    assert (ran.code, ran.document["code"]) == (6, "same_person")
    assert node.asked[0].reader is not None
    assert (node.asked[0].reader.subject, node.asked[0].reader.role) == ("chief-1", "hospital_admin")


def test_a_visit_without_a_charge_is_closed_without_a_bill(run: Callable[..., Ran], node: FakeNode) -> None:
    node.answers["POST", f"/v1/visits/{NAME}/close"] = lambda asked: (201, money_examples.RECORDED)
    assert run(f"visit close {NAME} --at {AT}").code == 0
    assert node.asked[0].body == {"at": AT}


@pytest.mark.parametrize(
    ("status", "code", "exit_code"),
    [(409, "credit_line_exceeded", 6), (404, "visit_unknown", 4), (503, "outbox_full", 5), (422, "sum_mismatch", 6)],
)
def test_a_refusal_is_the_nodes_own_with_its_exit_code(
    status: int, code: str, exit_code: int, run: Callable[..., Ran], node: FakeNode
) -> None:
    node.answers["POST", f"/v1/visits/{NAME}/charges"] = lambda asked: (status, problem(code, status))
    ran = run(f"visit charge {NAME} @charge", "--json")
    assert (ran.code, ran.document["code"]) == (exit_code, code)


def test_a_silent_gateway_is_exit_5(medbill: Medbill, home: Path, node: FakeNode) -> None:
    assert medbill("visit", "show", NAME, "--home", home, "--via", "hospital-b").code == 5


@pytest.mark.parametrize(
    "words",
    [
        f"order place --number Z --notice {NAME} --part cash=12850",  # which unit?
        f"order place --number Z --notice {NAME} --part cash=12.5",
        f"order place --number Z --notice {NAME} --part 128.50",
        f"order place --number Z --notice {NAME}",
        f"order invite {NAME} --part 0 --detail psn_no",
        f"order pay {NAME} --part 0 --receipt S --amount -1.00",
        f"order pay {NAME} --part 8 --receipt S --amount 1.00",
        f"deposit pay {NAME} --channel cash --receipt S --amount 1,00.00",
        "deposit open --number D --payer @absent",
        "deposit open --number D --payer @token",
        f"appointment book --number A --schedule {NAME} --channel app",
        f"appointment book --number A --schedule {NAME} --channel app --payer @payer --token @token",
        "notice list",
        "notice list --token @payer",
        "schedule list",
    ],
)
def test_what_cannot_be_meant_is_exit_2_and_nothing_is_sent(
    words: str, run: Callable[..., Ran], node: FakeNode
) -> None:
    assert run(words).code == 2
    assert node.asked == []


def test_a_file_that_is_no_object_is_named_and_not_quoted(
    medbill: Medbill, run: Callable[..., Ran], home: Path, tmp_path: Path
) -> None:
    (tmp_path / "payer").write_text('["Somebody"]')
    ran = run("deposit open --number D --payer @payer", "--json")
    assert (ran.code, ran.document["code"]) == (2, "argument_refused")
    assert "Somebody" not in ran.out + ran.err
    issue = ("notice", "issue", "-", "--home", home, "--via", "hospital-a")
    assert medbill(*issue, stdin="{" * 100).code == 2


# ── showing ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("words", "path", "kind", "seen"), READS)
def test_a_page_is_shown_with_yuan_or_as_it_came(
    words: str, path: str, kind: str, seen: str, run: Callable[..., Ran], node: FakeNode
) -> None:
    node.answers["GET", filled(path)] = lambda asked: (200, PAGES[kind])
    assert run(words, "--json").document == PAGES[kind]
    ran = run(words)
    assert ran.code == 0, ran.err
    assert seen in ran.out
    assert "_fen" not in ran.out
    assert not re.search(r"[{}\[\]]", ran.out)  # nothing that only a program reads
    other = words.replace(NAME, "ab" * 32).replace(RED, "330601260000000999").replace("visit 1", "visit 2")
    if other == words:  # it is the organisation's own
        node.answers["GET", filled(path)] = lambda asked: (404, problem("not_found", 404))
    assert run(other).code == 4


@pytest.mark.parametrize(("words", "path", "kind", "seen"), LISTS)
def test_a_list_is_read_to_its_end(
    words: str, path: str, kind: str, seen: str, run: Callable[..., Ran], node: FakeNode
) -> None:
    def part(asked: Asked) -> tuple[int, Any]:
        following = None if "cursor" in asked.query else "second"
        return 200, {"data": [PAGES[kind]], "has_more": following is not None, "next": following}

    node.answers["GET", path] = part
    assert run(words, "--json").document == {"data": [PAGES[kind]] * 2}
    ran = run(words)
    assert (ran.code, len(ran.out.splitlines())) == (0, 3)
    assert seen in ran.out
    reader = node.asked[-1].reader
    assert reader is not None
    assert (reader.role, reader.subject) == (
        ("patient", "pseudonym-1") if "@token" in words else ("cashier", "medbill-cli")
    )
    if path == "/v1/schedules":
        assert (node.asked[0].query["date"], node.asked[0].query["department"]) == ("2026-03-02", "cardiology")


def test_a_table_sets_amounts_to_the_right(run: Callable[..., Ran], node: FakeNode) -> None:
    parts = [
        {"channel": "fund", "amount_fen": 123_450, "payment": None},
        {"channel": "cash", "amount_fen": 5, "payment": None},
    ]
    page = {**money_examples.ORDER_PAGE, "parts": parts}
    node.answers["GET", f"/v1/payment-orders/{NAME}"] = lambda asked: (200, page)
    lines = run(f"order show {NAME}").out.splitlines()
    table = lines[lines.index("parts") + 1 :]
    assert [line.rstrip() for line in table] == ["channel    amount", "fund     1,234.50", "cash         0.05"]


def test_money_is_typed_as_it_is_shown() -> None:
    for fen in (0, 5, 1_230, 99_999, 123_450, 100_000_000, 99_999_999_999):
        assert parse_amount_fen(format_yuan(fen), "--amount") == fen
    assert format_yuan(-123_450) == "-1,234.50"
    assert parse_amount_fen("1234.50", "--amount") == 123_450
    for text in ("", "1", "1.5", "1.234", ".50", "01.00", "1,23.00", "1,2345.00", "1.00 ", "１.00", "-1.00", "1e3.00"):
        with pytest.raises(CommandFailed):
            parse_amount_fen(text, "--amount")
    for text in ("cash", "=1.00", "cash=", "cash=1"):
        with pytest.raises(CommandFailed):
            parse_part(text, "--part")
