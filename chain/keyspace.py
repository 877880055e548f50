"""Names of everything stored: keys of records (agreed, under the state root) and of the database (private to a node).

Numbers in keys are fixed-width and big-endian, so that they sort.
"""

from __future__ import annotations

import struct

from chain.operation import AccountRef, RangeRef

# ── keys of records: agreed ──────────────────────────────────────────────────────────────────────────────────────────

PARAMETERS = b"parameters"
VALIDATORS = b"validators"  # the newest set


def organisation(name: str) -> bytes:
    return f"organisation/{name}".encode()


def key(organisation_name: str, key_id: bytes) -> bytes:
    return f"key/{organisation_name}/{key_id.hex()}".encode()


def keys(organisation_name: str) -> bytes:
    return f"keys/{organisation_name}".encode()


def holder(key_id: bytes) -> bytes:
    return f"holder/{key_id.hex()}".encode()


def supervised(supervisor: str) -> bytes:
    return f"supervised/{supervisor}".encode()


ADMITTED = b"admitted"


def authority(organisation_name: str) -> bytes:
    return f"authority/{organisation_name}".encode()


def change(operation: bytes) -> bytes:
    """A proposed change of the set of validators, by its operation's digest."""
    return f"change/{operation.hex()}".encode()


def renewal(organisation_name: str) -> bytes:
    """A member's newest renewal."""
    return f"renewal/{organisation_name}".encode()


def renewal_number(organisation_name: str, number: bytes) -> bytes:
    """One renewal for ever: its number opens one epoch only."""
    return f"renewal/{organisation_name}/{number.hex()}".encode()


def catalogue(publisher: str, name: str, version: int) -> bytes:
    return f"catalogue/{publisher}/{name}/{version:06d}".encode()


def catalogues(publisher: str) -> bytes:
    return f"catalogues/{publisher}".encode()


def number_range(ref: RangeRef) -> bytes:
    return f"range/{ref.holder}/{ref.code}/{ref.first:010d}".encode()


def number_ranges(holder: str, code: str) -> bytes:
    return f"ranges/{holder}/{code}".encode()


def lease(issuer: str, code: str, first: int) -> bytes:
    return f"lease/{issuer}/{code}/{first:010d}".encode()


def clearance(issuer: str, code: str, first: int) -> bytes:
    return f"clearance/{issuer}/{code}/{first:010d}".encode()


def leases(issuer: str, gateway: str, code: str) -> bytes:
    return f"leases/{issuer}/{gateway}/{code}".encode()


def bill(bill_id: str) -> bytes:
    return f"bill/{bill_id}".encode()


_BUSINESS_RECORD = b"business/"
MAC_BYTES = 32


def business(issuer: str, mac: bytes) -> bytes:
    return f"business/{issuer}/{mac.hex()}".encode()


def unused(bill_id: str) -> bytes:
    return f"unused/{bill_id}".encode()


def watermark(office: str, issuer: str) -> bytes:
    return f"watermark/{office}/{issuer}".encode()


def seal(office: str, issuer: str, after: int) -> bytes:
    return f"seal/{office}/{issuer}/{after:012d}".encode()


def release(office: str, operation: bytes) -> bytes:
    """A seal without segments, which has no range to be known by."""
    return f"release/{office}/{operation.hex()}".encode()


def void(bill_id: str) -> bytes:
    return f"void/{bill_id}".encode()


def circulation(bill_id: str) -> bytes:
    return f"circulation/{bill_id}".encode()


def hold(bill_id: str) -> bytes:
    return f"hold/{bill_id}".encode()


def made_up(bill_id: str) -> bytes:
    return f"madeup/{bill_id}".encode()


def delivery(bill_id: str, channel: str) -> bytes:
    return f"delivery/{bill_id}/{channel}".encode()


def payer(bill_id: str) -> bytes:
    return f"payer/{bill_id}".encode()


def paper(bill_id: str) -> bytes:
    return f"paper/{bill_id}".encode()


def form(issuer: str, number: str) -> bytes:
    """A numbered form: used once."""
    return f"form/{issuer}/{number}".encode()


def form_end(issuer: str, number: str) -> bytes:
    return f"formend/{issuer}/{number}".encode()


def booking(bill_id: str, side: int) -> bytes:
    return f"booking/{bill_id}/{side}".encode()


def acknowledgement(bill_id: str) -> bytes:
    return f"acknowledged/{bill_id}".encode()


def settlement(bureau: str, name: bytes) -> bytes:
    """A medical-insurance settlement, by the name that its bureau gives it."""
    return f"settlement/{bureau}/{name.hex()}".encode()


def settled(bill_id: str) -> bytes:
    """Which settlement a bill was joined to last."""
    return f"settled/{bill_id}".encode()


