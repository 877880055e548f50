"""The gateway when things go wrong: crashes, two gateways at once, servers that lie, refusals, an archive that is away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from chain.codec import encode
from chain.errors import StorageDamaged, StorageFailed
from chain.operation import AddKey, EndKey, IssueBill, ReportUnused
from chain.proof import check_proof
from chain.records import UNIT
from chain.transaction import key_id
from node import gateway_follow
from node.gateway import Gateway
from node.messages import GetRecord, MineAnswer, Part, RecordAnswer
from node.own_outcomes import tree_of
from node.service import Claimed, ServiceRefused
from tests.chain.making import CODE, certify, changed, genesis, issue_bill, key_of
from tests.node.gateway_province import PATIENCE_S, STAFF, Province, bill, sealed, until


@pytest.fixture
async def province(tmp_path: Path) -> AsyncIterator[Province]:
    province = Province(tmp_path)
    yield province
    await province.stop()


def unused(province: Province) -> dict[str, str]:
    """Numbers that the ledger has as unused, and why."""
    found = {}
    for height in range(1, province.chain.height + 1):
        view = province.chain.view(height)
        operations = [entry.operation for own in view.received for entry in own.transaction.entries]
        for operation, outcome in zip(operations, view.outcomes, strict=True):
            if isinstance(operation, ReportUnused) and outcome.code == "recorded":
                found[operation.bill] = operation.reason
    return found


# ── crashes ──────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_what_was_answered_survives_a_crash_and_is_sealed_once(province: Province) -> None:
    """Issue 2: no quorum, 202 queued, gateway killed and started, validators back: sealed by itself, once."""
    gateway = await province.start()
    province.hold()
    queued = [await gateway.issue(bill(f"B-{number}")) for number in range(5)]

    again = await province.crash(gateway)
    again.begin()
    assert (await again.issue(bill("B-0"))).bill_id == queued[0].bill_id
    assert (await again.issue(bill("B-9"))).bill_id not in {standing.bill_id for standing in queued}
    province.go_on()
    for standing in queued:
        assert (await again.wait(standing, PATIENCE_S, "recorded")).status == "recorded"
    province.seal()
    done = await again.wait(queued[-1], PATIENCE_S)

    assert done.status == "sealed"
    names = [entry.bill for entry in province.recorded_bills()]
    assert sorted(names) == sorted({*names})
    assert len(names) == 6
    await until(lambda: len(province.archive.kept) == 6)


async def test_a_crash_between_sending_and_hearing_records_nothing_twice(province: Province) -> None:
    """DESIGN 5: the same operation again is `already_recorded`."""
    gateway = await province.start()
    for link in province.peers["hospital-a"].links:
        link.tamper = lambda answer: MineAnswer([]) if isinstance(answer, MineAnswer) else answer
    standing = await gateway.issue(bill())
    await until(lambda: len(province.recorded_bills()) == 1)
    assert (await gateway.wait(standing, 0)).status == "queued"

    again = await province.crash(gateway)
    again.begin()

    assert (await again.wait(standing, PATIENCE_S, "recorded")).status == "recorded"
    await until(lambda: again.figures()["outbox_items"] == 0)
    assert len(province.recorded_bills()) == 1
    fresh = await again.issue(bill("B-2"))
    assert (await again.wait(fresh, PATIENCE_S, "recorded")).status == "recorded"


async def test_a_bill_that_is_seen_is_whole_in_every_copy_of_the_store(province: Province) -> None:
    """Number, details, outbox item and business number go down in one batch, whenever the power goes."""
    gateway = await province.start()
    province.hold()
    for number in range(10):
        await asyncio.gather(*(gateway.issue(bill(f"B-{number}-{part}")) for part in range(7)))
        copy = await province.crash(gateway)
        copy.begin()
        gateway = copy
        for earlier in range(number + 1):
            for part in range(7):
                (row,) = await gateway.bills_by_business_no("hospital-a", f"B-{earlier}-{part}", STAFF)
                assert row["payer"]["name"] == "Synthetic Person"
    assert gateway.figures()["outbox_items"] == 70
    province.go_on()
    await until(lambda: gateway.figures()["outbox_items"] == 0)
    names = [entry.bill for entry in province.recorded_bills()]
    assert len(names) == len(set(names)) == 70


async def test_another_ledgers_store_is_refused(province: Province, tmp_path: Path) -> None:
    gateway = await province.start()
    other = Province(tmp_path / "other")
    other.chain.genesis = genesis(name="another province")
    path = gateway.store.path
    await gateway.stop()
    province.running.clear()

    with pytest.raises(StorageDamaged, match="another genesis"):
        other.open(copy_of=path)


async def test_nothing_personal_lies_in_clear_in_the_store(province: Province) -> None:
    """DESIGN 1.6."""
    gateway = await province.start()
    await gateway.issue(bill("SECRET-NO-1"))
    await gateway.store.flushed()

    data = b"".join(file.read_bytes() for file in gateway.store.path.iterdir())
    for word in (b"Synthetic Person", b"TEST-000001", b"SECRET-NO-1", b"cashier one", b"western medicine"):
        assert word not in data
    assert b"hospital-a" in data or b"330601" in data


# ── two gateways ─────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_two_gateways_and_one_business_number_end_with_one_bill_that_both_name(province: Province) -> None:
    """DESIGN 6: B → A for ever, answers B with A and `superseded_by`, reports B unused."""
    first, second = await province.start(), await province.start("hospital-a-2")
    province.hold()
    kept = await asyncio.gather(*(gateway.issue(bill()) for gateway in (first, second) for _ in range(50)))
    a, b = kept[0], kept[50]
    assert {a.bill_id, b.bill_id} == {standing.bill_id for standing in kept}
    assert a.bill_id != b.bill_id
    province.go_on()

    done = [await first.wait(a, PATIENCE_S, "recorded"), await second.wait(b, PATIENCE_S, "recorded")]

    (winner,) = [entry.bill for entry in province.recorded_bills()]
    assert [standing.bill_id for standing in done] == [winner, winner]
    loser = a.bill_id if winner == b.bill_id else b.bill_id
    gateway = second if loser == b.bill_id else first
    assert [standing.superseded_by for standing in done if standing.superseded_by] == [winner]
    await until(lambda: unused(province) == {loser: "superseded"})
    page = await gateway.bill(loser or "", STAFF)
    assert page is not None
    assert (page["bill_id"], page["superseded_by"]) == (winner, winner)
    for desk in (first, second):
        (row,) = await desk.bills_by_business_no("hospital-a", "B-1", STAFF)
        assert row["bill_id"] == winner
        assert row["payer"]["name"] == "Synthetic Person"
        again = await desk.issue(bill())
        assert (again.bill_id, again.repeated) == (winner, True)
        with pytest.raises(ServiceRefused, match="business_no_conflict"):
            await desk.issue(bill(total_fen=5_000))
    province.seal()
    assert (await gateway.wait(a if gateway is first else b, PATIENCE_S)).status == "sealed"
    with pytest.raises(ServiceRefused, match="bill_superseded"):
        await gateway.reverse(loser or "", "wrong payer", "cashier one", None)
    codes = {standing.bill_id: standing.check_code or "" for standing in (a, b)}
    answer = await gateway.verify_claimed(Claimed(loser or "", codes[loser]), "10.0.0.1")
    assert (answer["verdict"], answer["superseded_by"]) == ("genuine", winner)
    after = await province.crash(gateway)
    after.begin()
    page = await after.bill(loser or "", STAFF)
    assert page is not None
    assert page["superseded_by"] == winner


async def test_two_gateways_with_other_contents_end_in_an_alarm(province: Province) -> None:
    """A refusal raises an alarm, its number is reported unused, and the ledger's bill is the one that is named."""
    first, second = await province.start(), await province.start("hospital-a-2")
    province.hold()
    a, b = await first.issue(bill()), await second.issue(bill(total_fen=777))
    province.go_on()
    done = [await first.wait(a, PATIENCE_S, "recorded"), await second.wait(b, PATIENCE_S, "recorded")]

    (refused,) = [standing for standing in done if standing.status == "refused"]
    assert refused.code == "business_no_conflict"
    gateway = first if refused.bill_id == a.bill_id else second
    assert gateway.labelled_figures()["alarms_total"] == {"business_no_conflict": 1}
    await until(lambda: unused(province) == {refused.bill_id: "refused"})
    (row,) = await gateway.bills_by_business_no("hospital-a", "B-1", STAFF)
    assert row["bill_id"] != refused.bill_id
    assert (await gateway.verify_claimed(Claimed(refused.bill_id or "", "aaaaaa"), "10.0.0.1"))["verdict"] == "no_match"


