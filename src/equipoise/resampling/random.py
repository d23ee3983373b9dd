"""Random over- and undersampling: copies and omissions, no new image (methods 2.6)."""

from collections import Counter
from pathlib import Path

import numpy as np
from imblearn.utils import check_sampling_strategy

from equipoise.arrays import Images, Labels
from equipoise.exceptions import DataError, SettingError
from equipoise.resampling.base import LabeledImages, Resampler, rng_of, wanted
from equipoise.validation import check_images_and_labels


class RandomOversampler(Resampler):
    """Repeats images drawn with replacement until every class has as many as the largest.

    Attributes:
        sample_indices_: Rows of `X` in the result; the originals come first, in order.

    Source: methods 2.6 (paper S2, baseline "oversampling"); same rule as imbalanced-learn's RandomOverSampler,
    which takes 2-D arrays only.
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
    """Keeps as many images of each class as the smallest has, drawn without replacement, in their order.

    Attributes:
        sample_indices_: Rows of `X` in the result, increasing.

    Source: methods 2.6 (paper S2, baseline "undersampling").
    """

    def fit_resample(
        self,
        X: Images,
        y: Labels,
        *,
        validation: LabeledImages | None = None,
        workspace: Path | None = None,
    ) -> LabeledImages:
        """Return the kept images; see `Resampler.fit_resample`."""
        X, y = check_images_and_labels(X, y)
        if len(counts := Counter(y.tolist())) < 2:
            raise DataError(f"Expected at least 2 classes to balance, got {len(counts)}.")
        rng = rng_of(self.seed, "undersample")
        keep = np.ones(len(y), dtype=bool)
        for label, n in self._kept(y).items():
            rows = np.flatnonzero(y == label)
            keep[rows] = False
            keep[rng.choice(rows, size=n, replace=False)] = True
        self.sample_indices_ = np.flatnonzero(keep).astype(np.int64)
        return X[keep], y[keep]

    def _kept(self, y: Labels) -> dict[int, int]:
        try:
            asked = check_sampling_strategy(self.sampling_strategy, y, "under-sampling")
        except (ValueError, TypeError, KeyError) as error:
            message = (
                f"sampling_strategy={self.sampling_strategy!r} does not fit the labels: {error}"
            )
            raise SettingError(message) from error
        return {int(label): int(n) for label, n in asked.items()}
