"""Do synthetic images help more than controls that cost nothing?

The best method that adds synthetic images is compared with each control that adds none.
"""

from collections.abc import Sequence

import numpy as np

from equipoise.experiments.protocol import STRONG_CONTROLS
from equipoise.metrics.classification import METRICS
from equipoise.results.best_method import best_first
from equipoise.results.bootstrap_scores import BootstrapScores
from equipoise.results.comparison import compare_pairs
from equipoise.results.phrases import effects, with_verdict
from equipoise.results.records import RANKING, Comparison, Contest
from equipoise.results.replay import replays
from equipoise.runs.image_run import ImageRun


def hold_contest(run: ImageRun, scores: BootstrapScores) -> Contest | None:
    """Compare the champion with every control; None without methods that add images, or controls.

    The champion has the best mean primary metric on the VALIDATION images; it is compared on the
    test images. Choosing and testing on the same images would favor the side with more methods.
    """
    finished = {cell.cell.method for cell in run.finished} - {*run.adding, run.baseline}
    controls = [name for name in run.methods if name in finished]
    strong = {*STRONG_CONTROLS, *replays(run.description)}
    controls = [name for name in controls if name in strong] or controls
    if not (run.adding and controls):
        return None
    metric, means = METRICS[run.primary_metric], {}
    for method in run.adding:
        values = np.array([metric.rule(cell.validation)[0] for cell in run.cells_of(method)])
        defined = values[np.isfinite(values)]
        means[method] = float(np.mean(defined)) if len(defined) else np.nan
    champion = best_first(metric, means)[0]
    pairs = [(champion, control) for control in controls]
    decisive = compare_pairs(pairs, metric, run, scores)
    rows = list(decisive)
    if metric.name != RANKING:
        rows += compare_pairs(pairs, METRICS[RANKING], run, scores)
    return Contest(
        champion=champion,
        n_challengers=len(run.adding),
        controls=tuple(controls),
        rows=tuple(rows),
        sentence=_sentence(champion, decisive, run),
    )


def _sentence(champion: str, rows: Sequence[Comparison], run: ImageRun) -> str:
    label, n = METRICS[run.primary_metric].label, len(run.adding)
    choice = "the only such arm" if n == 1 else f"of {n} such arms the best on validation"
    better = with_verdict("better", rows)
    not_better = [row for row in rows if row not in better]
    if not not_better:
        return (
            f"Synthetic images beat every cheap control in {label}: {champion}, {choice}, "
            f"gains {_over(better)}."
        )
    text = (
        f"Synthetic images do not detectably beat every cheap control in {label}: "
        f"{champion}, {choice}, minus {_over(not_better)}"
    )
    return f"{text}; it does beat {_over(better)}." if better else f"{text}."


def _over(rows: Sequence[Comparison]) -> str:
    return effects(rows, lambda row: row.baseline)
