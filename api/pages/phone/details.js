/** Private fields that a holder shows, and whether they belong to the bill: `chain/details.py`. */
import { equal } from './bytes.js';
import { hashLeaf, rootFromPath, rootOfHashes } from './merkle.js';
import { encode } from './msgpack.js';
import { Refused } from './refused.js';

const SCHEMA = 1;
const SLOTS = 32;
const LIST_SLOTS_MIN = 16;

/** Names by field id; free ids are empty slots. */
export const FIELDS = [
    'business_no', 'business_time', 'payer_type', 'payer_name', 'payer_id_type', 'payer_id_number', 'charges', 'items', 'visit',
    'diagnosis', 'cashier', 'checker', 'check_code', 'token', 'remark', 'reason', 'group',
];
const LISTS = new Set(['charges', 'items', 'visit']);

/** Check that a shown field belongs to the bill under `root`. */
export async function verifyOpened({ field, value, salts, path }, bill, root) {
    const name = FIELDS[field];
    let shown = value;
    if (LISTS.has(name)) {
        if (!Array.isArray(value) || salts.length !== 1 + listSlots(value.length))
            throw new Refused('a list with other salts than its rows need');
        if (value.includes(null)) throw new Refused('a blank among the rows'); // that is how padding is spelt
        const rows = salts.slice(1).map((salt, place) => hashField(bill, field, place + 1, salt, value[place] ?? null));
        shown = await rootOfHashes(await Promise.all(rows));
    } else if (salts.length !== 1) throw new Refused('one salt per field');
    const leaf = await hashField(bill, field, 0, salts[0], shown);
    if (!equal(await rootFromPath(leaf, field, SLOTS, path), root))
        throw new Refused(`field ${name} leads to another root`);
}

const hashField = (bill, field, index, salt, value) => hashLeaf(encode([SCHEMA, bill, field, index, salt, value]));

/** The next power of two, of at least 16: no path tells how many lines there are. */
function listSlots(rows) {
    let slots = LIST_SLOTS_MIN;
    while (slots < rows) slots *= 2;
    return slots;
}
