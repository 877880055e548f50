/** What the page asks its server for: the genesis file, the bill's proof, how often it was looked up. Nothing of it is believed. */

const FIELDS = ['payer_name', 'charges']; // what stands on the face, and no more
const WAIT_MS = 20_000;
const COUNT_WAIT_MS = 5_000;
const BYTES_MAX = 4 << 20;

/** Why there is no answer to check: `no_match`, `pending`, `try_later` or `unreachable`. */
export class Unanswered extends Error {
    constructor(state) {
        super(state);
        this.state = state;
    }
}

/** { genesis, proof }: a text and bytes. Raises Unanswered. */
export async function ask({ bill, token }) {
    const [genesis, proof] = await Promise.all([get('../v1/genesis', {}), proofOf(bill, token)]);
    return { genesis: new TextDecoder().decode(genesis), proof };
}

/** A bill that a person has claimed shows its code's reader what is public, and no more. */
async function proofOf(bill, token) {
    const path = `../v1/bills/${bill}/proof`;
    const headers = { 'Medbill-Check-Code': token };
    try {
        return await get(`${path}?fields=${FIELDS.join(',')}`, headers);
    } catch (error) {
        if (!(error instanceof Unanswered) || error.state !== 'no_match') throw error;
        return await get(path, headers);
    }
}

/** How often this server has found the bill for somebody, this time with it; null where it does not say. Never raises. */
export async function countOf({ bill, token }) {
    const stop = new AbortController();
    const clock = setTimeout(() => stop.abort(), COUNT_WAIT_MS);
    try {
        const answer = await fetch('../v1/verifications', {
            method: 'POST', headers: { 'Content-Type': 'application/json' },
            body: JSON.stringify({ bill_id: bill, check_code: token }),
            signal: stop.signal, cache: 'no-store', credentials: 'omit', redirect: 'error',
        });
        const count = answer.ok ? (await answer.json())?.lookups : null;
        return Number.isSafeInteger(count) && count > 0 ? count : null;
    } catch {
        return null;
    } finally {
        clearTimeout(clock);
    }
}

async function get(path, headers) {
    const stop = new AbortController();
    const clock = setTimeout(() => stop.abort(), WAIT_MS);
    try {
        const answer = await fetch(path, {
            headers, signal: stop.signal, cache: 'no-store', credentials: 'omit', redirect: 'error',
        });
        if (!answer.ok) throw new Unanswered(await stateOf(answer));
        const body = new Uint8Array(await answer.arrayBuffer());
        if (body.length > BYTES_MAX) throw new Unanswered('unreachable');
        return body;
    } catch (error) {
        throw error instanceof Unanswered ? error : new Unanswered('unreachable');
    } finally {
        clearTimeout(clock);
    }
}

async function stateOf(answer) {
    const code = await answer.json().then((problem) => problem?.code, () => '');
    if (code === 'bill_unknown') return 'no_match';
    if (code === 'bill_not_recorded') return 'pending';
    return answer.status === 429 || answer.status === 503 ? 'try_later' : 'unreachable';
}
