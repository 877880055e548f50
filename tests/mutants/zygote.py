"""Runs the tests of one mutant in a fork of a process that has loaded everything but consensus/ and its tests.

    python -m tests.mutants.zygote SOCKET     waits at SOCKET for questions, in the tree that holds the mutant
    python -I -S zygote.py SOCKET             asks once; its exit code is 0 if the tests passed

A start of Python with pytest takes a second, the tests that find a mutant mostly less. Nothing here writes bytecode: two
mutants of one size within a second would else pass for one another.
"""

from __future__ import annotations

import os
import socket
import sys
from importlib import import_module

TEST_WITHIN_S = 60
SEEDS = 2


def ask(path: str) -> int:
    with socket.socket(socket.AF_UNIX) as asker:
        asker.connect(path)
        return int(asker.recv(1) != b"0")  # nothing: it hung, or died


def serve(path: str) -> None:
    sys.dont_write_bytecode = True
    preload()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        while True:
            answer, _ = listener.accept()
            child = os.fork()
            if not child:
                listener.close()
                try:
                    answer.sendall(b"0" if are_passed() else b"1")
                finally:
                    os._exit(0)
            answer.close()
            os.waitpid(child, 0)


def preload() -> None:
    for name in ("chain.ledger", "chain.proving", "hypothesis", "pytest"):
        import_module(name)
    assert not [name for name in sys.modules if name.partition(".")[0] in ("consensus", "node")]


def are_passed() -> bool:
    """In the child. A mutant that hangs ends it by a signal: the same one that pytest-timeout would move five minutes away."""
    import signal

    import pytest

    signal.alarm(TEST_WITHIN_S)
    nowhere = os.open(os.devnull, os.O_RDWR)
    for standard in range(3):
        os.dup2(nowhere, standard)
    quickly = ["--assert=plain", *(f"-pno:{plugin}" for plugin in ("cacheprovider", "asyncio", "anyio"))]
    if pytest.main(["-x", "-q", "-o", "timeout=0", *quickly, "tests/consensus"]) != 0:
        return False
    from tests.simulator.options import Options
    from tests.simulator.world import World

    return all(World(Options.from_seed(seed)).run().result == "PASS" for seed in range(SEEDS))


if __name__ == "__main__":
    if sys.flags.isolated:
        sys.exit(ask(sys.argv[1]))
    serve(sys.argv[1])
