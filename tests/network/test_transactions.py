"""Crafted transactions under a hospital's real key: each has its stable code, and nothing else changes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from chain import keyspace
from chain.codec import encode
from chain.operation import AllotRange, ReportUnused, SealBills, SealSegment, TakeLease
from chain.signature import SigningKey
from chain.transaction import OPERATIONS_MAX, Entry, Transaction, key_id
from node.keystore import load_signing_key
from node.messages import BUNDLE, GetRecord, RecordAnswer
from tests.chain.making import bill_id, changed, mac, reverse_bill
from tests.network.agencies import Agencies

pytestmark = pytest.mark.processes

NODE = "finance"
LEASE_COUNT = 100
SMALL_ORDER = (  # keys under which one signature holds for many messages; RFC 8032 and "Taming the many EdDSAs" (2020)
    bytes(32),
    b"\x01" + bytes(31),
    bytes.fromhex("ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
    bytes.fromhex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"),
)


@pytest.fixture(scope="module")
def lease(agencies: Agencies) -> int:
    """First number of a lease of hospital A."""
    return agencies.take_lease("hospital-a", LEASE_COUNT)


@pytest.fixture(scope="module")
def numbers(lease: int) -> Iterator[int]:
    """Numbers of the lease, each once."""
    return iter(range(lease, lease + LEASE_COUNT))


@pytest.fixture(autouse=True)
def good_one_after_it(
    agencies: Agencies, lease: int, numbers: Iterator[int], request: pytest.FixtureRequest
) -> Iterator[None]:
    """After every story a good bill is recorded, the four agree, and no log shows a fault of the program."""
    yield
    bill = agencies.issue(next(numbers), lease, f"good after {request.node.name}")
    assert agencies.outcomes(agencies.sign("hospital-a", bill)) == ["recorded"]
    agencies.until(agencies.agreed, "one height and root")
    agencies.verify_quiet_logs()


# ── in a block, and without effect ───────────────────────────────────────────────────────────────────────────────────


def without_effect(agencies: Agencies, transaction: Transaction, organisation: str = "hospital-a") -> list[str]:
    """The outcome codes; a block of refused operations leaves the state root as it was."""
    before = agencies.status(NODE)
    codes = agencies.outcomes(transaction, organisation)
    after = agencies.status(NODE)
    assert before is not None
    assert after is not None
    assert (after["state_root"], after["state_count"]) == (before["state_root"], before["state_count"])
    assert after["height"] == before["height"] + 1
    return codes


def test_a_number_outside_the_lease_is_refused(agencies: Agencies, lease: int) -> None:
    """DESIGN 6: each bill names its lease; inside it, and unused."""
    outside = [
        agencies.issue(serial, lease, f"outside {serial}")
        for serial in (lease - 1, lease + LEASE_COUNT, 0, 9_999_999_999)
    ]
    codes = without_effect(agencies, agencies.sign("hospital-a", *outside))
    assert codes == ["number_outside_lease"] * 4


def test_a_number_serves_once(agencies: Agencies, lease: int, numbers: Iterator[int]) -> None:
    """The same operation again is `already_recorded`; another bill under that number, or a red one, is refused."""
    serial = next(numbers)
    bill = agencies.issue(serial, lease, "twice")
    assert agencies.outcomes(agencies.sign("hospital-a", bill)) == ["recorded"]
    other = agencies.issue(serial, lease, "twice, another")
    red = reverse_bill(bill, serial=serial)
    unused = ReportUnused(bill.bill, lease, "superseded")
    codes = without_effect(agencies, agencies.sign("hospital-a", other, red, unused, bill))
    assert codes == ["number_used", "number_used", "number_used", "already_recorded"]


def test_one_number_twice_in_one_transaction_serves_once(
    agencies: Agencies, lease: int, numbers: Iterator[int]
) -> None:
    serial = next(numbers)
    first, second = (agencies.issue(serial, lease, f"in one {name}") for name in ("a", "b"))
    assert agencies.outcomes(agencies.sign("hospital-a", first, second)) == ["recorded", "number_used"]


def test_one_business_number_is_one_bill(agencies: Agencies, lease: int, numbers: Iterator[int]) -> None:
    """DESIGN 6: by the ledger's rule, whatever gateways think."""
    first = agencies.issue(next(numbers), lease, "business")
    same = agencies.issue(next(numbers), lease, "business")
    other = agencies.issue(next(numbers), lease, "business", content_mac=mac("other content"))
    assert agencies.outcomes(agencies.sign("hospital-a", first)) == ["recorded"]
    codes = without_effect(agencies, agencies.sign("hospital-a", same, other))
    assert codes == ["already_issued", "business_no_conflict"]


