"""Features of the domain itself: the input of the last layer of a classifier of the real images."""

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from equipoise.arrays import Images, Labels, fingerprint
from equipoise.estimators.classifier import ImageClassifier
from equipoise.estimators.loading import AnyClassifier
from equipoise.features.base import Extractor
from equipoise.image_rows import ImageSource


class InDomain:
    """The extractor "classifier": see `equipoise.features.base.Extractor` for its attributes.

    Args:
        classifier: A fitted classifier, trained on the training images only: otherwise its features
            of held-out images would look too good.
    """

    name = "classifier"

    def __init__(self, classifier: AnyClassifier) -> None:
        self.classifier = classifier
        network = classifier.network_
        self.dimension = classifier.head_.in_features
        kind = (classifier.network, classifier.shape_, classifier.dtype_.name, classifier.span_)
        parts: list[object] = [self.name, kind]
        for name, tensor in sorted(network.state_dict().items()):
            parts += [name, tensor.cpu().numpy()]
        self.digest = fingerprint(*parts)

    def __call__(self, images: Images) -> NDArray[np.float32]:
        """Map images (n, c, h, w) of the kind that the classifier was trained on to (n, d).

        Raises:
            DataError: Images of another shape or storage type.
        """
        return self.classifier.features(images)


def in_domain(classifier: AnyClassifier) -> Extractor:
    """Return the extractor of a fitted classifier.

    Its numbers are comparable neither with the literature nor with another classifier's.

    Raises:
        NotFittedError: The classifier has not been fitted.
    """
    check_is_fitted(classifier, "network_")
    return InDomain(classifier)


def train_in_domain(
    images: ImageSource, labels: Labels, *, seed: int, n_steps: int = 100, device: str = "auto"
) -> Extractor:
    """Train a small classifier on real training images and return its extractor.

    The 100 steps of 32 images take about 12 s on one CPU core at 64 px, regardless of the number of
    images; progress is reported.

    Args:
        images: (n, c, h, w) real training images in storage type, of at least 12 px.
        labels: (n,) classes, at least two.
        seed: Seed of the training. On another machine or device the same seed gives other features
            and another digest.
        n_steps: Optimizer steps; harder classes need more.
        device: Where to train and compute.

    Raises:
        DataError: Bad images or labels, or one class only.
        SettingError: No such device, or no steps.

    Example:
        >>> labels = np.repeat([0, 1], 8)
        >>> images = (100 * labels[:, None, None, None] * np.ones((1, 16, 16))).astype(np.uint8)
        >>> extractor = train_in_domain(images, labels, seed=0, n_steps=2, device="cpu")
        >>> extractor(images).shape
        (16, 512)
    """
    classifier = ImageClassifier(
        keep_best="last",
        batch_sampler="balanced",
        n_steps=n_steps,
        random_state=seed,
        device=device,
    )
    return in_domain(classifier.fit(images, labels))