def joined(bureau: str, name: bytes, bill_id: str) -> bytes:
    return f"joined/{bureau}/{name.hex()}/{bill_id}".encode()


def fund_payment(bureau: str, name: bytes) -> bytes:
    return f"fundpaid/{bureau}/{name.hex()}".encode()


def settlement_withdrawal(bureau: str, name: bytes) -> bytes:
    return f"unsettled/{bureau}/{name.hex()}".encode()


def claims(bill_id: str) -> bytes:
    """What counts of a bill's claims."""
    return f"claims/{bill_id}".encode()


def claim(insurer: str, name: bytes) -> bytes:
    return f"claim/{insurer}/{name.hex()}".encode()


def claim_step(insurer: str, name: bytes, step: str) -> bytes:
    """`decided`, `paid` or `released`: what makes the same operation again known as such."""
    return f"claim/{insurer}/{name.hex()}/{step}".encode()


def grants(bill_id: str) -> bytes:
    """Who may read a bill: the newest of its grants."""
    return f"grants/{bill_id}".encode()


def grant(granter: str, name: bytes) -> bytes:
    return f"grant/{granter}/{name.hex()}".encode()


def grant_end(granter: str, name: bytes) -> bytes:
    return f"grant/{granter}/{name.hex()}/revoked".encode()


def bound(bill_id: str) -> bytes:
    """Who became a bill's holder by its slip: once."""
    return f"bound/{bill_id}".encode()


def dispute(bill_id: str) -> bytes:
    """A bill's newest dispute."""
    return f"dispute/{bill_id}".encode()


def dispute_step(bill_id: str, number: int, step: str) -> bytes:
    """`begun` or `settled`: what makes the same operation again known as such."""
    return f"dispute/{bill_id}/{number}/{step}".encode()


def proxy(office: str, name: bytes) -> bytes:
    """Who may read for whom, as an office has it."""
    return f"proxy/{office}/{name.hex()}".encode()


def proxy_end(office: str, name: bytes) -> bytes:
    return f"proxyend/{office}/{name.hex()}".encode()


def accesses(office: str) -> bytes:
    """How far the log of accesses of an office's archive is anchored."""
    return f"accesses/{office}".encode()


ACCOUNTS = b"account/"


def account(ref: AccountRef) -> bytes:
    return accounts_of(ref.owner) + ref.account.hex().encode()


def accounts_of(organisation_name: str) -> bytes:
    """The prefix of an organisation's accounts."""
    return ACCOUNTS + f"{organisation_name}/".encode()


def account_end(ref: AccountRef) -> bytes:
    return f"accountend/{ref.owner}/{ref.account.hex()}".encode()


TRANSFERS = b"transfer/"


def transfer(organisation_name: str, name: bytes) -> bytes:
    return TRANSFERS + f"{organisation_name}/{name.hex()}".encode()


def held(organisation_name: str, name: bytes) -> bytes:
    """Money that an organisation holds."""
    return f"held/{organisation_name}/{name.hex()}".encode()


def let_go(organisation_name: str, name: bytes) -> bytes:
    """What makes the release of held money known when it is asked again."""
    return f"letgo/{organisation_name}/{name.hex()}".encode()


def notice(organisation_name: str, name: bytes) -> bytes:
    """What somebody owes an organisation."""
    return f"notice/{organisation_name}/{name.hex()}".encode()


def notice_end(organisation_name: str, name: bytes) -> bytes:
    return f"noticeend/{organisation_name}/{name.hex()}".encode()


def answered(bill_id: str) -> bytes:
    """The notices that a bill answers: once."""
    return f"answered/{bill_id}".encode()


def order(organisation_name: str, name: bytes) -> bytes:
    return f"order/{organisation_name}/{name.hex()}".encode()


def order_step(organisation_name: str, name: bytes, step: str) -> bytes:
    """`closed` or `finished`: what makes the same operation again known as such."""
    return f"order/{organisation_name}/{name.hex()}/{step}".encode()


def payment(organisation_name: str, name: bytes) -> bytes:
    """Money that came, by a channel's number: once."""
    return f"payment/{organisation_name}/{name.hex()}".encode()


def refund(organisation_name: str, name: bytes) -> bytes:
    return f"refund/{organisation_name}/{name.hex()}".encode()


def bank_line(organisation_name: str, name: bytes) -> bytes:
    return f"bankline/{organisation_name}/{name.hex()}".encode()


def channel_day(organisation_name: str, channel: str, day: int) -> bytes:
    return f"channelday/{organisation_name}/{channel}/{day:08d}".encode()


def payee(organisation_name: str, name: bytes) -> bytes:
    return f"payee/{organisation_name}/{name.hex()}".encode()


def split_rules(organisation_name: str, name: str, version: int) -> bytes:
    return f"splitrules/{organisation_name}/{name}/{version:06d}".encode()


