"""Bearer tokens made on the spot, with the token key of an organisation."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from cli.failures import CommandFailed

if TYPE_CHECKING:
    from node.identity import Identity


def make_token(
    key_file: Path,
    chain_id: str,
    organisation: str,
    subject: str,
    role: str,
    lifetime_s: int,
    identity: Identity | None = None,
) -> str:
    """A token of the organisation whose key this is. Raises KeyFileRefused, CommandFailed for a role or lifetime."""
    from api.auth import issue_token
    from node.keystore import load_signing_key

    key = load_signing_key(key_file)
    try:
        return issue_token(
            key,
            issuer=organisation,
            chain_id=chain_id,
            subject=subject,
            organisation=organisation,
            role=role,
            lifetime_s=lifetime_s,
            identity=identity,
        )
    except ValueError as error:
        raise CommandFailed("argument_refused", str(error)) from None
