/**
 * The check of a proof, step by step as `chain/proof.py` makes it: its steps 1 to 10, under the same names.
 *
 * A page keeps nothing, so it has no checkpoints of its own (step 11); how old the newest header is (step 12), `verdict.js`
 * looks at.
 */
import { equal, toHex, utf8 } from './bytes.js';
import { FIELDS, verifyOpened } from './details.js';
import { digest } from './digest.js';
import { genesisState } from './genesis.js';
import { verifyInclusion } from './merkle.js';
import { decode, encode } from './msgpack.js';
import { stateLeaf, verifyEntry, verifyOutcome, verifySigned } from './recorded.js';
import { Refused } from './refused.js';
import { BillBody, Proof, REVERSE_BILL, SEAL_BILLS } from './shapes.js';
import { quorumSize, verifyCertificate } from './validators.js';

const PROOF_VERSION = 1;
const PROOF_BYTES_MAX = 2 << 20;
const UNIT = 1; // purposes of a key
const SEAL = 2;
const COVERED = 1; // seal axis of a bill
const VALIDITY = { 1: 'normal', 2: 'reversed', 3: 'red', 4: 'void' };

/**
 * Check a proof's bytes against a genesis that `readGenesis` read.
 *
 * Returns { valid, checks: [{ name, ok, detail }], facts }: `ok` is null for what the file does not hold, `detail` what was
 * found or, of the one that failed, `{ refused }`. Never raises for any bytes.
 */
export async function checkProof(data, genesis) {
    const checker = new Checker(data, genesis);
    try {
        await checker.run();
        return { valid: true, checks: checker.checks, facts: checker.facts };
    } catch (error) {
        if (error !== checker.failure) throw error;
        return { valid: false, checks: checker.checks, facts: {} };
    }
}

class Checker {
    constructor(data, genesis) {
        [this.data, this.genesis, this.chainId] = [data, genesis, genesis.chainId];
        this.checks = [];
        this.facts = {};
        this.sets = [genesis.validators];
        this.failure = null;
    }

    async run() {
        await this.step('form', () => this.form()); // 1
        const { bill, seal, current, opened } = this.proof;
        await this.step('ledger', () => this.ledger()); // 2
        await this.step('validators', () => this.validators()); // 3
        await this.step('block', () => this.block(bill.header, bill.certificate)); // 4
        await this.step('outcome', () => this.outcome(bill)); // 5
        await this.step('transaction', () => this.transaction(bill)); // 6
        await this.step('unit signature', () => this.signature(bill, UNIT)); // 7
        await this.step('bill', () => this.bill());
        let newest = bill.header;
        if (seal) newest = later(newest, seal.recorded.header);
        if (current) newest = later(newest, current.header);
        if (seal) await this.step('seal', () => this.seal(seal)); // 8
        else this.absent('seal');
        if (current) await this.step('current record', () => this.current(current)); // 9
        else this.absent('current record');
        if (opened.length) await this.step('opened fields', () => this.opened(opened)); // 10
        this.facts.asOf = { height: newest.height, timeMs: newest.timeMs };
    }

    /** Whatever a check raises, it did not hold. */
    async step(name, check) {
        try {
            this.checks.push({ name, ok: true, detail: await check() });
        } catch (error) {
            this.failure = error;
            this.checks.push({ name, ok: false, detail: { refused: error.message } });
            throw error;
        }
    }

    absent(name) {
        this.checks.push({ name, ok: null, detail: {} });
    }

    form() {
        if (this.data.length > PROOF_BYTES_MAX) throw new Refused(`${this.data.length} bytes`);
        this.proof = Proof(decode(this.data));
        if (this.proof.version !== PROOF_VERSION) throw new Refused(`version ${this.proof.version}`);
        return { bytes: this.data.length };
    }

    ledger() {
        const named = this.proof.bill.header.chainId;
        if (!equal(named, this.chainId))
            throw new Refused(`of ledger ${toHex(named).slice(0, 16)}, not ${toHex(this.chainId).slice(0, 16)}`);
        return { name: this.genesis.view.name, chain: toHex(this.chainId) };
    }

    async validators() {
        for (const { header, certificate, members } of this.proof.setChanges) {
            if (members.epoch !== header.height + 1)
                throw new Refused('a set that begins at another height than its header says');
            await this.block(header, certificate);
            if (!equal(header.nextValidators, await digest('validator-set', members)))
                throw new Refused('the header names another set');
            if (members.epoch <= this.sets[this.sets.length - 1].epoch) throw new Refused('sets out of order');
            this.sets.push(members);
        }
        const members = this.sets[this.sets.length - 1].members;
        return {
            members: members.map((member) => member.organisation),
            quorum: quorumSize(members.length),
            changes: this.sets.length - 1,
        };
    }

    async block(header, certificate) {
        if (header.height < 1) throw new Refused('genesis has no certificate');
        if (!equal(header.chainId, this.chainId)) throw new Refused('a header of another ledger');
        const members = this.sets.filter((set) => set.epoch <= header.height).pop();
        if (!equal(header.validators, await digest('validator-set', members)))
            throw new Refused(`block ${header.height} names another validator set`);
        await verifyCertificate(certificate, members, this.chainId, header.height, await digest('header', header));
        const signed = certificate.signatures.map(({ seat }) => members.members[seat].organisation);
        return { height: header.height, signed };
    }

