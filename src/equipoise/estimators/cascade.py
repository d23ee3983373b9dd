"""`CascadeSegmenter`: one network finds the tumor, another one its parts."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.utils.validation import check_is_fitted

from equipoise.atomic import atomic_folder
from equipoise.data.volume_dataset import VolumeDataset
from equipoise.estimators.base_segmenter import BaseSegmenter, check_same_kind
from equipoise.estimators.patches.frequencies import Frequencies
from equipoise.estimators.segmenter import Segmenter
from equipoise.exceptions import DataError, SettingError
from equipoise.metrics.segmentation import dice, overlap
from equipoise.randomness import RandomState, with_random_state
from equipoise.training.loop import History
from equipoise.training.persistence import load_fitted, save_fitted

KIND = "cascade"
DETECT, DIVIDE = "detect", "divide"  # stages, and folders of a saved cascade
TUMOR = 1  # class of the first stage; 0 is healthy
THETAS = tuple(round(0.05 * i, 2) for i in range(1, 20))
DEFAULT_THETA = 0.5  # without validation cases; of ties the theta nearest to it


class CascadeSegmenter(BaseSegmenter):
    """Two segmenters: healthy against tumor everywhere, then the parts of the tumor inside it.

    P(healthy) = 1 - p1 and P(part) = p1 P2(part), where p1 is the tumor probability of the first
    stage and P2 comes from the second; a voxel is healthy where p1 < theta, else the most probable
    part.

    Args:
        detect: Segmenter of the first stage. It is trained on healthy tissue and the union of all
            tumor classes.
        divide: Segmenter of the second stage. It is trained on patches around tumor voxels; healthy
            pixels in them have no label and no effect on the loss, so that its predictions for
            healthy tissue are meaningless.
        theta: Tumor probability from which on a voxel is tumor, 0 to 1; None tunes it on the
            validation cases.
        device: "auto", "cpu", "cuda", "cuda:1", "mps"; overrides that of both stages.
        random_state: Of both stages, in place of their own.

    Attributes:
        detect_: Fitted first stage, with the classes healthy and tumor.
        divide_: Fitted second stage, with the tumor classes.
        theta_: The threshold in use.
        tuning_: theta -> mean Dice of the whole tumor on the validation cases; empty unless tuned.
        tau_: Strength of the prior correction of the first stage, which decides what is tumor.
        histories_: Training history of each stage, by name of the stage.
        frequencies_: Observed and target class shares of the patches, by name of the stage.
        notes_: Sentences about what went wrong in the training; usually none.
        seconds_: Duration of both trainings and of the tuning of theta.
        class_names_: Names of the k classes.
        modalities_: Names of the c channels that scans must have, in that order.
        regions_: Name -> classes of the regions.

    Source: Small and Ventura (2017), future work. Ours has no class "other" around the tumor.

    Example:
        >>> from pathlib import Path
        >>> from tempfile import TemporaryDirectory
        >>> from equipoise.testing.segmenters import toy_brains
        >>> stage = Segmenter(patch_size=32, width=2, batch_size=4, n_steps=2)
        >>> cascade = CascadeSegmenter(detect=stage, divide=stage, device="cpu")
        >>> with TemporaryDirectory() as folder:
        ...     brains = toy_brains(Path(folder))
        ...     images, _, mask = brains.arrays(1)
        ...     cascade.fit(brains.subset([0])).probabilities(images, mask).shape
        (4, 3, 14, 12)

    See Also:
        Segmenter: All classes at once.
    """

    def __init__(
        self,
        *,
        detect: Segmenter,
        divide: Segmenter,
        theta: float | None = None,
        device: str = "auto",
        random_state: RandomState = 0,
    ) -> None:
        self.detect = detect
        self.divide = divide
        self.theta = theta
        self.device = device
        self.random_state = random_state

    def fit(
        self,
        train: VolumeDataset,
        *,
        validation: VolumeDataset | None = None,
        workspace: str | Path | None = None,
    ) -> Self:
        """Train both stages and tune theta; see `BaseSegmenter.fit`.

        Without validation cases theta is 0.5.

        Raises:
            DataError: Fewer than two tumor classes, no tumor voxel, validation cases of other
                classes, or data that a stage cannot work with.
            SettingError: theta is out of range, or a setting of a stage.
            DivergedError: The loss of a stage became NaN or infinite.
        """
        self._set_seed()
        self.check_settings()
        validation = validation or None  # an empty dataset is no validation set
        if train.k < 3:
            raise DataError(
                f"Expected at least 2 tumor classes, got {list(train.class_names)}. Use Segmenter."
            )
        if not train.counts[1:].any():
            raise DataError(
                "Expected training cases with a tumor, got none. Check label maps and split."
            )
        check_same_kind(train, validation)
        self._set_classes(train.class_names, train.modalities, train.regions)
        whole = {"healthy": (0,), "tumor": tuple(range(1, train.k))}
        parts = {name: (code,) for code, name in enumerate(train.class_names) if code}
        self.detect_ = self._fit_stage(self.detect, whole, train, validation, workspace)
        self.divide_ = self._fit_stage(self.divide, parts, train, validation, workspace)
        started = time.perf_counter()
        self.tuning_: dict[float, float] = {}
        if validation is not None and self.theta is None:
            self.tuning_ = tune_theta(self.detect_, validation.merged(whole))
        self.theta_ = best_theta(self.tuning_) if self.theta is None else float(self.theta)
        seconds = self.detect_.seconds_ + self.divide_.seconds_
        self.seconds_ = seconds + time.perf_counter() - started
        return self

    def probabilities(self, images: NDArray[Any], mask: NDArray[np.bool_]) -> NDArray[np.float32]:
        """Return (k, z, y, x) probabilities; see `BaseSegmenter.probabilities`."""
        check_is_fitted(self, "theta_")
        tumor = self.detect_.probabilities(images, mask)[TUMOR]
        parts = self.divide_.probabilities(images, mask)
        return np.concatenate([1 - tumor[None], tumor * parts])

    def predict(self, images: NDArray[Any], mask: NDArray[np.bool_]) -> NDArray[np.uint8]:
        """Return (z, y, x) codes: 0 where p1 < theta and outside the mask, else the best part."""
        check_is_fitted(self, "theta_")
        tumor = mask & (self.detect_.probabilities(images, mask)[TUMOR] >= self.theta_)
        # whole slices, so that windows lie as in `probabilities`
        slices_with_tumor = mask & tumor.any(axis=(1, 2), keepdims=True)
        codes = np.zeros(mask.shape, dtype=np.uint8)
        for z, box, scores in self.divide_.slices(images, slices_with_tumor):
            codes[z, *box] = np.where(tumor[z][box], 1 + scores.argmax(axis=0), 0)
        return codes

    def save(self, folder: str | Path) -> None:
        """Write a new folder: `model.json` of the cascade, and a folder for each stage."""
        check_is_fitted(self, "theta_")
        settings = self._with_seed({"theta": self.theta, "device": self.device})
        fitted = {
            "class_names_": self.class_names_,
            "modalities_": self.modalities_,
            "regions_": self.regions_,
            "theta_": self.theta_,
            "tuning_": list(self.tuning_.items()),
            "seconds_": self.seconds_,
        }
        with atomic_folder(Path(folder)) as temporary:
            save_fitted(temporary, KIND, {}, {"settings": settings, "fitted": fitted})
            self.detect_.save(temporary / DETECT)
            self.divide_.save(temporary / DIVIDE)

    @classmethod
    def load(cls, folder: str | Path, *, device: str = "auto") -> Self:
        """Read a cascade that `save` wrote; see `BaseSegmenter.load`."""
        _, stored = load_fitted(Path(folder), KIND)
        fitted = stored["fitted"]
        detect = Segmenter.load(Path(folder) / DETECT, device=device)
        divide = Segmenter.load(Path(folder) / DIVIDE, device=device)
        loaded = cls(
            detect=detect,
            divide=divide,
            **with_random_state({**stored["settings"], "device": device}),
        )
        loaded.detect_ = detect
        loaded.divide_ = divide
        loaded._set_classes(fitted["class_names_"], fitted["modalities_"], fitted["regions_"])
        loaded.theta_ = float(fitted["theta_"])
        loaded.tuning_ = {float(theta): float(score) for theta, score in fitted["tuning_"]}
        loaded.seconds_ = float(fitted["seconds_"])
        return loaded

    def check_settings(self, size: int | None = None) -> None:
        """Raise unless theta and the settings of both stages can work.

        Args:
            size: See `BaseSegmenter.check_settings`.

        Raises:
            SettingError: theta is out of range, or a setting of a stage.
        """
        if self.theta is not None and not 0 <= self.theta <= 1:
            raise SettingError(
                "Expected theta as a probability from 0 to 1, or None to tune it, got "
                f"{self.theta!r}."
            )
        for name, segmenter in ((DETECT, self.detect), (DIVIDE, self.divide)):
            if not isinstance(segmenter, Segmenter):
                raise SettingError(f"Expected {name} as a Segmenter, got {segmenter!r}.")
            self._seeded(segmenter).check_settings(size)

    @property
    def tau_(self) -> float:
        """Strength of the prior correction of the first stage."""
        return self.detect_.tau_

    @property
    def histories_(self) -> dict[str, History]:
        """Training history of each stage."""
        return {DETECT: self.detect_.history_, DIVIDE: self.divide_.history_}

    @property
    def frequencies_(self) -> dict[str, Frequencies]:
        """Class shares of the patches of each stage; a loaded cascade has none."""
        return {DETECT: self.detect_.frequencies_, DIVIDE: self.divide_.frequencies_}

    @property
    def notes_(self) -> tuple[str, ...]:
        """Sentences about what went wrong in the training."""
        notes = []
        for note in self.detect_.notes_:
            notes.append(f"Healthy against tumor: {note}")
        for note in self.divide_.notes_:
            notes.append(f"Parts of the tumor: {note}")
        if self.theta is None and not self.tuning_:
            notes.append(
                f"No validation cases: the tumor threshold is {DEFAULT_THETA}, which was not tuned."
            )
        return tuple(notes)

    def _seeded(self, segmenter: Segmenter) -> Segmenter:
        """Clone a stage with the seed and the device of the cascade."""
        copy: Segmenter = clone(segmenter).set_params(
            random_state=self._fixed_seed, device=self.device
        )
        return copy

    def _fit_stage(
        self,
        segmenter: Segmenter,
        view: Mapping[str, tuple[int, ...]],
        train: VolumeDataset,
        validation: VolumeDataset | None,
        workspace: str | Path | None,
    ) -> Segmenter:
        """Fit a stage on a view of the classes: {name: stored classes}."""
        validation_view = None if validation is None else validation.merged(view)
        stage = self._seeded(segmenter)
        return stage.fit(train.merged(view), validation=validation_view, workspace=workspace)


def tune_theta(detect: Segmenter, validation: VolumeDataset) -> dict[float, float]:
    """Return for each theta the mean Dice of the whole tumor over cases.

    Args:
        detect: A fitted first stage.
        validation: Cases of the classes healthy and tumor.
    """
    scores = np.empty((len(validation), len(THETAS)))
    for row in range(len(validation)):
        images, codes, mask = validation.arrays(row)
        probability = detect.probabilities(images, mask)[TUMOR]
        for i, theta in enumerate(THETAS):
            counts = overlap(truth=codes == TUMOR, prediction=mask & (probability >= theta))
            scores[row, i] = float(dice(**counts))
    return dict(zip(THETAS, scores.mean(axis=0).tolist(), strict=True))


def best_theta(tuning: Mapping[float, float]) -> float:
    """Return the theta with the best Dice; of ties that nearest to 0.5, which is also the default.

    Example:
        >>> best_theta({0.2: 0.7, 0.3: 0.7, 0.9: 0.6})
        0.3
    """
    return max(
        tuning,
        key=lambda theta: (tuning[theta], -abs(theta - DEFAULT_THETA)),
        default=DEFAULT_THETA,
    )
