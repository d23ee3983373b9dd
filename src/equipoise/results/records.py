"""The results of a run as records: summaries, comparisons, the contest."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from equipoise.metrics.base import Metric
from equipoise.metrics.classification import METRICS
from equipoise.runs.cell_record import FailedCellRecord

VerdictWord = Literal[
    "better", "worse", "no detectable difference", "not enough runs", "no variation"
]
ChoiceBasis = Literal["other seeds", "other splits", "own"]
UNTESTED: tuple[VerdictWord, VerdictWord] = ("not enough runs", "no variation")
JudgmentWord = VerdictWord | Literal["ranks better", "mixed", "moves the operating point"]

RANKING = "auroc"  # compared beside the primary metric: no threshold changes it
HEADLINE = ("auroc", "auprc", "balanced_accuracy", "rare_recall", "rare_precision", "macro_f1")


@dataclass(frozen=True, kw_only=True)
class Summary:
    """One metric of one method.

    Attributes:
        mean: Mean over the runs where the metric is defined; NaN without one.
        sd: Standard deviation over those runs; NaN below two.
        low: Lower end of the 95 % interval of the mean, for other test patients
            (`equipoise.metrics.intervals`; of volumes a t interval). It does not include the
            variance between trainings.
        high: Upper end.
        n_runs: Number of those runs.
    """

    mean: float
    sd: float
    low: float
    high: float
    n_runs: int


@dataclass(frozen=True, kw_only=True)
class ClassRow:
    """One class of one method: means over the runs that have the class; NaN where none has.

    Attributes:
        support: Test images of the class, each split counted once.
    """

    name: str
    precision: float
    recall: float
    specificity: float
    f1: float
    auroc: float
    auprc: float
    support: int


@dataclass(frozen=True, kw_only=True)
class MethodResult:
    """All results of one method.

    Attributes:
        metrics: {name of metric: summary}, for every metric in `Results.metrics`.
        per_class: A row for each class; empty where no run finished.
        confusion: (k, k) counts summed over the runs; rows are the truth, columns the prediction.
        seconds: {stage: mean over the runs}.
        peak_memory_mb: Largest over the runs; NaN where none finished.
    """

    method: str
    n_runs: int
    n_failed: int
    metrics: Mapping[str, Summary]
    per_class: tuple[ClassRow, ...]
    confusion: NDArray[np.int64]
    seconds: Mapping[str, float]
    peak_memory_mb: float


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """One method against the baseline on one metric, paired over splits and seeds.

    Attributes:
        difference: Mean of method minus baseline; NaN without a common run.
        low: Lower end of its 95 % interval, not corrected for the number of comparisons, and not
            beyond the largest possible difference.
        high: Upper end.
        p: Two-sided p value.
        p_holm: The same, corrected over the family of comparisons (`conclude_family`).
        verdict: "better" and "worse" only where `p_holm` < 0.05. "no variation": the difference is
            the same in every run, 0 if both methods score the same, and no test patient moves it.
        detectable: Smallest true difference that would have been found with 80 % power,
            correction included; infinite where it would exceed the range of the metric.
        n_runs: Runs (split, seed) that both have.

    See Also:
        `equipoise.metrics.statistics.paired_test`, which computes it for images.
    """

    method: str
    baseline: str
    metric: str
    difference: float
    low: float
    high: float
    p: float
    p_holm: float
    verdict: VerdictWord
    detectable: float
    n_runs: int


@dataclass(frozen=True, kw_only=True)
class Judgment:
    """What is said of a method, from its comparisons with the baseline.

    Attributes:
        word: "better" and "worse" speak of the decisive metric or of the ranking; "mixed" where one
            is better and the other worse. "ranks better": in AUROC alone. "moves the operating
            point": the calls at the usual threshold differ, and at own thresholds and in ranking no
            difference is detected. The other words as in `Comparison`.
        decisive: Each at its own threshold; see `Results.decisive_metric`.
        ranking: On `RANKING`.
        as_trained: On the primary metric at the usual threshold; None where that is the decisive
            one.
    """

    method: str
    word: JudgmentWord
    decisive: Comparison
    ranking: Comparison
    as_trained: Comparison | None


@dataclass(frozen=True, kw_only=True)
class Contest:
    """A method that adds synthetic images, chosen on validation images, against each control.

    Attributes:
        champion: The method that was chosen in most runs, the first requested of equally many.
        chosen: {method: number of runs (split, seed) in which it was chosen and compared}.
        basis: Whose validation images chose: those of the other seeds of the split, of the other
            splits (a single seed), or of the compared training itself (a single run).
        n_challengers: Number of methods that add synthetic images.
        controls: Methods that add none: those of `STRONG_CONTROLS`, or where there is none all but
            the baseline.
        rows: The chosen method minus each control, on the decisive metric and on `RANKING`, one
            family for Holm. Their method is the champion if it was chosen in every run, else "the
            chosen generator".
        sentence: The outcome on the decisive metric.
    """

    champion: str
    chosen: Mapping[str, int]
    basis: ChoiceBasis
    n_challengers: int
    controls: tuple[str, ...]
    rows: tuple[Comparison, ...]
    sentence: str


@dataclass(frozen=True, kw_only=True)
class Results:
    """Everything that tables, terminal and report show.

    Attributes:
        decisive_metric: Name of the metric on which the verdict rests: the primary one with every
            method at its own threshold, `equipoise.metrics.decisions.decided_metric`; of volumes
            the primary one.
        n_splits: Number of splits that the study requested.
        verdict: Two sentences; see `equipoise.results.image_verdict.sentences`.
        judgments: A word for every method but the baseline; empty for volumes.
        failures: The records of the failed cells.
        rare_class: Index of the positive class.
        test_patients: Patients of each class among the test images of all splits.
        n_requested: Number of requested cells.
        n_missing: Of these, neither finished nor failed yet.
        contest: Synthetic images against the cheap controls; None where the study lacks either.
        task: "classification" or "segmentation".
        metrics: Every metric in the tables, by name.
        headline: Names of those that a reader sees first.
        unit: What `test_patients` counts, see `StudyDescription.unit`.
    """

    methods: tuple[MethodResult, ...]
    comparisons: tuple[Comparison, ...]
    verdict: tuple[str, str]
    failures: tuple[FailedCellRecord, ...]
    class_names: tuple[str, ...]
    rare_class: int
    baseline: str
    primary_metric: str
    decisive_metric: str
    n_splits: int
    test_patients: tuple[int, ...]
    n_requested: int
    n_missing: int
    judgments: tuple[Judgment, ...] = ()
    contest: Contest | None = None
    task: str = "classification"
    metrics: Mapping[str, Metric] = field(default_factory=lambda: METRICS)
    headline: tuple[str, ...] = HEADLINE
    unit: str = "patient"

    def compared_on(self, metric: str) -> list[Comparison]:
        """Return the comparisons on a metric."""
        return [row for row in self.comparisons if row.metric == metric]
