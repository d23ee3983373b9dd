"""`CuratedOversampler`: any oversampler, its images filtered before a classifier sees them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
from safetensors.torch import save_file
from sklearn.base import clone
from torch import Tensor

from equipoise.arrays import Images, Labels, ValueRange, value_range
from equipoise.atomic import atomic_folder, write_json
from equipoise.curation.filters import DEFAULT, FILTERS, Candidates
from equipoise.curation.judge import Judge, fit_judge
from equipoise.curation.reference import Reference, learn_reference
from equipoise.curation.selection import Rule, Tally, select
from equipoise.discovery import pick
from equipoise.estimators.classifier import ImageClassifier
from equipoise.exceptions import DataError, SettingError
from equipoise.metrics.memorization import Features
from equipoise.randomness import derive_seed, make_rng
from equipoise.resampling.base import LabeledImages, Oversampler, Strategy
from equipoise.resampling.loading import load_oversampler
from equipoise.training.loop import History
from equipoise.training.persistence import load_fitted

FEWEST = 8  # images of a class that bars can be taken from
COMPARED = (64, 512)  # least and most synthetic images that the density ratio is learned from
JUDGE = "judge"  # name of its history


class CuratedOversampler(Oversampler):
    """Adds images of another oversampler that passed filters, as many as that one would have added.

    In one workspace the generator is fitted once for the curated and the uncurated arm. Bars come from the real
    training images of the class; features and probabilities from a classifier that learned from real training
    images alone, in balanced batches of four fifths of them.

    Args:
        generator: What makes the images; it is cloned and gets our `sampling_strategy`.
        filters: Names of `FILTERS`, applied one after the other.
        oversupply: Images made for each one that is needed, at least 1.
        rounds: How often images are made at most, while filters leave a class short. Then it is filled up with the
            best of those dropped; see `selection.select`.
        tau: Least probability of the class for the filter "agreement".
        judge: The classifier; None for an `ImageClassifier` with balanced batches.
        sampling_strategy: See `Oversampler`.
        seed: Seed of the images that `fit_resample` adds and of what judges them.

    Attributes:
        generator_: The fitted generator.
        judge_: The fitted judge; None where no class had to grow.
        curation_: {label: {filter: (images it was shown, images it kept)}} of the images made last.
        filled_: {label: how many of those images had been dropped and filled the class up}.
        history_: Those of the generator, and the judge's.
        diversity_: The generator's, before any filter.

    Source: methods 9.6 and A.1, steps 6 and 7; `curation.density_ratio` and `selection.select` say what differs.
    """

    def __init__(
        self,
        generator: Oversampler,
        *,
        filters: Sequence[str] = DEFAULT,
        oversupply: float = 2.0,
        rounds: int = 5,
        tau: float = 0.5,
        judge: ImageClassifier | None = None,
        sampling_strategy: Strategy = "auto",
        seed: int = 0,
    ) -> None:
        super().__init__(sampling_strategy=sampling_strategy, seed=seed)
        self.generator = generator
        self.filters = filters
        self.oversupply = oversupply
        self.rounds = rounds
        self.tau = tau
        self.judge = judge

    @property
    def minimum(self) -> int:  # type: ignore[override]  # a constant of other classes
        """Fewest images of a class that has to grow."""
        return max(FEWEST, self.generator.minimum)

    @property
    def device(self) -> str:
        """Where the generator works."""
        return str(getattr(self.generator, "device", "cpu"))

    @property
    def history_(self) -> dict[str, History]:
        """What the fits recorded, by their names."""
        found = getattr(self.generator_, "history_", {})
        own = {} if self.judge_ is None else {JUDGE: self.judge_.history}
        return {**(found if isinstance(found, Mapping) else {"": found}), **own}

    @property
    def diversity_(self) -> dict[int, float]:
        """How much the generator's images of each label differ from one another, before any filter."""
        return dict(getattr(self.generator_, "diversity_", {}))

    def check_settings(self, side: int) -> None:
        """See `Resampler.check_settings`."""
        for name in self.filters:
            pick(FILTERS, name, "filter")
        if not self.filters or len(set(self.filters)) < len(self.filters):
            raise SettingError(
                f"Expected different filters, at least one, got {list(self.filters)}."
            )
        if not self.oversupply >= 1 or not self.rounds >= 1:
            raise SettingError(
                f"Expected oversupply and rounds of at least 1, got {self.oversupply} and {self.rounds}."
            )
        if not 0 < self.tau < 1:
            raise SettingError(f"Expected tau between 0 and 1, got {self.tau}.")
        self.generator.check_settings(side)
        self._classifier().check_settings(side)

    def _classifier(self) -> ImageClassifier:
        if self.judge is not None:
            return self.judge
        return ImageClassifier(batch_sampler="balanced", device=self.device, seed=self.seed)

    def _fit(
        self, X: Images, codes: Labels, validation: LabeledImages | None, workspace: Path | None
    ) -> None:
        self.check_settings(min(X.shape[2:]))
        held = None if validation is None else (validation[0], self.classes_[validation[1]])
        self.generator_ = clone(self.generator).set_params(sampling_strategy=self.sampling_strategy)
        self.generator_.fit(X, self.classes_[codes], validation=held, workspace=workspace)
        self.judge_: Judge | None = None
        self.references_: dict[int, Reference] = {}
        self.curation_: dict[int, dict[str, tuple[int, int]]] = {}
        self.filled_: dict[int, int] = {}
        if self.wanted_:
            self.judge_ = fit_judge(self._classifier(), X, codes, workspace=workspace)
            span = value_range(X)
            for code in np.flatnonzero(np.isin(self.classes_, list(self.wanted_))).tolist():
                self.references_[code] = self._reference(code, X[codes == code], span, self.judge_)

    def _reference(self, code: int, real: Images, span: ValueRange, judge: Judge) -> Reference:
        seed = self._seed_of(self.seed, code, "compared")
        fake = self._raw(code, int(np.clip(len(real), *COMPARED)), seed)
        features, others = judge.look(real)[0], judge.look(fake)[0]
        return learn_reference(real, features, others, span=span, seed=seed)

    def _generate(self, codes: Labels, seed: int) -> Images:
        images = np.empty((len(codes), *self.shape_), dtype=self.dtype_)
        self.curation_, self.filled_ = {}, {}
        for code in np.unique(codes).tolist():
            rows, label = codes == code, int(self.classes_[code])
            images[rows], tally = self._select(code, int(rows.sum()), seed)
            self.curation_[label] = {
                name: (asked, kept) for name, (asked, kept) in tally.kept.items()
            }
            self.filled_[label] = tally.filled
        return images

    def _select(self, code: int, n: int, seed: int) -> tuple[Images, Tally]:
        judge = self.judge_
        if judge is None or code not in self.references_:
            raise DataError(
                f"Nothing was learned about class {self.classes_[code]}, which had not to grow. Name it in "
                "sampling_strategy."
            )

        def make(n: int, round_: int, accepted: Features) -> Candidates:
            own = self._seed_of(seed, code, round_)
            images = self._raw(code, n, own)
            features, scores = judge.look(images)
            chance = make_rng(own, "rejection").random(n)
            return Candidates(
                images=images,
                features=features,
                agreement=scores[:, code],
                tau=self.tau,
                chance=chance,
                accepted=accepted,
            )

        rule = Rule(filters=self.filters, oversupply=self.oversupply, rounds=self.rounds)
        return select(n, make, self.references_[code], rule)

    def _raw(self, code: int, n: int, seed: int) -> Images:
        """Let the generator make images of one class, without its check that they are finite: filters do that."""
        return np.asarray(self.generator_._generate(np.full(n, code, dtype=np.int64), seed))

    def _seed_of(self, seed: int, code: int, purpose: int | str) -> int:
        return derive_seed(seed, "curation", int(self.classes_[code]), purpose)

    def save(self, folder: Path) -> None:
        """Write it to a new folder, the generator and the judge each into a folder of its own inside.

        The features of the training images of the classes that grew are among it: as for the generator's weights,
        treat it like those images.
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
    def load(cls, folder: Path) -> Self:
        """See `Oversampler.load`; the settings of generator and judge come back too."""
        folder = Path(folder)
        tensors, facts = load_fitted(folder, cls.__name__)
        generator = load_oversampler(folder / "generator")
        judge = Judge.load(folder / "judge") if (folder / "judge").is_dir() else None
        loaded = cls(generator, sampling_strategy=generator.sampling_strategy, **facts["params"])
        loaded.judge = None if judge is None else judge.classifier
        loaded.generator_, loaded.judge_ = generator, judge
        for name in ("classes_", "wanted_", "shape_", "dtype_"):
            setattr(loaded, name, getattr(generator, name))
        loaded._set_state(tensors, facts)
        return loaded

    def _state(self) -> tuple[Mapping[str, Tensor], Mapping[str, Any]]:
        states = {code: reference.state for code, reference in self.references_.items()}
        tensors = {
            f"{code}/{name}": t for code, (part, _) in states.items() for name, t in part.items()
        }
        params = {name: getattr(self, name) for name in ("oversupply", "rounds", "tau", "seed")}
        return tensors, {
            "params": {**params, "filters": list(self.filters)},
            "references": {str(code): facts for code, (_, facts) in states.items()},
            "curation": list(self.curation_.items()),
            "filled": list(self.filled_.items()),
        }

    def _set_state(self, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
        self.references_ = {}
        for code, own in facts["references"].items():
            part = {
                k.removeprefix(f"{code}/"): t
                for k, t in tensors.items()
                if k.startswith(f"{code}/")
            }
            self.references_[int(code)] = Reference.of_state(part, own)
        self.curation_ = {
            label: {name: (asked, kept) for name, (asked, kept) in found.items()}
            for label, found in facts["curation"]
        }
        self.filled_ = dict(facts["filled"])
