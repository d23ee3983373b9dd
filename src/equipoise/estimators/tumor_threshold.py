"""The chance of tumor from which on a cascade calls a voxel one (methods 6.7)."""

from collections.abc import Mapping

import numpy as np

from equipoise.data.volumes import Arrays, VolumeDataset
from equipoise.estimators.segmenter import Segmenter
from equipoise.metrics.segmentation import dice, overlap

HEALTHY, TUMOR = 0, 1  # classes of the network that finds the tumor
THETAS = tuple(round(0.05 * i, 2) for i in range(1, 20))
UNDECIDED = 0.5  # where nothing can tune it, and what equally good ones should be near to


def tune_theta(detect: Segmenter, held: VolumeDataset) -> dict[float, float]:
    """Give for each theta the mean Dice of the whole tumor over held-out cases of the classes healthy and tumor."""
    cases = [_whole_tumor(detect, held.arrays(row)) for row in range(len(held))]
    return dict(zip(THETAS, np.mean(cases, axis=0).tolist(), strict=True))


def best_theta(tuning: Mapping[float, float]) -> float:
    """Pick the theta with the best Dice, of equal ones that nearest to 0.5, which is also what nothing gives."""
    return max(tuning, key=lambda theta: (tuning[theta], -abs(theta - UNDECIDED)), default=UNDECIDED)


def _whole_tumor(detect: Segmenter, case: Arrays) -> list[float]:
    chance, truth = detect.probabilities(case.images, case.mask)[TUMOR], case.codes == TUMOR
    found = [overlap(truth=truth, prediction=case.mask & (chance >= theta)) for theta in THETAS]
    return [float(dice(**counts)) for counts in found]
