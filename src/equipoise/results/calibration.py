"""Calibration of each method, as trained and after corrections fitted on validation images."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from equipoise.metrics.base import Predictions
from equipoise.metrics.calibration import EDGES, fit_temperature, reliability, scale_temperature
from equipoise.metrics.classification import METRICS
from equipoise.metrics.operating import Tuning
from equipoise.runs.cell import Cell
from equipoise.runs.image_run import FinishedCell, ImageRun

VERSIONS = ("as_trained", "temperature", "corrected")


@dataclass(frozen=True, kw_only=True)
class CalibrationRow:
    """Calibration of the test probabilities of a method in one version, means over its runs.

    Attributes:
        version: "as_trained", "temperature" (scaled) or "corrected" (to the class shares of the
            validation images).
        ece: Expected calibration error of the positive class; NaN without a run.
        ece_sd: Its standard deviation over the runs; NaN below two.
        brier: Brier score of all classes.
        brier_sd: Its standard deviation.
        fitted: For "temperature" the temperature (geometric mean), for "corrected" the share of the
            positive class with which the scores behave as if trained; NaN for the first version.
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
class CalibratedCell:
    """The test predictions of a finished cell in each available version, and the fitted numbers."""

    finished: FinishedCell
    versions: Mapping[str, Predictions]
    fitted: Mapping[str, float]


def calibrate(run: ImageRun, tunings: Mapping[Cell, Tuning]) -> list[CalibratedCell]:
    """Correct the test probabilities of every finished cell by its own validation images."""
    calibrated = []
    for finished in run.finished:
        tuning = tunings[finished.cell]
        test, validation = finished.predictions, finished.validation
        temperature = fit_temperature(y_true=validation.y_true, y_score=validation.y_score)
        scaled = scale_temperature(test.y_score, temperature)
        versions = {"as_trained": test, "temperature": replace(test, y_score=scaled)}
        corrected = tuning.corrected(test.y_score)
        if corrected is not None:
            versions["corrected"] = replace(test, y_score=corrected)
        share = math.nan if tuning.trained is None else float(tuning.trained[test.positive])
        fitted = {"as_trained": math.nan, "temperature": temperature, "corrected": share}
        calibrated.append(CalibratedCell(finished=finished, versions=versions, fitted=fitted))
    return calibrated


def calibration_rows(
    methods: Sequence[str], calibrated: Sequence[CalibratedCell]
) -> Iterator[CalibrationRow]:
    """Yield a row for each method and version, averaged over the runs of the method."""
    for method in methods:
        for version in VERSIONS:
            cells = _cells_with(method, version, calibrated)
            ece = [_measured("ece", cell.versions[version]) for cell in cells]
            brier = [_measured("brier", cell.versions[version]) for cell in cells]
            fitted = np.array([cell.fitted[version] for cell in cells])
            if version == "temperature":
                mean_fitted = float(np.exp(_mean(np.log(fitted))))
            else:
                mean_fitted = _mean(fitted)
            yield CalibrationRow(
                method=method,
                version=version,
                ece=_mean(ece),
                ece_sd=_sd(ece),
                brier=_mean(brier),
                brier_sd=_sd(brier),
                fitted=mean_fitted,
                n_runs=len(cells),
            )


def reliability_rows(
    methods: Sequence[str], calibrated: Sequence[CalibratedCell]
) -> Iterator[ReliabilityRow]:
    """Yield the bins of the reliability curve of each method and version, its runs joined."""
    for method in methods:
        for version in VERSIONS:
            cells = _cells_with(method, version, calibrated)
            if not cells:
                continue
            curve = reliability(_joined(cells, version))
            for i in np.flatnonzero(curve.n > 0):
                yield ReliabilityRow(
                    method=method,
                    version=version,
                    start=float(EDGES[i]),
                    end=float(EDGES[i + 1]),
                    n=float(curve.n[i]),
                    predicted=float(curve.predicted[i]),
                    observed=float(curve.observed[i]),
                    low=float(curve.low[i]),
                    high=float(curve.high[i]),
                )


def _cells_with(
    method: str, version: str, calibrated: Sequence[CalibratedCell]
) -> list[CalibratedCell]:
    of_method = [cell for cell in calibrated if cell.finished.cell.method == method]
    return [cell for cell in of_method if version in cell.versions]


def _measured(metric: str, predictions: Predictions) -> float:
    return float(METRICS[metric].rule(predictions)[0])


def _mean(values: Sequence[float] | np.ndarray) -> float:
    return float(np.mean(values)) if len(values) else math.nan


def _sd(values: Sequence[float]) -> float:
    return float(np.std(values, ddof=1)) if len(values) > 1 else math.nan


def _joined(cells: Sequence[CalibratedCell], version: str) -> Predictions:
    """Join the test images of all runs, where an image that r runs tested has the weight 1 / r."""
    parts = [cell.versions[version] for cell in cells]
    ids = np.concatenate([cell.finished.ids for cell in cells])
    _, image, copies = np.unique(ids, return_inverse=True, return_counts=True)
    return Predictions(
        y_true=np.concatenate([part.y_true for part in parts]),
        y_score=np.concatenate([part.y_score for part in parts]),
        positive=parts[0].positive,
        weights=(1 / copies[image])[None],
    )
