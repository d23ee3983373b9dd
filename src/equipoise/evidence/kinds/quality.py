"""How good the synthetic images of each class are, beside real images in their place."""

import csv
import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import numpy as np

from equipoise.arrays import Images, Labels, Rows, value_range
from equipoise.atomic import write_json
from equipoise.audit.in_domain import in_domain
from equipoise.data.dataset import ImageDataset
from equipoise.evidence.finished_run import Judged
from equipoise.evidence.gathering import Card
from equipoise.evidence.label_fidelity import Labeled, label_fidelity
from equipoise.evidence.realism import MOST, N_DRAWS, Bench, Finding, Reals
from equipoise.features.base import Extractor, extract
from equipoise.features.choosing import make_extractor
from equipoise.metrics.feature_sets import Features
from equipoise.metrics.similarity import WINDOW, diversity
from equipoise.randomness import make_rng
from equipoise.runs.cell import Cell

CARD = Card(
    summary="how close synthetic images come to real ones, and whether they show their class"
)
MOST_RUNS = 6  # of each method: the bound on the cost, with at most 2 x 300 images of a class from each part
MOST_COMPARED = 20  # images whose pairs show how varied a class is
UNTAUGHT = "random"  # the extractor of label fidelity where the study's own has learned the labels
VALUES = ("value", "low", "high", "floor", "floor_low", "floor_high")


def gather(run: Judged, folder: Path) -> None:
    """Write `runs.csv`, a line for each method, split, seed, class and measure, and their means as `quality.json`.

    Nothing where no method kept synthetic images. The features are those of the baseline's classifier, of the same
    split and seed, or those of the extractor that the study names. A classifier's features have no scale of their
    own; they are divided by their root mean square over the training images, or runs could not be averaged.
    """
    if not (cells := chosen(run)):
        return
    grounds: dict[tuple[str, int], Ground] = {}
    rows: list[dict[str, Any]] = []
    for cell in cells:
        if (place := (cell.split, cell.seed)) not in grounds:
            grounds[place] = Ground(run, cell)
        rows += [{**vars(cell), **row} for row in grounds[place].judge(cell)]
    _write_runs(rows, folder / "runs.csv")
    first = next(iter(grounds.values()))
    facts = {
        "extractor": first.seeing.name,
        "label_extractor": first.untaught.name,
        "baseline": run.study.baseline_name,
        "n_draws": N_DRAWS,
        "means": list(means(rows)),
    }
    write_json(folder / "quality.json", facts)


def chosen(run: Judged) -> list[Cell]:
    """Take the first runs of each method that kept synthetic images: all splits with a seed, then the next."""
    taken: dict[str, list[Cell]] = defaultdict(list)
    for cell in run.generated:
        if len(taken[cell.method]) < MOST_RUNS:
            taken[cell.method].append(cell)
    return [cell for cells in taken.values() for cell in cells]


