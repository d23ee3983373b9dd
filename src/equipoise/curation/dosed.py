"""`DosedOversampler`: adds a dose of synthetic images to every class, whatever the imbalance."""

from collections import Counter
from pathlib import Path
from typing import Any

from numpy.typing import NDArray
from sklearn.base import clone

from equipoise.arrays import LabeledImages
from equipoise.exceptions import SettingError
from equipoise.image_rows import ImageSource
from equipoise.randomness import RandomState
from equipoise.resampling.base import Resampler


class DosedOversampler(Resampler):
    """Adds a chosen number of images of a generator to every class; it does not balance.

    The dose does not enter the generator's fit: in one workspace all doses share the fitted
    generators. A smaller dose is the beginning of a larger one if the generator's images do not
    depend on their number.

    Args:
        generator: Any resampler with a `sampling_strategy` that adds images; it is cloned, and its
            own strategy is ignored.
        share: Synthetic images per real one of the class, 0 or more, rounded to whole images; or
        per_class: synthetic images of every class, 0 or more. Exactly one of the two.
        random_state: Ignored: randomness comes from the generator, whose own a study sets too.

    Attributes:
        generator_: The fitted generator. Other fitted attributes (`history_`, `diversity_`, ...)
            and `save` are looked up there.

    Source: Mukhedkar and Kim, who add 120 or 480 images per class. The papers and imbalanced-learn
    specify the totals of the classes instead.

    Example:
        >>> import numpy as np
        >>> from equipoise.resampling.random import RandomOversampler
        >>> labels = np.repeat([0, 1], [8, 4])
        >>> images = np.zeros((12, 1, 8, 8), dtype=np.uint8)
        >>> dosed = DosedOversampler(RandomOversampler(), share=0.5)
        >>> np.bincount(dosed.fit_resample(images, labels)[1]).tolist()
        [12, 6]

    See Also:
        CuratedOversampler: Balances, and filters the images of a generator.
    """

    def __init__(
        self,
        generator: Resampler,
        *,
        share: float | None = None,
        per_class: int | None = None,
        random_state: RandomState = 0,
    ) -> None:
        self.generator = generator
        self.share = share
        self.per_class = per_class
        self.random_state = random_state

    @property
    def minimum(self) -> int:
        """Fewest images of a class that the generator can be trained on."""
        return int(getattr(self.generator, "minimum", 1))

    @property
    def device(self) -> str:
        """Device of the generator."""
        return str(getattr(self.generator, "device", "cpu"))

    @property
    def adds_copies(self) -> bool:  # type: ignore[override]  # a constant of other classes
        """Whether the doses are copies of real images; see `Resampler`."""
        return self.generator.adds_copies

    def check_settings(self, side: int) -> None:
        """Raise unless one dose is given and the generator's settings work; see `Resampler`."""
        doses = [dose for dose in (self.share, self.per_class) if dose is not None]
        if len(doses) != 1 or not doses[0] >= 0:
            raise SettingError(
                f"Expected either share or per_class, at least 0, got share={self.share} and "
                f"per_class={self.per_class}. Use share=0.5 for one synthetic image per two real "
                "ones."
            )
        self.generator.check_settings(side)

    def _fit_resample(
        self,
        X: ImageSource,
        y: NDArray[Any],
        *,
        validation: LabeledImages | None,
        workspace: Path | None,
    ) -> LabeledImages:
        self.check_settings(min(X.shape[2:]))
        self.generator_ = clone(self.generator).set_params(sampling_strategy=self.totals(y))
        resampled: LabeledImages = self.generator_.fit_resample(
            X, y, validation=validation, workspace=workspace
        )
        return resampled

    def totals(self, y: NDArray[Any]) -> dict[Any, int]:
        """Return the total number of images of each class, real and synthetic."""
        totals = {}
        for label, n in sorted(Counter(y.tolist()).items()):
            dose = round(self.share * n) if self.share is not None else int(self.per_class or 0)
            totals[label] = n + dose
        return totals

    def __getattr__(self, name: str) -> Any:
        """Look up fitted attributes and `save` in the fitted generator."""
        fitted = self.__dict__.get("generator_")
        if fitted is None or name.startswith("_") or not (name.endswith("_") or name == "save"):
            raise AttributeError(f"'{type(self).__name__}' has no attribute '{name}'.")
        return getattr(fitted, name)