async def test_each_gateway_serves_what_the_other_one_issued(province: Province) -> None:
    """DESIGN 6: they get each other's operations, and details from the archive when asked for."""
    first, second = await province.start(), await province.start("hospital-a-2")
    standing = await first.issue(bill())
    await until(lambda: standing.bill_id in province.archive.kept)
    await first.wait(standing, PATIENCE_S, "recorded")
    await until(lambda: second.head().height == first.head().height)

    again = await second.issue(bill())
    assert (again.bill_id, again.check_code, again.repeated) == (standing.bill_id, standing.check_code, True)
    red = await second.reverse(standing.bill_id or "", "wrong payer", "cashier one", None)
    await second.wait(red, PATIENCE_S, "recorded")
    proof = await second.proof(standing.bill_id or "", STAFF, ["payer_name"], None)
    assert proof is not None
    assert check_proof(proof, province.chain.genesis).bill["status"] == "reversed"
    province.archive.is_away = True
    await until(lambda: first.head().height == second.head().height)
    with pytest.raises(ServiceRefused, match="already_reversed"):
        await first.reverse(standing.bill_id or "", "again", "cashier one", None)
    page = await first.bill(red.bill_id or "", STAFF)
    assert page is not None
    assert "reason" not in page


# ── refusals ─────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_bill_that_comes_too_late_is_refused_with_an_alarm_and_may_be_issued_again(province: Province) -> None:
    """DESIGN 9: a refusal raises an alarm; the number is explained, the business number is free again."""
    gateway = await province.start()
    province.hold()
    standing = await gateway.issue(bill())
    province.pool.clear()
    province.chain.time_ms += 40 * 86_400_000
    province.now_ms += 40 * 86_400_000
    province.go_on()

    done = await gateway.wait(standing, PATIENCE_S)
    assert (done.status, done.code) == ("refused", "date_out_of_window")
    await until(lambda: unused(province) == {standing.bill_id: "refused"})
    again = await gateway.issue(bill(business_time="2026-07-11T12:00:00+08:00"))
    assert again.bill_id != standing.bill_id
    assert (await gateway.wait(again, PATIENCE_S, "recorded")).status == "recorded"
    page = await gateway.bill(standing.bill_id or "", STAFF)
    assert page is not None
    assert (page["status"], page["code"]) == ("refused", "date_out_of_window")


