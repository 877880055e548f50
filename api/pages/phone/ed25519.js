/**
 * Whether an Ed25519 signature holds, decided as `chain/signature.py` decides (libsodium, strict).
 *
 * The browser's own Ed25519 is used if it decides the edge cases below as expected; else noble-ed25519's points carry the
 * equation of RFC 8032 without the cofactor, which noble's own `verify` would multiply with. Keys and points of small order
 * are refused in both ways, S not below the order too.
 */
import { Point } from './noble-ed25519.js';
import { EDGE_CASES, SMALL_ORDER } from './ed25519_cases.js';
import { equal, fromHex, join, toHex } from './bytes.js';
import { Refused } from './refused.js';
import { sha512 } from './sha2.js';

export const ED25519 = 1; // suite
const ORDER = Point.CURVE().n;
const PRIME = Point.CURVE().p;

let chosen; // promise of { name, holds }, made once

/** Check that the holder of `key` (32 bytes) signed `message`; `signature` has 64 bytes. Refuses what does not hold. */
export async function verifySignature(key, message, signature) {
    if (!(await isSignature(key, message, signature))) throw new Refused('signature does not hold');
}

export async function isSignature(key, message, signature) {
    const { holds } = await implementation();
    return isStrict(key, signature) && (await holds(key, message, signature));
}

/** Which one decides here, `browser` or `noble`; refuses to go on with one that decides wrongly. */
export const implementation = () => (chosen ??= choose());

async function choose() {
    for (const [name, holds] of [['browser', byBrowser], ['noble', byNoble]]) {
        if (await decidesAsExpected(holds)) return { name, holds };
    }
    throw new Refused('this browser cannot check signatures');
}

/** A vector that raises is one that this implementation cannot decide. */
export async function decidesAsExpected(holds) {
    try {
        for (const { key, message, signature, expected } of EDGE_CASES) {
            const [k, m, s] = [fromHex(key), fromHex(message), fromHex(signature)];
            if ((isStrict(k, s) && (await holds(k, m, s))) !== expected) return false;
        }
        return true;
    } catch {
        return false;
    }
}

/** What libraries disagree about, settled before they are asked: canonical key, no small order, S below the order. */
function isStrict(key, signature) {
    if (key.length !== 32 || signature.length !== 64) return false;
    if (SMALL_ORDER.has(toHex(key)) || SMALL_ORDER.has(toHex(signature.subarray(0, 32)))) return false;
    return littleEndian(unsigned(key)) < PRIME && littleEndian(signature.subarray(32)) < ORDER;
}

async function byBrowser(key, message, signature) {
    const subtle = globalThis.crypto.subtle;
    let imported;
    try {
        imported = await subtle.importKey('raw', key, { name: 'Ed25519' }, false, ['verify']);
    } catch (error) {
        if (error.name === 'DataError') return false; // not a point; other errors: no Ed25519 here
        throw error;
    }
    return subtle.verify({ name: 'Ed25519' }, imported, signature, message);
}

export async function byNoble(key, message, signature) {
    let point;
    try {
        point = Point.fromBytes(key);
    } catch {
        return false; // not a point
    }
    const r = signature.subarray(0, 32);
    const k = littleEndian(await sha512(join(r, key, message))) % ORDER;
    const s = littleEndian(signature.subarray(32));
    const expected = Point.BASE.multiply(s, false).subtract(point.multiply(k, false));
    return equal(expected.toBytes(), r);
}

/** A key's y coordinate: without the bit that holds the sign of x. */
function unsigned(key) {
    const copy = key.slice();
    copy[31] &= 0x7f;
    return copy;
}

function littleEndian(bytes) {
    let value = 0n;
    for (let at = bytes.length - 1; at >= 0; at--) value = (value << 8n) | BigInt(bytes[at]);
    return value;
}
