"""Probes: train a step of a method for a few optimizer steps, and extrapolate to all of them."""

import json
from abc import ABC, abstractmethod
from collections.abc import Callable
from operator import itemgetter
from typing import Any

import numpy as np
from sklearn.base import clone

from equipoise.arrays import Rows
from equipoise.data.dataset import ImageDataset
from equipoise.experiments.parameters import parameters
from equipoise.experiments.study import Study
from equipoise.randomness import SEED
from equipoise.resampling.gan.oversampler import GANOversampler
from equipoise.training.collapse import unchecked_diversity

Clock = Callable[[], float]  # seconds

STEPS = "n_steps"  # parameter of everything that trains, nested estimators included
PROBE_SECONDS = 1.5  # of one such parameter; after this no longer probe is begun
PROBE_SHARE = 0.01  # of what all runs of the study train for it; a shorter study is probed less
FEW_STEPS = 8  # a price from fewer steps is as uncertain as the seconds of a short fit
SECONDS_FOR_FEW = 10.0  # longest probe that is still begun to have as many steps
MOST_SECONDS = 300.0  # of all probes, where other programs keep the machine busy
PROBED_IMAGES = 64  # synthetic images generated to time one
MOST_IMAGES = 2000  # training images of a probe
LEAST_PER_CLASS = 32  # of each class among them
MOST_VALIDATION = 64  # validation images of a probe
# Settings of a classifier that change no work: methods that differ in them alone take equally long.
WEIGHTLESS = ("loss", "batch_sampler", "synthetic_share", "synthetic_weight")


class Probe(ABC):
    """Times the steps of methods on the first split of a study; equal steps are timed once.

    A fit is modeled as a constant and a price for each optimizer step of every `n_steps` parameter
    in it.

    Args:
        study: Its first split is probed.
        clock: Returns seconds; replaced in tests.
    """

    scale = 1.0  # training images of the split / training images of a probe

    def __init__(self, study: Study, clock: Clock) -> None:
        self.study = study
        self.clock = clock
        self.n_test = len(study.splits[0].test)
        self.n_runs = len(study.splits) * len(study.seeds)
        self._ends = clock() + MOST_SECONDS
        self._seconds: dict[str, float] = {}  # by class and settings of the step
        self._failures: dict[str, str] = {}  # the same -> reason

    @property
    def is_late(self) -> bool:
        """Whether all probes together took `MOST_SECONDS`: what has begun ends with few fits."""
        return self.clock() > self._ends

    @abstractmethod
    def fit(self, step: Any, n_steps: dict[str, int]) -> tuple[float, Any]:
        """Fit a clone of a step with other `n_steps`; return its seconds and the clone."""

    @abstractmethod
    def application_seconds(self, step: Any, fitted: Any) -> float:
        """Estimate the seconds of all that is not training: scoring, generating, ..."""

    def seconds(self, step: Any) -> float:
        """Estimate one full run of a step; 0 for one that trains nothing or fails."""
        if not step_counts(step):
            return 0.0
        key = self._key(step)
        if key not in self._seconds:
            try:
                self._seconds[key] = self._measure(self.in_steps(step))
            except Exception as error:  # noqa: BLE001 (the forecast shows it; the cell will meet it too)
                self._seconds[key] = 0.0
                self._failures[key] = f"{type(error).__name__}: {error}".partition("\n")[0]
        return self._seconds[key]

    def failure(self, step: Any) -> str:
        """Return why `seconds` could not train a step; "" where it could."""
        return self._failures.get(self._key(step), "") if step_counts(step) else ""

    def has_timed(self, step: Any) -> bool:
        """Return whether `seconds` trains nothing for a step."""
        return not step_counts(step) or self._key(step) in self._seconds

    def _key(self, step: Any) -> str:
        """Return a text that is the same for steps that take equally long."""
        settings = parameters(self.in_steps(step))
        for name in (SEED, *WEIGHTLESS):
            settings.pop(name, None)
        return json.dumps([type(step).__qualname__, settings], sort_keys=True)

    def in_steps(self, step: Any) -> Any:
        """Return a step that counts its training in optimizer steps, not in epochs."""
        return step

    def _measure(self, step: Any) -> float:
        n_steps = step_counts(step)
        single = dict.fromkeys(n_steps, 1)
        self.fit(step, single)  # warm-up: imports, caches, kernels
        # What another program delays here would be taken off the price of every step.
        n_fits = 1 if self.is_late else 2
        shortest, fitted = min((self.fit(step, single) for _ in range(n_fits)), key=itemgetter(0))
        per_step = {}
        for name in n_steps:
            per_step[name] = self._seconds_per_step(step, name, shortest)
        constant = max(0.0, shortest - sum(per_step.values()))
        trained = constant * self.scale
        for name, n in n_steps.items():
            trained += per_step[name] * n
        return float(trained + self.application_seconds(step, fitted))

    def _seconds_per_step(self, step: Any, name: str, shortest: float) -> float:
        """Time one more optimizer step of parameter `name`, doubling until it can be timed."""
        n_steps = step_counts(step)
        single = dict.fromkeys(n_steps, 1)
        started = self.clock()
        n = 2
        seconds, _ = self.fit(step, {**single, name: n})
        while n < n_steps[name]:
            of_study = seconds / n * n_steps[name] * self.n_runs
            limit = min(PROBE_SECONDS, PROBE_SHARE * of_study)
            is_few = n < FEW_STEPS and 2 * seconds < SECONDS_FOR_FEW
            if self.is_late or (not is_few and self.clock() - started >= limit):
                break
            n *= 2
            seconds, _ = self.fit(step, {**single, name: n})
        return max(0.0, (seconds - shortest) / (n - 1))


