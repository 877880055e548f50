"""What a hospital writes down about its channels, the files that go with it, and the simulators as a process."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
from pathlib import Path

import httpx2
import pytest

from node.channels import SUCCESS, Channel, PaymentRequest
from node.channels.configuration import CHANNELS, ChannelConfig, channel_name, read_channels
from node.channels.opening import now_ms, open_channels
from node.config_file import ConfigRefused, compose_config
from node.errors import KeyFileRefused
from tests.channels.counter import Counter
from tests.house.project import ROOT

ALIPAY = """
channels:
  - channel: alipay
    gateway: https://openapi.alipay.com/gateway.do
    app_id: "2021000000000001"
    seller_id: "2088000000000001"
    key_file: alipay.pem
    platform_key_file: alipay-platform.pem
    notify_url: https://pay.hospital.example/channels/alipay
"""


def read(text: str) -> list[ChannelConfig]:
    root = compose_config(text.encode(), "channels.yaml", "channels")
    configs = read_channels(root)
    root.finish()
    root.problems.settle()
    return configs


def problems(text: str) -> list[str]:
    with pytest.raises(ConfigRefused) as refused:
        read(text)
    return str(refused.value).splitlines()


def test_a_hospital_without_channels() -> None:
    assert read("channels: []") == []
    assert [channel_name(config) for config in read(ALIPAY)] == ["alipay"]


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("channel: alipay", "channel: paypal", "channels.yaml:3: channel: unknown channel 'paypal'"),
        ("    app_id", "    app", "'app_id' is missing"),
        ("https://openapi", "http://openapi", "channels.yaml:4: gateway: money's words travel over https only"),
        ("https://pay.hospital", "http://10.0.0.1", "channels.yaml:9: notify_url: money's words"),
        ("alipay.pem", "../alipay.pem", "key_file: '../alipay.pem' does not fit"),
        ('"2021000000000001"', "2021000000000001", "put figures"),
        ("seller_id:", "seller_id: x\n    more:", "unknown key 'more'"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(old: str, new: str, told: str) -> None:
    assert old in ALIPAY
    assert any(told in problem for problem in problems(ALIPAY.replace(old, new))), problems(ALIPAY.replace(old, new))


def test_a_channel_stands_once() -> None:
    assert "stands twice" in problems(ALIPAY + ALIPAY.split("channels:\n")[1])[0]


async def test_all_eight_open_from_what_the_simulators_wrote(counter: Counter) -> None:
    assert sorted(counter.channels) == sorted(CHANNELS)
    assert all(channel.name == name for name, channel in counter.channels.items())


@pytest.mark.parametrize("name", ["merchant.pem", "wechat-api-v3.key", "insurance-token.key", "insurance-secret.key"])
async def test_a_key_that_others_can_read_is_refused(counter: Counter, tmp_path: Path, name: str) -> None:
    configs = read(counter.sides.write_configuration())
    (counter.sides.keys / name).chmod(0o644)
    with pytest.raises(KeyFileRefused, match="lets others in"):
        open_channels(configs, counter.sides.keys, tmp_path)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("merchant.pem", b"no key"),
        ("wechat-api-v3.key", b"short"),
        ("insurance-secret.key", b"00"),
        ("alipay-platform.pem", b"no key"),
        ("wechat-platform.pem", b"-----BEGIN CERTIFICATE-----"),
        ("unionpay-authority.pem", b"no certificate"),
        ("unionpay-merchant.pem", None),
    ],
)
async def test_a_key_file_that_holds_something_else(
    counter: Counter, tmp_path: Path, name: str, content: bytes | None
) -> None:
    configs, path = read(counter.sides.write_configuration()), counter.sides.keys / name
    path.unlink() if content is None else path.write_bytes(content)
    with pytest.raises(KeyFileRefused) as refused:
        open_channels(configs, counter.sides.keys, tmp_path)
    assert name in str(refused.value)


@pytest.mark.parametrize(
    "wrong",
    [
        {"order_no": "short"}, {"order_no": "ORDER-000001"}, {"order_no": "O" * 33}, {"order_no": "ＯRDER00001"},
        {"amount_fen": 0}, {"amount_fen": -1}, {"amount_fen": 10**12 + 1}, {"expires_ms": 1}, {"subject": ""}, {"subject": "a\nb"}, {"subject": "a&b"},
    ],
    ids=str,
)  # fmt: skip
def test_an_order_that_could_not_be_sent(wrong: dict[str, object]) -> None:
    """A fault of ours, found before anybody is asked."""
    good: dict[str, object] = {
        "order_no": "ORDER0000000001",
        "amount_fen": 1,
        "placed_ms": 1,
        "expires_ms": 2,
        "subject": "x",
    }
    PaymentRequest(**good)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="a"):
        PaymentRequest(**(good | wrong))  # type: ignore[arg-type]


@pytest.mark.processes
def test_the_simulators_as_a_process(tmp_path: Path) -> None:
    """`python -m node.channels.simulators`: one line of JSON, a configuration that opens, a payment, an end when told to."""
    command = [sys.executable, "-m", "node.channels.simulators", "--directory", str(tmp_path), "--schedule", "0"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            told = json.loads(process.stdout.readline())
            configs = read(Path(told["configuration"]).read_text("utf-8"))
            asyncio.run(
                pay_once(open_channels(configs, Path(told["keys"]), tmp_path / "books"), told["addresses"]["wechat"])
            )
        finally:
            process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0


async def pay_once(channels: dict[str, Channel], address: str) -> None:
    request = PaymentRequest("ORDER0000000001", 5_000, now_ms(), now_ms() + 600_000, "门诊缴费")
    await channels["wechat"].pay(request)
    async with httpx2.AsyncClient(trust_env=False) as story:
        answers = [await story.post(f"{address}/control/pay", json={"order_no": request.order_no}) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 409]
    state = await channels["wechat"].query(request)
    assert (state.state, state.trade_no) == (SUCCESS, answers[0].json()["trade_no"])
    for channel in channels.values():
        await channel.end()
