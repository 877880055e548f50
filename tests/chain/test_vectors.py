"""Every hashed or signed form, byte for byte: plain lists written out here, packed by another library (DESIGN 4).

Nothing of `chain` makes an expected value: `msgpack` packs, `hashlib` and `hmac` digest, `cryptography` signs.
"""

from __future__ import annotations

import hmac
import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgpack
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from chain import digest
from chain.block import FinalBlock, Header
from chain.codec import decode
from chain.details import Details, OpenedField
from chain.genesis import Genesis, genesis_from_json
from chain.operation import Operation
from chain.proof import Proof
from chain.records import Record
from chain.transaction import Transaction
from tests.chain import money_forms, split_forms, visit_vectors
from tests.vectors import make_vectors

FOLDER = Path(make_vectors.__file__).parent
pack = msgpack.packb


def vectors(name: str) -> dict[str, Any]:
    content = json.loads((FOLDER / name).read_text(encoding="utf-8"))
    assert content["source"] == "tests/vectors/make_vectors.py"
    found: dict[str, Any] = content["vectors"]
    return found


def tagged(kind: str, parts: list[Any]) -> bytes:
    """DESIGN 4: SHA-256(length of tag as 1 byte ‖ tag ‖ canonical array of the parts)."""
    tag = b"medbill/1/" + kind.encode()
    return sha256(len(tag).to_bytes(1, "big") + tag + pack(parts)).digest()


def leaf(data: bytes) -> bytes:
    return sha256(b"\x00" + data).digest()


def node(left: bytes, right: bytes) -> bytes:
    return sha256(b"\x01" + left + right).digest()


def tree(hashes: list[bytes]) -> bytes:
    """RFC 6962 over leaf hashes."""
    if len(hashes) < 2:
        return hashes[0] if hashes else sha256(b"").digest()
    split = 1
    while split * 2 < len(hashes):
        split *= 2
    return node(tree(hashes[:split]), tree(hashes[split:]))


def private_key(number: int) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32)


def public(number: int) -> bytes:
    return private_key(number).public_key().public_bytes_raw()


def b(number: int) -> bytes:
    return bytes([number]) * 32


# ── values, as lists ─────────────────────────────────────────────────────────────────────────────────────────────────

