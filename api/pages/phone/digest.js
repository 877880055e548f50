/** Digests with a tag per kind, as `chain/digest.py` makes them: SHA-256(length of tag ‖ tag ‖ canonical array). */
import { join, utf8 } from './bytes.js';
import { encode } from './msgpack.js';
import { sha256 } from './sha2.js';

export const EMPTY_DIGEST = new Uint8Array(32); // "no former version"

/** 32 bytes. `kind` is one of: operation, transaction, header, vote, validator-set, genesis, key. */
export function digest(kind, parts) {
    const tag = utf8(`medbill/1/${kind}`);
    return sha256(join(Uint8Array.of(tag.length), tag, encode(parts)));
}
