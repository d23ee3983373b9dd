"""May the synthetic images be released? An audit of every cell that stored some."""

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from equipoise.arrays import value_range
from equipoise.atomic import JsonObject, write_json
from equipoise.audit.examination import EXTRACTOR
from equipoise.audit.near_copies import Pair
from equipoise.audit.report import audit
from equipoise.data.dataset import concatenate
from equipoise.evidence.finished_run import FinishedRun
from equipoise.evidence.gathering import EvidenceCard
from equipoise.features.choosing import make_extractor

CARD = EvidenceCard(
    summary="copies of training images, and traces of who was in training, "
    "among the synthetic images",
    version=2,
    about_synthetic=True,
)
SHOWN = 8  # pairs of a method that are kept as images


@dataclass(frozen=True, eq=False)
class PairImages:
    """A pair of near copies, with both images (c, h, w)."""

    pair: Pair
    synthetic: NDArray[Any]
    real: NDArray[Any]


def gather(run: FinishedRun, folder: Path) -> None:
    """Write the audit of each cell to audits.json, and the most similar pairs to pairs.npz.

    Held-out images are the validation and test images of the split: they are compared, and nothing
    is chosen by them. Nothing is written if no method kept synthetic images.
    """
    audits: list[JsonObject] = []
    pairs: dict[str, list[PairImages]] = defaultdict(list)
    for cell in run.generated:
        train = run.part(cell, "train")
        held_out = concatenate([run.part(cell, "validation"), run.part(cell, "test")])
        images, labels = run.synthetic(cell)
        extractor = make_extractor(EXTRACTOR, span=value_range(train.images))
        report = audit(train, held_out, images, labels, extractor, cache=run.features)
        audits.append(
            {"method": cell.method, "split": cell.split, "seed": cell.seed, **report.to_json()}
        )
        for pair in report.pairs[:SHOWN]:
            pair_images = PairImages(pair, images[pair.synthetic], train.images[pair.train])
            pairs[cell.method].append(pair_images)
    if not audits:
        return
    write_json(folder / "audits.json", audits)
    columns: dict[str, list[Any]] = defaultdict(list)
    for method, of_method in pairs.items():
        most_similar = sorted(of_method, key=lambda similar: -similar.pair.likeness)[:SHOWN]
        for similar in most_similar:
            columns["synthetic"].append(similar.synthetic)
            columns["real"].append(similar.real)
            columns["method"].append(method)
            columns["label"].append(similar.pair.label)
            columns["likeness"].append(similar.pair.likeness)
            columns["mirrored"].append(similar.pair.mirrored)
            columns["copy"].append(similar.pair.copy)
    stacked = {}
    for name, values in columns.items():
        stacked[name] = np.stack(values)
    np.savez_compressed(folder / "pairs.npz", allow_pickle=False, **stacked)
