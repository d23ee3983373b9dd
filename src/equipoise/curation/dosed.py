"""A dose of synthetic images: as many as asked for in every class, whatever the imbalance."""

from collections import Counter
from pathlib import Path
from typing import Any

from sklearn.base import clone

from equipoise.arrays import Images, Labels
from equipoise.exceptions import SettingError
from equipoise.resampling.base import LabeledImages, Resampler
from equipoise.validation import check_images_and_labels


class DosedOversampler(Resampler):
    """Adds a chosen number of images of a generator to every class; it does not balance.

    The dose is no setting of the generator's fit: with one workspace all doses share the generator's fits, and a
    smaller dose is the beginning of a larger one where images do not depend on how many are asked for.

    Args:
        generator: Any resampler that takes `sampling_strategy` and adds images; it is cloned, and its own
            strategy does not count.
        share: Synthetic images for each real one of the class, 0 or more, rounded to whole images; or
        per_class: synthetic images of every class, 0 or more. One of the two.
        seed: Takes part in nothing: chance is the generator's, which a study seeds too.

    Attributes:
        generator_: The fitted generator. All that a fit leaves behind (`history_`, `diversity_`, `save`, ...) is
            looked up there.

    Source: methods 8.5 (paper S4: 120 or 480 images per class, and the shares 0.05 to 2). The papers and
    imbalanced-learn ask for totals of classes instead.
    """

    def __init__(
        self,
        generator: Resampler,
        *,
        share: float | None = None,
        per_class: int | None = None,
        seed: int = 0,
    ) -> None:
        self.generator = generator
        self.share = share
        self.per_class = per_class
        self.seed = seed

    @property
    def minimum(self) -> int:
        """Fewest images of a class that the generator can learn from."""
        return int(getattr(self.generator, "minimum", 1))

    @property
    def device(self) -> str:
        """Where the generator works."""
        return str(getattr(self.generator, "device", "cpu"))

    def check_settings(self, side: int) -> None:
        """See `Resampler.check_settings`."""
        given = [dose for dose in (self.share, self.per_class) if dose is not None]
        if len(given) != 1 or not given[0] >= 0:
            raise SettingError(
                f"Expected share or per_class, one of them and from 0, got share={self.share} and "
                f"per_class={self.per_class}. Give share=0.5 for one synthetic image to two real ones."
            )
        self.generator.check_settings(side)

    def fit_resample(
        self,
        X: Images,
        y: Labels,
        *,
        validation: LabeledImages | None = None,
        workspace: Path | None = None,
    ) -> LabeledImages:
        """Return the originals followed by the dose; see `Resampler.fit_resample`."""
        X, y = check_images_and_labels(X, y)
        self.check_settings(min(X.shape[2:]))
        self.generator_ = clone(self.generator).set_params(sampling_strategy=self.totals(y))
        resampled: LabeledImages = self.generator_.fit_resample(
            X, y, validation=validation, workspace=workspace
        )
        return resampled

    def totals(self, y: Labels) -> dict[int, int]:
        """Give the images of each class in all, real and synthetic."""
        counts = Counter(y.tolist())
        return {label: n + self._dose(n) for label, n in sorted(counts.items())}

    def _dose(self, n_real: int) -> int:
        return round(self.share * n_real) if self.share is not None else int(self.per_class or 0)

    def __getattr__(self, name: str) -> Any:
        """Look up what a fit leaves behind in the fitted generator."""
        fitted = self.__dict__.get("generator_")
        if fitted is None or name.startswith("_") or not (name.endswith("_") or name == "save"):
            raise AttributeError(f"'{type(self).__name__}' has no attribute '{name}'.")
        return getattr(fitted, name)
