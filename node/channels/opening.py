"""A hospital's channels, opened as its configuration says: keys are read once, here, and refused if others can read them."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from node.channels.account import Account
from node.channels.alipay import Alipay
from node.channels.card import Card
from node.channels.cash import Cash
from node.channels.channel import Channel
from node.channels.channel_client import ChannelClient
from node.channels.configuration import (
    AlipayConfig,
    ChannelConfig,
    InsuranceConfig,
    OwnMoneyConfig,
    UnionPayConfig,
    WeChatConfig,
    channel_name,
)
from node.channels.deposit import Deposit
from node.channels.fund import Fund
from node.channels.quickpass import QuickPass
from node.channels.rsa_keys import load_certificate, load_private_key, load_public_key
from node.channels.wechat import WeChat
from node.errors import KeyFileRefused
from node.keystore import load_secret, read_private

API_V3_KEY_BYTES = 32


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def open_channels(
    configs: Sequence[ChannelConfig], keys: Path, books: Path, clock_ms: Callable[[], int] = now_ms
) -> dict[str, Channel]:
    """name -> channel. `keys` is the directory of key files, `books` where cash and deposit keep theirs.

    Raises KeyFileRefused. What was opened is to be ended with `Channel.end`.
    """
    return {channel_name(config): _open(config, keys, books, clock_ms) for config in configs}


def _open(config: ChannelConfig, keys: Path, books: Path, clock_ms: Callable[[], int]) -> Channel:
    name = channel_name(config)
    match config:
        case AlipayConfig():
            return Alipay(
                config.gateway,
                config.app_id,
                config.seller_id,
                load_private_key(keys / config.key_file),
                load_public_key(keys / config.platform_key_file),
                config.notify_url,
                ChannelClient(name),
                clock_ms,
            )
        case WeChatConfig():
            return WeChat(
                config.gateway,
                config.app_id,
                config.merchant_no,
                load_private_key(keys / config.key_file),
                config.key_serial,
                _api_v3_key(keys / config.api_v3_key_file),
                {key.serial: load_public_key(keys / key.file) for key in config.platform_keys},
                config.notify_url,
                ChannelClient(name),
                clock_ms,
            )
        case UnionPayConfig():
            kind = QuickPass if config.channel == QuickPass.name else Card
            return kind(
                config.gateway,
                config.file_gateway,
                config.merchant_no,
                load_private_key(keys / config.key_file),
                load_certificate(keys / config.certificate_file),
                [load_certificate(keys / file) for file in config.authority_files],
                config.notify_url,
                ChannelClient(name),
                clock_ms,
            )
        case InsuranceConfig():
            insurer = Fund if config.channel == Fund.name else Account
            return insurer(
                config.gateway,
                config.institution_no,
                config.region,
                config.paas_id,
                read_private(keys / config.token_file).decode("ascii", "replace").strip(),
                load_secret(keys / config.secret_file),
                ChannelClient(name),
                clock_ms,
            )
        case OwnMoneyConfig():
            own = Cash if config.channel == Cash.name else Deposit
            return own(books, clock_ms)


def _api_v3_key(path: Path) -> bytes:
    key = read_private(path).strip()
    if len(key) != API_V3_KEY_BYTES:
        raise KeyFileRefused(path, f"an APIv3 key has {API_V3_KEY_BYTES} characters")
    return key
