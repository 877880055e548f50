/** Who votes, how many votes decide, and what proves a decision: `chain/validators.py`. */
import { digest } from './digest.js';
import { isSignature } from './ed25519.js';
import { Refused } from './refused.js';

const COMMIT = 2; // kind of vote

/** As many of n as answer for certain when f = ⌊(n − 1)/3⌋ are silent. */
export const quorumSize = (n) => n - Math.floor((n - 1) / 3);

/** Check that exactly a quorum of distinct members signed a final header; every signature is checked. */
export async function verifyCertificate(certificate, members, chainId, height, headerDigest) {
    const { view, signatures } = certificate;
    const quorum = quorumSize(members.members.length);
    if (signatures.length !== quorum) throw new Refused(`${signatures.length} signatures, a quorum is ${quorum}`);
    if (signatures.some((entry, place) => place > 0 && entry.seat <= signatures[place - 1].seat))
        throw new Refused('seats not distinct and ascending');
    if (signatures[signatures.length - 1].seat >= members.members.length)
        throw new Refused('a seat that the set does not have');
    const message = await digest('vote', [chainId, members.epoch, COMMIT, view, height, headerDigest]);
    for (const { seat, signature } of signatures) {
        if (!(await isSignature(members.members[seat].key, message, signature)))
            throw new Refused(`the signature of seat ${seat} does not hold`);
    }
}
