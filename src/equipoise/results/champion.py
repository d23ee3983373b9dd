"""Do synthetic images help more than what costs nothing? The best arm that adds some against the cheap controls."""

from dataclasses import dataclass

import numpy as np

from equipoise.experiments.methods.catalogue import STRONG_CONTROLS
from equipoise.metrics.classification import METRICS
from equipoise.results.bootstrap_scores import Scores
from equipoise.results.comparison import RANKING, Comparison, compare_pairs
from equipoise.results.image_verdict import effects, with_verdict
from equipoise.runs.image_run import StoredStudy


@dataclass(frozen=True, kw_only=True)
class Contest:
    """The best method that adds synthetic images, chosen on validation images, against each control.

    Attributes:
        champion: That method.
        n_challengers: Number of methods that add synthetic images.
        controls: Methods that add none: those of `STRONG_CONTROLS`, or where there is none all but the baseline.
        rows: Champion minus control on the primary metric and on one without threshold, Holm within each.
        sentence: The outcome on the primary metric.
    """

    champion: str
    n_challengers: int
    controls: tuple[str, ...]
    rows: tuple[Comparison, ...]
    sentence: str


def hold_contest(study: StoredStudy, scores: Scores) -> Contest | None:
    """Compare the champion with every control; None where nothing adds images, or there is no control.

    The champion has the best mean primary metric on the VALIDATION images; the comparison is made on the test
    images. Choosing and testing on the same images would favor the side with more arms.
    """
    controls = _controls(study)
    if not (study.adding and controls):
        return None
    champion = _best_on_validation(study)
    metrics = dict.fromkeys((study.primary_metric, RANKING))
    pairs = [(champion, control) for control in controls]
    rows = [row for name in metrics for row in compare_pairs(pairs, METRICS[name], study, scores)]
    decisive = [row for row in rows if row.metric == study.primary_metric]
    return Contest(
        champion=champion,
        n_challengers=len(study.adding),
        controls=controls,
        rows=tuple(rows),
        sentence=_sentence(champion, decisive, study),
    )


def _controls(study: StoredStudy) -> tuple[str, ...]:
    without = [
        name for name in study.methods if name not in study.adding and name != study.baseline
    ]
    finished = {one.cell.method for one in study.finished}
    known = [name for name in without if name in finished]
    return tuple([name for name in known if name in STRONG_CONTROLS] or known)


def _best_on_validation(study: StoredStudy) -> str:
    metric = METRICS[study.primary_metric]
    sign = 1.0 if metric.higher_is_better else -1.0

    def mean(name: str) -> float:
        runs = [metric.rule(one.validation)[0] for one in study.finished if one.cell.method == name]
        known = [value for value in runs if np.isfinite(value)]
        return sign * float(np.mean(known)) if known else -np.inf

    return max(study.adding, key=mean)


def _sentence(champion: str, rows: list[Comparison], study: StoredStudy) -> str:
    label = METRICS[study.primary_metric].label
    n = len(study.adding)
    who = (
        f"{champion}, the only such arm,"
        if n == 1
        else f"{champion}, of {n} such arms the best on validation,"
    )
    better = with_verdict("better", rows)
    others = [row for row in rows if row not in better]
    if not others:
        return f"Synthetic images beat every cheap control in {label}: {who} gains {_over(better)}."
    text = f"Synthetic images do not detectably beat every cheap control in {label}: {who} minus {_over(others)}"
    return f"{text}; it does beat {_over(better)}." if better else f"{text}."


def _over(rows: list[Comparison]) -> str:
    return effects(rows, lambda row: row.baseline)
