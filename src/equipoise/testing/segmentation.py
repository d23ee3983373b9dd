"""What every metric of segmentation obeys: `for check in REGION_METRIC_CONTRACT: check(metric)`."""

from collections.abc import Callable

import numpy as np

from equipoise.metrics.base import Values
from equipoise.metrics.segmentation import COUNTED, MEASURES, Measures, RegionMetric

Reference = Callable[[Measures], float]

N = 12


def is_best_when_all_is_right(metric: RegionMetric) -> None:
    """Drawings equal to the truth reach the better of the two bounds."""
    nothing_wrong = {
        "fp": 0.0,
        "fn": 0.0,
        "lesion_fp": 0.0,
        "lesion_fn": 0.0,
        "hd95_mm": 0.0,
        "nsd": 1.0,
    }
    measures = random_measures() | {
        name: np.full(N, value) for name, value in nothing_wrong.items()
    }
    best = metric.bounds[1 if metric.higher_is_better else 0]
    np.testing.assert_allclose(metric.rule(measures, np.ones((1, N))), best, err_msg=metric.name)


def stays_within_its_bounds(metric: RegionMetric) -> None:
    """Random measures, and those of drawings that miss everything, stay within the bounds."""
    low, high = metric.bounds
    missed = random_measures() | {"tp": np.zeros(N), "lesion_tp": np.zeros(N), "nsd": np.zeros(N)}
    for measures in (random_measures(), missed):
        found = metric.rule(measures, _copies())
        assert ((found >= low) & (found <= high)).all(), (
            f"{metric.name} is {found}, outside {metric.bounds}"
        )


def does_not_depend_on_order(metric: RegionMetric) -> None:
    """Shuffled patients with their weights give the same value."""
    measures, weights = random_measures(), _copies()
    order = np.random.default_rng(1).permutation(N)
    value = metric.rule(
        {name: values[order] for name, values in measures.items()}, weights[:, order]
    )
    np.testing.assert_allclose(
        value, metric.rule(measures, weights), rtol=1e-12, err_msg=metric.name
    )


def counts_a_weight_as_copies(metric: RegionMetric) -> None:
    """A patient of weight 3 counts as three patients, one of weight 0 as none; every row of weights on its own."""
    measures, weights = random_measures(), _copies()
    for value, copies in zip(metric.rule(measures, weights), weights.astype(int), strict=True):
        repeated = {name: np.repeat(values, copies) for name, values in measures.items()}
        expected = metric.rule(repeated, np.ones((1, copies.sum())))
        np.testing.assert_allclose(value, expected[0], rtol=1e-12, err_msg=metric.name)


def gives_one_patient_their_own_value(metric: RegionMetric) -> None:
    """Under a weight for one patient alone, pooled and mean are that patient's value."""
    measures = random_measures()
    np.testing.assert_allclose(
        metric.rule(measures, np.eye(N)), metric.formula(measures), err_msg=metric.name
    )


def leaves_out_and_counts_patients_without_a_value(metric: RegionMetric) -> None:
    """A patient with nothing in the truth and nothing drawn, or only one of them, never spoils the mean."""
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
    """An independent implementation over equally weighted patients gives the same value."""
    for seed in range(5):
        measures = random_measures(seed)
        np.testing.assert_allclose(
            metric.rule(measures, np.ones((1, N)))[0],
            reference(measures),
            rtol=1e-12,
            err_msg=metric.name,
        )


REGION_METRIC_CONTRACT: tuple[Callable[[RegionMetric], None], ...] = (
    is_best_when_all_is_right,
    stays_within_its_bounds,
    does_not_depend_on_order,
    counts_a_weight_as_copies,
    gives_one_patient_their_own_value,
    leaves_out_and_counts_patients_without_a_value,
)


def random_measures(seed: int = 0) -> dict[str, Values]:
    """Make measures of `N` patients whose tumors differ a hundredfold in size."""
    rng = np.random.default_rng(seed)
    sizes = rng.integers(1, 100, size=N)
    counts = {name: (rng.integers(1, 9, size=N) * sizes).astype(float) for name in COUNTED}
    drawn = counts | {"hd95_mm": rng.uniform(0, 40, size=N), "nsd": rng.uniform(size=N)}
    return {name: drawn[name] for name in MEASURES}


def _copies() -> Values:
    return np.random.default_rng(3).integers(0, 4, size=(5, N)).astype(float)
