/** The genesis file: its digest is the ledger's number, its records are the state of height 0. `chain/genesis.py`. */
import { compare, fromHex, toHex, utf8 } from './bytes.js';
import { digest, EMPTY_DIGEST } from './digest.js';
import { ED25519 } from './ed25519.js';
import { hashLeaf, rootOfHashes } from './merkle.js';
import { encode } from './msgpack.js';
import { Refused } from './refused.js';
import { ValidatorSet } from './shapes.js';

const FIRST_EPOCH = 1;
const FOR_EVER = 2 ** 53;
const ACTIVE = 1; // state of an organisation
const VOTE = 3; // purpose of a key

/**
 * A genesis.json as text: its view, its set of validators, its digest. Refuses what does not have the shape of one.
 *
 * Its own rules are not checked again here: who compares the digest compares all of it.
 */
export async function readGenesis(text) {
    let view;
    try {
        view = JSON.parse(text);
    } catch {
        throw new Refused('the genesis file is no JSON');
    }
    const wire = GENESIS(view);
    return {
        view,
        wire,
        chainId: await digest('genesis', wire),
        validators: ValidatorSet([FIRST_EPOCH, wire[6]]),
        names: new Map(view.organisations.map((entry) => [entry.id, entry.name])),
    };
}

// ── the JSON view, turned into arrays ──────────────────────────────────────────────────────────────────────────────────

function WHOLE(value) {
    if (!Number.isSafeInteger(value)) throw new Refused('the genesis file has a number that is not whole');
    return value;
}

function TEXT(value) {
    if (typeof value !== 'string') throw new Refused('the genesis file has something else where a text should be');
    return value;
}

const listOf = (part) => (value) => {
    if (!Array.isArray(value)) throw new Refused('the genesis file has something else where a list should be');
    return value.map(part);
};

const record = (parts) => (value) => {
    const names = Object.keys(parts);
    if (value === null || typeof value !== 'object' || Object.keys(value).length !== names.length)
        throw new Refused('the genesis file has other fields');
    return names.map((name) => parts[name](value[name]));
};

const RANGE_REF = record({ holder: TEXT, code: TEXT, first: WHOLE });

const PARAMETERS = record({
    utc_offset_minutes: WHOLE, region: TEXT, classification: TEXT, kinds: listOf(WHOLE), heartbeat_ms: WHOLE,
    block_interval_min_ms: WHOLE, block_transactions_max: WHOLE, block_operations_max: WHOLE, block_bytes_max: WHOLE,
    replay_window: WHOLE, business_days_behind_max: WHOLE, business_ahead_max_ms: WHOLE, seal_entries_max: WHOLE,
    two_persons: listOf(WHOLE),
});

const GENESIS = record({
    version: WHOLE,
    name: TEXT,
    created_ms: WHOLE,
    parameters: PARAMETERS,
    organisations: listOf(
        record({
            id: TEXT, name: TEXT, kind: TEXT, region: TEXT, level: WHOLE, supervisor: TEXT, places: listOf(TEXT),
            authority: fromHex,
        }),
    ),
    keys: listOf(record({ organisation: TEXT, purpose: WHOLE, public: fromHex })),
    validators: listOf(record({ organisation: TEXT, key: fromHex })),
    ranges: listOf(record({ holder: TEXT, code: TEXT, first: WHOLE, count: WHOLE, parent: listOf(RANGE_REF) })),
});

// ── the state of height 0: needed for bills of block 1, whose keys stood in no other ───────────────────────────────────────

/** Root and count of the records that the genesis makes. */
export async function genesisState({ wire }) {
    const bodies = new Map(); // key -> body
    const [, , , parameters, organisations, keys, validators, ranges] = wire;
    bodies.set('parameters', parameters);
    bodies.set('validators', [FIRST_EPOCH, validators]);
    const supervised = new Map();
    for (const [id, name, kind, region, level, supervisor, places] of organisations) {
        if (supervisor) append(supervised, supervisor, id);
        bodies.set(`organisation/${id}`, [name, kind, region, level, supervisor, places, ACTIVE, '', 0]);
    }
    const own = new Map();
    for (const [holder, purpose, key] of [...keys, ...validators.map(([member, key]) => [member, VOTE, key])]) {
        const id = await digest('key', [ED25519, key]);
        bodies.set(`key/${holder}/${toHex(id)}`, [key, purpose, ED25519, 1, FOR_EVER]);
        bodies.set(`holder/${toHex(id)}`, [holder]);
        if (purpose !== VOTE) append(own, holder, id);
    }
    for (const [holder, ids] of own) bodies.set(`keys/${holder}`, [ids.sort(compare)]);
    for (const [office, below] of supervised) bodies.set(`supervised/${office}`, [below.sort()]);
    addRanges(ranges, bodies);
    const found = [...bodies].map(([key, body]) => [utf8(key), body]).sort(([one], [other]) => compare(one, other));
    const leaves = found.map(([key, body]) =>
        hashLeaf(encode([key, [1, 0, EMPTY_DIGEST, EMPTY_DIGEST, EMPTY_DIGEST, encode(body)]])),
    );
    return { root: await rootOfHashes(await Promise.all(leaves)), count: leaves.length };
}

/** Children are cut from the front of their parent, whose record keeps where the next one begins. */
function addRanges(ranges, bodies) {
    const holders = new Map();
    for (const [holder, code, first, count, parents] of ranges) {
        for (const parent of parents) {
            const above = bodies.get(rangeKey(...parent));
            if (!above) throw new Refused('a range without its parent');
            above[2] = first + count;
        }
        bodies.set(rangeKey(holder, code, first), [first, count, first, parents]);
        append(holders, `ranges/${holder}/${code}`, first);
    }
    for (const [key, firsts] of holders) bodies.set(key, [firsts.sort((one, other) => one - other)]);
}

const rangeKey = (holder, code, first) => `range/${holder}/${code}/${String(first).padStart(10, '0')}`;

function append(lists, key, value) {
    if (!lists.has(key)) lists.set(key, []);
    lists.get(key).push(value);
}
