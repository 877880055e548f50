/**
 * The structs that a proof is made of, field by field as in `chain/` (proof, recorded, block, transaction, operation, records).
 *
 * A shape is a function: a decoded value in, the value with named fields out, or a refusal. `wire` of a struct is the array
 * that it was read from: its canonical bytes are that array's.
 */
import { Refused } from './refused.js';

const EXACT_MAX = 2 ** 53;

function struct(fields, tag) {
    const names = Object.keys(fields);
    const before = tag === undefined ? 0 : 1;
    return (value) => {
        if (!Array.isArray(value) || value.length !== names.length + before) throw new Refused('another struct');
        if (before && value[0] !== tag) throw new Refused('another kind of struct');
        const made = { wire: value, tag };
        names.forEach((name, place) => (made[name] = fields[name](value[place + before])));
        return made;
    };
}

const whole = (least, most) => (value) => {
    if (typeof value !== 'number' || value < least || value > most) throw new Refused('a number outside its bounds');
    return value;
};

const bytes = (least, most) => (value) => {
    if (!(value instanceof Uint8Array) || value.length < least || value.length > most) throw new Refused('other bytes');
    return value;
};

const text = (pattern) => (value) => {
    if (typeof value !== 'string' || !pattern.test(value)) throw new Refused('a text that cannot stand there');
    return value;
};

const flag = (value) => {
    if (typeof value !== 'boolean') throw new Refused('not true or false');
    return value;
};

const list = (shape) => (value) => {
    if (!Array.isArray(value)) throw new Refused('not a list');
    return value.map(shape);
};

const atMost = (most, shape) => (value) => {
    if (Array.isArray(value) && value.length > most) throw new Refused('a list that is too long');
    return list(shape)(value);
};

const optional = (shape) => (value) => (value === null ? null : shape(value));

/** One of several tagged structs. */
const oneOf = (...shapes) => (value) => {
    const shape = Array.isArray(value) && shapes.find((candidate) => candidate.tag === value[0]);
    if (!shape) throw new Refused('an operation that no proof of a bill has');
    return shape.read(value);
};

const tagged = (tag, fields) => ({ tag, read: struct(fields, tag) });

const any = (value) => value;

const digest = bytes(32, 32);
const signature = bytes(64, 64);
const count = whole(0, EXACT_MAX);
const height = count;
const milliseconds = count;
const fen = whole(-EXACT_MAX, EXACT_MAX);
const state = whole(1, 99);
const kind = whole(1, 99);
const serial = whole(0, 9_999_999_999);
const date = whole(20000101, 99991231);
const name = text(/^[a-z0-9][a-z0-9_.-]{0,31}$/);
const place = text(/^[A-Za-z0-9_-]{1,16}$/);
const billId = text(/^[0-9]{18}$/);
const reason = text(/^[a-z][a-z0-9_]{0,47}$/);
const outcomeCode = text(/^[a-z0-9_]{1,48}$/);

const Member = struct({ organisation: name, key: digest });
export const ValidatorSet = struct({ epoch: height, members: list(Member) });
const SeatSignature = struct({ seat: count, signature });
const Certificate = struct({ view: whole(0, 2 ** 32), signatures: list(SeatSignature) });

const Header = struct({
    version: count, chainId: digest, height, parent: digest, timeMs: milliseconds, proposer: name, transactionsRoot: digest,
    outcomesRoot: digest, outcomesCount: count, stateRoot: digest, stateCount: count, historyRoot: digest,
    validators: digest, nextValidators: digest,
});

const Outcome = struct({ transaction: digest, index: count, operation: digest, code: outcomeCode });

const Payments = struct({ insuranceFundFen: fen, personalAccountFen: fen, otherFen: fen, cashFen: fen });

export const ISSUE_BILL = 300;
export const REVERSE_BILL = 301;
export const SEAL_BILLS = 400;

const figures = {
    place, businessDate: date, issuedMs: milliseconds, totalFen: fen, payments: Payments, selfPaidFen: fen, selfFundedFen: fen,
};

const Operation = oneOf(
    tagged(ISSUE_BILL, {
        bill: billId, kind, ...figures, leaseFirst: serial, businessMac: digest, contentMac: digest, detailsRoot: digest,
    }),
    tagged(REVERSE_BILL, {
        bill: billId, original: billId, ...figures, leaseFirst: serial, detailsRoot: digest, persons: atMost(2, digest),
    }),
    tagged(SEAL_BILLS, {
        segments: list(struct({ issuer: name, after: height, upto: height })),
        header: digest,
        exceptions: list(struct({ bill: billId, reason })),
        released: list(billId),
    }),
);

const Entry = struct({ linked: flag, operation: Operation });

const TransactionHead = struct({
    chainId: digest, organisation: name, keyId: digest, validUntilHeight: height, operationsRoot: digest,
    operationsCount: count,
});

const KeyWitness = struct({
    organisation: name, keyId: digest, place: count, count, record: bytes(1, Infinity), path: list(digest),
});

const Recorded = struct({
    entry: Entry, index: count, path: list(digest), head: TransactionHead, suite: count, signature, key: KeyWitness,
    parent: optional(Header), outcome: Outcome, outcomePlace: count, outcomePath: list(digest), header: Header,
    certificate: Certificate,
});

export const Record = struct({
    version: count, height, former: digest, origin: digest, operation: digest, body: bytes(0, Infinity),
});

export const KeyBody = struct({ public: digest, purpose: state, suite: count, fromHeight: height, untilHeight: height });

export const BillBody = struct({
    issuer: name, kind, ...figures, detailsRoot: digest, height, validity: state, related: list(billId), seal: state,
    withheld: text(/^/),
});

export const Proof = struct({
    version: count,
    setChanges: list(struct({ header: Header, certificate: Certificate, members: ValidatorSet })),
    bill: Recorded,
    seal: optional(struct({ recorded: Recorded, sealed: optional(Header), historyPath: list(digest) })),
    current: optional(
        struct({ place: count, record: Record, path: list(digest), header: Header, certificate: Certificate }),
    ),
    opened: list(struct({ field: whole(0, 31), value: any, salts: list(bytes(16, 16)), path: list(digest) })),
});
