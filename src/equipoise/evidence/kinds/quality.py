"""How good the synthetic images of each class are, beside real images in their place."""

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, astuple, dataclass
from pathlib import Path

import numpy as np

from equipoise.arrays import Images, Labels, value_range
from equipoise.atomic import JsonObject, JsonValue, write_json
from equipoise.audit.gate import GateDecision, join_classes, join_runs
from equipoise.audit.in_domain import in_domain
from equipoise.audit.label_fidelity import ClassFeatures, class_separation, label_fidelity
from equipoise.audit.quality import RealPart, RealReference
from equipoise.audit.quality_gate import decide_quality
from equipoise.audit.realism import MOST, N_DRAWS, Finding, first_of_classes
from equipoise.csv_cells import write_lines
from equipoise.evidence.finished_run import FinishedRun
from equipoise.evidence.gathering import EvidenceCard
from equipoise.features.base import Extractor, extract
from equipoise.features.choosing import choose_extractors, make_extractor
from equipoise.metrics.similarity import WINDOW, Diversity, diversity
from equipoise.runs.cell import Cell

CARD = EvidenceCard(
    summary="how close synthetic images come to real ones, and whether they show their class",
    version=2,
    about_synthetic=True,
)
MOST_RUNS = 6  # of each method: bounds the cost, with at most 2 x 300 images of a class and part
MOST_COMPARED = 20  # images whose pairs measure the diversity of a class
UNLABELED = "random"  # extractor of label fidelity: it never saw the labels
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


def gather(run: FinishedRun, folder: Path) -> None:
    """Write `runs.csv`, a line per cell, class and measure, and their means as `quality.json`.

    Nothing is written if no method stored synthetic images. The features are those of the
    extractors that need no training, of pretrained networks whose weights are at hand, of the
    extractor that the study names, and of the baseline's classifier of the same split and seed
    where they tell the real classes apart; see `choose_extractors` and `class_separation`.
    `release` in `quality.json` holds the decision of the gate on each method.
    """
    cells = chosen(run)
    if not cells:
        return
    references: dict[tuple[str, int], SplitReference] = {}
    rows: list[QualityRow] = []
    decisions: dict[str, list[GateDecision]] = defaultdict(list)
    for cell in cells:
        place = (cell.split, cell.seed)
        if place not in references:
            references[place] = SplitReference(run, cell)
        cell_rows = references[place].compare(cell)
        rows += cell_rows
        decisions[cell.method].append(decide_cell(cell_rows, run.study.images.class_names))
    write_quality_rows(rows, folder / "runs.csv")
    first = next(iter(references.values()))
    separations: list[JsonObject] = []
    for reference in references.values():
        separations += reference.separations
    release = {}
    for method, of_method in decisions.items():
        release[method] = asdict(join_runs(of_method))
    quality = {
        "extractors": [extractor.name for extractor in first.real.extractors],
        "label_extractor": UNLABELED,
        "baseline": run.study.baseline_name,
        "n_draws": N_DRAWS,
        "separations": separations,
        "notes": list(first.notes),
        "release": release,
        "means": means(rows),
    }
    write_json(folder / "quality.json", quality)


def decide_cell(rows: Sequence[QualityRow], class_names: Sequence[str]) -> GateDecision:
    """Decide on the images of a cell: the worst class holds."""
    findings: dict[int, list[Finding]] = defaultdict(list)
    for row in rows:
        findings[row.label].append(row.finding)
    decisions = []
    for label, of_class in findings.items():
        decisions.append(decide_quality(class_names[label], of_class))
    return join_classes(decisions)


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


