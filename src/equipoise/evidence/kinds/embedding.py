"""Real training, real held-out and synthetic images in one drawing, and how well they mix."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from equipoise.arrays import Images, Labels, Rows
from equipoise.atomic import write_json
from equipoise.audit.in_domain import in_domain
from equipoise.evidence.finished_run import Judged, first_cells, prominent, with_classifier
from equipoise.evidence.gathering import Card
from equipoise.features.base import extract
from equipoise.metrics.embedding import (
    FEWEST,
    Codes,
    Embedding,
    Features,
    embed,
    mixing,
    standardized,
)
from equipoise.randomness import make_rng
from equipoise.runs.cell import Cell

CARD = Card(summary="a drawing of real and synthetic images side by side, and how well they mix")
PARTS = ("training", "held-out", "synthetic")
TRAINING, HELD_OUT, SYNTHETIC = range(3)
PAIRS = (
    (SYNTHETIC, HELD_OUT),
    (SYNTHETIC, TRAINING),
    (HELD_OUT, TRAINING),
)  # the last is what real images reach
MOST_ROWS = 300  # of each part and method: more hide each other
MOST_METHODS = 6


@dataclass(frozen=True, kw_only=True, eq=False)
class Shown:
    """The images of the drawing; a row of each array belongs to one image."""

    images: Images
    part: Codes
    label: Labels
    method: Codes  # -1 for real images

    @property
    def real(self) -> Rows:
        """The rows of real images."""
        return np.flatnonzero(self.method < 0)


def gather(run: Judged, folder: Path) -> None:
    """Draw the first split and seed into `folder`; nothing where no method kept synthetic images.

    Features are those of the baseline's classifier, which saw no synthetic image; where the baseline failed, those
    of the first method that has a classifier.
    """
    first = first_cells(run)
    cells = prominent(run, [cell for cell in first if cell in run.generated], MOST_METHODS)
    judges = with_classifier(run, first)
    if not (cells and judges):
        return
    judge = next((cell for cell in judges if cell.method == run.study.baseline_name), judges[0])
    shown = _shown(run, cells)
    if len(shown.images) < FEWEST:
        return
    extractor = in_domain(run.classifier(judge))
    features = extract(shown.images, extractor, cache=run.features)
    drawn = embed(features, part=shown.part, label=shown.label, method=shown.method)
    _save(drawn, folder / "coordinates.npz")
    facts = {
        "methods": [cell.method for cell in cells],
        "split": judge.split,
        "seed": judge.seed,
        "judge": judge.method,
        "extractor": {"name": extractor.name, "digest": extractor.digest},
        "settings": drawn.settings,
        "most": MOST_ROWS,
        "mixing": list(_mixings(features, shown, cells)),
    }
    write_json(folder / "embedding.json", facts)


def _shown(run: Judged, cells: list[Cell]) -> Shown:
    """Choose the images, with all that is known of each in the same row."""
    groups = []
    for part, name in ((TRAINING, "train"), (HELD_OUT, "test")):
        real = run.part(cells[0], name)
        groups.append((real.images, real.labels, part, -1))
    groups += [(*run.synthetic(cell), SYNTHETIC, i) for i, cell in enumerate(cells)]
    columns = [_some(images, labels, part, method) for images, labels, part, method in groups]
    return Shown(
        **{name: np.concatenate([column[name] for column in columns]) for name in columns[0]}
    )


def _some(images: Images, labels: Labels, part: int, method: int) -> dict[str, Any]:
    """Take as many images of each class that occurs, or all it has: a rare class is to be seen among the others."""
    classes = np.unique(labels)
    quota = MOST_ROWS // max(1, len(classes))
    lots = make_rng(0, "embedding", part, method).permutation(len(labels))
    rows = np.sort(np.concatenate([lots[:0], *(lots[labels[lots] == c][:quota] for c in classes)]))
    codes = {"part": part, "method": method}
    columns = {name: np.full(len(rows), code, dtype=np.int64) for name, code in codes.items()}
    return {"images": images[rows], "label": labels[rows], **columns}


def _mixings(features: Features, shown: Shown, cells: list[Cell]) -> Iterator[dict[str, Any]]:
    """Measure each pair of parts within each class that a method made, in standardized features.

    The real images set the scale, so that a method's number does not depend on which others are in the study.
    """
    scaled = standardized(features, features[shown.real])
    for i, cell in enumerate(cells):
        for label in np.unique(shown.label[shown.method == i]):
            rows = np.flatnonzero((shown.label == label) & np.isin(shown.method, (-1, i)))
            for pair in PAIRS:
                both = rows[np.isin(shown.part[rows], pair)]
                if len(np.unique(shown.part[both])) == len(pair):
                    found = mixing(scaled[both], shown.part[both])
                    names = {"one": PARTS[pair[0]], "other": PARTS[pair[1]]}
                    yield {"method": cell.method, "label": int(label), **names, **asdict(found)}


def _save(drawn: Embedding, path: Path) -> None:
    columns = {name: getattr(drawn, name) for name in ("points", "part", "label", "method")}
    np.savez_compressed(path, allow_pickle=False, **columns)
