"""A lender's service over a real ledger: what it keeps, what an answer that was lost comes to, two asking at once, debts and dates."""

from __future__ import annotations

import asyncio
import base64
import json
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from joserfc import jws
from joserfc.jwk import OKPKey

from api.auth import public_jwk
from chain.errors import StorageLocked
from chain.operation import LineRef, NameHospitals, OpenLine, PublishProduct, StateLine
from chain.records import HOSPITAL_BEARS
from chain.signature import SigningKey
from chain.transaction import Entry
from node.lending_desk import LendingDesk
from node.service import Head, Reader, ServiceRefused
from node.services.attestation import AttestationVerifier, ProvidersRefused, ScoreProvider, load_providers
from node.services.credit_book import CreditBook
from node.services.desks import InstalmentWish
from node.services.lender import LenderDesk
from node.services.mirror_link import Outcome, OutcomeUnknown
from tests.chain.making import mac
from tests.chain.paying import DAY_MS, HOSPITAL, LENDING, Story, agree, give_back, terms

SCORER = SigningKey.from_seed(b"\x61" * 32)
NOW_S = 1_800_000_000
WEI = Reader("wei", "finance-city", "patient")
LI = Reader("li", "finance-city", "patient")
STAFF = Reader("clerk", LENDING, "operator")


def base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def attested(person: str, score: int, number: str = "1", **changes: Any) -> str:
    claims = {
        "iss": "scorer",
        "sub": person,
        "aud": LENDING,
        "jti": f"{person} {number}",
        "exp": NOW_S + 60,
        "score": score,
    }
    claims = {**claims, "identity_level": 2, **changes}
    secret: Any = {**public_jwk(SCORER.public), "d": base64url(SCORER.seed)}
    key = OKPKey.import_key(secret)
    return str(jws.serialize_compact({"alg": "Ed25519"}, json.dumps(claims), key, algorithms=["Ed25519"]))


class Mirror:
    """A mirror that records at once; `is_deaf` takes what is sent and never says so, `is_away` takes nothing."""

    organisation, chain_id = LENDING, "c0ffee00" * 8

    def __init__(self, story: Story) -> None:
        self.story, self.is_deaf, self.is_away = story, False, False
        self.sent: list[Any] = []

    def head(self) -> Head:
        return Head(self.story.chain.height, "", self.story.chain.time_ms)

    async def meet(self) -> None:
        await asyncio.sleep(0)

    async def get(self, path: str, role: str, **parameters: str) -> Any:
        await asyncio.sleep(0)
        desk = LendingDesk(self.story.chain.ledger, lambda: self.story.chain.time_ms)
        reader = Reader("service", LENDING, role)
        match path.removeprefix("/v1/").split("/"):
            case ["network"]:
                return {"parameters": {"utc_offset_minutes": 480}}
            case ["credit-products", lender, product]:
                version = parameters.get("version")
                return desk.product(lender, product, None if version is None else int(version))
            case ["credit-lines", line]:
                return desk.line(parameters["lender"], line, reader)
            case _:
                page = desk.lines(parameters["lender"], True, parameters.get("cursor"), 2, reader)
                return {"data": page.data, "next": page.next}

    async def act(self, entries: Sequence[Entry], wait_s: int) -> list[Outcome]:
        await asyncio.sleep(0)
        if self.is_away:
            raise ServiceRefused("unavailable")
        self.sent += [entry.operation for entry in entries]
        codes = [self.story.code(entry.operation, LENDING) for entry in entries]
        if self.is_deaf:
            raise OutcomeUnknown
        height = self.story.chain.height
        return [Outcome("recorded", None, height) if code == "recorded" else Outcome("refused", code) for code in codes]