async def test_a_crafted_transaction_that_takes_a_number_first_is_found_out(province: Province) -> None:
    """Issue 2, bad input: number used twice. The number is not ours to report then."""
    gateway = await province.start()
    province.hold()
    standing = await gateway.issue(bill())
    (lease,) = [view for view in gateway.leases() if view.kind == "outpatient" and view.place == "A01"]
    serial = int((standing.bill_id or "")[8:])
    crafted = issue_bill("OTHER", serial=serial, lease_first=lease.first)
    assert province.run("hospital-a", crafted) == ["recorded"]
    province.go_on()

    done = await gateway.wait(standing, PATIENCE_S)
    assert (done.status, done.code) == ("refused", "number_used")
    assert gateway.labelled_figures()["alarms_total"] == {"number_used": 1}
    again = await gateway.issue(bill())
    assert again.bill_id == f"{CODE}{serial + 1:010d}"
    assert (await gateway.wait(again, PATIENCE_S, "recorded")).status == "recorded"
    assert unused(province) == {}


async def test_a_transaction_whose_window_has_passed_is_signed_anew(province: Province) -> None:
    """DESIGN 5: a gateway may sign and send again after any silence."""
    gateway = await province.start(transaction_window_blocks=3)
    province.hold()
    standing = await gateway.issue(bill())
    await until(lambda: bool(province.pool))
    first = set(province.pool)
    province.pool.clear()
    for _ in range(4):
        province.block()
    await until(lambda: bool(province.pool.keys() - first))
    province.go_on()

    assert (await gateway.wait(standing, PATIENCE_S, "recorded")).status == "recorded"
    assert len(province.recorded_bills()) == 1


