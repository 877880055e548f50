"""Who validates (PROTOCOL 14 and 15): every code of proposals, approvals and renewals, and what each of them leaves."""

from __future__ import annotations

from typing import Any
from unittest.mock import patch

import pytest

from chain import keyspace
from chain.errors import BlockInvalid, GenesisRefused
from chain.genesis import verify_genesis
from chain.operation import AddKey, ApproveChange, ProposeChange, Renew, SeatChange, operation_digest
from chain.records import FOR_EVER, UNIT, VOTE, ChangeBody, HolderBody, KeyBody, RenewalBody, ValidatorsBody
from chain.rules import membership
from chain.signature import SMALL_ORDER_KEYS
from chain.transaction import key_id
from tests.chain.making import VALIDATORS, Chain, genesis, key_of, no_seat, seat, vote_key_of

JOINS = seat("finance-city")


@pytest.fixture
def chain() -> Chain:
    return Chain()


def proposal(chain: Chain, *changes: SeatChange, **fields: Any) -> ProposeChange:
    values = {"based_on": chain.ledger.following.epoch, "changes": list(changes), "until_height": chain.height + 50}
    return ProposeChange(**{**values, **fields})


def approval(change: ProposeChange) -> ApproveChange:
    return ApproveChange(operation_digest(change))


def newest(chain: Chain) -> ValidatorsBody:
    body = chain.body(keyspace.VALIDATORS, ValidatorsBody)
    assert isinstance(body, ValidatorsBody)
    return body


def names(chain: Chain) -> list[str]:
    return [member.organisation for member in newest(chain).members]


def kept(chain: Chain, change: ProposeChange) -> ChangeBody:
    body = chain.body(keyspace.change(operation_digest(change)), ChangeBody)
    assert isinstance(body, ChangeBody)
    return body


def vote_key_body(chain: Chain, organisation: str, number: int = 1) -> KeyBody:
    name = key_id(vote_key_of(organisation, number).public)
    body = chain.body(keyspace.key(organisation, name), KeyBody)
    assert isinstance(body, KeyBody)
    return body


# ── proposing ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_genesis_has_the_first_set(chain: Chain) -> None:
    assert newest(chain).members_set() == chain.genesis.validator_set()


def test_a_proposal_is_kept_with_its_proposer_s_approval_and_changes_nothing(chain: Chain) -> None:
    change = proposal(chain, JOINS)
    assert chain.run("finance", change) == ["recorded"]
    assert kept(chain, change) == ChangeBody(1, [JOINS], 50, "finance", ["finance"], 0)
    assert names(chain) == list(VALIDATORS)
    assert chain.run("finance", change) == ["already_recorded"]
    assert chain.run("health", change) == ["already_recorded"]  # whoever sends it


def test_who_may_propose(chain: Chain) -> None:
    """A unit key of an organisation with a seat in the newest set."""
    change = proposal(chain, JOINS)
    assert chain.run("finance", change, key=key_of("finance/seal")) == ["wrong_key"]
    assert chain.run("finance-city", change) == ["not_a_member"]
    assert chain.run("finance-city", proposal(chain, based_on=9), key=key_of("finance-city/seal")) == ["wrong_key"]
    assert chain.run("hospital-a", proposal(chain, based_on=9)) == ["not_a_member"]


def test_a_proposal_is_for_the_newest_set_and_for_later_blocks(chain: Chain) -> None:
    assert chain.run("finance", proposal(chain, JOINS, based_on=0, until_height=0)) == ["set_moved"]
    assert chain.run("finance", proposal(chain, JOINS, based_on=2)) == ["set_moved"]
    assert chain.run("finance", proposal(chain, until_height=chain.height + 1)) == ["change_expired"]
    assert chain.run("finance", proposal(chain, JOINS, until_height=chain.height + 2)) == ["recorded"]


BAD_KEY = min(SMALL_ORDER_KEYS)


@pytest.mark.parametrize(
    ("code", "changes"),
    [
        ("changes_malformed", []),
        ("changes_malformed", [seat("hospital-a"), seat("finance-city")]),
        ("changes_malformed", [seat("finance-city"), seat("finance-city")]),
        ("changes_malformed", [SeatChange("nobody", []), SeatChange("anybody", [])]),
        ("organisation_unknown", [seat("nobody")]),
        ("organisation_unknown", [no_seat("nobody")]),
        ("seat_unknown", [no_seat("hospital-a")]),
        ("seat_unchanged", [seat("health")]),
        ("key_refused", [SeatChange("hospital-a", [BAD_KEY])]),
        ("key_refused", [SeatChange("hospital-a", [b"\xff" * 32])]),
        ("key_used", [SeatChange("hospital-a", [vote_key_of("health").public])]),  # in another seat
        ("key_used", [SeatChange("hospital-a", [key_of("hospital-a/unit").public])]),
        ("key_used", [SeatChange("hospital-a", [key_of("hospital-b/unit").public])]),
        ("key_used", [SeatChange("hospital-a", seat("x").key), SeatChange("hospital-b", seat("x").key)]),
        ("too_few_members", [no_seat("health")]),
        ("seat_unknown", [no_seat("hospital-a"), SeatChange("hospital-b", [BAD_KEY])]),  # one after the other
        ("recorded", [no_seat("health"), seat("hospital-a")]),  # replaced
        ("recorded", [seat("health", 2)]),  # rotated
    ],
)
def test_what_may_be_proposed(chain: Chain, code: str, changes: list[SeatChange]) -> None:
    assert chain.run("finance", proposal(chain, *changes)) == [code]


