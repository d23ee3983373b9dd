"""`VoxelPool`: finds voxels of a class at random, with chances that mean what they say across cases and classes."""

import numpy as np
from numpy.typing import NDArray

from equipoise.data.volume_dataset import Positions, VolumeDataset
from equipoise.estimators.patches.base import Chosen, Classes, check_voxels


class VoxelPool:
    """The valid voxels of some cases, by class; its tables are made once.

    Attributes:
        dataset: The cases.
        occurring: Classes that have at least one voxel.
    """

    def __init__(self, dataset: VolumeDataset) -> None:
        check_voxels(dataset)
        self.dataset = dataset
        self.occurring: Classes = np.flatnonzero(dataset.counts)
        self._table = dataset.table
        self._up_to = dataset.table.ravel().cumsum()  # voxels up to this class of this case
        self._n_cases = (dataset.table > 0).sum(axis=0)
        self._cases = np.argsort(
            dataset.table == 0, axis=0, kind="stable"
        ).T  # (k, n), those with the class first

    def of_classes(self, rng: np.random.Generator, classes: Classes) -> Chosen:
        """Draw a voxel of each class (n,): a case among those that contain the class, then one of its voxels there.

        All these cases have the same chance, so that one large tumor does not dominate, and cases with a rare class
        are seen the more often.
        """
        rows = self._cases[classes, rng.integers(self._n_cases[classes])]
        return Chosen(self._find(rows, classes, rng.integers(self._table[rows, classes])), classes)

    def of_all(self, rng: np.random.Generator, n: int) -> Chosen:
        """Draw n voxels, each with the same chance whatever its case and class."""
        numbers = rng.integers(self._up_to[-1], size=n)
        places = np.searchsorted(self._up_to, numbers, side="right")
        rows, classes = np.divmod(places, self._table.shape[1])
        return Chosen(
            self._find(rows, classes, numbers - self._up_to[places] + self._table[rows, classes]),
            classes,
        )

    def _find(
        self, rows: NDArray[np.int64], classes: Classes, ranks: NDArray[np.int64]
    ) -> Positions:
        """Look up voxels by rank, all those of a class of a case at once and in the order of the list."""
        order = np.lexsort((ranks, classes, rows))
        keys = (rows * self._table.shape[1] + classes)[order]
        voxels = np.empty((len(rows), 4), dtype=np.int64)
        for members in np.split(order, np.flatnonzero(np.diff(keys)) + 1):
            if len(members):
                first = members[0]
                voxels[members] = self.dataset.voxels(
                    int(rows[first]), int(classes[first]), ranks[members]
                )
        return voxels