BILL, RED = "330601260000000007", "330601260000000008"
PARTS = [6000, 0, 45, 6300]
ISSUE = [300, BILL, 1, "A01", 20260601, 1780286400000, 12345, PARTS, 100, 200, 1, b(1), b(2), b(3)]
REVERSE: list[Any] = [
    301,
    RED,
    BILL,
    "A01",
    20260602,
    1780372800000,
    -12345,
    [-6000, 0, -45, -6300],
    -100,
    -200,
    1,
    b(4),
    [b(40), b(41)],
]
CHANGES: list[Any] = [["bank", [public(30)]], ["validator-3", []]]
PROPOSAL = [100, 1, CHANGES, 900]
CATALOGUE: list[Any] = [1, [["0802", "诊查费"], ["0809", "西药费"]]]
OPERATIONS: dict[str, list[Any]] = {
    "propose_change": PROPOSAL,
    "approve_change": [101, tagged("operation", PROPOSAL)],
    "renew": [102, b(31)],
    "add_key": [110, public(32), 2, 1, 701],
    "end_key": [111, b(33), 800],
    "admit_organisation": [
        *(120, "hospital-c", "第三医院", "hospital", "331000", ["C01"]),
        *(public(42), b"DER", [b(40), b(41)]),
    ],
    "suspend_organisation": [121, "hospital-a", "key_lost", 2, [b(40), b(41)]],
    "resume_organisation": [122, "hospital-a", 3, []],
    "close_organisation": [123, "hospital-a", "merged", 0, []],
    "publish_catalogue": [130, 2, 20270101, CATALOGUE, [b(40), b(41)]],
    "publish_items": [130, 1, 20261201, [2, [["H2004", "0809"]]], []],
    "publish_faces": [
        130,
        1,
        20261201,
        [3, [[1, "门诊收费票据", "门诊收费清单"]], ["项目", "数量", "单位", "金额"], []],
        [],
    ],
    "allot_range": [200, ["finance-city", "33060126", 1], 100001, 50000, "hospital-b", []],
    "take_lease": [201, ["hospital-a", "33060126", 1], 1001, 1000, "hospital-a-2", "A02"],
    "report_unused": [202, BILL, 1, "superseded"],
    "issue_bill": ISSUE,
    "reverse_bill": REVERSE,
    "seal_bills": [
        400,
        [["hospital-a", 0, 41], ["hospital-b", 12, 40]],
        b(5),
        [[BILL, "details_missing"]],
        [RED],
    ],
    "void_bill": [302, BILL, "mistyped"],
    "deliver_bill": [303, BILL, "sms", 1780286460000],
    "hold_bill": [304, BILL, "fees_owed"],
    "make_up_payment": [305, BILL],
    "bind_payer": [306, BILL, b(42)],
    "print_paper": [500, BILL, "33060001"],
    "take_back_paper": [501, BILL, "33060001", "damaged"],
    "void_blanks": [502, ["33060002", "33060003"], "torn"],
    "book_bill": [600, BILL, 2, 12345, b(37)],
    "acknowledge_reversal": [601, BILL],
    "join_settlement": [610, b(42), BILL, PARTS],
    "pay_fund": [611, b(42), "hospital-a", 6000, 20260620, b(43)],
    "withdraw_settlement": [612, b(42), "bill_reversed"],
    "clear_lease": [700, "hospital-a", "33060126", 1001, 990, 3, 3, 1, 3],
    "lock_claim": [800, b(38), BILL, 300, 1780290000000],
    "decide_claim": [801, b(38), 250],
    "pay_claim": [802, b(38), b(39)],
    "release_claim": [803, b(38), "withdrawn"],
    "bind_holder": [910, BILL, b(42)],
    "dispute_bill": [930, BILL, b(42), "not_me", 2],
    "settle_dispute": [931, BILL, "upheld", 2],
    "grant_read": [900, b(42), BILL, "insurer-a", [6, 7], "reimbursement", 1780290000000, b(43)],
    "revoke_grant": [901, "finance-city", b(42), "holder_asked"],
    "grant_proxy": [902, b(42), b(43), b(44), 1790000000000],
    "end_proxy": [903, b(42)],
    "anchor_accesses": [920, 5, 9, b(45)],
    "open_account": [1000, b(42), "deposit", 2, True],
    "close_account": [1001, b(42)],
    "transfer": [
        1010, b(43), ["hospital-a", b(42)], ["hospital-b", b(43)], 5000, "sale", [b(44)], [["hospital-b", b(45)]],
    ],
    "hold_money": [
        1020, b(46), ["hospital-a", b(42)], ["hospital-b", b(43)], 100000, 1780290000000, "visit", [],
    ],
    "capture_hold": [1021, b(46), b(43), 18000],
    "release_hold": [1022, b(46), "left_early"],
    **money_forms.OPERATIONS,
    **visit_vectors.OPERATIONS,
    **split_forms.OPERATIONS,
}  # fmt: skip
CHAIN = b(0xC0)
ENTRIES = [[True, REVERSE], [False, ISSUE]]
KEY_ID = tagged("key", [1, public(7)])
OPERATIONS_ROOT = node(leaf(pack(ENTRIES[0])), leaf(pack(ENTRIES[1])))
HEAD = [CHAIN, "hospital-a", KEY_ID, 1300, OPERATIONS_ROOT, 2]
TRANSACTION_DIGEST = tagged("transaction", HEAD)
TRANSACTION = ["hospital-a", KEY_ID, 1300, ENTRIES, 1, private_key(7).sign(TRANSACTION_DIGEST)]
PARAMETERS = [480, "33", "06", [1, 2, 3, 4], 600000, 20, 2000, 20000, 16777216, 10000, 30, 300000, 1000, [200, 301]]
MEMBERS = [[f"validator-{number}", public(16 + number)] for number in range(4)]
HEADER = [1, CHAIN, 300, b(8), 1780286401000, "validator-1", b(9), b(10), 3, b(11), 70000, b(12), b(13), b(14)]
HEADER_DIGEST = tagged("header", HEADER)
COMMIT_MESSAGE = tagged("vote", [CHAIN, 1, 2, 2, 300, HEADER_DIGEST])
CERTIFICATE = [2, [[seat, private_key(16 + seat).sign(COMMIT_MESSAGE)] for seat in (0, 1, 3)]]
OUTCOMES = [
    [TRANSACTION_DIGEST, 0, tagged("operation", REVERSE), "linked_failed"],
    [TRANSACTION_DIGEST, 1, tagged("operation", ISSUE), "number_outside_lease"],
]
ORGANISATION = ["第一医院", "hospital", "330600", 4, "finance-city", ["A01", "A02"], 2, "key_lost", 3]
BODIES: dict[str, list[Any]] = {
    "organisation": ORGANISATION,
    "key": [public(7), 1, 1, 1, 2**53],
    "keys": [[b(34), b(35)]],
    "holder": ["hospital-a"],
    "authority": [b"DER"],
    "admitted": [["hospital-c", "hospital-d"]],
    "supervised": [["hospital-a", "hospital-b"]],
    "validators": [1, MEMBERS],
    "change": [1, CHANGES, 900, "validator-0", ["validator-0", "validator-2"], 0],
    "renewal": [b(31), 600, 602],
    "range": [1, 100000, 2001, [["finance-city", "33060126", 1]]],
    "ranges": [[1, 200001]],
    "lease": [1001, 1000, "hospital-a-2", "A02", True],
    "catalogue": [20270101, 1780286400000, CATALOGUE],
    "catalogues": [[["charges", [[20270101, 1780286400000]]]]],
    "clearance": ["finance-city", 990, 3, 3, 1, 3],
    "leases": [[1001, 3001]],
    "bill": ["hospital-a", 1, "A01", 20260601, 1780286400000, 12345, PARTS, 100, 200, b(3), 300, 2, [RED], 2, "lost"],
    "business": [BILL, b(2)],
    "unused": ["superseded"],
    "watermark": [41],
    "seal": [41, b(5)],
    "day_book": [[[1, 2, 24690, 1, -12345, 1, 12345, PARTS]]],
    "parameters": PARAMETERS,
    "reason": ["mistyped"],
    "circulation": [2, "fees_owed"],
    "delivery": [1780286460000],
    "payer": [b(42), 303],
    "paper": [2, "33060001", 1],
    "form": [BILL, ""],
    "booking": [2, "employer-a", 12345, b(37)],
    "settlement": ["hospital-a", 3, [BILL]],
    "settled": ["insurance", b(42)],
    "joined": [PARTS],
    "fund_payment": [6000, 20260620, b(43)],
    "claim": [BILL, 3, 300, 250, 1780290000000, 302],
    "claims": [[["insurer-a", b(38)]]],
    "claim_step": ["", b(39)],
    "bound": [b(42)],
    "dispute": [3, 2, b(42), "not_me", "upheld", 1780290000000],
    "grant": [BILL, "insurer-a", [6, 7], "reimbursement", 1780290000000, b(43), 2, 303],
    "grants": [3, [["finance-city", b(42)]]],
    "proxy": [b(43), b(44), 1790000000000, False],
    "proxy_end": [1785000000000],
    "accesses": [5, 9, b(45)],
    "account": ["deposit", 2, True, 5000, 118000, [["hospital-a", b(46), 100000, 1780290000000]], False, "deposits"],
    "transfer": [
        ["hospital-a", b(42)], ["hospital-b", b(43)], 5000, "sale", [b(44)], [], 2000, 1780286400000,
    ],
    "held": [
        ["hospital-a", b(42)], ["hospital-b", b(43)], 100000, 1780290000000, "visit", [], 2, 18000,
    ],
    **money_forms.BODIES,
    **visit_vectors.BODIES,
    **split_forms.BODIES,
}  # fmt: skip
RECORD = [2, 301, b(20), tagged("operation", ISSUE), tagged("operation", REVERSE), pack(BODIES["bill"])]