class ImageProbe(Probe):
    """Probes classifiers and generators on a stratified sample of the training images."""

    def __init__(self, study: Study, clock: Clock) -> None:
        super().__init__(study, clock)
        split = study.splits[0]
        rows = stratified_sample(split.train, study.images)
        self.scale = len(split.train) / len(rows)
        self.train = study.images.subset(rows)
        validation_rows = stratified_sample(
            split.validation, study.images, most=MOST_VALIDATION, per_class=1
        )
        self.validation = study.images.subset(validation_rows)
        self.n_validation = len(split.validation)
        self.counts = study.images.subset(split.train).counts

    def in_steps(self, step: Any) -> Any:
        """See `Probe`: the schedules of GANs inside the step are written in steps."""
        if isinstance(step, GANOversampler):
            return step.counted_in_steps(self.counts.tolist())
        counted = clone(step)
        for name, value in step.get_params(deep=True).items():
            if isinstance(value, GANOversampler):
                counted.set_params(**{name: value.counted_in_steps(self.counts.tolist())})
        return counted

    def fit(self, step: Any, n_steps: dict[str, int]) -> tuple[float, Any]:
        """See `Probe`."""
        copy = clone(step).set_params(**n_steps)
        fit = copy.fit if hasattr(copy, "fit") else copy.fit_resample
        start = self.clock()
        validation = (self.validation.images, self.validation.labels)
        with unchecked_diversity():
            fit(self.train.images, self.train.labels, validation=validation, workspace=None)
        return self.clock() - start, copy

    def application_seconds(self, step: Any, fitted: Any) -> float:
        """Estimate predicting, while training and at the end, and generating all images."""
        seconds = 0.0
        if hasattr(fitted, "predict_proba"):
            start = self.clock()
            fitted.predict_proba(self.validation.images)
            per_image = (self.clock() - start) / len(self.validation)
            n_evaluations = step.n_steps // getattr(step, "evaluate_every", step.n_steps)
            n_images = n_evaluations * self.n_validation
            n_weights = 1 + hasattr(fitted, "predict_proba_other")  # both are applied in the end
            n_images += n_weights * (self.n_validation + self.n_test)
            seconds += per_image * n_images
        n_wanted = getattr(fitted, "sampling_strategy_", {})  # label -> images to generate
        if n_wanted and hasattr(fitted, "generate"):
            start = self.clock()
            fitted.generate(np.full(PROBED_IMAGES, next(iter(n_wanted))))
            per_image = (self.clock() - start) / PROBED_IMAGES
            seconds += per_image * sum(n_wanted.values()) * self.scale
        return float(seconds)


class VolumeProbe(Probe):
    """Probes segmenters on all training volumes."""

    def __init__(self, study: Study, clock: Clock) -> None:
        super().__init__(study, clock)
        split = study.splits[0]
        self.train = study.volumes.subset(split.train)
        self.validation = study.volumes.subset(split.validation)

    def fit(self, step: Any, n_steps: dict[str, int]) -> tuple[float, Any]:
        """See `Probe`."""
        copy = clone(step).set_params(**n_steps)
        start = self.clock()
        copy.fit(self.train, validation=self.validation, workspace=None)
        return self.clock() - start, copy

    def application_seconds(self, step: Any, fitted: Any) -> float:
        """Estimate segmenting the test volumes from one; evaluations are left out."""
        arrays = self.validation.arrays(0)
        start = self.clock()
        fitted.predict(arrays.images, arrays.mask)
        return (self.clock() - start) * self.n_test


def step_counts(step: Any) -> dict[str, int]:
    """Return the optimizer steps of everything that trains inside a step, by parameter name."""
    counts = {}
    for name, value in step.get_params(deep=True).items():
        if name.split("__")[-1] == STEPS:
            counts[name] = int(value)
    return counts


def stratified_sample(
    rows: Rows,
    dataset: ImageDataset,
    *,
    most: int = MOST_IMAGES,
    per_class: int = LEAST_PER_CLASS,
) -> Rows:
    """Return about `most` of the rows, in proportion but at least `per_class` of each class."""
    labels = dataset.labels[rows]
    share = most / len(rows)
    samples = []
    for label in np.unique(labels):
        of_class = rows[labels == label]
        samples.append(of_class[: max(per_class, int(share * len(of_class)))])
    return np.sort(np.concatenate(samples))
