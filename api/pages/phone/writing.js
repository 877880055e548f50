/** How money, times and names are written. */

/** Whole fen as yuan: -123456 is −¥1,234.56. */
export function yuan(fen) {
    const size = Math.abs(fen);
    const whole = String(Math.floor(size / 100)).replace(/\B(?=(\d{3})+$)/g, ',');
    return `${fen < 0 ? '−' : ''}¥${whole}.${String(size % 100).padStart(2, '0')}`;
}

/** Milliseconds since the epoch as yyyy-mm-dd hh:mm:ss in a zone so many minutes ahead of UTC. */
export function clock(timeMs, offsetMinutes) {
    const local = new Date(timeMs + offsetMinutes * 60_000);
    return local.toISOString().slice(0, 19).replace('T', ' ');
}

/** All of a name but its last character is covered: enough to compare with the paper, too little to learn it. */
export function masked(name) {
    const characters = Array.from(name);
    return '＊'.repeat(Math.max(1, characters.length - 1)) + (characters.length > 1 ? characters.pop() : '');
}

/** Groups of four, which people can compare. */
export const grouped = (hex) => hex.match(/.{1,4}/g).join(' ');
