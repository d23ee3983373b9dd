"""Predicted power: equal to the paired test, compared with published studies, simulated."""

import csv
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from numpy.typing import NDArray
from scipy import stats

from equipoise.metrics.sampling_variance import area_variance, recall_variance
from equipoise.metrics.statistics import paired_test, patient_draws
from equipoise.results.power import (
    ACCURACY,
    ASSUMED,
    ASSUMED_ON_FEATURES,
    MOST_SEEDS,
    PatientCounts,
    StudySize,
    detectable,
    seeds_needed,
    size_of,
)
from equipoise.runs.containment import read_description
from equipoise.runs.description import StudyDescription
from equipoise.testing.image_runs import image_run_description

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]

RESULTS = Path(__file__).parents[2] / "docs" / "results"
STUDIES = ("all_methods", "covid_border_control", "covid_xray", "herlev_seven", "herlev_two")


def sized(
    n_test: tuple[float, float] = (120.0, 40.0),
    *,
    n_splits: int = 1,
    n_seeds: int = 3,
    images_per_patient: float = 1.0,
) -> StudySize:
    """Three quarters of the images train, so that two splits share a quarter of their tests."""
    overlap = 0.25 if n_splits > 1 else 1.0
    in_split = np.array(n_test) / images_per_patient
    in_all = in_split * n_splits / (1 + (n_splits - 1) * overlap)
    return StudySize(
        n_test=n_test,
        patients=PatientCounts(in_split=tuple(in_split), in_all=tuple(in_all)),
        overlap=overlap,
        n_splits=n_splits,
        n_seeds=n_seeds,
        n_comparisons=4,
    )


ONE, THREE = sized(), sized(n_splits=3)


def described(n_splits: int = 2) -> StudyDescription:
    splits = [f"split-{i}" for i in range(n_splits)]
    value = image_run_description(("none", "one", "other"), splits, 3, (30, 10), ACCURACY)
    value["dataset"]["n_groups"] = 80  # of 160 images
    return StudyDescription.from_json(value)


def test_a_design_is_read_from_what_is_asked() -> None:
    assert size_of(described()) == StudySize(
        n_test=(30.0, 10.0),
        patients=PatientCounts(in_split=(15.0, 5.0), in_all=(24.0, 8.0)),  # of 48 and 16 images
        overlap=0.25,
        n_splits=2,
        n_seeds=3,
        n_comparisons=4,  # two methods on two metrics
    )
    assert size_of(described(n_splits=1)).overlap == 1
    assert size_of(replace(described(), primary_metric="auroc")).n_comparisons == 2


def test_the_prediction_is_the_paired_test_with_the_expected_variances() -> None:
    """Simulate differences and draws with exactly the variances that the assumptions predict."""
    assumed, n = ASSUMED[ACCURACY], np.array(THREE.n_test)
    sampled = 2 * (1 - assumed.correlation) * recall_variance(n, assumed.level)
    between = assumed.split_sd**2 + assumed.seed_sd**2 / 3 + sampled
    differences = math.sqrt(between) * np.array([-1.0, 0.0, 1.0])
    draws = np.tile(math.sqrt(sampled * 1.5 / 3 / 2) * np.array([-1.0, 1.0]), (3, 1))
    fewest = round(THREE.patients.fewest)
    test = paired_test(differences, draws, np.arange(3), n_patients=fewest, n_comparisons=4)
    assert_allclose(detectable(THREE, ACCURACY), test.detectable, rtol=1e-3)


def test_on_one_split_the_runs_are_the_seeds() -> None:
    assumed = replace(
        ASSUMED[ACCURACY], correlation=1.0
    )  # test sampling cancels: a t test of three seeds
    reach = stats.t.ppf(1 - 0.025 / 4, 2) + stats.t.ppf(0.8, 2)
    assert_allclose(detectable(ONE, ACCURACY, assumed), reach * assumed.seed_sd / math.sqrt(3))


def test_auroc_rests_on_hanley_and_mcneil() -> None:
    assumed = replace(ASSUMED["auroc"], seed_sd=0.0)
    error = math.sqrt(
        2 * (1 - assumed.correlation) * area_variance(np.array(ONE.n_test), assumed.level)
    )
    reach = stats.t.ppf(1 - 0.025 / 4, 39) + stats.t.ppf(0.8, 39)
    assert_allclose(detectable(ONE, "auroc", assumed), reach * error)


def test_images_of_a_patient_count_less_than_patients() -> None:
    """Five images of a patient: 1 + 4 x 0.05 = 1.2 times the variance, a fifth of the patients."""
    assumed = replace(ASSUMED[ACCURACY], seed_sd=0.0)
    several, alone = (
        detectable(sized(images_per_patient=n), ACCURACY, assumed) for n in (5.0, 1.0)
    )
    reach = [stats.t.ppf(1 - 0.025 / 4, degrees) + stats.t.ppf(0.8, degrees) for degrees in (7, 39)]
    assert_allclose(several / alone, math.sqrt(1.2) * reach[0] / reach[1])


