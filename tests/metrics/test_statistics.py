"""Draws of patients, coverage of intervals, false alarms of tests."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from numpy.typing import NDArray
from scipy import stats
from simulations.classification import GRID, Design, simulate

from equipoise.metrics.statistics import (
    holm,
    mean_known,
    paired_test,
    patient_draws,
    percentile_interval,
    strata_of_patients,
    unit_means,
)

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]


def all_draws(strata: Codes, n_draws: int, seed: int = 0, block: int = 64) -> Floats:
    return np.concatenate(
        list(patient_draws(strata, np.random.default_rng(seed), n_draws=n_draws, block=block))
    )


# --- draws ---


def test_a_patient_belongs_to_the_rarest_class_among_its_images() -> None:
    labels, patients = np.array([0, 0, 1, 0, 2, 1, 0]), np.array([0, 0, 1, 1, 2, 2, 3])
    assert strata_of_patients(labels, patients).tolist() == [0, 1, 2, 0]


@given(st.lists(st.integers(1, 6), min_size=1, max_size=4), st.integers(1, 9))
@settings(deadline=None, max_examples=30)
def test_draws_keep_the_weight_of_each_stratum(sizes: list[int], block: int) -> None:
    strata = np.repeat(np.arange(len(sizes)), sizes)
    draws = all_draws(strata, 20, block=block)
    assert draws.shape == (20, len(strata))
    assert (draws >= 0).all()
    for stratum, size in enumerate(sizes):
        assert_allclose(draws[:, strata == stratum].sum(axis=1), size)


def test_the_variance_over_draws_is_that_of_a_mean() -> None:
    values = np.random.default_rng(0).normal(size=6)
    means = all_draws(np.zeros(6, dtype=np.int64), 40_000, block=4000) @ values / 6
    assert_allclose(means.var(), values.var(ddof=1) / 6, rtol=0.03)


def test_the_interval_covers_the_truth_of_bernoulli_sets() -> None:
    rng, covered = np.random.default_rng(1), 0
    for _ in range(200):
        hits = rng.random(60) < 0.7
        low, high = percentile_interval(all_draws(np.zeros(60, dtype=np.int64), 400) @ hits / 60)
        covered += low <= 0.7 <= high
    assert 0.90 <= covered / 200 <= 0.99


@pytest.mark.parametrize("sizes", [(60, 25), (200, 15)])
def test_the_stratified_interval_covers_a_recall_and_a_balanced_accuracy(
    sizes: tuple[int, int],
) -> None:
    rng, shares, covered = np.random.default_rng(2), np.array([0.8, 0.6]), np.zeros(2)
    strata = np.repeat([0, 1], sizes)
    members = np.eye(2)[strata] / np.array(sizes)
    for seed in range(200):
        hits = rng.random(len(strata)) < shares[strata]
        recalls = all_draws(strata, 400, seed=seed) @ (members * hits[:, None])
        for i, (draws, truth) in enumerate(
            ((recalls[:, 1], shares[1]), (recalls.mean(axis=1), shares.mean()))
        ):
            low, high = percentile_interval(draws)
            covered[i] += low <= truth <= high
    assert (covered / 200 >= 0.90).all()
    assert (covered / 200 <= 0.99).all()


def test_an_interval_leaves_out_undefined_draws() -> None:
    assert percentile_interval(np.array([np.nan, 0.5, 0.5])) == (0.5, 0.5)
    assert np.isnan(percentile_interval(np.array([np.nan, np.nan]))).all()


def test_a_mean_leaves_out_nan() -> None:
    assert_allclose(mean_known(np.array([[1.0, np.nan], [3.0, np.nan]])), [2.0, np.nan])


# --- correction ---


def test_holm_by_hand() -> None:
    assert_allclose(holm([0.01, 0.04, 0.03, 0.005]), [0.03, 0.06, 0.06, 0.02])


def test_holm_does_not_count_nan() -> None:
    assert_allclose(holm([0.02, float("nan"), 0.9]), [0.04, np.nan, 0.9])


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
@settings(deadline=None, max_examples=60)
def test_holm_lies_between_no_correction_and_bonferroni(p: list[float]) -> None:
    corrected = np.array(holm(p))
    assert (corrected >= p).all()
    assert (corrected <= np.minimum(np.array(p) * len(p), 1) + 1e-12).all()
    assert (np.diff(corrected[np.argsort(p, kind="stable")]) >= 0).all()


# --- paired test ---


def test_a_single_run_has_no_interval() -> None:
    result = paired_test(np.array([0.3]), np.full((1, 9), 0.3), np.array([0]), n_patients=50)
    assert result.difference == 0.3
    assert np.isnan([result.low, result.high, result.p, result.detectable]).all()


def test_without_test_sampling_it_is_the_paired_t_test() -> None:
    differences = np.random.default_rng(2).normal(0.5, 1, size=7)
    result = paired_test(differences, np.tile(differences[:, None], 5), np.arange(7), n_patients=50)
    expected = stats.ttest_1samp(differences, 0)
    assert_allclose(result.p, expected.pvalue)
    assert_allclose([result.low, result.high], expected.confidence_interval(0.95))


def test_without_training_randomness_it_is_the_bootstrap_of_patients() -> None:
    draws = np.random.default_rng(3).normal(0.2, 0.1, size=4000)
    result = paired_test(
        np.full(3, 0.2), np.tile(draws, (3, 1)), np.zeros(3, dtype=np.int64), n_patients=10_000
    )
    assert_allclose([result.low, result.high], [0.2 - 0.196, 0.2 + 0.196], atol=0.01)


def test_seeds_of_a_split_count_as_one_run() -> None:
    once = np.array([0.1, 0.3, 0.2])
    splits = np.repeat([0, 1, 2], 4)
    repeated = np.repeat(once, 4) + np.tile([-0.01, 0.01, -0.02, 0.02], 3)
    assert_allclose(unit_means(repeated, splits), once)
    test = paired_test(repeated, np.tile(repeated[:, None], 5), splits, n_patients=50)
    expected = paired_test(once, np.tile(once[:, None], 5), np.arange(3), n_patients=50)
    assert_allclose([test.low, test.high, test.p], [expected.low, expected.high, expected.p])


@pytest.mark.parametrize(
    ("values", "difference"),
    [
        ([0.0, 0.0, 0.0], 0.0),
        ([1.1e-16, 2.2e-16, 1.1e-16], 0.0),  # rounding
        ([0.25, 0.25, 0.25], 0.25),
        ([0.25, 0.25 + 1e-16, 0.25], 0.25),
    ],
)
def test_without_variation_nothing_is_tested(values: list[float], difference: float) -> None:
    differences = np.array(values)
    result = paired_test(differences, np.tile(differences[:, None], 9), np.arange(3), n_patients=50)
    assert result.no_variation
    assert result.difference == (pytest.approx(difference) if difference else 0)
    assert np.isnan([result.low, result.high, result.p, result.detectable]).all()


def test_equal_runs_are_tested_where_the_patients_move_them() -> None:
    draws = np.tile(np.random.default_rng(0).normal(0.2, 0.1, size=500), (3, 1))
    result = paired_test(np.full(3, 0.2), draws, np.arange(3), n_patients=50)
    assert not result.no_variation
    assert 0.01 < result.p < 0.1


def test_swapping_the_methods_mirrors_the_result() -> None:
    rng = np.random.default_rng(4)
    differences, draws = rng.normal(size=6), rng.normal(size=(6, 50))
    splits = np.repeat([0, 1, 2], 2)
    test = paired_test(differences, draws, splits, n_patients=20)
    swapped = paired_test(-differences, -draws, splits, n_patients=20)
    assert_allclose([test.low, test.high, test.p], [-swapped.high, -swapped.low, swapped.p])


@pytest.mark.parametrize("n_comparisons", [1, 4])
def test_a_detectable_difference_is_detected_four_times_in_five(n_comparisons: int) -> None:
    rng, size = np.random.default_rng(5), 9

    def run(shift: float) -> tuple[float, float]:
        d = rng.normal(shift, 1, size=size)
        result = paired_test(
            d, np.zeros((size, 2)), np.arange(size), n_patients=50, n_comparisons=n_comparisons
        )
        return result.p, result.detectable

    shift = float(np.mean([run(0.0)[1] for _ in range(200)]))
    power = np.mean([run(shift)[0] < 0.05 / n_comparisons for _ in range(400)])
    assert 0.70 <= power <= 0.90


# --- simulated studies: two methods that are equally good by construction ---


def false_alarms(design: Design, n_studies: int) -> float:
    rng, alarms = np.random.default_rng(0), 0
    for _ in range(n_studies):
        test, _ = simulate(rng, design, n_trainings=0)
        alarms += test.p < 0.05
    return alarms / n_studies


@pytest.mark.parametrize(("n_splits", "n_seeds"), [(1, 3), (3, 3)])
def test_equal_methods_are_rarely_called_different(n_splits: int, n_seeds: int) -> None:
    design = Design(kind="hold-out", n_splits=n_splits, n_seeds=n_seeds)
    assert false_alarms(design, 200) <= 0.07


@pytest.mark.slow
@pytest.mark.parametrize("design", GRID, ids=str)
def test_equal_methods_are_rarely_called_different_in_any_design(design: Design) -> None:
    rate = false_alarms(design, 600)
    assert rate <= (0.11 if (design.kind, design.n_splits) == ("k-fold", 2) else 0.065)
