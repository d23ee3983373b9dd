"""Score against dose of synthetic images, none included, and where to stop: `dose.csv`."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from equipoise.atomic import read_json
from equipoise.experiments.methods.doses import Ladder, find_ladders
from equipoise.metrics.base import Metric, Values
from equipoise.metrics.classification import METRICS, recalls
from equipoise.metrics.statistics import mean_known, unit_means
from equipoise.results.bootstrap_scores import N_DRAWS, Scores, score_by
from equipoise.results.comparison import Comparison, compare_pairs
from equipoise.results.image_tables import summarize_runs
from equipoise.runs.csv_records import write_rows
from equipoise.runs.image_run import Finished, StoredStudy, read_study


@dataclass(frozen=True, kw_only=True)
class DoseRow:
    """One dose on one metric; scores are means over the runs (split, seed) that all doses have.

    Attributes:
        base: Name of the arms before their dose.
        unit: "share" (synthetic images for each real one) or "per_class" (synthetic images of each class).
        dose: 0 and more.
        metric: The study's primary metric, or "recall" of the class.
        class_name: Empty for the primary metric.
        validation: On the validation images, by which a dose is chosen.
        behind: How much worse than the best dose there, at least 0.
        error: Standard error of that.
        knee: 1 for the smallest dose that is behind by at most `error`, else 0.
        test: On the test images.
        low: Lower end of its 95 % interval over test patients.
        high: Upper end.
        difference: On the test images, this dose minus none; NaN where the run has no arm without images.
        difference_low: Lower end of its 95 % interval.
        difference_high: Upper end.
    """

    base: str
    unit: str
    dose: float
    method: str
    metric: str
    class_name: str
    n_runs: int
    validation: float
    behind: float
    error: float
    knee: int
    test: float
    low: float
    high: float
    difference: float
    difference_low: float
    difference_high: float


def dose_response(folder: Path, *, n_draws: int = N_DRAWS) -> list[DoseRow]:
    """Compute the curves of a run folder: primary metric and recall of each class against dose; [] without doses.

    The knee is found by the rule of one standard error on the validation images (Breiman et al. 1984), never on
    test images. Their error is that of the best mean; ours is that of the difference to it, paired over the runs,
    with the validation patients drawn again: what all doses share in a split would make every dose look alike.
    Nothing is smoothed: a curve through few doses would show the smoother's shape.
    """
    ladders = find_ladders(read_json(Path(folder) / "study.json")["methods"])
    study = read_study(Path(folder)) if ladders else None
    return (
        []
        if study is None
        else [row for one in ladders for row in _rows(one, study, Path(folder), n_draws)]
    )


def write_dose(folder: Path) -> None:
    """Write `dose.csv` into a run folder that holds doses."""
    if rows := dose_response(folder):
        write_rows(Path(folder) / "dose.csv", DoseRow, rows)


def _rows(ladder: Ladder, study: StoredStudy, folder: Path, n_draws: int) -> Iterator[DoseRow]:
    arms = _paired(study, list(ladder.doses))
    if not arms.finished:
        return
    primary = METRICS[study.primary_metric]
    recall = METRICS["rare_recall"]
    metrics = {"": primary} | {
        name: replace(recall, name=f"recall of {name}") for name in study.class_names
    }
    measure = partial(_measure, primary)
    names = [metric.name for metric in metrics.values()]
    test = score_by(measure, names, arms, n_draws=n_draws)
    held = score_by(measure, names, _on_validation(arms, folder), n_draws=n_draws)
    for class_name, metric in metrics.items():
        yield from _curve(ladder, arms, (class_name, metric), held=held, test=test)


def _paired(study: StoredStudy, methods: list[str]) -> StoredStudy:
    """Keep the finished cells of runs that all the methods have, in one order for each."""
    runs = [
        {(one.cell.split, one.cell.seed) for one in study.finished if one.cell.method == m}
        for m in methods
    ]
    shared = set.intersection(*runs)
    kept = [
        o
        for o in study.finished
        if o.cell.method in methods and (o.cell.split, o.cell.seed) in shared
    ]
    kept.sort(key=lambda one: (methods.index(one.cell.method), one.cell.split, one.cell.seed))
    return replace(study, methods=tuple(methods), finished=tuple(kept))


def _on_validation(study: StoredStudy, folder: Path) -> StoredStudy:
    return replace(study, finished=tuple(_with_validation(one, folder) for one in study.finished))


def _with_validation(one: Finished, folder: Path) -> Finished:
    with np.load(
        folder / "cells" / one.cell.folder / "predictions.npz", allow_pickle=False
    ) as stored:
        patients, ids = stored["validation_groups"], stored["validation_ids"]
    return replace(one, predictions=one.validation, patients=patients, ids=ids)


def _measure(primary: Metric, one: Finished, weights: Values) -> Values:
    predictions = one.predictions.reweighted(weights)
    return np.stack([primary.rule(predictions), *recalls(predictions).T])


def _curve(
    ladder: Ladder, study: StoredStudy, measured: tuple[str, Metric], *, held: Scores, test: Scores
) -> Iterator[DoseRow]:
    """Give the rows of one metric; none where no run's validation images have the class."""
    class_name, metric = measured
    better = 1.0 if metric.higher_is_better else -1.0
    shape = len(ladder.doses), -1
    values = held.values[metric.name].reshape(shape)
    known = np.isfinite(values).all(axis=0)
    if not known.any():
        return
    draws = held.draws[metric.name].reshape(*shape, held.draws[metric.name].shape[-1])[:, known]
    _, codes = np.unique([one.cell.split for one in study.finished], return_inverse=True)
    splits = codes.astype(np.int64).reshape(shape)[0, known]
    means, behind, error = fall_behind(values[:, known], draws, splits, better=better)
    knee = int(np.flatnonzero(behind <= error)[0])
    differences = _to_none(ladder, study, metric, test)
    for place, (method, dose) in enumerate(ladder.doses.items()):
        rows = slice(place * values.shape[1], (place + 1) * values.shape[1])
        shown = summarize_runs(test.values[metric.name][rows], test.draws[metric.name][rows])
        to_none = differences.get(method)
        yield DoseRow(
            base=ladder.base,
            unit=ladder.unit,
            dose=dose,
            method=method,
            metric="recall" if class_name else metric.name,
            class_name=class_name,
            n_runs=int(known.sum()),
            validation=float(means[place]),
            behind=float(behind[place]),
            error=float(error[place]),
            knee=int(place == knee),
            test=shown.mean,
            low=shown.low,
            high=shown.high,
            difference=to_none.difference if to_none else np.nan,
            difference_low=to_none.low if to_none else np.nan,
            difference_high=to_none.high if to_none else np.nan,
        )


