"""How good synthetic images are, class by class, beside real images in their place."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from equipoise.audit.quality_gate import DEFAULT_QUALITY_RULE, EXTRACTOR_WORDS, SHARES
from equipoise.audit.realism import Separation
from equipoise.report.evidence_files import read_evidence, records_of
from equipoise.report.figures import Axis, interval_axis
from equipoise.report.formatting import MINUS, extent, interval, listed, sentence_case
from equipoise.report.run_contents import Contents

HEADING = "How good the synthetic images are"
ORDER = 40
BY_EXTRACTOR = {  # measure -> heading of the table with a row for each extractor
    "two_sample": "Told from real",
    "kid": "KID",
    "precision": "Precision",
    "recall": "Recall",
    "density": "Density",
    "coverage": "Coverage",
    "fid": "FID",
}
OF_IMAGES = {  # measure -> heading of the table with a row for each method
    "train_synthetic": "Learn synthetic, test real",
    "test_synthetic": "Learn real, test synthetic",
    "ms_ssim": "Alike (MS-SSIM)",
    "repeats": "Constant or repeated",
}
SEEING = ("two_sample", "kid", *SHARES)  # measures that can see a difference
EQUAL = {"two_sample": 0.5, "kid": 0.0}  # values of two sets of the same distribution
MAIN = ("two_sample", "kid")  # refused with all measures of an extractor
NAN = float("nan")


@dataclass(frozen=True, kw_only=True)
class MeanQuality:
    """A measure of a method's images of one class, mean over runs, as `quality.json` stores it.

    Attributes:
        label: Class.
        method: Method that generated the images.
        measure: One of `BY_EXTRACTOR` or `OF_IMAGES`, or "detectable".
        extractor: Name of the extractor of the features; empty for `OF_IMAGES`.
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
    extractor: str
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

    @property
    def sees_difference(self) -> bool:
        """Whether images differ from real ones by this measure.

        The interval of an AUROC or of KID lies above the value of real images in their place, and
        above what equal sets have; a share is far below that of real images.
        """
        if self.refused:
            return False
        if self.measure in EQUAL:
            return self.low > max(self.floor, EQUAL[self.measure])
        return self.measure in SHARES and self.value < DEFAULT_QUALITY_RULE.least_share * self.floor


Means = Mapping[tuple[str, str], MeanQuality]  # of one method, by extractor and measure


@dataclass(frozen=True)
class QualityCell:
    """A cell of a table."""

    value: str
    interval: str
    real: str
    refused: str


@dataclass(frozen=True)
class AurocBar:
    """A method and an extractor in the figure of two-sample tests."""

    method: str
    extractor: str
    value: float
    low: float
    high: float
    floor_low: float
    floor_high: float
    text: str


@dataclass(frozen=True, kw_only=True)
class QualityOfClass:
    """What is shown of one class.

    Attributes:
        name: The class.
        sentences: What the numbers mean.
        n: Images in each set.
        by_extractor: Method -> name of an extractor -> a cell for each of `BY_EXTRACTOR`.
        of_images: Method -> a cell for each of `OF_IMAGES`.
        bars: The figure.
        axis: Its axis; None without a number.
        refusals: Why numbers are missing.
    """

    name: str
    sentences: Sequence[str]
    n: str
    by_extractor: Mapping[str, Mapping[str, Sequence[QualityCell]]]
    of_images: Mapping[str, Sequence[QualityCell]]
    bars: Sequence[AurocBar]
    axis: Axis | None
    refusals: Sequence[str]


@dataclass(frozen=True, kw_only=True)
class QualityView:
    """What the template of this section shows."""

    classes: Sequence[QualityOfClass]
    columns: Sequence[str]
    image_columns: Sequence[str]
    extractors: str
    baseline: str
    n_draws: int
    notes: Sequence[str]


