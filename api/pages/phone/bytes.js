/** Bytes as `Uint8Array`: hexadecimal digits, joining, comparing, text. */
import { Refused } from './refused.js';

const encoder = new TextEncoder();

export const utf8 = (text) => encoder.encode(text);

/** Lower-case hexadecimal digits. */
export const toHex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');

/** The bytes of lower-case hexadecimal digits; refuses every other text. */
export function fromHex(text) {
    if (typeof text !== 'string' || !/^(?:[0-9a-f]{2})*$/.test(text)) throw new Refused('not lower-case hex');
    return Uint8Array.from(text.match(/../g) ?? [], (pair) => parseInt(pair, 16));
}

export function join(...parts) {
    const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
    let at = 0;
    for (const part of parts) {
        whole.set(part, at);
        at += part.length;
    }
    return whole;
}

/** Below, at or above zero, as bytes sort. */
export function compare(one, other) {
    const shorter = Math.min(one.length, other.length);
    for (let at = 0; at < shorter; at++) if (one[at] !== other[at]) return one[at] - other[at];
    return one.length - other.length;
}

export const equal = (one, other) => compare(one, other) === 0;
