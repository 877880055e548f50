/** What is on the screen. Everything is text in elements; nothing that a server sent becomes markup. */
import { toHex } from './bytes.js';
import { TONES } from './verdict.js';
import { statusLine, WORDS } from './words.js';
import { grouped, masked, yuan } from './writing.js';

const MARKS = { green: '✓', amber: '!', red: '✗', grey: '?' };
const CHECK_MARKS = new Map([[true, '✓'], [false, '✗'], [null, '–']]);

/**
 * Show a verdict. `shown` is { state, failed, others, examined, proof, link, nowMs, lookups }, the last six only where there was
 * something to examine; `actions` are { again }.
 */
export function show(language, shown, actions) {
    const words = WORDS[language];
    document.documentElement.lang = words.lang;
    document.title = words.title;
    document.getElementById('title').textContent = words.title;
    const toggle = document.getElementById('language');
    toggle.textContent = words.other;
    toggle.lang = language === 'zh' ? 'en' : 'zh-CN';
    showVerdict(words, shown);
    document.getElementById('rest').replaceChildren(...parts(words, shown, actions).filter(Boolean));
}

/** Add what came after the verdict: nothing that somebody reads or holds is made anew. */
export function showLookups(language, count) {
    document.getElementById('checks')?.before(lookupsPart(WORDS[language], count));
}

const lookupsPart = (words, count) => element('p', { id: 'lookups' }, words.lookups(count));

/** The verdict stays one element: a screen reader speaks what changes in it. */
function showVerdict(words, { state, failed, others = [], examined, nowMs }) {
    const tone = TONES[state];
    const [heading, explanation] = words.states[state];
    const verdict = document.getElementById('verdict');
    verdict.className = tone;
    verdict.dataset.state = state;
    verdict.setAttribute('aria-busy', String(state === 'checking'));
    verdict.replaceChildren(
        element('span', { class: 'mark', 'aria-hidden': 'true' }, MARKS[tone]),
        element('h2', {}, heading),
        ...(failed ? [element('p', { class: 'failed' }, words.failed(words.checkNames[failed] ?? failed))] : []),
        ...(examined?.valid && examined.facts.statusMs !== undefined
            ? [element('p', { class: 'as-of' }, statusLine(words, examined.facts.statusMs, nowMs, offsetOf(examined)))]
            : []),
        element('p', {}, explanation),
        ...others.map((other) => element('p', { class: 'also' }, words.states[other].join(words.colon))),
    );
}

const offsetOf = (examined) => examined.genesis.view.parameters.utc_offset_minutes;

function parts(words, { state, examined, proof, link, lookups }, actions) {
    if (state === 'checking') return [];
    return [
        examined?.valid && billPart(words, examined.facts),
        examined?.valid && chargesPart(words, examined.facts),
        lookups && lookupsPart(words, lookups),
        examined && checksPart(words, examined.checks),
        examined?.genesis && ledgerPart(words, examined.genesis),
        element('p', { class: 'actions' },
            button(words.again, actions.again),
            ...(proof && link && examined?.valid ? [saving(words, proof, link)] : []),
        ),
        element('p', { class: 'limits' }, words.limits),
    ];
}

function billPart(words, facts) {
    const rows = [
        [words.total, yuan(facts.totalFen), 'total'],
        [words.code, facts.bill.slice(0, 8)],
        [words.number, facts.bill.slice(8)],
        [facts.red ? words.original : words.related, facts.original ?? facts.related],
        [words.kind, words.kinds[facts.bill.slice(4, 6)]],
        [words.date, facts.businessDate],
        [words.issuer, facts.issuerName || facts.issuer],
        [words.payer, typeof facts.opened?.payer_name === 'string' && masked(facts.opened.payer_name)],
        [words.office, facts.sealed && (facts.officeName || facts.office)],
        [words.reason, facts.withheld],
        ...Object.entries(words.payments).map(([name, label]) => [label, facts.payments[name] && yuan(facts.payments[name])]),
        ...Object.entries(words.ownParts).map(([name, label]) => [label, facts[name] && yuan(facts[name])]),
    ];
    const list = element('dl', {});
    for (const [label, text, kind] of rows) {
        if (text) list.append(element('div', kind ? { class: kind } : {}, element('dt', {}, label), element('dd', {}, text)));
    }
    return section('bill', words.bill, list);
}

function chargesPart(words, facts) {
    const opened = facts.opened?.charges;
    const rows = Array.isArray(opened) ? opened.filter(Array.isArray) : []; // what a hospital put there nobody has checked
    if (rows.length === 0) return null;
    const list = element('dl', {});
    for (const [, name, fen] of rows) {
        const text = Number.isSafeInteger(fen) ? yuan(fen) : String(fen);
        list.append(element('div', {}, element('dt', {}, String(name)), element('dd', {}, text)));
    }
    return section('charges', words.charges, list);
}

function checksPart(words, checks) {
    const list = element('ol', {});
    for (const { name, ok, detail } of checks) {
        const text = ok === false ? detail.refused : ok === null ? words.none[name] : words.details[name](detail);
        list.append(
            element('li', { class: ok === false ? 'bad' : ok ? 'good' : 'absent', 'data-check': name },
                element('span', { class: 'mark', 'aria-hidden': 'true' }, CHECK_MARKS.get(ok)),
                element('span', { class: 'name' }, words.checkNames[name] ?? name),
                element('span', ok === false ? { class: 'detail', lang: 'en' } : { class: 'detail' }, text),
            ),
        );
    }
    return section('checks', words.checks, element('p', {}, words.checksAbout), list);
}

function ledgerPart(words, genesis) {
    return section('ledger', words.chain, element('p', {}, genesis.view.name), element('p', { class: 'chain' }, grouped(toHex(genesis.chainId))));
}

/** The proof as a file: it can be checked again without this page, in years. */
function saving(words, proof, link) {
    const address = URL.createObjectURL(new Blob([proof], { type: 'application/octet-stream' }));
    return element('a', { class: 'button', href: address, download: `${link.bill}.proof` }, words.save);
}

function section(id, heading, ...inside) {
    return element('section', { id, 'aria-labelledby': `${id}-heading` }, element('h3', { id: `${id}-heading` }, heading), ...inside);
}

function button(text, action) {
    const made = element('button', { type: 'button' }, text);
    made.addEventListener('click', action);
    return made;
}

function element(name, attributes, ...inside) {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.append(...inside);
    return made;
}
