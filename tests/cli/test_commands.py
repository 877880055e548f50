"""What each command asks of a node, prints and exits with. DESIGN 11; ECOSYSTEM 6."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
import typer
from typer.core import TyperGroup

from cli.exit_codes import ExitCode, exit_code_of_status
from cli.main import app
from node.home import NetworkHome
from node.network_file import load_network_file, save_network_file
from tests.cli.conftest import Ran
from tests.cli.nodes import SILENT_PORT, Asked, FakeNode, problem

Medbill = Callable[..., Ran]
BILL_ID = "330601260000000001"
SEALED = {
    "operation": "ab" * 32,
    "status": "sealed",
    "bill_id": BILL_ID,
    "check_code": "K7M2QX",
    "height": 7,
    "links": {},
}
RANGE = {"holder": "finance-city", "code": "33060126", "first": 1, "count": 1000, "next": 401}


def leaves(command: Any = None, path: tuple[str, ...] = ()) -> list[tuple[tuple[str, ...], Any]]:
    """Every command of the program with its words."""
    command = command or typer.main.get_command(app)
    if isinstance(command, TyperGroup):
        return [leaf for name, below in command.commands.items() for leaf in leaves(below, (*path, name))]
    return [(path, command)]


def test_the_commands_of_the_design_are_there() -> None:
    """DESIGN 11."""
    names = {" ".join(path) for path, _ in leaves()}

    assert names >= {
        "network init", "network up", "network down", "network status", "node start", "node status", "node verify",
        "bill issue", "bill show", "bill reverse", "bill import", "proof fetch", "proof verify",
        "numbers tree", "numbers allot", "numbers leases", "keys show", "token issue", "audit day-totals", "audit bills",
        "blocks", "block show", "verify", "version",
    }  # fmt: skip


def test_the_help_of_a_start_says_where_the_log_goes(medbill: Medbill) -> None:
    """`node.build` writes JSON lines to stderr."""
    text = " ".join(medbill("node", "start", "--help").out.split())
    assert "its log on stderr" in text
    assert "stdout" not in text


@pytest.mark.parametrize("path", [" ".join(path) for path, _ in leaves()])
def test_every_command_has_help_and_json(path: str, medbill: Medbill) -> None:
    """DESIGN 11: --json everywhere. A node in the foreground prints its log and no result."""
    ran = medbill(*path.split(), "--help")

    assert ran.code == 0
    assert ran.out.startswith(f"Usage: root {path}") or f" {path} [OPTIONS]" in ran.out
    assert path == "node start" or "--json" in ran.out


def test_the_rest_framework_is_not_loaded_for_a_command() -> None:
    """ECOSYSTEM 5: fastapi and everything slow stays out of the command's import path."""
    code = "import sys, cli.main; print([m for m in ('fastapi','joserfc','httpx2','cryptography','uvloop','plyvel') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("status", "code"),
    [(400, 6), (401, 6), (403, 6), (404, 4), (408, 5), (409, 6), (413, 6), (422, 6), (429, 5), (500, 1), (503, 5)],
)
def test_statuses_become_exit_codes(status: int, code: int) -> None:
    assert exit_code_of_status(status) == ExitCode(code)


def test_a_wrong_command_line_is_exit_2_and_with_json_a_problem_object(medbill: Medbill) -> None:
    assert medbill("bill", "issue").code == 2
    ran = medbill("bill", "show", "--json", "--home", "x")
    assert (ran.code, ran.document["code"], ran.err) == (2, "usage", "")
    assert medbill("nonsense", "--json").document["type"] == "/problems/usage"


def test_a_bill_is_issued_as_a_cashier_of_the_gateways_hospital(medbill: Medbill, home: Path, node: FakeNode) -> None:
    node.answers["POST", "/v1/bills"] = lambda asked: (201, SEALED)
    ran = medbill(
        "bill",
        "issue",
        "-",
        "--home",
        home,
        "--via",
        "hospital-a",
        "--wait",
        3,
        "--json",
        stdin='{"kind": "outpatient"}',
    )

    assert (ran.code, ran.document) == (0, SEALED)
    [asked] = node.asked
    assert asked.reader is not None
    assert (asked.reader.organisation, asked.reader.role) == ("hospital-a", "cashier")
    assert asked.body.pop("business_time").endswith("+00:00")  # of now: the file says none
    assert asked.body == {"kind": "outpatient"}
    assert asked.headers["prefer"] == "wait=3"


