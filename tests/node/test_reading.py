"""Who reads what of a bill, over all paths, roles, organisations and ties to the bill: a real mirror behind its REST app.

The table is written out by hand, and shares nothing with `node/rights.py`. Whatever it denies is answered, to the byte, as if there
were no such bill.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from api.app import build_app
from api.auth import ROLES, TokenVerifier, issue_token, public_jwk
from api.routes import faces
from chain.bill import Payer, Visit
from chain.codec import decode
from chain.details import FIELD_IDS, FIELDS, details_root
from chain.proof import Proof
from chain.signature import SigningKey
from exports import fhir
from node.identity import Identity
from node.service import GrantWish, Reader
from node.token_issuers import TokenIssuer
from tests.chain.making import bill_id, details, genesis_with, issue_bill
from tests.node.test_mirror import Archive

KEY = SigningKey.from_seed(b"\x41" * 32)
ORGANISATIONS = (
    "hospital-a", "hospital-b", "finance-city", "finance", "audit-office", "health", "insurer-a", "insurer-b", "employer-a",
)  # fmt: skip
IDENTITIES = {
    "holder": Identity("passport", "SYNTHETIC-1", "Synthetic One"),
    "other": Identity("passport", "SYNTHETIC-2", "Synthetic Two"),
    "nobody": Identity("passport", "SYNTHETIC-3", "Synthetic Three"),
}
SECRETS = {"check_code", "token"}
OPEN = set(FIELD_IDS) - SECRETS
LEVELS: dict[str, set[str]] = {"public": set(), "items": {"items"}, "open": OPEN, "all": set(FIELD_IDS)}

# `some` is granted items to insurer-a and employer-a, `whole` every field to insurer-a, `bare` the public part alone; `ended` and
# `revoked` were as `whole`; `foreign` is hospital-b's, of another person. A star stands for all organisations not named.
BILLS = ("plain", "some", "whole", "bare", "ended", "revoked", "foreign")
TABLE = """
auditor          finance        open    open    open    open    open    open    open
auditor          finance-city   open    open    open    open    open    open    open
auditor          audit-office   open    open    open    open    open    open    open
auditor          *              public  public  public  public  public  public  public
finance_clerk    finance-city   open    open    open    open    open    open    open
cashier          hospital-a     all     all     all     all     all     all     -
hospital_admin   hospital-a     all     all     all     all     all     all     -
cashier          hospital-b     -       -       -       -       -       -       all
hospital_admin   hospital-b     -       -       -       -       -       -       all
patient/holder   *              all     all     all     all     all     all     -
patient/other    *              -       -       -       -       -       -       all
insurer_clerk    insurer-a      -       items   open    public  -       -       -
employer_clerk   insurer-a      -       items   open    public  -       -       -
insurer_clerk    employer-a     -       items   -       -       -       -       -
employer_clerk   employer-a     -       items   -       -       -       -       -
"""
LEVEL = {
    (role, organisation, bill): level
    for role, organisation, *levels in (line.split() for line in TABLE.strip().splitlines())
    for bill, level in zip(BILLS, levels, strict=True)
}
GRANTEES = {"some": {"insurer-a", "employer-a"}, "whole": {"insurer-a"}, "bare": {"insurer-a"}}

# path below a bill -> the fields that a reader must be open to, for an answer at all
PATHS: dict[str, set[str]] = {
    "": set(),
    "/history": set(),
    "/version?at=2099-01-01T00:00:00Z": set(),
    "/proof": set(),
    "/proof?fields=total,date,issuer": set(),
    "/proof?fields=items": {"items"},
    "/proof?fields=diagnosis": {"diagnosis"},
    "/proof?fields=items,diagnosis": {"items", "diagnosis"},
    "/proof?fields=visit": {"visit"},
    "/proof?fields=check_code": {"check_code"},
    "/fhir": set(fhir.OPENED),
    "/face": OPEN,
    "/face?kind=list": OPEN,
}
# what a page shows of a bill's details: the field, by the words of the request
SHOWN = {
    "business_no": "business_no", "business_time": "business_time", "payer": "payer_name", "charges": "charges", "items": "items",
    "visit": "visit", "cashier": "cashier", "checker": "checker", "remark": "remark", "check_code": "check_code",
}  # fmt: skip
DIAGNOSIS = "a diagnosis that nobody was granted"
VISIT = Visit(department="internal medicine", diagnosis=DIAGNOSIS)


def level_of(role: str, organisation: str, bill: str) -> set[str] | None:
    """Fields that lie open to a reader; None if the bill does not exist for them."""
    level = LEVEL.get((role, organisation, bill)) or LEVEL.get((role, "*", bill), "-")
    return LEVELS.get(level)


class Province:
    """An archive with a bill of each tie."""

    def __init__(self, home: Path) -> None:
        kinds = {"insurer_a": "insurer", "insurer_b": "insurer", "employer_a": "employer", "audit_office": "audit"}
        self.archive = Archive(home, genesis_with(**kinds))
        self.bills: dict[str, str] = {}

    async def fill(self) -> None:
        for serial, name in enumerate(BILLS, 1):
            is_foreign = name == "foreign"
            issuer = "hospital-b" if is_foreign else "hospital-a"
            person = IDENTITIES["other" if is_foreign else "holder"]
            payer = Payer(person.name, "person", person.id_type, person.id_number)
            number = bill_id(100_000 + serial if is_foreign else serial)
            private = details(number, business_no=f"No. {serial}", payer=payer, visit=VISIT, remark="a remark")
            bill = issue_bill(
                f"No. {serial}", serial=int(number[8:]), issuer=issuer, lease_first=self.archive.first[issuer],
                details_root=details_root(private),
            )  # fmt: skip
            await self.archive.store.put(issuer, [private])
            assert self.archive.block(self.archive.chain.sign(issuer, bill)) == ["recorded"]
            self.bills[name] = number
        await self.archive.seal()
        await self.grant("some", "insurer-a", ["items"])
        await self.grant("some", "employer-a", ["items"])
        await self.grant("bare", "insurer-a", [])
        for name in ("whole", "revoked"):
            await self.grant(name, "insurer-a", sorted(OPEN))
        await self.grant("ended", "insurer-a", sorted(OPEN), for_ms=1_500)
        (row,) = [row for row in await self.rows() if row["bill_id"] == self.bills["revoked"]]
        await self.archive.mirror.patients.revoke_grant(self.holder, row["grant"], "claim_paid")
        assert self.archive.block(*self.archive.sent()) == ["recorded"]
        self.archive.block()
        assert [row["state"] for row in await self.rows()] == ["granted"] * 4 + ["expired", "revoked"]

    @property
    def holder(self) -> Reader:
        return Reader("person", "finance-city", "patient", IDENTITIES["holder"])

    async def rows(self) -> list[dict[str, Any]]:
        return (await self.archive.mirror.patients.my_grants(self.holder, None, 100)).data

    async def grant(self, name: str, to: str, fields: list[str], for_ms: int = 3_600_000) -> None:
        wish = GrantWish(to, fields, "reimbursement", self.archive.chain.time_ms + for_ms)
        await self.archive.mirror.patients.give_grants(self.holder, [self.bills[name]], wish)
        assert self.archive.block(*self.archive.sent()) == ["recorded"]


@pytest.fixture
def province(tmp_path: Path) -> Iterator[Province]:
    province = Province(tmp_path)
    yield province
    province.archive.close()


@pytest.fixture(autouse=True)
def no_typesetting(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is drawn is not the question here, but for whom: each face would take the typesetter a third of a second."""
    monkeypatch.setattr(faces, "_draw", lambda source, *_how: (f"face of {source.bill}".encode(), "application/pdf"))


