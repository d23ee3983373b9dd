"""Every metric of every finished cell, plain and under draws of the test patients."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from equipoise.metrics.base import Values
from equipoise.metrics.classification import METRICS
from equipoise.metrics.statistics import patient_draws, strata_of_patients
from equipoise.randomness import make_rng
from equipoise.runs.image_run import Finished, StoredStudy

N_DRAWS = 2000  # methods 7.4
Measure = Callable[
    [Finished, Values], Values
]  # a run and weights of its test images (b, n) to (metrics, b)

CACHED = (
    2**17
)  # weights in one block: larger ones leave the processor's cache and take twice as long


@dataclass(frozen=True, kw_only=True)
class Scores:
    """Metrics of the finished cells of a study, in their order.

    Attributes:
        values: {metric: (runs,)}; NaN where the test images lack a class that the metric needs.
        draws: {metric: (runs, b)} under the same b draws of patients for every run.
        patients_per_class: (k,) test patients with at least one image of the class.
    """

    values: dict[str, NDArray[np.float64]]
    draws: dict[str, NDArray[np.float64]]
    patients_per_class: NDArray[np.int64]


def score(study: StoredStudy, *, n_draws: int = N_DRAWS) -> Scores:
    """Compute all metrics of all cells under draws of the test patients."""
    return score_by(_metrics, METRICS, study, n_draws=n_draws)


def score_by(
    measure: Measure, names: Collection[str], study: StoredStudy, *, n_draws: int
) -> Scores:
    """Compute what `measure` gives, by name; the draws depend on the test images alone, never on a method."""
    if not study.finished:
        return _nothing(names, len(study.class_names), n_draws)
    finished = study.finished
    labels, patients = _test_images(finished)
    known, codes = np.unique(patients, return_inverse=True)
    columns = [np.searchsorted(known, one.patients) for one in finished]
    drawn: list[list[NDArray[np.float64]]] = [[] for _ in finished]
    block = max(1, CACHED // max(len(known), *map(len, columns)))
    strata = strata_of_patients(labels, codes)
    for weights in patient_draws(strata, make_rng("patients"), n_draws=n_draws, block=block):
        for run, (one, column) in enumerate(zip(finished, columns, strict=True)):
            drawn[run].append(measure(one, weights[:, column]))
    draws = np.stack([np.concatenate(blocks, axis=1) for blocks in drawn], axis=1)
    values = np.concatenate([measure(one, np.ones((1, len(one.ids)))) for one in finished], axis=1)
    pairs = np.unique(np.stack([labels, patients]), axis=1)
    return Scores(
        values=dict(zip(names, values, strict=True)),
        draws=dict(zip(names, draws, strict=True)),
        patients_per_class=np.bincount(pairs[0], minlength=len(study.class_names)),
    )


def _metrics(one: Finished, weights: Values) -> Values:
    predictions = one.predictions.reweighted(weights)
    return np.stack([metric.rule(predictions) for metric in METRICS.values()])


def _test_images(finished: Sequence[Finished]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Give class and patient of every test image, each image once although many cells tested it."""
    _, first = np.unique(np.concatenate([one.ids for one in finished]), return_index=True)
    labels = np.concatenate([one.predictions.y_true for one in finished])
    patients = np.concatenate([one.patients for one in finished])
    return labels[first], patients[first]


def _nothing(names: Collection[str], k: int, n_draws: int) -> Scores:
    return Scores(
        values={name: np.empty(0) for name in names},
        draws={name: np.empty((0, n_draws)) for name in names},
        patients_per_class=np.zeros(k, dtype=np.int64),
    )