async def test_an_unrecorded_transaction_goes_to_all_validators(province: Province) -> None:
    """DESIGN 9: one first, all when it takes long."""
    gateway = await province.start()
    links = province.peers["hospital-a"].links
    province.hold()
    for link in links:
        link.bundles.clear()
    await gateway.issue(bill())
    await until(lambda: sum(len(link.bundles) for link in links) == 1)
    await until(lambda: all(link.bundles for link in links))
    assert len({encoded for link in links for bundle in link.bundles for encoded in [str(bundle)]}) == 1


# ── servers that lie ─────────────────────────────────────────────────────────────────────────────────────────────────


def first_own(part: Part, change: Callable[[Any], Any]) -> Part:
    """The part with its first transaction changed."""
    return changed(part, transactions=[change(part.transactions[0]), *part.transactions[1:]])


def other_outcome(own: Any) -> Any:
    return changed(own, codes=[changed(own.codes[0], code="number_used"), *own.codes[1:]])


def dropped_outcome(own: Any) -> Any:
    first, *rest = own.codes
    shorter = [changed(first, count=first.count - 1)] if first.count > 1 else []
    return changed(own, codes=[*shorter, *rest])


def with_some(part: Part, keep: slice) -> Part:
    """As a server shows it that leaves out the other transactions, and proves what it shows."""
    kept = part.transactions[keep]
    places = [own.first_place + index for own in kept for index in range(len(own.transaction.entries))]
    if not kept:
        return changed(part, transactions=[], keys=[], cover=[])
    signed_by = {own.transaction.key_id for own in kept}
    keys = [witness for witness in part.keys if witness.key_id in signed_by]
    return changed(part, transactions=kept, keys=keys, cover=tree_of(part).cover(places))


def outcomes_without_end(own: Any) -> Any:
    return changed(own, codes=[changed(own.codes[0], count=2**53)])


def other_operation(own: Any) -> Any:
    entry, *rest = own.transaction.entries
    return changed(own, transaction=changed(own.transaction, entries=[changed(entry, linked=not entry.linked), *rest]))


def wrong_signature(own: Any) -> Any:
    return changed(own, transaction=changed(own.transaction, signature=bytes(64)))


def other_place(own: Any) -> Any:
    return changed(own, first_place=own.first_place + 1)


def of_another(part: Part) -> list[Any]:
    return [changed(key, organisation="hospital-b") for key in part.keys]


def wrong_certificate(part: Part) -> Part:
    return changed(part, certificate=certify(part.header, genesis().validator_set(), view=1, seats=(0, 1)))


LIES: dict[str, Callable[[Part], Part]] = {
    "altered outcome": lambda part: first_own(part, other_outcome),
    "dropped outcome": lambda part: first_own(part, dropped_outcome),
    "altered operation": lambda part: first_own(part, other_operation),
    "wrong signature": lambda part: first_own(part, wrong_signature),
    "more outcomes than operations": lambda part: first_own(part, outcomes_without_end),
    "another place": lambda part: first_own(part, other_place),
    "another cover": lambda part: changed(part, cover=[*part.cover, bytes(32)]),
    "key of another first": lambda part: changed(part, keys=[*of_another(part), *part.keys]),
    "key of another last": lambda part: changed(part, keys=[*part.keys, *of_another(part)]),
    "key twice": lambda part: changed(part, keys=[*part.keys, *part.keys]),
    "key of nothing": lambda part: changed(part, keys=[*part.keys, changed(part.keys[0], key_id=bytes(32))]),
    "cover of nothing": lambda part: changed(part, transactions=[], keys=[], cover=[bytes(32)]),
    "keys of nothing": lambda part: changed(part, transactions=[], cover=[]),
    "same place twice": lambda part: changed(part, transactions=[*part.transactions, part.transactions[-1]]),
    "no key": lambda part: changed(part, keys=[]),
    "key of another state": lambda part: changed(part, keys=[changed(key, count=key.count + 1) for key in part.keys]),
    "two votes only": wrong_certificate,
    "other header": lambda part: changed(part, header=changed(part.header, time_ms=part.header.time_ms + 1)),
    "skipped block": lambda part: changed(part, header=changed(part.header, height=part.header.height + 1)),
}


