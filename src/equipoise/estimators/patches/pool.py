"""`VoxelPool`: draws voxels of given classes, with well-defined probabilities across cases."""

import numpy as np
from numpy.typing import NDArray

from equipoise.data.volume_dataset import Positions, VolumeDataset
from equipoise.estimators.patches.base import Classes, VoxelSample, check_voxels


class VoxelPool:
    """The valid voxels of a dataset, indexed by class.

    Attributes:
        dataset: The cases.
        occurring: Classes with at least one voxel.
    """

    def __init__(self, dataset: VolumeDataset) -> None:
        check_voxels(dataset)
        self.dataset = dataset
        self.occurring: Classes = np.flatnonzero(dataset.counts)
        self._table = dataset.table  # (cases, k) voxels
        self._cumulative = dataset.table.ravel().cumsum()  # (cases * k,)
        self._n_cases = (dataset.table > 0).sum(axis=0)  # (k,) cases that contain the class
        # (k, cases) rows of the cases, those that contain the class first
        self._cases = np.argsort(dataset.table == 0, axis=0, kind="stable").T

    def of_classes(self, rng: np.random.Generator, classes: Classes) -> VoxelSample:
        """Draw one voxel for each class (n,): first a case that contains it, then a voxel in there.

        All these cases are equally likely, so that one large tumor does not dominate; cases that
        contain rare classes are therefore drawn more often.
        """
        rows = self._cases[classes, rng.integers(self._n_cases[classes])]
        ranks = rng.integers(self._table[rows, classes])
        return VoxelSample(self._look_up(rows, classes, ranks), classes)

    def of_all(self, rng: np.random.Generator, n: int) -> VoxelSample:
        """Draw n voxels uniformly, regardless of case and class."""
        numbers = rng.integers(self._cumulative[-1], size=n)
        cells = np.searchsorted(self._cumulative, numbers, side="right")
        rows, classes = np.divmod(cells, self._table.shape[1])
        ranks = numbers - self._cumulative[cells] + self._table[rows, classes]
        return VoxelSample(self._look_up(rows, classes, ranks), classes)

    def _look_up(
        self, rows: NDArray[np.int64], classes: Classes, ranks: NDArray[np.int64]
    ) -> Positions:
        """Return voxels (n, 4) by their rank in the list of their case and class.

        All voxels of one list are read together, in the order of the file.
        """
        order = np.lexsort((ranks, classes, rows))
        keys = (rows * self._table.shape[1] + classes)[order]
        voxels = np.empty((len(rows), 4), dtype=np.int64)
        for members in np.split(order, np.flatnonzero(np.diff(keys)) + 1):
            if len(members):
                case, code = int(rows[members[0]]), int(classes[members[0]])
                voxels[members] = self.dataset.voxels(case, code, ranks[members])
        return voxels
