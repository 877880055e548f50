"""All simulators together, and the hospital's side of their story: its key, and the configuration that leads to them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path

import yaml

from node.channels.simulators import keys as own_keys
from node.channels.simulators.alipay import AlipaySimulator
from node.channels.simulators.insurance import InsuranceSimulator
from node.channels.simulators.simulator import Simulator, now_ms
from node.channels.simulators.unionpay import UnionPaySimulator
from node.channels.simulators.wechat import WeChatSimulator

MERCHANT_KEY = "merchant.pem"  # the hospital's, registered with everybody


class OtherSides:
    """`keys` is made, 0700, and filled with new keys. `schedule_s` as in `Simulator`; `notify_base` is what the channels' names
    follow in the addresses of notices."""

    def __init__(
        self, keys: Path, notify_base: str, schedule_s: Sequence[float], clock_ms: Callable[[], int] = now_ms
    ) -> None:
        keys.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.keys, self._notify_base = keys, notify_base.rstrip("/")
        self.merchant_key = own_keys.make_key()
        own_keys.write_private(keys / MERCHANT_KEY, own_keys.private_pem(self.merchant_key))
        public = self.merchant_key.public_key()
        self.alipay = AlipaySimulator(public, schedule_s=schedule_s, clock_ms=clock_ms)
        self.wechat = WeChatSimulator(public, schedule_s=schedule_s, clock_ms=clock_ms)
        self.unionpay = UnionPaySimulator(public, schedule_s=schedule_s, clock_ms=clock_ms)
        self.insurance = InsuranceSimulator(clock_ms=clock_ms)

    @property
    def all(self) -> list[Simulator]:
        return [self.alipay, self.wechat, self.unionpay, self.insurance]

    async def start(self, first_port: int = 0) -> None:
        """Ports in a row from `first_port`, or any. Raises AddressTaken."""
        for place, simulator in enumerate(self.all):
            await simulator.start(first_port + place if first_port else 0)

    async def stop(self) -> None:
        await asyncio.gather(*(simulator.stop() for simulator in self.all))

    def write_configuration(self) -> str:
        """The list `channels` as YAML, cash and deposit included; key files go to `keys`."""
        entries: list[dict[str, object]] = []
        for simulator in self.all:
            entries += simulator.configuration(self.keys, f"{self._notify_base}/{simulator.name}")
        entries += [{"channel": "cash"}, {"channel": "deposit"}]
        return yaml.safe_dump({"channels": entries}, sort_keys=False, default_style='"')
