"""An organisation's part of a block, made by a validator and checked by a gateway (PROTOCOL rule 17)."""

from __future__ import annotations

import pytest

from chain.codec import encode
from chain.errors import ChainError
from chain.merkle import HashTree, hash_leaf
from node.answers import part_of
from node.messages import Part
from node.own_outcomes import joined, outcomes_of, tree_of
from node.part_check import Before, CheckedPart, Ledger, check_part
from tests.chain.making import Chain, changed, genesis, issue_bill
from tests.node.test_gateway_faults import LIES, with_some

BOTH = "hospital-a", "hospital-b"


class Story:
    """A block with transactions of two hospitals in turns, one of them refused in part."""

    def __init__(self) -> None:
        self.chain = chain = Chain()
        chain.lease()
        self.before = chain.view(chain.height)
        self.view = chain.block(
            [
                chain.sign(
                    issuer, *(issue_bill(f"{number}.{part}", serial=2 * number + part) for part in range(number))
                )
                for number in range(1, 4)
                for issuer in BOTH
            ]
        )
        assert {outcome.code for outcome in self.view.outcomes} > {"recorded"}

    def part(self, organisation: str) -> Part:
        return part_of(self.view, self.before.header, organisation, lambda bill, name: False)

    def checked(self, part: Part, organisation: str = "hospital-a") -> CheckedPart:
        members = self.chain.ledger.members
        return check_part(Ledger.of(genesis(), organisation), Before.block(self.before.header, members), part)


@pytest.fixture(scope="module")
def story() -> Story:
    return Story()


@pytest.mark.parametrize("organisation", BOTH)
def test_a_part_shows_each_operation_of_its_organisation_with_its_outcome(story: Story, organisation: str) -> None:
    part = story.part(organisation)
    checked = story.checked(part, organisation)

    mine = [received for received in story.view.received if received.transaction.organisation == organisation]
    outcomes = story.view.outcomes
    codes = [[outcome.code for outcome in outcomes if outcome.transaction == received.digest] for received in mine]
    assert [entry.operations for entry in checked.transactions] == [received.operation_digests for received in mine]
    assert [entry.codes for entry in checked.transactions] == codes


def test_a_path_for_one_operation_comes_out_of_the_cover(story: Story) -> None:
    part, view = story.part("hospital-a"), story.view
    whole = HashTree([hash_leaf(encode(outcome)) for outcome in view.outcomes])
    tree = tree_of(part)
    assert tree.root == view.header.outcomes_root
    for own in part.transactions:
        received, outcomes = outcomes_of(own, view.header.chain_id)
        for index in range(len(received.operation_digests)):
            assert outcomes[index] == view.outcomes[own.first_place + index]
            assert tree.path(own.first_place + index) == whole.path(own.first_place + index)


@pytest.mark.parametrize("lie", LIES)
def test_no_lie_passes(story: Story, lie: str) -> None:
    with pytest.raises(ChainError):
        story.checked(LIES[lie](story.part("hospital-a")))


def test_another_s_transactions_do_not_pass_for_ours(story: Story) -> None:
    with pytest.raises(ChainError):
        story.checked(story.part("hospital-b"))
    ours, others = story.part("hospital-a"), story.part("hospital-b")
    mixed = changed(ours, keys=[*ours.keys, *others.keys], transactions=others.transactions, cover=others.cover)
    with pytest.raises(ChainError):
        story.checked(mixed)


def test_two_halves_make_a_whole(story: Story) -> None:
    """Each server may leave something out, and proves what it shows."""
    part = story.part("hospital-a")
    first, rest, none = (with_some(part, slice(*ends)) for ends in ((0, 1), (1, 3), (0, 0)))
    assert len(story.checked(first).transactions) == 1
    assert len(story.checked(rest).transactions) == 2
    assert not story.checked(none).transactions
    assert not none.keys
    for known, other in [(first, rest), (rest, first), (part, first), (none, part), (part, none)]:
        whole = joined(known, other)
        assert whole.transactions == part.transactions
        assert story.checked(whole).transactions == story.checked(part).transactions


def test_a_liar_s_half_does_not_make_a_whole_with_an_honest_one(story: Story) -> None:
    """And what was checked before holds nothing that could spoil the next answer."""
    part = story.part("hospital-a")
    first, rest = with_some(part, slice(0, 1)), with_some(part, slice(1, 3))
    refused = set()
    for name, lie in LIES.items():
        try:
            checked = story.checked(joined(first, lie(rest)))
        except ChainError:
            refused.add(name)
        else:  # what was known already counts: nothing of the lie is left
            assert checked.part in (first, part)
    assert len(refused) >= 10


def test_a_seal_that_was_not_checked_is_not_kept(story: Story) -> None:
    chain = Chain()
    chain.lease()
    chain.run("hospital-a", issue_bill("B-1", serial=1))
    seal = chain.seal()
    before = chain.view(chain.height)
    assert chain.run_seal(seal) == "recorded"
    view = chain.view(chain.height)
    part = part_of(view, before.header, "hospital-a", lambda bill, name: True)
    [true] = part.seals
    refused = changed(true, outcome=changed(true.outcome, code="watermark_moved"), outcome_place=7)
    members = chain.ledger.members
    told = changed(part, seals=[refused, true])
    checked = check_part(Ledger.of(genesis(), "hospital-a"), Before.block(before.header, members), told)
    assert checked.part.seals == [true]
    assert checked.seals == [(0, seal)]