def test_a_refusal_is_the_nodes_own_problem_and_exit_6(medbill: Medbill, home: Path, node: FakeNode) -> None:
    refusal = problem(
        "sum_mismatch", 422, errors=[{"pointer": "/charges", "code": "sum_mismatch", "detail": "off by one"}]
    )
    node.answers["POST", "/v1/bills"] = lambda asked: (422, refusal)
    ran = medbill("bill", "issue", "-", "--home", home, "--via", "hospital-a", "--json", stdin="{}")
    assert (ran.code, ran.document) == (6, refusal)

    ran = medbill("bill", "issue", "-", "--home", home, "--via", "hospital-a", stdin="{}")
    assert (ran.code, ran.out) == (6, "")
    assert ran.err == "medbill: sum_mismatch: /charges: off by one\n"


def test_a_silent_node_is_exit_5_and_an_unknown_bill_exit_4(medbill: Medbill, home: Path, node: FakeNode) -> None:
    assert medbill("bill", "show", BILL_ID, "--home", home, "--via", "hospital-a", "--json").code == 4
    ran = medbill("bill", "show", BILL_ID, "--home", home, "--via", "hospital-b", "--json")
    assert (ran.code, ran.document["code"]) == (5, "unreachable")


def test_a_bill_is_found_by_its_business_number(medbill: Medbill, home: Path, node: FakeNode) -> None:
    node.answers["GET", "/v1/bills"] = lambda asked: (
        200,
        {"data": [SEALED] if asked.query["business_no"] == "N 1" else []},
    )
    ran = medbill("bill", "show", "--business-no", "N 1", "--home", home, "--via", "hospital-a")
    assert ran.code == 0
    assert f"bill_id     {BILL_ID}\n" in ran.out
    assert node.asked[0].query == {"issuer": "hospital-a", "business_no": "N 1"}
    assert medbill("bill", "show", "--business-no", "N 2", "--home", home, "--via", "hospital-a").code == 4
    assert medbill("bill", "show", "--home", home, "--via", "hospital-a").code == 2


def test_a_validator_serves_no_people(medbill: Medbill, home: Path) -> None:
    ran = medbill("bill", "show", BILL_ID, "--home", home, "--via", "finance", "--json")
    assert (ran.code, ran.document["code"]) == (2, "argument_refused")
    ran = medbill("bill", "show", BILL_ID, "--home", home, "--via", "hospital-c", "--json")
    assert "there are finance, health" in ran.document["detail"]


def test_a_reversal_names_reason_and_operator(medbill: Medbill, home: Path, node: FakeNode) -> None:
    node.answers["POST", f"/v1/bills/{BILL_ID}/reversal"] = lambda asked: (409, problem("already_reversed", 409))
    ran = medbill(
        "bill", "reverse", BILL_ID, "--reason", "refund", "--operator", "c-1", "--home", home, "--via", "hospital-a"
    )

    assert (ran.code, node.asked[0].body) == (6, {"reason": "refund", "operator": "c-1"})
    reverse = ("bill", "reverse", BILL_ID, "--reason", "refund", "--operator", "c-1", "--home", home)
    medbill(*reverse, "--via", "hospital-a", "--refund", "proportional")
    assert node.asked[1].body == {"reason": "refund", "operator": "c-1", "refund": {"policy": "proportional"}}


def test_a_proof_is_written_as_it_came(medbill: Medbill, home: Path, node: FakeNode, tmp_path: Path) -> None:
    node.answers["GET", f"/v1/bills/{BILL_ID}/proof"] = lambda asked: (200, b"\x96proof")
    out = tmp_path / "a.proof"
    ran = medbill(
        "proof",
        "fetch",
        BILL_ID,
        "--show",
        "payer,total",
        "--out",
        out,
        "--home",
        home,
        "--via",
        "hospital-a",
        "--json",
    )

    assert ran.document == {"bill_id": BILL_ID, "file": str(out), "bytes": 6}
    assert out.read_bytes() == b"\x96proof"
    assert node.asked[0].query == {"fields": "payer,total"}