def split(organisation_name: str, name: bytes) -> bytes:
    return f"split/{organisation_name}/{name.hex()}".encode()


def order_split(organisation_name: str, name: bytes) -> bytes:
    """What became of an order's money."""
    return f"ordersplit/{organisation_name}/{name.hex()}".encode()


def taken_back(organisation_name: str, name: bytes) -> bytes:
    return f"takenback/{organisation_name}/{name.hex()}".encode()


def returned(organisation_name: str, name: bytes) -> bytes:
    """What an organisation gave back to an order."""
    return f"returned/{organisation_name}/{name.hex()}".encode()


def owed_paid(organisation_name: str, name: bytes) -> bytes:
    """What was paid of a payee's debt, under a name of who signed it."""
    return f"owedpaid/{organisation_name}/{name.hex()}".encode()


def payout(organisation_name: str, name: bytes) -> bytes:
    return f"payout/{organisation_name}/{name.hex()}".encode()


def custody(organisation_name: str) -> bytes:
    """Which bank keeps the money of an organisation's orders."""
    return f"custody/{organisation_name}".encode()


def attested(organisation_name: str, day: int) -> bytes:
    return f"attested/{organisation_name}/{day:08d}".encode()


def deposit(organisation_name: str, name: bytes) -> bytes:
    return f"deposit/{organisation_name}/{name.hex()}".encode()


def deposit_end(organisation_name: str, name: bytes) -> bytes:
    return f"depositend/{organisation_name}/{name.hex()}".encode()


def product(lender: str, name: str, version: int) -> bytes:
    return f"product/{lender}/{name}/{version:06d}".encode()


def products(lender: str, name: str) -> bytes:
    """How many versions of a product there are."""
    return f"products/{lender}/{name}".encode()


def line(lender: str, name: bytes) -> bytes:
    return f"line/{lender}/{name.hex()}".encode()


def line_hospitals(lender: str, name: bytes, number: int) -> bytes:
    """Further hospitals of a line, when so many were named."""
    return f"linehospitals/{lender}/{name.hex()}/{number}".encode()


def line_end(lender: str, name: bytes) -> bytes:
    return f"lineend/{lender}/{name.hex()}".encode()


def agreement(hospital: str, holder: bytes) -> bytes:
    """A holder's newest one."""
    return f"agreement/{hospital}/{holder.hex()}".encode()


def agreement_step(hospital: str, holder: bytes, number: int, step: str) -> bytes:
    """`signed` or `ended`: what makes the same operation again known as such."""
    return f"agreement/{hospital}/{holder.hex()}/{number}/{step}".encode()


def credit_hold(hospital: str, name: bytes) -> bytes:
    return f"credithold/{hospital}/{name.hex()}".encode()


def credit_hold_step(hospital: str, name: bytes, step: str) -> bytes:
    """`released` or `reviewed`."""
    return f"credithold/{hospital}/{name.hex()}/{step}".encode()


def visit_credit(hospital: str, name: bytes) -> bytes:
    """What a holder's holds of a line take for a visit: visit, holder and line make the name (`rules/credit_holds.py`)."""
    return f"visitcredit/{hospital}/{name.hex()}".encode()


def statement(organisation_name: str, name: bytes) -> bytes:
    return f"statement/{organisation_name}/{name.hex()}".encode()


def repayment(organisation_name: str, name: bytes) -> bytes:
    return f"repayment/{organisation_name}/{name.hex()}".encode()


def payback(organisation_name: str, name: bytes) -> bytes:
    return f"payback/{organisation_name}/{name.hex()}".encode()


def instalments(organisation_name: str, name: bytes) -> bytes:
    return f"instalments/{organisation_name}/{name.hex()}".encode()


def schedule(hospital: str, name: bytes) -> bytes:
    return f"schedule/{hospital}/{name.hex()}".encode()


def schedule_step(hospital: str, name: bytes, step: str) -> bytes:
    """`stopped`, or the number of a change of who sees the patients."""
    return f"schedule/{hospital}/{name.hex()}/{step}".encode()


def appointment(hospital: str, name: bytes) -> bytes:
    return f"appointment/{hospital}/{name.hex()}".encode()


def appointment_step(hospital: str, name: bytes, step: str) -> bytes:
    """`confirmed`, `cancelled`, `arrived` or `missed`."""
    return f"appointment/{hospital}/{name.hex()}/{step}".encode()


def appointed(hospital: str, order: bytes) -> bytes:
    """The appointment that an order paid the fee of."""
    return order_step(hospital, order, "appointment")


def missed(hospital: str, holder: bytes) -> bytes:
    """How often somebody did not come."""
    return f"missed/{hospital}/{holder.hex()}".encode()


def visit(hospital: str, name: bytes) -> bytes:
    return f"visit/{hospital}/{name.hex()}".encode()


