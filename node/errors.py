"""Why a node refuses a file of its own or a peer. Drawn as a tree; every class carries a stable `code`.

NodeError
├── KeyFileRefused       a key file that must not be used as it lies there
├── JournalMissing       the node has lost its memory of votes: it follows and signs nothing
├── JournalCopied        what lies there is a copy, and may lack what the original went on to hold: the same
├── AddressTaken         somebody else listens there
└── PeerError            a question to a peer has no answer
    ├── LinkClosed       the link went away first
    ├── LinkBusy         too much is waiting on it already
    ├── RequestTimedOut  the peer was silent
    └── PeerRefused      the peer, or we, said no
"""

from __future__ import annotations

from pathlib import Path


class NodeError(Exception):
    """Anything this package refuses. `code` is stable."""

    code = "node_error"


class KeyFileRefused(NodeError):
    """`path` names the file; the message says what to do about it."""

    code = "key_file_refused"

    def __init__(self, path: Path, detail: str) -> None:
        super().__init__(f"{path}: {detail}")
        self.path, self.detail = path, detail


class JournalMissing(NodeError):
    code = "journal_missing"

    def __init__(self, directory: Path) -> None:
        super().__init__(f"{directory}: no journal; this node may have voted and forgotten it, so it will not vote")
        self.directory = directory


class JournalCopied(NodeError):
    code = "journal_copied"

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"{path}: not the file that was written here, but a copy of it, restored or moved; its original may have "
            "gone on to vote, so this node will not; 'medbill node renew' is the way back"
        )
        self.path = path


class AddressTaken(NodeError):
    code = "address_taken"

    def __init__(self, host: str, port: int, detail: str) -> None:
        super().__init__(f"cannot listen on {host} port {port}: {detail}")
        self.host, self.port, self.detail = host, port, detail


class PeerError(NodeError):
    code = "peer_error"


class LinkClosed(PeerError):
    code = "link_closed"


class LinkBusy(PeerError):
    code = "link_busy"


class RequestTimedOut(PeerError):
    code = "request_timed_out"


class PeerRefused(PeerError):
    """An answer that is a refusal. `code` is lower-case letters, digits, '.', '_' and '-', at most 32."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code
