"""Random over- and undersampling: repeat or drop images, without making a new one."""

from collections import Counter
from pathlib import Path

import numpy as np
from imblearn.utils import check_sampling_strategy

from equipoise.arrays import Images, LabeledImages, Labels
from equipoise.exceptions import DataError, SettingError
from equipoise.resampling.base import Resampler, rng_of, wanted
from equipoise.validation import check_images_and_labels


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
    """

    def fit_resample(
        self,
        X: Images,
        y: Labels,
        *,
        validation: LabeledImages | None = None,
        workspace: Path | None = None,
    ) -> LabeledImages:
        """Return the originals followed by repeated images; see `Resampler.fit_resample`."""
        X, y = check_images_and_labels(X, y)
        rng = rng_of(self.seed, "oversample")
        rows = [np.arange(len(y))]
        for label, n in wanted(self.sampling_strategy, y).items():
            rows.append(rng.choice(np.flatnonzero(y == label), size=n, replace=True))
        self.sample_indices_ = np.concatenate(rows).astype(np.int64)
        return X[self.sample_indices_], y[self.sample_indices_]


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

    def fit_resample(
        self,
        X: Images,
        y: Labels,
        *,
        validation: LabeledImages | None = None,
        workspace: Path | None = None,
    ) -> LabeledImages:
        """Return the remaining images; see `Resampler.fit_resample`."""
        X, y = check_images_and_labels(X, y)
        counts = Counter(y.tolist())
        if len(counts) < 2:
            raise DataError(f"Expected at least 2 classes to balance, got {len(counts)}.")
        try:
            targets = check_sampling_strategy(self.sampling_strategy, y, "under-sampling")
        except (ValueError, TypeError, KeyError) as error:
            message = (
                f"sampling_strategy={self.sampling_strategy!r} does not fit the labels: {error}"
            )
            raise SettingError(message) from error
        rng = rng_of(self.seed, "undersample")
        keep = np.ones(len(y), dtype=bool)
        for label, n in targets.items():
            rows = np.flatnonzero(y == int(label))
            keep[rows] = False
            keep[rng.choice(rows, size=int(n), replace=False)] = True
        self.sample_indices_ = np.flatnonzero(keep).astype(np.int64)
        return X[keep], y[keep]