@pytest.mark.parametrize("lie", LIES)
async def test_a_server_that_lies_is_left_for_another(province: Province, lie: str) -> None:
    """PROTOCOL 17: nothing is believed without its proof."""
    gateway = await province.start()
    links = province.peers["hospital-a"].links

    def tamper(answer: Any) -> Any:
        if not isinstance(answer, MineAnswer) or not any(part.transactions for part in answer.parts):
            return answer
        return MineAnswer([LIES[lie](part) if part.transactions else part for part in answer.parts])

    for link in links[:-1]:
        link.tamper = tamper
    done = await sealed(province, gateway, await gateway.issue(bill()))

    assert done.status == "sealed"
    proof = await gateway.proof(done.bill_id or "", STAFF, [], None)
    assert proof is not None
    assert check_proof(proof, province.chain.genesis).valid


async def test_where_all_lie_nobody_is_asked_on_and_on(province: Province) -> None:
    """RELIABILITY Y11, endless stream: a gateway without an honest server asks ten times a second, not as fast as it can."""
    await province.start()
    lies = 0

    def tamper(answer: Any) -> Any:
        nonlocal lies
        if not isinstance(answer, MineAnswer) or not answer.parts:
            return answer
        lies += 1
        return MineAnswer([wrong_certificate(part) for part in answer.parts])

    for link in province.peers["hospital-a"].links:
        link.tamper = tamper
    province.block()
    await asyncio.sleep(5 * gateway_follow.RETRY_MS / 1000)

    assert 0 < lies <= 6


async def test_a_transaction_that_a_server_left_out_is_found_elsewhere(province: Province) -> None:
    """No path proves absence: the record names the height, and another server shows the part."""
    gateway = await province.start(transaction_window_blocks=3)
    links = province.peers["hospital-a"].links

    def leave_out(answer: Any) -> Any:
        if isinstance(answer, MineAnswer):
            return MineAnswer([with_some(part, slice(0)) for part in answer.parts])
        return answer

    for link in links:
        link.tamper = leave_out
    standing = await gateway.issue(bill())
    await until(lambda: len(province.recorded_bills()) == 1)
    await until(lambda: gateway.head().height == province.chain.height)
    assert (await gateway.wait(standing, 0)).status == "queued"
    for link in links[1:]:
        link.tamper = lambda answer: answer
    for _ in range(4):  # the window passes by, it is sent again: already_recorded
        province.block()

    done = await sealed(province, gateway, standing)
    assert done.status == "sealed"
    assert "already_recorded" in province.codes()
    proof = await gateway.proof(done.bill_id or "", STAFF, [], None)
    assert proof is not None
    assert check_proof(proof, province.chain.genesis).valid


async def test_an_incomplete_part_and_another_incomplete_part_make_a_whole_one(province: Province) -> None:
    """Two servers each leave out one transaction of a block: both bills are found, and proven at their right places."""
    gateway = await province.start(transaction_window_blocks=3)
    links = province.peers["hospital-a"].links
    lease = next(view for view in gateway.leases() if view.kind == "outpatient" and view.place == "A01")
    other = issue_bill("OTHER", serial=lease.first + 500, lease_first=lease.first)

    def showing(keep: slice) -> Callable[[Any], Any]:
        def tamper(answer: Any) -> Any:
            if not isinstance(answer, MineAnswer):
                return answer
            return MineAnswer([with_some(part, keep) if len(part.transactions) > 1 else part for part in answer.parts])

        return tamper

    for link in links:
        link.tamper = showing(slice(1, None))  # the first one of a block is left out
    province.hold()
    standing = await gateway.issue(bill())
    await until(lambda: bool(province.pool))
    province.block([*province.pool.values(), province.chain.sign("hospital-a", other)])
    await until(lambda: gateway.store.bill(other.bill) is not None)
    assert (await gateway.wait(standing, 0)).status == "queued"
    for link in links:
        link.tamper = showing(slice(0, 1))  # and now the second one
    province.is_held = False
    for _ in range(4):
        province.block()

    assert (await gateway.wait(standing, PATIENCE_S, "recorded")).status == "recorded"
    for name in (standing.bill_id or "", other.bill):
        proof = await gateway.proof(name, STAFF, [], None)
        assert proof is not None
        assert check_proof(proof, province.chain.genesis).bill["bill_id"] == name


