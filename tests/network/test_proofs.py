"""A bill's proof in the holder's hands: checked without any network, and worthless when a single byte is another."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from cli.exit_codes import ExitCode
from cli.proof_check import verdict_exit_code
from tests.network.running import ROOT, Network, bill_request

pytestmark = pytest.mark.processes

CHECKS = {
    "form", "ledger", "validators", "block", "outcome", "transaction", "unit signature", "bill", "seal", "current record",
}  # fmt: skip
PROCESSES = 30  # flipped files that are checked by the command
AT_ONCE = 2
HUGE_BYTES = 10_000_000


@dataclass(frozen=True)
class Held:
    """What a patient has: a file, and the genesis of the ledger."""

    bill: str
    proof: bytes
    genesis: bytes
    directory: Path

    def write(self, name: str, data: bytes) -> Path:
        path = self.directory / name
        path.write_bytes(data)
        return path


@pytest.fixture(scope="module")
def held(network: Network, tmp_path_factory: pytest.TempPathFactory) -> Held:
    """The proof of a sealed bill with its payer opened, fetched by the command."""
    answer = network.api("hospital-a").post("/bills", json=bill_request("proof-1"), headers={"Prefer": "wait=20"})
    assert (answer.status_code, answer.json()["status"]) == (201, "sealed"), answer.text
    bill, directory = answer.json()["bill_id"], tmp_path_factory.mktemp("proofs")
    file = directory / "held.proof"
    via = ["--home", str(network.home), "--via", "hospital-a"]
    fetched = network.json("proof", "fetch", bill, *via, "--out", str(file), "--show", "payer_name")
    assert fetched["bytes"] == file.stat().st_size
    genesis = directory / "genesis.json"
    shutil.copy(network.home / "genesis.json", genesis)
    return Held(bill, file.read_bytes(), genesis.read_bytes(), directory)


def verify(held: Held, file: Path, *more: str, before: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own; `before` is what it runs under."""
    genesis = str(held.directory / "genesis.json")
    command = [sys.executable, "-m", "cli.main", "proof", "verify", str(file), "--genesis", genesis, "--json", *more]
    return subprocess.run([*before, *command], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)


def without_network() -> tuple[str, ...]:
    """A network namespace with no interface but a loopback that is down. Skips where the system allows none."""
    for unshare in (("unshare", "-n"), ("unshare", "-rn")):
        if (
            shutil.which("unshare")
            and subprocess.run([*unshare, "true"], capture_output=True, check=False).returncode == 0
        ):
            return unshare
    pytest.skip("this system allows no network namespaces (unshare -n, unshare -rn)")


def test_a_proof_is_checked_without_a_network(held: Held) -> None:
    """DESIGN 1 and 5: against the genesis file alone; every check that was made is listed."""
    unshare = without_network()
    seen = subprocess.run([*unshare, "cat", "/proc/net/dev"], capture_output=True, text=True, check=True).stdout
    assert [line.split(":")[0].strip() for line in seen.splitlines()[2:]] in ([], ["lo"])

    done = verify(held, held.directory / "held.proof", before=unshare)
    assert done.returncode == 0, done.stdout + done.stderr
    verdict = json.loads(done.stdout)
    assert verdict["valid"] is True
    assert {check["name"] for check in verdict["checks"]} >= CHECKS
    assert all(check["ok"] for check in verdict["checks"])
    assert verdict["bill"]["bill_id"] == held.bill
    assert verdict["bill"]["sealed"] is True


def test_the_proof_over_rest_holds_as_well(network: Network, held: Held) -> None:
    """From the hospital's gateway and from the office's archive."""
    for node in ("hospital-a", "archive"):
        answer = network.api(node).get(f"/bills/{held.bill}/proof")
        assert answer.status_code == 200, answer.text
        assert verdict_exit_code(answer.content, held.genesis) is ExitCode.OK


def test_every_byte_changed_makes_it_invalid(held: Held) -> None:
    """Issue, shown by: each byte in turn through the function that gives the exit code; 3 or 2, never 0, no exception."""
    assert verdict_exit_code(held.proof, held.genesis) is ExitCode.OK
    chosen = random.Random(30)
    for place in range(len(held.proof)):
        changed = bytearray(held.proof)
        changed[place] ^= 1 << chosen.randrange(8)
        assert verdict_exit_code(bytes(changed), held.genesis) in (ExitCode.INVALID, ExitCode.USAGE), place


def test_thirty_changed_files_are_refused_by_the_command(held: Held) -> None:
    """Real processes: exit 3 or 2, one JSON document, no traceback."""
    chosen = random.Random(31)
    places = sorted(chosen.sample(range(len(held.proof)), PROCESSES))

    def check(place: int) -> subprocess.CompletedProcess[str]:
        changed = bytearray(held.proof)
        changed[place] ^= 1 << place % 8
        return verify(held, held.write(f"flipped-{place}.proof", bytes(changed)))

    with ThreadPoolExecutor(AT_ONCE) as threads:
        for place, done in zip(places, threads.map(check, places), strict=True):
            assert done.returncode in (ExitCode.USAGE, ExitCode.INVALID), (place, done.stdout, done.stderr)
            assert "Traceback" not in done.stdout + done.stderr
            assert json.loads(done.stdout)["valid"] is False


def test_a_part_of_a_proof_proves_nothing(held: Held) -> None:
    """Cut anywhere, doubled, empty, or ten million bytes of something else."""
    size = len(held.proof)
    others = [held.proof[:length] for length in range(0, size, 61)]
    others += [held.proof[:-1], held.proof[1:], held.proof + b"\0", held.proof * 2]
    others += [bytes(HUGE_BYTES), b"\x93" * HUGE_BYTES, held.proof + bytes(HUGE_BYTES)]
    for data in others:
        assert verdict_exit_code(data, held.genesis) in (ExitCode.INVALID, ExitCode.USAGE)


@pytest.mark.parametrize("name", ["empty", "huge"])
def test_an_empty_and_a_huge_file_are_refused_by_the_command(held: Held, name: str) -> None:
    file = held.write(f"{name}.proof", b"" if name == "empty" else b"\xdd\x7f\xff\xff\xff" + bytes(HUGE_BYTES))
    done = verify(held, file)
    assert done.returncode in (ExitCode.USAGE, ExitCode.INVALID)
    assert "Traceback" not in done.stdout + done.stderr


def test_another_ledgers_genesis_makes_it_invalid(network: Network, held: Held, tmp_path: Path) -> None:
    """DESIGN 5: all that is trusted is the genesis file; a network of the same file has other keys."""
    foreign = (Network(tmp_path).home / "genesis.json").read_bytes()
    assert verdict_exit_code(held.proof, foreign) is ExitCode.INVALID
    changed = held.genesis.replace(b'"hospital-a"', b'"hospital-x"')
    assert verdict_exit_code(held.proof, changed) in (ExitCode.INVALID, ExitCode.USAGE)


def test_an_unknown_bill_has_no_proof(network: Network) -> None:
    """Exit 4, and the same for another hospital's bill: unknown and forbidden look alike."""
    for bill in ("330601269999999999", held_by_b(network)):
        done = network.run("proof", "fetch", bill, "--home", str(network.home), "--via", "hospital-a", "--json")
        assert done.returncode == ExitCode.NOT_FOUND, done.stdout + done.stderr


def held_by_b(network: Network) -> str:
    body = bill_request("proof-b", place_code="B01")
    answer = network.api("hospital-b").post("/bills", json=body, headers={"Prefer": "wait=20"})
    return str(answer.json()["bill_id"])