def view(contents: Contents) -> QualityView | None:
    """Return each class with measured synthetic images, the rare one first; None without any."""
    evidence = read_evidence(contents.folder, "quality", "quality.json")
    if evidence is None or "extractors" not in evidence:  # of an earlier version
        return None
    rare = contents.results.rare_class
    by_label: dict[int, list[MeanQuality]] = {}
    for mean in records_of(MeanQuality, evidence["means"]):
        by_label.setdefault(mean.label, []).append(mean)
    separations = records_of(Separation, evidence["separations"])
    classes = []
    for label in sorted(by_label, key=lambda label: (label != rare, label)):
        of_class = [separation for separation in separations if separation.label == label]
        classes.append(class_quality(contents.class_names[label], by_label[label], of_class))
    return QualityView(
        classes=classes,
        columns=list(BY_EXTRACTOR.values()),
        image_columns=list(OF_IMAGES.values()),
        extractors=listed([words(name) for name in evidence["extractors"]]),
        baseline=evidence["baseline"],
        n_draws=evidence["n_draws"],
        notes=evidence["notes"],
    )


def class_quality(
    name: str, means: Sequence[MeanQuality], separations: Sequence[Separation]
) -> QualityOfClass:
    """Return what is shown of one class."""
    methods: dict[str, dict[tuple[str, str], MeanQuality]] = {}
    refusals: dict[str, None] = {}  # a set that keeps the order
    counts: list[int] = []
    for mean in means:
        methods.setdefault(mean.method, {})[mean.extractor, mean.measure] = mean
        if mean.measure == "two_sample" and not mean.refused:
            counts += mean.n
        if mean.refused:
            heading = {**BY_EXTRACTOR, **OF_IMAGES}.get(mean.measure, "")
            subject = words(mean.extractor) if mean.measure in MAIN else heading
            if subject:
                refusals[f"{sentence_case(subject)}: {mean.refused}"] = None
    bars = list(auroc_bars(methods))
    ends = [0.5, 1.0]
    for bar in bars:
        ends += [bar.low, bar.high, bar.floor_low, bar.floor_high]
    return QualityOfClass(
        name=name,
        sentences=[
            *closeness_sentences(name, methods),
            *separation_sentences(name, separations),
            *teaching_sentences(name, means),
            *reference_sentences(name, means),
        ],
        n=extent(counts),
        by_extractor={method: extractor_rows(of_method) for method, of_method in methods.items()},
        of_images={method: image_row(of_method) for method, of_method in methods.items()},
        bars=bars,
        axis=interval_axis(ends) if bars else None,
        refusals=list(refusals),
    )


def extractor_rows(means: Means) -> dict[str, list[QualityCell]]:
    """Return a row of cells for each extractor that was used."""
    rows = {}
    for (extractor, measure), mean in means.items():
        if measure == "two_sample" and not mean.refused:
            cells = [quality_cell(means[extractor, column]) for column in BY_EXTRACTOR]
            rows[words(extractor)] = cells
    return rows


def image_row(means: Means) -> list[QualityCell]:
    """Return a cell for each measure of the images."""
    return [quality_cell(means["", measure]) for measure in OF_IMAGES]


def auroc_bars(methods: Mapping[str, Means]) -> Iterator[AurocBar]:
    """Yield a bar for each method and extractor with a two-sample test."""
    for method, means in methods.items():
        for (extractor, measure), mean in means.items():
            if measure != "two_sample" or mean.refused:
                continue
            text = (
                f"{method}, {words(extractor)}: AUROC {short(mean.value)}, interval "
                f"{interval(mean.low, mean.high, short)}; real images "
                f"{interval(mean.floor_low, mean.floor_high, short)}"
            )
            yield AurocBar(
                method,
                words(extractor),
                mean.value,
                mean.low,
                mean.high,
                mean.floor_low,
                mean.floor_high,
                text,
            )


