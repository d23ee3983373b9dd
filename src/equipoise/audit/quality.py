"""Quality of synthetic images per class: kernel distance, precision, recall and coverage."""

from dataclasses import dataclass

import numpy as np

from equipoise.arrays import Images, Labels
from equipoise.data.dataset import ImageDataset
from equipoise.features.base import Extractor, extract
from equipoise.metrics.fidelity import NEIGHBORS, Kid, Prdc, kid_interval, prdc
from equipoise.randomness import make_rng

FEWEST = 2 * NEIGHBORS + 2  # real images and patients of a class, so that a half is enough


@dataclass(frozen=True, kw_only=True)
class ClassQuality:
    """Quality of the synthetic images of one class; None where there are too few images.

    Attributes:
        name: The class.
        n: Synthetic images.
        kid: Kernel distance to the real images.
        floor: Kernel distance of two halves of the real images, split by patient.
        prdc: Precision, recall, density and coverage.
    """

    name: str
    n: int
    kid: Kid | None = None
    floor: Kid | None = None
    prdc: Prdc | None = None


def measure_quality(
    real: ImageDataset, images: Images, labels: Labels, extractor: Extractor
) -> list[ClassQuality]:
    """Compare the synthetic images of each class with the real ones.

    Args:
        real: All real images.
        images: (n, c, h, w) synthetic images of the same kind.
        labels: (n,) their classes.
        extractor: Extractor of the features.

    Returns:
        One record for each class with synthetic images.
    """
    real_features = extract(real.images, extractor)
    synthetic_features = extract(images, extractor)
    records = []
    for label in np.unique(labels):
        name = real.class_names[label]
        rows = real.labels == label
        fake = synthetic_features[labels == label]
        patients = real.groups[rows]
        if min(len(fake), len(np.unique(patients))) < FEWEST:
            records.append(ClassQuality(name=name, n=len(fake)))
            continue
        features = real_features[rows]
        half = np.isin(patients, make_rng("halves").permutation(np.unique(patients))[::2])
        floor = kid_interval(
            features[half],
            features[~half],
            patients=patients[half],
            fake_patients=patients[~half],
        )
        record = ClassQuality(
            name=name,
            n=len(fake),
            kid=kid_interval(features, fake, patients=patients),
            floor=floor,
            prdc=prdc(features, fake),
        )
        records.append(record)
    return records
