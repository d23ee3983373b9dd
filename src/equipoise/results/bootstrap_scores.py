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
from equipoise.metrics.statistics import patient_draws, strata_of_patients
from equipoise.results.shared_draws import SharedDraws
from equipoise.runs.image_run import FinishedCell, ImageRun

N_DRAWS = 2000  # for percentiles of 2.5 % and 97.5 % (Efron and Tibshirani 1993, section 14.3)

# Measures the cells of a run, which were tested on the same images: weights (b, n) of the images
# and names of metrics -> (rows, cells, b).
Measure = Callable[[Values, Sequence[str]], Values]

# Computes the named metrics (metrics, cells, b) from measures (rows, cells, b).
Derive = Callable[[Values, Sequence[str]], Values]

# Cells that are measured together, so that what is prepared for them does not fill the memory.
CELLS_AT_ONCE = 64
NUMBERS_AT_ONCE = 2**22  # images times classes


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
        metrics: By name; `metrics_of` where None.
        n_draws: Number b of draws.
        compared: Metrics whose draws are kept for differences; all where None.
        intervals: Whether intervals of single methods are needed.
    """
    metrics = metrics_of(run) if metrics is None else metrics
    measure_of = partial(_measure_of, metrics, run)
    return score_by(
        measure_of, list(metrics), run, n_draws=n_draws, compared=compared, intervals=intervals
    )


def _measure_of(metrics: Mapping[str, Metric], whole: ImageRun, group: ImageRun) -> Measure:
    """Return what measures a group of cells; decisions are those of the whole run."""
    pairs = []
    for cell in group.finished:
        # A copy: what is prepared for its images lasts as long as the measure.
        usual, decided = replace(cell.predictions), whole.decided(cell)
        pairs.append((usual, usual if decided is cell.predictions else decided))
    return partial(_all_metrics, metrics, whole.decisive_metric.name, pairs)


def _all_metrics(
    metrics: Mapping[str, Metric],
    decisive: str,
    pairs: Sequence[tuple[Predictions, Predictions | None]],
    weights: Values,
    names: Sequence[str],
) -> Values:
    """Compute metrics of cells, as trained and decided, under weights (b, n) of their images."""
    values = np.full((len(names), len(pairs), len(weights)), np.nan)
    for column, (as_trained, decided) in enumerate(pairs):
        usual = as_trained.reweighted(weights)
        at_own_decision = None if decided is None else decided.reweighted(weights)
        for row, name in enumerate(names):
            predictions = at_own_decision if name == decisive else usual
            if predictions is not None:
                values[row, column] = metrics[name].rule(predictions)
    return values


def as_measured(measured: Values, names: Sequence[str]) -> Values:
    """Return measures that are the named metrics already."""
    return measured


def score_by(
    measure_of: Callable[[ImageRun], Measure],
    names: Sequence[str],
    run: ImageRun,
    *,
    n_draws: int,
    derive: Derive = as_measured,
    compared: Collection[str] | None = None,
    intervals: bool = True,
) -> BootstrapScores:
    """Compute metrics of every finished cell, plain and under draws of the test patients.

    The draws depend on the test images alone, never on a method; all cells share them.

    Args:
        measure_of: Returns what measures some cells, which were tested on the same images.
        names: Names of the metrics.
        run: The cells.
        n_draws: Number b of draws.
        derive: Computes metrics from what was measured.
        compared: Metrics whose draws are kept for differences; all where None.
        intervals: Whether intervals of single methods are needed.
    """
    compared = [name for name in names if compared is None or name in compared]
    n_runs = len(run.finished)
    values = np.empty((len(names), n_runs))
    draws = np.empty((len(compared), n_runs, n_draws))
    posterior = dict.fromkeys(names, dict.fromkeys(run.methods, np.empty(0))) if intervals else {}
    patients_per_class = np.zeros(len(run.class_names), dtype=np.int64)
    if n_runs:
        labels, patients = _test_images(run.finished)
        known_patients, codes = np.unique(patients, return_inverse=True)
        weights = SharedDraws(
            partial(patient_draws, strata_of_patients(labels, codes)),
            "patients",
            known_patients,
            n_draws=n_draws,
            n_images=max(len(cell.ids) for cell in run.finished),
        )
        for rows in _groups(run):
            group = _some_of(run, rows)
            measure = measure_of(group)
            plain = np.ones((1, len(group.finished[0].ids)))
            values[:, rows] = derive(measure(plain, names), names)[:, :, 0]
            for columns, of_images in weights.of_images(group.finished[0].patients):
                draws[:, rows, columns] = derive(measure(of_images, compared), compared)
        if intervals:
            n_posterior = min(n_draws, N_POSTERIOR_DRAWS)
            undefined = ~np.isfinite(values)
            posterior = _posterior_means(
                measure_of, names, run, derive, undefined=undefined, n_draws=n_posterior
            )
        pairs = np.unique(np.stack([labels, patients]), axis=1)
        patients_per_class = np.bincount(pairs[0], minlength=len(run.class_names))
    return BootstrapScores(
        values=dict(zip(names, values, strict=True)),
        draws=dict(zip(compared, draws, strict=True)),
        posterior=posterior,
        patients_per_class=patients_per_class,
    )


def _posterior_means(
    measure_of: Callable[[ImageRun], Measure],
    names: Sequence[str],
    run: ImageRun,
    derive: Derive,
    *,
    undefined: NDArray[np.bool_],
    n_draws: int,
) -> dict[str, dict[str, Values]]:
    """Compute for each metric its mean over the runs of each method, (c,), with imagined patients.

    Args:
        measure_of: See `score_by`.
        names: Names of the metrics.
        run: The cells.
        derive: See `score_by`.
        undefined: (metrics, runs) runs without the metric, which do not count.
        n_draws: Number c of draws.
    """
    firsts = []
    for cell in _first_of_splits(run.finished):
        firsts += _with_imagined_patients([cell])
    labels, patients = _test_images(firsts)
    known_patients, codes = np.unique(patients, return_inverse=True)
    strata = strata_of_patients(labels, codes)
    tested = [np.isin(known_patients, cell.patients) for cell in firsts]
    masses = patient_masses(known_patients, strata, np.stack(tested), len(run.class_names))
    weights = SharedDraws(
        partial(posterior_draws, strata, masses),
        "intervals",
        known_patients,
        n_draws=n_draws,
        n_images=max(len(cell.ids) for cell in firsts),
    )
    shape = (len(run.methods), len(names), n_draws)
    totals, counts = np.zeros(shape), np.zeros(shape)
    for rows in _groups(run):
        group = _some_of(run, rows)
        group = replace(group, finished=tuple(_with_imagined_patients(group.finished)))
        measure = measure_of(group)
        for columns, of_images in weights.of_images(group.finished[0].patients):
            block = derive(measure(of_images, names), names)  # (metrics, cells, columns)
            block[undefined[:, rows]] = np.nan
            for cell, value in zip(group.finished, block.swapaxes(0, 1), strict=True):
                method = run.methods.index(cell.cell.method)
                finite = np.isfinite(value)
                totals[method, :, columns] += np.where(finite, value, 0.0)
                counts[method, :, columns] += finite
    means = np.full(shape, np.nan)
    np.divide(totals, counts, out=means, where=counts > 0)
    return {
        name: dict(zip(run.methods, of_methods, strict=True))
        for name, of_methods in zip(names, means.swapaxes(0, 1), strict=True)
    }


def _with_imagined_patients(cells: Sequence[FinishedCell]) -> list[FinishedCell]:
    """Return cells of one split with the test images of imagined patients behind the real ones."""
    extended: list[FinishedCell] = []
    for cell in cells:
        predictions, patients = with_imagined(cell.predictions, cell.patients)
        if extended:  # the names are those of the first cell, in memory once
            patients, ids = extended[0].patients, extended[0].ids
        else:
            added = patients[len(cell.ids) :]
            names = np.array([f"imagined {code}/{i}" for i, code in enumerate(added)])
            ids = np.concatenate([cell.ids, names])
        extended.append(replace(cell, predictions=predictions, patients=patients, ids=ids))
    return extended


def _groups(run: ImageRun) -> Iterator[list[int]]:
    """Yield the positions of cells of one split, which share their test images, not too many."""
    rows_of_split: dict[str, list[int]] = {}
    for row, cell in enumerate(run.finished):
        rows_of_split.setdefault(cell.cell.split, []).append(row)
    for rows in rows_of_split.values():
        n_numbers = run.finished[rows[0]].predictions.y_score.size
        size = max(1, min(CELLS_AT_ONCE, NUMBERS_AT_ONCE // n_numbers))
        for start in range(0, len(rows), size):
            yield rows[start : start + size]


def _some_of(run: ImageRun, rows: Sequence[int]) -> ImageRun:
    return replace(run, finished=tuple(run.finished[row] for row in rows))


def _first_of_splits(finished: Sequence[FinishedCell]) -> list[FinishedCell]:
    """Return the first cell of each split: the others were tested on the same images."""
    firsts: dict[str, FinishedCell] = {}
    for cell in finished:
        firsts.setdefault(cell.cell.split, cell)
    return list(firsts.values())


def _test_images(
    finished: Sequence[FinishedCell],
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return class and patient of every test image, each image once."""
    cells = _first_of_splits(finished)
    _, first = np.unique(np.concatenate([cell.ids for cell in cells]), return_index=True)
    labels = np.concatenate([cell.predictions.y_true for cell in cells])
    patients = np.concatenate([cell.patients for cell in cells])
    return labels[first], patients[first]