def _to_none(
    ladder: Ladder, study: StoredStudy, metric: Metric, test: Scores
) -> dict[str, Comparison]:
    none, *others = ladder.doses
    if ladder.doses[none] > 0:
        return {}
    return {
        row.method: row
        for row in compare_pairs([(one, none) for one in others], metric, study, test)
    }


def fall_behind(
    values: Values, draws: Values, splits: NDArray[np.int64], *, better: float = 1.0
) -> tuple[Values, Values, Values]:
    """Give each dose's mean, how far it is behind the best mean, and the standard error of that, (doses,) each.

    The error has both parts of `metrics.statistics.paired_test`: the runs (splits, with their seeds averaged; seeds
    where there is one split; left out where there is one run) and the draws of patients.

    Args:
        values: (doses, runs) finite.
        draws: (doses, runs, b) the same under b draws of patients.
        splits: (runs,) split of each run.
        better: 1 where high values are good, -1 where low ones are.
    """
    means = values.mean(axis=1)
    best = int(np.argmax(better * means))
    units = np.stack([unit_means(better * (values[best] - one), splits) for one in values])
    between = (
        units.var(axis=1, ddof=1) / units.shape[1] if units.shape[1] > 1 else np.zeros(len(values))
    )
    drawn = [mean_known(unit_means(draws[best] - one, splits)) for one in draws]
    within = np.array(
        [np.nanvar(one, ddof=1) if np.isfinite(one).sum() > 1 else 0.0 for one in drawn]
    )
    return means, better * (means[best] - means), np.sqrt(between + within)
