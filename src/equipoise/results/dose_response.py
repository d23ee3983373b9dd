"""Score against dose of synthetic images, none included, and the dose to stop at: `dose.csv`."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from equipoise.metrics.base import Metric, Predictions, Values
from equipoise.metrics.classification import METRICS, recalls
from equipoise.metrics.statistics import mean_known, unit_means
from equipoise.results.bootstrap_scores import N_DRAWS, BootstrapScores, score
from equipoise.results.comparison import compare_pairs
from equipoise.results.ladders import Ladder, find_ladders
from equipoise.results.method_tables import summarize_runs
from equipoise.results.records import Comparison
from equipoise.runs.csv_records import write_rows
from equipoise.runs.image_run import ImageRun


@dataclass(frozen=True, kw_only=True)
class DoseRow:
    """One dose on one metric; scores are means over the runs (split, seed) that all doses have.

    Attributes:
        base: Name of the methods before their dose.
        unit: "share" (synthetic images for each real one) or "per_class" (synthetic images of each
            class).
        dose: 0 and more.
        metric: The metric on which the verdict rests, or "recall" of the class.
        class_name: Empty for the former.
        validation: On the validation images, by which a dose is chosen.
        behind: How much worse than the best dose there, at least 0.
        error: Standard error of that.
        knee: 1 for the smallest dose that is behind by at most `error`, else 0.
        test: On the test images.
        low: Lower end of its 95 % interval over test patients.
        high: Upper end.
        difference: On the test images, this dose minus none; NaN where no method of the run adds
            none.
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


def dose_response(run: ImageRun, *, n_draws: int = N_DRAWS) -> list[DoseRow]:
    """Compute the decisive metric and the recall of each class against dose; [] without doses.

    The knee is chosen by the rule of one standard error on the validation images, never on test
    images.

    Source: Breiman et al. (1984), section 3.4.3. Difference: their error is that of the best mean;
    this one is the error of the difference to it, paired over the runs, under bootstrap draws of
    the validation patients. What all doses share in a split would make every dose look alike.
    Nothing is smoothed: a curve through few doses would show the smoother's shape.
    """
    recall = METRICS["rare_recall"]
    metrics = {"": run.decisive_metric}
    for label, class_name in enumerate(run.class_names):
        name = f"recall of {class_name}"
        metrics[class_name] = replace(recall, name=name, rule=partial(_recall_of, label))
    by_name = {metric.name: metric for metric in metrics.values()}
    rows: list[DoseRow] = []
    for ladder in find_ladders(run.description.methods):
        shared = run.shared_by(list(ladder.doses))
        if not shared.finished:
            continue
        test = score(shared, metrics=by_name, n_draws=n_draws)
        held_out = shared.on_validation()
        validation = score(held_out, metrics=by_name, n_draws=n_draws, intervals=False)
        for class_name, metric in metrics.items():
            rows += _curve(ladder, shared, class_name, metric, validation=validation, test=test)
    return rows


def write_dose(rows: Sequence[DoseRow], folder: Path) -> None:
    """Write `dose.csv`; nothing where there are no rows."""
    if rows:
        write_rows(folder / "dose.csv", DoseRow, rows)


def fall_behind(
    values: Values, draws: Values, splits: NDArray[np.int64], *, better: float = 1.0
) -> tuple[Values, Values, Values]:
    """Compute each dose's mean, how far it is behind the best mean, and the standard error of that.

    The error has both parts of `metrics.statistics.paired_test`: the runs (splits, with their seeds
    averaged; seeds where there is one split; left out where there is one run) and the draws of
    patients.

    Args:
        values: (doses, runs) finite.
        draws: (doses, runs, b) the same under b draws of patients.
        splits: (runs,) split of each run.
        better: 1 where high values are good, -1 where low ones are.

    Returns:
        Three arrays (doses,).
    """
    means = values.mean(axis=1)
    best = int(np.argmax(better * means))
    units = np.stack([unit_means(better * (values[best] - dose), splits) for dose in values])
    n_units = units.shape[1]
    between = units.var(axis=1, ddof=1) / n_units if n_units > 1 else np.zeros(len(values))
    within = np.zeros(len(values))
    for row, dose in enumerate(draws):
        differences = mean_known(unit_means(draws[best] - dose, splits))  # (b,)
        if np.isfinite(differences).sum() > 1:
            within[row] = np.nanvar(differences, ddof=1)
    return means, better * (means[best] - means), np.sqrt(between + within)


def _recall_of(label: int, p: Predictions) -> Values:
    return np.asarray(recalls(p)[:, label])


def _curve(
    ladder: Ladder,
    run: ImageRun,
    class_name: str,
    metric: Metric,
    *,
    validation: BootstrapScores,
    test: BootstrapScores,
) -> Iterator[DoseRow]:
    """Yield the rows of one metric; none where no run's validation images have the class."""
    n_doses = len(ladder.doses)
    values = validation.values[metric.name].reshape(n_doses, -1)  # (doses, runs)
    n_runs = values.shape[1]
    defined = np.isfinite(values).all(axis=0)
    if not defined.any():
        return
    draws = validation.draws[metric.name]
    draws = draws.reshape(n_doses, n_runs, draws.shape[-1])[:, defined]  # (doses, runs, b)
    names = [cell.cell.split for cell in run.finished]
    _, codes = np.unique(names, return_inverse=True)
    splits = codes.astype(np.int64).reshape(n_doses, n_runs)[0, defined]
    better = 1.0 if metric.higher_is_better else -1.0
    means, behind, error = fall_behind(values[:, defined], draws, splits, better=better)
    knee = int(np.flatnonzero(behind <= error)[0])
    to_none = _differences_to_none(ladder, run, metric, test)
    for i, (method, dose) in enumerate(ladder.doses.items()):
        rows = slice(i * n_runs, (i + 1) * n_runs)
        summary = summarize_runs(
            test.values[metric.name][rows], test.posterior[metric.name][method]
        )
        difference = to_none.get(method)
        yield DoseRow(
            base=ladder.base,
            unit=ladder.unit,
            dose=dose,
            method=method,
            metric="recall" if class_name else metric.name,
            class_name=class_name,
            n_runs=int(defined.sum()),
            validation=float(means[i]),
            behind=float(behind[i]),
            error=float(error[i]),
            knee=int(i == knee),
            test=summary.mean,
            low=summary.low,
            high=summary.high,
            difference=difference.difference if difference else np.nan,
            difference_low=difference.low if difference else np.nan,
            difference_high=difference.high if difference else np.nan,
        )


def _differences_to_none(
    ladder: Ladder, run: ImageRun, metric: Metric, test: BootstrapScores
) -> dict[str, Comparison]:
    none, *doses = ladder.doses
    if ladder.doses[none] > 0:
        return {}
    rows = compare_pairs([(method, none) for method in doses], metric, run, test)
    return {row.method: row for row in rows}