def test_the_files_hold_what_the_script_writes() -> None:
    """`python -m tests.vectors.make_vectors` changes nothing; if it does, the protocol has changed."""
    for name in make_vectors.FILES:
        assert (FOLDER / name).read_text(encoding="utf-8") == make_vectors.content(name), name


@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operation(name: str) -> None:
    vector = vectors("operations.json")[name]
    assert vector["bytes"] == pack(OPERATIONS[name]).hex()
    assert vector["digest"] == tagged("operation", OPERATIONS[name]).hex()
    decode(bytes.fromhex(vector["bytes"]), Operation)


def test_every_operation_has_a_vector() -> None:
    assert {type(operation) for operation in make_vectors.OPERATIONS.values()} == set(Operation.__args__)  # type: ignore[attr-defined]


def test_every_vector_of_an_operation_is_made_by_another_library_too() -> None:
    assert set(make_vectors.OPERATIONS) == set(vectors("operations.json")) == set(OPERATIONS)


def test_a_transaction_its_head_and_its_signature() -> None:
    assert vectors("transactions.json") == {
        "entry": pack(ENTRIES[0]).hex(),
        "entry_leaf": leaf(pack(ENTRIES[0])).hex(),
        "operations_root": OPERATIONS_ROOT.hex(),
        "head": {"bytes": pack(HEAD).hex(), "digest": TRANSACTION_DIGEST.hex()},
        "transaction": pack(TRANSACTION).hex(),
        "public_key": public(7).hex(),
        "key_id": KEY_ID.hex(),
        "key_digest": KEY_ID.hex(),
        "signature": private_key(7).sign(TRANSACTION_DIGEST).hex(),
    }
    decode(pack(TRANSACTION), Transaction)