def test_a_set_has_no_more_seats_than_messages_can_speak_of(chain: Chain) -> None:
    with patch.object(membership, "MEMBERS_MAX", 5):
        assert chain.run("finance", proposal(chain, JOINS)) == ["recorded"]
        assert chain.run("finance", proposal(chain, JOINS, seat("hospital-a"))) == ["too_many_members"]


# ── approving ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_quorum_makes_the_set_two_blocks_later(chain: Chain) -> None:
    """PROTOCOL 15: executed in block h, it gives the set with epoch h + 2. The proposer counts."""
    change = proposal(chain, JOINS, no_seat("health"))
    chain.run("finance", change)
    assert chain.run("insurance", approval(change)) == ["recorded"]
    assert names(chain) == list(VALIDATORS)
    assert chain.run("bigdata", approval(change)) == ["recorded"]

    assert kept(chain, change).approvals == ["bigdata", "finance", "insurance"]
    assert kept(chain, change).epoch == newest(chain).epoch == chain.height + 2 == 5
    assert names(chain) == ["bigdata", "finance", "finance-city", "insurance"]
    new, old = vote_key_body(chain, "finance-city"), vote_key_body(chain, "health")
    assert (new.purpose, new.from_height, new.until_height) == (VOTE, 5, FOR_EVER)
    assert (old.purpose, old.from_height, old.until_height) == (VOTE, 1, 5)
    holder = keyspace.holder(key_id(new.public))
    assert chain.body(holder, HolderBody).organisation == "finance-city"


def test_who_may_approve_and_when(chain: Chain) -> None:
    change = proposal(chain, JOINS, until_height=chain.height + 5)
    assert chain.run("health", approval(change)) == ["change_unknown"]
    assert chain.run("finance", change) == ["recorded"]
    assert chain.run("finance", approval(change), key=key_of("finance/seal")) == ["already_approved"]
    assert chain.run("hospital-a", approval(change)) == ["not_a_member"]
    chain.block()  # until_height is the first block that it can no longer be approved in
    assert chain.run("health", approval(change)) == ["change_expired"]
    assert kept(chain, change).approvals == ["finance"]


def test_a_seal_key_approves_nothing(chain: Chain) -> None:
    change = proposal(chain, JOINS)
    chain.run("health", change)
    assert chain.run("finance", approval(change), key=key_of("finance/seal")) == ["wrong_key"]


def test_the_last_block_that_a_proposal_can_be_approved_in(chain: Chain) -> None:
    change = proposal(chain, JOINS, until_height=3)
    chain.run("finance", change)
    assert chain.run("health", approval(change)) == ["recorded"]  # block 2


def test_what_was_made_is_not_approved_again(chain: Chain) -> None:
    change = proposal(chain, JOINS)
    chain.run("finance", change)
    for name in ("health", "insurance"):
        assert chain.run(name, approval(change)) == ["recorded"]
    assert chain.run("bigdata", approval(change)) == ["change_made"]
    assert chain.run("insurance", approval(change)) == ["already_approved"]  # sent again after a silence


def test_what_was_proposed_for_one_set_never_changes_another(chain: Chain) -> None:
    change, other = proposal(chain, JOINS), proposal(chain, seat("hospital-a"))
    chain.run("finance", change, other)
    chain.run("health", approval(change), approval(other))
    assert chain.run("insurance", approval(change), approval(other)) == ["recorded", "set_moved"]
    assert names(chain) == ["bigdata", "finance", "finance-city", "health", "insurance"]


def test_a_renewal_voids_what_is_open(chain: Chain) -> None:
    change = proposal(chain, JOINS)
    chain.run("finance", change)
    chain.run("health", Renew(b"1" * 32))
    assert chain.run("insurance", approval(change)) == ["set_moved"]


def test_a_key_that_was_taken_meanwhile_is_refused_when_the_quorum_is_full(chain: Chain) -> None:
    change = proposal(chain, JOINS)
    chain.run("finance", change)
    chain.run("health", approval(change))
    taken = AddKey(JOINS.key[0], UNIT, 1, chain.height + 2)
    assert chain.run("hospital-b", taken) == ["recorded"]
    assert chain.run("insurance", approval(change)) == ["key_used"]
    assert kept(chain, change).approvals == ["finance", "health"]
    assert names(chain) == list(VALIDATORS)


