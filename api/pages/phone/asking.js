/** What the page asks its server for: the genesis file and the bill's proof. Nothing that it answers is believed. */

const FIELDS = ['payer_name', 'charges']; // what stands on the face, and no more
const WAIT_MS = 20_000;
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
    const [genesis, proof] = await Promise.all([
        get('../v1/genesis', {}),
        get(`../v1/bills/${bill}/proof?fields=${FIELDS.join(',')}`, { 'Medbill-Check-Code': token }),
    ]);
    return { genesis: new TextDecoder().decode(genesis), proof };
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
