/** An operation with all that shows that a final block recorded it: `chain/recorded.py`. */
import { equal, toHex, utf8 } from './bytes.js';
import { digest } from './digest.js';
import { ED25519, verifySignature } from './ed25519.js';
import { verifyInclusion } from './merkle.js';
import { decode, encode } from './msgpack.js';
import { Refused } from './refused.js';
import { KeyBody, Record } from './shapes.js';

const RECORDED = 'recorded'; // the outcome's code for success

/** Check that the header's block says `recorded` of this very operation. */
export async function verifyOutcome({ outcome, outcomePlace, outcomePath, header, entry }) {
    await verifyInclusion(encode(outcome), outcomePlace, header.outcomesCount, outcomePath, header.outcomesRoot);
    if (outcome.code !== RECORDED) throw new Refused(`the ledger refused it: ${outcome.code}`);
    if (!equal(outcome.operation, await digest('operation', entry.operation)))
        throw new Refused('the outcome is of another operation');
}

/** Check that the operation is entry `index` of the transaction that the outcome names. */
export async function verifyEntry({ head, entry, index, path, outcome }) {
    await verifyInclusion(encode(entry), index, head.operationsCount, path, head.operationsRoot);
    if (!equal(outcome.transaction, await digest('transaction', head)) || outcome.index !== index)
        throw new Refused('the outcome is of another transaction');
}

/**
 * Check that a key of the transaction's organisation, for `purpose` and in force at the block, signed it. The key's record
 * must lie under the state of the block before: `parent`, a root over so many leaves.
 */
export async function verifySigned({ head, suite, signature, key, header }, purpose, parent) {
    if (key.organisation !== head.organisation || !equal(key.keyId, head.keyId))
        throw new Refused('the key record is of another key');
    if (key.count !== parent.count) throw new Refused('the key record is of another state');
    const name = utf8(`key/${key.organisation}/${toHex(key.keyId)}`);
    await verifyInclusion(stateLeaf(name, key.record), key.place, parent.count, key.path, parent.root);
    const body = KeyBody(decode(Record(decode(key.record)).body));
    if (body.purpose !== purpose || header.height < body.fromHeight || header.height >= body.untilHeight)
        throw new Refused('the key was not in force for this');
    if (body.suite !== ED25519 || suite !== ED25519) throw new Refused('an unknown signature suite');
    await verifySignature(body.public, await digest('transaction', head), signature);
}

/** The leaf of a record under the state root; `record` is its canonical bytes. */
export function stateLeaf(key, record) {
    const [head, name] = [Uint8Array.of(0x92), encode(key)]; // an array of two, the record's bytes as they are
    const leaf = new Uint8Array(1 + name.length + record.length);
    leaf.set(head);
    leaf.set(name, 1);
    leaf.set(record, 1 + name.length);
    return leaf;
}
