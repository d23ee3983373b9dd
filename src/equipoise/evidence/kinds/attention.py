"""Where the classifiers look: Grad-CAM of predictions, and its share in the foreground."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from equipoise.arrays import Labels, Rows, ValueRange, quantize
from equipoise.atomic import JsonObject, write_json
from equipoise.data.dataset import ImageDataset
from equipoise.estimators.frozen.classifier import FrozenClassifier
from equipoise.estimators.grad_cam import Maps, can_map, grad_cams, map_side
from equipoise.evidence.finished_run import (
    FinishedRun,
    first_cells,
    prominent,
    with_classifier,
)
from equipoise.evidence.gathering import EvidenceCard
from equipoise.metrics.foreground import Masks, Values, border_frame, foreground, mass_share
from equipoise.metrics.statistics import patient_draws, percentile_interval, strata_of_patients
from equipoise.randomness import make_rng
from equipoise.runs.cell import Cell

CARD = EvidenceCard(summary="what the classifiers look at in test images")
MOST_METHODS = 8
MOST_IMAGES = 200  # over which shares are averaged; drawn at random, the same for all methods
MOST_CASES = 4  # correct ones, and as many wrong ones
N_DRAWS = 1000
UINT8 = np.dtype(np.uint8)


@dataclass(frozen=True, kw_only=True, eq=False)
class AttentionImages:
    """Test images with all that is the same for every method.

    Attributes:
        test: The test images of the split.
        masks: (n, h, w) True in the foreground of each.
        rows: The test images over which shares are averaged.
        rare: The class whose cases are shown.
    """

    test: ImageDataset
    masks: Masks
    rows: Rows
    rare: int


@dataclass(frozen=True, kw_only=True, eq=False)
class CertainPredictions:
    """Predictions of a classifier for the test images.

    Attributes:
        predicted: (n,) predicted classes.
        probability: (n,) their probabilities.
        correct: Test images of the rare class with a correct prediction, most certain first.
        wrong: The same with a wrong prediction.
    """

    predicted: Labels
    probability: Values
    correct: Rows
    wrong: Rows


@dataclass(frozen=True, kw_only=True, eq=False)
class MappedPredictions:
    """Predictions of a classifier, and Grad-CAM maps of some of them.

    Attributes:
        cell: Its cell.
        predictions: Of all test images.
        rows: (m,) the test images that have a map, increasing.
        maps: (m, h, w) maps of the predicted class.
        side: Height and width of the last map of the network.
        span: Black and white of its training images.
    """

    cell: Cell
    predictions: CertainPredictions
    rows: Rows
    maps: Maps
    side: tuple[int, int]
    span: ValueRange

    def maps_of(self, rows: Rows) -> Maps:
        """Select the maps of test images that have one."""
        return np.asarray(self.maps[np.searchsorted(self.rows, rows)])


@dataclass(frozen=True, kw_only=True, eq=False)
class AttentionCase:
    """A test image as the report shows it, without anything that identifies the patient.

    Attributes:
        method: Index of the method.
        image: (c, h, w) uint8.
        map: (h, w) uint8 map of the predicted class.
        mask: (h, w) True in the foreground.
        right: Whether the prediction is correct.
        predicted: The predicted class.
        probability: Its probability.
        inside: Share of the map's mass in the foreground.
        border: Share of the map's mass in the border frame.
    """

    method: int
    image: NDArray[np.uint8]
    map: NDArray[np.uint8]
    mask: NDArray[np.bool_]
    right: bool
    predicted: np.int64
    probability: np.floating[Any]
    inside: np.float64
    border: np.float64


@dataclass(frozen=True, kw_only=True)
class Share:
    """Mean share of the maps' mass in a region, and the region's mean share of the area.

    Attributes:
        n: Number of images; the rest is None without images.
        mass: Mean share of mass.
        area: Mean share of area, which a constant map would have.
        low: Lower end of the 95 % bootstrap interval, over patients, of mass minus area.
        high: Upper end.
    """

    n: int
    mass: float | None = None
    area: float | None = None
    low: float | None = None
    high: float | None = None


def gather(run: FinishedRun, folder: Path) -> None:
    """Map the classifiers of the first split and seed; write nothing without any of equipoise.

    Classifiers whose network has no last map are left out by name.
    """
    candidates = prominent(run, with_classifier(run, first_cells(run)), MOST_METHODS)
    if not candidates:
        return
    cells = with_map(run, candidates)
    left_out = [cell.method for cell in candidates if cell not in cells]
    if not cells:
        write_json(folder / "attention.json", {"left_out": left_out})
        return
    images = select_images(run, cells[0])
    cases: list[AttentionCase] = []
    shares: list[JsonObject] = []
    sides: dict[str, tuple[int, int]] = {}
    mapped = map_cells(run, cells, images)
    for i, cell in enumerate(cells):
        side = mapped[cell].side
        sides[cell.method] = side
        regions = {"foreground": images.masks}
        if min(side) > 2:  # any map of 2 x 2 fields has the same share in the frame
            frame = border_frame(images.masks.shape[1:])
            regions["border"] = np.broadcast_to(frame, images.masks.shape)
        shares += mean_shares(mapped[cell], images, regions)
        cases += collect_cases(i, mapped[cell], images)
    if cases:
        columns = {}
        for name in AttentionCase.__dataclass_fields__:
            columns[name] = np.stack([getattr(case, name) for case in cases])
        np.savez_compressed(folder / "cases.npz", allow_pickle=False, **columns)
    summary = {
        "methods": [cell.method for cell in cells],
        "left_out": left_out,
        "split": cells[0].split,
        "seed": cells[0].seed,
        "masks": "found" if images.test.masks is None else "given",
        "map_sides": sides,
        "shares": shares,
    }
    write_json(folder / "attention.json", summary)


def with_map(run: FinishedRun, cells: Sequence[Cell]) -> list[Cell]:
    """Select the cells whose network ends in a map of the image, which Grad-CAM needs."""
    selected = []
    for cell in cells:
        _, estimator = run.study.methods[cell.method].steps[-1]
        if can_map(estimator):
            selected.append(cell)
    return selected


def select_images(run: FinishedRun, cell: Cell) -> AttentionImages:
    """Draw the test images whose shares are averaged, and segment the foreground of all."""
    test = run.part(cell, "test")
    rows = np.sort(make_rng(0, "attention").permutation(len(test))[:MOST_IMAGES])
    masks = foreground(test.pixels) if test.masks is None else test.masks > 0
    return AttentionImages(test=test, masks=masks, rows=rows, rare=run.study.positive)


def map_cells(
    run: FinishedRun, cells: Sequence[Cell], images: AttentionImages
) -> dict[Cell, MappedPredictions]:
    """Map the classifiers of cells; heads on the same frozen network are mapped together."""
    groups: dict[str, list[Cell]] = defaultdict(list)
    for cell in cells:
        _, estimator = run.study.methods[cell.method].steps[-1]
        shared = estimator.preparation if isinstance(estimator, FrozenClassifier) else cell
        groups[repr(shared)].append(cell)
    mapped: dict[Cell, MappedPredictions] = {}
    for group in groups.values():
        mapped |= map_group(run, group, images)
    return mapped


def map_group(
    run: FinishedRun, cells: Sequence[Cell], images: AttentionImages
) -> dict[Cell, MappedPredictions]:
    """Compute the maps of all images whose shares are averaged, and of the cases to show.

    Args:
        run: The run.
        cells: One, or several with the same frozen network.
        images: The test images.
    """
    certain = {cell: select_predictions(run, cell, images) for cell in cells}
    rows = images.rows
    for predictions in certain.values():
        rows = np.union1d(rows, np.concatenate([predictions.correct, predictions.wrong]))
    classifiers = [run.classifier(cell) for cell in cells]
    labels = [predictions.predicted[rows] for predictions in certain.values()]
    maps = grad_cams(classifiers, images.test.images[rows], labels)
    mapped = {}
    for cell, classifier, its_maps in zip(cells, classifiers, maps, strict=True):
        mapped[cell] = MappedPredictions(
            cell=cell,
            predictions=certain[cell],
            rows=rows,
            maps=its_maps,
            side=map_side(classifier),
            span=classifier.span_,
        )
    return mapped


def select_predictions(run: FinishedRun, cell: Cell, images: AttentionImages) -> CertainPredictions:
    """Read the predictions of a cell, and select the most certain ones of the rare class."""
    score = run.predictions(cell)["test_score"]
    predicted = score.argmax(axis=1).astype(np.int64)
    probability = score[np.arange(len(score)), predicted]
    ranked = np.argsort(-probability, kind="stable")
    ranked = ranked[images.test.labels[ranked] == images.rare]
    is_correct = predicted[ranked] == images.rare
    return CertainPredictions(
        predicted=predicted,
        probability=probability,
        correct=ranked[is_correct][:MOST_CASES],
        wrong=ranked[~is_correct][:MOST_CASES],
    )


def collect_cases(
    method: int, mapped: MappedPredictions, images: AttentionImages
) -> list[AttentionCase]:
    """Collect the most certain predictions of the rare class, correct and wrong."""
    low, high = mapped.span
    predictions = mapped.predictions
    frame = border_frame(images.masks.shape[1:])
    cases = []
    for right, rows in ((True, predictions.correct), (False, predictions.wrong)):
        maps = mapped.maps_of(rows)
        inside, border = mass_share(maps, images.masks[rows]), mass_share(maps, frame)
        for i, row in enumerate(rows):
            unit = (images.test.images[row].astype(np.float64) - low) / (high - low)
            case = AttentionCase(
                method=method,
                image=np.asarray(quantize(unit, UINT8, (0.0, 255.0))),
                map=np.asarray(quantize(maps[i], UINT8, (0.0, 255.0))),
                mask=images.masks[row],
                right=right,
                predicted=predictions.predicted[row],
                probability=predictions.probability[row],
                inside=inside[i],
                border=border[i],
            )
            cases.append(case)
    return cases


def mean_shares(
    mapped: MappedPredictions, images: AttentionImages, regions: Mapping[str, Masks]
) -> list[JsonObject]:
    """Average the shares of regions over all images, the correctly and the wrongly predicted."""
    maps = mapped.maps_of(images.rows)
    labels, groups = images.test.labels[images.rows], images.test.groups[images.rows]
    is_correct = mapped.predictions.predicted[images.rows] == labels
    everything = np.ones(len(is_correct), dtype=bool)
    selections = {"all": everything, "right": is_correct, "wrong": ~is_correct}
    shares: list[JsonObject] = []
    for region, masks in regions.items():
        inside = masks[images.rows]
        mass, area = mass_share(maps, inside), inside.mean(axis=(1, 2))
        for answers, selected in selections.items():
            rows = selected & np.isfinite(mass)
            share = mean_share(mass[rows], area[rows], labels[rows], groups[rows])
            row: JsonObject = {
                "method": mapped.cell.method,
                "region": region,
                "answers": answers,
                "n_without": int((selected & ~rows).sum()),
                **asdict(share),
            }
            shares.append(row)
    return shares


def mean_share(mass: Values, area: Values, labels: Labels, groups: Labels) -> Share:
    """Average shares of n images, with a bootstrap over their patients.

    Args:
        mass: (n,) share of each map's mass in the region.
        area: (n,) share of each image's area in the region.
        labels: (n,) classes, the strata of the bootstrap.
        groups: (n,) patients.
    """
    if not len(mass):
        return Share(n=0)
    _, codes = np.unique(groups, return_inverse=True)
    patients = codes.astype(np.int64)
    strata = strata_of_patients(labels, patients)
    rng = make_rng(0, "attention")
    (weights,) = patient_draws(strata, rng, n_draws=N_DRAWS, block=N_DRAWS)
    weights = weights[:, patients]  # (draws, n)
    low, high = percentile_interval(weights @ (mass - area) / weights.sum(axis=1))
    return Share(n=len(mass), mass=float(mass.mean()), area=float(area.mean()), low=low, high=high)
