"""Do images show their class? Train on synthetic ones, test on real ones, and the reverse."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.pipeline import Pipeline

from equipoise.arrays import Labels
from equipoise.audit.realism import (
    FEWEST,
    MOST,
    Finding,
    Interval,
    Separation,
    first_of_classes,
    is_constant,
)
from equipoise.data.dataset import ImageDataset
from equipoise.features.base import Extractor, extract
from equipoise.metrics.feature_sets import Features, Patients
from equipoise.metrics.ranking import areas
from equipoise.metrics.sampling_variance import auroc_interval
from equipoise.metrics.two_sample import regression
from equipoise.randomness import make_rng

FEWEST_TESTED = 5  # held-out patients on each side: with fewer an interval spans most of the scale
CHANCE = 0.5  # AUROC of features that see nothing
LABEL_MEASURES = ("train_synthetic", "test_synthetic")


@dataclass(frozen=True, eq=False)
class ClassFeatures:
    """Features of n images, their classes and patients.

    Attributes:
        features: (n, d).
        labels: (n,) codes of classes.
        patients: (n,) codes of patients.
    """

    features: Features
    labels: Labels
    patients: Patients

    def of_class(self, label: int) -> Features:
        """Select the features of a class."""
        return np.asarray(self.features[self.labels == label])


def label_fidelity(
    train: ClassFeatures, held_out: ClassFeatures, fake: ClassFeatures, label: int
) -> list[Finding]:
    """Measure the AUROC of a class against the others, with synthetic images in place of real ones.

    train_synthetic (classification accuracy score, CAS): train on synthetic images, test on real
    held-out ones. test_synthetic (TRTS): train on real images, test on the synthetic ones of the
    class and on real held-out ones of the other classes. The floor of both is training and testing
    on real images. The number of training images of the class is the same each time. The other
    classes are synthetic too if the method generated enough of them, else real.

    The classifier is a logistic regression, cheap enough for every run. Its features must come from
    an extractor that never saw the labels: those of a classifier of these images would already
    separate the classes.

    Args:
        train: Real training images, selected by the caller.
        held_out: Real images of other patients.
        fake: Synthetic images of all classes that the method generated.
        label: The class.

    Returns:
        A finding for each of `LABEL_MEASURES`; refused if there are too few images.

    Source: Ravuri and Vinyals (2019), section 3, who score the accuracy of a deep classifier with
    all classes synthetic.

    Example:
        >>> import numpy as np
        >>> def images(n, seed):
        ...     labels = np.repeat([0, 1], n)
        ...     noise = np.random.default_rng(seed).normal(size=(2 * n, 2))
        ...     return ClassFeatures(noise + 4 * labels[:, None], labels, np.arange(2 * n))
        >>> for finding in label_fidelity(images(30, 0), images(10, 1), images(30, 2), 1):
        ...     print(finding.measure, round(finding.value, 1), round(finding.floor, 1))
        train_synthetic 1.0 1.0
        test_synthetic 1.0 1.0
    """
    n = min(MOST, int((train.labels == label).sum()), int((fake.labels == label).sum()))
    reason = refusal(n, train, held_out, label)
    if reason:
        return [Finding(measure=name, n=n, refused=reason) for name in LABEL_MEASURES]
    of_real = _fit(train, train, label, n)
    of_fake = _fit(fake, train, label, n)
    positive = held_out.labels == label
    n_true = len(np.unique(held_out.patients[positive]))
    n_false = len(np.unique(held_out.patients[~positive]))
    floor = _score(of_real, held_out.features, positive, n_true, n_false)
    mixed = np.concatenate([fake.of_class(label)[:n], held_out.features[~positive]])
    test_synthetic = _score(of_real, mixed, np.arange(len(mixed)) < n, n, n_false)
    train_synthetic = _score(of_fake, held_out.features, positive, n_true, n_false)
    return [
        Finding.of("train_synthetic", n, train_synthetic, floor),
        Finding.of("test_synthetic", n, test_synthetic, floor),
    ]


def class_separation(train: ClassFeatures, held_out: ClassFeatures, label: int) -> Separation:
    """Measure whether features tell a class from the others, on held-out real images.

    A trained network may have learned nothing: in its features, everything looks alike.

    Args:
        train: Real training images.
        held_out: Real images of other patients.
        label: The class.

    Returns:
        The AUROC of a logistic regression; refused unless its 95 % interval lies above 0.5.

    Example:
        >>> constant = ClassFeatures(np.ones((60, 2)), np.repeat([0, 1], 30), np.arange(60))
        >>> class_separation(constant, constant, 1).refused
        'It does not tell the classes of real images apart: AUROC 0.50 [0.36, 0.64].'
    """
    n = min(MOST, int((train.labels == label).sum()))
    reason = refusal(n, train, held_out, label)
    if reason:
        reason = f"Whether it tells the classes apart cannot be measured: {reason}"
        return Separation(label=label, refused=reason)
    positive = held_out.labels == label
    n_true = len(np.unique(held_out.patients[positive]))
    n_false = len(np.unique(held_out.patients[~positive]))
    model = _fit(train, train, label, n)
    auroc, low, high = _score(model, held_out.features, positive, n_true, n_false)
    if low <= CHANCE:
        reason = (
            "It does not tell the classes of real images apart: "
            f"AUROC {auroc:.2f} [{low:.2f}, {high:.2f}]."
        )
    return Separation(label=label, auroc=auroc, low=low, high=high, refused=reason)


def learned_nothing(real: ImageDataset, extractor: Extractor) -> str:
    """Return why an extractor tells no real class from the others; empty if it does.

    A regression learns on half of the patients and is tested on the other half, at most `MOST`
    images of a class on each side. Classes with too few patients cannot speak against it.

    Args:
        real: Real images.
        extractor: For example a classifier that was trained on them.
    """
    patients = make_rng("halves").permutation(np.unique(real.groups))
    inside = np.isin(real.groups, patients[::2])
    halves = []
    for rows in (np.flatnonzero(inside), np.flatnonzero(~inside)):
        images = real.subset(rows[first_of_classes(real.labels[rows], MOST)])
        features = extract(images.images, extractor)
        halves.append(ClassFeatures(features, images.labels, images.groups))
    if is_constant(np.concatenate([half.features for half in halves])):
        return "Its features are the same for all real images."
    reasons = []
    for label in np.unique(real.labels).tolist():
        separation = class_separation(halves[0], halves[1], label)
        if separation.auroc is None or not separation.refused:
            return ""
        reasons.append(separation.refused)
    return reasons[0]


def _fit(source: ClassFeatures, train: ClassFeatures, label: int, n: int) -> Pipeline:
    """Fit on n images of the class from `source`, and on the other classes.

    The others come from `source` if it has as many images of the class as are needed, else from
    `train`.
    """
    parts = [source.of_class(label)[:n]]
    for other_label in np.unique(train.labels):
        if other_label == label:
            continue
        real = train.of_class(other_label)[: max(n, FEWEST)]
        from_source = source.of_class(other_label)[: len(real)]
        parts.append(from_source if len(from_source) == len(real) else real)
    x = np.concatenate(parts)
    return regression().fit(x, np.arange(len(x)) < n)


def _score(
    model: Pipeline, x: Features, truth: NDArray[np.bool_], n_true: int, n_false: int
) -> Interval:
    score = model.decision_function(x)
    area, _ = areas(score, truth, np.ones((1, len(x))))
    auroc = float(area[0])
    return auroc, *auroc_interval(auroc, n_true, n_false)


def refusal(n: int, train: ClassFeatures, held_out: ClassFeatures, label: int) -> str:
    """Explain why nothing can be measured; empty if it can."""
    if n < FEWEST:
        return f"{n} images to learn from are fewer than the {FEWEST} that are needed."
    if (train.labels == label).all():
        return "There is no other class to tell it from."
    of_class = held_out.labels == label
    for side, which in ((of_class, "the class"), (~of_class, "other classes")):
        n_patients = len(np.unique(held_out.patients[side]))
        if n_patients < FEWEST_TESTED:
            return (
                f"Held-out images of {which} are of {n_patients} patients; "
                f"{FEWEST_TESTED} are needed."
            )
    return ""
