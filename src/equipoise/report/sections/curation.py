"""How many synthetic images are worth adding, and whether choosing among them helps."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from equipoise.metrics.classification import METRICS
from equipoise.metrics.decisions import DECIDED
from equipoise.report.figures import INK, OKABE_ITO, ChartLine, Panel, Style, number, padded
from equipoise.report.formatting import interval, known, signed
from equipoise.report.run_contents import Contents
from equipoise.results.dose_response import DoseRow
from equipoise.results.records import Comparison
from equipoise.runs.cell_record import ClassCuration
from equipoise.runs.csv_records import read_rows

NAMED = {**METRICS, **DECIDED}
HEADING = "How many synthetic images, and which"
ORDER = 50
AXES = {
    "share": "{} for each real one",
    "per_class": "{} in each class",
}
TEST, VALIDATION, KNEE = Style(OKABE_ITO[0]), Style(OKABE_ITO[1], "7 3"), Style(INK, "2 3")


@dataclass(frozen=True)
class FilteredImages:
    """What filters left of the images of one class, summed over the runs of a method.

    Attributes:
        method: Name of the method.
        class_name: The class.
        filters: (name, images it was given, images it kept), in order.
        filled: Rejected images that were added all the same, to reach the number.
        n: Images added.
    """

    method: str
    class_name: str
    filters: Sequence[tuple[str, int, int]]
    filled: int
    n: int


@dataclass(frozen=True)
class ClassDoses:
    """The doses of one generator for a single class, and where to stop."""

    name: str
    knee: str
    rows: Sequence[DoseRow]


@dataclass(frozen=True, kw_only=True)
class DoseLadder:
    """The doses of one generator: advice, curve, table, and the same for single classes.

    Attributes:
        base: The generator.
        label: The primary metric.
        axis: What a dose counts.
        advice: Where to stop, in words.
        panel: The curves.
        rows: The doses, increasing.
        classes: The same rule for single classes.
        tests: For each dose the rows of all classes.
    """

    base: str
    label: str
    axis: str
    advice: str
    panel: Panel
    rows: Sequence[DoseRow]
    classes: Sequence[ClassDoses]
    tests: Sequence[Sequence[DoseRow]]


@dataclass(frozen=True, kw_only=True)
class CurationView:
    """What the template of this section shows."""

    ladders: Sequence[DoseLadder]
    kept: Sequence[FilteredImages]
    effects: Sequence[str]


def view(contents: Contents) -> CurationView | None:
    """Return doses, filters and the effect of filtering; None where the run has none of them."""
    dose_file = contents.folder / "dose.csv"
    effect_file = contents.folder / "curation.csv"
    doses = read_rows(dose_file, DoseRow) if dose_file.is_file() else []
    effects = read_rows(effect_file, Comparison) if effect_file.is_file() else []
    section = CurationView(
        ladders=ladders(doses),
        kept=filtered_images(contents),
        effects=[effect_sentence(row) for row in effects],
    )
    return section if section.ladders or section.kept or section.effects else None


def ladders(doses: Sequence[DoseRow]) -> list[DoseLadder]:
    """Return the doses of each generator; those without the primary metric are left out."""
    by_generator: dict[tuple[str, str], list[DoseRow]] = defaultdict(list)
    for row in doses:
        by_generator[row.base, row.unit].append(row)
    return [ladder(rows) for rows in by_generator.values() if not rows[0].class_name]


def ladder(rows: Sequence[DoseRow]) -> DoseLadder:
    """Return the doses of one generator; rows without a class are on the primary metric."""
    by_class: dict[str, list[DoseRow]] = defaultdict(list)
    for row in rows:
        by_class[row.class_name].append(row)
    main = by_class.pop("")
    classes = []
    for name, class_doses in by_class.items():
        classes.append(ClassDoses(name, dose_text(knee_of(class_doses)), class_doses))
    tests = []
    for i in range(len(main)):
        tests.append([class_doses[i] for class_doses in by_class.values()])
    return DoseLadder(
        base=rows[0].base,
        label=NAMED[main[0].metric].label,
        axis=axis(rows[0]),
        advice=advice(main),
        panel=dose_panel(main),
        rows=main,
        classes=classes,
        tests=tests,
    )


def advice(rows: Sequence[DoseRow]) -> str:
    """Return in one or two sentences how many images to add.

    Args:
        rows: The doses of one metric, increasing.
    """
    knee, last = knee_of(rows), rows[-1]
    base, label, added = knee.base, NAMED[knee.metric].label, added_images(knee)
    if knee.dose == 0:
        return (
            f"Add none: on the validation images no dose of {base} improved {label} over no "
            f"{added} by more than its standard error."
        )
    first = f"Stop at {dose_text(knee)} ({base}): more does not help detectably."
    if knee is last:
        first = (
            f"The largest dose of {base} that was tried, {dose_text(knee)}, is still the best: "
            "more may help."
        )
    if not known(knee.difference):
        return (
            f"{first} Whether it is better than none is unknown: the run has no method without "
            f"{added}."
        )
    span = interval(knee.difference_low, knee.difference_high, signed)
    inside = f" (95 % interval {span})" if span else ""
    change = f"{signed(knee.difference)}{inside}"
    return f"{first} On the test images it changes {label} by {change} against none."


def knee_of(rows: Sequence[DoseRow]) -> DoseRow:
    """Return the dose at which to stop."""
    return next(row for row in rows if row.knee)


def added_images(row: DoseRow) -> str:
    """Return what a dose adds; the catalogue's replays add no synthetic images."""
    return "copies of real images" if row.base.startswith("replay") else "synthetic images"


