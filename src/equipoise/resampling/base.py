"""`Resampler` and `Oversampler`: the contract of everything that changes class counts."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from imblearn.base import SamplerMixin
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator
from sklearn.exceptions import NotFittedError

from equipoise.arrays import Images, LabeledImages, Labels
from equipoise.data.scratch import blank_images
from equipoise.exceptions import DataError
from equipoise.image_rows import ImageSource, joined, select
from equipoise.marked_images import Mask, marked, synthetic_of, unmarked
from equipoise.randomness import RandomState, Seeded, make_rng, whole_seed, with_random_state
from equipoise.resampling.strategy import Strategy, wanted
from equipoise.validation import (
    check_class_sizes,
    check_classes,
    check_images,
    check_images_and_classes,
    check_mask,
)

if TYPE_CHECKING:
    from equipoise.resampling.fit_cache import Fitted, Results, Tensors

Params = dict[str, Any]  # parameters of an estimator by name, as scikit-learn has them


class Resampler(Seeded, SamplerMixin, BaseEstimator, ABC):
    """Change class counts of the training split; a sampler of imbalanced-learn for images.

    A subclass writes `_fit_resample`. A parameter may be a frozen dataclass; `set_params` then
    takes its fields too, as "parameter__field".

    Args:
        sampling_strategy: As in imbalanced-learn: "auto" (all classes alike), a float (binary
            only), or {label: total number of images of that class}.
        random_state: Source of all randomness: a whole number, a `RandomState` or `Generator` of
            NumPy, or None for another result in each fit.

    Attributes:
        adds_copies: Whether rows that it marks as synthetic are copies of real images, as those of
            a control are: nothing that can be looked at, audited or released.
        sampling_strategy_: {label: number of images}, those that are added, or those that remain.
        seed_: Seed of the last fit.
    """

    adds_copies: ClassVar[bool] = False
    sampling_strategy_: dict[Any, int]

    def __init__(
        self, *, sampling_strategy: Strategy = "auto", random_state: RandomState = 0
    ) -> None:
        self.sampling_strategy = sampling_strategy
        self.random_state = random_state

    def __sklearn_tags__(self) -> Any:
        """Return scikit-learn's tags: images have four axes or more."""
        tags = super().__sklearn_tags__()
        tags.estimator_type = "sampler"
        tags.target_tags.required = True
        tags.input_tags.two_d_array = False
        return tags

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

    def fit(
        self,
        X: ImageSource,
        y: ArrayLike,
        *,
        validation: LabeledImages | None = None,
        workspace: str | Path | None = None,
    ) -> Self:
        """Set the fitted attributes; as in imbalanced-learn, `fit_resample` is what is needed."""
        self.fit_resample(X, y, validation=validation, workspace=workspace)
        return self

    def fit_resample(
        self,
        X: ImageSource,
        y: ArrayLike,
        *,
        validation: LabeledImages | None = None,
        workspace: str | Path | None = None,
        synthetic: Mask | None = None,
    ) -> LabeledImages:
        """Return rebalanced images and labels.

        Images of which any are synthetic carry the mask of these to the `fit` of a classifier of
        this package, through a pipeline of imbalanced-learn, too; see `equipoise.marked_images`.

        Args:
            X: (n, c, *spatial) training images.
            y: (n,) labels: whole numbers, text or booleans.
            validation: Real held-out images and labels. They are recorded, never learned from: the
                result does not depend on them.
            workspace: Folder for checkpoints and finished fits, both found again by content.
            synthetic: (n,) True where an image of `X` is synthetic; None for what `X` carries, or
                else for none.

        Raises:
            DataError: Bad images or labels, or fewer than two classes.
            SettingError: `sampling_strategy` does not fit the labels, or a parameter is out of
                range.
        """
        self._set_seed()
        before = check_mask(synthetic_of(X) if synthetic is None else synthetic, len(X))
        X, y = check_images_and_classes(unmarked(X), y)
        folder = None if workspace is None else Path(workspace)
        images, labels = self._fit_resample(X, y, validation=validation, workspace=folder)
        images = unmarked(images)
        if hasattr(self, "sample_indices_"):
            return marked(images, before[self.sample_indices_]), labels
        added = np.ones(len(images) - len(before), dtype=bool)
        return marked(images, np.concatenate([before, added])), labels

    @abstractmethod
    def _fit_resample(
        self,
        X: ImageSource,
        y: NDArray[Any],
        *,
        validation: LabeledImages | None,
        workspace: Path | None,
    ) -> LabeledImages:
        """Return images and labels: the originals first, or the rows `sample_indices_` of them.

        `X` and `y` are checked; `seed_` is set.
        """


