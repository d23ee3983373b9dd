"""Is a gain more than a moved threshold? Operating points, specificity at a fixed recall, calibration."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from equipoise.metrics.operating import MEASURES, POINTS, RECALLS, OperatingPoint
from equipoise.metrics.thresholds import FALSE_ALARM, MISSED
from equipoise.report import charts
from equipoise.report.figures import (
    INK,
    Axis,
    Line,
    Panel,
    Style,
    interval_axis,
    styles_of,
    unit_panel,
)
from equipoise.report.formatting import decimal, interval, known, plural
from equipoise.report.run_contents import Contents
from equipoise.results.calibration import VERSIONS, CalibrationRow, ReliabilityRow
from equipoise.results.operating_points import OperatingTables, PointRow, read_operating
from equipoise.results.records import Comparison

MOST_NAMED = 5  # methods in one sentence; the tables hold all


def sentences(found: OperatingTables, baseline: str, rare_class: str) -> Iterator[str]:
    """Say which methods differ from the baseline at which operating point; nothing where runs cannot tell."""
    largest, best, corrected = (
        compared_at(found, p) for p in ("largest", "best_threshold", "corrected")
    )
    if all(row.verdict == "not enough runs" for row in largest):
        return
    yield (
        f"A method that only moves the threshold should tie with the baseline, {baseline}, once each classifier "
        "uses its own best threshold, or once the class shares that its training pretended are corrected."
    )
    yield f"With the largest probability, {_differing(largest, baseline)}."
    yield f"At their own best thresholds, {_differing(best, baseline)}."
    yield from _moved(_with("better", largest), _with("better", best), baseline)
    yield f"With corrected class shares, {_differing(corrected, baseline)}."
    for recall in RECALLS:
        rows = compared_at(found, f"recall_{recall:g}")
        where = f"At the threshold that found {100 * recall:g} % of {rare_class} in validation"
        yield f"{where}, {_differing(rows, baseline, 'specificity')}."


def compared_at(found: OperatingTables, point: str) -> list[Comparison]:
    """List the comparisons with the baseline at an operating point."""
    metric = f"{point}/{POINTS[point].compared}"
    return [row for row in found.comparisons if row.metric == metric]


def _moved(gained: Sequence[str], kept: Sequence[str], baseline: str) -> Iterator[str]:
    if moved := [name for name in gained if name not in kept]:
        yield (
            f"Of what {_listed(moved)} gained, nothing detectable remains at the best thresholds: "
            f"another threshold for {baseline} may do as well."
        )


def _with(verdict: str, rows: Sequence[Comparison]) -> list[str]:
    """Name the methods with a verdict, the largest difference first."""
    return [
        row.method
        for row in sorted(rows, key=lambda row: -abs(row.difference))
        if row.verdict == verdict
    ]


def _differing(
    rows: Sequence[Comparison], baseline: str, measure: str = "balanced accuracy"
) -> str:
    found = {verdict: _with(verdict, rows) for verdict in ("better", "worse")}
    n = sum(map(len, found.values()))
    if not n:
        return f"no method differs detectably from {baseline} in {measure}"
    parts = "; ".join(f"{verdict}: {_listed(names)}" for verdict, names in found.items() if names)
    return f"{plural(n, 'method differs', 'methods differ')} detectably from {baseline} in {measure} ({parts})"


def _listed(names: Sequence[str]) -> str:
    more = len(names) - MOST_NAMED
    shown = [*names[:MOST_NAMED], f"{more} more"] if more > 0 else list(names)
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"


HEADING = "Operating points and calibration"
ORDER = 20

CORRECTED = Style(INK, "2 3")
Points = Mapping[tuple[str, str, str], PointRow]  # (method, point, measure)


@dataclass(frozen=True)
class Measured:
    """A measure of a method at a point as text; `verdict` is "better", "worse" or nothing."""

    value: str
    interval: str
    verdict: str


@dataclass(frozen=True)
class AtRecall:
    """A method at a fixed recall; `comparison` is None for the baseline."""

    method: str
    reached: Measured
    specificity: Measured
    precision: Measured
    comparison: Comparison | None


@dataclass(frozen=True)
class RecallTable:
    """Every method at one fixed recall, and the axis of the differences in specificity."""

    point: OperatingPoint
    rows: Sequence[AtRecall]
    axis: Axis


def view(contents: Contents) -> dict[str, Any] | None:
    """Show what `write_operating` left beside table.csv; None where it left nothing or no run has finished."""
    found = read_operating(contents.folder)
    methods = [m.method for m in contents.results.methods if m.n_runs]
    if found is None or not methods:
        return None
    points = {(row.method, row.point, row.measure): row for row in found.points}
    return {
        "sentences": list(sentences(found, contents.results.baseline, contents.rare_class)),
        "columns": [POINTS[name] for name in POINTS if POINTS[name].compared != "rare_specificity"],
        "labels": {name: measure.label for name, measure in MEASURES.items()},
        "rows": {method: _row(method, points, found) for method in methods},
        "recalls": [
            _at_recall(POINTS[f"recall_{recall:g}"], methods, points, found) for recall in RECALLS
        ],
        "prices": (f"{MISSED:g}", f"{FALSE_ALARM:g}"),
        "calibration": {method: _calibration(method, found) for method in methods},
        "shares": {
            part: f"{100 * _share(contents, part):.1f} %" for part in ("validation", "test")
        },
        "panels": list(_panels(contents, found)),
    }


def _share(c: Contents, part: str) -> float:
    """Give the positive class's share of the images of a part, over all splits."""
    counts = [split.counts[part] for split in c.description.splits]
    return float(sum(n[c.results.rare_class] for n in counts) / sum(map(sum, counts)))


