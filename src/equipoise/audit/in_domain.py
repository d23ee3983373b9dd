"""Features of the domain itself: what a classifier of the real images sees before its last layer."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from equipoise.arrays import Images, Labels, fingerprint
from equipoise.estimators.classifier import ImageClassifier
from equipoise.features.base import Extractor

SETTINGS: dict[str, Any] = {"keep_best": "last", "batch_sampler": "balanced"}


class InDomain:
    """The extractor "classifier": see `equipoise.features.base.Extractor` for its attributes.

    Args:
        classifier: A fitted one. It must have learned from the training images only, or its features of the images
            that it was not to see would be flattering.
    """

    name = "classifier"

    def __init__(self, classifier: ImageClassifier) -> None:
        self.classifier = classifier
        network = classifier.network_
        self.dimension = classifier.head_.in_features
        state = {name: value.cpu().numpy() for name, value in network.state_dict().items()}
        weights = [part for name in sorted(state) for part in (name, state[name])]
        kind = (classifier.network, classifier.shape_, classifier.dtype_.name, classifier.span_)
        self.digest = fingerprint(self.name, kind, *weights)

    def __call__(self, images: Images) -> NDArray[np.float32]:
        """Map images (n, c, h, w) of the kind that the classifier knows to (n, d).

        Raises:
            DataError: Images of another shape or storage type.
        """
        return self.classifier.features(images)


def in_domain(classifier: ImageClassifier) -> Extractor:
    """Make the extractor of a fitted classifier.

    Source: methods 7.2; its numbers are not comparable with the literature or with another classifier's.

    Raises:
        NotFittedError: The classifier has not been fitted.
    """
    check_is_fitted(classifier, "network_")
    return InDomain(classifier)


def train_in_domain(
    images: Images, labels: Labels, *, seed: int, n_steps: int = 100, device: str = "auto"
) -> Extractor:
    """Train a small classifier on real training images and make its extractor.

    The 100 steps of 32 images take about 12 s on one processor core at 64 px, however many images there are;
    progress is reported.

    Args:
        images: (n, c, h, w) real training images in storage type, of at least 12 px.
        labels: (n,) classes, at least two.
        seed: Seed of the training. On another machine or device the same seed gives other features, and another
            digest.
        n_steps: Optimizer steps; more of them tell harder classes apart.
        device: Where to train and compute.

    Raises:
        DataError: Bad images or labels, or one class only.
        SettingError: No such device, or no steps.
    """
    return in_domain(
        ImageClassifier(**SETTINGS, n_steps=n_steps, seed=seed, device=device).fit(images, labels)
    )
