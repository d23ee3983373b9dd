"""Is a gain more than a moved threshold? Operating points, fixed recall, calibration."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from equipoise.metrics.operating import MEAN_RECALL, MEASURES, POINTS, RECALLS, OperatingPoint
from equipoise.metrics.thresholds import FALSE_ALARM, MISSED
from equipoise.report import charts
from equipoise.report.figures import (
    INK,
    Axis,
    ChartLine,
    Panel,
    Style,
    interval_axis,
    styles_of,
    unit_panel,
)
from equipoise.report.formatting import decimal, interval, known, listed, plural
from equipoise.report.run_contents import Contents
from equipoise.results.calibration import VERSIONS, CalibrationRow, ReliabilityRow
from equipoise.results.operating_points import OperatingTables, PointRow, read_operating
from equipoise.results.records import UNTESTED, Comparison

HEADING = "Operating points and calibration"
ORDER = 20
MOST_NAMED = 5  # methods in one sentence; the tables list all
CORRECTED = Style(INK, "2 3")
DETECTABLE = ("better", "worse")

Points = Mapping[tuple[str, str, str], PointRow]  # (method, point, measure)


@dataclass(frozen=True)
class PointCell:
    """A measure of a method at an operating point; `verdict` is "better", "worse" or empty."""

    value: str
    interval: str
    verdict: str


@dataclass(frozen=True)
class AtRecall:
    """A method at a fixed recall; `comparison` is None for the baseline."""

    method: str
    reached: PointCell
    specificity: PointCell
    precision: PointCell
    comparison: Comparison | None


@dataclass(frozen=True)
class RecallTable:
    """Every method at one fixed recall, and the axis of the differences in specificity."""

    point: OperatingPoint
    rows: Sequence[AtRecall]
    axis: Axis


@dataclass(frozen=True, kw_only=True)
class OperatingView:
    """What the template of this section shows."""

    sentences: Sequence[str]
    columns: Sequence[OperatingPoint]
    labels: Mapping[str, str]
    rows: Mapping[str, Mapping[str, PointCell]]
    recalls: Sequence[RecallTable]
    prices: tuple[str, str]
    calibration: Mapping[str, Mapping[str, CalibrationRow]]
    shares: Mapping[str, str]
    panels: Sequence[Panel]


def view(contents: Contents) -> OperatingView | None:
    """Return what the tables of operating points show; None without them or a finished run."""
    operating = read_operating(contents.folder)
    methods = [method.method for method in contents.results.methods if method.n_runs]
    if operating is None or not methods:
        return None
    operating = as_in_the_verdict(operating, contents)
    points: dict[tuple[str, str, str], PointRow] = {}
    for row in operating.points:
        points[row.method, row.point, row.measure] = row
    columns = [point for point in POINTS.values() if point.compared != "rare_specificity"]
    recalls = []
    for recall in RECALLS:
        point = POINTS[f"recall_{recall:g}"]
        recalls.append(recall_table(point, methods, points, operating))
    calibration: dict[str, dict[str, CalibrationRow]] = {name: {} for name in methods}
    for calibrated in operating.calibration:
        if calibrated.method in calibration:
            calibration[calibrated.method][calibrated.version] = calibrated
    return OperatingView(
        sentences=list(sentences(operating, contents.results.baseline, contents.rare_class)),
        columns=columns,
        labels={name: measure.label for name, measure in MEASURES.items()},
        rows={method: point_cells(method, points, operating) for method in methods},
        recalls=recalls,
        prices=(f"{MISSED:g}", f"{FALSE_ALARM:g}"),
        calibration=calibration,
        shares={
            "validation": f"{100 * rare_share(contents, 'validation'):.1f} %",
            "test": f"{100 * rare_share(contents, 'test'):.1f} %",
        },
        panels=list(reliability_panels(contents, operating)),
    )


def as_in_the_verdict(operating: OperatingTables, contents: Contents) -> OperatingTables:
    """Replace the comparisons at the best threshold by those of the verdict, of two classes.

    They are the same but for Holm's correction: that of the verdict also counts the comparisons in
    ranking. One report must not call a method both better and not detectably better.
    """
    decisive = contents.results.compared_on("decided_balanced_accuracy")
    if len(contents.class_names) > 2 or not decisive:
        return operating
    metric = f"best_threshold/{MEAN_RECALL}"
    comparisons = [row for row in operating.comparisons if row.metric != metric]
    comparisons += [replace(row, metric=metric) for row in decisive]
    return replace(operating, comparisons=comparisons)


def sentences(operating: OperatingTables, baseline: str, rare_class: str) -> Iterator[str]:
    """Yield which methods differ from the baseline at which operating point.

    Nothing is said where no method has enough runs.
    """
    largest = compared_at(operating, "largest")
    best = compared_at(operating, "best_threshold")
    corrected = compared_at(operating, "corrected")
    if all(row.verdict in UNTESTED for row in largest):
        return
    yield (
        f"A method that only moves the threshold should tie with the baseline, {baseline}, once "
        "each classifier uses its own best threshold, or once the class shares of its training are "
        "corrected to the true ones."
    )
    yield f"With the largest probability, {differing(largest, baseline)}."
    yield f"At their own best thresholds, {differing(best, baseline)}."
    still_better = with_verdict("better", best)
    moved = [name for name in with_verdict("better", largest) if name not in still_better]
    if moved:
        yield (
            f"The gain of {short_list(moved)} is no longer detectable at the best thresholds: "
            f"another threshold for {baseline} may do as well."
        )
    yield f"With corrected class shares, {differing(corrected, baseline)}."
    for recall in RECALLS:
        rows = compared_at(operating, f"recall_{recall:g}")
        where = f"At the threshold that found {100 * recall:g} % of {rare_class} in validation"
        yield f"{where}, {differing(rows, baseline, 'specificity')}."


def compared_at(operating: OperatingTables, point: str) -> list[Comparison]:
    """Return the comparisons with the baseline at an operating point."""
    metric = f"{point}/{POINTS[point].compared}"
    return [row for row in operating.comparisons if row.metric == metric]


def with_verdict(verdict: str, rows: Sequence[Comparison]) -> list[str]:
    """Return the methods with a verdict, the largest difference first."""
    by_size = sorted(rows, key=lambda row: -abs(row.difference))
    return [row.method for row in by_size if row.verdict == verdict]


def differing(
    rows: Sequence[Comparison], baseline: str, measure: str = MEASURES[MEAN_RECALL].label
) -> str:
    """Return in words which methods differ detectably from the baseline."""
    groups = []
    n_methods = 0
    for verdict in DETECTABLE:
        names = with_verdict(verdict, rows)
        n_methods += len(names)
        if names:
            groups.append(f"{verdict}: {short_list(names)}")
    if not groups:
        return f"no method differs detectably from {baseline} in {measure}"
    differ = plural(n_methods, "method differs", "methods differ")
    return f"{differ} detectably from {baseline} in {measure} ({'; '.join(groups)})"


def short_list(names: Sequence[str]) -> str:
    """Return the names as in a sentence, those after `MOST_NAMED` only counted."""
    more = len(names) - MOST_NAMED
    return listed([*names[:MOST_NAMED], f"{more} more"] if more > 0 else names)


def rare_share(contents: Contents, part: str) -> float:
    """Return the positive class's share of the images of a part, over all splits."""
    n_rare = n_images = 0
    for split in contents.description.splits:
        counts = split.counts[part]
        n_rare += counts[contents.results.rare_class]
        n_images += sum(counts)
    return float(n_rare / n_images)