def closeness_sentences(name: str, methods: Mapping[str, Means]) -> Iterator[str]:
    """Yield for each method which extractors distinguish its images of a class from real ones."""
    for method, means in methods.items():
        tests = []
        for (_, measure), mean in means.items():
            if measure == "two_sample" and not mean.refused:
                tests.append(mean)
        if not tests:
            refused = next(mean.refused for mean in means.values() if mean.refused)
            yield f"Whether images of {name} by {method} look real cannot be said: {refused}"
            continue
        seen: list[str] = []
        unseen: list[str] = []
        for test in tests:
            differs = [means[test.extractor, measure].sees_difference for measure in SEEING]
            (seen if any(differs) else unseen).append(described(test.extractor, means))
        detectable = means[tests[0].extractor, "detectable"].value
        images = f"{extent(tests[0].n)} images"
        if seen:
            also = f" No difference seen by {listed(unseen)}." if unseen else ""
            yield f"Images of {name} by {method} differ from real ones, by {listed(seen)}.{also}"
        elif max(test.high for test in tests) < DEFAULT_QUALITY_RULE.most_told:
            yield (
                f"Images of {name} by {method} are as close to real ones as other real images in "
                f"every feature extractor, as far as {images} can show: by {listed(unseen)}. An "
                f"AUROC of {detectable:.2f} would have been found 8 times in 10."
            )
        else:
            yield (
                f"Whether images of {name} by {method} are as close to real ones as other real "
                f"images cannot be told from {images}: by {listed(unseen)}. They would show an "
                f"AUROC of {detectable:.2f} 8 times in 10."
            )


def described(extractor: str, means: Means) -> str:
    """Return an extractor with its two-sample test; with others where they alone see something."""
    test = means[extractor, "two_sample"]
    numbers = [
        auroc(test.value, test.low, test.high),
        f"other real images {test.floor:.2f} [{test.floor_low:.2f}, {test.floor_high:.2f}]",
    ]
    for measure in SEEING[1:]:
        mean = means[extractor, measure]
        if mean.sees_difference and not test.sees_difference:
            heading = BY_EXTRACTOR[measure]
            heading = heading if heading.isupper() else heading.lower()
            numbers.append(f"{heading} {short(mean.value)} against {short(mean.floor)}")
    return f"{words(extractor)} ({', '.join(numbers)})"


def separation_sentences(name: str, separations: Sequence[Separation]) -> Iterator[str]:
    """Yield in how many runs the classifier's features are not used, and why."""
    unusable = [separation.refused for separation in separations if separation.refused]
    if unusable:
        yield (
            f"The baseline's classifier is not used to compare images of {name} in "
            f"{len(unusable)} of {len(separations)} runs. {unusable[0]}"
        )


def teaching_sentences(name: str, means: Sequence[MeanQuality]) -> Iterator[str]:
    """Yield how well a classifier learns the class from the best method's images."""
    teachers = []
    for mean in means:
        if mean.measure == "train_synthetic" and not mean.refused:
            teachers.append(mean)
    if teachers:
        best = max(teachers, key=lambda mean: mean.value)
        yield (
            f"A classifier that learned {name} from the images of {best.method}, the best in this "
            f"respect, reaches {auroc(best.value, best.low, best.high)} on real images; one that "
            "learned from as many real images "
            f"{auroc(best.floor, best.floor_low, best.floor_high)}."
        )


def reference_sentences(name: str, means: Sequence[MeanQuality]) -> Iterator[str]:
    """Yield what makes the comparison with real images doubtful."""
    doubtful: dict[str, None] = {}
    for mean in means:
        if mean.measure == "kid" and not mean.refused and mean.floor_low > 0:
            doubtful[words(mean.extractor)] = None
    if doubtful:
        yield (
            f"Even real images of the two sets differ by {listed(list(doubtful))}: read the "
            "distances with care."
        )
    if any("training" in mean.sources for mean in means if mean.measure == "kid"):
        yield (
            f"The validation part has too few images of {name}, so halves of the training part are "
            "compared. Classifier and generator were trained on both halves, which may change the "
            "distances in either direction."
        )


def words(extractor: str) -> str:
    """Return the name of an extractor in a sentence."""
    return EXTRACTOR_WORDS.get(extractor, extractor)


def auroc(value: float, low: float, high: float) -> str:
    """Return an AUROC with its interval."""
    return f"AUROC {value:.2f} [{low:.2f}, {high:.2f}]"


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
