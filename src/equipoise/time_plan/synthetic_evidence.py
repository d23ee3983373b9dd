"""What evidence about synthetic images costs: features of real and synthetic ones, comparisons."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from equipoise.audit.realism import MOST, N_DRAWS
from equipoise.evidence.kinds.quality import MOST_RUNS
from equipoise.experiments.study import Study

DRAWING = 5.0  # seconds of the embedding in the plane
COMPARISON = 0.2  # seconds of two sets of `MOST` images in the features of an extractor


@dataclass(frozen=True, kw_only=True)
class SyntheticEvidence:
    """What the seconds of evidence about synthetic images depend on.

    Attributes:
        extractors: Seconds of an image in each extractor, measured on images of the study.
        n_real: Real images of the study, whose features are computed once.
        most_real_of_split: Those of a split that are compared, at most.
        n_synthetic: Synthetic images of a cell that are compared.
        n_classes: Their classes.
    """

    extractors: Sequence[float]
    n_real: int
    most_real_of_split: int
    n_synthetic: int
    n_classes: int

    @classmethod
    def of(cls, study: Study, extractors: Sequence[float]) -> "SyntheticEvidence":
        """Count the images of a study whose generators fill classes up."""
        counts = study.images.subset(study.splits[0].train).counts
        missing = np.minimum(counts.max() - counts, MOST)
        return cls(
            extractors=tuple(extractors),
            n_real=len(study.images),
            most_real_of_split=4 * MOST * len(counts),  # two sets each of training and held-out
            n_synthetic=int(missing.sum()),
            n_classes=int(np.count_nonzero(missing)),
        )

    def seconds(self, n_runs: Sequence[int], n_splits: int) -> float:
        """Return the seconds for methods with so many runs each, on the first splits.

        Example:
            >>> costs = SyntheticEvidence(
            ...     extractors=[0.01], n_real=1000, most_real_of_split=3600, n_synthetic=200,
            ...     n_classes=1,
            ... )
            >>> costs.seconds([2], n_splits=2)
            23.0
        """
        if not sum(n_runs):
            return 0.0
        n_cells = sum(min(n, MOST_RUNS) for n in n_runs)
        n_images = min(self.n_real, self.most_real_of_split * n_splits)
        n_images += n_cells * self.n_synthetic
        comparisons = n_cells * self.n_classes * 2 * N_DRAWS * len(self.extractors)
        return DRAWING + n_images * sum(self.extractors) + comparisons * COMPARISON
