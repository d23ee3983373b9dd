"""`Judged`: a run with its images at hand, which is what evidence is gathered from."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from equipoise.arrays import Images, Labels
from equipoise.data.dataset import ImageDataset
from equipoise.experiments.cell import Cell
from equipoise.experiments.store import RunStore
from equipoise.experiments.study import Study

if TYPE_CHECKING:
    from equipoise.estimators.classifier import ImageClassifier
    from equipoise.resampling.base import Oversampler


@dataclass(frozen=True)
class Judged:
    """A study and the folder of its run.

    Attributes:
        study: Images, splits and methods that were asked for.
        store: Folder of the run; nothing is written to it through this class.
    """

    study: Study
    store: RunStore

    @property
    def cells(self) -> list[Cell]:
        """The finished cells of this study, in the asked order."""
        return [cell for cell in self.study.cells() if self.store.has(cell)]

    @property
    def generated(self) -> list[Cell]:
        """The finished cells that kept synthetic images."""
        return [cell for cell in self.cells if (self.store.path(cell) / "synthetic.npz").is_file()]

    @property
    def features(self) -> Path:
        """Folder where features of images are kept, by content."""
        return self.store.workspace / "features"

    def part(self, cell: Cell, name: str) -> ImageDataset:
        """Give the real images of "train", "validation" or "test" of a cell's split."""
        return self.study.images.subset(getattr(self.study.split(cell.split), name))

    def synthetic(self, cell: Cell) -> tuple[Images, Labels]:
        """Read the synthetic images that a cell kept, in storage type, and their classes."""
        with np.load(self.store.path(cell) / "synthetic.npz", allow_pickle=False) as arrays:
            return arrays["images"], arrays["labels"]

    def classifier(self, cell: Cell) -> "ImageClassifier":
        """Read the classifier of a cell."""
        from equipoise.estimators.classifier import ImageClassifier

        return ImageClassifier.load(self.store.path(cell) / "classifier")

    def generator(self, cell: Cell) -> "Oversampler":
        """Read the generator of a cell that has one."""
        from equipoise.curation.loading import load_generator

        return load_generator(self.store.path(cell) / "generator")

    def beside(self, cell: Cell, methods: Sequence[str]) -> Cell | None:
        """Find the finished cell of the first of `methods` on the same split with the same seed."""
        same = [Cell(method, cell.split, cell.seed) for method in methods]
        return next((one for one in same if self.store.has(one)), None)
