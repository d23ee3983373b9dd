"""The audit of 1,000 synthetic against 1,000 real images of 64 px, beside a search in pixels."""

import numpy as np
from sklearn.metrics import pairwise_distances_argmin_min

from benchmarks.timing import Pair, side_by_side
from equipoise.audit.in_domain import train_in_domain
from equipoise.audit.report import audit
from equipoise.data.phantoms.datasets import chest_films

N, SIZE = 1000, 64


def measure() -> Pair:
    real, made = (chest_films((N - 200, 200), size=SIZE, seed=seed) for seed in (0, 1))
    held_out = real.groups // 10 % 4 == 3  # a quarter of the patients, of all classes
    train, others = real.subset(~held_out), real.subset(held_out)

    def ours() -> int:
        extractor = train_in_domain(real.images, real.labels, seed=0)
        audit(train, others, made.images, made.labels, extractor)
        return N

    def usual() -> int:
        """Find the nearest training image in pixels; misses mirrored and recolored copies."""
        pixels = [
            images.reshape(len(images), -1).astype(np.float32)
            for images in (made.pixels, train.pixels)
        ]
        pairwise_distances_argmin_min(*pixels)
        return N

    return side_by_side(
        "audit, 1,000 against 1,000",
        ours,
        usual,
        unit="images/s",
        note=f"{SIZE} px, extractor training included; reference: nearest neighbor in pixels",
        rounds=3,
    )