class Lending:
    def __init__(self, directory: Path) -> None:
        self.story, self.directory = Story(), directory
        self.mirror = Mirror(self.story)
        self.publish("anxin")
        self.open()

    def publish(self, name: str, version: int = 1, **changes: Any) -> None:
        self.story.done(PublishProduct(name, version, terms(**changes)), by=LENDING)

    def open(self) -> None:
        self.book = CreditBook.open(self.directory / "book")
        verifier = AttestationVerifier([ScoreProvider("scorer", public_jwk(SCORER.public))], LENDING, lambda: NOW_S)
        mirror: Any = self.mirror
        key = SigningKey.from_seed(b"\x63" * 32)
        self.desk = LenderDesk(mirror, key, self.book, verifier, 365, lambda: self.story.chain.time_ms)

    def restart(self) -> None:
        self.book.close()
        self.open()

    async def line(self, reader: Reader = WEI, number: str = "1", product: str = "anxin") -> str:
        enrolled = await self.desk.enrol(reader, product, attested(reader.subject, 650, number), ["hospital-a"])
        return str(enrolled.page["line"])

    def owe(self, line: str, name: str, amount_fen: int) -> None:
        """A visit at the hospital that is paid from the line."""
        story, ref, holder = self.story, LineRef(LENDING, bytes.fromhex(line)), mac(f"holder {name}")
        story.done(agree(ref, holder))
        story.done(story.held(name, ref, amount_fen, holder=holder))
        assert set(story.charge(name, name, amount_fen, holder)) == {"recorded"}

    def opened(self) -> int:
        return sum(isinstance(operation, OpenLine) for operation in self.mirror.sent)


@pytest.fixture
def lending(tmp_path: Path) -> Iterator[Lending]:
    lending = Lending(tmp_path)
    yield lending
    lending.book.close()


async def refused(asked: Any) -> str:
    with pytest.raises(ServiceRefused) as caught:
        await asked
    return caught.value.code


# ── enrolment ────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("score", "level", "is_in"), [(650, 2, True), (649, 2, False), (650, 1, False), (900, 3, True)]
)
async def test_the_products_terms_decide_who_is_eligible(lending: Lending, score: int, level: int, is_in: bool) -> None:
    """FEATURES 95: with 650 in, and not above it only."""
    asked = lending.desk.enrol(WEI, "anxin", attested("wei", score, identity_level=level), ["hospital-a"])
    if is_in:
        enrolled = await asked
        assert (enrolled.repeated, enrolled.page["line_fen"], enrolled.page["left_fen"]) == (False, 100_000, 100_000)
    else:
        assert await refused(asked) == "not_eligible"
        assert lending.mirror.sent == []


async def test_the_newest_version_of_a_product_counts(lending: Lending) -> None:
    lending.publish("anxin", 2, score_min=700)
    assert await refused(lending.desk.enrol(WEI, "anxin", attested("wei", 699), ["hospital-a"])) == "not_eligible"
    enrolled = await lending.desk.enrol(
        WEI, "anxin", attested("wei", 700, "2"), ["hospital-b", "hospital-a", "hospital-b"]
    )
    assert enrolled.page["version"] == 2
    assert lending.mirror.sent[-1].hospitals == ["hospital-a", "hospital-b"]


async def test_a_line_goes_on_at_further_hospitals(lending: Lending) -> None:
    """One person has one line; asked for elsewhere, with the same word of the provider or a newer one, it is named there too, once."""
    first = await lending.desk.enrol(WEI, "anxin", attested("wei", 700), ["hospital-b"])
    line = first.page["line"]
    for number, hospitals, is_known in (
        ("1", ["hospital-b"], True),
        ("1", ["hospital-a", "hospital-b"], False),
        ("2", ["hospital-c", "hospital-a"], False),
        ("3", ["hospital-b", "hospital-c"], True),
    ):
        again = await lending.desk.enrol(WEI, "anxin", attested("wei", 700, number), hospitals)
        assert (again.repeated, again.page["line"]) == (is_known, line)
        assert set(hospitals) <= set(again.page["hospitals"])
    named = [sent for sent in lending.mirror.sent if isinstance(sent, NameHospitals)]
    assert [(sent.number, sent.hospitals) for sent in named] == [(1, ["hospital-a"]), (2, ["hospital-c"])]
    lending.owe(line, "wei", 300)  # at hospital-a, on what was asked for at hospital-b
    assert lending.opened() == 1


