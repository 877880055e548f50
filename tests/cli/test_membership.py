"""Commands about seats, journals and keys: what they sign, move and refuse. DESIGN 11; PROTOCOL rules 14 and 15."""

from __future__ import annotations

import json
import shutil
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from chain.codec import decode
from chain.operation import AddKey, ApproveChange, EndKey, Operation, ProposeChange, Renew, SeatChange, operation_digest
from chain.rules.membership import RENEWAL_BLOCKS
from chain.transaction import Transaction, key_id
from node.home import NetworkHome, NodeHome
from node.journal import Journal
from node.keystore import load_signing_key
from node.network_file import load_network_file, save_network_file
from node.vote_keys import VoteKeys
from tests.cli.conftest import Ran
from tests.cli.nodes import SILENT_PORT, FakeNode, problem

Medbill = Callable[..., Ran]
KEY = "ab" * 32
HEIGHT, EPOCH = 5_000, 41


def page(**changes: Any) -> dict[str, Any]:
    members = [{"organisation": name, "key": KEY, "renewed_at": None} for name in ("bigdata", "finance", "health")]
    current = {"epoch": EPOCH, "quorum": 3, "may_fail": 1, "members": members}
    fields = {"height": HEIGHT, "current": current, "next": None, "newest_epoch": EPOCH, "changes": []}
    return {**fields, **changes}


@pytest.fixture
def ledger(node: FakeNode, home: Path) -> FakeNode:
    """Records whatever is sent."""
    chain_id = load_network_file(home).chain_id
    recorded = {"outcomes": [{"index": 0, "status": "recorded", "operation": KEY, "links": {}}]}
    node.answers["GET", "/v1/network"] = lambda _asked: (
        200,
        {"chain_id": chain_id, "head": {"height": HEIGHT}, "membership": page()},
    )
    node.answers["POST", "/v1/transactions"] = lambda _asked: (200, recorded)
    return node


def sent(node: FakeNode) -> tuple[Transaction, Operation]:
    """The one transaction that came, and its operation."""
    (asked,) = [asked for asked in node.asked if asked.method == "POST"]
    transaction = decode(asked.body, Transaction)
    (entry,) = transaction.entries
    return transaction, entry.operation


def unit_key(home: Path, organisation: str) -> bytes:
    return key_id(load_signing_key(NetworkHome(home).organisation(organisation).unit_key).public)


# ── the set ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_proposal_is_for_the_newest_set_and_signed_by_its_member(
    medbill: Medbill, home: Path, ledger: FakeNode
) -> None:
    ran = medbill(
        "validators", "propose", "--home", home, "--organisation", "finance", "--seat", f"health={KEY}",
        "--remove", "bigdata", "--blocks", 7, "--json",
    )  # fmt: skip

    transaction, operation = sent(ledger)
    changes = [SeatChange("bigdata", []), SeatChange("health", [bytes.fromhex(KEY)])]
    assert operation == ProposeChange(EPOCH, changes, HEIGHT + 7)
    assert (transaction.organisation, transaction.key_id) == ("finance", unit_key(home, "finance"))
    assert (ran.code, ran.document["change"]) == (0, operation_digest(operation).hex())


@pytest.mark.parametrize(
    "seats",
    [
        [],
        ["--seat", "health"],
        ["--seat", "health=xy"],
        ["--seat", f"health={KEY[2:]}"],
        ["--seat", f"health={KEY}", "--remove", "health"],
    ],
)
def test_a_proposal_that_says_nothing_whole_is_refused_here(
    medbill: Medbill, home: Path, ledger: FakeNode, seats: list[str]
) -> None:
    ran = medbill("validators", "propose", "--home", home, "--organisation", "finance", *seats, "--json")

    assert (ran.code, ran.document["code"]) == (2, "argument_refused")
    assert not [asked for asked in ledger.asked if asked.method == "POST"]


