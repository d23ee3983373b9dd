"""What all classifiers of images share: the kind of their images, and their labels."""

from abc import abstractmethod
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin

from equipoise.arrays import LabeledImages, Labels, Scores, ValueRange
from equipoise.estimators.fit_request import encode_validation
from equipoise.exceptions import DataError
from equipoise.image_rows import ImageSource
from equipoise.marked_images import Mask, synthetic_of, unmarked
from equipoise.randomness import Seeded
from equipoise.validation import check_images, check_images_and_classes, check_mask

Params = dict[str, Any]  # parameters of an estimator by name
GRAY_OR_COLOR = (1, 3)  # channels of images that pretrained networks take


class BaseImageClassifier(Seeded, ClassifierMixin, BaseEstimator):
    """A scikit-learn classifier of images (n, c, h, w) in storage type.

    Attributes:
        classes_: (k,) labels seen in `fit`, increasing, in their own type.
        counts_: (k,) training images of each.
        real_counts_: (k,) real ones among them.
        shape_: (c, h, w) of the images.
        dtype_: Their storage type.
        span_: The values of black and white, measured on the training images.
    """

    added_params: ClassVar[Params] = {}  # what older runs lack -> value that is theirs

    classes_: NDArray[Any]
    counts_: Labels
    real_counts_: Labels
    shape_: tuple[int, ...]
    dtype_: "np.dtype[np.generic]"
    span_: ValueRange
    keep_best: str
    pretrained: str | Path | None

    @abstractmethod
    def check_settings(self, side: int) -> None:
        """Raise unless the parameters work for images whose smaller side is `side` px."""

    @abstractmethod
    def predict_proba(self, X: ImageSource) -> Scores:
        """Return (n, k) probabilities of `classes_`, float64; each row sums to 1."""

    def stored_params(self) -> Params:
        """Return the parameters that are stored and hashed.

        They have the names of `get_params`. A parameter that came later is left out while it
        changes nothing, so that older runs and checkpoints are those of the same settings.
        """
        stored = {}
        for name, value in self.get_params(deep=False).items():
            if name not in self.added_params or value != self.added_params[name]:
                stored[name] = value
        return stored

    def predict(self, X: ImageSource) -> NDArray[Any]:
        """Return the (n,) most probable labels; see `predict_proba`."""
        best = self.predict_proba(X).argmax(axis=1)
        predicted: NDArray[Any] = self.classes_[best]
        return predicted

    def predict_log_proba(self, X: ImageSource) -> Scores:
        """Return the natural logarithms of `predict_proba`, -inf where it is 0."""
        with np.errstate(divide="ignore"):
            logarithms: Scores = np.log(self.predict_proba(X))
        return logarithms

    def __sklearn_tags__(self) -> Any:
        """Return scikit-learn's tags: images have four axes."""
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        return tags

    def check_images(self, images: ImageSource, name: str = "images") -> ImageSource:
        """Return images, converted as in `fit`; messages call them `name`.

        Raises:
            DataError: Another shape or storage type than the training images.
        """
        images = check_images(unmarked(images), name=name)
        if (images.shape[1:], images.dtype) != (self.shape_, self.dtype_):
            shape = ", ".join(map(str, self.shape_))
            raise DataError(
                f"Expected {name} like the training images, {self.dtype_} of shape (n, {shape}), "
                f"got {images.dtype} of shape {images.shape}. Convert all images to one depth, "
                "size and number of channels."
            )
        return images

    def _encode_validation(self, validation: LabeledImages | None) -> LabeledImages | None:
        """Return validation images of the known classes and their codes.

        Raises:
            DataError: Images unlike the training images, or no class by which to choose weights.
        """
        if validation is None:
            return None
        images = self.check_images(validation[0], "validation images")
        return encode_validation(images, validation[1], self.classes_, self.keep_best)

    def _description(self, settings: Params) -> Params:
        """Return what `model.json` stores of every classifier, with its parameters."""
        return {
            "settings": settings,
            "classes": self.classes_.tolist(),
            "counts": self.counts_.tolist(),
            "shape": self.shape_,
            "dtype": self.dtype_.name,
            "span": self.span_,
        }

    def _restore(self, stored: Params) -> None:
        """Set what `_description` returned."""
        self.classes_ = np.asarray(stored["classes"])
        self.counts_ = np.asarray(stored["counts"], dtype=np.int64)
        # a loss that depends on the real counts finds its weights among the tensors
        self.real_counts_ = self.counts_
        self.shape_ = tuple(stored["shape"])
        self.span_ = tuple(stored["span"])
        self.dtype_ = np.dtype(stored["dtype"])

    def _check_training(
        self, X: ImageSource, y: ArrayLike, synthetic: Mask | None
    ) -> tuple[ImageSource, Labels, Mask]:
        """Check training images and labels and set what is known of them.

        Returns:
            Images, codes 0..k-1 and the mask of synthetic images.

        Raises:
            DataError: Bad images or labels, or fewer than two classes.
            SettingError: A parameter is unknown or out of range.
        """
        self._set_seed()
        mask = check_mask(synthetic_of(X) if synthetic is None else synthetic, len(X))
        X, y = check_images_and_classes(unmarked(X), y)
        if X.ndim != 4:
            raise DataError(
                f"Expected images of shape (n, c, h, w), got {X.shape}. Use a segmenter for "
                "volumes."
            )
        if self.pretrained is not None and X.shape[1] not in GRAY_OR_COLOR:
            raise DataError(
                f"Expected images with 1 or 3 channels for pretrained weights, got {X.shape[1]}. "
                "Use ImageClassifier(pretrained=None), or choose channels with X[:, :3]."
            )
        self.check_settings(min(X.shape[2:]))
        self.classes_, inverse = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            only = self.classes_.tolist()
            raise DataError(f"Expected at least 2 classes, got one class: {only}.")
        codes = inverse.astype(np.int64)
        self.counts_ = np.bincount(codes)
        self.real_counts_ = np.bincount(codes[~mask], minlength=len(self.classes_))
        self.shape_ = X.shape[1:]
        self.dtype_ = X.dtype
        return X, codes, mask
