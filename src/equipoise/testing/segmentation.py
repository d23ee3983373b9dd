"""The contract of segmentation metrics: `for check in REGION_METRIC_CONTRACT: check(metric)`."""

from collections.abc import Callable

import numpy as np

from equipoise.metrics.base import Values
from equipoise.metrics.segmentation import COUNTED, MEASURES, Measures, RegionMetric

Reference = Callable[[Measures], float]

N = 12


def is_best_for_perfect_label_maps(metric: RegionMetric) -> None:
    """Label maps equal to the truth reach the better of the two bounds."""
    measures = random_measures()
    for name in ("fp", "fn", "lesion_fp", "lesion_fn", "hd95_mm"):
        measures[name] = np.zeros(N)
    measures["nsd"] = np.ones(N)
    best = metric.bounds[1 if metric.higher_is_better else 0]
    np.testing.assert_allclose(metric.rule(measures, np.ones((1, N))), best, err_msg=metric.name)


def stays_within_its_bounds(metric: RegionMetric) -> None:
    """Random measures, and those of label maps that miss everything, stay within the bounds."""
    low, high = metric.bounds
    missed = random_measures() | {"tp": np.zeros(N), "lesion_tp": np.zeros(N), "nsd": np.zeros(N)}
    for measures in (random_measures(), missed):
        values = metric.rule(measures, _copies())
        inside = (values >= low) & (values <= high)
        assert inside.all(), f"{metric.name} is {values}, outside {metric.bounds}"


def does_not_depend_on_order(metric: RegionMetric) -> None:
    """Patients shuffled together with their weights give the same value."""
    measures = random_measures()
    weights = _copies()
    order = np.random.default_rng(1).permutation(N)
    shuffled = {name: values[order] for name, values in measures.items()}
    value = metric.rule(shuffled, weights[:, order])
    expected = metric.rule(measures, weights)
    np.testing.assert_allclose(value, expected, rtol=1e-12, err_msg=metric.name)


def counts_a_weight_as_copies(metric: RegionMetric) -> None:
    """A patient of weight 3 counts as three, one of weight 0 as none, for each row of weights."""
    measures = random_measures()
    weights = _copies()
    for value, copies in zip(metric.rule(measures, weights), weights.astype(int), strict=True):
        repeated = {name: np.repeat(values, copies) for name, values in measures.items()}
        expected = metric.rule(repeated, np.ones((1, copies.sum())))
        np.testing.assert_allclose(value, expected[0], rtol=1e-12, err_msg=metric.name)


def equals_the_value_of_a_single_patient(metric: RegionMetric) -> None:
    """Where only one patient has a weight, pooled and mean values are that patient's."""
    measures = random_measures()
    np.testing.assert_allclose(
        metric.rule(measures, np.eye(N)), metric.formula(measures), err_msg=metric.name
    )


def skips_and_counts_patients_without_a_value(metric: RegionMetric) -> None:
    """A patient whose truth or label map is empty never turns the mean into NaN."""
    measures = random_measures()
    for name in ("tp", "fp", "fn"):
        measures[name][0] = 0
    measures["hd95_mm"][0] = np.nan
    without = int(np.isnan(metric.formula(measures)[0]))
    assert metric.left_out(measures) == without, metric.name
    if without:
        rest = {name: values[1:] for name, values in measures.items()}
        value = metric.rule(measures, np.ones((1, N)))
        np.testing.assert_allclose(
            value, metric.rule(rest, np.ones((1, N - 1))), err_msg=metric.name
        )
        assert np.isnan(metric.rule(measures, np.eye(N)[:1])).all(), metric.name


def agrees_with(metric: RegionMetric, reference: Reference) -> None:
    """An independent implementation agrees where all patients weigh the same."""
    for seed in range(5):
        measures = random_measures(seed)
        np.testing.assert_allclose(
            metric.rule(measures, np.ones((1, N)))[0],
            reference(measures),
            rtol=1e-12,
            err_msg=metric.name,
        )


REGION_METRIC_CONTRACT: tuple[Callable[[RegionMetric], None], ...] = (
    is_best_for_perfect_label_maps,
    stays_within_its_bounds,
    does_not_depend_on_order,
    counts_a_weight_as_copies,
    equals_the_value_of_a_single_patient,
    skips_and_counts_patients_without_a_value,
)


def random_measures(seed: int = 0) -> dict[str, Values]:
    """Draw measures of `N` patients whose tumors differ a hundredfold in size."""
    rng = np.random.default_rng(seed)
    sizes = rng.integers(1, 100, size=N)
    counts = {name: (rng.integers(1, 9, size=N) * sizes).astype(float) for name in COUNTED}
    measures = counts | {"hd95_mm": rng.uniform(0, 40, size=N), "nsd": rng.uniform(size=N)}
    return {name: measures[name] for name in MEASURES}


def _copies() -> Values:
    return np.random.default_rng(3).integers(0, 4, size=(5, N)).astype(float)
