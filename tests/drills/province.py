"""The example network with bills in it, for drills: driven by the command line, checked by what its nodes say."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import httpx2

from tests.network.running import GATEWAYS, VALIDATORS, Network, bill_request, one_person

AGENCIES = (*VALIDATORS, "archive")
EVERYBODY = (*AGENCIES, *GATEWAYS)


class Province(Network):
    """`issue` keeps what was acknowledged: nothing of it may ever be missing afterwards."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory, one_person)
        self.acknowledged: dict[str, dict[str, Any]] = {}  # business number -> the answer
        self._gateways: dict[str, str] = {}  # business number -> where it was issued
        self._serial = 0

    def issue(self, count: int, gateway: str = "hospital-a", place: str = "A01", wait: int = 30) -> list[str]:
        """Bills, sealed when this returns; their ids."""
        client = self.api(gateway)
        ids = []
        for number in range(count):
            self._serial += 1
            business_no = f"D-{self._serial:06d}"
            prefer = {"Prefer": f"wait={wait}"} if number == count - 1 else {}
            answer = client.post("/bills", json=bill_request(business_no, place_code=place), headers=prefer)
            assert answer.status_code in (201, 202), answer.text
            self.acknowledged[business_no] = answer.json()
            self._gateways[business_no] = gateway
            ids.append(answer.json()["bill_id"])
        return ids

    def until_quiet(self, names: Iterable[str] = AGENCIES) -> int:
        """All of them at one height and root, with nothing queued anywhere; the height."""
        self.until(lambda: self.agreed(tuple(names)), "one height and root", 60)
        status = self.status(next(iter(names)))
        assert status is not None
        return int(status["height"])

    def verify_nothing_lost(self) -> None:
        """Every acknowledged bill stands on the ledger, sealed, under the number it was given."""
        for business_no, answer in self.acknowledged.items():
            client = self.api(self._gateways[business_no])

            def is_sealed(client: httpx2.Client = client, bill: str = answer["bill_id"]) -> bool:
                found = client.get(f"/bills/{bill}")
                return found.status_code == 200 and found.json()["status"] == "sealed"

            self.until(is_sealed, f"{business_no} is sealed", 60)

    def ask_json(self, *arguments: str, expect: int = 0) -> Any:
        return self.json(*arguments, expect=expect, timeout=300)

    def home_of(self, name: str) -> str:
        return str(self.node_home(name))

    def last_block(self, name: str) -> tuple[int, str]:
        """(height, digest) that a running node stands at."""
        status = self.status(name)
        assert status is not None
        return int(status["height"]), str(status["digest"])