def test_a_block_its_votes_and_its_validators() -> None:
    digests = [TRANSACTION_DIGEST, b(21), b(22)]
    block = [HEADER, [TRANSACTION]]
    assert vectors("blocks.json") == {
        "header": {"bytes": pack(HEADER).hex(), "digest": HEADER_DIGEST.hex()},
        "outcome": pack(OUTCOMES[0]).hex(),
        "outcomes_root": tree([leaf(pack(outcome)) for outcome in OUTCOMES]).hex(),
        "transactions_root": tree([leaf(pack([digest])) for digest in digests]).hex(),
        "block": pack(block).hex(),
        "certificate": pack(CERTIFICATE).hex(),
        "final_block": pack([block, CERTIFICATE]).hex(),
        "history_leaf": pack([HEADER_DIGEST]).hex(),
        "history_root": tree([leaf(pack([b(number)])) for number in range(5)]).hex(),
        "vote_prepare": tagged("vote", [CHAIN, 1, 1, 2, 300, HEADER_DIGEST]).hex(),
        "vote_commit": COMMIT_MESSAGE.hex(),
        "validator_set": {
            "bytes": pack([1, MEMBERS]).hex(),
            "digest": tagged("validator-set", [1, MEMBERS]).hex(),
        },
    }
    decode(pack([block, CERTIFICATE]), FinalBlock)
    decode(pack(HEADER), Header)


