"""Finished cells at operating points that are chosen on validation and measured on test images.

Intervals and tests take a threshold as it was chosen: they draw the test patients again, not the
validation patients. The variance of the choice shows only between runs whose validation images
differ.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from scipy.sparse import csc_matrix

from equipoise.metrics.base import Values
from equipoise.metrics.operating import KINDS, MEASURES, POINTS, Tuning, of_counts
from equipoise.metrics.ranking import membership
from equipoise.results.bootstrap_scores import N_DRAWS, BootstrapScores, Measure, score_by
from equipoise.results.calibration import (
    CalibrationRow,
    ReliabilityRow,
    calibration_tables,
)
from equipoise.results.comparison import compare_on
from equipoise.results.method_tables import summarize_runs
from equipoise.results.records import Comparison
from equipoise.runs.cell import Cell
from equipoise.runs.csv_records import read_rows, write_rows
from equipoise.runs.image_run import ImageRun


@dataclass(frozen=True, kw_only=True)
class PointRow:
    """One measure of one method at one operating point.

    Attributes:
        mean: Mean over the runs where it is defined; NaN without one.
        sd: Standard deviation over those runs; NaN below two.
        low: Lower end of the 95 % interval of the mean, for other test patients.
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
class OperatingTables:
    """The tables of the operating points and of calibration.

    Attributes:
        points: Every measure of every method at every point.
        comparisons: Each point's methods against the baseline, Holm within the point; `metric` is
            "point/measure".
        calibration: How well the probabilities are calibrated.
        reliability: The bins of the reliability curves.
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


def tabulate_operating(run: ImageRun, *, n_draws: int = N_DRAWS) -> OperatingTables:
    """Compute the tables of a run, complete or not, from its stored predictions."""
    tunings = {cell.cell: Tuning(cell.validation) for cell in run.finished}
    scores = score_by(
        partial(_measure_of, tunings),
        [f"{point}/{measure}" for point in POINTS for measure in MEASURES],
        run,
        n_draws=n_draws,
        derive=_measures,
        compared=[f"{point.name}/{point.compared}" for point in POINTS.values()],
    )
    comparisons: list[Comparison] = []
    for point in POINTS.values():
        compared = MEASURES[point.compared]
        compared = replace(compared, name=f"{point.name}/{compared.name}")
        comparisons += compare_on(compared, run, scores)
    calibration, reliability = calibration_tables(run, tunings)
    return OperatingTables(
        points=list(point_rows(run, scores)),
        comparisons=comparisons,
        calibration=calibration,
        reliability=reliability,
    )


def point_rows(run: ImageRun, scores: BootstrapScores) -> Iterator[PointRow]:
    """Yield every measure of every method at every point; `scores` are by "point/measure"."""
    for method in run.methods:
        rows = run.rows_of(method)
        for point in POINTS:
            for measure in MEASURES:
                key = f"{point}/{measure}"
                summary = summarize_runs(scores.values[key][rows], scores.posterior[key][method])
                yield PointRow(method=method, point=point, measure=measure, **vars(summary))


def write_operating(tables: OperatingTables, folder: Path) -> None:
    """Write the tables beside table.csv; the same predictions give the same bytes."""
    for name, (file, record) in TABLES.items():
        write_rows(folder / file, record, getattr(tables, name))


def read_operating(folder: Path) -> OperatingTables | None:
    """Read what `write_operating` wrote, with its six decimals; None where a table is missing."""
    paths = {name: Path(folder) / file for name, (file, _) in TABLES.items()}
    if not all(path.is_file() for path in paths.values()):
        return None
    return OperatingTables(
        points=read_rows(paths["points"], PointRow),
        comparisons=read_rows(paths["comparisons"], Comparison),
        calibration=read_rows(paths["calibration"], CalibrationRow),
        reliability=read_rows(paths["reliability"], ReliabilityRow),
    )


def _measure_of(tunings: Mapping[Cell, Tuning], run: ImageRun) -> Measure:
    cells = []
    for cell in run.finished:
        # The kind of each test image at every point, one-hot: (n, points x kinds).
        tuning = tunings[cell.cell]
        decisions = [point.decide(tuning, cell.predictions) for point in POINTS.values()]
        cells.append(_patterns_of(np.concatenate(decisions, axis=1)))
    return partial(_count_kinds, cells)


def _patterns_of(kinds: Values) -> tuple[csc_matrix, Values]:
    """Split marks of images (n, m) into those of their few different rows.

    Returns:
        (patterns, n) the row of each image, and (m, patterns) the marks of the rows.
    """
    n_bits = kinds.shape[1]
    codes = np.nan_to_num(kinds) @ 2.0 ** np.arange(n_bits)
    _, firsts, pattern = np.unique(codes, return_index=True, return_inverse=True)
    return membership(pattern, n_kinds=len(firsts)), kinds[firsts].T


def _count_kinds(
    cells: Sequence[tuple[csc_matrix, Values]], weights: Values, names: Sequence[str]
) -> Values:
    """Return the weighted numbers of images (points x kinds, cells, b) under weights (b, n)."""
    by_image = np.ascontiguousarray(weights.T)
    counts = [marks @ (patterns @ by_image) for patterns, marks in cells]
    return np.stack(counts, axis=1)


def _measures(counts: Values, names: Sequence[str]) -> Values:
    """Compute measures at points, by name, (names, cells, b) from numbers of images."""
    of_points = counts.reshape(len(POINTS), len(KINDS), *counts.shape[1:])
    measures = np.empty((len(names), *counts.shape[1:]))
    for point, of_kinds in zip(POINTS, of_points, strict=True):
        predictions = of_counts(of_kinds.reshape(len(KINDS), -1).T)
        for name, measure in MEASURES.items():
            key = f"{point}/{name}"
            if key in names:
                of_measure = measure.rule(predictions).reshape(counts.shape[1:])
                measures[names.index(key)] = of_measure
    return measures
