"""Grants: who reads a bill, which fields, until when; given by who keeps its details, and taken back (FEATURES 31, 54)."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from chain import keyspace
from chain.details import FIELD_IDS
from chain.operation import CloseOrganisation, GrantRead, Operation, RevokeGrant, SuspendOrganisation
from chain.records import GRANTED, REVOKED, GrantBody, GrantRef, GrantsBody, ReasonBody
from chain.rules.grants import GIVEN_MAX, GRANT_MS_MAX, GRANTABLE, GRANTS_MAX, grants_of, is_in_force
from tests.chain.making import Chain, bill_id, changed, genesis_with, issue_bill, key_of, mac

BILL = bill_id(1)
OFFICE, ISSUER = "finance-city", "hospital-a"
ITEMS = [FIELD_IDS["charges"], FIELD_IDS["items"]]
HOUR_MS = 3_600_000


def province() -> Chain:
    """A bill of hospital-a, and organisations that might read it; one of them is supervised by the office."""
    start = genesis_with(insurer_a="insurer", employer_a="employer", platform_a="platform", audit_office="audit")
    organisations = [
        changed(entry, supervisor=OFFICE) if entry.id == "platform-a" else entry for entry in start.organisations
    ]
    chain = Chain(changed(start, organisations=organisations))
    chain.lease(ISSUER)
    assert chain.run(ISSUER, issue_bill("B-1", serial=1), issue_bill("B-2", serial=2)) == ["recorded"] * 2
    return chain


@pytest.fixture
def chain() -> Chain:
    return province()


def code(chain: Chain, operation: Operation, organisation: str = OFFICE, **how: Any) -> str:
    (found,) = chain.run(organisation, operation, **how)
    return found


def grant(chain: Chain, name: str = "g1", for_ms: int = HOUR_MS, **changes: Any) -> GrantRead:
    fields: dict[str, Any] = {
        "grant": mac(name),
        "bill": BILL,
        "to": "insurer-a",
        "fields": ITEMS,
        "purpose": "reimbursement",
        "until_ms": chain.time_ms + for_ms,
        "holder": mac("holder"),
    }
    return GrantRead(**{**fields, **changes})


def given(chain: Chain, name: str = "g1", granter: str = OFFICE) -> GrantBody:
    found: GrantBody = chain.body(keyspace.grant(granter, mac(name)), GrantBody)
    return found


def listed(chain: Chain, bill: str = BILL) -> list[GrantRef]:
    body = chain.ledger.state.get(keyspace.grants(bill), GrantsBody)
    return body.grants if body else []


def test_a_grant_is_given_and_taken_back(chain: Chain) -> None:
    first = grant(chain)
    assert code(chain, first) == "recorded"
    height = chain.height
    assert code(chain, first) == "already_recorded"
    assert given(chain) == GrantBody(
        BILL, "insurer-a", ITEMS, "reimbursement", first.until_ms, mac("holder"), GRANTED, height
    )
    assert listed(chain) == [GrantRef(OFFICE, mac("g1"))]
    assert code(chain, grant(chain, fields=[])) == "grant_exists"

    end = RevokeGrant(OFFICE, mac("g1"), "claim_paid")
    assert code(chain, end) == "recorded"
    assert code(chain, end) == "already_recorded"
    assert code(chain, RevokeGrant(OFFICE, mac("g1"), "other")) == "already_revoked"
    assert (given(chain).state, given(chain).height) == (REVOKED, height)
    assert chain.body(keyspace.grant_end(OFFICE, mac("g1")), ReasonBody) == ReasonBody("claim_paid")
    assert code(chain, first) == "already_recorded"  # a revocation is not undone by what came before it
    assert given(chain).state == REVOKED


def test_only_who_keeps_the_details_gives_and_takes_back(chain: Chain) -> None:
    """The issuer, and the office above it; each takes back what the other gave."""
    assert code(chain, grant(chain), "hospital-b") == "not_details_keeper"
    assert code(chain, grant(chain), "finance") == "not_details_keeper"  # above the office
    assert code(chain, grant(chain), "insurer-a") == "not_details_keeper"
    assert code(chain, grant(chain), key=key_of(f"{OFFICE}/seal")) == "wrong_key"
    assert code(chain, grant(chain), ISSUER) == "recorded"
    assert code(chain, grant(chain)) == "recorded"  # the same name, another granter's
    ends = {granter: RevokeGrant(granter, mac("g1"), "holder_asked") for granter in (OFFICE, ISSUER)}
    for stranger in ("hospital-b", "finance", "insurer-a"):
        assert code(chain, ends[OFFICE], stranger) == "not_details_keeper"
    assert code(chain, ends[OFFICE], key=key_of(f"{OFFICE}/seal")) == "wrong_key"
    assert code(chain, ends[OFFICE], ISSUER) == "recorded"
    assert code(chain, ends[ISSUER]) == "recorded"
    assert {given(chain).state, given(chain, granter=ISSUER).state} == {REVOKED}
    assert code(chain, RevokeGrant("hospital-b", mac("g1"), "holder_asked")) == "grant_unknown"
    assert code(chain, RevokeGrant(OFFICE, mac("g9"), "holder_asked")) == "grant_unknown"


def test_only_some_organisations_read(chain: Chain) -> None:
    assert code(chain, grant(chain, bill=bill_id(9))) == "bill_unknown"
    assert code(chain, grant(chain, to="nobody")) == "organisation_unknown"
    for name in ("hospital-b", "audit-office", "finance", "bigdata"):
        assert code(chain, grant(chain, to=name)) == "not_a_reader"
    for name in ("insurer-a", "employer-a", "platform-a", "insurance"):
        assert code(chain, grant(chain, f"g/{name}", to=name)) == "recorded"
    assert code(chain, SuspendOrganisation("platform-a", "key_lost", 0, [])) == "recorded"
    assert code(chain, grant(chain, "g2", to="platform-a")) == "organisation_suspended"
    assert code(chain, CloseOrganisation("platform-a", "merged", 1, [])) == "recorded"
    assert code(chain, grant(chain, "g2", to="platform-a")) == "organisation_closed"


def test_fields_are_known_ascending_and_no_secrets(chain: Chain) -> None:
    secrets = [FIELD_IDS["check_code"], FIELD_IDS["token"]]
    assert not GRANTABLE & set(secrets)
    for fields in ([7, 6], [6, 6], [31], *([secret] for secret in secrets), [6, 12]):
        assert code(chain, grant(chain, fields=fields)) == "fields_malformed", fields
    assert code(chain, grant(chain, "none", fields=[])) == "recorded"
    assert code(chain, grant(chain, "all", fields=sorted(GRANTABLE))) == "recorded"


def test_a_grant_ends_by_block_time(chain: Chain) -> None:
    for ahead_ms in (0, -1, GRANT_MS_MAX + 1):
        wrong = grant(chain, until_ms=chain.time_ms + ahead_ms)
        assert code(chain, wrong, time_ms=chain.time_ms) == "grant_too_long"
    assert code(chain, grant(chain, "long", GRANT_MS_MAX), time_ms=chain.time_ms) == "recorded"
    short = grant(chain, "short", 60_000)
    assert code(chain, short) == "recorded"
    (_long, (_ref, body)) = grants_of(chain.ledger.state, BILL)
    assert is_in_force(body, short.until_ms - 1)
    assert not is_in_force(body, short.until_ms)
    end = RevokeGrant(OFFICE, mac("short"), "holder_asked")
    assert code(chain, end, time_ms=short.until_ms) == "grant_expired"
    assert given(chain, "short").state == GRANTED  # it ended by itself


def test_what_has_ended_makes_room(chain: Chain) -> None:
    for number in range(GRANTS_MAX):
        assert code(chain, grant(chain, f"g{number}", 60_000 if number == 5 else HOUR_MS)) == "recorded"
    ends_ms = given(chain, "g5").until_ms
    assert code(chain, grant(chain, "more"), time_ms=ends_ms - 1) == "too_many_grants"
    assert code(chain, grant(chain, "more"), time_ms=ends_ms) == "recorded"
    assert GrantRef(OFFICE, mac("g5")) not in listed(chain)
    assert code(chain, RevokeGrant(OFFICE, mac("g60"), "holder_asked")) == "recorded"
    assert code(chain, RevokeGrant(OFFICE, mac("g7"), "holder_asked")) == "recorded"
    assert code(chain, grant(chain, "again")) == "recorded"
    names = [ref.grant for ref in listed(chain)]
    assert len(names) == GRANTS_MAX
    assert mac("g7") not in names  # the older one of the two
    assert names[-1] == mac("again")
    assert given(chain, "g7").state == REVOKED  # only the list forgets it
    assert code(chain, grant(chain, "of another", bill=bill_id(2))) == "recorded"


def test_a_bill_has_so_many_grants_ever(chain: Chain) -> None:
    """What is told of one bill has a bound (`node/life_index.py`), so this has one."""
    for start in range(0, GIVEN_MAX, 20):
        names = [f"{number}" for number in range(start, start + 20)]
        steps: list[Operation] = []
        for name in names:
            steps += [grant(chain, name), RevokeGrant(OFFICE, mac(name), "holder_asked")]
        assert chain.run(OFFICE, *steps) == ["recorded"] * 40
    assert code(chain, grant(chain, "more")) == "too_many_grants"
    assert code(chain, grant(chain, "more", bill=bill_id(2))) == "recorded"


def test_the_first_fault_is_told(chain: Chain) -> None:
    """Precedence: each step mends the fault that was told, and the next one is told."""
    assert code(chain, grant(chain, "used", bill=bill_id(2))) == "recorded"
    faulty = grant(chain, "used", bill=bill_id(9), to="nobody", fields=[31], until_ms=0)
    assert code(chain, faulty, key=key_of(f"{OFFICE}/seal")) == "grant_exists"
    faulty = changed(faulty, grant=mac("new"))
    assert code(chain, faulty, key=key_of(f"{OFFICE}/seal")) == "wrong_key"
    assert code(chain, faulty, "hospital-b") == "bill_unknown"
    faulty = changed(faulty, bill=BILL)
    assert code(chain, faulty, "hospital-b") == "not_details_keeper"
    assert code(chain, faulty) == "organisation_unknown"
    assert code(chain, changed(faulty, to="hospital-b")) == "not_a_reader"
    assert code(chain, SuspendOrganisation("platform-a", "key_lost", 0, [])) == "recorded"
    assert code(chain, changed(faulty, to="platform-a")) == "organisation_suspended"
    faulty = changed(faulty, to="insurer-a")
    assert code(chain, faulty) == "fields_malformed"
    assert code(chain, changed(faulty, fields=[6])) == "grant_too_long"
    assert code(chain, changed(faulty, fields=[6], until_ms=chain.time_ms + HOUR_MS)) == "recorded"


# ── a model ──────────────────────────────────────────────────────────────────────────────────────────────────────────

NAMES = st.sampled_from(["g1", "g2", "g3"])
KEEPERS = st.sampled_from([OFFICE, ISSUER, "hospital-b"])


class Grants(RuleBasedStateMachine):
    """Grants of one bill as a patient would keep them on paper: (who gave it, name) -> [until, revoked]."""

    @initialize()
    def begin(self) -> None:
        self.chain, self.paper = province(), dict[tuple[str, str], list[Any]]()

    @rule(name=NAMES, by=KEEPERS, minutes=st.integers(0, 9), step=st.integers(1, 200_000))
    def give(self, name: str, by: str, minutes: int, step: int) -> None:
        self.chain.time_ms += step
        operation = grant(self.chain, name, minutes * 60_000)
        allowed = by != "hospital-b" and (by, name) not in self.paper and minutes > 0
        assert (code(self.chain, operation, by) == "recorded") == allowed
        if allowed:
            self.paper[by, name] = [operation.until_ms, False]

    @rule(name=NAMES, granter=KEEPERS, by=KEEPERS, step=st.integers(1, 200_000))
    def revoke(self, name: str, granter: str, by: str, step: int) -> None:
        self.chain.time_ms += step
        now_ms = self.chain.time_ms
        row = self.paper.get((granter, name))
        allowed = row is not None and by != "hospital-b" and not row[1] and now_ms < row[0]
        operation = RevokeGrant(granter, mac(name), "holder_asked")
        assert (code(self.chain, operation, by, time_ms=now_ms) == "recorded") == allowed
        if row is not None and allowed:
            row[1] = True

    @invariant()
    def what_is_in_force_is_what_the_paper_says(self) -> None:
        now_ms = self.chain.ledger.head.time_ms
        found = {
            (ref.granter, ref.grant)
            for ref, body in grants_of(self.chain.ledger.state, BILL)
            if is_in_force(body, now_ms)
        }
        assert found == {
            (granter, mac(name)) for (granter, name), (until, over) in self.paper.items() if not over and now_ms < until
        }


TestGrants = Grants.TestCase
TestGrants.settings = settings(max_examples=15, stateful_step_count=20, deadline=None)
