"""Write the byte vectors of `chain`: python -m tests.vectors.make_vectors

Each file holds fixed values in the bytes that this program gives them. `tests/chain/test_vectors.py` builds the same
values out of plain lists with another MessagePack library and `hashlib`, and compares; it also runs this script and
finds nothing changed. A vector that changes is a change of the protocol: every signature and proof made before breaks.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec

from chain import keyspace
from chain.accesses import Access
from chain.bill import BillRequest, Charge, Item, Payer, PaymentParts, Visit
from chain.block import Block, FinalBlock, Header, Outcome, history_leaf, outcomes_root, transactions_root
from chain.catalogue import (
    CatalogueVersion,
    ChargeName,
    ChargesCatalogue,
    FacesCatalogue,
    FaceTitle,
    ItemPlace,
    ItemsCatalogue,
)
from chain.codec import encode
from chain.details import (
    business_mac,
    check_code,
    content_mac,
    details_of,
    details_root,
    expand,
    open_fields,
    payer_details,
    reversal_details,
    token,
)
from chain.digest import KEY, digest
from chain.execute import KeyWitness
from chain.genesis import Genesis, GenesisKey, GenesisOrganisation, GenesisRange, genesis_records, genesis_to_json
from chain.merkle import hash_leaf, root
from chain.operation import (
    AccountRef,
    AcknowledgeReversal,
    AddKey,
    AdmitOrganisation,
    AllotRange,
    AnchorAccesses,
    ApproveChange,
    BindHolder,
    BindPayer,
    BookBill,
    CaptureHold,
    ClearLease,
    CloseAccount,
    CloseOrganisation,
    DecideClaim,
    DeliverBill,
    DisputeBill,
    EndKey,
    EndProxy,
    GrantProxy,
    GrantRead,
    HoldBill,
    HoldMoney,
    IssueBill,
    JoinSettlement,
    LockClaim,
    MakeUpPayment,
    OpenAccount,
    PayClaim,
    PayFund,
    Payments,
    PrintPaper,
    ProposeChange,
    PublishCatalogue,
    RangeRef,
    ReleaseClaim,
    ReleaseHold,
    Renew,
    ReportUnused,
    ResumeOrganisation,
    ReverseBill,
    RevokeGrant,
    SealBills,
    SealException,
    SealSegment,
    SeatChange,
    SettleDispute,
    SuspendOrganisation,
    TakeBackPaper,
    TakeLease,
    Transfer,
    TransferRef,
    VoidBill,
    VoidBlanks,
    WithdrawSettlement,
    operation_digest,
)
from chain.proof import CurrentRecord, Proof, SealProof, SetChange
from chain.recorded import Recorded
from chain.records import (
    AccessesBody,
    AccountBody,
    AdmittedBody,
    AuthorityBody,
    BillBody,
    BookingBody,
    BoundBody,
    BusinessBody,
    CatalogueBody,
    CataloguesBody,
    CatalogueVersions,
    ChangeBody,
    CirculationBody,
    ClaimBody,
    ClaimRef,
    ClaimsBody,
    ClaimStepBody,
    ClearanceBody,
    DayBookBody,
    DeliveryBody,
    DisputeBody,
    FormBody,
    FundPaymentBody,
    GrantBody,
    GrantRef,
    GrantsBody,
    HeldMoney,
    HoldBody,
    HolderBody,
    JoinedBody,
    KeyBody,
    KeysBody,
    KindTotals,
    LeaseBody,
    LeasesBody,
    OrganisationBody,
    PaperBody,
    ParametersBody,
    PayerBody,
    ProxyBody,
    ProxyEndBody,
    RangeBody,
    RangesBody,
    ReasonBody,
    Record,
    RenewalBody,
    SealBody,
    SettledBody,
    SettlementBody,
    SupervisedBody,
    TransferBody,
    UnusedBody,
    ValidatorsBody,
    WatermarkBody,
    state_leaf,
)
from chain.signature import SigningKey
from chain.state import genesis_change
from chain.transaction import Entry, key_id, operations_root, sign_transaction
from chain.validators import COMMIT, PREPARE, Certificate, Member, SeatSignature, ValidatorSet, vote_message
from tests.vectors import money_values, splits, visit_values

FOLDER = Path(__file__).parent
SOURCE = "tests/vectors/make_vectors.py"

Vectors = dict[str, Any]  # name -> hex, or {"bytes": hex, "digest": hex}


def filled(number: int, length: int = 32) -> bytes:
    return bytes([number]) * length


CHAIN = filled(0xC0)
BILL, RED = "330601260000000007", "330601260000000008"
PARTS = Payments(6000, 0, 45, 6300)
SEGMENT = RangeRef("hospital-a", "33060126", 1)
ISSUE = IssueBill(
    BILL, 1, "A01", 20260601, 1780286400000, 12345, PARTS, 100, 200, 1, filled(1), filled(2), filled(3)
)  # fmt: skip
REVERSE = ReverseBill(
    RED,
    BILL,
    "A01",
    20260602,
    1780372800000,
    -12345,
    Payments(-6000, 0, -45, -6300),
    -100,
    -200,
    1,
    filled(4),
    [filled(40), filled(41)],
)
SEAL = SealBills(
    [SealSegment("hospital-a", 0, 41), SealSegment("hospital-b", 12, 40)],
    filled(5),
    [SealException(BILL, "details_missing")],
    [RED],
)
CHANGES = [
    SeatChange("bank", [SigningKey.from_seed(filled(30)).public]),
    SeatChange("validator-3", []),
]
PROPOSAL = ProposeChange(1, CHANGES, 900)
CATALOGUE = ChargesCatalogue([ChargeName("0802", "诊查费"), ChargeName("0809", "西药费")])
WALLET, TILL = AccountRef("hospital-a", filled(42)), AccountRef("hospital-b", filled(43))
OPERATIONS = {
    "propose_change": PROPOSAL,
    "approve_change": ApproveChange(operation_digest(PROPOSAL)),
    "renew": Renew(filled(31)),
    "add_key": AddKey(SigningKey.from_seed(filled(32)).public, 2, 1, 701),
    "end_key": EndKey(filled(33), 800),
    "admit_organisation": AdmitOrganisation(
        *("hospital-c", "第三医院", "hospital", "331000", ["C01"]),
        *(SigningKey.from_seed(filled(42)).public, b"DER", [filled(40), filled(41)]),
    ),
    "suspend_organisation": SuspendOrganisation("hospital-a", "key_lost", 2, [filled(40), filled(41)]),
    "resume_organisation": ResumeOrganisation("hospital-a", 3, []),
    "close_organisation": CloseOrganisation("hospital-a", "merged", 0, []),
    "publish_catalogue": PublishCatalogue(2, 20270101, CATALOGUE, [filled(40), filled(41)]),
    "publish_items": PublishCatalogue(1, 20261201, ItemsCatalogue([ItemPlace("H2004", "0809")]), []),
    "publish_faces": PublishCatalogue(
        1,
        20261201,
        FacesCatalogue([FaceTitle(1, "门诊收费票据", "门诊收费清单")], ["项目", "数量", "单位", "金额"], []),
        [],
    ),
    "allot_range": AllotRange(RangeRef("finance-city", "33060126", 1), 100001, 50000, "hospital-b", []),
    "take_lease": TakeLease(SEGMENT, 1001, 1000, "hospital-a-2", "A02"),
    "report_unused": ReportUnused(BILL, 1, "superseded"),
    "issue_bill": ISSUE,
    "reverse_bill": REVERSE,
    "seal_bills": SEAL,
    "void_bill": VoidBill(BILL, "mistyped"),
    "deliver_bill": DeliverBill(BILL, "sms", 1780286460000),
    "hold_bill": HoldBill(BILL, "fees_owed"),
    "make_up_payment": MakeUpPayment(BILL),
    "bind_payer": BindPayer(BILL, filled(42)),
    "print_paper": PrintPaper(BILL, "33060001"),
    "take_back_paper": TakeBackPaper(BILL, "33060001", "damaged"),
    "void_blanks": VoidBlanks(["33060002", "33060003"], "torn"),
    "book_bill": BookBill(BILL, 2, 12345, filled(37)),
    "acknowledge_reversal": AcknowledgeReversal(BILL),
    "join_settlement": JoinSettlement(filled(42), BILL, PARTS),
    "pay_fund": PayFund(filled(42), "hospital-a", 6000, 20260620, filled(43)),
    "withdraw_settlement": WithdrawSettlement(filled(42), "bill_reversed"),
    "clear_lease": ClearLease("hospital-a", "33060126", 1001, 990, 3, 3, 1, 3),
    "lock_claim": LockClaim(filled(38), BILL, 300, 1780290000000),
    "decide_claim": DecideClaim(filled(38), 250),
    "pay_claim": PayClaim(filled(38), filled(39)),
    "release_claim": ReleaseClaim(filled(38), "withdrawn"),
    "bind_holder": BindHolder(BILL, filled(42)),
    "dispute_bill": DisputeBill(BILL, filled(42), "not_me", 2),
    "settle_dispute": SettleDispute(BILL, "upheld", 2),
    "grant_read": GrantRead(filled(42), BILL, "insurer-a", [6, 7], "reimbursement", 1780290000000, filled(43)),
    "revoke_grant": RevokeGrant("finance-city", filled(42), "holder_asked"),
    "grant_proxy": GrantProxy(filled(42), filled(43), filled(44), 1790000000000),
    "end_proxy": EndProxy(filled(42)),
    "anchor_accesses": AnchorAccesses(5, 9, filled(45)),
    "open_account": OpenAccount(filled(42), "deposit", 2, True),
    "close_account": CloseAccount(filled(42)),
    "transfer": Transfer(filled(43), WALLET, TILL, 5000, "sale", [filled(44)], [TransferRef("hospital-b", filled(45))]),
    "hold_money": HoldMoney(filled(46), WALLET, TILL, 100000, 1780290000000, "visit", []),
    "capture_hold": CaptureHold(filled(46), filled(43), 18000),
    "release_hold": ReleaseHold(filled(46), "left_early"),
    **money_values.OPERATIONS,
    **visit_values.OPERATIONS,
    **splits.OPERATIONS,
}
ACCESS = Access(
    9, filled(46), BILL, "hospital-a", "finance", "auditor", "auditor-07", filled(42), "audit", "2026-17", 300,
    1780286401000, 1782878401000, ["items", "payer_name"],
)  # fmt: skip
KEY_PAIR = SigningKey.from_seed(filled(7))
PARAMETERS = ParametersBody(
    480, "33", "06", [1, 2, 3, 4], 600000, 20, 2000, 20000, 16777216, 10000, 30, 300000, 1000, [200, 301]
)  # fmt: skip
MEMBERS = [Member(f"validator-{number}", SigningKey.from_seed(filled(16 + number)).public) for number in range(4)]
SET = ValidatorSet(1, MEMBERS)
HEADER = Header(
    1, CHAIN, 300, filled(8), 1780286401000, "validator-1", filled(9), filled(10), 3, filled(11), 70000, filled(12),
    filled(13), filled(14),
)  # fmt: skip
ENTRIES = [Entry(True, REVERSE), Entry(False, ISSUE)]
TRANSACTION = sign_transaction(CHAIN, "hospital-a", KEY_PAIR, 1300, ENTRIES)
HEAD = TRANSACTION.head(CHAIN)
OUTCOMES = [
    Outcome(HEAD.digest(), 0, operation_digest(REVERSE), "linked_failed"),
    Outcome(HEAD.digest(), 1, operation_digest(ISSUE), "number_outside_lease"),
]
CERTIFICATE = Certificate(
    2,
    [
        SeatSignature(
            seat,
            SigningKey.from_seed(filled(16 + seat)).sign(vote_message(CHAIN, 1, COMMIT, 2, 300, HEADER.digest())),
        )
        for seat in (0, 1, 3)
    ],
)
BODIES = {
    "organisation": OrganisationBody("第一医院", "hospital", "330600", 4, "finance-city", ["A01", "A02"], 2, "key_lost", 3),
    "key": KeyBody(KEY_PAIR.public, 1, 1, 1, 2**53),
    "keys": KeysBody([filled(34), filled(35)]),
    "holder": HolderBody("hospital-a"),
    "authority": AuthorityBody(b"DER"),
    "admitted": AdmittedBody(["hospital-c", "hospital-d"]),
    "supervised": SupervisedBody(["hospital-a", "hospital-b"]),
    "validators": ValidatorsBody(1, MEMBERS),
    "change": ChangeBody(1, CHANGES, 900, "validator-0", ["validator-0", "validator-2"], 0),
    "renewal": RenewalBody(filled(31), 600, 602),
    "range": RangeBody(1, 100000, 2001, [RangeRef("finance-city", "33060126", 1)]),
    "ranges": RangesBody([1, 200001]),
    "lease": LeaseBody(1001, 1000, "hospital-a-2", "A02", True),
    "catalogue": CatalogueBody(20270101, 1780286400000, CATALOGUE),
    "catalogues": CataloguesBody([CatalogueVersions("charges", [CatalogueVersion(20270101, 1780286400000)])]),
    "clearance": ClearanceBody("finance-city", 990, 3, 3, 1, 3),
    "leases": LeasesBody([1001, 3001]),
    "bill": BillBody(
        "hospital-a", 1, "A01", 20260601, 1780286400000, 12345, PARTS, 100, 200, filled(3), 300, 2, [RED], 2,
        "lost",
    ),
    "business": BusinessBody(BILL, filled(2)),
    "unused": UnusedBody("superseded"),
    "watermark": WatermarkBody(41),
    "seal": SealBody(41, filled(5)),
    "day_book": DayBookBody([KindTotals(1, 2, 24690, 1, -12345, 1, 12345, PARTS)]),
    "parameters": PARAMETERS,
    "reason": ReasonBody("mistyped"),
    "circulation": CirculationBody(2, "fees_owed"),
    "delivery": DeliveryBody(1780286460000),
    "payer": PayerBody(filled(42), 303),
    "paper": PaperBody(2, "33060001", 1),
    "form": FormBody(BILL, ""),
    "booking": BookingBody(2, "employer-a", 12345, filled(37)),
    "settlement": SettlementBody("hospital-a", 3, [BILL]),
    "settled": SettledBody("insurance", filled(42)),
    "joined": JoinedBody(PARTS),
    "fund_payment": FundPaymentBody(6000, 20260620, filled(43)),
    "claim": ClaimBody(BILL, 3, 300, 250, 1780290000000, 302),
    "claims": ClaimsBody([ClaimRef("insurer-a", filled(38))]),
    "claim_step": ClaimStepBody("", filled(39)),
    "bound": BoundBody(filled(42)),
    "dispute": DisputeBody(3, 2, filled(42), "not_me", "upheld", 1780290000000),
    "grant": GrantBody(BILL, "insurer-a", [6, 7], "reimbursement", 1780290000000, filled(43), 2, 303),
    "grants": GrantsBody(3, [GrantRef("finance-city", filled(42))]),
    "proxy": ProxyBody(filled(43), filled(44), 1790000000000, False),
    "proxy_end": ProxyEndBody(1785000000000),
    "accesses": AccessesBody(5, 9, filled(45)),
    "account": AccountBody("deposit", 2, True, 5000, 118000, [HeldMoney("hospital-a", filled(46), 100000, 1780290000000)], False, "deposits"),
    "transfer": TransferBody(WALLET, TILL, 5000, "sale", [filled(44)], [], 2000, 1780286400000),
    "held": HoldBody(WALLET, TILL, 100000, 1780290000000, "visit", [], 2, 18000),
    **money_values.BODIES,
    **visit_values.BODIES,
    **splits.BODIES,
}  # fmt: skip
RECORD = Record(2, 301, filled(20), operation_digest(ISSUE), operation_digest(REVERSE), encode(BODIES["bill"]))
GENESIS = Genesis(
    1,
    "vectors",
    1780286340000,
    PARAMETERS,
    [
        GenesisOrganisation("finance", "Finance", "finance", "330000", 1, "", [], b"\x30\x00"),
        GenesisOrganisation("hospital-a", "第一医院", "hospital", "330600", 4, "finance", ["A01"], b""),
        *(
            GenesisOrganisation(f"validator-{number}", "Validator", "health", "330000", 1, "", [], b"")
            for number in range(4)
        ),
    ],
    [GenesisKey("hospital-a", 1, KEY_PAIR.public)],
    MEMBERS,
    [GenesisRange("finance", "33060126", 1, 1000, []), GenesisRange("hospital-a", "33060126", 1, 500,
     [RangeRef("finance", "33060126", 1)])],
)  # fmt: skip
SEED = filled(0x5E)
REQUEST = BillRequest(
    kind="outpatient",
    business_no="B-7",
    business_time="2026-06-01T12:00:00+08:00",
    place_code="A01",
    payer=Payer("张三", "person", "test", "TEST-1"),
    total_fen=12345,
    payments=PaymentParts(6000, 0, 45, 6300),
    charges=[Charge("01", "西药费", 12345)],
    cashier="cashier",
    items=[Item("01", "D1", "drug", 1500, 823000, 12345, "10mg", "box")],
    self_paid_fen=100,
    self_funded_fen=200,
    visit=Visit(department="内科", diagnosis="test"),
    remark="none",
)


def plain(value: Any) -> str:
    return encode(value).hex()


def with_digest(value: Any) -> dict[str, str]:
    return {"bytes": plain(value), "digest": value.digest().hex()}


def operations() -> Vectors:
    return {
        name: {"bytes": plain(operation), "digest": operation_digest(operation).hex()}
        for name, operation in OPERATIONS.items()
    }


def transactions() -> Vectors:
    return {
        "entry": plain(ENTRIES[0]),
        "entry_leaf": hash_leaf(encode(ENTRIES[0])).hex(),
        "operations_root": operations_root(ENTRIES).hex(),
        "head": with_digest(HEAD),
        "transaction": plain(TRANSACTION),
        "public_key": KEY_PAIR.public.hex(),
        "key_id": key_id(KEY_PAIR.public).hex(),
        "key_digest": digest(KEY, [1, KEY_PAIR.public]).hex(),
        "signature": TRANSACTION.signature.hex(),
    }


def blocks() -> Vectors:
    block = Block(HEADER, [TRANSACTION])
    return {
        "header": with_digest(HEADER),
        "outcome": plain(OUTCOMES[0]),
        "outcomes_root": outcomes_root(OUTCOMES).hex(),
        "transactions_root": transactions_root([HEAD.digest(), filled(21), filled(22)]).hex(),
        "block": plain(block),
        "certificate": plain(CERTIFICATE),
        "final_block": plain(FinalBlock(block, CERTIFICATE)),
        "history_leaf": history_leaf(HEADER.digest()).hex(),
        "history_root": root([history_leaf(filled(number)) for number in range(5)]).hex(),
        "vote_prepare": vote_message(CHAIN, 1, PREPARE, 2, 300, HEADER.digest()).hex(),
        "vote_commit": vote_message(CHAIN, 1, COMMIT, 2, 300, HEADER.digest()).hex(),
        "validator_set": with_digest(SET),
    }


def genesis() -> Vectors:
    change = genesis_change(GENESIS)
    return {
        "genesis": with_digest(GENESIS),
        "json": genesis_to_json(GENESIS),
        "records": [[key.decode(), record.hex()] for key, record in genesis_records(GENESIS)],
        "state_root": change.root.hex(),
        "state_count": change.count,
    }


def records() -> Vectors:
    key = keyspace.bill(BILL)
    names = {
        "parameters": keyspace.PARAMETERS,
        "organisation": keyspace.organisation("hospital-a"),
        "key": keyspace.key("hospital-a", key_id(KEY_PAIR.public)),
        "keys": keyspace.keys("hospital-a"),
        "holder": keyspace.holder(key_id(KEY_PAIR.public)),
        "supervised": keyspace.supervised("finance-city"),
        "authority": keyspace.authority("hospital-c"),
        "admitted": keyspace.ADMITTED,
        "validators": keyspace.VALIDATORS,
        "change": keyspace.change(filled(36)),
        "renewal": keyspace.renewal("validator-1"),
        "renewal_number": keyspace.renewal_number("validator-1", filled(31)),
        "range": keyspace.number_range(SEGMENT),
        "ranges": keyspace.number_ranges("hospital-a", "33060126"),
        "lease": keyspace.lease("hospital-a", "33060126", 1001),
        "catalogue": keyspace.catalogue("finance-city", "charges", 2),
        "catalogues": keyspace.catalogues("finance-city"),
        "clearance": keyspace.clearance("hospital-a", "33060126", 1001),
        "leases": keyspace.leases("hospital-a", "hospital-a-2", "33060126"),
        "bill": key,
        "business": keyspace.business("hospital-a", filled(1)),
        "unused": keyspace.unused(BILL),
        "watermark": keyspace.watermark("finance-city", "hospital-a"),
        "seal": keyspace.seal("finance-city", "hospital-a", 41),
        "release": keyspace.release("finance-city", filled(6)),
        "day_book": keyspace.day_book("hospital-a", "A01", 20260601),
        "void": keyspace.void(BILL),
        "circulation": keyspace.circulation(BILL),
        "hold": keyspace.hold(BILL),
        "made_up": keyspace.made_up(BILL),
        "delivery": keyspace.delivery(BILL, "sms"),
        "payer": keyspace.payer(BILL),
        "paper": keyspace.paper(BILL),
        "form": keyspace.form("hospital-a", "33060001"),
        "form_end": keyspace.form_end("hospital-a", "33060001"),
        "booking": keyspace.booking(BILL, 2),
        "acknowledgement": keyspace.acknowledgement(BILL),
        "settlement": keyspace.settlement("insurance", filled(42)),
        "settled": keyspace.settled(BILL),
        "joined": keyspace.joined("insurance", filled(42), BILL),
        "fund_payment": keyspace.fund_payment("insurance", filled(42)),
        "settlement_withdrawal": keyspace.settlement_withdrawal("insurance", filled(42)),
        "claims": keyspace.claims(BILL),
        "claim": keyspace.claim("insurer-a", filled(38)),
        "claim_step": keyspace.claim_step("insurer-a", filled(38), "decided"),
        "bound": keyspace.bound(BILL),
        "dispute": keyspace.dispute(BILL),
        "dispute_step": keyspace.dispute_step(BILL, 2, "settled"),
        "grants": keyspace.grants(BILL),
        "grant": keyspace.grant("finance-city", filled(42)),
        "grant_end": keyspace.grant_end("finance-city", filled(42)),
        "proxy": keyspace.proxy("finance-city", filled(42)),
        "proxy_end": keyspace.proxy_end("finance-city", filled(42)),
        "accesses": keyspace.accesses("finance-city"),
        "account": keyspace.account(WALLET),
        "account_end": keyspace.account_end(WALLET),
        "transfer": keyspace.transfer("hospital-a", filled(43)),
        "held": keyspace.held("hospital-a", filled(46)),
        "let_go": keyspace.let_go("hospital-a", filled(46)),
        **money_values.KEYS,
        **visit_values.KEYS,
        **splits.KEYS,
    }
    return {
        "keys": {name: value.decode() for name, value in names.items()},
        "bodies": {name: plain(body) for name, body in BODIES.items()},
        "record": with_digest(RECORD),
        "access": with_digest(ACCESS),
        "state_leaf": state_leaf(key, encode(RECORD)).hex(),
        "state_leaf_hash": hash_leaf(state_leaf(key, encode(RECORD))).hex(),
    }


def details() -> Vectors:
    private = details_of(BILL, SEED, REQUEST)
    red = reversal_details(RED, SEED, "wrong payer", "cashier", "2026-06-02T12:00:00+08:00")
    grouped = msgspec.structs.replace(REQUEST, group="G-1")
    payer = payer_details(BILL, SEED, Payer("李四", "person", "test", "TEST-2"), "cashier", "2026-06-03T12:00:00+08:00")
    return {
        "details": plain(private),
        "details_root": details_root(private).hex(),
        "expanded": expand(SEED, b"info", 70).hex(),
        "check_code": check_code(SEED, BILL),
        "token": token(SEED, BILL),
        "reversal": plain(red),
        "reversal_root": details_root(red).hex(),
        "opened": [plain(opened) for opened in open_fields(private, ["payer_name", "charges", "reason"])],
        "business_mac": business_mac(SEED, "B-7").hex(),
        "content_mac": content_mac(SEED, REQUEST).hex(),
        "grouped_root": details_root(details_of(BILL, SEED, grouped)).hex(),
        "grouped_content_mac": content_mac(SEED, grouped).hex(),
        "payer": plain(payer),
        "payer_root": details_root(payer).hex(),
    }


def proof() -> Vectors:
    witness = KeyWitness("hospital-a", key_id(KEY_PAIR.public), 5, 9, encode(RECORD), [filled(23), filled(24)])
    recorded = Recorded(
        ENTRIES[1], 1, [filled(25)], HEAD, 1, TRANSACTION.signature, witness, HEADER, OUTCOMES[1], 2, [filled(26)],
        HEADER, CERTIFICATE,
    )  # fmt: skip
    opened = open_fields(details_of(BILL, SEED, REQUEST), ["payer_name"])
    full = Proof(
        1,
        [SetChange(HEADER, CERTIFICATE, SET)],
        recorded,
        SealProof(recorded, HEADER, [filled(27)]),
        CurrentRecord(6, RECORD, [filled(28)], HEADER, CERTIFICATE),
        opened,
    )
    return {"full": plain(full), "bare": plain(Proof(1, [], recorded, None, None, []))}


FILES = {
    "operations.json": operations,
    "transactions.json": transactions,
    "blocks.json": blocks,
    "genesis.json": genesis,
    "records.json": records,
    "details.json": details,
    "proof.json": proof,
}


def content(name: str) -> str:
    """What the file is to hold."""
    return json.dumps({"source": SOURCE, "vectors": FILES[name]()}, ensure_ascii=False, indent=1) + "\n"


def main() -> None:
    for name in FILES:
        (FOLDER / name).write_text(content(name), encoding="utf-8")


if __name__ == "__main__":
    main()