def test_genesis_its_chain_id_and_its_state() -> None:
    organisations: list[list[Any]] = [
        ["finance", "Finance", "finance", "330000", 1, "", [], b"\x30\x00"],
        ["hospital-a", "第一医院", "hospital", "330600", 4, "finance", ["A01"], b""],
        *([f"validator-{number}", "Validator", "health", "330000", 1, "", [], b""] for number in range(4)),
    ]
    parent = ["finance", "33060126", 1]
    ranges: list[list[Any]] = [["finance", "33060126", 1, 1000, []], ["hospital-a", "33060126", 1, 500, [parent]]]
    genesis = [1, "vectors", 1780286340000, PARAMETERS, organisations, [["hospital-a", 1, public(7)]], MEMBERS, ranges]
    bodies: dict[str, list[Any]] = {"parameters": PARAMETERS, "validators": [1, MEMBERS]}
    for entry in organisations:
        bodies[f"organisation/{entry[0]}"] = [*entry[1:7], 1, "", 0]
    for number in range(4):
        vote_key = tagged("key", [1, public(16 + number)])
        bodies[f"key/validator-{number}/{vote_key.hex()}"] = [public(16 + number), 3, 1, 1, 2**53]
        bodies[f"holder/{vote_key.hex()}"] = [f"validator-{number}"]
    bodies[f"key/hospital-a/{KEY_ID.hex()}"] = [public(7), 1, 1, 1, 2**53]
    bodies[f"holder/{KEY_ID.hex()}"] = ["hospital-a"]
    bodies["keys/hospital-a"] = [[KEY_ID]]
    bodies["supervised/finance"] = [["hospital-a"]]
    bodies["range/finance/33060126/0000000001"] = [1, 1000, 501, []]
    bodies["range/hospital-a/33060126/0000000001"] = [1, 500, 1, [parent]]
    bodies["ranges/finance/33060126"] = [[1]]
    bodies["ranges/hospital-a/33060126"] = [[1]]
    records = [(key, pack([1, 0, bytes(32), bytes(32), bytes(32), pack(body)])) for key, body in sorted(bodies.items())]

    found = vectors("genesis.json")
    assert found["genesis"] == {"bytes": pack(genesis).hex(), "digest": tagged("genesis", genesis).hex()}
    assert found["records"] == [[key, record.hex()] for key, record in records]
    leaves = [b"\x92" + pack(key.encode()) + record for key, record in records]
    assert found["state_root"] == tree([leaf(entry) for entry in leaves]).hex()
    assert found["state_count"] == len(records)
    assert genesis_from_json(found["json"]) == decode(pack(genesis), Genesis)


def test_records_their_keys_and_their_leaf() -> None:
    found = vectors("records.json")
    assert found["keys"] == {
        "parameters": "parameters",
        "organisation": "organisation/hospital-a",
        "key": f"key/hospital-a/{KEY_ID.hex()}",
        "keys": "keys/hospital-a",
        "holder": f"holder/{KEY_ID.hex()}",
        "supervised": "supervised/finance-city",
        "authority": "authority/hospital-c",
        "admitted": "admitted",
        "validators": "validators",
        "change": "change/" + "24" * 32,
        "renewal": "renewal/validator-1",
        "renewal_number": "renewal/validator-1/" + "1f" * 32,
        "range": "range/hospital-a/33060126/0000000001",
        "ranges": "ranges/hospital-a/33060126",
        "lease": "lease/hospital-a/33060126/0000001001",
        "catalogue": "catalogue/finance-city/charges/000002",
        "catalogues": "catalogues/finance-city",
        "clearance": "clearance/hospital-a/33060126/0000001001",
        "leases": "leases/hospital-a/hospital-a-2/33060126",
        "bill": f"bill/{BILL}",
        "business": "business/hospital-a/" + "01" * 32,
        "unused": f"unused/{BILL}",
        "watermark": "watermark/finance-city/hospital-a",
        "seal": "seal/finance-city/hospital-a/000000000041",
        "release": "release/finance-city/" + "06" * 32,
        "day_book": "daybook/hospital-a/A01/20260601",
        "void": f"void/{BILL}",
        "circulation": f"circulation/{BILL}",
        "hold": f"hold/{BILL}",
        "made_up": f"madeup/{BILL}",
        "delivery": f"delivery/{BILL}/sms",
        "payer": f"payer/{BILL}",
        "paper": f"paper/{BILL}",
        "form": "form/hospital-a/33060001",
        "form_end": "formend/hospital-a/33060001",
        "booking": f"booking/{BILL}/2",
        "acknowledgement": f"acknowledged/{BILL}",
        "settlement": "settlement/insurance/" + "2a" * 32,
        "settled": f"settled/{BILL}",
        "joined": "joined/insurance/" + "2a" * 32 + f"/{BILL}",
        "fund_payment": "fundpaid/insurance/" + "2a" * 32,
        "settlement_withdrawal": "unsettled/insurance/" + "2a" * 32,
        "claims": f"claims/{BILL}",
        "claim": "claim/insurer-a/" + "26" * 32,
        "claim_step": "claim/insurer-a/" + "26" * 32 + "/decided",
        "bound": f"bound/{BILL}",
        "dispute": f"dispute/{BILL}",
        "dispute_step": f"dispute/{BILL}/2/settled",
        "grants": f"grants/{BILL}",
        "grant": "grant/finance-city/" + "2a" * 32,
        "grant_end": "grant/finance-city/" + "2a" * 32 + "/revoked",
        "proxy": "proxy/finance-city/" + "2a" * 32,
        "proxy_end": "proxyend/finance-city/" + "2a" * 32,
        "accesses": "accesses/finance-city",
        "account": "account/hospital-a/" + "2a" * 32,
        "account_end": "accountend/hospital-a/" + "2a" * 32,
        "transfer": "transfer/hospital-a/" + "2b" * 32,
        "held": "held/hospital-a/" + "2e" * 32,
        "let_go": "letgo/hospital-a/" + "2e" * 32,
        **money_forms.KEYS,
        **visit_vectors.KEYS,
        **split_forms.KEYS,
    }
    assert found["bodies"] == {name: pack(body).hex() for name, body in BODIES.items()}
    assert found["record"] == {"bytes": pack(RECORD).hex(), "digest": tagged("record", RECORD).hex()}
    access = [9, b(46), BILL, "hospital-a", "finance", "auditor", "auditor-07", b(42), "audit", "2026-17", 300]
    access += [1780286401000, 1782878401000, ["items", "payer_name"]]
    assert found["access"] == {"bytes": pack(access).hex(), "digest": tagged("access", access).hex()}
    state_leaf = pack([f"bill/{BILL}".encode(), RECORD])
    assert found["state_leaf"] == state_leaf.hex()
    assert found["state_leaf_hash"] == leaf(state_leaf).hex()
    decode(pack(RECORD), Record)


