"""What `medbill` ends with. The one place that maps a refusal to an exit code. Source: DESIGN section 11."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    OK = 0
    FAILED = 1  # something broke, here or in a node
    USAGE = 2  # the command or a file named in it cannot be understood
    INVALID = 3  # a verification was made, and says invalid
    NOT_FOUND = 4
    UNREACHABLE = 5  # nobody answers, or not now: the same command may succeed later
    REFUSED = 6  # by right, by content or by the ledger's state: it will not succeed by itself
    INTERRUPTED = 130


def exit_code_of_status(status: int) -> ExitCode:
    """Of an HTTP status that is not a success."""
    if status == 404:
        return ExitCode.NOT_FOUND
    if status in (408, 429, 502, 503, 504):
        return ExitCode.UNREACHABLE
    return ExitCode.REFUSED if 400 <= status < 500 else ExitCode.FAILED


# codes of refusals that never came over HTTP -> exit code; all others mean FAILED
EXIT_CODES: dict[str, ExitCode] = {
    "config_refused": ExitCode.USAGE,
    "genesis_refused": ExitCode.USAGE,
    "network_unknown": ExitCode.USAGE,
    "file_unreadable": ExitCode.USAGE,
    "argument_refused": ExitCode.USAGE,
    "catalogue_malformed": ExitCode.USAGE,
    "field_unknown": ExitCode.USAGE,
    "line_refused": ExitCode.USAGE,
    "file_refused": ExitCode.USAGE,
    "statement_malformed": ExitCode.USAGE,
    "carried_refused": ExitCode.INVALID,
    "result_exists": ExitCode.REFUSED,
    "field_not_opened": ExitCode.REFUSED,
    "proof_refused": ExitCode.INVALID,
    "home_exists": ExitCode.REFUSED,
    "already_running": ExitCode.REFUSED,
    "key_file_refused": ExitCode.REFUSED,
    "foreign_genesis": ExitCode.REFUSED,
    "storage_locked": ExitCode.REFUSED,
    "votes_already": ExitCode.REFUSED,
    "no_seat": ExitCode.REFUSED,
    "renewed_lately": ExitCode.REFUSED,
    "not_a_validator": ExitCode.USAGE,
    "name_taken": ExitCode.REFUSED,
    "organisation_unknown": ExitCode.REFUSED,
    "not_an_agency": ExitCode.REFUSED,
    "no_authority": ExitCode.REFUSED,
    "backup_exists": ExitCode.REFUSED,
    "archive_exists": ExitCode.REFUSED,
    "archive_differs": ExitCode.REFUSED,
    "issuer_unknown": ExitCode.NOT_FOUND,
    "day_moves": ExitCode.UNREACHABLE,
    "home_not_empty": ExitCode.REFUSED,
    "journal_exists": ExitCode.REFUSED,
    "block_differs": ExitCode.REFUSED,
    "backup_unreadable": ExitCode.INVALID,
    "not_found": ExitCode.NOT_FOUND,
    "unreachable": ExitCode.UNREACHABLE,
    "timed_out": ExitCode.UNREACHABLE,
    "not_ready": ExitCode.UNREACHABLE,
    "interrupted": ExitCode.INTERRUPTED,
}


def exit_code_of(code: str) -> ExitCode:
    """Of a stable code of ours."""
    return EXIT_CODES.get(code, ExitCode.FAILED)
