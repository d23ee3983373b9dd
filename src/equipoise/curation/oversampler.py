"""`CuratedOversampler`: any oversampler, its images filtered before a classifier sees them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from safetensors.torch import save_file
from sklearn.base import clone
from torch import Tensor

from equipoise.arrays import Images, LabeledImages, Labels, value_range
from equipoise.atomic import atomic_folder, write_json
from equipoise.curation.filters import DEFAULT, FILTERS, Candidates
from equipoise.curation.judge import Judge, fit_judge
from equipoise.curation.reference import Reference, fit_reference
from equipoise.curation.selection import SelectionSettings, Tally, select_images
from equipoise.discovery import pick
from equipoise.estimators.classifier import ImageClassifier
from equipoise.estimators.loading import AnyClassifier
from equipoise.exceptions import DataError, SettingError
from equipoise.image_rows import ImageSource
from equipoise.metrics.memorization import Features
from equipoise.randomness import RANDOM_STATE, RandomState, derive_seed, make_rng, with_random_state
from equipoise.resampling.base import Oversampler
from equipoise.resampling.loading import load_oversampler
from equipoise.resampling.strategy import Strategy
from equipoise.training.loop import History
from equipoise.training.persistence import load_fitted

FEWEST = 8  # images of a class from which thresholds can be computed
LEAST_COMPARED, MOST_COMPARED = 64, 512  # synthetic images that the density ratio is fitted on
JUDGE = "judge"  # name of its history


class CuratedOversampler(Oversampler):
    """Adds images of another oversampler that passed filters, as many as that one would have added.

    In one workspace the generator is fitted once for the curated and the uncurated arm. Thresholds
    come from the real training images of the class; features and probabilities from a classifier
    that was trained on real training images alone, in balanced batches of four fifths of them.

    Args:
        generator: The oversampler that generates images; it is cloned and receives our
            `sampling_strategy`.
        filters: Names of `FILTERS`, applied one after the other.
        oversupply: Images generated for each one that is needed, at least 1.
        rounds: Largest number of times that images are generated while a class is short. Then it is
            filled up with the best of the dropped images; see `selection.select_images`.
        tau: Smallest probability of the class for the filter "agreement".
        judge: The classifier; None for an `ImageClassifier` with balanced batches.
        sampling_strategy: See `Oversampler`.
        random_state: Of the images that `fit_resample` adds and of the filters; see `Resampler`.

    Attributes:
        generator_: The fitted generator.
        judge_: The fitted judge; None where no class needed more images.
        curation_: {label: {filter: (images that it tested, images that it kept)}} of the images
            generated last.
        filled_: {label: number of those images that had been dropped and filled the class up}.
        history_: Histories of the generator and of the judge.
        diversity_: That of the generator, before any filter.

    Source: Azadi et al. (2019) for rejection sampling, see `density_ratio.fit_density_ratio`; the
    other filters are ours.

    Example:
        >>> import numpy as np
        >>> from equipoise.resampling.smote import SMOTEOversampler
        >>> labels = np.repeat([0, 1], [20, 10])
        >>> rng = np.random.default_rng(0)
        >>> noise = rng.integers(0, 120, size=(30, 1, 12, 12))
        >>> images = (noise + 100 * labels[:, None, None, None]).astype(np.uint8)
        >>> judge = ImageClassifier(n_steps=4, batch_size=8, device="cpu")
        >>> curated = CuratedOversampler(SMOTEOversampler(), judge=judge, filters=("sanity",))
        >>> np.bincount(curated.fit_resample(images, labels)[1]).tolist()
        [20, 20]
        >>> tested, passed = curated.curation_[1]["sanity"]
        >>> passed < tested  # SMOTE averages images, which flattens them
        True

    See Also:
        DosedOversampler: Adds a fixed number of images per class, unfiltered.
    """

    def __init__(
        self,
        generator: Oversampler,
        *,
        filters: Sequence[str] = DEFAULT,
        oversupply: float = 2.0,
        rounds: int = 5,
        tau: float = 0.5,
        judge: AnyClassifier | None = None,
        sampling_strategy: Strategy = "auto",
        random_state: RandomState = 0,
    ) -> None:
        super().__init__(sampling_strategy=sampling_strategy, random_state=random_state)
        self.generator = generator
        self.filters = filters
        self.oversupply = oversupply
        self.rounds = rounds
        self.tau = tau
        self.judge = judge

    @property
    def minimum(self) -> int:  # type: ignore[override]  # a constant of other classes
        """Fewest images of a class that needs more."""
        return max(FEWEST, self.generator.minimum)

    @property
    def device(self) -> str:
        """Device of the generator."""
        return str(getattr(self.generator, "device", "cpu"))

    @property
    def history_(self) -> dict[str, History]:
        """Histories of the fits, by their names."""
        history = getattr(self.generator_, "history_", {})
        histories = dict(history) if isinstance(history, Mapping) else {"": history}
        if self.judge_ is not None:
            histories[JUDGE] = self.judge_.history
        return histories

    @property
    def diversity_(self) -> dict[int, float]:
        """Diversity of the generator's images of each label, before any filter."""
        return dict(getattr(self.generator_, "diversity_", {}))

    @property
    def generated_classes_(self) -> NDArray[Any]:
        """The labels that needed images: the filters have a reference for these alone."""
        self._check_fitted()
        return self.classes_[sorted(self.references_)]

    def check_settings(self, side: int) -> None:
        """Raise unless the settings, and those of generator and judge, work; see `Resampler`."""
        for name in self.filters:
            pick(FILTERS, name, "filter")
        if not self.filters or len(set(self.filters)) < len(self.filters):
            raise SettingError(
                f"Expected filters as different names, at least one, got {list(self.filters)}."
            )
        if not self.oversupply >= 1 or not self.rounds >= 1:
            raise SettingError(
                "Expected oversupply and rounds of at least 1, got "
                f"{self.oversupply} and {self.rounds}."
            )
        if not 0 < self.tau < 1:
            raise SettingError(f"Expected tau between 0 and 1, got {self.tau}.")
        self.generator.check_settings(side)
        self._classifier().check_settings(side)

    def _classifier(self) -> AnyClassifier:
        if self.judge is not None:
            return self.judge
        return ImageClassifier(
            batch_sampler="balanced",
            device=self.device,
            random_state=self._fixed_seed,
        )

    def _fit(
        self,
        X: ImageSource,
        codes: Labels,
        validation: LabeledImages | None,
        workspace: Path | None,
    ) -> None:
        self.check_settings(min(X.shape[2:]))
        if validation is not None:
            validation = (validation[0], self.classes_[validation[1]])
        self.generator_ = clone(self.generator).set_params(sampling_strategy=self.sampling_strategy)
        self.generator_.fit(X, self.classes_[codes], validation=validation, workspace=workspace)
        self.judge_: Judge | None = None
        self.references_: dict[int, Reference] = {}
        self.curation_: dict[int, dict[str, tuple[int, int]]] = {}
        self.filled_: dict[int, int] = {}
        if not self.sampling_strategy_:
            return
        judge = self.judge_ = fit_judge(self._classifier(), X, codes, workspace=workspace)
        for code in np.sort(self._wanted_codes).tolist():
            real = X[codes == code]
            seed = self._derived_seed(self.seed_, code, "compared")
            n = int(np.clip(len(real), LEAST_COMPARED, MOST_COMPARED))
            fake = self._generate_unchecked(code, n, seed)
            features, _ = judge.assess(real)
            fake_features, _ = judge.assess(fake)
            self.references_[code] = fit_reference(
                real, features, fake_features, span=value_range(X), seed=seed
            )

    def _generate(self, codes: Labels, seed: int) -> Images:
        images = np.empty((len(codes), *self.shape_), dtype=self.dtype_)
        self.curation_ = {}
        self.filled_ = {}
        for code in np.unique(codes).tolist():
            rows = codes == code
            images[rows], tally = self._select(code, int(rows.sum()), seed)
            label = self._label(code)
            self.curation_[label] = {}
            for name, (tested, passed) in tally.counts.items():
                self.curation_[label][name] = (tested, passed)
            self.filled_[label] = tally.filled
        return images

    def _select(self, code: int, n: int, seed: int) -> tuple[Images, Tally]:
        """Generate and filter n images of a class."""
        judge = self.judge_
        if judge is None or code not in self.references_:
            raise DataError(
                f"Cannot generate images of class {self.classes_[code]}: it did not need more "
                "images, so nothing was learned about it. Name it in sampling_strategy."
            )

        def generate(n: int, round_: int, accepted: Features) -> Candidates:
            round_seed = self._derived_seed(seed, code, round_)
            images = self._generate_unchecked(code, n, round_seed)
            features, scores = judge.assess(images)
            return Candidates(
                images=images,
                features=features,
                agreement=scores[:, code],
                tau=self.tau,
                uniform=make_rng(round_seed, "rejection").random(n),
                accepted=accepted,
            )

        settings = SelectionSettings(
            filters=self.filters, oversupply=self.oversupply, rounds=self.rounds
        )
        return select_images(n, generate, self.references_[code], settings)

    def _generate_unchecked(self, code: int, n: int, seed: int) -> Images:
        """Generate images of one class without the check that they are finite, which filters do."""
        return np.asarray(self.generator_._generate(np.full(n, code, dtype=np.int64), seed))

    def _derived_seed(self, seed: int, code: int, purpose: int | str) -> int:
        return derive_seed(seed, "curation", self._label(code), purpose)

    def save(self, folder: str | Path) -> None:
        """Write it to a new folder, with a subfolder for the generator and one for the judge.

        It contains the features of the training images of the classes that needed more images: like
        the generator's weights, it has to be protected like those images.
        """
        self._check_fitted()
        tensors, facts = self._state()
        with atomic_folder(Path(folder)) as temporary:
            self.generator_.save(temporary / "generator")
            if self.judge_ is not None:
                self.judge_.save(temporary / "judge")
            save_file(dict(tensors), temporary / "model.safetensors")
            write_json(temporary / "model.json", {"kind": type(self).__name__, "facts": facts})

    @classmethod
    def load(cls, folder: str | Path) -> Self:
        """Read what `save` wrote, with the settings of generator and judge; see `Oversampler`."""
        folder = Path(folder)
        tensors, facts = load_fitted(folder, cls.__name__)
        generator = load_oversampler(folder / "generator")
        judge = Judge.load(folder / "judge") if (folder / "judge").is_dir() else None
        params = with_random_state(facts["params"])
        loaded = cls(generator, sampling_strategy=generator.sampling_strategy, **params)
        loaded.seed_ = params[RANDOM_STATE]
        loaded.judge = None if judge is None else judge.classifier
        loaded.judge_ = judge
        loaded.generator_ = generator
        loaded.classes_ = generator.classes_
        loaded.sampling_strategy_ = generator.sampling_strategy_
        loaded.shape_ = generator.shape_
        loaded.dtype_ = generator.dtype_
        loaded._set_state(tensors, facts)
        return loaded

    def _state(self) -> tuple[Mapping[str, Tensor], Mapping[str, Any]]:
        tensors = {}
        references = {}
        for code, reference in self.references_.items():
            references[str(code)] = reference.to_json()
            for name, tensor in reference.tensors().items():
                tensors[f"{code}/{name}"] = tensor
        params = {
            "oversupply": self.oversupply,
            "rounds": self.rounds,
            "tau": self.tau,
            "seed": self.seed_,
            "filters": list(self.filters),
        }
        return tensors, {
            "params": params,
            "references": references,
            "curation": list(self.curation_.items()),
            "filled": list(self.filled_.items()),
        }

    def _set_state(self, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
        self.references_ = {}
        for code, stored in facts["references"].items():
            arrays = {name: tensors[f"{code}/{name}"] for name in ("features", "weights")}
            self.references_[int(code)] = Reference.from_json(arrays, stored)
        self.curation_ = {}
        for label, counts in facts["curation"]:
            self.curation_[label] = {name: (n, kept) for name, (n, kept) in counts.items()}
        self.filled_ = dict(facts["filled"])
