"""`Resampler` and `Oversampler`: what every way of changing class counts obeys."""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from imblearn.utils import check_sampling_strategy
from sklearn.base import BaseEstimator
from sklearn.exceptions import NotFittedError

from equipoise.arrays import Images, Labels
from equipoise.exceptions import DataError, SettingError
from equipoise.randomness import make_rng
from equipoise.validation import (
    check_class_sizes,
    check_images,
    check_images_and_labels,
    check_labels,
)

if TYPE_CHECKING:
    from torch import Tensor

LabeledImages = tuple[Images, Labels]  # real validation images and labels, for monitoring only
Strategy = str | float | Mapping[int, int]


class Resampler(BaseEstimator, ABC):
    """Changes class counts of the training split: images (n, c, *spatial) in storage type, labels (n,).

    Args:
        sampling_strategy: As in imbalanced-learn: "auto" (all classes alike), a float (binary only), or {label:
            images of that class wanted in all}.
        seed: Seed of everything that is left to chance.
    """

    def __init__(self, *, sampling_strategy: Strategy = "auto", seed: int = 0) -> None:
        self.sampling_strategy = sampling_strategy
        self.seed = seed

    def check_settings(self, side: int) -> None:
        """Refuse settings that cannot work on square images of that side in pixels, before any image is read.

        Raises:
            SettingError: A name is unknown, a number out of range, or the side does not suit.
        """

    @abstractmethod
    def fit_resample(
        self,
        X: Images,
        y: Labels,
        *,
        validation: LabeledImages | None = None,
        workspace: Path | None = None,
    ) -> LabeledImages:
        """Return rebalanced images and labels.

        Args:
            X: (n, c, *spatial) training images.
            y: (n,) labels, any integers.
            validation: Real held-out images and labels. They are watched, never learned from: the result does
                not depend on them.
            workspace: Folder for checkpoints and finished fits, both found again by content.
        """


