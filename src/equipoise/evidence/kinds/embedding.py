"""Real training, real held-out and synthetic images in one embedding, and how they mix."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from equipoise.arrays import Images, Labels, Rows
from equipoise.atomic import JsonObject, write_json
from equipoise.audit.in_domain import in_domain
from equipoise.evidence.finished_run import (
    FinishedRun,
    first_cells,
    prominent,
    with_classifier,
)
from equipoise.evidence.gathering import EvidenceCard
from equipoise.features.base import extract
from equipoise.image_rows import ImageSource
from equipoise.metrics.embedding import FEWEST, Codes, Features, embed, mixing, standardized
from equipoise.randomness import make_rng
from equipoise.runs.cell import Cell

CARD = EvidenceCard(
    summary="a drawing of real and synthetic images side by side, and how well they mix"
)
PARTS = ("training", "held-out", "synthetic")
TRAINING, HELD_OUT, SYNTHETIC = range(3)
# The last pair is what real images reach.
PAIRS = ((SYNTHETIC, HELD_OUT), (SYNTHETIC, TRAINING), (HELD_OUT, TRAINING))
MOST_ROWS = 300  # of each part and method: more would overlap
MOST_POINTS = 3 * MOST_ROWS  # of the drawing, whose cost grows faster than their number
MOST_METHODS = 6


@dataclass(frozen=True, kw_only=True, eq=False)
class EmbeddedImages:
    """The images of the embedding; a row of each array belongs to one image.

    Attributes:
        images: (n, c, h, w).
        part: (n,) `TRAINING`, `HELD_OUT` or `SYNTHETIC`.
        label: (n,) class.
        method: (n,) index of the method that generated it; -1 for real images.
    """

    images: Images
    part: Codes
    label: Labels
    method: Codes

    @classmethod
    def join(cls, parts: Sequence["EmbeddedImages"]) -> "EmbeddedImages":
        """Concatenate images with their labels."""
        columns = {}
        for name in cls.__dataclass_fields__:
            columns[name] = np.concatenate([getattr(part, name) for part in parts])
        return cls(**columns)

    @property
    def real(self) -> Rows:
        """The rows of real images."""
        return np.flatnonzero(self.method < 0)


def gather(run: FinishedRun, folder: Path) -> None:
    """Embed the first split and seed; write nothing if no method kept synthetic images.

    Features are those of the baseline's classifier, which saw no synthetic image; if the baseline
    failed, those of the first method that has a classifier.
    """
    first = first_cells(run)
    generated = set(run.generated)
    cells = prominent(run, [cell for cell in first if cell in generated], MOST_METHODS)
    classifiers = with_classifier(run, first)
    if not (cells and classifiers):
        return
    extracting = classifiers[0]  # the cell whose classifier gives the features
    for cell in classifiers:
        if cell.method == run.study.baseline_name:
            extracting = cell
    selected = select_images(run, cells)
    if len(selected.images) < FEWEST:
        return
    extractor = in_domain(run.classifier(extracting))
    features = extract(selected.images, extractor, cache=run.features)
    most = min(MOST_ROWS, MOST_POINTS // (len(cells) + 2))  # training and held-out images too
    drawn = thinned(selected, most)
    labels = {name: getattr(selected, name)[drawn] for name in ("part", "label", "method")}
    embedding = embed(features[drawn], **labels)
    np.savez_compressed(
        folder / "coordinates.npz",
        allow_pickle=False,
        points=embedding.points,
        **labels,
    )
    summary = {
        "methods": [cell.method for cell in cells],
        "split": extracting.split,
        "seed": extracting.seed,
        "judge": extracting.method,
        "extractor": {"name": extractor.name, "digest": extractor.digest},
        "settings": embedding.settings,
        "most": most,
        "mixing": measure_mixing(features, selected, cells),
    }
    write_json(folder / "embedding.json", summary)


def select_images(run: FinishedRun, cells: Sequence[Cell]) -> EmbeddedImages:
    """Select the real images of the first cell's split, and the synthetic images of every cell."""
    train, test = run.part(cells[0], "train"), run.part(cells[0], "test")
    parts = [
        subsample(train.images, train.labels, TRAINING, -1),
        subsample(test.images, test.labels, HELD_OUT, -1),
    ]
    for method, cell in enumerate(cells):
        images, labels = run.synthetic(cell)
        parts.append(subsample(images, labels, SYNTHETIC, method))
    return EmbeddedImages.join(parts)


def subsample(images: ImageSource, labels: Labels, part: int, method: int) -> EmbeddedImages:
    """Draw equally many images of each class, or all that it has, so that rare ones are visible."""
    order = make_rng(0, "embedding", part, method).permutation(len(labels))
    rows = first_of_each_class(labels, order, MOST_ROWS)
    return EmbeddedImages(
        images=images[rows],
        part=np.full(len(rows), part, dtype=np.int64),
        label=labels[rows],
        method=np.full(len(rows), method, dtype=np.int64),
    )


def thinned(selected: EmbeddedImages, most: int) -> Rows:
    """Draw the rows of at most `most` images of each part and method, as `subsample` does."""
    rows = []
    for part, method in np.unique(np.stack([selected.part, selected.method]), axis=1).T.tolist():
        of_kind = np.flatnonzero((selected.part == part) & (selected.method == method))
        order = make_rng(0, "thinned embedding", part, method).permutation(len(of_kind))
        rows.append(of_kind[first_of_each_class(selected.label[of_kind], order, most)])
    return np.sort(np.concatenate(rows))


def first_of_each_class(labels: Labels, order: Rows, most: int) -> Rows:
    """Select the first rows of each class in an order, equally many, increasing."""
    classes = np.unique(labels)
    quota = most // max(1, len(classes))
    of_class = [order[:0]]
    for label in classes:
        of_class.append(order[labels[order] == label][:quota])
    return np.sort(np.concatenate(of_class))


def measure_mixing(
    features: Features, selected: EmbeddedImages, cells: Sequence[Cell]
) -> list[JsonObject]:
    """Measure each pair of parts within each class of a method, in standardized features.

    The real images set the scale, so that a method's number does not depend on the other methods of
    the study.
    """
    scaled = standardized(features, features[selected.real])
    measured: list[JsonObject] = []
    for i, cell in enumerate(cells):
        for label in np.unique(selected.label[selected.method == i]):
            rows = np.flatnonzero((selected.label == label) & np.isin(selected.method, (-1, i)))
            for first, second in PAIRS:
                both = rows[np.isin(selected.part[rows], (first, second))]
                if len(np.unique(selected.part[both])) < 2:
                    continue
                pair = {"one": PARTS[first], "other": PARTS[second]}
                result = asdict(mixing(scaled[both], selected.part[both]))
                measured.append({"method": cell.method, "label": int(label), **pair, **result})
    return measured