async def test_further_hospitals_whose_answer_was_lost_are_named_when_it_is_asked_again(lending: Lending) -> None:
    await lending.line()
    asked = ["hospital-a", "hospital-b"]
    for way in ("is_away", "is_deaf"):
        setattr(lending.mirror, way, True)
        with pytest.raises((ServiceRefused, OutcomeUnknown)):
            await lending.desk.enrol(WEI, "anxin", attested("wei", 650, "2"), asked)
        setattr(lending.mirror, way, False)
        lending.restart()
        asked = [*asked, "hospital-c"]
    enrolled = await lending.desk.enrol(WEI, "anxin", attested("wei", 650, "2"), asked)
    assert enrolled.page["hospitals"] == sorted(set(asked))
    named = [sent for sent in lending.mirror.sent if isinstance(sent, NameHospitals)]
    assert [(sent.number, sent.hospitals) for sent in named] == [(1, ["hospital-b"]), (2, ["hospital-c"])]


async def test_a_book_that_was_restored_goes_on_from_what_the_ledger_has(lending: Lending) -> None:
    """It knows nothing of what was named since it was copied."""
    line = await lending.line()
    lending.book.close()
    shutil.copytree(lending.directory / "book", lending.directory / "kept")
    lending.open()
    await lending.desk.enrol(WEI, "anxin", attested("wei", 650), ["hospital-b"])
    lending.book.close()
    shutil.rmtree(lending.directory / "book")
    (lending.directory / "kept").rename(lending.directory / "book")
    lending.open()
    for hospitals in (["hospital-b", "hospital-c"], ["hospital-d"], ["hospital-a"]):
        enrolled = await lending.desk.enrol(WEI, "anxin", attested("wei", 650), hospitals)
        assert enrolled.page["line"] == line
    assert enrolled.page["hospitals"] == ["hospital-a", "hospital-b", "hospital-c", "hospital-d"]


async def test_a_line_names_so_many_hospitals_and_no_more(lending: Lending) -> None:
    line = await lending.line()
    many = [f"hospital-{number:02d}" for number in range(16)]
    assert await refused(lending.desk.enrol(WEI, "anxin", attested("wei", 650), many)) == "hospitals_malformed"
    enrolled = await lending.desk.enrol(WEI, "anxin", attested("wei", 650), many[:15])
    assert (enrolled.page["line"], len(enrolled.page["hospitals"])) == (line, 16)
    assert await refused(lending.desk.enrol(WEI, "anxin", attested("wei", 650), many)) == "hospitals_malformed"


async def test_an_ended_line_is_named_nowhere(lending: Lending) -> None:
    line = await lending.line()
    await lending.desk.revoke(WEI, line, "not_wanted")
    enrolled = await lending.desk.enrol(WEI, "anxin", attested("wei", 650), ["hospital-b"])
    assert (enrolled.page["state"], enrolled.page["hospitals"]) == ("ended", ["hospital-a"])


async def test_what_was_signed_before_an_answer_was_lost_is_the_line(lending: Lending) -> None:
    """Recorded or not: who asks again gets the one line that was signed, also after a restart."""
    lending.mirror.is_deaf = True
    assert await refused(lending.line()) == "unavailable"
    lending.mirror.is_deaf = False
    lending.restart()
    line = await lending.line()
    assert (lending.opened(), line) == (1, lending.mirror.sent[0].line.hex())

    lending.mirror.is_away = True
    assert await refused(lending.line(LI)) == "unavailable"
    lending.mirror.is_away = False
    lending.restart()
    row = lending.book.of_person(lending.book.person(LI.organisation, LI.subject), "anxin")
    assert row is not None
    assert await lending.line(LI, "another") == row.line.hex()
    assert lending.opened() == 2


async def test_a_person_who_taps_twice_at_once_has_one_line(lending: Lending) -> None:
    lines = await asyncio.gather(*(lending.line(number=str(number)) for number in (1, 1, 2, 3)))
    assert len(set(lines)) == 1
    assert len({operation.line for operation in lending.mirror.sent}) == 1


async def test_a_person_has_a_line_of_each_product_and_others_have_their_own(lending: Lending) -> None:
    lending.publish("other")
    lines = {
        await lending.line(),
        await lending.line(product="other"),
        await lending.line(LI),
        await lending.line(Reader("wei", "finance", "patient"), "9"),  # another sign-on's wei
    }
    assert len(lines) == 4
    assert await refused(lending.line(Reader("wei", "finance", "patient"), "1")) == "attestation_of_other"


