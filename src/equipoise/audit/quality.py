"""How good synthetic images are, in brief: kernel distance with what real images reach, precision and coverage."""

from dataclasses import asdict
from typing import Any

import numpy as np

from equipoise.arrays import Images, Labels
from equipoise.data.dataset import ImageDataset
from equipoise.features.base import Extractor, extract
from equipoise.metrics.fidelity import NEIGHBORS, kid_interval, prdc
from equipoise.randomness import make_rng

FEWEST = (
    2 * NEIGHBORS + 2
)  # real images and patients of a class, so that either half of them is enough


def quality(
    real: ImageDataset, images: Images, labels: Labels, extractor: Extractor
) -> list[dict[str, Any]]:
    """Compare the synthetic images of each class with the real ones.

    Args:
        real: All real images.
        images: (n, c, h, w) synthetic images of the same kind.
        labels: (n,) their classes.
        extractor: What makes the features.

    Returns:
        For each class with synthetic images its "name", "n", "kid" and "floor" {value, low, high}, and "prdc"; the
        floor is the kernel distance of two halves of the real images, cut by patient. None where there are too few.
    """
    of_real, of_synthetic = extract(real.images, extractor), extract(images, extractor)
    found = []
    for label in np.unique(labels):
        rows, made = real.labels == label, labels == label
        a, b, patients = of_real[rows], of_synthetic[made], real.groups[rows]
        facts: dict[str, Any] = {"name": real.class_names[label], "n": int(made.sum())}
        facts |= dict.fromkeys(("kid", "floor", "prdc"))
        if min(len(b), len(np.unique(patients))) >= FEWEST:
            half = np.isin(patients, make_rng("halves").permutation(np.unique(patients))[::2])
            facts["kid"] = asdict(kid_interval(a, b, patients=patients))
            floor = kid_interval(
                a[half], a[~half], patients=patients[half], fake_patients=patients[~half]
            )
            facts |= {"floor": asdict(floor), "prdc": asdict(prdc(a, b))}
        found.append(facts)
    return found