class Ground:
    """The real images of one split and seed, and what has been found about them, for all methods."""

    def __init__(self, run: Judged, cell: Cell) -> None:
        self.run, self.seed = run, ("quality", cell.split, cell.seed)
        train, held_out = (run.part(cell, part) for part in ("train", "validation"))
        self.span = value_range(train.images)
        self.train, self.held_out = (
            self._some(part, name) for part, name in ((train, "train"), (held_out, "held"))
        )
        self.seeing = self._extractor(cell)
        learned = self.seeing.name == "classifier"
        self.untaught = make_extractor(UNTAUGHT, span=self.span) if learned else self.seeing
        self.real = [self._look(part.images) for part in (self.train, self.held_out)]
        self.scale = float(np.sqrt(np.mean(self.real[0] ** 2))) or 1.0 if learned else 1.0
        looks = (self._look(part.images, taught=False) for part in (self.train, self.held_out))
        self.labeled = [
            Labeled(x, part.labels, part.groups)
            for x, part in zip(looks, (self.train, self.held_out), strict=True)
        ]
        self.benches: dict[int, Bench] = {}

    def judge(self, cell: Cell) -> Iterator[dict[str, Any]]:
        """Measure each class of which the cell kept synthetic images."""
        images, labels = self.run.synthetic(cell)
        rows = _first(labels, MOST)
        images, labels = images[rows], labels[rows]
        fake = Labeled(self._look(images, taught=False), labels, np.arange(len(labels)))
        for label in np.unique(labels).tolist():
            own = images[labels == label]
            rng = make_rng(*self.seed, cell.method, label)
            found = self._bench(label).judge(self._look(own) / self.scale, rng)
            found += label_fidelity(self.labeled[0], self.labeled[1], fake, label)
            found.append(self._variety(own, label))
            for one in found:
                yield {"label": label, "source": self._bench(label).source, **asdict(one)}

    def _some(self, part: ImageDataset, name: str) -> ImageDataset:
        """Draw at most as many images of each class as two sets of them need, in the order of the lot."""
        lots = make_rng(*self.seed, name).permutation(len(part))
        return part.subset(lots[_first(part.labels[lots], 2 * MOST)])

    def _extractor(self, cell: Cell) -> Extractor:
        name = self.run.study.facts.get("extractor", "classifier")
        if name != "classifier":
            return make_extractor(name, span=self.span)
        judge = self.run.beside(cell, [self.run.study.baseline_name, *self.run.study.methods])
        return in_domain(self.run.classifier(judge or cell))

    def _look(self, images: Images, *, taught: bool = True) -> Features:
        return extract(images, self.seeing if taught else self.untaught, cache=self.run.features)

    def _bench(self, label: int) -> Bench:
        if label not in self.benches:
            train, held_out = (self._reals(part, label) for part in (0, 1))
            self.benches[label] = Bench.of(train, held_out, make_rng(*self.seed, "halves", label))
        return self.benches[label]

    def _reals(self, part: int, label: int) -> Reals:
        images = (self.train, self.held_out)[part]
        rows = images.labels == label
        return Reals(self.real[part][rows] / self.scale, images.groups[rows])

    def _variety(self, fake: Images, label: int) -> Finding:
        """Compare how much alike synthetic images are with how much real images of as many patients are."""
        own = np.flatnonzero(self.train.labels == label)
        first = own[np.unique(self.train.groups[own], return_index=True)[1]]
        n = min(MOST_COMPARED, len(fake), len(first))
        if n < 3 or min(fake.shape[2:]) < WINDOW:
            why = f"{n} images or patients, or fewer than {WINDOW} px, are too few to compare."
            return Finding(measure="ms_ssim", n=n, refused=why)
        made, real = (
            diversity(images[:n], span=self.span) for images in (fake, self.train.images[first])
        )
        return Finding.of(
            "ms_ssim", n, (made.value, made.low, made.high), (real.value, real.low, real.high)
        )


def _first(labels: Labels, most: int) -> Rows:
    """Give the rows of the first `most` of each class, increasing."""
    rows = [np.flatnonzero(labels == label)[:most] for label in np.unique(labels)]
    return np.sort(np.concatenate([np.empty(0, dtype=np.int64), *rows]))


def means(rows: Sequence[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """Average over the runs of a method, ends of intervals too; `sd` is that of the values over runs.

    Where every run was refused, the first reason is kept.
    """
    groups: dict[tuple[int, str, str], list[Mapping[str, Any]]] = defaultdict(list)
    for row in rows:
        groups[row["label"], row["measure"], row["method"]].append(row)
    for (label, measure, method), group in groups.items():
        known = [row for row in group if not row["refused"]]
        values = (
            {name: float(np.mean([row[name] for row in known])) for name in VALUES} if known else {}
        )
        yield {
            "label": label,
            "measure": measure,
            "method": method,
            "n": [fn(row["n"] for row in known or group) for fn in (min, max)],
            "runs": len(known),
            "sd": float(np.std([row["value"] for row in known], ddof=1))
            if len(known) > 1
            else None,
            "sources": sorted({row["source"] for row in group}),
            "refused": "" if known else group[0]["refused"],
            **values,
        }


def _write_runs(rows: Sequence[Mapping[str, Any]], path: Path) -> None:
    names = ["method", "split", "seed", "label", "source", *(f.name for f in fields(Finding))]
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(names)
        for row in rows:
            writer.writerow(
                ["" if isinstance(v := row[n], float) and math.isnan(v) else v for n in names]
            )
