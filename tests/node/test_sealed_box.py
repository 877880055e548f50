"""Details at rest: nothing personal is readable without the storage key, and nothing altered passes."""

from __future__ import annotations

import pytest

from chain.details import Details
from chain.errors import StorageDamaged
from node.sealed_box import DetailsBox, erased, is_erased

DETAILS = Details("330601260000000001", bytes(range(32)), [(3, "Canary Zhang"), (6, [["A", "drugs", 100, 1000, ""]])])


@pytest.fixture
def box() -> DetailsBox:
    return DetailsBox(b"k" * 32)


def test_a_box_gives_back_what_was_put_in_and_shows_nothing_of_it(box: DetailsBox) -> None:
    data = box.seal(DETAILS)
    assert box.open(data, DETAILS.bill).seed == DETAILS.seed
    assert box.open(data).fields[0] == (3, "Canary Zhang")
    assert b"Canary" not in data
    assert DETAILS.seed not in data
    assert box.seal(DETAILS) != data


def test_every_flipped_byte_of_a_box_is_damage(box: DetailsBox) -> None:
    data = box.seal(DETAILS)
    for place in range(len(data)):
        with pytest.raises(StorageDamaged):
            box.open(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])


def test_a_box_under_another_key_or_of_another_bill_or_cut_short_does_not_open(box: DetailsBox) -> None:
    data = box.seal(DETAILS)
    for attempt in (
        lambda: DetailsBox(b"K" * 32).open(data),
        lambda: box.open(data, "330601260000000002"),
        lambda: box.open(data[:-1]),
        lambda: box.open(b""),
    ):
        with pytest.raises(StorageDamaged):
            attempt()


def test_erasing_the_wrapped_part_erases_the_details(box: DetailsBox) -> None:
    """DESIGN 6: erasing the wrapped key and the seed erases the bill's details."""
    data = box.seal(DETAILS)
    gone = erased(data)
    assert is_erased(gone)
    assert not is_erased(data)
    with pytest.raises(StorageDamaged):
        box.open(gone)
