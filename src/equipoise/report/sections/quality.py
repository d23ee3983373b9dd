"""How good synthetic images are, class by class, beside real images in their place."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from equipoise.report.evidence_files import read_evidence, records_of
from equipoise.report.figures import Axis, interval_axis
from equipoise.report.formatting import MINUS, extent, interval, listed
from equipoise.report.run_contents import Contents

HEADING = "How good the synthetic images are"
ORDER = 40
NEARLY_ALWAYS = 0.95  # AUROC from which images count as distinguished from real ones nearly always
COLUMNS = {  # measure -> heading of the table
    "kid": "KID",
    "two_sample": "Told from real",
    "train_synthetic": "Learn synthetic, test real",
    "test_synthetic": "Learn real, test synthetic",
    "precision": "Precision",
    "recall": "Recall",
    "density": "Density",
    "coverage": "Coverage",
    "ms_ssim": "Alike (MS-SSIM)",
    "fid": "FID",
}
NAN = float("nan")


@dataclass(frozen=True, kw_only=True)
class MeanQuality:
    """A measure of a method's images of one class, mean over runs, as `quality.json` stores it.

    Attributes:
        label: Class.
        method: Method that generated the images.
        measure: One of `COLUMNS`.
        n: Fewest and most images of a set.
        sources: Parts that the real images come from: "validation", "training".
        refused: Why there is no number; empty where there is one.
        value: The number.
        low: Lower end of its interval.
        high: Upper end.
        floor: The same number of other real images in the place of the synthetic ones.
        floor_low: Lower end of its interval.
        floor_high: Upper end.
        sd: Standard deviation over runs; None for one run.
    """

    label: int
    method: str
    measure: str
    n: Sequence[int]
    sources: Sequence[str]
    refused: str
    value: float = NAN
    low: float = NAN
    high: float = NAN
    floor: float = NAN
    floor_low: float = NAN
    floor_high: float = NAN
    sd: float | None = None


@dataclass(frozen=True)
class QualityCell:
    """A cell of the table."""

    value: str
    interval: str
    real: str
    refused: str


@dataclass(frozen=True)
class KidBar:
    """A method in the figure of KID."""

    method: str
    value: float
    low: float
    high: float
    floor_low: float
    floor_high: float
    text: str


@dataclass(frozen=True, kw_only=True)
class QualityOfClass:
    """What is shown of one class."""

    name: str
    sentences: Sequence[str]
    n: str
    table: Mapping[str, Sequence[QualityCell]]
    rows: Sequence[KidBar]
    axis: Axis | None
    refusals: Sequence[str]


@dataclass(frozen=True, kw_only=True)
class QualityView:
    """What the template of this section shows."""

    classes: Sequence[QualityOfClass]
    columns: Sequence[str]
    extractor: str
    label_extractor: str
    baseline: str
    n_draws: int


def view(contents: Contents) -> QualityView | None:
    """Return each class with measured synthetic images, the rare one first; None without any."""
    evidence = read_evidence(contents.folder, "quality", "quality.json")
    if evidence is None:
        return None
    means = records_of(MeanQuality, evidence["means"])
    rare = contents.results.rare_class
    by_label: dict[int, list[MeanQuality]] = {}
    for mean in means:
        by_label.setdefault(mean.label, []).append(mean)
    classes = []
    for label in sorted(by_label, key=lambda label: (label != rare, label)):
        classes.append(class_quality(contents.class_names[label], by_label[label]))
    return QualityView(
        classes=classes,
        columns=list(COLUMNS.values()),
        extractor=evidence["extractor"],
        label_extractor=evidence["label_extractor"],
        baseline=evidence["baseline"],
        n_draws=evidence["n_draws"],
    )


def class_quality(name: str, means: Sequence[MeanQuality]) -> QualityOfClass:
    """Return what is shown of one class."""
    cells: dict[tuple[str, str], QualityCell] = {}
    refusals: dict[str, None] = {}  # a set that keeps the order
    for mean in means:
        cells[mean.method, mean.measure] = quality_cell(mean)
        if mean.refused:
            refusals[f"{COLUMNS[mean.measure]}: {mean.refused}"] = None
    table: dict[str, list[QualityCell]] = {}
    for method, _ in cells:
        table[method] = [cells[method, measure] for measure in COLUMNS]
    bars: list[KidBar] = []
    ends: list[float] = []
    counts: list[int] = []
    for mean in measured(means, "kid"):
        bars.append(kid_bar(mean))
        ends += [mean.value, mean.low, mean.high, mean.floor_low, mean.floor_high]
        counts += mean.n
    return QualityOfClass(
        name=name,
        sentences=list(class_sentences(name, means)),
        n=extent(counts),
        table=table,
        rows=bars,
        axis=interval_axis(ends) if bars else None,
        refusals=list(refusals),
    )


def measured(means: Sequence[MeanQuality], measure: str) -> list[MeanQuality]:
    """Return the means of one measure that have a number."""
    return [mean for mean in means if mean.measure == measure and not mean.refused]


def class_sentences(name: str, means: Sequence[MeanQuality]) -> Iterator[str]:
    """Yield what the numbers mean: which images come closest, which are recognized, which teach."""
    nearest = sorted(measured(means, "kid"), key=lambda mean: mean.value)
    if nearest:
        yield closest_sentence(name, nearest)
    else:
        refused = next(mean.refused for mean in means if mean.measure == "kid")
        yield f"Whether synthetic images of {name} look real cannot be said: {refused}"
    yield from recognition_sentences(measured(means, "two_sample"))
    teachers = measured(means, "train_synthetic")
    if teachers:
        best = max(teachers, key=lambda mean: mean.value)
        yield (
            f"A classifier that learned {name} from the images of {best.method}, the best in this "
            f"respect, reaches an AUROC of {short(best.value)} on real images; one that learned "
            f"from as many real images reaches {short(best.floor)}."
        )
    if any(mean.floor_low > 0 for mean in nearest):
        yield (
            "Even real images of the two sets differ in these features: read the distances with "
            "care."
        )
    if any("training" in mean.sources for mean in nearest):
        yield (
            f"The validation part has too few images of {name}, so halves of the training part are "
            "compared. Classifier and generator were trained on both halves, which may change the "
            "distances in either direction."
        )


def recognition_sentences(tests: Sequence[MeanQuality]) -> Iterator[str]:
    """Yield whose images a simple classifier distinguishes from real ones, and whose not."""
    recognized: list[str] = []
    hidden: list[str] = []
    for test in tests:
        if test.low <= test.floor_high:
            hidden.append(test.method)
        elif test.value >= NEARLY_ALWAYS:
            recognized.append(test.method)
    if recognized:
        yield (
            f"A simple classifier distinguishes the images of {listed(recognized)} from real ones "
            "nearly always."
        )
    if hidden:
        yield (
            f"The images of {listed(hidden)} are not detectably easier to distinguish from real "
            "ones than real ones are from each other."
        )


def closest_sentence(name: str, nearest: Sequence[MeanQuality]) -> str:
    """Return which method's images come closest to real ones, and whether as close as real ones."""
    best = nearest[0]
    numbers = f"KID {short(best.value)}, other real images {short(best.floor)}"
    if best.low > best.floor_high:
        return (
            f"No synthetic images of {name} come as close to real ones as other real images do; "
            f"the closest are those of {best.method} ({numbers})."
        )
    equal = [mean.method for mean in nearest[1:] if mean.low <= mean.floor_high]
    also = f"; the same holds for {listed(equal)}" if equal else ""
    return (
        f"The synthetic images of {name} closest to real ones are those of {best.method}: no "
        f"farther away than other real images, as far as {extent(best.n)} images can show "
        f"({numbers}){also}."
    )


def kid_bar(mean: MeanQuality) -> KidBar:
    """Return the bar of a method in the figure of KID."""
    text = (
        f"{mean.method}: KID {short(mean.value)}, interval {interval(mean.low, mean.high, short)}; "
        f"real images {interval(mean.floor_low, mean.floor_high, short)}"
    )
    return KidBar(
        mean.method, mean.value, mean.low, mean.high, mean.floor_low, mean.floor_high, text
    )


def quality_cell(mean: MeanQuality) -> QualityCell:
    """Return a cell of the table."""
    if mean.refused:
        return QualityCell("\N{EN DASH}", "", "", mean.refused)
    sd = "" if mean.sd is None else f" ± {short(mean.sd)}"
    ends = interval(mean.low, mean.high, short)
    return QualityCell(short(mean.value) + sd, ends, f"real {short(mean.floor)}", "")


def short(value: float | None) -> str:
    """Return three significant digits, but at most three decimals for numbers below 10."""
    if value is None:
        return "\N{EN DASH}"
    text = f"{value:.3f}" if 0.001 <= abs(value) < 10 or value == 0 else f"{value:.3g}"
    return text.replace("-", MINUS)