async def test_a_new_line_comes_after_the_end_of_one_without_debt(lending: Lending) -> None:
    first = await lending.line()
    await lending.desk.revoke(WEI, first, "revoked")
    assert await lending.line() == first  # the same attestation is the same line, whatever became of it
    second = await lending.line(number="2")
    assert second != first
    lending.owe(second, "wei", 300)
    await lending.desk.revoke(WEI, second, "revoked")
    assert await refused(lending.line(number="3")) == "not_eligible"
    await lending.desk.repay(second, "HK-1", "alipay", 300)
    assert await lending.line(number="4") not in (first, second)


async def test_a_line_that_ran_out_is_followed_by_a_new_one(lending: Lending) -> None:
    first = await lending.line()
    lending.story.chain.block(time_ms=lending.story.in_ms(365 * DAY_MS))
    assert await lending.line(number="2") != first


# ── whose ────────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_line_is_shown_to_its_person_and_the_lenders_staff(lending: Lending) -> None:
    line = await lending.line()
    for reader, is_shown in ((WEI, True), (STAFF, True), (LI, False), (Reader("x", HOSPITAL, "operator"), False)):
        assert (await lending.desk.account(reader, line) is not None) == is_shown
    assert await refused(lending.desk.revoke(LI, line, "revoked")) == "line_unknown"
    assert (await lending.desk.revoke(WEI, line, "revoked")).status == "recorded"


async def test_the_book_is_one_process_and_names_nobody(lending: Lending, tmp_path: Path) -> None:
    await lending.line()
    with pytest.raises(StorageLocked):
        CreditBook.open(tmp_path / "book")
    rows = list(lending.book._database.scan(b""))
    assert {key[:1] for key, _value in rows} == {b"s", b"n", b"p", b"l"}
    for secret in (b"wei", b"scorer", b"finance-city"):
        assert not any(secret in key + value for key, value in rows)


# ── debts ────────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_all_lines_with_debt_are_stated_once_a_day(lending: Lending) -> None:
    """FEATURES 99: over several parts; who owes nothing gets no statement."""
    people = [Reader(f"p{number}", "finance-city", "patient") for number in range(5)]
    lines = [await lending.line(person, person.subject) for person in people]
    for number, line in enumerate(lines[:4], 1):
        lending.owe(line, f"p{number}", number * 100)
    stated, after = {}, None
    for _ in range(10):
        acted, after = await lending.desk.state_all(after)
        stated |= {one.line: one.amount_fen for one in acted}
        if after is None:
            break
    assert stated == {line: number * 100 for number, line in enumerate(lines[:4], 1)}
    page = await lending.desk.account(people[0], lines[0])
    assert page is not None
    assert [due["amount_fen"] for due in page["dues"]] == [100]
    assert page["dues"][0]["due"].endswith("T15:59:59.999Z")  # the end of a local day

    again = await lending.desk.state(lines[0])
    assert again.repeated
    lending.story.chain.block(time_ms=lending.story.in_ms(DAY_MS))
    tomorrow = await lending.desk.state(lines[0])
    assert (tomorrow.repeated, tomorrow.amount_fen) == (False, 100)


async def test_who_does_not_pay_by_the_date_is_overdue_until_it_is_paid(lending: Lending) -> None:
    """FEATURES 98, with a set clock."""
    line = await lending.line()
    lending.owe(line, "wei", 700)
    await lending.desk.state(line)
    lending.story.chain.block(time_ms=lending.story.in_ms(12 * DAY_MS))
    page = await lending.desk.account(WEI, line)
    assert page is not None
    assert (page["overdue"], page["owed_fen"]) == (True, 700)
    hold = lending.story.held("later", LineRef(LENDING, bytes.fromhex(line)), 100, holder=mac("holder wei"))
    assert lending.story.code(hold) == "account_overdue"
    await lending.desk.repay(line, "HK-1", "alipay", 700)
    page = await lending.desk.account(WEI, line)
    assert page is not None
    assert (page["overdue"], page["dues"], page["left_fen"]) == (False, [], 100_000)
    assert lending.story.code(hold) == "recorded"