@pytest.mark.parametrize(
    "size",
    [
        replace(ONE, n_seeds=1),
        replace(ONE, n_comparisons=0),
        sized((120.0, 0.0)),
        sized((9.0, 5.0)),
    ],
)
def test_nothing_is_predicted_for_a_study_that_cannot_answer(size: StudySize) -> None:
    assert math.isnan(detectable(size, ACCURACY))
    if size.n_seeds > 1:
        assert seeds_needed(size, ACCURACY, 0.9) is None


@given(st.integers(12, 300), st.integers(1, 5), st.integers(2, 30), st.sampled_from(list(ASSUMED)))
@settings(deadline=None, max_examples=20)
def test_what_can_be_found_has_bounds(n: int, n_splits: int, n_seeds: int, metric: str) -> None:
    size = sized((2.0 * n, 1.0 * n), n_splits=n_splits, n_seeds=n_seeds)
    reach = detectable(size, metric)
    assert 0 < reach < math.inf
    assert detectable(replace(size, n_comparisons=9), metric) > reach
    assert (
        detectable(
            size, metric, replace(ASSUMED[metric], correlation=1.0, seed_sd=0.0, split_sd=0.0)
        )
        == 0
    )


@pytest.mark.parametrize("metric", list(ASSUMED))
def test_more_of_anything_finds_more(metric: str) -> None:
    for size in (ONE, THREE):
        reach = detectable(size, metric)
        assert detectable(sized((480.0, 160.0), n_splits=size.n_splits), metric) < reach
        assert detectable(replace(size, n_seeds=9), metric) < reach
    assert detectable(sized(n_splits=6), metric) < detectable(THREE, metric)


def test_the_seeds_needed_are_the_fewest() -> None:
    large = sized((2000.0, 600.0))
    n_seeds = seeds_needed(large, ACCURACY, 0.03)
    assert n_seeds is not None
    assert detectable(replace(large, n_seeds=n_seeds), ACCURACY) <= 0.03
    assert not detectable(replace(large, n_seeds=n_seeds - 1), ACCURACY) <= 0.03
    assert seeds_needed(large, ACCURACY, 0.9) == 2
    assert seeds_needed(THREE, ACCURACY, 0.9) == 1
    assert seeds_needed(ONE, ACCURACY, 0.02) is None
    assert detectable(replace(ONE, n_seeds=MOST_SEEDS), ACCURACY) > 0.02


# --- the assumptions, compared with what was measured ---


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def parts(
    row: dict[str, str], n_comparisons: int, m: int, n_patients: float
) -> tuple[float, float]:
    """Decompose a stored comparison: its variance by runs (S^2) and by patients (V).

    Interval over `detectable` gives the degrees of freedom, and these the share of either part
    (Satterthwaite).
    """
    half, reach = (float(row["high"]) - float(row["low"])) / 2, float(row["detectable"])
    degrees = np.geomspace(1.2, 2000, 1000)
    t, strict, power = stats.t.ppf(np.array([[0.975], [1 - 0.025 / n_comparisons], [0.8]]), degrees)
    best = int(np.argmin(np.abs(reach / half - (strict + power) / t)))
    a, b = 1 / (m - 1), 1 / (n_patients - 1)
    root = math.sqrt(max(0.0, b * b - (a + b) * (b - 1 / degrees[best])))
    share, variance = (b + root) / (a + b), float(half / t[best]) ** 2
    return share * variance * m, (1 - share) * variance


def measured(name: str, metric: str, *, n_metrics: int = 1) -> Floats:
    """Return medians: S, the S that test sampling leaves (negative: none), level, correlation.

    `n_metrics` is the number of metrics in the family that the stored differences correct for.
    """
    table = rows(RESULTS / name / "table.csv")
    level = {row["method"]: float(row["mean"]) for row in table if row["metric"] == metric}
    size = size_of(read_description(RESULTS / name))
    m = size.n_splits if size.n_splits > 1 else size.n_seeds
    spread = area_variance if metric == "auroc" else recall_variance
    medians = []
    compared = [row for row in rows(RESULTS / name / "comparisons.csv") if row["metric"] == metric]
    for row in compared:
        if row["low"] != row["high"]:
            runs, patients = parts(row, n_metrics * len(compared), m, size.patients.fewest)
            mean = (level[row["method"]] + level[row["baseline"]]) / 2
            overlapping = (1 + (size.n_splits - 1) * size.overlap) / size.n_splits
            expected = 2 * spread(np.array(size.n_test), max(mean, 0.5)) * overlapping
            rest = runs - patients / overlapping if size.n_splits > 1 else runs
            medians.append(
                (runs, math.copysign(math.sqrt(abs(rest)), rest), mean, 1 - patients / expected)
            )
    return np.median(medians, axis=0)