class Oversampler(Resampler):
    """Keeps `X` first and unchanged and adds synthetic images behind it.

    A subclass writes four hooks, and states `minimum` if it needs more than one image of a class that has to grow:
    `_fit` and `_generate`, which know classes as codes 0..k-1, and `_state` and `_set_state` for saving.

    Args:
        sampling_strategy: As in imbalanced-learn: "auto" (every class to the largest), a float (binary only), or
            {label: images of that class wanted in all}.
        seed: Seed of the fit and of the images that `fit_resample` adds.

    Attributes:
        classes_: (k,) labels seen in `fit`.
        wanted_: {label: number of synthetic images}, only labels that need some.
    """

    minimum: ClassVar[int] = 1
    alternatives: ClassVar[str] = "random oversampling or class weights"

    def fit(
        self,
        X: Images,
        y: Labels,
        *,
        validation: LabeledImages | None = None,
        workspace: Path | None = None,
    ) -> Self:
        """Learn from training images.

        Raises:
            DataError: Bad input, or a class that has to grow has fewer than `minimum` images.
            SettingError: `sampling_strategy` does not fit the labels.
        """
        X, y = check_images_and_labels(X, y)
        self.classes_, codes = np.unique(y, return_inverse=True)
        self.wanted_ = wanted(self.sampling_strategy, y)
        growing = y[np.isin(y, list(self.wanted_))]
        check_class_sizes(
            growing, self.minimum, method=type(self).__name__, alternatives=self.alternatives
        )
        self.shape_, self.dtype_ = X.shape[1:], X.dtype
        self._fit(X, codes.astype(np.int64), self._encode_held(validation), workspace)
        return self

    def generate(self, labels: Labels, *, seed: int = 0) -> Images:
        """Make one image for each label, (n, c, *spatial) in the storage type of the training images.

        Raises:
            NotFittedError: `fit` has not been called.
            DataError: A label was not among those fitted.
        """
        self._check_fitted()
        labels = check_labels(labels, len(labels))
        if strange := sorted(set(labels.tolist()) - set(self.classes_.tolist())):
            raise DataError(f"Expected labels among {self.classes_.tolist()}, got {strange}.")
        codes = np.searchsorted(self.classes_, labels).astype(np.int64)
        if len(codes) == 0:
            return np.empty((0, *self.shape_), dtype=self.dtype_)
        return check_images(self._generate(codes, seed), name="generated images")

    def fit_resample(
        self,
        X: Images,
        y: Labels,
        *,
        validation: LabeledImages | None = None,
        workspace: Path | None = None,
    ) -> LabeledImages:
        """Fit, then return the originals followed by synthetic images; see `Resampler.fit_resample`."""
        self.fit(X, y, validation=validation, workspace=workspace)
        new = np.repeat(list(self.wanted_), list(self.wanted_.values())).astype(np.int64)
        return np.concatenate([X, self.generate(new, seed=self.seed)]), np.concatenate(
            [np.asarray(y), new]
        )

    def save(self, folder: Path) -> None:
        """Write the fitted oversampler to a new folder: weights as safetensors, everything else as JSON.

        Raises:
            NotFittedError: `fit` has not been called.
        """
        from equipoise.training.persistence import save_fitted

        self._check_fitted()
        tensors, own = self._state()
        facts = {
            "params": self._plain_params(),
            "classes": self.classes_.tolist(),
            "wanted": list(self.wanted_.items()),
            "shape": self.shape_,
            "dtype": self.dtype_.name,
            "own": own,
        }
        save_fitted(folder, type(self).__name__, tensors, facts)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read an oversampler that `save` wrote.

        Raises:
            DataError: The folder does not hold one of this class.
        """
        from equipoise.training.persistence import load_fitted

        tensors, facts = load_fitted(folder, cls.__name__)
        params = facts["params"]
        if isinstance(params["sampling_strategy"], dict):  # JSON turns labels into text
            params["sampling_strategy"] = {
                int(label): n for label, n in params["sampling_strategy"].items()
            }
        loaded = cls(**params)
        loaded.classes_ = np.array(facts["classes"])
        loaded.wanted_ = dict(facts["wanted"])
        loaded.shape_, loaded.dtype_ = tuple(facts["shape"]), np.dtype(facts["dtype"])
        loaded._set_state(tensors, facts["own"])
        return loaded

    def _plain_params(self) -> dict[str, Any]:
        """Give every parameter as a JSON value from which the parameter can be made again."""
        return dict(self.get_params())

    def _check_fitted(self) -> None:
        if not hasattr(self, "classes_"):
            raise NotFittedError(f"This {type(self).__name__} is not fitted yet. Call fit first.")

    def _encode_held(self, validation: LabeledImages | None) -> LabeledImages | None:
        if validation is None:
            return None
        images = check_images(validation[0], name="validation images")
        labels = check_labels(validation[1], len(images), name="validation labels")
        if images.shape[1:] != self.shape_ or images.dtype != self.dtype_:
            raise DataError(
                f"Expected validation images like the training images, {self.shape_} {self.dtype_}, got "
                f"{images.shape[1:]} {images.dtype}."
            )
        known = np.isin(labels, self.classes_)
        return images[known], np.searchsorted(self.classes_, labels[known]).astype(np.int64)

    @abstractmethod
    def _fit(
        self, X: Images, codes: Labels, validation: LabeledImages | None, workspace: Path | None
    ) -> None:
        """Learn; `codes` are 0..k-1 in the order of `classes_`."""

    @abstractmethod
    def _generate(self, codes: Labels, seed: int) -> Images:
        """Make one image for each code, in storage type; the same seed gives the same images."""

    @abstractmethod
    def _state(self) -> tuple[Mapping[str, "Tensor"], Mapping[str, Any]]:
        """Return what was learned: tensors and JSON values, each by name."""

    @abstractmethod
    def _set_state(self, tensors: Mapping[str, "Tensor"], facts: Mapping[str, Any]) -> None:
        """Take over what `_state` returned."""


def wanted(strategy: Strategy, y: Labels) -> dict[int, int]:
    """Say how many images to add to each class that has to grow.

    Raises:
        SettingError: The strategy does not fit the labels.
    """
    if len(counts := Counter(np.asarray(y).tolist())) < 2:
        raise DataError(f"Expected at least 2 classes to balance, got {len(counts)}.")
    try:
        asked = check_sampling_strategy(strategy, y, "over-sampling")
    except (ValueError, TypeError, KeyError) as error:
        raise SettingError(
            f"sampling_strategy={strategy!r} does not fit the labels: {error}"
        ) from error
    return {int(label): int(n) for label, n in asked.items() if n > 0}


def rng_of(seed: int, purpose: str) -> np.random.Generator:
    """Make the generator of one purpose of a resampler."""
    return make_rng(seed, "resampling", purpose)