    async outcome(recorded) {
        await verifyOutcome(recorded);
        return { height: recorded.header.height };
    }

    async transaction(recorded) {
        await verifyEntry(recorded);
        return { place: recorded.index + 1, count: recorded.head.operationsCount, of: recorded.head.organisation };
    }

    async signature(recorded, purpose) {
        if (!equal(recorded.head.chainId, this.chainId)) throw new Refused('a transaction for another ledger');
        await verifySigned(recorded, purpose, await this.parentState(recorded));
        return { by: recorded.head.organisation, key: toHex(recorded.head.keyId).slice(0, 16) };
    }

    /** Under which root the signer's key has to stand: that of the block before, whose digest the header names. */
    async parentState({ parent, header }) {
        if (header.height === 1) {
            if (parent) throw new Refused('block 1 follows genesis, which has no header');
            return genesisState(this.genesis);
        }
        if (!parent || !equal(await digest('header', parent), header.parent))
            throw new Refused('the header before is missing or another');
        return { root: parent.stateRoot, count: parent.stateCount };
    }

    bill() {
        const { entry, head, header } = this.proof.bill;
        const operation = entry.operation;
        if (operation.tag === SEAL_BILLS) throw new Refused('the operation is not a bill');
        const red = operation.tag === REVERSE_BILL;
        Object.assign(this.facts, {
            bill: operation.bill,
            red,
            issuer: head.organisation,
            issuerName: this.genesis.names.get(head.organisation) ?? '',
            place: operation.place,
            businessDate: dateText(operation.businessDate),
            totalFen: operation.totalFen,
            payments: operation.payments,
            selfPaidFen: operation.selfPaidFen,
            selfFundedFen: operation.selfFundedFen,
            height: header.height,
            recordedMs: header.timeMs,
            sealed: false,
        });
        if (red) this.facts.original = operation.original;
        return { bill: operation.bill, totalFen: operation.totalFen };
    }

    async seal(seal) {
        const { entry, header, certificate, head } = seal.recorded;
        if (entry.operation.tag !== SEAL_BILLS) throw new Refused('the operation is not a seal');
        await this.block(header, certificate);
        await this.outcome(seal.recorded);
        await this.transaction(seal.recorded);
        await this.signature(seal.recorded, SEAL);
        if (!entry.operation.released.includes(this.facts.bill)) await this.covered(seal, entry.operation);
        else if (seal.sealed || seal.historyPath.length) throw new Refused('a release needs no history');
        this.facts.sealed = true;
        this.facts.office = head.organisation;
        this.facts.officeName = this.genesis.names.get(head.organisation) ?? '';
        return { by: head.organisation, height: header.height };
    }

    async covered({ sealed, historyPath }, operation) {
        const { header, head } = this.proof.bill;
        const segments = operation.segments.filter((segment) => segment.issuer === head.organisation);
        if (segments.length !== 1 || header.height <= segments[0].after || header.height > segments[0].upto)
            throw new Refused("the seal does not cover this bill's height");
        if (operation.exceptions.some((exception) => exception.bill === this.facts.bill))
            throw new Refused('the office withheld its seal from this bill');
        const own = await digest('header', header);
        if (!sealed) {
            if (historyPath.length || !equal(own, operation.header)) throw new Refused('the seal is over another block');
            return;
        }
        if (!equal(await digest('header', sealed), operation.header) || !equal(sealed.chainId, this.chainId))
            throw new Refused('the seal is over another block');
        await verifyInclusion(encode([own]), header.height, sealed.height, historyPath, sealed.historyRoot);
    }

    async current({ header, certificate, record, place, path }) {
        await this.block(header, certificate);
        const leaf = stateLeaf(utf8(`bill/${this.facts.bill}`), encode(record));
        await verifyInclusion(leaf, place, header.stateCount, path, header.stateRoot);
        const { outcome, header: recorded } = this.proof.bill;
        if (!equal(record.origin, outcome.operation) || header.height < recorded.height)
            throw new Refused('the record was made by another operation');
        const body = BillBody(decode(record.body));
        this.facts.status = VALIDITY[body.validity] ?? String(body.validity);
        this.facts.statusMs = header.timeMs;
        if (body.related.length) this.facts.related = body.related[0];
        if (body.seal !== COVERED) this.facts.withheld = body.withheld;
        return { status: this.facts.status, height: header.height };
    }

    async opened(opened) {
        const { bill, detailsRoot } = this.proof.bill.entry.operation;
        if (opened.some((shown, place) => place > 0 && shown.field <= opened[place - 1].field))
            throw new Refused('fields twice or out of order');
        this.facts.opened = {};
        for (const shown of opened) {
            await verifyOpened(shown, bill, detailsRoot);
            this.facts.opened[FIELDS[shown.field] ?? String(shown.field)] = shown.value;
        }
        return { fields: Object.keys(this.facts.opened) };
    }
}

const later = (one, other) => (other.height > one.height ? other : one);

function dateText(day) {
    const digits = String(day);
    return `${digits.slice(0, 4)}-${digits.slice(4, 6)}-${digits.slice(6)}`;
}
