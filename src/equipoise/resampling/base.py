"""`Resampler` and `Oversampler`: the contract of everything that changes class counts."""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from imblearn.utils import check_sampling_strategy
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.exceptions import NotFittedError

from equipoise.arrays import Images, LabeledImages, Labels
from equipoise.data.scratch import blank_images
from equipoise.exceptions import DataError, SettingError
from equipoise.image_rows import ImageSource, joined, select
from equipoise.randomness import make_rng
from equipoise.validation import (
    check_class_sizes,
    check_images,
    check_images_and_labels,
    check_labels,
)

if TYPE_CHECKING:
    from equipoise.resampling.fit_cache import Fitted, Results, Tensors

Strategy = str | float | Mapping[int, int]
Params = dict[str, Any]  # parameters of an estimator by name, as scikit-learn has them


class Resampler(BaseEstimator, ABC):
    """Change class counts of the training split.

    A parameter may be a frozen dataclass; `set_params` then takes its fields too, as
    "parameter__field".

    Args:
        sampling_strategy: As in imbalanced-learn: "auto" (all classes alike), a float (binary
            only), or {label: total number of images of that class}.
        seed: Seed of all randomness.

    Attributes:
        adds_copies: Whether rows that it marks as synthetic are copies of real images, as those of
            a control are: nothing that can be looked at, audited or released.
    """

    adds_copies: ClassVar[bool] = False

    def __init__(self, *, sampling_strategy: Strategy = "auto", seed: int = 0) -> None:
        self.sampling_strategy = sampling_strategy
        self.seed = seed

    def get_params(self, deep: bool = True) -> Params:
        """Return the parameters by name; `deep` adds the fields of those that are dataclasses."""
        params: Params = super().get_params(deep)
        if deep:
            for name, value in list(params.items()):
                if is_dataclass(value):
                    for field in fields(value):
                        params[f"{name}__{field.name}"] = getattr(value, field.name)
        return params

    def set_params(self, **params: Any) -> Self:
        """Set parameters, and fields of those that are dataclasses."""
        whole: Params = {}
        parts: dict[str, Params] = {}
        for key, value in params.items():
            name, _, field = key.partition("__")
            if field and is_dataclass(getattr(self, name, None)):
                parts.setdefault(name, {})[field] = value
            else:
                whole[key] = value
        super().set_params(**whole)
        for name, values in parts.items():
            setattr(self, name, replace(getattr(self, name), **values))
        return self

    def check_settings(self, side: int) -> None:
        """Refuse settings that cannot work on square images of `side` pixels.

        Raises:
            SettingError: A name is unknown, a number out of range, or the side is not suitable.
        """

    @abstractmethod
    def fit_resample(
        self,
        X: ImageSource,
        y: Labels,
        *,
        validation: LabeledImages | None = None,
        workspace: Path | None = None,
    ) -> LabeledImages:
        """Return rebalanced images and labels.

        Args:
            X: (n, c, *spatial) training images.
            y: (n,) labels, any integers.
            validation: Real held-out images and labels. They are recorded, never learned from: the
                result does not depend on them.
            workspace: Folder for checkpoints and finished fits, both found again by content.
        """


