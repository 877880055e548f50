"""Why bytes, signatures, blocks and proofs are refused. Drawn as a tree; every class carries a stable `code`.

ChainError
├── Malformed              bytes that are not what they should be
│   ├── NotCanonical       they decode, but are not the one spelling that counts
│   └── TextRefused        not NFC, control characters, lone surrogates
├── BadSignature           the key did not sign this
│   └── KeyRefused         not a key that anybody may use
├── CertificateRefused     a set of votes that proves nothing
├── BlockInvalid           a block nobody may vote for
├── ProofRefused           a proof that does not prove
│   ├── ProofMalformed     a path whose length cannot be right
│   └── ProofMismatch      it leads elsewhere
├── FieldRefused           a field of a bill that cannot be shown
├── ContentRefused         a bill whose own figures disagree, or a catalogue that is out of order
├── GenesisRefused         a genesis file that cannot start a ledger
├── TrustRefused           a trust file that cannot be read, or contradicts itself
├── StorageDamaged         our own disk returned what we did not write: the node stops
├── StorageFailed          our own disk did not take a write: the node stops
└── StorageLocked          another process has the store open
"""

from __future__ import annotations


class ChainError(Exception):
    """Anything this package refuses. `code` is stable: it is shown to users and mapped to statuses elsewhere."""

    code = "refused"


class Malformed(ChainError):
    code = "malformed"


class NotCanonical(Malformed):
    code = "not_canonical"


class TextRefused(Malformed):
    code = "text_refused"


class BadSignature(ChainError):
    code = "bad_signature"


class KeyRefused(BadSignature):
    code = "key_refused"


class CertificateRefused(ChainError):
    code = "certificate_refused"


class BlockInvalid(ChainError):
    """A block that no honest validator votes for; `code` says which test it failed."""

    def __init__(self, code: str, detail: str = "") -> None:
        super().__init__(f"{code}: {detail}" if detail else code)
        self.code = code


class ProofRefused(ChainError):
    code = "proof_refused"


class ProofMalformed(ProofRefused):
    code = "proof_malformed"


class ProofMismatch(ProofRefused):
    code = "proof_mismatch"


class FieldRefused(ChainError):
    """`field_unknown`: no bill has such a field. `field_not_opened`: the file does not show it, so nobody can show it on."""

    def __init__(self, code: str, name: str, detail: str) -> None:
        super().__init__(f"{name}: {detail}")
        self.code, self.name = code, name


class ContentRefused(ChainError):
    """A bill that its own figures or the catalogues contradict; a catalogue that is not in order.

    `pointer` is the JSON pointer (RFC 6901) of the list or field that differs; `expected` and `actual` are whole fen
    where the difference is one of sums.
    """

    def __init__(self, code: str, pointer: str, detail: str = "") -> None:
        super().__init__(f"{code} at {pointer or '/'}" + (f": {detail}" if detail else ""))
        self.code, self.pointer, self.detail = code, pointer, detail


class GenesisRefused(ChainError):
    code = "genesis_refused"


class TrustRefused(ChainError):
    code = "trust_refused"


class StorageDamaged(ChainError):
    """Stops the node. `place` names file and offset, or the key."""

    code = "storage_damaged"

    def __init__(self, place: str, detail: str) -> None:
        super().__init__(f"{place}: {detail}")
        self.place, self.detail = place, detail


class StorageFailed(ChainError):
    """Stops the node: after a failed write or flush nobody knows what is on the disk, and asking again lies.

    `place` names the store or file. The handle that raised it refuses everything from then on.
    """

    code = "storage_failed"

    def __init__(self, place: str, detail: str) -> None:
        super().__init__(f"{place}: {detail}")
        self.place, self.detail = place, detail


class StorageLocked(ChainError):
    """The store is sound, but not ours now. Never a reason to rebuild it."""

    code = "storage_locked"

    def __init__(self, place: str) -> None:
        super().__init__(f"{place}: another process has it open")
        self.place = place
