"""Batch samplers of this package for a `DataLoader` of torch."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike, NDArray
from torch.utils.data import Sampler

from equipoise.discovery import pick
from equipoise.exceptions import SettingError
from equipoise.training.batches import BATCH_SAMPLERS, Pool
from equipoise.validation import check_classes, check_whole


class BatchRows(Sampler[list[int]]):
    """Yields the rows of each batch, for `DataLoader(dataset, batch_sampler=...)`.

    A batch depends on the seed and its step alone. Under distributed training each process passes
    its rank: all of them draw the same joint batch of `batch_size * n_ranks` rows, of which each
    yields its part, so that nothing has to be communicated and no row is seen by two.

    Args:
        labels: (n,) labels of the data set, of any kind.
        batch_sampler: One of `equipoise.training.batches.BATCH_SAMPLERS`.
        batch_size: Rows of a batch of this process.
        n_steps: Batches of an epoch.
        n_epochs: Epochs of the whole training, for samplers that change during it.
        seed: Seed of the draws; the same in all processes.
        rank: Number of this process, from 0.
        n_ranks: Number of processes.
        synthetic: (n,) True where a row is synthetic, for "synthetic_mix".

    Raises:
        DataError: Labels that are none.
        SettingError: No such sampler, or a number out of range.

    Example:
        >>> labels = np.repeat(["normal", "ill"], [30, 3])
        >>> batches = BatchRows(labels, batch_size=8, n_steps=5)
        >>> for rows in batches:
        ...     assert (labels[rows] == "ill").sum() == 4

    See Also:
        RandomOversampler: Repeats the images themselves.
    """

    def __init__(
        self,
        labels: ArrayLike,
        batch_sampler: str = "balanced",
        *,
        batch_size: int = 32,
        n_steps: int = 100,
        n_epochs: int = 1,
        seed: int = 0,
        rank: int = 0,
        n_ranks: int = 1,
        synthetic: NDArray[np.bool_] | None = None,
    ) -> None:
        for name, value in (
            ("batch_size", batch_size),
            ("n_steps", n_steps),
            ("n_epochs", n_epochs),
            ("n_ranks", n_ranks),
        ):
            check_whole(name, value, minimum=1)
        if not 0 <= rank < n_ranks:
            raise SettingError(f"Expected a rank from 0 to {n_ranks - 1}, got {rank}.")
        checked = check_classes(labels, np.size(labels))
        pool = Pool(
            labels=np.unique(checked, return_inverse=True)[1].astype(np.int64),
            batch_size=batch_size * n_ranks,
            n_steps=n_steps * n_epochs,
            seed=seed,
            synthetic=synthetic,
        )
        self._rows = pick(BATCH_SAMPLERS, batch_sampler, "batch sampler")(pool)
        self._n_steps = n_steps
        self._rank = rank
        self._n_ranks = n_ranks
        self._epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch, from 0, as that of torch's `DistributedSampler`."""
        check_whole("epoch", epoch, minimum=0)
        self._epoch = epoch

    def __len__(self) -> int:
        return self._n_steps

    def __iter__(self) -> Iterator[list[int]]:
        start = self._epoch * self._n_steps
        for step in range(start, start + self._n_steps):
            yield self._rows(step)[self._rank :: self._n_ranks].tolist()