def test_an_approval_names_the_change(medbill: Medbill, home: Path, ledger: FakeNode) -> None:
    ran = medbill("validators", "approve", KEY, "--home", home, "--organisation", "health", "--json")

    transaction, operation = sent(ledger)
    assert (transaction.organisation, operation) == ("health", ApproveChange(bytes.fromhex(KEY)))
    assert (ran.code, ran.document["newest_epoch"]) == (0, EPOCH)


def test_what_the_ledger_refuses_ends_with_its_code(medbill: Medbill, home: Path, ledger: FakeNode) -> None:
    refused = {"outcomes": [{"index": 0, "status": "refused", "code": "already_approved", "operation": KEY}]}
    ledger.answers["POST", "/v1/transactions"] = lambda _asked: (200, refused)
    ran = medbill("validators", "approve", KEY, "--home", home, "--organisation", "health", "--json")
    assert (ran.code, ran.document["code"]) == (6, "already_approved")

    ledger.answers["POST", "/v1/transactions"] = lambda _asked: (503, problem("unavailable", 503))
    ran = medbill("validators", "approve", KEY, "--home", home, "--organisation", "health", "--json")
    assert (ran.code, ran.document["code"]) == (5, "unavailable")


def test_the_list_shows_sets_and_open_changes(medbill: Medbill, home: Path, ledger: FakeNode) -> None:
    open_change = {
        "change": KEY,
        "proposer": "finance",
        "until_height": 6_000,
        "approvals": ["finance"],
        "seats": [{"organisation": "bigdata", "key": None}, {"organisation": "health", "key": KEY}],
    }
    shown = page(changes=[open_change])
    ledger.answers["GET", "/v1/network"] = lambda _asked: (200, {"membership": shown})
    assert medbill("validators", "list", "--home", home, "--json").document == shown
    text = medbill("validators", "list", "--home", home).out
    assert "epoch 41, quorum 3, 1 may fail" in text
    assert KEY in text.replace("\n", "")


# ── renew ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def stores(home: Path, network_made: Path) -> Path:
    """The data of the validator health: a journal of its own, and the blocks."""
    data = NetworkHome(home).node("health").root / "data"
    shutil.copytree(NetworkHome(network_made).node("health").root / "data", data)
    return data


def test_a_renewal_puts_the_journal_aside_and_sends_the_number_of_the_fresh_one(
    medbill: Medbill, home: Path, ledger: FakeNode, stores: Path
) -> None:
    own = ("--home", NetworkHome(home).node("health").root)
    ran = medbill("node", "renew", *own, "--json")

    transaction, operation = sent(ledger)
    journal = Journal.open(stores / "journal")
    assert (transaction.organisation, operation) == ("health", Renew(journal.renewal))
    assert (ran.code, ran.document["number"]) == (0, journal.renewal.hex())
    assert (journal.keys, journal.last_sequence) == ([], journal.first_sequence - 1)
    journal.close()
    assert (stores / "journal.former-1" / "journal.log").exists()

    ledger.asked.clear()
    assert medbill("node", "renew", *own, "--json").document["number"] == ran.document["number"]  # the same again
    ledger.asked.clear()
    anew = medbill("node", "renew", *own, "--anew", "--json").document["number"]
    assert anew != ran.document["number"]
    assert sent(ledger)[1] == Renew(bytes.fromhex(anew))


def second_mirror(home: Path, port: int) -> None:
    """`archive` is silent, `archive-2` of the same office answers."""
    network = load_network_file(home)
    (archive,) = [entry for entry in network.nodes if entry.kind == "mirror"]
    others = [entry for entry in network.nodes if entry.kind != "mirror"]
    silent = msgspec.structs.replace(archive, api_port=SILENT_PORT)
    second = msgspec.structs.replace(archive, name="archive-2", api_port=port)
    save_network_file(NetworkHome(home), msgspec.structs.replace(network, nodes=[silent, second, *others]))