def test_an_office_allots_the_next_free_numbers_of_its_range(medbill: Medbill, home: Path, node: FakeNode) -> None:
    node.answers["GET", "/v1/number-ranges"] = lambda asked: (200, {"data": [RANGE], "has_more": False, "next": None})
    node.answers["POST", "/v1/number-ranges"] = lambda asked: (201, {"operation": "cd" * 32, "status": "recorded"})
    ran = medbill(
        "numbers", "allot", "finance-city/33060126/1", "--to", "hospital-b", "--count", 50, "--home", home, "--json"
    )

    assert (ran.code, ran.document["first"]) == (0, 401)
    assert node.asked[1].body == {
        "parent": "finance-city/33060126/1",
        "first": 401,
        "count": 50,
        "holder": "hospital-b",
    }
    assert node.asked[1].reader is not None
    assert node.asked[1].reader.role == "finance_clerk"
    assert medbill("numbers", "allot", "finance-city", "--to", "x", "--count", 1, "--home", home).code == 2


def test_the_province_signs_its_own_allotment(medbill: Medbill, home: Path, node: FakeNode) -> None:
    """DESIGN 2: whoever acts for an organisation signs, and any mirror takes the signed transaction."""
    from chain.codec import decode
    from chain.genesis import genesis_from_json
    from chain.operation import AllotRange
    from chain.records import UNIT
    from chain.signature import verify_signature
    from chain.transaction import Transaction

    genesis = genesis_from_json((home / "genesis.json").read_bytes())
    node.answers["GET", "/v1/network"] = lambda asked: (
        200,
        {"chain_id": genesis.digest().hex(), "head": {"height": 40}},
    )
    node.answers["POST", "/v1/transactions"] = lambda asked: (
        200,
        {"outcomes": [{"index": 0, "status": "refused", "code": "range_overlaps"}]},
    )
    ran = medbill(
        "numbers",
        "allot",
        "finance/33060126/1",
        "--first",
        5,
        "--to",
        "finance-city",
        "--count",
        9,
        "--home",
        home,
        "--json",
    )

    assert (ran.code, ran.document["code"]) == (6, "range_overlaps")
    transaction = decode(node.asked[1].body, Transaction)
    operation = transaction.entries[0].operation
    assert isinstance(operation, AllotRange)
    assert (operation.first, operation.count, operation.holder, transaction.valid_until_height) == (
        5,
        9,
        "finance-city",
        1040,
    )
    public = next(key.public for key in genesis.keys if (key.organisation, key.purpose) == ("finance", UNIT))
    verify_signature(public, transaction.head(genesis.digest()).digest(), transaction.signature)


def test_ranges_are_shown_as_they_nest(medbill: Medbill, home: Path, node: FakeNode) -> None:
    rows = [
        {**RANGE, "holder": "hospital-a", "count": 400, "next": 11},
        {**RANGE, "holder": "finance", "count": 5000, "next": 1001},
        RANGE,
    ]
    node.answers["GET", "/v1/number-ranges"] = lambda asked: (200, {"data": rows})
    ran = medbill("numbers", "tree", "--home", home)

    lines = [line.strip() for line in ran.out.splitlines()]
    assert lines[0] == "33060126  outpatient, 2026"
    assert [line.split("/")[0].split()[-1] for line in lines[1:]] == ["finance", "finance-city", "hospital-a"]
    assert lines[3].endswith("390 free")


def test_leases_are_a_table_or_a_document(medbill: Medbill, home: Path, node: FakeNode) -> None:
    row = {
        "lease": BILL_ID,
        "kind": "outpatient",
        "place": "A01",
        "gateway": "hospital-a",
        "first": 1,
        "count": 9,
        "next": 2,
        "left": 8,
    }
    node.answers["GET", "/v1/number-leases"] = lambda asked: (200, {"data": [row]})

    assert medbill("numbers", "leases", "--home", home, "--via", "hospital-a", "--json").document == {"data": [row]}
    assert "outpatient  A01" in medbill("numbers", "leases", "--home", home, "--via", "hospital-a").out


