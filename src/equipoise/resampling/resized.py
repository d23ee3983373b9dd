"""`ResizedOversampler`: a generator that works on smaller images than its users."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from sklearn.base import clone
from torch.nn.functional import interpolate

from equipoise.arrays import Images, LabeledImages, Labels, ValueRange, quantize, value_range
from equipoise.atomic import atomic_folder, write_json
from equipoise.data.scratch import blank_images
from equipoise.image_rows import ImageSource, blocks
from equipoise.randomness import RandomState
from equipoise.resampling.base import Oversampler
from equipoise.resampling.fit_cache import Fitted, Results, Tensors
from equipoise.resampling.loading import load_oversampler
from equipoise.resampling.strategy import Strategy
from equipoise.training.batches import to_unit
from equipoise.training.loop import History
from equipoise.training.persistence import load_fitted
from equipoise.validation import check_square, check_whole

GENERATOR = "generator"  # subfolder of a saved one


class ResizedOversampler(Oversampler):
    """Fits a generator to images made smaller, and enlarges the images that it generates.

    A generator at 128 px or more costs many times what a classifier on frozen features costs there;
    the papers too generate at 64 px and classify at 224. Enlarged images lack fine detail, which
    the audit of their quality sees, as a classifier may.

    Args:
        generator: Any oversampler; it is cloned, and its own strategy and random state are
            ignored.
        side: Side in px at which it works. Images that are not larger are left as they are.
        sampling_strategy: See `Oversampler`.
        random_state: Of the generator; see `Resampler`.

    Attributes:
        generator_: The fitted generator.

    Example:
        >>> from equipoise.resampling.smote import SMOTEOversampler
        >>> labels = np.repeat([0, 1], [8, 4])
        >>> images = np.zeros((12, 1, 32, 32), dtype=np.uint8)
        >>> resized = ResizedOversampler(SMOTEOversampler(), side=16)
        >>> resized.fit_resample(images, labels)[0].shape
        (16, 1, 32, 32)

    See Also:
        equipoise.curation.dosed.DosedOversampler: Changes how many images are added.
    """

    def __init__(
        self,
        generator: Oversampler,
        *,
        side: int = 64,
        sampling_strategy: Strategy = "auto",
        random_state: RandomState = 0,
    ) -> None:
        super().__init__(sampling_strategy=sampling_strategy, random_state=random_state)
        self.generator = generator
        self.side = side

    @property
    def minimum(self) -> int:  # type: ignore[override]  # a constant of other classes
        """Fewest images of a class that needs more."""
        return int(self.generator.minimum)

    @property
    def device(self) -> str:
        """Device of the generator."""
        return str(getattr(self.generator, "device", "cpu"))

    @property
    def history_(self) -> Mapping[str, History] | History:
        """History of the generator's fit."""
        history: Mapping[str, History] | History = getattr(self.generator_, "history_", {})
        return history

    @property
    def diversity_(self) -> dict[Any, float]:
        """Diversity of the generator's images of each label, before they are enlarged."""
        return dict(getattr(self.generator_, "diversity_", {}))

    @property
    def generated_classes_(self) -> NDArray[Any]:
        """The labels of which the generator can generate images."""
        self._check_fitted()
        classes: NDArray[Any] = self.generator_.generated_classes_
        return classes

    def check_settings(self, side: int) -> None:
        """Raise unless the generator can work on images of its side; see `Resampler`."""
        check_whole("side", self.side, minimum=1)
        self.generator.check_settings(min(side, self.side))

    def _fit(
        self,
        X: ImageSource,
        codes: Labels,
        validation: LabeledImages | None,
        workspace: Path | None,
    ) -> None:
        check_square(X)
        self.check_settings(X.shape[2])
        self.span_: ValueRange = value_range(X)
        held_out = None
        if validation is not None:
            held_out = (self._resized(validation[0], self.side), self.classes_[validation[1]])
        self.generator_ = clone(self.generator).set_params(
            sampling_strategy=self.sampling_strategy, random_state=self.seed_
        )
        self.generator_.fit(
            self._resized(X, self.side),
            self.classes_[codes],
            validation=held_out,
            workspace=workspace,
        )

    def _generate(self, codes: Labels, seed: int) -> Images:
        generated = self.generator_.generate(self.classes_[codes], random_state=seed)
        return np.asanyarray(self._resized(generated, self.shape_[1], enlarge=True))

    def _resized(self, images: ImageSource, side: int, *, enlarge: bool = False) -> ImageSource:
        """Return images (n, c, s, s) at another side, in their storage type; see `side`."""
        if images.shape[2] == side or (images.shape[2] < side and not enlarge):
            return images
        resized = blank_images((*images.shape[:2], side, side), images.dtype)
        start = 0
        for block in blocks(images):
            unit = to_unit(torch.as_tensor(block.astype(np.float32)), self.span_)
            smooth = interpolate(unit, (side, side), mode="bilinear", antialias=True)
            stop = start + len(block)
            resized[start:stop] = quantize(smooth.numpy(), images.dtype, self.span_)
            start = stop
        return resized

    def save(self, folder: str | Path) -> None:
        """Write it to a new folder, with a subfolder for the generator."""
        self._check_fitted()
        tensors, facts = self._state()
        with atomic_folder(Path(folder)) as temporary:
            self.generator_.save(temporary / GENERATOR)
            save_file(dict(tensors), temporary / "model.safetensors")
            write_json(temporary / "model.json", {"kind": type(self).__name__, "facts": facts})

    @classmethod
    def load(cls, folder: str | Path) -> Self:
        """Read what `save` wrote, with the settings of the generator; see `Oversampler`."""
        folder = Path(folder)
        tensors, facts = load_fitted(folder, cls.__name__)
        generator = load_oversampler(folder / GENERATOR)
        loaded = cls(
            generator,
            side=facts["side"],
            sampling_strategy=generator.sampling_strategy,
            random_state=generator.random_state,
        )
        loaded.seed_ = generator.seed_
        loaded.generator_ = generator
        loaded.classes_ = generator.classes_
        loaded.sampling_strategy_ = generator.sampling_strategy_
        loaded.dtype_ = generator.dtype_
        loaded._set_state(tensors, facts)
        return loaded

    def _state(self) -> Fitted:
        return {}, {"side": self.side, "shape": self.shape_, "span": self.span_}

    def _set_state(self, tensors: Tensors, results: Results) -> None:
        self.shape_ = tuple(results["shape"])
        low, high = results["span"]
        self.span_ = (low, high)
