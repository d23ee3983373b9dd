"""Every finished cell of a run at its operating points: chosen on its validation images, judged on its test images.

Intervals and tests take a threshold as it was chosen: they draw the test patients again, not the validation
patients. The chance of the choice shows only in the runs, as far as splits have validation images of their own.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from equipoise.metrics.base import Metric, Values
from equipoise.metrics.operating import KINDS, MEASURES, POINTS, OperatingPoint, Tuning, of_counts
from equipoise.results.bootstrap_scores import N_DRAWS, Scores, score_by
from equipoise.results.calibration import (
    CalibrationRow,
    ReliabilityRow,
    calibrate,
    calibration_rows,
    reliability_rows,
)
from equipoise.results.comparison import Comparison, compare_on
from equipoise.results.image_tables import summarize_runs
from equipoise.runs.cell import Cell
from equipoise.runs.csv_records import read_rows, write_rows
from equipoise.runs.image_run import Finished, StoredStudy, read_study


@dataclass(frozen=True, kw_only=True)
class PointRow:
    """One measure of one method at one operating point.

    Attributes:
        mean: Mean over the runs where it is defined; NaN without one.
        sd: Standard deviation over those runs; NaN below two.
        low: Lower end of the 95 % bootstrap interval of the mean over test patients.
        high: Upper end.
        n_runs: Number of those runs.
    """

    method: str
    point: str
    measure: str
    mean: float
    sd: float
    low: float
    high: float
    n_runs: int


@dataclass(frozen=True, kw_only=True)
class Operating:
    """The tables of the operating points and of calibration.

    Attributes:
        comparisons: Each point's methods against the baseline, Holm within the point; `metric` is "point/measure".
    """

    points: list[PointRow]
    comparisons: list[Comparison]
    calibration: list[CalibrationRow]
    reliability: list[ReliabilityRow]


TABLES = {
    "points": ("operating_points.csv", PointRow),
    "comparisons": ("operating_comparisons.csv", Comparison),
    "calibration": ("calibration.csv", CalibrationRow),
    "reliability": ("reliability.csv", ReliabilityRow),
}


def judge_operating(folder: Path, *, n_draws: int = N_DRAWS) -> Operating:
    """Compute the tables of a run folder, complete or not; nothing but stored predictions is read.

    Raises:
        DataError: No run folder, or cells of one split were tested on different images.
    """
    study = read_study(Path(folder))
    tunings = {one.cell: Tuning(one.validation) for one in study.finished}
    kinds = {one.cell: _decide(tunings[one.cell], one) for one in study.finished}
    names = [f"{point}/{kind}" for point in POINTS for kind in KINDS]
    scores = _measured(score_by(partial(_count, kinds), names, study, n_draws=n_draws))
    calibrated = calibrate(study, tunings)
    return Operating(
        points=_point_rows(study, scores),
        comparisons=[
            row for point in POINTS.values() for row in compare_on(_compared(point), study, scores)
        ],
        calibration=calibration_rows(study.methods, calibrated),
        reliability=list(reliability_rows(study.methods, calibrated)),
    )


def write_operating(folder: Path, *, n_draws: int = N_DRAWS) -> None:
    """Write the tables beside table.csv; the same predictions give the same bytes."""
    found = judge_operating(folder, n_draws=n_draws)
    for name, (file, record) in TABLES.items():
        write_rows(Path(folder) / file, record, getattr(found, name))


def read_operating(folder: Path) -> Operating | None:
    """Read what `write_operating` wrote, with its six decimals; None where a table is missing."""
    paths = {name: (Path(folder) / file, record) for name, (file, record) in TABLES.items()}
    if not all(path.is_file() for path, _ in paths.values()):
        return None
    return Operating(**{name: read_rows(path, record) for name, (path, record) in paths.items()})


KEYS = {f"{point}/{measure}": (point, measure) for point in POINTS for measure in MEASURES}


def _compared(point: OperatingPoint) -> Metric:
    measure = MEASURES[point.compared]
    return replace(measure, name=f"{point.name}/{measure.name}")


def _decide(tuning: Tuning, one: Finished) -> Values:
    """Give the kind of each test image at every point, (n, points x kinds)."""
    return np.concatenate(
        [point.decide(tuning, one.predictions) for point in POINTS.values()], axis=1
    )


def _count(kinds: Mapping[Cell, Values], one: Finished, weights: Values) -> Values:
    """Give (points x kinds, b) weighted numbers of images."""
    return np.asarray((weights @ kinds[one.cell]).T)


def _measured(counted: Scores) -> Scores:
    """Turn numbers of images into measures."""
    return replace(counted, values=_measures(counted.values), draws=_measures(counted.draws))


def _measures(counts: Mapping[str, Values]) -> dict[str, Values]:
    found: dict[str, Values] = {}
    for point in POINTS:
        of_kinds = np.stack([counts[f"{point}/{kind}"] for kind in KINDS], axis=-1)
        p = of_counts(of_kinds.reshape(-1, len(KINDS)))
        found |= {
            f"{point}/{name}": m.rule(p).reshape(of_kinds.shape[:-1])
            for name, m in MEASURES.items()
        }
    return found


def _point_rows(study: StoredStudy, scores: Scores) -> list[PointRow]:
    rows = {
        name: np.array(
            [i for i, one in enumerate(study.finished) if one.cell.method == name], dtype=np.int64
        )
        for name in study.methods
    }
    return [
        _point_row(name, key, scores.values[key][i], scores.draws[key][i])
        for name, i in rows.items()
        for key in KEYS
    ]


def _point_row(method: str, key: str, values: Values, draws: Values) -> PointRow:
    point, measure = KEYS[key]
    return PointRow(
        method=method, point=point, measure=measure, **vars(summarize_runs(values, draws))
    )
