"""Do synthetic images show the class that they are called? Train on them and test on real ones, and the reverse."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.pipeline import Pipeline

from equipoise.arrays import Labels
from equipoise.evidence.realism import FEWEST, MOST, Finding, Part
from equipoise.metrics.feature_sets import Features, Patients
from equipoise.metrics.ranking import areas
from equipoise.metrics.sampling_variance import auroc_interval
from equipoise.metrics.two_sample import regression

FEWEST_TESTED = 5  # held-out patients on each side: with fewer an interval spans most of the scale
LABEL_MEASURES = ("train_synthetic", "test_synthetic")


@dataclass(frozen=True, eq=False)
class Labeled:
    """Features of images, their classes and patients."""

    features: Features
    labels: Labels
    patients: Patients

    def of(self, label: int) -> Features:
        """Features of one class."""
        return np.asarray(self.features[self.labels == label])


def label_fidelity(train: Labeled, held_out: Labeled, fake: Labeled, label: int) -> list[Finding]:
    """Measure how well a class is told from the others, AUROC, with synthetic images in the place of real ones.

    train_synthetic (classification accuracy score, CAS): learn from synthetic images, test on real held-out ones.
    test_synthetic (TRTS): learn from real images, test on the synthetic ones of the class beside real held-out ones
    of the others. Both stand beside learning and testing on real images. As many images of the class are learned
    from each time. The other classes are synthetic too where the method made enough of them, else real.

    The classifier is a logistic regression, cheap enough for every run. Its features must come from an extractor
    that never saw the labels: those of a classifier of these images would know the classes already.

    Args:
        train: Real training images, drawn by the caller.
        held_out: Real images of other patients.
        fake: Synthetic images of all classes that the method made.
        label: The class.

    Source: Ravuri and Vinyals 2019 (CAS, with a deep classifier and all classes synthetic); methods 7.2.
    """
    n = min(MOST, int((train.labels == label).sum()), int((fake.labels == label).sum()))
    if why := _too_few(n, train, held_out, label):
        return [Finding(measure=name, n=n, refused=why) for name in LABEL_MEASURES]
    of_real, of_fake = (_learned(x, train, label, n) for x in (train, fake))
    positive = held_out.labels == label
    n_true, n_false = (len(np.unique(held_out.patients[side])) for side in (positive, ~positive))
    floor = _scored(of_real, held_out.features, positive, n_true, n_false)
    others = held_out.features[~positive]
    mixed = np.concatenate([fake.of(label)[:n], others])
    reverse = _scored(of_real, mixed, np.arange(len(mixed)) < n, n, n_false)
    found = (_scored(of_fake, held_out.features, positive, n_true, n_false), reverse)
    return [
        Finding.of(name, n, part, floor) for name, part in zip(LABEL_MEASURES, found, strict=True)
    ]


def _learned(source: Labeled, train: Labeled, label: int, n: int) -> Pipeline:
    """Fit on n images of the class from `source`, and on the other classes, from `source` where it has enough."""
    rest = [_other(source, train, other, n) for other in np.unique(train.labels) if other != label]
    x = np.concatenate([source.of(label)[:n], *rest])
    return regression().fit(x, np.arange(len(x)) < n)


def _other(source: Labeled, train: Labeled, label: int, n: int) -> Features:
    """Give images of another class, as many from each source."""
    real = train.of(label)[: max(n, FEWEST)]
    own = source.of(label)[: len(real)]
    return own if len(own) == len(real) else real


def _scored(
    model: Pipeline, x: Features, truth: NDArray[np.bool_], n_true: int, n_false: int
) -> Part:
    score = model.decision_function(x)
    auroc = float(areas(score, truth, np.ones((1, len(x))))[0][0])
    return auroc, *auroc_interval(auroc, n_true, n_false)


def _too_few(n: int, train: Labeled, held_out: Labeled, label: int) -> str:
    if n < FEWEST:
        return f"{n} images to learn from are fewer than the {FEWEST} that are needed."
    if (train.labels == label).all():
        return "There is no other class to tell it from."
    for side, whose in (
        (held_out.labels == label, "the class"),
        (held_out.labels != label, "other classes"),
    ):
        if (patients := len(np.unique(held_out.patients[side]))) < FEWEST_TESTED:
            return f"Held-out images of {whose} are of {patients} patients; {FEWEST_TESTED} are needed."
    return ""