def test_day_totals_add_up_red_and_void_bills_too(medbill: Medbill, home: Path, node: FakeNode) -> None:
    row = {"issuer": "hospital-a", "place": "A01", "date": "2026-03-01", "kind": "outpatient", "version": 3}
    figures = {"count": 4, "sum_fen": 1330, "red_count": 1, "red_sum_fen": -230, "void_count": 1, "void_sum_fen": 100}
    node.answers["GET", "/v1/audit/day-totals"] = lambda asked: (200, {"data": [{**row, **figures}]})
    ran = medbill("audit", "day-totals", "--from", "2026-03-01", "--to", "2026-03-02", "--home", home, "--json")

    assert (ran.document["total_fen"], ran.document["count"], ran.document["red_count"]) == (1000, 4, 1)
    assert ran.document["void_count"] == 1
    assert node.asked[0].query == {"from": "2026-03-01", "to": "2026-03-02"}
    assert "total 10.00 yuan" in medbill("audit", "day-totals", "--home", home).out
    assert medbill("audit", "day-totals", "--from", "2026-3-1", "--home", home).code == 2


def test_lists_are_read_to_their_end(medbill: Medbill, home: Path, node: FakeNode) -> None:
    def page(asked: Asked) -> tuple[int, Any]:
        start = int(asked.query.get("cursor", "0"))
        rows = [
            {"bill_id": f"{number:018d}", "total_fen": 1}
            for number in range(start, min(start + int(asked.query["limit"]), 250))
        ]
        return 200, {"data": rows, "has_more": start < 200, "next": str(start + 100) if start < 200 else None}

    node.answers["GET", "/v1/audit/bills"] = page
    ran = medbill("audit", "bills", "--issuer", "hospital-a", "--home", home, "--json")
    assert len(ran.document["data"]) == 250
    ran = medbill("audit", "bills", "--issuer", "hospital-a", "--limit", 150, "--home", home, "--json")
    assert len(ran.document["data"]) == 150


@pytest.mark.parametrize(
    ("verdict", "code"),
    [("genuine", 0), ("genuine_reversed", 0), ("genuine_void", 0), ("no_match", 3), ("try_later", 5)],
)
def test_public_verification_exits_by_its_verdict(
    verdict: str, code: int, medbill: Medbill, home: Path, node: FakeNode
) -> None:
    """DESIGN 11: 3 is "verification says invalid"."""
    node.answers["POST", "/v1/verifications"] = lambda asked: (200, {"verdict": verdict})
    ran = medbill("verify", BILL_ID, "--check-code", "K7M2QX", "--total-fen", 12, "--home", home, "--json")

    assert (ran.code, ran.document) == (code, {"verdict": verdict})
    assert node.asked[0].body == {"bill_id": BILL_ID, "check_code": "K7M2QX", "total_fen": 12}


def test_blocks_and_one_block(medbill: Medbill, home: Path, node: FakeNode) -> None:
    block = {
        "height": 7,
        "time": "2026-03-01T01:30:00Z",
        "proposer": "finance",
        "transactions": 1,
        "operations": 2,
        "digest": "ab" * 32,
    }
    node.answers["GET", "/v1/blocks"] = lambda asked: (200, {"data": [block], "next": None})
    node.answers["GET", "/v1/blocks/7"] = lambda asked: (200, block)

    assert "ab" * 32 in medbill("blocks", "--home", home).out
    assert medbill("block", "show", 7, "--home", home, "--json").document == block
    assert medbill("block", "show", 8, "--home", home).code == 4


def test_a_token_speaks_for_one_organisation_in_one_role(medbill: Medbill, home: Path, node: FakeNode) -> None:
    ran = medbill(
        "token",
        "issue",
        "--home",
        home,
        "--organisation",
        "finance-city",
        "--role",
        "auditor",
        "--subject",
        "a-1",
        "--json",
    )
    assert node.verifier is not None
    reader = node.verifier.verify(ran.document["token"])
    assert (reader.subject, reader.organisation, reader.role) == ("a-1", "finance-city", "auditor")

    for wrong in (
        ("--role", "king"),
        ("--role", "auditor", "--lifetime", "13h"),
        ("--role", "auditor", "--lifetime", "1w"),
    ):
        assert (
            medbill("token", "issue", "--home", home, "--organisation", "finance-city", "--subject", "a", *wrong).code
            == 2
        )