# ── details ──────────────────────────────────────────────────────────────────────────────────────────────────────────

SEED = b(0x5E)


def expand(info: str, length: int) -> bytes:
    """RFC 5869, 2.3, by another library."""
    return HKDFExpand(SHA256(), length, info.encode()).derive(SEED)


def salts(bill: str, name: str, count: int) -> list[bytes]:
    stream = expand(f"medbill/1/salt/{bill}/{name}/0", 16 * count)
    return [stream[16 * place : 16 * place + 16] for place in range(count)]


def slot_leaf(bill: str, field: int, index: int, salt: bytes, value: Any) -> bytes:
    return leaf(pack([1, bill, field, index, salt, value]))


def slots(bill: str, fields: dict[int, Any]) -> list[bytes]:
    """32 leaf hashes; 6, 7 and 8 are lists of at least 16 rows."""
    hashes = []
    for field, salt in enumerate(salts(bill, "slots", 32)):
        value = fields.get(field)
        if field in (6, 7, 8):
            rows = [*(value or []), *[None] * 16][:16]
            row_salts = salts(bill, str(field), 16)
            value = tree([slot_leaf(bill, field, place + 1, row_salts[place], rows[place]) for place in range(16)])
        hashes.append(slot_leaf(bill, field, 0, salt, value))
    return hashes