Answer = tuple[int, list[tuple[str, str]], bytes]


class Asking:
    """Somebody with a token, or nobody, at the archive's REST app."""

    def __init__(self, client: httpx2.AsyncClient, token: str | None) -> None:
        self._client = client
        self._headers = {"X-Request-Id": "the-same-each-time", "Purpose": "audit"}
        if token is not None:
            self._headers["Authorization"] = f"Bearer {token}"

    async def get(self, bill: str, path: str) -> Answer:
        answer = await self._client.get(f"/v1/bills/{bill}{path}", headers=self._headers)
        return answer.status_code, sorted(answer.headers.items()), answer.content


def client_of(province: Province) -> httpx2.AsyncClient:
    issuer = TokenIssuer("province", public_jwk(KEY.public), list(ORGANISATIONS), list(ROLES))
    app = build_app(province.archive.mirror, TokenVerifier([issuer], province.archive.mirror.chain_id))
    return httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url="http://archive")


def token_of(province: Province, role: str, organisation: str) -> str:
    name, _, person = role.partition("/")
    return issue_token(
        KEY, issuer="province", chain_id=province.archive.mirror.chain_id, subject="somebody", organisation=organisation, role=name,
        identity=IDENTITIES.get(person),
    )  # fmt: skip


READERS = [role for role in ROLES if role != "patient"] + [f"patient/{person}" for person in IDENTITIES]


