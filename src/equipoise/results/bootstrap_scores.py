"""Every metric of every finished cell, plain and under bootstrap draws of the test patients."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from equipoise.metrics.base import Metric, Predictions, Values
from equipoise.metrics.classification import METRICS
from equipoise.metrics.statistics import patient_draws, strata_of_patients
from equipoise.randomness import make_rng
from equipoise.runs.cell import Cell
from equipoise.runs.image_run import FinishedCell, ImageRun

N_DRAWS = 2000  # for percentiles of 2.5 % and 97.5 % (Efron and Tibshirani 1993, section 14.3)

# Measures a cell under weights of its test images: (cell, (b, n)) -> (metrics, b).
Measure = Callable[[FinishedCell, Values], Values]

# Weights in one block: more leave the processor's cache and take twice as long.
WEIGHTS_PER_BLOCK = 2**17


@dataclass(frozen=True, kw_only=True, eq=False)
class BootstrapScores:
    """Metrics of finished cells, in the order of `ImageRun.finished`.

    Attributes:
        values: {metric: (runs,)}; NaN where the test images lack a class that the metric needs.
        draws: {metric: (runs, b)} under the same b draws of patients for every run.
        patients_per_class: (k,) test patients with at least one image of the class.
    """

    values: dict[str, NDArray[np.float64]]
    draws: dict[str, NDArray[np.float64]]
    patients_per_class: NDArray[np.int64]


def metrics_of(run: ImageRun) -> dict[str, Metric]:
    """Return every metric of a run by name: `METRICS`, and the one on which the verdict rests."""
    return {**METRICS, run.decisive_metric.name: run.decisive_metric}


def score(
    run: ImageRun, *, metrics: Mapping[str, Metric] | None = None, n_draws: int = N_DRAWS
) -> BootstrapScores:
    """Compute metrics of all cells under draws of the test patients.

    Args:
        run: The cells.
        metrics: Some of `metrics_of`; all where None.
        n_draws: Number b of draws.
    """
    metrics = metrics_of(run) if metrics is None else metrics
    decided = {cell.cell: run.decided(cell) for cell in run.finished}
    measure = partial(_all_metrics, metrics, decided)
    return score_by(measure, metrics, run, n_draws=n_draws)


def _all_metrics(
    metrics: Mapping[str, Metric],
    decided: Mapping[Cell, Predictions | None],
    finished: FinishedCell,
    weights: Values,
) -> Values:
    """Compute every metric under weights (b, n) of the test images: (metrics, b)."""
    as_trained = finished.predictions.reweighted(weights)
    own = decided[finished.cell]
    at_own_decision = None if own is None else own.reweighted(weights)
    rows = []
    for name, metric in metrics.items():
        predictions = as_trained if name in METRICS else at_own_decision
        undefined = np.full(len(weights), np.nan)
        rows.append(undefined if predictions is None else metric.rule(predictions))
    return np.stack(rows)


def score_by(
    measure: Measure, names: Collection[str], run: ImageRun, *, n_draws: int
) -> BootstrapScores:
    """Compute a measure of every finished cell, plain and under draws of the test patients.

    The draws depend on the test images alone, never on a method.

    Args:
        measure: What is computed.
        names: Names of its rows.
        run: The cells.
        n_draws: Number b of draws.
    """
    if not run.finished:
        return BootstrapScores(
            values=dict.fromkeys(names, np.empty(0)),
            draws=dict.fromkeys(names, np.empty((0, n_draws))),
            patients_per_class=np.zeros(len(run.class_names), dtype=np.int64),
        )
    labels, patients = _test_images(run.finished)
    known_patients, codes = np.unique(patients, return_inverse=True)
    # Cells of one split were tested on the same images, so that they share columns and weights.
    columns: dict[str, NDArray[np.intp]] = {}
    for cell in run.finished:
        columns[cell.cell.split] = np.searchsorted(known_patients, cell.patients)
    block = max(1, WEIGHTS_PER_BLOCK // max(len(known_patients), *map(len, columns.values())))
    strata = strata_of_patients(labels, codes)
    draws = np.empty((len(names), len(run.finished), n_draws))
    start = 0
    for weights in patient_draws(strata, make_rng("patients"), n_draws=n_draws, block=block):
        stop = start + len(weights)
        of_split = {split: weights[:, column] for split, column in columns.items()}
        for row, cell in enumerate(run.finished):
            draws[:, row, start:stop] = measure(cell, of_split[cell.cell.split])
        start = stop
    plain = [measure(cell, np.ones((1, len(cell.ids)))) for cell in run.finished]
    values = np.concatenate(plain, axis=1)  # (metrics, runs)
    pairs = np.unique(np.stack([labels, patients]), axis=1)
    return BootstrapScores(
        values=dict(zip(names, values, strict=True)),
        draws=dict(zip(names, draws, strict=True)),
        patients_per_class=np.bincount(pairs[0], minlength=len(run.class_names)),
    )


def _test_images(
    finished: Sequence[FinishedCell],
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return class and patient of every test image, each image once."""
    _, first = np.unique(np.concatenate([cell.ids for cell in finished]), return_index=True)
    labels = np.concatenate([cell.predictions.y_true for cell in finished])
    patients = np.concatenate([cell.patients for cell in finished])
    return labels[first], patients[first]