def test_another_hospitals_lease_and_bills_are_out_of_reach(
    agencies: Agencies, lease: int, numbers: Iterator[int]
) -> None:
    """DESIGN 6: leases are looked up under the signer's own name; a bill is reversed by its issuer."""
    bill = agencies.issue(next(numbers), lease, "of A")
    assert agencies.outcomes(agencies.sign("hospital-a", bill)) == ["recorded"]
    serial = next(numbers)
    stolen = agencies.issue(serial, lease, "by B", place="B01")
    own = agencies.take_lease("hospital-b", 2)
    foreign_number = agencies.issue(serial, own, "by B", place="B01")
    red = changed(reverse_bill(bill, serial=own), place="B01", lease_first=own)
    spent = ReportUnused(bill_id(serial, agencies.code), lease, "superseded")
    range_of_a = agencies.next_lease("hospital-a")
    taken = TakeLease(range_of_a.range, range_of_a.first, 10, "hospital-b", "B01")
    codes = without_effect(
        agencies, agencies.sign("hospital-b", stolen, foreign_number, red, spent, taken), "hospital-b"
    )
    assert codes == ["lease_unknown", "number_outside_lease", "not_issuer", "lease_unknown", "range_not_yours"]


def test_a_hospital_neither_allots_nor_seals(agencies: Agencies) -> None:
    """DESIGN 2: ranges come from the finance bureau, seals from the office's own key."""
    lease = agencies.next_lease("hospital-a")
    allot = AllotRange(lease.range, lease.first, 10, "hospital-a", [])
    seal = SealBills([SealSegment("hospital-a", 0, 1)], bytes(32), [], [])
    codes = without_effect(agencies, agencies.sign("hospital-a", allot, seal))
    assert codes[0] == "not_supervised"
    assert codes[1] == "wrong_key"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"total_fen": 0}, "amount_not_positive"),
        ({"total_fen": -5}, "amount_not_positive"),
        ({"self_paid_fen": -1}, "amount_not_positive"),
        ({"self_paid_fen": 12_345, "self_funded_fen": 1}, "own_part_exceeds_total"),
        ({"business_date": 20260231}, "date_unknown"),
        ({"business_date": 20200101}, "date_out_of_window"),
        ({"business_date": 99991231}, "date_out_of_window"),
        ({"place": "A99"}, "place_unknown"),
        ({"place": "A02"}, "number_outside_lease"),
        ({"kind": 9}, "kind_unknown"),
        ({"kind": 2}, "number_code_mismatch"),
        ({"lease_first": 9_999_999_999}, "lease_unknown"),
    ],
    ids=lambda value: str(value),
)  # fmt: skip
def test_a_bill_that_the_rules_refuse_leaves_nothing(
    agencies: Agencies, lease: int, changes: dict[str, int], code: str
) -> None:
    """Gateways check before they sign; the ledger does not rely on it."""
    fields = {"lease_first": lease, **changes}
    bill = agencies.issue(lease + LEASE_COUNT - 1, fields.pop("lease_first"), f"refused {code} {changes}")
    assert without_effect(agencies, agencies.sign("hospital-a", changed(bill, **fields))) == [code]


def test_sums_off_by_one_fen_are_refused(agencies: Agencies, lease: int) -> None:
    bill = agencies.issue(lease + LEASE_COUNT - 1, lease, "off by one")
    assert without_effect(agencies, agencies.sign("hospital-a", changed(bill, total_fen=bill.total_fen + 1))) == [
        "sum_mismatch"
    ]