def test_a_key_that_others_can_read_is_not_used(medbill: Medbill, home: Path) -> None:
    """DESIGN 2: keys 0600."""
    key = home / "organisations" / "finance-city" / "token.key"
    key.chmod(0o644)
    ran = medbill(
        "token",
        "issue",
        "--home",
        home,
        "--organisation",
        "finance-city",
        "--role",
        "auditor",
        "--subject",
        "a",
        "--json",
    )

    assert (ran.code, ran.document["code"]) == (6, "key_file_refused")
    assert "chmod 600" in ran.document["detail"]


def key_rows(home: Path) -> list[dict[str, Any]]:
    """What a mirror says of the keys of genesis, with their ids."""
    from chain.genesis import genesis_from_json
    from chain.records import VOTE

    genesis = genesis_from_json((home / "genesis.json").read_bytes())
    held = [(key.organisation, key.purpose, key.public) for key in genesis.keys]
    held += [(member.organisation, VOTE, member.key) for member in genesis.validators]
    return [key_row(name, {1: "unit", 2: "seal", 3: "vote"}[purpose], public) for name, purpose, public in sorted(held)]


def key_row(organisation: str, purpose: str, public: bytes, from_height: int = 1) -> dict[str, Any]:
    from chain.transaction import key_id

    return {
        "organisation": organisation,
        "purpose": purpose,
        "key_id": key_id(public).hex(),
        "public": public.hex(),
        "from_height": from_height,
        "until_height": None,
        "in_force": from_height == 1,
    }


def test_keys_are_listed_with_their_files_and_without_secrets(medbill: Medbill, home: Path, node: FakeNode) -> None:
    """Those that the ledger has now, not those that it began with; DESIGN 1.6: nothing private of them."""
    (home / "organisations" / "health" / "unit.key").unlink()
    rows = key_rows(home)
    rows[0] |= {"from_height": 7, "until_height": 9}
    node.answers["GET", "/v1/keys"] = lambda asked: (200, {"data": rows, "has_more": False, "next": None})
    ran = medbill("keys", "show", "--home", home, "--json")
    found = {(key["organisation"], key["purpose"]): key["private_file"] for key in ran.document["keys"]}

    assert len(found) == 11 + 1 + 4
    assert found["finance-city", "seal"] == found["health", "vote"] == "here"
    assert found["health", "unit"] == "not here"
    assert [{**key, "private_file": ""} for key in ran.document["keys"]] == [
        {**row, "private_file": ""} for row in rows
    ]
    first = medbill("keys", "show", "--home", home).out.splitlines()[1].split()
    assert first == [rows[0]["organisation"], rows[0]["purpose"], rows[0]["key_id"], "7", "9", "here"]
    medbill("keys", "show", "--home", home, "--organisation", "health")
    assert node.asked[-1].query == {"organisation": "health"}
    assert node.asked[-1].reader is not None


def test_keys_made_here_are_found_before_they_are_used(medbill: Medbill, home: Path, node: FakeNode) -> None:
    """A unit key waits for 'keys use'; a vote key is used from where 'make-vote' put it."""
    from chain.transaction import key_id
    from node.keystore import generate_signing_key, save_signing_key

    unit, vote, foreign = (generate_signing_key() for _ in range(3))
    save_signing_key(home / "organisations" / "health" / f"unit-{key_id(unit.public).hex()[:16]}.key", unit)
    save_signing_key(home / "nodes" / "health" / "config" / f"vote-{key_id(vote.public).hex()[:8]}.key", vote)
    rows = [
        key_row("health", "unit", unit.public, 40),
        key_row("health", "unit", foreign.public),
        key_row("health", "vote", vote.public, 40),
    ]
    node.answers["GET", "/v1/keys"] = lambda asked: (200, {"data": rows})
    shown = medbill("keys", "show", "--home", home, "--json").document["keys"]
    assert [key["private_file"] for key in shown] == ["here, not in use", "another key", "here"]


def test_keys_are_not_made_up_where_no_mirror_answers(medbill: Medbill, home: Path) -> None:
    """Those of genesis may have ended long ago."""
    network = load_network_file(home)
    silent = [msgspec.structs.replace(entry, api_port=entry.api_port and SILENT_PORT) for entry in network.nodes]
    save_network_file(NetworkHome(home), msgspec.structs.replace(network, nodes=silent))
    ran = medbill("keys", "show", "--home", home, "--json")
    assert (ran.code, ran.document["code"]) == (5, "unreachable")