class Oversampler(Resampler):
    """Keep `X` first and unchanged and add synthetic images after it.

    A subclass writes four hooks: `_fit` and `_generate`, which know classes as codes 0..k-1, and
    `_state` and `_set_state` for saving. It states `minimum` if it needs more than one image of a
    class that is filled up, and overrides `generated_classes_` if it does not learn every class.

    Args:
        sampling_strategy: As in imbalanced-learn: "auto" (every class to the largest), a float
            (binary only), or {label: total number of images of that class}.
        random_state: Of the fit and of the images that `fit_resample` adds; see `Resampler`.

    Attributes:
        classes_: (k,) labels seen in `fit`.
        sampling_strategy_: {label: number of synthetic images}, only labels that need some.
    """

    minimum: ClassVar[int] = 1
    alternatives: ClassVar[str] = "random oversampling or class weights"

    classes_: NDArray[Any]

    @property
    def generated_classes_(self) -> NDArray[Any]:
        """The labels of which images can be generated, sorted."""
        self._check_fitted()
        return self.classes_

    def fit(
        self,
        X: ImageSource,
        y: ArrayLike,
        *,
        validation: LabeledImages | None = None,
        workspace: str | Path | None = None,
    ) -> Self:
        """Learn from training images.

        Raises:
            DataError: Bad input, or a class that needs synthetic images has fewer than `minimum`
                real ones.
            SettingError: `sampling_strategy` does not fit the labels.
        """
        self._set_seed()
        X, y = check_images_and_classes(unmarked(X), y)
        return self._learn(X, y, validation, None if workspace is None else Path(workspace))

    def _learn(
        self,
        X: ImageSource,
        y: NDArray[Any],
        validation: LabeledImages | None,
        workspace: Path | None,
    ) -> Self:
        self.classes_, inverse = np.unique(y, return_inverse=True)
        codes = inverse.astype(np.int64)
        self.sampling_strategy_ = wanted(self.sampling_strategy, y)
        filled_up = self.classes_[codes[np.isin(codes, self._wanted_codes)]]
        check_class_sizes(
            filled_up, self.minimum, method=type(self).__name__, alternatives=self.alternatives
        )
        self.shape_ = X.shape[1:]
        self.dtype_ = X.dtype
        self._fit(X, codes, self._encode_validation(validation), workspace)
        return self

    def generate(self, labels: ArrayLike, *, random_state: RandomState = 0) -> Images:
        """Generate one image for each label, (n, c, *spatial) in storage type.

        Raises:
            NotFittedError: `fit` has not been called.
            DataError: A label was not among those fitted, or is not among `generated_classes_`.
        """
        self._check_fitted()
        requested = check_classes(labels, np.size(labels))
        codes_of = {label: code for code, label in enumerate(self.classes_.tolist())}
        unknown = sorted({label for label in requested.tolist() if label not in codes_of})
        if unknown:
            raise DataError(f"Expected labels among {self.classes_.tolist()}, got {unknown}.")
        codes = np.array([codes_of[label] for label in requested.tolist()], dtype=np.int64)
        if len(codes) == 0:
            return np.empty((0, *self.shape_), dtype=self.dtype_)
        images = self._generate(codes, whole_seed(random_state))
        return np.asarray(check_images(images, name="generated images"))

    def _fit_resample(
        self,
        X: ImageSource,
        y: NDArray[Any],
        *,
        validation: LabeledImages | None,
        workspace: Path | None,
    ) -> LabeledImages:
        self._learn(X, y, validation, workspace)
        amounts = list(self.sampling_strategy_.values())
        new_labels = self.classes_[np.repeat(self._wanted_codes, amounts)]
        new_images = self.generate(new_labels, random_state=self.seed_)
        return joined([X, new_images]), np.concatenate([y, new_labels])

    @property
    def _wanted_codes(self) -> NDArray[np.int64]:
        """Codes of the classes that need images, in the order of `sampling_strategy_`."""
        labels = self.classes_.tolist()
        codes = [labels.index(label) for label in self.sampling_strategy_]
        return np.array(codes, dtype=np.int64)

    def _label(self, code: int) -> Any:
        """Return the label of a code, as Python has it."""
        return self.classes_[code : code + 1].tolist()[0]

    def save(self, folder: str | Path) -> None:
        """Write the fitted oversampler to a new folder, as safetensors and JSON.

        Raises:
            NotFittedError: `fit` has not been called.
        """
        from equipoise.training.persistence import save_fitted

        self._check_fitted()
        tensors, state = self._state()
        values = {
            "params": self._with_seed(self._params_to_json()),
            "classes": self.classes_.tolist(),
            "wanted": list(self.sampling_strategy_.items()),
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
        params = with_random_state(values["params"])
        if isinstance(params["sampling_strategy"], dict):  # JSON turns labels into text
            labels = {str(label): label for label in values["classes"]}
            strategy = params["sampling_strategy"].items()
            params["sampling_strategy"] = {labels[text]: n for text, n in strategy}
        loaded = cls(**cls._params_from_json(params))
        loaded.seed_ = whole_seed(loaded.random_state)
        loaded.classes_ = np.array(values["classes"])
        loaded.sampling_strategy_ = dict(values["wanted"])
        loaded.shape_ = tuple(values["shape"])
        loaded.dtype_ = np.dtype(values["dtype"])
        loaded._set_state(tensors, values["own"])
        return loaded

    def _params_to_json(self) -> Params:
        """Return every parameter as a JSON value; `_params_from_json` reads them."""
        params: Params = self.get_params(deep=False)
        if isinstance(self.sampling_strategy, Mapping):
            strategy = {str(label): int(n) for label, n in self.sampling_strategy.items()}
            params["sampling_strategy"] = strategy
        return params

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
        labels = check_classes(validation[1], len(images), name="validation labels")
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


def rng_of(seed: int, purpose: str) -> np.random.Generator:
    """Return the random stream of one purpose of a resampler."""
    return make_rng(seed, "resampling", purpose)
