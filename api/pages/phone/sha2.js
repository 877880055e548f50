/**
 * SHA-256 and SHA-512: by the browser where it offers them, else by the code below.
 *
 * Browsers offer `crypto.subtle` on https and on the machine itself only; a gateway on a hospital's own network may speak
 * plain http. Source: FIPS 180-4.
 */
import { join } from './bytes.js';

/** 32 bytes. */
export const sha256 = (data) => hash('SHA-256', data);

/** 64 bytes. */
export const sha512 = (data) => hash('SHA-512', data);

async function hash(name, data) {
    const subtle = globalThis.crypto?.subtle;
    if (subtle) return new Uint8Array(await subtle.digest(name, data));
    return computed(name === 'SHA-256' ? WIDE_32 : WIDE_64, data);
}

/** The same without the browser's help; `wide` is one of the two below. */
export function computed(wide, data) {
    const state = [...wide.start];
    for (const block of blocks(data, wide)) mix(state, block, wide);
    return join(...state.map((word) => toBytes(word, wide.bits / 8)));
}

/** The padded message in blocks of 16 words. */
function* blocks(data, { bits }) {
    const word = bits / 8;
    const size = 16 * word;
    const padded = new Uint8Array(Math.ceil((data.length + 1 + 2 * word) / size) * size);
    padded.set(data);
    padded[data.length] = 0x80;
    padded.set(toBytes(BigInt(data.length) * 8n, 8), padded.length - 8);
    for (let at = 0; at < padded.length; at += size) {
        yield Array.from({ length: 16 }, (_, place) => fromBytes(padded.subarray(at + place * word, at + (place + 1) * word)));
    }
}

function mix(state, words, { bits, keys, shifts }) {
    const mask = (1n << BigInt(bits)) - 1n;
    const turn = (word, by) => ((word >> by) | (word << (BigInt(bits) - by))) & mask;
    const [upper1, upper0, lower0, lower1] = shifts;
    const three = (word, [a, b, c]) => turn(word, a) ^ turn(word, b) ^ turn(word, c);
    const two = (word, [a, b, c]) => turn(word, a) ^ turn(word, b) ^ (word >> c);
    for (let at = 16; at < keys.length; at++) {
        words[at] = (two(words[at - 2], lower1) + words[at - 7] + two(words[at - 15], lower0) + words[at - 16]) & mask;
    }
    let [a, b, c, d, e, f, g, h] = state;
    for (let at = 0; at < keys.length; at++) {
        const first = (h + three(e, upper1) + ((e & f) ^ (~e & mask & g)) + keys[at] + words[at]) & mask;
        const second = (three(a, upper0) + ((a & b) ^ (a & c) ^ (b & c))) & mask;
        [a, b, c, d, e, f, g, h] = [(first + second) & mask, a, b, c, (d + first) & mask, e, f, g];
    }
    [a, b, c, d, e, f, g, h].forEach((word, place) => (state[place] = (state[place] + word) & mask));
}

function fromBytes(bytes) {
    let value = 0n;
    for (const byte of bytes) value = (value << 8n) | BigInt(byte);
    return value;
}

function toBytes(value, count) {
    const made = new Uint8Array(count);
    for (let at = count - 1; at >= 0; at--, value >>= 8n) made[at] = Number(value & 0xffn);
    return made;
}

function primes(count) {
    const found = [];
    for (let number = 2; found.length < count; number++) if (found.every((prime) => number % prime)) found.push(number);
    return found.map(BigInt);
}

/** The largest whole number whose `power`-th power is not above `value`. */
function root(value, power) {
    let low = 0n;
    let high = 1n << 80n;
    while (high - low > 1n) {
        const middle = (low + high) >> 1n;
        if (middle ** power <= value) low = middle;
        else high = middle;
    }
    return low;
}

/** The first `bits` bits behind the point of a prime's root: where FIPS 180-4 takes its constants from. */
const fraction = (prime, power, bits) => root(prime << (power * bits), power) & ((1n << bits) - 1n);

const constants = (bits, rounds) => ({
    bits,
    start: primes(8).map((prime) => fraction(prime, 2n, BigInt(bits))),
    keys: primes(rounds).map((prime) => fraction(prime, 3n, BigInt(bits))),
});

export const WIDE_32 = { ...constants(32, 64), shifts: [[6n, 11n, 25n], [2n, 13n, 22n], [7n, 18n, 3n], [17n, 19n, 10n]] };
export const WIDE_64 = { ...constants(64, 80), shifts: [[14n, 18n, 41n], [28n, 34n, 39n], [1n, 8n, 7n], [19n, 61n, 6n]] };