async def test_what_a_line_has_too_much_is_paid_back(lending: Lending) -> None:
    """Also of a line that was ended; the same number again is the same payback."""
    line = await lending.line()
    lending.owe(line, "wei", 700)
    await lending.desk.repay(line, "HK-1", "alipay", 700)
    assert await refused(lending.desk.pay_back(line, "TK-1", "alipay", 1)) == "exceeds_surplus"
    lending.story.done(give_back("back", "wei captured", 700, "wei"))
    page = await lending.desk.account(WEI, line)
    assert page is not None
    assert (page["owed_fen"], page["surplus_fen"], page["left_fen"]) == (-700, 700, 100_700)
    await lending.desk.revoke(WEI, line, "revoked")
    acted = await lending.desk.pay_back(line, "TK-1", "alipay", 700)
    assert (acted.status, acted.repeated, acted.amount_fen) == ("recorded", False, 700)
    assert (await lending.desk.pay_back(line, "TK-1", "alipay", 700)).repeated
    assert await refused(lending.desk.pay_back(line, "TK-1", "alipay", 1)) == "payback_exists"
    assert await refused(lending.desk.pay_back(line, "TK-2", "alipay", 1)) == "exceeds_surplus"
    page = await lending.desk.account(WEI, line)
    assert page is not None
    assert (page["owed_fen"], page["surplus_fen"], page["left_fen"]) == (0, 0, 100_000)


async def test_instalments_are_of_days_that_there_are(lending: Lending) -> None:
    line = await lending.line()
    lending.owe(line, "wei", 700)
    wrong = [InstalmentWish("2030-02-30", 700)]
    assert await refused(lending.desk.agree(line, "FQ-1", wrong)) == "invalid_value"
    plan = [InstalmentWish("2030-01-31", 300), InstalmentWish("2030-02-28", 400)]
    acted = await lending.desk.agree(line, "FQ-1", plan)
    assert (acted.status, acted.due) == ("recorded", "2030-02-28T15:59:59.999Z")


async def test_the_hospitals_risk_is_stated_by_the_hospital(lending: Lending) -> None:
    """FEATURES 97: the lender leaves such lines out."""
    lending.publish("risky", bearer=HOSPITAL_BEARS)
    line = await lending.line(product="risky")
    lending.owe(line, "wei", 300)
    assert await lending.desk.state_all(None) == ([], None)
    assert await refused(lending.desk.state(line)) == "not_the_bearer"
    assert await refused(lending.desk.repay(line, "HK-1", "alipay", 300)) == "not_the_bearer"
    assert await refused(lending.desk.pay_back(line, "TK-1", "alipay", 300)) == "not_the_bearer"
    assert not any(isinstance(operation, StateLine) and operation.owed_fen == 0 for operation in lending.mirror.sent)


# ── providers ────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "providers",
    [
        b"",
        b"[]",
        b"{}",
        b'[{"name": "scorer"}]',
        b'[{"name": "scorer", "key": {"kty": "OKP", "crv": "X25519", "x": "AA"}}]',
        b'[{"name": "scorer", "key": {"kty": "OKP", "crv": "Ed25519", "x": "AA", "d": "AA"}}]',
        b'[{"name": "scorer", "key": {"kty": "OKP", "crv": "Ed25519"}}]',
    ],
)
def test_a_file_of_providers_that_cannot_be_meant_is_refused(providers: bytes) -> None:
    with pytest.raises(ProvidersRefused):
        AttestationVerifier(load_providers(providers), LENDING)


@pytest.mark.parametrize("alg", ["none", "HS256"])
def test_no_other_algorithm_passes(alg: str) -> None:
    """Nor the public key as the secret of a MAC."""
    header, payload, signature = attested("wei", 900).split(".")
    header = base64url(json.dumps({"alg": alg}).encode())
    verifier = AttestationVerifier([ScoreProvider("scorer", public_jwk(SCORER.public))], LENDING, lambda: NOW_S)
    for forged in (f"{header}.{payload}.", f"{header}.{payload}.{signature}"):
        with pytest.raises(ServiceRefused) as caught:
            verifier.verify(forged)
        assert caught.value.code == "attestation_invalid"