@pytest.mark.parametrize("metric", list(ASSUMED))
def test_the_assumptions_are_what_the_published_studies_measured(metric: str) -> None:
    assumed, of_study = ASSUMED[metric], {name: measured(name, metric) for name in STUDIES}
    _, _, level, correlation = np.median(list(of_study.values()), axis=0)
    assert_allclose([assumed.level, assumed.correlation], [level, correlation], atol=0.06)
    assert_allclose(assumed.seed_sd, of_study["all_methods"][1], rtol=0.2)  # one split: seeds alone
    several = [row[1] for name, row in of_study.items() if name != "all_methods"]
    assert_allclose(assumed.split_sd, np.median(several), atol=0.025)


@pytest.mark.parametrize("metric", list(ASSUMED_ON_FEATURES))
def test_the_assumptions_on_features_are_what_the_published_studies_measured(metric: str) -> None:
    assumed = ASSUMED_ON_FEATURES[metric]
    stored_as = "auroc" if metric == "auroc" else "decided_balanced_accuracy"
    of_study = []
    for folder in sorted((RESULTS / "regimes").glob("frozen_*")):
        of_study.append(measured(f"regimes/{folder.name}", stored_as, n_metrics=2))
    _, rest, level, correlation = np.median(of_study, axis=0)
    assert_allclose([assumed.level, assumed.correlation], [level, correlation], atol=0.03)
    assert_allclose(assumed.split_sd, rest, rtol=0.2)


@pytest.mark.parametrize("metric", list(ASSUMED))
@pytest.mark.parametrize("name", STUDIES)
def test_a_forecast_is_right_by_a_factor_of_three(name: str, metric: str) -> None:
    """Against what the five studies reached: estimates from 3 runs, which vary as much."""
    compared = [row for row in rows(RESULTS / name / "comparisons.csv") if row["metric"] == metric]
    reached = float(np.median([float(row["detectable"]) for row in compared]))
    assert 1 / 3 < detectable(size_of(read_description(RESULTS / name)), metric) / reached < 3


# --- simulated studies under the assumptions ---


def power(size: StudySize, *, n_studies: int) -> float:
    """Simulate studies whose true difference is the predicted one; return the share detected."""
    rng, assumed, shift, n_found = (
        np.random.default_rng(0),
        ASSUMED[ACCURACY],
        detectable(size, ACCURACY),
        0,
    )
    spread = math.sqrt(
        2 * (1 - assumed.correlation) * assumed.level * (1 - assumed.level)
    )  # of an image
    strata = np.repeat([0, 1], [round(n / size.overlap) for n in size.n_test])
    for _ in range(n_studies):
        image = shift + spread * rng.normal(size=len(strata))
        weights = next(patient_draws(strata, rng, n_draws=100, block=100))
        weights = np.concatenate([np.ones((1, len(strata))), weights])
        runs = [
            row
            for _ in range(size.n_splits)
            for row in split_runs(rng, size, strata, image, weights)
        ]
        values, splits = np.stack(runs), np.repeat(np.arange(size.n_splits), size.n_seeds)
        fewest = round(size.patients.fewest)
        n_found += (
            paired_test(values[:, 0], values[:, 1:], splits, n_patients=fewest).p
            < 0.05 / size.n_comparisons
        )
    return n_found / n_studies


def split_runs(
    rng: np.random.Generator, size: StudySize, strata: Codes, image: Floats, weights: Floats
) -> list[Floats]:
    """Return the differences of the runs of one split, observed and under every draw."""
    assumed = ASSUMED[ACCURACY]
    tested = [rng.permutation(np.flatnonzero(strata == c))[: round(size.n_test[c])] for c in (0, 1)]
    recalls = [weights[:, rows] @ image[rows] / weights[:, rows].sum(axis=1) for rows in tested]
    trained = assumed.split_sd * rng.normal() if size.n_splits > 1 else 0.0
    return [
        (recalls[0] + recalls[1]) / 2 + trained + assumed.seed_sd * rng.normal()
        for _ in range(size.n_seeds)
    ]


@pytest.mark.parametrize("size", [ONE, THREE])
def test_what_is_predicted_is_found_about_four_times_in_five(size: StudySize) -> None:
    assert 0.68 <= power(size, n_studies=100) <= 0.95


@pytest.mark.slow
@pytest.mark.parametrize(
    ("n_splits", "n_seeds"),
    [(1, 2), (1, 3), (1, 10), (3, 1), (3, 3), (3, 10), (5, 1), (5, 3), (5, 10)],
)
def test_what_is_predicted_is_found_in_many_studies(n_splits: int, n_seeds: int) -> None:
    size = sized(n_splits=n_splits, n_seeds=n_seeds)
    assert (0.67 if n_splits * n_seeds == 2 else 0.74) <= power(size, n_studies=800) <= 0.89
