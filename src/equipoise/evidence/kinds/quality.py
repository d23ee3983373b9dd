"""How good the synthetic images of each class are, beside real images in their place."""

import csv
import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from pathlib import Path

import numpy as np

from equipoise.arrays import Images, Labels, Rows, value_range
from equipoise.atomic import JsonObject, JsonValue, write_json
from equipoise.audit.in_domain import in_domain
from equipoise.data.dataset import ImageDataset
from equipoise.evidence.finished_run import FinishedRun
from equipoise.evidence.gathering import EvidenceCard
from equipoise.evidence.label_fidelity import ClassFeatures, label_fidelity
from equipoise.evidence.realism import MOST, N_DRAWS, Finding, RealFeatures, RealPairs
from equipoise.features.base import Extractor, extract
from equipoise.features.choosing import make_extractor
from equipoise.metrics.feature_sets import Features
from equipoise.metrics.similarity import WINDOW, Diversity, diversity
from equipoise.randomness import make_rng
from equipoise.runs.cell import Cell

CARD = EvidenceCard(
    summary="how close synthetic images come to real ones, and whether they show their class"
)
MOST_RUNS = 6  # of each method: bounds the cost, with at most 2 x 300 images of a class and part
MOST_COMPARED = 20  # images whose pairs measure the diversity of a class
UNLABELED = "random"  # extractor of label fidelity if the study's own was trained on the labels
VALUES = ("value", "low", "high", "floor", "floor_low", "floor_high")


@dataclass(frozen=True, kw_only=True)
class QualityRow:
    """A finding about the synthetic images of one class of one cell: a line of `runs.csv`.

    Attributes:
        method: Of the cell.
        split: Of the cell.
        seed: Of the cell.
        label: The class.
        source: "validation" or "training": the part of the real images that are the reference.
        finding: The measure.
    """

    method: str
    split: str
    seed: int
    label: int
    source: str
    finding: Finding


@dataclass(frozen=True, eq=False)
class RealPart:
    """Real images of a part of a split, at most as many of each class as are compared.

    Attributes:
        images: The images with labels and patients.
        features: (n, d) features of the study's extractor.
        labeled: Features of the extractor that never saw the labels, with labels and patients.
    """

    images: ImageDataset
    features: Features
    labeled: ClassFeatures

    def of_class(self, label: int, scale: float) -> RealFeatures:
        """Select the images of a class, their features divided by `scale`."""
        rows = self.images.labels == label
        return RealFeatures(self.features[rows] / scale, self.images.groups[rows])


def gather(run: FinishedRun, folder: Path) -> None:
    """Write `runs.csv`, a line per cell, class and measure, and their means as `quality.json`.

    Nothing is written if no method stored synthetic images. The features are those of the
    baseline's classifier of the same split and seed, or those of the extractor that the study
    names. The scale of a classifier's features is arbitrary; they are divided by their root mean
    square over the training images, so that runs can be averaged.
    """
    cells = chosen(run)
    if not cells:
        return
    references: dict[tuple[str, int], RealReference] = {}
    rows: list[QualityRow] = []
    for cell in cells:
        place = (cell.split, cell.seed)
        if place not in references:
            references[place] = RealReference(run, cell)
        rows += references[place].compare(cell)
    write_quality_rows(rows, folder / "runs.csv")
    first = next(iter(references.values()))
    quality = {
        "extractor": first.extractor.name,
        "label_extractor": first.unlabeled_extractor.name,
        "baseline": run.study.baseline_name,
        "n_draws": N_DRAWS,
        "means": means(rows),
    }
    write_json(folder / "quality.json", quality)


def chosen(run: FinishedRun) -> list[Cell]:
    """Choose the first runs of each method that kept synthetic images: all splits, seed by seed."""
    of_method: dict[str, list[Cell]] = defaultdict(list)
    for cell in run.generated:
        if len(of_method[cell.method]) < MOST_RUNS:
            of_method[cell.method].append(cell)
    cells = []
    for method_cells in of_method.values():
        cells += method_cells
    return cells


