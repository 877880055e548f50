"""The drill of a full disk: a gateway and a validator on small file systems of their own, filled by another program.

Needs the right to mount a tmpfs; where that is refused the drill says so and fails, and nothing was tried.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.drills.province import Province
from tests.network.running import bill_request

SIZE_MIB = 96
RESERVE_MIB = 16
JOURNAL = "journal-kept"  # in the home, for as long as the rest is elsewhere
GATEWAY, VALIDATOR = "hospital-b", "bigdata"


@contextmanager
def small_disk(province: Province, name: str, place: Path) -> Iterator[Path]:
    """A stopped node's data on a file system of SIZE_MIB; back where they were afterwards, the node stopped again."""
    home = province.node_home(name)
    place.mkdir()
    subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={SIZE_MIB}m", "tmpfs", str(place)], check=True, capture_output=True
    )
    data = home / "data"
    try:
        yield _moved(home, place, data)
    finally:
        province.stop(name)
        if data.is_symlink():
            data.unlink()
            shutil.copytree(place / "data", data, ignore=shutil.ignore_patterns("journal"))
            if (home / JOURNAL).exists():
                (home / JOURNAL).rename(data / "journal")
        config = home / "config" / "node.yaml"
        config.write_text(config.read_text().replace(f"disk_reserve_mib: {RESERVE_MIB}\n", ""))
        subprocess.run(["umount", str(place)], check=True, capture_output=True)


def _moved(home: Path, place: Path, data: Path) -> Path:
    """The journal stays the file that it is: a copied one is found out."""
    if (data / "journal").exists():
        (data / "journal").rename(home / JOURNAL)
    shutil.copytree(data, place / "data")
    if (home / JOURNAL).exists():
        (place / "data" / "journal").symlink_to(home / JOURNAL)
    shutil.rmtree(data)
    data.symlink_to(place / "data")
    with (home / "config" / "node.yaml").open("a") as config:
        config.write(f"disk_reserve_mib: {RESERVE_MIB}\n")
    return place


def fill(place: Path, left_bytes: int) -> Path:
    """A file of some other program that leaves so much room."""
    status = os.statvfs(place)
    file = place / "other"
    with file.open("ab") as stream:
        left = status.f_bavail * status.f_frsize - left_bytes
        while left > 0:
            stream.write(bytes(min(left, 1 << 20)))
            left -= 1 << 20
    return file


def fill_the_disk(province: Province, place: Path) -> str:
    """The gateway refuses new bills with 503 and keeps nothing of them; with room again it takes them. The validator
    admits and proposes nothing, and follows; when a write fails in the end it stops by name, and nothing is lost."""
    province.stop(GATEWAY, VALIDATOR)
    with small_disk(province, GATEWAY, place / "gateway") as disk:
        province.up(GATEWAY)
        province.issue(2, gateway=GATEWAY, place="B01")
        client = province.api(GATEWAY)
        other = fill(disk, (RESERVE_MIB - 4) << 20)
        province.until(lambda: "disk_nearly_full" in _reasons(province, GATEWAY), "it says so")
        before = province.status(GATEWAY)
        answer = client.post("/bills", json=bill_request("FULL-1", place_code="B01"))
        assert (answer.status_code, answer.json()["code"]) == (503, "disk_nearly_full"), answer.text
        assert client.get("/bills", params={"issuer": "hospital-b", "business_no": "FULL-1"}).json()["data"] == []
        after = province.status(GATEWAY)
        assert before is not None
        assert after is not None
        assert before["leases_left"] == after["leases_left"]
        other.unlink()
        province.until(lambda: "disk_nearly_full" not in _reasons(province, GATEWAY), "there is room again")
        answer = client.post("/bills", json=bill_request("FULL-1", place_code="B01"), headers={"Prefer": "wait=30"})
        assert answer.status_code == 201, answer.text
    with small_disk(province, VALIDATOR, place / "validator") as disk:
        province.start(VALIDATOR)
        province.until_quiet()
        fill(disk, (RESERVE_MIB - 4) << 20)
        province.until(lambda: "disk_nearly_full" in _reasons(province, VALIDATOR), "it says so")
        province.issue(5)
        province.until_quiet()  # it stores what the others decide
        fill(disk, 0)
        for _ in range(40):
            province.issue(1)
            if province.status(VALIDATOR) is None:
                break
        province.until(lambda: province.status(VALIDATOR) is None, "it stops")
        log = (province.node_home(VALIDATOR) / "logs" / "node.log").read_text("utf-8")
        assert "No space left on device" in log
        assert "StorageFailed" in log or "storage_failed" in log
        (disk / "other").unlink()
        province.start(VALIDATOR)
        province.issue(2)
        province.until_quiet()
        province.until(lambda: not _reasons(province, VALIDATOR), "it votes again")
    province.up(GATEWAY, VALIDATOR)
    province.issue(2)
    province.until_quiet()
    return "503 disk_nearly_full, room again; a validator follows, stops at ENOSPC by name, and votes again"


def _reasons(province: Province, name: str) -> list[str]:
    status = province.status(name)
    return [] if status is None else list(status["reasons"])
