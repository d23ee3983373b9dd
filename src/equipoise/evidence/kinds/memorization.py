"""May the synthetic images be released? An audit of every cell that kept some, against its own split."""

from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from equipoise.arrays import value_range
from equipoise.atomic import write_json
from equipoise.audit.near_copies import Pair
from equipoise.audit.report import audit
from equipoise.data.dataset import concatenate
from equipoise.evidence.finished_run import Judged
from equipoise.evidence.gathering import Card
from equipoise.features.choosing import make_extractor

CARD = Card(
    summary="copies of training images, and traces of who was in training, among the synthetic images"
)
# It has learned nothing. A classifier knows its own training images better than held-out ones, and its memory would
# pass for the generator's.
EXTRACTOR = "random"
SHOWN = 8  # pairs of a method that are kept as images

Shown = dict[str, Any]


def gather(run: Judged, folder: Path) -> None:
    """Write audits.json, one audit for each cell, and the most alike pairs of each method into pairs.npz.

    Held-out images are the validation and test images of the split: they are compared, and nothing is chosen by
    them. Nothing is written where no method kept synthetic images.
    """
    facts: list[dict[str, Any]] = []
    pairs: dict[str, list[Shown]] = defaultdict(list)
    for cell in run.generated:
        train = run.part(cell, "train")
        held_out = concatenate([run.part(cell, "validation"), run.part(cell, "test")])
        images, labels = run.synthetic(cell)
        extractor = make_extractor(EXTRACTOR, span=value_range(train.images))
        found = audit(train, held_out, images, labels, extractor, cache=run.features)
        facts.append(
            {"method": cell.method, "split": cell.split, "seed": cell.seed, **found.to_json()}
        )
        pairs[cell.method] += [
            {"pair": pair, "synthetic": images[pair.synthetic], "real": train.images[pair.train]}
            for pair in found.pairs[:SHOWN]
        ]
    if facts:
        write_json(folder / "audits.json", facts)
        np.savez_compressed(folder / "pairs.npz", allow_pickle=False, **_arrays(pairs))


def _arrays(pairs: dict[str, list[Shown]]) -> dict[str, NDArray[Any]]:
    """Stack the most alike pairs of each method, most alike first."""
    rows = [
        (method, one)
        for method, shown in pairs.items()
        for one in sorted(shown, key=lambda one: -one["pair"].likeness)[:SHOWN]
    ]
    found: list[Pair] = [one["pair"] for _, one in rows]
    return {
        "synthetic": np.stack([one["synthetic"] for _, one in rows]),
        "real": np.stack([one["real"] for _, one in rows]),
        "method": np.array([method for method, _ in rows]),
        "label": np.array([pair.label for pair in found]),
        "likeness": np.array([pair.likeness for pair in found]),
        "mirrored": np.array([pair.mirrored for pair in found]),
        "copy": np.array([pair.copy for pair in found]),
    }
