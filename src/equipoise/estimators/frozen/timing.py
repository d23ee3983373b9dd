"""How long the head of a classifier on frozen features takes, timed on drawn features."""

from collections.abc import Callable, Sequence

import numpy as np
import torch

from equipoise.arrays import Labels
from equipoise.estimators.frozen.settings import FrozenSettings
from equipoise.estimators.frozen.trainer import FrozenFeatureSet
from equipoise.estimators.frozen.training import train_head
from equipoise.exceptions import DataError

RANK = 32  # directions in which drawn features spread, as those of real images do


def time_head(
    settings: FrozenSettings,
    counts: Sequence[int],
    *,
    n_validation: int,
    dimension: int,
    clock: Callable[[], float],
) -> float:
    """Train a head on features that are drawn, and return the seconds.

    Args:
        settings: Of the classifier.
        counts: (k,) training images of each class.
        n_validation: Validation images.
        dimension: Length of a feature vector.
        clock: Returns seconds.
    """
    rng = np.random.default_rng(0)
    directions = rng.normal(size=(RANK, dimension)).astype(np.float32)

    def drawn(codes: Labels) -> FrozenFeatureSet:
        shape = (len(codes), len(settings.views), RANK)
        spreads = np.arange(1, RANK + 1) ** -0.75
        points = (rng.normal(size=shape) * spreads + codes[:, None, None] * 0.3).astype(np.float32)
        noise = rng.normal(scale=0.1, size=(*shape[:2], 1)).astype(np.float32)
        features = torch.from_numpy(points @ directions + noise)
        synthetic = np.zeros(len(codes), dtype=bool)
        return FrozenFeatureSet(features=features, codes=codes, synthetic=synthetic)

    train = drawn(np.repeat(np.arange(len(counts)), counts))
    validation = drawn(np.arange(max(n_validation, len(counts))) % len(counts))
    start = clock()
    try:
        train_head(train, validation, settings)
    except DataError:  # drawn features need not suit every second stage
        return clock() - start
    return clock() - start