def test_a_fault_of_this_program_shows_no_local_values(
    medbill: Medbill, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DESIGN 1.6: no personal data in an error."""

    def fail(*_: object) -> None:
        raise KeyError("payer Zhang")

    monkeypatch.setattr("node.network_file.load_network_file", fail)
    ran = medbill("keys", "show", "--home", home, "--json")
    assert (ran.code, ran.document["code"]) == (1, "internal_error")
    assert "Zhang" not in ran.out + ran.err


def test_the_version_is_one_document(medbill: Medbill) -> None:
    assert set(medbill("version", "--json").document) == {"medbill", "python"}


def test_a_network_is_made_from_the_command_line(medbill: Medbill, tmp_path: Path) -> None:
    """Issue 2: three validators, duplicate names, a taken port: the line and what to do."""
    example = (Path(__file__).parents[2] / "network.yaml").read_text()
    broken = tmp_path / "network.yaml"
    broken.write_text(example.replace("name: health\n    kind: validator", "name: finance\n    kind: validator"))
    ran = medbill("network", "init", "--config", broken, "--home", tmp_path / "n", "--json")
    assert (ran.code, ran.document["code"]) == (2, "config_refused")
    assert "rename one" in ran.document["errors"][0]["detail"]
    assert ran.document["errors"][0]["line"] > 100
    assert not (tmp_path / "n").exists()

    taken = FakeNode()
    with taken.serving():
        broken.write_text(example.replace("7101", str(taken.port)))
        ran = medbill("network", "init", "--config", broken, "--home", tmp_path / "n")
    assert ran.code == 2
    assert f"port {taken.port} on 127.0.0.1 is taken" in ran.err


def test_an_existing_directory_is_refused(medbill: Medbill, tmp_path: Path) -> None:
    ran = medbill(
        "network", "init", "--config", Path(__file__).parents[2] / "network.yaml", "--home", tmp_path, "--json"
    )
    assert (ran.code, ran.document["code"]) == (6, "home_exists")


def test_network_status_has_a_row_per_node_and_exit_5_when_all_are_silent(
    medbill: Medbill, home: Path, node: FakeNode
) -> None:
    assert medbill("network", "status", "--home", home, "--json").code == 5
    node.answers["GET", "/status"] = lambda asked: (
        200,
        {"ready": True, "height": 9, "state_root": "ab" * 32, "peers": ["a"]},
    )
    ran = medbill("network", "status", "--home", home, "--json")

    states = {row["name"]: row["state"] for row in ran.document["nodes"]}
    assert ran.code == 0
    assert states["archive"] == "ready"
    assert set(states.values()) <= {"ready", "unreachable"}
    assert json.loads(ran.out)["nodes"][4]["height"] == 9


def test_the_seals_of_the_slowest_hospital_are_the_lag(medbill: Medbill, home: Path, node: FakeNode) -> None:
    seals = {"hospital-a": {"lag": 3}, "hospital-b": {"lag": 11}}
    node.answers["GET", "/status"] = lambda asked: (
        200,
        {"ready": False, "reasons": ["behind"], "head": {"height": 9}, "seals": seals},
    )
    ran = medbill("network", "status", "--home", home, "--json")

    row = next(row for row in ran.document["nodes"] if row["name"] == "archive")
    assert (row["state"], row["reasons"], row["height"], row["seals_lag"]) == ("not ready", ["behind"], 9, 11)
    assert "not ready: behind" in medbill("network", "status", "--home", home).out


def test_a_home_made_for_another_genesis_is_refused_with_what_to_do(
    medbill: Medbill, home: Path, tmp_path: Path
) -> None:
    """Issue 2, bad input: a home made for another genesis."""
    from node.config import load_network_config
    from node.provision import provision

    provision(load_network_config(Path(__file__).parents[2] / "network.yaml"), tmp_path / "other", 1_795_000_000_000)
    own = home / "nodes" / "finance"
    (own / "config" / "genesis.json").write_bytes((tmp_path / "other" / "genesis.json").read_bytes())
    done = subprocess.run(
        [sys.executable, "-m", "cli.main", "node", "start", "--home", str(own)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert done.returncode == 6
    assert done.stderr.splitlines()[-1].startswith("medbill: foreign_genesis: ")
    assert "Traceback" not in done.stderr
    assert not (own / "run" / "node.pid").exists()
