"""What a bench says is what it measured: bundles, figures, growth that goes on where it stopped, losses, pictures."""

from __future__ import annotations

import itertools
import random
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import msgspec
import pytest

from bench.bills import Counter
from bench.calibration import Calibration, Milliseconds, calibrate
from bench.charts import bars_of, figures_svg, growth_svg
from bench.check import BASELINE, Baseline, better, losses, medians, on_record, ratios_of
from bench.growth import BESIDE_BLOCKS, BILLS_PER_BLOCK, Grower, grow
from bench.load import LoadFailed, bundled, measured
from bench.network import GATEWAYS, BenchNetwork
from bench.paid_orders import Cashier
from bench.report import (
    BatchSigned,
    Beside,
    Chains,
    Failover,
    GrowthPoint,
    Held,
    Machine,
    OneDown,
    Overload,
    Report,
    RestRates,
    SingleSigned,
    SlowFlush,
    Transfers,
    mib_per_million,
)
from bench.scaling import Workers, scale
from bench.transfers import Till
from chain import keyspace
from chain.records import ORDER_PAID, OrderBody, PaymentBody, TransferBody
from chain.signature import SigningKey
from node.home import NetworkHome
from node.messages import decode_bundle
from tests.chain.making import Chain, key_of
from tests.network.running import ROOT

SPREAD = Milliseconds(10.0, 20.0)


def report(**changes: object) -> Report:
    calibration = Calibration(20_000, 50_000, 1_000, Milliseconds(0.1, 0.5), 0.3, 2.0, 40.0)
    fields: dict[str, object] = {
        "machine": Machine("a <processor>", 2, 24.0, "3.11.7", "2026-11-26 05:00", "abcdef0"),
        "is_quick": True,
        "processes": 7,
        "verifying_processes": 5,
        "calibration": [calibration, calibration],
        "idle_latency_ms": SPREAD,
        "idle_sealed_ms": SPREAD,
        "single_signed": SingleSigned(2_000.0, SPREAD, 0.25),
        "half_load_latency_ms": SPREAD,
        "batch_signed": BatchSigned(5_000.0, SPREAD, 200),
        "transfers": Transfers(4_000.0, SPREAD, 200),
        "paid_orders": Chains(1_400.0, 4_200.0, SPREAD, 3, 66, 0.84),
        "captured_holds": Chains(1_800.0, 3_600.0, SPREAD, 2, 100, 0.72),
        "rest": RestRates(300.0, 1_500.0),
        "one_down": OneDown(1.0),
        "catch_up_ratio": 6.0,
        "failover_ms": Failover(1_030.0),
        "overload": Overload(20_000.0, 0.5, None, 2_000.0),
        "slow_flush": SlowFlush(5, 0.97, SPREAD),
        "verify_workers": [Workers(1, 20_000), Workers(2, 38_000)],
        "proof_ms": 0.06,
        "growth": [
            GrowthPoint(10_000, 25.0, 30.0, 60.0, 20.0, 800.0, 0.05, 0.1),
            GrowthPoint(20_000, 26.0, 31.0, 80.0, 20.0, 900.0, 0.06, 0.2),
        ],
        "growth_beside": Beside(40_000, 20_000, 26.0, 25.0),
        "growth_memory": [Held(10_000, 60.0), Held(15_000, 70.0), Held(20_000, 80.0)],
        "mib_per_million": None,
    }
    return Report(**(fields | changes))  # type: ignore[arg-type]


def test_bundles_hold_every_transaction_once_and_say_what_they_hold() -> None:
    counter = Counter(bytes(32), "hospital-a", SigningKey.from_seed(bytes(32)), "A01", "hospital-a")
    counter.lease(1, 1_001, 1_000, 100)
    made = list(counter.transactions(25, 4, 100))
    bundles = list(bundled(made, 10))
    assert [len(bundle.signatures) for bundle in bundles] == [10, 10, 5]
    assert [bundle.bills for bundle in bundles] == [40, 40, 20]
    sent = list(itertools.chain.from_iterable(decode_bundle(bundle.payload) for bundle in bundles))
    assert sent == made
    numbers = [entry.operation.bill for transaction in sent for entry in transaction.entries]  # type: ignore[union-attr]
    assert numbers == [counter.bill(place) for place in range(100)]
    with pytest.raises(ValueError, match="used up"):
        list(counter.transactions(1, 901, 100))