def visit_step(hospital: str, name: bytes, step: str) -> bytes:
    """A stamp's number, an order's name in hexadecimal, or `closed`."""
    return f"visit/{hospital}/{name.hex()}/{step}".encode()


def day_book(issuer: str, place: str, date: int) -> bytes:
    return f"daybook/{issuer}/{place}/{date:08d}".encode()


# ── keys of the database: private ────────────────────────────────────────────────────────────────────────────────────

_RECORD = b"r"  # + record key -> leaf index (8) ‖ Record (stored_record.py)
_BUSINESS = b"b"  # + MAC (32) + issuer -> the same, of a business number's record
NODE_PAGES = b"n"  # + levels / 5 (1) + place (8) -> a page of the state tree's nodes (node_pages.py)
_HISTORY = b"h"  # + level (1) + index (8) -> node of the history tree
_BLOCK_DIGEST = b"d"  # + height (8) -> digest of the header
_TRANSACTION = b"t"  # + digest -> valid_until_height (8)
_EXPIRY = b"e"  # + valid_until_height (8) + height of the block (8) -> digests of its transactions, joined
_OUTCOMES = b"u"  # + height (8) -> outcome codes, run-length
_KEYS_USED = b"k"  # + height (8) -> list of KeyWitness
# + operation digest -> [height, transaction, entry] of the run that recorded it; of the last one, and 0, while it is only refused
_OPERATION = b"o"
_VALIDATOR_SET = b"v"  # + epoch (8) -> ValidatorSet
_BILL_BY_DAY = b"i"  # + issuer, date (8 digits), bill -> nothing
META = b"m"
# The applied height, its roots. An earlier release stored records otherwise: without this a state is built again.
APPLIED = META + b"applied/2"

# What two stores of one height hold alike, whenever each of them was flushed: all but the memory of transactions.
DERIVED = (
    _RECORD,
    _BUSINESS,
    NODE_PAGES,
    _HISTORY,
    _BLOCK_DIGEST,
    _OUTCOMES,
    _KEYS_USED,
    _VALIDATOR_SET,
    _OPERATION,
    _BILL_BY_DAY,
)


# database keys of records that end in a bill's number and never go away
NUMBER_DIGITS = 18
NUMBERED = (_RECORD + bill(""), _RECORD + unused(""))
# and those that begin with a hash
BUSINESSES, TRANSACTIONS = _BUSINESS, _TRANSACTION
RECORDS = _RECORD  # all records but those of business numbers


def stored_record(record_key: bytes) -> bytes:
    """A business number's lies under its MAC: half of a ledger's records are of this kind, and in no order at all."""
    if record_key.startswith(_BUSINESS_RECORD):
        text = record_key[-2 * MAC_BYTES :]
        if record_key[-2 * MAC_BYTES - 1 : -2 * MAC_BYTES] == b"/" and text == text.lower():
            try:
                mac = bytes.fromhex(text.decode())
            except ValueError:  # a peer may ask for any key
                mac = b""
            if len(mac) == MAC_BYTES:
                return _BUSINESS + mac + record_key[len(_BUSINESS_RECORD) : -2 * MAC_BYTES - 1]
    return _RECORD + record_key


def stored_history(level: int, index: int) -> bytes:
    return _HISTORY + struct.pack(">BQ", level, index)


def stored_block_digest(height: int) -> bytes:
    return _BLOCK_DIGEST + struct.pack(">Q", height)


def stored_transaction(digest: bytes) -> bytes:
    return _TRANSACTION + digest


def stored_expiry(valid_until_height: int, block_height: int) -> bytes:
    return _EXPIRY + struct.pack(">QQ", valid_until_height, block_height)


def stored_keys_used(height: int) -> bytes:
    return _KEYS_USED + struct.pack(">Q", height)


def stored_set(epoch: int) -> bytes:
    return _VALIDATOR_SET + struct.pack(">Q", epoch)


def epoch_of_stored_set(stored_key: bytes) -> int:
    return int.from_bytes(stored_key[len(_VALIDATOR_SET) :], "big")


STORED_SETS = _VALIDATOR_SET  # the prefix of all sets


def stored_operation(digest: bytes) -> bytes:
    return _OPERATION + digest


def stored_bill_by_day(issuer: str, date: int, bill_id: str) -> bytes:
    return _BILL_BY_DAY + f"{issuer}/{date:08d}/{bill_id}".encode()


def stored_bills_of(issuer: str) -> bytes:
    """The prefix of an issuer's bills by day."""
    return _BILL_BY_DAY + f"{issuer}/".encode()


def stored_outcomes(height: int) -> bytes:
    """Outcome codes of a block, run-length: [[code, how many] …] in block order."""
    return _OUTCOMES + struct.pack(">Q", height)


def stored_expiry_prefix(height: int) -> bytes:
    return _EXPIRY + struct.pack(">Q", height)
