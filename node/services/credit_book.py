"""What a lender's service keeps of its own: which line is whose, by keyed digests of names. No name, no document, no score.

Rows of a LevelDB in the lender's home:
  secret                    32 bytes, drawn when the book is made: the key of the digests, so that a new unit key changes none
  n number-MAC              -> line     an attestation that was taken, for one product
  p person-MAC product      -> line     the newest line of a person
  l line                    -> LineRow  what was signed for it
  d line                    -> the moment for which it was stated last, milliseconds
  u                         -> up to when all lines are stated, milliseconds
Whoever loses the book loses no money and no line: the ledger has them; but who asks again gets another one.
"""

from __future__ import annotations

import hmac
import os
from pathlib import Path

from msgspec.structs import replace

from chain.codec import Count, Digest, Milliseconds, Name, Wire, decode_stored, encode
from chain.database import MARKER, Database
from chain.errors import StorageDamaged

SECRET = b"secret"
STATED_UNTIL = b"u"
SECRET_BYTES = 32


class LineRow(Wire, frozen=True):
    """The operations that open a line and name further hospitals for it, as they were signed: sent again, they are the same ones."""

    line: Digest
    product: Name
    version: Count
    until_ms: Milliseconds
    approval: Digest
    person: Digest  # MAC
    hospitals: list[Name]
    further: list[list[Name]]  # that were named later, step by step

    def named(self) -> set[str]:
        return {*self.hospitals, *(hospital for step in self.further for hospital in step)}


class CreditBook:
    """One process, on its loop; what was put is on the disk when `keep` returns."""

    def __init__(self, database: Database, secret: bytes) -> None:
        self._database, self._secret = database, secret
        rows = (decode_stored(stored, LineRow) for _key, stored in database.scan(b"l"))
        self.products = {(row.product, row.version) for row in rows}  # that lines were opened under

    def __repr__(self) -> str:
        return "CreditBook()"

    @classmethod
    def open(cls, path: Path) -> CreditBook:
        """Open the book at `path`, or make it. Raises StorageLocked while another service has it, StorageDamaged, StorageFailed."""
        is_new = not (path / MARKER).exists()
        database = Database.create(path) if is_new else Database.open(path)
        secret = database.get(SECRET)
        if secret is None:
            if next(iter(database.scan(b"l", limit=1)), None) is not None:
                raise StorageDamaged(str(path), "the key of its digests is missing")
            secret = os.urandom(SECRET_BYTES)
            database.write({SECRET: secret})
        return cls(database, secret)

    def close(self) -> None:
        self._database.close()

    def person(self, organisation: str, subject: str) -> bytes:
        """Somebody as one organisation's sign-on calls them."""
        return self._mac("person", organisation, subject)

    def number(self, provider: str, number: str, product: str) -> bytes:
        """An attestation, as used for one product."""
        return self._mac("attestation", provider, number, product)

    def approval(self, number: bytes, line: bytes) -> bytes:
        """Stands on the ledger for the decision; only who has this book can tell which one."""
        return self._mac("approval", number.hex(), line.hex())

    def of_number(self, number: bytes) -> LineRow | None:
        return self._pointed(b"n" + number)

    def of_person(self, person: bytes, product: str) -> LineRow | None:
        return self._pointed(b"p" + person + product.encode())

    def line(self, line: bytes) -> LineRow | None:
        stored = self._database.get(b"l" + line)
        return None if stored is None else decode_stored(stored, LineRow)

    def keep(self, row: LineRow, number: bytes) -> None:
        """A line, as the newest of its person, and the attestation that it was given on."""
        self.products.add((row.product, row.version))
        self._database.write(
            {
                b"l" + row.line: encode(row),
                b"p" + row.person + row.product.encode(): row.line,
                b"n" + number: row.line,
            }
        )

    def name(self, line: bytes, hospitals: list[str]) -> LineRow:
        """Further hospitals of a line; the line as it is then."""
        row = self.line(line)
        if row is None:
            raise KeyError(line.hex())
        row = replace(row, further=[*row.further, hospitals])
        self._database.write({b"l" + row.line: encode(row)})
        return row

    def note_number(self, number: bytes, row: LineRow) -> None:
        """A further attestation led to a line that was there."""
        self._database.write({b"n" + number: row.line})

    # ── statements ───────────────────────────────────────────────────────────────────────────────────────────────────

    def stated_until_ms(self) -> int | None:
        """Every moment up to then has had its round; None before the first start."""
        return self._time(STATED_UNTIL)

    def note_all_stated(self, until_ms: int) -> None:
        self._database.write({STATED_UNTIL: encode(until_ms)})

    def stated_ms(self, line: bytes) -> int | None:
        """For which moment a line was stated last."""
        return self._time(b"d" + line)

    def note_stated(self, line: bytes, moment_ms: int) -> None:
        self._database.write({b"d" + line: encode(moment_ms)})

    def _time(self, key: bytes) -> int | None:
        stored = self._database.get(key)
        return None if stored is None else decode_stored(stored, int)

    def _pointed(self, key: bytes) -> LineRow | None:
        line = self._database.get(key)
        return None if line is None else self.line(line)

    def _mac(self, *parts: str) -> bytes:
        return hmac.digest(self._secret, encode(["medbill/credit-book", *parts]), "sha256")