def test_a_leaver_s_approval_does_not_count_in_the_set_that_it_left() -> None:
    """Two changes of one block have one epoch: the second is approved by members of what the first made."""
    chain = Chain()
    chain.change_set(seat("finance-city"))  # five members, a quorum of four
    first = proposal(chain, no_seat("health"), seat("hospital-a"))
    ahead = chain.height + 3  # the epoch that block height + 1 will make
    second = proposal(chain, seat("hospital-b"), based_on=ahead)
    voters = ["bigdata", "finance", "health"]
    transactions = [chain.sign("bigdata", first), *(chain.sign(name, approval(first)) for name in voters[1:])]
    transactions.append(chain.sign("insurance", approval(first)))
    transactions += [chain.sign("bigdata", second), chain.sign("finance", approval(second))]
    transactions += [chain.sign("health", approval(second)), chain.sign("insurance", approval(second))]
    codes = [outcome.code for outcome in chain.block(transactions).outcomes]

    assert codes == ["recorded"] * 6 + ["not_a_member", "recorded"]
    assert chain.ledger.following.epoch == ahead
    assert chain.run("finance-city", approval(second)) == ["recorded"]  # the fourth of the new five
    assert "hospital-b" in names(chain)


def test_a_key_once_used_never_votes_again(chain: Chain) -> None:
    """A journal is made together with a new key only: an old key may have voted in epochs that nobody remembers."""
    chain.change_set(seat("health", 2))
    assert chain.run("finance", proposal(chain, seat("health"))) == ["key_used"]
    chain.change_set(no_seat("health"), seat("hospital-a"))
    assert chain.run("finance", proposal(chain, seat("health", 2))) == ["key_used"]
    assert chain.change_set(seat("health", 3))[-1] == "recorded"
    assert vote_key_body(chain, "health", 2).until_height == vote_key_body(chain, "hospital-a").from_height


def test_two_changes_in_one_block_have_one_epoch(chain: Chain) -> None:
    renewal = chain.sign("health", Renew(b"1" * 32))
    change = ProposeChange(chain.height + 3, [JOINS], 99)  # of the set that the renewal just made
    signers = [chain.sign(name, approval(change)) for name in ("health", "insurance")]
    view = chain.block([renewal, chain.sign("finance", change), *signers])
    assert [outcome.code for outcome in view.outcomes] == ["recorded"] * 4
    assert newest(chain).epoch == chain.height + 2
    assert len(names(chain)) == 5
    assert [members.epoch for members in chain.ledger.sets()] == [1, 3]


# ── renewals ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_renewal_opens_an_epoch_with_the_same_members(chain: Chain) -> None:
    """PROTOCOL 14."""
    number = b"n" * 32
    assert chain.run("health", Renew(number)) == ["recorded"]
    assert newest(chain) == ValidatorsBody(3, chain.genesis.validators)
    assert chain.ledger.renewal_of("health") == RenewalBody(number, 1, 3)
    assert chain.ledger.renewal_of("finance") is None


def test_who_may_renew(chain: Chain) -> None:
    assert chain.run("finance", Renew(b"n" * 32), key=key_of("finance/seal")) == ["wrong_key"]
    assert chain.run("hospital-a", Renew(b"n" * 32)) == ["not_a_member"]


def test_once_per_member_and_so_many_blocks(chain: Chain) -> None:
    with patch.object(membership, "RENEWAL_BLOCKS", 5):
        assert chain.run("health", Renew(b"1" * 32)) == ["recorded"]
        assert chain.run("health", Renew(b"1" * 32)) == ["already_recorded"]
        assert chain.run("health", Renew(b"2" * 32)) == ["renewed_lately"]
        assert chain.run("insurance", Renew(b"1" * 32)) == ["recorded"]  # another member's
        assert chain.run("health", Renew(b"2" * 32)) == ["renewed_lately"]  # block 5
        assert chain.run("health", Renew(b"2" * 32)) == ["recorded"]
        for _ in range(5):
            chain.block()
        assert chain.run("health", Renew(b"1" * 32)) == ["already_recorded"]  # for ever: it opened its epoch once
    assert chain.ledger.renewal_of("health") == RenewalBody(b"2" * 32, 6, 8)
    assert membership.RENEWAL_BLOCKS == 1_000


def test_execution_tells_whose_renewal_a_block_holds(chain: Chain) -> None:
    execution = chain.execute([chain.sign("health", Renew(b"1" * 32)), chain.sign("bigdata", Renew(b"1" * 32))])
    assert execution.renewed == ["bigdata", "health"]
    assert execution.following.epoch == 3
    other = chain.execute([chain.sign("hospital-a", Renew(b"1" * 32))])
    assert (other.renewed, other.following) == ([], chain.ledger.following)


def test_genesis_may_not_have_more_seats_either() -> None:
    with patch("chain.genesis.MEMBERS_MAX", 3), pytest.raises(GenesisRefused, match="at most 3"):
        verify_genesis(genesis())


def test_a_seal_office_that_votes_keeps_its_purposes_apart(chain: Chain) -> None:
    """A vote key signs no transaction."""
    chain.change_set(JOINS)
    change = proposal(chain, seat("finance-city", 2))
    with pytest.raises(BlockInvalid, match="key_unknown"):
        chain.run("finance-city", change, key=vote_key_of("finance-city"))
    assert chain.run("finance-city", change, key=key_of("finance-city/seal")) == ["wrong_key"]
    assert chain.run("finance-city", change) == ["recorded"]