def test_every_role_is_looked_at_and_every_line_of_the_table_used() -> None:
    assert {role.partition("/")[0] for role in READERS} == set(ROLES)
    assert {role for role, _organisation, _bill in LEVEL} <= set(READERS)
    assert {organisation for _role, organisation, _bill in LEVEL} <= {*ORGANISATIONS, "*"}
    every_field = set().union(*PATHS.values())
    assert {"items", "diagnosis", "check_code"} <= every_field


@pytest.mark.parametrize("role", READERS)
async def test_each_path_opens_what_the_table_says_and_nothing_else(province: Province, role: str) -> None:
    """FEATURES 27, 31, 54: role × organisation × tie × path; unknown and forbidden alike."""
    await province.fill()
    unknown = bill_id(99_999)
    answered = denied = 0
    async with client_of(province) as client:
        for organisation in ORGANISATIONS:
            asking = Asking(client, token_of(province, role, organisation))
            nothing = {path: await asking.get(unknown, path) for path in PATHS}
            for path, (status, _headers, _body) in nothing.items():
                may_ask = role != "operator" or path.startswith(("/proof", "/fhir", "/face"))
                assert status == (404 if may_ask else 403), (role, organisation, path)
            for name, bill in province.bills.items():
                fields = level_of(role, organisation, name)
                for path, needed in PATHS.items():
                    where = (role, organisation, name, path)
                    answer = await asking.get(bill, path)
                    if fields is None or not needed <= fields:
                        assert answer == nothing[path], where
                        denied += 1
                        continue
                    assert answer[0] == 200, (*where, answer[2])
                    verify_contents(answer[2], path, fields, needed, where)
                    answered += 1
                    if path == "":
                        verify_grants(client_page(answer[2]), role, organisation, name)
    assert answered + denied == len(ORGANISATIONS) * len(BILLS) * len(PATHS)
    assert (answered > 0) == any(entry[0] == role for entry in LEVEL)


async def test_nobody_reads_anything(province: Province) -> None:
    """Without a token, and without the bill's check code, a bill does not exist."""
    await province.fill()
    async with client_of(province) as client:
        asking = Asking(client, None)
        for path in PATHS:
            nothing = await asking.get(bill_id(99_999), path)
            assert nothing[0] == (404 if path.startswith(("/proof", "/fhir", "/face")) else 401)
            for bill in province.bills.values():
                assert await asking.get(bill, path) == nothing, path


def client_page(data: bytes) -> dict[str, Any]:
    found: dict[str, Any] = httpx2.Response(200, content=data).json()
    return found


def verify_contents(data: bytes, path: str, fields: set[str], needed: set[str], where: tuple[str, ...]) -> None:
    """Of what is open nothing is missing, of what is not nothing is there."""
    if path == "":
        page = client_page(data)
        assert {key for key in SHOWN if key in page} == {key for key, name in SHOWN.items() if name in fields}, where
        assert (DIAGNOSIS in str(page)) == ("diagnosis" in fields), where
    elif path.startswith("/proof"):
        opened = {FIELDS[field.field] for field in decode(data, Proof).opened}
        assert opened == needed, where
        assert (DIAGNOSIS.encode() in data) == ("diagnosis" in needed), where
    elif path == "/history":
        events = [row["event"] for row in client_page(data)["data"]]
        assert events.count("recorded") == events.count("sealed") == 1, where
        assert events.count("grant_given") == given_on(where[2], where[0], where[1]), where
        assert events.count("grant_revoked") == (where[2] == "revoked" and given_on("revoked", where[0], where[1])), (
            where
        )


def given_on(bill: str, role: str, organisation: str) -> int:
    """How many grants on a bill its history tells a reader of: the holder, auditors and the office all of them, an organisation its
    own, the issuer's people none."""
    ever = {**GRANTEES, "ended": {"insurer-a"}, "revoked": {"insurer-a"}}.get(bill, set())
    sees_all = role.partition("/")[0] in ("auditor", "finance_clerk", "patient")
    return len(ever if sees_all else ever & {organisation})


def verify_grants(page: dict[str, Any], role: str, organisation: str, bill: str) -> None:
    """Of the grants in force a page shows its reader as many as the history does, and until when."""
    shown = {row["to"]: row["until"] for row in page.get("grants", [])}
    in_force = GRANTEES.get(bill, set())
    sees_all = role.partition("/")[0] in ("auditor", "finance_clerk", "patient")
    assert set(shown) == (in_force if sees_all else in_force & {organisation}), (role, organisation, bill)
    assert all(until.endswith("Z") for until in shown.values())