class SplitReference:
    """The real images of a split and seed, with which the synthetic images of its cells compare.

    Attributes:
        real: The images and their features by every extractor.
        notes: Why some features could not be used at all.
        separations: How well the classifier's features tell real classes apart, for each class.
    """

    def __init__(self, run: FinishedRun, cell: Cell) -> None:
        self.run = run
        self.place: JsonObject = {"split": cell.split, "seed": cell.seed}
        train, held_out = run.part(cell, "train"), run.part(cell, "validation")
        self.span = value_range(train.images)
        extractors, self.notes = choose_extractors(self.span, also=self._of_study(cell))
        self.seed = ("quality", cell.split, cell.seed)
        self.real = RealReference(train, held_out, extractors, self.seed, run.features)
        self.separations: list[JsonObject] = []
        self._unusable: dict[int, dict[str, str]] = {}

    def _of_study(self, cell: Cell) -> list[Extractor]:
        """Return the extractor that the study names, and the baseline's classifier."""
        name = self.run.study.facts.get("extractor", "classifier")
        if name != "classifier":
            return [make_extractor(name, span=self.span)]
        methods = [self.run.study.baseline_name, *self.run.study.methods]
        return [in_domain(self.run.classifier(self.run.beside(cell, methods) or cell))]

    def compare(self, cell: Cell) -> list[QualityRow]:
        """Measure each class of which the cell kept synthetic images."""
        images, labels = self.run.synthetic(cell)
        rows = first_of_classes(labels, MOST)
        images, labels = images[rows], labels[rows]
        fake = self._labeled(images, labels, np.arange(len(labels)))
        train = labeled(self.real.train, UNLABELED)
        held_out = labeled(self.real.held_out, UNLABELED)
        quality_rows = []
        for label in np.unique(labels).tolist():
            of_class = images[labels == label]
            seed = (*self.seed, cell.method)
            findings, source = self.real.compare(of_class, label, seed, self.unusable(label))
            findings += label_fidelity(train, held_out, fake, label)
            findings.append(self._diversity(of_class, label))
            for finding in findings:
                row = QualityRow(
                    method=cell.method,
                    split=cell.split,
                    seed=cell.seed,
                    label=label,
                    source=source,
                    finding=finding,
                )
                quality_rows.append(row)
        return quality_rows

    def unusable(self, label: int) -> dict[str, str]:
        """Return why the classifier's features are not used for a class; measured once."""
        if label not in self._unusable:
            self._unusable[label] = {}
            for extractor in self.real.extractors:
                if extractor.name != "classifier":
                    continue
                train = labeled(self.real.train, extractor.name)
                held_out = labeled(self.real.held_out, extractor.name)
                separation = class_separation(train, held_out, label)
                self.separations.append({**self.place, **asdict(separation)})
                if separation.refused:
                    self._unusable[label][extractor.name] = separation.refused
        return self._unusable[label]

    def _labeled(self, images: Images, labels: Labels, patients: Labels) -> ClassFeatures:
        (extractor,) = (own for own in self.real.extractors if own.name == UNLABELED)
        return ClassFeatures(extract(images, extractor, cache=self.run.features), labels, patients)

    def _diversity(self, fake: Images, label: int) -> Finding:
        """Compare the MS-SSIM of synthetic images with that of real images of as many patients."""
        train = self.real.train.images
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


def labeled(part: RealPart, extractor: str) -> ClassFeatures:
    """Return the features of real images by an extractor, with classes and patients."""
    images = part.images
    return ClassFeatures(part.features[extractor], images.labels, images.groups)


def means(rows: Sequence[QualityRow]) -> list[JsonObject]:
    """Average over the runs of a method, ends of intervals too; `sd` is that over runs.

    A group is a class, a measure, an extractor and a method.

    If every run was refused, the first reason is kept.
    """
    groups: dict[tuple[int, str, str, str], list[QualityRow]] = defaultdict(list)
    for row in rows:
        finding = row.finding
        groups[row.label, finding.measure, finding.extractor, row.method].append(row)
    averages: list[JsonObject] = []
    for (label, measure, extractor, method), group in groups.items():
        findings = [row.finding for row in group]
        measured = [finding for finding in findings if not finding.refused]
        sizes = [finding.n for finding in measured or findings]
        average: dict[str, JsonValue] = {
            "label": label,
            "measure": measure,
            "extractor": extractor,
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
        lines: list[list[object]] = [[*names]]
        for row in rows:
            values: list[object] = [row.method, row.split, row.seed, row.label, row.source]
            for value in astuple(row.finding):
                is_undefined = isinstance(value, float) and math.isnan(value)
                values.append("" if is_undefined else value)
            lines.append(values)
        write_lines(file, lines)