def characters(number: int) -> str:
    alphabet = "0123456789abcdefghijklmnopqrstuvwxyz"
    return "".join(alphabet[number // 36**place % 36] for place in range(6))


def test_details_their_salts_their_root_and_their_codes() -> None:
    code = {bill: characters(int.from_bytes(expand(f"medbill/1/check-code/{bill}", 16), "big")) for bill in (BILL, RED)}
    token = {bill: expand(f"medbill/1/token/{bill}", 16).hex() for bill in (BILL, RED)}
    charge = ["01", "西药费", 12345, 1000, ""]
    item = ["01", "D1", "drug", 1500, 823000, 12345, "10mg", "box"]
    fields: dict[int, Any] = {
        0: "B-7",
        1: "2026-06-01T12:00:00+08:00",
        2: "person",
        3: "张三",
        4: "test",
        5: "TEST-1",
        6: [charge],
        7: [item],
        8: [["department", "内科"]],
        9: "test",
        10: "cashier",
        12: code[BILL],
        13: token[BILL],
        14: "none",
    }
    red: dict[int, Any] = {
        1: "2026-06-02T12:00:00+08:00",
        10: "cashier",
        12: code[RED],
        13: token[RED],
        15: "wrong payer",
    }
    visit = ["", "", "", "", "", "", "", "", "", "", "内科", "", "", "", "", "", "", "", "test", 0, 0, 0]
    content = ["outpatient", "B-7", "A01", ["张三", "person", "test", "TEST-1"], 12345, PARTS, 100, 200, [charge]]
    content += [[item], visit, "none"]
    payer: dict[int, Any] = {
        1: "2026-06-03T12:00:00+08:00",
        2: "person",
        3: "李四",
        4: "test",
        5: "TEST-2",
        10: "cashier",
    }
    hashes = slots(BILL, fields)
    opened = []
    for field, value in ((3, "张三"), (6, [charge]), (15, None)):
        shown = [salts(BILL, "slots", 32)[field], *(salts(BILL, "6", 16) if field == 6 else [])]
        opened.append([field, value, shown, path_of(hashes, field)])

    found = vectors("details.json")
    assert found == {
        "details": pack([BILL, SEED, [[number, value] for number, value in fields.items()]]).hex(),
        "details_root": tree(hashes).hex(),
        "expanded": expand("info", 70).hex(),
        "check_code": code[BILL],
        "token": token[BILL],
        "reversal": pack([RED, SEED, [[number, value] for number, value in red.items()]]).hex(),
        "reversal_root": tree(slots(RED, red)).hex(),
        "opened": [pack(entry).hex() for entry in opened],
        "business_mac": hmac.new(SEED, b"\x12medbill/1/business" + pack(["B-7"]), "sha256").hexdigest(),
        "content_mac": hmac.new(SEED, b"\x11medbill/1/content" + pack(content), "sha256").hexdigest(),
        "grouped_root": tree(slots(BILL, {**fields, 16: "G-1"})).hex(),
        "grouped_content_mac": hmac.new(SEED, b"\x11medbill/1/content" + pack([*content, "G-1"]), "sha256").hexdigest(),
        "payer": pack([BILL, SEED, [[number, value] for number, value in payer.items()]]).hex(),
        "payer_root": tree(slots(BILL, payer)).hex(),
    }
    decode(bytes.fromhex(found["details"]), Details)
    decode(bytes.fromhex(found["opened"][1]), OpenedField)


def path_of(hashes: list[bytes], index: int) -> list[bytes]:
    """RFC 6962, PATH(m, D[n]), over leaf hashes."""
    if len(hashes) == 1:
        return []
    split = 1
    while split * 2 < len(hashes):
        split *= 2
    if index < split:
        return [*path_of(hashes[:split], index), tree(hashes[split:])]
    return [*path_of(hashes[split:], index - split), tree(hashes[:split])]


def test_a_proof() -> None:
    witness = ["hospital-a", KEY_ID, 5, 9, pack(RECORD), [b(23), b(24)]]
    recorded = [ENTRIES[1], 1, [b(25)], HEAD, 1, TRANSACTION[5], witness, HEADER, OUTCOMES[1], 2, [b(26)], HEADER]
    recorded.append(CERTIFICATE)
    found = vectors("proof.json")
    assert found["bare"] == pack([1, [], recorded, None, None, []]).hex()
    opened = msgpack.unpackb(bytes.fromhex(vectors("details.json")["opened"][0]))
    full = [
        1,
        [[HEADER, CERTIFICATE, [1, MEMBERS]]],
        recorded,
        [recorded, HEADER, [b(27)]],
        [6, RECORD, [b(28)], HEADER, CERTIFICATE],
        [opened],
    ]
    assert found["full"] == pack(full).hex()
    decode(bytes.fromhex(found["full"]), Proof)


@pytest.mark.parametrize(
    "kind",
    [
        "operation",
        "transaction",
        "header",
        "vote",
        "view-change",
        "new-view",
        "validator-set",
        "genesis",
        "key",
        "record",
        "access",
    ],
)
def test_no_two_kinds_of_thing_share_a_digest(kind: str) -> None:
    prefix = getattr(digest, kind.upper().replace("-", "_"))
    assert digest.digest(prefix, [1, b"x"]) == tagged(kind, [1, b"x"])