class Oversampler(Resampler):
    """Keep `X` first and unchanged and add synthetic images after it.

    A subclass writes four hooks: `_fit` and `_generate`, which know classes as codes 0..k-1, and
    `_state` and `_set_state` for saving. It states `minimum` if it needs more than one image of a
    class that is filled up, and overrides `generated_classes_` if it does not learn every class.

    Args:
        sampling_strategy: As in imbalanced-learn: "auto" (every class to the largest), a float
            (binary only), or {label: total number of images of that class}.
        seed: Seed of the fit and of the images that `fit_resample` adds.

    Attributes:
        classes_: (k,) labels seen in `fit`.
        wanted_: {label: number of synthetic images}, only labels that need some.
    """

    minimum: ClassVar[int] = 1
    alternatives: ClassVar[str] = "random oversampling or class weights"

    @property
    def generated_classes_(self) -> Labels:
        """The labels of which images can be generated, sorted."""
        self._check_fitted()
        return self.classes_

    def fit(
        self,
        X: ImageSource,
        y: Labels,
        *,
        validation: LabeledImages | None = None,
        workspace: Path | None = None,
    ) -> Self:
        """Learn from training images.

        Raises:
            DataError: Bad input, or a class that needs synthetic images has fewer than `minimum`
                real ones.
            SettingError: `sampling_strategy` does not fit the labels.
        """
        X, y = check_images_and_labels(X, y)
        self.classes_, codes = np.unique(y, return_inverse=True)
        self.wanted_ = wanted(self.sampling_strategy, y)
        filled_up = y[np.isin(y, list(self.wanted_))]
        check_class_sizes(
            filled_up, self.minimum, method=type(self).__name__, alternatives=self.alternatives
        )
        self.shape_ = X.shape[1:]
        self.dtype_ = X.dtype
        self._fit(X, codes.astype(np.int64), self._encode_validation(validation), workspace)
        return self

    def generate(self, labels: Labels, *, seed: int = 0) -> Images:
        """Generate one image for each label, (n, c, *spatial) in storage type.

        Raises:
            NotFittedError: `fit` has not been called.
            DataError: A label was not among those fitted, or is not among `generated_classes_`.
        """
        self._check_fitted()
        labels = check_labels(labels, len(labels))
        unknown = sorted(set(labels.tolist()) - set(self.classes_.tolist()))
        if unknown:
            raise DataError(f"Expected labels among {self.classes_.tolist()}, got {unknown}.")
        codes = np.searchsorted(self.classes_, labels).astype(np.int64)
        if len(codes) == 0:
            return np.empty((0, *self.shape_), dtype=self.dtype_)
        return check_images(self._generate(codes, seed), name="generated images")

    def fit_resample(
        self,
        X: ImageSource,
        y: Labels,
        *,
        validation: LabeledImages | None = None,
        workspace: Path | None = None,
    ) -> LabeledImages:
        """Fit, then return the originals followed by synthetic images; see `Resampler`."""
        self.fit(X, y, validation=validation, workspace=workspace)
        new_labels = np.repeat(list(self.wanted_), list(self.wanted_.values())).astype(np.int64)
        new_images = self.generate(new_labels, seed=self.seed)
        return joined([X, new_images]), np.concatenate([np.asarray(y), new_labels])

    def save(self, folder: str | Path) -> None:
        """Write the fitted oversampler to a new folder, as safetensors and JSON.

        Raises:
            NotFittedError: `fit` has not been called.
        """
        from equipoise.training.persistence import save_fitted

        self._check_fitted()
        tensors, state = self._state()
        values = {
            "params": self._params_to_json(),
            "classes": self.classes_.tolist(),
            "wanted": list(self.wanted_.items()),
            "shape": self.shape_,
            "dtype": self.dtype_.name,
            "own": state,
        }
        save_fitted(Path(folder), type(self).__name__, tensors, values)

    @classmethod
    def load(cls, folder: str | Path) -> Self:
        """Read an oversampler that `save` wrote.

        Raises:
            DataError: The folder does not contain one of this class.
        """
        from equipoise.training.persistence import load_fitted

        tensors, values = load_fitted(Path(folder), cls.__name__)
        params = dict(values["params"])
        if isinstance(params["sampling_strategy"], dict):  # JSON turns labels into text
            strategy = params["sampling_strategy"].items()
            params["sampling_strategy"] = {int(label): n for label, n in strategy}
        loaded = cls(**cls._params_from_json(params))
        loaded.classes_ = np.array(values["classes"])
        loaded.wanted_ = dict(values["wanted"])
        loaded.shape_ = tuple(values["shape"])
        loaded.dtype_ = np.dtype(values["dtype"])
        loaded._set_state(tensors, values["own"])
        return loaded

    def _params_to_json(self) -> Params:
        """Return every parameter as a JSON value; `_params_from_json` reads them."""
        return self.get_params(deep=False)

    @classmethod
    def _params_from_json(cls, params: Params) -> Params:
        """Return the constructor's arguments from what `_params_to_json` returned."""
        return params

    def _check_fitted(self) -> None:
        if not hasattr(self, "classes_"):
            raise NotFittedError(f"This {type(self).__name__} is not fitted yet. Call fit first.")

    def _encode_validation(self, validation: LabeledImages | None) -> LabeledImages | None:
        """Check validation images, drop those of other classes, and turn labels into codes."""
        if validation is None:
            return None
        images = check_images(validation[0], name="validation images")
        labels = check_labels(validation[1], len(images), name="validation labels")
        if images.shape[1:] != self.shape_ or images.dtype != self.dtype_:
            raise DataError(
                f"Expected validation images like the training images, {self.shape_} "
                f"{self.dtype_}, got {images.shape[1:]} {images.dtype}."
            )
        rows = np.isin(labels, self.classes_)
        return select(images, rows), np.searchsorted(self.classes_, labels[rows]).astype(np.int64)

    def _generate_by_class(
        self, codes: Labels, images_of: Callable[[int, NDArray[np.int64]], Images]
    ) -> Images:
        """Fill an array (n, *shape_) class by class.

        Args:
            codes: (n,) code of each image.
            images_of: A code and the rows (m,) of its images in the result -> the images (m,
                *shape_).
        """
        images = blank_images((len(codes), *self.shape_), self.dtype_)
        for code in np.unique(codes).tolist():
            rows = np.flatnonzero(codes == code)
            images[rows] = images_of(code, rows)
        return images

    @abstractmethod
    def _fit(
        self,
        X: ImageSource,
        codes: Labels,
        validation: LabeledImages | None,
        workspace: Path | None,
    ) -> None:
        """Learn; `codes` are 0..k-1 in the order of `classes_`."""

    @abstractmethod
    def _generate(self, codes: Labels, seed: int) -> Images:
        """Generate one image for each code in storage type; equal seeds give equal images."""

    @abstractmethod
    def _state(self) -> "Fitted":
        """Return what was learned: tensors and JSON values, each by name."""

    @abstractmethod
    def _set_state(self, tensors: "Tensors", results: "Results") -> None:
        """Restore what `_state` returned."""


