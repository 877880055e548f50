"""Which channels a hospital takes money by: the list `channels` of a YAML file, each with its numbers, addresses and key files.

Key files lie in one directory: private keys, secrets and tokens of mode 0600, what the other side gave us to check it by of any
mode. Addresses are https, or http on this machine for the simulators. Every fault is named with its line, all at once.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from node.channels.channel_client import is_safe_address
from node.config_file import Section

CHANNELS = ("alipay", "wechat", "quickpass", "card", "fund", "account", "cash", "deposit")

FILE = r"[A-Za-z0-9_.-]{1,100}"
FILE_HINT = "the name of a file in the directory of keys"
NUMBER = r"[0-9A-Za-z_-]{1,64}"
NUMBER_HINT = "1 to 64 letters and digits"
ADDRESS_HINT = "an address such as https://pay.example.cn/notices/alipay"


class AlipayConfig(msgspec.Struct, frozen=True, tag="alipay"):
    gateway: str  # the whole address, as https://openapi.alipay.com/gateway.do
    app_id: str
    seller_id: str
    key_file: str  # ours
    platform_key_file: str  # the key that Alipay shows for this application
    notify_url: str


class PlatformKey(msgspec.Struct, frozen=True):
    serial: str  # of the certificate, or PUB_KEY_ID_… of a key
    file: str


class WeChatConfig(msgspec.Struct, frozen=True, tag="wechat"):
    gateway: str  # as https://api.mch.weixin.qq.com
    app_id: str
    merchant_no: str
    key_file: str
    key_serial: str  # of our certificate
    api_v3_key_file: str  # 32 characters
    platform_keys: list[PlatformKey]
    notify_url: str


class UnionPayConfig(msgspec.Struct, frozen=True, tag="unionpay"):
    channel: str  # quickpass or card
    gateway: str  # as https://gateway.95516.com/gateway/api
    file_gateway: str  # as https://filedownload.95516.com/
    merchant_no: str
    key_file: str
    certificate_file: str  # ours
    authority_files: list[str]  # who issues UnionPay's certificates
    notify_url: str


class InsuranceConfig(msgspec.Struct, frozen=True, tag="insurance"):
    channel: str  # fund or account
    gateway: str
    institution_no: str  # 12 characters
    region: str  # 6 digits
    paas_id: str
    token_file: str
    secret_file: str  # 32 bytes as hex


class OwnMoneyConfig(msgspec.Struct, frozen=True, tag="own"):
    channel: str  # cash or deposit


ChannelConfig = AlipayConfig | WeChatConfig | UnionPayConfig | InsuranceConfig | OwnMoneyConfig


def channel_name(config: ChannelConfig) -> str:
    match config:
        case AlipayConfig():
            return "alipay"
        case WeChatConfig():
            return "wechat"
        case _:
            return config.channel


def read_channels(root: Section) -> list[ChannelConfig]:
    """The list `channels`, with what is wrong added to the file's problems."""
    configs = [_read(section) for section in root.read_sections("channels", is_required=False)]
    _check_names(root, configs)
    return configs


def _read(section: Section) -> ChannelConfig:
    channel = section.read_choice("channel", CHANNELS)
    match channel:
        case "alipay":
            config: ChannelConfig = AlipayConfig(
                _address(section, "gateway"),
                _number(section, "app_id"),
                _number(section, "seller_id"),
                _file(section, "key_file"),
                _file(section, "platform_key_file"),
                _address(section, "notify_url"),
            )
        case "wechat":
            config = WeChatConfig(
                _address(section, "gateway").rstrip("/"),
                _number(section, "app_id"),
                _number(section, "merchant_no"),
                _file(section, "key_file"),
                _number(section, "key_serial"),
                _file(section, "api_v3_key_file"),
                [_platform_key(key) for key in section.read_sections("platform_keys")],
                _address(section, "notify_url"),
            )
        case "quickpass" | "card":
            config = UnionPayConfig(
                channel,
                _address(section, "gateway").rstrip("/"),
                _address(section, "file_gateway"),
                section.read_text("merchant_no", None, r"[0-9A-Za-z]{15}", "15 letters and digits"),
                _file(section, "key_file"),
                _file(section, "certificate_file"),
                section.read_texts("authority_files", FILE, FILE_HINT),
                _address(section, "notify_url"),
            )
        case "fund" | "account":
            config = InsuranceConfig(
                channel,
                _address(section, "gateway"),
                section.read_text("institution_no", None, r"[0-9A-Z]{12}", "12 capital letters and digits"),
                section.read_text("region", None, r"[0-9]{6}", "6 digits in quotes"),
                _number(section, "paas_id"),
                _file(section, "token_file"),
                _file(section, "secret_file"),
            )
        case _:
            config = OwnMoneyConfig(channel)
    if channel in CHANNELS:
        section.finish()
    return config


def _platform_key(section: Section) -> PlatformKey:
    key = PlatformKey(_number(section, "serial"), _file(section, "file"))
    section.finish()
    return key


def _number(section: Section, key: str) -> str:
    return section.read_text(key, None, NUMBER, NUMBER_HINT)


def _file(section: Section, key: str) -> str:
    return section.read_text(key, None, FILE, FILE_HINT)


def _address(section: Section, key: str) -> str:
    url = section.read_text(key, None, r"[!-~]{1,300}", ADDRESS_HINT)
    if url and not is_safe_address(url):
        section.problems.add(
            section.line_of(key), f"{key}: money's words travel over https only; http is for this machine"
        )
    return url


def _check_names(root: Section, configs: Sequence[ChannelConfig]) -> None:
    names = [channel_name(config) for config in configs]
    for name in sorted({name for name in names if name and names.count(name) > 1}):
        root.problems.add(root.line_of("channels"), f"channels: '{name}' stands twice; remove one")
