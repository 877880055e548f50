// The phone page's own modules without a phone: reads each link as the page does, asks its server, examines the answer, judges.
// Lies beside them when it runs (phone.py), writes [{ colour, state, failed }] to stdout.
import { ask, Unanswered } from './asking.js';
import { examine } from './examine.js';
import { readLink } from './link.js';
import { judge, TONES } from './verdict.js';

const plain = globalThis.fetch;

async function look(address) {
    globalThis.fetch = (path, how) => plain(new URL(path, address), how); // a page's paths begin at its own address
    const link = readLink(address);
    if (!link) return { state: 'bad_link', failed: null };
    try {
        return judge(await examine(link, await ask(link)), link, Date.now());
    } catch (error) {
        if (error instanceof Unanswered) return { state: error.state, failed: null };
        throw error;
    }
}

const seen = [];
for (const text of process.argv.slice(2)) {
    const { state, failed } = await look(new URL(text));
    seen.push({ colour: TONES[state], state, failed });
}
process.stdout.write(`${JSON.stringify(seen)}\n`, () => process.exit(0)); // connections kept alive would hold it