async def test_a_seal_that_a_server_left_out_is_found_elsewhere(province: Province) -> None:
    gateway = await province.start()
    links = province.peers["hospital-a"].links
    standing = await gateway.issue(bill())
    await gateway.wait(standing, PATIENCE_S, "recorded")
    for link in links:
        link.tamper = lambda answer: (
            MineAnswer([changed(part, seals=[]) for part in answer.parts]) if isinstance(answer, MineAnswer) else answer
        )
    province.seal()
    await until(lambda: gateway.head().height == province.chain.height)
    for link in links[1:]:
        link.tamper = lambda answer: answer
    province.seal()

    done = await gateway.wait(standing, PATIENCE_S)
    assert done.status == "sealed"
    await until(lambda: gateway.store.seal_over(done.height or 0) is not None)
    proof = await gateway.proof(standing.bill_id or "", STAFF, [], None)
    assert proof is not None
    assert check_proof(proof, province.chain.genesis).bill["sealed"] is True


async def test_a_record_that_does_not_hold_is_not_put_into_a_proof(province: Province) -> None:
    gateway = await province.start()
    done = await sealed(province, gateway, await gateway.issue(bill()))
    for link in province.peers["hospital-a"].links:
        link.tamper = lambda answer: (
            RecordAnswer(changed(answer.current, place=answer.current.place + 1))
            if isinstance(answer, RecordAnswer) and answer.current
            else answer
        )

    proof = await gateway.proof(done.bill_id or "", STAFF, [], None)
    assert proof is not None
    verdict = check_proof(proof, province.chain.genesis)
    assert verdict.valid
    assert [check.ok for check in verdict.checks if check.name == "current record"] == [None]


async def test_a_silent_server_is_left_for_another(province: Province) -> None:
    gateway = await province.start()
    for link in province.peers["hospital-a"].links[:-1]:
        link.is_silent = True

    done = await sealed(province, gateway, await gateway.issue(bill()))
    assert done.status == "sealed"


# ── seals, details, submitted transactions ───────────────────────────────────────────────────────────────────────────


async def test_an_excepted_bill_is_sealed_when_it_is_released(province: Province) -> None:
    """DESIGN 6, seal: at or below the watermark, not excepted."""
    gateway = await province.start()
    first, second = await gateway.issue(bill()), await gateway.issue(bill("B-2"))
    for standing in (first, second):
        await gateway.wait(standing, PATIENCE_S, "recorded")
    province.seal(excepted=[first.bill_id or ""])

    assert (await gateway.wait(second, PATIENCE_S)).status == "sealed"
    assert (await gateway.wait(first, 0)).status == "recorded"
    province.seal(issuers=[], released=[first.bill_id or ""])
    done = await gateway.wait(first, PATIENCE_S)

    assert (done.status, done.sealed_height) == ("sealed", province.chain.height)
    proof = await gateway.proof(first.bill_id or "", STAFF, [], None)
    assert proof is not None
    assert check_proof(proof, province.chain.genesis).bill["sealed"] is True


async def test_details_reach_an_archive_that_was_away_also_after_a_crash(province: Province) -> None:
    province.archive.is_away = True
    gateway = await province.start()
    standings = [await gateway.issue(bill(f"B-{number}")) for number in range(3)]
    await gateway.wait(standings[2], PATIENCE_S, "recorded")
    again = await province.crash(gateway)
    again.begin()
    await until(lambda: again.figures()["details_behind"] == 1)
    province.archive.is_away = False

    await until(lambda: province.archive.kept.keys() == {standing.bill_id for standing in standings})
    puts = province.archive.puts
    await gateway_is_idle(again)
    assert province.archive.puts == puts


async def gateway_is_idle(gateway: Gateway) -> None:
    await gateway.store.flushed()
    assert gateway.store.details_due("", 1) == []


