"""Row 22: the QR code's page in a real Chromium. Genuine is green, and whatever a server alters turns it red."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest

from chain.codec import decode, encode
from chain.genesis import genesis_to_json
from chain.proof import Proof
from cli.demo.altering import altered, is_proof, of_proofs
from faces.link import page_link
from tests.chain.making import Chain, changed, issue_bill
from tests.features.acting import Patient, agreed, post, sealed_bill
from tests.features.browser import chromium, phone
from tests.network.running import Network

pytestmark = pytest.mark.processes

CHECKS = [
    "pinned ledger", "form", "ledger", "validators", "block", "outcome", "transaction", "unit signature", "bill", "seal",
    "current record", "opened fields", "this bill",
]  # fmt: skip
WITHOUT_ED25519 = """
    SubtleCrypto.prototype.importKey = async () => { throw new DOMException('none here', 'NotSupportedError'); };
"""
WITHOUT_CRYPTO = "Object.defineProperty(Crypto.prototype, 'subtle', { value: undefined });"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as browser:
        yield browser


@dataclass(frozen=True)
class Scanned:
    """What is printed in a bill's QR code, and the node that it leads to."""

    bill: str
    token: str
    chain: str
    node: str

    def at(self, node: str | None = None, **changes: str) -> str:
        said = {"bill": self.bill, "token": self.token, "chain": self.chain, **changes}
        return (node or self.node) + page_link(said["bill"], said["token"], said["chain"])


def scanned(network: Network, bill: str, via: str = "hospital-a") -> Scanned:
    """The hospital opens the token to its own people, who print it."""
    answer = network.api(via).get(f"/bills/{bill}/proof", params={"fields": "token"})
    (opened,) = decode(answer.content, Proof).opened
    return Scanned(bill, opened.value, network.chain_id, f"http://127.0.0.1:{network.nodes[via]['api_port']}")


@pytest.fixture(scope="module")
def bill(browser: Any, network: Network) -> Scanned:
    return scanned(network, sealed_bill(network, 12_345))


# ── what holds ───────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("locale", "lang", "said"), [("zh-CN", "zh-CN", "真实有效"), ("en-GB", "en", "Genuine and valid")]
)
def test_22_a_genuine_bill_is_green(browser: Any, bill: Scanned, locale: str, lang: str, said: str) -> None:
    """Verdict, status, as of when, what the face shows, each check; in the phone's own language and in the other."""
    with phone(browser, locale) as held:
        held.open(bill.at())
        assert (held.state, held.colour, held.failed) == ("genuine", "green", [])
        assert held.checks == CHECKS
        assert held.page.get_attribute("html", "lang") == lang
        assert said in held.text("#verdict")
        assert "¥123.45" in held.text("#bill")
        assert bill.bill[:8] in held.text("#bill")
        assert "＊＊甲" in held.text("#bill")
        assert "测试甲" not in held.page.content()  # as on other pages for the public: enough to compare
        assert "西药费" in held.text("#charges")
        assert held.page.get_attribute("#verdict", "aria-live") == "polite"
        for _ in range(2):
            assert held.page.evaluate("document.documentElement.scrollWidth") <= 360
            held.page.click("#language")
        assert held.page.get_attribute("html", "lang") == lang
        assert held.faults == []


def test_22_the_archive_serves_the_same_page(browser: Any, network: Network, bill: Scanned) -> None:
    with phone(browser) as held:
        held.open(bill.at(f"http://127.0.0.1:{network.nodes['archive']['api_port']}"))
        assert (held.state, held.checks, held.faults) == ("genuine", CHECKS, [])


def test_22_the_proof_can_be_saved_and_is_the_one_that_was_checked(
    browser: Any, network: Network, bill: Scanned, tmp_path: Any
) -> None:
    with phone(browser) as held:
        held.open(bill.at())
        with held.page.expect_download() as download:
            held.page.click("a[download]")
        file = tmp_path / download.value.suggested_filename
        download.value.save_as(file)
    said = network.json("proof", "verify", str(file), "--genesis", str(network.home / "genesis.json"))
    assert (said["valid"], said["bill"]["bill_id"]) == (True, bill.bill)


@pytest.mark.parametrize(
    ("script", "name"),
    [("", "browser"), (WITHOUT_ED25519, "noble"), (WITHOUT_CRYPTO, "noble")],
    ids=["own", "no-ed25519", "none"],
)
def test_22_browsers_without_the_algorithms_reach_the_same_verdicts(
    browser: Any, bill: Scanned, script: str, name: str
) -> None:
    """An old phone; and any phone on plain http, where browsers hide their cryptography."""
    with phone(browser, script=script) as held:
        held.open(bill.at())
        used = held.page.evaluate("async () => (await (await import('/v/assets/ed25519.js')).implementation()).name")
        assert (held.state, held.checks, used) == ("genuine", CHECKS, name)
        with altered(bill.node, of_proofs(flipped(-3))) as liar:
            held.open(bill.at(liar))
            assert (held.colour, held.failed) == ("red", ["opened fields"])


