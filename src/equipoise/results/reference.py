"""A simple reference: logistic regression on fixed features, on the same splits as the methods.

`equipoise.evidence.kinds.reference` fits it; here its scores become results.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from equipoise.atomic import read_json
from equipoise.checksums import check_file
from equipoise.metrics.base import Predictions
from equipoise.metrics.patient_areas import WeightedArea, ranked_classes, sum_areas
from equipoise.metrics.statistics import mean_known
from equipoise.results.bootstrap_scores import score
from equipoise.results.method_tables import summarize_runs
from equipoise.results.records import Summary
from equipoise.runs.cell import Cell
from equipoise.runs.csv_records import read_rows, write_rows
from equipoise.runs.description import MethodDescription
from equipoise.runs.image_run import FinishedCell, ImageRun

NOTICEABLE = 0.01  # of AUROC: of a smaller difference no study has to be trained better
OWN_NETWORK = "network"
LABELS = {  # kind of features -> what the regression sees
    "statistics": "intensity statistics, 8 x 8 pixels and the radial spectrum",
    OWN_NETWORK: "features of the study's own pretrained network, none of whose layers is trained",
    "mobilenet_v2": "features of a MobileNetV2 trained on ImageNet, at the size of these images",
    "imagenet": "features of a MobileNetV2 trained on ImageNet",
}


@dataclass(frozen=True, kw_only=True)
class ReferenceScore:
    """One metric of a reference: a line of evidence/reference/table.csv.

    Attributes:
        features: A name in `LABELS`.
        metric: Name of the metric.
        mean: Mean over the splits.
        low: Lower end of its 95 % interval over test patients.
        high: Upper end.
    """

    features: str
    metric: str
    mean: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class ReferenceGain:
    """A reference against a method in AUROC, on the same test patients: a line of gains.csv.

    Attributes:
        features: A name in `LABELS`.
        method: The method.
        reference: AUROC of the reference, mean over the runs of the method.
        auroc: AUROC of the method.
        difference: Reference minus method.
        low: Lower end of the 95 % interval over patients; the trainings are taken as they are.
        high: Upper end.
    """

    features: str
    method: str
    reference: float
    auroc: float
    difference: float
    low: float
    high: float

    @property
    def beaten(self) -> bool:
        """Whether the reference ranks the test images better than the method, and noticeably."""
        return self.low > 0 and self.difference >= NOTICEABLE


@dataclass(frozen=True, kw_only=True)
class ReferenceResults:
    """What evidence/reference holds.

    Attributes:
        scores: Every metric of every reference.
        gains: Every reference against every method.
        notes: What was left out or subsampled, sentences.
    """

    scores: tuple[ReferenceScore, ...]
    gains: tuple[ReferenceGain, ...]
    notes: tuple[str, ...]

    @property
    def features(self) -> tuple[str, ...]:
        """Names of the features, in the order of fitting."""
        names = [row.features for row in self.scores] + [row.features for row in self.gains]
        return tuple(dict.fromkeys(names))

    def scores_of(self, features: str) -> dict[str, ReferenceScore]:
        """Return the metrics of a reference by name."""
        return {row.metric: row for row in self.scores if row.features == features}


def reference_cells(
    images: ImageRun, name: str, scores: Mapping[str, tuple[Predictions, Predictions]]
) -> ImageRun:
    """Return a run whose only method is the reference: one cell for each split.

    Args:
        images: The finished cells of the study.
        name: Name of the method.
        scores: {split: (validation, test) predictions}, in the order of `FinishedCell`.
    """
    cells: list[FinishedCell] = []
    for finished in images.finished:
        split = finished.cell.split
        if split in scores and split not in {cell.cell.split for cell in cells}:
            validation, test = scores[split]
            cell = replace(
                finished,
                cell=Cell(name, split, finished.cell.seed),
                predictions=test,
                validation=validation,
                other=None,
                validation_other=None,
            )
            cells.append(cell)
    methods = (MethodDescription(name=name),)
    description = replace(images.description, methods=methods, baseline=name)
    return ImageRun(description=description, finished=tuple(cells))


def score_reference(reference: ImageRun, features: str) -> list[ReferenceScore]:
    """Compute every metric of a reference with its interval."""
    scores = score(reference, intervals=False)
    rows = []
    for metric in scores.values:
        values = scores.values[metric]
        draws = mean_known(scores.draws[metric][np.isfinite(values)])
        summary: Summary = summarize_runs(values, draws)
        row = ReferenceScore(
            features=features,
            metric=metric,
            mean=summary.mean,
            low=summary.low,
            high=summary.high,
        )
        rows.append(row)
    return rows


def reference_gains(images: ImageRun, reference: ImageRun, features: str) -> list[ReferenceGain]:
    """Compare a reference with every method in AUROC, on the test images of each run."""
    of_split = {cell.cell.split: cell for cell in reference.finished}
    rows = []
    for method in images.methods:
        cells = [cell for cell in images.cells_of(method) if cell.cell.split in of_split]
        classes = ranked_classes([cell.predictions for cell in cells]) if cells else []
        if not classes:
            continue
        ours = _terms([of_split[cell.cell.split] for cell in cells], 1 / len(cells))
        theirs = _terms(cells, 1 / len(cells))
        minus_theirs = [term.weighted(-term.weight) for term in theirs]
        difference = sum_areas([*ours, *minus_theirs], classes)
        low, high = difference.interval
        row = ReferenceGain(
            features=features,
            method=method,
            reference=sum_areas(ours, classes).value,
            auroc=sum_areas(theirs, classes).value,
            difference=difference.value,
            low=low,
            high=high,
        )
        rows.append(row)
    return rows


def write_reference(
    folder: Path, scores: Sequence[ReferenceScore], gains: Sequence[ReferenceGain]
) -> None:
    """Write table.csv and gains.csv."""
    write_rows(folder / "table.csv", ReferenceScore, scores)
    write_rows(folder / "gains.csv", ReferenceGain, gains)


def read_reference(run: Path) -> ReferenceResults | None:
    """Read the reference of a run; None where it was not fitted."""
    folder = run / "evidence" / "reference"
    check_file(folder / "table.csv")
    if not (folder / "table.csv").is_file():
        return None
    notes = read_json(folder / "reference.json")["notes"]
    return ReferenceResults(
        scores=tuple(read_rows(folder / "table.csv", ReferenceScore)),
        gains=tuple(read_rows(folder / "gains.csv", ReferenceGain)),
        notes=tuple(map(str, notes)),
    )


def _terms(cells: Sequence[FinishedCell], weight: float) -> list[WeightedArea]:
    terms = []
    for cell in cells:
        term = WeightedArea(predictions=cell.predictions, patients=cell.patients, weight=weight)
        terms.append(term)
    return terms