def test_a_mirror_that_does_not_answer_is_left_for_the_next_one(
    medbill: Medbill, home: Path, ledger: FakeNode, stores: Path
) -> None:
    """The way back into voting does not hang on one archive; one journal is made, whoever is asked."""
    second_mirror(home, ledger.port)
    own = ("--home", NetworkHome(home).node("health").root)
    ran = medbill("node", "renew", *own, "--json")

    assert ran.code == 0
    assert sent(ledger)[1] == Renew(bytes.fromhex(ran.document["number"]))
    assert "asking archive-2" in ran.err
    assert [path.name for path in stores.glob("journal.former-*")] == ["journal.former-1"]
    ledger.asked.clear()

    assert medbill("node", "renew", *own, "--via", "archive", "--json").document["code"] == "unreachable"
    ledger.answers["POST", "/v1/transactions"] = lambda _asked: (409, problem("renewed_lately", 409))
    assert medbill("node", "renew", *own, "--json").document["code"] == "renewed_lately"  # a refusal is an answer
    ledger.answers["POST", "/v1/transactions"] = lambda _asked: (503, problem("unavailable", 503))
    assert medbill("node", "renew", *own, "--json").document["code"] == "unavailable"  # and nobody else is left


@pytest.mark.parametrize("code", ["renewed_lately", "no_seat", "storage_locked", "not_a_validator", "unreachable"])
def test_a_renewal_that_cannot_be_moves_nothing(
    medbill: Medbill, home: Path, ledger: FakeNode, stores: Path, code: str
) -> None:
    name, shown = "health", page()
    (member,) = [one for one in shown["current"]["members"] if one["organisation"] == "health"]
    journal = None
    if code == "renewed_lately":
        member["renewed_at"] = HEIGHT + 2 - RENEWAL_BLOCKS
    elif code == "no_seat":
        shown["current"]["members"].remove(member)
    elif code == "not_a_validator":
        name = "archive"
    elif code == "storage_locked":
        (stores / "journal" / "journal.log").unlink()
        (stores / "journal").rmdir()
        journal = Journal.create(stores / "journal")
    answer = {"chain_id": load_network_file(home).chain_id, "head": {"height": HEIGHT}, "membership": shown}
    ledger.answers["GET", "/v1/network"] = lambda _asked: (200, answer)
    if code == "unreachable":
        ledger.server.shutdown()
        ledger.server.server_close()
    ran = medbill("node", "renew", "--home", NetworkHome(home).node(name).root, "--json")

    assert ran.document["code"] == code
    assert not list(stores.glob("journal.former-*"))
    assert not [asked for asked in ledger.asked if asked.method == "POST"]
    if journal is not None:
        journal.close()


# ── homes and keys ───────────────────────────────────────────────────────────────────────────────────────────────────


def init_validator(medbill: Medbill, home: Path, name: str, organisation: str) -> Ran:
    return medbill(
        "node", "init-validator", "--home", home, "--name", name, "--organisation", organisation,
        "--peer-port", 7999, "--operations-port", 9999, "--json",
    )  # fmt: skip


def test_a_validator_gets_a_home_beside_the_others(medbill: Medbill, home: Path) -> None:
    """Its own vote key and journal; it dials all validators; the network's list names it."""
    ran = init_validator(medbill, home, "finance-city-votes", "finance-city")

    place = NetworkHome(home).node("finance-city-votes")
    assert ran.code == 0
    assert load_signing_key(place.vote_key).public.hex() == ran.document["vote_key"]
    journal = Journal.open(place.root / "data" / "journal")
    assert journal.keys == [bytes.fromhex(ran.document["vote_key"])]
    journal.close()
    text = place.node_yaml.read_text("utf-8")
    assert all(f"name: {name}\n" in text for name in ("bigdata", "finance", "health", "insurance"))
    assert load_network_file(home).node("finance-city-votes").peer_port == 7999
    assert stat.S_IMODE(place.vote_key.stat().st_mode) == 0o600
    assert not list(home.rglob(".*"))


