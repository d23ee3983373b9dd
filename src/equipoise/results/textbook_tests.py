"""The textbook's tests on the stored predictions of a method and the baseline: a p value for each split, or one."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from equipoise.atomic import read_json
from equipoise.metrics.base import Predictions
from equipoise.metrics.classic_tests import (
    FEWEST_PAIRS,
    corrected_t,
    majority_p,
    mcnemar,
    signed_ranks,
)
from equipoise.metrics.classification import METRICS
from equipoise.metrics.delong import FEWEST, compare_areas
from equipoise.metrics.statistics import PairedTest, holm
from equipoise.results.comparison import RANKING, Comparison, Word, judge
from equipoise.runs.csv_records import write_rows
from equipoise.runs.image_run import Finished, StoredStudy, read_study

Values = NDArray[np.float64]
Pairs = Mapping[
    str, Sequence[tuple[Finished, Finished]]
]  # split -> (method, baseline) of each common seed


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
    tests = [
        compare_areas(ours, theirs)
        for ours, theirs in map(_averaged, pairs.values())
        if _testable(ours)
    ]
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


TESTS: dict[str, Ask] = {
    "delong": _delong,
    "mcnemar": _mcnemar,
    "wilcoxon": _wilcoxon,
    "corrected_t": _corrected_t,
}
SPEAKS_OF = {"delong": RANKING, "mcnemar": "accuracy"}  # the others speak of any metric


FILE = "second_opinions.csv"
NO_ANSWER = "not enough runs"


@dataclass(frozen=True, kw_only=True)
class Opinion:
    """One test of one method against the baseline.

    Attributes:
        test: Key of `TESTS`.
        metric: What the test speaks of.
        difference: Mean of method minus baseline over splits (DeLong, McNemar: seeds averaged first) or runs.
        p: Two-sided p value, see `majority_p`; NaN where the test has too little to work with.
        p_low: Smallest p value of a split; equal to `p` where the test takes all runs at once.
        p_high: Largest.
        p_holm: `p` corrected over the methods.
        verdict: What follows from `p_holm`.
        ours: Our own verdict: on the same metric, for McNemar on the primary one.
        agreement: "agrees", "differs", or "no answer" where one of the two could not be asked.
    """

    method: str
    baseline: str
    test: str
    metric: str
    difference: float
    p: float
    p_low: float
    p_high: float
    p_holm: float
    verdict: Word
    ours: Word
    agreement: str


def second_opinions(folder: Path, comparisons: Sequence[Comparison]) -> list[Opinion]:
    """Ask every test of `TESTS` about every method of a run.

    Args:
        folder: The run.
        comparisons: Our own, of `summarize`.

    Raises:
        DataError: No run folder, or cells of one split were tested on different images.
    """
    study, ratio = read_study(Path(folder)), _ratio(Path(folder))
    pairs = {name: pairs_of(study, name) for name in study.methods if name != study.baseline}
    opinions: list[Opinion] = []
    for test, ask in TESTS.items():
        for metric in (
            [SPEAKS_OF[test]]
            if test in SPEAKS_OF
            else dict.fromkeys((study.primary_metric, RANKING))
        ):
            answers = {name: ask(found, metric, ratio) for name, found in pairs.items()}
            on = metric if metric in (study.primary_metric, RANKING) else study.primary_metric
            ours = {row.method: row for row in comparisons if row.metric == on}
            opinions += _opinions(test, metric, answers, ours)
    return opinions


def write_second_opinions(folder: Path, comparisons: Sequence[Comparison]) -> None:
    """Write second_opinions.csv into the folder of a run: the same bytes for the same predictions."""
    write_rows(Path(folder) / FILE, Opinion, second_opinions(folder, comparisons))


def _ratio(folder: Path) -> float:
    """Give n_test / n_train, the mean over the splits."""
    splits = read_json(folder / "study.json")["splits"]
    return float(np.mean([split["test"] / split["train"] for split in splits]))


def _opinions(
    test: str, metric: str, answers: Mapping[str, Answer], ours: Mapping[str, Comparison]
) -> Iterator[Opinion]:
    """Join the splits of each method, correct over the methods, and hold each verdict against ours."""
    p = [majority_p(np.array(answer.p)) if answer.p else math.nan for answer in answers.values()]
    for (name, answer), value, corrected in zip(answers.items(), p, holm(p), strict=True):
        verdict = judge(PairedTest(difference=answer.difference), corrected, METRICS[metric])
        yield Opinion(
            method=name,
            baseline=ours[name].baseline,
            test=test,
            metric=metric,
            difference=answer.difference,
            p=value,
            p_low=min(answer.p, default=math.nan),
            p_high=max(answer.p, default=math.nan),
            p_holm=corrected,
            verdict=verdict,
            ours=ours[name].verdict,
            agreement=_agreement(verdict, ours[name].verdict),
        )


def _agreement(theirs: Word, ours: Word) -> str:
    if NO_ANSWER in (theirs, ours):
        return "no answer"
    return "agrees" if theirs == ours else "differs"
