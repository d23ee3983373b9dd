"""Are the probabilities of a method what they say, as trained and after what validation images can mend?"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from equipoise.arrays import Scores
from equipoise.metrics.base import Predictions
from equipoise.metrics.calibration import EDGES, fit_temperature, reliability, scale_temperature
from equipoise.metrics.classification import METRICS
from equipoise.metrics.operating import Tuning
from equipoise.runs.cell import Cell
from equipoise.runs.image_run import Finished, StoredStudy

VERSIONS = ("as_trained", "temperature", "corrected")


@dataclass(frozen=True, kw_only=True)
class CalibrationRow:
    """How well the test probabilities of a method are calibrated, in one version; means over its runs.

    Attributes:
        version: "as_trained", "temperature" (scaled) or "corrected" (to the class shares of the validation images).
        ece: Expected calibration error of the positive class; NaN without a run.
        ece_sd: Its standard deviation over the runs; NaN below two.
        brier: Brier score of all classes.
        brier_sd: Its standard deviation.
        fitted: Of "temperature" the temperature (geometric mean), of "corrected" the share of the positive class
            as if trained with; NaN of the first version.
        n_runs: Runs that have this version: a correction needs validation images of each class.
    """

    method: str
    version: str
    ece: float
    ece_sd: float
    brier: float
    brier_sd: float
    fitted: float
    n_runs: int


@dataclass(frozen=True, kw_only=True)
class ReliabilityRow:
    """One bin of the reliability curve of a method, over all its runs; empty bins have no row.

    Attributes:
        start: Lower edge of the bin; a probability there belongs to the bin below, 0 to the first.
        end: Upper edge, within the bin.
        n: Images, each counted once however many runs tested it.
        predicted: Mean predicted probability of the positive class.
        observed: Share of the positive class.
        low: Lower end of the 95 % Wilson interval of that share; images count as independent.
        high: Upper end.
    """

    method: str
    version: str
    start: float
    end: float
    n: float
    predicted: float
    observed: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True, eq=False)
class Calibrated:
    """A finished cell with its test predictions in each version that it has, and what was fitted for them."""

    run: Finished
    versions: Mapping[str, Predictions]
    fitted: Mapping[str, float]


def calibrate(study: StoredStudy, tunings: Mapping[Cell, Tuning]) -> list[Calibrated]:
    """Mend the test probabilities of every finished cell by its own validation images."""
    return [_calibrated(one, tunings[one.cell]) for one in study.finished]


def _calibrated(one: Finished, tuning: Tuning) -> Calibrated:
    test, validation = one.predictions, one.validation
    temperature = fit_temperature(y_true=validation.y_true, y_score=validation.y_score)
    scores: dict[str, Scores | None] = {
        "as_trained": test.y_score,
        "temperature": scale_temperature(test.y_score, temperature),
        "corrected": tuning.corrected(test.y_score),
    }
    share = math.nan if tuning.trained is None else float(tuning.trained[test.positive])
    return Calibrated(
        run=one,
        versions={
            name: replace(test, y_score=found)
            for name, found in scores.items()
            if found is not None
        },
        fitted={"as_trained": math.nan, "temperature": temperature, "corrected": share},
    )


def calibration_rows(methods: Sequence[str], runs: Sequence[Calibrated]) -> list[CalibrationRow]:
    """Average over the runs of each method."""
    return [
        _row(
            method,
            version,
            [run for run in runs if run.run.cell.method == method and version in run.versions],
        )
        for method in methods
        for version in VERSIONS
    ]


def _row(method: str, version: str, runs: Sequence[Calibrated]) -> CalibrationRow:
    values = {
        m: [float(METRICS[m].rule(run.versions[version])[0]) for run in runs]
        for m in ("ece", "brier")
    }
    fitted = np.array([run.fitted[version] for run in runs])
    return CalibrationRow(
        method=method,
        version=version,
        ece=_mean(values["ece"]),
        ece_sd=_sd(values["ece"]),
        brier=_mean(values["brier"]),
        brier_sd=_sd(values["brier"]),
        fitted=float(np.exp(_mean(np.log(fitted)))) if version == "temperature" else _mean(fitted),
        n_runs=len(runs),
    )


def _mean(values: Iterable[float]) -> float:
    found = list(values)
    return float(np.mean(found)) if found else math.nan


def _sd(values: Sequence[float]) -> float:
    return float(np.std(values, ddof=1)) if len(values) > 1 else math.nan


def reliability_rows(
    methods: Sequence[str], runs: Sequence[Calibrated]
) -> Iterator[ReliabilityRow]:
    """Lay the reliability curve of each method and version out, its runs taken together."""
    for method in methods:
        for version in VERSIONS:
            some = [
                run for run in runs if run.run.cell.method == method and version in run.versions
            ]
            if some:
                yield from _curve(method, version, _together(some, version))


def _together(runs: Sequence[Calibrated], version: str) -> Predictions:
    """Put the test images of all runs into one set, where an image that r runs tested has the weight 1 / r."""
    parts = [run.versions[version] for run in runs]
    _, image, copies = np.unique(
        np.concatenate([run.run.ids for run in runs]), return_inverse=True, return_counts=True
    )
    return Predictions(
        y_true=np.concatenate([part.y_true for part in parts]),
        y_score=np.concatenate([part.y_score for part in parts]),
        positive=parts[0].positive,
        weights=(1 / copies[image])[None],
    )


def _curve(method: str, version: str, p: Predictions) -> Iterator[ReliabilityRow]:
    found = reliability(p)
    for i in np.flatnonzero(found.n > 0):
        yield ReliabilityRow(
            method=method,
            version=version,
            start=float(EDGES[i]),
            end=float(EDGES[i + 1]),
            n=float(found.n[i]),
            predicted=float(found.predicted[i]),
            observed=float(found.observed[i]),
            low=float(found.low[i]),
            high=float(found.high[i]),
        )