@pytest.mark.parametrize(
    ("name", "organisation", "code"),
    [
        ("health", "finance-city", "name_taken"),
        ("new", "nobody", "organisation_unknown"),
        ("new", "hospital-a", "not_an_agency"),
    ],
)
def test_a_home_that_could_never_validate_is_not_made(
    medbill: Medbill, home: Path, name: str, organisation: str, code: str
) -> None:
    before = (home / "network.json").read_bytes()
    ran = init_validator(medbill, home, name, organisation)
    assert (ran.code, ran.document["code"]) == (6, code)
    assert (home / "network.json").read_bytes() == before
    assert not (home / "nodes" / "new").exists()


def test_a_vote_key_is_made_beside_the_former_one_and_the_journal_is_told(
    medbill: Medbill, home: Path, stores: Path
) -> None:
    place = NodeHome(NetworkHome(home).node("health").root)
    ran = medbill("keys", "make-vote", "--home", place.root, "--json")
    public = bytes.fromhex(ran.document["vote_key"])
    assert ran.code == 0
    assert (stores / "journal" / f"key-{public.hex()}").exists()
    keys = VoteKeys(place.config_dir)
    assert keys.publics == [load_signing_key(place.vote_key).public, public]
    assert keys.sign_with(public) is not None
    assert keys.sign_with(bytes(32)) is None
    assert medbill("keys", "make-vote", "--home", home / "nodes" / "archive", "--json").code == 2


def test_a_unit_key_is_added_used_and_the_former_one_ended(medbill: Medbill, home: Path, ledger: FakeNode) -> None:
    """Each step is signed with the key that is in use; private files are put aside, never lost."""
    own = ("--home", home, "--organisation", "hospital-a")
    places = NetworkHome(home)
    former = unit_key(home, "hospital-a")
    added = medbill("keys", "add", *own, "--from-height", HEIGHT + 3, "--json")
    transaction, operation = sent(ledger)
    assert isinstance(operation, AddKey)
    assert (operation.purpose, operation.from_height, transaction.key_id) == (1, HEIGHT + 3, former)
    assert added.document["key_id"] == key_id(operation.public).hex()
    assert unit_key(home, "hospital-a") == former  # not yet

    used = medbill("keys", "use", added.document["key_id"], *own, "--json")
    assert used.document["restart"] == ["hospital-a", "hospital-a-2"]
    for path in (places.organisation("hospital-a").unit_key, places.node("hospital-a").unit_key):
        assert load_signing_key(path).public == operation.public
        assert key_id(load_signing_key(path.with_suffix(".former-1")).public) == former
    assert medbill("keys", "use", added.document["key_id"], *own, "--json").code == 0  # again: nothing is moved
    assert not places.organisation("hospital-a").unit_key.with_suffix(".former-2").exists()

    ledger.asked.clear()
    ended = medbill("keys", "end", former.hex(), *own, "--json")
    transaction, operation = sent(ledger)
    assert isinstance(operation, EndKey)
    assert (operation.key_id, transaction.key_id) == (former, unit_key(home, "hospital-a"))
    assert ended.document["until_height"] == operation.until_height > HEIGHT


def test_keys_that_are_none_are_refused(medbill: Medbill, home: Path, ledger: FakeNode) -> None:
    own = ("--home", home, "--organisation", "hospital-a", "--json")
    for arguments, code in (
        (["add", *own, "--purpose", "vote"], 2),
        (["use", KEY, *own], 4),
        (["use", "short", *own], 2),
        (["end", KEY[2:], *own], 2),
    ):
        assert medbill("keys", *arguments).code == code
    assert not [asked for asked in ledger.asked if asked.method == "POST"]
    assert json.loads((home / "network.json").read_text())  # untouched