def test_a_linked_chain_falls_together(agencies: Agencies, lease: int, numbers: Iterator[int]) -> None:
    """DESIGN 5: the culprit's own code, `linked_failed` for the others; what stands beside the chain is done."""
    good, lone = (agencies.issue(next(numbers), lease, f"linked {name}") for name in ("good", "lone"))
    bad = changed(good, bill=bill_id(lease - 1, agencies.code))
    entries = [Entry(True, good), Entry(False, bad), Entry(False, lone)]
    codes = agencies.outcomes(agencies.sign("hospital-a", entries=entries))
    assert codes == ["linked_failed", "number_outside_lease", "recorded"]


# ── never in a block ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_transaction_that_nobody_may_sign_is_counted_and_dropped(
    agencies: Agencies, lease: int, numbers: Iterator[int]
) -> None:
    """DESIGN 4 and 5: keys are the state's, one verifier decides, a signature binds chain, organisation and content."""
    bill = agencies.issue(next(numbers), lease, "never")
    good = agencies.sign("hospital-a", bill)
    foreign = load_signing_key(agencies.home / "organisations" / "hospital-b" / "unit.key")
    vote = load_signing_key(agencies.config_of("finance") / "vote.key")
    for transaction, code in (
        (agencies.sign("hospital-a", bill, key=foreign), "key_unknown"),
        (agencies.sign("hospital-a", bill, key=SigningKey.from_seed(b"n" * 32)), "key_unknown"),
        (changed(good, organisation="hospital-b"), "key_unknown"),
        (changed(good, organisation="nobody"), "key_unknown"),
        (agencies.sign("finance", bill, key=vote), "key_unknown"),
        (changed(good, signature=bytes(64)), "bad_signature"),
        (changed(good, signature=changed_byte(good.signature, 0)), "bad_signature"),
        (changed(good, signature=changed_byte(good.signature, 63)), "bad_signature"),
        (changed(good, signature=same_scalar_again(good.signature)), "bad_signature"),
        (changed(good, valid_until_height=good.valid_until_height + 1), "bad_signature"),
        (changed(good, entries=[Entry(False, changed(bill, total_fen=1))]), "bad_signature"),
        (agencies.sign("hospital-a", bill, chain=bytes(32)), "bad_signature"),
        (changed(good, suite=2), "suite_unknown"),
        (agencies.sign("hospital-a", bill, valid_until=0), "transaction_expired"),
        (agencies.sign("hospital-a", bill, valid_until=agencies.height()), "transaction_expired"),
        (agencies.sign("hospital-a", bill, valid_until=agencies.height() + 20_000), "transaction_too_early"),
        (agencies.sign("hospital-a", entries=[Entry(True, bill)]), "transaction_malformed"),
        (changed(good, entries=[]), "transaction_malformed"),
        (agencies.sign("hospital-a", *[bill] * (OPERATIONS_MAX + 1)), "transaction_malformed"),
    ):
        never_in_a_block(agencies, transaction, code)


@pytest.mark.parametrize("public", SMALL_ORDER, ids=lambda public: public.hex()[:8])
def test_a_small_order_key_signs_nothing(agencies: Agencies, lease: int, public: bytes) -> None:
    """DESIGN 4: the signature that such a key would make good: R the neutral element, s zero."""
    bill = agencies.issue(lease, lease, "small order")
    good = agencies.sign("hospital-a", bill)
    forged = changed(good, key_id=key_id(public), signature=b"\x01" + bytes(63))
    never_in_a_block(agencies, forged, "key_unknown")


def never_in_a_block(agencies: Agencies, transaction: Transaction, code: str) -> None:
    """Counted under `code` at the node that was asked; no block comes of it anywhere."""
    before, height = agencies.rejected(code), agencies.height()
    agencies.submit(transaction)
    agencies.until_rejected(code, before)
    status = agencies.status(NODE)
    assert status is not None
    assert (status["height"], status["mempool"]["transactions"]) == (height, 0)


def changed_byte(data: bytes, place: int) -> bytes:
    return data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]


def same_scalar_again(signature: bytes) -> bytes:
    """s plus the order of the group: the second spelling of a good signature, which RFC 8032 forbids."""
    order = 2**252 + 27742317777372353535851937790883648493
    scalar = int.from_bytes(signature[32:], "little") + order
    return signature[:32] + scalar.to_bytes(32, "little")


