"""How much differences between methods vary, measured on the cells of a pilot."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from equipoise.metrics.classification import METRICS
from equipoise.results.bootstrap_scores import score
from equipoise.results.power import (
    ACCURACY,
    ASSUMED,
    StudySize,
    assumptions_of,
    variance_between_runs,
)
from equipoise.results.records import RANKING
from equipoise.runs.image_run import ImageRun

Differences = NDArray[np.float64]

PRIOR_FREEDOM = 4.0  # the assumed variance counts as much as five pilot splits
FEWEST_SPLITS = 3  # of a pilot that says anything about the variance over splits


@dataclass(frozen=True, kw_only=True)
class Spread:
    """Variances of differences between methods, measured on a pilot.

    Attributes:
        ratios: {metric: measured over assumed variance, drawn to 1 as far as the pilot is small}.
        n_splits: Splits of the pilot; 0 where it was too small and the assumptions stand.
    """

    ratios: Mapping[str, float]
    n_splits: int


ASSUMED_SPREAD = Spread(ratios=dict.fromkeys(ASSUMED, 1.0), n_splits=0)


def measure_spread(run: ImageRun, size: StudySize) -> Spread:
    """Measure the variance of differences from the baseline over the splits of a pilot.

    Only the variance is used, never a difference itself, so that the pilot's cells can stay in the
    study: an internal pilot. The variance of the p splits, pooled over methods, is averaged with
    the assumed one as if that came from `PRIOR_FREEDOM` degrees of freedom.

    Args:
        run: The pilot's cells, one seed of each split.
        size: The size of the study for one split.

    Source: Wittes and Brittain (1990), Statistics in Medicine 9:65, for internal pilots; the
    average is that of an inverse chi-square prior.
    """
    names = {ACCURACY: run.decisive_metric, RANKING: METRICS[RANKING]}
    metrics = {metric.name: metric for metric in names.values()}
    values = score(run, metrics=metrics, n_draws=2).values
    ratios: dict[str, float] = {}
    n_splits = 0
    for name, metric in names.items():
        by_method = _by_method(run, values[metric.name])
        if not by_method:
            return ASSUMED_SPREAD
        n_splits = min(len(differences) for differences in by_method.values())
        if n_splits < FEWEST_SPLITS:
            return ASSUMED_SPREAD
        expected = variance_between_runs(size, name, assumptions_of(size, name))
        ratios[name] = pooled_ratio(by_method, expected)
    return Spread(ratios=ratios, n_splits=n_splits)


def pooled_ratio(by_method: Mapping[str, Differences], expected: float) -> float:
    """Return the variance of differences over splits, pooled over methods, over the expected one.

    Args:
        by_method: {method: its differences (p,) from the baseline}.
        expected: The variance under the assumptions.
    """
    variances = [float(differences.var(ddof=1)) for differences in by_method.values()]
    freedom = min(len(differences) for differences in by_method.values()) - 1
    return shrunk(float(np.mean(variances)) / expected, freedom)


def shrunk(ratio: float, freedom: float) -> float:
    """Average a measured variance ratio with 1, the prior, by their degrees of freedom.

    Example:
        >>> shrunk(3.0, 4.0)
        2.0
    """
    return (PRIOR_FREEDOM + freedom * ratio) / (PRIOR_FREEDOM + freedom)


def _by_method(run: ImageRun, values: Differences) -> dict[str, Differences]:
    """Return the differences from the baseline by method, over the splits that both have."""
    value_of = {}
    for finished, value in zip(run.finished, values.tolist(), strict=True):
        if np.isfinite(value):
            value_of[finished.cell.method, finished.cell.split] = value
    differences: dict[str, list[float]] = {}
    for (method, split), value in value_of.items():
        baseline = value_of.get((run.baseline, split))
        if method != run.baseline and baseline is not None:
            differences.setdefault(method, []).append(value - baseline)
    return {method: np.array(row) for method, row in differences.items()}
