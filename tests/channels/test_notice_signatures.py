"""How each channel signs, taken at its word: moments, serials, ciphers, certificates and the names of algorithms."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

from node.channels import NoticeForged, NoticeMalformed, NoticeStale
from node.channels.simulators import keys
from node.channels.simulators.alipay import AlipaySimulator
from tests.channels.counter import Counter
from tests.channels.notices import FORM_HEADERS, Message, lower, notice_of, paid, refuse, take


async def test_wechat_five_minutes_off_is_a_recording(counter: Counter) -> None:
    """WeChat Pay APIv3: at most five minutes, in both directions."""
    sale = await paid(counter, "wechat")
    simulator = counter.sides.wechat
    _headers, body = notice_of(counter, "wechat", sale)
    for off_s, is_taken in ((-300, True), (-301, False), (300, True), (301, False), (-86_400, False)):
        message = (lower(simulator.signed_headers(body, off_s)), body)
        if is_taken:
            take(counter, "wechat", message)
        else:
            refuse(counter, "wechat", message, NoticeStale)


async def test_wechat_headers_count(counter: Counter) -> None:
    """Each is needed, none may be another's; the moment and the nonce are covered by the signature."""
    headers, body = notice_of(counter, "wechat", await paid(counter, "wechat"))
    for name in ("wechatpay-timestamp", "wechatpay-nonce", "wechatpay-serial", "wechatpay-signature"):
        without = {key: value for key, value in headers.items() if key != name}
        refuse(counter, "wechat", (without, body), NoticeForged)
        refuse(counter, "wechat", (headers | {name: ""}, body), NoticeForged)
        refuse(counter, "wechat", (headers | {name: headers[name][:-1] + "x"}, body), NoticeForged)
    later = str(int(headers["wechatpay-timestamp"]) + 1)
    refuse(counter, "wechat", (headers | {"wechatpay-timestamp": later}, body), NoticeForged)
    refuse(counter, "wechat", (headers | {"wechatpay-timestamp": "１７９５００００００"}, body), NoticeForged)
    refuse(counter, "wechat", (headers | {"wechatpay-signature": "WECHATPAY/SIGNTEST/eA=="}, body), NoticeForged)
    take(counter, "wechat", (headers, body))


async def test_wechat_content_under_another_key(counter: Counter) -> None:
    """Signed by the platform; encrypted for another merchant, or in another way, or torn."""
    sale = await paid(counter, "wechat")
    simulator = counter.sides.wechat
    content = simulator._transaction(sale)
    foreign = simulator.notice("EV-1", "TRANSACTION.SUCCESS", content, key=b"0" * 32)
    refuse(counter, "wechat", (lower(simulator.signed_headers(foreign)), foreign), NoticeForged)
    for change, kind in (
        ({"algorithm": "AEAD_SM4_GCM"}, NoticeMalformed),
        ({"associated_data": "another"}, NoticeForged),
        ({"nonce": "000000000000"}, NoticeForged),
        ({"ciphertext": "AAAA"}, NoticeForged),
        ({"ciphertext": "not base64"}, NoticeForged),
        ({"ciphertext": None}, NoticeForged),
        ({"nonce": "é"}, NoticeForged),
    ):
        outer = json.loads(simulator.notice("EV-1", "TRANSACTION.SUCCESS", content))
        outer["resource"] |= change
        body = json.dumps(outer).encode()
        refuse(counter, "wechat", (lower(simulator.signed_headers(body)), body), kind)


async def test_alipay_signed_in_another_way(counter: Counter) -> None:
    """RSA (SHA-1) and none are no RSA2, whatever the signature; nor does another application's key do."""
    sale = await paid(counter, "alipay")
    _headers, body = notice_of(counter, "alipay", sale)
    for way in (b"RSA", b"MD5", b""):
        changed = body.replace(b"sign_type=RSA2", b"sign_type=" + way)
        refuse(counter, "alipay", (FORM_HEADERS, changed), NoticeForged if way else NoticeMalformed)
    other = AlipaySimulator(counter.sides.merchant_key.public_key(), clock_ms=counter.clock)
    refuse(counter, "alipay", (FORM_HEADERS, other.notice(sale, "a" * 34)), NoticeForged)


async def test_unionpay_certificates_that_are_not_unionpays(counter: Counter) -> None:
    """A merchant's from the same authority, one from another authority, one with our name on it, one that ran out."""
    sale = await paid(counter, "quickpass")
    simulator, merchant = counter.sides.unionpay, counter.sides.merchant_key
    values, stranger = simulator.notice(sale), keys.make_key()
    name = "041@8310000000083040@中国银联股份有限公司@00016495"
    own = keys.make_certificate(name, stranger.public_key(), stranger, counter.clock())
    merchants = simulator.issue("041@中国银联股份有限公司@Hospital@00000001", stranger.public_key())
    short = simulator.issue(name, stranger.public_key(), days=1)

    def message(certificate: Any, key: Any) -> Message:
        return FORM_HEADERS, urlencode(simulator.signed(values, certificate, key)).encode()

    refuse(counter, "quickpass", message(simulator.merchant_certificate, merchant), NoticeForged)
    refuse(counter, "quickpass", message(own, stranger), NoticeForged)
    refuse(counter, "quickpass", message(merchants, stranger), NoticeForged)
    refuse(counter, "quickpass", message(simulator.certificate, stranger), NoticeForged)
    take(counter, "quickpass", message(short, stranger))
    counter.clock.forward(24 * 3_600_000)
    refuse(counter, "quickpass", message(short, stranger), NoticeForged)
    for change in ({"signMethod": "11"}, {"version": "5.0.0"}):
        changed = dict(simulator.signed(values)) | change
        refuse(counter, "quickpass", (FORM_HEADERS, urlencode(changed).encode()), NoticeForged)
    for change in ({"signPubKeyCert": "x"}, {"encoding": "GBK"}):
        changed = dict(simulator.signed(values)) | change
        refuse(counter, "quickpass", (FORM_HEADERS, urlencode(changed).encode()), NoticeMalformed)
    take(counter, "quickpass", (FORM_HEADERS, urlencode(simulator.signed(values)).encode()))
