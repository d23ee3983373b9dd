"""Calibration of each method, as trained and after corrections fitted on validation images."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from equipoise.arrays import Rows
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


def calibration_tables(
    run: ImageRun, tunings: Mapping[Cell, Tuning]
) -> tuple[list[CalibrationRow], list[ReliabilityRow]]:
    """Compute the calibration of every method, one after the other, to bound the memory.

    Args:
        run: The stored predictions.
        tunings: What was fitted to the validation images of each finished cell.
    """
    image_codes = _image_codes(run)
    rows: list[CalibrationRow] = []
    curves: list[ReliabilityRow] = []
    for method in run.methods:
        calibrated = [calibrate(cell, tunings[cell.cell]) for cell in run.cells_of(method)]
        rows += _calibration_rows(method, calibrated)
        curves += _reliability_rows(method, calibrated, image_codes)
    return rows, curves


def calibrate(finished: FinishedCell, tuning: Tuning) -> CalibratedCell:
    """Correct the test probabilities of a finished cell by its own validation images."""
    test, validation = replace(finished.predictions), finished.validation
    temperature = fit_temperature(y_true=validation.y_true, y_score=validation.y_score)
    scaled = scale_temperature(test.y_score, temperature)
    versions = {"as_trained": test, "temperature": replace(test, y_score=scaled)}
    corrected = tuning.corrected(test.y_score)
    if corrected is not None:
        versions["corrected"] = replace(test, y_score=corrected)
    share = math.nan if tuning.trained is None else float(tuning.trained[test.positive])
    fitted = {"as_trained": math.nan, "temperature": temperature, "corrected": share}
    return CalibratedCell(finished=finished, versions=versions, fitted=fitted)


def _calibration_rows(
    method: str, calibrated: Sequence[CalibratedCell]
) -> Iterator[CalibrationRow]:
    """Yield a row for each version of a method, averaged over its runs."""
    for version in VERSIONS:
        cells = [cell for cell in calibrated if version in cell.versions]
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


def _reliability_rows(
    method: str, calibrated: Sequence[CalibratedCell], image_codes: Mapping[str, Rows]
) -> Iterator[ReliabilityRow]:
    """Yield the bins of the reliability curve of each version of a method, its runs joined."""
    for version in VERSIONS:
        cells = [cell for cell in calibrated if version in cell.versions]
        if not cells:
            continue
        curve = reliability(_joined(cells, version, image_codes))
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


def _image_codes(run: ImageRun) -> dict[str, Rows]:
    """Return a number (n,) for each test image of each split, the same in every split."""
    ids_of: dict[str, NDArray[np.str_]] = {}
    for finished in run.finished:
        ids_of.setdefault(finished.cell.split, finished.ids)
    if not ids_of:
        return {}
    _, codes = np.unique(np.concatenate(list(ids_of.values())), return_inverse=True)
    ends = np.cumsum([len(ids) for ids in ids_of.values()])
    return dict(zip(ids_of, np.split(codes, ends[:-1]), strict=True))


def _measured(metric: str, predictions: Predictions) -> float:
    return float(METRICS[metric].rule(replace(predictions))[0])  # a copy, to bound the memory


def _mean(values: Sequence[float] | np.ndarray) -> float:
    return float(np.mean(values)) if len(values) else math.nan


def _sd(values: Sequence[float]) -> float:
    return float(np.std(values, ddof=1)) if len(values) > 1 else math.nan


def _joined(
    cells: Sequence[CalibratedCell], version: str, image_codes: Mapping[str, Rows]
) -> Predictions:
    """Join the test images of all runs, where an image that r runs tested has the weight 1 / r."""
    parts = [cell.versions[version] for cell in cells]
    codes = np.concatenate([image_codes[cell.finished.cell.split] for cell in cells])
    n_runs = np.bincount(codes)  # that tested each image
    return Predictions(
        y_true=np.concatenate([part.y_true for part in parts]),
        y_score=np.concatenate([part.y_score for part in parts]),
        positive=parts[0].positive,
        weights=(1 / n_runs[codes])[None],
    )