def test_26_the_page_says_how_often_the_bill_was_found_and_nothing_of_who_asked(browser: Any, network: Network) -> None:
    """The server's own word, which comes after the verdict, in both languages; each check counts."""
    bill = scanned(network, sealed_bill(network, 2_600))
    insurer = network.api("hospital-a", "insurer_clerk", "insurer-a")
    code = network.api("hospital-a").get(f"/bills/{bill.bill}").json()["check_code"]
    told = insurer.post("/verifications", json={"bill_id": bill.bill, "check_code": code}).json()
    assert told["lookups"] == 1
    with phone(browser) as held:
        held.open(bill.at())
        held.page.wait_for_selector("#lookups")
        assert "2 次" in held.text("#lookups")
        held.page.click("#language")
        assert "found this bill 2 times" in held.text("#lookups")
        held.page.click(".actions button")
        held.settled()
        held.page.wait_for_selector("#lookups:has-text('3 times')")
        assert "insurer" not in held.text("#lookups")
        assert (held.state, held.faults) == ("genuine", [])


def test_29_a_claimed_bill_is_still_green_and_shows_no_name(browser: Any, network: Network) -> None:
    """Its slip opens what is public alone; the page says so much and no more."""
    patient = Patient("示范午")
    bill = scanned(network, sealed_bill(network, 2_900, payer={"type": "person", "name": patient.name}))
    body = {"bill_id": bill.bill, "secret": bill.token}
    assert patient.at(network).post("/me/bills", json=body).status_code == 200
    with phone(browser) as held:
        for node in (None, f"http://127.0.0.1:{network.nodes['archive']['api_port']}"):
            held.open(bill.at(node))
            assert (held.state, held.colour, held.failed) == ("genuine", "green", [])
            assert "¥29.00" in held.text("#bill")
            assert patient.name[-1] not in held.text("#bill")
            assert held.page.query_selector("#charges") is None


# ── what else is true of a bill ──────────────────────────────────────────────────────────────────────────────────────


def test_22_a_reversed_bill_says_so_and_names_the_red_one(browser: Any, network: Network) -> None:
    bill = scanned(network, sealed_bill(network, 6_700))
    with phone(browser) as held:
        assert held.open(bill.at()).state == "genuine"
        reversal = {"reason": "患者退费", "operator": "收费员01"}
        status, answer = agreed(network, post(network, f"/bills/{bill.bill}/reversal", reversal)[1])
        assert status == 201, answer
        held.page.click(".actions button")
        held.settled()
        assert (held.state, held.colour) == ("reversed", "amber")
        assert "已冲红" in held.text("#verdict")
        assert answer["bill_id"] in held.text("#bill")
        red = scanned(network, answer["bill_id"])
        held.open(red.at())
        assert (held.state, held.colour) == ("red_bill", "amber")
        assert "−¥67.00" in held.text("#bill")


def test_22_a_withdrawn_bill_says_so(browser: Any, network: Network) -> None:
    bill = scanned(network, sealed_bill(network, 5_100))
    status, answer = post(network, f"/bills/{bill.bill}/void", {"reason": "entry_error"})
    assert status == 201, answer
    with phone(browser) as held:
        held.open(bill.at())
        assert (held.state, held.colour) == ("void", "amber")
        assert "已作废" in held.text("#verdict")


def test_22_an_old_status_is_not_called_valid(browser: Any, bill: Scanned) -> None:
    """What a server that keeps yesterday's answer back would show: by the phone's clock it is stale."""
    with phone(browser) as held:
        held.page.clock.set_fixed_time(datetime.now() + timedelta(hours=2))
        held.open(bill.at())
        assert (held.state, held.colour) == ("stale", "amber")
        assert "2 小时前" in held.text("#verdict")


@pytest.mark.parametrize(("left_out", "state"), [("current", "status_unknown"), ("seal", "not_sealed")])
def test_22_what_a_server_leaves_out_is_missed(browser: Any, bill: Scanned, left_out: str, state: str) -> None:
    with altered(bill.node, of_proofs(in_proof(**{left_out: lambda _part: None}))) as liar, phone(browser) as held:
        held.open(bill.at(liar))
        assert (held.state, held.colour) == (state, "amber")


# ── an altered gateway ───────────────────────────────────────────────────────────────────────────────────────────────


