"""How many optimizer steps are enough: the baseline's validation AUROC no longer rises."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from equipoise.experiments.running.cell_record import seeded_method
from equipoise.experiments.running.fit_classifier import predict_part
from equipoise.experiments.study import Study
from equipoise.metrics.base import Predictions
from equipoise.metrics.delong import compare_areas
from equipoise.metrics.sampling_variance import auroc_variance
from equipoise.runs.cell import Cell

FIRST = 150  # steps of the shortest run
MOST = 9600
SHARE = 0.15  # of the time that the search may take

Fit = Callable[[int], Predictions]  # steps -> the baseline's predictions of validation images


@dataclass(frozen=True, kw_only=True)
class StepsChoice:
    """Optimizer steps for every method.

    Attributes:
        n_steps: The steps.
        areas: {steps: validation AUROC of the baseline}, of the runs that were made.
        reason: Why no more.
        predictions: Those of the validation images after `n_steps`.
    """

    n_steps: int
    areas: dict[int, float]
    reason: str
    predictions: Predictions


def choose_steps(
    fit: Fit, seconds: float, clock: Callable[[], float] = time.perf_counter
) -> StepsChoice:
    """Double the steps of the baseline until its validation AUROC no longer rises by its noise.

    The noise is the standard error of the difference between two runs on the same images (DeLong et
    al. 1988). Runs whose AUROC is not above 0.5 by its own noise have learned nothing yet and are
    doubled again.

    Args:
        fit: Trains the baseline.
        seconds: That the search may take; at least one run is made.
        clock: Returns seconds.
    """
    started = clock()
    n_steps = FIRST
    shorter = fit(n_steps)
    areas: dict[int, float] = {}
    while True:
        taken = clock() - started
        next_seconds = taken * 2 * n_steps / (2 * n_steps - FIRST)  # before: 2 n - FIRST steps
        if taken + next_seconds > seconds or 2 * n_steps > MOST:
            areas.setdefault(n_steps, compare_areas(shorter, shorter).first)
            reason = "the time for the search is over, and validation may still rise"
            return StepsChoice(n_steps=n_steps, areas=areas, reason=reason, predictions=shorter)
        longer = fit(2 * n_steps)
        test = compare_areas(longer, shorter)
        areas[n_steps], areas[2 * n_steps] = test.second, test.first
        n_steps *= 2
        if has_learned(longer, test.first) and test.difference <= np.nan_to_num(test.error):
            reason = (
                "the baseline's validation AUROC no longer rises by more than its noise: "
                f"{test.second:.3f} after {n_steps // 2:,}, {test.first:.3f} after {n_steps:,}"
            )
            return StepsChoice(n_steps=n_steps, areas=areas, reason=reason, predictions=longer)
        shorter = longer


def has_learned(predictions: Predictions, area: float) -> bool:
    """Return whether an AUROC is above 0.5 by more than its standard error there."""
    positives = int((predictions.y_true == predictions.positive).sum())
    negatives = len(predictions.y_true) - positives
    return bool(area > 0.5 + np.sqrt(auroc_variance(0.5, positives, negatives)))


def baseline_fit(study: Study, workspace: Path) -> Fit:
    """Return what trains the baseline of a study on its first split, as its first cell would."""
    split = study.splits[0]
    cell = Cell(study.baseline_name, split.name, int(study.seeds[0]))
    train, validation = study.images.subset(split.train), study.images.subset(split.validation)

    def fit(n_steps: int) -> Predictions:
        *_, (_, classifier) = seeded_method(cell, study).steps
        classifier.set_params(n_steps=n_steps)
        classifier.fit(
            train.images,
            train.labels,
            validation=(validation.images, validation.labels),
            workspace=workspace,
        )
        scores = predict_part(classifier, validation, "validation")["validation_score"]
        return Predictions(y_true=validation.labels, y_score=scores, positive=study.positive)

    return fit
