/** Merkle trees after RFC 6962, section 2.1: leaf hashes begin with 0x00, nodes with 0x01. */
import { equal, join } from './bytes.js';
import { Refused } from './refused.js';
import { sha256 } from './sha2.js';

const LEAF = Uint8Array.of(0);
const NODE = Uint8Array.of(1);
const PATH_LENGTH_MAX = 64;

export const hashLeaf = (leaf) => sha256(join(LEAF, leaf));

const hashNode = (left, right) => sha256(join(NODE, left, right));

/** The root over leaf hashes, one at least: pairs level by level, an odd one out moves up. */
export async function rootOfHashes(hashes) {
    let level = hashes;
    while (level.length > 1) {
        const above = [];
        for (let place = 0; place + 1 < level.length; place += 2) above.push(hashNode(level[place], level[place + 1]));
        if (level.length % 2) above.push(level[level.length - 1]);
        level = await Promise.all(above);
    }
    return level[0];
}

/** The root that a path leads to, from the leaf's sibling upwards. Refuses a path whose length does not fit. */
export async function rootFromPath(leafHash, index, size, path) {
    if (index >= size || path.length > PATH_LENGTH_MAX) throw new Refused('an index outside the tree');
    let [result, place, last, used] = [leafHash, index, size - 1, 0];
    while (last > 0) {
        if (place % 2 || place < last) {
            if (used === path.length) throw new Refused('a path too short for its tree');
            const sibling = path[used++];
            result = await (place % 2 ? hashNode(sibling, result) : hashNode(result, sibling));
        }
        place = Math.floor(place / 2);
        last = Math.floor(last / 2);
    }
    if (used !== path.length) throw new Refused('a path too long for its tree');
    return result;
}

/** Check that `leaf` is entry `index` of the `size` entries under `root`. */
export async function verifyInclusion(leaf, index, size, path, root) {
    if (!equal(await rootFromPath(await hashLeaf(leaf), index, size, path), root))
        throw new Refused('the path leads to another root');
}
