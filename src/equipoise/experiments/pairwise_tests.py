"""The textbook's tests on the stored predictions of a method and the baseline: a p value for each split, or one."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from equipoise.experiments.comparison import RANKING
from equipoise.experiments.stored import Finished, StoredStudy
from equipoise.metrics.base import Predictions
from equipoise.metrics.classic_tests import FEWEST_PAIRS, corrected_t, mcnemar, signed_ranks
from equipoise.metrics.classification import METRICS
from equipoise.metrics.delong import FEWEST, compare_areas

Values = NDArray[np.float64]
Pairs = Mapping[str, Sequence[tuple[Finished, Finished]]]  # split -> (method, baseline) of each common seed


@dataclass(frozen=True)
class Answer:
    """A mean difference and the p values behind it: one for each split that was tested, one for all, or none."""

    difference: float = math.nan
    p: tuple[float, ...] = ()


Ask = Callable[[Pairs, str, float], Answer]  # pairs, name of a metric, n_test / n_train


def pairs_of(study: StoredStudy, method: str) -> Pairs:
    """Pair the finished cells of a method and of the baseline that share split and seed."""
    known = {(one.cell.method, one.cell.split, one.cell.seed): one for one in study.finished}
    pairs: dict[str, list[tuple[Finished, Finished]]] = {}
    for (name, split, seed), one in known.items():
        if name == method and (study.baseline, split, seed) in known:
            pairs.setdefault(split, []).append((one, known[study.baseline, split, seed]))
    return pairs


def _delong(pairs: Pairs, _metric: str, _ratio: float) -> Answer:
    """Ask DeLong on each split whose classes have two images."""
    tests = [compare_areas(ours, theirs) for ours, theirs in map(_averaged, pairs.values()) if _testable(ours)]
    return join_splits([test.difference for test in tests], [test.p for test in tests])


def _testable(predictions: Predictions) -> bool:
    return bool((np.bincount(predictions.y_true, minlength=predictions.n_classes) >= FEWEST).all())


def _mcnemar(pairs: Pairs, _metric: str, _ratio: float) -> Answer:
    """Ask McNemar on each split; a call is the class with the largest score."""
    differences, p = [], []
    for both in map(_averaged, pairs.values()):
        ours, theirs = (one.y_score.argmax(axis=1) == one.y_true for one in both)
        test = mcnemar(ours, theirs)
        differences.append((test.only_first - test.only_second) / len(ours))
        p.append(test.p)
    return join_splits(differences, p)


def _averaged(runs: Sequence[tuple[Finished, Finished]]) -> tuple[Predictions, Predictions]:
    """Average the scores over the seeds of a split: one answer for each image, so that no image counts twice.

    The alternatives are worse: one test for each seed would need another combination of dependent p values, and
    stacking the seeds would treat three answers about one patient as three patients.
    """
    ours, theirs = ([run.predictions for run in side] for side in zip(*runs, strict=True))
    return _mean(ours), _mean(theirs)


def _mean(predictions: Sequence[Predictions]) -> Predictions:
    return replace(predictions[0], y_score=np.mean([one.y_score for one in predictions], axis=0))


def join_splits(differences: Sequence[float], p: Sequence[float]) -> Answer:
    """Join splits; one that points the other way than the mean does not support it, whatever its own p value."""
    if not differences:
        return Answer()
    mean = float(np.mean(differences))
    known = [(d, value) for d, value in zip(differences, p, strict=True) if math.isfinite(value)]
    return Answer(mean, tuple(value if d * mean > 0 else 1.0 for d, value in known))


def _wilcoxon(pairs: Pairs, metric: str, _ratio: float) -> Answer:
    """Ask Wilcoxon about all runs."""
    differences = np.array([d for values in _differences(pairs, metric) for d in values])
    enough = len(differences) >= FEWEST_PAIRS
    return Answer(_mean_of(differences), (signed_ranks(differences),) if enough else ())


def _corrected_t(pairs: Pairs, metric: str, ratio: float) -> Answer:
    """Ask the corrected t test about the splits, seeds averaged."""
    means = np.array([values.mean() for values in _differences(pairs, metric)])
    return Answer(_mean_of(means), (corrected_t(means, ratio=ratio),) if len(means) > 1 else ())


def _differences(pairs: Pairs, metric: str) -> list[Values]:
    """Give for each split the differences of its seeds, without splits that lack a class."""
    rule = METRICS[metric].rule
    values = [
        np.array([(rule(ours.predictions) - rule(theirs.predictions))[0] for ours, theirs in runs])
        for runs in pairs.values()
    ]
    return [found for found in values if np.isfinite(found).all()]


def _mean_of(values: Values) -> float:
    return float(values.mean()) if len(values) else math.nan


TESTS: dict[str, Ask] = {"delong": _delong, "mcnemar": _mcnemar, "wilcoxon": _wilcoxon, "corrected_t": _corrected_t}
SPEAKS_OF = {"delong": RANKING, "mcnemar": "accuracy"}  # the others speak of any metric
