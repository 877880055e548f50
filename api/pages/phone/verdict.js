/** From what was examined to what the page says first: one state, and what else has to be known. */

/** Beyond it the status is called old: a quiet ledger still makes a block every ten minutes. */
export const AGE_MAX_MS = 60 * 60 * 1000;

// state -> colour of the verdict
export const TONES = {
    genuine: 'green',
    reversed: 'amber', void: 'amber', red_bill: 'amber', withheld: 'amber', status_unknown: 'amber', not_sealed: 'amber',
    not_pinned: 'amber', stale: 'amber', pending: 'amber',
    invalid: 'red', no_match: 'red',
    bad_link: 'grey', try_later: 'grey', unreachable: 'grey', unable: 'grey', checking: 'grey',
};

/**
 * { state, failed, others } of a result of `examine`. `failed` names the check that did not hold; `others` are further
 * states that are true beside the first one. Only a bill that nothing speaks against is `genuine`.
 */
export function judge({ valid, checks, facts }, link, nowMs) {
    if (!valid) return { state: 'invalid', failed: checks[checks.length - 1].name, others: [] };
    const said = [];
    if (facts.status === 'reversed') said.push('reversed');
    if (facts.status === 'void') said.push('void');
    if (facts.red || facts.status === 'red') said.push('red_bill');
    if (facts.withheld !== undefined) said.push('withheld');
    if (!['normal', 'reversed', 'void', 'red'].includes(facts.status)) said.push('status_unknown');
    if (!facts.sealed && facts.withheld === undefined) said.push('not_sealed');
    if (link.chain === null) said.push('not_pinned');
    if (facts.statusMs !== undefined && nowMs - facts.statusMs > AGE_MAX_MS) said.push('stale');
    return { state: said[0] ?? 'genuine', failed: null, others: said.slice(1) };
}
