"""Every metric of every finished cell, plain and under bootstrap draws of the test patients."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from equipoise.metrics.base import Metric, Predictions, Values
from equipoise.metrics.classification import METRICS
from equipoise.metrics.intervals import N_DRAWS as N_POSTERIOR_DRAWS
from equipoise.metrics.intervals import patient_masses, posterior_draws, with_imagined
from equipoise.metrics.statistics import mean_known, patient_draws, strata_of_patients
from equipoise.randomness import make_rng
from equipoise.runs.cell import Cell
from equipoise.runs.image_run import FinishedCell, ImageRun

N_DRAWS = 2000  # for percentiles of 2.5 % and 97.5 % (Efron and Tibshirani 1993, section 14.3)

# Measures a cell under weights of its test images: (cell, (b, n)) -> (metrics, b).
Measure = Callable[[FinishedCell, Values], Values]

# Computes metrics (metrics, runs, b) from measures (rows, runs, b).
Derive = Callable[[Values], Values]

# Weights in one block: more leave the processor's cache and take twice as long.
WEIGHTS_PER_BLOCK = 2**17


@dataclass(frozen=True, kw_only=True, eq=False)
class BootstrapScores:
    """Metrics of finished cells, in the order of `ImageRun.finished`.

    Attributes:
        values: {metric: (runs,)}; NaN where the test images lack a class that the metric needs.
        draws: {metric: (runs, b)} under the same b draws of patients for every run; for tests of
            differences.
        posterior: {metric: {method: (c,)}} mean over the runs of a method that have the metric,
            under c draws for its interval (`equipoise.metrics.intervals`); empty where none was
            requested.
        patients_per_class: (k,) test patients with at least one image of the class.
    """

    values: dict[str, NDArray[np.float64]]
    draws: dict[str, NDArray[np.float64]]
    posterior: dict[str, dict[str, NDArray[np.float64]]]
    patients_per_class: NDArray[np.int64]


def metrics_of(run: ImageRun) -> dict[str, Metric]:
    """Return every metric of a run by name: `METRICS`, and the one on which the verdict rests."""
    return {**METRICS, run.decisive_metric.name: run.decisive_metric}


def score(
    run: ImageRun,
    *,
    metrics: Mapping[str, Metric] | None = None,
    n_draws: int = N_DRAWS,
    compared: Collection[str] | None = None,
    intervals: bool = True,
) -> BootstrapScores:
    """Compute metrics of all cells under draws of the test patients.

    Args:
        run: The cells.
        metrics: Some of `metrics_of`; all where None.
        n_draws: Number b of draws.
        compared: Metrics whose draws are kept for differences; all where None.
        intervals: Whether intervals of single methods are needed.
    """
    metrics = metrics_of(run) if metrics is None else metrics
    measure_of = partial(_measure_of, metrics, run.decided)
    return score_by(
        measure_of, metrics, run, n_draws=n_draws, compared=compared, intervals=intervals
    )


def _measure_of(
    metrics: Mapping[str, Metric],
    decide: Callable[[FinishedCell], Predictions | None],
    run: ImageRun,
) -> Measure:
    """Return what measures cells, at the decisions of the run that has no imagined patients."""
    decided = {cell.cell: decide(cell) for cell in run.finished}
    return partial(_all_metrics, metrics, decided)


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


def as_measured(measured: Values) -> Values:
    """Return measures that are metrics already."""
    return measured


def score_by(
    measure_of: Callable[[ImageRun], Measure],
    names: Collection[str],
    run: ImageRun,
    *,
    n_draws: int,
    derive: Derive = as_measured,
    compared: Collection[str] | None = None,
    intervals: bool = True,
) -> BootstrapScores:
    """Compute metrics of every finished cell, plain and under draws of the test patients.

    The draws depend on the test images alone, never on a method.

    Args:
        measure_of: Returns what is computed of the cells of a run.
        names: Names of the metrics.
        run: The cells.
        n_draws: Number b of draws.
        derive: Computes the metrics from what was measured.
        compared: Metrics whose draws are kept for differences; all where None.
        intervals: Whether intervals of single methods are needed.
    """
    compared = names if compared is None else compared
    if not run.finished:
        return BootstrapScores(
            values=dict.fromkeys(names, np.empty(0)),
            draws=dict.fromkeys(compared, np.empty((0, n_draws))),
            posterior={name: dict.fromkeys(run.methods, np.empty(0)) for name in names},
            patients_per_class=np.zeros(len(run.class_names), dtype=np.int64),
        )
    measure = measure_of(run)
    labels, patients = _test_images(run.finished)
    plain = [measure(cell, np.ones((1, len(cell.ids)))) for cell in run.finished]
    values = derive(np.stack(plain, axis=1))[:, :, 0]  # (metrics, runs)
    known_patients, codes = np.unique(patients, return_inverse=True)
    weights = partial(patient_draws, strata_of_patients(labels, codes), make_rng("patients"))
    draws = {name: np.empty((len(run.finished), n_draws)) for name in compared}
    start = 0
    for measured in _under_draws(measure, weights, run, known_patients, n_draws):
        stop = start + measured.shape[-1]
        for name, block in zip(names, derive(measured), strict=True):
            if name in draws:
                draws[name][:, start:stop] = block
        start = stop
    posterior = {}
    if intervals:
        undefined = ~np.isfinite(values)
        means = _posterior_means(
            measure_of, run, derive, undefined, min(n_draws, N_POSTERIOR_DRAWS)
        )
        posterior = dict(zip(names, means, strict=True))
    pairs = np.unique(np.stack([labels, patients]), axis=1)
    return BootstrapScores(
        values=dict(zip(names, values, strict=True)),
        draws=draws,
        posterior=posterior,
        patients_per_class=np.bincount(pairs[0], minlength=len(run.class_names)),
    )


def _under_draws(
    measure: Measure,
    draw: Callable[..., Iterator[Values]],
    run: ImageRun,
    known_patients: NDArray[np.int64],
    n_draws: int,
) -> Iterator[Values]:
    """Yield a measure of every cell under drawn weights of `known_patients`: (rows, runs, draws).

    `draw` takes `n_draws` and `block`, the number of draws at once.
    """
    # Cells of one split were tested on the same images, so that they share columns and weights.
    columns: dict[str, NDArray[np.intp]] = {}
    for cell in run.finished:
        columns[cell.cell.split] = np.searchsorted(known_patients, cell.patients)
    block = max(1, WEIGHTS_PER_BLOCK // max(len(known_patients), *map(len, columns.values())))
    for weights in draw(n_draws=n_draws, block=block):
        of_split = {split: weights[:, column] for split, column in columns.items()}
        first, *others = run.finished
        value = measure(first, of_split[first.cell.split])
        measured = np.empty((len(value), len(run.finished), len(weights)))
        measured[:, 0] = value
        for row, cell in enumerate(others, start=1):
            measured[:, row] = measure(cell, of_split[cell.cell.split])
        yield measured


def _posterior_means(
    measure_of: Callable[[ImageRun], Measure],
    run: ImageRun,
    derive: Derive,
    undefined: NDArray[np.bool_],
    n_draws: int,
) -> list[dict[str, Values]]:
    """Compute for each metric its mean over the runs of each method, (c,), with imagined patients.

    Args:
        measure_of: See `score_by`.
        run: The cells.
        derive: See `score_by`.
        undefined: (metrics, runs) runs without the metric, which do not count.
        n_draws: Number c of draws.
    """
    extended = _with_imagined_patients(run)
    labels, patients = _test_images(extended.finished)
    known_patients, codes = np.unique(patients, return_inverse=True)
    strata = strata_of_patients(labels, codes)
    patients_of_split = {cell.cell.split: cell.patients for cell in extended.finished}
    tested = [np.isin(known_patients, of_split) for of_split in patients_of_split.values()]
    masses = patient_masses(known_patients, strata, np.stack(tested), len(run.class_names))
    draw = partial(posterior_draws, strata, masses, make_rng("intervals"))
    measure = measure_of(extended)
    rows = {method: run.rows_of(method) for method in run.methods}
    means: dict[str, list[Values]] = {method: [] for method in run.methods}
    for measured in _under_draws(measure, draw, extended, known_patients, n_draws):
        block = derive(measured)
        block[undefined] = np.nan
        for method, of_method in rows.items():
            means[method].append(mean_known(block[:, of_method].swapaxes(0, 1)))
    joined = {method: np.concatenate(blocks, axis=1) for method, blocks in means.items()}
    return [{method: of[i] for method, of in joined.items()} for i in range(len(undefined))]


def _with_imagined_patients(run: ImageRun) -> ImageRun:
    """Return the cells with the test images of imagined patients beside the real."""
    cells = []
    for cell in run.finished:
        predictions, patients = with_imagined(cell.predictions, cell.patients)
        added = patients[len(cell.ids) :]
        ids = np.array([f"imagined {code}/{i}" for i, code in enumerate(added)])
        extended = replace(
            cell,
            predictions=predictions,
            patients=patients,
            ids=np.concatenate([cell.ids, ids]),
        )
        cells.append(extended)
    return replace(run, finished=tuple(cells))


def _test_images(
    finished: Sequence[FinishedCell],
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return class and patient of every test image, each image once."""
    _, first = np.unique(np.concatenate([cell.ids for cell in finished]), return_index=True)
    labels = np.concatenate([cell.predictions.y_true for cell in finished])
    patients = np.concatenate([cell.patients for cell in finished])
    return labels[first], patients[first]
