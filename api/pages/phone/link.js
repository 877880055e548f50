/**
 * What a bill's QR code says: `/v/{bill}.{token}?v=1#chain={chain id}`, 18 digits, 32 and 64 hexadecimal digits.
 *
 * The part behind # never leaves the phone: it pins the ledger, so that no server can put another one in its place.
 */

/** { bill, token, chain } of an address, `chain` null where the link names no ledger; null if it is no such link. */
export function readLink({ pathname, hash }) {
    const named = /^([0-9]{18})\.([0-9a-f]{32})$/.exec(pathname.slice(pathname.lastIndexOf('/') + 1));
    if (!named) return null;
    const [, bill, token] = named;
    if (hash.length <= 1) return { bill, token, chain: null };
    const pinned = /^#chain=([0-9a-f]{64})$/.exec(hash);
    return pinned ? { bill, token, chain: pinned[1] } : null; // half a pin is a broken link, not a link without one
}