def point_cells(method: str, points: Points, operating: OperatingTables) -> dict[str, PointCell]:
    """Return, by the name of an operating point, the measure that methods are compared on there."""
    cells = {}
    for name, point in POINTS.items():
        verdict = ""
        for row in compared_at(operating, name):
            if row.method == method and row.verdict in DETECTABLE:
                verdict = row.verdict
        cells[name] = point_cell(points[method, name, point.compared], verdict)
    return cells


def point_cell(row: PointRow, verdict: str = "") -> PointCell:
    """Return a cell of the tables."""
    digits = 0 if row.measure == "cost" else 3
    spread = f" ± {decimal(row.sd, digits)}" if known(row.sd) else ""
    ends = interval(row.low, row.high, lambda value: decimal(value, digits))
    return PointCell(f"{decimal(row.mean, digits)}{spread}", ends, verdict)


def recall_table(
    point: OperatingPoint, methods: Sequence[str], points: Points, operating: OperatingTables
) -> RecallTable:
    """Return every method at one fixed recall."""
    comparisons: dict[str, Comparison] = {}
    for comparison in compared_at(operating, point.name):
        comparisons[comparison.method] = comparison
    rows = []
    for method in methods:
        row = AtRecall(
            method=method,
            reached=point_cell(points[method, point.name, "rare_recall"]),
            specificity=point_cell(points[method, point.name, "rare_specificity"]),
            precision=point_cell(points[method, point.name, "rare_precision"]),
            comparison=comparisons.get(method),
        )
        rows.append(row)
    ends: list[float] = []
    for comparison in comparisons.values():
        ends += [comparison.low, comparison.high, comparison.difference]
    return RecallTable(point, rows, interval_axis(ends))


def reliability_panels(contents: Contents, operating: OperatingTables) -> Iterator[Panel]:
    """Yield the reliability curves of the prominent methods, with Wilson intervals.

    The curve of the corrected probabilities is dotted.
    """
    styles = styles_of(contents.methods, ink=contents.results.baseline)
    for method in charts.prominent(contents):
        bins: dict[str, list[ReliabilityRow]] = {version: [] for version in VERSIONS}
        for row in operating.reliability:
            if row.method == method:
                bins[row.version].append(row)
        as_trained = bins["as_trained"]
        if not as_trained:
            continue
        lines = []
        for row in as_trained:
            ends = [(row.predicted, row.low), (row.predicted, row.high)]
            lines.append(ChartLine("", ends, Style(INK), faint=True))
        lines.append(ChartLine("corrected", reliability_curve(bins["corrected"]), CORRECTED))
        solid = Style(styles[method].color)
        lines.append(ChartLine("as trained", reliability_curve(as_trained), solid))
        yield unit_panel(
            method,
            lines,
            x_label="predicted probability",
            y_label="observed share",
            chance=(0.0, 1.0),
        )


def reliability_curve(bins: Sequence[ReliabilityRow]) -> list[tuple[float, float]]:
    """Return (predicted probability, observed share) of each bin."""
    return [(row.predicted, row.observed) for row in bins]
