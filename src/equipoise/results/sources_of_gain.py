"""How much of a study's AUROC its features give, and how much rebalancing."""

import math

import numpy as np

from equipoise.metrics.classification import METRICS
from equipoise.metrics.statistics import mean_known
from equipoise.results.best_method import best_first
from equipoise.results.records import RANKING, Results
from equipoise.results.reference import LABELS, ReferenceResults
from equipoise.runs.image_run import ImageRun

SIMPLEST = "statistics"  # features that no network computes


def sources_of_gain(reference: ReferenceResults, results: Results, run: ImageRun) -> str:
    """Set what the features give beside what rebalancing gives, both in AUROC, as a sentence.

    The first is the baseline minus a logistic regression on simple statistics of the images, the
    second a method minus the baseline: the method with the best AUROC on the validation images,
    because the best of many on the test images would win by chance.

    Returns:
        The sentence; "" where the reference or a method is missing.
    """
    comparisons = {row.method: row for row in results.compared_on(RANKING) if row.n_runs}
    of_baseline = None
    for gain in reference.gains:
        if gain.features == SIMPLEST and gain.method == results.baseline:
            of_baseline = gain
    if of_baseline is None or not comparisons:
        return ""
    chosen = _best_on_validation(list(comparisons), run)
    row = comparisons[chosen]
    if not math.isfinite(row.low):
        return ""
    of_many = f" (of {len(comparisons)} methods the best on validation)"
    return (
        f"Of the AUROC of {of_baseline.auroc:.3f}, the features that {results.baseline} uses give "
        f"{-of_baseline.difference:+.3f} [{-of_baseline.high:+.3f}, {-of_baseline.low:+.3f}] over "
        f"a logistic regression on {LABELS[SIMPLEST]}; rebalancing gives {row.difference:+.3f} "
        f"[{row.low:+.3f}, {row.high:+.3f}] more, with {chosen}"
        f"{of_many if len(comparisons) > 1 else ''}."
    )


def _best_on_validation(methods: list[str], run: ImageRun) -> str:
    metric = METRICS[RANKING]
    on_validation = run.on_validation()
    means = {}
    for method in methods:
        cells = on_validation.cells_of(method)
        values = [cell.value_of(metric) for cell in cells]
        means[method] = float(mean_known(np.array(values))) if values else math.nan
    return best_first(metric, means)[0]