async def test_a_transaction_of_the_organisation_is_passed_on_and_settled(province: Province) -> None:
    """POST /transactions: what the hospital's own people signed elsewhere."""
    gateway = await province.start()
    (lease,) = [view for view in gateway.leases() if view.kind == "outpatient" and view.place == "A01"]
    operation: IssueBill = issue_bill("OTHER", serial=lease.first + 500, lease_first=lease.first)
    (standing,) = await gateway.submit(encode(province.chain.sign("hospital-a", operation)))
    done = await gateway.wait(standing, PATIENCE_S, "recorded")
    assert (done.status, done.bill_id) == ("recorded", operation.bill)
    refusals = {
        "organisation_forbidden": province.chain.sign("hospital-b", operation),
        "key_unknown": province.chain.sign("hospital-a", operation, key=key_of("stranger")),
        "bad_signature": changed(province.chain.sign("hospital-a", operation), signature=bytes(64)),
        "transaction_expired": province.chain.sign("hospital-a", operation, valid_until=1),
        "transaction_too_early": province.chain.sign("hospital-a", operation, valid_until=9_999),
        "transaction_malformed": province.chain.sign("hospital-a"),
    }
    for code, transaction in refusals.items():
        with pytest.raises(ServiceRefused) as refusal:
            await gateway.submit(encode(transaction))
        assert refusal.value.code == code
    with pytest.raises(ServiceRefused, match="malformed"):
        await gateway.submit(b"\xc1")


def another_key(province: Province, name: str = "hospital-a/unit-2", after: int = 2) -> AddKey:
    return AddKey(key_of(name).public, UNIT, 1, province.chain.height + after)


async def answer_to(gateway: Gateway, province: Province, key: str) -> str:
    """Submit something that `key` signed: its standing, or the code of the refusal."""
    operation = issue_bill("K", serial=900 + province.chain.height)
    try:
        (standing,) = await gateway.submit(encode(province.chain.sign("hospital-a", operation, key=key_of(key))))
    except ServiceRefused as refused:
        return refused.code
    return standing.status


async def test_keys_that_the_organisation_adds_and_ends_are_known_at_its_gateway(province: Province) -> None:
    """`medbill keys add` and `keys end`: from the block on that the chain says, also after a crash and with no link."""
    gateway = await province.start()
    province.hold()
    new = "hospital-a/unit-2"
    assert await answer_to(gateway, province, new) == "key_unknown"
    asked = keys_asked_for(province)
    assert province.run("hospital-a", another_key(province)) == ["recorded"]
    await until(lambda: gateway.head().height == province.chain.height)
    assert await answer_to(gateway, province, new) == "queued"
    assert province.run("hospital-a", another_key(province, "hospital-a/unit-3", 3)) == ["recorded"]
    await until(lambda: gateway.head().height == province.chain.height)
    assert await answer_to(gateway, province, "hospital-a/unit-3") == "key_not_in_force"

    end = EndKey(key_id(key_of("hospital-a/unit").public), province.chain.height + 2)
    assert province.run("hospital-a", end) == ["recorded"]
    await until(lambda: gateway.head().height == province.chain.height)
    assert await answer_to(gateway, province, "hospital-a/unit") == "key_not_in_force"
    assert await answer_to(gateway, province, "hospital-a/unit-3") == "queued"
    assert keys_asked_for(province) == asked  # all of it came with the blocks

    again = await province.crash(gateway)
    province.peers["hospital-a"].is_cut = True
    again.begin()
    assert await answer_to(again, province, "hospital-a/unit") == "key_not_in_force"
    assert await answer_to(again, province, new) == "queued"
    with pytest.raises(ServiceRefused, match="unavailable"):  # nobody tells: not refused for ever
        await again.submit(encode(province.chain.sign("hospital-a", issue_bill("K"), key=key_of("stranger"))))


def keys_asked_for(province: Province) -> int:
    questions = [one for link in province.peers["hospital-a"].links for one in link.questions]
    return sum(isinstance(one, GetRecord) and one.key.startswith(b"key/") for one in questions)


async def test_a_key_whose_block_was_hidden_is_asked_for_once(province: Province) -> None:
    """PROTOCOL 17: a validator can leave a transaction out; the record under the state root proves the key."""
    gateway = await province.start()
    province.hold()
    links = province.peers["hospital-a"].links
    for link in links:
        link.tamper = leave_out_transactions
    assert province.run("hospital-a", another_key(province)) == ["recorded"]
    await until(lambda: gateway.head().height == province.chain.height)
    for link in links[:-1]:
        link.tamper = lambda answer: RecordAnswer(None) if isinstance(answer, RecordAnswer) else answer

    assert await answer_to(gateway, province, "hospital-a/unit-2") == "queued"
    asked = keys_asked_for(province)
    assert asked > 0
    assert await answer_to(gateway, province, "hospital-a/unit-2") == "queued"
    assert keys_asked_for(province) == asked
    forged = changed(
        province.chain.sign("hospital-a", issue_bill("K"), key=key_of("hospital-a/unit-2")), signature=bytes(64)
    )
    with pytest.raises(ServiceRefused, match="bad_signature"):
        await gateway.submit(encode(forged))


