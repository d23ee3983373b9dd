"""Where the classifiers look: Grad-CAM of right and wrong answers, and how much of it lies on what is pictured."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from equipoise.arrays import Labels, Rows, quantize
from equipoise.atomic import write_json
from equipoise.data.dataset import ImageDataset
from equipoise.estimators.classifier import ImageClassifier
from equipoise.estimators.grad_cam import Maps, grad_cam, map_side
from equipoise.evidence.finished_run import Judged, first_cells, prominent, with_classifier
from equipoise.evidence.gathering import Card
from equipoise.metrics.foreground import Masks, Values, border_frame, foreground, mass_share
from equipoise.metrics.statistics import patient_draws, percentile_interval, strata_of_patients
from equipoise.randomness import make_rng
from equipoise.runs.cell import Cell

CARD = Card(summary="what the classifiers look at in test images")
MOST_METHODS = 8
MOST_IMAGES = 200  # of which shares are averaged, drawn by lot, the same for all methods
MOST_CASES = 4  # right ones, and as many wrong ones
N_DRAWS = 1000
UINT8 = np.dtype(np.uint8)


@dataclass(frozen=True, kw_only=True, eq=False)
class Scene:
    """Test images with all that is the same for every method.

    Attributes:
        test: The test images of the split.
        masks: (n, h, w) True in the foreground of each.
        rows: The test images of which shares are averaged.
        rare: The class whose cases are shown.
    """

    test: ImageDataset
    masks: Masks
    rows: Rows
    rare: int


@dataclass(frozen=True, kw_only=True, eq=False)
class Answers:
    """What one classifier answers to the test images, and the maps of its answers where they were asked for.

    Attributes:
        cell: Its cell.
        predicted: (n,) answers.
        probability: (n,) what it gave them.
        rows: The test images that have a map.
        maps: Their maps of the class that was answered.
    """

    cell: Cell
    predicted: Labels
    probability: Values
    rows: Rows
    maps: Maps


def gather(run: Judged, folder: Path) -> None:
    """Look at the classifiers of the first split and seed; nothing where none is an `ImageClassifier`."""
    cells = prominent(run, with_classifier(run, first_cells(run)), MOST_METHODS)
    if not cells:
        return
    scene = _scene(run, cells[0])
    cases: list[dict[str, Any]] = []
    shares: list[dict[str, Any]] = []
    sides: dict[str, tuple[int, int]] = {}
    for i, cell in enumerate(cells):
        classifier = run.classifier(cell)
        answers = _answers(run, cell, classifier, scene)
        sides[cell.method] = map_side(classifier)
        regions = {"foreground": scene.masks}
        if min(sides[cell.method]) > 2:  # any map of 2 x 2 fields has the same share in the frame
            regions["border"] = np.broadcast_to(
                border_frame(scene.masks.shape[1:]), scene.masks.shape
            )
        shares += [{"method": cell.method, **row} for row in _shares(answers, scene, regions)]
        cases += [{"method": i, **case} for case in _cases(answers, scene, classifier)]
    if cases:
        columns = {name: np.stack([case[name] for case in cases]) for name in cases[0]}
        np.savez_compressed(folder / "cases.npz", allow_pickle=False, **columns)
    facts = {
        "methods": [cell.method for cell in cells],
        "split": cells[0].split,
        "seed": cells[0].seed,
        "masks": "found" if scene.test.masks is None else "given",
        "map_sides": sides,
        "shares": shares,
    }
    write_json(folder / "attention.json", facts)


def _scene(run: Judged, cell: Cell) -> Scene:
    test = run.part(cell, "test")
    rows = np.sort(make_rng(0, "attention").permutation(len(test))[:MOST_IMAGES])
    masks = foreground(test.images) if test.masks is None else test.masks > 0
    return Scene(test=test, masks=masks, rows=rows, rare=run.study.positive)


def _answers(run: Judged, cell: Cell, classifier: ImageClassifier, scene: Scene) -> Answers:
    score = run.store.predictions(cell)["test_score"]
    predicted = score.argmax(axis=1).astype(np.int64)
    probability = score[np.arange(len(score)), predicted]
    rows = np.union1d(scene.rows, np.concatenate(_chosen(scene, predicted, probability)))
    maps = grad_cam(classifier, scene.test.images[rows], predicted[rows])
    return Answers(cell=cell, predicted=predicted, probability=probability, rows=rows, maps=maps)


def _chosen(scene: Scene, predicted: Labels, probability: Values) -> tuple[Rows, Rows]:
    """Choose the images of the rare class that were answered rightly, and wrongly, with most certainty."""
    ranked = np.argsort(-probability, kind="stable")
    ranked = ranked[scene.test.labels[ranked] == scene.rare]
    right = predicted[ranked] == scene.rare
    return ranked[right][:MOST_CASES], ranked[~right][:MOST_CASES]


def _cases(answers: Answers, scene: Scene, classifier: ImageClassifier) -> Iterator[dict[str, Any]]:
    """Give what a page shows of each chosen image, and nothing that tells whose it is."""
    frame = border_frame(scene.masks.shape[1:])
    for right, rows in zip(
        (True, False), _chosen(scene, answers.predicted, answers.probability), strict=True
    ):
        maps = answers.maps[np.searchsorted(answers.rows, rows)]
        inside, border = mass_share(maps, scene.masks[rows]), mass_share(maps, frame)
        for i, row in enumerate(rows):
            yield {
                "image": _eight_bit(scene.test.images[row], classifier),
                "map": quantize(maps[i], UINT8, (0.0, 255.0)),
                "mask": scene.masks[row],
                "right": right,
                "predicted": answers.predicted[row],
                "probability": answers.probability[row],
                "inside": inside[i],
                "border": border[i],
            }


def _eight_bit(image: NDArray[Any], classifier: ImageClassifier) -> NDArray[np.uint8]:
    """Show (c, h, w) between the black and white of the training images."""
    low, high = classifier.span_
    return np.asarray(
        quantize((image.astype(np.float64) - low) / (high - low), UINT8, (0.0, 255.0))
    )


def _shares(
    answers: Answers, scene: Scene, regions: Mapping[str, Masks]
) -> Iterator[dict[str, Any]]:
    """Average the shares of regions over all images, the rightly and the wrongly answered ones."""
    maps = answers.maps[np.searchsorted(answers.rows, scene.rows)]
    labels, groups = scene.test.labels[scene.rows], scene.test.groups[scene.rows]
    right = answers.predicted[scene.rows] == labels
    for region, masks in regions.items():
        inside = masks[scene.rows]
        mass, area = mass_share(maps, inside), inside.mean(axis=(1, 2))
        for answer, asked in (
            ("all", np.ones(len(right), dtype=bool)),
            ("right", right),
            ("wrong", ~right),
        ):
            rows = asked & np.isfinite(mass)
            found = _averaged(mass[rows], area[rows], labels[rows], groups[rows])
            yield {
                "region": region,
                "answers": answer,
                "n_without": int((asked & ~rows).sum()),
                **asdict(found),
            }


@dataclass(frozen=True, kw_only=True)
class Share:
    """Mean share of the maps' mass in a region, and the region's mean share of the area; None without images.

    Attributes:
        n: Number of images.
        mass: Mean share of mass.
        area: Mean share of area, which a map that is the same everywhere would have.
        low: Lower end of the 95 % bootstrap interval, over patients, of mass minus area.
        high: Upper end.
    """

    n: int
    mass: float | None = None
    area: float | None = None
    low: float | None = None
    high: float | None = None


def _averaged(mass: Values, area: Values, labels: Labels, groups: Labels) -> Share:
    if not len(mass):
        return Share(n=0)
    patients = np.unique(groups, return_inverse=True)[1].astype(np.int64)
    (weights,) = patient_draws(
        strata_of_patients(labels, patients),
        make_rng(0, "attention"),
        n_draws=N_DRAWS,
        block=N_DRAWS,
    )
    weights = weights[:, patients]
    low, high = percentile_interval(weights @ (mass - area) / weights.sum(axis=1))
    return Share(n=len(mass), mass=float(mass.mean()), area=float(area.mean()), low=low, high=high)