def test_what_became_final_in_the_window_counts() -> None:
    draw = random.Random(1)
    final = [(draw.random() * 20, 0.5, 3) for _ in range(1_000)]
    found = measured(final, 5.0, 15.0)
    assert found.bills == 3 * sum(5.0 < when <= 15.0 for when, _latency, _bills in final)
    assert found.per_s == found.bills / 10
    assert found.latency_ms == Milliseconds(500.0, 500.0)
    with pytest.raises(LoadFailed):
        measured(final, 30.0, 40.0)


def test_percentiles_are_in_milliseconds() -> None:
    assert Milliseconds.of([number / 1000 for number in range(1, 1_001)]) == Milliseconds(500.5, 991.0)


def test_a_calibration_finds_something_everywhere(tmp_path: Path) -> None:
    found = calibrate(tmp_path)
    assert all(value > 0 for value in msgspec.to_builtins(found).values() if not isinstance(value, dict))
    assert 0 < found.fdatasync_ms.p50 <= found.fdatasync_ms.p99
    assert list(tmp_path.iterdir()) == []


def test_a_loss_of_more_than_a_fifth_is_told_and_so_is_what_is_missing() -> None:
    then = {"a": 1.0, "b": 1.0, "c": 1.0}
    assert losses({"a": 0.81, "b": 0.79, "d": 1.0}, then) == ["b: 0.79, was 1", "c: not measured any more"]
    assert losses({"a": 9.0, "b": 0.8, "c": 1.0}, then) == []


def test_ratios_do_not_know_how_fast_the_machine_was() -> None:
    slow, fast = report(), report(
        calibration=[Calibration(40_000, 100_000, 2_000, SPREAD, 0.15, 1.0, 20.0)] * 2,
        idle_latency_ms=Milliseconds(5.0, 10.0),
        batch_signed=BatchSigned(10_000.0, SPREAD, 200),
        rest=RestRates(600.0, 3_000.0),
        growth=[GrowthPoint(10_000, 12.5, 20.0, 60.0, 20.0, 800.0, 0.05, 0.1)],
    )  # fmt: skip
    assert ratios_of(slow) == ratios_of(fast)


def test_what_lost_once_is_looked_at_again_and_a_record_is_of_several_runs() -> None:
    """A bad minute is no loss; two of them are."""
    then = {"a": 1.0, "b": 1.0}
    first, second = {"a": 0.7, "b": 0.7}, {"a": 0.95, "b": 0.75}
    assert losses(better(first, second), then) == ["b: 0.75, was 1"]
    assert losses(better(first, {"a": 1.0}), then) == ["b: not measured any more"]
    assert medians([{"a": 1.0}, {"a": 9.0}, {"a": 2.0}]) == {"a": 2.0}


def test_all_transfers_of_a_till_are_recorded() -> None:
    chain = Chain()
    till = Till(chain.chain_id, "hospital-a", key_of("hospital-a/unit"))
    for transaction in [*till.opening(chain.height + 200), *till.transactions(2, 200, chain.height + 200)]:
        assert {outcome.code for outcome in chain.block([transaction]).outcomes} == {"recorded"}


def test_all_that_is_held_is_captured() -> None:
    chain = Chain()
    till = Till(chain.chain_id, "hospital-a", key_of("hospital-a/unit"))
    for transaction in till.opening(chain.height + 200):
        chain.block([transaction])
    for transaction in till.captures(2, 100, chain.time_ms + 60_000, chain.height + 200):
        assert [outcome.code for outcome in chain.block([transaction]).outcomes] == ["recorded"] * 200
        (bundle,) = bundled([transaction], 1)
        assert chain.body(bundle.looked_for, TransferBody).amount_fen > 0


def test_all_orders_of_a_cashier_are_paid() -> None:
    """Notice, order, payment, one after the other under one signature; what is looked for afterwards is the payment."""
    chain = Chain()
    cashier = Cashier(chain.chain_id, "hospital-a", key_of("hospital-a/unit"))
    for transaction in cashier.transactions(2, 66, chain.time_ms + 60_000, chain.height + 200):
        assert [outcome.code for outcome in chain.block([transaction]).outcomes] == ["recorded"] * 198
        (bundle,) = bundled([transaction], 1)
        paid = chain.body(bundle.looked_for, PaymentBody)
        assert chain.body(keyspace.order("hospital-a", paid.order[0]), OrderBody).state == ORDER_PAID


