"""Somebody at a node's peer port who sends whatever bytes the story wants: a guest, a liar, a broken program."""

from __future__ import annotations

import contextlib
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

from chain.codec import encode
from node.errors import PeerRefused
from node.frame import HELLO, LENGTH_BYTES, NUMBER_BYTES, REFUSAL, REQUEST, RESPONSE, VERSION, frame_head
from node.messages import Answer, decode_answer

TIMEOUT_S = 20.0


def tls_context(config: Path | None, newest: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3) -> ssl.SSLContext:
    """A client that looks at nobody's certificate and shows the one of the directory `config`, if any."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.maximum_version = newest
    if config is not None:
        context.load_cert_chain(config / "tls.pem", config / "tls.key")
    return context


class Caller:
    """A connection: bare until `shake_hands`, a link after `say_hello`."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), TIMEOUT_S)
        self._number = 0

    def shake_hands(self, context: ssl.SSLContext) -> Caller:
        self.socket = context.wrap_socket(self.socket)
        return self

    def say_hello(self, chain_id: str) -> Caller:
        """Both hellos: after it the node takes us for whom our certificate names."""
        self.send(HELLO, bytes([VERSION]) + bytes.fromhex(chain_id))
        kind, heard = self._frame()
        assert (kind, heard[1:].hex()) == (HELLO, chain_id)
        return self

    def write(self, data: bytes) -> None:
        with contextlib.suppress(OSError):  # the node may have hung up already: that is what the stories are about
            self.socket.sendall(data)

    def send(self, kind: int, payload: bytes) -> None:
        self.write(frame_head(kind, len(payload)) + payload)

    def ask(self, question: Any, kind: type) -> Answer:
        """The answer to a question (a Wire struct, or bytes as they are). Raises PeerRefused with the node's code."""
        self._number += 1
        number = self._number.to_bytes(NUMBER_BYTES, "big")
        self.send(REQUEST, number + (question if isinstance(question, bytes) else encode(question)))
        for heard, payload in self._frames():
            if heard in (RESPONSE, REFUSAL) and payload[:NUMBER_BYTES] == number:
                if heard == REFUSAL:
                    raise PeerRefused(payload[NUMBER_BYTES:].decode())
                return decode_answer(payload[NUMBER_BYTES:], kind)
        raise AssertionError("hung up instead of an answer")

    def is_hung_up(self) -> bool:
        """Whether the node ends the connection within TIMEOUT_S, whatever it says before."""
        try:
            while self.socket.recv(65_536):
                pass
        except TimeoutError:
            return False
        except OSError:
            return True
        return True

    def close(self) -> None:
        self.socket.close()

    def __enter__(self) -> Caller:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _frames(self) -> Iterator[tuple[int, bytes]]:
        while True:
            yield self._frame()

    def _frame(self) -> tuple[int, bytes]:
        length = int.from_bytes(self._exactly(LENGTH_BYTES), "big")
        data = self._exactly(length)
        return data[0], data[1:]

    def _exactly(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            part = self.socket.recv(count - len(data))
            if not part:
                raise ConnectionError("the node hung up")
            data += part
        return data
