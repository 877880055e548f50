"""Processes that stand still, and processes that are gone. RELIABILITY 2.1 P1 and P4, 7 G8."""

from __future__ import annotations

import random
import time

import pytest

from tests.faults.history import Load
from tests.faults.kills import Figures, kill_one, kill_pair
from tests.faults.watch import Watches
from tests.faults.wired import Wired
from tests.network.running import VALIDATORS

pytestmark = pytest.mark.processes

PAUSE_S = 2.5  # longer than the timer of a view and half the next one
FELT_S = 1.5  # the timer of a view has ended
GO_ON_S = 8.0  # from a pause or kill of one until blocks come; on a quiet machine 1 s for a primary
BACK_S = 20.0
RECOVERED_S = (
    15.0  # to the next final bill, when a quorum is there again; 5 s is asked of a quiet machine: `make faults`
)


def wait(network: Wired, seconds: float) -> None:
    until = time.monotonic() + seconds
    network.until(lambda: time.monotonic() > until, "the pause lasts", seconds + 10)


@pytest.mark.parametrize("is_primary", [True, False], ids=["primary", "backup"])
def test_one_that_stands_still_is_not_waited_for(network: Wired, load: Load, is_primary: bool) -> None:
    """P4: longer than the view's timeout. The others change the view, if it was theirs to propose, and go on."""
    primary = network.primary()
    victim = primary if is_primary else next(name for name in VALIDATORS if name != primary)
    others = [name for name in VALIDATORS if name != victim]
    with Watches(network, others) as watches:
        network.until(lambda: watches.height, "the others are watched")
        with network.paused(victim):
            began = time.monotonic()
            network.until(lambda: len(watches.arrivals(began + FELT_S)) >= 3, "the others go on", GO_ON_S)
        height = watches.height
    network.until(lambda: (network.status(victim) or {}).get("height", 0) >= height, f"{victim} is back", BACK_S)


def test_more_than_f_that_stand_still_stall_all_and_nothing_more(network: Wired, load: Load) -> None:
    """P4: one pause of more than f nodes must only stall."""
    pair = VALIDATORS[1:3]
    rest = tuple(name for name in VALIDATORS if name not in pair)
    with network.paused(*pair):
        wait(network, 0.5)  # what was on its way
        height = network.height(rest)
        wait(network, PAUSE_S)
        assert network.height(rest) == height
    network.until(lambda: network.height() > height + 1, "blocks again", RECOVERED_S)


def test_a_gateway_that_stood_still_goes_on_where_it_was(network: Wired, load: Load) -> None:
    """P4: its cashiers wait, those of the other hospital do not; what it kept is sent when it goes on."""
    with network.paused("hospital-a"):
        before = sum(call.organisation == "hospital-b" for call in load.recorded)
        wait(network, PAUSE_S)
        assert sum(call.organisation == "hospital-b" for call in load.recorded) > before
        before = sum(call.organisation == "hospital-a" for call in load.recorded)
    network.until(
        lambda: sum(call.organisation == "hospital-a" for call in load.recorded) > before + 1, "bills at A", BACK_S
    )


def test_kill_9_of_a_primary_and_a_backup_under_load(network: Wired, load: Load) -> None:
    """Issue, "shown by": the long form is `python -m tests.faults.kills`."""
    figures = Figures()
    with Watches(network) as watches:
        network.until(lambda: watches.height, "watched")
        primary = network.primary()
        kill_one(network, watches, primary, figures)
        kill_one(network, watches, random.choice([name for name in VALIDATORS if name != network.primary()]), figures)
    assert max(figures.of_primary) < GO_ON_S
    assert max(figures.of_backup) < GO_ON_S


def test_two_of_four_killed_stop_all_until_they_are_back(network: Wired, load: Load) -> None:
    """Issue, "shown by": two killed (there for a minute), no block meanwhile, final again soon."""
    meanwhile, seconds = kill_pair(network, load, PAUSE_S)
    assert meanwhile == 0
    assert seconds < RECOVERED_S, f"final again after {seconds:.1f} s"
