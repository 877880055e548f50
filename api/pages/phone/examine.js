/** Everything that the page checks, in order: the ledger that the link pins, the proof, and that it is of the link's bill. */
import { toHex } from './bytes.js';
import { readGenesis } from './genesis.js';
import { checkProof } from './proof.js';

/** { valid, checks, facts, genesis }, as `checkProof` gives them with the page's own checks around. Never raises. */
export async function examine(link, answer) {
    let genesis;
    try {
        genesis = await readGenesis(answer.genesis);
    } catch (error) {
        return failed([], 'genesis file', error.message);
    }
    const served = toHex(genesis.chainId);
    const pinned = { name: 'pinned ledger', ok: link.chain === null ? null : true, detail: { chain: served } };
    if (link.chain !== null && link.chain !== served)
        return failed([], 'pinned ledger', `the link names ${link.chain.slice(0, 16)}, served was ${served.slice(0, 16)}`);
    const result = await checkProof(answer.proof, genesis);
    const checks = [pinned, ...result.checks];
    if (!result.valid) return { valid: false, checks, facts: {} };
    if (result.facts.bill !== link.bill)
        return failed(checks, 'this bill', `the link names ${link.bill}, the proof is of ${result.facts.bill}`);
    checks.push({ name: 'this bill', ok: true, detail: { bill: link.bill } });
    return { valid: true, checks, facts: result.facts, genesis };
}

function failed(checks, name, refused) {
    return { valid: false, checks: [...checks, { name, ok: false, detail: { refused } }], facts: {} };
}
