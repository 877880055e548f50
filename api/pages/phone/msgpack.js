/**
 * Canonical MessagePack, as `chain/codec.py` has it: one spelling for everything that is hashed or signed.
 *
 * Values are null, booleans, whole numbers (as BigInt beyond 2^53), text, Uint8Array and arrays; a struct of `shapes.js`
 * stands for the array that it was read from. Maps, floats and extensions have no place in a proof and are refused.
 */
import { equal, join, utf8 } from './bytes.js';
import { Refused } from './refused.js';

const DEPTH_MAX = 32;
const EXACT_MAX = 2 ** 53; // up to here a number is exact, this one included

/** The value that `data` spells canonically; refuses everything else. */
export function decode(data) {
    const reader = new Reader(data);
    const value = reader.value(0);
    if (reader.at !== data.length) throw new Refused('bytes after the value');
    if (!equal(encode(value), data)) throw new Refused('not the canonical spelling');
    return value;
}

class Reader {
    constructor(data) {
        this.data = data;
        this.view = new DataView(data.buffer, data.byteOffset, data.byteLength);
        this.at = 0;
        this.text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
    }

    /** Moves over `count` bytes and returns where they begin. */
    step(count) {
        const start = this.at;
        if (start + count > this.data.length) throw new Refused('cut short');
        this.at = start + count;
        return start;
    }

    /** A big-endian number of 1, 2 or 4 bytes. */
    length(bytes) {
        const start = this.step(bytes);
        if (bytes === 1) return this.view.getUint8(start);
        return bytes === 2 ? this.view.getUint16(start) : this.view.getUint32(start);
    }

    bytes(count) {
        const start = this.step(count);
        return this.data.slice(start, this.at);
    }

    string(count) {
        try {
            return this.text.decode(this.bytes(count));
        } catch (error) {
            throw error instanceof Refused ? error : new Refused('text that is not UTF-8');
        }
    }

    array(count, depth) {
        if (count > this.data.length - this.at) throw new Refused('cut short'); // an entry has a byte at least
        const found = [];
        for (let place = 0; place < count; place++) found.push(this.value(depth + 1));
        return found;
    }

    value(depth) {
        if (depth > DEPTH_MAX) throw new Refused('too deep');
        const head = this.length(1);
        if (head < 0x80) return head;
        if (head >= 0xe0) return head - 0x100;
        if (head >= 0xa0 && head < 0xc0) return this.string(head & 0x1f);
        if (head >= 0x90 && head < 0xa0) return this.array(head & 0x0f, depth);
        switch (head) {
            case 0xc0: return null;
            case 0xc2: return false;
            case 0xc3: return true;
            case 0xc4: return this.bytes(this.length(1));
            case 0xc5: return this.bytes(this.length(2));
            case 0xc6: return this.bytes(this.length(4));
            case 0xcc: return this.length(1);
            case 0xcd: return this.length(2);
            case 0xce: return this.length(4);
            case 0xcf: return exact(this.view.getBigUint64(this.step(8)));
            case 0xd0: return this.view.getInt8(this.step(1));
            case 0xd1: return this.view.getInt16(this.step(2));
            case 0xd2: return this.view.getInt32(this.step(4));
            case 0xd3: return exact(this.view.getBigInt64(this.step(8)));
            case 0xd9: return this.string(this.length(1));
            case 0xda: return this.string(this.length(2));
            case 0xdb: return this.string(this.length(4));
            case 0xdc: return this.array(this.length(2), depth);
            case 0xdd: return this.array(this.length(4), depth);
            default: throw new Refused(`a kind of value that no proof has: ${head.toString(16)}`);
        }
    }
}

const exact = (big) => (big >= -BigInt(EXACT_MAX) && big <= BigInt(EXACT_MAX) ? Number(big) : big);

/** Canonical bytes. */
export function encode(value) {
    if (value === null) return Uint8Array.of(0xc0);
    if (typeof value === 'boolean') return Uint8Array.of(value ? 0xc3 : 0xc2);
    if (typeof value === 'number' || typeof value === 'bigint') return integer(value);
    if (typeof value === 'string') {
        const text = utf8(value);
        return join(head(text.length, 0xa0, 32, [0xd9, 0xda, 0xdb]), text);
    }
    if (value instanceof Uint8Array) return join(head(value.length, 0, 0, [0xc4, 0xc5, 0xc6]), value);
    if (Array.isArray(value)) return join(arrayHead(value.length), ...value.map(encode));
    if (Array.isArray(value?.wire)) return encode(value.wire);
    throw new Refused('no canonical form');
}

/** What an array of so many entries begins with. */
export const arrayHead = (count) => head(count, 0x90, 16, [null, 0xdc, 0xdd]);

/** The length `count` behind the shortest mark: inside one byte below `short`, else in 1, 2 or 4 bytes where marked. */
function head(count, mark, short, marks) {
    if (count < short) return Uint8Array.of(mark | count);
    if (marks[0] !== null && count < 0x100) return Uint8Array.of(marks[0], count);
    return count < 0x10000 ? number(marks[1], 2, count) : number(marks[2], 4, count);
}

function integer(value) {
    if (typeof value === 'number' && (!Number.isInteger(value) || Math.abs(value) > EXACT_MAX))
        throw new Refused('no canonical form');
    if (value >= 0) {
        if (value < 0x80) return Uint8Array.of(Number(value));
        if (value < 0x100) return number(0xcc, 1, value);
        if (value < 0x10000) return number(0xcd, 2, value);
        return value < 0x100000000 ? number(0xce, 4, value) : number(0xcf, 8, value);
    }
    if (value >= -0x20) return Uint8Array.of(Number(value) + 0x100);
    if (value >= -0x80) return number(0xd0, 1, value);
    if (value >= -0x8000) return number(0xd1, 2, value);
    return value >= -0x80000000 ? number(0xd2, 4, value) : number(0xd3, 8, value);
}

/** A mark and a number of so many bytes, big-endian, negative ones as two's complement. */
function number(mark, bytes, value) {
    const made = new Uint8Array(1 + bytes);
    let left = BigInt.asUintN(8 * bytes, BigInt(value));
    made[0] = mark;
    for (let at = bytes; at > 0; at--, left >>= 8n) made[at] = Number(left & 0xffn);
    return made;
}
