"""The vote keys of a validator's home: `vote.key`, and those made later; the set of validators says which one signs.

A key is made in the home where it will vote, and never copied to another. Whoever makes one beside a running node
leaves its name in the journal's directory: from there the journal takes it over, so that it is known to hold all votes
by it. Source: PROTOCOL rule 14.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import structlog

from chain.directory import flush_directory
from chain.signature import SigningKey
from chain.transaction import key_id
from node.errors import KeyFileRefused
from node.keystore import generate_signing_key, load_signing_key, save_signing_key

Sign = Callable[[bytes], bytes]

log = structlog.get_logger()

KEYS_MAX = 32  # in one home; old ones may be put aside
LATER_KEYS = "vote-*.key"
NOTE_PREFIX = "key-"  # in the journal's directory: `key-` and the public key in hexadecimal digits


class VoteKeys:
    """Reads the files again when a set names a key that is not known yet."""

    def __init__(self, directory: Path) -> None:
        """`directory` is the home's `config`. Raises KeyFileRefused if a file there must not be used."""
        self._directory = directory
        self._keys = self._load()

    def sign_with(self, public: bytes) -> Sign | None:
        """What signs for that key, or None if it is not here, or lies here and must not be used."""
        if public not in self._keys:
            try:
                self._keys = self._load()
            except KeyFileRefused as refusal:
                log.error("vote_key_refused", detail=str(refusal))
        key = self._keys.get(public)
        return key.sign if key is not None else None

    @property
    def publics(self) -> list[bytes]:
        return list(self._keys)

    def _load(self) -> dict[bytes, SigningKey]:
        paths = [path for path in (self._directory / "vote.key",) if path.exists()]
        paths += sorted(self._directory.glob(LATER_KEYS))
        if not paths:
            raise KeyFileRefused(self._directory / "vote.key", "cannot be read: No such file or directory")
        if len(paths) > KEYS_MAX:
            raise KeyFileRefused(self._directory, f"{len(paths)} vote keys; put those of former sets aside")
        keys = [load_signing_key(path) for path in paths]
        return {key.public: key for key in keys}


def make_vote_key(directory: Path, journal: Path) -> tuple[Path, bytes]:
    """A new key beside those that are there: its file and its public half. The journal's directory is told first.

    Raises KeyFileRefused, OSError.
    """
    key = generate_signing_key()
    note = journal / f"{NOTE_PREFIX}{key.public.hex()}"
    path = directory / f"vote-{key_id(key.public).hex()[:8]}.key"
    note.touch(mode=0o600)
    flush_directory(journal)
    save_signing_key(path, key)
    return path, key.public


def noted_keys(journal: Path) -> list[bytes]:
    """Public keys that `make_vote_key` left for the journal."""
    names = [path.name.removeprefix(NOTE_PREFIX) for path in sorted(journal.glob(f"{NOTE_PREFIX}*"))]
    return [bytes.fromhex(name) for name in names if len(name) == 64 and set(name) <= set("0123456789abcdef")]


def forget_note(journal: Path, public: bytes) -> None:
    """After the journal has taken it over, which may be asked for twice before it is done."""
    (journal / f"{NOTE_PREFIX}{public.hex()}").unlink(missing_ok=True)