def axis(row: DoseRow) -> str:
    """Return what a dose counts."""
    return AXES[row.unit].format(added_images(row))


def dose_text(row: DoseRow) -> str:
    """Return a dose with its unit."""
    return f"{number(row.dose)} {axis(row)}"


def dose_panel(rows: Sequence[DoseRow]) -> Panel:
    """Return the chart of both curves, the interval of each test point, and where to stop."""
    values: list[float] = []
    whiskers: list[ChartLine] = []
    test: list[tuple[float, float]] = []
    validation: list[tuple[float, float]] = []
    for row in rows:
        values += filter(known, (row.validation, row.test, row.low, row.high))
        test.append((row.dose, row.test))
        validation.append((row.dose, row.validation))
        if known(row.low):
            ends = [(row.dose, row.low), (row.dose, row.high)]
            whiskers.append(ChartLine("", ends, TEST, faint=True))
    bottom, top = padded(values)
    knee = knee_of(rows).dose
    lines = [
        *whiskers,
        ChartLine("test images", test, TEST),
        ChartLine("validation images", validation, VALIDATION),
        ChartLine(f"stop here: {number(knee)}", [(knee, bottom), (knee, top)], KNEE),
    ]
    label = NAMED[rows[0].metric].label
    x_span = (0.0, rows[-1].dose or 1.0)
    return Panel(rows[0].base, axis(rows[0]), label, lines, x_span, (bottom, top))


def filtered_images(contents: Contents) -> list[FilteredImages]:
    """Return what filters kept, summed over the finished runs of each method."""
    parts: dict[tuple[str, str], list[tuple[ClassCuration, int]]] = defaultdict(list)
    for record in contents.image_records():
        for label, curation in record.curation.items():
            added = record.counts_after[label] - record.counts_before[label]
            key = (record.cell.method, contents.class_names[label])
            parts[key].append((curation, added))
    classes = []
    for (method, class_name), runs in parts.items():
        totals: dict[str, list[int]] = {}  # filter -> images it was given, images it kept
        n_filled = n_added = 0
        for curation, added in runs:
            n_filled += curation.n_filled
            n_added += added
            for step in curation.filters:
                total = totals.setdefault(step.name, [0, 0])
                total[0] += step.n_shown
                total[1] += step.n_kept
        filters = [(name, given, kept) for name, (given, kept) in totals.items()]
        classes.append(FilteredImages(method, class_name, filters, n_filled, n_added))
    return classes


def effect_sentence(row: Comparison) -> str:
    """Return the difference that filtering made, with its interval and verdict."""
    span = interval(row.low, row.high, signed)
    inside = f" (95 % interval {span})" if span else ""
    label = NAMED[row.metric].label
    difference = f"{signed(row.difference)}{inside}"
    return f"{row.method} minus {row.baseline}, {label}: {difference}, {row.verdict}."
