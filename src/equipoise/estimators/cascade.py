"""`CascadeSegmenter`: one network finds the tumor, another tells its parts apart."""

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, clone
from sklearn.utils.validation import check_is_fitted

from equipoise.atomic import atomic_folder
from equipoise.data.volume_dataset import Arrays, VolumeDataset
from equipoise.estimators.patches.frequencies import Frequencies
from equipoise.estimators.segmenter import Segmenter
from equipoise.exceptions import DataError, SettingError
from equipoise.metrics.segmentation import dice, overlap
from equipoise.training.loop import History
from equipoise.training.persistence import load_fitted, save_fitted

HEALTHY, TUMOR = 0, 1  # classes of the network that finds the tumor
THETAS = tuple(round(0.05 * i, 2) for i in range(1, 20))
UNDECIDED = 0.5  # where nothing can tune it, and what equally good ones should be near to


def tune_theta(detect: Segmenter, held: VolumeDataset) -> dict[float, float]:
    """Give for each theta the mean Dice of the whole tumor over held-out cases of the classes healthy and tumor."""
    cases = [_whole_tumor(detect, held.arrays(row)) for row in range(len(held))]
    return dict(zip(THETAS, np.mean(cases, axis=0).tolist(), strict=True))


def best_theta(tuning: Mapping[float, float]) -> float:
    """Pick the theta with the best Dice, of equal ones that nearest to 0.5, which is also what nothing gives."""
    return max(
        tuning, key=lambda theta: (tuning[theta], -abs(theta - UNDECIDED)), default=UNDECIDED
    )


def _whole_tumor(detect: Segmenter, case: Arrays) -> list[float]:
    chance, truth = detect.probabilities(case.images, case.mask)[TUMOR], case.codes == TUMOR
    found = [overlap(truth=truth, prediction=case.mask & (chance >= theta)) for theta in THETAS]
    return [float(dice(**counts)) for counts in found]


DETECT, DIVIDE = "detect", "divide"  # stages, and folders of a saved cascade
KIND = "cascade"
FIRST, SECOND = "Healthy against tumor", "Parts of the tumor"  # in sentences