def flipped(place: int) -> Callable[[bytes], bytes]:
    """One bit of one byte."""

    def flip(data: bytes) -> bytes:
        changed = bytearray(data)
        changed[place] ^= 1
        return bytes(changed)

    return flip


def in_proof(**changes: Callable[[Any], Any]) -> Callable[[bytes], bytes]:
    def alter(data: bytes) -> bytes:
        proof = decode(data, Proof)
        return encode(changed(proof, **{name: change(getattr(proof, name)) for name, change in changes.items()}))

    return alter


def with_another_total(recorded: Any) -> Any:
    operation = recorded.entry.operation
    return changed(recorded, entry=changed(recorded.entry, operation=changed(operation, total_fen=1)))


def _unsigned(recorded: Any) -> Any:
    signature = bytes([recorded.signature[0] ^ 1]) + recorded.signature[1:]
    return changed(recorded, signature=signature)


def _too_few(recorded: Any) -> Any:
    certificate = recorded.certificate
    return changed(recorded, certificate=changed(certificate, signatures=certificate.signatures[:-1]))


def _forged(recorded: Any) -> Any:
    first, *others = recorded.certificate.signatures
    signatures = [changed(first, signature=others[0].signature), *others]
    return changed(recorded, certificate=changed(recorded.certificate, signatures=signatures))


def _cheaper_line(opened: list[Any]) -> list[Any]:
    return [
        changed(field, value=[[row[0], row[1], 1, *row[3:]] for row in field.value])
        if isinstance(field.value, list)
        else field
        for field in opened
    ]


def _as_normal(current: Any) -> Any:
    return changed(current, record=changed(current.record, version=current.record.version + 1))


@pytest.mark.parametrize(
    ("alter", "failed"),
    [
        (lambda data: data[:-1], "form"),
        (flipped(0), "form"),
        (in_proof(bill=with_another_total), "outcome"),
        (in_proof(bill=_too_few), "block"),
        (in_proof(bill=_forged), "block"),
        (in_proof(bill=_unsigned), "unit signature"),
        (in_proof(seal=lambda seal: changed(seal, recorded=_unsigned(seal.recorded))), "seal"),
        (in_proof(current=_as_normal), "current record"),
        (in_proof(opened=_cheaper_line), "opened fields"),
    ],
    ids=["cut", "bit", "amount", "quorum", "vote", "unit", "seal", "status", "charge"],
)  # fmt: skip
def test_22_an_altered_gateway_turns_it_red_and_the_failed_check_is_named(
    browser: Any, bill: Scanned, alter: Callable[[bytes], bytes], failed: str
) -> None:
    """The page itself checks signatures and paths: what the server says does not count."""
    with altered(bill.node, of_proofs(alter)) as liar, phone(browser) as held:
        held.open(bill.at(liar))
        assert (held.state, held.colour, held.failed) == ("invalid", "red", [failed])
        name = held.text("li.bad .name")
        assert name in held.text("#verdict .failed")
        assert held.page.query_selector("#bill") is None  # nothing is claimed of the bill
        held.page.click("#language")
        assert held.text("li.bad .name") != name
        assert held.text("li.bad .name") in held.text("#verdict .failed")


def test_22_any_flipped_bit_turns_it_red(browser: Any, bill: Scanned) -> None:
    """Thirty places of the file, drawn from a fixed seed."""
    place = 0
    chosen = random.Random(22)

    def flip(data: bytes) -> bytes:
        nonlocal place
        place = chosen.randrange(len(data))
        return flipped(place)(data)

    with altered(bill.node, of_proofs(flip)) as liar, phone(browser) as held:
        held.open(bill.at(liar))
        for _ in range(30):
            assert (held.colour, len(held.failed)) == ("red", 1), place
            held.page.click(".actions button")
            held.settled()


def test_22_another_ledger_is_not_believed_however_well_it_is_signed(browser: Any, bill: Scanned) -> None:
    """A whole invented province with a bill of this number: only the link's own ledger number can tell."""
    forger = Chain()
    forger.lease("hospital-a")
    forger.run("hospital-a", issue_bill())
    number = issue_bill().bill
    invented = {
        "genesis": genesis_to_json(forger.genesis).encode(),
        "proof": encode(forger.proof(number)),
    }

    def invent(path: str, body: bytes) -> bytes:
        return invented["genesis"] if path.endswith("/genesis") else invented["proof"] if is_proof(path) else body

    def genesis_alone(path: str, body: bytes) -> bytes:
        return invented["genesis"] if path.endswith("/genesis") else body

    for alter in (invent, genesis_alone):
        with altered(bill.node, alter) as liar, phone(browser) as held:
            held.open(bill.at(liar))
            assert (held.colour, held.failed) == ("red", ["pinned ledger"])
    with altered(bill.node, invent, invents=True) as liar, phone(browser) as held:
        held.open(bill.at(liar, bill=number).split("#")[0])
        assert (held.state, held.colour, held.failed) == (
            "not_sealed",
            "amber",
            [],
        )  # without the ledger's number it is never green
        assert forger.chain_id.hex()[:4] in held.text("#ledger")