def leave_out_transactions(answer: Any) -> Any:
    if not isinstance(answer, MineAnswer):
        return answer
    return MineAnswer([with_some(part, slice(0)) for part in answer.parts])


async def test_a_submitted_transaction_survives_a_crash(province: Province) -> None:
    gateway = await province.start()
    province.hold()
    (lease,) = [view for view in gateway.leases() if view.kind == "outpatient" and view.place == "A01"]
    operation = issue_bill("OTHER", serial=lease.first + 500, lease_first=lease.first)
    (standing,) = await gateway.submit(encode(province.chain.sign("hospital-a", operation)))
    province.pool.clear()

    again = await province.crash(gateway)
    again.begin()
    await until(lambda: bool(province.pool))
    province.go_on()
    assert (await again.wait(standing, PATIENCE_S, "recorded")).status == "recorded"
    await until(lambda: again.figures()["transactions_unresolved"] == 0)
    await again.store.flushed()
    assert again.store.submitted() == []


async def test_a_disk_that_takes_no_write_answers_nobody_and_stops_the_node(
    province: Province, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Saved before said: what could not be written was not answered, and nothing is written after a failure."""
    gateway = await province.start()

    def fail(*_arguments: object, **_named: object) -> None:
        raise StorageFailed("gateway", "no space left on device")

    monkeypatch.setattr("chain.database.Database.write", fail)
    with pytest.raises(ServiceRefused, match="storage_failed"):
        await gateway.issue(bill())
    with pytest.raises(ServiceRefused, match="storage_failed"):
        await gateway.issue(bill("B-2"))
    await gateway.store.failed.wait()
    assert province.recorded_bills() == []


@pytest.mark.parametrize("place", ["chain.database.Database.write", "chain.state.SavedState.begin_flush"])
async def test_a_writer_that_ends_for_any_reason_stops_the_node(
    province: Province, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    """Not the errors alone that were foreseen: nobody waits for ever for a writer that is gone."""
    gateway = await province.start()
    reasons: list[str] = []
    monkeypatch.setattr(gateway, "_on_failure", reasons.append)
    await gateway.store.flushed()

    def fail(*_arguments: object, **_named: object) -> None:
        raise MemoryError("no room for the batch")

    monkeypatch.setattr(place, fail)
    async with asyncio.timeout(PATIENCE_S):
        with pytest.raises(ServiceRefused, match="storage_failed"):
            await gateway.issue(bill())
        with pytest.raises(StorageFailed, match="MemoryError: no room"):
            await gateway.store.flushed()
        await until(lambda: bool(reasons))
    assert "MemoryError: no room for the batch" in reasons[0]
    assert province.recorded_bills() == []


async def test_a_last_batch_that_the_disk_does_not_take_is_told(
    province: Province, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A node that was asked to stop, and could not write what was pending, does not end as if all were well."""
    gateway = await province.start()
    reasons: list[str] = []
    monkeypatch.setattr(gateway, "_on_failure", reasons.append)

    def fail(*_arguments: object, **_named: object) -> None:
        raise StorageFailed("gateway", "no space left on device")

    monkeypatch.setattr("chain.database.Database.write", fail)
    gateway.store.put(b"z", b"pending")
    await gateway.stop()
    assert "StorageFailed: gateway: no space left on device" in reasons


async def test_a_full_outbox_keeps_nothing(province: Province, monkeypatch: pytest.MonkeyPatch) -> None:
    """DESIGN 10: 503 only if nothing was kept."""
    gateway = await province.start()
    province.hold()
    monkeypatch.setattr("node.outbox.ITEMS_MAX", 2)
    for number in range(2):
        await gateway.issue(bill(f"B-{number}"))

    with pytest.raises(ServiceRefused, match="outbox_full"):
        await gateway.issue(bill("B-2"))

    assert (await gateway.issue(bill("B-1"))).repeated
    province.go_on()
    await until(lambda: gateway.figures()["outbox_items"] == 0)
    assert (await gateway.issue(bill("B-2"))).bill_id == f"{CODE}{3:010d}"