class CascadeSegmenter(BaseEstimator):
    """Two segmenters: healthy against tumor everywhere, then the parts of the tumor inside it.

    P(healthy) = 1 - p1 and P(part) = p1 P2(part); a voxel is healthy where p1 < theta, else the likeliest part.

    Args:
        detect: Segmenter of the first stage. It learns from healthy tissue and all tumor classes as one.
        divide: Segmenter of the second stage. It learns from patches around tumor voxels; healthy pixels in them
            have no class and add nothing to the loss, so what it says of healthy tissue means nothing.
        theta: Chance of tumor from which on a voxel is one, 0 to 1; None tunes it on the validation cases.
        device: "auto", "cpu", "cuda", "cuda:1", "mps"; of both stages, whatever theirs is.
        seed: Seed of both stages, whatever theirs is.

    Attributes:
        detect_: Fitted first stage, of the classes healthy and tumor.
        divide_: Fitted second stage, of the tumor classes.
        theta_: The threshold in use.
        tuning_: theta -> mean Dice of the whole tumor over the validation cases; empty where nothing was tuned.
        tau_: How much of the prior correction the first stage uses, which decides what is tumor at all.
        histories_: What the stages recorded, by name of the stage.
        frequencies_: Classes drawn against those asked for, by name of the stage.
        notes_: Sentences about what went wrong in the training; usually none.
        seconds_: Duration of both trainings and of the tuning of theta.
        class_names_: Names of the k classes.
        modalities_: Names of the c channels that scans must have, in that order.
        regions_: Name -> classes of the regions.

    Source: methods 6.7 (future work of paper S3), without its optional rim around the tumor with a class "other".
    """

    def __init__(
        self,
        *,
        detect: Segmenter,
        divide: Segmenter,
        theta: float | None = None,
        device: str = "auto",
        seed: int = 0,
    ) -> None:
        self.detect = detect
        self.divide = divide
        self.theta = theta
        self.device = device
        self.seed = seed

    def fit(
        self,
        train: VolumeDataset,
        *,
        validation: VolumeDataset | None = None,
        workspace: Path | None = None,
    ) -> Self:
        """Fit both stages; one that was killed goes on, to the same weights.

        Args:
            train: Cases to learn from.
            validation: Cases of other patients, which choose weights and theta. Without them theta is 0.5.
            workspace: Folder of the checkpoints of both stages; None keeps none.

        Raises:
            DataError: Fewer than two classes of tumor, no voxel of any, validation cases of other classes, or
                what a stage refuses.
            SettingError: theta is out of range, or what a stage refuses.
            DivergedError: The loss of a stage became NaN or infinite.
        """
        self.check_settings()
        held = validation or None  # no case at all is as good as none
        _check_classes(train, held)
        self.class_names_, self.modalities_ = train.class_names, train.modalities
        self.regions_ = dict(train.regions)
        tumor = {"healthy": (0,), "tumor": tuple(range(1, train.k))}
        parts = {name: (code,) for code, name in enumerate(train.class_names) if code}
        self.detect_, self.divide_ = (
            self._stage(stage).fit(
                train.merged(view), validation=held and held.merged(view), workspace=workspace
            )
            for stage, view in ((self.detect, tumor), (self.divide, parts))
        )
        started = time.perf_counter()
        self.tuning_ = (
            tune_theta(self.detect_, held.merged(tumor)) if held and self.theta is None else {}
        )
        self.theta_ = best_theta(self.tuning_) if self.theta is None else float(self.theta)
        self.seconds_ = (
            self.detect_.seconds_ + self.divide_.seconds_ + time.perf_counter() - started
        )
        return self

    def probabilities(self, images: NDArray[Any], mask: NDArray[np.bool_]) -> NDArray[np.float32]:
        """Give (k, z, y, x) probabilities of images (c, z, y, x); they sum to 1, outside the mask class 0 has all.

        Raises:
            NotFittedError: `fit` has not been called.
            DataError: What a stage refuses.
        """
        check_is_fitted(self, "theta_")
        tumor = self.detect_.probabilities(images, mask)[TUMOR]
        parts = self.divide_.probabilities(images, mask)
        return np.concatenate([1 - tumor[None], tumor * parts])

    def predict(self, images: NDArray[Any], mask: NDArray[np.bool_]) -> NDArray[np.uint8]:
        """Give (z, y, x) codes: 0 where the chance of tumor is below theta and outside the mask, else the part.

        Raises:
            NotFittedError: `fit` has not been called.
            DataError: What a stage refuses.
        """
        check_is_fitted(self, "theta_")
        found = mask & (self.detect_.probabilities(images, mask)[TUMOR] >= self.theta_)
        shown = mask & found.any(
            axis=(1, 2), keepdims=True
        )  # whole slices: windows lie as in `probabilities`
        codes = np.zeros(mask.shape, dtype=np.uint8)
        for z, box, chances in self.divide_.slices(images, shown):
            codes[z, *box] = np.where(found[z][box], 1 + chances.argmax(axis=0), 0)
        return codes

    def save(self, folder: Path) -> None:
        """Write a new folder: `model.json` with what is the cascade's own, and a folder for each stage."""
        check_is_fitted(self, "theta_")
        settings = {"theta": self.theta, "device": self.device, "seed": self.seed}
        facts = {name: getattr(self, name) for name in FACTS} | {
            "tuning_": list(self.tuning_.items())
        }
        with atomic_folder(Path(folder)) as temporary:
            save_fitted(temporary, KIND, {}, {"settings": settings, "fitted": facts})
            self.detect_.save(temporary / DETECT)
            self.divide_.save(temporary / DIVIDE)

    @classmethod
    def load(cls, folder: Path, *, device: str = "auto") -> Self:
        """Read a cascade that `save` wrote and put it on a device; it segments and is not trained further.

        Raises:
            DataError: The folder holds no saved cascade.
            SettingError: The device is not there.
        """
        facts = load_fitted(folder, KIND)[1]
        detect, divide = (
            Segmenter.load(Path(folder) / name, device=device) for name in (DETECT, DIVIDE)
        )
        loaded = cls(detect=detect, divide=divide, **{**facts["settings"], "device": device})
        loaded.detect_, loaded.divide_ = detect, divide
        for name, restore in FACTS.items():
            setattr(loaded, name, restore(facts["fitted"][name]))
        return loaded

    def check_settings(self, size: int | None = None) -> None:
        """Refuse settings that cannot work, before any case is read.

        Args:
            size: Smaller side of the slices in px; any will do.

        Raises:
            SettingError: theta is out of range, or what a stage refuses.
        """
        if self.theta is not None and not 0 <= self.theta <= 1:
            raise SettingError(
                f"Expected theta as a chance from 0 to 1, or None to tune it, got {self.theta!r}."
            )
        for stage in (DETECT, DIVIDE):
            if not isinstance(segmenter := getattr(self, stage), Segmenter):
                raise SettingError(f"Expected {stage} as a Segmenter, got {segmenter!r}.")
            self._stage(segmenter).check_settings(size)

    @property
    def tau_(self) -> float:
        """How much of the prior correction the first stage uses."""
        return self.detect_.tau_

    @property
    def histories_(self) -> dict[str, History]:
        """What the stages recorded."""
        return {DETECT: self.detect_.history_, DIVIDE: self.divide_.history_}

    @property
    def frequencies_(self) -> dict[str, Frequencies]:
        """How often each class was drawn in each stage; a loaded cascade has none."""
        return {DETECT: self.detect_.frequencies_, DIVIDE: self.divide_.frequencies_}

    @property
    def notes_(self) -> tuple[str, ...]:
        """What went wrong in the training."""
        stages = ((FIRST, self.detect_), (SECOND, self.divide_))
        notes = [f"{name}: {note}" for name, stage in stages for note in stage.notes_]
        if self.theta is None and not self.tuning_:
            notes.append(
                f"No validation cases: the chance of tumor was cut at {UNDECIDED}, untuned."
            )
        return tuple(notes)

    def _stage(self, segmenter: Segmenter) -> Segmenter:
        """Copy a stage with the seed and the device of the cascade."""
        copy: Segmenter = clone(segmenter).set_params(seed=self.seed, device=self.device)
        return copy


FACTS: dict[
    str, Callable[[Any], Any]
] = {  # what `save` keeps beside settings and stages -> how it is read again
    "class_names_": tuple,
    "modalities_": tuple,
    "regions_": lambda regions: {name: tuple(codes) for name, codes in regions.items()},
    "theta_": float,
    "tuning_": lambda pairs: {float(theta): float(value) for theta, value in pairs},
    "seconds_": float,
}


def _check_classes(train: VolumeDataset, held: VolumeDataset | None) -> None:
    if train.k < 3:
        raise DataError(
            f"Expected at least 2 classes of tumor to tell apart, got {list(train.class_names)}. Use Segmenter."
        )
    if not train.counts[1:].any():
        raise DataError(
            "Expected training cases with a tumor, got none. Check label maps and split."
        )
    if held and held.class_names != train.class_names:
        raise DataError(
            f"Expected validation cases of the classes {list(train.class_names)}, got {list(held.class_names)}."
        )