def test_a_transaction_runs_once(agencies: Agencies, lease: int, numbers: Iterator[int]) -> None:
    """DESIGN 5: replayed at every agency, after its block, by its own hospital or another one: no second block."""
    transaction = agencies.sign("hospital-a", agencies.issue(next(numbers), lease, "replayed"))
    assert agencies.outcomes(transaction) == ["recorded"]
    agencies.until(agencies.agreed, "one height and root")
    height = agencies.height()
    for node in ("finance", "health", "insurance", "bigdata"):
        for caller in ("hospital-a", "hospital-b"):
            before = agencies.rejected("transaction_repeated", node)
            agencies.submit(transaction, caller=caller, node=node)
            agencies.until_rejected("transaction_repeated", before, node)
    assert [agencies.height(node) for node in ("finance", "health", "insurance", "bigdata")] == [height] * 4


def test_the_same_transaction_at_all_agencies_at_once_runs_once(
    agencies: Agencies, lease: int, numbers: Iterator[int]
) -> None:
    transaction = agencies.sign("hospital-a", agencies.issue(next(numbers), lease, "everywhere"))
    height = agencies.height()
    for node in ("finance", "health", "insurance", "bigdata"):
        agencies.submit(transaction, node=node)
    assert agencies.outcomes_since(height, transaction, "hospital-a", NODE) == ["recorded"]
    agencies.until(agencies.agreed, "one height and root")
    assert agencies.height() == height + 1


def test_five_hundred_operations_are_taken(agencies: Agencies, lease: int) -> None:
    """The bound itself is allowed: one signature for all of them."""
    entries = [agencies.issue(lease - 1, lease, f"five hundred {number}") for number in range(OPERATIONS_MAX)]
    codes = agencies.outcomes(agencies.sign("hospital-a", *entries))
    assert codes == ["number_outside_lease"] * OPERATIONS_MAX


def test_bytes_that_are_no_transaction_end_the_link(agencies: Agencies, lease: int) -> None:
    """DESIGN 4: what decodes and is spelt otherwise, what has a field too many, what names an operation nobody knows."""
    bill = agencies.issue(lease, lease, "no transaction")
    good = encode([agencies.sign("hospital-a", bill)])
    tag = encode(bill)[:4]
    assert tag[1:] == b"\xcd\x01\x2c"  # operation 300
    for data, reason in (
        (good.replace(tag, tag[:1] + b"\xce\0\0\x01\x2c", 1), "not_canonical"),
        (good.replace(tag, tag[:1] + b"\xcd\x01\x90", 1), "malformed"),  # 400: another operation's fields
        (good.replace(tag, tag[:1] + b"\xcd\x7f\xff", 1), "malformed"),
        (good.replace(b"hospital-a", b"Hospital-A", 1), "malformed"),
        (good.replace(b"hospital-a", b"hospital-\n", 1), "malformed"),
        (b"\x91\x97" + good[2:] + b"\xc0", "malformed"),
        (good[:-1], "malformed"),
        (good + b"\xc0", "malformed"),
    ):
        assert data != good
        before = agencies.incidents(reason)
        with agencies.call() as link:
            link.send(BUNDLE, data)
            assert link.is_hung_up(), reason
        agencies.until_incident(reason, before)


def test_a_bundle_is_judged_transaction_by_transaction(agencies: Agencies, lease: int, numbers: Iterator[int]) -> None:
    """A bad one beside good ones costs only itself."""
    bills = [agencies.issue(next(numbers), lease, f"bundle {number}") for number in range(4)]
    transactions = [agencies.sign("hospital-a", bill) for bill in bills]
    transactions[1] = changed(transactions[1], signature=bytes(64))
    transactions[2] = changed(transactions[2], entries=[])
    height = agencies.height()
    agencies.submit(*transactions)
    for good in (transactions[0], transactions[3]):
        assert agencies.outcomes_since(height, good, "hospital-a", NODE) == ["recorded"]
    with agencies.call() as link:
        for place, bill in enumerate(bills):
            answer = link.ask(GetRecord(keyspace.bill(bill.bill)), RecordAnswer)
            assert isinstance(answer, RecordAnswer)
            assert (answer.current is not None) == (place in (0, 3))
