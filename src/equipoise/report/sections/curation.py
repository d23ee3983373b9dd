"""How many synthetic images are worth adding, and whether choosing among them helps."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from equipoise.metrics.classification import METRICS
from equipoise.report.figures import INK, OKABE_ITO, Line, Panel, Style, number, padded
from equipoise.report.formatting import interval, known, signed
from equipoise.report.run_contents import Contents
from equipoise.results.dose_response import DoseRow
from equipoise.results.records import Comparison
from equipoise.runs.cell_record import ClassCuration
from equipoise.runs.csv_records import read_rows

HEADING = "How many synthetic images, and which"
ORDER = 50
AXES = {
    "share": "synthetic images for each real one",
    "per_class": "synthetic images in each class",
}
TEST, VALIDATION, KNEE = Style(OKABE_ITO[0]), Style(OKABE_ITO[1], "7 3"), Style(INK, "2 3")


@dataclass(frozen=True)
class Kept:
    """What filters left of the images of one class, summed over the runs of a method.

    Attributes:
        filters: (name, images it was shown, images it kept), in order.
        filled: Images dropped that were taken all the same.
        n: Images added.
    """

    method: str
    class_name: str
    filters: Sequence[tuple[str, int, int]]
    filled: int
    n: int


def view(contents: Contents) -> dict[str, Any] | None:
    """Give doses, keep rates and the effect of filtering; None where the run has neither."""
    doses, effects = contents.folder / "dose.csv", contents.folder / "curation.csv"
    found = {
        "ladders": [
            _ladder(rows)
            for rows in _by_ladder(read_rows(doses, DoseRow) if doses.is_file() else [])
        ],
        "kept": _kept(contents),
        "effects": [
            _effect(row) for row in (read_rows(effects, Comparison) if effects.is_file() else [])
        ],
    }
    return found if any(found.values()) else None


def _by_ladder(rows: Sequence[DoseRow]) -> list[list[DoseRow]]:
    ladders: dict[tuple[str, str], list[DoseRow]] = defaultdict(list)
    for row in rows:
        ladders[row.base, row.unit].append(row)
    return [
        some for some in ladders.values() if not some[0].class_name
    ]  # else the primary metric is not known


def _ladder(rows: Sequence[DoseRow]) -> dict[str, Any]:
    """Show the doses of one generator: what to do, the curve, a table, and the same rule for single classes."""
    classes: dict[str, list[DoseRow]] = defaultdict(list)
    for row in rows:
        classes[row.class_name].append(row)
    main = classes.pop("", [])
    return {
        "base": rows[0].base,
        "label": METRICS[main[0].metric].label,
        "axis": AXES[rows[0].unit],
        "advice": advice(main),
        "panel": _panel(main),
        "rows": main,
        "classes": [
            {"name": name, "knee": _at(_knee(some)), "rows": some} for name, some in classes.items()
        ],
        "tests": [[some[place] for some in classes.values()] for place in range(len(main))],
    }


def advice(rows: Sequence[DoseRow]) -> str:
    """Say in one or two sentences how many images to add; rows are the doses of one metric, increasing."""
    knee, last = _knee(rows), rows[-1]
    base, label = knee.base, METRICS[knee.metric].label
    if knee.dose == 0:
        return (
            f"Add none: on the validation images no dose of {base} improved {label} over no synthetic images by "
            "more than its standard error."
        )
    first = f"Stop at {_at(knee)} ({base}): more does not help detectably."
    if knee is last:
        first = f"The largest dose of {base} that was tried, {_at(knee)}, is still the best: more may help."
    if not known(knee.difference):
        return f"{first} Whether it is better than none is not known: the run has no arm without synthetic images."
    span = interval(knee.difference_low, knee.difference_high, signed)
    inside = f" (95 % interval {span})" if span else ""
    return f"{first} On the test images it changes {label} by {signed(knee.difference)}{inside} against none."


def _knee(rows: Sequence[DoseRow]) -> DoseRow:
    return next(row for row in rows if row.knee)


def _at(row: DoseRow) -> str:
    return f"{number(row.dose)} {AXES[row.unit]}"


def _panel(rows: Sequence[DoseRow]) -> Panel:
    """Draw both curves, the interval of each test point, and where to stop."""
    values = [v for row in rows for v in (row.validation, row.test, row.low, row.high) if known(v)]
    y_span, x_span = padded(values), (0.0, rows[-1].dose or 1.0)
    whiskers = [
        Line("", [(row.dose, row.low), (row.dose, row.high)], TEST, faint=True)
        for row in rows
        if known(row.low)
    ]
    knee = _knee(rows).dose
    lines = [
        *whiskers,
        Line("test images", [(row.dose, row.test) for row in rows], TEST),
        Line("validation images", [(row.dose, row.validation) for row in rows], VALIDATION),
        Line(f"stop here: {number(knee)}", [(knee, y_span[0]), (knee, y_span[1])], KNEE),
    ]
    label = METRICS[rows[0].metric].label
    return Panel(rows[0].base, AXES[rows[0].unit], label, lines, x_span, y_span)


def _kept(contents: Contents) -> list[Kept]:
    """Sum what filters kept over the finished runs of each method."""
    parts: dict[tuple[str, str], list[tuple[ClassCuration, int]]] = defaultdict(list)
    for record in contents.image_records():
        for label, curation in record.curation.items():
            added = record.counts_after[label] - record.counts_before[label]
            parts[record.cell.method, contents.class_names[label]].append((curation, added))
    return [
        Kept(*key, _summed(some), sum(c.n_filled for c, _ in some), sum(n for _, n in some))
        for key, some in parts.items()
    ]


def _summed(parts: Sequence[tuple[ClassCuration, int]]) -> list[tuple[str, int, int]]:
    totals: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for curation, _ in parts:
        for filter_ in curation.filters:
            totals[filter_.name][0] += filter_.n_shown
            totals[filter_.name][1] += filter_.n_kept
    return [(name, shown, kept) for name, (shown, kept) in totals.items()]


def _effect(row: Comparison) -> str:
    span = interval(row.low, row.high, signed)
    inside = f" (95 % interval {span})" if span else ""
    label = METRICS[row.metric].label
    return f"{row.method} minus {row.baseline}, {label}: {signed(row.difference)}{inside}, {row.verdict}."
