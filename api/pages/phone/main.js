/** The page: read the link, ask the server, examine its answer, say what it is worth. */
import { ask, countOf, Unanswered } from './asking.js';
import { implementation } from './ed25519.js';
import { examine } from './examine.js';
import { readLink } from './link.js';
import { judge } from './verdict.js';
import { show, showLookups } from './view.js';
import { preferred } from './words.js';

document.documentElement.dataset.started = ''; // `waiting.js` need not speak

let language = preferred(navigator.language);
let shown = { state: 'checking' };
let turn = 0; // of checking: what an earlier one finds out late is not shown

function render() {
    show(language, shown, { again: check });
}

async function check() {
    const mine = ++turn;
    shown = { state: 'checking' };
    render();
    const found = await look();
    if (mine !== turn) return;
    shown = found;
    render();
    if (!found.examined?.valid) return;
    const lookups = await countOf(found.link);
    if (mine !== turn || lookups === null) return;
    shown = { ...found, lookups };
    showLookups(language, lookups);
}

async function look() {
    const link = readLink(window.location);
    if (!link) return { state: 'bad_link' };
    try {
        await implementation();
    } catch {
        return { state: 'unable' };
    }
    try {
        const answer = await ask(link);
        const examined = await examine(link, answer);
        const nowMs = Date.now();
        return { ...judge(examined, link, nowMs), examined, proof: answer.proof, link, nowMs };
    } catch (error) {
        if (error instanceof Unanswered) return { state: error.state };
        console.error(error); // a fault of this program, which must not look like a verdict
        return { state: 'unable' };
    }
}

document.getElementById('language').addEventListener('click', () => {
    language = language === 'zh' ? 'en' : 'zh';
    render();
});
window.addEventListener('hashchange', check);
check();
