"""What the textbook's tests say of every method against the baseline, beside our own verdict."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from equipoise.atomic import read_json
from equipoise.experiments.comparison import RANKING, Comparison, Word, judge
from equipoise.experiments.pairwise_tests import SPEAKS_OF, TESTS, Answer, pairs_of
from equipoise.experiments.rows import write_rows
from equipoise.experiments.stored import read_study
from equipoise.metrics.classic_tests import majority_p
from equipoise.metrics.classification import METRICS
from equipoise.metrics.statistics import PairedTest, holm

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
        for metric in [SPEAKS_OF[test]] if test in SPEAKS_OF else dict.fromkeys((study.primary_metric, RANKING)):
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
