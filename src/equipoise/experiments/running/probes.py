"""How long a study of volumes will take: the probe of `equipoise.experiments.running.forecast` on volumes."""

from dataclasses import dataclass
from typing import Any

from sklearn.base import clone

from equipoise.experiments.running.forecast import Probe


@dataclass
class VolumeProbe(Probe):
    """Measures the segmenters of methods on the first split; equal ones once."""

    def __post_init__(self) -> None:
        split, volumes = self.study.splits[0], self.study.volumes
        self.scale = 1.0  # what a fit costs beside its steps is measured on all training volumes
        self.volumes, self.validation = (
            volumes.subset(split.train),
            volumes.subset(split.validation),
        )
        self.n_test = len(split.test)

    def _fit(self, step: Any, asked: dict[str, int]) -> tuple[float, Any]:
        copy = clone(step).set_params(**asked)
        start = self.clock()
        copy.fit(self.volumes, validation=self.validation, workspace=None)
        return self.clock() - start, copy

    def _scoring(self, step: Any, fitted: Any) -> float:
        """Estimate the segmentation of the test volumes from that of one; looks on the way are left out."""
        arrays = self.validation.arrays(0)
        start = self.clock()
        fitted.predict(arrays.images, arrays.mask)
        return (self.clock() - start) * self.n_test