def test_a_run_is_compared_with_the_record_of_its_own_kind_of_processor() -> None:
    """Another processor's, the last written, where there is none; and what is on record has the figures that a run has."""

    def record(processor: str) -> Baseline:
        return Baseline(Machine(processor, 2, 24.0, "3.11.7", "2026-11-27 00:00", "1234567"), 3, {})

    records = [record("one"), record("another")]
    assert [on_record(records, name).machine.processor for name in ("one", "another", "a third")] == [
        "one",
        "another",
        "another",
    ]
    kept = msgspec.json.decode(BASELINE.read_bytes(), type=list[Baseline])
    assert len({kind.machine.processor for kind in kept}) == len(kept)
    assert all(kind.ratios.keys() == ratios_of(report()).keys() for kind in kept)


def test_the_slope_of_the_memory_is_of_many_looks_once_caches_are_full() -> None:
    """One look is a few MiB off; what fills before does not count."""
    held = [
        Held(bills, 100.0 + bills / 1e6 * 12 + (bills // 100_000 % 2)) for bills in range(300_000, 1_100_000, 100_000)
    ]
    found = mib_per_million([Held(10_000, 40.0), Held(200_000, 90.0), *held], 300_000)
    assert found is not None
    assert 11 < found < 14
    assert mib_per_million(held[:2], 300_000) is None


def test_the_pictures_are_whole_and_say_every_figure() -> None:
    some = report()
    figures, growth = figures_svg(some), growth_svg(some.growth, some.growth_memory)
    for picture in (figures, growth):
        ElementTree.fromstring(picture)
    assert all(bar.name in figures for bar in bars_of(some))
    assert "a &lt;processor&gt;" in figures
    assert growth.count("<polyline") == 7
    assert "20,000 bills" in growth


@pytest.mark.processes
def test_growth_goes_on_where_it_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    network = BenchNetwork(tmp_path / "network", ROOT / "network.yaml")
    network.medbill("network", "init", "--config", str(network.config), "--home", str(network.home), show=False)
    home, directory = NetworkHome(network.home), tmp_path / "growth"
    grower = Grower(home, directory)
    looks: list[Held] = []
    monkeypatch.setattr("bench.growth.HELD_BILLS", BILLS_PER_BLOCK)
    grower.grow(2 * BILLS_PER_BLOCK, looks.append)
    assert [look.bills for look in looks] == [1_000]
    first = grower.point()
    grower.ledger.close()
    again = Grower(home, directory)
    assert again.bills == first.bills == 2_000
    again.grow(3 * BILLS_PER_BLOCK)
    last = again.point()
    assert last.bills == 3_000
    assert again.ledger.head.height == 4
    assert min(first.us_per_bill, first.bytes_per_bill, first.proof_ms, first.rss_mib, last.start_s or 0) > 0
    again.ledger.close()


@pytest.mark.processes
def test_a_young_ledger_is_measured_beside_a_grown_one_and_removed(tmp_path: Path) -> None:
    network = BenchNetwork(tmp_path / "network", ROOT / "network.yaml")
    network.medbill("network", "init", "--config", str(network.config), "--home", str(network.home), show=False)
    points, held, beside = grow(network.home, tmp_path / "growth", (5_000,), lambda _text: None)
    assert [point.bills for point in points] == [look.bills for look in held] == [5_000]
    assert (beside.bills, beside.young_bills) == (
        5_000 + BESIDE_BLOCKS * BILLS_PER_BLOCK,
        BESIDE_BLOCKS * BILLS_PER_BLOCK,
    )
    assert min(beside.grown_us, beside.young_us) > 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["growth", "network"]


def test_the_measured_network_answers_a_hospital_over_plain_http_at_every_door(tmp_path: Path) -> None:
    """The client speaks no TLS to gateways: what a scene of the demo changes on its stage must not reach here."""
    network = BenchNetwork(tmp_path / "network", ROOT / "network.yaml")
    assert set(GATEWAYS) <= set(network.nodes)
    assert not any(network.nodes[name].get("api_tls", False) for name in GATEWAYS)


def test_workers_are_measured_up_to_the_cores() -> None:
    found = scale(workers_max=3)
    assert [entry.verify_workers for entry in found] == [1, 2, 3]
    assert all(entry.per_s > 100 for entry in found)