def wanted(strategy: Strategy, y: Labels) -> dict[int, int]:
    """Return the number of images to add to each class that needs some.

    Raises:
        DataError: There is one class only.
        SettingError: The strategy does not fit the labels.

    Example:
        >>> wanted("auto", np.array([0, 0, 0, 1]))
        {1: 2}
    """
    counts = Counter(np.asarray(y).tolist())
    if len(counts) < 2:
        raise DataError(f"Expected at least 2 classes to balance, got {len(counts)}.")
    try:
        additions = check_sampling_strategy(strategy, y, "over-sampling")
    except (ValueError, TypeError, KeyError) as error:
        raise SettingError(
            f"sampling_strategy={strategy!r} does not fit the labels: {error}"
        ) from error
    return {int(label): int(n) for label, n in additions.items() if n > 0}


def check_square(images: ImageSource) -> None:
    """Refuse images that are not square and two-dimensional.

    Raises:
        DataError: The shape is not (n, c, s, s).
    """
    if images.ndim != 4 or images.shape[2] != images.shape[3]:
        raise DataError(
            f"Expected square images of shape (n, c, s, s), got {images.shape}. Pad or crop them."
        )


def rng_of(seed: int, purpose: str) -> np.random.Generator:
    """Return the random stream of one purpose of a resampler."""
    return make_rng(seed, "resampling", purpose)