def _row(method: str, points: Points, found: OperatingTables) -> dict[str, Measured]:
    """Give what each point is compared on, by the name of the point."""
    rows = {}
    for name, point in POINTS.items():
        compared = {row.method: row.verdict for row in compared_at(found, name)}
        verdict = compared.get(method, "")
        rows[name] = _measured(
            points[method, name, point.compared], verdict if verdict in ("better", "worse") else ""
        )
    return rows


def _measured(row: PointRow, verdict: str = "") -> Measured:
    digits = 0 if row.measure == "cost" else 3
    spread = f" ± {decimal(row.sd, digits)}" if known(row.sd) else ""
    form = lambda value: decimal(value, digits)  # noqa: E731
    return Measured(
        f"{decimal(row.mean, digits)}{spread}", interval(row.low, row.high, form), verdict
    )


def _at_recall(
    point: OperatingPoint, methods: Sequence[str], points: Points, found: OperatingTables
) -> RecallTable:
    compared = {row.method: row for row in compared_at(found, point.name)}
    rows = [
        AtRecall(
            method=method,
            reached=_measured(points[method, point.name, "rare_recall"]),
            specificity=_measured(points[method, point.name, "rare_specificity"]),
            precision=_measured(points[method, point.name, "rare_precision"]),
            comparison=compared.get(method),
        )
        for method in methods
    ]
    axis = interval_axis(
        end for row in compared.values() for end in (row.low, row.high, row.difference)
    )
    return RecallTable(point, rows, axis)


def _calibration(method: str, found: OperatingTables) -> dict[str, CalibrationRow]:
    rows = {row.version: row for row in found.calibration if row.method == method}
    return {version: rows[version] for version in VERSIONS}


def _panels(c: Contents, found: OperatingTables) -> Iterator[Panel]:
    """Draw the reliability curve of the prominent methods, with Wilson intervals, and the corrected one dotted."""
    styles = styles_of(c.methods, ink=c.results.baseline)
    for method in charts.prominent(c):
        rows = {
            v: [r for r in found.reliability if (r.method, r.version) == (method, v)]
            for v in VERSIONS
        }
        if bins := rows["as_trained"]:
            lines = [
                *(
                    Line("", [(r.predicted, r.low), (r.predicted, r.high)], Style(INK), faint=True)
                    for r in bins
                ),
                Line("corrected", _curve(rows["corrected"]), CORRECTED),
                Line("as trained", _curve(bins), Style(styles[method].color)),
            ]
            yield unit_panel(
                method,
                lines,
                x_label="predicted probability",
                y_label="observed share",
                chance=(0.0, 1.0),
            )


def _curve(bins: Sequence[ReliabilityRow]) -> list[tuple[float, float]]:
    return [(row.predicted, row.observed) for row in bins]
