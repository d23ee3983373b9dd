"""Random over- and undersampling and replay: repeat or drop images, without making a new one."""

from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from equipoise.arrays import LabeledImages
from equipoise.image_rows import ImageSource, joined, select
from equipoise.randomness import make_rng
from equipoise.resampling.base import Resampler, rng_of
from equipoise.resampling.strategy import targets, wanted


class RandomOversampler(Resampler):
    """Repeat images, drawn with replacement, until every class has as many as the largest.

    Attributes:
        sample_indices_: Rows of `X` in the result; the originals come first, in order.

    Source: the baseline "oversampling" of paper S2. The rule is that of imbalanced-learn's
    RandomOverSampler, which takes 2-D arrays only.

    Example:
        >>> images, labels = np.zeros((3, 1, 8, 8), dtype=np.uint8), np.array([0, 0, 1])
        >>> resampler = RandomOversampler()
        >>> resampler.fit_resample(images, labels)[1].tolist()
        [0, 0, 1, 1]
        >>> resampler.sample_indices_.tolist()
        [0, 1, 2, 2]

    See Also:
        SMOTEOversampler: Blends images instead of repeating them.
        ReplayOversampler: Marks its copies as synthetic, the control of a generator.
    """

    def _fit_resample(
        self,
        X: ImageSource,
        y: NDArray[Any],
        *,
        validation: LabeledImages | None,
        workspace: Path | None,
    ) -> LabeledImages:
        self.sampling_strategy_ = wanted(self.sampling_strategy, y)
        rng = rng_of(self.seed_, "oversample")
        rows = [np.arange(len(y))]
        for label, n in self.sampling_strategy_.items():
            rows.append(rng.choice(np.flatnonzero(y == label), size=n, replace=True))
        self.sample_indices_ = np.concatenate(rows).astype(np.int64)
        return select(X, self.sample_indices_), y[self.sample_indices_]


class ReplayOversampler(Resampler):
    """Add as many copies of real images as a generator would add synthetic ones.

    The control of synthetic images: rows, steps and batches are those of the generator's arm, and
    only the added images are not new. Copies count as synthetic wherever training distinguishes
    synthetic images from real ones: in the batch sampler "synthetic_mix", in the weight of
    synthetic images, in losses that count real images, in second stages on real images.

    The copies of a class are shuffled passes over its images, so that none is copied twice before
    all are copied once, and a smaller dose is the beginning of a larger one.

    Args:
        sampling_strategy: See `Resampler`; also that of a dose, see `DosedOversampler`.
        random_state: Of the passes; see `Resampler`.

    Attributes:
        copied_indices_: Rows of `X` that were copied, in the order of the copies.

    Source: ours.

    Example:
        >>> images = np.arange(4, dtype=np.uint8)[:, None, None, None]
        >>> replay = ReplayOversampler(sampling_strategy={0: 3, 1: 3})
        >>> copied, labels = replay.fit_resample(images, np.array([0, 0, 0, 1]))
        >>> labels.tolist(), replay.copied_indices_.tolist()
        ([0, 0, 0, 1, 1, 1], [3, 3])

    See Also:
        RandomOversampler: Draws with replacement, and its copies count as real images.
    """

    adds_copies: ClassVar[bool] = True

    def _fit_resample(
        self,
        X: ImageSource,
        y: NDArray[Any],
        *,
        validation: LabeledImages | None,
        workspace: Path | None,
    ) -> LabeledImages:
        self.sampling_strategy_ = wanted(self.sampling_strategy, y)
        rows = [np.empty(0, dtype=np.int64)]
        for label, n in self.sampling_strategy_.items():
            members = np.flatnonzero(y == label)
            rng = make_rng(self.seed_, "resampling", "replay", label)
            n_passes = -(-n // len(members))
            passes = [rng.permutation(members) for _ in range(n_passes)]
            rows.append(np.concatenate(passes)[:n])
        self.copied_indices_ = np.concatenate(rows)
        images = joined([X, select(X, self.copied_indices_)])
        return images, np.concatenate([y, y[self.copied_indices_]])


class RandomUndersampler(Resampler):
    """Keep as many images of each class as the smallest has, drawn without replacement.

    Attributes:
        sample_indices_: Rows of `X` in the result, increasing.

    Source: the baseline "undersampling" of paper S2.

    Example:
        >>> images, labels = np.zeros((3, 1, 8, 8), dtype=np.uint8), np.array([0, 0, 1])
        >>> RandomUndersampler().fit_resample(images, labels)[1].tolist()
        [0, 1]
    """

    def _fit_resample(
        self,
        X: ImageSource,
        y: NDArray[Any],
        *,
        validation: LabeledImages | None,
        workspace: Path | None,
    ) -> LabeledImages:
        self.sampling_strategy_ = targets(self.sampling_strategy, y, "under-sampling")
        rng = rng_of(self.seed_, "undersample")
        keep = np.ones(len(y), dtype=bool)
        for label, n in self.sampling_strategy_.items():
            rows = np.flatnonzero(y == label)
            keep[rows] = False
            keep[rng.choice(rows, size=n, replace=False)] = True
        self.sample_indices_ = np.flatnonzero(keep).astype(np.int64)
        return select(X, keep), y[keep]