class RealReference:
    """The real images of a split and seed, with which synthetic images are compared.

    Attributes:
        extractor: Of the study; in most studies, the features of the baseline's classifier.
        unlabeled_extractor: An extractor that never saw the labels; the same if that of the study
            did not.
        train: Real training images.
        held_out: Real validation images.
        scale: The features of the study's extractor are divided by it.
    """

    def __init__(self, run: FinishedRun, cell: Cell) -> None:
        self.run = run
        self.seed = ("quality", cell.split, cell.seed)
        train = run.part(cell, "train")
        self.span = value_range(train.images)
        self.extractor = self._study_extractor(cell)
        saw_labels = self.extractor.name == "classifier"
        self.unlabeled_extractor = self.extractor
        if saw_labels:
            self.unlabeled_extractor = make_extractor(UNLABELED, span=self.span)
        self.train = self._real_part(train, "train")
        self.held_out = self._real_part(run.part(cell, "validation"), "held")
        root_mean_square = float(np.sqrt(np.mean(self.train.features**2)))
        self.scale = (root_mean_square or 1.0) if saw_labels else 1.0
        self._pairs: dict[int, RealPairs] = {}

    def compare(self, cell: Cell) -> list[QualityRow]:
        """Measure each class of which the cell kept synthetic images."""
        images, labels = self.run.synthetic(cell)
        rows = _first(labels, MOST)
        images, labels = images[rows], labels[rows]
        fake = self._labeled(images, labels, np.arange(len(labels)))
        quality_rows = []
        for label in np.unique(labels).tolist():
            of_class = images[labels == label]
            rng = make_rng(*self.seed, cell.method, label)
            pairs = self.pairs_of(label)
            findings = pairs.compare(self._features(of_class) / self.scale, rng)
            findings += label_fidelity(self.train.labeled, self.held_out.labeled, fake, label)
            findings.append(self._diversity(of_class, label))
            for finding in findings:
                row = QualityRow(
                    method=cell.method,
                    split=cell.split,
                    seed=cell.seed,
                    label=label,
                    source=pairs.source,
                    finding=finding,
                )
                quality_rows.append(row)
        return quality_rows

    def _study_extractor(self, cell: Cell) -> Extractor:
        name = self.run.study.facts.get("extractor", "classifier")
        if name != "classifier":
            return make_extractor(name, span=self.span)
        methods = [self.run.study.baseline_name, *self.run.study.methods]
        return in_domain(self.run.classifier(self.run.beside(cell, methods) or cell))

    def _real_part(self, part: ImageDataset, name: str) -> RealPart:
        """Draw at most as many images of each class as two sets of them need, in random order."""
        order = make_rng(*self.seed, name).permutation(len(part))
        drawn_images = part.subset(order[_first(part.labels[order], 2 * MOST)])
        return RealPart(
            drawn_images,
            self._features(drawn_images.images),
            self._labeled(drawn_images.images, drawn_images.labels, drawn_images.groups),
        )

    def _features(self, images: Images) -> Features:
        return extract(images, self.extractor, cache=self.run.features)

    def _labeled(self, images: Images, labels: Labels, patients: Labels) -> ClassFeatures:
        features = extract(images, self.unlabeled_extractor, cache=self.run.features)
        return ClassFeatures(features, labels, patients)

    def pairs_of(self, label: int) -> RealPairs:
        """Return the pairs of real sets of a class; drawn once."""
        if label not in self._pairs:
            train = self.train.of_class(label, self.scale)
            held_out = self.held_out.of_class(label, self.scale)
            rng = make_rng(*self.seed, "halves", label)
            self._pairs[label] = RealPairs.of(train, held_out, rng)
        return self._pairs[label]

    def _diversity(self, fake: Images, label: int) -> Finding:
        """Compare the MS-SSIM of synthetic images with that of real images of as many patients."""
        train = self.train.images
        of_class = np.flatnonzero(train.labels == label)
        _, first_rows = np.unique(train.groups[of_class], return_index=True)
        real = train.images[of_class[first_rows]]  # the first image of each patient
        n = min(MOST_COMPARED, len(fake), len(real))
        if n < 3 or min(fake.shape[2:]) < WINDOW:
            reason = f"{n} images or patients, or fewer than {WINDOW} px, are too few to compare."
            return Finding(measure="ms_ssim", n=n, refused=reason)
        of_fake = diversity(fake[:n], span=self.span)
        of_real = diversity(real[:n], span=self.span)
        return Finding.of("ms_ssim", n, _interval(of_fake), _interval(of_real))


def _interval(measured: Diversity) -> tuple[float, float, float]:
    return measured.value, measured.low, measured.high


def _first(labels: Labels, most: int) -> Rows:
    """Select the rows of the first `most` of each class, in increasing order."""
    rows = [np.empty(0, dtype=np.int64)]
    for label in np.unique(labels):
        rows.append(np.flatnonzero(labels == label)[:most])
    return np.sort(np.concatenate(rows))


def means(rows: Sequence[QualityRow]) -> list[JsonObject]:
    """Average over the runs of a method, ends of intervals too; `sd` is that over runs.

    If every run was refused, the first reason is kept.
    """
    groups: dict[tuple[int, str, str], list[QualityRow]] = defaultdict(list)
    for row in rows:
        groups[row.label, row.finding.measure, row.method].append(row)
    averages: list[JsonObject] = []
    for (label, measure, method), group in groups.items():
        findings = [row.finding for row in group]
        measured = [finding for finding in findings if not finding.refused]
        sizes = [finding.n for finding in measured or findings]
        average: dict[str, JsonValue] = {
            "label": label,
            "measure": measure,
            "method": method,
            "n": [min(sizes), max(sizes)],
            "runs": len(measured),
            "sd": None,
            "sources": [*sorted({row.source for row in group})],
            "refused": "" if measured else findings[0].refused,
        }
        for name in VALUES if measured else ():
            values = [getattr(finding, name) for finding in measured]
            average[name] = float(np.mean(values))
            if name == "value" and len(measured) > 1:
                average["sd"] = float(np.std(values, ddof=1))
        averages.append(average)
    return averages


def write_quality_rows(rows: Sequence[QualityRow], path: Path) -> None:
    """Write a CSV line for each row; undefined numbers are empty."""
    names = ["method", "split", "seed", "label", "source", *Finding.__dataclass_fields__]
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(names)
        for row in rows:
            values = [row.method, row.split, row.seed, row.label, row.source]
            for value in astuple(row.finding):
                is_undefined = isinstance(value, float) and math.isnan(value)
                values.append("" if is_undefined else value)
            writer.writerow(values)
