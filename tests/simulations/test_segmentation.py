"""The simulated test is the product's, and the committed numbers keep the limits."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from simulations.segmentation import draw_differences, even_sizes, half_widths, simulate

from equipoise.metrics.fold_test import FoldedNumber, fold_test
from equipoise.metrics.jackknife import leaving_out
from equipoise.randomness import make_rng

COMMITTED = Path(__file__).parents[2] / "docs/results/simulations/segmentation.json"
MOST_ALARMS = 0.053


@pytest.fixture(scope="module")
def committed() -> dict[str, Any]:
    document: dict[str, Any] = json.loads(COMMITTED.read_text())
    return document


@pytest.mark.parametrize("sizes", [(4, 4, 4), (2, 3, 5, 3), (1, 1, 1, 1, 1)])
def test_what_is_simulated_is_what_the_product_computes(sizes: tuple[int, ...]) -> None:
    rng = make_rng(0, "simulated")
    hits = draw_differences(sizes, 0.3, 0.0, rng, 20)
    totals = rng.uniform(1, 2, size=hits.shape)
    folds = np.repeat(np.arange(len(sizes)), sizes)
    widths = half_widths(hits, totals, folds)
    for row in range(20):
        by_fold, by_patient = leaving_out(folds), leaving_out(np.arange(len(folds)))
        patients = (by_patient @ hits[row]) / (by_patient @ totals[row])
        number = FoldedNumber(
            seeds=patients[:1],
            folds=(by_fold @ hits[row]) / (by_fold @ totals[row]),
            patients=patients,
        )
        test = fold_test(number)
        assert test.difference == pytest.approx(widths.value[row])
        assert (test.high - test.low) / 2 == pytest.approx(widths.new[row])


def test_it_is_deterministic_and_complete(committed: dict[str, Any]) -> None:
    once = simulate(20)
    assert once == simulate(20)
    assert once.keys() == committed.keys()
    for part, rows in once.items():
        if isinstance(rows, list):
            assert len(rows) == len(committed[part])


def test_false_alarms_stay_at_the_nominal_rate(committed: dict[str, Any]) -> None:
    assert committed["replications"] >= 4000
    tested = [row for row in committed["grid"] if row["tested"]]
    assert {row["folds"] for row in tested} == {3, 4, 5, 6, 10}
    assert max(row["correlation"] for row in tested) == 0.4
    assert max(row["new"] for row in tested) <= MOST_ALARMS
    for part in ("leave_one_out", "seeds"):
        assert max(row["new"] for row in committed[part]) <= MOST_ALARMS
    assert max(row["new"] for row in committed["one_split"]) <= 0.06


def test_patients_as_units_give_the_alarms_that_the_change_was_made_for(
    committed: dict[str, Any],
) -> None:
    alarms = {}
    for row in committed["grid"]:
        alarms[row["patients"], row["folds"], row["correlation"]] = (row["old"], row["sum"])
    expected = {
        (24, 6): [0.048, 0.085, 0.120, 0.161],
        (30, 5): [0.046, 0.110, 0.170, 0.226],
        (100, 5): [0.050, 0.251, 0.373, 0.458],
    }
    for (patients, folds), rates in expected.items():
        old = [alarms[patients, folds, correlation][0] for correlation in (0, 0.1, 0.2, 0.3)]
        assert old == pytest.approx(rates, abs=0.012)
    assert alarms[100, 2, 0.2][1] > 0.1


def test_intervals_of_a_method_cover(committed: dict[str, Any]) -> None:
    assert min(row["coverage_new"] for row in committed["dice"]) >= 0.93
    assert min(row["coverage_old"] for row in committed["dice"]) < 0.6


def test_folds_are_even() -> None:
    assert even_sizes(11, 3) == (4, 4, 3)
