"""Classifiers that give every image the same score, or call nearly every image the same."""

from collections.abc import Collection, Iterator, Sequence

import numpy as np

from equipoise.arrays import Scores
from equipoise.metrics.base import Predictions
from equipoise.results.checkpoints import BEST, policy_of
from equipoise.results.phrases import listed
from equipoise.results.records import Results
from equipoise.results.regime.warning import (
    ADEQUATE,
    RegimeWarning,
    by_options,
    in_runs,
    more_steps,
    named,
    steps_of,
)
from equipoise.runs.description import StudyDescription
from equipoise.runs.image_run import FinishedCell, ImageRun

# Untrained networks reach 0.002 to 0.09 (LDAM, which scales its logits by 30), trained ones of the
# demo and of real films and cells 0.3 to 3.
LEAST_SPREAD = 0.1
TINY = 1e-9  # probabilities of 0 and 1 have no log-odds
RARELY = 0.05  # recall or specificity at the usual threshold
OWN_THRESHOLD = "decide at its own threshold (thresholds.csv, equipoise predict --own-thresholds)"
LONGER = 4  # times as many steps


def spread_of_scores(predictions: Predictions) -> float:
    """Measure how much the scores vary between images, whatever their level.

    The standard deviation of the log-odds of a class, with every true class of equal weight; the
    largest over the classes. Log-odds, because a rare class may have small probabilities that still
    vary by factors; equal weights, because a good classifier of a class that is 1 in 1,000 gives
    999 images nearly the same score.

    Example:
        >>> scores = np.array([[0.9, 0.1], [0.9, 0.1], [0.5, 0.5]])
        >>> labels = np.array([0, 0, 1])
        >>> round(spread_of_scores(Predictions(y_true=labels, y_score=scores, positive=1)), 2)
        1.1
    """
    counts = np.bincount(predictions.y_true)
    weights = 1.0 / (counts[predictions.y_true] * np.count_nonzero(counts))  # (n,), sum 1
    log_odds = _log_odds(predictions.y_score)  # (n, k)
    variance = weights @ (log_odds - weights @ log_odds) ** 2
    return float(np.sqrt(variance.max()))


def constant_scores(images: ImageRun) -> Iterator[RegimeWarning]:
    """Yield which methods give every test image nearly the same score, in any run."""
    cells: list[FinishedCell] = []
    labels: list[str] = []
    unusable: list[str] = []
    for method in images.methods:
        of_method = images.cells_of(method)
        constant = [cell for cell in of_method if is_constant(cell.predictions)]
        if constant:
            cells += constant
            labels.append(f"{method}{in_runs(len(constant), len(of_method))}")
        if 2 * len(constant) > len(of_method):
            unusable.append(method)
    if not cells:
        return
    least = min(spread_of_scores(cell.predictions) for cell in cells)
    other_weights = _other_weights(cells, images.description)
    n_steps = max(steps_of(images.description, cell.cell.method) for cell in cells)
    n_steps = max(LONGER * n_steps, ADEQUATE)
    yield RegimeWarning(
        kind="constant scores",
        methods=tuple(dict.fromkeys(cell.cell.method for cell in cells)),
        unusable=tuple(unusable),
        numbers={"spread of log-odds": least},
        problem=(
            f"the scores of {named(labels)} hardly differ between test images (their odds vary by "
            f"{100 * least:.1f} %)"
        ),
        change=other_weights or more_steps(n_steps, images.description),
        steps=0 if other_weights else n_steps,
    )


def is_constant(predictions: Predictions) -> bool:
    """Return whether the scores hardly vary between images."""
    return spread_of_scores(predictions) < LEAST_SPREAD


def one_class_called(
    images: ImageRun, results: Results, *, ignored: Collection[str] = ()
) -> Iterator[RegimeWarning]:
    """Yield which methods call hardly any image positive at the usual threshold, or nearly all.

    Where the scores rank the images well, the operating point is wrong and not the classifier.

    Args:
        images: The finished cells.
        results: Their tables.
        ignored: Methods that are not looked at, because their scores rank no better than chance.
    """
    rare = images.class_names[results.rare_class]
    never: list[str] = []
    always: list[str] = []
    for row in results.methods:
        if row.method in ignored or not row.n_runs:
            continue
        recall, specificity = row.metrics["rare_recall"], row.metrics["rare_specificity"]
        if recall.mean <= RARELY:
            never.append(row.method)
        elif specificity.mean <= RARELY:
            always.append(row.method)
    clauses = []
    if never:
        clauses.append(f"nearly every test image of {rare} is missed by {named(never)}")
    if always:
        clauses.append(f"nearly every test image is called {rare} by {named(always)}")
    if clauses:
        yield RegimeWarning(
            kind="one class called",
            methods=(*never, *always),
            problem=f"at the usual threshold (largest probability) {listed(clauses)}",
            change=OWN_THRESHOLD,
        )


def _other_weights(cells: Sequence[FinishedCell], description: StudyDescription) -> str:
    """Advise the other checkpoint policy if the scores of the same trainings vary under it."""
    for cell in cells:
        if cell.other is None or is_constant(cell.other):
            return ""
    policies = {policy_of(method) for method in description.methods}
    if policies != {BEST}:
        return ""
    if by_options(description):
        return "keep the last weights, averaged (--checkpoint last), whose scores vary"
    return "keep the last weights, averaged (checkpoint='last'), whose scores vary"


def _log_odds(scores: Scores) -> Scores:
    clipped = np.clip(scores, TINY, 1 - TINY)
    return np.asarray(np.log(clipped) - np.log1p(-clipped))