def test_22_a_link_that_names_no_ledger_asks_to_compare(browser: Any, network: Network, bill: Scanned) -> None:
    with phone(browser) as held:
        held.open(bill.at().split("#")[0])
        assert (held.state, held.colour) == ("not_pinned", "amber")
        assert network.chain_id in held.text("#ledger").replace(" ", "").replace("\n", "")
        held.page.evaluate("chain => { location.hash = 'chain=' + chain; }", network.chain_id)
        held.page.wait_for_selector("#verdict.green")


def test_22_the_proof_of_another_bill_is_not_this_one(browser: Any, network: Network, bill: Scanned) -> None:
    other = scanned(network, sealed_bill(network, 100))
    answer = network.api("hospital-a").get(f"/bills/{other.bill}/proof")
    with altered(bill.node, of_proofs(lambda _data: answer.content)) as liar, phone(browser) as held:
        held.open(bill.at(liar))
        assert (held.colour, held.failed) == ("red", ["this bill"])


# ── no answer ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_22_a_wrong_token_finds_nothing_and_a_broken_link_says_so(browser: Any, bill: Scanned) -> None:
    with phone(browser) as held:
        held.open(bill.at(token="0" * 32))
        assert (held.state, held.colour) == ("no_match", "red")
        for address in (bill.at()[:-1], bill.at().replace("." + bill.token, bill.token), f"{bill.node}/v/{bill.token}"):
            held.page.goto("about:blank")  # else only the part behind # would change
            held.open(address)
            assert (held.state, held.colour) == ("bad_link", "grey")


def test_22_when_the_gateway_is_down_the_page_says_that_it_knows_nothing(browser: Any, network: Network) -> None:
    bill = scanned(network, sealed_bill(network, 4_200, via="hospital-b"), "hospital-b")
    with phone(browser) as held:
        assert held.open(bill.at()).state == "genuine"
        network.stop("hospital-b")
        try:
            held.page.click(".actions button")
            held.settled()
            assert (held.state, held.colour) == ("unreachable", "grey")
            assert "不说明票据真伪" in held.text("#verdict")
            assert held.page.query_selector("#bill") is None
        finally:
            network.up("hospital-b")
        held.page.click(".actions button")
        assert held.settled().state == "genuine"


def test_22_a_program_that_does_not_arrive_is_no_verdict(browser: Any, bill: Scanned) -> None:
    """Half a page, an altered module, a browser without modules: after some seconds it says that nothing was checked."""

    def cut(path: str, body: bytes) -> bytes:
        return body[:-9] if path.endswith("/proof.js") else body

    with altered(bill.node, cut) as liar, phone(browser) as held:
        held.open(bill.at(liar))
        assert (held.state, held.colour) == ("unable", "grey")
        assert "不说明票据真伪" in held.text("#verdict")


def test_22_without_scripts_the_page_says_what_to_do(browser: Any, bill: Scanned) -> None:
    with phone(browser, java_script_enabled=False) as held:
        held.page.goto(bill.at())
        assert "JavaScript" in held.text("#verdict")
        assert held.colour == "grey"


def test_22_the_token_is_in_no_log(network: Network, bill: Scanned) -> None:
    """It opens a person's bill: neither nodes nor the page's address in any log."""
    logs = [file.read_bytes() for name in network.nodes for file in (network.node_home(name) / "logs").iterdir()]
    assert any(logs)
    assert not [True for log in logs if bill.token.encode() in log]


def test_22_both_languages_say_the_same_things(browser: Any, bill: Scanned) -> None:
    """Key by key; and every state has words and a colour."""
    with phone(browser) as held:
        held.open(bill.at())
        zh, en, states, worded = held.page.evaluate(
            """async () => {
                const { WORDS } = await import('/v/assets/words.js');
                const { TONES } = await import('/v/assets/verdict.js');
                const keys = (value, path) => typeof value !== 'object' || Array.isArray(value) ? [path]
                    : Object.keys(value).flatMap((key) => keys(value[key], path + '/' + key));
                return [keys(WORDS.zh, ''), keys(WORDS.en, ''), Object.keys(TONES), Object.keys(WORDS.zh.states)];
            }"""
        )
    assert sorted(zh) == sorted(en)
    assert sorted(states) == sorted(worded)
