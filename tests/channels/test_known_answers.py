"""Signatures and ciphertexts that the channels' own platforms made, as published.json has them with their source."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from node.channels.alipay import Alipay
from node.channels.channel_client import ChannelClient
from node.channels.errors import WrongSignature
from node.channels.fields import read_plain_form
from node.channels.rsa_keys import load_public_key, rsa_key, verify
from node.channels.simulators import keys
from node.channels.unionpay_signing import digest_text, verify_signer
from node.channels.wechat import WeChat

PUBLISHED: dict[str, Any] = json.loads(Path(__file__).with_name("published.json").read_text("utf-8"))
SIGNED_2022_MS = 1_662_614_526_000  # 2022-09-08: UnionPay's certificate was valid
SIGNER = "中国银联股份有限公司"


def wechat_platform() -> x509.Certificate:
    """Tenpay's certificate, which the platform sent encrypted under the merchant's APIv3 key."""
    known = PUBLISHED["wechat"]
    resource = known["resource"]
    sealed = base64.b64decode(resource["ciphertext"])
    cipher = AESGCM(known["api_v3_key"].encode())
    added = resource["associated_data"].encode()
    return x509.load_pem_x509_certificate(cipher.decrypt(resource["nonce"].encode(), sealed, added))


def test_wechat_pays_answer_is_signed_by_the_certificate_that_it_encrypted() -> None:
    """Opened, it has the serial that the answer names, and its key made the answer's signature."""
    known, platform = PUBLISHED["wechat"], wechat_platform()
    assert f"{platform.serial_number:X}" == known["serial"]
    client = ChannelClient("wechat")
    channel = WeChat(
        "",
        "",
        "",
        keys.make_key(),
        "",
        known["api_v3_key"].encode(),
        {known["serial"]: rsa_key(platform)},
        "",
        client,
        lambda: 0,
    )
    headers = {f"wechatpay-{name}": known[name] for name in ("timestamp", "nonce", "serial", "signature")}
    assert channel._verify(headers, known["body"].encode()) == int(known["timestamp"])
    with pytest.raises(WrongSignature):
        channel._verify(headers, known["body"].replace("https", "http ").encode())


def test_alipays_answer_is_signed_over_the_text_of_its_node(tmp_path: Path) -> None:
    """Another amount in that text, and the signature is another's."""
    known, path = PUBLISHED["alipay"], tmp_path / "alipay.crt"
    path.write_text(known["certificate"])
    client = ChannelClient("alipay")
    channel = Alipay("", "", "", keys.make_key(), load_public_key(path), "", client, lambda: 0)
    node = channel._signed_node(known["answer"].encode(), "alipay_trade_query_response")
    assert (node.text("total_amount"), node.text("trade_status")) == ("0.01", "TRADE_SUCCESS")
    changed = known["answer"].replace('"0.01"', '"0.10"').encode()
    with pytest.raises(WrongSignature):
        channel._signed_node(changed, "alipay_trade_query_response")


def test_what_is_believed_of_an_answer_is_what_was_signed(tmp_path: Path) -> None:
    """The signed node hidden in another one, and in its own place a node that nobody signed: that one is never read."""
    known, path = PUBLISHED["alipay"], tmp_path / "alipay.crt"
    path.write_text(known["certificate"])
    channel = Alipay("", "", "", keys.make_key(), load_public_key(path), "", ChannelClient("alipay"), lambda: 0)
    name = "alipay_trade_query_response"
    signed, _, rest = known["answer"].removeprefix("{").partition(',"sign":')
    body = f'{{"x":{{{signed}}},"{name}":{{"code":"10000","total_amount":"999.00"}},"sign":{rest}'
    assert channel._signed_node(body.encode(), name).text("total_amount") == "0.01"


def test_unionpays_answer_is_signed_over_the_digest_of_its_fields() -> None:
    """The certificate comes along; its name is UnionPay's, and it ran out in 2025."""
    fields = read_plain_form(PUBLISHED["unionpay"]["answer"].encode())
    certificate = x509.load_pem_x509_certificate(fields.text("signPubKeyCert").encode())
    verify(rsa_key(certificate), digest_text(fields.values), fields.text("signature"))
    with pytest.raises(WrongSignature):
        verify(rsa_key(certificate), digest_text(fields.values | {"txnAmt": "2"}), fields.text("signature"))
    with pytest.raises(WrongSignature, match="no authority"):
        verify_signer(certificate, [certificate], SIGNED_2022_MS, SIGNER)


def test_a_public_key_is_read_from_a_key_or_a_certificate(tmp_path: Path) -> None:
    key = keys.make_key()
    certificate = keys.make_certificate("anybody", key.public_key(), key, SIGNED_2022_MS)
    (tmp_path / "key.pem").write_bytes(keys.public_pem(key.public_key()))
    (tmp_path / "certificate.pem").write_bytes(keys.certificate_pem(certificate))
    found = [load_public_key(tmp_path / name) for name in ("key.pem", "certificate.pem")]
    assert len({one.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo) for one in found}) == 1
